//! A connection of our own for the dump, and for the rows of tables: it logs in, and then gives packets
//! as slices of what the socket gave.
//!
//! `mysql_async` makes every other connection. Its packets cannot be had without copies: the socket
//! and the decoder behind it are private, and each event is copied three times on the way out. So this
//! speaks as much of the protocol as a dump needs, and what [`crate::query`] adds: a login, statements
//! that answer with OK or one value, and the dump (MySQL internals, "Connection Phase", "Text Protocol",
//! "Replication Protocol"). Passwords are hashed and requests laid out by `mysql_common`, from which
//! `mysql_async` takes them too; errors are `mysql_async`'s, so that they mean the same on every
//! connection.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use mysql_async::{DriverError, Error};
use mysql_common::proto::MySerialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::cursor::Cursor;
use crate::reader::BinlogError;
use crate::server::{SESSION_WHERE_KNOWN, SourceOptions, Tls, install_tls_provider, session};

mod framer;
mod login;
mod packets;
mod rsa;
#[cfg(test)]
pub(crate) mod scripted;
mod segments;
mod tls;

pub(crate) use framer::{FrameError, Framer, Piece, image};
pub(crate) use packets::{is_end, refusal, server_error, unexpected};

use framer::{HEADER_LEN, PART_MAX};
use packets::OK;

/// Silence after which TCP itself asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A statement (MySQL internals, "COM_QUERY").
const COM_QUERY: u8 = 0x03;

#[derive(Debug)]
enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that is logged in.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    framer: Framer,
}

/// Opens a connection with the session that every connection of ours has.
///
/// # Errors
/// As [`crate::server::connect`].
pub(crate) async fn connect(options: &SourceOptions) -> Result<Wire, BinlogError> {
    install_tls_provider();
    let tls = options.tls != Tls::Disabled;
    let mut wire = match connect_within(options, tls).await {
        Err(BinlogError::Connect {
            source: Error::Driver(DriverError::NoClientSslFlagFromServer),
            ..
        }) if options.tls == Tls::Preferred => connect_within(options, false).await?,
        other => other?,
    };
    for statement in session() {
        let what = || format!("set up the session (`{statement}`)");
        wire.run(&statement).await.map_err(|source| BinlogError::Query { what: what(), source })?;
    }
    for statement in SESSION_WHERE_KNOWN {
        match wire.run(statement).await {
            // Unknown there, or not ours to set: the statement only widens a limit.
            Ok(()) | Err(Error::Server(_)) => {}
            Err(source) => return Err(BinlogError::query("set up the session")(source)),
        }
    }
    Ok(wire)
}

async fn connect_within(options: &SourceOptions, tls: bool) -> Result<Wire, BinlogError> {
    let address = options.address();
    match tokio::time::timeout(options.connect_timeout, Box::pin(open(options, tls))).await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(source)) => Err(BinlogError::Connect { address, source }),
        Err(_) => Err(BinlogError::ConnectTimeout { address, waited: options.connect_timeout }),
    }
}

async fn open(options: &SourceOptions, tls: bool) -> Result<Wire, Error> {
    let socket = TcpStream::connect((options.host.as_str(), options.port)).await?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    socket.set_nodelay(true)?;
    login::login(Wire { socket: Socket::Plain(socket), framer: Framer::new() }, options, tls).await
}

impl Wire {
    /// Waits for bytes of the socket and takes as many as are there. Cancel-safe.
    ///
    /// # Errors
    /// Those of the socket; [`io::ErrorKind::UnexpectedEof`] where the server closed it.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        let mut room = self.framer.room();
        let read = match &mut self.socket {
            Socket::Plain(socket) => socket.read_buf(&mut room).await,
            Socket::Tls(socket) => socket.read_buf(&mut room).await,
        };
        match read {
            Ok(1..) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            // A server that dies does not take its leave as TLS wants it, which is no other thing.
            Ok(0) | Err(_) => {
                let text = "the server closed the connection";
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
            }
        }
    }

    /// The next packet, where it has come whole.
    ///
    /// # Errors
    /// [`FrameError`]; the connection is of no use after one.
    #[inline]
    pub(crate) fn packet(&mut self) -> Result<Option<Bytes>, FrameError> {
        self.framer.packet()
    }

    /// The next packets that begin with `first`, or one that does not; waited for.
    ///
    /// # Errors
    /// Those of the socket. A packet that is an error is none.
    pub(crate) async fn piece(&mut self, first: u8) -> Result<Piece, Error> {
        loop {
            if let Some(piece) = self.framer.piece(first).map_err(malformed)? {
                return Ok(piece);
            }
            self.fill().await?;
        }
    }

    /// Nothing comes for a while: memory that is not in use is given back.
    pub(crate) fn rest(&mut self) {
        self.framer.rest();
    }

    /// The next packet, waited for.
    ///
    /// # Errors
    /// What it says, where it is an error; those of the socket.
    pub(crate) async fn receive(&mut self) -> Result<Bytes, Error> {
        loop {
            if let Some(packet) = self.framer.packet().map_err(malformed)? {
                return refusal(&packet).map_or(Ok(packet), Err);
            }
            self.fill().await?;
        }
    }

    async fn send(&mut self, payload: &[u8]) -> Result<(), Error> {
        let mut out = BytesMut::with_capacity(payload.len() + HEADER_LEN);
        let mut rest = payload;
        loop {
            let (part, after) = rest.split_at_checked(PART_MAX).unwrap_or((rest, &[]));
            out.put_uint_le(u64::try_from(part.len()).unwrap_or_default(), 3);
            out.put_u8(self.framer.number());
            out.put_slice(part);
            rest = after;
            // A part of full length is followed by another, which may be empty.
            if part.len() < PART_MAX {
                break;
            }
        }
        match &mut self.socket {
            Socket::Plain(socket) => socket.write_all(&out).await?,
            Socket::Tls(socket) => {
                socket.write_all(&out).await?;
                socket.flush().await?;
            }
        }
        Ok(())
    }

    /// Sends a command, laid out by `mysql_common`.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) async fn command(&mut self, command: &impl MySerialize) -> Result<(), Error> {
        let mut payload = Vec::new();
        command.serialize(&mut payload);
        self.say(&payload).await
    }

    /// Sends a command.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) async fn say(&mut self, command: &[u8]) -> Result<(), Error> {
        self.framer.begin_command();
        self.send(command).await
    }

    /// Sends a statement.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<(), Error> {
        let mut payload = vec![COM_QUERY];
        payload.extend_from_slice(sql.as_bytes());
        self.say(&payload).await
    }

    /// Takes the answer to a command that has no rows.
    ///
    /// # Errors
    /// The server's, or those of the socket.
    pub(crate) async fn done(&mut self) -> Result<(), Error> {
        let answer = self.receive().await?;
        if answer.first() == Some(&OK) { Ok(()) } else { Err(unexpected(&answer)) }
    }

    /// Runs a statement that has no rows.
    ///
    /// # Errors
    /// The server's, or those of the socket.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), Error> {
        self.query(sql).await?;
        self.done().await
    }

    /// The one value of one row; `None` for NULL, and where there is no row.
    ///
    /// # Errors
    /// The server's, or those of the socket; an answer of another form.
    pub(crate) async fn value(&mut self, sql: &str) -> Result<Option<String>, Error> {
        const ONE_COLUMN: &[u8] = &[1];
        self.query(sql).await?;
        let columns = self.receive().await?;
        if columns != ONE_COLUMN {
            return Err(unexpected(&columns));
        }
        let _column = self.receive().await?;
        let end = self.receive().await?;
        if !is_end(&end) {
            return Err(unexpected(&end));
        }
        let mut value = None;
        loop {
            let row = self.receive().await?;
            if is_end(&row) {
                return Ok(value);
            }
            let text = Cursor::new(&row).lenenc_bytes();
            value = text.map(|text| String::from_utf8_lossy(text).into_owned());
        }
    }
}

fn malformed(error: FrameError) -> Error {
    match error {
        FrameError::OutOfOrder { .. } => DriverError::PacketOutOfOrder.into(),
        FrameError::TooLarge { .. } => DriverError::PacketTooLarge.into(),
    }
}

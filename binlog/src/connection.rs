//! The dump connection: from its packets to events.
//!
//! [`wire`] cuts the socket's bytes into packets; here they become events, verified: the length and
//! the checksum of each, and that the events inside a compressed transaction add up to the size that
//! it declares. The events' bytes are slices of what was read from the socket. Whoever keeps one for
//! long copies it, for it holds its whole segment ([`crate::wire`]).

use std::fmt;
use std::time::Duration;

use bytes::{Buf, Bytes};
use model::{BinlogFile, BinlogPosition, Gtids};
use tokio::time::Instant;

use crate::event::{Event, FormatDescription, kind};
use crate::packet::{Checksum, RawEvent};
use crate::reader::BinlogError;
use crate::server::{Server, SourceOptions};
use crate::wire::{self, FrameError, Wire, is_end, server_error};

mod request;
mod unpack;

use unpack::Unpacking;

/// A connection on which nothing came for so many heartbeats is dead, whatever TCP says.
const HEARTBEATS_MISSED: u32 = 5;
/// And at least for so long: a busy server is late now and then.
const SILENCE_MIN: Duration = Duration::from_secs(10);

/// Where a dump begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// After these transactions, wherever they lie. Not [`Gtids::None`].
    Gtids(Gtids),
    /// At an event's start. The protocol has 32 bits for the offset; beyond them, the dump begins
    /// at the head of the file and the events before the offset come too.
    At(BinlogPosition),
    /// At the head of a file.
    Head(BinlogFile),
    /// At the head of the oldest file.
    Oldest,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gtids(gtids) => gtids.fmt(f),
            Self::At(place) => place.fmt(f),
            Self::Head(file) => write!(f, "the head of {file}"),
            Self::Oldest => f.write_str("the oldest file"),
        }
    }
}

/// An event as it came.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) raw: RawEvent,
    /// It lay in a compressed transaction: it has no place in the file of its own.
    pub(crate) inner: bool,
}

/// What an answer of the dump means, short of an event.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The server refused, with its words.
    Refused(mysql_async::ServerError),
    /// The connection is gone or silent: nothing is wrong with the bytes.
    Lost(String),
    Silent(Duration),
    /// The bytes are no events.
    Malformed(String),
    Decode(crate::DecodeError),
}

/// An open dump.
#[derive(Debug)]
pub(crate) struct Dump {
    wire: Wire,
    /// Of the file that is being sent; none before its format description has come.
    checksum: Checksum,
    /// The compressed transaction whose events come next.
    unpacking: Option<Unpacking>,
    /// The server has sent all that it wanted to.
    ended: bool,
    silence: Duration,
    /// Since when a caller waits for bytes. Kept when that wait is cancelled, so that frequent
    /// cancelling cannot hide a dead connection.
    waiting_since: Option<Instant>,
}

impl Dump {
    /// Connects, and asks for a dump from `start`. The server answers a wrong start only with the
    /// first event.
    ///
    /// # Errors
    /// As [`crate::server::connect`]; [`BinlogError::Stream`] where the connection reached another
    /// server than `server`, which was asked what it has.
    pub(crate) async fn open(
        options: &SourceOptions,
        server: &Server,
        start: &Start,
        blocking: Blocking,
    ) -> Result<Self, BinlogError> {
        let mut wire = Box::pin(wire::connect(options)).await?;
        let identity = wire.value(server.identity_query()).await;
        let identity = identity.map_err(BinlogError::query("ask the server who it is"))?;
        let identity = identity.unwrap_or_default();
        if !identity.eq_ignore_ascii_case(&server.identity) {
            let what = format!(
                "{} led to the server {} and then to {identity}",
                options.address(),
                server.identity
            );
            return Err(BinlogError::Stream { at: start.to_string(), what });
        }
        request::send(&mut wire, options, server, start, blocking).await?;
        Ok(Self {
            wire,
            checksum: Checksum::None,
            unpacking: None,
            ended: false,
            silence: SILENCE_MIN.max(options.heartbeat.saturating_mul(HEARTBEATS_MISSED)),
            waiting_since: None,
        })
    }

    /// The next event; `None` at the end of a dump that stops there. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Incoming>, Broken> {
        loop {
            if let Some(event) = self.buffered()? {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            self.wait().await?;
        }
    }

    /// The next event, where it has come whole.
    pub(crate) fn buffered(&mut self) -> Result<Option<Incoming>, Broken> {
        if let Some(unpacking) = &mut self.unpacking {
            if let Some(raw) = unpacking.next()? {
                return Ok(Some(Incoming { raw, inner: true }));
            }
            self.unpacking = None;
        }
        match self.wire.packet()? {
            Some(packet) => self.take(packet),
            None => Ok(None),
        }
    }

    /// Waits for more bytes. Any are a sign of life.
    async fn wait(&mut self) -> Result<(), Broken> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let filled = tokio::time::timeout_at(since + self.silence, self.wire.fill()).await;
        self.waiting_since = None;
        match filled {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Broken::Lost(error.to_string())),
            Err(_) => Err(Broken::Silent(self.silence)),
        }
    }

    /// What a packet says (MySQL internals, "Binlog Network Stream"); `None` for the end.
    fn take(&mut self, mut packet: Bytes) -> Result<Option<Incoming>, Broken> {
        const EVENT: u8 = 0x00;
        const ERROR: u8 = 0xff;
        match packet.first() {
            Some(&EVENT) => {
                packet.advance(1);
                let raw = RawEvent::parse(packet, self.checksum)?;
                self.look(&raw)?;
                Ok(Some(Incoming { raw, inner: false }))
            }
            Some(&ERROR) => Err(Broken::Refused(server_error(&packet))),
            _ if is_end(&packet) => {
                self.ended = true;
                Ok(None)
            }
            first => {
                let length = packet.len();
                let text = format!("a packet of {length} bytes that begins with {first:?}");
                Err(Broken::Malformed(text))
            }
        }
    }

    /// Keeps what an event says about those after it.
    #[inline]
    fn look(&mut self, raw: &RawEvent) -> Result<(), Broken> {
        // The layout of these two does not depend on the format description.
        let decode = || Event::decode(raw, &FormatDescription::initial(crate::Flavor::MySql));
        match raw.header.event_type {
            kind::FORMAT_DESCRIPTION => {
                if let Event::FormatDescription(format) = decode()? {
                    self.checksum = format.checksum;
                }
            }
            kind::TRANSACTION_PAYLOAD => {
                if let Event::TransactionPayload(payload) = decode()? {
                    self.unpacking = Some(Unpacking::begin(&payload)?);
                }
            }
            // The server had nothing to send for a while.
            kind::HEARTBEAT | kind::HEARTBEAT_V2 => self.wire.rest(),
            _ => {}
        }
        Ok(())
    }
}

impl From<FrameError> for Broken {
    fn from(error: FrameError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<crate::DecodeError> for Broken {
    fn from(error: crate::DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// What the server does at the end of its binlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocking {
    WaitForMore,
    StopAtEnd,
}

/// What a short look into the binlog found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probed {
    /// When the file was begun, seconds since the epoch.
    pub(crate) begun: u32,
}

/// Opens a dump at `start`, reads as far as the first real event, and closes it again. Does not
/// disturb a dump that runs under the job's own server id.
pub(crate) async fn probe(
    options: &SourceOptions,
    server: &Server,
    start: Start,
) -> Result<Probed, BinlogError> {
    let mut dump = Dump::open(options, server, &start, Blocking::StopAtEnd).await?;
    loop {
        match dump.next().await {
            Ok(Some(event)) if event.raw.header.event_type == kind::FORMAT_DESCRIPTION => {
                return Ok(Probed { begun: event.raw.header.timestamp });
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(BinlogError::Answer {
                    what: "the binlog dump ended before its first event",
                    answer: start.to_string(),
                });
            }
            Err(broken) => return Err(broken.into_error(&start.to_string())),
        }
    }
}

/// True where a transaction without a GTID lies between `from` and the head of file `to`. Does not
/// disturb a dump that runs.
pub(crate) async fn has_anonymous(
    options: &SourceOptions,
    server: &Server,
    from: &BinlogPosition,
    to: &BinlogFile,
) -> Result<bool, BinlogError> {
    let start = Start::At(from.clone());
    let mut dump = Dump::open(options, server, &start, Blocking::StopAtEnd).await?;
    let format = FormatDescription::initial(server.flavor);
    loop {
        let raw = match dump.next().await {
            Ok(Some(event)) => event.raw,
            Ok(None) => return Ok(false),
            Err(broken) if broken.is_anonymous() => return Ok(true),
            Err(broken) => return Err(broken.into_error(&from.to_string())),
        };
        match raw.header.event_type {
            kind::ANONYMOUS_GTID => return Ok(true),
            kind::ROTATE => {
                let at = from.to_string();
                let event = Event::decode(&raw, &format);
                let event = event.map_err(|source| BinlogError::Decode { at, source })?;
                if matches!(event, Event::Rotate(rotate) if rotate.file >= *to) {
                    return Ok(false);
                }
            }
            _ => {}
        }
    }
}

impl Broken {
    /// True where the server ended the dump for another one with our id: connecting again would
    /// end that one's in turn (error 1236, or 4052 on MariaDB).
    pub(crate) fn is_same_server_id(&self) -> bool {
        matches!(self, Self::Refused(e) if e.message.contains("same server_uuid/server_id"))
    }

    /// The GTID that we asked to go on from, where MariaDB's log has a later number of its domain and
    /// not that one (`sql_repl.cc`, with `@slave_gtid_strict_mode`).
    pub(crate) fn missing_gtid(&self) -> Option<&str> {
        let Self::Refused(e) = self else { return None };
        let (_, rest) = e.message.split_once("is missing the GTID ")?;
        rest.split_whitespace().next()
    }

    /// True where the server met a transaction without a GTID, which it does not send while
    /// `gtid_mode` is ON.
    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self, Self::Refused(e) if e.message.contains("anonymous transaction"))
    }

    /// As the error of a stream that stood at `at`.
    pub(crate) fn into_error(self, at: &str) -> BinlogError {
        let at = at.to_owned();
        if self.is_anonymous() {
            return BinlogError::Anonymous { position: at };
        }
        match self {
            Self::Refused(refused) => BinlogError::Query {
                what: format!("read the binlog from {at}"),
                source: mysql_async::Error::Server(refused),
            },
            Self::Lost(what) | Self::Malformed(what) => BinlogError::Stream { at, what },
            Self::Silent(silent) => BinlogError::Silent { at, silent },
            Self::Decode(source) => BinlogError::Decode { at, source },
        }
    }
}

#[cfg(test)]
mod tests;

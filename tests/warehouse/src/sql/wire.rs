//! Packets of the MySQL protocol, as a server sends and takes them.

use std::io;

use bytes::{BufMut as _, BytesMut};
use mysql_common::constants::UTF8MB4_GENERAL_CI;
use mysql_common::io::BufMutExt as _;
use mysql_common::packets::{ErrPacket, ServerError, SqlState};
use mysql_common::proto::MySerialize;
use mysql_common::proto::codec::PacketCodec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ddl::SqlError;

use super::answer::{Answer, Encoding, Field, Rows};

/// Bytes of one packet.
const PACKET_MAX: usize = 64 << 20;
/// Bytes that are gathered before they are sent.
const FLUSH_AT: usize = 1 << 20;
/// `SERVER_STATUS_AUTOCOMMIT`.
const STATUS: u16 = 2;
/// Shown to clients that ask for the width of a column.
const WIDTH: u32 = 1_024;
const OK: u8 = 0x00;
const EOF: u8 = 0xFE;

/// A connection, with what is not sent yet.
pub(super) struct Wire {
    stream: TcpStream,
    codec: PacketCodec,
    received: BytesMut,
    unsent: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        let mut codec = PacketCodec::default();
        codec.max_allowed_packet = PACKET_MAX;
        Self { stream, codec, received: BytesMut::new(), unsent: BytesMut::new() }
    }

    /// The next packet, or `None` where the client has gone.
    pub(super) async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut packet = Vec::new();
        loop {
            let decoded = self.codec.decode(&mut self.received, &mut packet);
            if decoded.map_err(io::Error::other)? {
                return Ok(Some(packet));
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// A command begins a sequence of its own.
    pub(super) fn begin_command(&mut self) {
        self.codec.reset_seq_id();
    }

    pub(super) fn put(&mut self, packet: &[u8]) -> io::Result<()> {
        let mut packet = packet;
        self.codec.encode(&mut packet, &mut self.unsent).map_err(io::Error::other)
    }

    pub(super) fn put_serialized(&mut self, packet: &impl MySerialize) -> io::Result<()> {
        let mut bytes = Vec::new();
        packet.serialize(&mut bytes);
        self.put(&bytes)
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.unsent).await?;
        self.unsent.clear();
        self.stream.flush().await
    }

    pub(super) fn put_ok(&mut self) -> io::Result<()> {
        let mut packet = vec![OK];
        packet.put_lenenc_int(0);
        packet.put_lenenc_int(0);
        packet.put_u16_le(STATUS);
        packet.put_u16_le(0);
        self.put(&packet)
    }

    pub(super) fn put_error(&mut self, error: &SqlError) -> io::Result<()> {
        let mut state = *b"HY000";
        for (place, byte) in state.iter_mut().zip(error.state.bytes()) {
            *place = byte;
        }
        let message = error.message.as_bytes();
        let error = ServerError::new(error.code, Some(SqlState::new(state)), message);
        self.put_serialized(&ErrPacket::Error(error))
    }

    /// What a statement came to, in the form that the command asks for.
    pub(super) async fn put_answer(
        &mut self,
        answer: &Result<Answer, SqlError>,
        encoding: Encoding,
    ) -> io::Result<()> {
        match answer {
            Err(error) => self.put_error(error),
            Ok(Answer::Done) => self.put_ok(),
            Ok(Answer::Rows(rows)) => self.put_rows(rows, encoding).await,
        }
    }

    async fn put_rows(&mut self, rows: &Rows, encoding: Encoding) -> io::Result<()> {
        let mut count = Vec::new();
        count.put_lenenc_int(rows.fields.len() as u64);
        self.put(&count)?;
        self.put_fields(&rows.fields)?;
        for row in &rows.rows {
            self.put(&encoding.row(&rows.fields, row))?;
            if self.unsent.len() > FLUSH_AT {
                self.flush().await?;
            }
        }
        self.put_eof()
    }

    pub(super) fn put_fields(&mut self, fields: &[Field]) -> io::Result<()> {
        for field in fields {
            let mut packet = Vec::new();
            for text in ["def", "", "", "", &field.name, ""] {
                packet.put_lenenc_str(text.as_bytes());
            }
            packet.put_lenenc_int(12);
            packet.put_u16_le(UTF8MB4_GENERAL_CI);
            packet.put_u32_le(WIDTH);
            packet.put_u8(field.column_type() as u8);
            packet.put_u16_le(0);
            packet.put_u8(field.decimals());
            packet.put_u16_le(0);
            self.put(&packet)?;
        }
        self.put_eof()
    }

    pub(super) fn put_eof(&mut self) -> io::Result<()> {
        let mut packet = vec![EOF];
        packet.put_u16_le(0);
        packet.put_u16_le(STATUS);
        self.put(&packet)
    }
}

//! Compressed transactions (`binlog_transaction_compression`, MySQL 8.0.20 and up).

use std::io::{self, Read};

use bytes::{Buf, Bytes, BytesMut};

use crate::cursor::{Cursor, Fields};
use crate::error::DecodeError;
use crate::packet::{Checksum, EventHeader, HEADER_LEN, RawEvent};

const EVENT: &str = "transaction payload";
/// Bytes unpacked at once, whatever length an event claims.
const STEP: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Zstd,
    None,
}

/// The events of one transaction, packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionPayload {
    pub compression: Compression,
    /// As the event claims; nothing vouches for it.
    pub uncompressed_size: u64,
    payload: Bytes,
}

impl TransactionPayload {
    /// Fields of a number, a length and a value each; fields not known are passed over (MySQL
    /// source, `codecs/binary.cpp`).
    pub(super) fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        const END: u64 = 0;
        const PAYLOAD_SIZE: u64 = 1;
        const COMPRESSION: u64 = 2;
        const UNCOMPRESSED_SIZE: u64 = 3;
        const ZSTD: u64 = 0;
        const NONE: u64 = 255;
        let mut fields = Fields::new(EVENT, body);
        let (mut size, mut compression, mut uncompressed_size) = (None, None, None);
        loop {
            let field = fields.read("field number", Cursor::lenenc)?;
            if field == END {
                break;
            }
            let mut value = Cursor::new(fields.read("field", Cursor::lenenc_bytes)?);
            match field {
                PAYLOAD_SIZE => size = value.lenenc(),
                COMPRESSION => compression = value.lenenc(),
                UNCOMPRESSED_SIZE => uncompressed_size = value.lenenc(),
                _ => {}
            }
        }
        let payload = body.slice(fields.at()..);
        let size = size.and_then(|s| usize::try_from(s).ok());
        if size != Some(payload.len()) {
            return Err(fields.malformed(format!("its payload is {} bytes", payload.len())));
        }
        let compression = match compression {
            Some(ZSTD) => Compression::Zstd,
            Some(NONE) => Compression::None,
            other => return Err(fields.malformed(format!("unknown compression {other:?}"))),
        };
        Ok(Self { compression, uncompressed_size: uncompressed_size.unwrap_or(0), payload })
    }

    /// Unpacks the events one by one, at most `max_bytes` of them all together. They have no
    /// checksum of their own and `log_pos` 0.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] where the unpacking cannot begin.
    pub fn events(&self, max_bytes: u64) -> Result<PayloadEvents, DecodeError> {
        let source = self.payload.clone().reader();
        let reader: Box<dyn Read + Send> = match self.compression {
            Compression::None => Box::new(source),
            Compression::Zstd => Box::new(
                zstd::stream::read::Decoder::with_buffer(source)
                    .map_err(|error| DecodeError::malformed(EVENT, error.to_string()))?,
            ),
        };
        // One byte more than allowed, so that reaching the limit and passing it differ.
        let reader = reader.take(max_bytes.saturating_add(1));
        Ok(PayloadEvents { reader, unpacked: BytesMut::new(), limit: max_bytes, failed: false })
    }
}

/// The events of a compressed transaction, unpacked as they are asked for. After an error there is
/// nothing more.
pub struct PayloadEvents {
    reader: io::Take<Box<dyn Read + Send>>,
    /// Unpacked and not handed out. Events are slices of it.
    unpacked: BytesMut,
    limit: u64,
    failed: bool,
}

impl std::fmt::Debug for PayloadEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayloadEvents").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl PayloadEvents {
    /// Unpacks until there are `n` bytes, with room only for what comes. False where they end before.
    fn has(&mut self, n: usize) -> Result<bool, DecodeError> {
        while self.unpacked.len() < n {
            let held = self.unpacked.len();
            self.unpacked.resize(held + STEP, 0);
            let room = self.unpacked.get_mut(held..).unwrap_or_default();
            let got = self.reader.read(room);
            self.unpacked.truncate(held + got.as_ref().copied().unwrap_or_default());
            if self.reader.limit() == 0 {
                return Err(DecodeError::TooLarge { event: EVENT, limit: self.limit });
            }
            match got {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DecodeError::malformed(EVENT, error.to_string())),
            }
        }
        Ok(true)
    }

    fn read_event(&mut self) -> Result<Option<RawEvent>, DecodeError> {
        let whole_head = self.has(HEADER_LEN)?;
        if self.unpacked.is_empty() {
            return Ok(None);
        }
        let size = EventHeader::size_in(&self.unpacked).filter(|_| whole_head);
        let declared = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(HEADER_LEN);
        if !whole_head || declared < HEADER_LEN || !self.has(declared)? {
            return Err(DecodeError::Length { declared, actual: self.unpacked.len() });
        }
        RawEvent::parse(self.unpacked.split_to(declared).freeze(), Checksum::None).map(Some)
    }
}

impl Iterator for PayloadEvents {
    type Item = Result<RawEvent, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = self.read_event().transpose();
        self.failed = matches!(event, Some(Err(_)));
        event
    }
}

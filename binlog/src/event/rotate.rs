//! Where the stream is: rotations and heartbeats.

use model::BinlogFile;

use crate::cursor::{Cursor, Fields};
use crate::error::DecodeError;
use crate::packet::{CHECKSUM_LEN, RawEvent};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotate {
    pub file: BinlogFile,
    pub offset: u64,
}

impl Rotate {
    /// The rotation that opens a stream comes before any format description, so nothing has said
    /// yet whether its last four bytes are a checksum: they are where they are the right one, or
    /// where no file name ends in them.
    pub(super) fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("rotate", &raw.body);
        let offset = fields.u64("offset")?;
        let name = fields.rest();
        let whole = || parse_name(name);
        let cut = || {
            let (head, crc) = name.split_last_chunk::<CHECKSUM_LEN>()?;
            let (body, _) = raw.body.split_last_chunk::<CHECKSUM_LEN>()?;
            Some((parse_name(head)?, raw.header.checksum(body) == u32::from_le_bytes(*crc)))
        };
        let file = match cut() {
            Some((file, true)) => Some(file),
            Some((file, false)) => whole().or(Some(file)),
            None => whole(),
        };
        let file = file.ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            fields.malformed(format!("`{name}` is not a binlog file name"))
        })?;
        Ok(Self { file, offset })
    }
}

fn parse_name(bytes: &[u8]) -> Option<BinlogFile> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    pub file: String,
    /// Modulo 4 GiB in an old-style heartbeat (type 27), exact in a new one (41).
    pub offset: u64,
}

impl Heartbeat {
    pub(super) fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("heartbeat", &raw.body);
        let file = fields.text(raw.body.len(), "file name")?.to_owned();
        Ok(Self { file, offset: u64::from(raw.header.log_pos) })
    }

    /// Fields of a type, a length and a value each (MySQL source, `codecs/binary.cpp`).
    pub(super) fn decode_v2(body: &[u8]) -> Result<Self, DecodeError> {
        const END: u64 = 0;
        const FILE: u64 = 1;
        const OFFSET: u64 = 2;
        let mut fields = Fields::new("heartbeat", body);
        let (mut file, mut offset) = (None, None);
        while !fields.is_empty() {
            let field = fields.read("field type", Cursor::lenenc)?;
            if field == END {
                break;
            }
            let value = fields.read("field", Cursor::lenenc_bytes)?;
            match field {
                FILE => {
                    let name = std::str::from_utf8(value)
                        .map_err(|_| fields.malformed("its file name is not UTF-8"))?;
                    file = Some(name.to_owned());
                }
                OFFSET => offset = Cursor::new(value).lenenc(),
                _ => {}
            }
        }
        match (file, offset) {
            (Some(file), Some(offset)) => Ok(Self { file, offset }),
            _ => Err(fields.malformed("it lacks its file name or its offset")),
        }
    }
}

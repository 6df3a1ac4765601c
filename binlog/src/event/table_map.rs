//! Table maps: the shape of the rows that follow.

use std::sync::Arc;

use bytes::Bytes;

use super::format::FormatDescription;
use crate::RawEvent;
use crate::cursor::{Cursor, Fields};
use crate::error::DecodeError;
use crate::event::kind;

mod metadata;

pub use metadata::{Members, Metadata};

const EVENT: &str = "table map";

/// A column's type in the binlog, with what is needed to find where its value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireType {
    /// 1, 2, 3, 4 or 8 bytes. Signedness is not told here.
    Int {
        bytes: u8,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Bit {
        bits: u8,
    },
    Year,
    Date,
    Time {
        fsp: u8,
    },
    DateTime {
        fsp: u8,
    },
    Timestamp {
        fsp: u8,
    },
    /// The forms before MySQL 5.6.4, without a fraction; so written for columns that were created
    /// then and never rebuilt.
    OldTime,
    OldDateTime,
    OldTimestamp,
    /// VARCHAR and VARBINARY, at most `bytes` long.
    VarChar {
        bytes: u16,
    },
    /// CHAR and BINARY (and MariaDB's UUID, INET4, INET6), at most `bytes` long.
    Char {
        bytes: u16,
    },
    /// TEXT and BLOB; the length takes `len_bytes`. The same for those below.
    Blob {
        len_bytes: u8,
    },
    Json {
        len_bytes: u8,
    },
    Geometry {
        len_bytes: u8,
    },
    Vector {
        len_bytes: u8,
    },
    Enum {
        bytes: u8,
    },
    Set {
        bytes: u8,
    },
    /// MariaDB's COMPRESSED columns: VARCHAR and VARBINARY, at most `bytes` long as they are stored,
    /// TEXT and BLOB.
    CompressedVarChar {
        bytes: u16,
    },
    CompressedBlob {
        len_bytes: u8,
    },
    /// A type that we do not know: by its number in the protocol.
    Other(u8),
}

/// Numbers of the types (MySQL source, `field_types.h`; MariaDB adds 140 and 141).
pub(crate) mod code {
    /// As servers before MySQL 5.0 sent it.
    pub(crate) const DECIMAL: u8 = 0;
    pub(crate) const TINY: u8 = 1;
    pub(crate) const SHORT: u8 = 2;
    pub(crate) const LONG: u8 = 3;
    pub(crate) const FLOAT: u8 = 4;
    pub(crate) const DOUBLE: u8 = 5;
    pub(crate) const TIMESTAMP: u8 = 7;
    pub(crate) const LONGLONG: u8 = 8;
    pub(crate) const INT24: u8 = 9;
    pub(crate) const DATE: u8 = 10;
    pub(crate) const TIME: u8 = 11;
    pub(crate) const DATETIME: u8 = 12;
    pub(crate) const YEAR: u8 = 13;
    pub(crate) const NEWDATE: u8 = 14;
    pub(crate) const VARCHAR: u8 = 15;
    pub(crate) const BIT: u8 = 16;
    pub(crate) const TIMESTAMP2: u8 = 17;
    pub(crate) const DATETIME2: u8 = 18;
    pub(crate) const TIME2: u8 = 19;
    pub(crate) const BLOB_COMPRESSED: u8 = 140;
    pub(crate) const VARCHAR_COMPRESSED: u8 = 141;
    pub(crate) const VECTOR: u8 = 242;
    pub(crate) const JSON: u8 = 245;
    pub(crate) const NEWDECIMAL: u8 = 246;
    pub(crate) const ENUM: u8 = 247;
    pub(crate) const SET: u8 = 248;
    pub(crate) const TINY_BLOB: u8 = 249;
    pub(crate) const MEDIUM_BLOB: u8 = 250;
    pub(crate) const LONG_BLOB: u8 = 251;
    pub(crate) const BLOB: u8 = 252;
    pub(crate) const VAR_STRING: u8 = 253;
    pub(crate) const STRING: u8 = 254;
    pub(crate) const GEOMETRY: u8 = 255;
}

impl WireType {
    /// Reads the type `code` with its metadata from `c`; `None` where the metadata is cut.
    fn read(code: u8, c: &mut Cursor<'_>) -> Option<Self> {
        Some(match code {
            code::TINY => Self::Int { bytes: 1 },
            code::SHORT => Self::Int { bytes: 2 },
            code::INT24 => Self::Int { bytes: 3 },
            code::LONG => Self::Int { bytes: 4 },
            code::LONGLONG => Self::Int { bytes: 8 },
            code::FLOAT => {
                c.u8()?;
                Self::Float
            }
            code::DOUBLE => {
                c.u8()?;
                Self::Double
            }
            code::NEWDECIMAL => Self::Decimal { precision: c.u8()?, scale: c.u8()? },
            code::BIT => {
                let (bits, bytes) = (c.u8()?, c.u8()?);
                Self::Bit { bits: bytes.checked_mul(8)?.checked_add(bits)? }
            }
            code::YEAR => Self::Year,
            code::DATE | code::NEWDATE => Self::Date,
            code::TIME => Self::OldTime,
            code::DATETIME => Self::OldDateTime,
            code::TIMESTAMP => Self::OldTimestamp,
            code::TIME2 => Self::Time { fsp: c.u8()? },
            code::DATETIME2 => Self::DateTime { fsp: c.u8()? },
            code::TIMESTAMP2 => Self::Timestamp { fsp: c.u8()? },
            code::VARCHAR | code::VAR_STRING => Self::VarChar { bytes: c.u16()? },
            code::BLOB | code::TINY_BLOB | code::MEDIUM_BLOB | code::LONG_BLOB => {
                Self::Blob { len_bytes: c.u8()? }
            }
            code::JSON => Self::Json { len_bytes: c.u8()? },
            code::GEOMETRY => Self::Geometry { len_bytes: c.u8()? },
            code::VECTOR => Self::Vector { len_bytes: c.u8()? },
            code::STRING | code::ENUM | code::SET => Self::string(c.u8()?, c.u8()?),
            code::BLOB_COMPRESSED => Self::CompressedBlob { len_bytes: c.u8()? },
            code::VARCHAR_COMPRESSED => Self::CompressedVarChar { bytes: c.u16()? },
            _ => Self::Other(code),
        })
    }

    /// CHAR, ENUM and SET share a type; the real one stands in the metadata, mixed with the upper
    /// bits of a length over 255 (MySQL source, `Field_string::do_save_field_metadata`).
    fn string(real: u8, len: u8) -> Self {
        const UPPER_LENGTH: u8 = 0x30;
        if real & UPPER_LENGTH != UPPER_LENGTH {
            let upper = u16::from(real & UPPER_LENGTH ^ UPPER_LENGTH) << 4;
            return Self::Char { bytes: upper | u16::from(len) };
        }
        match real {
            code::ENUM => Self::Enum { bytes: len },
            code::SET => Self::Set { bytes: len },
            code::STRING => Self::Char { bytes: u16::from(len) },
            other => Self::Other(other),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WireColumn {
    pub ty: WireType,
    pub nullable: bool,
}

/// A table map event. Two are equal where their bytes are, table id included.
#[derive(Debug, Clone)]
pub struct TableMap {
    /// Names this map until the next one with the same number; never a table for good.
    pub table_id: u64,
    pub db: Arc<str>,
    pub table: Arc<str>,
    pub columns: Vec<WireColumn>,
    /// What the server adds of its own accord or by `binlog_row_metadata`.
    pub metadata: Metadata,
    /// Why no rows can be read under this map. It is an error only for who wants them: the stream
    /// itself stays whole, and a type that is new to us may stand in a table that nobody follows.
    pub(crate) fault: Option<&'static str>,
    raw: Bytes,
}

impl PartialEq for TableMap {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for TableMap {}

impl TableMap {
    /// The table id of a table map event, without reading the rest; `None` for an event of another
    /// type or a cut one.
    pub fn peek_table_id(raw: &RawEvent, format: &FormatDescription) -> Option<u64> {
        if raw.header.event_type != kind::TABLE_MAP {
            return None;
        }
        Cursor::new(&raw.body).uint_le(format.table_id_len())
    }

    pub(super) fn decode(body: &Bytes, format: &FormatDescription) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(EVENT, body);
        let table_id = fields.read("table id", |c| c.uint_le(format.table_id_len()))?;
        fields.u16("flags")?;
        let db = name(&mut fields, "database")?;
        let table = name(&mut fields, "table")?;
        let count = fields.read("column count", Cursor::lenenc)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let codes = fields.take(count, "column types")?;
        let mut meta = Cursor::new(fields.read("column metadata", Cursor::lenenc_bytes)?);
        let nulls = fields.take(count.div_ceil(8), "nullable columns")?;
        let columns: Option<Vec<_>> = codes
            .iter()
            .enumerate()
            .map(|(n, &code)| {
                let ty = WireType::read(code, &mut meta)?;
                let nullable = nulls.get(n / 8).is_some_and(|byte| byte >> (n % 8) & 1 == 1);
                Some(WireColumn { ty, nullable })
            })
            .collect();
        let columns =
            columns.ok_or_else(|| fields.malformed(format!("types of {db}.{table} are cut")))?;
        let (metadata, fault) = match Metadata::read(&columns, format.flavor, fields.rest()) {
            Ok(metadata) => (metadata, None),
            Err(fault) => (Metadata::default(), Some(fault)),
        };
        Ok(Self { table_id, db, table, columns, metadata, fault, raw: body.clone() })
    }
}

fn name(fields: &mut Fields<'_>, what: &'static str) -> Result<Arc<str>, DecodeError> {
    let len = fields.read(what, Cursor::lenenc)?;
    let text = fields.text(usize::try_from(len).unwrap_or(usize::MAX), what)?;
    fields.u8("end of a name")?;
    Ok(text.into())
}

//! One value of a binary row as a cell, the same that the binlog would give (MySQL internals, "Binary
//! Protocol Value").

use std::borrow::Cow;

use model::{Cell, ColumnType, Date, DateTime, Decimal, Time};

use super::ResultColumn;
use crate::cursor::Cursor;
use crate::event::table_map::code as kind;
use crate::value::{Charset, utf8};

/// A value that does not become a cell, and why.
pub(super) type Reason = &'static str;

pub(super) const CUT: Reason = "the row ends inside its value";
const OUT_OF_RANGE: Reason = "out of range";
const NOT_TEXT: Reason = "its bytes are not text of its character set";
const NOT_UTF8: Reason = "the server sent text that is not UTF-8";
const UNREADABLE: Reason = "its character set cannot be read";
const NOT_BYTES: Reason = "the server sent bytes for it";
const UNKNOWN: Reason = "the server sent it as a type that is not known";

/// How a value lies in a row, and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    I8(Whole),
    U8(Whole),
    I16(Whole),
    U16(Whole),
    I32(Whole),
    U32(Whole),
    I64(Whole),
    U64(Whole),
    F32,
    F64,
    Moment(Moment),
    Time,
    Sized(Sized),
    /// Where its value ends is not known.
    Unknown,
}

/// A whole number as its column has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whole {
    Int,
    UInt,
    Year,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    Date,
    DateTime,
    Timestamp,
}

/// What comes as bytes behind their length.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sized {
    Decimal,
    Bit,
    Json,
    Geometry,
    Bytes,
    /// `None`: no character set that can be read.
    Text(Option<Charset>),
    /// Written by the server, in UTF-8.
    Utf8,
    /// The column is of a type that does not come as bytes.
    Wrong,
}

impl Op {
    /// For a column that is sent as `sent`, and is `ty` in the table.
    pub(super) fn new(sent: ResultColumn, ty: &ColumnType) -> Self {
        let whole = Whole::of(ty);
        match (sent.kind, sent.unsigned) {
            (kind::TINY, false) => Self::I8(whole),
            (kind::TINY, true) => Self::U8(whole),
            (kind::SHORT | kind::YEAR, false) => Self::I16(whole),
            (kind::SHORT | kind::YEAR, true) => Self::U16(whole),
            (kind::LONG | kind::INT24, false) => Self::I32(whole),
            (kind::LONG | kind::INT24, true) => Self::U32(whole),
            (kind::LONGLONG, false) => Self::I64(whole),
            (kind::LONGLONG, true) => Self::U64(whole),
            (kind::FLOAT, _) => Self::F32,
            (kind::DOUBLE, _) => Self::F64,
            (kind::DATE | kind::NEWDATE | kind::DATETIME | kind::TIMESTAMP, _) => {
                Self::Moment(Moment::of(ty))
            }
            (kind::TIME, _) => Self::Time,
            // 246: a new DECIMAL; from 247: ENUM, SET, four of BLOB, two of CHAR.
            (
                kind::DECIMAL
                | kind::VARCHAR
                | kind::BIT
                | kind::VECTOR
                | kind::JSON..=kind::GEOMETRY,
                _,
            ) => Self::Sized(Sized::of(ty)),
            _ => Self::Unknown,
        }
    }

    /// A column of the result that is none of the table's: bytes.
    pub(super) fn bytes(sent: ResultColumn) -> Self {
        Self::new(sent, &ColumnType::VarBinary { bytes: 0 })
    }

    /// Reads one value, not NULL, and hands it to `put` ([`crate::value::slot`]).
    #[inline]
    pub(super) fn read<'a>(
        self,
        c: &mut Cursor<'a>,
        put: impl FnOnce(Cell<'a>),
    ) -> Result<(), Reason> {
        match self {
            Self::I8(whole) => whole.signed(c.u8().map(|v| i64::from(v.cast_signed())), put),
            Self::U8(whole) => whole.unsigned(c.u8().map(u64::from), put),
            Self::I16(whole) => whole.signed(c.u16().map(|v| i64::from(v.cast_signed())), put),
            Self::U16(whole) => whole.unsigned(c.u16().map(u64::from), put),
            Self::I32(whole) => whole.signed(c.u32().map(|v| i64::from(v.cast_signed())), put),
            Self::U32(whole) => whole.unsigned(c.u32().map(u64::from), put),
            Self::I64(whole) => whole.signed(c.u64().map(u64::cast_signed), put),
            Self::U64(whole) => whole.unsigned(c.u64(), put),
            Self::F32 => {
                put(Cell::Float(f32::from_bits(c.u32().ok_or(CUT)?)));
                Ok(())
            }
            Self::F64 => {
                put(Cell::Double(f64::from_bits(c.u64().ok_or(CUT)?)));
                Ok(())
            }
            Self::Moment(what) => {
                let at = moment(c).ok_or(CUT)?;
                match what {
                    Moment::Date => put(Cell::Date(at.date)),
                    Moment::DateTime => put(Cell::DateTime(at)),
                    Moment::Timestamp => put(Cell::Timestamp(at)),
                }
                Ok(())
            }
            Self::Time => {
                put(Cell::Time(time(c)?));
                Ok(())
            }
            Self::Sized(sized) => sized.cell(c.lenenc_bytes().ok_or(CUT)?, put),
            Self::Unknown => Err(UNKNOWN),
        }
    }

    /// Passes over one value, not NULL.
    #[inline]
    pub(super) fn skip(self, c: &mut Cursor<'_>) -> Result<(), Reason> {
        let bytes = match self {
            Self::I8(_) | Self::U8(_) => c.take(1),
            Self::I16(_) | Self::U16(_) => c.take(2),
            Self::I32(_) | Self::U32(_) | Self::F32 => c.take(4),
            Self::I64(_) | Self::U64(_) | Self::F64 => c.take(8),
            Self::Moment(_) | Self::Time => short(c),
            Self::Sized(_) => c.lenenc_bytes(),
            Self::Unknown => return Err(UNKNOWN),
        };
        bytes.map(drop).ok_or(CUT)
    }
}

/// Bytes behind a length of one byte.
#[inline]
fn short<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = c.u8()?;
    c.take(usize::from(len))
}

/// Parts that are zero at its end are left out.
#[inline]
fn moment(c: &mut Cursor<'_>) -> Option<DateTime> {
    let mut parts = Cursor::new(short(c)?);
    let mut at = DateTime::default();
    if parts.rest().is_empty() {
        return Some(at);
    }
    at.date = Date { year: parts.u16()?, month: parts.u8()?, day: parts.u8()? };
    if let Some([hour, minute, second]) = parts.array() {
        (at.hour, at.minute, at.second) = (hour, minute, second);
        at.micros = parts.u32().unwrap_or_default();
    }
    Some(at)
}

#[inline]
fn time(c: &mut Cursor<'_>) -> Result<Time, Reason> {
    let mut parts = Cursor::new(short(c).ok_or(CUT)?);
    if parts.rest().is_empty() {
        return Ok(Time::default());
    }
    let negative = parts.u8().ok_or(CUT)? == 1;
    let days = parts.u32().ok_or(CUT)?;
    let [hours, minutes, seconds] = parts.array().ok_or(CUT)?;
    let hours = days.saturating_mul(24).saturating_add(u32::from(hours));
    let hours = u16::try_from(hours).map_err(|_| "more than 838 hours")?;
    let micros = parts.u32().unwrap_or_default();
    Ok(Time { negative, hours, minutes, seconds, micros })
}

impl Moment {
    fn of(ty: &ColumnType) -> Self {
        if *ty == ColumnType::Date {
            Self::Date
        } else if matches!(ty, ColumnType::Timestamp { .. }) {
            Self::Timestamp
        } else {
            Self::DateTime
        }
    }
}

impl Whole {
    fn of(ty: &ColumnType) -> Self {
        if matches!(ty, ColumnType::Int { unsigned: true, .. }) {
            Self::UInt
        } else if *ty == ColumnType::Year {
            Self::Year
        } else {
            Self::Int
        }
    }

    #[inline]
    fn signed<'a>(self, value: Option<i64>, put: impl FnOnce(Cell<'a>)) -> Result<(), Reason> {
        let value = value.ok_or(CUT)?;
        match self {
            Self::Int => put(Cell::Int(value)),
            Self::UInt => put(Cell::UInt(u64::try_from(value).map_err(|_| OUT_OF_RANGE)?)),
            Self::Year => put(Cell::Year(u16::try_from(value).map_err(|_| OUT_OF_RANGE)?)),
        }
        Ok(())
    }

    #[inline]
    fn unsigned<'a>(self, value: Option<u64>, put: impl FnOnce(Cell<'a>)) -> Result<(), Reason> {
        let value = value.ok_or(CUT)?;
        match self {
            Self::Int => put(Cell::Int(i64::try_from(value).map_err(|_| OUT_OF_RANGE)?)),
            Self::UInt => put(Cell::UInt(value)),
            Self::Year => put(Cell::Year(u16::try_from(value).map_err(|_| OUT_OF_RANGE)?)),
        }
        Ok(())
    }
}

impl Sized {
    fn of(ty: &ColumnType) -> Self {
        match ty {
            ColumnType::Decimal { .. } => Self::Decimal,
            ColumnType::Bit { .. } => Self::Bit,
            ColumnType::Json => Self::Json,
            ColumnType::Geometry => Self::Geometry,
            ColumnType::Binary { .. } | ColumnType::VarBinary { .. } | ColumnType::Vector => {
                Self::Bytes
            }
            // Text comes in its column's character set, and is read as that of the binlog is: both give
            // the same, or neither gives anything.
            ColumnType::Text { collation, .. }
            | ColumnType::Enum { collation, .. }
            | ColumnType::Set { collation, .. } => Self::Text(Charset::of_name(&collation.charset)),
            ColumnType::FixedBytes { .. } => Self::Utf8,
            ColumnType::Int { .. }
            | ColumnType::Float
            | ColumnType::Double
            | ColumnType::Year
            | ColumnType::Date
            | ColumnType::Time { .. }
            | ColumnType::DateTime { .. }
            | ColumnType::Timestamp { .. } => Self::Wrong,
        }
    }

    #[inline]
    fn cell<'a>(self, bytes: &'a [u8], put: impl FnOnce(Cell<'a>)) -> Result<(), Reason> {
        let utf8 = || utf8(bytes).ok_or(NOT_UTF8);
        match self {
            Self::Decimal => put(Cell::Decimal(Decimal::Text(unfilled(utf8()?)))),
            Self::Bit => put(Cell::Bit(bytes.iter().fold(0, |bits, &b| bits << 8 | u64::from(b)))),
            Self::Json => put(Cell::Json(Cow::Borrowed(utf8()?))),
            Self::Geometry => put(Cell::Geometry(bytes)),
            Self::Bytes => put(Cell::Bytes(Cow::Borrowed(bytes))),
            Self::Text(charset) => {
                put(Cell::Text(charset.ok_or(UNREADABLE)?.decode(bytes).ok_or(NOT_TEXT)?));
            }
            Self::Utf8 => put(Cell::Text(Cow::Borrowed(utf8()?))),
            Self::Wrong => return Err(NOT_BYTES),
        }
        Ok(())
    }
}

/// A decimal without the zeros that ZEROFILL puts in front: the binlog has none.
#[inline]
fn unfilled(text: &str) -> &str {
    let mut rest = text;
    while let Some(shorter) = rest.strip_prefix('0')
        && shorter.starts_with(|c: char| c.is_ascii_digit())
    {
        rest = shorter;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_without_the_zeros_of_zerofill() {
        for (text, expect) in
            [("000000042.500", "42.500"), ("0.50", "0.50"), ("000", "0"), ("-0.01", "-0.01")]
        {
            assert_eq!(unfilled(text), expect);
        }
    }
}

//! One column's instruction: how to read its value, and where the value ends.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Cell, DateTime, Decimal, Time};

use crate::cursor::Cursor;
use crate::value::fixed::{self, FixedKind};
use crate::value::{self, Charset, compressed, json, numeric, temporal};

/// Why a value does not decode. Small and `Copy`: it is made into a sentence off the hot path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The image ends inside the value.
    Cut,
    /// Bytes that the column's character set does not have.
    Text,
    /// An ENUM index or SET bit without a member.
    Member(u64),
    Value(&'static str),
}

type Members = Arc<[Arc<str>]>;

const NOT_FINITE: &str = "not a finite number";
const NOT_TIME: &str = "not a TIME";
const NOT_DATETIME: &str = "not a DATETIME";
const NOT_TIMESTAMP: &str = "not a TIMESTAMP";
const TOO_LONG: &str = "longer than its type";

/// The instruction. `len_bytes` is how many bytes hold the value's length; `len` of a temporal type
/// is how many hold its fraction. `Compressed` without a character set is bytes.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    I8,
    U8,
    I16,
    U16,
    I24,
    U24,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Decimal { precision: u8, scale: u8, len: u8 },
    Bit { bits: u8 },
    Year,
    Date,
    Time { len: u8 },
    DateTime { len: u8 },
    Timestamp { len: u8 },
    OldTime,
    OldDateTime,
    OldTimestamp,
    Utf8 { len_bytes: u8 },
    Text { len_bytes: u8, charset: Charset },
    Bytes { len_bytes: u8 },
    Binary { len_bytes: u8, len: u32 },
    Compressed { len_bytes: u8, charset: Option<Charset> },
    Fixed { len_bytes: u8, kind: FixedKind },
    Enum { bytes: u8, members: Members },
    Set { bytes: u8, members: Members },
    Json { len_bytes: u8 },
    JsonText { len_bytes: u8 },
    Geometry { len_bytes: u8 },
}

/// Takes the bytes after their length, which stands in `len_bytes` bytes.
#[inline]
fn sized<'a>(c: &mut Cursor<'a>, len_bytes: u8) -> Option<&'a [u8]> {
    let len = match len_bytes {
        1 => usize::from(c.u8()?),
        2 => usize::from(c.u16()?),
        3 => usize::try_from(c.u24()?).ok()?,
        _ => usize::try_from(c.u32()?).ok()?,
    };
    c.take(len)
}

/// What was read, or that the image ended.
#[inline]
fn whole<T>(read: Option<T>) -> Result<T, Fault> {
    read.ok_or(Fault::Cut)
}

/// The value, or that the bytes are none.
#[inline]
fn valid<T>(value: Option<T>, otherwise: &'static str) -> Result<T, Fault> {
    value.ok_or(Fault::Value(otherwise))
}

impl Op {
    /// Reads one value, not NULL, and hands it to `put` ([`crate::value::slot`]).
    #[inline]
    pub(crate) fn read<'a>(
        &'a self,
        c: &mut Cursor<'a>,
        put: impl FnOnce(Cell<'a>),
    ) -> Result<(), Fault> {
        match self {
            Self::I8 => put(Cell::Int(i64::from(whole(c.u8())?.cast_signed()))),
            Self::U8 => put(Cell::UInt(u64::from(whole(c.u8())?))),
            Self::I16 => put(Cell::Int(i64::from(whole(c.u16())?.cast_signed()))),
            Self::U16 => put(Cell::UInt(u64::from(whole(c.u16())?))),
            // The shift up and back carries the sign bit.
            Self::I24 => put(Cell::Int(i64::from((whole(c.u24())? << 8).cast_signed() >> 8))),
            Self::U24 => put(Cell::UInt(u64::from(whole(c.u24())?))),
            Self::I32 => put(Cell::Int(i64::from(whole(c.u32())?.cast_signed()))),
            Self::U32 => put(Cell::UInt(u64::from(whole(c.u32())?))),
            Self::I64 => put(Cell::Int(whole(c.u64())?.cast_signed())),
            Self::U64 => put(Cell::UInt(whole(c.u64())?)),
            Self::F32 => put(Cell::Float(valid(numeric::finite_f32(whole(c.u32())?), NOT_FINITE)?)),
            Self::F64 => {
                put(Cell::Double(valid(numeric::finite_f64(whole(c.u64())?), NOT_FINITE)?))
            }
            Self::Decimal { precision, scale, len } => {
                // The plan has made sure that `len` is the length of the type.
                let (precision, scale) = (*precision, *scale);
                put(Cell::Decimal(Decimal::Packed { bytes: bytes(c, *len)?, precision, scale }))
            }
            Self::Bit { bits } => {
                let raw = whole(c.uint_be(usize::from(bits.div_ceil(8))))?;
                put(Cell::Bit(valid(numeric::bit(raw, *bits), "wider than its type")?))
            }
            Self::Year => put(Cell::Year(temporal::year(whole(c.u8())?))),
            Self::Date => put(Cell::Date(valid(temporal::date(whole(c.u24())?), "not a DATE")?)),
            Self::Time { len } => put(Cell::Time(time(c, *len)?)),
            Self::DateTime { len } => datetime(c, *len, |at| put(Cell::DateTime(at)))?,
            Self::Timestamp { len } => timestamp(c, *len, |at| put(Cell::Timestamp(at)))?,
            Self::OldTime => put(Cell::Time(valid(temporal::old_time(whole(c.u24())?), NOT_TIME)?)),
            Self::OldDateTime => {
                put(Cell::DateTime(valid(temporal::old_datetime(whole(c.u64())?), NOT_DATETIME)?))
            }
            Self::OldTimestamp => put(Cell::Timestamp(old_timestamp(c)?)),
            Self::Utf8 { len_bytes } => put(Cell::Text(Cow::Borrowed(utf8(c, *len_bytes)?))),
            Self::Text { len_bytes, charset } => {
                let bytes = whole(sized(c, *len_bytes))?;
                put(Cell::Text(charset.decode(bytes).ok_or(Fault::Text)?))
            }
            Self::Bytes { len_bytes } => {
                put(Cell::Bytes(Cow::Borrowed(whole(sized(c, *len_bytes))?)))
            }
            Self::Binary { len_bytes, len } => {
                let bytes = whole(sized(c, *len_bytes))?;
                let len = usize::try_from(*len).unwrap_or(usize::MAX);
                put(Cell::Bytes(valid(fixed::pad(bytes, len), TOO_LONG)?))
            }
            Self::Compressed { len_bytes, charset } => {
                put(decompress(whole(sized(c, *len_bytes))?, *charset)?);
            }
            Self::Fixed { len_bytes, kind } => {
                let bytes = whole(sized(c, *len_bytes))?;
                put(Cell::Text(Cow::Owned(valid(kind.text(bytes), TOO_LONG)?)))
            }
            Self::Enum { bytes, members } => {
                let index = whole(c.uint_le(usize::from(*bytes)))?;
                put(Cell::Text(Cow::Borrowed(enum_member(members, index)?)))
            }
            Self::Set { bytes, members } => {
                let bits = whole(c.uint_le(usize::from(*bytes)))?;
                put(Cell::Text(set_members(members, bits)?))
            }
            Self::Json { len_bytes } => {
                let bytes = whole(sized(c, *len_bytes))?;
                put(Cell::Json(Cow::Owned(json::to_text(bytes).map_err(Fault::Value)?)))
            }
            Self::JsonText { len_bytes } => put(Cell::Json(Cow::Borrowed(utf8(c, *len_bytes)?))),
            Self::Geometry { len_bytes } => put(Cell::Geometry(whole(sized(c, *len_bytes))?)),
        }
        Ok(())
    }

    /// How the end of a value is found.
    pub(crate) fn width(&self) -> Width {
        Width::Fixed(u32::from(match self {
            Self::I8 | Self::U8 | Self::Year => 1,
            Self::I16 | Self::U16 => 2,
            Self::I24 | Self::U24 | Self::Date | Self::OldTime => 3,
            Self::I32 | Self::U32 | Self::F32 | Self::OldTimestamp => 4,
            Self::I64 | Self::U64 | Self::F64 | Self::OldDateTime => 8,
            Self::Decimal { len, .. } => *len,
            Self::Bit { bits } => bits.div_ceil(8),
            Self::Time { len } => 3 + len,
            Self::DateTime { len } => 5 + len,
            Self::Timestamp { len } => 4 + len,
            Self::Enum { bytes, .. } | Self::Set { bytes, .. } => *bytes,
            Self::Utf8 { len_bytes }
            | Self::Text { len_bytes, .. }
            | Self::Bytes { len_bytes }
            | Self::Binary { len_bytes, .. }
            | Self::Compressed { len_bytes, .. }
            | Self::Fixed { len_bytes, .. }
            | Self::Json { len_bytes }
            | Self::JsonText { len_bytes }
            | Self::Geometry { len_bytes } => return Width::Sized(*len_bytes),
        }))
    }
}

/// How the end of a value is found: small, for rows are walked over more often than they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// So many bytes.
    Fixed(u32),
    /// Its length stands before it, in so many bytes.
    Sized(u8),
}

impl Width {
    /// Passes over one value, not NULL.
    #[inline]
    pub(crate) fn skip(self, c: &mut Cursor<'_>) -> Option<()> {
        match self {
            Self::Fixed(bytes) => c.take(usize::try_from(bytes).ok()?).map(drop),
            Self::Sized(len_bytes) => sized(c, len_bytes).map(drop),
        }
    }

    /// Neighbours of fixed width as one.
    pub(crate) fn joined(widths: &[Self]) -> Box<[Self]> {
        let mut joined = Vec::new();
        for width in widths {
            match (joined.last_mut(), width) {
                (Some(Self::Fixed(before)), Self::Fixed(bytes)) => *before += bytes,
                _ => joined.push(*width),
            }
        }
        joined.into()
    }
}

#[inline]
fn bytes<'a>(c: &mut Cursor<'a>, len: u8) -> Result<&'a [u8], Fault> {
    whole(c.take(usize::from(len)))
}

#[inline]
fn utf8<'a>(c: &mut Cursor<'a>, len_bytes: u8) -> Result<&'a str, Fault> {
    value::utf8(whole(sized(c, len_bytes))?).ok_or(Fault::Text)
}

#[inline]
fn time(c: &mut Cursor<'_>, len: u8) -> Result<Time, Fault> {
    let raw = whole(c.uint_be(3 + usize::from(len)))?;
    valid(temporal::time2(raw, len), NOT_TIME)
}

#[inline]
fn datetime(c: &mut Cursor<'_>, len: u8, put: impl FnOnce(DateTime)) -> Result<(), Fault> {
    let raw = whole(c.uint_be(5))?;
    let fraction = whole(c.uint_be(usize::from(len)))?;
    put(valid(temporal::datetime2(raw, fraction, len), NOT_DATETIME)?);
    Ok(())
}

#[inline]
fn timestamp(c: &mut Cursor<'_>, len: u8, put: impl FnOnce(DateTime)) -> Result<(), Fault> {
    let seconds = u32::from_be_bytes(whole(c.array())?);
    let fraction = whole(c.uint_be(usize::from(len)))?;
    put(valid(temporal::timestamp2(seconds, fraction, len), NOT_TIMESTAMP)?);
    Ok(())
}

/// Before 5.6.4: whole seconds, and the lowest byte first.
#[inline]
fn old_timestamp(c: &mut Cursor<'_>) -> Result<DateTime, Fault> {
    valid(temporal::timestamp2(whole(c.u32())?, 0, 0), NOT_TIMESTAMP)
}

fn decompress(bytes: &[u8], charset: Option<Charset>) -> Result<Cell<'_>, Fault> {
    let plain = valid(compressed::plain(bytes), "damaged compressed data")?;
    let Some(charset) = charset else { return Ok(Cell::Bytes(plain)) };
    let text = match &plain {
        Cow::Borrowed(bytes) => charset.decode(bytes),
        Cow::Owned(bytes) => charset.decode(bytes).map(|text| Cow::Owned(text.into_owned())),
    };
    Ok(Cell::Text(text.ok_or(Fault::Text)?))
}

/// Index 0 is the error value, whose text is empty (MySQL manual, "The ENUM Type").
#[inline]
fn enum_member(members: &Members, index: u64) -> Result<&str, Fault> {
    match usize::try_from(index).ok().map(|index| index.checked_sub(1)) {
        Some(None) => Ok(""),
        Some(Some(at)) => members.get(at).map(|m| &**m).ok_or(Fault::Member(index)),
        None => Err(Fault::Member(index)),
    }
}

/// The members whose bits are set, in the order of declaration, joined by commas.
fn set_members(members: &Members, bits: u64) -> Result<Cow<'_, str>, Fault> {
    if members.len() < 64 && bits >> members.len() != 0 {
        return Err(Fault::Member(bits));
    }
    let mut chosen =
        members.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, m)| &**m);
    let Some(first) = chosen.next() else { return Ok(Cow::Borrowed("")) };
    let Some(second) = chosen.next() else { return Ok(Cow::Borrowed(first)) };
    let mut text = format!("{first},{second}");
    for member in chosen {
        text.push(',');
        text.push_str(member);
    }
    Ok(Cow::Owned(text))
}

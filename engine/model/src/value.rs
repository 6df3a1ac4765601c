//! Values as they pass from a row image to a sink: borrowed, one kind for each thing a sink can
//! meet, the same whether they come from a SELECT or from the binlog.

use std::borrow::Cow;

mod decimal;

pub use decimal::Decimal;

/// A day as MySQL keeps it: parts may be zero (`0000-00-00`, `2010-00-15`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

impl Date {
    /// True where month or day is zero: no calendar holds it.
    pub fn is_partial(self) -> bool {
        self.month == 0 || self.day == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DateTime {
    pub date: Date,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub micros: u32,
}

/// A duration, −838:59:59.999999 to 838:59:59.999999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Time {
    pub negative: bool,
    pub hours: u16,
    pub minutes: u8,
    pub seconds: u8,
    pub micros: u32,
}

/// One value of a row. Text is UTF-8 whatever the column's character set; fraction digits are those
/// of the column ([`crate::ColumnType`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    Decimal(Decimal<'a>),
    Bit(u64),
    Year(u16),
    Date(Date),
    Time(Time),
    DateTime(DateTime),
    /// UTC.
    Timestamp(DateTime),
    /// CHAR, VARCHAR, TEXT; ENUM and SET as their text.
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// JSON text as MySQL prints it.
    Json(Cow<'a, str>),
    /// MySQL's internal geometry: SRID (4 bytes, little endian), then WKB.
    Geometry(&'a [u8]),
}

impl Cell<'_> {
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

//! What of a column's type its values do not carry themselves, worked out once per table.

use std::borrow::Cow;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use model::row::RowError;
use model::{Column, ColumnType, TableSchema};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The value says it all.
    Plain,
    /// Digits of the fraction of a second.
    Fraction(u8),
    /// BIT of this many bits.
    Bits(u8),
    /// FLOAT(m, d) and DOUBLE(m, d): always this many digits after the point.
    Decimals(u8),
    /// An integer with zeros in front, up to this many digits.
    ZeroFill(u8),
    /// BINARY(n): n bytes, however many of them the source cut off.
    Padded(u32),
    /// 32-bit floats, little endian.
    Vector,
    Uuid,
    Inet4,
    Inet6,
}

impl Form {
    pub(super) fn of(column: &Column) -> Self {
        let declared = &*column.declared;
        match &column.ty {
            ColumnType::Int { .. } if declared.contains("zerofill") => {
                numbers(declared).0.map_or(Self::Plain, Self::ZeroFill)
            }
            ColumnType::Float | ColumnType::Double => {
                numbers(declared).1.map_or(Self::Plain, Self::Decimals)
            }
            ColumnType::Bit { bits } => Self::Bits(*bits),
            ColumnType::Time { fsp }
            | ColumnType::DateTime { fsp }
            | ColumnType::Timestamp { fsp } => Self::Fraction(*fsp),
            ColumnType::Binary { bytes } => Self::Padded(*bytes),
            ColumnType::Vector => Self::Vector,
            ColumnType::FixedBytes { .. } => match declared {
                "uuid" => Self::Uuid,
                "inet4" => Self::Inet4,
                "inet6" => Self::Inet6,
                _ => Self::Plain,
            },
            ColumnType::Int { .. }
            | ColumnType::Decimal { .. }
            | ColumnType::Year
            | ColumnType::Date
            | ColumnType::Text { .. }
            | ColumnType::VarBinary { .. }
            | ColumnType::Enum { .. }
            | ColumnType::Set { .. }
            | ColumnType::Json
            | ColumnType::Geometry => Self::Plain,
        }
    }

    pub(super) fn fraction(self) -> u8 {
        if let Self::Fraction(digits) = self { digits } else { 0 }
    }

    /// Bits of a BIT value.
    pub(super) fn bits(self) -> u8 {
        if let Self::Bits(bits) = self { bits.clamp(1, 64) } else { 64 }
    }

    /// The bytes of a BIT value, big endian, held in `buffer`.
    pub(super) fn bit_bytes(self, value: u64, buffer: &mut [u8; 8]) -> &[u8] {
        *buffer = value.to_be_bytes();
        let len = usize::from(self.bits()).div_ceil(8);
        buffer.get(8 - len..).unwrap_or_default()
    }

    /// The value with the zero bytes that the binlog cuts off BINARY(n). Allocates only where some
    /// are missing.
    pub(super) fn padded(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let want = if let Self::Padded(bytes) = self { bytes } else { 0 };
        let want = usize::try_from(want).unwrap_or_default();
        if bytes.len() >= want {
            return Cow::Borrowed(bytes);
        }
        let mut whole = bytes.to_vec();
        whole.resize(want, 0);
        Cow::Owned(whole)
    }

    /// Digits after the point that a float always shows.
    pub(super) fn decimals(self) -> Option<u8> {
        if let Self::Decimals(digits) = self { Some(digits) } else { None }
    }

    /// True where bytes stand for a UUID or a network address, which people write as text.
    pub(super) fn is_address(self) -> bool {
        matches!(self, Self::Uuid | Self::Inet4 | Self::Inet6)
    }

    /// Writes a UUID or a network address as text, most significant byte first.
    pub(super) fn address(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
        // A `Vec` takes every write.
        if let (Self::Inet4, Ok(bytes)) = (self, <[u8; 4]>::try_from(bytes)) {
            _ = write!(out, "{}", Ipv4Addr::from(bytes));
        } else if let (Self::Inet6, Ok(bytes)) = (self, <[u8; 16]>::try_from(bytes)) {
            _ = write!(out, "{}", Ipv6Addr::from(bytes));
        } else if self == Self::Uuid && bytes.len() == 16 {
            for (at, byte) in bytes.iter().enumerate() {
                if matches!(at, 4 | 6 | 8 | 10) {
                    out.push(b'-');
                }
                out.extend_from_slice(&hex(*byte, b'a'));
            }
        } else {
            return Err(Unfit("not as many bytes as the type has"));
        }
        Ok(())
    }
}

/// Two hexadecimal digits; `ten` is the digit for 10, `a` or `A`.
pub(super) fn hex(byte: u8, ten: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|n| if n < 10 { b'0' + n } else { ten + (n - 10) })
}

/// The numbers in the parentheses of a declared type: `double(9,4)` gives 9 and 4.
fn numbers(declared: &str) -> (Option<u8>, Option<u8>) {
    let inside = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let mut numbers = inside.map(|(inside, _)| inside).unwrap_or_default().split(',');
    let mut number = || numbers.next().and_then(|number| number.trim().parse().ok());
    (number(), number())
}

/// A value that its column's type cannot hold. Told without a place; [`Unfit::at`] adds it.
#[derive(Debug)]
pub(super) struct Unfit(pub(super) &'static str);

impl Unfit {
    #[cold]
    pub(super) fn at(self, table: &TableSchema, column: usize) -> RowError {
        let name = table.columns.get(column).map(|column| column.name.to_string());
        let reason = self.0.to_owned();
        RowError { table: table.name.to_string(), column: name.unwrap_or_default(), at: 0, reason }
    }
}

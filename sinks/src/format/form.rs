//! What of a column's type its values do not carry themselves, worked out once per table.

use model::row::RowError;
use model::{Column, ColumnType, TableSchema};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
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
    /// 32-bit floats, little endian.
    Vector,
}

impl Form {
    pub(crate) fn of(column: &Column) -> Self {
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
            ColumnType::Vector => Self::Vector,
            ColumnType::Int { .. }
            | ColumnType::Decimal { .. }
            | ColumnType::Year
            | ColumnType::Date
            | ColumnType::Text { .. }
            | ColumnType::Binary { .. }
            | ColumnType::VarBinary { .. }
            | ColumnType::FixedBytes { .. }
            | ColumnType::Enum { .. }
            | ColumnType::Set { .. }
            | ColumnType::Json
            | ColumnType::Geometry => Self::Plain,
        }
    }

    pub(crate) fn fraction(self) -> u8 {
        if let Self::Fraction(digits) = self { digits } else { 0 }
    }

    /// Bits of a BIT value.
    pub(crate) fn bits(self) -> u8 {
        if let Self::Bits(bits) = self { bits.clamp(1, 64) } else { 64 }
    }

    /// The bytes of a BIT value, big endian, held in `buffer`.
    pub(crate) fn bit_bytes(self, value: u64, buffer: &mut [u8; 8]) -> &[u8] {
        *buffer = value.to_be_bytes();
        let len = usize::from(self.bits()).div_ceil(8);
        buffer.get(8 - len..).unwrap_or_default()
    }

    /// Digits after the point that a float always shows.
    pub(crate) fn decimals(self) -> Option<u8> {
        if let Self::Decimals(digits) = self { Some(digits) } else { None }
    }
}

/// Two hexadecimal digits; `ten` is the digit for 10, `a` or `A`.
pub(crate) fn hex(byte: u8, ten: u8) -> [u8; 2] {
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
pub(crate) struct Unfit(pub(crate) &'static str);

impl Unfit {
    #[cold]
    pub(crate) fn at(self, table: &TableSchema, column: usize) -> RowError {
        let name = table.columns.get(column).map(|column| column.name.to_string());
        let reason = self.0.to_owned();
        RowError { table: table.name.to_string(), column: name.unwrap_or_default(), at: 0, reason }
    }
}

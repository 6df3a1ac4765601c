//! Keys as bytes that compare as MySQL orders them.
//!
//! Whether a changed key lies in a chunk must be answered as the server would (DESIGN 4): one key
//! put on the wrong side of a bound is a row lost or doubled. Integers, decimals, dates, binary
//! strings and UTF-8 `_bin` strings are encoded here. Every other collation is left to the server:
//! its `WEIGHT_STRING` is the sort key that the server itself sorts and indexes by.

use model::table::{Collation, TableSchema, quote};
use model::{Cell, Column, ColumnType};

/// How one column of a key is turned into bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ColumnOrder {
    /// Numbers and times: an encoding of fixed width.
    Fixed,
    Decimal {
        whole: usize,
        scale: usize,
    },
    /// BINARY and VARBINARY: byte by byte, the shorter first.
    Bytes,
    /// `_bin` of UTF-8: code points order as their bytes do. `pad_to`: the collation ignores
    /// trailing spaces, so both sides are filled up with them to this many bytes.
    Utf8 {
        pad_to: Option<usize>,
    },
    /// By member number, not by text.
    Enum,
    Set,
    /// Only the server knows. `pad_chars` as above, in characters.
    Server {
        pad_chars: Option<u32>,
    },
}

/// The order of one table's key.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    columns: Vec<(Column, ColumnOrder, usize)>,
    needs_server: bool,
}

/// A key that has no bytes to compare: a value of an unexpected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key column `{column}` ({declared}) holds a value that cannot be put in order")]
pub struct OrderError {
    pub column: String,
    pub declared: String,
}

/// True where the collation compares `'a'` and `'a '` equal (MySQL manual, "Trailing Space
/// Handling in Comparisons"; MariaDB marks the others `nopad`).
fn pads_space(collation: &str) -> bool {
    !(collation.contains("_0900_") || collation.contains("nopad") || collation == "binary")
}

/// Weights that one character can have. Before MySQL 8.0 and on MariaDB, `AS CHAR(n)` counts weights
/// and not characters: with too few of them, different keys weigh the same.
fn weights_per_char(collation: &Collation) -> u32 {
    let single = collation.name.ends_with("_general_ci")
        || collation.name.ends_with("_bin")
        || &*collation.name == "latin1_swedish_ci";
    // UCA contractions and expansions: at most 8 in the tables of both servers.
    if single { 1 } else { 8 }
}

fn text_order(chars: u32, collation: &Collation) -> ColumnOrder {
    let bytes_per_char = match &*collation.charset {
        "utf8mb4" => 4,
        "utf8" | "utf8mb3" => 3,
        "ascii" => 1,
        _ => 0,
    };
    let pads = pads_space(&collation.name);
    if bytes_per_char > 0 && collation.name.ends_with("_bin") {
        let bytes = usize::try_from(chars).unwrap_or(usize::MAX).saturating_mul(bytes_per_char);
        return ColumnOrder::Utf8 { pad_to: pads.then_some(bytes) };
    }
    ColumnOrder::Server {
        pad_chars: pads.then_some(chars.saturating_mul(weights_per_char(collation))),
    }
}

fn column_order(ty: &ColumnType) -> Option<ColumnOrder> {
    Some(match ty {
        ColumnType::Int { .. }
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Bit { .. }
        | ColumnType::Year
        | ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. } => ColumnOrder::Fixed,
        ColumnType::Decimal { precision, scale } => ColumnOrder::Decimal {
            whole: usize::from(precision.saturating_sub(*scale)),
            scale: usize::from(*scale),
        },
        ColumnType::Text { chars, collation } => text_order(*chars, collation),
        ColumnType::Binary { .. } | ColumnType::VarBinary { .. } => ColumnOrder::Bytes,
        ColumnType::Enum { .. } => ColumnOrder::Enum,
        ColumnType::Set { .. } => ColumnOrder::Set,
        ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::FixedBytes { .. } => return None,
    })
}

impl KeyOrder {
    /// `None` where the table has no key, or one of a type that we cannot order: it is then read
    /// in one pass, as a table without a key is.
    pub fn of(schema: &TableSchema) -> Option<Self> {
        if !schema.has_key() {
            return None;
        }
        let mut columns = Vec::with_capacity(schema.key.len());
        for &at in &schema.key {
            let column = schema.columns.get(at)?.clone();
            let order = column_order(&column.ty)?;
            columns.push((column, order, at));
        }
        let needs_server = columns.iter().any(|c| matches!(c.1, ColumnOrder::Server { .. }));
        Some(Self { columns, needs_server })
    }

    /// The types of the key's columns.
    pub fn column_types(&self) -> Vec<&ColumnType> {
        self.columns.iter().map(|(column, _, _)| &column.ty).collect()
    }

    /// True where [`KeyOrder::encode`] needs weights from the server.
    pub fn needs_server(&self) -> bool {
        self.needs_server
    }

    /// True where order bytes of the one compare with those of the other: the key's columns, in
    /// their order, are of kinds that are put in order alike.
    pub fn is_same_as(&self, other: &Self) -> bool {
        fn form((column, order, _): &(Column, ColumnOrder, usize)) -> impl PartialEq + use<'_> {
            let unsigned = matches!(column.ty, ColumnType::Int { unsigned: true, .. });
            let kind = std::mem::discriminant(&column.ty);
            let collation = if let ColumnType::Text { collation, .. } = &column.ty {
                Some(collation)
            } else {
                None
            };
            let members = if let ColumnType::Enum { members, .. }
            | ColumnType::Set { members, .. } = &column.ty
            {
                Some(members)
            } else {
                None
            };
            (&column.name, order, kind, unsigned, collation, members)
        }
        self.columns.len() == other.columns.len()
            && self.columns.iter().zip(&other.columns).all(|(a, b)| form(a) == form(b))
    }

    /// The key's cells out of a row's.
    pub fn pick<'r, 'a>(&self, row: &'r [Cell<'a>]) -> Vec<&'r Cell<'a>> {
        self.columns.iter().filter_map(|&(_, _, at)| row.get(at)).collect()
    }

    /// SQL expressions to compare and sort by, one per key column, indexable where possible.
    pub fn expressions(&self) -> Vec<String> {
        let expression = |(column, order, _): &(Column, ColumnOrder, usize)| match order {
            ColumnOrder::Enum | ColumnOrder::Set => format!("({}+0)", quote(&column.name)),
            ColumnOrder::Fixed
            | ColumnOrder::Decimal { .. }
            | ColumnOrder::Bytes
            | ColumnOrder::Utf8 { .. }
            | ColumnOrder::Server { .. } => quote(&column.name),
        };
        self.columns.iter().map(expression).collect()
    }

    /// SQL that yields the weights of the key columns that need the server, one expression each.
    pub fn weight_expressions(&self) -> Vec<String> {
        self.server_columns().map(|(_, c, pad)| weight_sql(&quote(&c.name), pad)).collect()
    }

    /// The key columns whose order only the server knows: position in the key, column, padding.
    fn server_columns(&self) -> impl Iterator<Item = (usize, &Column, Option<u32>)> {
        self.columns.iter().enumerate().filter_map(|(n, (column, order, _))| {
            let ColumnOrder::Server { pad_chars } = order else { return None };
            Some((n, column, *pad_chars))
        })
    }

    /// SQL that yields the weights of one key given as cells; see [`KeyOrder::weight_expressions`].
    pub fn weight_literals(&self, key: &[&Cell<'_>]) -> Vec<String> {
        self.server_columns()
            .map(|(n, column, pad)| {
                let value = key.get(n).map_or_else(|| "NULL".to_owned(), |c| literal(c, column));
                weight_sql(&value, pad)
            })
            .collect()
    }

    /// The key as bytes in MySQL's order. `weights`: what the expressions above gave.
    pub fn encode(
        &self,
        key: &[&Cell<'_>],
        mut weights: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Vec<u8>, OrderError> {
        let mut out = Vec::with_capacity(16 * self.columns.len());
        for ((column, order, _), cell) in self.columns.iter().zip(key) {
            let done = if matches!(order, ColumnOrder::Server { .. }) {
                weights.next().map(|w| escaped(&mut out, &w))
            } else {
                encode_cell(&mut out, order, &column.ty, cell)
            };
            done.ok_or_else(|| OrderError {
                column: column.name.to_string(),
                declared: column.declared.to_string(),
            })?;
        }
        Ok(out)
    }

    /// [`KeyOrder::encode`] for a key that needs no server.
    pub fn encode_local(&self, row: &[Cell<'_>]) -> Result<Vec<u8>, OrderError> {
        self.encode(&self.pick(row), std::iter::empty())
    }

    /// The SQL literal of each key column.
    pub fn literals(&self, key: &[Cell<'_>]) -> Vec<String> {
        self.columns.iter().zip(key).map(|((c, _, _), cell)| literal(cell, c)).collect()
    }
}

fn weight_sql(value: &str, pad_chars: Option<u32>) -> String {
    match pad_chars {
        // Padded to the column's full width, so that `'a'` and `'a '` weigh the same.
        Some(chars) => format!("WEIGHT_STRING({value} AS CHAR({}))", chars.max(1)),
        None => format!("WEIGHT_STRING({value})"),
    }
}

/// Bytes of any length so that they compare as such inside a longer key: 0x00 becomes 0x00 0xFF,
/// and 0x00 0x01 ends them.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for &b in bytes {
        out.push(b);
        if b == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 1]);
}

fn encode_cell(
    out: &mut Vec<u8>,
    order: &ColumnOrder,
    ty: &ColumnType,
    cell: &Cell<'_>,
) -> Option<()> {
    match (order, cell) {
        (ColumnOrder::Fixed, cell) => encode_fixed(out, cell)?,
        (ColumnOrder::Decimal { whole, scale }, Cell::Decimal(d)) => {
            encode_decimal(out, &d.to_string(), *whole, *scale)?;
        }
        (ColumnOrder::Bytes, Cell::Bytes(b)) => escaped(out, b),
        (ColumnOrder::Utf8 { pad_to: None }, Cell::Text(t)) => escaped(out, t.as_bytes()),
        (ColumnOrder::Utf8 { pad_to: Some(width) }, Cell::Text(t)) => {
            let end = out.len() + width.max(&t.len());
            out.extend_from_slice(t.as_bytes());
            out.resize(end, b' ');
        }
        (ColumnOrder::Enum | ColumnOrder::Set, Cell::Text(t)) => {
            out.extend_from_slice(&member_number(ty, t)?.to_be_bytes());
        }
        _ => return None,
    }
    Some(())
}

fn encode_fixed(out: &mut Vec<u8>, cell: &Cell<'_>) -> Option<()> {
    let signed = |v: i64| (v.cast_unsigned() ^ (1 << 63)).to_be_bytes();
    let float = |v: f64| {
        // Zero has one place in the order, whatever its sign.
        let bits = (v + 0.0).to_bits();
        let flip = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
        (bits ^ flip).to_be_bytes()
    };
    match cell {
        Cell::Int(v) => out.extend_from_slice(&signed(*v)),
        Cell::UInt(v) | Cell::Bit(v) => out.extend_from_slice(&v.to_be_bytes()),
        Cell::Float(v) => out.extend_from_slice(&float(f64::from(*v))),
        Cell::Double(v) => out.extend_from_slice(&float(*v)),
        Cell::Year(v) => out.extend_from_slice(&v.to_be_bytes()),
        Cell::Date(d) => encode_date(out, *d),
        Cell::DateTime(t) | Cell::Timestamp(t) => {
            encode_date(out, t.date);
            out.extend_from_slice(&[t.hour, t.minute, t.second]);
            out.extend_from_slice(&t.micros.to_be_bytes());
        }
        Cell::Time(t) => {
            let seconds =
                i64::from(t.hours) * 3600 + i64::from(t.minutes) * 60 + i64::from(t.seconds);
            let micros = seconds * 1_000_000 + i64::from(t.micros);
            out.extend_from_slice(&signed(if t.negative { -micros } else { micros }));
        }
        Cell::Null
        | Cell::Decimal(_)
        | Cell::Text(_)
        | Cell::Bytes(_)
        | Cell::Json(_)
        | Cell::Geometry(_) => return None,
    }
    Some(())
}

fn encode_date(out: &mut Vec<u8>, date: model::Date) {
    out.extend_from_slice(&date.year.to_be_bytes());
    out.extend_from_slice(&[date.month, date.day]);
}

/// Sign, then all digits of the declared width; complemented for a negative number.
fn encode_decimal(out: &mut Vec<u8>, text: &str, whole: usize, scale: usize) -> Option<()> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (left, right) = digits.split_once('.').unwrap_or((digits, ""));
    let left = left.trim_start_matches('0');
    let (pad_left, pad_right) = (whole.checked_sub(left.len())?, scale.checked_sub(right.len())?);
    let zero = left.is_empty() && right.bytes().all(|b| b == b'0');
    let negative = negative && !zero;
    out.push(u8::from(!negative));
    let zeros = |n| std::iter::repeat_n(b'0', n);
    let all = zeros(pad_left).chain(left.bytes()).chain(right.bytes()).chain(zeros(pad_right));
    out.extend(all.map(|b| if negative { 0xff - b } else { b }));
    Some(())
}

/// ENUM: the member's place, from 1; 0 for the empty error value. SET: one bit for each member.
fn member_number(ty: &ColumnType, text: &str) -> Option<u64> {
    let place = |members: &[std::sync::Arc<str>], m: &str| members.iter().position(|x| &**x == m);
    if let ColumnType::Enum { members, .. } = ty {
        return match place(members, text) {
            Some(at) => u64::try_from(at + 1).ok(),
            None => text.is_empty().then_some(0),
        };
    }
    let ColumnType::Set { members, .. } = ty else { return None };
    text.split(',').filter(|m| !m.is_empty()).try_fold(0u64, |bits, m| {
        Some(bits | 1u64.checked_shl(u32::try_from(place(members, m)?).ok()?)?)
    })
}

/// A value as SQL, typed so that the comparison with its column stays the column's own.
pub fn literal(cell: &Cell<'_>, column: &Column) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Int(v) => v.to_string(),
        Cell::UInt(v) | Cell::Bit(v) => v.to_string(),
        Cell::Float(v) => format!("{:e}", f64::from(*v)),
        Cell::Double(v) => format!("{v:e}"),
        Cell::Decimal(v) => v.to_string(),
        Cell::Year(v) => v.to_string(),
        Cell::Date(d) => format!("'{}'", date(*d)),
        Cell::DateTime(t) | Cell::Timestamp(t) => format!(
            "'{} {:02}:{:02}:{:02}.{:06}'",
            date(t.date),
            t.hour,
            t.minute,
            t.second,
            t.micros
        ),
        Cell::Time(t) => {
            let sign = if t.negative { "-" } else { "" };
            format!("'{sign}{}:{:02}:{:02}.{:06}'", t.hours, t.minutes, t.seconds, t.micros)
        }
        Cell::Text(t) => text_literal(t, &column.ty),
        Cell::Json(t) => format!("_utf8mb4 X'{}'", hex(t.as_bytes())),
        Cell::Bytes(b) => format!("X'{}'", hex(b)),
        Cell::Geometry(b) => format!("X'{}'", hex(b)),
    }
}

fn text_literal(text: &str, ty: &ColumnType) -> String {
    let plain = format!("_utf8mb4 X'{}'", hex(text.as_bytes()));
    if let ColumnType::Text { collation, .. } = ty {
        return format!("CONVERT({plain} USING {}) COLLATE {}", collation.charset, collation.name);
    }
    member_number(ty, text).map_or(plain, |n| n.to_string())
}

fn date(d: model::Date) -> String {
    format!("{:04}-{:02}-{:02}", d.year, d.month, d.day)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}

#[cfg(test)]
mod tests;

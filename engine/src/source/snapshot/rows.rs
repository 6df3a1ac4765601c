//! Rows of a SELECT → packed rows, one buffer for many of them.
//!
//! The SELECT goes through the binary protocol (a prepared statement), so that numbers and times
//! arrive as such: the text protocol cuts a FLOAT to six digits (MySQL manual, "Problems with
//! Floating-Point Values"). Text arrives in its column's character set, and is read as that of the
//! binlog is: both give the same, or neither gives anything.

use std::borrow::Cow;

use binlog::value::Charset;
use bytes::Bytes;
use model::table::Collation;
use model::{
    Cell, Column, ColumnType, Date, DateTime, Decimal, KeyBound, PackedRow, TableSchema, Time,
};
use mysql_async::{Row, Value};

use crate::pipeline::SEGMENT_BYTES;
use crate::source::merge::ChunkRows;
use crate::source::order::KeyOrder;

/// A value of the SELECT that does not fit its column's type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` ({declared}): {reason}")]
pub struct BadValue {
    pub column: String,
    pub declared: String,
    pub reason: &'static str,
}

/// Collects the rows of one chunk.
#[derive(Debug)]
pub struct RowsWriter<'s> {
    schema: &'s TableSchema,
    order: Option<&'s KeyOrder>,
    /// Columns after the table's own that hold weights of the key.
    weights: usize,
    open: Vec<u8>,
    rows: ChunkRows,
    bytes: usize,
}

impl<'s> RowsWriter<'s> {
    pub fn new(schema: &'s TableSchema, order: Option<&'s KeyOrder>) -> Self {
        let weights = order.map_or(0, |o| o.weight_expressions().len());
        let open = Vec::with_capacity(SEGMENT_BYTES + 4096);
        Self { schema, order, weights, open, rows: ChunkRows::default(), bytes: 0 }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn rows(&self) -> u64 {
        self.rows.rows
    }

    pub fn push(&mut self, row: &Row) -> Result<(), BadValue> {
        let start = self.open.len();
        PackedRow::begin(&mut self.open, self.schema.columns.len());
        for (n, column) in self.schema.columns.iter().enumerate() {
            let cell = cell(row.as_ref(n).unwrap_or(&Value::NULL), column)?;
            PackedRow::push(&mut self.open, &cell);
        }
        if self.weights > 0 {
            let order = self.order_of(row)?;
            self.bytes += order.len();
            self.rows.orders.push(order);
        }
        self.rows.rows += 1;
        self.bytes += self.open.len() - start;
        if self.open.len() >= SEGMENT_BYTES {
            self.cut();
        }
        Ok(())
    }

    fn cut(&mut self) {
        if !self.open.is_empty() {
            let full = std::mem::replace(&mut self.open, Vec::with_capacity(SEGMENT_BYTES + 4096));
            self.rows.segments.push(Bytes::from(full));
        }
    }

    /// Takes the rows written so far, for a pass that emits as it reads.
    pub fn take_segments(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.rows.segments)
    }

    pub fn finish(mut self) -> ChunkRows {
        self.cut();
        self.rows
    }

    fn order_of(&self, row: &Row) -> Result<Vec<u8>, BadValue> {
        let bound = self.order.map(|o| key_bound(self.schema, o, row, self.schema.columns.len()));
        bound.transpose().map(|b| b.map(|b| b.order).unwrap_or_default())
    }

    /// The key of `row` as a bound.
    pub fn bound(&self, row: &Row) -> Result<Option<KeyBound>, BadValue> {
        self.order.map(|o| key_bound(self.schema, o, row, self.schema.columns.len())).transpose()
    }
}

/// The key in `row`, whose first columns are the table's; weights start at `weights_at`.
fn key_bound(
    schema: &TableSchema,
    order: &KeyOrder,
    row: &Row,
    weights_at: usize,
) -> Result<KeyBound, BadValue> {
    let mut cells = Vec::with_capacity(schema.key.len());
    for &at in &schema.key {
        let Some(column) = schema.columns.get(at) else { continue };
        cells.push(cell(row.as_ref(at).unwrap_or(&Value::NULL), column)?);
    }
    bound_of(schema, order, &cells, weights(row, weights_at))
}

/// The key in `row`, whose columns are the key's, then the weights.
pub fn planned_bound(
    schema: &TableSchema,
    order: &KeyOrder,
    row: &Row,
) -> Result<KeyBound, BadValue> {
    let mut cells = Vec::with_capacity(schema.key.len());
    for (n, column) in schema.key_columns().enumerate() {
        cells.push(cell(row.as_ref(n).unwrap_or(&Value::NULL), column)?);
    }
    bound_of(schema, order, &cells, weights(row, schema.key.len()))
}

fn weights(row: &Row, at: usize) -> impl Iterator<Item = Vec<u8>> {
    (at..row.len()).map_while(|n| match row.as_ref(n) {
        Some(Value::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    })
}

fn bound_of(
    schema: &TableSchema,
    order: &KeyOrder,
    cells: &[Cell<'_>],
    weights: impl Iterator<Item = Vec<u8>>,
) -> Result<KeyBound, BadValue> {
    let key: Vec<&Cell<'_>> = cells.iter().collect();
    let bytes = order.encode(&key, weights).map_err(|e| BadValue {
        column: format!("{}.{}", schema.name, e.column),
        declared: e.declared,
        reason: "the key cannot be put in order",
    })?;
    let mut packed = Vec::new();
    PackedRow::write(&mut packed, cells);
    Ok(KeyBound { order: bytes, key: packed })
}

/// One value of the binary protocol as a cell, the same that the binlog would give.
fn cell<'v>(value: &'v Value, column: &Column) -> Result<Cell<'v>, BadValue> {
    let bad = |reason| BadValue {
        column: column.name.to_string(),
        declared: column.declared.to_string(),
        reason,
    };
    Ok(match value {
        Value::NULL => Cell::Null,
        Value::Int(v) => whole(i128::from(*v), &column.ty).ok_or_else(|| bad("out of range"))?,
        Value::UInt(v) => whole(i128::from(*v), &column.ty).ok_or_else(|| bad("out of range"))?,
        Value::Float(v) => Cell::Float(*v),
        Value::Double(v) => Cell::Double(*v),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = Date { year: *year, month: *month, day: *day };
            let at =
                DateTime { date, hour: *hour, minute: *minute, second: *second, micros: *micros };
            if column.ty == ColumnType::Date {
                Cell::Date(date)
            } else if matches!(column.ty, ColumnType::Timestamp { .. }) {
                Cell::Timestamp(at)
            } else {
                Cell::DateTime(at)
            }
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let hours = days.saturating_mul(24).saturating_add(u32::from(*hours));
            Cell::Time(Time {
                negative: *negative,
                hours: u16::try_from(hours).map_err(|_| bad("more than 838 hours"))?,
                minutes: *minutes,
                seconds: *seconds,
                micros: *micros,
            })
        }
        Value::Bytes(bytes) => return bytes_cell(bytes, column).map_err(bad),
    })
}

/// A whole number as its column has it.
fn whole(v: i128, ty: &ColumnType) -> Option<Cell<'static>> {
    if let ColumnType::Int { unsigned: true, .. } = ty {
        return u64::try_from(v).ok().map(Cell::UInt);
    }
    if *ty == ColumnType::Year {
        return u16::try_from(v).ok().map(Cell::Year);
    }
    i64::try_from(v).ok().map(Cell::Int)
}

#[inline]
fn decode<'v>(bytes: &'v [u8], collation: &Collation) -> Result<Cow<'v, str>, &'static str> {
    let charset = if &*collation.charset == "utf8mb4" {
        Charset::Utf8
    } else {
        Charset::of_name(&collation.charset).ok_or("its character set cannot be read")?
    };
    charset.decode(bytes).ok_or("its bytes are not text of its character set")
}

/// A decimal without the zeros that ZEROFILL puts in front: the binlog has none.
fn unfilled(text: &str) -> &str {
    let mut rest = text;
    while let Some(shorter) = rest.strip_prefix('0')
        && shorter.starts_with(|c: char| c.is_ascii_digit())
    {
        rest = shorter;
    }
    rest
}

fn bytes_cell<'v>(bytes: &'v [u8], column: &Column) -> Result<Cell<'v>, &'static str> {
    let text = || std::str::from_utf8(bytes).map_err(|_| "the server sent text that is not UTF-8");
    Ok(match &column.ty {
        ColumnType::Decimal { .. } => Cell::Decimal(Decimal::Text(unfilled(text()?))),
        ColumnType::Bit { .. } => {
            Cell::Bit(bytes.iter().fold(0, |bits, &b| bits << 8 | u64::from(b)))
        }
        ColumnType::Json => Cell::Json(Cow::Borrowed(text()?)),
        ColumnType::Geometry => Cell::Geometry(bytes),
        ColumnType::Binary { .. } | ColumnType::VarBinary { .. } | ColumnType::Vector => {
            Cell::Bytes(Cow::Borrowed(bytes))
        }
        ColumnType::Text { collation, .. }
        | ColumnType::Enum { collation, .. }
        | ColumnType::Set { collation, .. } => Cell::Text(decode(bytes, collation)?),
        ColumnType::FixedBytes { .. } => Cell::Text(Cow::Borrowed(text()?)),
        ColumnType::Int { .. }
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Year
        | ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. } => return Err("the server sent bytes for it"),
    })
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

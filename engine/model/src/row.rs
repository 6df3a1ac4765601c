//! Rows as bytes, and how to read their cells on demand.

use std::borrow::Cow;
use std::fmt;

use crate::value::{Cell, Date, DateTime, Decimal, Time};

/// A row image that does not decode: its bytes and its codec do not belong together, or the bytes
/// are damaged. Never a reason to skip the row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row image of {table} does not decode at byte {at}, column `{column}`: {reason}")]
pub struct RowError {
    pub table: String,
    pub column: String,
    /// Offset in the bytes given to [`RowCodec::decode`].
    pub at: usize,
    pub reason: String,
}

/// Reads row images of one table, in one form (binlog image, snapshot row).
pub trait RowCodec: Send + Sync + fmt::Debug {
    /// Decodes the row image at the start of `image`, appends one cell per column of the table's
    /// schema, and returns the bytes it took. Cells borrow from `image` or from the codec itself
    /// (ENUM members). No allocation per value, save where a text has to be converted to UTF-8.
    fn decode<'a>(&'a self, image: &'a [u8], cells: &mut Vec<Cell<'a>>) -> Result<usize, RowError>;

    /// The same, but appends the cells of `columns` alone, which are numbers in ascending order.
    ///
    /// # Errors
    /// As [`RowCodec::decode`]; a value of another column that does not decode need not be one.
    fn decode_some<'a>(
        &'a self,
        image: &'a [u8],
        columns: &[usize],
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<usize, RowError> {
        let mut all = Vec::new();
        let taken = self.decode(image, &mut all)?;
        let mut numbered = all.into_iter().enumerate();
        cells.extend(columns.iter().filter_map(|wanted| {
            numbered.find_map(|(number, cell)| (number == *wanted).then_some(cell))
        }));
        Ok(taken)
    }

    /// The bytes that the row image at the start of `image` takes.
    ///
    /// # Errors
    /// Where it is cut. A value that does not decode is no error here.
    fn image_len(&self, image: &[u8]) -> Result<usize, RowError> {
        self.decode(image, &mut Vec::new())
    }
}

/// Snapshot rows, keys and bounds: each cell a tag and its bytes. Self-describing, so one codec
/// serves every table; see [`PackedRow`] for the writer.
#[derive(Debug, Clone, Copy, Default)]
pub struct PackedCodec;

/// Builds packed rows in one growing buffer: cell count (u16), then the cells. All integers little
/// endian.
#[derive(Debug, Default)]
pub struct PackedRow;

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const INT: u8 = 1;
    pub(super) const UINT: u8 = 2;
    pub(super) const FLOAT: u8 = 3;
    pub(super) const DOUBLE: u8 = 4;
    pub(super) const DECIMAL: u8 = 5;
    pub(super) const BIT: u8 = 6;
    pub(super) const YEAR: u8 = 7;
    pub(super) const DATE: u8 = 8;
    pub(super) const TIME: u8 = 9;
    pub(super) const DATETIME: u8 = 10;
    pub(super) const TIMESTAMP: u8 = 11;
    pub(super) const TEXT: u8 = 12;
    pub(super) const BYTES: u8 = 13;
    pub(super) const JSON: u8 = 14;
    pub(super) const GEOMETRY: u8 = 15;
}

impl PackedRow {
    /// Appends a whole row.
    pub fn write(out: &mut Vec<u8>, cells: &[Cell<'_>]) {
        Self::begin(out, cells.len());
        cells.iter().for_each(|cell| Self::push(out, cell));
    }

    /// Starts a row of `cells` cells, each then given by [`PackedRow::push`].
    pub fn begin(out: &mut Vec<u8>, cells: usize) {
        // MySQL allows 4096 columns (manual, "Limits on Table Column Count").
        out.extend_from_slice(&u16::try_from(cells).unwrap_or(u16::MAX).to_le_bytes());
    }

    pub fn push(out: &mut Vec<u8>, cell: &Cell<'_>) {
        match cell {
            Cell::Null => out.push(tag::NULL),
            Cell::Int(v) => fixed(out, tag::INT, &v.to_le_bytes()),
            Cell::UInt(v) => fixed(out, tag::UINT, &v.to_le_bytes()),
            Cell::Float(v) => fixed(out, tag::FLOAT, &v.to_le_bytes()),
            Cell::Double(v) => fixed(out, tag::DOUBLE, &v.to_le_bytes()),
            Cell::Decimal(v) => {
                out.push(tag::DECIMAL);
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                v.write_to(out);
                let len = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
                if let Some(slot) = out.get_mut(at..at + 4) {
                    slot.copy_from_slice(&len.to_le_bytes());
                }
            }
            Cell::Bit(v) => fixed(out, tag::BIT, &v.to_le_bytes()),
            Cell::Year(v) => fixed(out, tag::YEAR, &v.to_le_bytes()),
            Cell::Date(v) => {
                out.push(tag::DATE);
                push_date(out, *v);
            }
            Cell::Time(v) => {
                out.push(tag::TIME);
                out.push(u8::from(v.negative));
                out.extend_from_slice(&v.hours.to_le_bytes());
                out.extend_from_slice(&[v.minutes, v.seconds]);
                out.extend_from_slice(&v.micros.to_le_bytes());
            }
            Cell::DateTime(v) => push_datetime(out, tag::DATETIME, v),
            Cell::Timestamp(v) => push_datetime(out, tag::TIMESTAMP, v),
            Cell::Text(v) => sized(out, tag::TEXT, v.as_bytes()),
            Cell::Bytes(v) => sized(out, tag::BYTES, v),
            Cell::Json(v) => sized(out, tag::JSON, v.as_bytes()),
            Cell::Geometry(v) => sized(out, tag::GEOMETRY, v),
        }
    }
}

fn fixed(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn sized(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    // A value is at most 4 GiB - 1 (LONGBLOB), and in practice one packet of 1 GiB.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn push_date(out: &mut Vec<u8>, v: Date) {
    out.extend_from_slice(&v.year.to_le_bytes());
    out.extend_from_slice(&[v.month, v.day]);
}

fn push_datetime(out: &mut Vec<u8>, tag: u8, v: &DateTime) {
    out.push(tag);
    push_date(out, v.date);
    out.extend_from_slice(&[v.hour, v.minute, v.second]);
    out.extend_from_slice(&v.micros.to_le_bytes());
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(n)?;
        self.rest = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(usize::try_from(len).ok()?)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.sized()?).ok()
    }

    fn date(&mut self) -> Option<Date> {
        let year = u16::from_le_bytes(self.array()?);
        Some(Date { year, month: self.u8()?, day: self.u8()? })
    }

    fn datetime(&mut self) -> Option<DateTime> {
        Some(DateTime {
            date: self.date()?,
            hour: self.u8()?,
            minute: self.u8()?,
            second: self.u8()?,
            micros: u32::from_le_bytes(self.array()?),
        })
    }

    fn cell(&mut self) -> Option<Cell<'a>> {
        Some(match self.u8()? {
            tag::NULL => Cell::Null,
            tag::INT => Cell::Int(i64::from_le_bytes(self.array()?)),
            tag::UINT => Cell::UInt(u64::from_le_bytes(self.array()?)),
            tag::FLOAT => Cell::Float(f32::from_le_bytes(self.array()?)),
            tag::DOUBLE => Cell::Double(f64::from_le_bytes(self.array()?)),
            tag::DECIMAL => Cell::Decimal(Decimal::Text(self.text()?)),
            tag::BIT => Cell::Bit(u64::from_le_bytes(self.array()?)),
            tag::YEAR => Cell::Year(u16::from_le_bytes(self.array()?)),
            tag::DATE => Cell::Date(self.date()?),
            tag::TIME => Cell::Time(Time {
                negative: self.u8()? != 0,
                hours: u16::from_le_bytes(self.array()?),
                minutes: self.u8()?,
                seconds: self.u8()?,
                micros: u32::from_le_bytes(self.array()?),
            }),
            tag::DATETIME => Cell::DateTime(self.datetime()?),
            tag::TIMESTAMP => Cell::Timestamp(self.datetime()?),
            tag::TEXT => Cell::Text(Cow::Borrowed(self.text()?)),
            tag::BYTES => Cell::Bytes(Cow::Borrowed(self.sized()?)),
            tag::JSON => Cell::Json(Cow::Borrowed(self.text()?)),
            tag::GEOMETRY => Cell::Geometry(self.sized()?),
            _ => return None,
        })
    }
}

impl RowCodec for PackedCodec {
    fn decode<'a>(&'a self, image: &'a [u8], cells: &mut Vec<Cell<'a>>) -> Result<usize, RowError> {
        let mut cursor = Cursor { rest: image };
        let damaged = |rest: &[u8]| RowError {
            table: String::new(),
            column: String::new(),
            at: image.len() - rest.len(),
            reason: "damaged packed row".to_owned(),
        };
        let count = cursor.array().map(u16::from_le_bytes).ok_or_else(|| damaged(image))?;
        for _ in 0..count {
            let cell = cursor.cell().ok_or_else(|| damaged(cursor.rest))?;
            cells.push(cell);
        }
        Ok(image.len() - cursor.rest.len())
    }

    fn decode_some<'a>(
        &'a self,
        image: &'a [u8],
        columns: &[usize],
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<usize, RowError> {
        let mut cursor = Cursor { rest: image };
        let damaged = || self.decode(image, &mut Vec::new());
        let Some(count) = cursor.array().map(u16::from_le_bytes) else { return damaged() };
        let mut wanted = columns.iter().copied().peekable();
        for at in 0..usize::from(count) {
            let Some(cell) = cursor.cell() else { return damaged() };
            if wanted.next_if_eq(&at).is_some() {
                cells.push(cell);
            }
        }
        Ok(image.len() - cursor.rest.len())
    }

    fn image_len(&self, image: &[u8]) -> Result<usize, RowError> {
        let mut cursor = Cursor { rest: image };
        let damaged = || self.decode(image, &mut Vec::new());
        let Some(count) = cursor.array().map(u16::from_le_bytes) else { return damaged() };
        for _ in 0..count {
            if cursor.cell().is_none() {
                return damaged();
            }
        }
        Ok(image.len() - cursor.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Cell<'static>> {
        let at = DateTime {
            date: Date { year: 2022, month: 9, day: 22 },
            hour: 10,
            minute: 1,
            second: 2,
            micros: 3,
        };
        vec![
            Cell::Null,
            Cell::Int(i64::MIN),
            Cell::UInt(u64::MAX),
            Cell::Float(1.5),
            Cell::Double(-0.1),
            Cell::Decimal(Decimal::Text("-12.30")),
            Cell::Bit(5),
            Cell::Year(2155),
            Cell::Date(Date::default()),
            Cell::Time(Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 1 }),
            Cell::DateTime(at),
            Cell::Timestamp(at),
            Cell::Text("蔡 kunkun".into()),
            Cell::Bytes(vec![0, 255].into()),
            Cell::Json("{\"a\": 1}".into()),
            Cell::Geometry(&[0, 0, 0, 0, 1]),
        ]
    }

    #[test]
    fn a_packed_row_reads_back_as_it_was() {
        let mut bytes = Vec::new();
        PackedRow::write(&mut bytes, &samples());
        let mut cells = Vec::new();
        assert_eq!(PackedCodec.decode(&bytes, &mut cells).unwrap(), bytes.len());
        assert_eq!(cells, samples());
        assert_eq!(PackedCodec.image_len(&bytes).unwrap(), bytes.len());
        let mut some = Vec::new();
        assert_eq!(PackedCodec.decode_some(&bytes, &[1, 5, 99], &mut some).unwrap(), bytes.len());
        assert_eq!(some, [samples()[1].clone(), samples()[5].clone()]);
    }

    #[test]
    fn every_cut_of_a_packed_row_is_an_error_and_no_panic() {
        let mut bytes = Vec::new();
        PackedRow::write(&mut bytes, &samples());
        for cut in 0..bytes.len() {
            assert!(PackedCodec.decode(&bytes[..cut], &mut Vec::new()).is_err(), "cut at {cut}");
            assert!(PackedCodec.image_len(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}

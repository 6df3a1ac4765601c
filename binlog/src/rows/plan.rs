//! How to read the row images of one table.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use model::{Cell, RowCodec, RowError, RowsKind, TableSchema};

use super::fit;
use super::op::{Fault, Op, Width};
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::event::{Presence, RowsEvent, TableMap};
use crate::value::slot::{fill, slots};

mod partial;

/// A table map that is not of the schema in force: a change of the table that we have not seen, or
/// a type that we do not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("binlog rows of {table} do not fit its schema{}: {reason}", column_text(.column))]
pub struct PlanError {
    pub table: String,
    /// Empty where it is about the table as a whole.
    pub column: String,
    /// Both sides: what the binlog says and what the schema says.
    pub reason: String,
}

fn column_text(column: &str) -> String {
    if column.is_empty() { String::new() } else { format!(", column `{column}`") }
}

/// Reads the row images of one table under one table map.
#[derive(Debug)]
pub struct TablePlan {
    schema: Arc<TableSchema>,
    /// One for each column of the schema.
    ops: Box<[Op]>,
    /// The same, to walk over them.
    widths: Box<[Width]>,
    /// Of a row without NULLs, neighbours of fixed width as one.
    joined: Box<[Width]>,
}

impl TablePlan {
    /// Checks `map` against `schema`, the one in force, and plans how to read each column.
    ///
    /// INVARIANT schema-at: a row decodes with the schema in force at its position. The map comes
    /// with the rows, so whatever it tells must agree: column count, types and widths always;
    /// signedness, character sets, names and members where the server adds them.
    ///
    /// # Errors
    /// Where the two do not agree, or a column is of a type that cannot be read.
    pub fn new(map: &TableMap, schema: &Arc<TableSchema>) -> Result<Self, PlanError> {
        let error = |column: &str, reason: String| PlanError {
            table: schema.name.to_string(),
            column: column.to_owned(),
            reason,
        };
        if let Some(fault) = map.fault {
            return Err(error("", format!("the table map cannot be read: {fault}")));
        }
        if map.columns.len() != schema.columns.len() {
            let (binlog, known) = (map.columns.len(), schema.columns.len());
            let reason = format!("the binlog has {binlog} columns, the schema {known}");
            return Err(error("", reason));
        }
        let ops: Result<Box<[Op]>, PlanError> = schema
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                fit::column(map, at, column).map_err(|reason| error(&column.name, reason))
            })
            .collect();
        let ops = ops?;
        let widths: Box<[Width]> = ops.iter().map(Op::width).collect();
        let joined = Width::joined(&widths);
        Ok(Self { schema: Arc::clone(schema), ops, widths, joined })
    }

    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// The row images of `event`, every column in them and whole: the event's own, unless JSON
    /// columns came as differences.
    ///
    /// # Errors
    /// Where columns are absent, names the server setting that must change; where differences do
    /// not apply, the column and the place.
    pub fn whole_images(&self, event: &RowsEvent) -> Result<Bytes, DecodeError> {
        self.check_full(event)?;
        if event.partial_json {
            return partial::whole(self, &event.images).map(Bytes::from);
        }
        Ok(event.images.clone())
    }

    fn check_full(&self, event: &RowsEvent) -> Result<(), DecodeError> {
        let table = || self.schema.name.to_string();
        let check = |presence: &Presence| {
            let (binlog, known) = (presence.columns(), self.ops.len());
            if binlog != known {
                let reason = format!("it has {binlog} columns, the table map {known}");
                return Err(DecodeError::WrongTable { table: table(), reason });
            }
            let Some(absent) = presence.first_absent() else { return Ok(()) };
            let column = self.schema.columns.get(absent).map_or("", |c| &c.name).to_owned();
            Err(DecodeError::PartialImage { table: table(), column })
        };
        check(&event.columns_before)?;
        check(&event.columns_after)
    }

    /// Bytes of the full row image at the start of `image`, without reading its values.
    ///
    /// # Errors
    /// Where the image is cut.
    pub fn image_len(&self, image: &[u8]) -> Result<usize, RowError> {
        let mut c = Cursor::new(image);
        let nulls = self.nulls(image, &mut c)?;
        if nulls.iter().all(|byte| *byte == 0) {
            let mut fast = c;
            if self.joined.iter().all(|width| width.skip(&mut fast).is_some()) {
                return Ok(image.len() - fast.rest().len());
            }
        }
        for (at, width) in self.widths.iter().enumerate() {
            if !is_null(nulls, at) {
                width.skip(&mut c).ok_or_else(|| self.error(image, &c, at, Fault::Cut))?;
            }
        }
        Ok(image.len() - c.rest().len())
    }

    /// Where each row of `event` lies in its images, in order; a row of an update is both of its
    /// images. The event must have all columns, and none as differences.
    pub fn rows<'a>(&'a self, event: &'a RowsEvent) -> RowRanges<'a> {
        RowRanges { plan: self, event, at: 0 }
    }

    /// Number of rows of `event`, which must have all columns, and none as differences.
    ///
    /// # Errors
    /// Where an image is cut.
    pub fn count_rows(&self, event: &RowsEvent) -> Result<usize, RowError> {
        self.rows(event).try_fold(0, |count, row| row.map(|_| count + 1))
    }

    #[inline]
    fn nulls<'a>(&self, image: &[u8], c: &mut Cursor<'a>) -> Result<&'a [u8], RowError> {
        let nulls = c.take(self.ops.len().div_ceil(8));
        nulls.ok_or_else(|| self.error(image, c, 0, Fault::Cut))
    }

    #[cold]
    fn error(&self, image: &[u8], c: &Cursor<'_>, column: usize, fault: Fault) -> RowError {
        let column = self.schema.columns.get(column);
        let reason = match fault {
            Fault::Cut => "the image ends inside its value".to_owned(),
            Fault::Text => "its bytes are not text of its character set".to_owned(),
            Fault::Member(value) => format!("its value {value} names no member"),
            Fault::Value(what) => format!("its value is {what}"),
        };
        RowError {
            table: self.schema.name.to_string(),
            column: column.map_or_else(String::new, |c| c.name.to_string()),
            at: image.len() - c.rest().len(),
            reason,
        }
    }
}

#[inline]
fn is_null(nulls: &[u8], column: usize) -> bool {
    nulls.get(column / 8).is_some_and(|byte| byte >> (column % 8) & 1 == 1)
}

impl RowCodec for TablePlan {
    fn decode<'a>(&'a self, image: &'a [u8], cells: &mut Vec<Cell<'a>>) -> Result<usize, RowError> {
        let mut c = Cursor::new(image);
        let nulls = self.nulls(image, &mut c)?;
        for ((at, op), slot) in self.ops.iter().enumerate().zip(slots(cells, self.ops.len())) {
            if is_null(nulls, at) {
                continue;
            }
            let start = c;
            if let Err(fault) = op.read(&mut c, |cell| fill(slot, cell)) {
                return Err(self.error(image, &start, at, fault));
            }
        }
        Ok(image.len() - c.rest().len())
    }

    fn decode_some<'a>(
        &'a self,
        image: &'a [u8],
        columns: &[usize],
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<usize, RowError> {
        let mut c = Cursor::new(image);
        let nulls = self.nulls(image, &mut c)?;
        let mut wanted = columns.iter().copied().peekable();
        for (at, (op, width)) in self.ops.iter().zip(&self.widths).enumerate() {
            let is_wanted = wanted.next_if_eq(&at).is_some();
            if is_null(nulls, at) {
                cells.extend(is_wanted.then_some(Cell::Null));
                continue;
            }
            let start = c;
            if is_wanted {
                op.read(&mut c, |cell| cells.push(cell))
                    .map_err(|fault| self.error(image, &start, at, fault))?;
            } else {
                width.skip(&mut c).ok_or_else(|| self.error(image, &start, at, Fault::Cut))?;
            }
        }
        Ok(image.len() - c.rest().len())
    }

    fn image_len(&self, image: &[u8]) -> Result<usize, RowError> {
        Self::image_len(self, image)
    }
}

/// Iterator of [`TablePlan::rows`]. After an error there is nothing more.
#[derive(Debug)]
pub struct RowRanges<'a> {
    plan: &'a TablePlan,
    event: &'a RowsEvent,
    at: usize,
}

impl RowRanges<'_> {
    fn step(&mut self) -> Result<Range<usize>, RowError> {
        let start = self.at;
        let images = if self.event.kind == RowsKind::Update { 2 } else { 1 };
        for _ in 0..images {
            let rest = self.event.images.get(self.at..).unwrap_or_default();
            // A table has at least one column, so an image at least one byte.
            self.at += self.plan.image_len(rest)?.max(1);
        }
        Ok(start..self.at)
    }
}

impl Iterator for RowRanges<'_> {
    type Item = Result<Range<usize>, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.event.images.len() {
            return None;
        }
        let row = self.step();
        if row.is_err() {
            self.at = usize::MAX;
        }
        Some(row)
    }
}

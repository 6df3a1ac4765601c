//! How to read the rows of a SELECT (MySQL internals, "Binary Protocol Resultset Row").
//!
//! A row image is the packet as it came, behind its header, which tells where the next one begins.

use std::sync::Arc;

use model::{Cell, Column, RowCodec, RowError, TableName};

use super::ResultColumn;
use super::cell::{CUT, Op, Reason};
use crate::cursor::Cursor;
use crate::value::slot::{fill, slots};
use crate::wire::image;

/// A value of a SELECT that does not fit its column's type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` ({declared}): {reason}")]
pub struct BadValue {
    pub column: String,
    pub declared: String,
    pub reason: &'static str,
}

/// Reads the rows of one result, whose first columns are those of a table.
#[derive(Debug)]
pub struct ResultRows {
    table: TableName,
    /// One for each column of the result.
    ops: Box<[Op]>,
    /// Of the table's columns: name, and how it is declared.
    names: Box<[(Arc<str>, Arc<str>)]>,
}

/// Where a row does not become cells.
pub(super) struct Fault {
    pub(super) column: usize,
    pub(super) reason: Reason,
}

impl ResultRows {
    /// For `columns` of a table, which come as the first of `sent`. What comes behind them is bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn new<'s>(
        table: &TableName,
        columns: impl IntoIterator<Item = &'s Column>,
        sent: &[ResultColumn],
    ) -> Result<Self, BadValue> {
        let mut ops = Vec::with_capacity(sent.len());
        let mut names = Vec::with_capacity(sent.len());
        let mut rest = sent.iter();
        for column in columns {
            let Some(sent) = rest.next() else {
                return Err(BadValue {
                    column: column.name.to_string(),
                    declared: column.declared.to_string(),
                    reason: "the server sent fewer columns",
                });
            };
            ops.push(Op::new(*sent, &column.ty));
            names.push((Arc::clone(&column.name), Arc::clone(&column.declared)));
        }
        ops.extend(rest.map(|sent| Op::bytes(*sent)));
        Ok(Self { table: table.clone(), ops: ops.into(), names: names.into() })
    }

    /// The bytes of the row image at the start of `rows`, all of whose values are those of its columns:
    /// it decodes.
    ///
    /// # Errors
    /// A value that is none of its column; a row that is cut or too long.
    pub fn check(&self, rows: &[u8]) -> Result<usize, BadValue> {
        let (row, taken) = image(rows).ok_or_else(|| self.bad(&CUT_ROW))?;
        self.each(row, |_, _| {}).map_err(|fault| self.bad(&fault))?;
        Ok(taken)
    }

    /// The cells of `columns` in the row image at the start of `rows`. They are numbers in ascending
    /// order; the table's, or behind them.
    ///
    /// # Errors
    /// As [`ResultRows::check`], but that not all of the row is looked at.
    pub fn some<'a>(&self, rows: &'a [u8], columns: &[usize]) -> Result<Vec<Cell<'a>>, BadValue> {
        let mut cells = Vec::with_capacity(columns.len());
        let (row, _) = image(rows).ok_or_else(|| self.bad(&CUT_ROW))?;
        self.pick(row, columns, &mut cells).map_err(|fault| self.bad(&fault))?;
        Ok(cells)
    }

    /// What comes behind the table's columns, up to the first that is NULL.
    ///
    /// # Errors
    /// As [`ResultRows::some`].
    pub fn behind(&self, rows: &[u8]) -> Result<Vec<Vec<u8>>, BadValue> {
        let columns: Vec<usize> = (self.names.len()..self.ops.len()).collect();
        let cells = self.some(rows, &columns)?;
        let bytes = |cell| if let Cell::Bytes(b) = cell { Some(b.into_owned()) } else { None };
        Ok(cells.into_iter().map_while(bytes).collect())
    }

    /// Hands every value that is not NULL to `take`, with its column.
    #[inline]
    fn each<'a>(&self, row: &'a [u8], mut take: impl FnMut(usize, Cell<'a>)) -> Result<(), Fault> {
        let (nulls, mut c) = self.parts(row)?;
        for (column, op) in self.ops.iter().enumerate().filter(|(at, _)| !is_null(nulls, *at)) {
            op.read(&mut c, |cell| take(column, cell))
                .map_err(|reason| Fault { column, reason })?;
        }
        if c.rest().is_empty() {
            return Ok(());
        }
        let column = self.ops.len().saturating_sub(1);
        Err(Fault { column, reason: "its row goes on behind it" })
    }

    fn pick<'a>(
        &self,
        row: &'a [u8],
        columns: &[usize],
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<(), Fault> {
        let (nulls, mut c) = self.parts(row)?;
        let mut wanted = columns.iter().copied().peekable();
        for (column, op) in self.ops.iter().enumerate() {
            if wanted.peek().is_none() {
                break;
            }
            let is_wanted = wanted.next_if_eq(&column).is_some();
            if is_null(nulls, column) {
                cells.extend(is_wanted.then_some(Cell::Null));
                continue;
            }
            let fault = |reason| Fault { column, reason };
            if is_wanted {
                op.read(&mut c, |cell| cells.push(cell)).map_err(fault)?;
            } else {
                op.skip(&mut c).map_err(fault)?;
            }
        }
        Ok(())
    }

    /// The bits of NULLs, and the values.
    #[inline]
    fn parts<'a>(&self, row: &'a [u8]) -> Result<(&'a [u8], Cursor<'a>), Fault> {
        let mut c = Cursor::new(row);
        c.u8();
        let nulls = c.take((self.ops.len() + NULLS_FROM).div_ceil(8));
        Ok((nulls.ok_or(CUT_ROW)?, c))
    }

    #[cold]
    fn bad(&self, fault: &Fault) -> BadValue {
        let named = self.names.get(fault.column);
        BadValue {
            column: named.map_or_else(|| "(weight)".to_owned(), |(name, _)| name.to_string()),
            declared: named.map_or_else(String::new, |(_, declared)| declared.to_string()),
            reason: fault.reason,
        }
    }

    #[cold]
    fn wrong(&self, fault: &Fault) -> RowError {
        let BadValue { column, reason, .. } = self.bad(fault);
        RowError { table: self.table.to_string(), column, at: 0, reason: reason.to_owned() }
    }
}

impl RowCodec for ResultRows {
    fn decode<'a>(&'a self, rows: &'a [u8], cells: &mut Vec<Cell<'a>>) -> Result<usize, RowError> {
        let (row, taken) = image(rows).ok_or_else(|| self.wrong(&CUT_ROW))?;
        let slots = slots(cells, self.names.len());
        let take = |column, cell| {
            if let Some(slot) = slots.get_mut(column) {
                fill(slot, cell);
            }
        };
        self.each(row, take).map_err(|fault| self.wrong(&fault))?;
        Ok(taken)
    }

    fn decode_some<'a>(
        &'a self,
        rows: &'a [u8],
        columns: &[usize],
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<usize, RowError> {
        let (row, taken) = image(rows).ok_or_else(|| self.wrong(&CUT_ROW))?;
        let own = columns.partition_point(|column| *column < self.names.len());
        let columns = columns.get(..own).unwrap_or_default();
        self.pick(row, columns, cells).map_err(|fault| self.wrong(&fault))?;
        Ok(taken)
    }

    fn image_len(&self, rows: &[u8]) -> Result<usize, RowError> {
        image(rows).map(|(_, taken)| taken).ok_or_else(|| self.wrong(&CUT_ROW))
    }
}

const CUT_ROW: Fault = Fault { column: 0, reason: CUT };

/// The first two bits are of no column.
const NULLS_FROM: usize = 2;

#[inline]
fn is_null(nulls: &[u8], column: usize) -> bool {
    let bit = column + NULLS_FROM;
    nulls.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

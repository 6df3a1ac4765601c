//! Updates with JSON columns as differences (`binlog_row_value_options = PARTIAL_JSON`) -> updates
//! with whole images, as any other.
//!
//! Each row is its `before` image, whole; the value options; where these say that there are
//! differences, one bit for each JSON column of the table; and the `after` image, in which a column
//! whose bit is set has a length and its differences instead of its document (MySQL source,
//! `sql/rpl_record.cc`). This is the rare case: it is written anew, so that no reader of rows need
//! know of it.

use model::RowError;

use super::{TablePlan, is_null as is_set};
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::rows::op::Op;
use crate::value::json;

/// `PARTIAL_JSON_UPDATES`, the only value option there is.
const PARTIAL_JSON: u64 = 1;

const CUT: &str = "the image ends inside its value";

/// The rows of a partial update as those of an update.
pub(super) fn whole(plan: &TablePlan, images: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut rest = Cursor::new(images);
    let mut out = Vec::with_capacity(images.len());
    while !rest.rest().is_empty() {
        let before = before(plan, images, &mut rest)?;
        out.extend_from_slice(before);
        let options = rest.lenenc();
        let bits = match options {
            Some(0) => &[],
            Some(PARTIAL_JSON) => {
                let columns = plan.ops.iter().filter(|op| matches!(op, Op::Json { .. })).count();
                let bits = rest.take(columns.div_ceil(8));
                bits.ok_or_else(|| malformed("a row ends inside the bits of its JSON columns"))?
            }
            Some(other) => return Err(malformed(format!("value options {other} are not known"))),
            None => return Err(malformed("a row ends before its value options")),
        };
        After { plan, images, before, bits, out: &mut out }.image(&mut rest)?;
    }
    Ok(out)
}

fn malformed(reason: impl Into<String>) -> DecodeError {
    DecodeError::malformed("partial update rows", reason)
}

fn before<'a>(
    plan: &TablePlan,
    images: &[u8],
    rest: &mut Cursor<'a>,
) -> Result<&'a [u8], DecodeError> {
    let start = images.len() - rest.rest().len();
    let len = plan.image_len(rest.rest()).map_err(|error| {
        let RowError { table, column, at, reason } = error;
        DecodeError::PartialJson { table, column, at: start + at, reason }
    })?;
    rest.take(len).ok_or_else(|| malformed("a row ends inside its `before` image"))
}

/// One `after` image being made whole.
struct After<'a> {
    plan: &'a TablePlan,
    /// All rows, for the place of an error.
    images: &'a [u8],
    before: &'a [u8],
    /// A bit for each JSON column, or nothing: then no column has differences.
    bits: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl After<'_> {
    fn image(&mut self, c: &mut Cursor<'_>) -> Result<(), DecodeError> {
        let plan = self.plan;
        let null_bytes = plan.ops.len().div_ceil(8);
        let nulls = c.take(null_bytes).ok_or_else(|| self.error(c, 0, CUT))?;
        self.out.extend_from_slice(nulls);
        let mut before = Cursor::new(self.before);
        let before_nulls = before.take(null_bytes).unwrap_or_default();
        let mut json_columns = 0;
        for (at, op) in plan.ops.iter().enumerate() {
            let start = *c;
            let old = value(op, is_set(before_nulls, at), &mut before);
            let Op::Json { len_bytes } = op else {
                let new = value(op, is_set(nulls, at), c);
                let new = new.ok_or_else(|| self.error(&start, at, CUT))?;
                self.out.extend_from_slice(new);
                continue;
            };
            let partial = is_set(self.bits, json_columns);
            json_columns += 1;
            let done = if partial && !is_set(nulls, at) {
                let old = old.and_then(|old| old.get(usize::from(*len_bytes)..));
                self.document(c, old, usize::from(*len_bytes))
            } else {
                let new = value(op, is_set(nulls, at), c).ok_or(CUT);
                new.map(|new| self.out.extend_from_slice(new))
            };
            done.map_err(|reason| self.error(&start, at, reason))?;
        }
        Ok(())
    }

    /// Reads differences, and writes the document that they make of `old`.
    fn document(
        &mut self,
        c: &mut Cursor<'_>,
        old: Option<&[u8]>,
        len_bytes: usize,
    ) -> Result<(), json::Fault> {
        let len = c.u32().and_then(|len| usize::try_from(len).ok()).ok_or(CUT)?;
        let diffs = c.take(len).ok_or(CUT)?;
        let old = old.ok_or("differences of a document that was NULL")?;
        let start = self.out.len();
        self.out.resize(start + len_bytes, 0);
        json::apply(old, diffs, self.out)?;
        let len = self.out.len() - start - len_bytes;
        let len = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        let (low, high) = len.split_at_checked(len_bytes).unwrap_or((&len, &[]));
        if high.iter().any(|&byte| byte != 0) {
            return Err("a document too long for its column");
        }
        let room = self.out.iter_mut().skip(start);
        room.zip(low).for_each(|(room, byte)| *room = *byte);
        Ok(())
    }

    #[cold]
    fn error(&self, c: &Cursor<'_>, column: usize, reason: &str) -> DecodeError {
        let column = self.plan.schema.columns.get(column);
        DecodeError::PartialJson {
            table: self.plan.schema.name.to_string(),
            column: column.map_or_else(String::new, |c| c.name.to_string()),
            at: self.images.len() - c.rest().len(),
            reason: reason.to_owned(),
        }
    }
}

/// The bytes of one value, its length with them; none for NULL.
fn value<'a>(op: &Op, null: bool, c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let start = c.rest();
    if !null {
        op.width().skip(c)?;
    }
    start.get(..start.len() - c.rest().len())
}

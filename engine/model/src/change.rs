//! What flows from the source to the sinks: batches of changes, in the source's order.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::row::{RowCodec, RowError};
use crate::table::{TableName, TableSchema};
use crate::value::Cell;

/// A stretch of the changelog. Batches cross queues, never single rows.
#[derive(Debug, Default)]
pub struct Batch {
    pub items: Vec<Item>,
    /// Memory the items hold, roughly; what queues are bounded by.
    pub bytes: usize,
}

#[derive(Debug)]
pub enum Item {
    Rows(RowsBlock),
    Schema(SchemaChange),
}

/// What happened to the rows of a block. An `Update` block holds pairs of images, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsKind {
    Read,
    Insert,
    Update,
    Delete,
}

/// Rows of one table and one kind, still in the bytes they arrived in.
#[derive(Debug, Clone)]
pub struct RowsBlock {
    pub table: Arc<TableSchema>,
    pub kind: RowsKind,
    pub codec: Arc<dyn RowCodec>,
    /// Row images, one after another, to the end.
    pub data: Bytes,
    pub origin: Origin,
}

/// Where a block comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When the source made the change (event header, whole seconds; 0 for snapshot rows), in
    /// milliseconds since the epoch.
    pub ts_ms: i64,
    pub server_id: u32,
    /// As the server prints it.
    pub gtid: Option<Arc<str>>,
    /// Binlog file, and the offset at which the event ends. For a read: the chunk's high watermark.
    pub file: Arc<str>,
    pub pos: u64,
    /// Number of the first row of this block inside its event.
    pub first_row: u32,
}

/// A change of a table's definition, ordered with the rows. The definition before it is the one that
/// the sink was told last, or began with.
///
/// A table that gets another name (RENAME TABLE, ALTER … RENAME) is told as two changes with the
/// same `sql` and `origin`: under the old name with `after: None`, then under the new one with its
/// definition. Its rows are not told again: whoever keeps rows has them under the old name. Where
/// only the new name is followed, the first is missing, and the rows are read; where only the old
/// one is, the second is missing. Names in between (`a TO tmp, b TO a, tmp TO b`) are left out: all
/// tables that swap names go first, then each comes under its new name.
///
/// The cut-over of gh-ost or pt-online-schema-change is one change, of the table under its own name,
/// with what was done to the shadow as its `sql`. Whether the tool carried the values of a renamed
/// column over only the tool knows: `renamed` is empty then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemaChange {
    pub table: TableName,
    /// The statement as the source logged it.
    pub sql: Arc<str>,
    /// The table as it is from here on; `None` once it is dropped.
    pub after: Option<Arc<TableSchema>>,
    /// No statement of the source: all rows of the table are read again behind it, and what was told
    /// of them before is void. `after` is `None`, and where the table lives on, its definition is
    /// that of the rows which follow.
    #[serde(default)]
    pub starts_over: bool,
    /// All rows are gone, and the binlog holds no deletes of them: TRUNCATE TABLE, with `after` as
    /// it was; or MariaDB's CREATE OR REPLACE TABLE over it, with another `after` as a rule.
    #[serde(default)]
    pub truncated: bool,
    /// Columns that kept their values under another name, from and to, as RENAME COLUMN and CHANGE
    /// leave them. All at once: `a` to `b` and `b` to `a` is a swap. Exact, and empty where the
    /// statement's words did not tell, so that the definition was read from the server.
    #[serde(default)]
    pub renamed: Vec<(Arc<str>, Arc<str>)>,
    /// Columns that came, and what the rows that were there hold in them. One that came and is not
    /// here holds what only the server knows: an expression, the time of the statement, numbers; or
    /// the statement's words did not tell.
    #[serde(default)]
    pub filled: Vec<(Arc<str>, Filled)>,
    /// The name that the table had before the statement, which was told as gone beside this.
    #[serde(default)]
    pub renamed_from: Option<TableName>,
    pub origin: Origin,
}

/// What rows that were there hold in a column that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filled {
    Null,
    /// This, as the column's type takes it: `5` is `5.00` in a DECIMAL(4, 2).
    Literal(Arc<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    Read,
    Create,
    Update,
    Delete,
}

/// One row-level change. `Read` and `Create` have an `after`, `Delete` a `before`, `Update` both (save where
/// [`RowsBlock::for_each_newest`] gives it).
#[derive(Debug)]
pub struct Change<'r, 'a> {
    pub op: Op,
    pub before: Option<&'r [Cell<'a>]>,
    pub after: Option<&'r [Cell<'a>]>,
    /// Number of the row inside its event.
    pub row: u32,
}

impl RowsBlock {
    /// Calls `f` with every change of the block, in order. An update that changes the key (byte by
    /// byte, also where a collation holds both spellings equal) comes as the delete of the old key
    /// and the insert of the new one.
    ///
    /// # Errors
    /// The first error of `f`, or a row that does not decode.
    pub fn for_each<E: From<RowError>>(
        &self,
        mut f: impl FnMut(Change<'_, '_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest: &[u8] = &self.data;
        let columns = self.table.columns.len();
        let (mut first, mut second) = (Vec::with_capacity(columns), Vec::new());
        let mut row = self.origin.first_row;
        while !rest.is_empty() {
            first.clear();
            rest = self.image(rest, &mut first)?;
            let change = |op, before, after| Change { op, before, after, row };
            match self.kind {
                RowsKind::Read => f(change(Op::Read, None, Some(&first[..])))?,
                RowsKind::Insert => f(change(Op::Create, None, Some(&first[..])))?,
                RowsKind::Delete => f(change(Op::Delete, Some(&first[..]), None))?,
                RowsKind::Update => {
                    second.clear();
                    second.reserve(columns);
                    rest = self.image(rest, &mut second)?;
                    if self.table.key.iter().all(|&k| first.get(k) == second.get(k)) {
                        f(change(Op::Update, Some(&first[..]), Some(&second[..])))?;
                    } else {
                        f(change(Op::Delete, Some(&first[..]), None))?;
                        f(change(Op::Create, None, Some(&second[..])))?;
                    }
                }
            }
            row = row.wrapping_add(1);
        }
        Ok(())
    }

    /// The same for those who keep the newest of each row: an `Update` comes without its `before`, of
    /// which nothing but the key is decoded.
    ///
    /// # Errors
    /// As [`RowsBlock::for_each`].
    pub fn for_each_newest<E: From<RowError>>(
        &self,
        mut f: impl FnMut(Change<'_, '_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.kind != RowsKind::Update {
            return self.for_each(f);
        }
        let mut key = self.table.key.clone();
        key.sort_unstable();
        let columns = self.table.columns.len();
        let (mut before, mut after) = (Vec::with_capacity(columns), Vec::with_capacity(columns));
        let mut rest: &[u8] = &self.data;
        let mut row = self.origin.first_row;
        while !rest.is_empty() {
            before.clear();
            after.clear();
            let image = rest;
            let taken = self.codec.decode_some(image, &key, &mut before)?;
            rest = self.behind(image, taken)?;
            rest = self.image(rest, &mut after)?;
            let change = |op, before, after| Change { op, before, after, row };
            if before.len() != key.len() {
                return Err(self.wrong(format!("{} of {} key cells", before.len(), key.len())))?;
            }
            if key.iter().zip(&before).all(|(&k, was)| after.get(k) == Some(was)) {
                f(change(Op::Update, None, Some(&after[..])))?;
            } else {
                before.clear();
                self.image(image, &mut before)?;
                f(change(Op::Delete, Some(&before[..]), None))?;
                f(change(Op::Create, None, Some(&after[..])))?;
            }
            row = row.wrapping_add(1);
        }
        Ok(())
    }

    /// Its rows; those of an update are pairs of images. Nothing is decoded for it. 0 where an image is
    /// cut: whoever reads them says so.
    pub fn row_count(&self) -> u64 {
        let (mut images, mut rest) = (0, &*self.data);
        while !rest.is_empty() {
            let behind = |taken: usize| rest.get(taken..).filter(|_| taken > 0);
            let Some(left) = self.codec.image_len(rest).ok().and_then(behind) else { return 0 };
            (images, rest) = (images + 1, left);
        }
        if self.kind == RowsKind::Update { images / 2 } else { images }
    }

    /// Decodes one image, and returns the bytes behind it. Refuses one that takes no bytes or does not fit
    /// the schema: a loop that never ends and a row read with other columns are worse than an error.
    ///
    /// # Errors
    /// It does not decode.
    pub fn image<'a>(
        &'a self,
        bytes: &'a [u8],
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<&'a [u8], RowError> {
        let taken = self.codec.decode(bytes, cells)?;
        if cells.len() != self.table.columns.len() {
            let (got, want) = (cells.len(), self.table.columns.len());
            return Err(self.wrong(format!("{got} cells for {want} columns")));
        }
        self.behind(bytes, taken)
    }

    fn behind<'a>(&self, bytes: &'a [u8], taken: usize) -> Result<&'a [u8], RowError> {
        match bytes.get(taken..) {
            Some(rest) if taken > 0 => Ok(rest),
            _ => Err(self.wrong(format!("an image of {taken} bytes in {}", bytes.len()))),
        }
    }

    #[cold]
    fn wrong(&self, reason: String) -> RowError {
        RowError { table: self.table.name.to_string(), column: String::new(), at: 0, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Collation;
    use crate::{Column, ColumnType, PackedCodec, PackedRow};

    /// Columns (name, id), of which the id is the key, or nothing.
    fn block(key: Vec<usize>, pairs: &[[(i64, &str); 2]]) -> RowsBlock {
        let collation = Collation { charset: "utf8mb4".into(), name: "utf8mb4_bin".into() };
        let column = |name: &str, ty| Column {
            name: name.into(),
            ty,
            declared: "".into(),
            nullable: false,
            generated: false,
            invisible: false,
        };
        let columns = vec![
            column("name", ColumnType::Text { chars: 9, collation }),
            column("id", ColumnType::Int { bytes: 8, unsigned: false }),
        ];
        let name = TableName::new("shop", "items");
        let (key_index, collation, indexes) = ("PRIMARY".into(), None, vec![]);
        let table = TableSchema { name, columns, key, key_index, collation, indexes };
        let mut data = Vec::new();
        for (id, text) in pairs.iter().flatten() {
            PackedRow::write(&mut data, &[Cell::Text((*text).into()), Cell::Int(*id)]);
        }
        let file = "binlog.000001".into();
        let origin = Origin { ts_ms: 0, server_id: 1, gtid: None, file, pos: 4, first_row: 7 };
        let (table, codec) = (Arc::new(table), Arc::new(PackedCodec));
        RowsBlock { table, kind: RowsKind::Update, codec, data: data.into(), origin }
    }

    fn told(change: &Change<'_, '_>) -> String {
        let Change { op, before, after, row } = change;
        format!("{row} {op:?} {before:?} {after:?}")
    }

    #[test]
    fn of_an_update_the_newest_is_told_as_it_is_with_both_images() {
        let pairs = [[(1, "a"), (1, "b")], [(2, "a"), (3, "a")], [(3, "a"), (3, "a")]];
        for key in [vec![1], vec![1, 0], vec![]] {
            let block = block(key, &pairs);
            let (mut whole, mut newest) = (Vec::new(), Vec::new());
            let told_of = |lines: &mut Vec<String>, change: Change<'_, '_>| {
                let before = change.before.filter(|_| change.op != Op::Update);
                lines.push(told(&Change { before, ..change }));
                Ok::<(), RowError>(())
            };
            block.for_each(|change| told_of(&mut whole, change)).unwrap();
            block
                .for_each_newest(|change| {
                    assert!(change.op != Op::Update || change.before.is_none());
                    told_of(&mut newest, change)
                })
                .unwrap();
            assert_eq!(newest, whole);
        }
    }

    #[test]
    fn an_update_without_its_second_image_is_an_error() {
        let mut block = block(vec![1], &[[(1, "a"), (1, "b")]]);
        let cut = block.data.len() / 2;
        block.data.truncate(cut);
        block.for_each_newest(|_| Ok::<(), RowError>(())).unwrap_err();
    }
}

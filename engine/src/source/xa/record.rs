//! Held rows as bytes: the definition of a table before its first rows (0 and JSON), then rows (their
//! kind, the number of the table's definition, how many, packed rows to the end).

use std::sync::Arc;

use bytes::Bytes;
use model::{Cell, PackedRow, RowsBlock, RowsKind, TableSchema};

use crate::source::SourceError;
use crate::source::merge::MergeError;

const SCHEMA: u8 = 0;
const HEAD: usize = 9;

pub(super) enum Record {
    Schema(TableSchema),
    Rows { table: Arc<TableSchema>, kind: RowsKind, rows: u32, data: Bytes },
}

pub(super) fn schema(schema: &TableSchema) -> Result<Vec<u8>, SourceError> {
    let mut out = vec![SCHEMA];
    serde_json::to_writer(&mut out, schema)
        .map_err(|error| SourceError::Held(error.to_string()))?;
    Ok(out)
}

pub(super) fn rows(table: usize, block: &RowsBlock) -> Result<Vec<u8>, SourceError> {
    let mut out = Vec::with_capacity(block.data.len() * 2 + HEAD);
    out.push(match block.kind {
        RowsKind::Read => 1,
        RowsKind::Insert => 2,
        RowsKind::Update => 3,
        RowsKind::Delete => 4,
    });
    out.extend_from_slice(&u32::try_from(table).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let columns = block.table.columns.len();
    let (mut rest, mut images): (&[u8], u32) = (&block.data, 0);
    while !rest.is_empty() {
        let mut cells: Vec<Cell<'_>> = Vec::with_capacity(columns);
        let taken = block.codec.decode(rest, &mut cells).map_err(MergeError::Row)?;
        PackedRow::write(&mut out, &cells);
        images += 1;
        rest = match rest.get(taken..) {
            Some(rest) if taken > 0 => rest,
            _ => return Err(SourceError::Held(format!("a row image of {taken} bytes"))),
        };
    }
    let rows = if block.kind == RowsKind::Update { images / 2 } else { images };
    if let Some(slot) = out.get_mut(5..HEAD) {
        slot.copy_from_slice(&rows.to_le_bytes());
    }
    Ok(out)
}

pub(super) fn read(record: Vec<u8>, schemas: &[Arc<TableSchema>]) -> Option<Record> {
    let kind = match record.first()? {
        &SCHEMA => return serde_json::from_slice(record.get(1..)?).ok().map(Record::Schema),
        1 => RowsKind::Read,
        2 => RowsKind::Insert,
        3 => RowsKind::Update,
        4 => RowsKind::Delete,
        _ => return None,
    };
    let number = |at: usize| Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let table = schemas.get(usize::try_from(number(1)?).ok()?)?;
    let (table, rows) = (Arc::clone(table), number(5)?);
    let data = Bytes::from(record).slice(HEAD..);
    Some(Record::Rows { table, kind, rows, data })
}

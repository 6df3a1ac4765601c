//! Rows events: which table, which columns, and the row images as bytes.

use bytes::Bytes;
use model::RowsKind;

use super::format::FormatDescription;
use super::{compressed, kind};
use crate::cursor::{Cursor, Fields};
use crate::error::DecodeError;

const EVENT: &str = "rows";
const FLAG_STMT_END: u16 = 0x1;

/// Which columns of a table an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    columns: usize,
    first_absent: Option<usize>,
}

impl Presence {
    /// `bits` has one for each column, the lowest of a byte first; what is left of the last is void.
    fn of(bits: &[u8], columns: usize) -> Self {
        let absent = bits.iter().enumerate().find(|(_, byte)| **byte != u8::MAX);
        let first_absent = absent.and_then(|(at, byte)| {
            let bit = usize::try_from(byte.trailing_ones()).unwrap_or_default();
            Some(at * 8 + bit).filter(|column| *column < columns)
        });
        Self { columns, first_absent }
    }

    /// Number of columns of the table, as the event has it.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The first column that is not there.
    pub fn first_absent(&self) -> Option<usize> {
        self.first_absent
    }
}

/// Rows of one table and one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsEvent {
    pub table_id: u64,
    pub kind: RowsKind,
    /// The last rows event of its statement: the table maps before it are void after it.
    pub stmt_end: bool,
    /// `after` images may hold JSON columns as differences (PARTIAL_UPDATE_ROWS_EVENT):
    /// [`TablePlan::whole_images`](crate::TablePlan::whole_images) makes them whole.
    pub partial_json: bool,
    /// Columns of a `before` image (update, delete); for an insert the same as `columns_after`.
    pub columns_before: Presence,
    /// Columns of an `after` image (insert, update); for a delete the same as `columns_before`.
    pub columns_after: Presence,
    /// Row images to the end; for an update, `before` and `after` in turn.
    pub images: Bytes,
}

/// How a type of rows event is laid out.
struct Layout {
    kind: RowsKind,
    /// Version 2: there is extra data before the columns.
    extra: bool,
    compressed: bool,
}

impl Layout {
    fn of(event_type: u8) -> Option<Self> {
        let (kind, extra, compressed) = match event_type {
            kind::WRITE_ROWS_V1 => (RowsKind::Insert, false, false),
            kind::UPDATE_ROWS_V1 => (RowsKind::Update, false, false),
            kind::DELETE_ROWS_V1 => (RowsKind::Delete, false, false),
            kind::WRITE_ROWS => (RowsKind::Insert, true, false),
            kind::UPDATE_ROWS | kind::PARTIAL_UPDATE_ROWS => (RowsKind::Update, true, false),
            kind::DELETE_ROWS => (RowsKind::Delete, true, false),
            kind::MARIA_WRITE_ROWS_COMPRESSED_V1 => (RowsKind::Insert, false, true),
            kind::MARIA_UPDATE_ROWS_COMPRESSED_V1 => (RowsKind::Update, false, true),
            kind::MARIA_DELETE_ROWS_COMPRESSED_V1 => (RowsKind::Delete, false, true),
            kind::MARIA_WRITE_ROWS_COMPRESSED => (RowsKind::Insert, true, true),
            kind::MARIA_UPDATE_ROWS_COMPRESSED => (RowsKind::Update, true, true),
            kind::MARIA_DELETE_ROWS_COMPRESSED => (RowsKind::Delete, true, true),
            _ => return None,
        };
        Some(Self { kind, extra, compressed })
    }
}

impl RowsEvent {
    /// The table id of a rows event, without reading the rest (nor unpacking it); `None` for an
    /// event of another type or a cut one.
    pub fn peek_table_id(raw: &crate::RawEvent, format: &FormatDescription) -> Option<u64> {
        Layout::of(raw.header.event_type)?;
        Cursor::new(&raw.body).uint_le(format.table_id_len())
    }

    /// `None` where `event_type` is not that of a rows event.
    pub(super) fn decode(
        event_type: u8,
        body: &Bytes,
        format: &FormatDescription,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(layout) = Layout::of(event_type) else { return Ok(None) };
        let mut fields = Fields::new(EVENT, body);
        let table_id = fields.read("table id", |c| c.uint_le(format.table_id_len()))?;
        let flags = fields.u16("flags")?;
        if layout.extra {
            // The length counts itself.
            let len = usize::from(fields.u16("length of extra data")?).checked_sub(2);
            let len =
                len.ok_or_else(|| fields.malformed("its extra data is shorter than its length"))?;
            fields.take(len, "extra data")?;
        }
        let columns = fields.read("column count", Cursor::lenenc)?;
        let columns = usize::try_from(columns).unwrap_or(usize::MAX);
        let mut presence = || {
            let bits = fields.take(columns.div_ceil(8), "columns")?;
            Ok(Presence::of(bits, columns))
        };
        let columns_before = presence()?;
        let columns_after = match layout.kind {
            RowsKind::Update => presence()?,
            RowsKind::Insert | RowsKind::Delete | RowsKind::Read => columns_before,
        };
        let images = if layout.compressed {
            compressed::unpack(EVENT, fields.rest())?
        } else {
            body.slice(fields.at()..)
        };
        Ok(Some(Self {
            table_id,
            kind: layout.kind,
            stmt_end: flags & FLAG_STMT_END != 0,
            partial_json: event_type == kind::PARTIAL_UPDATE_ROWS,
            columns_before,
            columns_after,
            images,
        }))
    }
}

/// The statement of a ROWS_QUERY event: after one byte of its length modulo 256, to the end.
pub(super) fn decode_query(body: &Bytes) -> Result<Bytes, DecodeError> {
    let mut fields = Fields::new("rows query", body);
    fields.u8("length")?;
    Ok(body.slice(fields.at()..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_that_is_absent_is_found_at_every_place() {
        for columns in 0..40 {
            let mut bits = vec![0xff; usize::div_ceil(columns, 8)];
            assert_eq!(Presence::of(&bits, columns).first_absent(), None);
            if let Some(last) = bits.last_mut() {
                // Beyond the columns a bit means nothing.
                *last = (1_u16 << ((columns - 1) % 8 + 1)).to_le_bytes()[0].wrapping_sub(1);
            }
            assert_eq!(Presence::of(&bits, columns).first_absent(), None);
            for absent in (0..columns).rev() {
                bits[absent / 8] &= !(1 << (absent % 8));
                assert_eq!(Presence::of(&bits, columns).first_absent(), Some(absent));
            }
        }
    }
}

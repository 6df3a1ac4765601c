//! Rows of a SELECT, kept as they came.
//!
//! The SELECT goes through the binary protocol (a prepared statement), so that numbers and times
//! arrive as such: the text protocol cuts a FLOAT to six digits (MySQL manual, "Problems with
//! Floating-Point Values"). Its rows stay in the packets that they came in ([`binlog::query`]) until a
//! sink reads their cells. That they will decode is made sure of here, where what does not is the
//! table's trouble and not the sink's.

use std::sync::Arc;

pub use binlog::query::BadValue;
use binlog::query::{ResultRows, Select};
use bytes::Bytes;
use model::{Cell, KeyBound, PackedRow, RowCodec, TableSchema};

use crate::source::merge::ChunkRows;
use crate::source::order::KeyOrder;

/// Pieces smaller than this are copied next to each other: each that is not costs a block.
const COPIED_BELOW: usize = 8 << 10;
/// Copies lie next to each other in pieces of this size.
const COPIES_BYTES: usize = 64 << 10;

/// Where a chunk is cut.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub rows: u64,
    pub bytes: usize,
}

impl Most {
    /// Nowhere.
    pub const ALL: Self = Self { rows: u64::MAX, bytes: usize::MAX };
}

/// Collects the rows of one chunk.
#[derive(Debug)]
pub struct RowsWriter<'s> {
    form: Arc<ResultRows>,
    key: Option<RowKey<'s>>,
    most: Most,
    rows: ChunkRows,
    bytes: usize,
    /// Small pieces that came last.
    copies: Vec<u8>,
}

impl<'s> RowsWriter<'s> {
    /// For the rows of `select`: the table's columns, then weights of the key.
    ///
    /// # Errors
    /// The server sends fewer columns than the table has.
    pub fn new(
        schema: &'s TableSchema,
        order: Option<&'s KeyOrder>,
        select: &Select<'_>,
        most: Most,
    ) -> Result<Self, BadValue> {
        let form = ResultRows::new(&schema.name, &schema.columns, select.columns())?;
        let form = Arc::new(form);
        let key = order.map(|order| RowKey::new(schema, order, schema.key.clone()));
        let codec: Arc<dyn RowCodec> = Arc::clone(&form) as _;
        let rows = ChunkRows { codec, ..ChunkRows::default() };
        Ok(Self { form, key, most, rows, bytes: 0, copies: Vec::new() })
    }

    /// Bytes of the rows that were not taken yet, with those of their order.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes rows of `select` up to where the chunk is to be cut; the key of the last one then.
    ///
    /// # Errors
    /// A value that does not fit its column.
    pub fn push(
        &mut self,
        rows: &Bytes,
        select: &mut Select<'_>,
    ) -> Result<Option<KeyBound>, BadValue> {
        let (mut at, mut cut) = (0, None);
        while let Some(rest) = rows.get(at..).filter(|rest| !rest.is_empty()) {
            let taken = self.form.check(rest)?;
            if let Some(key) = self.key.as_ref().filter(|key| key.order.needs_server()) {
                let order = key.bound(&self.form, rest)?.order;
                self.bytes += order.len();
                self.rows.orders.push(order);
            }
            self.rows.rows += 1;
            self.bytes += taken;
            at += taken;
            if self.rows.rows >= self.most.rows || self.bytes >= self.most.bytes {
                cut = self.key.as_ref().map(|key| key.bound(&self.form, rest)).transpose()?;
                break;
            }
        }
        self.keep(rows.slice(..at), select);
        Ok(cut)
    }

    fn keep(&mut self, rows: Bytes, select: &mut Select<'_>) {
        if rows.len() < COPIED_BELOW {
            self.copies.extend_from_slice(&rows);
            if self.copies.len() >= COPIES_BYTES {
                self.settle();
            }
            return;
        }
        self.settle();
        self.rows.segments.push(select.hold(rows));
    }

    /// Copies take their place behind what came before them.
    fn settle(&mut self) {
        if !self.copies.is_empty() {
            let copies = Bytes::copy_from_slice(&self.copies);
            self.copies.clear();
            self.rows.segments.push(copies);
        }
    }

    /// The rows that came so far, for those who hand them on as they come.
    pub fn take(&mut self) -> ChunkRows {
        self.settle();
        self.bytes = 0;
        let codec = Arc::clone(&self.rows.codec);
        std::mem::replace(&mut self.rows, ChunkRows { codec, ..ChunkRows::default() })
    }
}

/// Where the key lies in the rows of a result.
#[derive(Debug)]
struct RowKey<'s> {
    schema: &'s TableSchema,
    order: &'s KeyOrder,
    /// Columns of the result, in the key's order.
    columns: Vec<usize>,
    /// The same in ascending order.
    ascending: Vec<usize>,
}

impl<'s> RowKey<'s> {
    fn new(schema: &'s TableSchema, order: &'s KeyOrder, columns: Vec<usize>) -> Self {
        let mut ascending = columns.clone();
        ascending.sort_unstable();
        Self { schema, order, columns, ascending }
    }

    /// Of the row image at the start of `rows`.
    fn bound(&self, form: &ResultRows, rows: &[u8]) -> Result<KeyBound, BadValue> {
        let found = form.some(rows, &self.ascending)?;
        let place = |column| self.ascending.binary_search(column).ok();
        let cells: Vec<&Cell<'_>> =
            self.columns.iter().filter_map(|c| found.get(place(c)?)).collect();
        let weights = if self.order.needs_server() { form.behind(rows)? } else { Vec::new() };
        let order = self.order.encode(&cells, weights.into_iter()).map_err(|e| BadValue {
            column: format!("{}.{}", self.schema.name, e.column),
            declared: e.declared,
            reason: "the key cannot be put in order",
        })?;
        let mut key = Vec::new();
        PackedRow::begin(&mut key, cells.len());
        cells.iter().for_each(|cell| PackedRow::push(&mut key, cell));
        Ok(KeyBound { order, key })
    }
}

/// The key in the first of `rows` of `select`, whose columns are the key's, then the weights.
pub fn planned_bound(
    schema: &TableSchema,
    order: &KeyOrder,
    select: &Select<'_>,
    rows: &[u8],
) -> Result<KeyBound, BadValue> {
    let form = ResultRows::new(&schema.name, schema.key_columns(), select.columns())?;
    RowKey::new(schema, order, (0..schema.key.len()).collect()).bound(&form, rows)
}

//! Snapshot and stream become one changelog.
//!
//! INVARIANT window-complete. For a chunk of the key range R of table T:
//!
//! 1. `open` at stream position L. Every change to T before L with a key in R was dropped (its key
//!    was in no done and no open range); every one after L goes to the window's log.
//! 2. The SELECT runs once everything up to L is visible to it ([`binlog::visibility`]), so each row
//!    it returns is the row's state at some moment at or after L.
//! 3. H, the server's position after the SELECT returned, is at or after each of those moments.
//! 4. At H the log holds every change of R between L and H. For a key in the log, its last entry *is*
//!    the row's state at H, whatever the SELECT saw. For a key not in the log, nothing happened
//!    between L and H, so what the SELECT saw is its state at H.
//! 5. So `close` emits exactly the state of R at H, as reads, and marks R done. From here the
//!    changes of R flow, and the first one's `before` is what was just emitted.
//!
//! Changes to keys outside done and open ranges are dropped: the chunk that will cover them opens
//! later than they happened, and its SELECT sees them (1, 2). A key is in at most one range, for the
//! planner cuts the gaps of the done set into disjoint pieces. An update that moves a row from one
//! key to another is a delete of the one and an insert of the other, each judged by its own key.
//!
//! Pure: no I/O, no clock. Test: `rows_written_during_a_chunk_are_neither_lost_nor_doubled`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use model::checkpoint::TablePhase;
use model::{
    Cell, KeyRange, Origin, PackedCodec, RangeSet, RowCodec, RowError, RowsBlock, RowsKind,
    TableSchema,
};

use super::order::{KeyOrder, OrderError};
use crate::pipeline::{SEGMENT_BYTES, WINDOW_BYTES_MAX};

#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("table {table}: {source}")]
    Order { table: String, source: OrderError },
}

/// Names one opened chunk within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkId(pub u64);

/// What a SELECT brought, in key order.
#[derive(Debug)]
pub struct ChunkRows {
    /// How the rows are read.
    pub codec: Arc<dyn RowCodec>,
    /// Row images in pieces, as they came.
    pub segments: Vec<Bytes>,
    pub rows: u64,
    /// Each row's key in order bytes, where only the server knows the order; else empty.
    pub orders: Vec<Vec<u8>>,
}

impl Default for ChunkRows {
    fn default() -> Self {
        let (codec, segments) = (Arc::new(PackedCodec), Vec::new());
        Self { codec, segments, rows: 0, orders: Vec::new() }
    }
}

/// How a chunk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    Done,
    /// Its window was spoiled (a schema change, or too many changes): read the range again.
    Again,
    /// The table is not followed any more.
    Gone,
}

/// A table on its way from snapshot to stream.
#[derive(Debug)]
pub struct SnapshotTable {
    schema: Arc<TableSchema>,
    order: Arc<KeyOrder>,
    done: RangeSet,
    rows: u64,
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    id: ChunkId,
    range: KeyRange,
    /// Last state of each key changed since the window opened: the row as a read, or gone.
    log: BTreeMap<Vec<u8>, Option<RowsBlock>>,
    bytes: usize,
    spoiled: bool,
}

/// Where a key belongs.
enum Region {
    Done,
    Window(usize),
    /// The chunk that will cover it reads it later.
    Later,
}

/// Rows of one rows event, with the order bytes of each image's key.
#[derive(Debug)]
pub struct StreamedRows<'e> {
    pub block: &'e RowsBlock,
    /// End of each image in the block's data.
    pub ends: Vec<usize>,
    /// Order bytes of each image's key.
    pub orders: Vec<Vec<u8>>,
}

impl SnapshotTable {
    pub fn new(schema: Arc<TableSchema>, order: KeyOrder, done: RangeSet, rows: u64) -> Self {
        Self { schema, order: Arc::new(order), done, rows, windows: Vec::new() }
    }

    pub fn order(&self) -> &Arc<KeyOrder> {
        &self.order
    }

    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn is_complete(&self) -> bool {
        self.done.is_all()
    }

    /// For the checkpoint.
    pub fn progress(&self) -> TablePhase {
        TablePhase::Snapshot { done: self.done.clone(), rows: self.rows }
    }

    pub fn gaps(&self) -> Vec<KeyRange> {
        self.done.gaps()
    }

    /// Step 1. From now on every change to a key in `range` is kept.
    pub fn open(&mut self, id: ChunkId, range: KeyRange) {
        let log = BTreeMap::new();
        self.windows.push(Window { id, range, log, bytes: 0, spoiled: false });
    }

    /// The SELECT ended early: from here on the window is `range`, the lower part of what was
    /// opened. What it kept of the rest is dropped, for the chunk that will read the rest opens
    /// later than that happened.
    pub fn narrow(&mut self, id: ChunkId, range: &KeyRange) {
        if let Some(window) = self.windows.iter_mut().find(|w| w.id == id)
            && window.range != *range
        {
            window.range = range.clone();
            window.log.retain(|order, _| range.contains(order));
            window.bytes = window.log.iter().map(|(k, row)| kept_bytes(k, row.as_ref())).sum();
        }
    }

    /// Forgets a chunk that will not be read.
    pub fn abandon(&mut self, id: ChunkId) {
        self.windows.retain(|w| w.id != id);
    }

    /// True where nothing is done yet.
    pub fn is_blank(&self) -> bool {
        self.done.ranges().is_empty()
    }

    /// True where nothing is done and no chunk is open: changes mean nothing yet.
    pub fn is_untouched(&self) -> bool {
        self.is_blank() && self.windows.is_empty()
    }

    /// Forgets every chunk: nothing of the snapshot holds any more.
    pub fn give_up(&mut self) {
        self.windows.clear();
    }

    /// Rows changed that the stream does not tell: what is open is read again.
    pub fn reread(&mut self) {
        self.windows.iter_mut().for_each(Window::spoil);
    }

    /// The table's definition changed, or it was emptied: what was read or kept so far does not
    /// belong together any more.
    pub fn spoil(&mut self, schema: Arc<TableSchema>, order: KeyOrder) {
        self.schema = schema;
        self.order = Arc::new(order);
        for window in &mut self.windows {
            window.spoil();
        }
    }

    /// Routes the changes of one rows event: done keys flow to `out`, open ones to their window.
    pub fn push(&mut self, rows: &StreamedRows<'_>, out: &mut Vec<RowsBlock>) {
        let mut run = Run::new(rows.block);
        let mut start = 0;
        let mut images = rows.ends.iter().zip(&rows.orders);
        let mut row = rows.block.origin.first_row;
        while let Some((&end, order)) = images.next() {
            match rows.block.kind {
                RowsKind::Read | RowsKind::Insert => {
                    self.put(&mut run, out, rows.block.kind, order, start..end, start..end, row);
                    start = end;
                }
                RowsKind::Delete => {
                    self.take(&mut run, out, order, start..end, row);
                    start = end;
                }
                RowsKind::Update => {
                    let Some((&after_end, after_order)) = images.next() else { break };
                    if order == after_order {
                        let both = start..after_end;
                        let kind = RowsKind::Update;
                        self.put(&mut run, out, kind, order, both, end..after_end, row);
                    } else {
                        self.take(&mut run, out, order, start..end, row);
                        let kind = RowsKind::Insert;
                        let after = end..after_end;
                        self.put(&mut run, out, kind, after_order, after.clone(), after, row);
                    }
                    start = after_end;
                }
            }
            row = row.wrapping_add(1);
        }
        run.flush(out);
    }

    /// A key now holds the row `after`; `images` is what flows on if the key is done.
    #[expect(clippy::too_many_arguments, reason = "one row's facts, at the two places of `push`")]
    fn put(
        &mut self,
        run: &mut Run<'_>,
        out: &mut Vec<RowsBlock>,
        kind: RowsKind,
        order: &[u8],
        images: Range<usize>,
        after: Range<usize>,
        row: u32,
    ) {
        match self.region(order) {
            Region::Done => run.extend(out, kind, images, row),
            Region::Window(at) => {
                // Copied out of its event: a window must not keep whole events alive.
                let data = Bytes::copy_from_slice(run.slice(&after));
                let block = RowsBlock { kind: RowsKind::Read, data, ..run.block.clone() };
                if let Some(window) = self.windows.get_mut(at) {
                    window.keep(order, Some(block));
                }
            }
            Region::Later => {}
        }
    }

    /// A key is gone.
    fn take(
        &mut self,
        run: &mut Run<'_>,
        out: &mut Vec<RowsBlock>,
        order: &[u8],
        image: Range<usize>,
        row: u32,
    ) {
        match self.region(order) {
            Region::Done => run.extend(out, RowsKind::Delete, image, row),
            Region::Window(at) => {
                if let Some(window) = self.windows.get_mut(at) {
                    window.keep(order, None);
                }
            }
            Region::Later => {}
        }
    }

    fn region(&self, order: &[u8]) -> Region {
        if self.done.contains(order) {
            return Region::Done;
        }
        match self.windows.iter().position(|w| w.range.contains(order)) {
            Some(at) => Region::Window(at),
            None => Region::Later,
        }
    }

    /// Step 5, at the chunk's high watermark: emits the range as it stood there.
    ///
    /// # Errors
    /// A row that does not decode.
    pub fn close(
        &mut self,
        id: ChunkId,
        rows: ChunkRows,
        origin: &Origin,
        out: &mut Vec<RowsBlock>,
    ) -> Result<Closed, MergeError> {
        // Given up with its plan: the range is on another plan's list.
        let Some(at) = self.windows.iter().position(|w| w.id == id) else {
            return Ok(Closed::Gone);
        };
        let window = self.windows.swap_remove(at);
        if window.spoiled {
            return Ok(Closed::Again);
        }
        let template = RowsBlock {
            table: Arc::clone(&self.schema),
            kind: RowsKind::Read,
            codec: Arc::clone(&rows.codec),
            data: Bytes::new(),
            origin: origin.clone(),
        };
        let emitted = if window.log.is_empty() {
            let block = |data| RowsBlock { data, ..template.clone() };
            out.extend(rows.segments.into_iter().map(block));
            rows.rows
        } else {
            self.merge(&window.log, &rows, &template, out)?
        };
        self.rows += emitted;
        self.done.insert(window.range);
        Ok(Closed::Done)
    }

    /// Emits the read rows whose keys were left alone, then the last states that the log holds.
    fn merge(
        &self,
        log: &BTreeMap<Vec<u8>, Option<RowsBlock>>,
        rows: &ChunkRows,
        template: &RowsBlock,
        out: &mut Vec<RowsBlock>,
    ) -> Result<u64, MergeError> {
        let mut given = rows.orders.iter();
        let mut emitted = 0;
        for segment in &rows.segments {
            let mut kept = BytesMut::with_capacity(segment.len());
            let mut at = 0;
            while let Some(rest) = segment.get(at..).filter(|r| !r.is_empty()) {
                let mut cells: Vec<Cell<'_>> = Vec::new();
                let taken = rows.codec.decode(rest, &mut cells)?;
                let computed;
                let order = match given.next() {
                    Some(order) => order,
                    None => {
                        computed = self.order.encode_local(&cells).map_err(|source| {
                            MergeError::Order { table: self.schema.name.to_string(), source }
                        })?;
                        &computed
                    }
                };
                if !log.contains_key(order) {
                    kept.extend_from_slice(rest.get(..taken).unwrap_or_default());
                    emitted += 1;
                }
                at += taken;
            }
            if !kept.is_empty() {
                out.push(RowsBlock { data: kept.freeze(), ..template.clone() });
            }
        }
        for block in log.values().flatten() {
            let origin = template.origin.clone();
            out.push(RowsBlock { origin, ..block.clone() });
            emitted += 1;
        }
        Ok(emitted)
    }
}

impl Window {
    fn keep(&mut self, order: &[u8], state: Option<RowsBlock>) {
        if self.spoiled {
            return;
        }
        // As a slice it would hold the memory of everything that came beside it.
        let state =
            state.map(|block| RowsBlock { data: Bytes::copy_from_slice(&block.data), ..block });
        self.bytes += kept_bytes(order, state.as_ref());
        if let Some(old) = self.log.insert(order.to_vec(), state) {
            self.bytes -= kept_bytes(order, old.as_ref());
        }
        if self.bytes > WINDOW_BYTES_MAX {
            self.spoil();
        }
    }

    fn spoil(&mut self) {
        self.spoiled = true;
        self.log.clear();
        self.bytes = 0;
    }
}

/// What one entry of a window's log takes, about.
fn kept_bytes(order: &[u8], state: Option<&RowsBlock>) -> usize {
    order.len() + 64 + state.map_or(0, |b| b.data.len() + 160)
}

/// Neighbouring images of one kind leave as one block, without copying.
struct Run<'e> {
    block: &'e RowsBlock,
    kind: RowsKind,
    images: Range<usize>,
    first_row: u32,
}

impl<'e> Run<'e> {
    fn new(block: &'e RowsBlock) -> Self {
        Self { block, kind: block.kind, images: 0..0, first_row: 0 }
    }

    fn slice(&self, images: &Range<usize>) -> &'e [u8] {
        self.block.data.get(images.clone()).unwrap_or_default()
    }

    fn extend(&mut self, out: &mut Vec<RowsBlock>, kind: RowsKind, images: Range<usize>, row: u32) {
        let long = self.images.len() > SEGMENT_BYTES;
        if kind == self.kind && images.start == self.images.end && !self.images.is_empty() && !long
        {
            self.images.end = images.end;
            return;
        }
        self.flush(out);
        (self.kind, self.images, self.first_row) = (kind, images, row);
    }

    fn flush(&mut self, out: &mut Vec<RowsBlock>) {
        if self.images.is_empty() {
            return;
        }
        let images = std::mem::replace(&mut self.images, 0..0);
        let data = self.block.data.slice(images);
        let origin = Origin { first_row: self.first_row, ..self.block.origin.clone() };
        out.push(RowsBlock { kind: self.kind, data, origin, ..self.block.clone() });
    }
}

#[cfg(test)]
mod tests;

//! What the stream holds back while a table without a key is read in one pass.
//!
//! Its changes go to disk (working state, lost without harm: the pass then starts again), with where
//! they come from; when the pass is complete, those after its position follow its rows, in order.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    BinlogPosition, Origin, Position, RowCodec, RowsBlock, RowsKind, TableSchema, Watermark,
};
use state::Spool;

use super::SourceError;
use super::merge::ChunkId;

/// A table in, or before, its pass.
#[derive(Debug, Default)]
pub struct PassTable {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    id: ChunkId,
    /// Codecs and schemas of the changes held, by number.
    forms: Vec<(Arc<TableSchema>, Arc<dyn RowCodec>)>,
    /// Rows have been emitted: from here it must end well, or the run starts again.
    emitted: bool,
    next: u64,
    /// Not yet on disk.
    pending: Vec<(u64, Vec<u8>)>,
    pending_bytes: usize,
}

/// Changes go to disk in steps of this size.
const PENDING_BYTES_MAX: usize = 256 << 10;

impl PassTable {
    pub async fn open(&mut self, id: ChunkId, spool: &Spool) -> Result<(), SourceError> {
        spool.clear(slot(id)).await?;
        self.open = Some(Open {
            id,
            forms: Vec::new(),
            emitted: false,
            next: 0,
            pending: Vec::new(),
            pending_bytes: 0,
        });
        Ok(())
    }

    pub fn is_begun(&self) -> bool {
        self.open.is_some()
    }

    pub fn is_open(&self, id: ChunkId) -> bool {
        self.open.as_ref().is_some_and(|o| o.id == id)
    }

    /// True while rows are out that only the pass's end makes whole: no barrier may pass.
    pub fn is_emitting(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.emitted)
    }

    pub fn emitting(&mut self) {
        if let Some(open) = &mut self.open {
            open.emitted = true;
        }
    }

    /// Keeps a rows event of the table; before the pass opened, the pass will read its rows.
    pub async fn hold(&mut self, block: &RowsBlock, spool: &Spool) -> Result<(), SourceError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let same = |f: &(Arc<TableSchema>, Arc<dyn RowCodec>)| {
            Arc::ptr_eq(&f.0, &block.table) && Arc::ptr_eq(&f.1, &block.codec)
        };
        let form = match open.forms.iter().position(same) {
            Some(at) => at,
            None => {
                open.forms.push((Arc::clone(&block.table), Arc::clone(&block.codec)));
                open.forms.len() - 1
            }
        };
        let mut record = Vec::with_capacity(block.data.len() + 96);
        write_head(&mut record, form, block);
        record.extend_from_slice(&block.data);
        open.pending_bytes += record.len();
        open.pending.push((open.next, record));
        open.next += 1;
        if open.pending_bytes >= PENDING_BYTES_MAX {
            open.spill(spool).await?;
        }
        Ok(())
    }

    /// Ends the pass: what was held back is on disk, and read from there through [`Held`]. The
    /// stream has passed the pass's position.
    pub async fn finish(&mut self, spool: &Spool) -> Result<Option<Held>, SourceError> {
        let Some(mut open) = self.open.take() else { return Ok(None) };
        open.spill(spool).await?;
        Ok(Some(Held { slot: slot(open.id), drain: spool.drain(slot(open.id)), forms: open.forms }))
    }
}

impl Open {
    async fn spill(&mut self, spool: &Spool) -> Result<(), SourceError> {
        self.pending_bytes = 0;
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            spool.append(slot(self.id), pending).await?;
        }
        Ok(())
    }
}

/// Changes held back, on their way out.
pub struct Held {
    slot: u32,
    drain: state::Drain,
    forms: Vec<(Arc<TableSchema>, Arc<dyn RowCodec>)>,
}

impl Held {
    /// The next changes after `high`, in order; `None` when there are no more.
    pub async fn next(
        &mut self,
        high: &Watermark,
        spool: &Spool,
    ) -> Result<Option<Vec<RowsBlock>>, SourceError> {
        let records = self.drain.next().await?;
        if records.is_empty() {
            spool.clear(self.slot).await?;
            return Ok(None);
        }
        let mut blocks = Vec::new();
        for (seq, record) in records {
            let damaged = || SourceError::Spool(format!("held change {seq} is damaged"));
            let block = read_record(&self.forms, record).ok_or_else(damaged)?;
            if after(&block.origin, high).ok_or_else(damaged)? {
                blocks.push(block);
            }
        }
        Ok(Some(blocks))
    }
}

fn slot(id: ChunkId) -> u32 {
    u32::try_from(id.0 & u64::from(u32::MAX)).unwrap_or_default()
}

/// True where the event ends after the mark.
fn after(origin: &Origin, high: &Watermark) -> Option<bool> {
    let binlog = BinlogPosition { file: origin.file.parse().ok()?, offset: origin.pos };
    let at = Position { gtids: model::Gtids::None, binlog, in_transaction: None };
    match high {
        Watermark::Binlog(mark) => Some(at.binlog > *mark),
        Watermark::Gtids(_) => None,
    }
}

fn kind_number(kind: RowsKind) -> u8 {
    match kind {
        RowsKind::Read => 0,
        RowsKind::Insert => 1,
        RowsKind::Update => 2,
        RowsKind::Delete => 3,
    }
}

fn write_head(out: &mut Vec<u8>, form: usize, block: &RowsBlock) {
    let origin = &block.origin;
    out.push(kind_number(block.kind));
    out.extend_from_slice(&u32::try_from(form).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&origin.ts_ms.to_le_bytes());
    out.extend_from_slice(&origin.server_id.to_le_bytes());
    out.extend_from_slice(&origin.pos.to_le_bytes());
    out.extend_from_slice(&origin.first_row.to_le_bytes());
    for text in [origin.gtid.as_deref().unwrap_or_default(), &origin.file] {
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

fn read_record(
    forms: &[(Arc<TableSchema>, Arc<dyn RowCodec>)],
    record: Vec<u8>,
) -> Option<RowsBlock> {
    let mut at = 0;
    let mut take = |n: usize| {
        let piece = record.get(at..at + n);
        at += n;
        piece
    };
    let kind = match take(1)?.first()? {
        0 => RowsKind::Read,
        1 => RowsKind::Insert,
        2 => RowsKind::Update,
        3 => RowsKind::Delete,
        _ => return None,
    };
    let form = u32::from_le_bytes(take(4)?.try_into().ok()?);
    let ts_ms = i64::from_le_bytes(take(8)?.try_into().ok()?);
    let server_id = u32::from_le_bytes(take(4)?.try_into().ok()?);
    let pos = u64::from_le_bytes(take(8)?.try_into().ok()?);
    let first_row = u32::from_le_bytes(take(4)?.try_into().ok()?);
    let mut text = || {
        let len = u16::from_le_bytes(take(2)?.try_into().ok()?);
        std::str::from_utf8(take(usize::from(len))?).ok().map(Arc::<str>::from)
    };
    let gtid = text()?;
    let file = text()?;
    let gtid = (!gtid.is_empty()).then_some(gtid);
    let (table, codec) = forms.get(usize::try_from(form).ok()?)?.clone();
    let origin = Origin { ts_ms, server_id, gtid, file, pos, first_row };
    let data = Bytes::from(record).slice(at..);
    Some(RowsBlock { table, kind, codec, data, origin })
}

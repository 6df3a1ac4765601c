//! What the loop does with what arrives: events of the binlog, and chunks of the snapshot.

use std::sync::Arc;

use binlog::reader::{Delivered, Settled, StreamEvent};
use bytes::Bytes;
use model::{Cell, KeyRange, Origin, RowCodec, RowError, RowsBlock, RowsKind, TableName};

use super::merge::{ChunkId, ChunkRows, Closed, MergeError, StreamedRows};
use super::order::KeyOrder;
use super::snapshot::plan::{Job, PlanId, PlannedTable};
use super::snapshot::{Ask, LoadedChunk, Opened};
use super::tables::{Followed, Phase};
use super::weights::Weights;
use super::{MySqlSource, SourceError, Transaction, Waiting, WaitingPass};

impl MySqlSource {
    /// Takes one event of the stream.
    pub(super) async fn take(&mut self, delivered: Delivered) -> Result<(), SourceError> {
        if delivered.ts_ms > 0 {
            self.position_ts_ms = delivered.ts_ms;
        }
        // Whatever happened, it happened at a place in this server's files.
        self.file_known |= !matches!(delivered.event, StreamEvent::ServerChanged);
        match delivered.event {
            StreamEvent::Begin(settled) => {
                self.transaction = Transaction { open: true, bytes: 0 };
                self.xa.begin(settled == Settled::Later);
            }
            StreamEvent::Rows(ref rows) => {
                let block = RowsBlock {
                    table: Arc::clone(rows.plan.schema()),
                    kind: rows.kind,
                    codec: Arc::clone(&rows.plan) as Arc<dyn RowCodec>,
                    data: rows.images.clone(),
                    origin: origin(&delivered),
                };
                let table = Arc::clone(&block.table);
                if let Err(error) = self.rows(block).await {
                    self.set_apart(error, self.place_of(&delivered))?;
                }
                // Set apart just now, or earlier in the same statement.
                self.tables.apart.dropped(&table.name);
            }
            StreamEvent::Query { ref query, in_transaction } => {
                self.transaction.open = in_transaction;
                self.statement(query, &delivered).await?;
            }
            StreamEvent::Commit => {
                if let Some(held) = self.xa.take_open() {
                    self.release(held, origin(&delivered)).await?;
                }
                self.transaction.open = false;
            }
            StreamEvent::Prepared(ref xid) => {
                self.xa.prepared(xid.clone())?;
                // From here on its verdict means something.
                self.awaited.settled(xid);
                self.transaction.open = false;
            }
            StreamEvent::XaCommit(ref xid) => self.xa_commit(xid, &delivered).await?,
            StreamEvent::XaRollback(ref xid) => {
                self.awaited.settled(xid);
                drop(self.xa.take(xid));
            }
            StreamEvent::Progress => {}
            StreamEvent::ServerChanged => self.server_changed()?,
        }
        Ok(())
    }

    /// Takes a rows event: whole, or with an error nothing of it.
    async fn rows(&mut self, block: RowsBlock) -> Result<(), SourceError> {
        if self.tables.apart.has(&block.table.name) {
            return Ok(());
        }
        self.verify(&block)?;
        if self.xa.is_open() {
            return self.xa.hold(&block).await;
        }
        self.transaction.bytes += block.data.len() as u64;
        self.change(block).await
    }

    /// Another server of the same history carries on. Watermarks are positions in the files of one
    /// server, so open chunks are worth nothing: the run starts again on the new server. Where the
    /// run has begun on it, only the checkpoint's position is of the old one.
    fn server_changed(&mut self) -> Result<(), SourceError> {
        if self.server.identity != self.reader.server().identity {
            return Err(SourceError::ServerChanged);
        }
        self.file_known = false;
        Ok(())
    }

    /// Rows change here.
    pub(super) async fn change(&mut self, block: RowsBlock) -> Result<(), SourceError> {
        if self.beginning {
            return Ok(());
        }
        self.counters.events_streamed += 1;
        self.route(block).await
    }

    async fn route(&mut self, block: RowsBlock) -> Result<(), SourceError> {
        let Some(followed) = self.tables.followed.get_mut(&block.table.name) else {
            return Ok(());
        };
        if followed.unproven.is_some() {
            followed.trust(&self.reader.position().binlog);
        }
        let (kind, bytes, ts_ms) = (block.kind, block.data.len(), block.origin.ts_ms);
        let rows = match &mut followed.phase {
            Phase::Live => self.batcher.push_rows(block),
            Phase::Pass(pass) => {
                pass.hold(&block, &self.spool).await?;
                block.row_count()
            }
            Phase::Snapshot(table) => {
                let order = Arc::clone(table.order());
                let (ends, orders) = keys(&block, &order, &mut self.weights).await?;
                let mut out = Vec::new();
                table.push(&StreamedRows { block: &block, ends, orders }, &mut out);
                for merged in out {
                    self.batcher.push_rows(merged);
                }
                block.row_count()
            }
        };
        followed.meter.streamed(kind, rows, bytes, ts_ms);
        self.meters.rows.add(kind, rows, bytes);
        Ok(())
    }

    /// Opens the chunks that readers asked for, between two transactions.
    pub(super) async fn open_chunks(&mut self) -> Result<(), SourceError> {
        self.see_commits().await?;
        for ask in std::mem::take(&mut self.opens) {
            let Ask::Open { job, reply } = ask else { continue };
            let id = ChunkId(self.next_chunk);
            self.next_chunk += 1;
            let opened = self.open_chunk(id, &job).await?;
            if reply.send(opened).is_err() {
                self.abandon(&job.table, id, None)?;
            }
        }
        Ok(())
    }

    async fn open_chunk(&mut self, id: ChunkId, job: &Job) -> Result<Option<Opened>, SourceError> {
        let followed = self.tables.followed.get_mut(&job.table).filter(|t| t.plan == job.plan);
        let Some(followed) = followed else { return Ok(None) };
        if std::mem::take(&mut followed.asleep) {
            // From here on its rows matter.
            self.reader.replan();
        }
        let order = match &mut followed.phase {
            Phase::Live => return Ok(None),
            Phase::Snapshot(t) => {
                t.open(id, job.range.clone().unwrap_or(KeyRange::ALL));
                Some(Arc::clone(t.order()))
            }
            Phase::Pass(pass) => {
                pass.open(id, &self.spool).await?;
                None
            }
        };
        Ok(Some(Opened {
            chunk: id,
            low: self.reader.position().clone(),
            schema: Arc::clone(&followed.schema),
            order,
            engine: Arc::clone(&followed.engine),
        }))
    }

    /// `refused`: the error, where it is of the table and does not pass.
    pub(super) fn abandon(
        &mut self,
        table: &TableName,
        chunk: ChunkId,
        refused: Option<String>,
    ) -> Result<(), SourceError> {
        let Some(followed) = self.tables.followed.get_mut(table) else { return Ok(()) };
        match &mut followed.phase {
            Phase::Snapshot(t) => t.abandon(chunk),
            Phase::Pass(pass) if pass.is_open(chunk) && pass.is_emitting() => {
                let Some(refused) = refused else {
                    return Err(SourceError::PassBroken { table: table.clone() });
                };
                // What is out are rows of the table as it stood at one position: a prefix.
                let here = self.here();
                self.tables.set_apart(table, here, refused);
            }
            Phase::Pass(_) | Phase::Live => {}
        }
        Ok(())
    }

    /// A chunk may have been read in part: the rest is free for another from here on.
    pub(super) fn narrow(&mut self, chunk: &LoadedChunk) {
        if let Some(Followed { phase: Phase::Snapshot(table), .. }) =
            self.tables.followed.get_mut(&chunk.table)
        {
            table.narrow(chunk.chunk, &chunk.range);
        }
    }

    /// Merges the chunks whose high watermark the stream has passed. A chunk leaves whole: no
    /// barrier falls into it.
    pub(super) async fn close_chunks(&mut self) -> Result<(), SourceError> {
        let position = self.reader.position();
        let (ready, waiting): (Vec<Waiting>, Vec<Waiting>) =
            self.loaded.drain(..).partition(|w| position.reached(&w.chunk.high));
        self.loaded = waiting;
        for Waiting { chunk, reply } in ready {
            let origin = self.read_origin(&chunk.high);
            let mut out = Vec::new();
            let closed = match self.tables.followed.get_mut(&chunk.table) {
                Some(Followed { phase: Phase::Snapshot(table), meter, .. }) => {
                    let before = table.rows();
                    let closed = table.close(chunk.chunk, chunk.rows, &origin, &mut out);
                    let (rows, bytes) = (table.rows() - before, bytes_of(&out));
                    self.counters.rows_read += rows;
                    meter.read(rows, bytes);
                    self.meters.rows.add(RowsKind::Read, rows, bytes);
                    closed
                }
                // Its plan is over.
                Some(Followed { phase: Phase::Pass(_) | Phase::Live, .. }) | None => {
                    Ok(Closed::Gone)
                }
            };
            let closed = match closed {
                Ok(closed) => closed,
                Err(error) => {
                    out.clear();
                    self.set_apart(error.into(), self.here())?;
                    Closed::Gone
                }
            };
            self.finish_if_complete(&chunk.table);
            for block in out {
                self.batcher.push_rows(block);
                if self.batcher.is_full() {
                    self.batcher.flush().await?;
                }
            }
            let _ = reply.send(closed);
        }
        Ok(())
    }

    fn finish_if_complete(&mut self, name: &TableName) {
        let Some(followed) = self.tables.followed.get_mut(name) else { return };
        if let Phase::Snapshot(table) = &followed.phase
            && table.is_complete()
        {
            tracing::info!(table = %name, rows = table.rows(), "snapshot of the table is complete");
            followed.phase = Phase::Live;
            self.tell_backlog();
        }
    }

    /// Emits rows of a pass as they come.
    pub(super) async fn emit_pass(
        &mut self,
        name: &TableName,
        chunk: ChunkId,
        origin: &Origin,
        read: ChunkRows,
    ) -> Result<(), SourceError> {
        let Some(followed) = self.tables.followed.get_mut(name) else { return Ok(()) };
        let Phase::Pass(pass) = &mut followed.phase else { return Ok(()) };
        if !pass.is_open(chunk) {
            return Ok(());
        }
        pass.emitting();
        let (rows, bytes) = (read.rows, read.segments.iter().map(Bytes::len).sum());
        self.counters.rows_read += rows;
        followed.meter.read(rows, bytes);
        self.meters.rows.add(RowsKind::Read, rows, bytes);
        let table = Arc::clone(&followed.schema);
        for data in read.segments {
            self.batcher.push_rows(RowsBlock {
                table: Arc::clone(&table),
                kind: RowsKind::Read,
                codec: Arc::clone(&read.codec),
                data,
                origin: origin.clone(),
            });
            if self.batcher.is_full() {
                self.batcher.flush().await?;
            }
        }
        Ok(())
    }

    /// Ends the passes whose position the stream has reached: what was held back after it follows.
    pub(super) async fn close_passes(&mut self) -> Result<(), SourceError> {
        let position = self.reader.position();
        let (ready, waiting): (Vec<WaitingPass>, Vec<WaitingPass>) =
            self.passes.drain(..).partition(|w| position.reached(&w.high));
        self.passes = waiting;
        for WaitingPass { table, chunk, high, reply } in ready {
            let closed = self.close_pass(&table, chunk, &high).await?;
            let _ = reply.send(closed);
        }
        Ok(())
    }

    async fn close_pass(
        &mut self,
        name: &TableName,
        chunk: ChunkId,
        high: &model::Watermark,
    ) -> Result<Closed, SourceError> {
        let Some(followed) = self.tables.followed.get_mut(name) else { return Ok(Closed::Gone) };
        let Phase::Pass(pass) = &mut followed.phase else { return Ok(Closed::Gone) };
        if !pass.is_open(chunk) {
            return Ok(Closed::Gone);
        }
        let held = pass.finish(&self.spool).await?;
        followed.phase = Phase::Live;
        if let Some(mut held) = held {
            while let Some(blocks) = held.next(high, &self.spool).await? {
                for block in blocks {
                    self.batcher.push_rows(block);
                }
                if self.batcher.is_full() {
                    self.batcher.flush().await?;
                }
            }
        }
        self.tell_backlog();
        tracing::info!(table = %name, "the table is read, in one pass");
        Ok(Closed::Done)
    }

    /// Puts a table on the readers' list; a plan of it that was there before is over.
    pub(super) async fn plan(&mut self, name: &TableName) {
        let Some(followed) = self.tables.followed.get_mut(name) else { return };
        let before = std::mem::replace(&mut followed.plan, PlanId(self.next_plan));
        self.next_plan += 1;
        self.shared.planner.lock().await.remove(before);
        self.weights.forget();
        let (order, gaps) = match &followed.phase {
            Phase::Live => return,
            Phase::Snapshot(t) => (Some(Arc::clone(t.order())), t.gaps()),
            Phase::Pass(_) => (None, vec![KeyRange::ALL]),
        };
        let schema = Arc::clone(&followed.schema);
        let table = PlannedTable::new(
            followed.plan,
            schema,
            order,
            gaps,
            followed.row_bytes,
            self.chunk_rows,
        );
        self.shared.planner.lock().await.add(table);
        self.shared.work.notify_waiters();
    }
}

fn bytes_of(blocks: &[RowsBlock]) -> usize {
    blocks.iter().map(|block| block.data.len()).sum()
}

/// Where the rows of an event come from.
pub(super) fn origin(delivered: &Delivered) -> Origin {
    Origin {
        ts_ms: delivered.ts_ms,
        server_id: delivered.server_id,
        gtid: delivered.gtid.clone(),
        file: Arc::clone(&delivered.file),
        pos: delivered.end,
        first_row: 0,
    }
}

/// The end of each image of a block, and its key in order bytes.
async fn keys(
    block: &RowsBlock,
    order: &KeyOrder,
    weights: &mut Weights,
) -> Result<(Vec<usize>, Vec<Vec<u8>>), SourceError> {
    let row_error = |e: RowError| SourceError::Merge(MergeError::Row(e));
    let (mut ends, mut rows) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(rest) = block.data.get(at..).filter(|r| !r.is_empty()) {
        let mut cells: Vec<Cell<'_>> = Vec::with_capacity(block.table.columns.len());
        let taken = block.codec.decode(rest, &mut cells).map_err(row_error)?;
        at += taken.max(1);
        ends.push(at);
        rows.push(cells);
    }
    let name = || block.table.name.to_string();
    if order.needs_server() {
        let orders = weights.orders(&name(), order, &rows).await?;
        return Ok((ends, orders));
    }
    let orders: Result<Vec<_>, _> = rows.iter().map(|row| order.encode_local(row)).collect();
    let orders = orders.map_err(|source| MergeError::Order { table: name(), source })?;
    Ok((ends, orders))
}

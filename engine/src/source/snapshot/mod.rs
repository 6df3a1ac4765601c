//! The snapshot's readers: each takes a chunk, opens it in the stream, reads it, and hands it over.
//!
//! A chunk waits for its low watermark before its SELECT, and for the stream after it. So that the
//! server has a SELECT of ours to answer all the time, there are [`READERS_PER_TURN`] times
//! `parallelism` readers, and `parallelism` of them SELECT at a time. What a snapshot has in memory
//! is bounded by a chunk per reader. Why this loses and doubles nothing: [`super::merge`].

pub mod density;
pub mod keyless;
pub mod plan;
pub mod rows;

use std::sync::Arc;
use std::time::Duration;

use binlog::query::QueryConn;
use binlog::reader::BinlogError;
use binlog::server::{Server, SourceOptions};
use binlog::visibility::VisibilityMethod;
use model::{KeyRange, Position, TableName, TableSchema, Watermark};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use tracing::{debug, warn};

use self::plan::{Job, PlanId, Planner, where_sql};
use self::rows::{Most, RowsWriter};
use super::SourceError;
use super::merge::{ChunkId, ChunkRows, Closed};
use super::order::KeyOrder;
use crate::pipeline::CHUNK_BYTES_MAX;

/// While one SELECTs, the other's chunk is merged and its next one opened.
pub const READERS_PER_TURN: u32 = 2;
/// How long a chunk waits for its low watermark to be visible.
const VISIBLE_WITHIN: Duration = Duration::from_secs(120);
/// A connection whose chunk waits so long to be merged gives back the memory that its rows came in.
const REST_AFTER: Duration = Duration::from_secs(1);
/// Attempts at one chunk that the server refuses because the table is not what we think it is: the
/// stream is about to tell us that it changed.
const ATTEMPTS_MAX: u32 = 30;
/// Unknown database, table, column or index; definition changed (MySQL error reference).
const TABLE_CHANGED_CODES: [u16; 6] = [1049, 1051, 1054, 1146, 1176, 1412];

/// The server refuses this table and says nothing of others: no privilege for it, or it is damaged or
/// without its file (MySQL error reference; 1932 and 1877 are the same on MariaDB).
const TABLE_REFUSED_CODES: [u16; 11] =
    [1034, 1044, 1142, 1143, 1194, 1195, 1712, 1812, 1814, 1877, 1932];

/// True where the refusal of a query that reads one table is about that table alone.
pub fn is_of_table(code: u16) -> bool {
    TABLE_CHANGED_CODES.contains(&code) || TABLE_REFUSED_CODES.contains(&code)
}

/// From a reader to the source's loop.
#[derive(Debug)]
pub enum Ask {
    /// Keep every change of the range from here on.
    Open { job: Job, reply: oneshot::Sender<Option<Opened>> },
    /// Merge what was read once the stream has passed `high`.
    Loaded { chunk: LoadedChunk, reply: oneshot::Sender<Closed> },
    /// Rows of a pass over a table without a key, to be emitted at once.
    Pass { table: TableName, chunk: ChunkId, high: Watermark, rows: ChunkRows },
    /// The pass is complete: its rows are the table as it stood at `high`, exactly.
    PassDone { table: TableName, chunk: ChunkId, high: Watermark, reply: oneshot::Sender<Closed> },
    /// The chunk will not be read.
    Abandon {
        table: TableName,
        chunk: ChunkId,
        /// Why, where it is for the table's sake and does not pass.
        refused: Option<String>,
    },
    /// Chunks of this plan cannot be read.
    Failed { table: TableName, plan: PlanId, error: SourceError, reply: oneshot::Sender<()> },
}

/// A chunk that the stream has opened.
#[derive(Debug, Clone)]
pub struct Opened {
    pub chunk: ChunkId,
    /// L: everything up to here must be visible to the SELECT.
    pub low: Position,
    pub schema: Arc<TableSchema>,
    /// `None`: the table is read in one pass.
    pub order: Option<Arc<KeyOrder>>,
    pub engine: Arc<str>,
}

#[derive(Debug)]
pub struct LoadedChunk {
    pub table: TableName,
    pub chunk: ChunkId,
    /// What was really read: the opened range, or its lower part.
    pub range: KeyRange,
    pub rows: ChunkRows,
    pub high: Watermark,
}

/// What the readers share.
#[derive(Debug)]
pub struct Shared {
    pub planner: Mutex<Planner>,
    /// Rung when the planner has got something.
    pub work: Notify,
    /// As many as may SELECT at a time.
    pub turns: Semaphore,
    pub options: SourceOptions,
    pub server: Arc<Server>,
    /// A table that cannot be read is set apart, and does not end the job.
    pub sets_apart: bool,
}

/// One reader. Ends when the source's loop is gone.
///
/// # Errors
/// A chunk that cannot be read, with the server's reason.
pub async fn run(shared: Arc<Shared>, asks: mpsc::Sender<Ask>) -> Result<(), SourceError> {
    let mut reader = Reader { shared, asks, conn: None, method: None, at: None };
    let mut backoff = binlog::backoff::Backoff::default();
    let mut attempts = 0;
    loop {
        let work = Arc::clone(&reader.shared);
        let bell = work.work.notified();
        match reader.one_chunk().await {
            Ok(true) => {
                backoff.reset();
                attempts = 0;
            }
            Ok(false) => {
                // Nothing to read: the connection is given back to the server.
                if let Some(conn) = reader.conn.take() {
                    conn.close().await;
                }
                tokio::select! {
                    () = bell => {}
                    () = reader.asks.closed() => return Ok(()),
                }
            }
            Err(error) => {
                if reader.asks.is_closed() {
                    return Ok(());
                }
                attempts += 1;
                let elsewhere = |e: &BinlogError| matches!(e, BinlogError::ReadElsewhere { .. });
                // The stream is about to meet the change, or the other server, too.
                let changed = matches!(error, SourceError::Value { .. })
                    || matches!(&error, SourceError::Binlog(e) if elsewhere(e))
                    || error.server_code().is_some_and(|c| TABLE_CHANGED_CODES.contains(&c));
                let passes = error.is_transient() || (changed && attempts < ATTEMPTS_MAX);
                if !passes {
                    reader.give_up(error).await?;
                    attempts = 0;
                    continue;
                }
                reader.conn = None;
                let delay = backoff.next_delay();
                warn!(?delay, "a chunk will be read again: {}", crate::error::chain(&error));
                tokio::time::sleep(delay).await;
            }
        }
    }
}

struct Reader {
    shared: Arc<Shared>,
    asks: mpsc::Sender<Ask>,
    conn: Option<QueryConn>,
    method: Option<VisibilityMethod>,
    /// What it is at work on, or was last.
    at: Option<(TableName, PlanId)>,
}

impl Reader {
    /// Reads one chunk; `false` where there is none to read.
    async fn one_chunk(&mut self) -> Result<bool, SourceError> {
        if self.conn.is_none() && self.shared.planner.lock().await.is_empty() {
            return Ok(false);
        }
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => QueryConn::connect(&self.shared.options).await?,
        };
        let method = match self.method {
            Some(method) => method,
            None => VisibilityMethod::choose(&mut conn, &self.shared.server).await?,
        };
        self.method = Some(method);
        let Some(job) = self.next_job(&mut conn).await? else {
            self.conn = Some(conn);
            return Ok(false);
        };
        let Some(opened) = self.open(&job).await? else {
            debug!(table = %job.table, "this plan of the table is over");
            self.shared.planner.lock().await.remove(job.plan);
            self.conn = Some(conn);
            return Ok(true);
        };
        let read = match opened.order.clone() {
            Some(order) => self.chunk(&mut conn, method, &job, &opened, &order).await,
            None => self.pass(&mut conn, method, &job, &opened).await,
        };
        if let Err(error) = read {
            // First: whoever takes the range next must not find this window still open.
            let (table, chunk) = (job.table.clone(), opened.chunk);
            let refused = self.is_refusal(&error).then(|| crate::error::chain(&error));
            let _ = self.asks.send(Ask::Abandon { table, chunk, refused }).await;
            self.give_back(&job, &opened, job.range.clone(), job.rows).await;
            return Err(error);
        }
        self.conn = Some(conn);
        Ok(true)
    }

    /// The next chunk. The list is not held while the server is asked where to cut.
    async fn next_job(&mut self, conn: &mut QueryConn) -> Result<Option<Job>, SourceError> {
        let Some(cut) = self.shared.planner.lock().await.take() else { return Ok(None) };
        self.at = Some(cut.of());
        let (result, rest) = match cut.run(conn).await {
            Ok((job, rest)) => (Ok(Some(job)), rest),
            Err(error) => (Err(error), Some(cut.whole())),
        };
        self.shared.planner.lock().await.settle(&cut, rest);
        self.shared.work.notify_waiters();
        result
    }

    /// An error that does not pass: the end of the job, or of this plan.
    async fn give_up(&mut self, error: SourceError) -> Result<(), SourceError> {
        let at = self.at.take().filter(|_| self.is_refusal(&error));
        let Some((table, plan)) = at else { return Err(error) };
        let (reply, answer) = oneshot::channel();
        let failed = Ask::Failed { table, plan, error, reply };
        self.asks.send(failed).await.map_err(|_| SourceError::Stopped)?;
        answer.await.map_err(|_| SourceError::Stopped)
    }

    /// True where the error is the table's, and not one to end the job at once.
    fn is_refusal(&self, error: &SourceError) -> bool {
        self.shared.sets_apart && error.is_of_table() && !error.is_transient()
    }

    async fn give_back(&self, job: &Job, opened: &Opened, range: Option<KeyRange>, rows: u64) {
        let mut planner = self.shared.planner.lock().await;
        planner.give_back(job, &opened.schema, opened.order.as_ref(), range, rows);
        drop(planner);
        self.shared.work.notify_waiters();
    }

    async fn open(&self, job: &Job) -> Result<Option<Opened>, SourceError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Open { job: job.clone(), reply };
        self.asks.send(ask).await.map_err(|_| SourceError::Stopped)?;
        answer.await.map_err(|_| SourceError::Stopped)
    }

    async fn chunk(
        &self,
        conn: &mut QueryConn,
        method: VisibilityMethod,
        job: &Job,
        opened: &Opened,
        order: &KeyOrder,
    ) -> Result<(), SourceError> {
        let server = &self.shared.server;
        let whole = job.range.clone().unwrap_or(KeyRange::ALL);
        let method = method.for_engine(&opened.engine);
        let read = method.begin(conn, server, &opened.low, VISIBLE_WITHIN).await?;
        let limit = job.guessed.then_some(job.rows);
        let sql = select_sql(&opened.schema, Some((order, &whole)), limit, read.select_suffix());
        let (rows, cut) = {
            let _turn = self.shared.turns.acquire().await.map_err(|_| SourceError::Stopped)?;
            select(conn, &opened.schema, order, &sql, limit).await?
        };
        let high = read.end(conn, server).await?;
        let fits = rows.rows;
        let mut range = whole.clone();
        if let Some(last) = &cut {
            range.through = Some(last.clone());
        }
        if job.guessed {
            self.shared.planner.lock().await.learn(job.plan, order, &range, fits);
        }
        let (reply, closed) = oneshot::channel();
        let (table, chunk) = (job.table.clone(), opened.chunk);
        let loaded = LoadedChunk { table, chunk, range: range.clone(), rows, high };
        let ask = Ask::Loaded { chunk: loaded, reply };
        self.asks.send(ask).await.map_err(|_| SourceError::Stopped)?;
        // After the source was told, which narrows the window first.
        let rest = KeyRange { after: cut.clone(), through: whole.through };
        if cut.is_some() && !rest.is_empty() {
            self.give_back(job, opened, Some(rest), fits).await;
        }
        let settled = self.settle(job, opened, Some(range), closed);
        tokio::pin!(settled);
        match tokio::time::timeout(REST_AFTER, &mut settled).await {
            Ok(settled) => settled,
            Err(_) => {
                conn.rest();
                settled.await
            }
        }
    }

    /// Waits until what was handed over is merged.
    async fn settle(
        &self,
        job: &Job,
        opened: &Opened,
        range: Option<KeyRange>,
        closed: oneshot::Receiver<Closed>,
    ) -> Result<(), SourceError> {
        match closed.await.map_err(|_| SourceError::Stopped)? {
            Closed::Done => self.shared.planner.lock().await.grow(job.plan),
            Closed::Again => self.give_back(job, opened, range, job.rows / 2).await,
            Closed::Gone => {}
        }
        Ok(())
    }

    /// Reads a table without a key, in one pass.
    async fn pass(
        &self,
        conn: &mut QueryConn,
        method: VisibilityMethod,
        job: &Job,
        opened: &Opened,
    ) -> Result<(), SourceError> {
        let high = {
            let _turn = self.shared.turns.acquire().await.map_err(|_| SourceError::Stopped)?;
            keyless::pass(&self.shared, conn, method, opened, &self.asks).await?
        };
        let (reply, closed) = oneshot::channel();
        let (table, chunk) = (job.table.clone(), opened.chunk);
        let done = Ask::PassDone { table, chunk, high, reply };
        self.asks.send(done).await.map_err(|_| SourceError::Stopped)?;
        self.settle(job, opened, None, closed).await
    }
}

/// `SELECT columns, weights FROM table WHERE range ORDER BY key LIMIT limit`.
pub(crate) fn select_sql(
    schema: &TableSchema,
    chunk: Option<(&KeyOrder, &KeyRange)>,
    limit: Option<u64>,
    suffix: &str,
) -> String {
    let mut columns: Vec<String> =
        schema.columns.iter().map(|c| model::table::quote(&c.name)).collect();
    let mut tail = String::new();
    if let Some((order, range)) = chunk {
        columns.extend(order.weight_expressions());
        let index = model::table::quote(&schema.key_index);
        tail = format!(
            " FORCE INDEX ({index}){} ORDER BY {}",
            where_sql(order, range),
            order.expressions().join(", ")
        );
    }
    if let Some(limit) = limit {
        tail.push_str(&format!(" LIMIT {limit}"));
    }
    format!("SELECT {} FROM {}{tail}{suffix}", columns.join(", "), schema.name.quoted())
}

/// Runs the SELECT of a chunk. The key of the last row kept, where the chunk had to be cut.
pub(crate) async fn select(
    conn: &mut QueryConn,
    schema: &TableSchema,
    order: &KeyOrder,
    sql: &str,
    limit: Option<u64>,
) -> Result<(ChunkRows, Option<model::KeyBound>), SourceError> {
    let failed = |e| SourceError::chunk("read a chunk of", &schema.name, e);
    let bad = |source| SourceError::Value { table: schema.name.clone(), source };
    let mut cut = None;
    let mut result = conn.select(sql).await.map_err(failed)?;
    let most = Most { rows: limit.unwrap_or(u64::MAX), bytes: CHUNK_BYTES_MAX };
    let mut writer = RowsWriter::new(schema, Some(order), &result, most).map_err(bad)?;
    while let Some(rows) = result.next().await.map_err(failed)? {
        cut = writer.push(&rows, &mut result).map_err(bad)?;
        if cut.is_some() {
            break;
        }
    }
    // Takes what the server still sends of this result off the wire.
    result.finish().await.map_err(failed)?;
    Ok((writer.take(), cut))
}

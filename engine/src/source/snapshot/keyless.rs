//! Tables without a key that we can order: one pass, at an exact position.
//!
//! Without a key, changes of a window cannot be applied to what was read, so the rows must be the
//! table as it stood at one position P of the binlog, exactly: changes up to P are in the rows and
//! are dropped from what the stream held back, those after P follow the rows.
//!
//! - MariaDB tells P of a consistent snapshot.
//! - MySQL does not, so the table is locked against writers for the moment that it takes to open a
//!   snapshot on a second connection and to read P: `LOCK TABLES … READ` waits for the transactions
//!   that wrote to the table until they are through with their commit, so each of them is in the
//!   snapshot and in P, or in neither. The lock is gone before the first row is read.

use std::time::Duration;

use binlog::query::{QueryConn, Session as _};
use binlog::visibility::{VisibilityMethod, wait_visible};
use model::Watermark;
use mysql_async::{DriverError, Error};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::rows::{Most, RowsWriter};
use super::{Ask, Opened, Shared, VISIBLE_WITHIN, select_sql};
use crate::pipeline::SEGMENT_BYTES;
use crate::source::SourceError;
use crate::source::merge::ChunkRows;

/// The lock is held for three short statements. One that is not answered within this is lost: writers wait.
const LOCKED_MAX: Duration = Duration::from_secs(10);
/// How long the table lock may wait for writers, who wait behind it meanwhile.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Reads the whole table and hands its rows over as they come; the position they are the state of.
pub async fn pass(
    shared: &Shared,
    conn: &mut QueryConn,
    method: VisibilityMethod,
    opened: &Opened,
    asks: &mpsc::Sender<Ask>,
) -> Result<Watermark, SourceError> {
    let name = &opened.schema.name;
    let query = |what: &'static str| move |e| SourceError::chunk(what, name, e);
    if method.for_engine(&opened.engine) == VisibilityMethod::ConsistentSnapshot {
        let read = method.begin(conn, &shared.server, &opened.low, VISIBLE_WITHIN).await?;
        let high = read.high().ok_or(SourceError::Stopped)?;
        rows(conn, opened, &high, asks).await?;
        read.abandon(conn).await?;
        return Ok(high);
    }
    let mut locker = QueryConn::connect(&shared.options).await?;
    // Both on the server that the stream reads.
    for conn in [&mut *conn, &mut locker] {
        wait_visible(conn, &shared.server, method, &opened.low, VISIBLE_WITHIN).await?;
    }
    let wait = format!("SET SESSION lock_wait_timeout = {}", LOCK_WAIT.as_secs());
    locker.run(&wait).await.map_err(query("limit the wait for a lock on"))?;
    let lock = format!("LOCK TABLES {} READ", name.quoted());
    locker.run(&lock).await.map_err(query("lock for a moment"))?;
    // An engine without snapshots is read under the lock, for as long as that takes.
    let snapshots = VisibilityMethod::ExecutedGtids;
    if snapshots.for_engine(&opened.engine) != snapshots {
        let high = Watermark::Binlog(shared.server.binlog_end(&mut locker).await?);
        rows(&mut locker, opened, &high, asks).await?;
        locker.run("UNLOCK TABLES").await.map_err(query("unlock"))?;
        locker.close().await;
        return Ok(high);
    }
    let locked = async {
        let begun = conn
            .run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .await
            .and(conn.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await);
        let high = shared.server.binlog_end(&mut locker).await;
        (begun, high, locker.run("UNLOCK TABLES").await)
    };
    // Both connections are dropped then, and with the locker's end its lock.
    let lost = |_| query("hold a lock on")(Error::Driver(DriverError::ConnectionClosed));
    let (begun, high, unlocked) = timeout(LOCKED_MAX, locked).await.map_err(lost)?;
    begun.map_err(query("open a snapshot of"))?;
    unlocked.map_err(query("unlock"))?;
    let high = Watermark::Binlog(high?);
    locker.close().await;
    rows(conn, opened, &high, asks).await?;
    conn.run("COMMIT").await.map_err(query("end the snapshot of"))?;
    Ok(high)
}

async fn rows(
    conn: &mut QueryConn,
    opened: &Opened,
    high: &Watermark,
    asks: &mpsc::Sender<Ask>,
) -> Result<(), SourceError> {
    let schema = &opened.schema;
    let failed = |e| SourceError::chunk("read", &schema.name, e);
    let sql = select_sql(schema, None, None, "");
    let bad = |source| SourceError::Value { table: schema.name.clone(), source };
    let mut result = conn.select(&sql).await.map_err(failed)?;
    let mut writer = RowsWriter::new(schema, None, &result, Most::ALL).map_err(bad)?;
    while let Some(rows) = result.next().await.map_err(failed)? {
        writer.push(&rows, &mut result).map_err(bad)?;
        if writer.bytes() >= SEGMENT_BYTES {
            send(opened, high, asks, writer.take()).await?;
        }
    }
    result.finish().await.map_err(failed)?;
    send(opened, high, asks, writer.take()).await
}

async fn send(
    opened: &Opened,
    high: &Watermark,
    asks: &mpsc::Sender<Ask>,
    rows: ChunkRows,
) -> Result<(), SourceError> {
    if rows.rows == 0 {
        return Ok(());
    }
    let (table, high) = (opened.schema.name.clone(), high.clone());
    let pass = Ask::Pass { table, chunk: opened.chunk, high, rows };
    asks.send(pass).await.map_err(|_| SourceError::Stopped)
}

//! Reading a chunk of a table so that it fits the stream: nothing lost, nothing twice.
//!
//! # The problem
//! A server writes a transaction to its binlog first and commits it in the storage engine after.
//! In between, the position it reports and the events it sends us contain the transaction, and a
//! SELECT does not. A chunk is merged with the changes of a window that opens at a stream position
//! L and closes at a watermark H. Two things must hold, or rows are lost or doubled:
//!
//! - *low*: every transaction of which any event was delivered at or before L is visible to the
//!   SELECT, for its changes are not in the window;
//! - *high*: every transaction visible to the SELECT ends at or before H, or the stream would
//!   deliver its changes again after the chunk.
//!
//! Changes of the window (L, H] may or may not be visible to the SELECT: applied by key to what was
//! read, with whole row images, they give the rows as of H either way.
//!
//! # High, in every method
//! An engine commits what the binlog holds already, so whatever a SELECT saw ends before the binlog
//! position that the server reports *after* the SELECT. H is that position. `gtid_executed` would
//! be wrong here: MySQL adds a group's GTIDs after the engine has committed the group
//! (`process_commit_stage_queue`, then `update_commit_group`), so a row can be visible whose GTID
//! is not yet in the set. H is a position in the files of one server; the chunk must be read from
//! the server that the stream reads, which [`VisibilityMethod::begin`] verifies.
//!
//! # Low, by method
//! - [`ExecutedGtids`](VisibilityMethod::ExecutedGtids): MySQL adds a GTID to `gtid_executed` after
//!   the engine's commit, so once the set holds L's GTIDs, and that of a transaction which L lies
//!   in, new statements see them. Exact, from MySQL 5.7 on: 5.6 adds the GTID when the binlog is
//!   flushed, before the engine's commit, and there the set protects nothing (seen on 5.6.24).
//! - [`LogStatus`](VisibilityMethod::LogStatus): `performance_schema.log_status` holds off new
//!   commits, waits for those in flight and then tells the binlog's end. Whatever the server sent
//!   us before was in the binlog before, so it is visible after. Exact.
//! - [`ConsistentSnapshot`](VisibilityMethod::ConsistentSnapshot): MariaDB's
//!   `START TRANSACTION WITH CONSISTENT SNAPSHOT` takes a read view and the binlog position that
//!   fits it under one lock, at the edge of a commit group, and shows it as
//!   `Binlog_snapshot_file/position`. Everything before it is visible and nothing after it; it must
//!   not lie before L, nor at L where L lies inside a transaction. Exact, for engines with snapshots.
//!   It is not H: the SELECT opens the table only now, and where another one has been renamed into
//!   its place since, that is what it reads. The rename must lie in the window.
//! - [`LockingRead`](VisibilityMethod::LockingRead): nothing tells when a transaction becomes
//!   visible, but it holds the locks of every row it changed until then. A locking read waits for
//!   them and, under READ COMMITTED, returns each row as last committed, not as of a snapshot. So
//!   it sees every transaction that was in the binlog when it began. Exact; the price is that rows
//!   of the chunk are locked against writers while the statement runs, and that it can lose a
//!   deadlock (1213) or wait too long (1205): both are transient, the chunk is read again.
//!
//! Engines without transactions (MyISAM, Aria) hold the table's lock from before the first row to
//! after the binlog write. A locking read waits for it, also for concurrent inserts, so
//! [`VisibilityMethod::for_engine`] reads their tables that way on every server.

use std::time::Duration;

use model::{BinlogPosition, Gtids, Position, Watermark};
use mysql_async::Value;
use tokio::time::Instant;

use crate::query::{Session, TextRow};
use crate::reader::BinlogError;
use crate::server::{Server, parse, position_of};

/// How a chunk's SELECT is made to see everything that the stream has delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisibilityMethod {
    ExecutedGtids,
    LogStatus,
    ConsistentSnapshot,
    LockingRead,
}

/// A chunk that may be read now, on the connection it was begun on.
///
/// SELECT with [`ChunkRead::select_suffix`] at the end, then call [`ChunkRead::end`]; after an
/// error, [`ChunkRead::abandon`] or drop the connection.
#[derive(Debug)]
#[must_use = "end it or abandon it, or a transaction stays open"]
pub struct ChunkRead {
    method: VisibilityMethod,
    snapshot: Option<BinlogPosition>,
    select_suffix: &'static str,
}

impl ChunkRead {
    /// To be put at the end of every SELECT of the chunk: empty, or a space and a locking clause.
    pub fn select_suffix(&self) -> &'static str {
        self.select_suffix
    }

    /// Where what is read is the state of the table at one position, exactly: the snapshot's own.
    pub fn high(&self) -> Option<Watermark> {
        self.snapshot.clone().map(Watermark::Binlog)
    }

    /// Closes the window: the chunk fits the stream once the stream has reached the answer.
    pub async fn end(
        self,
        conn: &mut impl Session,
        server: &Server,
    ) -> Result<Watermark, BinlogError> {
        if self.snapshot.is_some() {
            finish(conn).await?;
        }
        server.binlog_end(conn).await.map(Watermark::Binlog)
    }

    /// Leaves the connection usable, without a watermark.
    pub async fn abandon(self, conn: &mut impl Session) -> Result<(), BinlogError> {
        if self.snapshot.is_some() { finish(conn).await } else { Ok(()) }
    }
}

async fn finish(conn: &mut impl Session) -> Result<(), BinlogError> {
    conn.run("COMMIT").await.map_err(BinlogError::query("end the snapshot's transaction"))
}

impl VisibilityMethod {
    /// The best method that this server and this user allow, found by trying.
    ///
    /// # Errors
    /// [`BinlogError::Query`] where the connection breaks; a refused statement only rules its
    /// method out.
    pub async fn choose(conn: &mut impl Session, server: &Server) -> Result<Self, BinlogError> {
        if server.is_mariadb() {
            return Ok(Self::ConsistentSnapshot);
        }
        if server.gtids && server.version >= GTIDS_AFTER_COMMIT {
            return Ok(Self::ExecutedGtids);
        }
        match conn.run(LOG_STATUS).await {
            Ok(()) => Ok(Self::LogStatus),
            Err(mysql_async::Error::Server(_)) => Ok(Self::LockingRead),
            Err(source) => Err(BinlogError::Query {
                what: "read performance_schema.log_status".into(),
                source,
            }),
        }
    }

    /// The method for a table of `engine` (information_schema TABLES.ENGINE).
    pub fn for_engine(self, engine: &str) -> Self {
        // The position of a snapshot says nothing of an engine that takes no part in it, and the
        // other barriers wait for commits in a transactional engine.
        let transactional = ["InnoDB", "ROCKSDB"].iter().any(|e| e.eq_ignore_ascii_case(engine));
        if transactional { self } else { Self::LockingRead }
    }

    /// What makes a chunk fit the stream here, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ExecutedGtids => "chunks wait for the stream's GTIDs in gtid_executed",
            Self::LogStatus => "chunks wait for commits in flight (performance_schema.log_status)",
            Self::ConsistentSnapshot => {
                "chunks are read in snapshots with an exact binlog position"
            }
            Self::LockingRead => "chunks are read with LOCK IN SHARE MODE",
        }
    }

    /// What it costs the source, where it costs something.
    pub fn warning(self) -> Option<&'static str> {
        (self == Self::LockingRead).then_some(
            "on MySQL 5.6, and without GTIDs and BACKUP_ADMIN (MySQL 8.0+), snapshot reads lock \
             their rows against writers while each chunk is read",
        )
    }

    /// Opens a chunk at the stream position `low`: returns once everything delivered up to there is
    /// visible to the SELECT that follows on `conn`.
    ///
    /// # Errors
    /// [`BinlogError::NotVisible`] after `deadline`; [`BinlogError::ReadElsewhere`] where `conn` has
    /// reached another server than `server`, the one whose binlog the stream reads.
    pub async fn begin(
        self,
        conn: &mut impl Session,
        server: &Server,
        low: &Position,
        deadline: Duration,
    ) -> Result<ChunkRead, BinlogError> {
        let wait = Wait { server, low, deadline, started: Instant::now() };
        if self != Self::ExecutedGtids {
            wait.same_server(conn).await?;
        }
        let mut read = ChunkRead { method: self, snapshot: None, select_suffix: "" };
        match self {
            Self::ExecutedGtids => wait.for_gtids(conn).await?,
            Self::LogStatus => wait.for_log_status(conn).await?,
            Self::ConsistentSnapshot => read.snapshot = Some(wait.for_snapshot(conn).await?),
            Self::LockingRead => {
                conn.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                    .await
                    .map_err(BinlogError::query("choose READ COMMITTED"))?;
                // Every version and fork reads this spelling; MySQL 8 has `FOR SHARE` as well.
                read.select_suffix = " LOCK IN SHARE MODE";
            }
        }
        tracing::trace!(method = ?read.method, %low, "chunk opened");
        Ok(read)
    }
}

/// Returns once everything up to `upto` is visible to new statements on `conn`; leaves no
/// transaction open. A locking read needs no waiting, so there it returns at once.
///
/// # Errors
/// As [`VisibilityMethod::begin`].
pub async fn wait_visible(
    conn: &mut impl Session,
    server: &Server,
    method: VisibilityMethod,
    upto: &Position,
    deadline: Duration,
) -> Result<(), BinlogError> {
    method.begin(conn, server, upto, deadline).await?.abandon(conn).await
}

/// From here on a GTID is in `gtid_executed` only after the engine's commit.
const GTIDS_AFTER_COMMIT: (u16, u16, u16) = (5, 7, 0);

const LOG_STATUS: &str = "SELECT LOCAL->>'$.binary_log_file', \
    LOCAL->>'$.binary_log_position' FROM performance_schema.log_status";

/// `WAIT_FOR_EXECUTED_GTID_SET` waits on the server; in slices, so that a broken connection or our
/// deadline is noticed.
const WAIT_SLICE_S: f64 = 1.0;
const POLL: Duration = Duration::from_millis(20);

fn text(mut row: TextRow, at: usize) -> String {
    row.get_mut(at).and_then(Option::take).unwrap_or_default()
}

struct Wait<'a> {
    server: &'a Server,
    low: &'a Position,
    deadline: Duration,
    started: Instant,
}

impl Wait<'_> {
    /// A load balancer, or a failover between two connections, can send us to another server.
    async fn same_server(&self, conn: &mut impl Session) -> Result<(), BinlogError> {
        let query = if self.server.is_mariadb() {
            "SELECT CONCAT(@@hostname, ':', @@port, ' (server id ', @@GLOBAL.server_id, ')')"
        } else {
            "SELECT LOWER(@@server_uuid)"
        };
        let found = conn.first(query).await.map_err(BinlogError::query("identify the server"))?;
        self.expect_server(text(found.unwrap_or_default(), 0))
    }

    fn expect_server(&self, found: String) -> Result<(), BinlogError> {
        if found == self.server.identity {
            return Ok(());
        }
        let expected = self.server.identity.clone();
        Err(BinlogError::ReadElsewhere { expected, found })
    }

    fn expired(&self) -> Result<(), BinlogError> {
        if self.started.elapsed() < self.deadline {
            return Ok(());
        }
        Err(BinlogError::NotVisible {
            server: self.server.identity.clone(),
            upto: self.low.to_string(),
            waited: self.started.elapsed(),
        })
    }

    async fn for_gtids(&self, conn: &mut impl Session) -> Result<(), BinlogError> {
        let Gtids::Mysql(applied) = &self.low.gtids else {
            return Err(BinlogError::Answer {
                what: "the position has no MySQL GTIDs to wait for",
                answer: self.low.to_string(),
            });
        };
        let mut wanted = applied.to_string();
        // Rows of the open transaction were delivered before the window opened.
        if let Some(gtid) = self.low.in_transaction.as_ref().and_then(|t| t.gtid.as_deref()) {
            if !wanted.is_empty() {
                wanted.push(',');
            }
            wanted.push_str(gtid);
        }
        // One round trip, for it is made once a chunk.
        let query = format!(
            "SELECT LOWER(@@server_uuid), WAIT_FOR_EXECUTED_GTID_SET({}, {WAIT_SLICE_S})",
            Value::from(&wanted).as_sql(false)
        );
        loop {
            let answer = conn.first(&query).await;
            let answer = answer.map_err(BinlogError::query("wait for GTIDs to be executed"))?;
            let mut answer = answer.unwrap_or_default();
            // 0: executed; 1: timed out.
            let waited = answer.pop().flatten();
            self.expect_server(text(answer, 0))?;
            if waited.as_deref() == Some("0") {
                return Ok(());
            }
            self.expired()?;
        }
    }

    async fn for_log_status(&self, conn: &mut impl Session) -> Result<(), BinlogError> {
        loop {
            let row = conn.first(LOG_STATUS).await;
            let row = row.map_err(BinlogError::query("read performance_schema.log_status"))?;
            let row = row.ok_or_else(|| BinlogError::Answer {
                what: "performance_schema.log_status is empty",
                answer: String::new(),
            })?;
            if self.reached(&position_of(&row)?) {
                return Ok(());
            }
            self.expired()?;
            tokio::time::sleep(POLL).await;
        }
    }

    async fn for_snapshot(&self, conn: &mut impl Session) -> Result<BinlogPosition, BinlogError> {
        // Under any other level the clause below is ignored with a warning.
        conn.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .await
            .map_err(BinlogError::query("choose REPEATABLE READ"))?;
        loop {
            conn.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                .await
                .map_err(BinlogError::query("start a consistent snapshot"))?;
            let position = snapshot_position(conn).await?;
            if self.reached(&position) {
                return Ok(position);
            }
            finish(conn).await?;
            self.expired()?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// True where everything delivered up to `low` lies before `position`, an edge between
    /// transactions. Inside a transaction `low.binlog` is its start, so its end lies beyond that.
    fn reached(&self, position: &BinlogPosition) -> bool {
        if self.low.in_transaction.is_some() {
            position > &self.low.binlog
        } else {
            position >= &self.low.binlog
        }
    }
}

async fn snapshot_position(conn: &mut impl Session) -> Result<BinlogPosition, BinlogError> {
    let rows = conn
        .rows("SHOW STATUS LIKE 'binlog_snapshot_%'")
        .await
        .map_err(BinlogError::query("read the snapshot's binlog position"))?;
    let find = |name: &str| {
        rows.iter().find_map(|row| match row.as_slice() {
            [Some(n), Some(value)] if n.eq_ignore_ascii_case(name) => Some(value.as_str()),
            _ => None,
        })
    };
    let file = find("Binlog_snapshot_file").unwrap_or_default();
    let offset = find("Binlog_snapshot_position").unwrap_or_default();
    Ok(BinlogPosition {
        file: parse(file, "cannot read Binlog_snapshot_file")?,
        offset: parse(offset, "cannot read Binlog_snapshot_position")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_without_transactions_are_read_with_locks_everywhere() {
        for method in [
            VisibilityMethod::ExecutedGtids,
            VisibilityMethod::LogStatus,
            VisibilityMethod::ConsistentSnapshot,
        ] {
            assert_eq!(method.for_engine("MyISAM"), VisibilityMethod::LockingRead);
            assert_eq!(method.for_engine("InnoDB"), method);
        }
    }
}

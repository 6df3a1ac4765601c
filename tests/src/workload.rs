//! Writers that behave badly on purpose: random transactions over six tables whose keys are each
//! hard in a way of their own.
//!
//! The seed is printed; `SEED=…` plays the same statements again. Which of them win under
//! concurrency is the server's choice, so a replay is close, not exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mysql_async::prelude::*;
use mysql_async::{Conn, OptsBuilder};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use crate::Job;
use crate::chain::{Auditor, ends_with_text};
use crate::server::{Kind, Server};

mod tables;

pub use tables::Table;
use tables::{KEYS_MAX, condition, values};

/// Rows that a table has at the start.
pub const ROWS: u64 = 50_000;
const ROWS_PER_INSERT: u64 = 1_000;
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// Rows that one statement touches at most.
const ROWS_PER_STATEMENT_MAX: u64 = 200;

/// The six tables of one database, and the writers on them.
pub struct Workload {
    db: String,
    kind: Kind,
    port: u16,
    seed: u64,
    marks: u32,
    shared: Arc<Shared>,
    writers: JoinSet<Result<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Rows changed by committed transactions.
    changes: AtomicU64,
    transactions: AtomicU64,
}

impl Workload {
    /// For a database that [`Workload::load`] will create.
    pub fn new(server: &Server, db: &str) -> Result<Self> {
        let seed = crate::seed()?;
        Ok(Self {
            db: db.to_owned(),
            kind: server.kind,
            port: server.port,
            seed,
            marks: 0,
            shared: Arc::default(),
            writers: JoinSet::new(),
        })
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Creates the tables, each with `rows` rows.
    pub async fn load(&self, server: &Server, rows: u64) -> Result<()> {
        let mut conn = server.conn().await?;
        conn.query_drop(format!("CREATE DATABASE {}", self.db)).await?;
        conn.query_drop(format!("USE {}", self.db)).await?;
        let mut rng = StdRng::seed_from_u64(self.seed);
        for table in Table::ALL {
            conn.query_drop(table.create(self.kind)).await?;
            conn.query_drop("BEGIN").await?;
            for part in 0..rows.div_ceil(ROWS_PER_INSERT) {
                let first = part * ROWS_PER_INSERT;
                let last = rows.min(first + ROWS_PER_INSERT);
                // Every third key: two of three are free for inserts between them.
                let rows: Vec<String> =
                    (first..last).map(|n| table.row(&mut rng, n * 3, Spelling::Plain)).collect();
                conn.query_drop(format!("INSERT INTO {} VALUES {}", table.name(), rows.join(",")))
                    .await?;
            }
            conn.query_drop("COMMIT").await?;
        }
        conn.disconnect().await?;
        Ok(())
    }

    /// An auditor that follows the six tables.
    pub fn auditor(&self) -> Auditor {
        let mut auditor = Auditor::new();
        for table in Table::ALL {
            auditor.table(&format!("{}.{}", self.db, table.name()), table.key());
        }
        auditor
    }

    /// Writes a last change, to the table `t_mark` that the suite has made for it, and waits until the
    /// job has written it too: so it has written all before it.
    pub async fn last_change(
        &mut self,
        server: &Server,
        job: &mut Job,
        limit: Duration,
    ) -> Result<()> {
        self.marks += 1;
        let last = format!("the last change of part {}", self.marks);
        server.sql(&format!("REPLACE INTO {}.t_mark VALUES (1, '{last}')", self.db)).await?;
        job.wait_for(&last, limit, |job| ends_with_text(&job.out(), &last)).await
    }

    /// What the file sink of a job has written, held against the tables after
    /// [`Self::last_change`]. The verdict is not asked for yet.
    pub async fn audit(&self, server: &Server, job: &Job) -> Result<Auditor> {
        let mut auditor = self.auditor();
        auditor.table(&format!("{}.t_mark", self.db), &["id"]);
        auditor.read_dir(&job.out())?;
        auditor.compare(&mut server.conn().await?).await?;
        Ok(auditor)
    }

    /// Lets `writers` loose, which together change about `rate` rows a second until
    /// [`Workload::quiesce`].
    pub fn start(&mut self, writers: u64, rate: u64) {
        self.shared.stop.store(false, Ordering::SeqCst);
        for number in 0..writers {
            let writer = Writer {
                db: self.db.clone(),
                port: self.port,
                rng: StdRng::seed_from_u64(self.seed.wrapping_mul(1_000).wrapping_add(number + 1)),
                shared: Arc::clone(&self.shared),
                rate: (rate / writers).max(1),
            };
            self.writers.spawn(writer.run());
        }
    }

    /// Rows changed by committed transactions so far.
    pub fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::SeqCst)
    }

    pub fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::SeqCst)
    }

    /// Waits until at least `changes` rows have been changed.
    pub async fn reach(&mut self, changes: u64, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        while self.changes() < changes {
            if let Some(ended) = self.writers.try_join_next() {
                ended??;
            }
            if begun.elapsed() > limit {
                bail!("the writers made {} of {changes} changes in {limit:?}", self.changes());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Stops the writers at the edge of their transactions, and waits for them.
    pub async fn quiesce(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.writers.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// How a key is spelled where its collation allows several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Plain,
    Varied,
}

struct Writer {
    db: String,
    port: u16,
    rng: StdRng,
    shared: Arc<Shared>,
    /// Rows a second.
    rate: u64,
}

impl Writer {
    async fn run(mut self) -> Result<()> {
        let begun = Instant::now();
        let mut changed = 0;
        let mut conn: Option<Conn> = None;
        while !self.shared.stop.load(Ordering::SeqCst) {
            // The server may be down for a while, on purpose.
            let Some(open) = &mut conn else {
                conn = self.connect().await.ok();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            match self.transaction(open).await {
                Ok(rows) => {
                    changed += rows;
                    self.shared.changes.fetch_add(rows, Ordering::SeqCst);
                    self.shared.transactions.fetch_add(1, Ordering::SeqCst);
                }
                // Deadlocks, lock waits: the whole transaction is undone, and tried no more.
                Err(mysql_async::Error::Server(error)) if error.code != 1064 => {
                    if open.query_drop("ROLLBACK").await.is_err() {
                        conn = None;
                    }
                }
                Err(mysql_async::Error::Server(error)) => bail!("the workload's own SQL: {error}"),
                Err(_) => conn = None,
            }
            let due = Duration::from_secs_f64(changed as f64 / self.rate as f64);
            if let Some(early) = due.checked_sub(begun.elapsed()) {
                tokio::time::sleep(early.min(Duration::from_secs(1))).await;
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .db_name(Some(&self.db))
            .prefer_socket(false)
            .init(vec!["SET NAMES utf8mb4", "SET innodb_lock_wait_timeout = 2"]);
        // A server that is killed while it takes a connection may leave it without an end.
        Ok(tokio::time::timeout(CONNECT_MAX, Conn::new(options)).await??)
    }

    /// One transaction, committed or rolled back; the rows it changed for good.
    async fn transaction(&mut self, conn: &mut Conn) -> Result<u64, mysql_async::Error> {
        let size = match self.rng.random_range(0..100) {
            0 => self.rng.random_range(1_000..5_000),
            1..8 => self.rng.random_range(100..1_000),
            8..30 => self.rng.random_range(10..100),
            _ => self.rng.random_range(1..10),
        };
        conn.query_drop("BEGIN").await?;
        let (mut done, mut changed) = (0, 0);
        while done < size {
            let rows = self.rng.random_range(1..=ROWS_PER_STATEMENT_MAX.min(size - done));
            if self.rng.random_bool(0.05) {
                conn.query_drop("SAVEPOINT before_it").await?;
                self.statement(conn, rows).await?;
                conn.query_drop("ROLLBACK TO SAVEPOINT before_it").await?;
            }
            changed += self.statement(conn, rows).await?;
            done += rows;
        }
        if self.rng.random_bool(0.08) {
            conn.query_drop("ROLLBACK").await?;
            return Ok(0);
        }
        conn.query_drop("COMMIT").await?;
        Ok(changed)
    }

    /// One statement over about `rows` rows of one table; how many it changed. A duplicate key is
    /// no error: it undoes the statement.
    async fn statement(&mut self, conn: &mut Conn, rows: u64) -> Result<u64, mysql_async::Error> {
        let table =
            *Table::ALL.get(self.rng.random_range(0..Table::ALL.len())).unwrap_or(&Table::Int);
        let sql = match self.rng.random_range(0..100) {
            0..35 => self.insert(table, rows),
            35..45 => self.move_key(table),
            45..80 => self.update(table, rows),
            _ => self.delete(table, rows),
        };
        match conn.query_drop(sql).await {
            Ok(()) => Ok(conn.affected_rows()),
            Err(mysql_async::Error::Server(error)) if error.code == 1062 => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn key_number(&mut self) -> u64 {
        self.rng.random_range(0..KEYS_MAX)
    }

    fn insert(&mut self, table: Table, rows: u64) -> String {
        let rows: Vec<String> = (0..rows)
            .map(|_| {
                let number = self.key_number();
                table.row(&mut self.rng, number, Spelling::Varied)
            })
            .collect();
        let (name, rows) = (table.name(), rows.join(","));
        match self.rng.random_range(0..10) {
            0 => format!("REPLACE INTO {name} VALUES {rows}"),
            1 => format!("INSERT INTO {name} VALUES {rows} ON DUPLICATE KEY UPDATE v = v + 1"),
            _ => format!("INSERT IGNORE INTO {name} VALUES {rows}"),
        }
    }

    fn update(&mut self, table: Table, rows: u64) -> String {
        let values = values(&mut self.rng);
        let set = match self.rng.random_range(0..3) {
            0 => "v = COALESCE(v, 0) + 1".to_owned(),
            1 => format!("s = {}, at6 = {}", values.s, values.at6),
            _ => format!("v = {}, d = {}", values.v, values.d),
        };
        let set = set.replace("v = COALESCE(v, 0) + 1", "v = (COALESCE(v, 0) + 1) % 1000000");
        format!("UPDATE {} SET {set} WHERE {}", table.name(), self.somewhere(table, rows))
    }

    fn delete(&mut self, table: Table, rows: u64) -> String {
        format!("DELETE FROM {} WHERE {}", table.name(), self.somewhere(table, rows))
    }

    /// Gives one row another key, or only another spelling of the one it has.
    fn move_key(&mut self, table: Table) -> String {
        let from = self.key_number();
        let to = if self.rng.random_bool(0.5) { from } else { self.key_number() };
        let new = table.key_values(&mut self.rng, to, Spelling::Varied);
        let set: Vec<String> = table
            .key()
            .iter()
            .zip(new)
            .map(|(column, value)| format!("{column} = {value}"))
            .collect();
        let old = table.key_values(&mut self.rng, from, Spelling::Plain);
        format!("UPDATE {} SET {} WHERE {}", table.name(), set.join(", "), condition(table, &old))
    }

    fn somewhere(&mut self, table: Table, rows: u64) -> String {
        let keys: Vec<String> = (0..rows)
            .map(|_| {
                let number = self.key_number();
                condition(table, &table.key_values(&mut self.rng, number, Spelling::Plain))
            })
            .collect();
        keys.join(" OR ")
    }
}

//! Twenty tables that make it hard for a warehouse to equal their source: keys of many types, keys that
//! change, and tables without one, in which equal rows stand many times and only inserts happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use mysql_async::Conn;
use mysql_async::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use super::{Pair, Warehouse};
use crate::workload::Table;
use crate::{Job, Script, Server, Workload};

/// Twice the six tables of [`Workload`], and those of [`OTHERS`].
const WORKLOADS: [&str; 2] = ["fleet_a", "fleet_b"];
const DB: &str = "fleet_k";
const ROWS_PER_TRANSACTION_MAX: u32 = 30;

/// What [`Other::key_values`] fills.
const OTHERS: [Other; 8] = [
    Other { name: "by_decimal", columns: "a DECIMAL(12,2)", key: &["a"] },
    Other { name: "by_bytes", columns: "a BINARY(16)", key: &["a"] },
    Other {
        name: "by_enum_and_date",
        columns: "a ENUM('low','mid','high'), b DATE",
        key: &["a", "b"],
    },
    Other {
        name: "by_three",
        columns: "a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, b SMALLINT UNSIGNED, \
                  c TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6)",
        key: &["a", "b", "c"],
    },
    Other { name: "moving", columns: "a INT", key: &["a"] },
    Other { name: "log_1", columns: "a INT", key: &[] },
    Other { name: "log_2", columns: "a VARCHAR(30)", key: &[] },
    Other { name: "log_3", columns: "a DATETIME(6)", key: &[] },
];

/// A table of two columns more, `v` and `s`.
#[derive(Debug, Clone, Copy)]
struct Other {
    name: &'static str,
    columns: &'static str,
    key: &'static [&'static str],
}

pub struct Fleet {
    workloads: Vec<Workload>,
    stop: Arc<AtomicBool>,
    /// Rows changed in [`OTHERS`].
    changes: Arc<AtomicU64>,
    writers: JoinSet<Result<()>>,
    seed: u64,
    marks: u32,
}

impl Fleet {
    /// Creates the tables, with about `rows` rows each.
    pub async fn load(server: &Server, rows: u64) -> Result<Self> {
        // Of a fleet before this one.
        for db in Self::databases() {
            server.sql(&format!("DROP DATABASE IF EXISTS {db}")).await?;
        }
        let mut workloads = Vec::new();
        for db in WORKLOADS {
            let workload = Workload::new(server, db)?;
            workload.load(server, rows).await?;
            workloads.push(workload);
        }
        let seed = workloads.first().map_or(0, Workload::seed);
        let mut conn = server.conn().await?;
        conn.query_drop(format!("CREATE DATABASE {DB} DEFAULT CHARACTER SET utf8mb4")).await?;
        conn.query_drop(format!("USE {DB}")).await?;
        conn.query_drop("SET time_zone = '+00:00'").await?;
        conn.query_drop("CREATE TABLE mark (id INT PRIMARY KEY)").await?;
        let mut rng = StdRng::seed_from_u64(seed);
        for other in OTHERS {
            conn.query_drop(other.create()).await?;
            for _ in 0..rows.div_ceil(100) {
                conn.query_drop(other.insert(&mut rng, 100)).await?;
            }
        }
        conn.disconnect().await?;
        Ok(Self {
            workloads,
            stop: Arc::default(),
            changes: Arc::default(),
            writers: JoinSet::new(),
            seed,
            marks: 0,
        })
    }

    pub fn databases() -> Vec<&'static str> {
        [&WORKLOADS[..], &[DB]].concat()
    }

    /// A job over all of them.
    pub fn script(name: &str, server: &Server, warehouse: &Warehouse) -> Script {
        Script::new(name, server, "fleet_.", ".*")
            .option("database-name", &Self::databases().join(","))
            .into_warehouse(warehouse)
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Every table and where it is to arrive.
    pub fn pairs() -> Vec<Pair> {
        let worked = WORKLOADS.iter().flat_map(|db| Table::ALL.map(|t| (*db, t.name())));
        let others = OTHERS.map(|other| (DB, other.name));
        worked.chain(others).map(|(db, table)| Pair::same(&format!("{db}.{table}"))).collect()
    }

    /// Lets writers loose, which together change about `rate` rows a second.
    pub async fn start(&mut self, server: &Server, rate: u64) -> Result<()> {
        for workload in &mut self.workloads {
            workload.start(2, rate / 3);
        }
        self.stop.store(false, Ordering::SeqCst);
        let mut conn = server.conn().await?;
        conn.query_drop("SET time_zone = '+00:00', innodb_lock_wait_timeout = 2").await?;
        conn.query_drop(format!("USE {DB}")).await?;
        let writer = Writer {
            conn,
            rng: StdRng::seed_from_u64(self.seed.wrapping_add(77)),
            stop: Arc::clone(&self.stop),
            changes: Arc::clone(&self.changes),
            rate: (rate / 3).max(1),
        };
        self.writers.spawn(writer.run());
        Ok(())
    }

    /// Rows changed so far.
    pub fn changes(&self) -> u64 {
        let worked: u64 = self.workloads.iter().map(Workload::changes).sum();
        worked + self.changes.load(Ordering::SeqCst)
    }

    /// Waits until at least `changes` rows have been changed.
    pub async fn reach(&mut self, changes: u64, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        while self.changes() < changes {
            if let Some(ended) = self.writers.try_join_next() {
                ended??;
                bail!("a writer has ended by itself");
            }
            ensure!(begun.elapsed() < limit, "{} of {changes} in {limit:?}", self.changes());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Stops the writers at the edge of their transactions, and waits for them.
    pub async fn quiesce(&mut self) -> Result<()> {
        for workload in &mut self.workloads {
            workload.quiesce().await?;
        }
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.writers.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Writes a last change and waits until it shows in the target: all before it is committed there, or is
    /// about to be.
    pub async fn last_change(
        &mut self,
        server: &Server,
        job: &mut Job,
        warehouse: &Warehouse,
        limit: Duration,
    ) -> Result<()> {
        self.marks += 1;
        let mark = self.marks;
        server.sql(&format!("INSERT INTO {DB}.mark VALUES ({mark})")).await?;
        arrived(job, warehouse, &format!("SELECT id FROM {DB}.mark WHERE id = {mark}"), limit).await
    }
}

/// Waits until a query of the target has a row, while the job runs.
///
/// # Errors
/// The job has ended, or `limit` has passed.
pub async fn arrived(
    job: &mut Job,
    warehouse: &Warehouse,
    query: &str,
    limit: Duration,
) -> Result<()> {
    let begun = Instant::now();
    // A table that is not there yet refuses the query.
    while warehouse.column(query).await.unwrap_or_default().is_empty() {
        if let Some(code) = job.ended()? {
            bail!("the job ended with {code} before `{query}` had a row\n{}", job.log_tail());
        }
        let log = || job.log_tail();
        ensure!(begun.elapsed() < limit, "no row of `{query}` in {limit:?}\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

struct Writer {
    conn: Conn,
    rng: StdRng,
    stop: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
    /// Rows a second.
    rate: u64,
}

impl Writer {
    async fn run(mut self) -> Result<()> {
        const SYNTAX: u16 = 1064;
        const DUPLICATE: u16 = 1062;
        let begun = Instant::now();
        let mut changed = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let statements = self.transaction();
            let end = if self.rng.random_bool(0.1) { "ROLLBACK" } else { "COMMIT" };
            self.conn.query_drop("BEGIN").await?;
            for sql in statements {
                match self.conn.query_drop(&sql).await {
                    Ok(()) => changed += self.conn.affected_rows(),
                    // Another one's key undoes the statement.
                    Err(mysql_async::Error::Server(error)) if error.code == DUPLICATE => {}
                    Err(mysql_async::Error::Server(error)) if error.code == SYNTAX => {
                        bail!("the workload's own SQL: {error}: {sql}")
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            self.conn.query_drop(end).await?;
            self.changes.store(changed, Ordering::SeqCst);
            let due = Duration::from_secs_f64(changed as f64 / self.rate as f64);
            let early = due.saturating_sub(begun.elapsed()).min(Duration::from_secs(1));
            tokio::time::sleep(early.max(Duration::from_millis(1))).await;
        }
        Ok(())
    }

    fn transaction(&mut self) -> Vec<String> {
        let statements = self.rng.random_range(1..4);
        let statement = |_| {
            let other = OTHERS.get(self.rng.random_range(0..OTHERS.len()))?;
            Some(self.statement(other))
        };
        (0..statements).filter_map(statement).collect()
    }

    fn statement(&mut self, other: &Other) -> String {
        let rows = self.rng.random_range(1..=ROWS_PER_TRANSACTION_MAX);
        let dice = self.rng.random_range(0..10);
        if other.key.is_empty() || dice < 4 {
            return other.insert(&mut self.rng, rows);
        }
        let v = self.rng.random_range(0..1_000_000);
        let order = other.key.join(", ");
        let (name, up) = (other.name, self.rng.random_bool(0.5));
        let direction = if up { "" } else { " DESC" };
        match dice {
            4..6 => format!("DELETE FROM {name} WHERE v % 50 = {}", v % 50),
            // A whole stretch of keys moves over one another.
            6..8 if name == "moving" => {
                let by = if up { -1 } else { 1 };
                format!("UPDATE {name} SET a = a + {by} ORDER BY {order}{direction} LIMIT {rows}")
            }
            // One key takes the place of another that is free, or is refused.
            6..8 => {
                let key = other.key_values(&mut self.rng);
                let pairs =
                    other.key.iter().zip(&key).map(|(column, to)| format!("{column} = {to}"));
                let set: Vec<String> = pairs.collect();
                format!("UPDATE {name} SET {} WHERE v % 90 = {} LIMIT 1", set.join(", "), v % 90)
            }
            _ => format!(
                "UPDATE {name} SET v = {v}, s = 'at {v}' ORDER BY {order}{direction} LIMIT {rows}"
            ),
        }
    }
}

impl Other {
    fn create(&self) -> String {
        let Self { name, columns, key } = self;
        let key = match key {
            [] => String::new(),
            key => format!(", PRIMARY KEY ({})", key.join(", ")),
        };
        format!("CREATE TABLE {name} ({columns}, v INT, s VARCHAR(40){key})")
    }

    fn insert(&self, rng: &mut StdRng, rows: u32) -> String {
        let verb = match (self.key.is_empty(), rng.random_range(0..3)) {
            (true, _) => "INSERT",
            (false, 0) => "REPLACE",
            (false, _) => "INSERT IGNORE",
        };
        let row = |rng: &mut StdRng| {
            let key = self.key_values(rng).join(", ");
            // Few values, so that rows without a key are often alike.
            let v = rng.random_range(0..if self.key.is_empty() { 3 } else { 1_000_000 });
            let s = if v % 7 == 0 { "NULL".to_owned() } else { format!("'s {v} \\\\ \\t é'") };
            format!("({key}, {v}, {s})")
        };
        let rows: Vec<String> = (0..rows).map(|_| row(rng)).collect();
        format!("{verb} INTO {} VALUES {}", self.name, rows.join(", "))
    }

    /// SQL literals of the first columns: of the key, or of the one column before `v`.
    fn key_values(&self, rng: &mut StdRng) -> Vec<String> {
        let n: u32 = rng.random_range(0..5_000);
        let moment = || {
            let (s, micros) = (n % 60, n * 199);
            format!("'2024-03-0{} 0{}:10:{s:02}.{micros:06}'", 1 + n % 9, n % 10)
        };
        match self.name {
            "by_decimal" => {
                vec![format!("{}{n}.{:02}", if n.is_multiple_of(2) { "-" } else { "" }, n % 100)]
            }
            "by_bytes" => vec![format!("UNHEX(LPAD(HEX({n} * 7919), 32, 'F0'))")],
            "by_enum_and_date" => {
                let member = ["low", "mid", "high"].get(n as usize % 3).copied().unwrap_or("low");
                vec![format!("'{member}'"), format!("DATE('2000-01-01') + INTERVAL {n} DAY")]
            }
            "by_three" => {
                vec![
                    format!("'ä{}{}'", n % 50, if n.is_multiple_of(3) { " A" } else { "a" }),
                    (n * 13).to_string(),
                    moment(),
                ]
            }
            "log_2" => vec![format!("'line {}'", n % 20)],
            "log_3" => vec![moment()],
            _ => vec![(n % 3_000).to_string()],
        }
    }
}

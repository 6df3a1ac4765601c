//! A job that follows tables of database `d` into files, while writers write to them.
//!
//! How far the job has come is told by marks: rows of the table `d.a_mark`, which the scene writes
//! and then waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::Conn;
use mysql_async::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use crate::changelog::{CHANGES_MIN, Changelog, text};
use crate::{Job, Script, Server};

/// Within which the writers of a scene meet the stream on a machine that does little else.
const MET_WITHIN: Duration = Duration::from_secs(10);

const PATIENCE: Duration = Duration::from_secs(60);
const WRITERS_PER_TABLE: u64 = 2;

/// A job in its snapshot or behind it, and writers on its tables.
pub struct Scene<'s> {
    pub server: &'s Server,
    pub job: Job,
    pub writers: Writers,
    marks: u32,
}

impl<'s> Scene<'s> {
    /// Starts the job of a script that leaves its sink and its checkpoints to the scene, and follows
    /// `d.a_mark`.
    pub async fn begin(server: &'s Server, writers: Writers, script: Script) -> Result<Self> {
        // By its name it is read first, and so is live while the others are read.
        server.sql("CREATE TABLE d.a_mark (id INT PRIMARY KEY, note VARCHAR(40))").await?;
        let mut job = Job::new(script.name())?;
        job.script(&script.file(&job.out()).option("checkpoint", "100"))?;
        job.start(&[])?;
        Ok(Self { server, job, writers, marks: 0 })
    }

    /// Waits until so many rows of a table are read.
    pub async fn read(&mut self, table: &str, rows: usize) -> Result<()> {
        let table = format!("\"table\":\"{table}\"");
        let is_read = |line: &&str| line.contains("\"op\":\"r\"") && line.contains(&table);
        let read = |job: &Job| text(job).lines().filter(is_read).count() >= rows;
        self.job.wait_for("the middle of the snapshot", PATIENCE, read).await
    }

    /// Waits until the job has written all that came before this call.
    pub async fn mark(&mut self) -> Result<()> {
        self.marks += 1;
        let mark = format!("mark number {} of all", self.marks);
        let sql = format!("INSERT INTO d.a_mark VALUES ({}, '{mark}')", self.marks);
        self.server.sql(&sql).await?;
        self.job.wait_for(&mark, PATIENCE, |job| text(job).contains(&mark)).await
    }

    /// Lets the snapshot come to its end under the writers, then the writers, once enough of their
    /// changes have arrived, however fast the snapshot was; then the job.
    pub async fn end(&mut self) -> Result<Changelog> {
        self.job.live(PATIENCE).await?;
        let met = |job: &Job| {
            let text = text(job);
            let of = |op: &str| text.matches(&format!("\"op\":\"{op}\"")).count() as u64;
            ["c", "u", "d"].iter().all(|op| of(op) >= 2 * CHANGES_MIN)
        };
        // Where a table is gone there are none to come; whoever needs them asks for them afterwards.
        let _ = self.job.wait_for("changes of each kind", MET_WITHIN, met).await;
        self.writers.stop().await?;
        self.mark().await?;
        self.job.sigterm().await?;
        Changelog::of(&self.job)
    }
}

/// The statements of one transaction on a table of `d`, without its `BEGIN` and its end.
pub type Transaction = fn(&mut StdRng, table: &str) -> Vec<String>;

/// Tasks that write transactions until told to stop. The dice are those of [`crate::seed`].
pub struct Writers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<()>>,
}

impl Writers {
    /// Each of `tables` is written to under the first of its names that is there.
    pub async fn start(
        server: &Server,
        tables: &[&'static [&'static str]],
        transaction: Transaction,
    ) -> Result<Self> {
        let mut writers = Self { stop: Arc::default(), tasks: JoinSet::new() };
        let seed = crate::seed()?;
        for (at, names) in tables.iter().enumerate() {
            for number in 0..WRITERS_PER_TABLE {
                let salt = at as u64 * WRITERS_PER_TABLE + number;
                let rng = StdRng::seed_from_u64(seed.wrapping_add(salt));
                let (conn, stop) = (server.conn().await?, Arc::clone(&writers.stop));
                writers.tasks.spawn(write(conn, rng, names, transaction, stop));
            }
        }
        Ok(writers)
    }

    /// Stops them at the edge of their transactions.
    ///
    /// # Errors
    /// One had ended by itself: its connection was lost, or its SQL is wrong.
    pub async fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Writes to a table under one of its names. What the server refuses, for locks or for a moment
/// without the table, is rolled back.
async fn write(
    mut conn: Conn,
    mut rng: StdRng,
    names: &'static [&'static str],
    transaction: Transaction,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    const NO_SUCH_TABLE: u16 = 1146;
    const SYNTAX: u16 = 1064;
    let mut names = names.iter().cycle();
    let mut name = names.next().context("a table without a name")?;
    while !stop.load(Ordering::SeqCst) {
        let statements = transaction(&mut rng, name);
        let end = if rng.random_bool(0.1) { "ROLLBACK" } else { "COMMIT" };
        match run(&mut conn, &statements, end).await {
            Ok(()) => {}
            Err(mysql_async::Error::Server(error)) => {
                ensure!(error.code != SYNTAX, "the test's own SQL: {error}");
                conn.query_drop("ROLLBACK").await?;
                if error.code == NO_SUCH_TABLE {
                    name = names.next().unwrap_or(name);
                }
            }
            Err(error) => bail!(error),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

async fn run(conn: &mut Conn, statements: &[String], end: &str) -> Result<(), mysql_async::Error> {
    conn.query_drop("BEGIN").await?;
    for sql in statements {
        conn.query_drop(sql).await?;
    }
    conn.query_drop(end).await
}

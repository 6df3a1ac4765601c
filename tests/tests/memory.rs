//! `bounded`: 5,000,000 rows and 2,000 tables in less than 256 MiB.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use tests::{Job, Kind, Script, Server, say};
use tokio::task::JoinSet;

const ROWS: u64 = 5_000_000;
const TABLES: u32 = 2_000;
const MEMORY_MAX: u64 = 256 * 1024 * 1024;
const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_whatever_the_number_of_rows_and_tables() -> Result<()> {
    let options = ["--innodb-buffer-pool-size=1G", "--innodb-doublewrite=OFF"];
    let server = Server::start(Kind::any()?, &options).await?;
    many_rows(&server).await?;
    for parallelism in ["1", "4"] {
        let script = Script::new("rows", &server, "big", "t").option("parallelism", parallelism);
        snapshot(&format!("{ROWS} rows, parallelism {parallelism}"), "rows", script, ROWS).await?;
    }
    many_tables(&server).await?;
    let script = Script::new("tables", &server, "many", "t_.*").option("parallelism", "2");
    snapshot(&format!("{TABLES} tables"), "tables", script.clone(), u64::from(TABLES)).await?;
    followed(&server, script).await
}

/// All the tables change, one after another.
async fn followed(server: &Server, script: Script) -> Result<()> {
    let mut job = Job::new("followed")?;
    job.script(&script.set("pipeline.name", "followed").print())?;
    job.start(&[])?;
    job.live(LONG).await?;
    let mut conn = server.conn().await?;
    for number in 0..TABLES {
        conn.query_drop(format!("UPDATE many.t_{number} SET a = 'two'")).await?;
    }
    // A line for each row read, and two for each update.
    let lines = TABLES as usize * 3;
    job.wait_for("every change", LONG, |job| job.stdout_lines() >= lines).await?;
    let peak = job.peak_memory().context("no VmHWM")?;
    job.sigterm().await?;
    ensure!(job.stdout_lines() == lines, "{} lines, not {lines}", job.stdout_lines());
    say(format!("{TABLES} tables followed: {} MiB", peak / (1024 * 1024)));
    ensure!(peak < MEMORY_MAX, "{peak} bytes resident");
    Ok(())
}

async fn snapshot(what: &str, name: &str, script: Script, rows: u64) -> Result<()> {
    let mut job = Job::new(name)?;
    // Batch: the snapshot, a last checkpoint, exit 0.
    job.script(&script.blackhole().set("execution.runtime-mode", "batch"))?;
    let begun = Instant::now();
    job.start(&[])?;
    let mut peak = 0;
    while job.ended()?.is_none() {
        peak = peak.max(job.peak_memory().unwrap_or(0));
        ensure!(begun.elapsed() < LONG, "{what}: not done after {LONG:?}:\n{}", job.log_tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let code = job.wait_exit(LONG).await?;
    ensure!(code == 0, "{what}: exit code {code}:\n{}", job.log_tail());
    let seconds = begun.elapsed().as_secs_f64();
    let mib = peak / (1024 * 1024);
    say(format!("{what}: {seconds:.1} s, {:.0} rows/s, {mib} MiB", rows as f64 / seconds));
    let newest = job.snapshots()?.first().map(tests::job::id_of).context("no checkpoint")?;
    let held = job.inspect(newest)?.to_string();
    ensure!(held.contains(&format!("\"rows_read\":{rows}")), "{rows} rows read? {held:.2000}");
    ensure!(peak > 0 && peak < MEMORY_MAX, "{what}: {mib} MiB resident");
    Ok(())
}

/// Rows of about 200 bytes.
async fn many_rows(server: &Server) -> Result<()> {
    let begun = Instant::now();
    let mut conn = server.conn().await?;
    conn.query_drop("SET sql_log_bin = 0").await?;
    conn.query_drop("CREATE DATABASE big").await?;
    conn.query_drop(
        "CREATE TABLE big.t (id BIGINT PRIMARY KEY, a INT, b DECIMAL(12,2), c DATETIME(3), \
         d VARCHAR(200))",
    )
    .await?;
    conn.query_drop(
        "INSERT INTO big.t VALUES (0, 1, 2.50, '2024-02-29 10:00:00.123', REPEAT('x', 160))",
    )
    .await?;
    let mut rows = 1;
    while rows < ROWS {
        // In parts: one transaction of millions of rows is slow on the server's side.
        let more = rows.min(ROWS - rows).min(500_000);
        conn.query_drop(format!(
            "INSERT INTO big.t SELECT id + {rows}, a + 1, b, c, d FROM big.t WHERE id < {more}"
        ))
        .await?;
        rows += more;
    }
    say(format!("{ROWS} rows filled in {:.1} s", begun.elapsed().as_secs_f32()));
    Ok(())
}

async fn many_tables(server: &Server) -> Result<()> {
    let begun = Instant::now();
    server.sql("CREATE DATABASE many").await?;
    let mut makers = JoinSet::new();
    for maker in 0..4 {
        let mut conn = server.conn().await?;
        makers.spawn(async move {
            conn.query_drop("SET sql_log_bin = 0").await?;
            for number in (maker..TABLES).step_by(4) {
                let columns =
                    "id INT PRIMARY KEY, a VARCHAR(100), b INT, c DATETIME, d DECIMAL(10,2)";
                conn.query_drop(format!("CREATE TABLE many.t_{number} ({columns})")).await?;
                conn.query_drop(format!("INSERT INTO many.t_{number} (id, a) VALUES (1, 'one')"))
                    .await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = makers.join_next().await {
        done??;
    }
    say(format!("{TABLES} tables made in {:.1} s", begun.elapsed().as_secs_f32()));
    Ok(())
}

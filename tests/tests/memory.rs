//! `bounded`: 5,000,000 rows and 2,000 tables in less than 256 MiB, and checkpoints below 1 MiB that
//! do not grow with what has been read. `ROWS=10000000` fills another number.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use serde_json::Value;
use tests::{Job, Kind, Script, Server, say};
use tokio::task::JoinSet;

const TABLES: u32 = 2_000;
const CHECKPOINT_MAX: u64 = 1024 * 1024;
const MEMORY_MAX: u64 = 256 * 1024 * 1024;
const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_whatever_the_number_of_rows_and_tables() -> Result<()> {
    let options = ["--innodb-buffer-pool-size=1G", "--innodb-doublewrite=OFF"];
    let server = Server::start(Kind::any()?, &options).await?;
    let wanted = std::env::var("ROWS").ok().map(|rows| rows.parse()).transpose()?;
    let rows: u64 = wanted.unwrap_or(5_000_000);
    many_rows(&server, rows).await?;
    for parallelism in ["1", "4"] {
        let script = Script::new("rows", &server, "big", "t").option("parallelism", parallelism);
        snapshot(&format!("{rows} rows, parallelism {parallelism}"), "rows", script, rows).await?;
    }
    many_tables(&server).await?;
    let script = Script::new("tables", &server, "many", "t_.*").option("parallelism", "2");
    snapshot(&format!("{TABLES} tables"), "tables", script.clone(), u64::from(TABLES)).await?;
    small_checkpoints(&server, rows).await?;
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

/// One job over all of it, with every checkpoint kept.
async fn small_checkpoints(server: &Server, rows: u64) -> Result<()> {
    let mut job = Job::new("all")?;
    job.script(
        &Script::new("all", server, "big,many", "")
            .option("table-name", r"big\.t,many\.t_.*")
            .option("checkpoint", "100")
            .set("execution.checkpointing.num-retained", "100000")
            .set("execution.runtime-mode", "batch")
            .blackhole(),
    )?;
    job.start(&[])?;
    let code = job.wait_exit(LONG).await?;
    ensure!(code == 0, "exit code {code}:\n{}", job.log_tail());
    let listed = job.snapshots()?;
    let number = |one: &Value, name: &str| one.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut taken = Vec::new();
    for one in &listed {
        taken.push((
            number(one, "rows_read"),
            number(one, "size_bytes"),
            number(one, "duration_ms"),
        ));
    }
    taken.sort_unstable();
    let largest = taken.iter().map(|(_, bytes, _)| *bytes).max().unwrap_or(u64::MAX);
    say(format!("{} checkpoints, the largest of {largest} bytes", taken.len()));
    for share in [50, 10, 2, 1] {
        let at = taken.iter().find(|(read, ..)| *read >= rows / share).context("too few")?;
        say(format!("  at row {}: {} bytes, taken in {} ms", at.0, at.1, at.2));
    }
    ensure!(taken.len() > 10 && largest < CHECKPOINT_MAX, "{taken:?}");
    Ok(())
}

/// Rows of about 200 bytes.
async fn many_rows(server: &Server, all: u64) -> Result<()> {
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
    while rows < all {
        // In parts: one transaction of millions of rows is slow on the server's side.
        let more = rows.min(all - rows).min(500_000);
        conn.query_drop(format!(
            "INSERT INTO big.t SELECT id + {rows}, a + 1, b, c, d FROM big.t WHERE id < {more}"
        ))
        .await?;
        rows += more;
    }
    say(format!("{all} rows filled in {:.1} s", begun.elapsed().as_secs_f32()));
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

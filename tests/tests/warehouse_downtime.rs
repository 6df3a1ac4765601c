//! The job dies between storing a checkpoint and committing it, and is away for longer than the warehouse
//! keeps what was prepared. The job says so and reads those tables again, and only those: nothing is lost,
//! nothing is there twice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::server::on_servers;
use tests::warehouse::{Comparison, Pair, arrived, for_each_system};
use tests::{Job, Kind, Script, Server, Warehouse, say};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(90);
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
/// Longer than either system keeps what is prepared: an hour, a day.
const AWAY_SECONDS: u64 = 25 * 3_600;
const TABLES: [&str; 3] = ["busy", "idle", "heap"];
/// What the log says of a table whose prepared rows are gone.
const SAID: &str = "is read again";

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_while_the_job_was_away_is_read_again_and_nothing_else_is() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| {
            let event = json!({ "skip_seconds": AWAY_SECONDS });
            away(server, warehouse, "commit.before", event, Expired::Yes).await
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_the_job_died_is_not_read_again() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| {
            let event = json!({ "skip_seconds": 10 });
            away(server, warehouse, "commit.after", event, Expired::No).await
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_were_forgotten_cost_a_reading_and_no_row() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| {
            away(server, warehouse, "commit.after", json!("forget_labels"), Expired::Perhaps).await
        })
        .await
    })
    .await
}

/// Whether tables have to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expired {
    Yes,
    No,
    Perhaps,
}

async fn away(
    server: &Server,
    warehouse: &Warehouse,
    point: &str,
    event: Value,
    expired: Expired,
) -> Result<()> {
    server
        .sql(
            "DROP DATABASE IF EXISTS d;\n\
             CREATE DATABASE d DEFAULT CHARACTER SET utf8mb4;\n\
             CREATE TABLE d.busy (id INT PRIMARY KEY, v INT);\n\
             CREATE TABLE d.idle (id INT PRIMARY KEY, v INT);\n\
             CREATE TABLE d.heap (id INT, v INT);\n\
             CREATE TABLE d.mark (id INT PRIMARY KEY);\n\
             INSERT INTO d.busy VALUES (1, 1), (2, 2), (3, 3);\n\
             INSERT INTO d.idle SELECT * FROM d.busy;\n\
             INSERT INTO d.heap SELECT * FROM d.busy;\n\
             INSERT INTO d.heap SELECT * FROM d.busy",
        )
        .await?;
    let mut job = Job::new("downtime")?;
    let script = Script::new("downtime", server, "d", ".*").into_warehouse(warehouse);
    job.script(&script.option("checkpoint", "300"))?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    job.sigterm().await?;

    // One transaction, so that one checkpoint takes all of it.
    server
        .sql(
            "BEGIN;\nUPDATE d.busy SET v = v + 10 WHERE id < 3;\nDELETE FROM d.busy WHERE id = 3;\n\
             INSERT INTO d.busy VALUES (4, 4);\nINSERT INTO d.heap VALUES (4, 4), (4, 4);\nCOMMIT",
        )
        .await?;
    die_with_rows(&mut job, warehouse, point).await?;
    warehouse.now(event).await?;

    job.arm(None);
    job.start(&[])?;
    server
        .sql("UPDATE d.busy SET v = v + 100 WHERE id = 1;\nINSERT INTO d.mark VALUES (1)")
        .await?;
    job.live(PATIENCE).await?;
    arrived(&mut job, warehouse, "SELECT id FROM d.mark", PATIENCE).await?;
    job.sigterm().await?;
    let log = job.stderr();
    let again = |table: &str| {
        let of_it = |line: &str| line.contains(SAID) && line.contains(&format!("d.{table}"));
        log.lines().any(of_it)
    };
    say(format!("read again: {:?}", TABLES.map(|table| (table, again(table)))));
    if expired != Expired::Perhaps {
        let is = expired == Expired::Yes;
        ensure!(again("busy") == is && again("heap") == is, "busy, heap: not {is}:\n{log}");
    }
    ensure!(!again("idle"), "a table was read again of which nothing was lost:\n{log}");
    let pairs = TABLES.map(|table| Pair::same(&format!("d.{table}")));
    Comparison::equal(server, warehouse, &pairs, VISIBLE_WITHIN).await
}

/// Runs the job until a checkpoint that holds the rows dies at a point: those before it may be empty.
async fn die_with_rows(job: &mut Job, warehouse: &Warehouse, point: &str) -> Result<()> {
    job.arm(Some(format!("{point}:1")));
    let begun = Instant::now();
    loop {
        job.start(&[])?;
        let code = job.wait_exit(PATIENCE).await?;
        ensure!(code == 128 + 6, "ended with {code}, not at {point}:\n{}", job.log_tail());
        let prepared = warehouse.open_transactions("d").await?.len() == 2;
        let committed = !warehouse.column("SELECT id FROM d.busy WHERE id = 4").await?.is_empty();
        if prepared || committed {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "no checkpoint with rows in {PATIENCE:?}");
    }
}

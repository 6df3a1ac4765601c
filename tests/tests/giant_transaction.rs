//! `bounded` and `resume-exact` inside one giant transaction: an UPDATE of 2,000,000 rows.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use tests::chain::{parts, written};
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};

const ROWS: usize = 2_000_000;
const MEMORY_MAX: u64 = 256 * 1024 * 1024;
const LONG: Duration = Duration::from_secs(300);

async fn fill(server: &Server) -> Result<()> {
    let mut conn = server.conn().await?;
    conn.query_drop("SET sql_log_bin = 0").await?;
    conn.query_drop("CREATE DATABASE g").await?;
    conn.query_drop("CREATE TABLE g.t (id INT PRIMARY KEY, v INT NOT NULL, s VARCHAR(60))").await?;
    conn.query_drop("INSERT INTO g.t VALUES (0, 0, 'sixty bytes or nearly so, as real rows have')")
        .await?;
    let mut rows = 1;
    while rows < ROWS {
        let more = rows.min(ROWS - rows);
        conn.query_drop(format!(
            "INSERT INTO g.t SELECT id + {rows}, v, s FROM g.t WHERE id < {more}"
        ))
        .await?;
        rows += more;
    }
    Ok(())
}

/// Reads the changelog: every row updated once, and nothing else.
fn each_row_updated_once(job: &Job) -> Result<()> {
    let mut seen = vec![false; ROWS];
    let mut count = 0;
    for part in parts(&job.out())? {
        for line in BufReader::with_capacity(1 << 20, File::open(&part)?).lines() {
            let line = line?;
            let (_, after) = line.split_once("\"after\":{\"id\":").context("no after")?;
            let (id, rest) = after.split_once(',').context("no second column")?;
            ensure!(rest.starts_with("\"v\":1,") && rest.contains("\"op\":\"u\""), "{line}");
            let id: usize = id.parse()?;
            let seen = seen.get_mut(id).with_context(|| format!("a row {id}"))?;
            ensure!(!*seen, "row {id} twice, the second time in {}", part.display());
            *seen = true;
            count += 1;
        }
    }
    ensure!(count == ROWS, "{count} of {ROWS} rows");
    Ok(())
}

/// How many checkpoints there have been: the newest id.
fn newest(job: &Job) -> Result<u64> {
    Ok(job.snapshots()?.first().map_or(0, tests::job::id_of))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_two_million_rows_is_checkpointed_and_resumed_inside() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid, Kind::MySql56, Kind::MariaDb], &[], async |server| {
        fill(server).await?;
        let mut job = Job::new("giant")?;
        job.script(
            &Script::new("giant", server, "g", "t")
                .file(&job.out())
                .option("scan.startup.mode", "latest-offset")
                .option("checkpoint", "200"),
        )?;
        job.start(&[])?;
        job.next_checkpoint().await?;
        server.sql("UPDATE g.t SET v = 1").await?;
        say("updated");

        job.wait_for("the first rows", LONG, |job| written(&job.out()) > 0).await?;
        let first = newest(&job)?;
        let mut kept = 0;
        job.wait_for("three checkpoints inside the transaction", LONG, |job| {
            let now = newest(job).unwrap_or(0);
            // What is written when the second one is there belongs to the third at the latest.
            if kept == 0 && now > first + 1 {
                kept = written(&job.out());
            }
            now > first + 3
        })
        .await?;
        let rows_left = !whole(&job);
        let peak = job.peak_memory().context("no VmHWM")?;
        job.kill9()?;
        ensure!(rows_left, "the transaction was over before it could be interrupted");
        say(format!("killed at {} MB, of which {} MB are kept", mb(written(&job.out())), mb(kept)));

        job.start(&[])?;
        let mut least = u64::MAX;
        job.wait_for("the whole transaction", LONG, |job| {
            least = least.min(written(&job.out()));
            whole(job)
        })
        .await?;
        ensure!(least >= kept, "resumed at {} MB, before {} MB", mb(least), mb(kept));
        let peak = peak.max(job.peak_memory().context("no VmHWM")?);
        job.sigterm().await?;
        each_row_updated_once(&job)?;
        say(format!("peak memory {} MB", mb(peak)));
        ensure!(peak < MEMORY_MAX, "{} MB resident", mb(peak));
        Ok(())
    })
    .await
}

/// Whether the last row of the transaction has been written: the rows come in key order.
fn whole(job: &Job) -> bool {
    tests::chain::ends_with_text(&job.out(), &format!("\"after\":{{\"id\":{},", ROWS - 1))
}

fn mb(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}

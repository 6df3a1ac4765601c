//! `window-complete` where the binlog runs ahead of what a SELECT sees.
//!
//! A commit that waits between the binlog and the engine is in the stream already, and in the
//! server's position, but no SELECT shows it. Semi-synchronous replication without a replica holds
//! every commit in that state for as long as its timeout. A snapshot that trusts the position loses
//! such a change for good.
//!
//! MySQL 5.6 has no such wait point (AFTER_COMMIT only). There eight writers and commits that are
//! not ordered (`binlog_order_commits=0`) make the race likely: with them about every fifth SELECT
//! was seen to be behind the position asked for just before it, by up to eight transactions. There
//! `gtid_executed` runs ahead too (it is set when the binlog is flushed; from 5.7 on when the engine
//! has committed), so waiting for it protects nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};
use tests::chain::{Auditor, ends_with_text};
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, eventually, say};
use tokio::task::JoinSet;

const KINDS: [Kind; 3] = [Kind::MySql9Gtid, Kind::MySql9NoGtid, Kind::MariaDb];
const ROWS: u32 = 20_000;
const SMALL_ROWS: u32 = 2_000;
const WRITERS: u32 = 8;

/// The dialect's prefix of the settings, its word for a replica.
fn words(server: &Server) -> (&'static str, &'static str) {
    if server.kind == Kind::MariaDb {
        ("rpl_semi_sync_master", "slave")
    } else {
        ("rpl_semi_sync_source", "replica")
    }
}

/// From now on a commit stays in the binlog, unseen, for `timeout_ms`. The wait switches itself off
/// when it has timed out, so this is said before each such commit.
async fn hold_commits(conn: &mut Conn, server: &Server, timeout_ms: u32) -> Result<()> {
    let (prefix, replica) = words(server);
    for (name, value) in [
        ("enabled", "0".to_owned()),
        ("wait_point", "'AFTER_SYNC'".to_owned()),
        (&*format!("wait_no_{replica}"), "1".to_owned()),
        ("timeout", timeout_ms.to_string()),
        ("enabled", "1".to_owned()),
    ] {
        conn.query_drop(format!("SET GLOBAL {prefix}_{name} = {value}")).await?;
    }
    Ok(())
}

async fn release_commits(conn: &mut Conn, server: &Server) -> Result<()> {
    Ok(conn.query_drop(format!("SET GLOBAL {}_enabled = 0", words(server).0)).await?)
}

async fn setup(server: &Server) -> Result<()> {
    if server.kind.software() == "mysql9" {
        server.sql("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'").await?;
    }
    server.sql("CREATE DATABASE v;\nCREATE TABLE v.t (id INT PRIMARY KEY, v INT)").await?;
    let mut conn = server.conn().await?;
    for part in 0..ROWS / 1_000 {
        let rows: Vec<String> =
            (0..1_000).map(|row| format!("({}, 0)", part * 1_000 + row)).collect();
        conn.query_drop(format!("INSERT INTO v.t VALUES {}", rows.join(","))).await?;
    }
    Ok(())
}

fn script(server: &Server, job: &Job) -> Script {
    Script::new("visibility", server, "v", "t")
        .set("restart-strategy", "none")
        .file(&job.out())
        .option("source.scan.incremental.snapshot.chunk.size", "50")
}

/// What makes a server without the wait point let its binlog run ahead: real syncs, in any order.
const DISORDERED: [&str; 3] =
    ["--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1", "--binlog-order-commits=0"];

/// Connections that each change every eighth row at a time until `stop`: whatever chunk is read, each
/// of them has a row in it, and none waits for another.
fn hammer(server: &Server, stop: &Arc<AtomicBool>) -> JoinSet<Result<()>> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (url, stop) = (server.url(), Arc::clone(stop));
        let ids: Vec<String> =
            (0..SMALL_ROWS / WRITERS).map(|n| (n * WRITERS + writer).to_string()).collect();
        let update = format!("UPDATE v.small SET v = v + 1 WHERE id IN ({})", ids.join(","));
        writers.spawn(async move {
            let mut conn = Conn::new(mysql_async::Opts::from_url(&url)?).await?;
            while !stop.load(Ordering::SeqCst) {
                conn.query_drop(&update).await?;
            }
            Ok(())
        });
    }
    writers
}

/// How often a SELECT was behind the position that the server had just reported.
async fn times_behind(server: &Server) -> Result<usize> {
    server.sql("FLUSH BINARY LOGS").await?;
    let stop = Arc::default();
    let mut writers = hammer(server, &stop);
    let mut conn = server.conn().await?;
    let mut seen = Vec::new();
    for _ in 0..500 {
        let (file, pos) = position(&mut conn, server).await?;
        let sum: u64 = conn.query_first("SELECT SUM(v) FROM v.small").await?.context("no sum")?;
        seen.push((file, pos, sum));
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    let (file, ..) = seen.first().context("nothing seen")?;
    let events: Vec<Row> = conn.query(format!("SHOW BINLOG EVENTS IN '{file}'")).await?;
    // Where each transaction ends. Each adds as much to the sum.
    let step = u64::from(SMALL_ROWS / WRITERS);
    let ends: Vec<u64> = events
        .iter()
        .filter(|event| event.get::<String, _>(2).as_deref() == Some("Xid"))
        .filter_map(|event| event.get(4))
        .collect();
    let total: u64 = conn.query_first("SELECT SUM(v) FROM v.small").await?.context("no sum")?;
    let before =
        total.checked_sub(ends.len() as u64 * step).context("more transactions than changes")?;
    let behind = |(_, pos, sum): &&(String, u64, u64)| {
        *sum < before + ends.partition_point(|end| end <= pos) as u64 * step
    };
    let count = seen.iter().filter(behind).count();
    say(format!("{count} of {} SELECTs were behind the position", seen.len()));
    Ok(count)
}

async fn position(conn: &mut Conn, server: &Server) -> Result<(String, u64)> {
    let row: Row = conn.query_first(server.show_status()).await?.context("no binlog")?;
    let file = row.get(0).context("no file")?;
    Ok((file, row.get(1).context("no position")?))
}

async fn audit(server: &Server, job: &mut Job, table: &str) -> Result<()> {
    job.live(Duration::from_secs(120)).await?;
    server.sql(&format!("INSERT INTO {table} VALUES (-7777777, 42)")).await?;
    let last = |job: &Job| ends_with_text(&job.out(), "-7777777");
    job.wait_for("the last change", Duration::from_secs(60), last).await?;
    job.sigterm().await?;
    let mut auditor = Auditor::new();
    auditor.table(table, &["id"]);
    auditor.read_dir(&job.out())?;
    auditor.compare(&mut server.conn().await?).await?;
    say(format!("{:?}", auditor.counts()));
    auditor.verdict()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_logged_but_not_yet_seen_when_the_job_begins_is_not_lost() -> Result<()> {
    on_servers(&KINDS, &[], async |server| {
        setup(server).await?;
        let mut conn = server.conn().await?;
        let before = position(&mut conn, server).await?;
        hold_commits(&mut conn, server, 4_000).await?;
        let mut writer = server.conn().await?;
        let mut writers = JoinSet::new();
        writers.spawn(async move {
            let begun = Instant::now();
            writer.query_drop("BEGIN").await?;
            writer.query_drop("UPDATE v.t SET v = 1 WHERE id < 5000").await?;
            writer.query_drop("DELETE FROM v.t WHERE id BETWEEN 7000 AND 7999").await?;
            writer.query_drop("INSERT INTO v.t VALUES (-5, 5), (30000, 5)").await?;
            writer.query_drop("UPDATE v.t SET id = id + 100000 WHERE id > 19000").await?;
            writer.query_drop("COMMIT").await?;
            anyhow::Ok(begun.elapsed())
        });
        eventually("the commit is in the binlog", Duration::from_secs(3), async || {
            Ok(position(&mut server.conn().await?, server).await? != before)
        })
        .await?;
        let mut job = Job::new("visibility")?;
        job.script(&script(server, &job))?;
        job.start(&[])?;
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let seen: u32 = server.value("SELECT SUM(v) FROM v.t").await?;
        ensure!(seen == 0, "the race did not happen: the commit was seen at once");
        let Some(held) = writers.join_next().await else { bail!("no writer") };
        say(format!("the commit was held for {:.1} s", held??.as_secs_f32()));
        release_commits(&mut conn, server).await?;
        audit(server, &mut job, "v.t").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_are_logged_but_not_yet_seen_while_chunks_are_read_are_not_lost() -> Result<()>
{
    on_servers(&KINDS, &[], async |server| {
        setup(server).await?;
        let mut job = Job::new("visibility")?;
        // Small chunks, one reader: there are many windows, and the held commits meet some.
        job.script(
            &script(server, &job).option("source.scan.incremental.snapshot.chunk.size", "7"),
        )?;
        job.start(&[])?;
        let mut conn = server.conn().await?;
        let (begun, mut held) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(6) {
            hold_commits(&mut conn, server, 150).await?;
            conn.query_drop(format!("UPDATE v.t SET v = v + 1 WHERE id % 17 = {}", held % 17))
                .await?;
            held += 1;
        }
        say(format!("{held} commits held"));
        release_commits(&mut conn, server).await?;
        audit(server, &mut job, "v.t").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_are_out_of_order_while_chunks_are_read_are_not_lost() -> Result<()> {
    on_servers(&[Kind::MySql56Gtid, Kind::MySql56], &DISORDERED, async |server| {
        server.sql("CREATE DATABASE v;\nCREATE TABLE v.small (id INT PRIMARY KEY, v INT)").await?;
        let rows: Vec<String> = (0..SMALL_ROWS).map(|id| format!("({id}, 0)")).collect();
        server.sql(&format!("INSERT INTO v.small VALUES {}", rows.join(","))).await?;
        ensure!(times_behind(server).await? > 0, "the race did not happen");
        let stop = Arc::default();
        let mut writers = hammer(server, &stop);
        let mut job = Job::new("visibility")?;
        let chunks = ("source.scan.incremental.snapshot.chunk.size", "7");
        let script = Script::new("visibility", server, "v", "small").file(&job.out());
        job.script(&script.option(chunks.0, chunks.1))?;
        job.start(&[])?;
        job.live(Duration::from_secs(120)).await?;
        stop.store(true, Ordering::SeqCst);
        while let Some(ended) = writers.join_next().await {
            ended??;
        }
        audit(server, &mut job, "v.small").await
    })
    .await
}

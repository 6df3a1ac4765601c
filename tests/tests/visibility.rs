//! `window-complete` where the binlog runs ahead of what a SELECT sees.
//!
//! A commit that waits between the binlog and the engine is in the stream already, and in the
//! server's position, but no SELECT shows it. Semi-synchronous replication without a replica holds
//! every commit in that state for as long as its timeout. A snapshot that trusts the position loses
//! such a change for good.
//!
//! MySQL 5.6 has no such wait point (AFTER_COMMIT only), so there the race is left to chance: the
//! chain test's eight writers.

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
        .file(&job.out())
        .option("source.scan.incremental.snapshot.chunk.size", "50")
}

async fn position(conn: &mut Conn, server: &Server) -> Result<(String, u64)> {
    let row: Row = conn.query_first(server.show_status()).await?.context("no binlog")?;
    let file = row.get(0).context("no file")?;
    Ok((file, row.get(1).context("no position")?))
}

async fn audit(server: &Server, job: &mut Job) -> Result<()> {
    job.live(Duration::from_secs(120)).await?;
    server.sql("INSERT INTO v.t VALUES (-7777777, 42)").await?;
    let last = |job: &Job| ends_with_text(&job.out(), "-7777777");
    job.wait_for("the last change", Duration::from_secs(60), last).await?;
    job.sigterm().await?;
    let mut auditor = Auditor::new();
    auditor.table("v.t", &["id"]);
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
        audit(server, &mut job).await
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
        audit(server, &mut job).await
    })
    .await
}

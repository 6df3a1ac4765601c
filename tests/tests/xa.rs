//! XA transactions: exactly the committed rows come out, at the place of their commit, whatever
//! happens between `XA PREPARE` and the verdict.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, OptsBuilder};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tests::chain::{Auditor, ends_with_text, written};
use tests::changelog::{Changelog, op_of};
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};
use tokio::task::JoinSet;

/// Those that log the rows of an XA transaction when it is prepared.
const KINDS: [Kind; 3] = [Kind::MySql9Gtid, Kind::MySql9NoGtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(60);
const LAST: &str = "the last change of all";

async fn setup(server: &Server, rows: usize) -> Result<()> {
    server
        .sql(
            "CREATE DATABASE x;\nCREATE DATABASE other;\n\
             CREATE TABLE x.t (id INT PRIMARY KEY, v INT NOT NULL, s VARCHAR(80));\n\
             CREATE TABLE x.mark (id INT PRIMARY KEY, note VARCHAR(40));\n\
             CREATE TABLE other.t (id INT PRIMARY KEY)",
        )
        .await?;
    let mut conn = server.conn().await?;
    for first in (0..rows).step_by(1_000) {
        let values: Vec<String> =
            (first..rows.min(first + 1_000)).map(|id| format!("({id}, 0, 'é')")).collect();
        conn.query_drop(format!("INSERT INTO x.t VALUES {}", values.join(","))).await?;
    }
    Ok(())
}

/// Lets the job's user see which XA transactions are prepared. MariaDB tells everybody.
async fn grant(server: &Server) -> Result<()> {
    if server.kind.software() == "mysql9" {
        server.sql("GRANT XA_RECOVER_ADMIN ON *.* TO 'repl'@'%'").await?;
    }
    Ok(())
}

fn script(server: &Server, job: &Job) -> Script {
    Script::new("xa", server, "x", ".*").file(&job.out())
}

/// Without a snapshot, from the end of the binlog.
fn from_now_on(script: Script) -> Script {
    script.option("scan.startup.mode", "latest-offset")
}

/// A job that has been started.
fn started(server: &Server, change: impl FnOnce(Script) -> Script) -> Result<Job> {
    let mut job = Job::new("xa")?;
    job.script(&change(script(server, &job)))?;
    job.start(&[])?;
    Ok(job)
}

/// Runs an XA transaction up to its `XA PREPARE`, and leaves it to whoever settles it.
async fn prepare(server: &Server, xid: &str, statements: &[&str]) -> Result<()> {
    let mut conn = server.conn().await?;
    conn.query_drop(format!("XA START {xid}")).await?;
    for statement in statements {
        conn.query_drop(*statement).await?;
    }
    conn.query_drop(format!("XA END {xid}")).await?;
    conn.query_drop(format!("XA PREPARE {xid}")).await?;
    conn.disconnect().await?;
    Ok(())
}

/// `XA COMMIT` or `XA ROLLBACK`, once the session that prepared it has let go.
async fn settle(server: &Server, verb: &str, xid: &str) -> Result<()> {
    let mut conn = server.conn().await?;
    let begun = Instant::now();
    loop {
        match conn.query_drop(format!("XA {verb} {xid}")).await {
            Ok(()) => return Ok(()),
            Err(_) if begun.elapsed() < Duration::from_secs(5) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => bail!("XA {verb} {xid}: {error}"),
        }
    }
}

/// Changes that are in the changelog, in order.
fn changes(job: &Job) -> Result<Vec<Value>> {
    let mut changes = Changelog::of(job)?.lines;
    changes.retain(|line| op_of(line).is_some());
    Ok(changes)
}

fn text(change: &Value, pointer: &str) -> String {
    change.pointer(pointer).map(Value::to_string).unwrap_or_default()
}

/// Streamed changes of `x.t`, each as its kind and key.
fn streamed(changes: &[Value]) -> Vec<String> {
    let ours = |c: &&Value| text(c, "/source/table") == "\"t\"" && text(c, "/op") != "\"r\"";
    let line = |c: &Value| {
        let id = c.pointer("/after/id").or_else(|| c.pointer("/before/id"));
        format!("{}{}", text(c, "/op").trim_matches('"'), id.unwrap_or(&Value::Null))
    };
    changes.iter().filter(ours).map(line).collect()
}

async fn finish(server: &Server, job: &mut Job) -> Result<Auditor> {
    server.sql(&format!("INSERT INTO x.mark VALUES (1, '{LAST}')")).await?;
    job.wait_for("the last change", PATIENCE, |job| ends_with_text(&job.out(), LAST)).await?;
    job.sigterm().await?;
    let mut auditor = Auditor::new();
    auditor.table("x.t", &["id"]);
    auditor.table("x.mark", &["id"]);
    auditor.read_dir(&job.out())?;
    auditor.compare(&mut server.conn().await?).await?;
    say(format!("{:?}", auditor.counts()));
    Ok(auditor)
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_rows_come_out_at_their_commit_through_a_kill_and_a_restart_of_the_server()
-> Result<()> {
    on_servers(&KINDS, &[], async |server| {
        setup(server, 100).await?;
        grant(server).await?;
        let mut job = started(server, |script| script)?;
        job.live(PATIENCE).await?;
        let a = [
            "INSERT INTO x.t VALUES (1001, 1, 'a'), (1002, 1, 'a')",
            "UPDATE x.t SET v = 5 WHERE id = 1",
            "DELETE FROM x.t WHERE id = 2",
        ];
        prepare(server, "'a','branch',7", &a).await?;
        prepare(server, "'b'", &["INSERT INTO x.t VALUES (2001, 1, 'b')"]).await?;
        prepare(server, "'c'", &["INSERT INTO other.t VALUES (1)"]).await?;
        prepare(server, "'d'", &["INSERT INTO x.t VALUES (4001, 1, 'd')"]).await?;
        prepare(server, "'e'", &["UPDATE x.t SET v = 6 WHERE id = 3"]).await?;
        server.sql("INSERT INTO x.t VALUES (3001, 1, 'ordinary')").await?;
        settle(server, "ROLLBACK", "'d'").await?;
        let first = |job: &Job| ends_with_text(&job.out(), "3001");
        job.wait_for("the ordinary change", PATIENCE, first).await?;
        job.next_checkpoint().await?;
        job.kill9()?;

        server.kill9()?;
        server.restart().await?;
        settle(server, "COMMIT", "'b'").await?;
        job.start(&[])?;
        settle(server, "COMMIT", "'c'").await?;
        settle(server, "ROLLBACK", "'e'").await?;
        server.sql("INSERT INTO x.t VALUES (3002, 1, 'ordinary')").await?;
        settle(server, "COMMIT", "'a','branch',7").await?;
        let mut conn = server.conn().await?;
        conn.query_drop("XA START 'f'").await?;
        conn.query_drop("INSERT INTO x.t VALUES (5001, 1, 'one phase')").await?;
        conn.query_drop("XA END 'f'").await?;
        conn.query_drop("XA COMMIT 'f' ONE PHASE").await?;
        server.sql("DELETE FROM x.t WHERE id = 5001").await?;

        finish(server, &mut job).await?.verdict()?;
        let changes = changes(&job)?;
        let want = ["c3001", "c2001", "c3002", "c1001", "c1002", "u1", "d2", "c5001", "d5001"];
        let seen = streamed(&changes);
        ensure!(seen == want, "{seen:?}");
        one_place(&changes, &["1001", "1002", "1", "2"])
    })
    .await
}

/// The changes of one XA transaction bear its commit's place, and numbers of their own.
fn one_place(changes: &[Value], ids: &[&str]) -> Result<()> {
    let of = |id: &&str| {
        changes
            .iter()
            .filter(|c| text(c, "/op") != "\"r\"" && text(c, "/source/table") == "\"t\"")
            .find(|c| text(c, "/after/id") == *id || text(c, "/before/id") == *id)
            .with_context(|| format!("no change of {id}"))
    };
    let all: Vec<&Value> = ids.iter().map(of).collect::<Result<_>>()?;
    let place = |c: &Value| {
        ["/source/file", "/source/pos", "/source/gtid", "/source/ts_ms"].map(|p| text(c, p))
    };
    let rows: Vec<String> = all.iter().map(|c| text(c, "/source/row")).collect();
    ensure!(rows == ["0", "1", "2", "3"], "{rows:?}");
    for change in &all {
        ensure!(all.first().is_some_and(|first| place(first) == place(change)), "{change}");
    }
    Ok(())
}

/// Writers of XA transactions, each on keys of its own, in one phase, in two, or in none.
struct Storm {
    stop: Arc<AtomicBool>,
    settled: Arc<AtomicU64>,
    writers: JoinSet<Result<()>>,
}

impl Storm {
    fn start(server: &Server, writers: u64, rows: u64, seed: u64) -> Self {
        let (stop, settled) = (Arc::default(), Arc::default());
        let mut all = JoinSet::new();
        for number in 0..writers {
            let rng = StdRng::seed_from_u64(seed.wrapping_mul(100).wrapping_add(number));
            let (stop, settled) = (Arc::clone(&stop), Arc::clone(&settled));
            all.spawn(storm(server.port, rng, number, rows / writers, stop, settled));
        }
        Self { stop, settled, writers: all }
    }

    async fn end(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.writers.join_next().await {
            ended??;
        }
        Ok(self.settled.load(Ordering::SeqCst))
    }
}

async fn storm(
    port: u16,
    mut rng: StdRng,
    number: u64,
    keys: u64,
    stop: Arc<AtomicBool>,
    settled: Arc<AtomicU64>,
) -> Result<()> {
    let connect = || async {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(port)
            .user(Some("root"))
            .prefer_socket(false)
            .init(vec!["SET NAMES utf8mb4"]);
        Conn::new(options).await
    };
    let mut last = connect().await?;
    for count in 0_u64.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let xid = format!("'storm-{number}','{count}'");
        let mut conn = connect().await?;
        let is_xa = rng.random_bool(0.8);
        conn.query_drop(if is_xa { format!("XA START {xid}") } else { "BEGIN".into() }).await?;
        for _ in 0..rng.random_range(1..5) {
            let low = number * keys + rng.random_range(0..keys);
            let range = format!("BETWEEN {low} AND {}", (number + 1) * keys - 1);
            let sql = match rng.random_range(0..3) {
                0 => format!("REPLACE INTO x.t VALUES ({low}, {count}, 'storm')"),
                1 => format!("UPDATE x.t SET v = v + 1 WHERE id {range} LIMIT 20"),
                _ => format!("DELETE FROM x.t WHERE id {range} LIMIT 2"),
            };
            conn.query_drop(sql).await?;
        }
        if !is_xa {
            conn.query_drop(if rng.random_bool(0.8) { "COMMIT" } else { "ROLLBACK" }).await?;
            continue;
        }
        conn.query_drop(format!("XA END {xid}")).await?;
        if rng.random_bool(0.2) {
            conn.query_drop(format!("XA COMMIT {xid} ONE PHASE")).await?;
            continue;
        }
        conn.query_drop(format!("XA PREPARE {xid}")).await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..150))).await;
        let verb = if rng.random_bool(0.7) { "COMMIT" } else { "ROLLBACK" };
        let same_session = rng.random_bool(0.5);
        if same_session {
            conn.query_drop(format!("XA {verb} {xid}")).await?;
        } else {
            // A verdict that MariaDB 10.11 gets while it is leaving the session finds the XID, says
            // OK, and leaves the transaction prepared for ever, its locks held.
            let session = conn.id();
            conn.disconnect().await?;
            let gone =
                format!("SELECT id FROM information_schema.processlist WHERE id = {session}");
            while last.query_first::<u64, _>(&gone).await?.is_some() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let begun = Instant::now();
            while let Err(error) = last.query_drop(format!("XA {verb} {xid}")).await {
                ensure!(begun.elapsed() < Duration::from_secs(5), "XA {verb} {xid}: {error}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        settled.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_changelog_is_exact_under_a_storm_of_xa_transactions_and_kills() -> Result<()> {
    const ROWS: usize = 6_000;
    on_servers(&KINDS, &[], async |server| {
        let seed = tests::seed()?;
        setup(server, ROWS).await?;
        grant(server).await?;
        let storm = Storm::start(server, 4, ROWS as u64, seed);
        let mut job = Job::new("xa")?;
        job.script(
            &script(server, &job)
                .option("checkpoint", "200")
                .option("parallelism", "2")
                .option("source.scan.incremental.snapshot.chunk.size", "100"),
        )?;
        let mut rng = StdRng::seed_from_u64(seed);
        for n in 0..8 {
            job.start(&[])?;
            let before = written(&job.out());
            job.wait_for("bytes", PATIENCE, |job| written(&job.out()) > before).await?;
            if n == 4 {
                job.live(PATIENCE).await?;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(50..900))).await;
            job.kill9()?;
        }
        job.start(&[])?;
        job.live(PATIENCE).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        say(format!("{} XA transactions settled in two phases", storm.end().await?));
        finish(server, &mut job).await?.verdict()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_xa_transaction_is_held_on_disk_in_bounded_memory() -> Result<()> {
    const MEMORY_MAX: u64 = 256 << 20;
    const ROWS: usize = 400_000;
    on_servers(&KINDS, &[], async |server| {
        setup(server, 0).await?;
        grant(server).await?;
        let mut job = started(server, from_now_on)?;
        job.next_checkpoint().await?;
        let fill = format!(
            "INSERT INTO x.t WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n \
             WHERE id < 1000) SELECT a.id * 1000 + b.id, 0, REPEAT('large ', 13) FROM n a, n b \
             WHERE a.id <= {}",
            ROWS / 1_000
        );
        prepare(server, "'large'", &[&fill]).await?;
        prepare(server, "'gone'", &["INSERT INTO x.t VALUES (-5, 0, 'never')"]).await?;
        job.next_checkpoint().await?;
        let before = written(&job.out());
        ensure!(before == 0, "{before} bytes of rows that are not committed");
        let newest = job.snapshots()?.first().map_or(0, tests::job::id_of);
        let size = job.snapshots()?.first().and_then(|s| s.get("size")?.as_u64()).unwrap_or(0);
        say(format!("checkpoint {newest} takes {size} bytes"));
        let peak = job.peak_memory().context("no VmHWM")?;
        job.kill9()?;
        job.start(&[])?;
        settle(server, "ROLLBACK", "'gone'").await?;
        settle(server, "COMMIT", "'large'").await?;
        let whole = |job: &Job| written(&job.out()) > (ROWS as u64) * 100;
        job.wait_for("many rows", Duration::from_secs(180), whole).await?;
        server.sql(&format!("INSERT INTO x.mark VALUES (1, '{LAST}')")).await?;
        let last = |job: &Job| ends_with_text(&job.out(), LAST);
        job.wait_for("the last change", Duration::from_secs(180), last).await?;
        let peak = peak.max(job.peak_memory().context("no VmHWM")?);
        job.sigterm().await?;
        let mut auditor = Auditor::new();
        auditor.table("x.t", &["id"]);
        auditor.table("x.mark", &["id"]);
        auditor.read_dir(&job.out())?;
        auditor.compare(&mut server.conn().await?).await?;
        auditor.verdict()?;
        ensure!(auditor.counts().insert == ROWS as u64 + 1, "{:?}", auditor.counts());
        say(format!("peak memory {} MiB", peak >> 20));
        ensure!(peak < MEMORY_MAX, "{} MiB resident", peak >> 20);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_before_a_job_begins_is_waited_for() -> Result<()> {
    on_servers(&KINDS, &[], async |server| {
        setup(server, 500).await?;
        grant(server).await?;
        prepare(server, "'early'", &["INSERT INTO x.t VALUES (1001, 1, 'early')"]).await?;
        let mut job = started(server, |script| script)?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(written(&job.out()) == 0, "a chunk was read before the verdict");
        settle(server, "COMMIT", "'early'").await?;
        job.live(PATIENCE).await?;
        finish(server, &mut job).await?.verdict()?;

        // A job that streams from now on begins behind the verdict.
        prepare(server, "'again'", &["UPDATE x.t SET v = 9 WHERE id = 1"]).await?;
        let mut late = started(server, from_now_on)?;
        late.next_checkpoint().await?;
        server.sql("UPDATE x.t SET v = 1 WHERE id = 7").await?;
        settle(server, "COMMIT", "'again'").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.sql("UPDATE x.t SET v = 2 WHERE id = 8").await?;
        late.wait_for("a change", PATIENCE, |job| written(&job.out()) > 0).await?;
        late.sigterm().await?;
        let seen = streamed(&changes(&late)?);
        ensure!(seen == ["u8"], "{seen:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_rows_were_not_seen_ends_the_job_with_its_name() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid, Kind::MySql9NoGtid], &[], async |server| {
        setup(server, 500).await?;
        // Without the privilege nobody tells the job what is prepared.
        prepare(server, "'early'", &["INSERT INTO x.t VALUES (1001, 1, 'early')"]).await?;
        prepare(server, "'undone'", &["INSERT INTO x.t VALUES (1002, 1, 'undone')"]).await?;
        let mut job = started(server, |script| script)?;
        job.live(PATIENCE).await?;
        settle(server, "ROLLBACK", "'undone'").await?;
        job.next_checkpoint().await?;
        settle(server, "COMMIT", "'early'").await?;
        let code = job.wait_exit(PATIENCE).await?;
        let log = job.stderr();
        ensure!(code == 1, "exit code {code}");
        let told = log.contains("X'6561726c79',X'',1") && log.contains("--from none");
        ensure!(told, "{}", job.log_tail());

        job.start(&["--from", "none"])?;
        job.live(PATIENCE).await?;
        finish(server, &mut job).await?.verdict()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_at_a_place_between_prepare_and_commit_is_refused() -> Result<()> {
    on_servers(&KINDS, &[], async |server| {
        setup(server, 10).await?;
        grant(server).await?;
        prepare(server, "'early'", &["INSERT INTO x.t VALUES (1001, 1, 'early')"]).await?;
        let mut conn = server.conn().await?;
        let status: Option<mysql_async::Row> = conn.query_first(server.show_status()).await?;
        let mut status = status.context("no binlog")?;
        let (file, pos): (String, u64) =
            (status.take(0).context("no file")?, status.take(1).context("no position")?);
        let mut job = started(server, |script| {
            script
                .option("scan.startup.mode", "specific-offset")
                .option("source.scan.startup.specific-offset.file", &file)
                .option("source.scan.startup.specific-offset.pos", &pos.to_string())
        })?;
        server.sql("UPDATE x.t SET v = 1 WHERE id = 7").await?;
        job.wait_for("a change", PATIENCE, |job| written(&job.out()) > 0).await?;
        settle(server, "COMMIT", "'early'").await?;
        let code = job.wait_exit(PATIENCE).await?;
        ensure!(code == 1 && job.stderr().contains("X'6561726c79',X'',1"), "{}", job.log_tail());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_log_xa_at_the_commit_give_an_ordinary_transaction() -> Result<()> {
    on_servers(&[Kind::MySql56Gtid, Kind::MySql56], &[], async |server| {
        setup(server, 100).await?;
        let mut job = started(server, |script| script)?;
        job.live(PATIENCE).await?;
        let mut sessions = HashMap::new();
        for (xid, id) in [("'a'", 1001), ("'b'", 1002), ("'c'", 1003), ("'d'", 1004)] {
            let mut conn = server.conn().await?;
            conn.query_drop(format!("XA START {xid}")).await?;
            conn.query_drop(format!("INSERT INTO x.t VALUES ({id}, 1, 'x')")).await?;
            conn.query_drop(format!("XA END {xid}")).await?;
            sessions.insert(xid, conn);
        }
        for (xid, verbs) in [
            ("'a'", ["XA PREPARE 'a'", "DO 0"]),
            ("'b'", ["XA PREPARE 'b'", "XA COMMIT 'b'"]),
            ("'c'", ["XA PREPARE 'c'", "XA ROLLBACK 'c'"]),
            ("'d'", ["XA COMMIT 'd' ONE PHASE", "DO 0"]),
            ("'a'", ["XA COMMIT 'a'", "DO 0"]),
        ] {
            let conn = sessions.get_mut(xid).context("no session")?;
            for verb in verbs {
                conn.query_drop(verb).await?;
            }
        }
        finish(server, &mut job).await?.verdict()?;
        let seen = streamed(&changes(&job)?);
        ensure!(seen == ["c1002", "c1004", "c1001"], "{seen:?}");
        Ok(())
    })
    .await
}

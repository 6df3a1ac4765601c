//! Snapshots by hand: what exists is told as it is, damage is found, a copy restores by its path
//! alone, and an edited savepoint is where the job goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};
use serde_json::Value;
use tests::chain::{Auditor, ends_with_text};
use tests::job::id_of;
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};

const KINDS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a command on the job's state: exit code, stdout, stderr.
fn on_state(job: &Job, arguments: &[&str]) -> Result<(i32, String, String)> {
    job.command(&[arguments, &["--state", &job.state_url()]].concat())
}

/// What it prints, where it ends as expected.
fn ends(job: &Job, code: i32, arguments: &[&str]) -> Result<String> {
    let (got, out, err) = on_state(job, arguments)?;
    ensure!(got == code, "{arguments:?} ended with {got}, not {code}:\n{out}\n{err}");
    Ok(format!("{out}{err}"))
}

fn json(job: &Job, arguments: &[&str]) -> Result<Value> {
    let (code, out, err) = on_state(job, &[arguments, &["--json"]].concat())?;
    ensure!(code == 0, "{arguments:?} ended with {code}: {err}");
    serde_json::from_str(&out).with_context(|| format!("JSON: `{out}`"))
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn kinds(job: &Job) -> Result<Vec<String>> {
    let kind = |s: &Value| match s.get("restorable").and_then(Value::as_bool) {
        Some(true) => text(s, "/kind"),
        _ => "damaged".to_owned(),
    };
    Ok(job.snapshots()?.iter().map(kind).collect())
}

async fn setup(server: &Server) -> Result<()> {
    let tables = "CREATE DATABASE s;\nCREATE TABLE s.t (id INT PRIMARY KEY, v INT NOT NULL)";
    server.sql(tables).await?;
    server.sql("INSERT INTO s.t VALUES (1, 10)").await
}

fn script(server: &Server, job: &Job) -> Script {
    let retained = "execution.checkpointing.num-retained";
    Script::new("snapshots", server, "s", "t").file(&job.out()).set(retained, "3")
}

/// Makes one change, waits until it is out, and stops the job with a savepoint.
async fn change_and_stop(server: &Server, job: &mut Job, id: u32) -> Result<u64> {
    server.sql(&format!("INSERT INTO s.t VALUES ({id}, {id})")).await?;
    let last = format!("\"id\":{id},");
    job.wait_for("the change", PATIENCE, |job| ends_with_text(&job.out(), &last)).await?;
    job.sigterm().await?;
    job.snapshots()?.first().map(id_of).context("no savepoint")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_restores_by_its_path_alone_when_the_state_is_lost() -> Result<()> {
    on_servers(&KINDS, &[], async |server| {
        for scheme in ["rocksdb", "file"] {
            say(scheme);
            lost_and_restored(server, scheme).await?;
            server.sql("DROP DATABASE s").await?;
        }
        Ok(())
    })
    .await
}

async fn lost_and_restored(server: &Server, scheme: &str) -> Result<()> {
    setup(server).await?;
    let mut job = Job::new("snapshots")?;
    job.keep_state_at(&format!("{scheme}://{}", job.state().display()));
    job.script(&script(server, &job))?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    let first = change_and_stop(server, &mut job, 1001).await?;
    job.start(&[])?;
    prepare(server, "'held'", "INSERT INTO s.t VALUES (1003, 3)").await?;
    listed_while_it_runs(&mut job).await?;
    let second = change_and_stop(server, &mut job, 1002).await?;
    compared(&job, first, second)?;
    pruned(&job)?;
    let reference = copied(&job, second)?;

    fs::remove_dir_all(job.state())?;
    job.start(&["--from", &reference])?;
    job.live(PATIENCE).await?;
    settle(server, "'held'").await?;
    change_and_stop(server, &mut job, 1004).await?;
    let log = job.stderr();
    ensure!(log.contains(&format!("resuming from savepoint {second}")), "{log}");
    let mut auditor = Auditor::new();
    auditor.table("s.t", &["id"]);
    auditor.read_dir(&job.out())?;
    auditor.compare(&mut server.conn().await?).await?;
    say(format!("{:?}", auditor.counts()));
    auditor.verdict()
}

/// List, verify and copy need no stop; to remove does.
async fn listed_while_it_runs(job: &mut Job) -> Result<()> {
    job.next_checkpoint().await?;
    let name = job.path().to_string_lossy().into_owned();
    let list = ends(job, 0, &["snapshots", &name])?;
    for word in ["restorable", "savepoint", "checkpoint", "period", "1/1 done", "yes"] {
        ensure!(list.contains(word), "`{word}` is not in:\n{list}");
    }
    let unknown = ends(job, 1, &["snapshots", "nojob"])?;
    ensure!(unknown.contains("there is no job `nojob` in "), "{unknown}");
    ensure!(unknown.contains("; there are: snapshots"), "{unknown}");
    let verified = ends(job, 0, &["snapshots", "--verify"])?;
    ensure!(verified.contains("verified, "), "{verified}");
    ensure!(verified.contains("rows of 1 XA transaction"), "{verified}");
    for arguments in [
        &["prune", "snapshots", "--keep", "1"][..],
        &["edit", "latest", "--binlog", "binlog.000001:4", "--i-understand"],
    ] {
        let (code, out, err) = on_state(job, arguments)?;
        ensure!(code != 0, "{arguments:?} while the job runs: {out}");
        ensure!(!err.is_empty(), "{arguments:?}: no reason");
    }
    let refused = ends(job, 1, &["prune", "snapshots", "--keep", "1"])?;
    ensure!(refused.contains("process runs job"), "{refused}");
    let backup = job.dir().join("while-it-runs").to_string_lossy().into_owned();
    ends(job, 0, &["copy", "latest", &backup])?;
    Ok(())
}

fn compared(job: &Job, first: u64, second: u64) -> Result<()> {
    let (first, second) = (first.to_string(), second.to_string());
    let diff = json(job, &["inspect", "--diff", &first, "latest"])?;
    let found = diff.get("differences").and_then(Value::as_array).context("no differences")?;
    let about = |what: &str| found.iter().filter(|d| text(d, "/about") == what).count();
    for what in ["position", "counters", "XA", "sinks"] {
        ensure!(about(what) > 0, "nothing about {what}: {diff:#}");
    }
    ensure!(about("columns") == 0 && about("tables") == 0, "{diff:#}");
    let said = ends(job, 0, &["inspect", "--diff", &first, &second])?;
    ensure!(said.contains("ahead") && said.contains("is prepared in B only"), "{said}");
    let shown = json(job, &["inspect", "latest", "--schemas"])?;
    ensure!(number(&shown, "/format/version") == 1, "{shown:#}");
    ensure!(shown.pointer("/tables/0/schema/columns/1").is_some(), "{shown:#}");
    let said = ends(job, 0, &["inspect", &second])?;
    ensure!(said.contains("header") && !said.contains("NOT NULL"), "{said}");
    let other = ends(job, 1, &["inspect", "999"])?;
    ensure!(other.contains("no snapshot 999"), "{other}");
    Ok(())
}

fn pruned(job: &Job) -> Result<()> {
    let before = kinds(job)?;
    let would = ends(job, 0, &["prune", "snapshots", "--keep", "0", "--dry-run"])?;
    ensure!(would.contains("would remove checkpoint"), "{would}");
    ensure!(kinds(job)? == before, "a dry run removed something");
    let young = ends(job, 0, &["prune", "snapshots", "--keep", "0", "--older-than", "1h"])?;
    ensure!(young.starts_with("0 of "), "{young}");
    ends(job, 0, &["prune", "snapshots", "--keep", "0"])?;
    ensure!(kinds(job)? == ["savepoint", "savepoint"], "{:?}", kinds(job)?);
    let none = ends(job, 2, &["prune", "nobody"])?;
    ensure!(none.contains("there is no job nobody"), "{none}");
    ensure!(!job.state().join("nobody.job").exists(), "it was made");
    Ok(())
}

fn copied(job: &Job, id: u64) -> Result<String> {
    let backup = job.dir().join("backup").to_string_lossy().into_owned();
    let copy = json(job, &["copy", &id.to_string(), &backup])?;
    ensure!(number(&copy, "/xa_records") > 0, "the held rows: {copy:#}");
    let reference = text(&copy, "/reference");
    let again = json(job, &["copy", &id.to_string(), &backup])?;
    ensure!(text(&again, "/reference") != reference, "it was overwritten");
    let inside = json(job, &["inspect", &reference])?;
    ensure!(number(&inside, "/id") == id, "{inside:#}");
    let refused = ends(job, 2, &["copy", &reference, &backup])?;
    ensure!(refused.contains("copy its directory"), "{refused}");
    Ok(reference)
}

/// Runs an XA transaction up to its `XA PREPARE`.
async fn prepare(server: &Server, xid: &str, statement: &str) -> Result<()> {
    let mut conn = server.conn().await?;
    conn.query_drop(format!("XA START {xid}")).await?;
    conn.query_drop(statement).await?;
    conn.query_drop(format!("XA END {xid}")).await?;
    conn.query_drop(format!("XA PREPARE {xid}")).await?;
    conn.disconnect().await?;
    Ok(())
}

/// Commits it, once the session that prepared it has let go.
async fn settle(server: &Server, xid: &str) -> Result<()> {
    let mut conn = server.conn().await?;
    let begun = Instant::now();
    while let Err(error) = conn.query_drop(format!("XA COMMIT {xid}")).await {
        ensure!(begun.elapsed() < Duration::from_secs(5), "XA COMMIT {xid}: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_one_snapshot_is_found_and_hides_no_other() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        setup(server).await?;
        let mut job = Job::new("snapshots")?;
        job.script(&script(server, &job))?;
        let mut savepoints = Vec::new();
        for id in [1001, 1002, 1003] {
            job.start(&[])?;
            job.live(PATIENCE).await?;
            savepoints.push(change_and_stop(server, &mut job, id).await?);
        }
        // Opened for writing, the database takes what is in its log into a file of its own.
        ends(&job, 0, &["prune", "snapshots", "--keep", "0"])?;
        ends(&job, 0, &["prune", "snapshots", "--keep", "0"])?;
        let [oldest, middle, newest] = savepoints[..] else { bail!("{savepoints:?}") };
        flip(&job, middle)?;
        told(&job, middle)?;
        let latest = json(&job, &["inspect", "latest"])?;
        ensure!(number(&latest, "/id") == newest, "{latest:#}");

        flip(&job, newest)?;
        let text = ends(&job, 2, &["inspect", "latest"])?;
        ensure!(text.contains("cannot be restored"), "{text}");
        ensure!(text.contains(&format!("the newest valid one is {oldest}")), "{text}");
        ends(&job, 2, &["copy", "latest", "backup"])?;
        let kept = ends(&job, 0, &["prune", "snapshots", "--savepoints", "--keep", "0"])?;
        ensure!(kept.starts_with("0 of 3"), "{kept}");
        let gone = ends(&job, 0, &["prune", "snapshots", "--damaged"])?;
        ensure!(gone.contains(&format!("goes on from savepoint {oldest}")), "{gone}");
        ends(&job, 0, &["snapshots", "--verify"])?;
        ensure!(kinds(&job)? == ["savepoint"], "{:?}", kinds(&job)?);
        Ok(())
    })
    .await
}

/// What every command says of a damaged snapshot that is not the newest.
fn told(job: &Job, id: u64) -> Result<()> {
    ensure!(kinds(job)? == ["savepoint", "damaged", "savepoint"], "{:?}", kinds(job)?);
    let list = ends(job, 0, &["snapshots"])?;
    ensure!(list.contains("no: snapshot"), "{list}");
    let verified = ends(job, 1, &["snapshots", "--verify"])?;
    ensure!(verified.matches("DAMAGED").count() == 1, "{verified}");
    ensure!(verified.matches("verified, ").count() == 2, "{verified}");
    let id = id.to_string();
    for arguments in [
        &["inspect", &id][..],
        &["copy", &id, "backup"],
        &["inspect", "--diff", &id, "latest"],
        &["edit", &id, "--binlog", "binlog.000009:4", "--i-understand"],
    ] {
        let text = ends(job, 1, arguments)?;
        ensure!(text.contains("is damaged"), "{arguments:?}: {text}");
    }
    Ok(())
}

/// Changes a bit of a snapshot's header, wherever on disk it is.
fn flip(job: &Job, id: u64) -> Result<()> {
    let mark = format!("\"job\":\"snapshots\",\"id\":{id},");
    let mut flipped = 0;
    for file in files(&job.state().join("snapshots.job"))? {
        let mut bytes = fs::read(&file)?;
        let found: Vec<usize> = bytes
            .windows(mark.len())
            .enumerate()
            .filter(|(_, window)| *window == mark.as_bytes())
            .map(|(at, _)| at)
            .collect();
        let is_log = file.extension().is_some_and(|end| end == "log");
        ensure!(found.is_empty() || !is_log, "it is still in {}", file.display());
        for at in &found {
            *bytes.get_mut(at + 8).context("the file is shorter")? ^= 1;
        }
        if !found.is_empty() {
            fs::write(&file, bytes)?;
            flipped += found.len();
        }
    }
    ensure!(flipped > 0, "snapshot {id} is in no file");
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Where the server is: `FILE:POS`, and its GTIDs.
async fn place(server: &Server) -> Result<(String, String)> {
    let mut conn = server.conn().await?;
    let at: Row = conn.query_first(server.show_status()).await?.context("no binlog")?;
    let (file, pos): (String, u64) = (at.get(0).context("file")?, at.get(1).context("pos")?);
    Ok((format!("{file}:{pos}"), gtids(server, &mut conn).await?))
}

async fn gtids(server: &Server, conn: &mut Conn) -> Result<String> {
    let variable = match server.kind {
        Kind::MariaDb => "@@gtid_binlog_pos",
        Kind::MySql9Gtid | Kind::MySql9NoGtid | Kind::MySql56Gtid | Kind::MySql56 => {
            "@@gtid_executed"
        }
    };
    conn.query_first(format!("SELECT {variable}")).await?.context("no GTIDs")
}

/// Starts the job, and expects these lines of `s.t` up to a last one that is made now.
async fn resumes(server: &Server, job: &mut Job, last: u32, expected: &[&str]) -> Result<()> {
    job.start(&[])?;
    let columns: u64 = server
        .value("SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 's'")
        .await?;
    let values = vec![last.to_string(); usize::try_from(columns)?].join(", ");
    server.sql(&format!("INSERT INTO s.t VALUES ({values})")).await?;
    let end = format!("s.t> +I[{values}]");
    job.wait_for("the last change", PATIENCE, |job| job.stdout().contains(&end)).await?;
    job.sigterm().await?;
    let mut got = job.stdout();
    got.retain(|line| *line != end);
    let expected: Vec<String> = expected.iter().map(|line| format!("s.t> {line}")).collect();
    ensure!(got == expected, "{got:?}, expected {expected:?}\n{}", job.log_tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_from_an_edited_savepoint() -> Result<()> {
    on_servers(&KINDS, &[], async |server| {
        setup(server).await?;
        let mut job = Job::new("snapshots")?;
        job.script(&Script::new("snapshots", server, "s", "t").print())?;
        resumes(server, &mut job, 2, &["+I[1, 10]"]).await?;
        let origin = job.snapshots()?.first().map(id_of).context("no savepoint")?;

        let (first, _) = place(server).await?;
        server.sql("INSERT INTO s.t VALUES (3, 3)").await?;
        let (second, second_gtids) = place(server).await?;
        server.sql("INSERT INTO s.t VALUES (4, 4)").await?;

        let before = job.snapshots()?.len();
        let told = ends(&job, 2, &["edit", "latest", "--binlog", &second])?;
        ensure!(told.contains("are lost") && told.contains("nothing was done"), "{told}");
        ensure!(job.snapshots()?.len() == before, "something was done");
        edit(&job, "latest", &["--binlog", &second, "--note", "past a broken one"])?;
        let list = ends(&job, 0, &["snapshots"])?;
        ensure!(list.contains(&format!("edited from {origin}: past a broken one")), "{list}");
        resumes(server, &mut job, 5, &["+I[4, 4]"]).await?;

        // Back, by file and by GTIDs.
        edit(&job, "latest", &["--binlog", &first])?;
        resumes(server, &mut job, 6, &["+I[3, 3]", "+I[4, 4]", "+I[5, 5]"]).await?;
        edit(&job, "latest", &["--gtids", &second_gtids])?;
        resumes(server, &mut job, 7, &["+I[4, 4]", "+I[5, 5]", "+I[6, 6]"]).await?;

        // Forward over a change of the table, from a savepoint that knows the old one.
        server.sql("ALTER TABLE s.t ADD COLUMN w INT").await?;
        let (third, third_gtids) = place(server).await?;
        server.sql("INSERT INTO s.t VALUES (8, 8, 8)").await?;
        edit(&job, "latest", &["--binlog", &third])?;
        resumes(server, &mut job, 9, &["+I[8, 8, 8]"]).await?;
        edit(&job, &origin.to_string(), &["--gtids", &third_gtids])?;
        resumes(server, &mut job, 10, &["+I[8, 8, 8]", "+I[9, 9, 9]"]).await?;

        // What it was edited from is as it was.
        let old = json(&job, &["inspect", &origin.to_string()])?;
        ensure!(text(&old, "/trigger") == "stop" && text(&old, "/note").is_empty(), "{old:#}");
        Ok(())
    })
    .await
}

fn edit(job: &Job, reference: &str, arguments: &[&str]) -> Result<()> {
    let all = [&["edit", reference, "--i-understand"], arguments].concat();
    let text = ends(job, 0, &all)?;
    ensure!(text.contains("stored as savepoint"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_inside_a_transaction_is_refused_at_the_start() -> Result<()> {
    on_servers(&Kind::ALL, &[], async |server| {
        setup(server).await?;
        let mut job = Job::new("snapshots")?;
        let script = Script::new("snapshots", server, "s", "t").print();
        job.script(&script.set("restart-strategy", "none"))?;
        resumes(server, &mut job, 2, &["+I[1, 10]"]).await?;
        server.sql("START TRANSACTION;\nINSERT INTO s.t VALUES (3, 3);\nCOMMIT").await?;
        let inside = inside_the_last(server).await?;
        edit(&job, "latest", &["--binlog", &inside])?;
        job.start(&[])?;
        let code = job.wait_exit(PATIENCE).await?;
        ensure!(code == 1, "exit code {code}:\n{}", job.log_tail());
        ensure!(job.stderr().contains("transaction at binlog."), "{}", job.log_tail());
        ensure!(job.stdout().is_empty(), "{:?}", job.stdout());
        Ok(())
    })
    .await
}

/// Where the rows of the last transaction begin.
async fn inside_the_last(server: &Server) -> Result<String> {
    let mut conn = server.conn().await?;
    let at: Row = conn.query_first(server.show_status()).await?.context("no binlog")?;
    let file: String = at.get(0).context("file")?;
    let events: Vec<Row> = conn.query(format!("SHOW BINLOG EVENTS IN '{file}'")).await?;
    let is_map = |row: &&Row| row.get::<String, _>(2).is_some_and(|kind| kind == "Table_map");
    let pos: u64 = events.iter().rfind(is_map).context("no rows")?.get(1).context("pos")?;
    Ok(format!("{file}:{pos}"))
}

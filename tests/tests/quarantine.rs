//! One table that cannot be read stops alone, if the job says so: the others' changelog is exact to
//! the end, the table is listed with reason and place, stays out through kills and restarts, and
//! comes back by being read again.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tests::chain::{Auditor, ends_with_text, parts};
use tests::job::id_of;
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);
const TABLES: [&str; 3] = ["t_a", "t_b", "t_c"];
const ROWS: u64 = 3_000;
const CHUNK: &str = "200";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_rows_lack_columns_stops_alone_and_comes_back() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut job = job(server, "lacking", "quarantine").await?;
        let mut writers = Writers::start(server)?;
        job.start(&[])?;
        job.live(PATIENCE).await?;
        // Of a row that the writers leave alone.
        let sql = "INSERT INTO d.t_b VALUES (900000, 1, 'x');\n\
                   SET SESSION binlog_row_image = MINIMAL;\n\
                   UPDATE d.t_b SET v = 2 WHERE id = 900000";
        server.sql(sql).await?;
        let apart = quarantined(&mut job).await?;
        has(&apart, "reason", "lack column")?;
        has(&apart, "reason", "binlog_row_image")?;
        let place = place(apart.get("position").context("no position")?)?;

        job.next_checkpoint().await?;
        job.kill9()?;
        job.start(&[])?;
        job.next_checkpoint().await?;
        ensure!(job.stderr().contains("the table is in quarantine"), "not named at the start");
        let later = quarantined(&mut job).await?;
        for field in ["table", "reason", "position", "gtid", "since_ms"] {
            ensure!(later.get(field) == apart.get(field), "{field} changed: {later} after {apart}");
        }
        let dropped = |q: &Value| q.get("events_dropped").and_then(Value::as_u64).unwrap_or(0);
        ensure!(dropped(&apart) > 0 && dropped(&later) > dropped(&apart), "{later} after {apart}");
        let listed = job.snapshots()?.into_iter().next().context("no snapshot")?;
        let number = |name: &str| listed.get(name).and_then(Value::as_u64);
        ensure!(number("tables") == Some(3) && number("tables_live") == Some(2), "{listed}");
        ensure!(number("tables_quarantined") == Some(1), "{listed}");

        writers.stop().await?;
        finish(server, &mut job, "quarantined").await?;
        ensure!(job.stderr().contains("the table is in quarantine as the job ends"), "at the end");
        let last = changes(&job, "t_b")?.into_iter().next_back().context("nothing of the table")?;
        ensure!(last < place, "a change at {last:?}, the quarantine began at {place:?}");
        let mut auditor = auditor(&job)?;
        auditor.set_aside("d.t_b");
        auditor.compare(&mut server.conn().await?).await?;
        auditor.verdict()?;

        comes_back(server, &mut job).await
    })
    .await
}

/// Read again while writers write, killed right after the start: read once, and exact.
async fn comes_back(server: &Server, job: &mut Job) -> Result<()> {
    let wrong = job.start(&["--resnapshot", "d.t_x"]).and(Ok(job.wait_exit(PATIENCE).await?))?;
    ensure!(wrong == 1, "a table that is not followed was read again: exit {wrong}");
    ensure!(job.stderr().contains("`--resnapshot d.t_x`"), "{}", job.log_tail());

    let mut writers = Writers::start(server)?;
    let before = newest(job)?;
    job.start(&["--resnapshot", "d.t_b"])?;
    job.wait_for("what the run begins with", PATIENCE, |job| {
        newest(job).is_ok_and(|id| id > before)
    })
    .await?;
    job.kill9()?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    job.next_checkpoint().await?;
    let read = starts(job)?;
    ensure!(read == 1, "the table started over {read} times");
    job.kill9()?;
    job.start(&[])?;
    job.next_checkpoint().await?;
    writers.stop().await?;
    finish(server, job, "all of them").await?;
    let read = starts(job)?;
    ensure!(read == 1, "the table started over {read} times");
    let mut auditor = auditor(job)?;
    auditor.compare(&mut server.conn().await?).await?;
    say(format!("{:?}", auditor.counts()));
    auditor.verdict()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_changed_by_a_statement_stops_alone_until_it_is_dropped() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut job = job(server, "statement", "quarantine").await?;
        let mut writers = Writers::start(server)?;
        job.start(&[])?;
        job.live(PATIENCE).await?;
        let sql = "SET SESSION binlog_format = STATEMENT;\nUPDATE d.t_b SET v = 7 WHERE id < 100";
        server.sql(sql).await?;
        let apart = quarantined(&mut job).await?;
        has(&apart, "reason", "UPDATE logged as a statement")?;
        // What is done to it means nothing: it stays where it is.
        server.sql("ALTER TABLE d.t_b ADD COLUMN w INT;\nTRUNCATE TABLE d.t_b").await?;
        job.next_checkpoint().await?;
        quarantined(&mut job).await?;
        ensure!(changes_of(&job, "t_b", "ddl")?.is_empty(), "a statement of a table set apart");

        writers.stop().await?;
        server.sql("DROP TABLE d.t_b").await?;
        create(server, "t_b", 300).await?;
        let mut writers = Writers::start(server)?;
        job.live(PATIENCE).await?;
        job.next_checkpoint().await?;
        writers.stop().await?;
        finish(server, &mut job, "a new one").await?;
        let mut auditor = auditor(&job)?;
        auditor.compare(&mut server.conn().await?).await?;
        auditor.verdict()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_decode_sets_its_table_apart_and_nothing_of_its_event_is_out()
-> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut job = job(server, "undecodable", "quarantine").await?;
        server.sql("ALTER TABLE d.t_b ADD COLUMN x VARCHAR(9) CHARACTER SET cp1250").await?;
        job.start(&[])?;
        job.live(PATIENCE).await?;
        // A byte that the character set does not have, behind a row that is good, in one event; and
        // in one transaction with rows of another table, which is settled by XA.
        let sql = "XA START 'q';\n\
                   INSERT INTO d.t_a VALUES (900000, 1, 'before');\n\
                   INSERT INTO d.t_b VALUES (900000, 1, 'good', 'A'), (900001, 1, 'bad', \
                   _cp1250 0x8081);\n\
                   INSERT INTO d.t_a VALUES (900001, 1, 'after');\n\
                   XA END 'q';\nXA PREPARE 'q';\nXA COMMIT 'q'";
        server.sql(sql).await?;
        let apart = quarantined(&mut job).await?;
        has(&apart, "reason", "column `x`")?;
        job.next_checkpoint().await?;
        job.kill9()?;
        job.start(&[])?;
        finish(server, &mut job, "the last").await?;
        let rows = changes_of(&job, "t_b", "op")?;
        let out = rows.iter().filter(|row| row.pointer("/after/id") == Some(&900_000.into()));
        ensure!(out.count() == 0, "a part of the event is out");
        let mut auditor = auditor(&job)?;
        auditor.set_aside("d.t_b");
        auditor.compare(&mut server.conn().await?).await?;
        auditor.verdict()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_selected_stops_alone_and_comes_back() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        let mut job = job(server, "unreadable", "quarantine").await?;
        // Says nothing of rows, and is not in the binlog: the file of the table is gone.
        server.sql("SET SESSION sql_log_bin = 0;\nALTER TABLE d.t_b DISCARD TABLESPACE").await?;
        job.start(&[])?;
        let apart = quarantined(&mut job).await?;
        has(&apart, "reason", "d.t_b")?;
        server.sql("SET SESSION sql_log_bin = 0;\nDROP TABLE d.t_b").await?;
        server.sql("SET SESSION sql_log_bin = 0;\nCREATE TABLE d.t_b LIKE d.t_a").await?;
        finish(server, &mut job, "without it").await?;

        job.start(&["--resnapshot", "d.t_b", "--resnapshot", "d.t_c"])?;
        job.live(PATIENCE).await?;
        fill(server, "t_b", 100).await?;
        finish(server, &mut job, "with it").await?;
        ensure!(starts(&job)? == 2, "two tables start over");
        let mut auditor = auditor(&job)?;
        auditor.compare(&mut server.conn().await?).await?;
        auditor.verdict()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_such_a_table_ends_the_job() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        for (session, want) in [
            ("binlog_row_image = MINIMAL", "lack column"),
            ("binlog_format = STATEMENT", "UPDATE logged as a statement"),
        ] {
            server.sql("DROP DATABASE IF EXISTS d").await?;
            let mut job = job(server, "stopping", "stop").await?;
            job.start(&[])?;
            job.live(PATIENCE).await?;
            server
                .sql(&format!("SET SESSION {session};\nUPDATE d.t_b SET v = 9 WHERE id = 2"))
                .await?;
            let code = job.wait_exit(PATIENCE).await?;
            ensure!(code == 1, "exit {code}:\n{}", job.log_tail());
            ensure!(job.stderr().contains(want), "no `{want}`:\n{}", job.log_tail());
        }
        Ok(())
    })
    .await
}

/// A job over three tables of a new database.
async fn job(server: &Server, name: &str, on_table_error: &str) -> Result<Job> {
    server.sql("CREATE DATABASE d").await?;
    for table in TABLES {
        create(server, table, ROWS).await?;
    }
    let job = Job::new(name)?;
    job.script(
        &Script::new(name, server, "d", "t_.")
            .file(&job.out())
            .option("checkpoint", "200")
            .option("parallelism", "2")
            .option("on-table-error", on_table_error)
            .option("source.scan.incremental.snapshot.chunk.size", CHUNK),
    )?;
    Ok(job)
}

async fn create(server: &Server, table: &str, rows: u64) -> Result<()> {
    let columns = "id INT NOT NULL PRIMARY KEY, v INT NOT NULL, s VARCHAR(60)";
    server.sql(&format!("CREATE TABLE d.{table} ({columns})")).await?;
    fill(server, table, rows).await
}

async fn fill(server: &Server, table: &str, rows: u64) -> Result<()> {
    let rows: Vec<String> = (0..rows).map(|n| format!("({}, {n}, 'row {n}')", n * 2)).collect();
    server.sql(&format!("INSERT INTO d.{table} VALUES {}", rows.join(","))).await
}

/// The one table in quarantine, once a checkpoint tells of it.
async fn quarantined(job: &mut Job) -> Result<Value> {
    let found = |job: &Job| -> Option<Value> {
        let newest = job.snapshots().ok()?.into_iter().next()?;
        let found = newest.get("tables_quarantined").and_then(Value::as_u64) == Some(1);
        found.then(|| job.inspect(id_of(&newest)).ok()).flatten()
    };
    let mut inspected = None;
    job.wait_for("a table in quarantine", PATIENCE, |job| {
        inspected = found(job);
        inspected.is_some()
    })
    .await?;
    let inspected = inspected.context("no snapshot")?;
    let list = inspected.get("quarantine").and_then(Value::as_array).context("no quarantine")?;
    let [apart] = list.as_slice() else { bail!("not one table: {list:?}") };
    has(apart, "table", "d.t_b")?;
    Ok(apart.clone())
}

fn has(apart: &Value, field: &str, want: &str) -> Result<()> {
    let text = apart.get(field).and_then(Value::as_str).unwrap_or_default();
    ensure!(text.contains(want), "no `{want}` in {field}: {apart}");
    Ok(())
}

/// Binlog file and offset.
fn place(position: &Value) -> Result<(String, u64)> {
    let file = position.get("file").and_then(Value::as_str).context("no file")?;
    let offset = position.get("offset").or_else(|| position.get("pos")).and_then(Value::as_u64);
    Ok((file.to_owned(), offset.context("no offset")?))
}

fn newest(job: &Job) -> Result<u64> {
    Ok(job.snapshots()?.first().map_or(0, id_of))
}

fn lines(job: &Job) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for part in parts(&job.out())? {
        for line in fs::read_to_string(part)?.lines() {
            // The last one may be on its way.
            all.extend(serde_json::from_str::<Value>(line));
        }
    }
    Ok(all)
}

/// What is written of a table that has `field`.
fn changes_of(job: &Job, table: &str, field: &str) -> Result<Vec<Value>> {
    let mut lines = lines(job)?;
    lines.retain(|line| {
        let of = line.pointer("/source/table").and_then(Value::as_str);
        of == Some(table) && line.get(field).is_some_and(|value| !value.is_null())
    });
    Ok(lines)
}

/// The places of a table's changes, in order.
fn changes(job: &Job, table: &str) -> Result<Vec<(String, u64)>> {
    let changes = changes_of(job, table, "op")?;
    let mut places: Vec<(String, u64)> = Vec::new();
    for change in changes {
        places.push(place(change.get("source").context("no source")?)?);
    }
    places.sort();
    Ok(places)
}

/// How many times a table is said to start over.
fn starts(job: &Job) -> Result<usize> {
    let says = |line: &&Value| {
        line.get("ddl").and_then(Value::as_str).is_some_and(|ddl| ddl.contains("starts over"))
    };
    Ok(lines(job)?.iter().filter(says).count())
}

/// Waits until the last change is written, and stops the job.
async fn finish(server: &Server, job: &mut Job, mark: &str) -> Result<()> {
    let sql = format!("REPLACE INTO d.t_a VALUES (1000001, 1, '{mark}')");
    server.sql(&sql).await?;
    job.wait_for("the last change", PATIENCE, |job| ends_with_text(&job.out(), mark)).await?;
    job.sigterm().await
}

fn auditor(job: &Job) -> Result<Auditor> {
    let mut auditor = Auditor::new();
    for table in TABLES {
        auditor.table(&format!("d.{table}"), &["id"]);
    }
    auditor.read_dir(&job.out())?;
    Ok(auditor)
}

/// Write to all tables until they are told to stop.
struct Writers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<()>>,
}

impl Writers {
    fn start(server: &Server) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        let seed = tests::seed()?;
        for n in 0..3 {
            let (url, stop) = (server.url(), Arc::clone(&stop));
            tasks.spawn(write(url, StdRng::seed_from_u64(seed.wrapping_add(n)), stop));
        }
        Ok(Self { stop, tasks })
    }

    async fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

async fn write(url: String, mut rng: StdRng, stop: Arc<AtomicBool>) -> Result<()> {
    let mut conn = mysql_async::Conn::from_url(url).await?;
    let mut errors = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        let mut sql = vec!["BEGIN".to_owned()];
        for _ in 0..rng.random_range(1..5) {
            let table = TABLES.get(rng.random_range(0..TABLES.len())).context("no table")?;
            let (id, v) = (rng.random_range(0..ROWS * 2), rng.random_range(0..1_000_000));
            sql.push(match rng.random_range(0..3) {
                0 => format!("INSERT IGNORE INTO d.{table} (id, v, s) VALUES ({id}, {v}, 'new')"),
                1 => format!("UPDATE d.{table} SET v = {v} WHERE id BETWEEN {id} AND {id} + 5"),
                _ => format!("DELETE FROM d.{table} WHERE id = {id}"),
            });
        }
        sql.push("COMMIT".to_owned());
        for statement in sql {
            match conn.query_drop(statement).await {
                Ok(()) => {}
                Err(mysql_async::Error::Server(error)) => {
                    // A deadlock, or a lock that took too long: the whole is undone.
                    *errors.entry(error.code).or_insert(0_u32) += 1;
                    ensure!([1205, 1213, 1412].contains(&error.code), "{error}");
                    conn.query_drop("ROLLBACK").await?;
                    break;
                }
                Err(error) => bail!(error),
            }
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    conn.disconnect().await?;
    Ok(())
}

//! Tables change while their snapshot runs and writers write: renamed, altered, emptied, given another
//! key, dropped. What is promised of the changelog then holds, and what cannot be kept is said.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::Conn;
use mysql_async::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::chain::{Auditor, parts};
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};
use tokio::task::JoinSet;

const KINDS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(30);
/// Rows of a table at the start: every third key, two of three are free for inserts between them.
const ROWS: u64 = 8_000;
/// For a statement that takes its time while the readers go on.
const MANY_ROWS: u64 = 24_000;
/// For several of them, one after another.
const MOST_ROWS: u64 = 40_000;
const FEW_ROWS: u64 = 600;
/// Rows read of a table when something happens to it.
const MIDDLE: usize = 500;
/// A chunk, in rows: some hundred of them make a snapshot.
const CHUNK: &str = "60";
const WRITERS_PER_TABLE: u64 = 2;
/// How often a scenario is played until it hits the middle.
const TRIES: usize = 5;
const MISSED: &str = "not in the middle";
const COLUMNS: &str = "id INT NOT NULL, v INT NOT NULL, s VARCHAR(60)";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_renamed_in_its_snapshot_goes_on_under_its_new_name() -> Result<()> {
    in_the_middle(async |server| {
        create(server, "t_a", "PRIMARY KEY (id)", ROWS).await?;
        let mut scene = Scene::begin(server, &[&["t_a", "t_b"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        server.sql("RENAME TABLE d.t_a TO d.t_b").await?;
        let mut log = scene.end().await?;

        let at = log.ddl("t_b", "RENAME")?;
        ensure!(log.ddl("t_a", "RENAME")? < at, "the old name ends after the new one began");
        ensure!(log.changes("t_a", "", at..).is_empty(), "changes under a name that is gone");
        ensure!(log.changes("t_b", "", ..at).is_empty(), "changes under a name not yet there");
        log.ensure_read_on_both_sides("t_a", at, "t_b")?;
        // Ranges read before the rename are not read again: both names are one table.
        log.rename("t_a", "t_b");
        log.audit(server, &[("t_b", &["id"])]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_bear_the_columns_of_their_moment_when_a_table_is_altered_in_its_snapshot()
-> Result<()> {
    in_the_middle(async |server| {
        create(server, "t_a", "PRIMARY KEY (id), KEY by_v (v)", MOST_ROWS).await?;
        create(server, "t_0", "UNIQUE KEY by_id (id)", ROWS).await?;
        let mut scene = Scene::begin(server, &[&["t_a"], &["t_0"]]).await?;
        scene.read("t_0", MIDDLE).await?;
        // The index that it is read by is another one from here on; the key is the same.
        let sql = "ALTER TABLE d.t_0 DROP INDEX by_id, ADD UNIQUE INDEX by_it (id)";
        server.sql(&locked("t_0", sql)).await?;
        scene.read("t_a", MIDDLE).await?;
        scene.alter("ALTER TABLE d.t_a ADD COLUMN c INT DEFAULT 7").await?;
        server.sql("ALTER TABLE d.t_a DROP INDEX by_v, ADD INDEX by_s (s)").await?;
        let mut log = scene.end().await?;

        log.ensure_read_on_both_sides("t_a", log.ddl("t_a", "DROP INDEX")?, "t_a")?;
        log.ensure_read_on_both_sides("t_0", log.ddl("t_0", "DROP INDEX")?, "t_0")?;
        let at = log.ddl("t_a", "ADD COLUMN")?;
        log.ensure_read_on_both_sides("t_a", at, "t_a")?;
        let has_c = |row: &Value| row.get("c").is_some();
        ensure!(!log.images("t_a", ..at).any(has_c), "a row has the column before it was added");
        ensure!(log.images("t_a", at..).all(has_c), "a row lacks the column after it was added");
        // What the server says of the rows that were there before.
        log.fill("t_a", "c", &json!(7));
        // The auditor asks the server for a primary key.
        server.sql("ALTER TABLE d.t_0 ADD PRIMARY KEY (id)").await?;
        log.audit(server, &[("t_a", &["id"]), ("t_0", &["id"])]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_emptied_in_its_snapshot_goes_on_with_what_comes_after() -> Result<()> {
    in_the_middle(async |server| {
        create(server, "t_a", "PRIMARY KEY (id)", ROWS).await?;
        let mut scene = Scene::begin(server, &[&["t_a"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        let sql = format!("TRUNCATE TABLE d.t_a;\n{}", fill("t_a", ROWS));
        server.sql(&locked("t_a", &sql)).await?;
        let mut log = scene.end().await?;

        let at = log.ddl("t_a", "TRUNCATE")?;
        log.ensure_read_on_both_sides("t_a", at, "t_a")?;
        // The record stands for the rows that it took.
        log.end_rows("t_a", at)?;
        log.audit(server, &[("t_a", &["id"])]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_changed_before_anything_is_read_is_the_one_to_read_by() -> Result<()> {
    in_the_middle(async |server| {
        // The readers, two for each that may SELECT at a time, are busy with those in front of it.
        let busy = ["t_a", "t_b", "t_c", "t_d", "t_e", "t_f", "t_g", "t_h"];
        for table in busy {
            create(server, table, "PRIMARY KEY (id)", ROWS).await?;
        }
        create(server, "t_z", "PRIMARY KEY (id), KEY by_id (id)", FEW_ROWS).await?;
        let mut scene = Scene::begin(server, &[&["t_a"], &["t_z"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        server.sql("ALTER TABLE d.t_z DROP PRIMARY KEY, ADD PRIMARY KEY (v, id)").await?;
        let log = scene.end().await?;

        let at = log.ddl("t_z", "DROP PRIMARY KEY")?;
        ensure!(log.changes("t_z", "", ..at).is_empty(), "the key changed too late to test this");
        ensure!(!log.changes("t_z", "r", at..).is_empty(), "nothing was read by the new key");
        let mut tables: Vec<(&str, &[&str])> =
            busy.iter().map(|t| (*t, ["id"].as_slice())).collect();
        tables.push(("t_z", &["v", "id"]));
        log.audit(server, &tables).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_changed_after_something_is_read_ends_the_job_with_what_to_do() -> Result<()> {
    in_the_middle(async |server| {
        create(server, "t_a", "PRIMARY KEY (id), KEY by_id (id)", ROWS).await?;
        let mut scene = Scene::begin(server, &[&["t_a"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        let sql = "ALTER TABLE d.t_a DROP PRIMARY KEY, ADD PRIMARY KEY (v, id)";
        server.sql(&locked("t_a", sql)).await?;
        let code = scene.job.wait_exit(PATIENCE).await?;
        let said = scene.job.log_tail();
        ensure!(code == 1, "exit code {code}, not 1:\n{said}");
        for words in ["d.t_a", "its key changed", "--from none"] {
            ensure!(said.contains(words), "`{words}` is not in:\n{said}");
        }
        let read = Changelog::of(&scene.job)?.changes("t_a", "r", ..).len();
        ensure_middle(read, ROWS)?;

        // What it says helps.
        fs::remove_dir_all(scene.job.out())?;
        scene.job.start(&["--from", "none"])?;
        scene.end().await?.audit(server, &[("t_a", &["v", "id"])]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_in_its_snapshot_leaves_the_others_exact() -> Result<()> {
    in_the_middle(async |server| {
        for (table, rows) in [("t_a", MANY_ROWS), ("t_b", MANY_ROWS), ("t_c", ROWS)] {
            create(server, table, "PRIMARY KEY (id)", rows).await?;
        }
        let mut scene = Scene::begin(server, &[&["t_a"], &["t_b"], &["t_c"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        server.sql("DROP TABLE d.t_a").await?;
        scene.read("t_b", MIDDLE).await?;
        // This one comes back at once, with other rows.
        server.sql("DROP TABLE d.t_b").await?;
        create(server, "t_b", "PRIMARY KEY (id)", ROWS).await?;
        let mut log = scene.end().await?;

        let (gone, back) = (log.ddl("t_a", "DROP TABLE")?, log.ddl("t_b", "DROP TABLE")?);
        ensure!(log.changes("t_a", "", gone..).is_empty(), "changes of a table that is gone");
        ensure_middle(log.changes("t_a", "r", ..).len(), MANY_ROWS)?;
        ensure_middle(log.changes("t_b", "r", ..back).len(), MANY_ROWS)?;
        log.ensure_read_on_both_sides("t_a", gone, "t_c")?;
        log.end_rows("t_b", back)?;
        let mut chain = Auditor::new();
        chain.table("d.t_a", &["id"]);
        log.of_table("t_a").tell(&mut chain)?;
        chain.verdict()?;
        log.lines.retain(|line| table_of(line) != "t_a");
        log.audit(server, &[("t_b", &["id"]), ("t_c", &["id"])]).await
    })
    .await
}

/// Plays a scenario on each server; one that missed the middle of its snapshot is played again, for
/// how fast a snapshot is against an ALTER is the machine's.
async fn in_the_middle<F>(scenario: F) -> Result<()>
where
    F: AsyncFn(&mut Server) -> Result<()>,
{
    on_servers(&KINDS, &[], async |server| {
        for _ in 1..TRIES {
            match scenario(server).await {
                Err(error) if format!("{error:#}").contains(MISSED) => {
                    say(format!("played again: {error:#}"));
                    server.sql("DROP DATABASE d").await?;
                }
                other => return other,
            }
        }
        scenario(server).await
    })
    .await
}

fn ensure_middle(read: usize, rows: u64) -> Result<()> {
    ensure!(read >= MIDDLE && (read as u64) < rows, "{MISSED}: {read} rows read");
    Ok(())
}

/// A table of database `d` with its first rows.
async fn create(server: &Server, table: &str, keys: &str, rows: u64) -> Result<()> {
    let sql = format!(
        "CREATE DATABASE IF NOT EXISTS d;\n\
         CREATE TABLE d.{table} ({COLUMNS}, {keys}) ENGINE=InnoDB;\n{}",
        fill(table, rows)
    );
    server.sql(&sql).await
}

fn fill(table: &str, rows: u64) -> String {
    let rows: Vec<String> = (0..rows).map(|n| format!("({}, {n}, 'row {n}')", n * 3)).collect();
    format!("INSERT IGNORE INTO d.{table} (id, v, s) VALUES {}", rows.join(","))
}

/// A slow statement, and no chunk of the table is read before it is done.
fn locked(table: &str, sql: &str) -> String {
    format!("LOCK TABLES d.{table} WRITE;\n{sql};\nUNLOCK TABLES")
}

/// A job in its snapshot, and writers on its tables.
struct Scene<'s> {
    server: &'s Server,
    job: Job,
    writers: Writers,
    marks: u32,
}

impl<'s> Scene<'s> {
    /// Each of `tables` is written to under the first of its names that is there.
    async fn begin(server: &'s Server, tables: &[&'static [&'static str]]) -> Result<Self> {
        // By its name it is read first, and so is live while the others are read.
        server.sql("CREATE TABLE d.a_mark (id INT PRIMARY KEY, note VARCHAR(40))").await?;
        let writers = Writers::start(server, tables).await?;
        let mut job = Job::new("schema_changes")?;
        job.script(
            &Script::new("schema_changes", server, "d", "(a|t)_.*")
                .file(&job.out())
                .option("checkpoint", "100")
                .option("parallelism", "4")
                .option("source.scan.incremental.snapshot.chunk.size", CHUNK),
        )?;
        job.start(&[])?;
        Ok(Self { server, job, writers, marks: 0 })
    }

    /// Waits until so many rows of a table are read.
    async fn read(&mut self, table: &str, rows: usize) -> Result<()> {
        let table = format!("\"table\":\"{table}\"");
        let is_read = |line: &&str| line.contains("\"op\":\"r\"") && line.contains(&table);
        let read = |job: &Job| text(job).lines().filter(is_read).count() >= rows;
        self.job.wait_for("the middle of the snapshot", PATIENCE, read).await
    }

    /// Changes a table; the stream has gone past that when this returns, so that the next change
    /// does not meet a stream that lags behind the first.
    async fn alter(&mut self, sql: &str) -> Result<()> {
        self.server.sql(sql).await?;
        // The definition is read when the record is written: the second mark lies behind both.
        self.mark().await?;
        self.mark().await
    }

    async fn mark(&mut self) -> Result<()> {
        self.marks += 1;
        let mark = format!("mark number {} of all", self.marks);
        let sql = format!("INSERT INTO d.a_mark VALUES ({}, '{mark}')", self.marks);
        self.server.sql(&sql).await?;
        self.job.wait_for(&mark, PATIENCE, |job| text(job).contains(&mark)).await
    }

    /// Lets the snapshot come to its end under the writers, then the writers.
    async fn end(&mut self) -> Result<Changelog> {
        self.job.live(PATIENCE).await?;
        self.writers.stop().await?;
        self.mark().await?;
        self.job.sigterm().await?;
        Changelog::of(&self.job)
    }
}

/// All that the file sink has written so far.
fn text(job: &Job) -> String {
    let parts = parts(&job.out()).unwrap_or_default();
    parts.into_iter().filter_map(|part| fs::read_to_string(part).ok()).collect()
}

struct Writers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<()>>,
}

impl Writers {
    async fn start(server: &Server, tables: &[&'static [&'static str]]) -> Result<Self> {
        let mut writers = Self { stop: Arc::default(), tasks: JoinSet::new() };
        let seed = tests::seed()?;
        for (at, names) in tables.iter().enumerate() {
            for number in 0..WRITERS_PER_TABLE {
                let salt = at as u64 * WRITERS_PER_TABLE + number;
                let rng = StdRng::seed_from_u64(u64::wrapping_add(seed, salt));
                let (conn, stop) = (server.conn().await?, Arc::clone(&writers.stop));
                writers.tasks.spawn(write(conn, rng, names, stop));
            }
        }
        Ok(writers)
    }

    async fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Writes to a table under one of its names, until told to stop.
async fn write(
    mut conn: Conn,
    mut rng: StdRng,
    names: &'static [&'static str],
    stop: Arc<AtomicBool>,
) -> Result<()> {
    const NO_SUCH_TABLE: u16 = 1146;
    let mut names = names.iter().cycle();
    let mut name = names.next().context("a table without a name")?;
    while !stop.load(Ordering::SeqCst) {
        match transaction(&mut conn, &mut rng, name).await {
            Ok(()) => {}
            Err(mysql_async::Error::Server(error)) => {
                ensure!(error.code != 1064, "the test's own SQL: {error}");
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

async fn transaction(
    conn: &mut Conn,
    rng: &mut StdRng,
    table: &str,
) -> Result<(), mysql_async::Error> {
    const KEYS: u64 = ROWS * 4;
    conn.query_drop("BEGIN").await?;
    for _ in 0..rng.random_range(1..4) {
        let (key, other) = (rng.random_range(0..KEYS), rng.random_range(0..KEYS));
        let v = rng.random_range(0..1_000_000);
        let sql = match rng.random_range(0..100) {
            0..40 => format!(
                "INSERT IGNORE INTO d.{table} (id, v, s) VALUES ({key}, {v}, 'new'), ({other}, {v}, NULL)"
            ),
            40..60 => {
                format!("UPDATE d.{table} SET v = v + 1 WHERE id BETWEEN {key} AND {}", key + 20)
            }
            60..75 => format!(
                "UPDATE d.{table} SET s = 'changed to {v}' WHERE id BETWEEN {key} AND {}",
                key + 20
            ),
            75..85 => format!("UPDATE IGNORE d.{table} SET id = {other} WHERE id = {key}"),
            _ => format!("DELETE FROM d.{table} WHERE id BETWEEN {key} AND {}", key + 6),
        };
        conn.query_drop(sql).await?;
    }
    conn.query_drop(if rng.random_bool(0.1) { "ROLLBACK" } else { "COMMIT" }).await
}

/// What the file sink wrote, line by line. Tables are named without their database.
struct Changelog {
    lines: Vec<Value>,
}

impl Changelog {
    fn of(job: &Job) -> Result<Self> {
        let read = |line| serde_json::from_str(line).with_context(|| format!("JSON: {line}"));
        Ok(Self { lines: text(job).lines().map(read).collect::<Result<_>>()? })
    }

    /// Place of the first record of a statement on `table` that holds `words`.
    fn ddl(&self, table: &str, words: &str) -> Result<usize> {
        let told = |line: &Value| {
            table_of(line) == table && ddl_of(line).is_some_and(|sql| sql.contains(words))
        };
        self.lines.iter().position(told).with_context(|| format!("no {words} of {table}"))
    }

    /// The changes of a table; `op`: of one kind, or of every kind where it is empty.
    fn changes(
        &self,
        table: &str,
        op: &str,
        range: impl std::slice::SliceIndex<[Value], Output = [Value]>,
    ) -> Vec<&Value> {
        let wanted = |line: &&Value| {
            let this = line.get("op").and_then(Value::as_str);
            table_of(line) == table && this.is_some_and(|this| op.is_empty() || this == op)
        };
        self.lines.get(range).unwrap_or_default().iter().filter(wanted).collect()
    }

    /// Every image of a row.
    fn images(
        &self,
        table: &str,
        range: impl std::slice::SliceIndex<[Value], Output = [Value]>,
    ) -> impl Iterator<Item = &Value> {
        let both = |line| ["before", "after"].into_iter().filter_map(move |i| Value::get(line, i));
        self.changes(table, "", range).into_iter().flat_map(both).filter(|row| row.is_object())
    }

    /// A test of what happens in the middle of a snapshot must have hit the middle.
    fn ensure_read_on_both_sides(&self, table: &str, at: usize, later: &str) -> Result<()> {
        let before = self.changes(table, "r", ..at).len();
        let after = self.changes(later, "r", at..).len();
        say(format!("{table}: {before} rows read before it, {after} rows of {later} after it"));
        ensure!(before > 0 && after > 0, "{table}: {MISSED}: {before}, {after}");
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) {
        for line in self.lines.iter_mut().filter(|line| table_of(line) == from) {
            if let Some(name) = line.pointer_mut("/source/table") {
                *name = Value::from(to);
            }
        }
    }

    /// Gives every row that lacks `column` its value.
    fn fill(&mut self, table: &str, column: &str, value: &Value) {
        for line in self.lines.iter_mut().filter(|line| table_of(line) == table) {
            for image in ["before", "after"] {
                if let Some(row) = line.get_mut(image).and_then(Value::as_object_mut) {
                    row.entry(column).or_insert_with(|| value.clone());
                }
            }
        }
    }

    /// Puts a delete of each row alive at a statement that takes them all.
    fn end_rows(&mut self, table: &str, at: usize) -> Result<()> {
        let mut alive = BTreeMap::new();
        for line in self.changes(table, "", ..at) {
            let image = if line.get("op") == Some(&json!("d")) { "before" } else { "after" };
            let row = line.get(image).context("a change without a row")?;
            let key = row.get("id").and_then(Value::as_i64).context("a row without a key")?;
            match image {
                "before" => alive.remove(&key),
                _ => alive.insert(key, row.clone()),
            };
        }
        ensure!(!alive.is_empty(), "{table} held nothing that could end");
        let source = json!({ "db": "d", "table": table });
        let delete = |row| json!({ "before": row, "after": null, "op": "d", "source": source });
        self.lines.splice(at..at, alive.into_values().map(delete));
        Ok(())
    }

    fn of_table(&self, table: &str) -> Self {
        let lines = self.lines.iter().filter(|line| table_of(line) == table).cloned().collect();
        Self { lines }
    }

    fn tell(&self, auditor: &mut Auditor) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut part = std::io::BufWriter::new(fs::File::create(dir.path().join("part-1.jsonl"))?);
        for line in &self.lines {
            writeln!(part, "{line}")?;
        }
        part.into_inner()?;
        auditor.read_dir(dir.path())
    }

    /// Exact, and at the end what the source holds; `tables` with their keys.
    async fn audit(&self, server: &Server, tables: &[(&str, &[&str])]) -> Result<()> {
        let mut auditor = Auditor::new();
        auditor.table("d.a_mark", &["id"]);
        for (table, key) in tables {
            auditor.table(&format!("d.{table}"), key);
        }
        self.tell(&mut auditor)?;
        auditor.compare(&mut server.conn().await?).await?;
        let counts = auditor.counts();
        say(format!("{counts:?}"));
        auditor.verdict()?;
        let least = counts.insert.min(counts.update).min(counts.delete);
        ensure!(least >= 20, "the writers hardly met the stream: {counts:?}");
        Ok(())
    }
}

fn table_of(line: &Value) -> &str {
    line.pointer("/source/table").and_then(Value::as_str).unwrap_or_default()
}

fn ddl_of(line: &Value) -> Option<&str> {
    line.get("ddl").and_then(Value::as_str)
}

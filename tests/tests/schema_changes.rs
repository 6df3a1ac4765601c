//! Tables change while their snapshot runs and writers write: renamed, altered, emptied, given another
//! key, dropped. What is promised of the changelog then holds, and what cannot be kept is said.

use std::collections::BTreeMap;
use std::fs;
use std::slice::SliceIndex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tests::chain::Auditor;
use tests::changelog::{Changelog, op_of, table_of};
use tests::scene::Writers;
use tests::server::on_servers;
use tests::{Kind, Scene, Script, Server, say};

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
/// How often a scenario is played until it hits the middle.
const TRIES: usize = 5;
const MISSED: &str = "not in the middle";
const COLUMNS: &str = "id INT NOT NULL, v INT NOT NULL, s VARCHAR(60)";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_renamed_in_its_snapshot_goes_on_under_its_new_name() -> Result<()> {
    in_the_middle(async |server| {
        create(server, "t_a", "PRIMARY KEY (id)", ROWS).await?;
        let mut scene = begin(server, &[&["t_a", "t_b"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        server.sql("RENAME TABLE d.t_a TO d.t_b").await?;
        let mut log = scene.end().await?;

        let at = log.ddl("t_b", "RENAME")?;
        ensure!(log.ddl("t_a", "RENAME")? < at, "the old name ends after the new one began");
        ensure!(log.changes("t_a", "", at..).is_empty(), "changes under a name that is gone");
        ensure!(log.changes("t_b", "", ..at).is_empty(), "changes under a name not yet there");
        ensure_read_on_both_sides(&log, "t_a", at, "t_b")?;
        // Ranges read before the rename are not read again: both names are one table.
        rename(&mut log, "t_a", "t_b");
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
        let mut scene = begin(server, &[&["t_a"], &["t_0"]]).await?;
        scene.read("t_0", MIDDLE).await?;
        // The index that it is read by is another one from here on; the key is the same.
        let sql = "ALTER TABLE d.t_0 DROP INDEX by_id, ADD UNIQUE INDEX by_it (id)";
        server.sql(&locked("t_0", sql)).await?;
        scene.read("t_a", MIDDLE).await?;
        alter(&mut scene, "ALTER TABLE d.t_a ADD COLUMN c INT DEFAULT 7").await?;
        server.sql("ALTER TABLE d.t_a DROP INDEX by_v, ADD INDEX by_s (s)").await?;
        let mut log = scene.end().await?;

        ensure_read_on_both_sides(&log, "t_a", log.ddl("t_a", "DROP INDEX")?, "t_a")?;
        ensure_read_on_both_sides(&log, "t_0", log.ddl("t_0", "DROP INDEX")?, "t_0")?;
        let at = log.ddl("t_a", "ADD COLUMN")?;
        ensure_read_on_both_sides(&log, "t_a", at, "t_a")?;
        let has_c = |row: &Value| row.get("c").is_some();
        ensure!(!images(&log, "t_a", ..at).any(has_c), "a row has the column before it was added");
        ensure!(images(&log, "t_a", at..).all(has_c), "a row lacks the column after it was added");
        // What the server says of the rows that were there before.
        fill_in(&mut log, "t_a", "c", &json!(7));
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
        let mut scene = begin(server, &[&["t_a"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        let sql = format!("TRUNCATE TABLE d.t_a;\n{}", fill("t_a", ROWS));
        server.sql(&locked("t_a", &sql)).await?;
        let mut log = scene.end().await?;

        let at = log.ddl("t_a", "TRUNCATE")?;
        ensure_read_on_both_sides(&log, "t_a", at, "t_a")?;
        // The record stands for the rows that it took.
        end_rows(&mut log, "t_a", at)?;
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
        let mut scene = begin(server, &[&["t_a"], &["t_z"]]).await?;
        scene.read("t_a", MIDDLE).await?;
        let sql = "ALTER TABLE d.t_z DROP PRIMARY KEY, ADD PRIMARY KEY (v, id)";
        server.sql(&locked("t_z", sql)).await?;
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
        let mut scene = begin(server, &[&["t_a"]]).await?;
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
        let mut scene = begin(server, &[&["t_a"], &["t_b"], &["t_c"]]).await?;
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
        ensure_read_on_both_sides(&log, "t_a", gone, "t_c")?;
        end_rows(&mut log, "t_b", back)?;
        let mut chain = Auditor::new();
        chain.table("d.t_a", &["id"]);
        of_table(&log, "t_a").tell(&mut chain)?;
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

/// The job of these tables. Each of them is written to under the first of its names that is there.
async fn begin<'s>(server: &'s Server, tables: &[&'static [&'static str]]) -> Result<Scene<'s>> {
    let writers = Writers::start(server, tables, transaction).await?;
    let script = Script::new("schema_changes", server, "d", "(a|t)_.*")
        .option("parallelism", "4")
        .option("source.scan.incremental.snapshot.chunk.size", CHUNK);
    Scene::begin(server, writers, script).await
}

/// Changes a table; the stream has gone past that when this returns, so that the next change does
/// not meet a stream that lags behind the first.
async fn alter(scene: &mut Scene<'_>, sql: &str) -> Result<()> {
    scene.server.sql(sql).await?;
    // The definition is read when the record is written: the second mark lies behind both.
    scene.mark().await?;
    scene.mark().await
}

fn transaction(rng: &mut StdRng, table: &str) -> Vec<String> {
    (0..rng.random_range(1..4)).map(|_| statement(rng, table)).collect()
}

fn statement(rng: &mut StdRng, table: &str) -> String {
    const KEYS: u64 = ROWS * 4;
    let (key, other) = (rng.random_range(0..KEYS), rng.random_range(0..KEYS));
    let v = rng.random_range(0..1_000_000);
    match rng.random_range(0..100) {
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
    }
}

/// Every image of a row.
fn images<'l>(
    log: &'l Changelog,
    table: &str,
    range: impl SliceIndex<[Value], Output = [Value]>,
) -> impl Iterator<Item = &'l Value> {
    let both = |line| ["before", "after"].into_iter().filter_map(move |i| Value::get(line, i));
    log.changes(table, "", range).into_iter().flat_map(both).filter(|row| row.is_object())
}

/// A test of what happens in the middle of a snapshot must have hit the middle.
fn ensure_read_on_both_sides(log: &Changelog, table: &str, at: usize, later: &str) -> Result<()> {
    let before = log.changes(table, "r", ..at).len();
    let after = log.changes(later, "r", at..).len();
    say(format!("{table}: {before} rows read before it, {after} rows of {later} after it"));
    ensure!(before > 0 && after > 0, "{table}: {MISSED}: {before}, {after}");
    Ok(())
}

/// Makes the changes of one table those of another, for the auditor.
fn rename(log: &mut Changelog, from: &str, to: &str) {
    for line in log.lines.iter_mut().filter(|line| table_of(line) == from) {
        if let Some(name) = line.pointer_mut("/source/table") {
            *name = Value::from(to);
        }
    }
}

/// Gives every row that lacks `column` its value, for the auditor.
fn fill_in(log: &mut Changelog, table: &str, column: &str, value: &Value) {
    for line in log.lines.iter_mut().filter(|line| table_of(line) == table) {
        for image in ["before", "after"] {
            if let Some(row) = line.get_mut(image).and_then(Value::as_object_mut) {
                row.entry(column).or_insert_with(|| value.clone());
            }
        }
    }
}

/// Puts a delete of each row alive at a statement that takes them all, for the auditor.
fn end_rows(log: &mut Changelog, table: &str, at: usize) -> Result<()> {
    let mut alive = BTreeMap::new();
    for line in log.changes(table, "", ..at) {
        let image = if op_of(line) == Some("d") { "before" } else { "after" };
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
    log.lines.splice(at..at, alive.into_values().map(delete));
    Ok(())
}

fn of_table(log: &Changelog, table: &str) -> Changelog {
    let lines = log.lines.iter().filter(|line| table_of(line) == table).cloned().collect();
    Changelog { lines }
}

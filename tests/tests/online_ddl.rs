//! gh-ost and pt-online-schema-change change a table in a shadow of it, while writers write and the
//! job is killed. To the changelog that is one change of the table: no row is lost, doubled or of
//! another table, whatever the patterns match.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tests::changelog::{Changelog, ddl_of, op_of, table_of, text};
use tests::online_tools::{GhOst, PtOsc};
use tests::scene::Writers;
use tests::server::on_servers;
use tests::{Job, Kind, Scene, Script, Server, say};

const PATIENCE: Duration = Duration::from_secs(60);
/// Rows at the start: every third key.
const ROWS: u64 = 6_000;
/// For a snapshot that is still under way after two checkpoints and a kill.
const MANY_ROWS: u64 = 40_000;
/// Rows per chunk of the job.
const CHUNK: &str = "15";
/// A snapshot that was through too early is played again.
const TRIES: usize = 6;
const MISSED: &str = "not in the middle";

#[tokio::test(flavor = "multi_thread")]
async fn migrations_with_kills_between_alter_and_cut_over_are_one_change_each() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut scene = begin(server, ROWS).await?;
        scene.job.live(PATIENCE).await?;

        // The cut-over comes while the job is down: afterwards no server knows the shadow any more.
        let gh_ost = GhOst { server, columns: "id, v, s, w", alter: "add column c int default 7" };
        gh_ost.prepare().await?;
        gh_ost.copy().await?;
        checkpoint_and_kill(&mut scene).await?;
        gh_ost.apply().await?;
        gh_ost.cut_over().await?;
        scene.job.start(&[])?;
        scene.mark().await?;

        // Again, with the other tool, and with the job there to see the cut-over.
        let pt = PtOsc { server, columns: "id, v, s, c", alter: "DROP COLUMN w, MODIFY v BIGINT" };
        pt.prepare().await?;
        checkpoint_and_kill(&mut scene).await?;
        pt.copy().await?;
        scene.job.start(&[])?;
        scene.mark().await?;
        pt.cut_over().await?;
        scene.mark().await?;

        // The old table of the first one is still there, and its name is taken.
        let gh_ost = GhOst { server, columns: "id, v, c", alter: "drop column s" };
        gh_ost.prepare().await?;
        gh_ost.copy().await?;
        gh_ost.apply().await?;
        gh_ost.cut_over().await?;

        let mut log = end(scene).await?;
        ensure_changes_of_t(
            &log,
            &[
                "alter table `d`.`t` add column c int default 7",
                "ALTER TABLE `d`.`t` DROP COLUMN w, MODIFY v BIGINT",
                "alter table `d`.`t` drop column s",
            ],
        )?;
        column(&mut log, "c", 0, Column::Added(json!(7)))?;
        column(&mut log, "w", 1, Column::Dropped)?;
        column(&mut log, "s", 2, Column::Dropped)?;
        log.audit(server, &[("t", &["id"])]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_over_in_the_middle_of_the_snapshot_keeps_what_is_read() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        for tool in ["gh-ost", "pt-osc"] {
            let mut played = in_the_snapshot(server, tool).await;
            for _ in 1..TRIES {
                match &played {
                    Err(error) if format!("{error:#}").contains(MISSED) => {
                        say(format!("played again: {error:#}"));
                    }
                    _ => break,
                }
                server.sql("DROP DATABASE d").await?;
                played = in_the_snapshot(server, tool).await;
            }
            played?;
            server.sql("DROP DATABASE d").await?;
        }
        Ok(())
    })
    .await
}

async fn in_the_snapshot(server: &Server, tool: &str) -> Result<()> {
    let mut scene = begin(server, MANY_ROWS).await?;
    scene.read("t", 500).await?;
    scene.job.kill9()?;
    let gh_ost = GhOst { server, columns: "id, v, s", alter: "drop column w, add c int default 7" };
    let pt =
        PtOsc { server, columns: "id, v, s", alter: "DROP COLUMN w, ADD COLUMN c INT DEFAULT 7" };
    match tool {
        "gh-ost" => {
            gh_ost.prepare().await?;
            gh_ost.copy().await?;
            gh_ost.apply().await?;
        }
        _ => {
            pt.prepare().await?;
            pt.copy().await?;
        }
    }
    scene.job.start(&[])?;
    scene.mark().await?;
    checkpoint_and_kill(&mut scene).await?;
    scene.job.start(&[])?;
    scene.mark().await?;
    match tool {
        "gh-ost" => gh_ost.cut_over().await?,
        _ => pt.cut_over().await?,
    }
    let mut log = end(scene).await?;
    let said = match tool {
        "gh-ost" => "alter table `d`.`t` drop column w, add c int default 7",
        _ => "ALTER TABLE `d`.`t` DROP COLUMN w, ADD COLUMN c INT DEFAULT 7",
    };
    ensure_changes_of_t(&log, &[said])?;
    let at = *changes_of_t(&log).first().context("no schema change")?;
    let reads = |lines: &[Value]| lines.iter().filter(|line| op_of(line) == Some("r")).count();
    let (before, after) = log.lines.split_at(at);
    let (before, after) = (reads(before), reads(after));
    say(format!("{tool}: {before} rows read before the cut-over, {after} after it"));
    ensure!(before > 500 && after > 0, "{MISSED}: {before}, {after}");
    column(&mut log, "c", 0, Column::Added(json!(7)))?;
    column(&mut log, "w", 0, Column::Dropped)?;
    log.audit(server, &[("t", &["id"])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_over_in_two_steps_after_one_that_never_came_is_one_change() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut scene = begin(server, ROWS).await?;
        scene.job.live(PATIENCE).await?;
        for alter in ["add column x int", "add column c int default 7"] {
            let gh_ost = GhOst { server, columns: "id, v, s, w", alter };
            gh_ost.prepare().await?;
            gh_ost.copy().await?;
            if alter.contains(" x ") {
                // Interrupted.
                server.sql("DROP TABLE d._t_gho").await?;
                checkpoint(&mut scene).await?;
                ensure!(online_ddl(&scene)? == json!({"shadows": [], "away": []}), "left behind");
                continue;
            }
            let mut conn = server.conn().await?;
            conn.query_drop("USE d").await?;
            conn.query_drop("lock /* gh-ost */ tables `d`.`t` write").await?;
            gh_ost.apply_with(&mut conn).await?;
            conn.query_drop("alter /* gh-ost */ table `d`.`t` rename `_t_del`").await?;
            // The job is killed where the table is not there at all.
            checkpoint_and_kill(&mut scene).await?;
            let away = json!([{"table": {"db": "d", "table": "t"},
                "at": {"db": "d", "table": "_t_del"}}]);
            ensure!(online_ddl(&scene)?.get("away") == Some(&away), "t is not away");
            scene.job.start(&[])?;
            server.sql("USE d;\nalter /* gh-ost */ table `d`.`_t_gho` rename `t`").await?;
            conn.query_drop("unlock /* gh-ost */ tables").await?;
        }
        let mut log = end(scene).await?;
        ensure_changes_of_t(&log, &["alter table `d`.`t` add column c int default 7"])?;
        column(&mut log, "c", 0, Column::Added(json!(7)))?;
        log.audit(server, &[("t", &["id"])]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_makes_way_for_nothing_is_gone() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        let mut scene = begin(server, 100).await?;
        scene.job.live(PATIENCE).await?;
        scene.writers.stop().await?;
        server.sql("CREATE TABLE d._t_new LIKE d.t;\nRENAME TABLE d.t TO d._t_old").await?;
        scene.mark().await?;
        server.sql("DROP TABLE d._t_new").await?;
        scene.mark().await?;
        server.sql("CREATE TABLE d.t (id INT PRIMARY KEY, n INT)").await?;
        server.sql("INSERT INTO d.t VALUES (1, 2)").await?;
        // A shadow that was left behind, and a table that is none takes the name.
        server.sql("CREATE TABLE d._t_gho LIKE d.t").await?;
        server.sql("CREATE TABLE d.other (id INT PRIMARY KEY, m INT)").await?;
        server.sql("RENAME TABLE d.t TO d._t_del, d.other TO d.t").await?;
        server.sql("INSERT INTO d.t VALUES (7, 8)").await?;
        let log = end(scene).await?;
        let changes = log.lines.iter().filter(|line| ddl_of(line).is_some());
        let changes: Vec<_> =
            changes.map(|l| (table_of(l), l.get("dropped") == Some(&json!(true)))).collect();
        let twice = [("t", true), ("t", false)];
        let renamed = [("other", false), ("t", true), ("other", true), ("t", false)];
        ensure!(changes == [twice.as_slice(), &renamed].concat(), "{changes:?}");
        for row in [json!({"id": 1, "n": 2}), json!({"id": 7, "m": 8})] {
            ensure!(log.lines.iter().any(|l| l.get("after") == Some(&row)), "no {row}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_alone_makes_no_shadow_and_recognition_can_be_switched_off() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        server
            .sql(
                "CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY);\n\
                 CREATE TABLE d._u_new (id INT PRIMARY KEY);\nINSERT INTO d._u_new VALUES (1);\n\
                 CREATE TABLE d._t_new (id INT PRIMARY KEY);\nINSERT INTO d._t_new VALUES (1)",
            )
            .await?;
        for (enabled, tables) in [
            ("true", ["_u_new", "_v_old"].as_slice()),
            ("false", ["_t_ghc", "_t_new", "_u_new", "_v_old"].as_slice()),
        ] {
            let mut job = Job::new("online_names")?;
            job.script(
                &Script::new("online_names", server, "d", ".*")
                    .file(&job.out())
                    .option("source.scan.parse.online.schema.changes.enabled", enabled),
            )?;
            job.start(&[])?;
            job.live(PATIENCE).await?;
            server
                .sql(
                    "CREATE TABLE d._t_ghc (id INT PRIMARY KEY);\n\
                     INSERT INTO d._t_ghc VALUES (1);\n\
                     CREATE TABLE d._v_old (id INT PRIMARY KEY);\n\
                     INSERT INTO d._v_old VALUES (1);\n\
                     INSERT INTO d.t VALUES (1)",
                )
                .await?;
            let last = |job: &Job| text(job).contains("\"table\":\"t\"");
            job.wait_for("the last row", PATIENCE, last).await?;
            job.sigterm().await?;
            let log = Changelog::of(&job)?;
            let mut seen: Vec<&str> =
                log.lines.iter().map(table_of).filter(|t| *t != "t").collect();
            seen.sort_unstable();
            seen.dedup();
            ensure!(seen == tables, "enabled = {enabled}: {seen:?}");
            for table in ["_t_new", "_t_ghc"] {
                let said = format!("it is not followed table=d.{table}");
                let count = job.stderr().matches(&said).count();
                ensure!(count == usize::from(enabled == "true"), "{table}: said {count} times");
            }
            server.sql("DROP TABLE d._t_ghc, d._v_old;\nDELETE FROM d.t").await?;
        }
        Ok(())
    })
    .await
}

/// A job that follows all of database `d`, and writers on its table `t`.
async fn begin(server: &Server, rows: u64) -> Result<Scene<'_>> {
    let values: Vec<String> =
        (1..=rows).map(|n| format!("({}, {n}, 'row {n}', {})", n * 3, n % 5)).collect();
    let sql = format!(
        "CREATE DATABASE d;\n\
         CREATE TABLE d.t (id INT NOT NULL AUTO_INCREMENT, v INT NOT NULL, s VARCHAR(60), \
         w INT DEFAULT 3, PRIMARY KEY (id)) ENGINE=InnoDB;\n\
         INSERT INTO d.t VALUES {}",
        values.join(",")
    );
    // The harder way: the log tells types, and no names.
    let _ = server.sql("SET GLOBAL binlog_row_metadata = MINIMAL").await;
    server.sql(&sql).await?;
    let writers = Writers::start(server, &[&["t"]], transaction).await?;
    let script = Script::new("online_ddl", server, "d", ".*")
        .option("parallelism", "2")
        .option("source.scan.incremental.snapshot.chunk.size", CHUNK)
        // One that is being looked at must not be pruned.
        .set("execution.checkpointing.num-retained", "50")
        .set("restart-strategy", "none");
    Scene::begin(server, writers, script).await
}

/// What any version of the table can take.
fn transaction(rng: &mut StdRng, table: &str) -> Vec<String> {
    const KEYS: u64 = MANY_ROWS * 3;
    let (key, other) = (rng.random_range(1..KEYS), rng.random_range(1..KEYS));
    vec![match rng.random_range(0..10) {
        0..4 => format!("INSERT IGNORE INTO d.{table} (id, v) VALUES ({key}, 1), ({other}, 2)"),
        4..7 => format!("UPDATE d.{table} SET v = v + 1 WHERE id BETWEEN {key} AND {}", key + 30),
        // Not IGNORE: triggers run for rows that it leaves alone, and the shadow goes astray.
        7 => format!("UPDATE d.{table} SET id = {other} WHERE id = {key}"),
        _ => format!("DELETE FROM d.{table} WHERE id BETWEEN {key} AND {}", key + 6),
    }]
}

/// The newest checkpoint lies behind everything that was written so far.
async fn checkpoint(scene: &mut Scene<'_>) -> Result<()> {
    scene.mark().await?;
    scene.job.next_checkpoint().await?;
    Ok(())
}

async fn checkpoint_and_kill(scene: &mut Scene<'_>) -> Result<()> {
    checkpoint(scene).await?;
    scene.job.kill9()
}

/// What the newest checkpoint holds of schema changes under way.
fn online_ddl(scene: &Scene<'_>) -> Result<Value> {
    let newest = scene.job.snapshots()?.first().map_or(0, tests::job::id_of);
    scene.job.inspect(newest)?.get("online_ddl").cloned().context("not in the checkpoint")
}

/// The writers go on for a while with the table as it is now, and then all ends.
async fn end(mut scene: Scene<'_>) -> Result<Changelog> {
    scene.mark().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.end().await
}

/// What a schema change does to a column.
enum Column {
    /// The rows that are there get this value.
    Added(Value),
    Dropped,
}

/// Places of the schema changes of `t`.
fn changes_of_t(log: &Changelog) -> Vec<usize> {
    let is_one = |line: &Value| table_of(line) == "t" && ddl_of(line).is_some();
    (0..log.lines.len()).filter(|at| log.lines.get(*at).is_some_and(is_one)).collect()
}

/// The schema changes of `t` are these, and of other tables there are none.
fn ensure_changes_of_t(log: &Changelog, expected: &[&str]) -> Result<()> {
    let all: Vec<(&str, &str)> =
        log.lines.iter().filter_map(|l| Some((table_of(l), ddl_of(l)?))).collect();
    let expected: Vec<(&str, &str)> = expected.iter().map(|sql| ("t", *sql)).collect();
    ensure!(all == expected, "schema changes: {all:#?}");
    Ok(())
}

/// Rows before the `n`th schema change are of the old columns and those after it of the new ones;
/// makes all of the new ones, for the auditor.
fn column(log: &mut Changelog, name: &str, n: usize, column: Column) -> Result<()> {
    let at = *changes_of_t(log).get(n).context("no such schema change")?;
    for (place, line) in log.lines.iter_mut().enumerate().filter(|(_, l)| table_of(l) == "t") {
        for image in ["before", "after"] {
            let Some(row) = line.get_mut(image).and_then(Value::as_object_mut) else {
                continue;
            };
            let is_there = matches!(column, Column::Added(_)) == (place > at);
            let shown = format!("line {place}, change at {at}: {row:?}");
            ensure!(row.contains_key(name) == is_there, "`{name}` in {shown}");
            match &column {
                Column::Added(value) => {
                    row.entry(name).or_insert_with(|| value.clone());
                }
                Column::Dropped => drop(row.remove(name)),
            }
        }
    }
    Ok(())
}

//! Tables of the source change while they are followed, and their targets with them: every change under
//! `evolve`, also where the job or the warehouse is killed in the middle of one; nothing is taken away under
//! `lenient`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::server::on_servers;
use tests::warehouse::{Comparison, Pair, arrived, for_each_system};
use tests::{Job, Kind, Script, Server, Warehouse, eventually};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(60);
/// What is committed may show a moment later.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
const LOG_LINES: usize = 20;
const SETUP: &str = "DROP DATABASE IF EXISTS d;\n\
    CREATE DATABASE d DEFAULT CHARACTER SET utf8mb4;\n\
    CREATE TABLE d.mark (id INT PRIMARY KEY);\n\
    CREATE TABLE d.t (id INT PRIMARY KEY, v INT, s VARCHAR(10), gone INT);\n\
    CREATE TABLE d.other (id INT PRIMARY KEY, v INT);\n\
    INSERT INTO d.t VALUES (1, 1, 'one', 1), (2, 2, 'two', 2);\n\
    INSERT INTO d.other VALUES (1, 1), (2, 2)";

/// A job and how far it is known to have come.
struct Play<'a> {
    server: &'a Server,
    warehouse: &'a mut Warehouse,
    job: Job,
    marks: u32,
}

impl<'a> Play<'a> {
    async fn begin(
        server: &'a Server,
        warehouse: &'a mut Warehouse,
        options: &[(&str, &str)],
    ) -> Result<Self> {
        server.sql(SETUP).await?;
        let mut job = Job::new("ddl")?;
        let script = Script::new("ddl", server, "d", ".*")
            .into_warehouse(warehouse)
            .option("checkpoint", "300")
            .set("restart-strategy", "fixed-delay")
            .set("restart-strategy.fixed-delay.attempts", "1000")
            .set("restart-strategy.fixed-delay.delay", "100ms");
        job.script(&options.iter().fold(script, |script, (key, value)| script.option(key, value)))?;
        job.start(&[])?;
        job.live(PATIENCE).await?;
        Ok(Self { server, warehouse, job, marks: 0 })
    }

    /// What the job has said but of its checkpoints.
    fn log(&self) -> String {
        let log = self.job.stderr();
        let lines: Vec<&str> = log.lines().filter(|l| !l.contains("checkpoint stored")).collect();
        lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
    }

    /// Waits until all that the source has is on its way or there.
    async fn mark(&mut self) -> Result<()> {
        self.marks += 1;
        let mark = self.marks;
        self.server.sql(&format!("INSERT INTO d.mark VALUES ({mark})")).await?;
        let query = format!("SELECT id FROM d.mark WHERE id = {mark}");
        arrived(&mut self.job, self.warehouse, &query, PATIENCE).await
    }

    /// Runs statements, and expects the targets to equal the source's tables.
    async fn follows(&mut self, sql: &str, tables: &[&str]) -> Result<()> {
        self.server.sql(sql).await?;
        self.equal(tables).await.with_context(|| format!("after `{sql}`"))
    }

    async fn equal(&mut self, tables: &[&str]) -> Result<()> {
        self.mark().await?;
        let pairs: Vec<Pair> =
            tables.iter().map(|table| Pair::same(&format!("d.{table}"))).collect();
        Comparison::equal(self.server, self.warehouse, &pairs, VISIBLE_WITHIN).await
    }

    /// Expects these columns in the target, in whatever order.
    async fn columns(&self, table: &str, expected: &[&str]) -> Result<()> {
        let mut columns = self.warehouse.columns("d", table).await?;
        columns.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        ensure!(columns == expected, "{table} has the columns {columns:?}, not {expected:?}");
        Ok(())
    }

    async fn tables(&self, expected: &[&str]) -> Result<()> {
        let tables = self.warehouse.tables("d").await?;
        ensure!(tables == expected, "there are {tables:?}, not {expected:?}");
        Ok(())
    }

    /// Changes of columns that the target lists: each with its state.
    async fn changes(&self) -> Result<Vec<Vec<String>>> {
        self.warehouse.rows("SHOW ALTER TABLE COLUMN FROM d").await
    }

    /// Waits until the target is at a change beyond the first so many.
    async fn is_changing(&self, before: usize) -> Result<()> {
        eventually("a change of columns in the target", PATIENCE, async || {
            Ok(self.changes().await?.len() > before)
        })
        .await
    }

    /// Rows of the target, sorted.
    async fn rows(&self, query: &str) -> Result<Vec<String>> {
        let rows = self.warehouse.rows(query).await?;
        let mut rows: Vec<String> = rows.into_iter().map(|row| row.join(" ")).collect();
        rows.sort();
        Ok(rows)
    }
}

const BEHAVIOR: &str = "sink.schema.change.behavior";

async fn on_both<F>(servers: &[Kind], behavior: &str, body: F) -> Result<()>
where
    F: AsyncFn(&mut Play<'_>) -> Result<()>,
{
    with_options(servers, &[(BEHAVIOR, behavior)], body).await
}

async fn with_options<F>(servers: &[Kind], options: &[(&str, &str)], body: F) -> Result<()>
where
    F: AsyncFn(&mut Play<'_>) -> Result<()>,
{
    on_servers(servers, &[], async |server| {
        for_each_system(async |warehouse| {
            let mut play = Play::begin(server, warehouse, options).await?;
            let played = body(&mut play).await;
            played.with_context(|| format!("the job's log:\n{}", play.log()))?;
            play.job.sigterm().await
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_evolve_the_target_takes_every_change_between_the_rows_before_and_after_it()
-> Result<()> {
    on_both(&SERVERS, "evolve", async |play| {
        // Rows on both sides of a change, which no checkpoint needs to part.
        let around = |id: u32, before: &str, change: &str, after: &str| {
            format!(
                "INSERT INTO d.t VALUES ({id}, {before});\n{change};\n\
                 INSERT INTO d.t VALUES ({}, {after});\nUPDATE d.t SET v = v + 1 WHERE id = 1",
                id + 1
            )
        };
        let add = "ALTER TABLE d.t ADD COLUMN c VARCHAR(10)";
        play.follows(&around(10, "1, 'x', 1", add, "1, 'y', 1, 'c'"), &["t"]).await?;
        let widen = "ALTER TABLE d.t MODIFY COLUMN v BIGINT, MODIFY COLUMN s VARCHAR(40)";
        let long = "5000000000, 'a text of more than ten', 1, 'c'";
        play.follows(&around(20, "1, 'x', 1, 'c'", widen, long), &["t"]).await?;
        let rename = "ALTER TABLE d.t RENAME COLUMN s TO note";
        play.follows(&around(30, "1, 'x', 1, 'c'", rename, "1, 'y', 1, 'c'"), &["t"]).await?;
        let drop = "ALTER TABLE d.t DROP COLUMN gone";
        play.follows(&around(40, "1, 'x', 1, 'c'", drop, "1, 'y', 'c'"), &["t"]).await?;
        play.columns("t", &["id", "v", "note", "c"]).await?;
        let truncate = "TRUNCATE TABLE d.t";
        play.follows(&around(50, "1, 'x', 'c'", truncate, "1, 'y', 'c'"), &["t"]).await?;

        let create = "CREATE TABLE d.made (id INT PRIMARY KEY, at DATETIME(6));\n\
             INSERT INTO d.made VALUES (1, '2024-02-29 10:00:00.123456'), (2, NULL)";
        play.follows(create, &["t", "made"]).await?;
        play.follows(
            "INSERT INTO d.other VALUES (3, 3);\nRENAME TABLE d.other TO d.another;\n\
             INSERT INTO d.another VALUES (4, 4);\nUPDATE d.another SET v = 9 WHERE id = 1",
            &["another"],
        )
        .await?;
        play.tables(&["another", "made", "mark", "t"]).await?;
        play.follows("INSERT INTO d.made VALUES (3, NULL);\nDROP TABLE d.made", &["t"]).await?;
        play.tables(&["another", "mark", "t"]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_lenient_columns_are_added_and_nothing_is_taken_away() -> Result<()> {
    on_both(&SERVERS, "lenient", async |play| {
        play.follows(
            "ALTER TABLE d.t ADD COLUMN c INT;\nINSERT INTO d.t VALUES (3, 3, 'x', 3, 3)",
            &["t"],
        )
        .await?;
        play.follows(
            "ALTER TABLE d.t DROP COLUMN gone;\nINSERT INTO d.t VALUES (4, 4, 'y', 4)",
            &["t"],
        )
        .await?;
        play.columns("t", &["id", "v", "s", "gone", "c"]).await?;
        let gone = play.rows("SELECT id, gone FROM d.t").await?;
        ensure!(gone == ["1 1", "2 2", "3 3", "4 NULL"], "{gone:?}");

        let rename =
            "ALTER TABLE d.t RENAME COLUMN s TO note;\nINSERT INTO d.t VALUES (5, 5, 'z', 5)";
        play.server.sql(rename).await?;
        play.mark().await?;
        play.columns("t", &["id", "v", "s", "note", "gone", "c"]).await?;
        let notes = play.rows("SELECT id, note, s FROM d.t WHERE id IN (4, 5)").await?;
        ensure!(notes == ["4 NULL y", "5 z NULL"], "{notes:?}");

        play.server.sql("TRUNCATE TABLE d.other;\nINSERT INTO d.other VALUES (7, 7)").await?;
        play.mark().await?;
        let rows = play.rows("SELECT id FROM d.other").await?;
        ensure!(rows == ["1", "2", "7"], "emptied: {rows:?}");
        play.server.sql("DROP TABLE d.other").await?;
        play.mark().await?;
        play.tables(&["mark", "other", "t"]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_show_the_default_of_a_column_that_is_added() -> Result<()> {
    for behavior in ["evolve", "lenient"] {
        on_both(&SERVERS, behavior, async |play| {
            for (number, column) in [
                "INT NOT NULL DEFAULT 5",
                "INT NOT NULL",
                "BIGINT UNSIGNED DEFAULT 18446744073709551615",
                "DECIMAL(8, 3) NOT NULL DEFAULT -1.5",
                "DOUBLE NOT NULL DEFAULT 0.25",
                "VARCHAR(20) NOT NULL DEFAULT 'it''s \"so\"'",
                "VARCHAR(20) NOT NULL",
                "ENUM('no', 'yes') NOT NULL DEFAULT 'yes'",
                "ENUM('no', 'yes') NOT NULL",
                "SET('a', 'b', 'c') NOT NULL DEFAULT 'c,a'",
                "DATE NOT NULL DEFAULT '2024-02-29'",
                "DATETIME(3) NOT NULL DEFAULT '2024-02-29 10:11:12.5'",
                "YEAR NOT NULL DEFAULT 2024",
                "TIME NOT NULL DEFAULT '10:11:12'",
                "CHAR(9) NOT NULL DEFAULT 'a '",
                "VARCHAR(9) NOT NULL DEFAULT 1.50",
                "TINYINT(1) NOT NULL DEFAULT TRUE",
                "BIT(1) NOT NULL DEFAULT 1",
                "BIT(9) NOT NULL",
                "TEXT NOT NULL",
                "FLOAT NOT NULL DEFAULT 0.1",
                "INT DEFAULT NULL",
                "INT",
            ]
            .into_iter()
            .enumerate()
            {
                let id = 100 + 2 * number;
                let change = format!(
                    "INSERT IGNORE INTO d.t (id, v) VALUES ({id}, 1);\n\
                     ALTER TABLE d.t ADD COLUMN n{number} {column};\n\
                     INSERT IGNORE INTO d.t (id, v) VALUES ({}, 2)",
                    id + 1
                );
                play.follows(&change, &["t"]).await?;
            }
            // What only the server knows is told, and not guessed.
            let told = "rows that the target has already";
            ensure!(!play.job.stderr().contains(told), "a warning without a reason");
            let now = "ALTER TABLE d.other ADD COLUMN at DATETIME DEFAULT CURRENT_TIMESTAMP";
            play.server.sql(now).await?;
            play.mark().await?;
            let log = play.job.stderr();
            ensure!(log.contains(told) && log.contains("--resnapshot d.other"), "no warning");
            // A column with a default can still become wider.
            if behavior == "evolve" {
                let wider = "ALTER TABLE d.t MODIFY COLUMN n0 BIGINT NOT NULL DEFAULT 5;\n\
                             INSERT IGNORE INTO d.t (id, n0) VALUES (900, 5000000000)";
                play.follows(wider, &["t"]).await?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_get_other_names_in_one_statement_keep_their_rows_also_through_kills()
-> Result<()> {
    on_both(&SERVERS, "evolve", async |play| {
        let more = "CREATE TABLE d.x (id INT PRIMARY KEY, v INT);\n\
                    INSERT INTO d.x VALUES (7, 7);\n\
                    CREATE TABLE d.y (id INT PRIMARY KEY, v INT, w INT);\n\
                    INSERT INTO d.y VALUES (8, 8, 8), (9, 9, 9)";
        play.follows(more, &["x", "y"]).await?;
        play.follows(
            "INSERT INTO d.x VALUES (10, 1);\nRENAME TABLE d.x TO d.x2, d.y TO d.y2;\n\
             INSERT INTO d.x2 VALUES (11, 1);\nUPDATE d.y2 SET w = 0 WHERE id = 8",
            &["x2", "y2", "t"],
        )
        .await?;
        play.tables(&["mark", "other", "t", "x2", "y2"]).await?;
        let swap = "RENAME TABLE d.x2 TO d.tmp, d.y2 TO d.x2, d.tmp TO d.y2";
        let after = "INSERT INTO d.x2 VALUES (20, 2, 2);\nUPDATE d.y2 SET v = 0 WHERE id = 7";
        play.follows(&format!("{swap};\n{after}"), &["x2", "y2"]).await?;
        // Three change places, and a fourth takes the place of the first.
        play.follows(
            "RENAME TABLE d.t TO d.gone, d.other TO d.t, d.x2 TO d.other, d.gone TO d.x2;\n\
             UPDATE d.x2 SET v = 5 WHERE id = 1;\nUPDATE d.other SET w = 6 WHERE id = 9;\n\
             DELETE FROM d.t WHERE id = 2",
            &["t", "other", "x2", "y2"],
        )
        .await?;
        swapped_through_kills(play, "x2", "y2").await?;
        play.tables(&["mark", "other", "t", "x2", "y2"]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_swap_names_keep_their_rows_through_kills_also_at_least_once() -> Result<()> {
    let options = [(BEHAVIOR, "evolve"), ("sink.enable-2pc", "false")];
    with_options(&[Kind::any()?], &options, async |play| {
        swapped_through_kills(play, "t", "other").await
    })
    .await
}

/// Two tables change places again and again, with rows on both sides of it and a kill somewhere.
async fn swapped_through_kills(play: &mut Play<'_>, one: &str, two: &str) -> Result<()> {
    for round in 0..6_u64 {
        let (id, before, after) = (1000 + 2 * round, 10 * round, 10 * round + 1);
        let sql = format!(
            "INSERT INTO d.{one} (id, v) VALUES ({id}, {before});\n\
             UPDATE d.{two} SET v = {before};\n\
             RENAME TABLE d.{one} TO d.tmp, d.{two} TO d.{one}, d.tmp TO d.{two};\n\
             UPDATE d.{two} SET v = {after};\n\
             INSERT INTO d.{one} (id, v) VALUES ({}, {after})",
            id + 1
        );
        play.server.sql(&sql).await?;
        tokio::time::sleep(Duration::from_millis(40 * round)).await;
        play.job.kill9()?;
        play.job.start(&[])?;
        play.equal(&[one, two]).await.with_context(|| format!("round {round}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_cut_short_by_a_kill_is_made_once_and_no_row_is_lost() -> Result<()> {
    on_both(&[Kind::any()?], "evolve", async |play| {
        let sql = "CREATE TABLE d.k (id INT PRIMARY KEY, w0 TINYINT, w1 TINYINT);\n\
                   INSERT INTO d.k VALUES (1, 1, 1)";
        play.follows(sql, &["k"]).await?;
        for (number, who) in ["job", "warehouse"].into_iter().enumerate() {
            let id = 100 * (number + 1);
            let before = play.changes().await?.len();
            // Another type is a job of the warehouse, which takes a second or two.
            let sql = format!(
                "INSERT INTO d.k (id, w{number}) VALUES ({id}, 1);\n\
                 ALTER TABLE d.k MODIFY COLUMN w{number} INT, ADD COLUMN c{number} INT;\n\
                 INSERT INTO d.k (id, w{number}, c{number}) VALUES ({}, 70000, 7);\n\
                 ALTER TABLE d.k DROP COLUMN c{number}",
                id + 1
            );
            play.server.sql(&sql).await?;
            play.is_changing(before).await?;
            if who == "job" {
                play.job.kill9()?;
                play.job.start(&[])?;
            } else {
                play.warehouse.kill9()?;
                tokio::time::sleep(Duration::from_millis(100)).await;
                play.warehouse.restart().await?;
            }
            play.equal(&["t", "k"]).await.with_context(|| format!("round {number}: {who}"))?;
            play.columns("k", &["id", "w0", "w1"]).await?;
        }
        Ok(())
    })
    .await
}

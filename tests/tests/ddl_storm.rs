//! Statements of every kind change tables while these are being read, several sessions write to
//! them, and the job is killed again and again: for each key the changes form an unbroken chain,
//! also across the definitions of its table.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value};
use tests::chain::{ends_with_text, parts};
use tests::render::Columns;
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};
use tokio::task::JoinSet;

const KINDS: [Kind; 3] = [Kind::MySql9Gtid, Kind::MySql9NoGtid, Kind::MariaDb];
const TABLES: [&str; 4] = ["t1", "t2", "t3", "t4"];
/// Of all sessions together.
const STATEMENTS: u32 = 2_000;
const WRITERS: u64 = 3;
const ROWS: u32 = 12_000;
/// A chunk, in rows.
const CHUNK: &str = "10";
const KILLS: u32 = 6;
/// How much meets how much is the machine's affair.
const STORMS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(90);
const LAST: &str = "the last row";

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_holds_across_definitions_while_tables_are_read_and_the_job_is_killed()
-> Result<()> {
    on_servers(&KINDS, &[], async |server| {
        for _ in 0..STORMS {
            if storm(server).await? {
                return Ok(());
            }
            say("hardly anything met anything: once more");
            server.sql("DROP DATABASE s").await?;
        }
        bail!("hardly anything met anything, in {STORMS} storms")
    })
    .await
}

/// Whether reads, changes and statements met; that it is exact holds in any case.
async fn storm(server: &Server) -> Result<bool> {
    let mut dice = StdRng::seed_from_u64(tests::seed()?);
    server.sql("CREATE DATABASE s;\nCREATE TABLE s.zz (v VARCHAR(20) PRIMARY KEY)").await?;
    for table in TABLES {
        server.sql(&fresh(table)).await?;
        server.sql(&fill(table)).await?;
    }
    let mut job = Job::new("storm")?;
    job.script(
        &Script::new("storm", server, "s", "(t[0-9]|zz)")
            .file(&job.out())
            .set("restart-strategy", "none")
            .option("checkpoint", "200")
            .option("parallelism", "2")
            .option("source.scan.incremental.snapshot.chunk.size", CHUNK),
    )?;
    job.start(&[])?;
    // What a table was at the start is the server's to say: let it be still for that moment.
    job.next_checkpoint().await?;

    let storm = Storm::start(server, &mut dice).await?;
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(dice.random_range(200..1500))).await;
        job.kill9()?;
        job.start(&[])?;
    }
    let told = storm.end(&mut job).await?;
    job.live(PATIENCE).await?;
    server.sql(&format!("INSERT INTO s.zz VALUES ('{LAST}')")).await?;
    job.wait_for(LAST, PATIENCE, |job| ends_with_text(&job.out(), LAST)).await?;
    job.sigterm().await?;

    let mut tables = Tables::default();
    tables.read(&job)?;
    tables.compare(server).await?;
    say(format!("{told}; {}", tables.summary()));
    tables.verdict()?;
    Ok(tables.read_late > 500 && tables.changed > 500)
}

fn fresh(table: &str) -> String {
    format!("CREATE TABLE s.{table} (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(20), c INT)")
}

fn fill(table: &str) -> String {
    let rows: Vec<String> = (0..ROWS).map(|n| format!("({}, {n}, '{n}', 1)", n * 3)).collect();
    format!("INSERT INTO s.{table} VALUES {}", rows.join(","))
}

/// One session that changes tables, and those that write to them, until the statements are up.
struct Storm {
    /// Statements so far.
    count: Arc<AtomicU32>,
    altered: Arc<AtomicU32>,
    sessions: JoinSet<Result<()>>,
}

impl Storm {
    async fn start(server: &Server, dice: &mut StdRng) -> Result<Self> {
        let mut storm =
            Self { count: Arc::default(), altered: Arc::default(), sessions: JoinSet::new() };
        let ddl = Ddl {
            conn: server.conn().await?,
            dice: StdRng::seed_from_u64(dice.random()),
            fresh: 0,
            number: 0,
            altered: Arc::clone(&storm.altered),
        };
        let count = Arc::clone(&storm.count);
        storm.sessions.spawn(ddl.run(count));
        for _ in 0..WRITERS {
            let dice = StdRng::seed_from_u64(dice.random());
            storm.sessions.spawn(write(server.conn().await?, dice, Arc::clone(&storm.count)));
        }
        Ok(storm)
    }

    /// Waits for the last statement; the job must go on meanwhile.
    async fn end(mut self, job: &mut Job) -> Result<String> {
        let done = AtomicBool::new(false);
        let all = async {
            while let Some(ended) = self.sessions.join_next().await {
                ended??;
            }
            done.store(true, Ordering::SeqCst);
            anyhow::Ok(())
        };
        let watch = job.wait_for("the storm's end", PATIENCE, |_| done.load(Ordering::SeqCst));
        tokio::try_join!(all, watch)?;
        let altered = self.altered.load(Ordering::SeqCst);
        Ok(format!("{STATEMENTS} statements, {altered} of them changed tables"))
    }
}

/// What a session may be told when another has changed the table under it.
fn is_of_the_storm(error: mysql_async::Error) -> Result<()> {
    if let mysql_async::Error::Server(refused) = &error
        && refused.code != 1064
    {
        return Ok(());
    }
    bail!(error)
}

async fn columns(conn: &mut Conn, table: &str) -> Result<Vec<String>> {
    let rows: Vec<Row> = match conn.query(format!("SHOW COLUMNS FROM s.{table}")).await {
        Ok(rows) => rows,
        Err(error) => return is_of_the_storm(error).map(|()| vec![]),
    };
    let names: Vec<String> = rows.iter().filter_map(|row| row.get(0)).collect();
    Ok(names.into_iter().filter(|name| name != "id").collect())
}

async fn write(mut conn: Conn, mut dice: StdRng, count: Arc<AtomicU32>) -> Result<()> {
    while count.fetch_add(1, Ordering::SeqCst) < STATEMENTS {
        let table = TABLES.choose(&mut dice).context("no table")?;
        let names = columns(&mut conn, table).await?;
        let Some(column) = names.choose(&mut dice) else { continue };
        let (id, v) = (dice.random_range(0..ROWS * 4), dice.random_range(0..30_000));
        let other = dice.random_range(0..ROWS * 4);
        let sql = match dice.random_range(0..10) {
            0..4 => format!(
                "INSERT IGNORE INTO s.{table} (id, {column}) VALUES ({id}, {v}), ({other}, {v})"
            ),
            4..7 => {
                format!("UPDATE s.{table} SET {column} = {v} WHERE id BETWEEN {id} AND {}", id + 20)
            }
            7 => format!("UPDATE IGNORE s.{table} SET id = {other} WHERE id = {id}"),
            8 => format!("REPLACE INTO s.{table} (id, {column}) VALUES ({id}, {v})"),
            _ => format!("DELETE FROM s.{table} WHERE id BETWEEN {id} AND {}", id + 6),
        };
        let ends = ["", "; COMMIT", "; ROLLBACK"].choose(&mut dice).copied().unwrap_or_default();
        let mut statements = vec![sql.as_str()];
        if let Some(end) = ends.strip_prefix("; ") {
            statements = vec!["BEGIN", sql.as_str(), end];
        }
        for sql in statements {
            conn.query_drop(sql).await.or_else(is_of_the_storm)?;
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..16))).await;
    }
    Ok(())
}

struct Ddl {
    conn: Conn,
    dice: StdRng,
    /// No name of a column comes twice, so that one name is one column.
    fresh: u32,
    /// A statement that has several records bears its number in each.
    number: u32,
    altered: Arc<AtomicU32>,
}

impl Ddl {
    async fn run(mut self, count: Arc<AtomicU32>) -> Result<()> {
        while count.fetch_add(1, Ordering::SeqCst) < STATEMENTS {
            for sql in self.statements().await? {
                let done = self.conn.query_drop(sql).await;
                self.altered.fetch_add(u32::from(done.is_ok()), Ordering::SeqCst);
                done.or_else(is_of_the_storm)?;
            }
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(0..4))).await;
        }
        Ok(())
    }

    async fn statements(&mut self) -> Result<Vec<String>> {
        let dice = &mut self.dice;
        let table = *TABLES.choose(dice).context("no table")?;
        let two = *TABLES.iter().find(|t| **t != table).context("one table")?;
        let names = columns(&mut self.conn, table).await?;
        let Some(column) = names.choose(dice) else { return Ok(vec![]) };
        let other = names.choose(dice).unwrap_or(column);
        self.fresh += 1;
        self.number += 1;
        let new = format!("n{}", self.fresh);
        let types = ["INT", "VARCHAR(20)", "BIGINT NOT NULL DEFAULT 7", "SMALLINT UNSIGNED"];
        let ty = *types.choose(dice).context("no type")?;
        let alter = match dice.random_range(0..if names.len() > 6 { 20 } else { 16 }) {
            0 => format!("ADD COLUMN {new} {ty}"),
            1 => format!("ADD {new} {ty} FIRST, DROP COLUMN {column}"),
            2 => format!("ADD {new} {ty} AFTER {column}, COMMENT = 'DROP COLUMN id'"),
            3 => format!("CHANGE {column} {new} {ty}"),
            4 => format!("MODIFY {column} {ty} AFTER {other}"),
            5 => format!("MODIFY {column} {ty} FIRST"),
            6 => format!("RENAME COLUMN {column} TO {new}"),
            7 => format!("ADD INDEX ({column})"),
            8 => "DROP PRIMARY KEY, ADD PRIMARY KEY (id)".to_owned(),
            9 => "CONVERT TO CHARACTER SET latin1".to_owned(),
            10 => "ENGINE = InnoDB".to_owned(),
            11 => "PARTITION BY HASH (id) PARTITIONS 3".to_owned(),
            12 => "REMOVE PARTITIONING".to_owned(),
            13 => return Ok(self.whole_table(table, two)),
            14..16 => {
                let by = *["tmp", "t9"].choose(dice).context("no name")?;
                let pairs = [(table, by), (two, table), (by, two)];
                let pairs = pairs.map(|(from, to)| format!("s.{from} TO s.{to}")).join(", ");
                return Ok(vec![format!("RENAME TABLE {pairs} /* {} */", self.number)]);
            }
            _ => format!("DROP COLUMN {column}"),
        };
        Ok(vec![format!("ALTER TABLE s.{table} {alter}")])
    }

    fn whole_table(&mut self, table: &str, two: &str) -> Vec<String> {
        let drop = format!("DROP TABLE s.{table}");
        match self.dice.random_range(0..3) {
            0 => vec![format!("TRUNCATE TABLE s.{table}")],
            1 => vec![drop, fresh(table)],
            _ => vec![drop, format!("CREATE TABLE s.{table} LIKE s.{two}")],
        }
    }
}

/// A row as last seen; `None`: deleted.
type Rows = HashMap<String, Option<Map<String, Value>>>;

/// Follows every key through its life, and tables through their names. What a statement does to the
/// columns is the table's matter: two images of a row are compared in the columns that both have.
#[derive(Default)]
struct Tables {
    rows: HashMap<String, Rows>,
    renames: HashSet<String>,
    violations: Vec<String>,
    read: u32,
    /// Rows read of tables that had changed already.
    read_late: u32,
    changed: u32,
    statements: u32,
}

impl Tables {
    fn read(&mut self, job: &Job) -> Result<()> {
        for part in parts(&job.out())? {
            for (number, line) in fs::read_to_string(part)?.lines().enumerate() {
                let record: Value = serde_json::from_str(line)?;
                let text = |at: &str| record.pointer(at).and_then(Value::as_str);
                let table = text("/source/table").context("no table")?;
                match (text("/ddl"), text("/op")) {
                    (Some(sql), None) => self.statement(table, sql),
                    (None, Some(_)) if table == "zz" => {}
                    (None, Some(op)) => {
                        if let Err(error) = self.change(table, op, &record) {
                            self.violations.push(format!("line {number}: {error:#}: {line}"));
                        }
                    }
                    _ => bail!("neither a change nor a statement: {line}"),
                }
            }
        }
        Ok(())
    }

    fn statement(&mut self, table: &str, sql: &str) {
        self.statements += 1;
        if sql.starts_with("DROP TABLE") || sql.starts_with("TRUNCATE") {
            self.rows.remove(table);
        } else if let Some(pairs) = sql.strip_prefix("RENAME TABLE ")
            && self.renames.insert(sql.to_owned())
        {
            let pairs = pairs.split(" /*").next().unwrap_or_default().replace("s.", "");
            for (from, to) in pairs.split(", ").filter_map(|pair| pair.split_once(" TO ")) {
                if let Some(rows) = self.rows.remove(from) {
                    self.rows.insert(to.to_owned(), rows);
                }
            }
        }
    }

    fn change(&mut self, table: &str, op: &str, record: &Value) -> Result<()> {
        let image = |of: &str| record.get(of).and_then(Value::as_object);
        let (before, after) = (image("before"), image("after"));
        let row = after.or(before).context("no image")?;
        let key = row.get("id").context("no key")?.to_string();
        let last = self.rows.entry(table.to_owned()).or_default().insert(key, after.cloned());
        if op == "r" {
            self.read += 1;
            self.read_late += u32::from(self.statements > 20);
            ensure!(last.is_none(), "read, though seen before");
            return Ok(());
        }
        self.changed += 1;
        match (before, last) {
            (None, None | Some(None)) => Ok(()),
            (Some(before), Some(Some(last))) => fits(&last, before),
            (None, Some(Some(_))) => bail!("inserted while alive"),
            (Some(_), None) => bail!("its first change is neither a read nor an insert"),
            (Some(_), Some(None)) => bail!("changed after its delete"),
        }
    }

    async fn compare(&mut self, server: &Server) -> Result<()> {
        let mut conn = server.conn().await?;
        for table in TABLES {
            let columns = Columns::of(&mut conn, "s", table).await?;
            let mut rows = self.rows.remove(table).unwrap_or_default();
            let wrong = &mut self.violations;
            columns
                .for_each_row(&mut conn, |row| {
                    let row = row.as_object().context("no row")?;
                    let key = row.get("id").context("no key")?.to_string();
                    match rows.remove(&key).flatten() {
                        None => wrong.push(format!("{table} {key}: missing at the end")),
                        Some(last) => {
                            if let Err(error) = fits(&last, row) {
                                wrong.push(format!("{table} {key}: at the end, {error}"));
                            }
                        }
                    }
                    Ok(())
                })
                .await?;
            let left = rows.into_iter().filter(|(_, row)| row.is_some());
            wrong.extend(left.map(|(key, _)| format!("{table} {key}: gone from the source")));
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let (read, late) = (self.read, self.read_late);
        format!(
            "{read} rows read, {late} late, {} changes, {} records",
            self.changed, self.statements
        )
    }

    fn verdict(&self) -> Result<()> {
        let shown = self.violations.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        ensure!(self.violations.is_empty(), "{} violations:\n{shown}", self.violations.len());
        Ok(())
    }
}

/// In the columns that both images have. A column may have become text, or a number.
fn fits(last: &Map<String, Value>, now: &Map<String, Value>) -> Result<()> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (column, value) in now {
        if let Some(last) = last.get(column) {
            let (last, value) = (plain(last), plain(value));
            ensure!(last == value, "{column} was {last} and is {value}");
        }
    }
    Ok(())
}

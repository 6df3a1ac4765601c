//! The stream lags behind by hundreds of statements that changed its tables again and again. What
//! the server says a table is by then, it was not when its rows were written: each row must come with
//! the columns and values that it had.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use tests::chain::ends_with_text;
use tests::changelog::{Changelog, op_of, table_of};
use tests::{Job, Script, for_each_server, say};

const STATEMENTS: u32 = 2_000;
const TABLES: [&str; 3] = ["t1", "t2", "t3"];
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_lags_gives_every_row_the_schema_of_its_time() -> Result<()> {
    // The harder way: the log tells types, and no names.
    for_each_server(&[], async |server| {
        let mut conn = server.conn().await?;
        let _ = conn.query_drop("SET GLOBAL binlog_row_metadata = MINIMAL").await;
        let mut conn = server.conn().await?;
        server.sql("CREATE DATABASE l;\nCREATE TABLE l.zz (id INT PRIMARY KEY)").await?;
        conn.query_drop("USE l").await?;
        for table in TABLES {
            conn.query_drop(fresh(table)).await?;
            conn.query_drop(format!("INSERT INTO {table} (id) VALUES (1), (2), (3)")).await?;
        }
        let mut job = Job::new("lagging")?;
        let script = Script::new("lagging", server, "l", "(t[0-9]|zz|tmp)").file(&job.out());
        job.script(&script.set("restart-strategy", "none"))?;
        job.start(&[])?;
        job.live(PATIENCE).await?;
        job.sigterm().await?;

        let mut writer = Writer {
            conn,
            dice: StdRng::seed_from_u64(tests::seed()?),
            expected: vec![],
            changed: 0,
            next: 100,
        };
        for _ in 0..STATEMENTS {
            writer.step().await?;
        }
        server.sql("INSERT INTO l.zz VALUES (1)").await?;

        job.start(&[])?;
        // Killed on the way: what it knows of the tables is in its checkpoint.
        tokio::time::sleep(Duration::from_millis(400)).await;
        job.kill9()?;
        job.start(&[])?;
        job.next_checkpoint().await?;
        job.wait_for("the last row", PATIENCE, |job| ends_with_text(&job.out(), "\"zz\"")).await?;
        job.sigterm().await?;
        let seen = streamed(&job)?;
        for (n, (expected, seen)) in writer.expected.iter().zip(&seen).enumerate() {
            ensure!(expected == seen, "change {n}\nwritten {expected}\ncame    {seen}");
        }
        let (written, came) = (writer.expected.len(), seen.len());
        ensure!(written == came, "{written} changes were written, {came} came");
        say(format!("{} changes of rows, {} of tables", writer.expected.len(), writer.changed));
        ensure!(writer.changed > STATEMENTS / 10, "too few statements changed a table");
        Ok(())
    })
    .await
}

fn fresh(table: &str) -> String {
    format!("CREATE TABLE {table} (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(20), c INT)")
}

/// One session that writes, and notes what each change was.
struct Writer {
    conn: Conn,
    dice: StdRng,
    expected: Vec<Value>,
    /// Statements that changed a table.
    changed: u32,
    next: u32,
}

impl Writer {
    async fn step(&mut self) -> Result<()> {
        let table = *TABLES.choose(&mut self.dice).context("no table")?;
        match self.dice.random_range(0..10) {
            0..4 => self.ddl(table).await,
            4..6 => self.insert(table).await,
            6..9 => self.update(table).await,
            _ => self.delete(table).await,
        }
    }

    /// One of these; the server may refuse it.
    async fn ddl(&mut self, table: &str) -> Result<()> {
        let columns = self.columns(table).await?;
        let plain: Vec<&String> = columns.iter().filter(|c| *c != "id").collect();
        let column = plain.choose(&mut self.dice).map_or("a", |c| c.as_str());
        let other = plain.choose(&mut self.dice).map_or("a", |c| c.as_str());
        let new = format!("n{}", self.dice.random_range(0..6));
        let types =
            ["INT", "VARCHAR(20)", "BIGINT", "VARCHAR(40) CHARACTER SET latin1", "SMALLINT"];
        let ty = *types.choose(&mut self.dice).context("no type")?;
        let two = TABLES.iter().find(|t| **t != table).context("one table")?;
        let statements = match self.dice.random_range(0..14) {
            0..2 => vec![format!("ALTER TABLE {table} ADD COLUMN {new} {ty}")],
            2 => vec![format!("ALTER TABLE {table} ADD {new} {ty} FIRST, DROP COLUMN {column}")],
            3 => vec![format!("ALTER TABLE {table} ADD {new} {ty} AFTER {column}")],
            4 => vec![format!("ALTER TABLE {table} DROP COLUMN {column}")],
            5 => vec![format!("ALTER TABLE {table} CHANGE {column} {new} {ty}")],
            6 => vec![format!(
                "ALTER TABLE {table} CHANGE {column} {other} INT, CHANGE {other} {column} INT"
            )],
            7 => vec![format!("ALTER TABLE {table} MODIFY {column} {ty} AFTER {other}")],
            8 => vec![format!("ALTER TABLE {table} MODIFY {column} {ty} FIRST, COMMENT='x'")],
            9 => vec![format!("ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY (id)")],
            10 => vec![format!("RENAME TABLE {table} TO tmp, {two} TO {table}, tmp TO {two}")],
            11 => vec![format!("DROP TABLE {table}"), fresh(table)],
            12 => vec![format!("TRUNCATE TABLE {table}")],
            _ => vec![
                format!("DROP TABLE {table}"),
                format!("CREATE TABLE {table} LIKE {two}"),
                format!("ALTER TABLE {table} ENGINE=InnoDB"),
            ],
        };
        for sql in statements {
            self.changed += u32::from(self.conn.query_drop(sql).await.is_ok());
        }
        Ok(())
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<String>> {
        let rows: Vec<Row> = self.conn.query(format!("SHOW COLUMNS FROM {table}")).await?;
        Ok(rows.iter().filter_map(|row| row.get(0)).collect())
    }

    async fn row(&mut self, table: &str, id: u32) -> Result<Value> {
        let row: Option<Row> =
            self.conn.exec_first(format!("SELECT * FROM {table} WHERE id = ?"), (id,)).await?;
        let Some(row) = row else { return Ok(Value::Null) };
        let mut image = Map::new();
        for (n, column) in row.columns_ref().iter().enumerate() {
            let cell = row.as_ref(n).context("a row without its column")?;
            let value = if let mysql_async::Value::Int(v) = cell {
                json!(v)
            } else if let mysql_async::Value::Bytes(text) = cell {
                json!(String::from_utf8_lossy(text))
            } else {
                ensure!(*cell == mysql_async::Value::NULL, "{cell:?}");
                Value::Null
            };
            image.insert(column.name_str().into_owned(), value);
        }
        Ok(Value::Object(image))
    }

    fn note(&mut self, table: &str, before: Value, after: Value) {
        self.expected.push(json!({"table": table, "before": before, "after": after}));
    }

    async fn insert(&mut self, table: &str) -> Result<()> {
        self.next += 1;
        let id = self.next;
        let columns = self.columns(table).await?;
        let values: Vec<String> = columns
            .iter()
            .map(|c| if c == "id" { id.to_string() } else { (id % 97).to_string() })
            .collect();
        let sql =
            format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "));
        self.conn.query_drop(sql).await?;
        let after = self.row(table, id).await?;
        self.note(table, Value::Null, after);
        Ok(())
    }

    async fn any_row(&mut self, table: &str) -> Result<Option<u32>> {
        let ids: Vec<u32> =
            self.conn.query(format!("SELECT id FROM {table} ORDER BY id DESC LIMIT 5")).await?;
        Ok(ids.choose(&mut self.dice).copied())
    }

    async fn update(&mut self, table: &str) -> Result<()> {
        let Some(id) = self.any_row(table).await? else { return Ok(()) };
        let columns = self.columns(table).await?;
        let plain: Vec<&String> = columns.iter().filter(|c| *c != "id").collect();
        let Some(column) = plain.choose(&mut self.dice) else { return Ok(()) };
        let before = self.row(table, id).await?;
        let value = self.dice.random_range(100..30_000);
        self.conn
            .query_drop(format!("UPDATE {table} SET {column} = {value} WHERE id = {id}"))
            .await?;
        let after = self.row(table, id).await?;
        if before != after {
            self.note(table, before, after);
        }
        Ok(())
    }

    async fn delete(&mut self, table: &str) -> Result<()> {
        let Some(id) = self.any_row(table).await? else { return Ok(()) };
        let before = self.row(table, id).await?;
        self.conn.query_drop(format!("DELETE FROM {table} WHERE id = {id}")).await?;
        self.note(table, before, Value::Null);
        Ok(())
    }
}

/// The rows streamed, in the order they came.
fn streamed(job: &Job) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for record in Changelog::of(job)?.lines {
        let table = table_of(&record);
        if !op_of(&record).is_some_and(|op| ["c", "u", "d"].contains(&op)) || table == "zz" {
            continue;
        }
        let image = |of: &str| record.get(of).cloned().unwrap_or_default();
        all.push(json!({"table": table, "before": image("before"), "after": image("after")}));
    }
    Ok(all)
}

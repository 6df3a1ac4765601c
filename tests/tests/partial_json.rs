//! `binlog_row_value_options = PARTIAL_JSON`: documents come as differences, and go out as the
//! server shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, Params, Row};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::chain::ends_with_text;
use tests::changelog::{Changelog, table_of};
use tests::job::seachange;
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say, seed};

const DB: &str = "docs";
const PATIENCE: Duration = Duration::from_secs(120);
const MARK: &str = "the last change of all";
/// Random updates without compression of transactions, and as many with it.
const DICE: usize = 400;
/// Documents of the dice, in rows from here.
const DICE_ROWS: std::ops::Range<i64> = 900..908;

/// Of one version of a row: `j`, `g`, `k` and `s` as the server shows them.
type Shown = [Option<String>; 4];
/// `id`, `n`, and the same four.
type Found = (i64, i64, Option<String>, Option<String>, Option<String>, Option<String>);
/// A row is numbered through by the updates that it has seen: `(id, n)`.
type Version = (i64, i64);

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_come_as_differences_go_out_as_the_server_shows_them() -> Result<()> {
    let kinds = [Kind::MySql9Gtid, Kind::MySql9NoGtid];
    on_servers(&kinds, &["--binlog-row-value-options=PARTIAL_JSON"], run).await
}

async fn run(server: &mut Server) -> Result<()> {
    let mut story = Story::begin(server).await?;
    let mut job = Job::new("docs")?;
    job.script(&Script::new("docs", server, DB, ".*").file(&job.out()))?;
    let (code, out, err) = seachange(job.dir(), &["check", "docs.sql"])?;
    ensure!(code == 0 && !out.contains('✗'), "`check` ended with {code}:\n{out}{err}");
    story.documents().await?;
    job.start(&[])?;
    job.live(PATIENCE).await?;

    story.told().await?;
    let partial = story.partial_events().await?;
    ensure!(partial > 2 * TOLD.len(), "not all updates came as partial ones: {partial}");
    story.large().await?;
    let mut rng = StdRng::seed_from_u64(seed()?);
    for compression in ["OFF", "ON"] {
        let set = format!("SET binlog_transaction_compression = {compression}");
        story.conn.query_drop(set).await?;
        story.dice(&mut rng).await?;
    }
    let mark = format!("INSERT INTO {DB}.mark VALUES (1, '{MARK}')");
    story.conn.query_drop(mark).await?;
    job.wait_for("the mark", PATIENCE, |job| ends_with_text(&job.out(), MARK)).await?;
    job.sigterm().await?;
    story.compare(&job)
}

/// What was done to the documents, and what they then looked like.
struct Story {
    conn: Conn,
    expected: BTreeMap<Version, (Shown, String)>,
}

impl Story {
    async fn begin(server: &Server) -> Result<Self> {
        server
            .sql(&format!(
                "CREATE DATABASE {DB} DEFAULT CHARACTER SET utf8mb4;\n\
                 CREATE TABLE {DB}.mark (id INT PRIMARY KEY, v VARCHAR(40));\n\
                 CREATE TABLE {DB}.docs (id INT PRIMARY KEY, j JSON, \
                   g JSON AS (JSON_EXTRACT(j, '$.a')) VIRTUAL, t VARCHAR(300), k JSON, \
                   s JSON AS (JSON_EXTRACT(k, '$.list[0]')) STORED, n INT NOT NULL DEFAULT 0)"
            ))
            .await?;
        let mut conn = server.conn().await?;
        conn.query_drop(format!("USE {DB}")).await?;
        Ok(Self { conn, expected: BTreeMap::new() })
    }

    async fn insert(&mut self, id: i64, j: &Value, k: Option<&Value>) -> Result<()> {
        let k = k.map(Value::to_string);
        self.conn
            .exec_drop(
                "INSERT INTO docs (id, j, t, k) VALUES (?, ?, REPEAT('t', 300), ?)",
                (id, j.to_string(), k),
            )
            .await?;
        self.record(&format!("id = {id}"), "INSERT").await
    }

    /// Rows of the table, as they are now.
    async fn record(&mut self, which: &str, how: &str) -> Result<()> {
        let rows: Vec<Found> = self
            .conn
            .query(format!(
                "SELECT id, n, CAST(j AS CHAR), CAST(g AS CHAR), CAST(k AS CHAR), \
                     CAST(s AS CHAR) FROM docs WHERE {which}"
            ))
            .await?;
        ensure!(!rows.is_empty(), "no row where {which}");
        for (id, n, j, g, k, s) in rows {
            self.expected.insert((id, n), ([j, g, k, s], how.to_owned()));
        }
        Ok(())
    }

    async fn update(&mut self, which: &str, set: &str, values: Vec<String>) -> Result<()> {
        let update = format!("UPDATE docs SET {set}, n = n + 1 WHERE {which}");
        self.conn.exec_drop(&update, Params::from(values)).await.with_context(|| update.clone())?;
        self.record(which, &update).await
    }

    async fn documents(&mut self) -> Result<()> {
        let k = json!({"list": [1, 2, 3], "name": "k", "pad": "k".repeat(200)});
        for id in 1..=8 {
            self.insert(id, &document(), Some(&k)).await?;
        }
        self.insert(9, &document(), None).await?;
        self.insert(10, &json!([[1, [2, [3]]], {"a": []}, "p".repeat(300)]), Some(&k)).await?;
        for id in DICE_ROWS {
            self.insert(id, &document(), Some(&k)).await?;
        }
        Ok(())
    }

    /// Updates that are each hard in a way of their own.
    async fn told(&mut self) -> Result<()> {
        for set in TOLD {
            for which in ["id = 1", "id = 10"] {
                self.update(which, set, vec![]).await?;
            }
        }
        // Several rows by one statement, and a key that changes with the document.
        self.update("id <= 8", "j = JSON_SET(j, '$.id', id), k = JSON_REMOVE(k, '$.pad')", vec![])
            .await?;
        let moved = "UPDATE docs SET j = JSON_SET(j, '$.moved', true), id = 300 WHERE id = 8";
        self.conn.query_drop(moved).await?;
        self.record("id = 300", moved).await?;
        // NULL before, after, and beside.
        for set in [
            "j = JSON_SET(j, '$.x', 1), k = JSON_SET(k, '$.x', 1)",
            "j = JSON_SET(j, '$.y', 1), k = '{\"list\": [true], \"pad\": \"123456789012345\"}'",
            "j = JSON_SET(j, '$.z', 1), k = JSON_SET(k, '$.list[0]', 7)",
            "j = NULL, k = JSON_SET(k, '$.list[0]', 8)",
            "j = JSON_SET(j, '$.a', 1), k = JSON_SET(k, '$.list[0]', 9)",
        ] {
            self.update("id = 9", set, vec![]).await?;
        }
        Ok(())
    }

    /// A document over 64 KiB, one that becomes so, and one that ceases to be.
    async fn large(&mut self) -> Result<()> {
        let members = (0..3000).map(|n| (format!("key {n}"), json!([n, "v".repeat(60)])));
        let large = json!({"m": Value::Object(members.collect()), "tail": [1, 2]});
        self.insert(20, &large, None).await?;
        self.update("id = 20", "j = JSON_SET(j, '$.m.\"key 1500\"[0]', 'changed')", vec![]).await?;
        let (event, document) = (self.last_event_bytes().await?, large.to_string().len());
        // The `before` image alone is about as long as the document.
        ensure!(event < document * 3 / 2, "{event} bytes are no differences of {document}");
        for set in [
            "j = JSON_SET(j, '$.tail[0]', 100000, '$.tail[1]', CAST('3.25' AS DOUBLE))",
            "j = JSON_REMOVE(JSON_SET(j, '$.m.b', JSON_OBJECT('x', 1)), '$.m.\"key 7\"')",
            "j = JSON_REMOVE(j, '$.m')",
        ] {
            self.update("id = 20", set, vec![]).await?;
        }
        self.insert(21, &json!({"list": ["x".repeat(60_000)], "a": [70_000]}), None).await?;
        for _ in 0..4 {
            self.update("id = 21", "j = JSON_SET(j, '$.list[99]', REPEAT('y', 5000))", vec![])
                .await?;
        }
        self.update("id = 21", "j = JSON_REMOVE(j, '$.list[0]')", vec![]).await
    }

    async fn dice(&mut self, rng: &mut StdRng) -> Result<()> {
        for _ in 0..DICE {
            let id = rng.random_range(DICE_ROWS);
            let newest = self.expected.range((id, 0)..(id + 1, 0)).next_back();
            let (_, (shown, _)) = newest.context("a row that is not there")?;
            let [j, _, k, _] = shown.clone();
            let (mut sets, mut values) = (Vec::new(), Vec::new());
            for (column, text) in [("j", j), ("k", k)] {
                if column == "k" && rng.random_ratio(1, 2) {
                    continue;
                }
                let document: Value = serde_json::from_str(&text.context("a document")?)?;
                let mut expression = column.to_owned();
                if rng.random_ratio(1, 10) || document.to_string().len() > 20_000 {
                    // Whole, and small again.
                    expression = "?".to_owned();
                    values.push(self::document().to_string());
                } else {
                    for _ in 0..rng.random_range(1..5) {
                        expression = changed(rng, &document, &expression, &mut values);
                    }
                }
                sets.push(format!("{column} = {expression}"));
            }
            self.update(&format!("id = {id}"), &sets.join(", "), values).await?;
        }
        Ok(())
    }

    /// The events of all binlogs: their types and bytes.
    async fn events(&mut self) -> Result<Vec<(String, usize)>> {
        let mut events = Vec::new();
        let files: Vec<Row> = self.conn.query("SHOW BINARY LOGS").await?;
        for file in files {
            let file: String = file.get(0).context("a log without a name")?;
            let rows: Vec<Row> = self.conn.query(format!("SHOW BINLOG EVENTS IN '{file}'")).await?;
            for row in rows {
                let number = |at| row.get::<usize, usize>(at).context("an event without its place");
                let kind = row.get(2).context("an event without a type")?;
                events.push((kind, number(4)? - number(1)?));
            }
        }
        Ok(events)
    }

    async fn partial_events(&mut self) -> Result<usize> {
        let events = self.events().await?;
        let partial = events.iter().filter(|(kind, _)| kind == "Update_rows_partial").count();
        say(format!("{partial} partial updates of {} events", events.len()));
        Ok(partial)
    }

    async fn last_event_bytes(&mut self) -> Result<usize> {
        let events = self.events().await?;
        let last = events.iter().rfind(|(kind, _)| kind == "Update_rows_partial");
        last.map(|(_, bytes)| *bytes).context("no partial update")
    }

    /// Every version of every row has come out once, and as the server has shown it.
    fn compare(mut self, job: &Job) -> Result<()> {
        let mut seen = BTreeMap::new();
        for record in Changelog::of(job)?.lines {
            if table_of(&record) != "docs" {
                continue;
            }
            if let Some((version, shown)) = row(&record, "before")? {
                let (was, _) = self.expected.get(&version).context("before that never was")?;
                same(version, "before", was, &shown)?;
            }
            if let Some((version, shown)) = row(&record, "after")?
                && seen.insert(version, shown).is_some()
            {
                bail!("{version:?} came twice");
            }
        }
        say(format!("{} versions of rows", seen.len()));
        for (version, shown) in seen {
            let Some((expected, how)) = self.expected.remove(&version) else {
                bail!("{version:?} never was");
            };
            same(version, &how, &expected, &shown)?;
        }
        ensure!(self.expected.is_empty(), "missing: {:?}", self.expected.keys());
        Ok(())
    }
}

fn row(record: &Value, image: &str) -> Result<Option<(Version, Shown)>> {
    let row = record.get(image).context("a record without its images")?;
    if row.is_null() {
        return Ok(None);
    }
    let number = |name: &str| row.get(name).and_then(Value::as_i64).context("no number");
    let shown = ["j", "g", "k", "s"]
        .map(|name| row.get(name).and_then(Value::as_str).map(ToOwned::to_owned));
    Ok(Some(((number("id")?, number("n")?), shown)))
}

fn same(version: Version, how: &str, expected: &Shown, shown: &Shown) -> Result<()> {
    for ((column, server), ours) in ["j", "g", "k", "s"].iter().zip(expected).zip(shown) {
        ensure!(
            server == ours,
            "{version:?} `{column}` by {how}:\nthe server {server:?}\nwe         {ours:?}"
        );
    }
    Ok(())
}

fn document() -> Value {
    json!({
        "a": 1, "b": [1, [2, {"c": [3, null]}], "x"], "": "empty", "蔡": {"😀": "三"}, "q\"uo\\te": [true],
        "pad": "p".repeat(400), "list": [{"x": 1}, {"x": 2}, 65_536, 2.5, -1e100],
        "dots.and[0]": {"$": 1, "k": "v"}
    })
}

/// What is set in one row with an object in `j`, and in one with an array.
const TOLD: [&str; 40] = [
    "j = JSON_SET(j, '$.a', 2)",
    "j = JSON_SET(j, '$.a', 2)",
    "j = JSON_SET(j, '$.a', 70000, '$.b[1][1].c[0]', 'deep', '$.new', NULL)",
    "j = JSON_REPLACE(j, '$.a', 18446744073709551615, '$.nowhere', 1, '$.b[1]', -9223372036854775808)",
    "j = JSON_SET(j, '$.b[0]', JSON_ARRAY(), '$.b[99]', 'appended')",
    "j = JSON_SET(j, '$.b[last]', 'the last', '$.b[last-1]', 'before', '$.b[last-9]', 'in front')",
    "j = JSON_SET(j, '$[0]', 'at the root', '$[99]', JSON_OBJECT('at', 'the end'))",
    "j = JSON_SET(j, '$[last]', 1, '$[last-1]', JSON_ARRAY(1, 2))",
    "j = JSON_SET(j, '$[last-20]', 'far in front')",
    "j = JSON_REMOVE(j, '$.b[0]', '$.b[last]')",
    "j = JSON_REMOVE(j, '$[last]')",
    "j = JSON_REMOVE(j, '$[0]')",
    "j = JSON_SET(j, '$.a[1]', 'wrapped')",
    "j = JSON_SET(j, '$.a[last-3]', 'wrapped too', '$.a[0]', 0)",
    "j = JSON_SET(j, '$.\"q\\\\\"uo\\\\\\\\te\"[0]', false, '$.\"q\\\\\"uo\\\\\\\\te\"[1]', 'tab\\there')",
    "j = JSON_SET(j, '$.\"dots.and[0]\".k', 'w', '$.\"dots.and[0]\".\"$.k\"', 'path')",
    "j = JSON_SET(j, '$.\"\"', 'no name', '$.\" \"', 'a space', '$.\"\\\\u0001\"', 'control')",
    "j = JSON_SET(j, '$.\"蔡\".\"😀\"', 'four', '$.\"蔡\".\"é\"', 'é', '$.\"日本\"', JSON_ARRAY('語'))",
    "j = JSON_SET(j, '$.\"\u{15f}x\"', 1, '$.\"a*b\"', 2, '$._\\$1', 3)",
    "j = JSON_REMOVE(j, '$.\"蔡\"', '$.\"q\\\\\"uo\\\\\\\\te\"')",
    "j = JSON_SET(j, '$.dec', CAST('-123456789.012345' AS DECIMAL(20, 6)), '$.date', DATE '2020-02-29')",
    "j = JSON_SET(j, '$.time', TIME '-838:59:59', '$.at', TIMESTAMP '2020-01-02 03:04:05.000006')",
    "j = JSON_SET(j, '$.bytes', x'00ff', '$.bit', b'101', '$.double', 1.5e-300, '$.one', 1e0)",
    "j = JSON_SET(j, '$.at', CAST(JSON_EXTRACT(j, '$.dec') AS JSON), '$.dec', true)",
    "j = JSON_SET(j, '$.list[2]', CAST('{\"z\": {\"y\": [1, {}]}, \"long key\": []}' AS JSON))",
    "j = JSON_SET(j, '$.list[2].z.y[1].w', 'into what was put in', '$.list[2].z.y[0]', 2)",
    "j = JSON_REMOVE(JSON_SET(JSON_REPLACE(j, '$.a', 5), '$.b[2]', 6), '$.list[1]')",
    "j = JSON_SET(JSON_REMOVE(j, '$.b'), '$.b', JSON_ARRAY('new'))",
    "j = JSON_SET(j, '$.x.y', 'nothing to be set in')",
    "j = JSON_ARRAY_INSERT(j, '$.b[0]', 'whole')",
    "j = JSON_SET(j, '$', CAST('{\"a\": \"a new root, longer than the path to it\"}' AS JSON))",
    "j = JSON_SET(j, '$.a', 'once more', '$.pad', REPEAT('p', 300))",
    "j = JSON_SET(j, '$.z', REPEAT('z', 200), '$.y', REPEAT('y', 300))",
    "j = JSON_REMOVE(j, '$.z')",
    "j = JSON_SET(j, '$.a', JSON_OBJECT()), k = JSON_SET(k, '$.name', 'both')",
    "j = JSON_SET(j, '$.a.b', 1), k = '{\"list\": [5], \"whole\": \"and long enough for differences\"}'",
    "t = 'no document', k = JSON_SET(k, '$.list[0]', 6)",
    "k = JSON_REMOVE(k, '$.list[0]')",
    "j = JSON_SET(k, '$.other', 'of the other column')",
    "t = 'none at all'",
];

/// `expression` with one more change of what `document` once was, somewhere in it.
fn changed(
    rng: &mut StdRng,
    document: &Value,
    expression: &str,
    values: &mut Vec<String>,
) -> String {
    let path = path(rng, document);
    let functions = ["JSON_SET", "JSON_SET", "JSON_REPLACE", "JSON_REMOVE"];
    let function = functions.choose(rng).copied().unwrap_or("JSON_SET");
    values.push(path.clone());
    if function == "JSON_REMOVE" {
        // The root cannot be removed.
        if path == "$" {
            values.pop();
            return expression.to_owned();
        }
        return format!("{function}({expression}, ?)");
    }
    values.push(value(rng, 3).to_string());
    format!("{function}({expression}, ?, CAST(? AS JSON))")
}

/// A path to something in `document`, or to where it has nothing.
fn path(rng: &mut StdRng, document: &Value) -> String {
    let mut path = "$".to_owned();
    let mut at = document;
    while !rng.random_ratio(1, 5) {
        if let Value::Array(items) = at {
            let index = rng.random_range(0..=items.len() + 1);
            if rng.random_ratio(1, 3) {
                path += &format!("[last-{index}]");
                let back = (items.len()).checked_sub(index + 1);
                at = back.and_then(|at| items.get(at)).unwrap_or(&Value::Null);
            } else {
                path += &format!("[{index}]");
                at = items.get(index).unwrap_or(&Value::Null);
            }
        } else if let Value::Object(members) = at
            && !members.is_empty()
            && !rng.random_ratio(1, 6)
        {
            let (key, value) =
                members.iter().nth(rng.random_range(0..members.len())).unwrap_or((&path, at));
            path = format!("{path}.{}", json!(key));
            at = value;
        } else {
            path = format!("{path}.{}", json!(key(rng)));
            break;
        }
    }
    path
}

fn key(rng: &mut StdRng) -> String {
    let parts = ["a", "b", "é", "\"", "\\", " ", "蔡", "😀", ".", "[", "last", "\u{1}", "$", "*"];
    (0..rng.random_range(0..5)).filter_map(|_| parts.choose(rng).copied()).collect()
}

fn value(rng: &mut StdRng, depth: usize) -> Value {
    match rng.random_range(0..if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i16>()),
        3 => json!(rng.random::<i32>()),
        4 => json!(rng.random::<u64>()),
        5 => json!(rng.random::<i32>() as f64 / 7.0),
        6 => json!(key(rng).repeat(rng.random_range(1..40))),
        7 => (0..rng.random_range(0..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => Value::Object(
            (0..rng.random_range(0..4)).map(|_| (key(rng), value(rng, depth - 1))).collect(),
        ),
    }
}

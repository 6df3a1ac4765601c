//! `debezium-json` says what Debezium's own engine says of the type matrix, but for what
//! `tests/compat/differences.json` lists, each with its reason. What Debezium says was recorded by
//! `tests/compat/debezium.py` into `tests/compat/golden/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use serde_json::{Value, json};
use tests::chain::ends_with_text;
use tests::changelog::Changelog;
use tests::matrix::{Cell, Table};
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};

const DB: &str = "d";
const PATIENCE: Duration = Duration::from_secs(60);
/// As in `debezium.py`: rows of the stream stand this far above those of the snapshot.
const STREAMED: usize = 1000;
/// As in `debezium.py`: longer values are kept as their length and a checksum.
const KEPT_MAX: usize = 400;
/// As in `debezium.py`: another value in every run, so the type is kept.
const VOLATILE: [&str; 9] =
    ["file", "gtid", "pos", "server_id", "thread", "ts_ms", "ts_ns", "ts_us", "version"];
/// In place of a field that one side does not have.
const ABSENT: &str = "absent";

/// What differs: the place, what Debezium says, what Seachange says. A place is a declaration and
/// an SQL expression, or a field of the record.
type Difference = (Vec<String>, String, String);

#[tokio::test(flavor = "multi_thread")]
async fn debezium_json_is_debeziums_but_for_the_differences_that_are_listed() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid, Kind::MariaDb], &[], run).await
}

async fn run(server: &mut Server) -> Result<()> {
    let software = server.kind.software();
    let golden = read_json(&format!("golden/{software}.json"))?;
    let tables = tables(server.kind, &golden)?;
    let records = records(server, &tables).await?;

    let mut differences = BTreeSet::new();
    let values = compare_values(&golden, &tables, &records, &mut differences)?;
    compare_envelopes(&golden, &records, &mut differences)?;
    say(format!("{values} values; {} differences", differences.len()));

    let listed = listed(software)?;
    let new: Vec<String> = differences.difference(&listed).map(shown).collect();
    let gone: Vec<String> = listed.difference(&differences).map(shown).collect();
    ensure!(
        new.is_empty() && gone.is_empty(),
        "{} differences from Debezium that differences.json does not list:\n{}\n\
         {} that it lists and that do not occur:\n{}",
        new.len(),
        new.join("\n"),
        gone.len(),
        gone.join("\n"),
    );
    Ok(())
}

/// As it would stand in `differences.json`.
fn shown((place, debezium, seachange): &Difference) -> String {
    let parse = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let mut fields: Vec<Value> = place.iter().map(|name| Value::from(name.as_str())).collect();
    fields.extend([parse(debezium), parse(seachange)]);
    Value::from(fields).to_string()
}

fn read_json(name: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat").join(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// The differences that are meant, of one server.
fn listed(software: &str) -> Result<BTreeSet<Difference>> {
    let mut listed = BTreeSet::new();
    for class in array(&read_json("differences.json")?)? {
        ensure!(!text(at(class, "/reason"))?.is_empty(), "a class without a reason");
        if !array(at(class, "/servers"))?.contains(&Value::from(software)) {
            continue;
        }
        for one in array(at(class, "/differences"))? {
            let (seachange, rest) = array(one)?.split_last().context("an empty difference")?;
            let (debezium, place) = rest.split_last().context("a difference of one field")?;
            let place =
                place.iter().map(|name| Ok(text(name)?.to_owned())).collect::<Result<_>>()?;
            let new = listed.insert((place, debezium.to_string(), seachange.to_string()));
            ensure!(new, "listed twice: {one}");
        }
    }
    Ok(listed)
}

/// The tables of the matrix, which must be those that Debezium has been shown.
fn tables(kind: Kind, golden: &Value) -> Result<Vec<Table>> {
    let mut tables = Table::all(kind)?;
    let mut shown: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (declaration, cells) in object(at(golden, "/values"))? {
        shown.extend(object(cells)?.keys().map(|value| (declaration.as_str(), value.as_str())));
    }
    for table in &mut tables {
        if shown.contains(&(table.declaration.as_str(), "NULL")) {
            table.cells.push(Cell { line: 0, value: "NULL".to_owned(), expected: None });
        }
    }
    let ours: BTreeSet<(&str, &str)> = tables
        .iter()
        .flat_map(|table| {
            table.cells.iter().map(|c| (table.declaration.as_str(), c.value.as_str()))
        })
        .collect();
    let changed: Vec<_> = ours.symmetric_difference(&shown).take(5).collect();
    ensure!(changed.is_empty(), "the matrix has changed: run compat/debezium.py: {changed:?}");
    Ok(tables)
}

/// What the job writes when the server is led through what `debezium.py` does.
async fn records(server: &Server, tables: &[Table]) -> Result<Vec<Value>> {
    let mut conn = server.conn().await?;
    conn.query_drop("SET time_zone = '+00:00', sql_mode = ''").await?;
    conn.query_drop(format!("CREATE DATABASE {DB} DEFAULT CHARACTER SET utf8mb4")).await?;
    for table in tables {
        conn.query_drop(table.create(DB)).await.with_context(|| table.declaration.clone())?;
    }
    let insert = |above: usize| {
        tables.iter().flat_map(move |table| {
            let cells = table.cells.iter().zip(above + 1..);
            cells.map(move |(cell, id)| table.insert(DB, id, &cell.value))
        })
    };
    let delete =
        tables.iter().map(|t| format!("DELETE FROM {DB}.{} WHERE id > {STREAMED}", t.name));
    let before = insert(0).chain(
        [
            "CREATE TABLE d.envelope (id INT PRIMARY KEY, v VARCHAR(10))",
            "INSERT INTO d.envelope VALUES (1, 'a'), (2, 'b')",
        ]
        .map(str::to_owned),
    );
    let after = insert(STREAMED).chain(delete).chain(
        [
            "INSERT INTO d.envelope VALUES (3, 'c'), (4, 'd')",
            "UPDATE d.envelope SET v = 'e' WHERE id = 1",
            "UPDATE d.envelope SET id = 20 WHERE id = 2",
            "DELETE FROM d.envelope WHERE id >= 3",
        ]
        .map(str::to_owned),
    );
    for statement in before {
        conn.query_drop(&statement).await.with_context(|| statement)?;
    }
    let mut job = Job::new("compat")?;
    job.script(&Script::new("compat", server, DB, ".*").file(&job.out()))?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    for statement in after {
        conn.query_drop(&statement).await.with_context(|| statement)?;
    }
    let last = "\"before\":{\"id\":4,\"v\":\"d\"}";
    job.wait_for("the last change", PATIENCE, |job| ends_with_text(&job.out(), last)).await?;
    job.sigterm().await?;

    Ok(Changelog::of(&job)?.lines)
}

/// Compares every value of the matrix, by read, insert and delete; returns how many there are.
fn compare_values(
    golden: &Value,
    tables: &[Table],
    records: &[Value],
    differences: &mut BTreeSet<Difference>,
) -> Result<usize> {
    let mut said: BTreeMap<(&str, u64, &str), Value> = BTreeMap::new();
    for record in records.iter().filter(|record| at(record, "/op").is_string()) {
        let row = if at(record, "/after").is_null() {
            at(record, "/before")
        } else {
            at(record, "/after")
        };
        let key =
            (text(at(record, "/source/table"))?, number(at(row, "/id"))?, text(at(record, "/op"))?);
        said.insert(key, kept(row.get("v").unwrap_or(&json!("no such field"))));
    }
    let mut values = 0;
    for table in tables {
        for (cell, id) in table.cells.iter().zip(1..) {
            let key = |id, op| said.get(&(table.name.as_str(), id, op)).cloned();
            let streamed = id + u64::try_from(STREAMED)?;
            let three = [key(id, "r"), key(streamed, "c"), key(streamed, "d")]
                .map(|value| value.unwrap_or(json!("no record")));
            let [read, insert, delete] = &three;
            let ours =
                if read == insert && insert == delete { json!([read]) } else { json!(three) };
            let theirs =
                golden.get("values").and_then(|v| v.get(&table.declaration)?.get(&cell.value));
            let theirs = theirs.unwrap_or(&Value::Null).to_string();
            values += 1;
            let ours = ours.to_string();
            if ours != theirs {
                let place = vec![table.declaration.clone(), cell.value.clone()];
                differences.insert((place, theirs, ours));
            }
        }
    }
    Ok(values)
}

/// A long value as the length and the CRC-32 of its JSON.
fn kept(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= KEPT_MAX {
        return value.clone();
    }
    json!({ "bytes": text.len(), "crc32": crc32fast::hash(text.as_bytes()) })
}

/// Compares the records of one table whole, field by field.
fn compare_envelopes(
    golden: &Value,
    records: &[Value],
    differences: &mut BTreeSet<Difference>,
) -> Result<()> {
    let ours: Vec<&Value> = records
        .iter()
        .filter(|record| at(record, "/source/table") == "envelope" && at(record, "/op").is_string())
        .collect();
    let theirs = array(at(golden, "/envelope"))?;
    ensure!(ours.len() == theirs.len(), "{} records, not {}", ours.len(), theirs.len());
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        let (ours, theirs) = (fields(&still(ours))?, fields(theirs)?);
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let absent = json!(ABSENT).to_string();
        for name in names {
            let of =
                |fields: &BTreeMap<String, String>| fields.get(name).unwrap_or(&absent).clone();
            if of(&ours) != of(&theirs) {
                differences.insert((vec![name.clone()], of(&theirs), of(&ours)));
            }
        }
    }
    Ok(())
}

/// `node` with the types of what is volatile in it.
fn still(node: &Value) -> Value {
    let Some(inner) = node.as_object() else { return node.clone() };
    let fields = inner.iter().map(|(name, value)| {
        let kind = [(value.is_number(), "number"), (value.is_string(), "string")];
        let kind = kind.into_iter().find_map(|(is, kind)| is.then_some(kind)).unwrap_or("null");
        let volatile = VOLATILE.contains(&name.as_str());
        let value = if volatile { json!(kind) } else { still(value) };
        (name.clone(), value)
    });
    Value::Object(fields.collect())
}

/// The fields of a record and of its `source`, as JSON text.
fn fields(record: &Value) -> Result<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for (prefix, of) in [("", record), ("source.", at(record, "/source"))] {
        for (name, value) in object(of)?.iter().filter(|(name, _)| *name != "source") {
            fields.insert(format!("{prefix}{name}"), value.to_string());
        }
    }
    Ok(fields)
}

/// Null where there is no such place.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("no number: {value}"))
}

fn array(value: &Value) -> Result<&[Value]> {
    value.as_array().map(Vec::as_slice).with_context(|| format!("no array: {value}"))
}

fn object(value: &Value) -> Result<&serde_json::Map<String, Value>> {
    value.as_object().with_context(|| format!("no object: {value}"))
}

//! The auditor of `exact-changelog`: reads what the file sink wrote, in order, and follows every key
//! of every table through its life.
//!
//! For a key, known by the exact bytes of its values: the first change is a read or an insert; the
//! `before` of an update or delete is the row as last seen; after a delete comes nothing but an
//! insert; a key is read at most once and never when it has been seen before. A `DROP TABLE`, the
//! source's own or the one that says that the table starts over, ends every life in the table. At the
//! end what is alive must be what the source holds.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::Conn;
use serde_json::Value;

use crate::render::Columns;

#[cfg(test)]
mod tests;

/// How many violations a report shows; the rest is counted.
const SHOWN_MAX: usize = 10;

/// A row's fingerprint: two 64-bit hashes of its JSON text.
type Fingerprint = (u64, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Alive(Fingerprint),
    Deleted,
}

#[derive(Debug, Default)]
struct Table {
    key: Vec<String>,
    keys: HashMap<Box<str>, Life>,
}

/// How many changes of each kind there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub read: u64,
    pub insert: u64,
    pub update: u64,
    pub delete: u64,
}

impl Counts {
    pub fn streamed(&self) -> u64 {
        self.insert + self.update + self.delete
    }
}

#[derive(Debug, Default)]
pub struct Auditor {
    tables: HashMap<String, Table>,
    counts: Counts,
    /// Bytes of the changelog up to and with the last read.
    last_read: u64,
    bytes: u64,
    lines: u64,
    schema_changes: u64,
    shown: Vec<String>,
    violations: u64,
}

impl Auditor {
    /// An auditor that knows no table yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows `table` (`db.table`) by the values of its `key` columns.
    pub fn table(&mut self, table: &str, key: &[&str]) {
        let key = key.iter().map(ToString::to_string).collect();
        self.tables.insert(table.to_owned(), Table { key, keys: HashMap::new() });
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of the changelog up to and with the last snapshot row: where the snapshot ended.
    pub fn snapshot_bytes(&self) -> u64 {
        self.last_read
    }

    pub fn schema_changes(&self) -> u64 {
        self.schema_changes
    }

    /// How many rows of a table are alive.
    pub fn alive(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, |table| {
            table.keys.values().filter(|life| matches!(life, Life::Alive(_))).count()
        })
    }

    /// Reads the parts of a file sink's directory in name order.
    pub fn read_dir(&mut self, dir: &Path) -> Result<()> {
        for path in parts(dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut file = BufReader::with_capacity(1 << 20, File::open(&path)?);
            let mut text = String::new();
            for number in 1u64.. {
                text.clear();
                if file.read_line(&mut text)? == 0 {
                    break;
                }
                let place = Place { part: &name, line: number };
                if text.ends_with('\n') {
                    self.line(&place, &text);
                } else {
                    self.violation(&place, "", "a line without an end: torn");
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, place: &Place<'_>, text: &str) {
        self.lines += 1;
        self.bytes += text.len() as u64;
        if let Err(error) = self.change(place, text) {
            self.violation(place, "", &format!("{error:#}"));
        }
    }

    fn change(&mut self, place: &Place<'_>, text: &str) -> Result<()> {
        let change: Value = serde_json::from_str(text).context("not JSON")?;
        let at = |name: &str| change.pointer(name).filter(|value| !value.is_null());
        let db = at("/source/db").and_then(Value::as_str).context("no source.db")?;
        let name = at("/source/table").and_then(Value::as_str).context("no source.table")?;
        if at("/ddl").is_some_and(Value::is_string) && at("/op").is_none() {
            self.schema_changes += 1;
            let ddl = at("/ddl").and_then(Value::as_str).unwrap_or_default();
            let dropped = at("/dropped") == Some(&Value::Bool(true));
            if let Some(table) = self.tables.get_mut(&format!("{db}.{name}"))
                && dropped
                && ddl.starts_with("DROP TABLE")
            {
                table.keys.clear();
            }
            return Ok(());
        }
        let op = at("/op").and_then(Value::as_str).context("no op")?;
        let full_name = format!("{db}.{name}");
        let Some(table) = self.tables.get_mut(&full_name) else {
            bail!("a change of `{full_name}`, which nobody asked for");
        };
        let (before, after) = (at("/before"), at("/after"));
        let (image, kind) = match (op, before, after) {
            ("r", None, Some(row)) => (row, &mut self.counts.read),
            ("c", None, Some(row)) => (row, &mut self.counts.insert),
            ("u", Some(_), Some(row)) => (row, &mut self.counts.update),
            ("d", Some(row), None) => (row, &mut self.counts.delete),
            _ => bail!("op `{op}` with the wrong images"),
        };
        *kind += 1;
        if op == "r" {
            self.last_read = self.bytes;
        }
        let key = key_of(&table.key, image)?;
        if let ("u", Some(before)) = (op, before)
            && key_of(&table.key, before)? != key
        {
            bail!("{full_name} {key}: an update that changes the key");
        }
        let last = table.keys.get(key.as_str()).copied();
        let wrong = judge(op, before.map(fingerprint), last);
        let now = if op == "d" { Life::Deleted } else { Life::Alive(fingerprint(image)) };
        table.keys.insert(key.clone().into_boxed_str(), now);
        if let Some(wrong) = wrong {
            self.violation(place, &format!("{full_name} {key}"), wrong);
        }
        Ok(())
    }

    /// Leaves a table out of the comparison with the source.
    pub fn set_aside(&mut self, table: &str) {
        self.tables.remove(table);
    }

    /// Compares what is alive in the changelog with the rows of the source, for every table.
    pub async fn compare(&mut self, conn: &mut Conn) -> Result<()> {
        let names: Vec<String> = self.tables.keys().cloned().collect();
        for name in names {
            let (db, table) = name.split_once('.').context("a table without a database")?;
            let columns = Columns::of(conn, db, table).await?;
            let mut rows = Vec::new();
            columns
                .for_each_row(conn, |row| {
                    rows.push((key_of(&columns.key, &row)?, fingerprint(&row)));
                    Ok(())
                })
                .await?;
            self.compare_table(&name, rows);
        }
        Ok(())
    }

    fn compare_table(&mut self, name: &str, rows: Vec<(String, Fingerprint)>) {
        let place = Place { part: "at the end", line: 0 };
        let in_source = rows.len();
        let mut wrong = Vec::new();
        let Some(table) = self.tables.get_mut(name) else { return };
        for (key, row) in rows {
            match table.keys.remove(key.as_str()) {
                Some(Life::Alive(last)) if last == row => {}
                Some(Life::Alive(_)) => wrong.push((key, "the source holds another row")),
                Some(Life::Deleted) => wrong.push((key, "deleted here, alive in the source")),
                None => wrong.push((key, "missing: the source holds it")),
            }
        }
        for (key, life) in table.keys.drain() {
            if life != Life::Deleted {
                wrong.push((key.into_string(), "alive here, gone from the source"));
            }
        }
        wrong.sort();
        for (key, what) in wrong {
            let subject = format!("{name} {key} ({in_source} rows in the source)");
            self.violation(&place, &subject, what);
        }
    }

    fn violation(&mut self, place: &Place<'_>, subject: &str, what: &str) {
        self.violations += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(format!("{}:{}: {subject}: {what}", place.part, place.line));
        }
    }

    /// The verdict.
    ///
    /// # Errors
    /// The changelog is not exact; the first violations with their places.
    pub fn verdict(&self) -> Result<()> {
        ensure!(
            self.violations == 0,
            "the changelog is not exact: {} violations in {} lines, the first:\n  {}",
            self.violations,
            self.lines,
            self.shown.join("\n  ")
        );
        Ok(())
    }
}

struct Place<'a> {
    part: &'a str,
    line: u64,
}

/// What is wrong with a change, given the key's life so far.
fn judge(op: &str, before: Option<Fingerprint>, last: Option<Life>) -> Option<&'static str> {
    match (op, last) {
        ("r" | "c", None) | ("c", Some(Life::Deleted)) => None,
        ("r", Some(Life::Alive(_))) => Some("read, though it had been seen before"),
        ("r", Some(Life::Deleted)) => Some("read after its delete"),
        ("c", Some(Life::Alive(_))) => Some("inserted while alive"),
        (_, None) => Some("its first change is neither a read nor an insert"),
        (_, Some(Life::Deleted)) => Some("changed after its delete"),
        (_, Some(Life::Alive(row))) => {
            (before != Some(row)).then_some("its `before` is not the row last seen")
        }
    }
}

fn key_of(columns: &[String], row: &Value) -> Result<String> {
    let mut key = Vec::with_capacity(columns.len());
    for column in columns {
        key.push(row.get(column).with_context(|| format!("no key column `{column}`"))?);
    }
    Ok(serde_json::to_string(&key)?)
}

/// Of the row's JSON text; objects print their fields sorted by name.
fn fingerprint(row: &Value) -> Fingerprint {
    let text = row.to_string();
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &text).hash(&mut hasher);
        hasher.finish()
    };
    (hash(0), hash(1))
}

/// Bytes that a file sink has written; 0 before it has begun.
pub fn written(dir: &Path) -> u64 {
    let parts = parts(dir).unwrap_or_default();
    parts.iter().filter_map(|part| part.metadata().ok()).map(|file| file.len()).sum()
}

/// Whether the last few changes that a file sink has written hold `text`.
pub fn ends_with_text(dir: &Path, text: &str) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    const TAIL_BYTES: u64 = 256 * 1024;
    let read = || -> Result<bool> {
        let path = parts(dir)?.pop().context("no part")?;
        let mut file = File::open(path)?;
        let from = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(String::from_utf8_lossy(&tail).contains(text))
    };
    read().unwrap_or(false)
}

/// The parts that a file sink has written, in the order of the changelog.
pub fn parts(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("no {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("part-") && name.ends_with(".jsonl") {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

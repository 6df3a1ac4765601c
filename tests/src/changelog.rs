//! The changelog as a file sink wrote it, line by line: for tests that ask where a record stands
//! among the others, and not only whether all of them are exact.

use std::fs;
use std::io::Write;
use std::slice::SliceIndex;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::chain::{Auditor, parts};
use crate::{Job, Server, say};

/// Changes of each kind that a stream must have seen to count as one under load.
pub(crate) const CHANGES_MIN: u64 = 20;

/// All that the file sink of a job has written so far; of a line under way, its beginning.
pub fn text(job: &Job) -> String {
    let parts = parts(&job.out()).unwrap_or_default();
    parts.into_iter().filter_map(|part| fs::read_to_string(part).ok()).collect()
}

/// Table of a record, without its database.
pub fn table_of(line: &Value) -> &str {
    line.pointer("/source/table").and_then(Value::as_str).unwrap_or_default()
}

/// Statement of a schema change; `None` for a change of a row.
pub fn ddl_of(line: &Value) -> Option<&str> {
    line.get("ddl").and_then(Value::as_str)
}

/// Kind of a change of a row: `r`, `c`, `u` or `d`; `None` for a schema change.
pub fn op_of(line: &Value) -> Option<&str> {
    line.get("op").and_then(Value::as_str)
}

/// Records in the order of the changelog. Tables are named without their database.
#[derive(Debug)]
pub struct Changelog {
    pub lines: Vec<Value>,
}

impl Changelog {
    /// # Errors
    /// Nothing is written, or a line is no JSON: torn, perhaps.
    pub fn of(job: &Job) -> Result<Self> {
        let mut lines = Vec::new();
        for part in parts(&job.out())? {
            for line in fs::read_to_string(part)?.lines() {
                lines.push(serde_json::from_str(line).with_context(|| format!("JSON: {line}"))?);
            }
        }
        Ok(Self { lines })
    }

    /// Place of the first record of a statement on `table` that holds `words`.
    pub fn ddl(&self, table: &str, words: &str) -> Result<usize> {
        let told = |line: &Value| {
            table_of(line) == table && ddl_of(line).is_some_and(|sql| sql.contains(words))
        };
        self.lines.iter().position(told).with_context(|| format!("no {words} of {table}"))
    }

    /// The changes of a table; `op`: of one kind, or of every kind where it is empty.
    pub fn changes(
        &self,
        table: &str,
        op: &str,
        range: impl SliceIndex<[Value], Output = [Value]>,
    ) -> Vec<&Value> {
        let wanted = |line: &&Value| {
            table_of(line) == table && op_of(line).is_some_and(|this| op.is_empty() || this == op)
        };
        self.lines.get(range).unwrap_or_default().iter().filter(wanted).collect()
    }

    /// Gives the lines to an auditor, as a file sink would have written them.
    pub fn tell(&self, auditor: &mut Auditor) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut part = std::io::BufWriter::new(fs::File::create(dir.path().join("part-1.jsonl"))?);
        for line in &self.lines {
            writeln!(part, "{line}")?;
        }
        part.into_inner()?;
        auditor.read_dir(dir.path())
    }

    /// Exact, of no other table of `d`, and at the end what the source holds; `tables` with their
    /// keys, beside the marks of a [`crate::Scene`].
    pub async fn audit(&self, server: &Server, tables: &[(&str, &[&str])]) -> Result<()> {
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
        ensure!(least >= CHANGES_MIN, "the writers hardly met the stream: {counts:?}");
        Ok(())
    }
}

//! The type matrix, `tests/types/matrix.tsv`: declarations and values as data, and the tables that
//! are made of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::Kind;

/// What a column of a [`Table`] is given.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Of the file; 0 for a NULL that no line asks for.
    pub line: usize,
    /// An SQL expression; empty where the row does not name the column.
    pub value: String,
    /// JSON.
    pub expected: Option<String>,
}

/// One declaration and its values. Value `n` (from 1) stands in row `n`.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub declaration: String,
    pub cells: Vec<Cell>,
}

impl Table {
    /// The tables of `kind`'s software.
    pub fn all(kind: Kind) -> Result<Vec<Self>> {
        let text = include_str!("../types/matrix.tsv");
        let mut tables: Vec<Self> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (line, text) in text.lines().enumerate().map(|(n, text)| (n + 1, text)) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let mut fields = text.split('\t');
            let mut field = || fields.next().unwrap_or("");
            let (declaration, value, servers, expected) = (field(), field(), field(), field());
            if !servers.is_empty() && !servers.split(',').any(|one| one == kind.software()) {
                continue;
            }
            let expected = (!expected.is_empty()).then(|| expected.to_owned());
            let at = *known.entry(declaration).or_insert(tables.len());
            if at == tables.len() {
                let name = format!("t{line:03}");
                tables.push(Self { name, declaration: declaration.to_owned(), cells: Vec::new() });
            }
            let table = tables.get_mut(at).context("a table that was just made")?;
            table.cells.push(Cell { line, value: value.to_owned(), expected });
        }
        Ok(tables)
    }

    pub fn create(&self, db: &str) -> String {
        format!(
            "CREATE TABLE {db}.{} (id INT PRIMARY KEY, k INT NOT NULL DEFAULT 7, v {})",
            self.name, self.declaration
        )
    }

    pub fn insert(&self, db: &str, id: usize, value: &str) -> String {
        let name = &self.name;
        if value.is_empty() {
            format!("INSERT INTO {db}.{name} (id) VALUES ({id})")
        } else {
            format!("INSERT INTO {db}.{name} (id, v) VALUES ({id}, {value})")
        }
    }
}

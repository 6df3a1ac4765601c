//! Is what the target shows what the source holds? Both are read in full; each row counts, also one that
//! is there twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};

use super::value::{Cell, of_source, of_target};
use super::{System, Warehouse};
use crate::render::Rendering;
use crate::{Server, say};

/// Differences that a message shows of each table, and of how much of a value.
const SHOWN_MAX: usize = 8;
const VALUE_SHOWN_MAX: usize = 60;
const RETRY_EVERY: Duration = Duration::from_millis(300);

/// A table of the source and the one that it went to, as `db.table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub source: String,
    pub target: String,
}

impl Pair {
    pub fn new(source: &str, target: &str) -> Self {
        Self { source: source.to_owned(), target: target.to_owned() }
    }

    /// Under the same name.
    pub fn same(name: &str) -> Self {
        Self::new(name, name)
    }
}

/// What was found, by table.
#[derive(Debug, Default)]
pub struct Comparison {
    tables: usize,
    rows: u64,
    differences: String,
}

/// A row, its key's columns first.
type RowCells = Vec<Cell>;

struct Columns {
    names: Vec<String>,
    renderings: Vec<Rendering>,
    /// How many of them are the key.
    key: usize,
}

impl Comparison {
    pub async fn of(server: &Server, warehouse: &Warehouse, pairs: &[Pair]) -> Result<Self> {
        let mut comparison = Self::default();
        let mut source = server.conn().await?;
        source.query_drop("SET time_zone = '+00:00'").await?;
        let mut target = warehouse.conn().await?;
        for pair in pairs {
            let of = || format!("comparing {} to {}", pair.target, pair.source);
            comparison
                .table(&mut source, &mut target, pair, warehouse.system)
                .await
                .with_context(of)?;
        }
        Ok(comparison)
    }

    /// Asks again until all is equal; what is committed may take a moment to show.
    ///
    /// # Errors
    /// The differences that are left after `limit`.
    pub async fn equal(
        server: &Server,
        warehouse: &Warehouse,
        pairs: &[Pair],
        limit: Duration,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let found = Self::of(server, warehouse, pairs).await;
            match &found {
                Ok(found) if found.differences.is_empty() => {
                    say(format!(
                        "{}: {} rows in {} tables are those of the source",
                        warehouse.system.name(),
                        found.rows,
                        found.tables
                    ));
                    return Ok(());
                }
                Ok(_) | Err(_) if begun.elapsed() < limit => {}
                Ok(_) | Err(_) => return found?.verdict(),
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// # Errors
    /// The differences.
    pub fn verdict(&self) -> Result<()> {
        let (tables, rows) = (self.tables, self.rows);
        ensure!(
            self.differences.is_empty(),
            "of {tables} tables with {rows} rows:{}",
            self.differences
        );
        Ok(())
    }

    async fn table(
        &mut self,
        source: &mut Conn,
        target: &mut Conn,
        pair: &Pair,
        system: System,
    ) -> Result<()> {
        let columns = Columns::of(source, &pair.source).await?;
        let mut counts: BTreeMap<RowCells, i64> = BTreeMap::new();
        let rows: Vec<Row> = source.query(columns.select_source(&pair.source)).await?;
        self.rows += rows.len() as u64;
        for row in rows {
            *counts
                .entry(columns.row(row, |how, text| of_source(system, how, text))?)
                .or_default() += 1;
        }
        let rows: Vec<Row> = target.query(columns.select_target(&pair.target)).await?;
        for row in rows {
            *counts.entry(columns.row(row, of_target)?).or_default() -= 1;
        }
        self.tables += 1;
        counts.retain(|_, count| *count != 0);
        if !counts.is_empty() {
            self.tell(pair, &columns, &counts);
        }
        Ok(())
    }

    fn tell(&mut self, pair: &Pair, columns: &Columns, counts: &BTreeMap<RowCells, i64>) {
        let sum = |sign: i64| counts.values().map(|n| (n * sign).max(0)).sum::<i64>();
        let _ = write!(
            self.differences,
            "\n{}: {} rows of {} are not there, {} are there that should not be; ({}):",
            pair.target,
            sum(1),
            pair.source,
            sum(-1),
            columns.names.join(", ")
        );
        for (row, count) in counts.iter().take(SHOWN_MAX) {
            let sign = if *count > 0 { "missing " } else { "too many" };
            let _ = write!(self.differences, "\n  {sign} {}x {}", count.abs(), columns.shown(row));
        }
        if counts.len() > SHOWN_MAX {
            let _ = write!(self.differences, "\n  and {} more", counts.len() - SHOWN_MAX);
        }
    }
}

impl Columns {
    /// Of a table of the source, from its catalogue.
    async fn of(conn: &mut Conn, table: &str) -> Result<Self> {
        let (db, table) = table.split_once('.').context("db.table")?;
        let rows: Vec<(String, String, String, String)> = conn
            .exec(
                "SELECT column_name, data_type, column_type, column_key \
                 FROM information_schema.columns WHERE table_schema = ? AND table_name = ? \
                 ORDER BY column_key <> 'PRI', ordinal_position",
                (db, table),
            )
            .await?;
        ensure!(!rows.is_empty(), "the source has no table {db}.{table}");
        let key = rows.iter().filter(|row| row.3 == "PRI").count();
        let renderings =
            rows.iter().map(|row| Rendering::of(&row.1, &row.2)).collect::<Result<_>>()?;
        Ok(Self { names: rows.into_iter().map(|row| row.0).collect(), renderings, key })
    }

    fn select_source(&self, table: &str) -> String {
        let quoted = self.names.iter().map(|name| format!("`{name}`"));
        let selected: Vec<String> =
            quoted.zip(&self.renderings).map(|(name, how)| how.expression(&name)).collect();
        format!("SELECT {} FROM {}", selected.join(", "), quoted_table(table))
    }

    fn select_target(&self, table: &str) -> String {
        let selected: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        format!("SELECT {} FROM {}", selected.join(", "), quoted_table(table))
    }

    fn row(&self, row: Row, read: impl Fn(Rendering, &[u8]) -> Result<Cell>) -> Result<RowCells> {
        let cells = self.names.iter().zip(&self.renderings).zip(row.unwrap());
        let cell = |((name, how), cell): ((&String, &Rendering), mysql_async::Value)| {
            // The text protocol: a value is bytes or NULL.
            let text: Option<Vec<u8>> = mysql_async::from_value_opt(cell)?;
            let read = text.map_or(Ok(None), |text| read(*how, &text));
            read.with_context(|| format!("column `{name}`"))
        };
        cells.map(cell).collect()
    }

    fn shown(&self, row: &RowCells) -> String {
        let mut text = String::new();
        for (at, cell) in row.iter().enumerate() {
            let edge = match at {
                0 => "",
                _ if at == self.key => " | ",
                _ => ", ",
            };
            let cell = cell.as_deref().unwrap_or("NULL");
            let cut: String = cell.chars().take(VALUE_SHOWN_MAX).collect();
            let _ = write!(text, "{edge}{}", cut.escape_debug());
        }
        text
    }
}

fn quoted_table(table: &str) -> String {
    let (db, table) = table.split_once('.').unwrap_or(("", table));
    format!("`{db}`.`{table}`")
}

//! Tables of other shapes: what a row costs where it is narrow, wide, of text, of documents.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use mysql_async::prelude::Queryable as _;
use tests::Server;

use crate::table::Line;
use crate::workload::{Source, Workload};
use crate::{snapshot, stream};

/// Rows of one INSERT, as `aux.seq` has them.
const ROWS_PER_INSERT: u64 = 1000;
/// Columns of the wide table.
const WIDE: usize = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Narrow,
    Sysbench,
    Wide,
    Documents,
}

impl Shape {
    const ALL: [Self; 4] = [Self::Narrow, Self::Sysbench, Self::Wide, Self::Documents];

    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Sysbench => "sysbench",
            Self::Wide => "wide",
            Self::Documents => "documents",
        }
    }

    /// As many as make some hundred megabytes of JSON. Starting weighs in all of them.
    pub(crate) fn rows(self) -> u64 {
        match self {
            Self::Narrow => 4_000_000,
            Self::Sysbench => 2_000_000,
            Self::Wide | Self::Documents => 300_000,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Narrow => "two integers",
            Self::Sysbench => "sysbench's table",
            Self::Wide => "60 mixed columns",
            Self::Documents => "JSON and TEXT of 1 KB",
        }
    }

    /// Columns, each with what it holds in row `n` of those that `{from}` begins.
    fn columns(self) -> Vec<(String, String)> {
        let column = |declared: &str, value: &str| (declared.to_owned(), value.to_owned());
        let id = column("id BIGINT NOT NULL PRIMARY KEY", "{from} + n");
        match self {
            Self::Narrow => {
                vec![column("id INT NOT NULL PRIMARY KEY", "{from} + n"), column("v INT", "n")]
            }
            Self::Sysbench => vec![
                id,
                column("k INT NOT NULL", "n * 7919"),
                column("c CHAR(120) NOT NULL", "RPAD(SHA2(n, 512), 119, '-')"),
                column("pad CHAR(60) NOT NULL", "LEFT(SHA2(n + 1, 256), 59)"),
            ],
            Self::Wide => {
                let kinds = [
                    ("INT", "n * 31"),
                    ("BIGINT UNSIGNED", "n * 7919000"),
                    ("DECIMAL(12,2)", "n * 12.34"),
                    ("DOUBLE", "n / 7"),
                    ("VARCHAR(40)", "CONCAT('name ', n)"),
                    ("DATETIME(3)", "'2024-02-29 10:00:00.123' + INTERVAL n SECOND"),
                    ("DATE", "'2024-02-29' + INTERVAL n DAY"),
                    ("TINYINT", "IF(n % 10 = 0, NULL, n % 100)"),
                    ("CHAR(10)", "LEFT(SHA2(n, 256), 10)"),
                    ("TIMESTAMP", "'2024-03-01 00:00:00' + INTERVAL n SECOND"),
                ];
                let others = kinds.iter().cycle().take(WIDE - 1).enumerate();
                let others = others.map(|(at, (ty, value))| column(&format!("c{at} {ty}"), value));
                [id].into_iter().chain(others).collect()
            }
            Self::Documents => vec![
                id,
                column(
                    "doc JSON",
                    "JSON_OBJECT('id', n, 'name', CONCAT('customer \"', n, '\"'), 'tags', \
                     JSON_ARRAY('a', n, NULL, 1.5), 'text', REPEAT(SHA2(n, 256), 14))",
                ),
                column("body TEXT", "REPEAT(CONCAT(SHA2(n, 256), ' \"x\"\\n'), 14)"),
            ],
        }
    }

    /// Makes the table and fills it.
    pub(crate) async fn fill(self, server: &Server) -> Result<()> {
        let (mut declared, mut values) = (String::new(), String::new());
        for (at, (column, value)) in self.columns().iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(declared, "{comma}{column}")?;
            write!(values, "{comma}{value}")?;
        }
        let table = self.table();
        let create = format!("CREATE TABLE bench.{table} ({declared}) CHARACTER SET utf8mb4");
        server.sql(&create).await?;
        let mut conn = server.conn().await?;
        for from in (0..self.rows()).step_by(usize::try_from(ROWS_PER_INSERT)?) {
            let values = values.replace("{from}", &from.to_string());
            let insert = format!("INSERT INTO bench.{table} SELECT {values} FROM aux.seq");
            conn.query_drop(insert).await?;
        }
        conn.disconnect().await?;
        Ok(())
    }
}

/// Of each shape the stream of its inserts against the raw copy, and its snapshot against the SELECT.
pub(crate) async fn each(tmpfs: &Path, runs: usize) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for shape in Shape::ALL {
        let source = Source::with(Workload::Shape(shape)).await?;
        let stream = stream::against_raw(&source, tmpfs, runs).await?;
        let snapshot = snapshot::against_drain(&source, runs).await?;
        lines.extend(stream.into_iter().chain([snapshot]).map(|line| Line {
            what: format!("{}, {}", shape.what(), line.what),
            aim: None,
            ..line
        }));
    }
    Ok(lines)
}

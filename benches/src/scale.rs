//! Whether cost grows flat with rows: of one table as it gets longer, and with checkpoints in between.

use anyhow::Result;
use mysql_async::prelude::Queryable as _;
use tests::Server;

use crate::chart::{Chart, Series};
use crate::measure::{Run, median};
use crate::workload::{Source, Workload};
use crate::{snapshot, stream};

/// The first is what starting and ending take.
const COUNTS: [(u64, &str); 4] =
    [(0, ""), (100_000, "10⁵"), (1_000_000, "10⁶"), (10_000_000, "10⁷")];
/// Milliseconds, the first of them longer than any run.
const CHECKPOINTS: [(&str, &str); 4] =
    [("86400000", "none"), ("10000", "every 10 s"), ("1000", "every 1 s"), ("500", "every 0.5 s")];
/// Of one INSERT, which is a transaction, as `aux.seq` has them.
const ROWS_PER_INSERT: u64 = 1000;

/// Rows of about 60 bytes, so that ten million fit into the server's memory.
pub(crate) async fn fill(server: &Server, rows: u64) -> Result<()> {
    server
        .sql(
            "CREATE TABLE bench.longer (id BIGINT NOT NULL PRIMARY KEY, k INT NOT NULL, \
             price DECIMAL(12,2) NOT NULL, name VARCHAR(40) NOT NULL, at DATETIME(3) NOT NULL) \
             CHARACTER SET utf8mb4",
        )
        .await?;
    let mut conn = server.conn().await?;
    for from in (0..rows).step_by(usize::try_from(ROWS_PER_INSERT)?) {
        let insert = format!(
            "INSERT INTO bench.longer SELECT {from} + n, n * 7919, n * 12.34, \
             CONCAT('customer ', {from} + n), '2024-02-29 10:00:00.123' + INTERVAL n SECOND \
             FROM aux.seq"
        );
        conn.query_drop(insert).await?;
    }
    conn.disconnect().await?;
    Ok(())
}

/// A table of some length, with the runs over it.
struct Table {
    rows: u64,
    place: &'static str,
    source: Source,
    streams: Vec<Run>,
    snapshots: Vec<Run>,
}

/// Stream and snapshot of tables of each length; checkpoints on the longest.
pub(crate) async fn rows(runs: usize) -> Result<Vec<Chart>> {
    let mut tables = Vec::new();
    for (rows, place) in COUNTS {
        let source = Source::with(Workload::Longer(rows)).await?;
        tables.push(Table { rows, place, source, streams: Vec::new(), snapshots: Vec::new() });
    }
    for _ in 0..runs {
        for table in &mut tables {
            let Table { rows, source, streams, snapshots, .. } = table;
            streams.push(stream::one(source, &stream::script(source)).await?);
            snapshots.push(snapshot::one(source, 1, *rows).await?);
        }
    }
    let mut charts = of_lengths(&tables);
    if let Some(longest) = tables.last() {
        charts.push(checkpoints(longest, runs).await?);
    }
    Ok(charts)
}

fn of_lengths(tables: &[Table]) -> Vec<Chart> {
    let Some((empty, longer)) = tables.split_first() else { return Vec::new() };
    let places: Vec<String> = longer.iter().map(|table| table.place.to_owned()).collect();
    let series = |of: fn(Run, Run, f64) -> f64| {
        let one = |name: &str, runs: fn(&Table) -> &[Run]| {
            let start = median(runs(empty));
            let values =
                longer.iter().map(|table| of(median(runs(table)), start, table.rows as f64));
            Series { name: name.to_owned(), values: values.collect() }
        };
        vec![one("stream", |table| &table.streams), one("snapshot", |table| &table.snapshots)]
    };
    let chart = |name, title: &str, series| Chart {
        name,
        title: title.to_owned(),
        along: "rows of the table",
        places: places.clone(),
        series,
        limit: None,
    };
    vec![
        chart(
            "rows-cpu",
            "CPU µs a row, less those of an empty table",
            series(|run, start, rows| (run.cpu - start.cpu) / rows * 1e6),
        ),
        chart(
            "rows-speed",
            "M rows/s, starting and ending counted",
            series(|run, _, rows| rows / run.wall / 1e6),
        ),
    ]
}

async fn checkpoints(table: &Table, runs: usize) -> Result<Chart> {
    let source = &table.source;
    let mut each = CHECKPOINTS.map(|(every, place)| (every, place, Vec::new()));
    for _ in 0..runs {
        for (every, _, all) in &mut each {
            let script = stream::script(source).option("checkpoint", every);
            all.push(stream::one(source, &script).await?);
        }
    }
    let values = each.iter().map(|(_, _, all)| table.rows as f64 / median(all).wall / 1e6);
    Ok(Chart {
        name: "checkpoints",
        title: format!("M rows/s of the stream of {} rows", table.place),
        along: "checkpoints",
        series: vec![Series { name: "stream".to_owned(), values: values.collect() }],
        places: each.iter().map(|(_, place, _)| (*place).to_owned()).collect(),
        limit: None,
    })
}

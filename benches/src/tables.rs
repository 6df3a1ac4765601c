//! Many tables: the same number of rows over more and more of them.

use anyhow::Result;
use mysql_async::prelude::Queryable as _;
use tests::Server;

use crate::chart::{Chart, Series};
use crate::measure::{Run, median};
use crate::stream;
use crate::table::{Line, Side};
use crate::workload::{Source, Workload};

/// Of all tables together.
pub(crate) const ROWS: u64 = 1_000_000;
/// Of one transaction, which is one table's.
const ROWS_PER_TRANSACTION: u64 = 100;
const COUNTS: [u64; 3] = [1, 100, 2000];

/// Makes `tables` tables and fills them in turn.
pub(crate) async fn fill(server: &Server, tables: u64) -> Result<()> {
    let mut conn = server.conn().await?;
    for table in 0..tables {
        let create = format!(
            "CREATE TABLE bench.t{table} (id BIGINT NOT NULL PRIMARY KEY, k INT NOT NULL, \
             c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL) CHARACTER SET utf8mb4"
        );
        conn.query_drop(create).await?;
    }
    for (number, from) in (0..ROWS).step_by(usize::try_from(ROWS_PER_TRANSACTION)?).enumerate() {
        let table = u64::try_from(number)? % tables;
        let insert = format!(
            "INSERT INTO bench.t{table} SELECT {from} + n, n, REPEAT('c', 119), REPEAT('p', 59) \
             FROM aux.seq WHERE n < {ROWS_PER_TRANSACTION}"
        );
        conn.query_drop(insert).await?;
    }
    conn.disconnect().await?;
    Ok(())
}

/// The stream of many tables against that of one.
pub(crate) async fn against_one(runs: usize) -> Result<(Vec<Line>, Vec<Chart>)> {
    let mut sources = Vec::new();
    for tables in COUNTS {
        sources.push((tables, Source::with(Workload::Tables(tables)).await?, Vec::<Run>::new()));
    }
    for _ in 0..runs {
        for (_, source, all) in &mut sources {
            all.push(stream::one(source, &stream::script(source)).await?);
        }
    }
    let medians: Vec<(u64, Run)> = sources.iter().map(|(n, _, all)| (*n, median(all))).collect();
    let Some(((_, one), many)) = medians.split_first() else { return Ok((Vec::new(), Vec::new())) };
    let line = |(tables, run): &(u64, Run)| Line {
        what: format!("a million rows in {tables} tables: binlog → `blackhole`, debezium-json"),
        ours: Side::ours(*run, ROWS),
        against: Side::named("in one table", *one, ROWS),
        aim: None,
    };
    Ok((many.iter().map(line).collect(), charts(&medians)))
}

fn charts(medians: &[(u64, Run)]) -> Vec<Chart> {
    let chart = |name, title: &str, of: fn(&Run) -> f64| Chart {
        name,
        title: format!("{title}, a million rows"),
        along: "tables",
        places: medians.iter().map(|(tables, _)| tables.to_string()).collect(),
        series: vec![Series {
            name: "stream".to_owned(),
            values: medians.iter().map(|(_, run)| of(run)).collect(),
        }],
        limit: None,
    };
    vec![
        chart("tables-cpu", "CPU µs a row", |run| run.cpu / ROWS as f64 * 1e6),
        chart("tables-speed", "M rows/s", |run| ROWS as f64 / run.wall / 1e6),
    ]
}

//! A snapshot of one table, against the dump tools.

use anyhow::{Context, Result, ensure};
use tests::Script;

use crate::drain;
use crate::measure::{Run, median, to_its_end, tool};
use crate::table::{Line, Side};
use crate::workload::{BULK_ROWS, Source, grow_bulk};

/// So many that starting is a small part.
pub(crate) const ROWS: u64 = 4 * BULK_ROWS;

const DRAINED: &str = "`SELECT *` as text, drained";

/// The job of this part: reads the table, then ends.
pub(crate) fn script(source: &Source, parallelism: u32) -> Script {
    reading(source, parallelism)
        .option("checkpoint", "86400000")
        .blackhole()
        .option("sink.format", "debezium-json")
}

/// The same without a sink.
pub(crate) fn reading(source: &Source, parallelism: u32) -> Script {
    Script::new("bench", &source.server, "bench", source.workload.table())
        .option("scan.startup.mode", "snapshot")
        .option("parallelism", &parallelism.to_string())
        .option("source.ssl.mode", "disabled")
}

pub(crate) async fn one(source: &Source, parallelism: u32, rows: u64) -> Result<Run> {
    let (run, job) = to_its_end("bench", &script(source, parallelism)).await?;
    let newest = job.snapshots()?.first().map(tests::job::id_of).context("no checkpoint")?;
    let held = job.inspect(newest)?;
    let read = held.pointer("/counters/rows_read").and_then(|v| v.as_u64());
    ensure!(read == Some(rows), "read {read:?} of {rows} rows");
    Ok(run)
}

fn dump(source: &Source, kind: &str, name: &str, no_tls: &str) -> Result<Run> {
    let port = format!("--port={}", source.server.port);
    let mut arguments = vec!["--no-defaults", "--host=127.0.0.1", "--user=root", no_tls, &port];
    arguments.extend(["--no-create-info", "--single-transaction", "--skip-lock-tables", "--quick"]);
    arguments.extend(["bench", "bulk"]);
    tool(kind, name, &arguments)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The same rows, taken off the socket and not looked at.
fn drained(source: &Source, rows: u64) -> Result<Run> {
    let all = format!("SELECT * FROM bench.{}", source.workload.table());
    let (run, drained) = drain::select(source.server.port, &all)?;
    ensure!(drained == rows, "drained {drained} of {rows} rows");
    Ok(run)
}

/// All that was inserted, with one reader.
pub(crate) async fn against_drain(source: &Source, runs: usize) -> Result<Line> {
    let rows = source.workload.changes();
    let (mut drains, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        drains.push(drained(source, rows)?);
        ours.push(one(source, 1, rows).await?);
    }
    Ok(Line {
        what: "snapshot → `blackhole`, debezium-json, parallelism 1".to_owned(),
        ours: Side::ours(median(&ours), rows),
        against: Side::named(DRAINED, median(&drains), rows),
        aim: Some(0.5),
    })
}

pub(crate) async fn against_dumps(source: &Source, runs: usize) -> Result<Vec<Line>> {
    grow_bulk(&source.server, ROWS).await?;
    let mut limits = [
        (DRAINED, 0.5, Vec::new()),
        ("`mysqldump`", 1.4, Vec::new()),
        ("`mariadb-dump`", 1.4, Vec::new()),
    ];
    let mut ours = [(1, Vec::new()), (2, Vec::new())];
    for _ in 0..runs {
        let [(_, _, drains), (_, _, mysql), (_, _, mariadb)] = &mut limits;
        drains.push(drained(source, ROWS)?);
        mysql.push(dump(source, "mysql9", "mysqldump", "--ssl-mode=DISABLED")?);
        if on_path("mariadb-dump") {
            mariadb.push(dump(source, "mariadb", "mariadb-dump", "--skip-ssl")?);
        }
        for (parallelism, all) in &mut ours {
            all.push(one(source, *parallelism, ROWS).await?);
        }
    }
    let mut lines = Vec::new();
    for (name, aim, all) in limits.iter().filter(|(_, _, all)| !all.is_empty()) {
        for (parallelism, of_ours) in &ours {
            lines.push(Line {
                what: format!("snapshot → `blackhole`, debezium-json, parallelism {parallelism}"),
                ours: Side::ours(median(of_ours), ROWS),
                against: Side::named(name, median(all), ROWS),
                aim: Some(*aim),
            });
        }
    }
    Ok(lines)
}

//! Other programs that do the same work, on the same data, by turns with ours.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tests::{Kind, say};
use tokio::process::Command;

use crate::measure::{Run, median, program};
use crate::snapshot::{self, ROWS};
use crate::table::{Line, Results, Side};
use crate::workload::{Source, Workload, grow_bulk};
use crate::{Told, stream};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/peers.sh");
/// What can be asked for alone; a name stands for all that begin with it.
const COMPARISONS: [&str; 7] = [
    "mydumper",
    "debezium-bulk",
    "debezium-oltp",
    "debezium-snapshot",
    "flink-cdc-bulk",
    "flink-cdc-oltp",
    "flink-cdc-snapshot",
];
/// A peer that takes more seconds than these runs once.
const SLOW: f64 = 20.0;
/// Rows of a piece of the table, where mydumper reads it with several threads.
const PIECE: &str = "--rows=250000";

/// A program of a Java machine that streams and takes snapshots, under `benches/peers`.
struct Engine {
    name: &'static str,
    /// Debezium ends at an offset without GTIDs where the server has them on. Flink CDC says `SHOW
    /// MASTER STATUS`, which MySQL 9 no longer knows.
    source: Kind,
    bulk: Option<f64>,
    oltp: Option<f64>,
    snapshot: Option<f64>,
}

const ENGINES: [Engine; 2] = [
    Engine {
        name: "debezium",
        source: Kind::MySql9NoGtid,
        bulk: Some(20.0),
        oltp: Some(6.0),
        snapshot: Some(10.0),
    },
    Engine { name: "flink-cdc", source: Kind::MariaDb, bulk: None, oltp: None, snapshot: None },
];

/// The comparisons that `names` name, all by default. A peer that is not here is left out.
pub(crate) async fn beside(names: &[String], tmpfs: &Path, runs: usize) -> Result<Results> {
    if let Some(unknown) = names.iter().find(|n| !COMPARISONS.iter().any(|c| c.starts_with(*n))) {
        bail!("no peer `{unknown}`; known: {}", COMPARISONS.join(", "));
    }
    let wanted = |comparison: &str| {
        names.is_empty() || names.iter().any(|name| comparison.starts_with(name.as_str()))
    };
    let mut lines = Told::default();
    for engine in &ENGINES {
        let here = have(engine.name).await?;
        let named = |what: &str| here && wanted(&format!("{}-{what}", engine.name));
        let dumps =
            engine.source == Kind::MySql9NoGtid && wanted("mydumper") && have("mydumper").await?;
        if named("bulk") || named("snapshot") || dumps {
            let source = Source::on(engine.source, Workload::Bulk).await?;
            if named("bulk") {
                lines.add(engine.stream(&source, tmpfs, runs).await?);
            }
            if named("snapshot") || dumps {
                grow_bulk(&source.server, ROWS).await?;
            }
            if named("snapshot") {
                lines.add(engine.snapshot(&source, tmpfs, runs).await?);
            }
            if dumps {
                lines.add(mydumper(&source, tmpfs, runs).await?);
            }
        }
        if named("oltp") {
            let source = Source::on(engine.source, Workload::Oltp).await?;
            lines.add(engine.stream(&source, tmpfs, runs).await?);
        }
    }
    Ok(lines.0)
}

async fn have(peer: &str) -> Result<bool> {
    let here = Command::new(SCRIPT).args(["have", peer]).status().await?.success();
    if !here {
        say(format!("NOT MEASURED: {peer} is not here (benches/peers/peers.sh fetch {peer})"));
    }
    Ok(here)
}

async fn version(peer: &str) -> Result<String> {
    let output = Command::new(SCRIPT).args(["version", peer]).output().await?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Engine {
    async fn stream(&self, source: &Source, tmpfs: &Path, runs: usize) -> Result<Vec<Line>> {
        let aim = if source.workload == Workload::Bulk { self.bulk } else { self.oltp };
        let changes = source.workload.changes();
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            if !slow(&theirs) {
                theirs.push(self.one("stream", source, changes, tmpfs).await?);
            }
            ours.push(stream::one(source, &stream::script(source)).await?);
        }
        let what = format!("{}: binlog → `blackhole`, debezium-json", source.workload.table());
        let line = self.line(what, (&ours, &theirs), changes, aim).await?;
        Ok(vec![Line {
            ours: line.ours.of_bytes(source.bytes),
            against: line.against.of_bytes(source.bytes),
            ..line
        }])
    }

    async fn snapshot(&self, source: &Source, tmpfs: &Path, runs: usize) -> Result<Vec<Line>> {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            if !slow(&theirs) {
                theirs.push(self.one("snapshot", source, ROWS, tmpfs).await?);
            }
            ours.push(snapshot::one(source, 1, ROWS).await?);
        }
        let what = "snapshot → `blackhole`, debezium-json, parallelism 1".to_owned();
        Ok(vec![self.line(what, (&ours, &theirs), ROWS, self.snapshot).await?])
    }

    /// Until it has seen the last of so many changes.
    async fn one(&self, mode: &str, source: &Source, changes: u64, tmpfs: &Path) -> Result<Peer> {
        let folder = tempfile::Builder::new().prefix("peer-").tempdir_in(tmpfs)?;
        let table = format!("bench.{}", source.workload.table());
        let first_file = source.files.first().context("no binlog")?;
        let mut command = Command::new(SCRIPT);
        command.args(["run", self.name, mode, &source.server.port.to_string(), &table]);
        command.arg(changes.to_string()).arg(folder.path()).arg(first_file);
        let (run, output) = program(&mut command).await?;
        let told = |what: &str| output.lines().find_map(|line| line.strip_prefix(what));
        let seen: Option<u64> = told("changes ").and_then(|seen| seen.parse().ok());
        ensure!(seen == Some(changes), "{} saw {seen:?} of {changes} changes", self.name);
        let first = told("first after ").and_then(|s| s.parse().ok()).context("no first change")?;
        say(format!("{} {mode}: {:.1} s, the first change after {first} s", self.name, run.wall));
        Ok(Peer { run, first })
    }

    async fn line(
        &self,
        what: String,
        (ours, theirs): (&[Run], &[Peer]),
        rows: u64,
        aim: Option<f64>,
    ) -> Result<Line> {
        let runs: Vec<Run> = theirs.iter().map(|peer| peer.run).collect();
        let first = theirs.first().map(|peer| peer.first).unwrap_or_default();
        let name = format!(
            "{} {} (first change after {first:.1} s)",
            self.name,
            version(self.name).await?
        );
        Ok(Line {
            what: format!("{what} ({})", self.source.software()),
            ours: Side::ours(median(ours), rows),
            against: Side::named(&name, median(&runs), rows),
            aim,
        })
    }
}

/// A run of a peer.
struct Peer {
    run: Run,
    /// Seconds from its start to its first change.
    first: f64,
}

fn slow(runs: &[Peer]) -> bool {
    runs.iter().any(|peer| peer.run.wall > SLOW)
}

async fn mydumper(source: &Source, tmpfs: &Path, runs: usize) -> Result<Vec<Line>> {
    // It takes the count of rows from a column of EXPLAIN, which is a tree by default by now; without
    // it, a table stays in one piece.
    source.server.sql("SET GLOBAL explain_format = TRADITIONAL").await?;
    let mut each = [1, 2].map(|threads| (threads, Vec::new(), Vec::new()));
    for _ in 0..runs {
        for (threads, theirs, ours) in &mut each {
            theirs.push(dump(source, *threads, tmpfs).await?);
            ours.push(snapshot::one(source, *threads, ROWS).await?);
        }
    }
    let version = version("mydumper").await?;
    let line = |(threads, theirs, ours): (u32, Vec<Run>, Vec<Run>)| Line {
        what: format!("snapshot → `blackhole`, debezium-json, parallelism {threads}"),
        ours: Side::ours(median(&ours), ROWS),
        against: Side::named(
            &format!("`mydumper` {version}, {threads} of its threads, into memory"),
            median(&theirs),
            ROWS,
        ),
        aim: Some(1.0),
    };
    Ok(each.into_iter().map(line).collect())
}

async fn dump(source: &Source, threads: u32, tmpfs: &Path) -> Result<Run> {
    let folder = tempfile::Builder::new().prefix("peer-").tempdir_in(tmpfs)?;
    let mut command = Command::new(SCRIPT);
    command.args(["run", "mydumper", "--host=127.0.0.1", "--user=root", "--no-schemas"]);
    command.arg(format!("--port={}", source.server.port));
    command.args(["--database=bench", "--tables-list=bulk", &format!("--threads={threads}")]);
    if threads > 1 {
        command.arg(PIECE);
    }
    command.arg(format!("--outputdir={}", folder.path().display()));
    let (run, _) = program(&mut command).await?;
    let mut rows = 0;
    for file in fs::read_dir(folder.path())? {
        rows += rows_of(&file?.path())?;
    }
    ensure!(rows == ROWS, "mydumper wrote {rows} of {ROWS} rows");
    Ok(run)
}

/// A row stands on a line of its own, in parentheses.
fn rows_of(dumped: &Path) -> Result<u64> {
    let mut rows = 0;
    for line in BufReader::new(File::open(dumped)?).split(b'\n') {
        rows += u64::from(line?.starts_with(b"("));
    }
    Ok(rows)
}

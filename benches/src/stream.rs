//! The whole binary from the binlog to encoded changes, against the raw drain of the same log.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tests::{Job, Script};

use crate::measure::{Run, median, tool, until_idle};
use crate::table::{Line, Side};
use crate::workload::{Source, Workload};

/// No checkpoint within a run.
const NEVER: &str = "86400000";

/// The job of this part: all of the log, from its beginning.
pub(crate) fn script(source: &Source) -> Script {
    reading(source).option("checkpoint", NEVER).blackhole().option("sink.format", "debezium-json")
}

/// The same without a sink.
pub(crate) fn reading(source: &Source) -> Script {
    Script::new("bench", &source.server, "bench", source.workload.table())
        .option("scan.startup.mode", "earliest-offset")
        .option("source.ssl.mode", "disabled")
}

/// The log as files.
pub(crate) struct RawCopy {
    pub(crate) run: Run,
    files: Vec<PathBuf>,
}

impl RawCopy {
    pub(crate) fn first_file(self) -> Result<PathBuf> {
        self.files.into_iter().next().context("no binlog file")
    }
}

/// Copies all of the log into `to`, with the server's own tool.
pub(crate) fn raw_copy(source: &Source, to: &Path) -> Result<RawCopy> {
    let (port, to_text) = (format!("--port={}", source.server.port), to.display());
    let result = format!("--result-file={to_text}/");
    let mut arguments = vec!["--no-defaults", "--read-from-remote-server", "--raw"];
    arguments.extend(["--host=127.0.0.1", "--user=root", "--ssl-mode=DISABLED", &port, &result]);
    arguments.extend(source.files.iter().map(String::as_str));
    let run = tool("mysql9", "mysqlbinlog", &arguments)?;
    let files: Vec<PathBuf> = source.files.iter().map(|file| to.join(file)).collect();
    let mut copied = 0;
    for file in &files {
        copied += std::fs::metadata(file)?.len();
    }
    ensure!(copied == source.bytes, "mysqlbinlog copied {copied} of {} bytes", source.bytes);
    Ok(RawCopy { run, files })
}

pub(crate) async fn one(source: &Source, script: &Script) -> Result<Run> {
    let (run, job) = until_idle("bench", script).await?;
    complete(source, &job)?;
    Ok(run)
}

/// The savepoint says where the stream was, and how much it had seen.
fn complete(source: &Source, job: &Job) -> Result<()> {
    let newest = job.snapshots()?.first().map(tests::job::id_of).context("no savepoint")?;
    let held = job.inspect(newest)?;
    let offset = held.pointer("/position/binlog/offset").and_then(|v| v.as_u64());
    let file = held.pointer("/position/binlog/file").and_then(|v| v.as_str());
    let last = source.files.last().map(String::as_str);
    ensure!(
        (file, offset) == (last, Some(source.end)),
        "stopped at {file:?} {offset:?}, but the log ends at {last:?} {}",
        source.end
    );
    Ok(())
}

pub(crate) async fn against_raw(source: &Source, tmpfs: &Path, runs: usize) -> Result<Vec<Line>> {
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        raw.push(raw_copy(source, tmpfs)?.run);
        ours.push(one(source, &script(source)).await?);
    }
    let (name, changes) = (source.workload.table(), source.workload.changes());
    Ok(vec![Line {
        what: format!("{name}: binlog → `blackhole`, debezium-json"),
        ours: Side::ours(median(&ours), changes).of_bytes(source.bytes),
        against: Side::named("`mysqlbinlog --raw`", median(&raw), 0).of_bytes(source.bytes),
        aim: match source.workload {
            Workload::Bulk => Some(0.5),
            Workload::Oltp => Some(1.5),
            Workload::Shape(_) | Workload::Tables(_) | Workload::Longer(_) => None,
        },
    }])
}

/// Checkpoints against none.
pub(crate) async fn checkpoints(source: &Source, runs: usize) -> Result<Vec<Line>> {
    let mut none = Vec::new();
    let mut each = [("500", "half second"), ("1000", "second")].map(|every| (every, Vec::new()));
    for _ in 0..runs {
        none.push(one(source, &script(source)).await?);
        for ((every, _), all) in &mut each {
            all.push(one(source, &script(source).option("checkpoint", every)).await?);
        }
    }
    let (none, changes) = (median(&none), source.workload.changes());
    let line = |((_, every), all): ((&str, &str), Vec<Run>)| Line {
        what: format!("bulk with a checkpoint every {every}"),
        ours: Side::ours(median(&all), changes),
        against: Side::named("without checkpoints", none, changes),
        aim: Some(0.97),
    };
    Ok(each.into_iter().map(line).collect())
}

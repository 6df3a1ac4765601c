//! `seachange show`: how a job stands.

use std::fmt::Write as _;

use model::Clock;

use super::client;
use super::present::{is_colourful, painted, seconds, time};
use crate::api::{CheckpointNow, JobDetail, Progress, SnapshotKind, Strategy, Wanted};
use crate::cli::JobArgs;
use crate::commands::run::SystemClock;
use crate::commands::show as print;
use crate::commands::words::{age, count, grouped};

pub(super) async fn show(args: &JobArgs) -> anyhow::Result<()> {
    let job = client(&args.ask)?.job(&args.job).await?;
    if args.ask.json {
        return Ok(print(&job.json)?);
    }
    let text = text(&job.value, SystemClock.now_ms());
    Ok(print(painted(text.trim_end(), is_colourful()))?)
}

macro_rules! line {
    // Writing to a string does not fail.
    ($out:expr, $($text:tt)*) => {{ let _ = writeln!($out, $($text)*); }};
}

fn text(job: &JobDetail, now_ms: i64) -> String {
    let (mut text, summary) = (String::new(), &job.summary);
    let out = &mut text;
    let since = age(summary.since_ms, now_ms);
    line!(out, "{}  {}, for {since}: {}", summary.state.name(), summary.name, summary.reason);
    if let Some(error) = job.error.as_ref().filter(|error| !summary.reason.contains(*error)) {
        line!(out, "  error        {error}");
    }
    if let Some(error) = &job.savepoint_error {
        line!(out, "  no savepoint {error}");
    }
    line!(out, "  wanted       {}; starts with {}", wanted(job.wanted), strategy(job.strategy));
    let (version, updated) = (summary.version, time(Some(job.updated_at_ms)));
    line!(out, "  script       version {version}, of {updated}");
    let source = summary.source.as_deref().unwrap_or("-");
    line!(out, "  replicates   {source} to {}", summary.sinks.join(", "));
    let (live, apart) = (summary.tables_live, summary.tables_quarantined);
    let apart = if apart > 0 { format!(", {apart} in quarantine") } else { String::new() };
    line!(out, "  tables       {live} of {} live{apart}", summary.tables);
    progress(job, &job.progress, out);
    checkpoints(job, &job.checkpoints, now_ms, out);
    if let Some(started) = job.started_at_ms {
        let restarts = count(summary.restarts, "restart");
        line!(out, "  run          since {}, {restarts}", time(Some(started)));
    }
    for note in &job.notes {
        line!(out, "  note         {note}");
    }
    text
}

fn progress(job: &JobDetail, progress: &Progress, out: &mut String) {
    let (read, left) = (grouped(progress.rows_read), grouped(progress.rows_left_estimate));
    let mut snapshot = format!("{read} read");
    if progress.rows_left_estimate > 0 {
        snapshot.push_str(&format!(", about {left} left"));
    }
    if let Some(left) = progress.snapshot_seconds_left {
        snapshot.push_str(&format!(", {} to go", seconds(left)));
    }
    line!(out, "  snapshot     {snapshot}");
    let rate = job.summary.rows_per_second.map(|rows| format!(", {rows:.0} a second"));
    let (rows, rate) = (grouped(progress.rows_streamed), rate.unwrap_or_default());
    line!(out, "  streamed     {rows} rows{rate}, {}", count(progress.bytes, "byte"));
    if let Some(position) = &progress.position {
        line!(out, "  position     {position}");
    }
    let lag = [
        job.summary.lag_seconds.map(seconds),
        progress.lag_bytes.map(|bytes| count(bytes, "byte")),
        progress.lag_transactions.map(|transactions| count(transactions, "transaction")),
    ];
    let lag: Vec<String> = lag.into_iter().flatten().collect();
    if !lag.is_empty() {
        line!(out, "  behind       {}", lag.join(", "));
    }
    if let Some(left) = progress.retention_seconds_left {
        line!(out, "  binlog       needed still, and kept for about {} more", seconds(left));
    }
}

fn checkpoints(job: &JobDetail, now: &CheckpointNow, now_ms: i64, out: &mut String) {
    let mut text = format!("{} completed, {} failed", now.completed, now.failed);
    if now.in_progress {
        text.push_str(", one under way");
    }
    if let Some(at) = job.summary.last_snapshot_ms {
        text.push_str(&format!("; the newest {} ago", age(at, now_ms)));
    }
    line!(out, "  checkpoints  {text}");
    if let Some(failure) = &now.last_failure {
        line!(out, "  failed       {}: {}", time(Some(failure.at_ms)), failure.reason);
    }
    if let Some(id) = now.restored {
        let kind = now.restored_kind.map_or("snapshot", kind);
        line!(out, "  began with   {kind} {id}");
    }
}

fn wanted(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Running => "running",
        Wanted::Paused => "paused",
        Wanted::Stopped => "stopped",
    }
}

fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Latest => "the newest snapshot",
        Strategy::Earliest => "the oldest snapshot",
        Strategy::None => "none, afresh",
    }
}

pub(super) fn kind(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::Checkpoint => "checkpoint",
        SnapshotKind::Savepoint => "savepoint",
    }
}

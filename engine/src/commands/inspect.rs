//! `seachange inspect`: everything that one snapshot holds.

use model::checkpoint::TablePhase;
use model::{Checkpoint, Gtids};
use serde_json::{Value, json};

use super::{Usage, exit, show, time_text};
use crate::cli::InspectArgs;

pub async fn run(args: &InspectArgs) -> anyhow::Result<u8> {
    let job = match &args.job {
        Some(job) => super::job_name(job)?,
        None => only_job(args).await?,
    };
    let store = state::open_read_only(&args.state.state, &job)?;
    let checkpoint = store.get(args.id).await?;
    if args.json {
        show(format!("{:#}", to_json(&checkpoint)))?;
    } else {
        show(text(&checkpoint).trim_end())?;
    }
    Ok(exit::DONE)
}

async fn only_job(args: &InspectArgs) -> anyhow::Result<String> {
    let jobs = state::jobs(&args.state.state).await?;
    match jobs.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Usage(format!("there is no job in {}", args.state.state)).into()),
        many => Err(Usage(format!("which job? name it with --job: {}", many.join(", "))).into()),
    }
}

fn token(token: &[u8]) -> Value {
    match serde_json::from_slice(token) {
        Ok(value) => value,
        Err(_) => Value::from(format!("{} bytes", token.len())),
    }
}

fn to_json(c: &Checkpoint) -> Value {
    let tables: Vec<Value> = c
        .source
        .tables
        .iter()
        .map(|t| {
            let phase = match &t.phase {
                TablePhase::Live => json!("live"),
                TablePhase::Snapshot { done, rows, .. } => {
                    json!({ "snapshot": { "ranges_done": done.ranges().len(), "rows": rows } })
                }
            };
            json!({ "table": t.name().to_string(), "phase": phase, "schema": t.schema })
        })
        .collect();
    let sinks: serde_json::Map<String, Value> =
        c.sinks.iter().map(|(name, t)| (name.clone(), token(t))).collect();
    json!({
        "job": c.job, "id": c.id.0, "kind": c.kind.to_string(), "trigger": c.trigger,
        "completed_at_ms": c.completed_at_ms, "completed_at": time_text(c.completed_at_ms),
        "duration_ms": c.duration_ms, "server": c.source.server, "position": c.source.position,
        "position_time": time_text(c.source.position_ts_ms), "counters": c.source.counters,
        "tables": tables, "quarantine": quarantine(c), "prepared_xa": c.source.xa.prepared, "sinks": sinks,
        "online_ddl": c.source.online_ddl,
    })
}

fn quarantine(c: &Checkpoint) -> Vec<Value> {
    let tables = c.source.quarantine.tables.iter().map(|q| {
        json!({
            "table": q.table.to_string(), "reason": q.reason, "position": q.position,
            "gtid": q.gtid, "since_ms": q.since_ms, "since": time_text(q.since_ms),
            "events_dropped": q.events_dropped,
        })
    });
    tables.collect()
}

fn text(c: &Checkpoint) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = writeln!(out, "{text}");
    };
    let source = &c.source;
    line(format_args!("{} {} of job {}", c.kind, c.id, c.job));
    let at = time_text(c.completed_at_ms);
    line(format_args!("completed  {at}, in {} ms, trigger: {}", c.duration_ms, c.trigger));
    let server = &source.server;
    line(format_args!(
        "server     {} (id {}) {}",
        server.version, server.server_id, server.server_uuid
    ));
    line(format_args!("binlog     {}", source.position.binlog));
    if source.position.gtids != Gtids::None {
        line(format_args!("gtids      {}", source.position.gtids));
    }
    if let Some(inside) = &source.position.in_transaction {
        line(format_args!("inside     {} rows events of the next transaction", inside.rows_events));
    }
    line(format_args!("as of      {}", time_text(source.position_ts_ms)));
    line(format_args!("rows read  {}", source.counters.rows_read));
    line(format_args!("tables     {}", source.tables.len()));
    for table in &source.tables {
        match &table.phase {
            TablePhase::Live => line(format_args!("  {}  live", table.name())),
            TablePhase::Snapshot { rows, .. } => {
                line(format_args!("  {}  snapshot: {rows} rows read", table.name()));
            }
        }
    }
    for apart in &source.quarantine.tables {
        let since = time_text(apart.since_ms);
        line(format_args!("  {}  in quarantine since {since}", apart.table));
        line(format_args!("    at       {}", apart.position));
        line(format_args!("    dropped  {} rows events", apart.events_dropped));
        line(format_args!("    reason   {}", apart.reason));
    }
    if !source.xa.prepared.is_empty() {
        line(format_args!("prepared   {} XA transactions", source.xa.prepared.len()));
    }
    for prepared in &source.xa.prepared {
        let bytes = prepared.rows.map_or(0, |rows| rows.bytes);
        line(format_args!("  {}  {bytes} bytes of rows held", prepared.xid));
    }
    let online = &source.online_ddl;
    if !online.shadows.is_empty() {
        line(format_args!("online DDL {} shadow tables", online.shadows.len()));
    }
    for shadow in &online.shadows {
        line(format_args!("  {}", shadow.name));
    }
    for away in &online.away {
        line(format_args!("  {}  in the middle of its cut-over, as {}", away.table, away.at));
    }
    line(format_args!("sinks      {}", c.sinks.len()));
    for (name, bytes) in &c.sinks {
        line(format_args!("  {name}  {}", token(bytes)));
    }
    out
}

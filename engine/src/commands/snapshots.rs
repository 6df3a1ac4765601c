//! `seachange snapshots`: what exists, read from the store itself.

use comfy_table::{ContentArrangement, Table, presets};
use model::Checkpoint;
use model::checkpoint::{Listed, TablePhase};
use serde_json::{Value, json};

use super::{exit, show, time_text};
use crate::cli::SnapshotsArgs;
use crate::error::chain;

pub async fn run(args: &SnapshotsArgs) -> anyhow::Result<u8> {
    let jobs = match &args.job {
        Some(job) => vec![super::job_name(job)?],
        None => state::jobs(&args.state.state).await?,
    };
    let mut all = Vec::new();
    for job in jobs {
        let store = state::open_read_only(&args.state.state, &job)?;
        let mut listed = store.list().await?;
        listed.sort_by_key(|l| std::cmp::Reverse(l.id));
        all.extend(listed.into_iter().map(|l| (job.clone(), l)));
    }
    if args.json {
        let rows: Vec<Value> = all.iter().map(|(job, l)| to_json(job, l)).collect();
        show(format!("{:#}", Value::from(rows)))?;
    } else if all.is_empty() {
        show(format!("no snapshots in {}", args.state.state))?;
    } else {
        show(table(&all))?;
    }
    Ok(exit::DONE)
}

/// Tables that are live, all of them, and those in quarantine.
fn progress(checkpoint: &Checkpoint) -> (usize, usize, usize) {
    let source = &checkpoint.source;
    let live = source.tables.iter().filter(|t| t.phase == TablePhase::Live).count();
    let apart = source.quarantine.tables.len();
    (live, source.tables.len() + apart, apart)
}

fn progress_text(checkpoint: &Checkpoint) -> String {
    match progress(checkpoint) {
        (live, tables, 0) => format!("{live}/{tables} live"),
        (live, tables, apart) => format!("{live}/{tables} live, {apart} in quarantine"),
    }
}

pub fn to_json(job: &str, listed: &Listed) -> Value {
    match &listed.content {
        Ok(c) => {
            let (live, tables, quarantined) = progress(c);
            json!({
                "job": job, "id": c.id.0, "kind": c.kind.to_string(), "trigger": c.trigger,
                "completed_at_ms": c.completed_at_ms, "completed_at": time_text(c.completed_at_ms),
                "duration_ms": c.duration_ms, "size_bytes": listed.size,
                "position": c.source.position, "tables": tables, "tables_live": live,
                "tables_quarantined": quarantined,
                "rows_read": c.source.counters.rows_read, "server": c.source.server,
                "restorable": true, "reason": null,
            })
        }
        Err(error) => json!({
            "job": job, "id": listed.id.0, "kind": null, "size_bytes": listed.size,
            "restorable": false, "reason": chain(error),
        }),
    }
}

fn table(all: &[(String, Listed)]) -> Table {
    let mut out = Table::new();
    out.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    out.set_header(["job", "id", "kind", "completed", "took", "bytes", "tables", "position"]);
    for (job, listed) in all {
        match &listed.content {
            Ok(c) => out.add_row([
                job.clone(),
                c.id.to_string(),
                c.kind.to_string(),
                time_text(c.completed_at_ms),
                format!("{} ms", c.duration_ms),
                listed.size.to_string(),
                progress_text(c),
                c.source.position.to_string(),
            ]),
            Err(error) => out.add_row([
                job.clone(),
                listed.id.to_string(),
                "damaged".to_owned(),
                String::new(),
                String::new(),
                listed.size.to_string(),
                String::new(),
                chain(error),
            ]),
        };
    }
    out
}

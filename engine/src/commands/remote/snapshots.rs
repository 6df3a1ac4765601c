//! `seachange snapshots JOB --server URL`: what there is to restore from.

use model::Clock;

use super::present::{Listing, known, time};
use super::show::kind;
use super::{coded, connect};
use crate::api::Snapshot;
use crate::cli::SnapshotsArgs;
use crate::client::ServerUrl;
use crate::commands::run::SystemClock;
use crate::commands::words::age;
use crate::commands::{exit, show};

/// Asks `server` for the snapshots of `job`.
pub(crate) async fn list(
    server: &ServerUrl,
    job: &str,
    args: &SnapshotsArgs,
) -> anyhow::Result<u8> {
    ask(server, job, args).await.map_err(coded)?;
    Ok(exit::DONE)
}

async fn ask(server: &ServerUrl, job: &str, args: &SnapshotsArgs) -> anyhow::Result<()> {
    let found = connect(server, &args.link)?.snapshots(job).await?;
    if args.json {
        return Ok(show(&found.json)?);
    }
    let now = SystemClock.now_ms();
    let rows = found.value.snapshots.iter().map(|snapshot| row(snapshot, now)).collect();
    let header = [
        "kind",
        "id",
        "completed",
        "age",
        "trigger",
        "took",
        "bytes",
        "tables",
        "rows",
        "position",
        "restorable",
        "note",
    ];
    let nothing = "no snapshots";
    Ok(Listing { header, rows, nothing }.show()?)
}

fn row(snapshot: &Snapshot, now_ms: i64) -> [String; 12] {
    let tables = match (snapshot.tables_live, snapshot.tables) {
        (Some(live), Some(tables)) => format!("{live}/{tables} done"),
        _ => String::new(),
    };
    let restorable = match (&snapshot.reason, snapshot.restorable) {
        (_, true) => "yes".to_owned(),
        (Some(reason), false) => format!("no: {reason}"),
        (None, false) => "no".to_owned(),
    };
    [
        snapshot.kind.map_or("unreadable", kind).to_owned(),
        snapshot.id.to_string(),
        time(snapshot.completed_at_ms),
        known(snapshot.completed_at_ms.map(|at| age(at, now_ms))),
        known(snapshot.trigger.as_ref()),
        known(snapshot.duration_ms.map(|ms| format!("{ms} ms"))),
        snapshot.size_bytes.to_string(),
        tables,
        known(snapshot.rows_read),
        known(snapshot.position.as_ref()),
        restorable,
        known(snapshot.note.as_ref()),
    ]
}

//! `seachange tables`: each table of a job, and what can be done with it.

use super::present::{Listing, known, time};
use super::{client, edit, run};
use crate::api::{TableRow, TableState, TableWish, Tables};
use crate::cli::{TableChange, TablesArgs};
use crate::commands::show;
use crate::commands::words::grouped;

pub(super) async fn tables(args: &TablesArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let (job, wish) = (&args.job, TableWish { tables: args.tables.clone() });
    let edited = match args.change {
        None => {
            let found = client.tables(job).await?;
            return match args.ask.json {
                true => Ok(show(&found.json)?),
                false => Ok(listing(&found.value).show()?),
            };
        }
        Some(TableChange::Resnapshot) => {
            return run::tell(&client.resnapshot(job, &wish).await?, &args.ask);
        }
        Some(TableChange::Release) => {
            return run::tell(&client.release(job, &wish).await?, &args.ask);
        }
        Some(TableChange::Add) => client.add_tables(job, &wish).await?,
        Some(TableChange::Drop) => client.drop_tables(job, &wish).await?,
    };
    match args.ask.json {
        true => Ok(show(&edited.json)?),
        false => Ok(show(edit::text(&edited.value))?),
    }
}

fn listing(tables: &Tables) -> Listing<9> {
    let header = [
        "state",
        "table",
        "rows read",
        "left",
        "streamed",
        "bytes",
        "newest change",
        "dropped",
        "reason",
    ];
    let rows = tables.tables.iter().map(row).collect();
    Listing {
        header,
        rows,
        nothing: "no tables: the job has not run since the daemon began, or none matches",
    }
}

fn row(table: &TableRow) -> [String; 9] {
    let some = |n: u64| if n == 0 { String::new() } else { grouped(n) };
    [
        state(table.state).to_owned(),
        table.name.clone(),
        grouped(table.rows_read),
        some(table.rows_left_estimate),
        grouped(table.rows_streamed),
        grouped(table.bytes),
        time(table.last_change_ms),
        some(table.events_dropped),
        known(table.reason.as_ref()),
    ]
}

fn state(state: TableState) -> &'static str {
    match state {
        TableState::Waiting => "waiting",
        TableState::Snapshotting => "snapshotting",
        TableState::Live => "live",
        TableState::Quarantined => "quarantined",
    }
}

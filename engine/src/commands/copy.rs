//! `seachange copy`: a snapshot taken out of a job's state, whole in itself.

use anyhow::{Context, bail};
use serde_json::json;

use super::reference::Reference;
use super::words::{count, grouped};
use super::{Usage, exit, named_or_only, show};
use crate::cli::CopyArgs;

pub async fn run(args: &CopyArgs) -> anyhow::Result<u8> {
    if let Reference::Path(path) = &args.reference {
        let what = "is outside of a job's state already: copy its directory as it is";
        return Err(Usage(format!("`{path}` {what}")).into());
    }
    let (job, state) = (args.of.job.as_deref(), &args.of.state);
    let named = named_or_only(job, state).await?;
    let found = args.reference.find(job, state).await?;
    let c = &found.checkpoint;
    let held = state::held_read_only(&named.state, &named.job, &state.work_dir).await?;
    let held = held.with_context(|| format!("there is no state of job {}", named.job))?;
    let reference = state::savepoint::reference(&args.to, c)?;
    state::savepoint::write(&reference, c, &held).await?;
    let copy = state::savepoint::read(&reference).await?;
    copy.verify().await?;
    if copy.checkpoint != *c {
        bail!("{reference} reads back as another snapshot: do not use it");
    }
    let rows = || c.source.xa.prepared.iter().filter_map(|xa| xa.rows);
    let (records, bytes) = rows().fold((0, 0), |(r, b), rows| (r + rows.records, b + rows.bytes));
    if args.json {
        show(json!({
            "job": c.job, "id": c.id.0, "kind": c.kind.to_string(), "reference": reference,
            "size_bytes": copy.size, "xa_records": records, "xa_bytes": bytes,
        }))?;
        return Ok(exit::DONE);
    }
    let size = count(copy.size, "byte");
    let mut text = format!("copied {} {} of job {}, {size}", c.kind, c.id, c.job);
    if records > 0 {
        let records = count(records, "record");
        text.push_str(&format!(", with {records} of XA transactions, {} bytes", grouped(bytes)));
    }
    show(format!("{text}, and verified the copy\nrestore it with --from {reference}"))?;
    Ok(exit::DONE)
}

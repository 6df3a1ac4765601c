//! `stop`, `pause`, `savepoint`, `delete`.

use std::future::Future;
use std::time::Duration;

use anyhow::anyhow;

use super::client;
use super::present::{is_colourful, painted, taken};
use crate::api::{DeleteWish, Halted, PauseWish, SavepointWish, StopWish};
use crate::cli::{AskArgs, DeleteArgs, HaltArgs, StopArgs};
use crate::client::{ClientError, Reply};
use crate::commands::show;

pub(super) async fn stop(args: &StopArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let wish = StopWish { kind: args.kind, note: args.note.clone() };
    let stopped = within(args.wait.flatten(), client.stop(&args.job, &wish)).await;
    let stopped = stopped.unwrap_or_else(|waited| {
        Err(anyhow!(
            "job `{}` has not ended within {}; it is asked to, and `seachange show` tells how it \
             stands",
            args.job,
            humantime::format_duration(waited)
        ))
    })?;
    halted(&stopped, &args.ask)
}

/// The answer, or how long it was waited for in vain.
async fn within<T>(
    limit: Option<Duration>,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<anyhow::Result<T>, Duration> {
    let asked = async { asked.await.map_err(anyhow::Error::from) };
    match limit {
        Some(limit) => tokio::time::timeout(limit, asked).await.map_err(|_| limit),
        None => Ok(asked.await),
    }
}

pub(super) async fn pause(args: &HaltArgs) -> anyhow::Result<()> {
    let wish = PauseWish { note: args.note.clone() };
    let paused = client(&args.ask)?.pause(&args.job, &wish).await?;
    halted(&paused, &args.ask)
}

fn halted(halted: &Reply<Halted>, ask: &AskArgs) -> anyhow::Result<()> {
    if ask.json {
        return Ok(show(&halted.json)?);
    }
    let Halted { job, savepoint } = &halted.value;
    let summary = &job.summary;
    let mut text = format!("{}  {}: {}", summary.state.name(), summary.name, summary.reason);
    if let Some(savepoint) = savepoint {
        text.push_str(&format!("\n{}", taken(savepoint)));
    }
    Ok(show(painted(&text, is_colourful()))?)
}

pub(super) async fn savepoint(args: &HaltArgs) -> anyhow::Result<()> {
    let wish = SavepointWish { note: args.note.clone() };
    let savepoint = client(&args.ask)?.savepoint(&args.job, &wish).await?;
    if args.ask.json {
        return Ok(show(&savepoint.json)?);
    }
    Ok(show(format!("{}: {}", args.job, taken(&savepoint.value)))?)
}

pub(super) async fn delete(args: &DeleteArgs) -> anyhow::Result<()> {
    let wish = DeleteWish { snapshots: args.snapshots };
    client(&args.ask)?.delete(&args.job, wish).await?;
    if args.ask.json {
        return Ok(());
    }
    let snapshots = if args.snapshots { "its snapshots too" } else { "its snapshots stay" };
    Ok(show(format!("deleted  {}; {snapshots}", args.job))?)
}

//! `start`, `resume`, `restore`: a job that is to run.

use super::present::{is_colourful, painted};
use super::{client, wait};
use crate::api::{JobDetail, RestoreWish, StartWish};
use crate::cli::{AskArgs, RestoreArgs, ResumeArgs, StartArgs, WaitArgs};
use crate::client::{Client, Reply};
use crate::commands::show;

pub(super) async fn start(args: &StartArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let wish = StartWish {
        from: args.from.clone(),
        allow_fallback: args.allow_fallback,
        resnapshot: args.resnapshot.clone(),
    };
    let started = client.start(&args.job, &wish).await?;
    end(&client, started, &args.wait, &args.ask).await
}

pub(super) async fn resume(args: &ResumeArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let resumed = client.resume(&args.job).await?;
    end(&client, resumed, &args.wait, &args.ask).await
}

pub(super) async fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let client = client(&args.ask)?;
    let wish = RestoreWish { snapshot: args.snapshot.clone() };
    let restored = client.restore(&args.job, &wish).await?;
    end(&client, restored, &args.wait, &args.ask).await
}

/// Waits, where that is asked for, and tells how the job stands.
pub(super) async fn end(
    client: &Client,
    mut job: Reply<JobDetail>,
    wait: &WaitArgs,
    ask: &AskArgs,
) -> anyhow::Result<()> {
    if let Some(limit) = wait.wait {
        job = wait::until_it_runs(client, job, limit).await?;
    }
    tell(&job, ask)
}

/// One line, the state first.
pub(super) fn tell(job: &Reply<JobDetail>, ask: &AskArgs) -> anyhow::Result<()> {
    if ask.json {
        return Ok(show(&job.json)?);
    }
    let summary = &job.value.summary;
    let line = format!("{}  {}: {}", summary.state.name(), summary.name, summary.reason);
    for note in &job.value.notes {
        eprintln!("note: {note}");
    }
    Ok(show(painted(&line, is_colourful()))?)
}

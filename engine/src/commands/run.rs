//! `seachange run`: the job in the foreground, until it ends or is told to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use binlog::preflight::{self, Check, Outcome};
use job::{Host, JobSpec, NoteKind, Retention};
use model::{BarrierKind, Clock};
use state::JobOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{Usage, exit};
use crate::cli::{OnTerm, RunArgs};
use crate::daemon::{Daemon, Ended, Stop};
use crate::error::chain;
use crate::progress;
use crate::source::open::source_options;
use crate::source::status::Status;

const LET_GO_WITHIN: Duration = Duration::from_secs(5);

/// Wall-clock time of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        chrono::Utc::now().timestamp_millis()
    }
}

pub async fn run(args: &RunArgs) -> anyhow::Result<u8> {
    let job = super::read_job(&args.script)?;
    for note in &job.notes {
        match note.kind {
            NoteKind::Leniency => warn!("{note}"),
            NoteKind::NoCounterpart | NoteKind::Default => info!("{note}"),
        }
    }
    if job.restore.path.is_some() {
        return Err(Usage(
            "`execution.state-recovery.path` (`execution.savepoint.path`) is not supported by \
             this build: name the snapshot's id with `--from`"
                .to_owned(),
        )
        .into());
    }
    if !fit(&job).await {
        return Ok(exit::FAILED);
    }
    let options = JobOptions {
        work_dir: args.work_dir.clone(),
        take_over: args.take_over,
        ..JobOptions::default()
    };
    let state = state::open_job(&args.state.state, &job.name, &options).await?;
    let checkpoints = Arc::clone(&state.checkpoints);
    let retention = job.checkpointing.retention;
    let (stop, stopped) = watch::channel(Stop::Not);
    let (status, looks) = watch::channel(Status::default());
    let last = looks.clone();
    let shown = progress::run(source_options(&job.name, &job.source, first(&job)?), looks);
    let daemon = Daemon {
        job,
        state,
        from: args.from,
        resnapshot: args.resnapshot.clone(),
        stop: stopped,
        clock: Arc::new(SystemClock),
        status,
    };
    let ended = tokio::select! {
        ended = daemon.run() => ended,
        never = shown => match never {},
        () = watch_signals(stop, args.on_term) => {
            warn!("stopped at once, at a second signal; the newest checkpoint stands");
            return Ok(exit::FAILED);
        }
    };
    if ended.as_ref().is_ok_and(|ended| *ended == Ended::Cancelled)
        && retention != Retention::Retain
    {
        delete_checkpoints(&*checkpoints).await?;
    }
    let_go(&*checkpoints).await;
    for (table, events_dropped) in &last.borrow().quarantined {
        warn!(%table, events_dropped, "the table is in quarantine as the job ends");
    }
    match ended {
        Ok(Ended::With(id)) => {
            info!(%id, "the job has ended; its last snapshot is {id}");
            Ok(exit::DONE)
        }
        Ok(Ended::Unsaved) => {
            info!("the job has ended between two starts; its newest checkpoint stands");
            Ok(exit::DONE)
        }
        Ok(Ended::Cancelled) => {
            info!("the job was cancelled");
            Ok(exit::DONE)
        }
        Err(failure) => {
            error!("the job failed: {}", chain(&failure));
            Ok(exit::FAILED)
        }
    }
}

/// The next start then need not wait to see whether this one lives.
async fn let_go(store: &dyn model::CheckpointStore) {
    match tokio::time::timeout(LET_GO_WITHIN, store.release()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => info!("the job's lease is left to run out: {}", chain(&error)),
        Err(_) => info!("the job's lease is left to run out: the store does not answer"),
    }
}

/// `DELETE_ON_CANCELLATION`: a cancelled job leaves savepoints only.
async fn delete_checkpoints(store: &dyn model::CheckpointStore) -> anyhow::Result<()> {
    let fence = store.acquire().await?;
    for listed in store.list().await? {
        if listed.content.is_ok_and(|c| c.kind == BarrierKind::Checkpoint) {
            store.remove(fence, listed.id).await?;
        }
    }
    Ok(())
}

/// The host that a job would rather read than any other.
fn first(job: &JobSpec) -> anyhow::Result<&Host> {
    job.source.hosts.first().context("the job has no host")
}

/// Tells everything that keeps the source from being replicated, at once. A server that cannot be
/// reached now is the restart strategy's business, and the next host's.
async fn fit(job: &JobSpec) -> bool {
    let databases = job.source.tables.databases_hint().unwrap_or_default();
    for host in &job.source.hosts {
        let options = source_options(&job.name, &job.source, host);
        let checks = preflight::run(&options, &databases).await;
        let reached = preflight::is_reached(&checks);
        let fit = told(&checks);
        if reached {
            return fit;
        }
    }
    true
}

/// False where something is to be mended.
fn told(checks: &[Check]) -> bool {
    let mut fit = true;
    for check in checks {
        let fix = check.fix.as_deref().unwrap_or_default();
        match check.outcome {
            Outcome::Ok => {}
            Outcome::Warn => warn!(check = check.name, found = %check.found, "{fix}"),
            Outcome::Fail if check.name == preflight::CONNECTION => {
                warn!(check = check.name, found = %check.found, "{fix}");
            }
            Outcome::Fail => {
                error!(check = check.name, found = %check.found, "to be mended first: {fix}");
                fit = false;
            }
        }
    }
    fit
}

/// Ends at the second signal.
async fn watch_signals(stop: watch::Sender<Stop>, on_term: OnTerm) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        error!("signals cannot be watched: end the job with kill -9, it resumes exactly");
        return std::future::pending().await;
    };
    let mut either = async || {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
    };
    either().await;
    stop.send_replace(match on_term {
        OnTerm::Savepoint => Stop::Savepoint,
        OnTerm::Cancel => Stop::Cancel,
    });
    // The same key press can reach us twice, through a terminal and a parent process.
    tokio::time::sleep(Duration::from_millis(200)).await;
    either().await;
}

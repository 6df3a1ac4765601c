//! `seachange run`: the job in the foreground, until it ends or is told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use binlog::preflight::{self, Check, Outcome};
use job::{Host, JobSpec, NoteKind};
use model::Clock;
use state::object::ObjectUrl;
use state::{JobOptions, JobState};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, oneshot, watch};
use tracing::{error, info, warn};

use super::{Usage, exit};
use crate::checkpoint::machine::Then;
use crate::cli::{OnTerm, RunArgs};
use crate::control::{self, Control, Stop};
use crate::daemon::{Daemon, Ended};
use crate::error::{EngineError, chain};
use crate::http::{self, Api};
use crate::lag::{Lag, Servers};
use crate::progress;
use crate::serve::listen::Listening;
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

/// What the last requests have to be answered once the job has ended.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

pub async fn run(args: &RunArgs) -> anyhow::Result<u8> {
    // Before anything else: untended, this signal would end the process.
    let wanted = signal(SignalKind::user_defined1()).context("cannot watch for SIGUSR1")?;
    let job = super::read_job(&args.script)?;
    for note in &job.notes {
        match note.kind {
            NoteKind::Leniency => warn!("{note}"),
            NoteKind::NoCounterpart | NoteKind::Default => info!("{note}"),
        }
    }
    for (key, place) in [
        ("execution.checkpointing.savepoint-dir", &job.checkpointing.savepoint_dir),
        ("execution.state-recovery.path", &job.restore.path),
    ] {
        if let Some(Err(error)) = place.as_ref().map(|place| place.parse::<ObjectUrl>()) {
            return Err(Usage(format!("`{key}`: {error}")).into());
        }
    }
    let unfit = unfit(&job).await;
    for what in &unfit {
        error!("{what}");
    }
    if !unfit.is_empty() {
        return Ok(exit::FAILED);
    }
    let options = JobOptions {
        work_dir: args.state.work_dir.clone(),
        take_over: args.take_over,
        ..JobOptions::default()
    };
    let url = super::state_url(&args.state, job.checkpointing.dir.as_deref())?;
    let state = state::open_job(&url, &job.name, &options).await?;
    let listening = match args.http {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    conduct(args, job, state, wanted, listening).await
}

/// Runs the job, and what is around it, to its end.
async fn conduct(
    args: &RunArgs,
    job: JobSpec,
    state: JobState,
    wanted: Signal,
    listening: Option<Listening>,
) -> anyhow::Result<u8> {
    let (control, controlled) = control::channel();
    let checkpoints = Arc::clone(&state.checkpoints);
    let (status, looks) = watch::channel(Status::default());
    let last = looks.clone();
    let options = source_options(&job.name, &job.source, first(&job)?);
    // Who asks of one job is told what is so now.
    let servers = Servers::new(Duration::ZERO);
    let api = Api {
        job: job.name.clone(),
        control: control.clone(),
        checkpoints: Arc::clone(&state.checkpoints),
        status: looks.clone(),
        lag: Arc::new(Mutex::new(Lag::new(options.clone(), Arc::clone(&servers)))),
    };
    let shown = progress::run(Lag::new(options, servers), looks);
    let daemon = Daemon {
        job,
        state,
        from: args.from.clone(),
        allow_fallback: args.allow_fallback,
        resnapshot: args.resnapshot.clone(),
        begun_after: None,
        control: controlled,
        clock: Arc::new(SystemClock),
        status,
        screen: sinks::standard_output(),
    };
    let (end, ends) = oneshot::channel();
    let served = serve(listening, api, ends);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = Box::pin(daemon.run()) => ended,
        never = shown => match never {},
        never = savepoints(wanted, &control) => match never {},
        () = &mut served => return Err(anyhow::anyhow!("the HTTP server ended")),
        () = watch_signals(&control, args.on_term) => {
            warn!("stopped at once, at a second signal; the newest checkpoint stands");
            return Ok(exit::FAILED);
        }
    };
    // Whoever asked for the end is answered.
    if args.http.is_some() && end.send(()).is_ok() {
        served.await;
    }
    let_go(&*checkpoints).await;
    for (table, events_dropped) in &last.borrow().quarantined {
        warn!(%table, events_dropped, "the table is in quarantine as the job ends");
    }
    Ok(tell(ended))
}

/// The next start then need not wait to see whether this one lives.
pub(crate) async fn let_go(store: &dyn model::CheckpointStore) {
    match tokio::time::timeout(LET_GO_WITHIN, store.release()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => info!("the job's lease is left to run out: {}", chain(&error)),
        Err(_) => info!("the job's lease is left to run out: the store does not answer"),
    }
}

/// The exit code.
fn tell(ended: Result<Ended, EngineError>) -> u8 {
    match ended {
        Ok(Ended::With(id)) => info!(%id, "the job has ended; its last snapshot is {id}"),
        Ok(Ended::Unsaved) => {
            info!("the job has ended between two starts; its newest checkpoint stands");
        }
        Ok(Ended::Cancelled) => info!("the job was cancelled"),
        Err(failure) => {
            error!("the job failed: {}", chain(&failure));
            return exit::FAILED;
        }
    }
    exit::DONE
}

/// The host that a job would rather read than any other.
fn first(job: &JobSpec) -> anyhow::Result<&Host> {
    job.source.hosts.first().context("the job has no host")
}

/// Everything that keeps the source from being replicated, at once; empty where nothing does. A server
/// that cannot be reached now is the restart strategy's business, and the next host's.
pub(crate) async fn unfit(job: &JobSpec) -> Vec<String> {
    let databases = job.source.tables.databases_hint().unwrap_or_default();
    for host in &job.source.hosts {
        let options = source_options(&job.name, &job.source, host);
        let checks = preflight::run(&options, &databases).await;
        let unfit = faults(&checks);
        if preflight::is_reached(&checks) {
            return unfit;
        }
    }
    Vec::new()
}

/// What is to be mended; the rest is logged.
fn faults(checks: &[Check]) -> Vec<String> {
    let mut faults = Vec::new();
    for check in checks {
        match check.outcome {
            Outcome::Ok => {}
            Outcome::Warn => warn!("{}", said(check)),
            Outcome::Fail if check.name == preflight::CONNECTION => warn!("{}", said(check)),
            Outcome::Fail => faults.push(format!("to be mended first: {}", said(check))),
        }
    }
    faults
}

/// What was looked at, what is the case, and then what mends it.
fn said(check: &Check) -> String {
    let Check { name, found, .. } = check;
    match check.fix.as_deref().filter(|fix| !fix.is_empty()) {
        Some(fix) => format!("{name}: {found}. What mends it: {fix}"),
        None => format!("{name}: {found}"),
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<Listening> {
    let listening = http::bind(address)
        .await
        .map_err(|error| Usage(format!("cannot listen at {address} (`--http`): {error}")))?;
    let bound = listening.address();
    if !bound.ip().is_loopback() {
        warn!(%bound, "whoever reaches this address can stop the job: there is no password");
    }
    info!(%bound, "HTTP is served at http://{bound}");
    Ok(listening)
}

/// Ends after `ends`, once all that is under way is answered; without a listener, never.
async fn serve(listening: Option<Listening>, api: Api, ends: oneshot::Receiver<()>) {
    let Some(listening) = listening else { return std::future::pending().await };
    let ends = async move {
        let _ = ends.await;
    };
    http::serve(listening, api, ends, ANSWERED_WITHIN).await;
}

/// A savepoint at each SIGUSR1; several that come while one is taken are one.
async fn savepoints(mut wanted: Signal, control: &Control) -> Infallible {
    loop {
        if wanted.recv().await.is_none() {
            return std::future::pending().await;
        }
        match control.savepoint(String::new(), Then::GoOn).await {
            Ok(taken) => info!(id = %taken.savepoint.id, reference = %taken.reference,
                "savepoint {} was taken at SIGUSR1; the job goes on", taken.savepoint.id),
            Err(refusal) => error!("no savepoint was taken at SIGUSR1: {refusal}"),
        }
    }
}

/// Ends at the second signal.
async fn watch_signals(control: &Control, on_term: OnTerm) {
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
    control.stop(match on_term {
        OnTerm::Savepoint => Stop::Savepoint,
        OnTerm::Cancel => Stop::Cancel,
    });
    // The same key press can reach us twice, through a terminal and a parent process.
    tokio::time::sleep(Duration::from_millis(200)).await;
    // What came meanwhile is remembered.
    while tokio::time::timeout(Duration::ZERO, either()).await.is_ok() {}
    either().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_before_what_mends_it() {
        let check = |outcome, fix: &str| {
            let fix = (!fix.is_empty()).then(|| fix.to_owned());
            Check { name: "binlog_format", outcome, found: "STATEMENT".to_owned(), fix }
        };
        let checks = [check(Outcome::Fail, "SET GLOBAL x = 1;"), check(Outcome::Fail, "")];
        let expected = [
            "to be mended first: binlog_format: STATEMENT. What mends it: SET GLOBAL x = 1;",
            "to be mended first: binlog_format: STATEMENT",
        ];
        assert_eq!(faults(&checks), expected);
    }
}

//! A run of a job: on a thread and a runtime of its own, so that a panic, a task that never yields or a
//! sink that blocks is the job's own misfortune.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use job::JobSpec;
use model::Clock;
use sinks::Screen;
use state::{JobOptions, StateUrl};
use tokio::runtime::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::in_background;
use crate::commands::run::{let_go, unfit};
use crate::control::{self, Control, Controlled, Phase, Stop};
use crate::daemon::{Daemon, Ended, From};
use crate::error::chain;
use crate::lag::{Behind, Lag, Servers};
use crate::logging;
use crate::source::open::source_options;
use crate::source::status::Status;

/// What is under way when a run has ended has so long to end too.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);
/// How often the server is asked how far its end is, and how long it may take to say.
pub(super) const LAG_PERIOD: Duration = Duration::from_secs(5);
const LAG_WITHIN: Duration = Duration::from_secs(3);
/// For so long a job keeps others from starting: servers that do not answer would keep them for minutes.
const TURN_MAX: Duration = Duration::from_secs(10);
/// Bytes of a thread's stack. Deep parsers run on them too.
const STACK_BYTES: usize = 2 << 20;

/// What is to run.
pub(super) struct Plan {
    pub job: JobSpec,
    pub state: StateUrl,
    pub options: JobOptions,
    pub from: From,
    pub allow_fallback: bool,
    pub resnapshot: Vec<String>,
    /// See [`Daemon::begun_after`].
    pub begun_after: Option<u64>,
    pub clock: Arc<dyn Clock>,
    pub screen: Screen,
    /// Taken while the job comes to run, so that not all do at once.
    pub turns: Arc<Semaphore>,
    pub servers: Arc<Servers>,
    /// Threads of its runtime.
    pub threads: usize,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Ended(Ended),
    Failed(String),
    /// Stopped before it had begun.
    Never,
}

/// A run that is under way.
pub(super) struct Run {
    pub control: Control,
    pub status: watch::Receiver<Status>,
    /// How far it is behind; `None` where that is not known.
    pub behind: watch::Receiver<Option<Behind>>,
    /// A lost sender: the thread could not be started, or died in a way nobody foresaw.
    pub ended: oneshot::Receiver<Outcome>,
}

/// What of a run its own thread has.
struct Inside {
    controlled: Controlled,
    phase: watch::Receiver<Phase>,
    status: watch::Sender<Status>,
}

impl Plan {
    /// To be called on the daemon's runtime, on which the servers are asked how far they are: their
    /// connections are of all jobs, and outlive this one.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(self) -> std::io::Result<Run> {
        let (control, controlled) = control::channel();
        let (status, looks) = watch::channel(Status::default());
        let (behind, lag) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let name = self.job.name.clone();
        if let Some(host) = self.job.source.hosts.first() {
            let options = source_options(&self.job.name, &self.job.source, host);
            let lag = Lag::new(options, Arc::clone(&self.servers));
            in_background(sample_lag(lag, looks.clone(), control.watch(), behind));
        }
        let inside = Inside { controlled, phase: control.watch(), status };
        std::thread::Builder::new().name("job".to_owned()).stack_size(STACK_BYTES).spawn(
            move || {
                logging::this_thread_is_of(&name);
                let outcome = catch_unwind(AssertUnwindSafe(|| self.run(inside)));
                let _ =
                    end.send(outcome.unwrap_or_else(|panic| Outcome::Failed(panicked(&*panic))));
            },
        )?;
        Ok(Run { control, status: looks, behind: lag, ended })
    }

    fn run(self, inside: Inside) -> Outcome {
        let name = self.job.name.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(self.threads)
            .thread_stack_size(STACK_BYTES)
            .thread_name("job")
            .on_thread_start(move || logging::this_thread_is_of(&name))
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return Outcome::Failed(format!("the system gives no threads: {error}")),
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.conduct(inside))));
        runtime.shutdown_timeout(CLOSED_WITHIN);
        outcome.unwrap_or_else(|panic| Outcome::Failed(panicked(&*panic)))
    }

    async fn conduct(self, inside: Inside) -> Outcome {
        let mut stop = inside.controlled.stop.clone();
        let turn = tokio::select! {
            turn = Arc::clone(&self.turns).acquire_owned() => turn.ok(),
            _ = stop.wait_for(|stop| *stop != Stop::Not) => return Outcome::Never,
        };
        in_background(leave_turn(turn, inside.phase.clone()));
        let unfit = unfit(&self.job).await;
        if !unfit.is_empty() {
            return Outcome::Failed(unfit.join("; "));
        }
        let opened = state::open_job(&self.state, &self.job.name, &self.options).await;
        let state = match opened {
            Ok(state) => state,
            Err(error) => return Outcome::Failed(chain(&error)),
        };
        let checkpoints = Arc::clone(&state.checkpoints);
        model::fault::panic_as(&self.job.name);
        let daemon = Daemon {
            job: self.job,
            state,
            from: self.from,
            allow_fallback: self.allow_fallback,
            resnapshot: self.resnapshot,
            begun_after: self.begun_after,
            control: inside.controlled,
            clock: self.clock,
            status: inside.status,
            screen: self.screen,
        };
        let ended = Box::pin(daemon.run()).await;
        let_go(&*checkpoints).await;
        match ended {
            Ok(ended) => Outcome::Ended(ended),
            Err(error) => Outcome::Failed(chain(&error)),
        }
    }
}

/// Once the job runs, or has come to wait, or takes too long.
async fn leave_turn(turn: Option<OwnedSemaphorePermit>, mut phase: watch::Receiver<Phase>) {
    let begun = phase.wait_for(|phase| !matches!(phase, Phase::Starting));
    let _ = tokio::time::timeout(TURN_MAX, begun).await;
    drop(turn);
}

/// Until the job has ended.
async fn sample_lag(
    mut lag: Lag,
    looks: watch::Receiver<Status>,
    phase: watch::Receiver<Phase>,
    behind: watch::Sender<Option<Behind>>,
) {
    while phase.has_changed().is_ok() {
        tokio::time::sleep(LAG_PERIOD).await;
        let running = matches!(*phase.borrow(), Phase::Running(_));
        let status = looks.borrow().clone();
        let now = match running {
            true => tokio::time::timeout(LAG_WITHIN, lag.measure(&status)).await.ok(),
            false => None,
        };
        behind.send_replace(now);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    format!("the job panicked, which is a fault of seachange: {text}. Its newest checkpoint stands")
}

//! Many jobs in one process: kept, started, watched, stopped, and brought back after a restart.
//!
//! A job's script, its versions and what its user wants of it are records of the registry
//! (`store.rs`); what it has replicated is in its state, as for `seachange run`, and nowhere else. Each
//! job has a task that everything goes through (`actor.rs`), and each of its runs a thread and a
//! runtime of its own (`run.rs`).

mod actor;
mod log;
mod record;
mod refused;
mod run;
mod samples;
mod script;
mod store;
mod tail;
mod view;
mod wishes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use job::JobSpec;
use model::{Clock, StoreError};
use state::{Registry, StateUrl};
use tokio::sync::{Mutex, Semaphore, broadcast, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::actor::{Actor, Ask, Handle};
use self::log::{Log, Told};
pub use self::refused::Refused;
use self::store::{KeepError, Store};
use crate::alerts::{Alerts, Observation};
use crate::api::{
    Counts, Event, EventKind, JobDetail, JobList, JobState, JobSummary, Line, Output, Sample,
    Samples, Tables,
};
use crate::lag::Servers;
use crate::metrics::JobMetrics;
use crate::serve::access::NOBODY;
use crate::serve::seal::Sealer;

/// Between two looks of the alerts.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Which jobs are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Part of the name, whatever its case.
    pub search: Option<String>,
    /// Empty: all.
    pub states: Vec<JobState>,
    /// Jobs below this path.
    pub folder: Option<String>,
    pub limit: usize,
    /// The name after which the page begins.
    pub after: Option<String>,
}

/// Which events are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsQuery {
    pub job: Option<String>,
    /// Empty: all.
    pub kinds: Vec<EventKind>,
    pub limit: usize,
    /// Only those with a smaller id.
    pub before: Option<u64>,
    /// Only those with a greater id; then the oldest of them, in their order.
    pub after: Option<u64>,
}

/// What watchers are told. Whoever lags is told so by the channel and asks anew.
#[derive(Debug, Clone)]
pub enum News {
    Event(Event),
    /// A job stands differently; or is gone.
    Job(String),
    Output(String, Arc<[Line]>),
    Sample(String, Sample),
}

/// A submitted job.
#[derive(Debug, Clone)]
pub struct Submitted {
    pub job: JobDetail,
    /// False: that very script was there already.
    pub is_new: bool,
}

/// What holds for all jobs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the state of a job rests whose script does not say.
    pub state: StateUrl,
    /// As `--work-dir` of `seachange run`.
    pub work_dir: PathBuf,
    /// Threads of each job.
    pub threads: usize,
    /// Jobs that come to run at the same time; the others wait for their turn.
    pub starts_at_once: usize,
    /// Lines of `print` that are kept of each job.
    pub output_lines: usize,
    /// Scripts are read so that say nothing of it.
    pub lenient: bool,
}

impl Settings {
    fn state_of(&self, spec: &JobSpec) -> Result<StateUrl, String> {
        match &spec.checkpointing.dir {
            Some(dir) => {
                dir.parse().map_err(|error| format!("`execution.checkpointing.dir`: {error}"))
            }
            None => Ok(self.state.clone()),
        }
    }
}

/// What the jobs have in common.
pub(crate) struct Shared {
    store: Store,
    log: Log,
    clock: Arc<dyn Clock>,
    settings: Settings,
    turns: Arc<Semaphore>,
    servers: Arc<Servers>,
}

/// The jobs of a daemon. Who asks is told as `by`, for the events.
pub struct Jobs {
    shared: Arc<Shared>,
    handles: RwLock<BTreeMap<String, Handle>>,
    /// Held while a name is taken or given up.
    naming: Mutex<()>,
    is_ready: AtomicBool,
    is_leaving: AtomicBool,
}

/// What keeps a daemon from having its jobs.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Kept(String),
}

impl Jobs {
    /// Reads what there is. No job runs before [`Jobs::bring_back`].
    ///
    /// # Errors
    /// The registry does not open, or a record or a script in it cannot be read: no job is left
    /// behind in silence.
    pub async fn open(
        registry: Registry,
        sealer: Sealer,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, Waiting), OpenError> {
        let log = Log::open(registry.clone(), Arc::clone(&clock)).await?;
        let turns = Arc::new(Semaphore::new(settings.starts_at_once.max(1)));
        let store = Store { registry, sealer };
        let shared = Arc::new(Shared {
            store,
            log,
            clock,
            settings,
            turns,
            servers: Servers::new(run::LAG_PERIOD),
        });
        let kept = |error: KeepError| match error {
            KeepError::Store(error) => OpenError::Store(error),
            other @ (KeepError::Sealed { .. }
            | KeepError::Unreadable { .. }
            | KeepError::NoVersion { .. }) => OpenError::Kept(crate::error::chain(&other)),
        };
        let mut handles = BTreeMap::new();
        let mut waiting = Vec::new();
        for record in shared.store.jobs().await.map_err(kept)? {
            let text = shared.store.text(&record.name, record.version).await.map_err(kept)?;
            let name = record.name.clone();
            let (actor, handle) = Actor::new(Arc::clone(&shared), record, text);
            handles.insert(name, handle);
            waiting.push(actor);
        }
        let jobs = Self {
            shared,
            handles: RwLock::new(handles),
            naming: Mutex::default(),
            is_ready: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
        };
        Ok((Arc::new(jobs), Waiting(waiting)))
    }

    /// Brings every job back to where its user left it.
    pub async fn bring_back(&self, waiting: Waiting) {
        let mut back = JoinSet::new();
        for actor in waiting.0 {
            let (is_back, seen_to) = oneshot::channel();
            in_background(actor.run(is_back));
            back.spawn(seen_to);
        }
        back.join_all().await;
        self.is_ready.store(true, Ordering::Release);
    }

    /// The daemon has tried to bring back every job that is to run.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// The daemon ends: every job that runs takes a savepoint and ends, and nothing else is done any
    /// more. Jobs that take longer than `within` are left to die; they resume from their newest
    /// checkpoint.
    pub async fn leave(&self, within: Duration) {
        let handles = {
            let _naming = self.naming.lock().await;
            self.is_leaving.store(true, Ordering::Release);
            self.handles()
        };
        let mut leaving = JoinSet::new();
        for handle in handles.into_values() {
            leaving.spawn(async move {
                let (reply, answer) = oneshot::channel();
                if handle.asks.send(Ask::Leave { reply }).await.is_ok() {
                    let _ = answer.await;
                }
            });
        }
        let _ = tokio::time::timeout(within, leaving.join_all()).await;
    }

    fn handles(&self) -> BTreeMap<String, Handle> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn handle(&self, job: &str) -> Result<Handle, Refused> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.get(job).cloned().ok_or_else(|| Refused::NoJob(job.to_owned()))
    }

    /// Asks a job, and waits for what becomes of it.
    async fn ask<T>(
        &self,
        job: &str,
        ask: impl FnOnce(actor::Reply<T>) -> Ask,
    ) -> Result<T, Refused> {
        let handle = self.handle(job)?;
        let (reply, answer) = oneshot::channel();
        let gone = || match self.is_leaving.load(Ordering::Acquire) {
            true => Refused::Leaving,
            false => Refused::NoJob(job.to_owned()),
        };
        handle.asks.send(ask(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Jobs that fit, by name.
    pub fn list(&self, query: &ListQuery) -> JobList {
        let search = query.search.as_ref().map(|text| text.to_lowercase());
        let folder =
            query.folder.as_ref().map(|folder| format!("{}/", folder.trim_end_matches('/')));
        let mut counts = Counts::default();
        let (mut jobs, mut total, mut next) = (Vec::new(), 0, None);
        for (name, handle) in self.handles() {
            let look = handle.look.borrow().clone();
            let state = look.record.standing.state;
            *counts.0.entry(state).or_default() += 1;
            let fits = search.as_ref().is_none_or(|text| name.to_lowercase().contains(text))
                && (query.states.is_empty() || query.states.contains(&state))
                && folder.as_ref().is_none_or(|folder| name.starts_with(folder));
            if !fits {
                continue;
            }
            total += 1;
            if query.after.as_ref().is_some_and(|after| name <= *after) {
                continue;
            }
            if jobs.len() < query.limit {
                jobs.push(look.summary(&handle.samples));
            } else if next.is_none() {
                next = jobs.last().map(|job: &JobSummary| job.name.clone());
            }
        }
        JobList { jobs, counts, total, next }
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for handle in self.handles().into_values() {
            let state = handle.look.borrow().record.standing.state;
            *counts.0.entry(state).or_default() += 1;
        }
        counts
    }

    /// One line of the list; `None`: no such job.
    pub fn summary(&self, job: &str) -> Option<JobSummary> {
        let handle = self.handle(job).ok()?;
        let look = handle.look.borrow().clone();
        Some(look.summary(&handle.samples))
    }

    /// # Errors
    /// There is no such job; and so for all that follow.
    pub fn detail(&self, job: &str) -> Result<JobDetail, Refused> {
        let handle = self.handle(job)?;
        let look = handle.look.borrow().clone();
        Ok(look.detail(&handle.samples))
    }

    /// # Errors
    /// As above.
    pub fn output(&self, job: &str, after: u64, limit: usize) -> Result<Output, Refused> {
        Ok(self.handle(job)?.tail.after(after, limit))
    }

    /// # Errors
    /// As above.
    pub fn samples(&self, job: &str, after_ms: i64) -> Result<Samples, Refused> {
        Ok(self.handle(job)?.samples.after(after_ms))
    }

    /// # Errors
    /// As above.
    pub fn tables(&self, job: &str) -> Result<Tables, Refused> {
        let look = self.handle(job)?.look.borrow().clone();
        Ok(look.tables())
    }

    /// The numbers of all jobs, by name.
    pub fn metrics(&self) -> Vec<JobMetrics> {
        let looks = self.handles().into_values().map(|handle| handle.look.borrow().clone());
        looks.map(|look| look.metrics()).collect()
    }

    /// Looks at every job once a second, for as long as this lives, and tells what `alerts` makes of it.
    pub fn watch_with(self: &Arc<Self>, mut alerts: Alerts) {
        let jobs = Arc::downgrade(self);
        in_background(async move {
            let mut look = tokio::time::interval(LOOK_PERIOD);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                look.tick().await;
                let Some(jobs) = jobs.upgrade() else { return };
                let looks = jobs.handles().into_values().map(|handle| handle.look.borrow().clone());
                let seen: Vec<Observation> = looks.map(|look| look.observation()).collect();
                let now_ms = jobs.shared.clock.now_ms();
                for (job, text) in alerts.observe(&seen, now_ms) {
                    jobs.shared.log.tell(Told::of(&job, EventKind::Alert, text)).await;
                }
            }
        });
    }

    /// What happens from now on.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.shared.log.news.subscribe()
    }
}

/// A task of the daemon's own, which ends with the job that it is about, or with the process.
#[expect(clippy::disallowed_methods, reason = "not a task of a run, which its supervisor owns")]
fn in_background(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Who asked, for the end of a sentence; nothing where the daemon knows nobody by name.
fn whom(by: &str) -> String {
    if by == NOBODY { String::new() } else { format!(" by {by}") }
}

/// Jobs that are to be brought back.
pub struct Waiting(Vec<Actor>);

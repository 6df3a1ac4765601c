//! The story of a job: from a snapshot, through source and sinks, to the next snapshot.

mod begin;
mod lost;
mod retention;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use job::{BacklogInterval, ClaimMode, JobSpec, SinkSpec};
use model::checkpoint::{Fence, SourceState};
use model::{Checkpoint, CheckpointId, Clock, Sink};
use sinks::{Screen, SinkContext};
use state::JobState;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use begin::From;
pub(crate) use begin::ORIGIN;

use self::begin::{Begin, Choice, Place};
use self::lost::Lost;
use self::tasks::{forward_stop, read_chunks, stopped, supervise};
use crate::checkpoint::coordinator::Coordinator;
use crate::checkpoint::machine::{Machine, Policy};
use crate::control::{Controlled, Phase, REQUESTS_MAX, Stop};
use crate::error::{EngineError, chain};
use crate::hosts::Hosts;
use crate::meters::{Restored, SinkMeter};
use crate::pipeline::batch::Batcher;
use crate::pipeline::{deliver, queue};
use crate::source::open::Outputs;
use crate::source::status::Status;
use crate::source::{self, Inputs, snapshot};
use crate::supervisor::Supervisor;
use crate::transform::{self, Transforms};

/// Room for answers: a sink's never waits for the coordinator.
const QUESTIONS: usize = 64;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this as its last snapshot.
    With(CheckpointId),
    /// Without one: the newest checkpoint stands.
    Unsaved,
    Cancelled,
}

/// A job that is to run, and everything around it.
pub struct Daemon {
    pub job: JobSpec,
    pub state: JobState,
    pub from: From,
    /// A newest snapshot that is damaged may be passed over.
    pub allow_fallback: bool,
    /// Tables that the run reads from the start again, by their exact names.
    pub resnapshot: Vec<String>,
    /// Where a process before this one may have begun this very run: the newest snapshot before that,
    /// 0 for none. What is newer is the run's own, and it goes on from there.
    pub begun_after: Option<u64>,
    pub control: Controlled,
    pub clock: Arc<dyn Clock>,
    pub status: watch::Sender<Status>,
    /// Where `print` writes to.
    pub screen: Screen,
}

/// A sink by its name within the job.
type NamedSink = (String, Box<dyn Sink>);

/// What one attempt is made of.
struct Parts {
    fence: Fence,
    source: source::MySqlSource,
    shared: Arc<snapshot::Shared>,
    sinks: Vec<((NamedSink, queue::Receiver), Arc<SinkMeter>)>,
    backlog: watch::Receiver<bool>,
    claimed: Option<String>,
}

/// What a run has got hold of, over all its attempts.
#[derive(Debug, Default)]
struct Held {
    /// The newest.
    fence: Option<Fence>,
    /// Tasks of an attempt may still write by it.
    spent: bool,
    /// See [`Choice::own`].
    own: Option<u64>,
    /// The snapshot elsewhere that it began with and may remove (claim mode `CLAIM`).
    claimed: Option<String>,
    lost: Lost,
}

impl Daemon {
    /// Runs the job to its end, over as many restarts as its strategy allows.
    ///
    /// # Errors
    /// The failure that no restart mends.
    pub async fn run(self) -> Result<Ended, EngineError> {
        let choice = Choice {
            from: self.from.clone(),
            first: self.job.restore.path.clone(),
            allow_fallback: self.allow_fallback,
            own: u64::MAX,
        };
        let hosts = Hosts::new(self.job.source.hosts.clone());
        let mut held = Held::default();
        let supervisor = Supervisor {
            strategy: self.job.restart.clone(),
            hosts,
            control: self.control.clone(),
            chance: rand::random,
        };
        let ended = supervisor
            .run(async |hosts| {
                tokio::select! {
                    ended = self.attempts(&choice, hosts, &mut held) => ended,
                    _ = stopped(&self.control.stop, Stop::Cancel) => Ok(Ended::Cancelled),
                }
            })
            .await;
        if let Some(fence) = held.fence {
            let retention = self.job.checkpointing.retention;
            retention::apply(retention, &ended, &*self.state.checkpoints, fence).await;
        }
        self.control.phase.send_replace(Phase::Ended(ended.as_ref().err().map(|e| chain(e))));
        ended
    }

    /// One start of the job, to its end; and another at once where that mends what a sink has lost.
    async fn attempts(
        &self,
        choice: &Choice,
        hosts: &mut Hosts,
        held: &mut Held,
    ) -> Result<Ended, EngineError> {
        loop {
            match self.attempt(choice, hosts, held).await {
                Err(error) => held.lost.mend(error)?,
                ended => return ended,
            }
        }
    }

    async fn attempt(
        &self,
        choice: &Choice,
        hosts: &mut Hosts,
        held: &mut Held,
    ) -> Result<Ended, EngineError> {
        self.control.phase.send_replace(Phase::Starting);
        let fence = self.fence(held).await?;
        // Only now that nobody else writes to the state: what is there was there before.
        let own = match held.own {
            Some(own) => own,
            None => *held.own.insert(self.first_own().await?),
        };
        let choice = &Choice { own, ..choice.clone() };
        let mut sinks = self.open_sinks()?;
        let resume = self.choose(choice, &sinks).await?;
        let (senders, receivers): (Vec<_>, Vec<_>) = sinks.iter().map(|_| queue::bounded()).unzip();
        let sink_meters = self.meters(&senders);
        let (backlog, has_backlog) = watch::channel(false);
        let outputs = Outputs {
            batcher: Batcher::new(senders),
            stages: sinks.iter().any(|(_, sink)| sink.stages()),
            spool: Arc::new(self.state.spool.clone()),
            held: self.state.held.clone(),
            run: fence.0,
            status: self.status.clone(),
            meters: Arc::clone(&self.control.meters),
            backlog,
            clock: Arc::clone(&self.clock),
        };
        if resume.as_ref().is_some_and(|begin| begin.place == Place::Elsewhere)
            && choice.from == From::Latest
            && self.job.restore.claim_mode == ClaimMode::Claim
        {
            held.claimed.clone_from(&choice.first);
        }
        let ignore_unclaimed = self.job.restore.ignore_unclaimed;
        begin::fit(&sinks, resume.as_ref().map(|begin| &begin.checkpoint), ignore_unclaimed)?;
        let again = self.again(resume.as_ref());
        let snapshot = resume.as_ref().map(|Begin { checkpoint, .. }| checkpoint);
        let resumed = snapshot.filter(|c| self.is_exact(c)).map(|c| &*c.source);
        let resumed = held.lost.unread_in(resumed)?;
        let host = hosts.current().ok_or_else(|| EngineError::Job("no host".to_owned()))?;
        let (source, shared) =
            source::open::open(&self.job, host, resumed.as_ref(), again, outputs).await?;
        hosts.opened();
        // Only now, when the source is known to have what follows, is anything cut back.
        held.spent = true;
        self.begins_with(snapshot);
        let now = Arc::new(source.state());
        self.fit(&now)?;
        let again: Vec<String> = again.iter().cloned().chain(held.lost.unsaid()).collect();
        self.anchor(fence, resume.as_ref(), &again, &now, &mut sinks).await?;
        held.lost.said();
        let holds = || self.state.checkpoints.holds(fence);
        begin::restore(&mut sinks, snapshot, holds).await?;
        begin::begin(&mut sinks, &now, holds).await?;
        let sinks = sinks.into_iter().zip(receivers).zip(sink_meters).collect();
        let claimed = held.claimed.clone();
        self.flow(Parts { fence, source, shared, sinks, backlog: has_backlog, claimed }).await
    }

    /// A fence for an attempt: a new one, so that what an attempt before it still writes is refused;
    /// or that of one which never came to write, as where the server does not answer for days.
    async fn fence(&self, held: &mut Held) -> Result<Fence, EngineError> {
        let store = &self.state.checkpoints;
        if let Some(fence) = held.fence.filter(|_| !held.spent)
            && store.holds(fence).is_ok()
        {
            return Ok(fence);
        }
        let fence = store.acquire().await?;
        self.state.held.retaken().await;
        (held.fence, held.spent) = (Some(fence), false);
        Ok(fence)
    }

    /// Runs what has been opened, to its end.
    async fn flow(&self, parts: Parts) -> Result<Ended, EngineError> {
        let Parts { fence, source, shared, sinks, backlog, claimed } = parts;
        let names: Vec<String> = sinks.iter().map(|(((name, _), _), _)| name.clone()).collect();
        let mut tasks: JoinSet<Result<Option<Ended>, EngineError>> = JoinSet::new();
        let (answers, answered) = mpsc::channel(QUESTIONS);
        let mut commits = Vec::new();
        for (((name, sink), receiver), meter) in sinks {
            let (commit, to_commit) = mpsc::channel(QUESTIONS);
            commits.push((name.clone(), commit));
            let answers = answers.clone();
            let store = Arc::clone(&self.state.checkpoints);
            let held = deliver::Held { sink, store, fence, meter };
            tasks.spawn(async move {
                deliver::run(name, held, receiver, answers, to_commit).await.map(|()| None)
            });
        }
        drop(answers);

        let (ask, asks) = mpsc::channel(QUESTIONS);
        let (request, requests) = watch::channel(None);
        let (defer, deferred) = mpsc::channel(QUESTIONS);
        let (stop, stops) = mpsc::channel(QUESTIONS);
        let (change, changes) = mpsc::channel(1);
        let (commit, committed) = watch::channel(CheckpointId(0));
        let (want, wanted) = mpsc::channel(REQUESTS_MAX);
        for _ in 0..self.job.parallelism.get() * snapshot::READERS_PER_TURN {
            tasks.spawn(read_chunks(Arc::clone(&shared), ask.clone()));
        }
        drop(ask);
        let settings = &self.job.checkpointing;
        let coordinator = Coordinator {
            machine: Machine::new(self.policy(), names, self.next_id().await?, 0),
            job: self.job.name.clone(),
            store: Arc::clone(&self.state.checkpoints),
            held: self.state.held.clone(),
            fence,
            clock: Arc::clone(&self.clock),
            retained: usize::try_from(settings.num_retained.get()).unwrap_or(usize::MAX),
            timeout: settings.timeout,
            savepoint_dir: settings.savepoint_dir.clone(),
            claimed,
            requests: request,
            deferred,
            backlog,
            changes,
            committed: commit,
            savepoints: wanted,
            asker: None,
            answers: answered,
            commits,
            started: Instant::now(),
            meters: Arc::clone(&self.control.meters),
        };
        tasks.spawn(async move { Ok(coordinator.run(stops).await?.map(Ended::With)) });
        tasks.spawn(forward_stop(self.control.stop.clone(), stop.clone()));
        tasks.spawn(async move {
            let (changes, deferred) = (change, defer);
            source.run(Inputs { asks, requests, changes, committed, deferred, stop }).await?;
            Ok(None)
        });
        self.control.phase.send_replace(Phase::Running(want));
        supervise(tasks).await
    }

    /// The meter of each sink, in the order of the script.
    fn meters(&self, queues: &[queue::Sender]) -> Vec<Arc<SinkMeter>> {
        let named = self.job.sinks.iter().zip(queues);
        let meters = &self.control.meters;
        named.map(|(sink, queue)| meters.sink(&sink.name, &sink.connector, queue.gauge())).collect()
    }

    fn begins_with(&self, snapshot: Option<&Checkpoint>) {
        let restored = snapshot.filter(|c| c.trigger != ORIGIN);
        let restored = restored.map(|c| Restored { id: c.id, kind: c.kind });
        self.control.meters.checkpoints.begin(restored, self.clock.now_ms());
    }

    fn policy(&self) -> Policy {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let settings = &self.job.checkpointing;
        let interval = settings.interval.map(ms);
        Policy {
            interval,
            backlog_interval: match settings.interval_during_backlog {
                BacklogInterval::Same => interval,
                BacklogInterval::Off => None,
                // A job without periodic checkpoints has none meanwhile either.
                BacklogInterval::Every(period) => interval.map(|_| ms(period)),
            },
            timeout: ms(settings.timeout),
            min_pause: ms(settings.min_pause),
            tolerable_failures: settings.tolerable_failures,
        }
    }

    fn open_sinks(&self) -> Result<Vec<NamedSink>, EngineError> {
        let mut sinks = Vec::new();
        let transforms = Arc::new(self.transforms()?);
        for spec in &self.job.sinks {
            let context = SinkContext {
                screen: Arc::clone(&self.screen),
                watcher: self.control.meters.watcher(Arc::clone(&self.clock)),
                ..sink_context(&self.job, spec, Arc::clone(&self.clock))
            };
            let sink = sinks::open(&spec.connector, &spec.options, context).map_err(|error| {
                let what = chain(&error);
                let place = spec.place(error.option());
                EngineError::Job(place.map_or(what.clone(), |place| format!("{place}: {what}")))
            })?;
            sinks.push((spec.name.clone(), transforms.before(sink, &spec.name, &spec.connector)));
        }
        Ok(sinks)
    }

    fn transforms(&self) -> Result<Transforms, EngineError> {
        Transforms::read(&self.job.transforms, self.job.time_zone).map_err(EngineError::Job)
    }

    /// That the job's transforms fit the tables: a start that they refuse must not have moved the job.
    fn fit(&self, now: &SourceState) -> Result<(), EngineError> {
        let transforms = self.transforms()?;
        let needs_key = self.job.sinks.iter().any(|spec| transform::needs_key(&spec.connector));
        let tables = now.tables.iter().map(|table| &table.schema);
        transforms.check(tables, needs_key).map_err(EngineError::Job)
    }
}

/// What a sink knows of its job.
pub fn sink_context(job: &JobSpec, spec: &SinkSpec, clock: Arc<dyn Clock>) -> SinkContext {
    SinkContext {
        job: job.name.clone(),
        sink_name: spec.name.clone(),
        time_zone: job.time_zone,
        mode: job.checkpointing.mode,
        routes: spec.routes.clone(),
        source_column: spec.source_column.clone(),
        watcher: sinks::Watcher::default(),
        clock,
        screen: sinks::standard_output(),
    }
}

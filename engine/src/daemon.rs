//! The story of a job: from a snapshot, through source and sinks, to the next snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use job::{JobSpec, StartupMode};
use model::checkpoint::{Fence, SourceState};
use model::{BarrierKind, Checkpoint, CheckpointId, Clock, Sink, StoreError};
use sinks::SinkContext;
use state::JobState;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::checkpoint::coordinator::Coordinator;
use crate::checkpoint::machine::{Machine, Policy};
use crate::error::{EngineError, Remedy, chain};
use crate::hosts::{Hosts, Next};
use crate::pipeline::batch::Batcher;
use crate::pipeline::{deliver, queue};
use crate::source::open::Outputs;
use crate::source::snapshot::{Ask, Shared};
use crate::source::status::Status;
use crate::source::{self, Inputs, MySqlSource, SourceError, snapshot};
use crate::supervisor::Restarts;

/// How long the other tasks of a failed run have to tell a better reason.
const REASONS_WITHIN: Duration = Duration::from_secs(3);
/// Trigger of the snapshot that a fresh start begins with: no sink holds anything of it.
const ORIGIN: &str = "start";
/// Room for answers: a sink's never waits for the coordinator.
const QUESTIONS: usize = 64;

/// Which snapshot a run begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The newest valid one, of either kind; with none, a fresh start.
    Latest,
    Earliest,
    /// A fresh start, whatever there is.
    Nothing,
    /// This one, for this start alone.
    Id(CheckpointId),
}

/// What the user asks of a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Not,
    /// Take a savepoint, then end.
    Savepoint,
    /// End at once, without one.
    Cancel,
}

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
    /// Tables that the run reads from the start again, by their exact names.
    pub resnapshot: Vec<String>,
    pub stop: watch::Receiver<Stop>,
    pub clock: Arc<dyn Clock>,
    pub status: watch::Sender<Status>,
}

/// A sink by its name within the job.
type NamedSink = (String, Box<dyn Sink>);

/// Which snapshots a start may choose from.
#[derive(Debug, Clone, Copy)]
struct Choice {
    from: From,
    /// First id that this run itself writes. A restart goes on from the newest of those; only
    /// before there is one does it begin where the run began.
    own: u64,
}

impl Daemon {
    /// Runs the job to its end, over as many restarts as its strategy allows.
    ///
    /// # Errors
    /// The failure that no restart mends.
    pub async fn run(mut self) -> Result<Ended, EngineError> {
        let own = self.next_id().await?;
        let choice = Choice { from: self.from, own };
        let mut restarts = Restarts::new(self.job.restart.clone());
        let mut hosts = Hosts::new(self.job.source.hosts.clone());
        let began = Instant::now();
        loop {
            let started = Instant::now();
            let error = match self.attempt(choice, &mut hosts).await {
                Ok(ended) => return Ok(ended),
                Err(error) => error,
            };
            if *self.stop.borrow() != Stop::Not {
                return Err(error);
            }
            let delay = match hosts.after(error, began.elapsed(), started.elapsed()) {
                Next::Again(delay) => delay,
                Next::Failed(error) => {
                    let delay = match error.remedy() {
                        Remedy::Halt => None,
                        Remedy::Restart => {
                            let (now, ran) = (began.elapsed(), started.elapsed());
                            restarts.after_failure(now, ran, rand::random())
                        }
                    };
                    let Some(delay) = delay else { return Err(error) };
                    warn!(?delay, "the job failed and starts again: {}", chain(&error));
                    delay
                }
            };
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                stop = self.stop.wait_for(|s| *s != Stop::Not) => {
                    let cancelled = stop.is_ok_and(|s| *s == Stop::Cancel);
                    return Ok(if cancelled { Ended::Cancelled } else { Ended::Unsaved });
                }
            }
        }
    }

    async fn next_id(&self) -> Result<u64, EngineError> {
        let listed = self.state.checkpoints.list().await?;
        Ok(listed.iter().map(|l| l.id.0).max().unwrap_or(0) + 1)
    }

    /// One start of the job, to its end.
    async fn attempt(&mut self, choice: Choice, hosts: &mut Hosts) -> Result<Ended, EngineError> {
        // A fence of its own: what an attempt before this one still writes is refused.
        let fence = self.state.checkpoints.acquire().await?;
        let resume = self.choose(choice).await?;
        let mut sinks = self.open_sinks()?;
        let names: Vec<String> = sinks.iter().map(|(name, _)| name.clone()).collect();

        let (senders, receivers): (Vec<_>, Vec<_>) = names.iter().map(|_| queue::bounded()).unzip();
        let outputs = Outputs {
            batcher: Batcher::new(senders),
            spool: Arc::new(self.state.spool.clone()),
            held: self.state.held.clone(),
            run: fence.0,
            status: self.status.clone(),
            clock: Arc::clone(&self.clock),
        };
        let again = self.again(choice, resume.as_ref());
        let resumed = resume.as_ref().filter(|c| self.is_exact(c)).map(|c| &*c.source);
        let host = hosts.current().ok_or_else(|| EngineError::Job("no host".to_owned()))?;
        let opening = source::open::open(&self.job, host, resumed, again, outputs);
        let (source, shared) = tokio::select! {
            opened = opening => opened?,
            _ = stopped(&self.stop, Stop::Cancel) => return Ok(Ended::Cancelled),
        };
        hosts.opened();
        // Only now, when the source is known to have what follows, is anything cut back.
        self.anchor(fence, resume.as_ref(), again, &source).await?;
        restore(&mut sinks, resume.as_ref()).await?;

        let mut tasks: JoinSet<Result<Option<Ended>, EngineError>> = JoinSet::new();
        let (answers, answered) = mpsc::channel(QUESTIONS);
        let mut commits = Vec::new();
        for ((name, sink), receiver) in sinks.into_iter().zip(receivers) {
            let (commit, to_commit) = mpsc::channel(QUESTIONS);
            commits.push((name.clone(), commit));
            let answers = answers.clone();
            let held = deliver::Held { sink, store: Arc::clone(&self.state.checkpoints), fence };
            tasks.spawn(async move {
                deliver::run(name, held, receiver, answers, to_commit).await.map(|()| None)
            });
        }
        drop(answers);

        let (ask, asks) = mpsc::channel(QUESTIONS);
        let (request, requests) = watch::channel(None);
        let (defer, deferred) = mpsc::channel(QUESTIONS);
        let (stop, stops) = mpsc::channel(QUESTIONS);
        for _ in 0..self.job.parallelism.get() * snapshot::READERS_PER_TURN {
            tasks.spawn(read_chunks(Arc::clone(&shared), ask.clone()));
        }
        drop(ask);
        let coordinator = Coordinator {
            machine: Machine::new(self.policy(), names, self.next_id().await?, 0),
            job: self.job.name.clone(),
            store: Arc::clone(&self.state.checkpoints),
            held: self.state.held.clone(),
            fence,
            clock: Arc::clone(&self.clock),
            retained: usize::try_from(self.job.checkpointing.num_retained.get())
                .unwrap_or(usize::MAX),
            timeout: self.job.checkpointing.timeout,
            requests: request,
            deferred,
            answers: answered,
            commits,
            started: Instant::now(),
        };
        tasks.spawn(async move { Ok(coordinator.run(stops).await?.map(Ended::With)) });
        tasks.spawn(forward_stop(self.stop.clone(), stop.clone()));
        tasks.spawn(async move {
            source.run(Inputs { asks, requests, deferred: defer, stop }).await?;
            Ok(None)
        });
        supervise(tasks).await
    }

    /// Tables to read again: once, for what an attempt before this one has stored begins with it.
    fn again(&self, choice: Choice, resume: Option<&Checkpoint>) -> &[String] {
        let begun = resume.is_some_and(|c| c.id.0 >= choice.own);
        if begun { &[] } else { &self.resnapshot }
    }

    /// An origin holds where the job began; a start in the past is found again instead.
    fn is_exact(&self, snapshot: &Checkpoint) -> bool {
        let begins_now = matches!(
            self.job.source.startup,
            StartupMode::Initial | StartupMode::Snapshot | StartupMode::LatestOffset
        );
        begins_now || snapshot.trigger != ORIGIN
    }

    fn policy(&self) -> Policy {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let settings = &self.job.checkpointing;
        Policy {
            interval: settings.interval.map(ms),
            timeout: ms(settings.timeout),
            min_pause: ms(settings.min_pause),
            tolerable_failures: settings.tolerable_failures,
        }
    }

    /// The snapshot to begin with.
    async fn choose(&self, choice: Choice) -> Result<Option<Checkpoint>, EngineError> {
        let store = &self.state.checkpoints;
        let listed = store.list().await?;
        let newest = state::newest(&listed);
        if let Some((id, why)) = newest.damaged.first().filter(|(id, _)| id.0 >= choice.own) {
            return Err(damaged(*id, why, newest.checkpoint));
        }
        if let Some(own) = newest.checkpoint.filter(|c| c.id.0 >= choice.own) {
            return Ok(Some(own.clone()));
        }
        let chosen = match choice.from {
            From::Nothing => None,
            From::Id(id) => Some(store.get(id).await?),
            From::Earliest => listed.iter().rev().find_map(|l| l.content.as_ref().ok()).cloned(),
            From::Latest => {
                if let Some((id, why)) = newest.damaged.first() {
                    return Err(damaged(*id, why, newest.checkpoint));
                }
                newest.checkpoint.cloned()
            }
        };
        match &chosen {
            Some(c) => info!(id = %c.id, kind = %c.kind, position = %c.source.position,
                "resuming from {} {}", c.kind, c.id),
            None => info!(job = %self.job.name, "no snapshot to resume from: a fresh start"),
        }
        Ok(chosen)
    }

    /// Makes what the run begins with the newest snapshot, before any sink is cut back to it: a copy
    /// of an older one that was chosen, one in which tables are read `again`, or, at a fresh start,
    /// its origin. Else a crash before the first checkpoint would leave, as the newest, a snapshot
    /// of what the sinks no longer hold.
    async fn anchor(
        &self,
        fence: Fence,
        chosen: Option<&Checkpoint>,
        again: &[String],
        source: &MySqlSource,
    ) -> Result<(), EngineError> {
        let own = self.next_id().await?;
        if again.is_empty() && chosen.is_some_and(|c| c.id.0 + 1 == own) {
            return Ok(());
        }
        let first = Checkpoint {
            job: self.job.name.clone(),
            id: CheckpointId(own),
            kind: BarrierKind::Checkpoint,
            trigger: ORIGIN.to_owned(),
            note: String::new(),
            completed_at_ms: self.clock.now_ms(),
            duration_ms: 0,
            source: Arc::new(source.state()),
            sinks: BTreeMap::new(),
        };
        let anchor = match chosen {
            Some(c) => Checkpoint {
                id: first.id,
                kind: first.kind,
                trigger: if c.trigger == ORIGIN { ORIGIN } else { "restore" }.to_owned(),
                completed_at_ms: first.completed_at_ms,
                source: match again {
                    [] => Arc::clone(&c.source),
                    _ => Arc::new(SourceState {
                        tables: first.source.tables.clone(),
                        quarantine: first.source.quarantine.clone(),
                        ..SourceState::clone(&c.source)
                    }),
                },
                ..c.clone()
            },
            None => first,
        };
        self.state.held.publish(&anchor.source.xa).await?;
        self.state.checkpoints.put(fence, &anchor).await?;
        Ok(())
    }

    fn open_sinks(&self) -> Result<Vec<NamedSink>, EngineError> {
        let mut sinks = Vec::new();
        for spec in &self.job.sinks {
            let context = SinkContext {
                job: self.job.name.clone(),
                sink_name: spec.name.clone(),
                time_zone: self.job.time_zone,
                clock: Arc::clone(&self.clock),
            };
            let sink = sinks::open(&spec.connector, &spec.options, context)
                .map_err(|e| EngineError::Job(chain(&e)))?;
            sinks.push((spec.name.clone(), sink));
        }
        Ok(sinks)
    }
}

/// Never past data that a sink has committed without the user's word.
fn damaged(id: CheckpointId, why: &StoreError, older: Option<&Checkpoint>) -> EngineError {
    let offer = older.map_or_else(
        || "there is no other; `--from none` starts over".to_owned(),
        |c| format!("the newest valid one is {} {}: name it with `--from {}`", c.kind, c.id, c.id),
    );
    EngineError::Job(format!("the newest snapshot, {id}, cannot be restored ({why}); {offer}"))
}

/// Sets every sink to what the checkpoint says.
async fn restore(sinks: &mut [NamedSink], resume: Option<&Checkpoint>) -> Result<(), EngineError> {
    for (name, sink) in sinks {
        let token = resume.and_then(|c| c.sinks.get(name));
        if let (Some(c), None) = (resume.filter(|c| c.trigger != ORIGIN), token) {
            return Err(EngineError::Job(format!(
                "{name} is not in {} {}: it would miss everything before that. Run it as a job \
                 of its own, or start over (`--from none`)",
                c.kind, c.id
            )));
        }
        sink.restore(token).await?;
    }
    Ok(())
}

/// One chunk reader. In the middle of a SELECT it does not hold up the end of the job.
async fn read_chunks(
    shared: Arc<Shared>,
    ask: mpsc::Sender<Ask>,
) -> Result<Option<Ended>, EngineError> {
    let source = ask.clone();
    tokio::select! {
        read = snapshot::run(shared, ask) => Ok(read.map(|()| None)?),
        () = source.closed() => Ok(None),
    }
}

async fn stopped(stop: &watch::Receiver<Stop>, kind: Stop) -> Result<(), watch::error::RecvError> {
    stop.clone().wait_for(|s| *s == kind).await.map(drop)
}

/// Hands the user's word to the coordinator.
async fn forward_stop(
    mut stop: watch::Receiver<Stop>,
    to: mpsc::Sender<BarrierKind>,
) -> Result<Option<Ended>, EngineError> {
    let asked = tokio::select! {
        word = stop.wait_for(|s| *s != Stop::Not) => word.map(|w| *w).unwrap_or(Stop::Not),
        () = to.closed() => return Ok(None),
    };
    match asked {
        Stop::Cancel => Ok(Some(Ended::Cancelled)),
        Stop::Savepoint => {
            info!("stopping: a savepoint is taken first");
            let _ = to.send(BarrierKind::Savepoint).await;
            tokio::select! {
                _ = stop.wait_for(|s| *s == Stop::Cancel) => Ok(Some(Ended::Cancelled)),
                () = to.closed() => Ok(None),
            }
        }
        Stop::Not => Ok(None),
    }
}

/// Waits for the end of all tasks, or for the first failure; the rest are then dropped, for a start
/// from the newest checkpoint is always safe.
async fn supervise(
    mut tasks: JoinSet<Result<Option<Ended>, EngineError>>,
) -> Result<Ended, EngineError> {
    let mut ended = None;
    let mut failed: Option<EngineError> = None;
    let mut deadline = Instant::now() + Duration::from_secs(u64::from(u32::MAX));
    loop {
        let next = tokio::select! {
            next = tasks.join_next() => next,
            () = tokio::time::sleep_until(deadline) => None,
        };
        let result = match next {
            None => break,
            Some(Ok(result)) => result,
            Some(Err(panicked)) => {
                error!("a task panicked: {panicked}");
                Err(EngineError::Internal(panicked.to_string()))
            }
        };
        match result {
            Ok(Some(Ended::Cancelled)) => return Ok(Ended::Cancelled),
            Ok(Some(Ended::Unsaved)) => return Ok(Ended::Unsaved),
            Ok(Some(with)) => ended = Some(with),
            Ok(None) => {}
            // Only says that another task is gone: that one knows why.
            Err(EngineError::Source(SourceError::Stopped)) if failed.is_none() => {
                failed = Some(EngineError::Source(SourceError::Stopped));
                deadline = Instant::now() + REASONS_WITHIN;
            }
            Err(EngineError::Source(SourceError::Stopped)) => {}
            Err(error) => return Err(error),
        }
    }
    match (failed, ended) {
        (Some(error), _) => Err(error),
        (None, Some(ended)) => Ok(ended),
        (None, None) => Err(EngineError::Internal("all tasks ended without a reason".to_owned())),
    }
}

//! One job of the daemon: who asks something of it, what becomes of its runs, and what is kept of both.
//!
//! Each job has a task that owns its record and its run; whoever wants something asks it. So no two
//! wishes cross, and what is kept is never behind what was answered: a start is promised in the
//! registry before the run begins, a stop by savepoint after the job has ended by it (should the daemon
//! die in between, the job is brought back, from that very savepoint).

mod asks;
mod ends;
mod link;
mod starts;
mod watches;

pub(super) use self::asks::unmasked;

use std::collections::BTreeSet;
use std::sync::Arc;

use model::TableName;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tracing::error;

use self::link::LinkTold;
use super::log::Told;
use super::record::{Beginning, Record, Standing, Text};
use super::run::{Outcome, Run};
use super::samples::{self, Ring};
use super::store::KeepError;
use super::tail::Tail;
use super::view::{Brief, Look, Seen};
use super::{News, Refused, Shared, in_background, script, whom};
use crate::api::{EventKind, JobState, Snapshot, Strategy, UpdateWish};
use crate::control::{Phase, Refusal, Taken};
use crate::error::chain;

pub(super) type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// How a start was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Of a paused job.
    Resume,
    /// By the job's strategy.
    AsEver,
    /// With something that is for this start alone.
    Chosen,
}

/// How a job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    Smart,
    Savepoint,
    Pause,
    Cancel,
}

/// What is asked of a job. `by` is who asks.
pub(super) enum Ask {
    Start {
        beginning: Beginning,
        how: Start,
        by: String,
        reply: Reply<()>,
    },
    Halt {
        how: Halt,
        note: String,
        by: String,
        reply: Reply<Option<Snapshot>>,
    },
    Savepoint {
        note: String,
        by: String,
        reply: Reply<Snapshot>,
    },
    Update {
        wish: UpdateWish,
        by: String,
        reply: Reply<Updated>,
    },
    /// End it, if it runs, and start it so.
    Again {
        beginning: Beginning,
        what: String,
        by: String,
        reply: Reply<()>,
    },
    /// Remove it from the registry, and its snapshots where they are to go too. The actor ends then;
    /// it refuses while the job runs.
    Forget {
        snapshots: bool,
        reply: Reply<()>,
    },
    /// The daemon ends: the job takes a savepoint if it can, and is brought back by the next daemon.
    Leave {
        reply: Reply<()>,
    },
    /// A savepoint that was asked for by itself is taken, or not.
    Saved(Result<Box<Taken>, String>),
}

/// What became of a new script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Updated {
    pub applied: bool,
    pub changed: bool,
}

/// The run under way.
struct Running {
    run: Run,
    phase: watch::Receiver<Phase>,
    /// Of the script that it runs by.
    version: u32,
    /// Tables whose quarantine has been told of.
    apart: BTreeSet<TableName>,
    /// Failed checkpoints that have been told of.
    failures: u64,
    /// Changes that sinks have not followed and that have been told of.
    unapplied: u64,
    /// Changes that sinks have followed and that have been told of.
    applied: u64,
    /// What a sink was last seen to wait for, while the job is starting.
    waits: Option<String>,
    /// Of the connection to the source.
    link: LinkTold,
    seen: samples::Seen,
}

impl Running {
    fn new(run: Run, version: u32, now_ms: i64) -> Self {
        Self {
            phase: run.control.watch(),
            run,
            version,
            apart: BTreeSet::new(),
            failures: 0,
            unapplied: 0,
            applied: 0,
            waits: None,
            link: LinkTold::default(),
            seen: samples::Seen { at_ms: now_ms, ..samples::Seen::default() },
        }
    }
}

/// What follows once the run has ended.
enum After {
    Stop,
    Pause,
    Again(Box<Anew>),
    Leave,
}

/// A start that follows an end.
struct Anew {
    beginning: Beginning,
    /// What it then starts by.
    edit: Option<Written>,
    what: String,
}

/// A version that is to be written.
struct Written {
    text: Text,
    strategy: Strategy,
    by: String,
}

/// An end that was asked for and is under way.
struct Halting {
    after: After,
    by: String,
    /// The savepoint that the job is to end by; `None` where it ends without, or has been taken.
    answer: Option<oneshot::Receiver<Result<Taken, Refusal>>>,
    saved: Option<Snapshot>,
    stops: Vec<Reply<Option<Snapshot>>>,
    starts: Vec<Reply<()>>,
    updates: Vec<Reply<Updated>>,
    /// The daemon ends.
    leaves: Vec<Reply<()>>,
    /// Where the job stood before, and stands again where no savepoint comes about.
    before: Standing,
}

pub(super) struct Actor {
    shared: Arc<Shared>,
    record: Record,
    /// The newest version.
    text: Text,
    brief: Option<Arc<Brief>>,
    error: Option<String>,
    savepoint_error: Option<String>,
    last_snapshot_ms: Option<i64>,
    run: Option<Running>,
    last: Option<Seen>,
    halting: Option<Halting>,
    asks: mpsc::Receiver<Ask>,
    /// For what the actor tells itself.
    own: mpsc::WeakSender<Ask>,
    look: watch::Sender<Arc<Look>>,
    tail: Arc<Tail>,
    samples: Arc<Ring>,
    /// Number of the newest line of output that watchers were told of.
    lines_told: u64,
    /// What the registry holds of the job is older than what the job is.
    is_unkept: bool,
    is_leaving: bool,
    is_forgotten: bool,
}

/// How the set of jobs holds one.
#[derive(Clone)]
pub(super) struct Handle {
    pub asks: mpsc::Sender<Ask>,
    pub look: watch::Receiver<Arc<Look>>,
    pub tail: Arc<Tail>,
    pub samples: Arc<Ring>,
}

/// Wishes that wait for one that is being carried out.
const ASKS: usize = 32;

enum Event {
    Ask(Ask),
    Answered(Result<Taken, Refusal>),
    Ended(Outcome),
    Phase,
    Tick,
    AllGone,
}

impl Actor {
    /// The job, brought back or new, and how to reach it. It does nothing before [`Actor::run`].
    pub(super) fn new(shared: Arc<Shared>, record: Record, text: Text) -> (Self, Handle) {
        let (asks, asked) = mpsc::channel(ASKS);
        let (tail, samples) = (Tail::new(shared.settings.output_lines), Arc::<Ring>::default());
        let brief = brief(&shared, &record.name, &text);
        let look = Look {
            record: record.clone(),
            error: None,
            savepoint_error: None,
            brief: brief.clone(),
            run: None,
            last_snapshot_ms: None,
        };
        let (show, look) = watch::channel(Arc::new(look));
        let handle = Handle {
            asks: asks.clone(),
            look,
            tail: Arc::clone(&tail),
            samples: Arc::clone(&samples),
        };
        let actor = Self {
            shared,
            record,
            text,
            brief,
            error: None,
            savepoint_error: None,
            last_snapshot_ms: None,
            run: None,
            last: None,
            halting: None,
            asks: asked,
            own: asks.downgrade(),
            look: show,
            tail,
            samples,
            lines_told: 0,
            is_unkept: false,
            is_leaving: false,
            is_forgotten: false,
        };
        (actor, handle)
    }

    /// Brings the job to where its user left it, and serves it until it is forgotten or the daemon
    /// ends. `is_back` is told once it has been seen to.
    pub(super) async fn run(mut self, is_back: oneshot::Sender<()>) {
        self.bring_back().await;
        self.show();
        let _ = is_back.send(());
        let mut tick = tokio::time::interval(samples::PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_forgotten {
            match self.next(&mut tick).await {
                Event::Ask(ask) => Box::pin(self.ask(ask)).await,
                Event::Answered(answer) => Box::pin(self.answered(answer)).await,
                Event::Ended(outcome) => Box::pin(self.ended(outcome)).await,
                Event::Phase => self.phase_changed().await,
                Event::Tick => self.tick().await,
                Event::AllGone => break,
            }
            self.show();
        }
    }

    async fn next(&mut self, tick: &mut tokio::time::Interval) -> Event {
        let answer = self.halting.as_mut().and_then(|halting| halting.answer.as_mut());
        let answered = async {
            match answer {
                Some(answer) => answer.await.unwrap_or(Err(Refusal::Gone)),
                None => std::future::pending().await,
            }
        };
        let (ended, phase) = match &mut self.run {
            Some(running) => (Some(&mut running.run.ended), Some(&mut running.phase)),
            None => (None, None),
        };
        let is_watched = ended.is_some() || self.is_unkept;
        let ended = async {
            match ended {
                Some(ended) => ended.await.unwrap_or_else(|_| {
                    Outcome::Failed("its thread ended without a word".to_owned())
                }),
                None => std::future::pending().await,
            }
        };
        let phase = async {
            match phase {
                Some(phase) => match phase.changed().await {
                    Ok(()) => {}
                    // The end is told by `ended`.
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ask = self.asks.recv() => ask.map_or(Event::AllGone, Event::Ask),
            answer = answered => Event::Answered(answer),
            outcome = ended => Event::Ended(outcome),
            () = phase => Event::Phase,
            _ = tick.tick(), if is_watched => Event::Tick,
        }
    }

    /// What everybody sees from here on.
    fn show(&self) {
        let run = match &self.run {
            Some(Running { run, .. }) => Some(Seen {
                control: run.control.clone(),
                status: run.status.clone(),
                behind: run.behind.clone(),
                is_over: false,
            }),
            None => self.last.clone(),
        };
        self.look.send_replace(Arc::new(Look {
            record: self.record.clone(),
            error: self.error.clone(),
            savepoint_error: self.savepoint_error.clone(),
            brief: self.brief.clone(),
            run,
            last_snapshot_ms: self.last_snapshot_ms,
        }));
    }

    /// The job comes to another state, or is in the same for another reason.
    async fn stand(&mut self, state: JobState, reason: impl Into<String>) {
        let reason = reason.into();
        let is_other = self.record.standing.state != state;
        if !is_other && self.record.standing.reason == reason {
            return;
        }
        let since_ms = match is_other {
            true => self.shared.clock.now_ms(),
            false => self.record.standing.since_ms,
        };
        self.record.standing = Standing { state, reason: reason.clone(), since_ms };
        let is_news = is_other || state == JobState::Restarting;
        if is_news {
            if let Err(error) = self.keep().await {
                error!(job = self.record.name, "its state is not kept: {}", chain(&error));
            }
            let told = Told::of(&self.record.name, EventKind::State, reason);
            self.shared.log.tell(Told { state: Some(state), ..told }).await;
        }
        self.show();
        self.tell_watchers();
    }

    fn tell_watchers(&self) {
        let _ = self.shared.log.news.send(News::Job(self.record.name.clone()));
    }

    async fn keep(&mut self) -> Result<(), KeepError> {
        let kept = self.shared.store.put(&self.record).await;
        self.is_unkept = kept.is_err();
        kept
    }

    /// For a wish: it is kept first, or refused and nothing is other than it was.
    async fn put(&mut self, record: Record) -> Result<(), Refused> {
        let kept = self.shared.store.put(&record).await;
        kept.map_err(|error| Refused::State(chain(&error)))?;
        self.record = record;
        self.is_unkept = false;
        Ok(())
    }

    async fn audit(&self, by: &str, text: impl Into<String>) {
        let told = Told::of(&self.record.name, EventKind::Audit, text).by(by);
        self.shared.log.tell(told).await;
    }

    /// Asks for a savepoint that the job ends by.
    fn last_savepoint(&self, note: String) -> Option<oneshot::Receiver<Result<Taken, Refusal>>> {
        let control = self.run.as_ref()?.run.control.clone();
        let (reply, answer) = oneshot::channel();
        in_background(async move {
            let _ = reply.send(control.savepoint_and_end(note).await);
        });
        Some(answer)
    }

    fn phase(&self) -> Option<Phase> {
        self.run.as_ref().map(|running| running.run.control.phase())
    }
}

/// `None` where the script cannot be read any more.
fn brief(shared: &Shared, name: &str, text: &Text) -> Option<Arc<Brief>> {
    let spec = script::read(text, Some(name)).ok()?;
    let state = shared.settings.state_of(&spec).ok()?;
    Some(Arc::new(Brief::of(&spec, state)))
}

#[cfg(test)]
mod tests;

//! When a checkpoint is due and when it is whole. Pure: a table test drives it.
//!
//! INVARIANT durable-first: `Effect::Store` carries a [`Durable`], and there is one only when every
//! sink has answered the barrier that is out. One barrier is out at a time, so answers can only be
//! about it or about one that was given up; the latter are dropped.

use std::sync::Arc;

use model::{Barrier, BarrierKind, CheckpointId, Durable, Prepared};

/// Milliseconds on the coordinator's monotonic clock.
pub type Ms = u64;

/// A barrier that the source could not place is asked for again after this.
const DEFERRED_MS: Ms = 500;
/// A checkpoint that a schema change waits for and that failed is asked for again after the period,
/// and after this at the latest.
const CHANGE_WAITS_MS: Ms = 10_000;

/// The settings `execution.checkpointing.*`, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `None`: no periodic checkpoints.
    pub interval: Option<Ms>,
    /// The same while the source has tables to read.
    pub backlog_interval: Option<Ms>,
    pub timeout: Ms,
    /// Between the end of one and the start of the next.
    pub min_pause: Ms,
    /// Failures in a row that the job survives.
    pub tolerable_failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    Period,
    /// The sinks are to hear of a schema change.
    SchemaChange,
    /// A savepoint that somebody asked for. What becomes of it is told to them alone.
    Request(Then),
    /// The last one of a run that ends in good order.
    Stop(BarrierKind),
}

/// What the job does once a savepoint that was asked for is stored. If it fails, the job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    GoOn,
    End,
}

impl Trigger {
    pub fn name(self) -> &'static str {
        match self {
            Self::Period => "period",
            Self::SchemaChange => "schema-change",
            Self::Request(Then::GoOn) => "request",
            Self::Request(Then::End) | Self::Stop(_) => "stop",
        }
    }

    /// True where the source is to emit nothing after the barrier.
    pub fn is_last(self) -> bool {
        match self {
            Self::Period | Self::SchemaChange | Self::Request(Then::GoOn) => false,
            Self::Request(Then::End) | Self::Stop(_) => true,
        }
    }

    pub fn kind(self) -> BarrierKind {
        match self {
            Self::Period | Self::SchemaChange => BarrierKind::Checkpoint,
            Self::Request(_) => BarrierKind::Savepoint,
            Self::Stop(kind) => kind,
        }
    }
}

#[derive(Debug)]
pub enum Event {
    Tick,
    /// The job is asked to end with a last checkpoint or savepoint.
    Stop(BarrierKind),
    /// Somebody asks for a savepoint; only while [`Machine::takes_requests`].
    Request(Then),
    /// The source holds still until a checkpoint is stored that knows of an untold schema change.
    SchemaChange,
    /// Whether the source has tables to read.
    Backlog(bool),
    Answer {
        barrier: Arc<Barrier>,
        prepared: Prepared,
    },
    Stored,
    /// Preparing or storing failed, in a way that the job may survive.
    Failed(String),
    /// The source cannot place this barrier for now: asked again later, and no failure.
    Deferred(CheckpointId),
}

#[derive(Debug)]
#[must_use = "an effect that is not carried out is waited for until the timeout"]
pub enum Effect {
    Nothing,
    /// Ask the source for a barrier.
    Request {
        id: CheckpointId,
        trigger: Trigger,
    },
    /// Everything before the barrier is durable: store, then commit.
    Store {
        durable: Durable,
        trigger: Trigger,
        started: Ms,
    },
    /// The savepoint that was asked for failed. The source may hold still for it.
    Refused(String),
    /// Everything asked for is done.
    Finished,
    /// Too many failures in a row.
    GiveUp(String),
}

#[derive(Debug)]
struct Out {
    id: CheckpointId,
    trigger: Trigger,
    started: Ms,
    answers: Vec<Prepared>,
    /// Its barrier lies behind the schema change that waits.
    behind_change: bool,
    storing: bool,
}

#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    sinks: Vec<String>,
    next_id: u64,
    out: Option<Out>,
    /// Start of the last one, and end of the last one.
    started: Ms,
    ended: Ms,
    failures: u32,
    /// Since the run began, with the last of them.
    failed: u64,
    last_failure: String,
    deferred_until: Ms,
    backlog: bool,
    /// Waits for its barrier, or for the end of the one that is out.
    request: Option<Then>,
    stop: Option<BarrierKind>,
    /// A schema change waits for a checkpoint, and from when on one may be asked for.
    change: Option<Ms>,
}

impl Machine {
    pub fn new(policy: Policy, sinks: Vec<String>, next_id: u64, now: Ms) -> Self {
        Self {
            policy,
            sinks,
            next_id,
            out: None,
            started: now,
            ended: now,
            failures: 0,
            failed: 0,
            last_failure: String::new(),
            deferred_until: 0,
            backlog: false,
            request: None,
            stop: None,
            change: None,
        }
    }

    /// One savepoint is asked for at a time; the next may be when this one is stored or refused.
    pub fn takes_requests(&self) -> bool {
        let under_way = |out: &Out| matches!(out.trigger, Trigger::Request(_));
        self.request.is_none() && self.stop.is_none() && !self.out.as_ref().is_some_and(under_way)
    }

    /// The one that is out.
    pub fn under_way(&self) -> Option<CheckpointId> {
        self.out.as_ref().map(|out| out.id)
    }

    /// How many failed so far, and what the last one failed with.
    pub fn failed(&self) -> (u64, &str) {
        (self.failed, &self.last_failure)
    }

    /// When the next `Tick` can matter; `None` while only another event can.
    pub fn wake_at(&self) -> Option<Ms> {
        match &self.out {
            Some(out) if out.storing => None,
            Some(out) => Some(out.started + self.policy.timeout),
            None if self.stop.is_some() || self.request.is_some() => {
                Some(self.ended.max(self.deferred_until))
            }
            None => self.change_due().into_iter().chain(self.due()).min(),
        }
    }

    fn change_due(&self) -> Option<Ms> {
        self.change.map(|at| at.max(self.deferred_until))
    }

    fn due(&self) -> Option<Ms> {
        let policy = &self.policy;
        let interval = if self.backlog { policy.backlog_interval } else { policy.interval }?;
        let due = (self.started + interval).max(self.ended + self.policy.min_pause);
        Some(due.max(self.deferred_until))
    }

    pub fn apply(&mut self, event: Event, now: Ms) -> Effect {
        match event {
            Event::Stop(kind) => {
                self.stop = self.stop.or(Some(kind));
                self.tick(now)
            }
            Event::Request(then) => {
                self.request = Some(then);
                self.tick(now)
            }
            Event::SchemaChange => {
                self.change = Some(now);
                self.tick(now)
            }
            Event::Backlog(backlog) => {
                self.backlog = backlog;
                self.tick(now)
            }
            Event::Tick => self.tick(now),
            Event::Answer { barrier, prepared } => self.answer(&barrier, prepared),
            Event::Stored => {
                self.failures = 0;
                self.ended = now;
                let out = self.out.take();
                self.change.take_if(|_| out.as_ref().is_some_and(|out| out.behind_change));
                if out.is_some_and(|out| out.trigger.is_last()) {
                    return Effect::Finished;
                }
                self.tick(now)
            }
            Event::Failed(why) => self.fail(&why, now),
            Event::Deferred(id) => {
                if let Some(out) = self.out.take_if(|out| out.id == id) {
                    if let Trigger::Request(then) = out.trigger {
                        self.request = Some(then);
                    }
                    self.ended = now;
                    self.deferred_until = now + DEFERRED_MS;
                }
                Effect::Nothing
            }
        }
    }

    fn tick(&mut self, now: Ms) -> Effect {
        if let Some(out) = &self.out {
            if !out.storing && now >= out.started + self.policy.timeout {
                let why = format!("not complete after {} ms", self.policy.timeout);
                return self.fail(&why, now);
            }
            return Effect::Nothing;
        }
        if now < self.deferred_until {
            return Effect::Nothing;
        }
        if let Some(kind) = self.stop {
            return self.ask(Trigger::Stop(kind), now);
        }
        if let Some(then) = self.request.take() {
            return self.ask(Trigger::Request(then), now);
        }
        if self.change.is_some_and(|at| now >= at) {
            return self.ask(Trigger::SchemaChange, now);
        }
        match self.due() {
            Some(due) if now >= due => self.ask(Trigger::Period, now),
            Some(_) | None => Effect::Nothing,
        }
    }

    fn ask(&mut self, trigger: Trigger, now: Ms) -> Effect {
        let id = CheckpointId(self.next_id);
        self.next_id += 1;
        self.started = now;
        self.out = Some(Out {
            id,
            trigger,
            started: now,
            answers: Vec::new(),
            behind_change: false,
            storing: false,
        });
        Effect::Request { id, trigger }
    }

    fn answer(&mut self, barrier: &Arc<Barrier>, prepared: Prepared) -> Effect {
        let Some(out) = self.out.as_mut().filter(|o| o.id == barrier.id && !o.storing) else {
            return Effect::Nothing;
        };
        out.answers.push(prepared);
        out.behind_change = !barrier.source.untold.is_empty();
        match Durable::prove(Barrier::clone(barrier), &self.sinks, out.answers.clone()) {
            Some(durable) => {
                out.storing = true;
                Effect::Store { durable, trigger: out.trigger, started: out.started }
            }
            None => Effect::Nothing,
        }
    }

    fn fail(&mut self, why: &str, now: Ms) -> Effect {
        let Some(out) = self.out.take() else { return Effect::Nothing };
        self.ended = now;
        if let Some(at) = &mut self.change {
            *at = now + self.policy.interval.unwrap_or(Ms::MAX).min(CHANGE_WAITS_MS);
        }
        let what = format!("{} {} failed: {why}", out.trigger.kind(), out.id);
        self.failed += 1;
        self.last_failure.clone_from(&what);
        if matches!(out.trigger, Trigger::Request(_)) {
            return Effect::Refused(what);
        }
        self.failures += 1;
        let last = out.trigger.is_last();
        if last || self.failures > self.policy.tolerable_failures {
            return Effect::GiveUp(what);
        }
        tracing::warn!(checkpoint = %out.id, failures = self.failures,
            tolerable = self.policy.tolerable_failures, "{what}");
        Effect::Nothing
    }
}

#[cfg(test)]
mod tests;

//! What goes wrong because a test says so, and what happens because it says so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::StoreError;
use crate::txn::Backend;

use super::{Compaction, State};

/// The calls that a fault may be meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `_stream_load`, and `load` of a StarRocks transaction.
    Load,
    Begin,
    Prepare,
    /// Also `txn_operation: commit`.
    Commit,
    /// Also `txn_operation: abort` and `_cancel`.
    Rollback,
    /// `get_load_state`.
    State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The call does its work, then the connection is cut.
    CutReply,
    /// The call does its work and says that it failed.
    FailThoughDone,
    /// The call waits before it begins.
    Delay,
    /// The call does its work and answers late.
    DelayReply,
    /// The frontend redirects to itself.
    RedirectLoop,
    /// The frontend redirects to where nobody listens.
    RedirectToDead,
    /// What is committed is not visible for a while, and the call does not wait for it.
    PublishTimeout,
    /// `TXN_IN_PROCESSING`, and nothing done (StarRocks).
    InProcessing,
    /// The load is refused for the versions of its table.
    TooManyVersions,
    /// The load is answered as the newest backends do where loads are recorded (Doris).
    RecordReply,
}

/// Happens to the next `times` calls that it fits. A frontend that redirects a call does not do it: the fault
/// waits for who does, unless it is one of redirects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub effect: Effect,
    pub on: Call,
    #[serde(default = "once")]
    pub times: u32,
    /// With what the label begins; any, if it is empty.
    #[serde(default)]
    pub label: String,
    /// How long, for those that take time.
    #[serde(default = "second")]
    pub millis: u64,
}

/// What happens at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// By its place among the backends, from 0.
    KillBackend(usize),
    ReviveBackend(usize),
    /// By its place among the frontends, from 0: it leads now, and knows only what is kept.
    Lead(usize),
    SkipSeconds(u64),
    /// Of all transactions that are finished.
    ForgetLabels,
    StopCompaction,
    /// All tables, and from now on.
    Compact,
}

fn once() -> u32 {
    1
}

fn second() -> u64 {
    1_000
}

impl Fault {
    /// The next such call.
    #[must_use]
    pub fn new(effect: Effect, on: Call) -> Self {
        Self { effect, on, times: once(), label: String::new(), millis: second() }
    }

    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

impl State {
    pub fn arm(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Uses up one of a fault that fits.
    pub fn take_fault(&mut self, effect: Effect, on: Call, label: &str) -> Option<Fault> {
        let fits = |fault: &&mut Fault| {
            fault.effect == effect && fault.on == on && label.starts_with(&fault.label)
        };
        let found = self.faults.iter_mut().find(fits)?;
        found.times = found.times.saturating_sub(1);
        let taken = found.clone();
        self.faults.retain(|fault| fault.times > 0);
        Some(taken)
    }

    /// Says whether there is such a node.
    ///
    /// # Errors
    /// A store that fails.
    pub fn happen(&mut self, event: &Event) -> Result<bool, StoreError> {
        Ok(match event {
            Event::KillBackend(place) => self.at_backend(*place, Self::kill_backend),
            Event::ReviveBackend(place) => self.at_backend(*place, Self::revive_backend),
            Event::Lead(place) => {
                let there = *place < self.nodes.frontends.len();
                if there {
                    self.restart_frontend(*place);
                }
                there
            }
            Event::SkipSeconds(seconds) => {
                self.skip_time(Duration::from_secs(*seconds))?;
                true
            }
            Event::ForgetLabels => {
                for database in self.databases.values_mut() {
                    database.book.ledger_mut().forget_finished();
                }
                true
            }
            Event::StopCompaction => {
                self.limits.compaction = Compaction::OnDemand;
                true
            }
            Event::Compact => {
                self.limits.compaction = Compaction::Keeping;
                self.compact_all();
                true
            }
        })
    }

    fn at_backend(&mut self, place: usize, act: fn(&mut Self, Backend)) -> bool {
        let found = self.nodes.backends.get(place).map(|node| node.id);
        if let Some(id) = found {
            act(self, id);
        }
        found.is_some()
    }
}

//! One transaction.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Moment, System};

use super::Label;

/// The number of a transaction; they only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TxnId(pub u64);

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A backend, by its number in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Backend(pub u32);

/// How far a transaction is. A state once left does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Gathers data. Only the frontend's memory and one backend know of it.
    Prepare,
    /// Complete and durable, waits for its commit.
    Prepared,
    /// Decided, not yet seen by queries.
    Committed,
    /// Seen by queries.
    Visible,
    /// Gone, with its data.
    Aborted,
}

impl State {
    /// As the server writes it.
    #[must_use]
    pub fn name(self, system: System) -> &'static str {
        match (self, system) {
            (Self::Prepare, _) => "PREPARE",
            (Self::Prepared, System::Doris) => "PRECOMMITTED",
            (Self::Prepared, System::StarRocks) => "PREPARED",
            (Self::Committed, _) => "COMMITTED",
            (Self::Visible, _) => "VISIBLE",
            (Self::Aborted, _) => "ABORTED",
        }
    }

    /// Nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Visible | Self::Aborted)
    }
}

/// When it came to each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Times {
    pub begun: Moment,
    pub prepared: Option<Moment>,
    pub committed: Option<Moment>,
    /// Visible or aborted.
    pub finished: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    pub id: TxnId,
    pub label: Label,
    /// What it loads into; more than one only in a StarRocks transaction over several tables.
    pub tables: BTreeSet<String>,
    /// The backend that gathers its data.
    pub coordinator: Backend,
    pub state: State,
    /// Why it was aborted; empty otherwise.
    pub reason: String,
    /// Its place among the commits of the database: of two rows with one key, the higher wins.
    pub version: Option<u64>,
    pub times: Times,
    pub gather_max: Duration,
    pub wait_max: Duration,
}

impl Transaction {
    /// Whether it has taken longer than it may, in the state that it is in.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        match self.state {
            State::Prepare => now.since(self.times.begun) > self.gather_max,
            State::Prepared => {
                self.times.prepared.is_some_and(|since| now.since(since) > self.wait_max)
            }
            State::Committed | State::Visible | State::Aborted => false,
        }
    }
}

//! The transactions of a database, of whichever system it is.

use crate::txn::ledger::Begin;
use crate::txn::{Backend, Doris, Ledger, Limits, Refusal, StarRocks, State, TxnId};
use crate::{Moment, System};

#[derive(Debug)]
pub enum Book {
    Doris(Doris),
    StarRocks(StarRocks),
}

impl Book {
    pub(super) fn new(system: System, name: &str, id: u64, limits: Limits) -> Self {
        match system {
            System::Doris => Self::Doris(Doris::new(id, limits)),
            System::StarRocks => Self::StarRocks(StarRocks::new(name, id, limits)),
        }
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        match self {
            Self::Doris(doris) => doris.ledger(),
            Self::StarRocks(starrocks) => starrocks.ledger(),
        }
    }

    pub fn ledger_mut(&mut self) -> &mut Ledger {
        match self {
            Self::Doris(doris) => doris.ledger_mut(),
            Self::StarRocks(starrocks) => starrocks.ledger_mut(),
        }
    }

    /// Begins a one-shot load.
    ///
    /// # Errors
    /// A label in use, and too many transactions.
    pub fn begin_load(&mut self, begin: Begin, now: Moment) -> Result<TxnId, Refusal> {
        match self {
            Self::Doris(doris) => doris.begin(begin, now),
            Self::StarRocks(starrocks) => starrocks.begin_load(begin, now),
        }
    }

    /// Ends one in one phase.
    ///
    /// # Errors
    /// What was aborted while its data came, or lost with the frontend.
    pub fn commit_load(&mut self, id: TxnId, now: Moment) -> Result<(), Refusal> {
        match self {
            Self::Doris(doris) => doris.commit_load(id, now),
            Self::StarRocks(starrocks) => {
                let done = starrocks.ledger_mut().commit(id, State::Prepare, now);
                done.map_err(|_| {
                    Refusal::new("INTERNAL_ERROR", format!("transaction [{id}] not found"))
                })
            }
        }
    }

    /// Ends one that waits for its commit; of StarRocks only transactions do.
    ///
    /// # Errors
    /// As [`commit_load`](Self::commit_load).
    pub fn precommit(&mut self, id: TxnId, now: Moment) -> Result<(), Refusal> {
        match self {
            Self::Doris(doris) => doris.precommit(id, now),
            Self::StarRocks(starrocks) => {
                let done = starrocks.ledger_mut().prepare(id, None, now);
                done.map_err(|_| {
                    Refusal::new("INTERNAL_ERROR", format!("transaction [{id}] not found"))
                })
            }
        }
    }

    pub(super) fn pass_time(&mut self, now: Moment) -> Vec<TxnId> {
        match self {
            Self::Doris(doris) => doris.ledger_mut().pass_time(now),
            Self::StarRocks(starrocks) => starrocks.pass_time(now),
        }
    }

    /// The frontend finds out.
    pub(super) fn lose_backend(&mut self, node: Backend, now: Moment) -> Vec<TxnId> {
        match self {
            Self::Doris(doris) => doris.ledger_mut().lose_backend(node, now),
            Self::StarRocks(starrocks) => starrocks.lose_backend(node, now),
        }
    }

    /// The backend's memory is gone; the frontend has not found out yet.
    pub(super) fn forget_contexts(&mut self, node: Backend) {
        match self {
            Self::Doris(_) => {}
            Self::StarRocks(starrocks) => starrocks.forget_contexts(node),
        }
    }
}

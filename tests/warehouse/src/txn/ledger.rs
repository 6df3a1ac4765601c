//! The book of one database's transactions: what both servers have in common.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::{Moment, System};

use super::transaction::Times;
use super::{Backend, Label, Limits, State, Transaction, TxnId};

#[cfg(test)]
mod tests;

const TIMED_OUT: &str = "timeout by txn manager";
const BACKEND_LOST: &str = "coordinate BE is down";
const FIRST_ID: u64 = 1_000;
const FIRST_VERSION: u64 = 2;

/// INVARIANT one-live-label: of the transactions of one label, at most one is not aborted. `begin` keeps it.
/// Test: `a_label_is_free_when_all_its_transactions_are_aborted_or_forgotten`.
#[derive(Debug)]
pub struct Ledger {
    system: System,
    /// The number that messages name the database by.
    database: u64,
    limits: Limits,
    transactions: BTreeMap<TxnId, Transaction>,
    labels: HashMap<Label, BTreeSet<TxnId>>,
    /// Visible or aborted ones, as they came to their end: the first is forgotten first.
    finished: VecDeque<TxnId>,
    /// Committed, in the order of their versions.
    unpublished: VecDeque<TxnId>,
    next_id: u64,
    next_version: u64,
    /// What has changed since it was last asked.
    touched: BTreeSet<TxnId>,
}

/// What a transaction begins with.
#[derive(Debug, Clone)]
pub struct Begin {
    pub label: Label,
    pub tables: BTreeSet<String>,
    pub coordinator: Backend,
    /// How long it may gather data; by the server's setting if `None`.
    pub gather_max: Option<Duration>,
}

/// Why none can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    LabelTaken { by: TxnId, state: State },
    TooMany { database: u64, running: usize, limit: usize },
}

/// A step that does not follow from where the transaction stands, which is nowhere if `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced(pub Option<State>);

impl Ledger {
    #[must_use]
    pub fn new(system: System, database: u64, limits: Limits) -> Self {
        Self {
            system,
            database,
            limits,
            transactions: BTreeMap::new(),
            labels: HashMap::new(),
            finished: VecDeque::new(),
            unpublished: VecDeque::new(),
            next_id: FIRST_ID,
            next_version: FIRST_VERSION,
            touched: BTreeSet::new(),
        }
    }

    /// Takes back what was kept of a ledger: all its transactions, and the version that comes next.
    pub fn restore(&mut self, mut kept: Vec<Transaction>, next_version: u64) {
        kept.sort_by_key(|txn| (txn.times.finished, txn.version, txn.id));
        for txn in kept {
            self.labels.entry(txn.label.clone()).or_default().insert(txn.id);
            match txn.state {
                State::Visible | State::Aborted => self.finished.push_back(txn.id),
                State::Committed => self.unpublished.push_back(txn.id),
                State::Prepare | State::Prepared => {}
            }
            self.transactions.insert(txn.id, txn);
        }
        self.next_version = next_version;
    }

    /// The databases of one cluster draw their numbers from one source: `next` is what it stands at.
    pub fn number_from(&mut self, next: u64) {
        self.next_id = next.max(FIRST_ID);
    }

    #[must_use]
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    #[must_use]
    pub fn next_version(&self) -> u64 {
        self.next_version
    }

    /// The transactions that changed or were forgotten since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<TxnId> {
        std::mem::take(&mut self.touched)
    }

    /// The committed one whose turn it is to become visible.
    #[must_use]
    pub fn next_to_publish(&self) -> Option<&Transaction> {
        self.get(*self.unpublished.front()?)
    }

    #[must_use]
    pub fn system(&self) -> System {
        self.system
    }

    /// For a test that is in a hurry, or a fault.
    pub fn limits_mut(&mut self) -> &mut Limits {
        &mut self.limits
    }

    #[must_use]
    pub fn get(&self, id: TxnId) -> Option<&Transaction> {
        self.transactions.get(&id)
    }

    #[must_use]
    pub fn state(&self, id: TxnId) -> Option<State> {
        self.get(id).map(|txn| txn.state)
    }

    /// The newest of this label, whatever became of those before it.
    #[must_use]
    pub fn by_label(&self, label: &Label) -> Option<&Transaction> {
        self.get(*self.labels.get(label)?.last()?)
    }

    /// What `get_load_state` says.
    #[must_use]
    pub fn load_state(&self, label: &Label) -> &'static str {
        self.by_label(label).map_or("UNKNOWN", |txn| txn.state.name(self.system))
    }

    /// All that are remembered, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Transaction> {
        self.transactions.values()
    }

    #[must_use]
    pub fn running(&self) -> usize {
        self.transactions.len() - self.finished.len()
    }

    /// # Errors
    /// A label whose newest transaction is not aborted, and more transactions under way than may be.
    pub fn begin(&mut self, begin: Begin, now: Moment) -> Result<TxnId, NotBegun> {
        let taken = self.by_label(&begin.label).filter(|txn| txn.state != State::Aborted);
        if let Some(txn) = taken {
            return Err(NotBegun::LabelTaken { by: txn.id, state: txn.state });
        }
        let (running, limit) = (self.running(), self.limits.running_max);
        if running >= limit {
            return Err(NotBegun::TooMany { database: self.database, running, limit });
        }
        let id = TxnId(self.next_id);
        self.next_id += 1;
        self.labels.entry(begin.label.clone()).or_default().insert(id);
        let transaction = Transaction {
            id,
            label: begin.label,
            tables: begin.tables,
            coordinator: begin.coordinator,
            state: State::Prepare,
            reason: String::new(),
            version: None,
            times: Times { begun: now, ..Times::default() },
            gather_max: begin.gather_max.unwrap_or(self.limits.gather_max),
            wait_max: self.limits.wait_max,
        };
        self.transactions.insert(id, transaction);
        self.touched.insert(id);
        Ok(id)
    }

    /// Adds a table to a transaction that loads into several.
    pub fn add_table(&mut self, id: TxnId, table: &str) {
        if let Some(txn) = self.transactions.get_mut(&id) {
            txn.tables.insert(table.to_owned());
        }
    }

    /// All data is there: it waits for its commit, `wait_max` long or by the server's setting.
    ///
    /// # Errors
    /// Anything but [`State::Prepare`].
    pub fn prepare(
        &mut self,
        id: TxnId,
        wait_max: Option<Duration>,
        now: Moment,
    ) -> Result<(), Misplaced> {
        let txn = self.standing(id, &[State::Prepare])?;
        txn.state = State::Prepared;
        txn.times.prepared = Some(now);
        txn.wait_max = wait_max.unwrap_or(txn.wait_max);
        self.touched.insert(id);
        Ok(())
    }

    /// Decides it, with the next version: the order of commits, not of begins, is the order of rows.
    ///
    /// # Errors
    /// Anything but `from`.
    pub fn commit(&mut self, id: TxnId, from: State, now: Moment) -> Result<(), Misplaced> {
        let version = self.next_version;
        let txn = self.standing(id, &[from])?;
        txn.state = State::Committed;
        txn.version = Some(version);
        txn.times.committed = Some(now);
        self.next_version += 1;
        self.touched.insert(id);
        self.unpublished.push_back(id);
        Ok(())
    }

    /// Makes the first of the committed visible, and names it.
    pub fn publish_next(&mut self, now: Moment) -> Option<TxnId> {
        let id = self.unpublished.pop_front()?;
        self.finish(id, State::Visible, now);
        Some(id)
    }

    /// # Errors
    /// What is committed already, and what is aborted.
    pub fn abort(&mut self, id: TxnId, reason: &str, now: Moment) -> Result<(), Misplaced> {
        let txn = self.standing(id, &[State::Prepare, State::Prepared])?;
        reason.clone_into(&mut txn.reason);
        self.finish(id, State::Aborted, now);
        Ok(())
    }

    /// Lets time pass: aborts what is overdue, forgets what is old, and names what it aborted.
    pub fn pass_time(&mut self, now: Moment) -> Vec<TxnId> {
        let overdue = self.abort_all(|txn| txn.is_overdue(now), TIMED_OUT, now);
        self.forget_old(now);
        overdue
    }

    /// The backend died, or came up again: what it was gathering is gone. Names what is aborted by it.
    pub fn lose_backend(&mut self, backend: Backend, now: Moment) -> Vec<TxnId> {
        let gathers = |txn: &Transaction| txn.coordinator == backend && txn.state == State::Prepare;
        self.abort_all(gathers, BACKEND_LOST, now)
    }

    /// The frontend started anew, or another leads: what only its memory knew was never there.
    pub fn restart_frontend(&mut self) -> Vec<TxnId> {
        let lost = self.ids(|txn| txn.state == State::Prepare);
        for id in &lost {
            self.forget(*id);
        }
        lost
    }

    /// Forgets what is finished, of one label or of all: `CLEAN LABEL`.
    pub fn clean(&mut self, label: Option<&Label>) {
        let fits = |txn: &Transaction| {
            txn.state.is_final() && label.is_none_or(|label| *label == txn.label)
        };
        for id in self.ids(fits) {
            self.finished.retain(|finished| *finished != id);
            self.forget(id);
        }
    }

    fn standing(&mut self, id: TxnId, states: &[State]) -> Result<&mut Transaction, Misplaced> {
        match self.transactions.get_mut(&id) {
            Some(txn) if states.contains(&txn.state) => Ok(txn),
            Some(txn) => Err(Misplaced(Some(txn.state))),
            None => Err(Misplaced(None)),
        }
    }

    fn finish(&mut self, id: TxnId, state: State, now: Moment) {
        if let Some(txn) = self.transactions.get_mut(&id) {
            txn.state = state;
            txn.times.finished = Some(now);
            self.finished.push_back(id);
            self.touched.insert(id);
        }
    }

    fn ids(&self, which: impl Fn(&Transaction) -> bool) -> Vec<TxnId> {
        self.iter().filter(|txn| which(txn)).map(|txn| txn.id).collect()
    }

    fn abort_all(
        &mut self,
        which: impl Fn(&Transaction) -> bool,
        reason: &str,
        now: Moment,
    ) -> Vec<TxnId> {
        let mut aborted = self.ids(which);
        aborted.retain(|id| self.abort(*id, reason, now).is_ok());
        aborted
    }

    /// Forgets the labels of all that is finished, as if they were too many.
    pub fn forget_finished(&mut self) {
        while let Some(id) = self.finished.pop_front() {
            self.forget(id);
        }
    }

    fn forget_old(&mut self, now: Moment) {
        while let Some(id) = self.finished.front().copied() {
            let finished = self.get(id).and_then(|txn| txn.times.finished);
            let aged = finished.is_none_or(|at| now.since(at) > self.limits.label_age_max);
            if !aged && self.finished.len() <= self.limits.labels_max {
                return;
            }
            self.finished.pop_front();
            self.forget(id);
        }
    }

    fn forget(&mut self, id: TxnId) {
        let Some(txn) = self.transactions.remove(&id) else { return };
        self.touched.insert(id);
        if let Some(ids) = self.labels.get_mut(&txn.label) {
            ids.remove(&id);
            if ids.is_empty() {
                self.labels.remove(&txn.label);
            }
        }
    }
}

//! Transactions in StarRocks: `begin`, any number of `load`s, `prepare`, `commit`.
//!
//! Two places know of one. The frontend has its entry in the [`Ledger`]; the backend that gathers its data has
//! a [`Context`], until the transaction is prepared, ended or the backend dies. Most answers that surprise
//! come from the two not agreeing: a prepared transaction "does not exist" for the backend, and one whose
//! backend is gone cannot be rolled back, only cancelled.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::{Moment, System};

use super::ledger::{Begin, Ledger, NotBegun};
use super::{Backend, BadLabel, Label, Limits, Refusal, State, Transaction, TxnId};

pub mod context;
#[cfg(test)]
mod tests;

pub use context::{Context, LoadRequest, Scope};

const ROLLED_BACK: &str = "rollback by user";
const CANCELLED: &str = "user cancel";

/// The transactions of one StarRocks database, with the words of its frontend and its backends.
#[derive(Debug)]
pub struct StarRocks {
    name: String,
    ledger: Ledger,
    contexts: HashMap<Label, Context>,
}

/// What `begin` is told.
#[derive(Debug, Clone)]
pub struct Opening {
    pub label: Label,
    pub scope: Scope,
    /// The backend that the frontend chose, or that was asked directly.
    pub node: Backend,
    pub gather_max: Option<Duration>,
    /// How long no data may come before it is rolled back.
    pub idle_max: Option<Duration>,
}

/// What a `commit` or a `rollback` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub txn: TxnId,
    /// Empty but where nothing was left to do.
    pub message: String,
}

/// What a `commit` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commit {
    /// The data must be finished first: the call ends with `finish_commit` or `fail`.
    Gathering(TxnId),
    /// Decided now, to be published.
    Decided(TxnId),
    /// Decided before.
    Already(Outcome),
}

impl StarRocks {
    #[must_use]
    pub fn new(name: &str, database: u64, limits: Limits) -> Self {
        let ledger = Ledger::new(System::StarRocks, database, limits);
        Self { name: name.to_owned(), ledger, contexts: HashMap::new() }
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// # Errors
    /// None, and what the grammar does not have.
    pub fn label(text: &str) -> Result<Label, Refusal> {
        if text.is_empty() {
            return Err(Refusal::new("INVALID_ARGUMENT", "Empty label."));
        }
        Label::new(System::StarRocks, text)
            .map_err(|bad: BadLabel| Refusal::new("INTERNAL_ERROR", bad.to_string()))
    }

    /// What this backend gathers.
    pub fn contexts(&self, node: Backend) -> impl Iterator<Item = (&Label, &Context)> {
        self.contexts.iter().filter(move |(_, held)| held.node == node)
    }

    /// # Errors
    /// A label that this backend does not gather data of.
    pub fn check_held(&self, label: &Label, node: Backend) -> Result<(), Refusal> {
        let held = self.contexts.get(label).is_some_and(|held| held.node == node);
        if held { Ok(()) } else { Err(not_exists(label)) }
    }

    /// Where `load` and `prepare` of this label go to.
    ///
    /// # Errors
    /// A label that the frontend does not know, any more or at all.
    pub fn node(&self, label: &Label) -> Result<Backend, Refusal> {
        let known = self.ledger.by_label(label).map(|txn| txn.coordinator);
        known.ok_or_else(|| {
            failed(&format!(
                "Can't find the transaction with db [{}] and label[{label}]. The possible reasons: \
                 1. FE leader is started or switched; 2. The transaction timeouts and is cleaned.",
                self.name
            ))
        })
    }

    /// Begins a one-shot `_stream_load`, which has no context.
    ///
    /// # Errors
    /// A label in use, and too many transactions.
    pub fn begin_load(&mut self, begin: Begin, now: Moment) -> Result<TxnId, Refusal> {
        let label = begin.label.clone();
        self.ledger.begin(begin, now).map_err(|why| match why {
            NotBegun::LabelTaken { state, .. } => label_taken(&label, state),
            NotBegun::TooMany { database, running, limit } => Refusal::new(
                "INTERNAL_ERROR",
                format!(
                    "current running txns on db {database} is {running}, larger than limit {limit}"
                ),
            ),
        })
    }

    /// # Errors
    /// As [`begin_load`](Self::begin_load); where the backend that is asked has the label, without a word.
    pub fn begin(&mut self, opening: Opening, now: Moment) -> Result<TxnId, Refusal> {
        if self.contexts.get(&opening.label).is_some_and(|held| held.node == opening.node) {
            return Err(Refusal::new("LABEL_ALREADY_EXISTS", ""));
        }
        let begin = Begin {
            label: opening.label.clone(),
            tables: opening.scope.tables(),
            coordinator: opening.node,
            gather_max: opening.gather_max,
        };
        let txn = self.begin_load(begin, now)?;
        let context = Context::new(txn, opening.scope, opening.node, opening.idle_max, now);
        self.contexts.insert(opening.label, context);
        Ok(txn)
    }

    /// Data begins to come; the call ends with [`finish_load`](Self::finish_load) or [`fail`](Self::fail).
    ///
    /// # Errors
    /// No context, one that is busy, and a request that differs from those before it, which ends the
    /// transaction.
    pub fn start_load(
        &mut self,
        label: &Label,
        request: &LoadRequest,
        now: Moment,
    ) -> Result<TxnId, Refusal> {
        let database = self.name.clone();
        let context = self.idle_context(label)?;
        let txn = context.txn;
        if let Err(refusal) = context.accept(&database, request) {
            self.fail(label, &refusal.message, now);
            return Err(refusal);
        }
        context.busy = true;
        self.ledger.add_table(txn, &request.table);
        Ok(txn)
    }

    pub fn finish_load(&mut self, label: &Label, now: Moment) {
        if let Some(context) = self.contexts.get_mut(label) {
            context.busy = false;
            context.has_data = true;
            context.last_load = now;
        }
    }

    /// The backend finishes the data; the call ends with [`finish_prepare`](Self::finish_prepare) or `fail`.
    ///
    /// # Errors
    /// No context, one that is busy, and one without data, which ends the transaction.
    pub fn start_prepare(&mut self, label: &Label, now: Moment) -> Result<TxnId, Refusal> {
        let context = self.idle_context(label)?;
        let txn = context.txn;
        if !context.has_data {
            let reason = format!("transaction {label} hasn't send any data yet");
            self.fail(label, &reason, now);
            return Err(Refusal::new("INTERNAL_ERROR", reason));
        }
        context.busy = true;
        Ok(txn)
    }

    /// # Errors
    /// A transaction that the frontend ended, or forgot, while the data was finished.
    pub fn finish_prepare(
        &mut self,
        label: &Label,
        wait_max: Option<Duration>,
        now: Moment,
    ) -> Result<TxnId, Refusal> {
        let txn = self.close_context(label)?;
        let done = self.ledger.prepare(txn, wait_max, now);
        done.map(|()| txn)
            .map_err(|_| Refusal::new("INTERNAL_ERROR", format!("transaction [{txn}] not found")))
    }

    /// # Errors
    /// Unknown or aborted; gathering, but the backend has lost it, is busy with it, or has no data for it.
    pub fn commit(&mut self, label: &Label, now: Moment) -> Result<Commit, Refusal> {
        let txn = self.known(label)?;
        let (id, state) = (txn.id, txn.state);
        match state {
            State::Prepare => self.start_prepare(label, now).map(Commit::Gathering),
            State::Prepared => match self.ledger.commit(id, State::Prepared, now) {
                Ok(()) => Ok(Commit::Decided(id)),
                Err(_) => Err(cannot("commit", id, state, label)),
            },
            State::Committed | State::Visible => Ok(Commit::Already(Outcome {
                txn: id,
                message: format!("Transaction {id} has already committed, label is {label}"),
            })),
            State::Aborted => Err(cannot("commit", id, state, label)),
        }
    }

    /// Ends a commit that found the transaction gathering.
    ///
    /// # Errors
    /// As [`finish_prepare`](Self::finish_prepare).
    pub fn finish_commit(&mut self, label: &Label, now: Moment) -> Result<TxnId, Refusal> {
        let txn = self.finish_prepare(label, None, now)?;
        let done = self.ledger.commit(txn, State::Prepared, now);
        done.map(|()| txn)
            .map_err(|_| Refusal::new("INTERNAL_ERROR", format!("transaction [{txn}] not found")))
    }

    /// # Errors
    /// Unknown or committed; gathering, but the backend has lost it or is busy with it.
    pub fn rollback(&mut self, label: &Label, now: Moment) -> Result<Outcome, Refusal> {
        let txn = self.known(label)?;
        let (id, state) = (txn.id, txn.state);
        let message = match state {
            State::Prepare => {
                self.idle_context(label)?;
                self.fail(label, ROLLED_BACK, now);
                String::new()
            }
            State::Prepared => {
                self.fail(label, ROLLED_BACK, now);
                String::new()
            }
            State::Aborted => format!("Transaction {id} has already aborted, label is {label}"),
            State::Committed | State::Visible => return Err(cannot("abort", id, state, label)),
        };
        Ok(Outcome { txn: id, message })
    }

    /// `_cancel`: as a rollback, but the backend is not asked.
    ///
    /// # Errors
    /// Unknown or committed.
    pub fn cancel(&mut self, label: &Label, now: Moment) -> Result<(), Refusal> {
        let txn = self.known(label)?;
        let (id, state) = (txn.id, txn.state);
        if matches!(state, State::Committed | State::Visible) {
            return Err(cannot("abort", id, state, label));
        }
        self.fail(label, CANCELLED, now);
        Ok(())
    }

    /// Ends a transaction for an error of its own: its label is free again.
    pub fn fail(&mut self, label: &Label, reason: &str, now: Moment) {
        self.contexts.remove(label);
        let running = self.ledger.by_label(label).filter(|txn| !txn.state.is_final());
        if let Some(id) = running.map(|txn| txn.id) {
            // Committed stays committed: the server refuses too, and says nothing of it.
            let _refused = self.ledger.abort(id, reason, now);
        }
    }

    /// As [`Ledger::pass_time`], and what has been idle for too long.
    pub fn pass_time(&mut self, now: Moment) -> Vec<TxnId> {
        let mut aborted = self.ledger.pass_time(now);
        let idle = self.contexts.iter().filter(|(_, held)| held.is_overdue(now));
        let idle: Vec<(Label, TxnId)> =
            idle.map(|(label, held)| (label.clone(), held.txn)).collect();
        for (label, txn) in idle {
            self.fail(&label, "idle timeout", now);
            aborted.push(txn);
        }
        self.drop_contexts_of(&aborted);
        aborted
    }

    /// As [`Ledger::lose_backend`], contexts and all.
    pub fn lose_backend(&mut self, node: Backend, now: Moment) -> Vec<TxnId> {
        self.forget_contexts(node);
        self.ledger.lose_backend(node, now)
    }

    /// The backend's memory is gone, and the frontend has not found out yet.
    pub fn forget_contexts(&mut self, node: Backend) {
        self.contexts.retain(|_, held| held.node != node);
    }

    fn drop_contexts_of(&mut self, txns: &[TxnId]) {
        self.contexts.retain(|_, held| !txns.contains(&held.txn));
    }

    fn known(&self, label: &Label) -> Result<&Transaction, Refusal> {
        let found = self.ledger.by_label(label);
        found.ok_or_else(|| failed(&format!("No transaction found by label {label}")))
    }

    fn idle_context(&mut self, label: &Label) -> Result<&mut Context, Refusal> {
        match self.contexts.get_mut(label) {
            Some(context) if context.busy => Err(Refusal::new(
                "TXN_IN_PROCESSING",
                format!("Transaction in processing, please retry later, label is {label}"),
            )),
            Some(context) => Ok(context),
            None => Err(not_exists(label)),
        }
    }

    fn close_context(&mut self, label: &Label) -> Result<TxnId, Refusal> {
        self.contexts.remove(label).map(|held| held.txn).ok_or_else(|| not_exists(label))
    }
}

impl Scope {
    fn tables(&self) -> BTreeSet<String> {
        match self {
            Self::Table(name) => BTreeSet::from([name.clone()]),
            Self::Multi => BTreeSet::new(),
        }
    }
}

/// What a commit says whose rows are not visible in time, although it is decided.
#[must_use]
pub fn publish_timeout(waited: Duration) -> Refusal {
    failed(&format!("publish timeout: {}", waited.as_millis()))
}

fn label_taken(label: &Label, state: State) -> Refusal {
    let message = format!("Label [{label}] has already been used.");
    Refusal::new("LABEL_ALREADY_EXISTS", message).with_existing(match state {
        State::Prepare | State::Prepared => "RUNNING",
        State::Committed | State::Visible | State::Aborted => "FINISHED",
    })
}

fn cannot(operation: &str, txn: TxnId, state: State, label: &Label) -> Refusal {
    let state = state.name(System::StarRocks);
    failed(&format!("Can not {operation} {state} transaction {txn}, label is {label}"))
}

fn not_exists(label: &Label) -> Refusal {
    Refusal::new("TXN_NOT_EXISTS", format!("Transaction with label {label} not exists"))
}

/// As the frontend writes out an exception.
fn failed(text: &str) -> Refusal {
    Refusal::new("FAILED", format!("class com.starrocks.common.StarRocksException: {text}"))
}

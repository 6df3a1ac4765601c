//! Transactions in Doris: a load is one; with `two_phase_commit` it stops at `PRECOMMITTED` and waits for
//! `_stream_load_2pc`.

use crate::{Moment, System};

use super::ledger::{Begin, Ledger, Misplaced, NotBegun};
use super::{BadLabel, Label, Limits, Refusal, State, TxnId};

#[cfg(test)]
mod tests;

const USER_ABORT: &str = "User Abort";

/// The transactions of one Doris database, with a frontend's words.
#[derive(Debug)]
pub struct Doris {
    ledger: Ledger,
}

/// What `_stream_load_2pc` names its transaction by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Id(TxnId),
    Label(Label),
}

impl Doris {
    #[must_use]
    pub fn new(database: u64, limits: Limits) -> Self {
        Self { ledger: Ledger::new(System::Doris, database, limits) }
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// # Errors
    /// As the grammar of labels has it.
    pub fn label(text: &str) -> Result<Label, Refusal> {
        Label::new(System::Doris, text).map_err(|bad: BadLabel| analysis_error(&bad.to_string()))
    }

    /// Begins a load.
    ///
    /// # Errors
    /// A label in use, with what its transaction is doing, and too many transactions.
    pub fn begin(&mut self, begin: Begin, now: Moment) -> Result<TxnId, Refusal> {
        let label = begin.label.clone();
        self.ledger.begin(begin, now).map_err(|why| match why {
            NotBegun::LabelTaken { by, state } => label_taken(&label, by, state),
            NotBegun::TooMany { database, running, limit } => analysis_error(&format!(
                "current running txns on db {database} is {running}, larger than limit {limit}"
            )),
        })
    }

    /// Ends a load that asked for two phases.
    ///
    /// # Errors
    /// What was aborted while its data came, or lost with the frontend.
    pub fn precommit(&mut self, id: TxnId, now: Moment) -> Result<(), Refusal> {
        let done = self.ledger.prepare(id, None, now);
        done.map_err(|at| self.cannot_commit(id, at))
    }

    /// Ends a load that did not.
    ///
    /// # Errors
    /// As [`precommit`](Self::precommit).
    pub fn commit_load(&mut self, id: TxnId, now: Moment) -> Result<(), Refusal> {
        let done = self.ledger.commit(id, State::Prepare, now);
        done.map_err(|at| self.cannot_commit(id, at))
    }

    /// `txn_operation: commit`. Does not wait for the rows to be visible.
    ///
    /// # Errors
    /// Anything but `PRECOMMITTED`; by a label only that is looked for.
    pub fn commit(&mut self, named: &Named, now: Moment) -> Result<String, Refusal> {
        let id = self.find(named, &[State::Prepared])?;
        let done = self.ledger.commit(id, State::Prepared, now);
        done.map_err(|at| self.cannot_commit(id, at))?;
        Ok(named.to_message("commit"))
    }

    /// `txn_operation: abort`.
    ///
    /// # Errors
    /// What is committed, aborted or unknown; by a label only what is under way is looked for.
    pub fn abort(&mut self, named: &Named, now: Moment) -> Result<String, Refusal> {
        let id = self.find(named, &[State::Prepare, State::Prepared])?;
        let done = self.ledger.abort(id, USER_ABORT, now);
        done.map_err(|at| self.cannot_abort(id, at))?;
        Ok(named.to_message("abort"))
    }

    fn find(&self, named: &Named, states: &[State]) -> Result<TxnId, Refusal> {
        let label = match named {
            Named::Id(id) => return Ok(*id),
            Named::Label(label) => label,
        };
        let found = self.ledger.by_label(label).filter(|txn| states.contains(&txn.state));
        found.map(|txn| txn.id).ok_or_else(|| {
            let sought = if states.contains(&State::Prepare) {
                "running transaction"
            } else {
                "transaction"
            };
            analysis_error(&format!("{sought} not found, label={label}"))
        })
    }

    fn cannot_commit(&self, id: TxnId, at: Misplaced) -> Refusal {
        analysis_error(&match at.0 {
            None => format!("transaction [{id}] not found"),
            Some(State::Prepare) => format!("transaction [{id}] is prepare, not pre-committed."),
            Some(State::Prepared) => format!("transaction [{id}] is already pre-committed."),
            Some(State::Committed) => {
                format!("transaction [{id}] is already committed, not pre-committed.")
            }
            Some(State::Visible) => {
                format!("transaction [{id}] is already visible, not pre-committed.")
            }
            Some(State::Aborted) => {
                format!("transaction [{id}] is already aborted. abort reason: {}", self.reason(id))
            }
        })
    }

    fn cannot_abort(&self, id: TxnId, at: Misplaced) -> Refusal {
        analysis_error(&match at.0 {
            None => format!("transaction [{id}] not found"),
            Some(State::Aborted) => {
                format!("transaction [{id}] is already aborted, abort reason: {}", self.reason(id))
            }
            Some(state) => format!(
                "transaction [{id}] is already {}, could not abort.",
                state.name(System::Doris)
            ),
        })
    }

    fn reason(&self, id: TxnId) -> &str {
        self.ledger.get(id).map_or("", |txn| &txn.reason)
    }
}

impl Named {
    fn to_message(&self, operation: &str) -> String {
        match self {
            Self::Id(id) => format!("transaction [{id}] {operation} successfully."),
            Self::Label(label) => format!("label [{label}] {operation} successfully."),
        }
    }
}

fn label_taken(label: &Label, by: TxnId, state: State) -> Refusal {
    let detail = format!("Label [{label}] has already been used, relate to txn [{by}]");
    Refusal::new("LABEL_ALREADY_EXISTS", from_frontend(&detail)).with_existing(match state {
        State::Prepare => "RUNNING",
        State::Prepared => "PRECOMMITTED",
        State::Committed | State::Visible | State::Aborted => "FINISHED",
    })
}

fn analysis_error(detail: &str) -> Refusal {
    Refusal::new("ANALYSIS_ERROR", from_frontend(detail))
}

/// As a backend passes on what the frontend answered.
fn from_frontend(detail: &str) -> String {
    format!("TStatus: errCode = 2, detailMessage = {detail}")
}

//! Statements that begin, end and settle transactions, and the event that ends one prepared.

use super::group::{Group, Id};
use super::{Step, Tracker};
use crate::event::{XaPrepare, Xid};
use crate::packet::EventHeader;
use crate::reader::BinlogError;
use crate::reader::statement::{Statement, classify, xa_name};

impl Tracker {
    pub(super) fn query(&mut self, sql: &str, header: &EventHeader) -> Result<Step, BinlogError> {
        match classify(sql) {
            Statement::Begin => {
                self.open_if_none(header)?;
                Ok(self.begin())
            }
            Statement::XaStart => {
                let xid = self.xid(sql)?;
                self.open_if_none(header)?;
                if let Some(group) = &mut self.group {
                    group.xa = Some(xid);
                }
                Ok(self.begin())
            }
            Statement::Commit => self.end(),
            Statement::Rollback => {
                self.refuse_delivered(|| "rows of a transaction that was rolled back".to_owned())?;
                self.end()
            }
            Statement::RollbackTo => {
                self.refuse_delivered(|| "rows rolled back to a savepoint".to_owned())?;
                Ok(Step::Nothing)
            }
            Statement::Savepoint | Statement::XaEnd => Ok(Step::Nothing),
            Statement::Dummy => Ok(self.passed(true)),
            Statement::XaCommit => self.verdict(sql, header, Step::XaCommit),
            Statement::XaRollback => self.verdict(sql, header, Step::XaRollback),
            Statement::Other if self.group.as_ref().is_some_and(|g| g.open) => {
                // One before rows that are applied was taken with them: CREATE TABLE … SELECT.
                let is_applied = |g: &Group| g.rows_events < g.applied;
                let skipped = self.is_skipping() || self.group.as_ref().is_some_and(is_applied);
                Ok(if skipped { Step::Nothing } else { Step::Query { in_transaction: true } })
            }
            Statement::Other => {
                self.open_if_none(header)?;
                let group = self.group.as_ref();
                let (skipped, void) = group.map_or((false, false), |g| (g.skipped, g.void));
                self.end()?;
                Ok(match (skipped, void) {
                    (true, _) => Step::Nothing,
                    (false, true) => Step::Progress,
                    (false, false) => Step::Query { in_transaction: false },
                })
            }
        }
    }

    /// `XA PREPARE`: the end of the transaction in this place, and no commit.
    pub(super) fn prepared(&mut self, prepare: &XaPrepare) -> Result<Step, BinlogError> {
        if self.group.as_ref().is_none_or(|g| g.xa.as_ref() != Some(&prepare.xid)) {
            // They went out as rows of a transaction that is committed in this place.
            let what = || format!("rows prepared by XA transaction {} (XA PREPARE)", prepare.xid);
            self.refuse_delivered(what)?;
        }
        let counts = self.end()? == Step::Commit;
        Ok(if counts { Step::Prepared(prepare.xid.clone()) } else { Step::Nothing })
    }

    fn xid(&self, sql: &str) -> Result<Xid, BinlogError> {
        xa_name(sql).parse().map_err(|error| self.unsupported(format!("`{sql}`: {error}")))
    }

    /// `XA COMMIT` or `XA ROLLBACK`, which `step` makes of a name: a transaction of its own.
    fn verdict(
        &mut self,
        sql: &str,
        header: &EventHeader,
        step: fn(Xid) -> Step,
    ) -> Result<Step, BinlogError> {
        let xid = self.xid(sql)?;
        if self.group.as_ref().is_some_and(|g| g.open) {
            return Err(self.unsupported(format!("`{sql}` inside a transaction")));
        }
        self.open_if_none(header)?;
        Ok(if self.end()? == Step::Commit { step(xid) } else { Step::Nothing })
    }

    fn open_if_none(&mut self, header: &EventHeader) -> Result<(), BinlogError> {
        if self.group.is_none() { self.open(Id::None, None, header) } else { Ok(()) }
    }
}

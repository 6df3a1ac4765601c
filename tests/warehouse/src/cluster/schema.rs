//! Tables whose columns change, at once or by a job.

use crate::ddl::change::{Change, Weight};
use crate::jobs::JobId;
use crate::store::{AlterError, StoreError};
use crate::table::TableName;
use crate::txn::TxnId;

use super::State;

#[cfg(test)]
mod tests;

const NO_TABLE: &str = "table does not exist";

impl State {
    /// Changes a table that is there and has no job under way: now, or by a job if the change is a heavy one.
    ///
    /// # Errors
    /// A store that fails, and a value that the new type does not hold.
    pub fn change_table(&mut self, name: &TableName, change: Change) -> Result<(), AlterError> {
        if change.weight == Weight::Heavy {
            self.jobs.start(name.clone(), change, self.now);
            return Ok(());
        }
        self.rewrite_table(name, &change)?;
        if self.limits.light_changes_listed && change.weight == Weight::Light {
            self.jobs.list_done(name.clone(), change, self.now);
        }
        Ok(())
    }

    /// A table of the same name that is made later is none of the job's business.
    pub(super) fn stop_job(&mut self, name: &TableName) {
        if let Some(id) = self.jobs.under_way(name).map(|job| job.id) {
            self.jobs.cancel(id, NO_TABLE, self.now);
        }
    }

    pub(super) fn advance_jobs(&mut self) -> Result<(), StoreError> {
        let databases = &self.databases;
        let unfinished = |database: &str, below: TxnId| {
            databases.get(database).is_some_and(|database| {
                let mut older = database.book.ledger().iter().take_while(|txn| txn.id < below);
                older.any(|txn| !txn.state.is_final())
            })
        };
        for id in self.jobs.advance(self.now, TxnId(self.next_txn), unfinished) {
            self.run_job(id)?;
        }
        Ok(())
    }

    fn run_job(&mut self, id: JobId) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get(id) else { return Ok(()) };
        let (name, change) = (job.table.clone(), job.change.clone());
        match self.rewrite_table(&name, &change) {
            Ok(true) => self.jobs.finish(id, self.now),
            Ok(false) => {
                self.jobs.cancel(id, NO_TABLE, self.now);
            }
            Err(AlterError::Store(error)) => return Err(error),
            Err(error @ AlterError::Value { .. }) => {
                self.jobs.cancel(id, &error.to_string(), self.now);
            }
        }
        Ok(())
    }

    /// Says whether there is such a table.
    fn rewrite_table(&mut self, name: &TableName, change: &Change) -> Result<bool, AlterError> {
        let Some(before) = self.catalog.get(name) else { return Ok(false) };
        let filled = change.after.clone().at(self.now);
        self.store.alter(self.system, &name.database, before, &filled, &change.origins)?;
        self.define_table(&name.database, change.after.clone())?;
        Ok(true)
    }
}

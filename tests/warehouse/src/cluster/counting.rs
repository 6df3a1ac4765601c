//! Rows that are counted instead of kept, for who measures a sink and not SQLite.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::ingest::Row;
use crate::store::StoreError;
use crate::table::{Table, TableName};
use crate::txn::TxnId;

use super::{Rows, State};

/// What has become visible of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counted {
    pub loads: u64,
    pub rows: u64,
    /// Of bodies, uncompressed.
    pub bytes: u64,
}

/// The counts, by transaction until it is visible.
#[derive(Debug, Default)]
pub struct Counting {
    waiting: HashMap<TxnId, Vec<(TableName, Counted)>>,
    visible: BTreeMap<TableName, Counted>,
}

impl Counting {
    #[must_use]
    pub fn visible(&self) -> &BTreeMap<TableName, Counted> {
        &self.visible
    }

    pub(super) fn publish(&mut self, txn: TxnId) {
        for (name, counted) in self.waiting.remove(&txn).unwrap_or_default() {
            let sum = self.visible.entry(name).or_default();
            sum.loads += counted.loads;
            sum.rows += counted.rows;
            sum.bytes += counted.bytes;
        }
    }

    pub(super) fn discard(&mut self, txn: TxnId) {
        self.waiting.remove(&txn);
    }
}

impl State {
    /// What becomes of the rows of a load.
    #[must_use]
    pub fn rows(&self) -> Rows {
        if self.counting.is_some() { Rows::Counted } else { Rows::Kept }
    }

    /// Keeps a load's rows for its transaction, or what was counted of them.
    ///
    /// # Errors
    /// A store that fails.
    pub fn stage(
        &mut self,
        txn: TxnId,
        name: &TableName,
        table: &Table,
        rows: &[Row],
        counted: Counted,
    ) -> Result<(), StoreError> {
        let Some(counting) = &mut self.counting else {
            return self.store.stage(txn, name, table, rows);
        };
        counting.waiting.entry(txn).or_default().push((name.clone(), counted));
        Ok(())
    }
}

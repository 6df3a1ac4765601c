//! What an encoder remembers of each table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use model::{TableName, TableSchema};

/// Schemas remembered before all are forgotten and rendered anew: far more than tables that are
/// written to at one time, so that memory stays bounded (about 1 KiB each).
const SCHEMAS_MAX: usize = 4096;

/// One plan per schema, found by the schema's address. The schema is kept alive beside its plan, so
/// that no other schema can come to lie at the same address.
#[derive(Debug)]
pub(super) struct Plans<P> {
    by_address: HashMap<usize, (Arc<TableSchema>, P)>,
}

impl<P> Plans<P> {
    pub(super) fn new() -> Self {
        Self { by_address: HashMap::new() }
    }

    pub(super) fn get(
        &mut self,
        table: &Arc<TableSchema>,
        make: impl FnOnce(&TableSchema) -> P,
    ) -> &P {
        let address = Arc::as_ptr(table).addr();
        if self.by_address.len() >= SCHEMAS_MAX && !self.by_address.contains_key(&address) {
            self.by_address.clear();
        }
        match self.by_address.entry(address) {
            Entry::Occupied(held) => &held.into_mut().1,
            Entry::Vacant(free) => &free.insert((Arc::clone(table), make(table))).1,
        }
    }

    /// Lets go of a table's older schemas.
    pub(super) fn forget(&mut self, table: &TableName) {
        self.by_address.retain(|_, (schema, _)| schema.name != *table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    #[test]
    fn a_schema_is_planned_once_and_no_number_of_schemas_is_kept() {
        let mut plans = Plans::new();
        let first = table(Vec::new());
        assert_eq!(plans.get(&first, |_| 1), &1);
        assert_eq!(plans.get(&first, |_| 2), &1);
        for _ in 0..2 * SCHEMAS_MAX {
            // Dropped at once here: the plan keeps it, or the next would lie at its address.
            assert_eq!(plans.get(&table(Vec::new()), |_| 3), &3);
            assert!(plans.by_address.len() <= SCHEMAS_MAX);
        }
        assert_eq!(plans.get(&first, |_| 4), &4);
        plans.forget(&first.name);
        assert!(plans.by_address.is_empty());
    }
}

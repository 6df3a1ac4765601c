//! A row on its way into a table.

use crate::table::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Upsert,
    /// By key: `__DORIS_DELETE_SIGN__`, `merge_type: DELETE`, or `__op`.
    Delete,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// One for each of the table's columns, in their order.
    pub values: Vec<Value>,
    pub operation: Operation,
    /// Where the table has a sequence: of two rows with one key, the one with the smaller is dropped.
    pub sequence: Option<Value>,
}

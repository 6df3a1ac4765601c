//! What a table is: its columns, their types and its key.

pub mod catalog;
pub mod types;

use serde::{Deserialize, Serialize};

pub use catalog::{Catalog, TableName};
pub use types::{Misfit, Type, Value};

/// What becomes of two rows with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyModel {
    /// Both stay.
    Duplicate,
    /// The later commit replaces the earlier: a merge-on-write unique table of Doris, a primary key table of
    /// StarRocks.
    Unique,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub ty: Type,
    pub nullable: bool,
    pub is_key: bool,
    /// As text that the type takes.
    pub default: Option<String>,
}

/// Which of two rows with one key is the newer, where the order of commits is not to say it (Doris only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sequence {
    /// By a visible column (`function_column.sequence_col`).
    Column(String),
    /// By a hidden one of this type (`function_column.sequence_type`).
    Hidden(Type),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    /// The key's first, in its order.
    pub columns: Vec<Column>,
    pub model: KeyModel,
    pub sequence: Option<Sequence>,
}

impl Table {
    /// The place of a column, by its exact name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The same as SQL has it: in any case.
    #[must_use]
    pub fn position_in_sql(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }
}

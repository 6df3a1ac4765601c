//! What a table is: its columns, their types and its key.

pub mod catalog;
pub mod types;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Moment;

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
    #[serde(default)]
    pub details: Details,
}

/// What bears on no row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Details {
    pub comment: String,
    /// Of columns, by name.
    pub comments: BTreeMap<String, String>,
    /// Rows are placed by the hash of these; at random if there are none.
    pub distribution: Vec<String>,
    /// As many as the server sees fit if `None`.
    pub buckets: Option<u32>,
    pub properties: BTreeMap<String, String>,
    /// Of renamed columns, by name: what each was called when it was made. It is no other's name while that
    /// column is there (StarRocks only).
    pub column_ids: BTreeMap<String, String>,
}

/// As a column's default: the time when a row is loaded without it.
pub const CURRENT_TIMESTAMP: &str = "CURRENT_TIMESTAMP";

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

    #[must_use]
    pub fn is_distributed_by(&self, name: &str) -> bool {
        self.details.distribution.iter().any(|column| column.eq_ignore_ascii_case(name))
    }

    /// With the defaults that a load at `now` finds.
    #[must_use]
    pub fn at(mut self, now: Moment) -> Self {
        for column in &mut self.columns {
            if column.default.as_deref() == Some(CURRENT_TIMESTAMP) {
                column.default = Some(now.to_string());
            }
        }
        self
    }
}

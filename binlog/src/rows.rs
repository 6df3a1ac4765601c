//! Rows events and their table maps -> cells.
//!
//! A [`TablePlan`] joins a table map with the schema in force and is made once for each; from then
//! on a row image is read by a table of small instructions, with no lookup and no copy per value.

mod fit;
mod op;
mod plan;

pub use crate::event::{Metadata, Presence, RowsEvent, TableMap, WireColumn, WireType};
pub use plan::{PlanError, RowRanges, TablePlan};

//! From the body of a load to typed rows, or to the reason why not: headers ([`Options`]), the table's
//! columns ([`Plan`]), records ([`csv`], [`json`]), values ([`convert`]), and the judgement over the rows
//! that were refused.

pub mod compression;
pub mod convert;
pub mod csv;
pub mod json;
pub mod options;
pub mod plan;
pub mod row;
pub mod tally;

#[cfg(test)]
mod tests;

pub use options::{Format, Headers, Options};
pub use plan::Plan;
pub use row::{Operation, Row};
pub use tally::Tally;

use crate::System;
use crate::table::Table;
use crate::txn::Refusal;

/// What the reader of a format found in one place of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// As it stood there, for the error log.
    pub source: String,
    /// By the plan's slots, or why it is no record.
    pub fields: Result<Vec<Field>, String>,
}

/// What stands in a record for one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// No such key; only JSON knows that.
    Missing,
    Null,
    Text(String),
}

/// What became of a body.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ingested {
    /// In the order of the body.
    pub rows: Vec<Row>,
    pub total: u64,
    pub filtered: u64,
    /// The error log: a line for each filtered row.
    pub log: Vec<String>,
}

/// Reads a whole body, uncompressed.
///
/// # Errors
/// Headers that do not fit the table, a body that is none of its format, a key that is too long. Rows that were refused are no
/// error here: see [`Ingested::judge`].
pub fn ingest(
    system: System,
    table: &Table,
    options: &Options,
    body: &[u8],
) -> Result<Ingested, Refusal> {
    let plan = Plan::new(system, table, options)?;
    let records = match &options.format {
        Format::Csv(dialect) => csv::read(dialect, system, plan.width(), body),
        Format::Json(shape) => json::read(shape, system, &plan.wanted(), body)?,
    };
    let mut ingested = Ingested::default();
    for record in records {
        ingested.total += 1;
        match record.fields.and_then(|fields| plan.row(&fields)) {
            Ok(row) => {
                plan.check_key(&row)?;
                ingested.rows.push(row);
            }
            Err(reason) => {
                ingested.filtered += 1;
                ingested.log.push(log_line(system, &reason, &record.source));
            }
        }
    }
    Ok(ingested)
}

/// How many rows a body has that could not be counted as it came ([`Tally`]).
///
/// # Errors
/// A body that is none of its format.
pub fn count(system: System, options: &Options, body: &[u8]) -> Result<Ingested, Refusal> {
    let rows = match &options.format {
        Format::Csv(dialect) => csv::read(dialect, system, 0, body).len(),
        Format::Json(shape) => json::count(shape, body)?,
    };
    let total = u64::try_from(rows).unwrap_or(u64::MAX);
    Ok(Ingested { total, ..Ingested::default() })
}

impl Ingested {
    /// Whether the refused rows are few enough; if not, no row is loaded.
    ///
    /// # Errors
    /// More of them than `max_filter_ratio` of all.
    pub fn judge(&self, max_filter_ratio: f64) -> Result<(), Refusal> {
        let ratio = self.filtered as f64 / (self.total.max(1)) as f64;
        if ratio > max_filter_ratio {
            return Err(Refusal::new("DATA_QUALITY_ERROR", "too many filtered rows"));
        }
        Ok(())
    }
}

fn log_line(system: System, reason: &str, source: &str) -> String {
    match system {
        System::Doris => format!("Reason: {reason}. src line [{source}]; "),
        System::StarRocks => format!("Error: {reason}. Row: {source}"),
    }
}

//! Changes as bytes. A format is pure: batches in, lines out, nothing else. Every record is one
//! line, so whoever writes the bytes can cut them at line ends.
//!
//! This is the hot path, row image to sink bytes: cells are written straight from the row's own
//! bytes, what a table always repeats is rendered once per schema, what a block repeats once per
//! block, and nothing is allocated per value. The rules of each format: `docs/formats.md`.

use model::{Batch, Item, SinkError};

use crate::SinkContext;

pub(crate) use encoding::Encoding;

mod changelog;
mod debezium_json;
mod encoding;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod number;
mod plans;
pub(crate) mod short;
pub(crate) mod temporal;

/// Turns batches into lines. Stateful only in what it remembers of tables.
pub trait Encoder: Send {
    /// Appends the records of one item, each a line with its line end.
    ///
    /// # Errors
    /// A row that does not decode, or a value that its column's type cannot hold. `out` may then
    /// end in the middle of a record.
    fn item(&mut self, item: &Item, out: &mut Vec<u8>) -> Result<(), SinkError>;

    /// Appends the records of a whole batch.
    ///
    /// # Errors
    /// As for [`Encoder::item`].
    fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), SinkError> {
        batch.items.iter().try_for_each(|item| self.item(item, out))
    }
}

/// The formats of `sink.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Changelog,
    DebeziumJson,
}

impl Format {
    pub const ALL: [Self; 2] = [Self::Changelog, Self::DebeziumJson];

    /// As the option spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changelog => "changelog",
            Self::DebeziumJson => "debezium-json",
        }
    }

    /// Extension of a file that holds it.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Changelog => "log",
            Self::DebeziumJson => "jsonl",
        }
    }
}

/// A fresh encoder of `format`.
pub fn encoder(format: Format, context: &SinkContext) -> Box<dyn Encoder> {
    match format {
        Format::Changelog => Box::new(changelog::Changelog::new(context.time_zone)),
        Format::DebeziumJson => Box::new(debezium_json::DebeziumJson::new(context)),
    }
}

#[cfg(test)]
mod tests;

//! MySQL's replication protocol: from the socket to typed rows.
//!
//! The pure half (`packet`, `event`, `rows`, `value`) is a function of its input: bytes in, facts
//! or an error out, no socket, no clock, no panic. A row travels `packet::RawEvent::parse` ->
//! `event::Event::decode` -> `rows::TablePlan::decode`, and stays in the bytes it arrived in until
//! its cells are read. The other half brings the bytes.

pub mod backoff;
pub mod connection;
pub(crate) mod cursor;
pub mod error;
pub mod event;
#[cfg(test)]
mod fixtures;
pub mod packet;
pub mod preflight;
pub mod query;
pub mod reader;
pub mod rows;
pub mod server;
pub mod value;
pub mod visibility;
mod wire;

pub use error::DecodeError;
pub use event::{Event, Flavor, FormatDescription};
pub use packet::{Checksum, EventHeader, RawEvent};
pub use reader::BinlogError;
pub use rows::{PlanError, RowsEvent, TableMap, TablePlan};
pub use server::{Password, Server, SourceOptions, Tls};
pub use visibility::{ChunkRead, VisibilityMethod};

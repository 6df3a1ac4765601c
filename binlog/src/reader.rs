//! One ordered stream of events over reconnects.

mod error;

pub use error::BinlogError;

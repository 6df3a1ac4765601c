//! What backends hold in memory and on their own disks: data on its way, and the rows that they refused.

use std::collections::{HashMap, VecDeque};

use crate::ingest::{Options, Tally};
use crate::table::TableName;
use crate::txn::TxnId;

/// The body of one `load`, with how it is to be read.
#[derive(Debug)]
pub struct Piece {
    pub table: TableName,
    pub options: Options,
    pub body: Body,
}

#[derive(Debug)]
pub enum Body {
    /// Uncompressed.
    Kept(Vec<u8>),
    /// Its rows were counted as it came.
    Counted(Tally),
}

impl Body {
    /// Bytes, uncompressed.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Kept(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Counted(tally) => tally.bytes(),
        }
    }
}

/// Pieces by transaction, in the order in which they came (StarRocks).
pub type Gathered = HashMap<TxnId, Vec<Piece>>;

/// Error logs by name. The oldest goes first.
#[derive(Debug, Default)]
pub struct ErrorLogs(VecDeque<(String, String)>);

const LOGS_MAX: usize = 1_000;

impl ErrorLogs {
    pub fn put(&mut self, name: &str, lines: &[String]) {
        if self.0.len() >= LOGS_MAX {
            self.0.pop_front();
        }
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.0.push_back((name.to_owned(), text));
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, text)| text.as_str())
    }
}

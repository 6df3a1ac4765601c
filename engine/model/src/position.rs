//! Where in the source's history: binlog files, offsets, and the position that a checkpoint holds.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::gtid::{GtidSet, Gtids};

/// A binlog file, `stem.000123`. Files of one stem are ordered by their number, never as text
/// (`binlog.1000000` comes after `binlog.999999`); files of two stems are not ordered at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BinlogFile {
    name: Arc<str>,
    stem_len: usize,
    sequence: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a binlog file name: expected `name.000123`")]
pub struct BadBinlogFile(pub String);

impl BinlogFile {
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn stem(&self) -> &str {
        self.name.get(..self.stem_len).unwrap_or_default()
    }

    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl FromStr for BinlogFile {
    type Err = BadBinlogFile;

    fn from_str(name: &str) -> Result<Self, BadBinlogFile> {
        let (stem, digits) = name.rsplit_once('.').ok_or_else(|| BadBinlogFile(name.to_owned()))?;
        let numeric = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let sequence = digits.parse().ok().filter(|_| numeric && !stem.is_empty());
        let sequence = sequence.ok_or_else(|| BadBinlogFile(name.to_owned()))?;
        Ok(Self { name: name.into(), stem_len: stem.len(), sequence })
    }
}

impl fmt::Display for BinlogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialOrd for BinlogFile {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.stem() == other.stem()).then(|| self.sequence.cmp(&other.sequence))
    }
}

impl Serialize for BinlogFile {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for BinlogFile {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A byte offset in a binlog file: the end of an event, which is the start of the next. The offset
/// is counted by us in 64 bits, for the one in an event's header wraps at 4 GiB.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BinlogPosition {
    pub file: BinlogFile,
    pub offset: u64,
}

impl PartialOrd for BinlogPosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.file.partial_cmp(&other.file)?.then(self.offset.cmp(&other.offset)))
    }
}

impl fmt::Display for BinlogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// The part of a position inside an unfinished transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTransaction {
    /// As the server prints it; `None` where the server has no GTIDs.
    pub gtid: Option<String>,
    /// Rows events of this transaction that are already applied, of any table, wanted or not.
    /// On resume the transaction is read from its start and this many rows events are skipped.
    pub rows_events: u64,
}

/// Where in the source's history a job stands: everything before it is applied, nothing after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Transactions applied whole.
    pub gtids: Gtids,
    /// The end of the last whole transaction (or event outside transactions). A resume without
    /// GTIDs starts here. With GTIDs it is told to people and compared with file watermarks.
    pub binlog: BinlogPosition,
    pub in_transaction: Option<InTransaction>,
}

impl Position {
    /// True once everything up to `mark` is applied. Inside a transaction the answer is about the
    /// whole transactions before it, so it can be late but never early.
    pub fn reached(&self, mark: &Watermark) -> bool {
        match (mark, &self.gtids) {
            (Watermark::Gtids(want), Gtids::Mysql(have)) => have.is_superset(want),
            (Watermark::Gtids(_), Gtids::None | Gtids::Mariadb(_)) => false,
            (Watermark::Binlog(want), _) => {
                matches!(self.binlog.partial_cmp(want), Some(Ordering::Equal | Ordering::Greater))
            }
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.binlog)?;
        if self.gtids != Gtids::None {
            write!(f, " gtids {}", self.gtids)?;
        }
        if let Some(inside) = &self.in_transaction {
            write!(f, " + {} rows events of the next transaction", inside.rows_events)?;
        }
        Ok(())
    }
}

/// A point of the server's history that the stream can be asked to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watermark {
    Gtids(GtidSet),
    Binlog(BinlogPosition),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> BinlogFile {
        name.parse().unwrap()
    }

    #[test]
    fn files_are_ordered_by_number_not_by_text() {
        assert!(file("binlog.999999") < file("binlog.1000000"));
        assert!(file("my.sql-bin.000009") < file("my.sql-bin.000010"));
    }

    #[test]
    fn files_of_two_servers_are_not_ordered() {
        assert_eq!(file("a.000001").partial_cmp(&file("b.000002")), None);
    }

    #[test]
    fn a_name_without_a_number_is_refused() {
        for bad in ["binlog", "binlog.", "binlog.index", ".000001", "binlog.0001x", "b.+1"] {
            assert!(bad.parse::<BinlogFile>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_watermark_is_reached_at_it_and_after_it() {
        let at = |offset| Position {
            gtids: Gtids::None,
            binlog: BinlogPosition { file: file("b.000002"), offset },
            in_transaction: None,
        };
        let mark = |name, offset| Watermark::Binlog(BinlogPosition { file: file(name), offset });
        assert!(at(100).reached(&mark("b.000002", 100)));
        assert!(at(100).reached(&mark("b.000001", 5_000_000_000)));
        assert!(!at(100).reached(&mark("b.000002", 101)));
        assert!(!at(100).reached(&mark("c.000001", 4)), "another server's file is never reached");
    }
}

//! Which of two rows with one key is the newer, as a number that Doris compares.
//!
//! Where a table has a sequence column, the row with the greater value stays, in whatever order loads
//! arrive: a load that is repeated cannot undo what came later. The value is the row's place in the
//! source's history: the binlog's file, the offset in it, the row within the event. It must never fall
//! while the stream goes on, or newer rows would be taken for older ones and be ignored. Files of another
//! server, and of a server whose files got another name, begin anew; so in front of the file stands an
//! *epoch*, which is kept in the checkpoint and grows wherever that happens.

use std::sync::Arc;

use model::checkpoint::SourceState;
use model::{Origin, RowsKind};
use serde::{Deserialize, Serialize};

const ROW_BITS: u32 = 23;
const OFFSET_BITS: u32 = 48;
const FILE_BITS: u32 = 24;

/// INVARIANT newest-stays: along the stream the sequence of a key's rows never falls. `on` keeps it. Tests:
/// `another_server_begins_above_all_of_before`, `files_with_another_name_begin_above_all_of_before`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Epoch {
    number: u32,
    /// What tells the server from every other.
    server: String,
    /// The newest file of the stream.
    file: Arc<str>,
}

impl Epoch {
    /// At the start of a run. A job that has none yet may meet tables with rows of another: its epoch is the
    /// time in seconds, which is above theirs.
    pub(crate) fn on(&mut self, source: &SourceState, now_ms: i64) {
        let identity = &source.server.identity;
        if self.number == 0 || self.server != *identity {
            let now = u32::try_from(now_ms / 1000).unwrap_or(u32::MAX);
            self.number = now.max(self.number.saturating_add(1));
            self.server.clone_from(identity);
            self.file = Arc::clone(source.position.binlog.file.name());
        }
    }

    /// The sequence of the block's rows, to which the row's number is added.
    pub(crate) fn of(&mut self, origin: &Origin, kind: RowsKind) -> u128 {
        // A chunk's rows are of its high watermark, which may lie in the file before.
        if kind != RowsKind::Read && origin.file != self.file {
            let ((stem, number), (before, last)) = (split(&origin.file), split(&self.file));
            if stem != before || number < last {
                self.number = self.number.saturating_add(1);
            }
            self.file = Arc::clone(&origin.file);
        }
        let file = split(&origin.file).1.min((1 << FILE_BITS) - 1);
        let offset = origin.pos.min((1 << OFFSET_BITS) - 1);
        let mut sequence = u128::from(self.number);
        sequence = sequence << FILE_BITS | u128::from(file);
        sequence = sequence << OFFSET_BITS | u128::from(offset);
        sequence << ROW_BITS
    }
}

/// A row within its block.
pub(crate) fn row(block: u128, number: u32) -> u128 {
    block | u128::from(number.min((1 << ROW_BITS) - 1))
}

/// `binlog.000123` → `binlog` and 123.
fn split(file: &str) -> (&str, u64) {
    let (stem, number) = file.rsplit_once('.').unwrap_or((file, ""));
    (stem, number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{barrier, origin};

    fn source(server: &str) -> SourceState {
        let mut state = SourceState::clone(&barrier(1).source);
        state.server.identity = server.to_owned();
        state
    }

    fn at(epoch: &mut Epoch, file: &str, pos: u64, number: u32) -> u128 {
        let origin = Origin { file: file.into(), pos, ..origin(RowsKind::Insert) };
        row(epoch.of(&origin, RowsKind::Insert), number)
    }

    fn begun() -> Epoch {
        let mut epoch = Epoch::default();
        epoch.on(&source("a"), 1_700_000_000_000);
        epoch
    }

    #[test]
    fn it_grows_with_row_offset_and_file_and_fits_a_signed_number() {
        let mut epoch = begun();
        let places = [
            ("binlog.000003", 4, 0),
            ("binlog.000003", 4, 1),
            ("binlog.000003", 5, 0),
            ("binlog.000004", 4, 0),
            ("binlog.999999", u64::MAX, u32::MAX),
        ];
        let sequences = places.map(|(file, pos, number)| at(&mut epoch, file, pos, number));
        assert!(sequences.is_sorted() && sequences[0] < sequences[1], "{sequences:?}");
        epoch.number = u32::MAX;
        assert!(i128::try_from(at(&mut epoch, "binlog.999999", u64::MAX, u32::MAX)).is_ok());
    }

    #[test]
    fn another_server_begins_above_all_of_before() {
        let mut epoch = begun();
        let before = at(&mut epoch, "binlog.000900", 1 << 40, 7);
        epoch.on(&source("a"), 1_700_000_000_000);
        let same = at(&mut epoch, "binlog.000900", 1 << 40, 7);
        epoch.on(&source("b"), 0);
        assert_eq!(same, before);
        assert!(at(&mut epoch, "binlog.000001", 4, 0) > before);
    }

    #[test]
    fn files_with_another_name_begin_above_all_of_before() {
        let mut epoch = begun();
        let before = at(&mut epoch, "binlog.000900", 4, 0);
        let renamed = at(&mut epoch, "mysql-bin.000001", 4, 0);
        let reset = at(&mut epoch, "mysql-bin.000000", 4, 0);
        assert!(before < renamed && renamed < reset);
    }

    #[test]
    fn a_read_of_the_file_before_begins_no_epoch() {
        let mut epoch = begun();
        at(&mut epoch, "binlog.000004", 4, 0);
        let number = epoch.number;
        let read = Origin { file: "binlog.000003".into(), ..origin(RowsKind::Read) };
        epoch.of(&read, RowsKind::Read);
        at(&mut epoch, "binlog.000004", 8, 0);
        assert_eq!(epoch.number, number);
    }

    #[test]
    fn a_job_that_begins_later_is_above_one_that_was_before() {
        let (mut before, mut after) = (begun(), Epoch::default());
        after.on(&source("b"), 1_700_000_001_000);
        let before = at(&mut before, "binlog.009999", 9, 9);
        assert!(at(&mut after, "binlog.000001", 4, 0) > before);
    }
}

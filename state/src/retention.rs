//! Which snapshot is the newest, and which may go. Pure: a list in, ids out.
//!
//! "Newest" goes by id. Ids grow with every snapshot of a job and are never reused, so they are the
//! order in which snapshots were taken. The time of completion is a wall clock's, and a clock that is
//! set back would make the snapshots after it look old: they would be pruned first, and a resume
//! would go back past what the sinks have committed.

use std::cmp::Reverse;

use model::checkpoint::Listed;
use model::{BarrierKind, Checkpoint, CheckpointId, StoreError};

/// The newest snapshot that can be restored.
#[derive(Debug)]
pub struct Newest<'a> {
    /// `None` where there is none at all, or none that is valid.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Newer than that and damaged (or of a newer format), newest first, each with why. What it
    /// means to go back past them is the caller's to decide: sinks may have committed theirs.
    pub damaged: Vec<(CheckpointId, &'a StoreError)>,
}

/// Finds the newest valid snapshot of either kind.
pub fn newest(listed: &[Listed]) -> Newest<'_> {
    let mut damaged = Vec::new();
    for entry in newest_first(listed) {
        match &entry.content {
            Ok(checkpoint) => return Newest { checkpoint: Some(checkpoint), damaged },
            Err(error) => damaged.push((entry.id, error)),
        }
    }
    Newest { checkpoint: None, damaged }
}

/// The checkpoints to remove so that the newest `retained` valid ones stay. Never a savepoint, never
/// the newest valid snapshot, never a damaged one: what it was is unknown, and it is evidence.
pub fn prunable(listed: &[Listed], retained: usize) -> Vec<CheckpointId> {
    let keep = newest(listed).checkpoint.map(|checkpoint| checkpoint.id);
    newest_first(listed)
        .into_iter()
        .filter_map(|entry| entry.content.as_ref().ok().map(|checkpoint| (entry.id, checkpoint)))
        .filter(|(_, checkpoint)| checkpoint.kind == BarrierKind::Checkpoint)
        .skip(retained)
        .map(|(id, _)| id)
        .filter(|id| Some(*id) != keep)
        .collect()
}

fn newest_first(listed: &[Listed]) -> Vec<&Listed> {
    let mut entries: Vec<&Listed> = listed.iter().collect();
    entries.sort_by_key(|entry| Reverse(entry.id));
    entries
}

#[cfg(test)]
mod tests {
    use model::conformance::samples;

    use super::*;

    /// `c` is a checkpoint, `s` a savepoint, `x` damaged; ids from 1 up.
    fn listed(kinds: &str) -> Vec<Listed> {
        let entry = |(n, kind): (usize, char)| {
            let id = n as u64 + 1;
            let damaged = StoreError::Damaged {
                store: "memory".into(),
                job: "j".into(),
                id: id.to_string(),
                what: "torn".into(),
            };
            let content = match kind {
                'c' => Ok(samples::checkpoint("j", id, BarrierKind::Checkpoint)),
                's' => Ok(samples::checkpoint("j", id, BarrierKind::Savepoint)),
                _ => Err(damaged),
            };
            Listed { id: CheckpointId(id), size: 1, content }
        };
        kinds.chars().enumerate().map(entry).collect()
    }

    fn check(kinds: &str, retained: usize, expect: &[u64]) {
        let ids: Vec<u64> = prunable(&listed(kinds), retained).iter().map(|id| id.0).collect();
        assert_eq!(ids, expect, "{kinds} retaining {retained}");
    }

    #[test]
    fn the_newest_checkpoints_stay() {
        check("cccc", 2, &[2, 1]);
        check("cc", 2, &[]);
        check("", 1, &[]);
    }

    #[test]
    fn a_savepoint_stays_for_ever_and_takes_no_place() {
        check("scsc", 1, &[2]);
        check("sss", 0, &[]);
    }

    #[test]
    fn the_newest_valid_snapshot_stays_whatever_is_asked() {
        check("ccc", 0, &[2, 1]);
        check("ccx", 0, &[1]);
        check("cs", 0, &[1]);
    }

    #[test]
    fn a_damaged_snapshot_stays_and_takes_no_place() {
        check("cxcx", 1, &[1]);
        check("xx", 0, &[]);
    }

    #[test]
    fn the_newest_tells_which_damaged_ones_it_stands_behind() {
        let list = listed("cscxx");
        let found = newest(&list);
        assert_eq!(found.checkpoint.unwrap().id, CheckpointId(3));
        assert_eq!(found.damaged.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [5, 4]);
        let list = listed("x");
        assert!(newest(&list).checkpoint.is_none());
        assert_eq!(newest(&list).damaged.len(), 1);
        assert!(newest(&[]).damaged.is_empty());
    }

    #[test]
    fn a_clock_set_back_does_not_make_a_newer_snapshot_old() {
        let mut list = listed("ccc");
        for (entry, at) in list.iter_mut().zip([5000, 9000, 1000]) {
            entry.content.as_mut().unwrap().completed_at_ms = at;
        }
        assert_eq!(newest(&list).checkpoint.unwrap().id, CheckpointId(3));
        assert_eq!(prunable(&list, 1), [CheckpointId(2), CheckpointId(1)]);
    }
}

//! One chunk of the source against the target's rows, row by row. Pure.
//!
//! The rows of the chunk are held, the target's pass by: what is equal goes, what is left is in doubt.
//! Rows are compared byte for byte in their one form, so nothing rests on a checksum here.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use sinks::readback::{Key, Row};

/// Keys in doubt that are held at a time; settled before more are looked for.
pub const DOUBTFUL_MAX: usize = 10_000;

/// The source's rows of a chunk that the target has not shown yet, and the keys in doubt.
#[derive(Debug, Default)]
pub struct Chunk {
    rows: HashMap<Key, Row>,
    doubtful: BTreeSet<Key>,
    /// Rows that only the target has are as they should be: deletes are not carried over.
    keeps: bool,
    kept: u64,
}

impl Chunk {
    /// `keeps`: the job leaves deletes out.
    pub fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    pub fn source(&mut self, row: Row) {
        let key: Key = row.key().into();
        // Two rows that are one in the target: which one it holds is not for a chunk to tell.
        if self.rows.insert(key.clone(), row).is_some() {
            self.doubtful.insert(key);
        }
    }

    /// Keys of the source's rows, for a target that is asked by them.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.keys().map(|key| &**key)
    }

    /// Breaks where there are so many keys in doubt that they have to be settled first.
    pub fn target(&mut self, row: &Row) -> ControlFlow<()> {
        match self.rows.remove(row.key()) {
            Some(held) if held == *row => {}
            None if self.keeps => self.kept += 1,
            Some(_) | None => {
                self.doubtful.insert(row.key().into());
            }
        }
        if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Rows that only the target has, and may have.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    pub fn is_full(&self) -> bool {
        self.doubtful.len() >= DOUBTFUL_MAX
    }

    /// The keys in doubt, once the target has shown all it has.
    pub fn finish(self) -> BTreeSet<Key> {
        let mut doubtful = self.doubtful;
        doubtful.extend(self.rows.into_keys());
        doubtful
    }

    /// The keys in doubt of a chunk that was left in the middle.
    pub fn leave(self) -> BTreeSet<Key> {
        self.doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u32, value: &str) -> Row {
        Row::of(&[Some(key.to_string().as_bytes()), Some(value.as_bytes())], 1)
    }

    fn keys(of: &[u32]) -> BTreeSet<Key> {
        of.iter().map(|key| row(*key, "").key().into()).collect()
    }

    fn compared(source: &[(u32, &str)], target: &[(u32, &str)]) -> BTreeSet<Key> {
        let mut chunk = Chunk::default();
        source.iter().for_each(|(key, value)| chunk.source(row(*key, value)));
        for (key, value) in target {
            assert!(chunk.target(&row(*key, value)).is_continue());
        }
        chunk.finish()
    }

    #[test]
    fn what_either_side_lacks_or_has_otherwise_is_in_doubt_and_nothing_else() {
        assert_eq!(compared(&[(1, "a"), (2, "b")], &[(2, "b"), (1, "a")]), keys(&[]));
        assert_eq!(compared(&[(1, "a"), (2, "b")], &[(1, "a")]), keys(&[2]));
        assert_eq!(compared(&[(1, "a")], &[(1, "a"), (3, "c")]), keys(&[3]));
        assert_eq!(compared(&[(1, "a"), (2, "b")], &[(1, "a"), (2, "c")]), keys(&[2]));
        assert_eq!(compared(&[], &[]), keys(&[]));
    }

    #[test]
    fn rows_that_only_a_target_without_deletes_has_are_counted_and_not_in_doubt() {
        let mut chunk = Chunk::new(true);
        chunk.source(row(1, "a"));
        for (key, value) in [(1, "b"), (2, "c")] {
            assert!(chunk.target(&row(key, value)).is_continue());
        }
        assert_eq!((chunk.kept(), chunk.finish()), (1, keys(&[1])));
    }

    #[test]
    fn two_rows_of_the_source_under_one_key_of_the_target_are_in_doubt() {
        assert_eq!(compared(&[(1, "a"), (1, "b")], &[(1, "b")]), keys(&[1]));
    }

    #[test]
    fn a_target_full_of_other_rows_is_not_held_in_memory() {
        let mut chunk = Chunk::default();
        let more = u32::try_from(DOUBTFUL_MAX).unwrap() + 5;
        let taken = (0..more).take_while(|n| chunk.target(&row(*n, "x")).is_continue()).count();
        assert_eq!(taken + 1, DOUBTFUL_MAX);
        assert_eq!(chunk.leave().len(), DOUBTFUL_MAX);
    }
}

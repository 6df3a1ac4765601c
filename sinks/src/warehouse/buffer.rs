//! Rows that wait for their load: of one table, one for each key.
//!
//! A load with two rows of one key would leave open which of them stays (Doris promises no order within a
//! load), so the later one takes the place of the earlier. Rows lie one behind the other in one stretch of
//! memory, which becomes the load's body as it is; one that was replaced is cut out before that.

use std::hash::BuildHasher as _;
use std::ops::Range;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::system::System;

/// From so many bytes on a buffer is worth memory that is there already.
const LENT_FROM: usize = 1 << 20;

/// Rows that are encoded and wait for nothing yet, in their order.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    start: usize,
    /// Without what separates it from the next.
    end: usize,
    /// Bytes at its beginning that tell its key; with 0 the row is beside all others.
    key: usize,
    /// Of the key.
    hash: u64,
    live: bool,
}

impl Row {
    fn key_of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.start + self.key).unwrap_or_default()
    }

    /// With what separates it from the next.
    fn len(self) -> usize {
        self.end + 1 - self.start
    }
}

impl Encoded {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<Row>()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }

    /// Adds what `encode` writes, which says how long the key at its beginning is; with 0 the row is
    /// beside all others.
    ///
    /// # Errors
    /// What `encode` says; the rows are then as before.
    pub(crate) fn push<E>(
        &mut self,
        separator: u8,
        hasher: &DefaultHashBuilder,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        let key = match encode(&mut self.bytes) {
            Ok(key) => key,
            Err(error) => {
                self.bytes.truncate(start);
                return Err(error);
            }
        };
        let mut row = Row { start, end: self.bytes.len(), key, hash: 0, live: true };
        if key > 0 {
            row.hash = hasher.hash_one(row.key_of(&self.bytes));
        }
        self.bytes.push(separator);
        self.rows.push(row);
        Ok(())
    }
}

/// Rows of one table, encoded.
#[derive(Debug)]
pub(crate) struct Buffer {
    system: System,
    bytes: Vec<u8>,
    rows: Vec<Row>,
    /// Numbers of rows, found by their keys.
    keys: HashTable<usize>,
    /// Of rows that were replaced.
    dead_bytes: usize,
    dead: usize,
    /// Bytes of the body that its memory held before.
    lent: usize,
}

impl Buffer {
    pub(crate) fn new(system: System) -> Self {
        Self {
            system,
            bytes: Vec::new(),
            rows: Vec::new(),
            keys: HashTable::new(),
            dead_bytes: 0,
            dead: 0,
            lent: 0,
        }
    }

    /// Adds rows of `encoded` until there are so many or so many bytes, at least one. Returns how far it has
    /// come. The keys are all of one hasher.
    pub(crate) fn append(
        &mut self,
        encoded: &Encoded,
        rows: Range<usize>,
        bytes_max: usize,
        rows_max: usize,
    ) -> usize {
        let from = rows.start;
        let rows = encoded.rows.get(rows).unwrap_or_default();
        let Some(first) = rows.first() else { return from };
        if self.rows.is_empty() && self.system == System::StarRocks {
            self.bytes.clear();
            self.bytes.push(b'[');
        }
        let to = self.bytes.len();
        let fit = rows.partition_point(|row| row.end - first.start + to < bytes_max);
        let most = (fit + 1).min(rows_max.saturating_sub(self.live())).clamp(1, rows.len());
        let rows = rows.get(..most).unwrap_or(rows);
        let end = rows.last().map_or(first.end, |last| last.end);
        self.bytes.extend_from_slice(encoded.bytes.get(first.start..=end).unwrap_or_default());
        self.rows.reserve(rows.len());
        for row in rows {
            let (start, end) = (row.start - first.start + to, row.end - first.start + to);
            let row = Row { start, end, ..*row };
            if row.key > 0 {
                self.replace(row);
            }
            self.rows.push(row);
        }
        from + rows.len()
    }

    fn replace(&mut self, row: Row) {
        let (bytes, rows) = (&self.bytes, &self.rows);
        let of = |at: usize| rows.get(at).map_or(&[][..], |row| row.key_of(bytes));
        let key = row.key_of(bytes);
        let number = rows.len();
        let entry = self.keys.entry(
            row.hash,
            |at| rows.get(*at).is_some_and(|held| held.hash == row.hash) && of(*at) == key,
            |at| rows.get(*at).map_or(row.hash, |held| held.hash),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(mut held) => {
                let before = std::mem::replace(held.get_mut(), number);
                if let Some(before) = self.rows.get_mut(before) {
                    before.live = false;
                    self.dead_bytes += before.len();
                    self.dead += 1;
                }
            }
            hashbrown::hash_table::Entry::Vacant(free) => {
                free.insert(number);
            }
        }
    }

    /// Bytes of rows, with those of rows that were replaced.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory that is taken up.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len().max(self.lent)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows that a load would have.
    pub(crate) fn live(&self) -> usize {
        self.rows.len() - self.dead
    }

    /// Cuts out what was replaced, if that is at least half.
    pub(crate) fn shrink(&mut self) {
        if self.dead_bytes * 2 >= self.bytes.len() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        if self.dead == 0 {
            return;
        }
        let mut to = self.rows.first().map_or(0, |row| row.start);
        for row in self.rows.iter_mut().filter(|row| row.live) {
            let (from, length) = (row.start, row.len());
            self.bytes.copy_within(from..from + length, to);
            *row = Row { start: to, end: to + length - 1, ..*row };
            to += length;
        }
        self.bytes.truncate(to);
        self.rows.retain(|row| row.live);
        (self.dead, self.dead_bytes) = (0, 0);
        self.keys.clear();
        let rows = &self.rows;
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.key > 0) {
            self.keys.insert_unique(row.hash, at, |at| rows.get(*at).map_or(0, |row| row.hash));
        }
    }

    /// Moves to memory that held a body before. That is taken up by it from here on, whatever the rows need.
    pub(crate) fn move_to(&mut self, mut memory: Vec<u8>) {
        self.lent = memory.len();
        memory.clear();
        memory.extend_from_slice(&self.bytes);
        self.bytes = memory;
    }

    /// What is there has outgrown its memory, of which there is a good deal.
    pub(crate) fn outgrows(&self, more: usize) -> bool {
        let needed = self.bytes.len() + more;
        self.lent == 0 && needed > LENT_FROM && needed > self.bytes.capacity()
    }

    /// The body of a load and its rows; the buffer is empty then, and gives the memory of the rows away
    /// with them. `None` where there is none.
    pub(crate) fn take(&mut self) -> Option<(Bytes, u64)> {
        if self.rows.is_empty() {
            return None;
        }
        self.compact();
        let rows = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        let mut bytes = std::mem::take(&mut self.bytes);
        if self.system == System::StarRocks
            && let Some(last) = bytes.last_mut()
        {
            *last = b']';
        }
        self.rows.clear();
        self.keys.clear();
        (self.dead, self.dead_bytes, self.lent) = (0, 0, 0);
        Some((Bytes::from(bytes), rows))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Keys that begin alike have the same hash, which must do.
    fn row(encoded: &mut Encoded, separator: u8, key: &str, rest: &str) {
        let hasher = DefaultHashBuilder::default();
        let pushed = encoded.push(separator, &hasher, |out| {
            out.extend_from_slice(format!("{{\"k\":\"{key}\"").as_bytes());
            let length = key.len() + 7;
            out.extend_from_slice(format!(",\"v\":\"{rest}\"}}").as_bytes());
            Ok::<_, ()>(length)
        });
        assert_eq!(pushed, Ok(()));
        encoded.rows.last_mut().unwrap().hash = u64::from(key.as_bytes()[0]);
    }

    fn push(buffer: &mut Buffer, key: &str, rest: &str) {
        let separator = if buffer.system == System::Doris { b'\n' } else { b',' };
        let mut encoded = Encoded::default();
        row(&mut encoded, separator, "of another table", "");
        row(&mut encoded, separator, key, rest);
        buffer.append(&encoded, 1..2, usize::MAX, usize::MAX);
    }

    fn body(buffer: &mut Buffer) -> String {
        let (body, _) = buffer.take().unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn of_one_key_the_last_row_stays_in_its_place_in_the_order() {
        let mut buffer = Buffer::new(System::Doris);
        for (key, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
            push(&mut buffer, key, value);
        }
        assert_eq!(buffer.live(), 2);
        let expected = "{\"k\":\"b\",\"v\":\"2\"}\n{\"k\":\"a\",\"v\":\"3\"}\n";
        assert_eq!(body(&mut buffer), expected);
        assert!(buffer.take().is_none());
    }

    #[test]
    fn starrocks_gets_one_array() {
        let mut buffer = Buffer::new(System::StarRocks);
        for round in ["1", "2"] {
            push(&mut buffer, "a", round);
            push(&mut buffer, "b", round);
            let both =
                format!("[{{\"k\":\"a\",\"v\":\"{round}\"}},{{\"k\":\"b\",\"v\":\"{round}\"}}]");
            assert_eq!(body(&mut buffer), both);
        }
    }

    #[test]
    fn a_row_without_a_key_stands_beside_its_equals() {
        let mut buffer = Buffer::new(System::Doris);
        let (mut encoded, hasher) = (Encoded::default(), DefaultHashBuilder::default());
        for _ in 0..2 {
            let pushed = encoded.push(b'\n', &hasher, |out| {
                out.extend_from_slice(b"{}");
                Ok::<_, ()>(0)
            });
            assert_eq!(pushed, Ok(()));
        }
        buffer.append(&encoded, 0..2, usize::MAX, usize::MAX);
        assert_eq!(body(&mut buffer), "{}\n{}\n");
    }

    #[test]
    fn a_row_that_cannot_be_encoded_leaves_nothing() {
        let mut encoded = Encoded::default();
        row(&mut encoded, b',', "a", "1");
        let refused = encoded.push(b',', &DefaultHashBuilder::default(), |out| {
            out.extend_from_slice(b"{\"k\":");
            Err("unfit")
        });
        assert_eq!(refused, Err("unfit"));
        row(&mut encoded, b',', "a", "2");
        let mut buffer = Buffer::new(System::StarRocks);
        buffer.append(&encoded, 0..encoded.rows(), usize::MAX, usize::MAX);
        assert_eq!(body(&mut buffer), "[{\"k\":\"a\",\"v\":\"2\"}]");
    }

    #[test]
    fn rows_are_added_until_the_buffer_is_full_and_one_always_is() {
        let mut encoded = Encoded::default();
        for key in ["a", "b", "c", "d"] {
            row(&mut encoded, b'\n', key, "1");
        }
        let length = encoded.bytes.len() / 4;
        let mut buffer = Buffer::new(System::Doris);
        assert_eq!(buffer.append(&encoded, 0..4, 2 * length - 1, 9), 2);
        assert_eq!(buffer.append(&encoded, 2..4, 1, 9), 3);
        assert_eq!(buffer.append(&encoded, 3..4, usize::MAX, 1), 4);
        assert_eq!(buffer.live(), 4);
        let mut buffer = Buffer::new(System::Doris);
        assert_eq!(buffer.append(&encoded, 1..4, usize::MAX, 2), 3);
        assert_eq!(buffer.append(&encoded, 4..4, usize::MAX, 2), 4);
    }

    #[test]
    fn rows_move_to_memory_that_was_used_before_and_are_the_same() {
        let mut buffer = Buffer::new(System::StarRocks);
        push(&mut buffer, "a", "1");
        assert!(!buffer.outgrows(1) && buffer.outgrows(LENT_FROM));
        buffer.move_to(vec![7; 3 * LENT_FROM]);
        assert!(!buffer.outgrows(LENT_FROM) && buffer.held() == 3 * LENT_FROM);
        push(&mut buffer, "a", "2");
        assert_eq!(body(&mut buffer), "[{\"k\":\"a\",\"v\":\"2\"}]");
        assert_eq!(buffer.held(), 0);
    }

    proptest! {
        #[test]
        fn whatever_is_pushed_and_cut_the_last_of_each_key_is_loaded(
            pushed in prop::collection::vec((0_u8..12, any::<u16>(), any::<bool>()), 1..200),
        ) {
            let mut buffer = Buffer::new(System::Doris);
            let mut last = BTreeMap::new();
            for (key, value, shrinks) in &pushed {
                push(&mut buffer, &format!("{key:03}"), &value.to_string());
                last.insert(format!("{key:03}"), value.to_string());
                if *shrinks {
                    buffer.shrink();
                }
            }
            prop_assert_eq!(buffer.live(), last.len());
            let body = body(&mut buffer);
            let mut seen: Vec<_> = body.lines().collect();
            seen.sort_unstable();
            let expected: Vec<_> =
                last.iter().map(|(k, v)| format!("{{\"k\":\"{k}\",\"v\":\"{v}\"}}")).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}

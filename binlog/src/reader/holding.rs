//! How rows are held from the socket to the sinks.
//!
//! Rows are slices of the segments that the socket was read into, and a slice keeps its whole segment.
//! Where most of what comes is wanted that costs little. Where a job wants few tables of many, a queue
//! of some megabytes would hold gigabytes. So rows are copied out where less than half of what came
//! lately was handed out; the copies are then the smaller part of the work too.

use bytes::{BufMut, Bytes, BytesMut};

/// What a consumer counts for rows besides their bytes, at least: small rows that fill a queue by
/// their number hold no more than that either.
const ROWS_COST: u64 = 128;
/// "Lately": older bytes count half. Two segments of the connection.
const LATELY: u64 = 512 << 10;
/// Copies lie next to each other in pieces of this size.
const COPIES_BYTES: usize = 64 << 10;
/// Rows of this size are not much smaller than a segment.
const COPIED_MAX: usize = 128 << 10;

#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// Bytes of events, lately.
    came: u64,
    /// Bytes of those that were handed out, with their cost.
    kept: u64,
    copies: BytesMut,
}

impl Holding {
    /// An event of so many bytes came.
    #[inline]
    pub(crate) fn came(&mut self, bytes: u32) {
        self.came += u64::from(bytes);
        if self.came > LATELY {
            self.came /= 2;
            self.kept /= 2;
        }
    }

    /// Rows to be handed out: as they are, or copied.
    #[inline]
    pub(crate) fn hold(&mut self, rows: Bytes) -> Bytes {
        self.kept += rows.len() as u64 + ROWS_COST;
        if self.kept >= self.came / 2 || rows.len() > COPIED_MAX { rows } else { self.copy(&rows) }
    }

    fn copy(&mut self, rows: &[u8]) -> Bytes {
        if self.copies.capacity() < rows.len() {
            self.copies = BytesMut::with_capacity(COPIES_BYTES.max(rows.len()));
        }
        self.copies.put_slice(rows);
        self.copies.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `bytes` of events, the rows of one in `of` are wanted. Tells how many were copied.
    fn copied(holding: &mut Holding, events: usize, of: usize, size: usize) -> usize {
        let event = Bytes::from(vec![7; size]);
        let mut copied = 0;
        for n in 0..events {
            holding.came(u32::try_from(event.len()).unwrap());
            if n % of == 0 {
                let held = holding.hold(event.clone());
                assert_eq!(held, event);
                copied += usize::from(held.as_ptr() != event.as_ptr());
            }
        }
        copied
    }

    #[test]
    fn rows_are_not_copied_where_most_of_what_comes_is_wanted() {
        let mut holding = Holding::default();
        assert_eq!(copied(&mut holding, 10_000, 1, 300), 0);
        assert_eq!(copied(&mut holding, 1_000, 1, 8_000), 0);
        // A narrow row among the other events of its transaction.
        assert_eq!(copied(&mut Holding::default(), 10_000, 3, 50), 0);
    }

    #[test]
    fn rows_are_copied_where_few_of_them_are_wanted() {
        let mut holding = Holding::default();
        let wanted = 100_000 / 50;
        let copied = copied(&mut holding, 100_000, 50, 400);
        assert!(copied > wanted * 9 / 10, "{copied} of {wanted}");
    }

    /// Bytes of memory that a queue of rows holds, where one in `of` events of 300 bytes is wanted,
    /// for each byte that the queue counts.
    fn held_for_each_byte(of: usize) -> usize {
        const QUEUE_BYTES: usize = 4 << 20;
        const PIECE: usize = 256 << 10;
        let (mut framer, mut holding) = (crate::wire::Framer::new(), Holding::default());
        let (mut queue, mut counted, mut n) = (Vec::new(), 0, 0_usize);
        while counted < QUEUE_BYTES {
            let mut packet = vec![44, 1, 0, n.to_le_bytes()[0]];
            packet.resize(4 + 300, 7);
            let mut rest = &packet[..];
            while !rest.is_empty() {
                let mut room = framer.room();
                let taken = room.remaining_mut().min(rest.len());
                room.put_slice(&rest[..taken]);
                rest = &rest[taken..];
            }
            let event = framer.packet().unwrap().unwrap();
            holding.came(300);
            if n % of == 0 {
                counted += event.len() + 160;
                queue.push(holding.hold(event));
            }
            n += 1;
        }
        let pieces = queue.iter().map(|rows| rows.as_ptr() as usize / PIECE);
        pieces.collect::<std::collections::HashSet<_>>().len() * PIECE / counted
    }

    #[test]
    fn a_queue_of_rows_holds_no_multiple_of_them_however_few_of_what_comes_are_wanted() {
        for of in [1, 2, 3, 5, 20, 300] {
            let held = held_for_each_byte(of);
            assert!(held <= 2, "one of {of}: {held} bytes for each byte of the queue");
        }
    }

    #[test]
    fn copies_lie_next_to_each_other() {
        let mut holding = Holding::default();
        let (one, two) = (holding.copy(&[1; 100]), holding.copy(&[2; 100]));
        assert_eq!(two.as_ptr(), one.as_ptr().wrapping_add(100));
        let large = holding.copy(&[3; COPIES_BYTES + 1]);
        assert!(one[..] == [1; 100] && two[..] == [2; 100] && large.len() == COPIES_BYTES + 1);
    }
}

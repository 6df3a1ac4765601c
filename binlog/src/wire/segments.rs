//! The memory that the socket is read into, used over and over.
//!
//! A segment that is full is put aside with a handle on it. Once the last slice of it is dropped, the
//! handle is its only owner, and the segment is read into again. Without that every 256 KiB would be
//! asked of the allocator and faulted in page by page.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Bytes of a segment: large enough that one read takes what the socket holds, small enough that a
/// slice which lives long does not hold much else.
pub(super) const SEGMENT_BYTES: usize = 256 << 10;
/// Segments put aside at most; those beyond are freed with their last slice.
const ASIDE_MAX: usize = 64;
/// So many of the newest are looked at first: what was used last is still in the processor's cache.
const NEWEST: usize = 4;
/// And so many of the oldest: slices go about in the order in which they came.
const OLDEST: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Segments {
    /// In the order in which they were put aside.
    aside: VecDeque<BytesMut>,
}

impl Segments {
    /// An empty segment with room for [`SEGMENT_BYTES`].
    pub(super) fn take(&mut self) -> BytesMut {
        let count = self.aside.len();
        let newest = (count.saturating_sub(NEWEST)..count).rev();
        let oldest = 0..count.min(OLDEST);
        for at in newest.chain(oldest) {
            let free = self.aside.get_mut(at).is_some_and(|s| s.try_reclaim(SEGMENT_BYTES));
            if free && let Some(segment) = self.aside.remove(at) {
                return segment;
            }
        }
        BytesMut::with_capacity(SEGMENT_BYTES)
    }

    /// Takes a segment back that may still have slices.
    pub(super) fn put_aside(&mut self, mut segment: BytesMut) {
        segment.clear();
        if self.aside.len() == ASIDE_MAX {
            self.aside.pop_front();
        }
        self.aside.push_back(segment);
    }

    /// Gives all memory back that no slice is in, now or with its last slice.
    pub(super) fn let_go(&mut self) {
        self.aside = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_used_again_once_its_last_slice_is_gone_and_not_before() {
        let mut segments = Segments::default();
        let mut segment = segments.take();
        segment.extend_from_slice(b"abcdef");
        let place = segment.as_ptr();
        let slice = segment.split_to(3).freeze();
        segments.put_aside(segment);
        let other = segments.take();
        assert_ne!(other.as_ptr(), place, "a slice of the first one lives");
        assert_eq!(&slice[..], b"abc");
        drop(slice);
        let again = segments.take();
        assert_eq!(again.as_ptr(), place);
        assert!(again.is_empty() && again.capacity() >= SEGMENT_BYTES);
    }

    #[test]
    fn what_is_put_aside_is_bounded() {
        let mut segments = Segments::default();
        for _ in 0..ASIDE_MAX + 10 {
            segments.put_aside(BytesMut::with_capacity(16));
        }
        assert_eq!(segments.aside.len(), ASIDE_MAX);
        segments.let_go();
        assert!(segments.aside.is_empty());
    }
}

//! Bytes of the socket → packets, without a copy.
//!
//! A packet is a length of three bytes, a number of one, and so many bytes (MySQL internals, "MySQL
//! Packets"). One whose length is 2^24-1 goes on in the next. Numbers count up from the command's 0,
//! through all packets of the answer, and wrap.
//!
//! The socket is read into a segment, and packets are handed out as slices of it. What of the last
//! packet has come when the segment is full moves to the next segment: no byte of a packet that lies
//! whole in a segment is copied. A packet that fits in no segment is put together in memory of its own,
//! which grows as the bytes come: its length is only a claim.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::segments::{SEGMENT_BYTES, Segments};

/// Length and number.
pub(super) const HEADER_LEN: usize = 4;
/// A packet of this length goes on in the next one.
pub(super) const PART_MAX: usize = (1 << 24) - 1;
/// What the server itself allows at most (`max_allowed_packet`).
const PACKET_BYTES_MAX: usize = 1 << 30;
/// A read into less room than this is not worth its system call,
const ROOM_MIN: usize = 16 << 10;
/// unless more than this would have to be moved.
const MOVED_MAX: usize = 16 << 10;

/// Why bytes are no packets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("packet {found} came where packet {expected} was due")]
    OutOfOrder { expected: u8, found: u8 },
    #[error("a packet of {bytes} bytes or more, {PACKET_BYTES_MAX} are allowed")]
    TooLarge { bytes: usize },
}

/// In the place of a header in front of a packet that was put together: it takes all bytes behind it.
/// No part of a packet has this length and is the last.
const ALONE: [u8; HEADER_LEN] = [0xff, 0xff, 0xff, 0];

/// What comes next of an answer with rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Packets one after another, each behind its header ([`image`]).
    Rows(Bytes),
    /// A packet that is no row, without its header.
    Other(Bytes),
}

/// The packet at the head of [`Piece::Rows`], and the bytes that it takes with its header; `None` where
/// it is cut.
#[inline]
pub(crate) fn image(rows: &[u8]) -> Option<(&[u8], usize)> {
    let (&[a, b, c, _], behind) = rows.split_first_chunk::<HEADER_LEN>()?;
    let len = usize::try_from(u32::from_le_bytes([a, b, c, 0])).ok()?;
    let len = if len == PART_MAX { behind.len() } else { len };
    Some((behind.get(..len)?, HEADER_LEN + len))
}

/// A packet that fits in no segment, as far as it has come.
#[derive(Debug)]
struct Large {
    /// Behind [`ALONE`].
    bytes: BytesMut,
    /// What that holds when the part that is coming is whole.
    until: usize,
    /// Another part follows.
    goes_on: bool,
}

impl Large {
    fn missing(&self) -> usize {
        self.until.saturating_sub(self.bytes.len())
    }
}

/// Cuts a stream of bytes into packets.
#[derive(Debug)]
pub(crate) struct Framer {
    segment: BytesMut,
    segments: Segments,
    large: Option<Large>,
    /// Of the next packet.
    number: u8,
}

impl Framer {
    pub(crate) fn new() -> Self {
        let mut segments = Segments::default();
        Self { segment: segments.take(), segments, large: None, number: 0 }
    }

    /// The number of the packet that comes or goes next.
    pub(crate) fn number(&mut self) -> u8 {
        let number = self.number;
        self.number = number.wrapping_add(1);
        number
    }

    /// A command begins: its packets and those of the answer count from 0.
    pub(crate) fn begin_command(&mut self) {
        self.number = 0;
    }

    /// True where nothing has come that was not handed out.
    pub(crate) fn is_empty(&self) -> bool {
        self.segment.is_empty() && self.large.is_none()
    }

    /// The next packet's payload; `None` where it has not come whole.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is of no use after one.
    #[inline]
    pub(crate) fn packet(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.large.is_some() {
            return Ok(self.next_large()?.map(without_header));
        }
        let Some((len, number)) = self.header() else { return Ok(None) };
        if self.is_large(len) {
            self.take_header(number)?;
            self.begin_large(len);
            return Ok(self.next_large()?.map(without_header));
        }
        if self.segment.len() < HEADER_LEN + len {
            return Ok(None);
        }
        self.take_header(number)?;
        Ok(Some(self.segment.split_to(len).freeze()))
    }

    /// As many packets as have come whole and begin with `first`, as they lie there; or the one that
    /// begins otherwise. `None` where none has come whole.
    ///
    /// # Errors
    /// As [`Framer::packet`].
    pub(crate) fn piece(&mut self, first: u8) -> Result<Option<Piece>, FrameError> {
        let rows = self.run(first)?;
        if rows > 0 {
            return Ok(Some(Piece::Rows(self.segment.split_to(rows).freeze())));
        }
        if self.large.is_none()
            && let Some((len, number)) = self.header()
            && self.is_large(len)
        {
            self.take_header(number)?;
            self.begin_large(len);
        }
        if self.large.is_none() {
            return Ok(self.packet()?.map(Piece::Other));
        }
        let Some(large) = self.next_large()? else { return Ok(None) };
        let is_row = large.get(HEADER_LEN) == Some(&first);
        Ok(Some(if is_row { Piece::Rows(large) } else { Piece::Other(without_header(large)) }))
    }

    /// True for a packet, or its first part, at the head of the segment that must be put together.
    #[inline]
    fn is_large(&self, len: usize) -> bool {
        let whole = HEADER_LEN + len;
        len == PART_MAX || whole > SEGMENT_BYTES && self.segment.len() < whole
    }

    fn begin_large(&mut self, len: usize) {
        let bytes = BytesMut::from(&ALONE[..]);
        let until = HEADER_LEN + len;
        self.large = Some(Large { bytes, until, goes_on: len == PART_MAX });
    }

    /// Bytes of the packets at the head of the segment that are whole and begin with `first`.
    fn run(&mut self, first: u8) -> Result<usize, FrameError> {
        if self.large.is_some() {
            return Ok(0);
        }
        let mut end = 0;
        while let Some((&[a, b, c, found], rest)) =
            self.segment.get(end..).and_then(<[u8]>::split_first_chunk::<HEADER_LEN>)
        {
            let len = usize::try_from(u32::from_le_bytes([a, b, c, 0])).unwrap_or(usize::MAX);
            if rest.len() < len || rest.first() != Some(&first) || len == 0 || len == PART_MAX {
                break;
            }
            let expected = self.number();
            if found != expected {
                return Err(FrameError::OutOfOrder { expected, found });
            }
            end += HEADER_LEN + len;
        }
        Ok(end)
    }

    /// The packet that was put together, behind [`ALONE`].
    fn next_large(&mut self) -> Result<Option<Bytes>, FrameError> {
        while let Some(large) = &mut self.large {
            let come = large.missing().min(self.segment.len());
            if come > 0 {
                large.bytes.extend_from_slice(&self.segment.split_to(come));
            }
            if large.missing() > 0 {
                return Ok(None);
            }
            if !large.goes_on {
                break;
            }
            let so_far = large.until;
            let Some((len, number)) = self.header() else { return Ok(None) };
            self.take_header(number)?;
            let bytes = so_far + len - HEADER_LEN;
            if bytes > PACKET_BYTES_MAX {
                return Err(FrameError::TooLarge { bytes });
            }
            if let Some(large) = &mut self.large {
                (large.until, large.goes_on) = (so_far + len, len == PART_MAX);
            }
        }
        Ok(self.large.take().map(|large| large.bytes.freeze()))
    }

    /// Length and number of the packet at the head of the segment.
    #[inline]
    fn header(&self) -> Option<(usize, u8)> {
        let [a, b, c, number] = *self.segment.first_chunk::<HEADER_LEN>()?;
        let len = u32::from_le_bytes([a, b, c, 0]);
        Some((usize::try_from(len).unwrap_or(usize::MAX), number))
    }

    #[inline]
    fn take_header(&mut self, found: u8) -> Result<(), FrameError> {
        let expected = self.number();
        if found != expected {
            return Err(FrameError::OutOfOrder { expected, found });
        }
        self.segment.advance(HEADER_LEN);
        Ok(())
    }

    /// Where the next bytes of the socket go, when [`Framer::packet`] has nothing more. Never empty.
    pub(crate) fn room(&mut self) -> Limit<&mut BytesMut> {
        let missing = self.large.as_ref().map_or(0, Large::missing);
        if missing == 0 {
            self.make_room();
        }
        let (into, most) = match &mut self.large {
            Some(Large { bytes, .. }) if missing > 0 => {
                if bytes.capacity() == bytes.len() {
                    bytes.reserve(missing.min(bytes.len().max(SEGMENT_BYTES)));
                }
                (bytes, missing)
            }
            Some(_) | None => (&mut self.segment, usize::MAX),
        };
        let room = into.capacity() - into.len();
        into.limit(room.min(most))
    }

    fn make_room(&mut self) {
        let held = self.segment.len();
        // From its start again, where all slices of it are gone: the processor still has it at hand.
        if held == 0 && self.segment.try_reclaim(SEGMENT_BYTES) {
            return;
        }
        let room = self.segment.capacity() - held;
        let whole = HEADER_LEN + self.header().map_or(0, |(len, _)| len);
        let fits = held + room >= whole && room > 0;
        if fits && (room >= ROOM_MIN || held > MOVED_MAX) {
            return;
        }
        if self.segment.try_reclaim(SEGMENT_BYTES.saturating_sub(held).max(1)) {
            return;
        }
        let mut next = self.segments.take();
        next.extend_from_slice(&self.segment);
        let full = std::mem::replace(&mut self.segment, next);
        self.segments.put_aside(full);
    }

    /// Nothing comes for a while: memory that is not in use is given back.
    pub(crate) fn rest(&mut self) {
        self.segments.let_go();
    }
}

fn without_header(mut packet: Bytes) -> Bytes {
    packet.advance(HEADER_LEN);
    packet
}

#[cfg(test)]
mod tests;

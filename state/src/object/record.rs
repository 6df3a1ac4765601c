//! A record of a job's log: a line that says what it is, its content, and the same line again.
//!
//! The line is `SEALOG1`, what it is, a number and the line's own CRC-32. One damaged byte leaves one
//! of the two lines whole, so that a damaged snapshot is listed under its own id and a damaged fence
//! is still a fence.

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The bytes of [`crate::format`]; numbered by the snapshot's id.
    Snapshot(u64),
    /// The job was taken over; numbered by the epoch. Its content is JSON, for people and messages.
    Fence(u64),
    /// A snapshot of this id was removed while it was the newest record.
    Removed(u64),
}

/// A record as it was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Whole(Kind, &'a [u8]),
    /// What it was, where that can still be told, and what is wrong.
    Damaged(Option<Kind>, &'static str),
}

const MAGIC: &str = "SEALOG1";
/// `SEALOG1 S 00000000000000000042 89abcdef\n`
const LINE_BYTES: usize = 40;

impl Kind {
    fn line(self) -> String {
        let (letter, number) = match self {
            Self::Snapshot(id) => ('S', id),
            Self::Fence(epoch) => ('F', epoch),
            Self::Removed(id) => ('R', id),
        };
        let text = format!("{MAGIC} {letter} {number:020}");
        let crc = crc32fast::hash(text.as_bytes());
        format!("{text} {crc:08x}\n")
    }

    fn read(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let mut words = text.split(' ').skip(1);
        let (letter, number) = (words.next()?, words.next()?.parse().ok()?);
        let kind = match letter {
            "S" => Self::Snapshot(number),
            "F" => Self::Fence(number),
            "R" => Self::Removed(number),
            _ => return None,
        };
        // Byte for byte what is written, the checksum with it.
        (kind.line() == text).then_some(kind)
    }
}

pub(super) fn encode(kind: Kind, content: &[u8]) -> Vec<u8> {
    let line = kind.line();
    [line.as_bytes(), content, line.as_bytes()].concat()
}

/// A record without content, as long as the one that it takes the place of: the HDFS client panics
/// where a file gets shorter while it is opened.
pub(super) fn encode_over(kind: Kind, length: usize) -> Vec<u8> {
    encode(kind, &vec![b' '; length.saturating_sub(2 * LINE_BYTES)])
}

pub(super) fn decode(bytes: &[u8]) -> Found<'_> {
    let head = bytes.get(..LINE_BYTES).and_then(Kind::read);
    let tail_at = bytes.len().checked_sub(LINE_BYTES).filter(|at| *at >= LINE_BYTES);
    let tail = tail_at.and_then(|at| bytes.get(at..)).and_then(Kind::read);
    let content = tail_at.and_then(|at| bytes.get(LINE_BYTES..at)).unwrap_or_default();
    match (head, tail) {
        (Some(head), Some(tail)) if head == tail => Found::Whole(head, content),
        (Some(_), Some(_)) => Found::Damaged(None, "its two ends contradict each other"),
        (Some(kind), None) => Found::Damaged(Some(kind), "its end is torn off or changed"),
        (None, Some(kind)) => Found::Damaged(Some(kind), "its beginning is changed"),
        (None, None) => Found::Damaged(None, "it is no record of a job's log"),
    }
}

/// The bytes of a snapshot, of a record that was copied out of a log too.
pub(crate) fn snapshot(bytes: &[u8]) -> &[u8] {
    match decode(bytes) {
        Found::Whole(Kind::Snapshot(_), content) => content,
        Found::Whole(..) | Found::Damaged(..) => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        for kind in [Kind::Snapshot(42), Kind::Fence(u64::MAX), Kind::Removed(0)] {
            for content in [&b""[..], b"some content", &[0xff; 300]] {
                let bytes = encode(kind, content);
                assert_eq!(decode(&bytes), Found::Whole(kind, content));
            }
        }
        assert_eq!(Kind::Snapshot(42).line().len(), LINE_BYTES);
        let over = encode_over(Kind::Removed(42), 777);
        assert!(matches!(decode(&over), Found::Whole(Kind::Removed(42), _)) && over.len() == 777);
        assert_eq!(snapshot(&encode(Kind::Snapshot(1), b"x")), b"x");
        assert_eq!(snapshot(b"x"), b"x");
    }

    #[test]
    fn a_flipped_bit_in_a_line_is_seen_and_hides_not_what_the_record_is() {
        let kind = Kind::Snapshot(42);
        let bytes = encode(kind, b"content");
        let content = LINE_BYTES * 8..(LINE_BYTES + 7) * 8;
        for bit in (0..bytes.len() * 8).filter(|bit| !content.contains(bit)) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&flipped), Found::Damaged(Some(k), _) if k == kind), "{bit}");
        }
    }

    #[test]
    fn a_torn_or_foreign_record_is_damaged() {
        let bytes = encode(Kind::Fence(7), b"{}");
        for cut in 0..bytes.len() {
            assert!(matches!(decode(&bytes[..cut]), Found::Damaged(..)), "cut at {cut}");
        }
        assert!(matches!(decode(b"hello"), Found::Damaged(None, _)));
        // A line alone is no record, though it begins and ends with one.
        assert!(matches!(decode(&bytes[..LINE_BYTES]), Found::Damaged(Some(_), _)));
    }
}

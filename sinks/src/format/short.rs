//! Short pieces, copied as words of a fixed size.
//!
//! A line is made of pieces of a few bytes, and a call that copies as many bytes as it is told takes
//! longer to decide how than to copy them. So a piece goes out with what lies behind it, up to a whole
//! word, and what was too much is cut off again.

/// Bytes of a word: what a processor moves at once.
const WORD: usize = 16;

/// Appends the first `len` bytes of `word`.
#[inline]
pub(crate) fn part<const N: usize>(out: &mut Vec<u8>, word: &[u8; N], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(word);
    out.truncate(end);
}

/// Appends all of `bytes`, which are few as a rule.
#[inline]
pub(crate) fn copy(out: &mut Vec<u8>, bytes: &[u8]) {
    let Some(word) = half(bytes) else { return copy_longer(out, bytes) };
    part(out, &word.to_le_bytes(), bytes.len());
}

fn copy_longer(out: &mut Vec<u8>, bytes: &[u8]) {
    let end = out.len() + bytes.len();
    match (bytes.first_chunk::<WORD>(), bytes.last_chunk::<WORD>()) {
        (Some(first), Some(last)) if bytes.len() <= 2 * WORD => {
            out.extend_from_slice(first);
            out.truncate(end - WORD);
            out.extend_from_slice(last);
        }
        (Some(_), Some(_)) => out.extend_from_slice(bytes),
        // Longer than half a word, not longer than a word.
        (None, _) | (_, None) => {
            if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
                out.extend_from_slice(first);
                out.truncate(end - 8);
                out.extend_from_slice(last);
            }
        }
    }
}

/// At most eight bytes as a number, the first in its lowest byte, zeros above; `None` where there are
/// more.
#[inline]
pub(crate) fn half(bytes: &[u8]) -> Option<u64> {
    let len = bytes.len();
    if let Some(all) = bytes.first_chunk::<8>() {
        return (len == 8).then(|| u64::from_le_bytes(*all));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let number = |word: &[u8; 4]| u64::from(u32::from_le_bytes(*word));
        // Where they overlap they are the same.
        return Some(number(first) | number(last) << (8 * (len - 4)));
    }
    let at = |n: usize| bytes.get(n).map_or(0, |byte| u64::from(*byte) << (8 * n));
    Some(at(0) | at(1) | at(2))
}

/// Bytes that are written again and again.
#[derive(Debug)]
pub(crate) struct Phrase {
    words: Box<[[u8; WORD]]>,
    len: usize,
}

impl Phrase {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let word = |part: &[u8]| {
            let mut word = [0; WORD];
            word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            word
        };
        Self { words: bytes.chunks(WORD).map(word).collect(), len: bytes.len() }
    }

    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        for word in &self.words {
            out.extend_from_slice(word);
        }
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_any_length_stands_behind_what_was_there_as_it_is() {
        let all: Vec<u8> = (1..=100).collect();
        for len in 0..all.len() {
            let piece = &all[..len];
            let expected = [b"before", piece].concat();
            let (mut copied, mut phrase) = (b"before".to_vec(), b"before".to_vec());
            copy(&mut copied, piece);
            Phrase::new(piece).write(&mut phrase);
            assert_eq!((&copied, &phrase), (&expected, &expected), "{len} bytes");
            let number = (len <= 8)
                .then(|| piece.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)));
            assert_eq!(half(piece), number, "{len} bytes");
        }
    }
}

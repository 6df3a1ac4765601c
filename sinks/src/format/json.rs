//! JSON's own pieces: strings and base64, copied in runs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::short;

/// Bytes of a text from which on it is looked at first and then copied as a whole.
const LONG: usize = 64;

/// Writes a JSON string in its quotes. Everything but `"`, `\` and control characters stands as it
/// is, in UTF-8.
#[inline]
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // What lies above the text is made spaces to be looked at.
    let clean = |word: &u64| {
        let above = SPACES.unbounded_shl(u32::try_from(8 * bytes.len()).unwrap_or(u32::MAX));
        first_special(word | above).is_none()
    };
    match short::half(bytes).filter(clean) {
        Some(word) => {
            let word = u128::from(word) << 8 | u128::from(b'"');
            let word = word | u128::from(b'"') << (8 * (bytes.len() + 1));
            short::part(out, &word.to_le_bytes(), bytes.len() + 2);
        }
        None => longer(out, bytes),
    }
}

fn longer(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let copied = match (bytes.last_chunk::<16>(), bytes.last_chunk::<8>()) {
        (Some(_), _) if bytes.len() > LONG => false,
        (Some(last), _) => copy_clean(out, bytes, last),
        (None, Some(last)) => copy_clean(out, bytes, last),
        (None, None) => false,
    };
    if !copied {
        out.truncate(start);
        escaped(out, bytes);
    }
    out.push(b'"');
}

/// Copies word by word while nothing has to be escaped. The last word overlaps those before it.
#[inline]
fn copy_clean<const N: usize>(out: &mut Vec<u8>, bytes: &[u8], last: &[u8; N]) -> bool {
    let end = out.len() + bytes.len();
    for word in bytes.as_chunks::<N>().0 {
        if !is_clean(word) {
            return false;
        }
        out.extend_from_slice(word);
    }
    out.truncate(end - N);
    out.extend_from_slice(last);
    is_clean(last)
}

/// Copies in runs between what is escaped.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let (clean, from) = rest.split_at_checked(clean_len(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(clean);
        let Some((&byte, after)) = from.split_first() else { break };
        escape(out, byte);
        rest = after;
    }
}

#[cold]
fn unusual(out: &mut Vec<u8>, byte: u8) {
    let [high, low] = super::form::hex(byte, b'a');
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => return unusual(out, byte),
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// None of a word has to be escaped. All bytes are looked at, so that the compiler can do it at once.
#[inline]
fn is_clean<const N: usize>(word: &[u8; N]) -> bool {
    !word.iter().fold(false, |special, byte| special | is_special(*byte))
}

/// Bytes before the first that has to be escaped.
fn clean_len(bytes: &[u8]) -> usize {
    let words = bytes.as_chunks::<LONG>().0.iter().take_while(|word| is_clean(word)).count();
    let rest = bytes.get(words * LONG..).unwrap_or_default();
    let mut at = words * LONG;
    for word in rest.as_chunks::<8>().0 {
        if let Some(special) = first_special(u64::from_le_bytes(*word)) {
            return at + special;
        }
        at += 8;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    tail.iter().position(|byte| is_special(*byte)).map_or(bytes.len(), |special| at + special)
}

const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

const SPACES: u64 = all(b' ');

/// The first of eight bytes that has to be escaped. A subtraction per byte borrows into the byte's
/// top bit exactly where the byte is smaller; a borrow can spoil only the bytes above, never the
/// lowest hit.
#[inline]
fn first_special(word: u64) -> Option<usize> {
    let below = |word: u64, limit: u8| word.wrapping_sub(all(limit)) & !word;
    let hits =
        (below(word, 0x20) | below(word ^ all(b'"'), 1) | below(word ^ all(b'\\'), 1)) & all(0x80);
    (hits != 0).then(|| (hits.trailing_zeros() / 8) as usize)
}

/// Writes bytes as base64 (RFC 4648, padded) in quotes.
pub(crate) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let len = base64::encoded_len(bytes.len(), true).unwrap_or_default();
    out.resize(start + len, 0);
    let written = out.get_mut(start..).map(|free| STANDARD.encode_slice(bytes, free));
    debug_assert_eq!(written.and_then(Result::ok), Some(len), "base64 fits its own length");
    out.push(b'"');
}

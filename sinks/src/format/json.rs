//! JSON's own pieces: strings and base64, copied in runs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Writes a JSON string in its quotes. Everything but `"`, `\` and control characters stands as it
/// is, in UTF-8.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (clean, from) = rest.split_at_checked(clean_len(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(clean);
        let Some((&byte, after)) = from.split_first() else { break };
        escape(out, byte);
        rest = after;
    }
    out.push(b'"');
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

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Bytes before the first that has to be escaped, looked at eight at a time.
fn clean_len(bytes: &[u8]) -> usize {
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().position(|byte| is_special(*byte)).unwrap_or(bytes.len());
    };
    let mut at = 0;
    for word in bytes.as_chunks::<8>().0 {
        if let Some(special) = first_special(*word) {
            return at + special;
        }
        at += 8;
    }
    // The last eight overlap what is known to be clean, so a hit among them lies behind it.
    first_special(*last).map_or(bytes.len(), |special| bytes.len() - 8 + special)
}

/// The first of eight bytes that has to be escaped. A subtraction per byte borrows into the byte's
/// top bit exactly where the byte is smaller; a borrow can spoil only the bytes above, never the
/// lowest hit.
fn first_special(word: [u8; 8]) -> Option<usize> {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let word = u64::from_le_bytes(word);
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

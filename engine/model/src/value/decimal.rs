//! DECIMAL: exact, up to 65 digits, carried as the server sent it and turned to text on demand.

use std::cmp::Ordering;
use std::fmt;

use crate::digits;

/// Digits that four bytes hold (MySQL source, `strings/decimal.cc`: `DIG_PER_DEC1`).
const DIGITS_PER_WORD: usize = 9;
/// Bytes that hold 0 to 9 digits (`dig2bytes`).
const BYTES_FOR_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// Digits of the longest number: nine words (`DECIMAL_BUFF_LENGTH`). A column has 65 at most, but JSON
/// keeps a number as it was computed, its whole digits in whole words.
const DIGITS_MAX: usize = 81;
/// 81 digits, sign, point, leading zero.
const TEXT_BYTES_MAX: usize = 84;

/// A decimal number: its text, or MySQL's packed form, which compares byte by byte as the numbers
/// do. Equality and order are of the numbers.
#[derive(Clone, Copy)]
pub enum Decimal<'a> {
    /// As MySQL prints it, all declared fraction digits included.
    Text(&'a str),
    /// As the binlog holds it; `bytes.len()` is [`Decimal::packed_len`].
    Packed { bytes: &'a [u8], precision: u8, scale: u8 },
}

impl<'a> Decimal<'a> {
    /// Bytes of a packed `DECIMAL(precision, scale)`; `None` where no such type exists.
    pub fn packed_len(precision: u8, scale: u8) -> Option<usize> {
        let (precision, scale) = (usize::from(precision), usize::from(scale));
        if precision == 0 || precision > DIGITS_MAX || scale > 30 || scale > precision {
            return None;
        }
        let side = |digits: usize| {
            BYTES_FOR_DIGITS
                .get(digits % DIGITS_PER_WORD)
                .map(|rest| digits / DIGITS_PER_WORD * 4 + rest)
        };
        Some(side(precision - scale)? + side(scale)?)
    }

    /// A packed decimal; `None` where `bytes` is not of the type's length.
    pub fn packed(bytes: &'a [u8], precision: u8, scale: u8) -> Option<Self> {
        (Self::packed_len(precision, scale)? == bytes.len()).then_some(Self::Packed {
            bytes,
            precision,
            scale,
        })
    }

    /// Both are the same bytes of the same form, so that both have the same text.
    pub fn is_same(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (
                Self::Packed { bytes: one, precision, scale },
                Self::Packed { bytes: other, precision: precision_too, scale: scale_too },
            ) => (one, precision, scale) == (other, precision_too, scale_too),
            (Self::Text(_), Self::Packed { .. }) | (Self::Packed { .. }, Self::Text(_)) => false,
        }
    }

    /// Writes the number's text into `buf` and returns it.
    fn text<'b>(&'b self, buf: &'b mut TextBuf) -> &'b str {
        match *self {
            Self::Text(text) => text,
            Self::Packed { bytes, precision, scale } => {
                unpack(buf, bytes, precision, scale);
                buf.as_str()
            }
        }
    }

    /// Appends the number as MySQL prints it, all fraction digits included.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Packed { bytes, precision, scale } => unpack(out, bytes, precision, scale),
        }
    }
}

/// What digits are appended to.
trait Text {
    /// Appends the last `digits` digits of a word of nine.
    fn digits(&mut self, word: Nine, digits: usize);
    fn push(&mut self, byte: u8);
}

impl Text for Vec<u8> {
    #[inline]
    fn digits(&mut self, word: Nine, digits: usize) {
        // As a whole, and then cut: shorter than to copy so many bytes.
        let end = self.len() + digits;
        let first = 8 * DIGITS_PER_WORD.saturating_sub(digits);
        self.extend_from_slice(&(word.0 >> first).to_le_bytes());
        self.truncate(end);
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        Vec::push(self, byte);
    }
}

struct TextBuf {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl TextBuf {
    fn new() -> Self {
        Self { bytes: [0; TEXT_BYTES_MAX], len: 0 }
    }

    fn as_str(&self) -> &str {
        let held = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(held).unwrap_or_default()
    }
}

impl Text for TextBuf {
    fn digits(&mut self, word: Nine, digits: usize) {
        let first = DIGITS_PER_WORD.saturating_sub(digits);
        word.0
            .to_le_bytes()
            .iter()
            .take(DIGITS_PER_WORD)
            .skip(first)
            .for_each(|digit| self.push(*digit));
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }
}

/// Nine decimal digits, the first in the lowest byte, and zeros behind them.
#[derive(Clone, Copy)]
struct Nine(u128);

impl Nine {
    #[inline]
    fn of(word: u32) -> Self {
        let first = u128::from(b'0') + u128::from(word / 100_000_000 % 10);
        Self(first | u128::from(digits::eight(word % 100_000_000)) << 8)
    }
}

/// Reads the packed form: big-endian words of nine digits, shorter at both outer ends, the top bit
/// inverted, all bits inverted for a negative number (`bin2decimal`).
fn unpack(out: &mut impl Text, bytes: &[u8], precision: u8, scale: u8) {
    let Some(first) = bytes.first() else { return };
    let negative = first & 0x80 == 0;
    let inverted = if negative { u8::MAX } else { 0 };
    let (whole, scale) = (usize::from(precision - scale), usize::from(scale));
    let mut rest = bytes;
    let mut top = 0x80;
    let mut word = |digits: usize| {
        let len = BYTES_FOR_DIGITS.get(digits).copied().unwrap_or_default();
        let (head, tail) = rest.split_at_checked(len).unwrap_or_default();
        rest = tail;
        let first = std::mem::take(&mut top);
        head.iter().enumerate().fold(0u32, |word, (at, byte)| {
            let byte = byte ^ inverted ^ if at == 0 { first } else { 0 };
            word << 8 | u32::from(byte)
        })
    };
    if negative {
        out.push(b'-');
    }
    let mut started = false;
    let mut show_whole = |out: &mut _, word: u32, digits: usize| {
        let shown = match word.checked_ilog10() {
            _ if started => digits,
            Some(highest) => (highest as usize + 1).min(digits),
            None => return,
        };
        started = true;
        Text::digits(out, Nine::of(word), shown);
    };
    if whole % DIGITS_PER_WORD > 0 {
        show_whole(out, word(whole % DIGITS_PER_WORD), whole % DIGITS_PER_WORD);
    }
    for _ in 0..whole / DIGITS_PER_WORD {
        show_whole(out, word(DIGITS_PER_WORD), DIGITS_PER_WORD);
    }
    if !started {
        out.push(b'0');
    }
    if scale > 0 {
        out.push(b'.');
        for _ in 0..scale / DIGITS_PER_WORD {
            out.digits(Nine::of(word(DIGITS_PER_WORD)), DIGITS_PER_WORD);
        }
        if scale % DIGITS_PER_WORD > 0 {
            out.digits(Nine::of(word(scale % DIGITS_PER_WORD)), scale % DIGITS_PER_WORD);
        }
    }
}

/// Sign, whole digits without leading zeros, fraction digits without trailing zeros.
fn parts(text: &str) -> (bool, &str, &str) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    (negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction)
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (TextBuf::new(), TextBuf::new());
        let (a, b) = (parts(self.text(&mut a)), parts(other.text(&mut b)));
        let magnitude =
            || a.1.len().cmp(&b.1.len()).then_with(|| a.1.cmp(b.1)).then_with(|| a.2.cmp(b.2));
        match (a.0, b.0) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(),
            (true, true) => magnitude().reverse(),
        }
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal<'_> {}

impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut TextBuf::new()))
    }
}

impl fmt::Debug for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hex: &str, precision: u8, scale: u8, expect: &str) {
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let decimal = Decimal::packed(&bytes, precision, scale).unwrap();
        assert_eq!(decimal.to_string(), expect);
        assert_eq!(decimal, Decimal::Text(expect));
    }

    #[test]
    fn packed_decimals_print_as_the_server_prints_them() {
        // MySQL source, the example in the comment of `decimal2bin`.
        check("810DFB38D204D2", 14, 4, "1234567890.1234");
        check("7EF204C72DFB2D", 14, 4, "-1234567890.1234");
        check("80000000000000", 14, 4, "0.0000");
        check("8001", 4, 0, "1");
        check("80", 1, 0, "0");
        check("8A", 2, 0, "10");
        check("80", 1, 1, "0.0");
        check("85", 1, 1, "0.5");
        // As JSON has it: 35 whole digits in four words.
        let words = "99999999999999999999999999999999999.999999999999999999999999999999";
        let hex = format!("85F5E0FF{}", "3B9AC9FF".repeat(6) + "03E7");
        check(&hex, 66, 30, words);
    }

    #[test]
    fn a_length_that_does_not_fit_the_type_is_refused() {
        assert!(Decimal::packed(&[0x80], 14, 4).is_none());
        assert_eq!(Decimal::packed_len(0, 0), None);
        assert_eq!(Decimal::packed_len(65, 30), Some(30));
        assert_eq!(Decimal::packed_len(10, 11), None);
        assert_eq!(Decimal::packed_len(82, 30), None);
    }

    #[test]
    fn numbers_that_are_equal_are_the_same_only_where_their_texts_are() {
        let packed = |bytes| Decimal::packed(bytes, 10, 2).unwrap();
        let zero = packed(&[0x80, 0, 0, 0, 0]);
        let below = packed(&[0x7f, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!((zero.to_string(), below.to_string()), ("0.00".into(), "-0.00".into()));
        assert!(zero == below && !zero.is_same(&below) && zero.is_same(&zero));
        let (one, other) = (Decimal::Text("1.50"), Decimal::Text("1.5"));
        assert!(one == other && !one.is_same(&other) && one.is_same(&one));
        assert!(!zero.is_same(&Decimal::Text("0.00")));
    }

    #[test]
    fn numbers_compare_as_numbers() {
        let ordered = ["-10.5", "-2", "-0.1", "0", "0.05", "0.1", "2", "10.4999", "10.5"];
        for pair in ordered.windows(2) {
            assert!(Decimal::Text(pair[0]) < Decimal::Text(pair[1]), "{pair:?}");
        }
        assert_eq!(Decimal::Text("-0.00"), Decimal::Text("0"));
        assert_eq!(Decimal::Text("1.50"), Decimal::Text("01.5"));
    }
}

//! Floats: shortest digits for JSON, MySQL's own for the changelog.

use std::fmt::{self, Write};

use model::digits;

use super::short;

/// MySQL writes a number without an exponent while its point lies within this many digits of the
/// first one (`MAX_DECPT_FOR_F_FORMAT` in the server's `dtoa.cc`).
const PLAIN_DIGITS_MAX: i32 = 15;

/// Digits of an integer.
#[inline]
pub(crate) fn integer<N: itoa::Integer + Copy + TryInto<u64>>(out: &mut Vec<u8>, value: N) {
    match value.try_into() {
        Ok(few) if few < 10_000_000_000_000_000 => digits::below_10_16(out, few),
        Ok(_) | Err(_) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
    }
}

/// A JSON number: the fewest digits that read back as the same float, always with a point or an
/// exponent. A float that is no number is the text that Debezium's converter writes.
pub(crate) fn json_float(out: &mut Vec<u8>, value: impl zmij::Float) {
    let mut buffer = zmij::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    if digits.last().is_some_and(u8::is_ascii_digit) {
        // An exponent above zero has its sign, and two or three digits.
        let sign = [3, 4].into_iter().find(|back| digits.iter().nth_back(back - 1) == Some(&b'+'));
        let Some(back) = sign else { return short::copy(out, digits) };
        let (mantissa, exponent) = digits.split_at(digits.len() - back);
        short::copy(out, mantissa);
        return short::copy(out, exponent.get(1..).unwrap_or_default());
    }
    out.extend_from_slice(match digits {
        b"inf" => b"\"Infinity\"",
        b"-inf" => b"\"-Infinity\"",
        _ => b"\"NaN\"".as_slice(),
    });
}

/// FLOAT as MySQL prints it: six significant digits (`FLT_DIG`).
pub(crate) fn mysql_float(out: &mut Vec<u8>, value: f32) {
    let mut text = Text::default();
    // At most a sign, six digits, a point and an exponent: it fits.
    _ = write!(text, "{:.5e}", f64::from(value));
    mysql_layout(out, text.as_str());
}

/// DOUBLE as MySQL prints it: the fewest digits that read back as the same number, of two equally
/// near ones the even.
pub(crate) fn mysql_double(out: &mut Vec<u8>, value: f64) {
    mysql_layout(out, zmij::Buffer::new().format(value));
}

/// FLOAT(m, d) and DOUBLE(m, d) as MySQL prints them.
pub(crate) fn mysql_fixed(out: &mut Vec<u8>, value: f64, decimals: u8) {
    use std::io::Write as _;
    // A `Vec` takes every write.
    _ = write!(out, "{value:.*}", usize::from(decimals));
}

/// Lays a number's digits out as the server's `my_gcvt` does.
fn mysql_layout(out: &mut Vec<u8>, number: &str) {
    let unsigned = number.strip_prefix('-').unwrap_or(number);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        out.extend(number.bytes().map(|byte| byte.to_ascii_lowercase()));
        return;
    }
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut held = Text::default();
    _ = held.write_str(whole).and_then(|()| held.write_str(fraction));
    let digits = held.as_str().trim_start_matches('0');
    let skipped = held.len - digits.len();
    let digits = digits.trim_end_matches('0');
    if number.len() > unsigned.len() {
        out.push(b'-');
    }
    let Some((first, others)) = digits.split_at_checked(1) else {
        out.push(b'0');
        return;
    };
    // Where the point stands, counted from the first digit.
    let places = |len: usize| i32::try_from(len).unwrap_or_default();
    let point = exponent.parse().unwrap_or(0) + places(whole.len()) - places(skipped);
    // A number of sixteen digits before the point and one behind it is plain all the same.
    let plain = point >= 1 - PLAIN_DIGITS_MAX
        && (point <= PLAIN_DIGITS_MAX || places(digits.len()) > point);
    if plain {
        plain_layout(out, digits, point);
        return;
    }
    out.extend_from_slice(first.as_bytes());
    if !others.is_empty() {
        out.push(b'.');
        out.extend_from_slice(others.as_bytes());
    }
    out.push(b'e');
    out.extend_from_slice(itoa::Buffer::new().format(point - 1).as_bytes());
}

fn plain_layout(out: &mut Vec<u8>, digits: &str, point: i32) {
    let zeros = |count: usize| std::iter::repeat_n(b'0', count);
    let distance = point.unsigned_abs() as usize;
    if point <= 0 {
        out.extend_from_slice(b"0.");
        out.extend(zeros(distance));
        out.extend_from_slice(digits.as_bytes());
    } else if let Some((whole, fraction)) = digits.split_at_checked(distance) {
        out.extend_from_slice(whole.as_bytes());
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
    } else {
        out.extend_from_slice(digits.as_bytes());
        out.extend(zeros(distance - digits.len()));
    }
}

/// A short text on the stack; no float in its shortest form is longer than 24 bytes.
#[derive(Default)]
struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len + part.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_laid_out_as_mysql_lays_them_out() {
        let check = |value: f64, expected: &str| {
            let mut out = Vec::new();
            mysql_double(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(-1.5, "-1.5");
        check(0.1, "0.1");
        check(1.0 / 3.0, "0.3333333333333333");
        check(123_456.789, "123456.789");
        check(1e14, "100000000000000");
        check(1e15, "1e15");
        check(0.001_25, "0.00125");
        check(120.0, "120");
        check(906_692_884_234_937.0 + 0.25, "906692884234937.2");
        check(9_999_999_999_999_998.0, "9.999999999999998e15");
        check(1_234_567_890_123_456.8, "1234567890123456.8");
        check(1e20, "1e20");
        check(1e-15, "0.000000000000001");
        check(1e-16, "1e-16");
        check(f64::MAX, "1.7976931348623157e308");
        check(f64::MIN_POSITIVE, "2.2250738585072014e-308");
        check(f64::NAN, "nan");
        check(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn floats_have_six_digits_as_mysql_prints_them() {
        let check = |value: f32, expected: &str| {
            let mut out = Vec::new();
            mysql_float(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(1.0, "1");
        check(0.1, "0.1");
        check(std::f32::consts::PI, "3.14159");
        check(16_777_216.0, "16777200");
        check(-1e10, "-10000000000");
        check(f32::MAX, "3.40282e38");
        check(1e-20, "1e-20");
    }

    #[test]
    fn declared_decimals_are_always_shown() {
        let mut out = Vec::new();
        mysql_fixed(&mut out, 1.5, 4);
        assert_eq!(out, b"1.5000");
    }
}

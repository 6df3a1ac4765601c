//! Floats: shortest digits for JSON, MySQL's own for the changelog.

use std::fmt::{self, Write};

/// MySQL writes a number without an exponent while its point lies within this many digits of the
/// first one (`MAX_DECPT_FOR_F_FORMAT` in the server's `dtoa.cc`).
const PLAIN_DIGITS_MAX: i32 = 15;

/// A JSON number: the fewest digits that read back as the same float, always with a point or an
/// exponent. A float that is no number is the text that Debezium's converter writes.
pub(super) fn json_float(out: &mut Vec<u8>, value: impl ryu::Float) {
    let mut buffer = ryu::Buffer::new();
    out.extend_from_slice(match buffer.format(value) {
        "NaN" => b"\"NaN\"",
        "inf" => b"\"Infinity\"",
        "-inf" => b"\"-Infinity\"",
        digits => digits.as_bytes(),
    });
}

/// FLOAT as MySQL prints it: six significant digits (`FLT_DIG`).
pub(super) fn mysql_float(out: &mut Vec<u8>, value: f32) {
    mysql_digits(out, &Text::of(format_args!("{:.5e}", f64::from(value))));
}

/// DOUBLE as MySQL prints it: the fewest digits that read back as the same number.
pub(super) fn mysql_double(out: &mut Vec<u8>, value: f64) {
    mysql_digits(out, &Text::of(format_args!("{value:e}")));
}

/// FLOAT(m, d) and DOUBLE(m, d) as MySQL prints them.
pub(super) fn mysql_fixed(out: &mut Vec<u8>, value: f64, decimals: u8) {
    use std::io::Write as _;
    // A `Vec` takes every write.
    _ = write!(out, "{value:.*}", usize::from(decimals));
}

/// Lays out digits in scientific form, `-1.25e-7`, as the server's `my_gcvt` does.
fn mysql_digits(out: &mut Vec<u8>, text: &Text) {
    let text = text.as_str();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let Some((mantissa, exponent)) = unsigned.split_once('e') else {
        out.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
        return;
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let part = part.trim_end_matches('0');
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Digits before the point.
    let point = exponent + 1;
    if text.len() > unsigned.len() {
        out.push(b'-');
    }
    if !(1 - PLAIN_DIGITS_MAX..=PLAIN_DIGITS_MAX).contains(&point) {
        out.extend_from_slice(whole.as_bytes());
        if !part.is_empty() {
            out.push(b'.');
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b'e');
        out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
        return;
    }
    let digits = || whole.bytes().chain(part.bytes());
    let len = whole.len() + part.len();
    match usize::try_from(point) {
        Ok(point) if point > 0 => {
            out.extend(digits().chain(std::iter::repeat(b'0')).take(point));
            if len > point {
                out.push(b'.');
                out.extend(digits().skip(point));
            }
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
            out.extend(digits());
        }
    }
}

/// A short text on the stack.
struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    /// At most sign, 17 digits, point, and an exponent of five: 24 bytes.
    fn of(number: fmt::Arguments<'_>) -> Self {
        let mut text = Self { bytes: [0; 32], len: 0 };
        _ = text.write_fmt(number);
        text
    }

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

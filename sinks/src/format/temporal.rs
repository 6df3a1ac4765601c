//! Days and times as digits.

use model::{Date, DateTime, Time};

/// Writes `2022-09-22`.
pub(crate) fn date(out: &mut Vec<u8>, date: Date) {
    if date.year > 9999 {
        // No MySQL date, so whoever made it meant it: all its digits.
        out.extend_from_slice(itoa::Buffer::new().format(date.year / 10_000).as_bytes());
    }
    let [y1, y2, y3, y4] = four(date.year);
    let ([m1, m2], [d1, d2]) = (two(date.month), two(date.day));
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
}

/// Writes `2022-09-22T10:00:00.123456`, with `fsp` digits of the fraction.
pub(crate) fn date_time(out: &mut Vec<u8>, at: &DateTime, between: u8, fsp: u8) {
    date(out, at.date);
    let ([h1, h2], [m1, m2], [s1, s2]) = (two(at.hour), two(at.minute), two(at.second));
    out.extend_from_slice(&[between, h1, h2, b':', m1, m2, b':', s1, s2]);
    fraction(out, at.micros, fsp);
}

/// Writes `-838:59:59.000001`, with `fsp` digits of the fraction.
pub(crate) fn time(out: &mut Vec<u8>, time: &Time, fsp: u8) {
    if time.negative {
        out.push(b'-');
    }
    if time.hours > 99 {
        out.extend_from_slice(itoa::Buffer::new().format(time.hours).as_bytes());
    } else {
        out.extend_from_slice(&[digit(time.hours / 10), digit(time.hours)]);
    }
    let ([m1, m2], [s1, s2]) = (two(time.minutes), two(time.seconds));
    out.extend_from_slice(&[b':', m1, m2, b':', s1, s2]);
    fraction(out, time.micros, fsp);
}

fn fraction(out: &mut Vec<u8>, micros: u32, fsp: u8) {
    if fsp == 0 {
        return;
    }
    let mut rest = micros;
    let mut digits = [b'0'; 6];
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.push(b'.');
    out.extend_from_slice(digits.get(..usize::from(fsp)).unwrap_or(&digits));
}

fn digit(number: u16) -> u8 {
    b'0' + (number % 10) as u8
}

fn two(number: u8) -> [u8; 2] {
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

/// Four digits, zeros in front.
pub(crate) fn four(number: u16) -> [u8; 4] {
    [digit(number / 1000), digit(number / 100), digit(number / 10), digit(number)]
}

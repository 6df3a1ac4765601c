//! Days and times as digits.

use model::{Date, DateTime, Time};

use super::short;

/// Writes `2022-09-22`.
pub(crate) fn date(out: &mut Vec<u8>, date: Date) {
    if date.year > 9999 {
        unusual_year(out, date.year);
    }
    out.extend_from_slice(&day(date));
}

/// Writes `2022-09-22T10:00:00.123456`, with `fsp` digits of the fraction.
#[inline]
pub(crate) fn date_time(out: &mut Vec<u8>, at: &DateTime, between: u8, fsp: u8) {
    if at.date.year > 9999 {
        unusual_year(out, at.date.year);
    }
    let [y1, y2, y3, y4, _, n1, n2, _, d1, d2] = day(at.date);
    let ([h1, h2], [m1, m2], [s1, s2]) = (two(at.hour), two(at.minute), two(at.second));
    let [f1, f2, f3, f4, f5, f6] = six(at.micros);
    #[rustfmt::skip]
    let all = [
        y1, y2, y3, y4, b'-', n1, n2, b'-', d1, d2, between, h1, h2, b':', m1, m2, b':', s1, s2,
        b'.', f1, f2, f3, f4, f5, f6,
    ];
    short::part(out, &all, all.len() - without(fsp));
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

/// No MySQL date has it, so whoever made it meant it: all its digits.
#[cold]
fn unusual_year(out: &mut Vec<u8>, year: u16) {
    out.extend_from_slice(itoa::Buffer::new().format(year / 10_000).as_bytes());
}

fn day(date: Date) -> [u8; 10] {
    let [y1, y2, y3, y4] = four(date.year);
    let ([m1, m2], [d1, d2]) = (two(date.month), two(date.day));
    [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]
}

fn fraction(out: &mut Vec<u8>, micros: u32, fsp: u8) {
    let [f1, f2, f3, f4, f5, f6] = six(micros);
    short::part(out, &[b'.', f1, f2, f3, f4, f5, f6], 7 - without(fsp));
}

/// Bytes of a point and six digits that are not shown.
fn without(fsp: u8) -> usize {
    if fsp == 0 { 7 } else { usize::from(6_u8.saturating_sub(fsp)) }
}

fn six(micros: u32) -> [u8; 6] {
    let pair = |number: u32| two((number % 100) as u8);
    let ([f1, f2], [f3, f4], [f5, f6]) = (pair(micros / 10_000), pair(micros / 100), pair(micros));
    [f1, f2, f3, f4, f5, f6]
}

fn digit(number: u16) -> u8 {
    b'0' + (number % 10) as u8
}

#[inline]
fn two(number: u8) -> [u8; 2] {
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

/// Four digits, zeros in front.
#[inline]
pub(crate) fn four(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (two((number / 100 % 100) as u8), two((number % 100) as u8));
    [a, b, c, d]
}

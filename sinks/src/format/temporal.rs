//! Days and times as digits.

use model::digits::eight;
use model::{Date, DateTime, Time};

use super::short;

/// Writes `2022-09-22`.
#[inline]
pub(crate) fn date(out: &mut Vec<u8>, date: Date) {
    let (year_month, day) = parts(out, date);
    short::part(out, &(u128::from(year_month) | u128::from(day) << 64).to_le_bytes(), 10);
}

/// Writes `2022-09-22T10:00:00.123456`, with `fsp` digits of the fraction.
#[inline]
pub(crate) fn date_time(out: &mut Vec<u8>, at: &DateTime, between: u8, fsp: u8) {
    let (year_month, day) = parts(out, at.date);
    // Eight digits, of which the first two are no part of either.
    let clock = eight(pairs(u32::from(at.hour), at.minute, at.second)) >> 16;
    let micros = eight(at.micros) >> 16;
    let (minute, second) = (clock >> 16 & PAIR, clock >> 32);
    let hours = day | shifted(between, 2) | (clock & PAIR) << 24 | shifted(b':', 5) | minute << 48;
    let seconds = shifted(b':', 0) | second << 8 | shifted(b'.', 3) | micros << 32;
    let end = out.len() + 26 - without(fsp);
    out.extend_from_slice(&(u128::from(year_month) | u128::from(hours) << 64).to_le_bytes());
    out.extend_from_slice(&(u128::from(seconds) | u128::from(micros >> 32) << 64).to_le_bytes());
    out.truncate(end);
}

const PAIR: u64 = 0xffff;

/// A byte at a place of a word.
fn shifted(byte: u8, place: u32) -> u64 {
    u64::from(byte) << (8 * place)
}

/// Three numbers, the second and the third with two digits.
fn pairs(first: u32, second: u8, third: u8) -> u32 {
    (first * 100 + u32::from(second % 100)) * 100 + u32::from(third % 100)
}

/// `2022-09-` and `22`, the first letter in the lowest byte. Writes what of the year is before its last
/// four digits.
#[inline]
fn parts(out: &mut Vec<u8>, date: Date) -> (u64, u64) {
    if date.year > 9999 {
        unusual_year(out, date.year);
    }
    let digits = eight(pairs(u32::from(date.year % 10_000), date.month, date.day));
    let month = digits >> 32 & PAIR;
    let year_month = digits & 0xffff_ffff | shifted(b'-', 4) | month << 40 | shifted(b'-', 7);
    (year_month, digits >> 48)
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

fn fraction(out: &mut Vec<u8>, micros: u32, fsp: u8) {
    // The point takes the place of the second of eight digits.
    let digits = eight(micros) >> 8 & !0xff | u64::from(b'.');
    short::part(out, &digits.to_le_bytes(), 7 - without(fsp));
}

/// Bytes of a point and six digits that are not shown.
fn without(fsp: u8) -> usize {
    if fsp == 0 { 7 } else { usize::from(6_u8.saturating_sub(fsp)) }
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

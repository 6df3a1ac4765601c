//! Days and times: as texts, and from them.

use std::fmt::Write as _;

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, Timelike as _};
use model::value::{Date, DateTime, Time};

mod format;

pub(super) use format::Format;

pub(super) fn date_text(v: Date) -> String {
    format!("{:04}-{:02}-{:02}", v.year, v.month, v.day)
}

pub(super) fn date_time_text(v: &DateTime, fsp: u8) -> String {
    let mut text = date_text(v.date);
    let _ = write!(text, " {:02}:{:02}:{:02}", v.hour, v.minute, v.second);
    fraction(&mut text, v.micros, fsp);
    text
}

pub(super) fn time_text(v: Time, fsp: u8) -> String {
    let sign = if v.negative { "-" } else { "" };
    let mut text = format!("{sign}{:02}:{:02}:{:02}", v.hours, v.minutes, v.seconds);
    fraction(&mut text, v.micros, fsp);
    text
}

fn fraction(text: &mut String, micros: u32, fsp: u8) {
    if fsp > 0 {
        let digits = format!("{micros:06}");
        text.push('.');
        text.push_str(digits.get(..usize::from(fsp)).unwrap_or(&digits));
    }
}

/// With its sign, to compare by.
pub(super) fn micros(v: Time) -> i64 {
    let seconds = (i64::from(v.hours) * 60 + i64::from(v.minutes)) * 60 + i64::from(v.seconds);
    let micros = seconds * 1_000_000 + i64::from(v.micros);
    if v.negative { -micros } else { micros }
}

/// With so many digits of the fraction; the others are cut off.
pub(super) fn cut(v: DateTime, fsp: u8) -> DateTime {
    let unit = 10_u32.pow(6_u32.saturating_sub(u32::from(fsp)));
    DateTime { micros: v.micros - v.micros % unit, ..v }
}

/// `2022-09-22`, and with a time behind a blank or `T`: `2022-09-22 10:00:00.123456`. `None` where it is
/// no such text, or no calendar has the day.
pub(super) fn parse(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let (date, time) = match text.find([' ', 'T']) {
        Some(at) => (text.get(..at)?, Some(text.get(at + 1..)?.trim_start())),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let mut number = |len: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let fits = len.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if fits { part.parse::<u32>().ok() } else { None }
    };
    let (year, month, day) = (number(4..=4)?, number(1..=2)?, number(1..=2)?);
    if parts.next().is_some() {
        return None;
    }
    let (hour, minute, second, micros) = match time {
        None => (0, 0, 0, 0),
        Some(time) => clock(time)?,
    };
    made(year, month, day, [hour, minute, second, micros])
}

/// A day and a time that calendars and clocks have.
fn made(year: u32, month: u32, day: u32, time: [u32; 4]) -> Option<DateTime> {
    let [hour, minute, second, micros] = time;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    of_chrono(date.and_hms_micro_opt(hour, minute, second, micros)?)
}

fn clock(text: &str) -> Option<(u32, u32, u32, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':').map(|part| {
        let fits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if fits { part.parse::<u32>().ok() } else { None }
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros = digits.parse().ok()?;
    parts.next().is_none().then_some((hour, minute, second, micros))
}

/// `None` for a day that no calendar has.
pub(super) fn to_chrono(v: &DateTime) -> Option<NaiveDateTime> {
    let date = NaiveDate::from_ymd_opt(
        i32::from(v.date.year),
        u32::from(v.date.month),
        u32::from(v.date.day),
    )?;
    date.and_hms_micro_opt(v.hour.into(), v.minute.into(), v.second.into(), v.micros)
}

fn of_chrono(v: NaiveDateTime) -> Option<DateTime> {
    let small = |part: u32| u8::try_from(part).ok();
    Some(DateTime {
        date: Date {
            year: u16::try_from(v.year()).ok()?,
            month: small(v.month())?,
            day: small(v.day())?,
        },
        hour: small(v.hour())?,
        minute: small(v.minute())?,
        second: small(v.second())?,
        micros: v.nanosecond() / 1000,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

impl Unit {
    pub(super) const NAMES: [(&str, Self); 6] = [
        ("SECOND", Self::Second),
        ("MINUTE", Self::Minute),
        ("HOUR", Self::Hour),
        ("DAY", Self::Day),
        ("MONTH", Self::Month),
        ("YEAR", Self::Year),
    ];

    /// Whole units from one to the other. `None` where a calendar has no such day.
    pub(super) fn between(self, from: &DateTime, to: &DateTime) -> Option<i128> {
        let (from, to) = (to_chrono(from)?, to_chrono(to)?);
        let seconds = (to - from).num_seconds();
        Some(i128::from(match self {
            Self::Second => seconds,
            Self::Minute => seconds / 60,
            Self::Hour => seconds / 3600,
            Self::Day => seconds / 86_400,
            Self::Month => months(from, to),
            Self::Year => months(from, to) / 12,
        }))
    }
}

fn months(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    if to < from {
        return -months(to, from);
    }
    let number = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
    let rest = |at: NaiveDateTime| (at.day(), at.time());
    number(to) - number(from) - i64::from(rest(to) < rest(from))
}

/// `10:00:00.123456`, less than a day.
pub(super) fn parse_time(text: &str) -> Option<Time> {
    let (hours, minutes, seconds, micros) = clock(text.trim())?;
    let small = |part: u32| u8::try_from(part).ok().filter(|part| *part < 60);
    let hours = u16::try_from(hours).ok()?;
    Some(Time {
        negative: false,
        hours,
        minutes: small(minutes)?,
        seconds: small(seconds)?,
        micros,
    })
}

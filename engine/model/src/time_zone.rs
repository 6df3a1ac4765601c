//! Zones: what clocks show at a moment.

use std::str::FromStr;

use chrono::{
    Datelike, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone as _, Timelike,
};
use chrono_tz::Tz;
use thiserror::Error;

use crate::value::{Date, DateTime};

/// A zone, by its name in the IANA database or by how far it always is from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeZone {
    #[default]
    Utc,
    Named(Tz),
    Offset(FixedOffset),
}

/// Text that names no zone. Displays what was expected instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a time zone by its name (`Asia/Shanghai`), or an offset of at most 18 hours (`GMT+08:00`)"
)]
pub struct UnknownZone;

impl TimeZone {
    /// What the zone's clocks showed at `at`, which is in UTC. The zero date is the same everywhere.
    #[inline]
    pub fn local(self, at: &DateTime) -> DateTime {
        match self {
            Self::Utc => *at,
            Self::Named(zone) => shown(at, |utc| zone.from_utc_datetime(&utc).naive_local()),
            Self::Offset(offset) => shown(at, |utc| offset.from_utc_datetime(&utc).naive_local()),
        }
    }

    /// The moments of UTC, in their order, at which the zone's clocks showed `local`: two in the hour
    /// for which they were set back, and none in one that they skipped.
    pub fn moments(self, local: &DateTime) -> Vec<DateTime> {
        let moments = match self {
            Self::Utc => return vec![*local],
            Self::Named(zone) => both(local, |there| {
                zone.from_local_datetime(&there).map(|moment| moment.naive_utc())
            }),
            Self::Offset(offset) => both(local, |there| {
                offset.from_local_datetime(&there).map(|moment| moment.naive_utc())
            }),
        };
        moments.into_iter().flatten().map(|utc| shown(local, |_| utc)).collect()
    }
}

/// The earlier and the later one, where they are two.
fn both(
    local: &DateTime,
    moments: impl FnOnce(NaiveDateTime) -> MappedLocalTime<NaiveDateTime>,
) -> [Option<NaiveDateTime>; 2] {
    match naive(local).map(moments) {
        Some(MappedLocalTime::Single(one)) => [Some(one), None],
        Some(MappedLocalTime::Ambiguous(one, other)) => {
            [Some(one.min(other)), Some(one.max(other))]
        }
        Some(MappedLocalTime::None) | None => [None, None],
    }
}

fn naive(at: &DateTime) -> Option<NaiveDateTime> {
    let Date { year, month, day } = at.date;
    let day = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())?;
    day.and_hms_opt(at.hour.into(), at.minute.into(), at.second.into())
}

fn shown(at: &DateTime, local: impl FnOnce(NaiveDateTime) -> NaiveDateTime) -> DateTime {
    let Some(utc) = naive(at) else { return *at };
    let there = local(utc);
    let small = |part: u32| u8::try_from(part).unwrap_or_default();
    DateTime {
        date: Date {
            year: u16::try_from(there.year()).unwrap_or_default(),
            month: small(there.month()),
            day: small(there.day()),
        },
        hour: small(there.hour()),
        minute: small(there.minute()),
        second: small(there.second()),
        micros: at.micros,
    }
}

/// Names are as the IANA database spells them. Offsets are those of Java's `ZoneId`: `GMT+8`,
/// `GMT+08:00`, `UTC-0330`, `+08:00`, at most 18 hours (Java, "ZoneOffset").
impl FromStr for TimeZone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        match text.parse() {
            Ok(Tz::UTC) => Ok(Self::Utc),
            Ok(zone) => Ok(Self::Named(zone)),
            Err(_) => match offset(text).ok_or(UnknownZone)? {
                0 => Ok(Self::Utc),
                seconds => FixedOffset::east_opt(seconds).map(Self::Offset).ok_or(UnknownZone),
            },
        }
    }
}

/// Seconds east of Greenwich.
fn offset(text: &str) -> Option<i32> {
    const SECONDS_MAX: i32 = 18 * 3600;
    let text = ["GMT", "UTC"].iter().find_map(|zone| text.strip_prefix(zone)).unwrap_or(text);
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "00"),
    };
    let number = |digits: &str| {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<i32>().ok())?
    };
    let hours = number(hours).filter(|_| hours.len() <= 2)?;
    let minutes = number(minutes).filter(|&n| minutes.len() == 2 && n < 60)?;
    let seconds = hours * 3600 + minutes * 60;
    (seconds <= SECONDS_MAX).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        let numbers: Vec<u32> =
            text.split(['-', ' ', ':', '.']).map(|part| part.parse().unwrap()).collect();
        let [year, month, day, hour, minute, second, micros] = numbers[..] else {
            panic!("{text}")
        };
        let small = |part: u32| u8::try_from(part).unwrap();
        DateTime {
            date: Date { year: u16::try_from(year).unwrap(), month: small(month), day: small(day) },
            hour: small(hour),
            minute: small(minute),
            second: small(second),
            micros,
        }
    }

    /// What the clocks of `zone` show at a moment of UTC.
    fn check(zone: &str, utc: &str, local: &str) {
        let zone: TimeZone = zone.parse().unwrap();
        assert_eq!(zone.local(&at(utc)), at(local), "{utc} in {zone:?}");
    }

    #[test]
    fn clocks_that_are_put_forward_leave_an_hour_out() {
        check("Europe/Berlin", "2024-03-31 00:59:59.999999", "2024-03-31 01:59:59.999999");
        check("Europe/Berlin", "2024-03-31 01:00:00.000000", "2024-03-31 03:00:00.000000");
        check("America/New_York", "2021-03-14 06:59:59.5", "2021-03-14 01:59:59.5");
        check("America/New_York", "2021-03-14 07:00:00.5", "2021-03-14 03:00:00.5");
        // By half an hour.
        check("Australia/Lord_Howe", "2023-09-30 15:29:59.0", "2023-10-01 01:59:59.0");
        check("Australia/Lord_Howe", "2023-09-30 15:30:00.0", "2023-10-01 02:30:00.0");
    }

    #[test]
    fn clocks_that_are_put_back_show_an_hour_twice() {
        check("Europe/Berlin", "2024-10-27 00:30:00.25", "2024-10-27 02:30:00.25");
        check("Europe/Berlin", "2024-10-27 00:59:59.999999", "2024-10-27 02:59:59.999999");
        check("Europe/Berlin", "2024-10-27 01:00:00.0", "2024-10-27 02:00:00.0");
        check("Europe/Berlin", "2024-10-27 01:30:00.25", "2024-10-27 02:30:00.25");
    }

    #[test]
    fn the_first_and_the_last_timestamp_are_shown() {
        check("UTC", "1970-01-01 00:00:01.0", "1970-01-01 00:00:01.0");
        check("America/Los_Angeles", "1970-01-01 00:00:01.1", "1969-12-31 16:00:01.1");
        // Britain kept summer time through that winter, and Liberia was odd.
        check("Europe/London", "1970-01-01 00:00:01.0", "1970-01-01 01:00:01.0");
        check("Africa/Monrovia", "1970-01-01 00:00:01.0", "1969-12-31 23:15:31.0");
        check("Asia/Shanghai", "2038-01-19 03:14:07.999999", "2038-01-19 11:14:07.999999");
        check("Europe/Berlin", "2038-01-19 03:14:07.999999", "2038-01-19 04:14:07.999999");
        check("Europe/Berlin", "2037-07-01 12:00:00.0", "2037-07-01 14:00:00.0");
        check("Europe/Berlin", "2037-10-25 01:00:00.0", "2037-10-25 02:00:00.0");
    }

    #[test]
    fn the_zero_date_is_the_same_everywhere() {
        for zone in ["Asia/Shanghai", "GMT-3"] {
            let zone: TimeZone = zone.parse().unwrap();
            assert_eq!(zone.local(&DateTime::default()), DateTime::default());
        }
    }

    #[test]
    fn an_offset_shifts_by_hours_and_minutes() {
        check("GMT+05:30", "2022-09-22 18:30:00.5", "2022-09-23 00:00:00.5");
        check("-09:30", "2022-09-22 09:29:59.0", "2022-09-21 23:59:59.0");
        check("GMT+8", "2022-12-31 16:00:00.0", "2023-01-01 00:00:00.0");
    }

    #[test]
    fn zones_read_by_name_and_by_offset() {
        let east = |seconds| FixedOffset::east_opt(seconds).map(TimeZone::Offset).unwrap();
        let check = |text: &str, zone: TimeZone| assert_eq!(text.parse(), Ok(zone), "{text}");
        check("Asia/Shanghai", TimeZone::Named(Tz::Asia__Shanghai));
        check("UTC", TimeZone::Utc);
        check("+00:00", TimeZone::Utc);
        for text in ["GMT+8", "GMT+08", "GMT+08:00", "GMT+0800", "UTC+8", "+8", "+08:00"] {
            check(text, east(8 * 3600));
        }
        check("GMT-03:30", east(-(3 * 3600 + 1800)));
        check("+18:00", east(18 * 3600));
        for bad in [
            "",
            "Mars/Olympus",
            "asia/shanghai",
            "+",
            "GMT+",
            "GMT+99",
            "+18:01",
            "+-8",
            "++8",
            "+8:0",
            "+8:60",
            "+008",
            "8",
            "GMT 8",
            "+8:",
            "+:30",
            "+08:00:00",
        ] {
            assert_eq!(bad.parse::<TimeZone>(), Err(UnknownZone), "{bad}");
        }
    }
}

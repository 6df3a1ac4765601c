//! Dates and times, as the servers read them.

use chrono::{
    DateTime, Duration, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset as _,
    TimeZone as _,
};

use crate::System;

/// The zone of a load: what a value that names its own is converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    Fixed(FixedOffset),
    Named(chrono_tz::Tz),
}

impl Zone {
    /// Where the servers' manuals say they are when nobody says otherwise.
    pub const DEFAULT: Self = Self::Named(chrono_tz::Asia::Shanghai);

    /// `+08:00` or a name of the zone database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(['+', '-']) {
            return offset(text).map(Self::Fixed);
        }
        text.parse().ok().map(Self::Named)
    }

    fn local(self, at: DateTime<FixedOffset>) -> NaiveDateTime {
        let utc = at.naive_utc();
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
        };
        utc + offset
    }
}

/// `YYYY-MM-DD`; a time behind it is cut off.
pub(super) fn date(text: &str, system: System, zone: Zone) -> Option<String> {
    let moment = parse(text.trim(), system, zone)?;
    Some(moment.format("%Y-%m-%d").to_string())
}

/// `YYYY-MM-DD HH:MM:SS` and `scale` digits: rounded in Doris, cut in StarRocks.
pub(super) fn datetime(text: &str, scale: u8, system: System, zone: Zone) -> Option<String> {
    let moment = parse(text.trim(), system, zone)?;
    let micros_per_digit = 10_i64.checked_pow(6_u32.checked_sub(scale.into())?)?;
    let micros = i64::from(moment.and_utc().timestamp_subsec_nanos()) / 1_000;
    let past = micros % micros_per_digit;
    let up = system == System::Doris && 2 * past >= micros_per_digit && past > 0;
    let nanos = i64::from(moment.and_utc().timestamp_subsec_nanos() % 1_000);
    let cut = moment - Duration::microseconds(past) - Duration::nanoseconds(nanos);
    let rounded = if up { cut + Duration::microseconds(micros_per_digit) } else { cut };
    let year = chrono::Datelike::year(&rounded);
    (0..=9999).contains(&year).then(|| match scale {
        0 => rounded.format("%Y-%m-%d %H:%M:%S").to_string(),
        _ => {
            let all = rounded.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
            all.chars().take("YYYY-MM-DD HH:MM:SS.".len() + usize::from(scale)).collect()
        }
    })
}

fn parse(text: &str, system: System, zone: Zone) -> Option<NaiveDateTime> {
    let (day, rest) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let day = parse_day(day, system)?;
    if rest.is_empty() {
        return day.and_hms_opt(0, 0, 0);
    }
    let (time, offset) = split_offset(rest);
    let moment = day.and_time(parse_time(time)?);
    match offset {
        None => Some(moment),
        Some(text) => {
            let at = offset_of(text)?.from_local_datetime(&moment).single()?;
            Some(zone.local(at))
        }
    }
}

fn parse_day(text: &str, system: System) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let year = match (year.len(), system) {
        (4, _) => number(year)?,
        // As MySQL reads them: 00 to 69 are of this century.
        (2, System::Doris) => match number(year)? {
            short @ 0..=69 => 2_000 + short,
            short => 1_900 + short,
        },
        _ => return None,
    };
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(month)?, number(day)?)
}

fn parse_time(text: &str) -> Option<NaiveTime> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    if parts.next().is_some() || fraction.bytes().any(|b| !b.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    NaiveTime::from_hms_nano_opt(number(hour)?, number(minute)?, number(second)?, number(&digits)?)
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn split_offset(text: &str) -> (&str, Option<&str>) {
    match text.find(['+', '-', 'Z']) {
        Some(at) => {
            let (time, offset) = text.split_at(at);
            (time.trim_end(), Some(offset))
        }
        None => (text, None),
    }
}

fn offset_of(text: &str) -> Option<FixedOffset> {
    if text == "Z" { FixedOffset::east_opt(0) } else { offset(text) }
}

fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * i32::try_from(hours * 3_600 + minutes * 60).ok()?)
}

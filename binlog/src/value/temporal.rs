//! Dates and times: the packed forms of MySQL 5.6.4 and up (MySQL source, `my_time.cc`), and the
//! older ones. Every function is `None` where the bits are no such value.

use model::{Date, DateTime, Time};

/// Bytes of the fraction of a second with `fsp` digits; `None` for more than 6.
pub(crate) fn fraction_len(fsp: u8) -> Option<u8> {
    (fsp <= 6).then(|| fsp.div_ceil(2))
}

/// Microseconds of one unit of a fraction that takes `len` bytes: hundredths, ten thousandths, and
/// millionths.
fn unit(len: u8) -> u32 {
    match len {
        0 | 3 => 1,
        1 => 10_000,
        _ => 100,
    }
}

/// Microseconds of a fraction of `len` bytes.
#[inline]
fn micros(fraction: u64, len: u8) -> Option<u32> {
    let micros = u32::try_from(fraction).ok()?.checked_mul(unit(len))?;
    (micros < 1_000_000).then_some(micros)
}

/// Low `bits` bits of `value`, at most 8.
#[inline]
fn low(value: u64, bits: u32) -> u8 {
    (value & ((1 << bits) - 1)).to_le_bytes()[0]
}

/// DATE: day in 5 bits, month in 4, year above.
#[inline]
pub(crate) fn date(raw: u32) -> Option<Date> {
    let raw = u64::from(raw);
    let (day, month) = (low(raw, 5), low(raw >> 5, 4));
    let year = u16::try_from(raw >> 9).ok()?;
    (month <= 12 && year <= 9999).then_some(Date { year, month, day })
}

/// YEAR: one byte, 0 for the year 0000.
#[inline]
pub(crate) fn year(raw: u8) -> u16 {
    if raw == 0 { 0 } else { 1900 + u16::from(raw) }
}

/// Hours, minutes and seconds in 5, 6 and 6 bits.
#[inline]
fn clock(packed: u64) -> Option<(u8, u8, u8)> {
    let (hour, minute, second) = (low(packed >> 12, 5), low(packed >> 6, 6), low(packed, 6));
    (hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
}

/// DATETIME2: 40 bits, the top one set, then 17 bits of months (13 to a year), 5 of days, and the
/// clock; then the fraction in `len` bytes.
#[inline]
pub(crate) fn datetime2(raw: u64, fraction: u64, len: u8) -> Option<DateTime> {
    const SIGN: u64 = 1 << 39;
    let packed = raw.checked_sub(SIGN)?;
    let months = packed >> 22;
    let year = u16::try_from(months / 13).ok().filter(|&y| y <= 9999)?;
    let date = Date { year, month: low(months % 13, 4), day: low(packed >> 17, 5) };
    let (hour, minute, second) = clock(packed)?;
    Some(DateTime { date, hour, minute, second, micros: micros(fraction, len)? })
}

/// TIME2: a 24-bit number, offset by half its range, of hours, minutes and seconds, with the
/// fraction below it in `len` bytes. `raw` holds both: a negative time borrows from the whole
/// seconds for its fraction, so it is the two together that change sign.
#[inline]
pub(crate) fn time2(raw: u64, len: u8) -> Option<Time> {
    let bits = 8 * u32::from(len);
    let zero = 1u64 << (23 + bits);
    let (negative, magnitude) = match raw.checked_sub(zero) {
        Some(positive) => (false, positive),
        None => (true, zero - raw),
    };
    let (whole, fraction) = (magnitude >> bits, magnitude & ((1 << bits) - 1));
    let (minutes, seconds) = (low(whole >> 6, 6), low(whole, 6));
    let hours = u16::try_from(whole >> 12).ok()?;
    let micros = micros(fraction, len)?;
    (hours <= 838 && minutes < 60 && seconds < 60).then_some(Time {
        negative,
        hours,
        minutes,
        seconds,
        micros,
    })
}

/// TIMESTAMP2: seconds since the epoch, then the fraction. Zero is the zero date, which is no
/// moment.
#[inline]
pub(crate) fn timestamp2(seconds: u32, fraction: u64, len: u8) -> Option<DateTime> {
    let micros = micros(fraction, len)?;
    if seconds == 0 && micros == 0 {
        return Some(DateTime::default());
    }
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let part = |value: u32| value.to_le_bytes()[0];
    Some(DateTime {
        date: civil(days),
        hour: part(second_of_day / 3600),
        minute: part(second_of_day / 60 % 60),
        second: part(second_of_day % 60),
        micros,
    })
}

/// The day that lies `days` after 1970-01-01, by counting in eras of 400 years that begin on the
/// first of March, so that a leap day is the last of its year (Howard Hinnant, "chrono-compatible
/// low-level date algorithms").
fn civil(days: u32) -> Date {
    const DAYS_0000_03_01_TO_1970: u32 = 719_468;
    const DAYS_PER_ERA: u32 = 146_097;
    let days = u64::from(days) + u64::from(DAYS_0000_03_01_TO_1970);
    let era = days / u64::from(DAYS_PER_ERA);
    let day_of_era = days % u64::from(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Date { year: u16::try_from(year).unwrap_or(u16::MAX), month: low(month, 4), day: low(day, 5) }
}

/// Two decimal digits, `value % 100`.
fn pair(value: u64) -> u8 {
    (value % 100).to_le_bytes()[0]
}

/// TIME before 5.6.4: the number `hhmmss` in 24 bits, two's complement.
pub(crate) fn old_time(raw: u32) -> Option<Time> {
    const SIGN: u32 = 1 << 23;
    let negative = raw & SIGN != 0;
    let number = u64::from(if negative { (1 << 24) - raw } else { raw });
    let (minutes, seconds) = (pair(number / 100), pair(number));
    let hours = u16::try_from(number / 10_000).ok()?;
    (hours <= 838 && minutes < 60 && seconds < 60).then_some(Time {
        negative,
        hours,
        minutes,
        seconds,
        micros: 0,
    })
}

/// DATETIME before 5.6.4: the number `yyyymmddhhmmss`.
pub(crate) fn old_datetime(raw: u64) -> Option<DateTime> {
    let year = u16::try_from(raw / 10_000_000_000).ok().filter(|&y| y <= 9999)?;
    let date = Date { year, month: pair(raw / 100_000_000), day: pair(raw / 1_000_000) };
    let (hour, minute, second) = (pair(raw / 10_000), pair(raw / 100), pair(raw));
    (date.month <= 12 && date.day <= 31 && hour < 24 && minute < 60 && second < 60)
        .then_some(DateTime { date, hour, minute, second, micros: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(raw: u64, len: u8) -> String {
        let t = time2(raw, len).unwrap();
        let sign = if t.negative { "-" } else { "" };
        format!("{sign}{}:{}:{}.{:06}", t.hours, t.minutes, t.seconds, t.micros)
    }

    #[test]
    fn a_negative_fraction_borrows_from_the_seconds() {
        // The vectors in the comment of `my_time_packed_from_binary` (MySQL source).
        assert_eq!(time(0x7FFF_FFFF, 1), "-0:0:0.010000");
        assert_eq!(time(0x7FFF_FF9D, 1), "-0:0:0.990000");
        assert_eq!(time(0x7FFF_FF00, 1), "-0:0:1.000000");
        assert_eq!(time(0x7FFF_FEFF, 1), "-0:0:1.010000");
        assert_eq!(time(0x7FFF_FEF6, 1), "-0:0:1.100000");
        assert_eq!(time(0x8000_010A, 1), "0:0:1.100000");
        assert_eq!(time(0x80_0000, 0), "0:0:0.000000");
    }

    #[test]
    fn the_old_forms_read_as_numbers() {
        let t = old_time((1 << 24) - 8_385_959).unwrap();
        assert_eq!((t.negative, t.hours, t.minutes, t.seconds), (true, 838, 59, 59));
        let t = old_time(102_030).unwrap();
        assert_eq!((t.negative, t.hours, t.minutes, t.seconds), (false, 10, 20, 30));
        let d = old_datetime(20_121_231_235_958).unwrap();
        assert_eq!(d.date, Date { year: 2012, month: 12, day: 31 });
        assert_eq!((d.hour, d.minute, d.second), (23, 59, 58));
        assert_eq!(old_datetime(0), Some(DateTime::default()));
        assert_eq!(old_datetime(20_121_331_235_958), None);
        assert_eq!(old_time(102_060), None);
    }

    #[test]
    fn every_day_of_a_timestamp_follows_the_one_before_it() {
        let leap =
            |y: u16| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let mut expect = Date { year: 1970, month: 1, day: 1 };
        // To the last second of an unsigned 32-bit count, in 2106.
        for day in 0..=u32::MAX / 86_400 {
            assert_eq!(civil(day), expect);
            let length = match expect.month {
                2 if leap(expect.year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expect.day += 1;
            if expect.day > length {
                (expect.day, expect.month) = (1, expect.month + 1);
            }
            if expect.month > 12 {
                (expect.month, expect.year) = (1, expect.year + 1);
            }
        }
    }

    #[test]
    fn bits_that_are_no_date_or_time_are_refused() {
        assert_eq!(date(13 << 5), None);
        assert_eq!(datetime2(0, 0, 0), None, "the sign bit of a DATETIME is always set");
        let at = |hour: u64, minute: u64| 1 << 39 | hour << 12 | minute << 6;
        assert!(datetime2(at(23, 59), 0, 0).is_some());
        assert_eq!(datetime2(at(24, 0), 0, 0), None);
        assert_eq!(datetime2(at(0, 60), 0, 0), None);
        assert_eq!(datetime2(at(0, 0), 100, 1), None);
        assert_eq!(timestamp2(1, 1_000_000, 3), None);
        assert_eq!(time2(0x80_0000 + (839 << 12), 0), None);
        assert_eq!(fraction_len(7), None);
    }
}

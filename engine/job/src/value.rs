//! Texts to values, by the rules of Flink's configuration, whose keys the scripts carry.
//!
//! Every function says in its error what it expected, never what it was given: the caller knows
//! whether the value may be shown.

use std::time::Duration;

use model::TimeZone;
use model::time_zone::UnknownZone;

pub(crate) type Expected<T> = Result<T, String>;

/// Longer durations are taken for this one, a hundred years: nobody waits longer, and times that
/// far away can still be added to.
const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A duration: an integer, optional blanks, a unit; without a unit milliseconds.
///
/// # Errors
/// A text about what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        "a duration: an integer and a unit (d, h, min, s, ms, us, ns), for instance `20 s`; \
         without a unit milliseconds"
            .to_owned()
    };
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let secs = |per: u64| number.checked_mul(per).map(Duration::from_secs).ok_or_else(wrong);
    let duration = match unit.as_str() {
        "d" | "day" | "days" => secs(86_400),
        "h" | "hour" | "hours" => secs(3_600),
        "m" | "min" | "minute" | "minutes" => secs(60),
        "s" | "sec" | "secs" | "second" | "seconds" => secs(1),
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => {
            Ok(Duration::from_millis(number))
        }
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => {
            Ok(Duration::from_micros(number))
        }
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => Ok(Duration::from_nanos(number)),
        _ => Err(wrong()),
    };
    duration.map(|duration| duration.min(DURATION_MAX))
}

/// A size in bytes: an integer, optional blanks, a unit that counts in 1024s; without one bytes.
///
/// # Errors
/// A text about what was expected.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "a size: an integer and a unit (b, kb, mb, gb, tb), like `1600m`".to_owned();
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let shift = match unit.as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kib" | "kibibytes" => 10,
        "m" | "mb" | "mib" | "mebibytes" => 20,
        "g" | "gb" | "gib" | "gibibytes" => 30,
        "t" | "tb" | "tib" | "tebibytes" => 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim().to_lowercase()))
}

pub(crate) fn boolean(text: &str) -> Expected<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("`true` or `false`".to_owned()),
    }
}

/// Any integer type.
pub(crate) fn integer<T: std::str::FromStr>(text: &str) -> Expected<T> {
    text.trim().parse().map_err(|_| "an integer within its range".to_owned())
}

pub(crate) fn decimal(text: &str) -> Expected<f64> {
    let number = text.trim().parse().ok().filter(|n: &f64| n.is_finite());
    number.ok_or_else(|| "a number".to_owned())
}

pub(crate) fn text(text: &str) -> Expected<String> {
    Ok(text.to_owned())
}

pub(crate) fn nonempty(text: &str) -> Expected<String> {
    match text.trim() {
        "" => Err("a value that is not empty".to_owned()),
        trimmed => Ok(trimmed.to_owned()),
    }
}

/// One of the names of an enum, in any case, `-` and `_` alike.
pub(crate) fn one_of<T: Copy>(names: &[(&str, T)], text: &str) -> Expected<T> {
    let plain = |name: &str| name.trim().to_ascii_lowercase().replace('_', "-");
    let given = plain(text);
    let found = names.iter().find(|(name, _)| plain(name) == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<_> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("one of {}", all.join(", "))
    })
}

pub(crate) fn time_zone(text: &str) -> Expected<TimeZone> {
    text.trim().parse().map_err(|unknown: UnknownZone| unknown.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_flink_reads_them() {
        let check = |text: &str, ms: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        };
        check("600000", 600_000);
        check("20s", 20_000);
        check("21 s", 21_000);
        check("10 min", 600_000);
        check("1 m", 60_000);
        check("2 Hours", 7_200_000);
        check("1d", 86_400_000);
        check(" 5 ms ", 5);
        check("3000 us", 3);
        check("4000000ns", 4);
        check("9223372036854775807", 100 * 365 * 86_400_000);
        for bad in ["", "s", "-1", "1.5s", "10 x", "99999999999999999999", "99999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_as_flink_reads_them() {
        assert_eq!(parse_size("1600m"), Ok(1600 << 20));
        assert_eq!(parse_size("2 gb"), Ok(2 << 30));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("7 x").is_err());
        assert!(parse_size("99999999999t").is_err());
    }

    #[test]
    fn enums_read_in_any_case() {
        let names = [("EXACTLY_ONCE", 1), ("AT_LEAST_ONCE", 2)];
        assert_eq!(one_of(&names, "exactly-once"), Ok(1));
        assert_eq!(one_of(&names, "At_Least_Once "), Ok(2));
        assert!(one_of(&names, "twice").unwrap_err().contains("`EXACTLY_ONCE`"));
    }
}

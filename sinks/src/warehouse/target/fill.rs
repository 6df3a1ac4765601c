//! What the source's older rows hold in a column that came, as a DEFAULT of the target's column.
//!
//! It must come out as the same value would in a row ([`super::super::encode`]). What this page is not
//! certain of it leaves out: the caller says so then.

use model::{Column, ColumnType};

use super::TargetType;
use crate::format::number;

/// The text between the quotes of DEFAULT; `None` where there is none that is surely right.
pub(crate) fn default(source: &Column, target: TargetType, literal: &str) -> Option<String> {
    if target == TargetType::Json {
        return None;
    }
    match &source.ty {
        ColumnType::Int { .. } | ColumnType::Bit { .. } => integer(literal),
        ColumnType::Decimal { scale, .. } => decimal(literal, usize::from(*scale)),
        ColumnType::Float => float(literal, |out, text| {
            text.parse().ok().filter(|v: &f32| v.is_finite()).map(|v| number::json_float(out, v))
        }),
        ColumnType::Double => float(literal, |out, text| {
            text.parse().ok().filter(|v: &f64| v.is_finite()).map(|v| number::json_float(out, v))
        }),
        ColumnType::Text { .. } => {
            // CHAR gives its values without the blanks at their end.
            let padded = source.declared.starts_with("char");
            Some(if padded { literal.trim_end_matches(' ') } else { literal }.to_owned())
        }
        ColumnType::Enum { members, .. } => {
            members.iter().find(|member| ***member == *literal).map(ToString::to_string)
        }
        ColumnType::Set { members, .. } => set(literal, members),
        ColumnType::Date => is_date(literal).then(|| literal.to_owned()),
        ColumnType::DateTime { fsp } => date_time(literal, usize::from(*fsp)),
        ColumnType::Time { fsp } => time(literal, usize::from(*fsp)),
        ColumnType::Year => (literal.len() == 4 && is_digits(literal) && literal != "0000")
            .then(|| literal.to_owned()),
        ColumnType::VarBinary { .. } => literal.is_empty().then(String::new),
        ColumnType::Timestamp { .. }
        | ColumnType::Binary { .. }
        | ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::FixedBytes { .. } => None,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn integer(literal: &str) -> Option<String> {
    literal.trim().parse::<i128>().ok().map(|number| number.to_string())
}

/// With all digits of the scale, and no more.
fn decimal(literal: &str, scale: usize) -> Option<String> {
    let literal = literal.trim();
    let (sign, digits) = literal.strip_prefix('-').map_or(("", literal), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let are_digits = |text: &str| text.is_empty() || is_digits(text);
    if !digits.bytes().any(|byte| byte.is_ascii_digit())
        || !are_digits(whole)
        || !are_digits(fraction)
        || fraction.len() > scale
    {
        return None;
    }
    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if scale == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction:0<scale$}")
    })
}

fn float(literal: &str, write: impl FnOnce(&mut Vec<u8>, &str) -> Option<()>) -> Option<String> {
    let mut out = Vec::new();
    write(&mut out, literal.trim())?;
    String::from_utf8(out).ok()
}

/// Its members in the order of the type.
fn set(literal: &str, members: &[std::sync::Arc<str>]) -> Option<String> {
    let given: Vec<&str> = literal.split(',').filter(|member| !member.is_empty()).collect();
    let known = |member: &&str| members.iter().any(|other| **other == **member);
    let chosen: Vec<&str> =
        members.iter().map(|member| &**member).filter(|member| given.contains(member)).collect();
    given.iter().all(known).then(|| chosen.join(","))
}

/// `2024-02-29`, and a day that calendars have.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |text: &str, length: usize| {
        (text.len() == length && is_digits(text)).then(|| text.parse::<u32>().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
    else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

fn date_time(literal: &str, fsp: usize) -> Option<String> {
    let (date, rest) = literal.split_once(' ').unwrap_or((literal, "00:00:00"));
    let (hours, _) = rest.split_once(':')?;
    let fits = is_date(date) && hours.len() == 2 && hours < "24";
    fits.then(|| time(rest, fsp)).flatten().map(|time| format!("{date} {time}"))
}

/// `hh:mm:ss`, with a fraction of `fsp` digits.
fn time(literal: &str, fsp: usize) -> Option<String> {
    let (clock, fraction) = literal.split_once('.').unwrap_or((literal, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    let is_sixty = |text: &str| text.len() == 2 && is_digits(text) && text < "60";
    let is_fraction = fraction.is_empty() || is_digits(fraction);
    if hours.len() != 2
        || !is_digits(hours)
        || !is_sixty(minutes)
        || !is_sixty(seconds)
        || !is_fraction
        || fraction.len() > fsp
    {
        return None;
    }
    Some(if fsp == 0 { clock.to_owned() } else { format!("{clock}.{fraction:0<fsp$}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::target::testing::{collation, column, of_words, text};

    fn given(source: &Column, literal: &str) -> Option<String> {
        default(source, TargetType::String, literal)
    }

    #[test]
    fn a_literal_is_written_as_a_row_would_have_it() {
        let words = |words, literal| given(&of_words(words), literal).unwrap_or("-".to_owned());
        for (declared, literal, expected) in [
            ("c int", "5", "5"),
            ("c int", "-05", "-5"),
            ("c int", "5.4", "-"),
            ("c bigint", "x", "-"),
            ("c decimal(10)", "1.5", "1.50"),
            ("c decimal(10)", "-.5", "-0.50"),
            ("c decimal(10)", "0", "0.00"),
            ("c decimal(10)", "-0.0", "0.00"),
            ("c decimal(10)", "7", "7.00"),
            ("c decimal(10)", "1.555", "-"),
            ("c decimal(10)", "1e3", "-"),
            ("c double", "1e3", "1000.0"),
            ("c double", "0.1", "0.1"),
            ("c double", "much", "-"),
            ("c varchar(9)", "it's ", "it's "),
            ("c varchar(9)", "", ""),
            ("c date", "2024-02-29", "2024-02-29"),
            ("c date", "2023-02-29", "-"),
            ("c date", "0000-00-00", "-"),
            ("c date", "24-1-1", "-"),
            ("c datetime", "2024-02-29", "2024-02-29 00:00:00"),
            ("c datetime(3)", "2024-02-29 10:11:12.5", "2024-02-29 10:11:12.500"),
            ("c datetime", "2024-02-29 10:11:12.5", "-"),
            ("c datetime", "2024-02-29 24:00:00", "-"),
            ("c datetime", "2024-02-29T10:11:12", "-"),
        ] {
            assert_eq!(words(declared, literal), expected, "{declared} {literal}");
        }
        assert_eq!(given(&text("char(5)", 5, "utf8mb4"), "a  "), Some("a".to_owned()));
    }

    #[test]
    fn members_are_those_of_the_type_in_its_order() {
        let members: std::sync::Arc<[std::sync::Arc<str>]> = ["b".into(), "a".into()].into();
        let collation = collation("utf8mb4");
        let ty = ColumnType::Set { members: members.clone(), collation: collation.clone() };
        let set = column("c", ty, "set('b','a')", true);
        assert_eq!(given(&set, "a,b"), Some("b,a".to_owned()));
        assert_eq!(given(&set, ""), Some(String::new()));
        assert_eq!(given(&set, "A"), None);
        let of = column("c", ColumnType::Enum { members, collation }, "enum('b','a')", true);
        assert_eq!((given(&of, "a"), given(&of, "c")), (Some("a".to_owned()), None));
    }

    #[test]
    fn what_a_target_or_a_session_decides_is_left_out() {
        let stamp = column("c", ColumnType::Timestamp { fsp: 0 }, "timestamp", true);
        assert_eq!(given(&stamp, "2024-02-29 10:00:00"), None);
        assert_eq!(default(&of_words("c varchar(9)"), TargetType::Json, "{}"), None);
    }
}

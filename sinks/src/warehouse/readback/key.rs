//! A key as the target shows it → the same key as the source's cells, to look the row up there.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Cell, Column, ColumnType, Date, DateTime, Decimal, Time, TimeZone};

use crate::warehouse::target::TargetType;
use crate::warehouse::target::rules::BinaryAs;

/// Whether keys of this column can be turned back.
pub(super) fn turns_back(column: &Column) -> bool {
    !matches!(
        &column.ty,
        ColumnType::Float
            | ColumnType::Double
            | ColumnType::Json
            | ColumnType::Geometry
            | ColumnType::Vector
            | ColumnType::FixedBytes { .. }
    )
}

/// Whether the target sorts this column as the source does, so that a range of the one is a range of
/// the other. Texts are not among them: both systems compare bytes, whatever the collation was.
pub(super) fn is_in_order(column: &Column, target: TargetType) -> bool {
    let is_integer = matches!(
        target,
        TargetType::TinyInt
            | TargetType::SmallInt
            | TargetType::Int
            | TargetType::BigInt
            | TargetType::LargeInt
    );
    match &column.ty {
        ColumnType::Int { .. } | ColumnType::Year | ColumnType::Bit { bits: 2.. } => is_integer,
        ColumnType::Decimal { .. } => matches!(target, TargetType::Decimal { .. }),
        ColumnType::Date => target == TargetType::Date,
        ColumnType::DateTime { .. } => matches!(target, TargetType::DateTime { .. }),
        ColumnType::Float
        | ColumnType::Double
        | ColumnType::Bit { .. }
        | ColumnType::Time { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Text { .. }
        | ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Enum { .. }
        | ColumnType::Set { .. }
        | ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::FixedBytes { .. } => false,
    }
}

/// Every value of the column that looks so in the target: mostly one, none where the source cannot have
/// such a key, and two of a TIMESTAMP in the hour that clocks show twice.
pub(super) fn cells<'k>(
    text: &'k [u8],
    column: &Column,
    binary: BinaryAs,
    zone: TimeZone,
) -> Vec<Cell<'k>> {
    if let ColumnType::Timestamp { .. } = &column.ty {
        let shown = std::str::from_utf8(text).ok().and_then(date_time);
        let moments = shown.map(|shown| zone.moments(&shown)).unwrap_or_default();
        return moments.into_iter().map(Cell::Timestamp).collect();
    }
    cell(text, column, binary).into_iter().collect()
}

fn cell<'k>(text: &'k [u8], column: &Column, binary: BinaryAs) -> Option<Cell<'k>> {
    let plain = || std::str::from_utf8(text).ok();
    Some(match &column.ty {
        ColumnType::Int { unsigned: true, .. } => Cell::UInt(plain()?.parse().ok()?),
        ColumnType::Int { unsigned: false, .. } => Cell::Int(plain()?.parse().ok()?),
        ColumnType::Bit { .. } => Cell::Bit(plain()?.parse().ok()?),
        ColumnType::Year => Cell::Year(plain()?.parse().ok()?),
        ColumnType::Decimal { .. } => {
            Cell::Decimal(Decimal::Text(plain().filter(|text| is_decimal(text))?))
        }
        ColumnType::Date => Cell::Date(date(plain()?)?),
        ColumnType::DateTime { .. } => Cell::DateTime(date_time(plain()?)?),
        ColumnType::Time { .. } => Cell::Time(time(plain()?)?),
        ColumnType::Text { .. } => Cell::Text(Cow::Borrowed(plain()?)),
        ColumnType::Enum { members, .. } | ColumnType::Set { members, .. } => {
            let text = plain()?;
            let is_member = |part: &str| members.iter().any(|member| **member == *part);
            let is_set = matches!(&column.ty, ColumnType::Set { .. });
            let known = if is_set { text.split(',').all(is_member) } else { is_member(text) };
            (known || text.is_empty()).then_some(Cell::Text(Cow::Borrowed(text)))?
        }
        ColumnType::Binary { .. } | ColumnType::VarBinary { .. } => {
            Cell::Bytes(Cow::Owned(match binary {
                BinaryAs::Base64 => STANDARD.decode(text).ok()?,
                BinaryAs::Hex => unhex(text)?,
            }))
        }
        ColumnType::Timestamp { .. }
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::FixedBytes { .. } => return None,
    })
}

/// It goes into a statement as it is.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !whole.is_empty() && is_number(whole) && is_number(fraction)
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok()?;
    Some(Date { year, month, day: parts.next()?.parse().ok()? })
}

fn date_time(text: &str) -> Option<DateTime> {
    let (day, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let (clock, micros) = fraction(clock)?;
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<u8>().ok());
    let mut next = || parts.next().flatten();
    let (hour, minute, second) = (next()?, next()?, next()?);
    Some(DateTime { date: date(day)?, hour, minute, second, micros })
}

fn time(text: &str) -> Option<Time> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (clock, micros) = fraction(text)?;
    let mut parts = clock.splitn(3, ':');
    let hours = parts.next()?.parse().ok()?;
    let minutes = parts.next()?.parse().ok()?;
    let seconds = parts.next()?.parse().ok()?;
    Some(Time { negative, hours, minutes, seconds, micros })
}

/// What stands before the point, and the microseconds behind it.
fn fraction(text: &str) -> Option<(&str, u32)> {
    let Some((before, digits)) = text.split_once('.') else { return Some((text, 0)) };
    let micros = format!("{digits:0<6}");
    Some((before, micros.get(..6)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(ty: ColumnType) -> Column {
        Column {
            name: "k".into(),
            ty,
            declared: "".into(),
            nullable: false,
            generated: false,
            invisible: false,
        }
    }

    fn back(text: &str, ty: ColumnType) -> Vec<Cell<'_>> {
        let zone: TimeZone = "Europe/Berlin".parse().unwrap();
        cells(text.as_bytes(), &column(ty), BinaryAs::Base64, zone)
    }

    #[test]
    fn a_key_of_the_target_is_the_sources_value_again() {
        assert_eq!(back("-7", ColumnType::Int { bytes: 4, unsigned: false }), [Cell::Int(-7)]);
        assert_eq!(
            back("YQA=", ColumnType::VarBinary { bytes: 9 }),
            [Cell::Bytes(b"a\0".to_vec().into())]
        );
        let moment = DateTime {
            date: Date { year: 2024, month: 2, day: 29 },
            hour: 10,
            minute: 0,
            second: 1,
            micros: 250_000,
        };
        let text = "2024-02-29 10:00:01.25";
        assert_eq!(back(text, ColumnType::DateTime { fsp: 3 }), [Cell::DateTime(moment)]);
        let utc = DateTime { hour: 9, ..moment };
        assert_eq!(back(text, ColumnType::Timestamp { fsp: 3 }), [Cell::Timestamp(utc)]);
        let time = Time { negative: true, hours: 838, minutes: 59, seconds: 58, micros: 0 };
        assert_eq!(back("-838:59:58", ColumnType::Time { fsp: 0 }), [Cell::Time(time)]);
    }

    #[test]
    fn an_hour_that_clocks_show_twice_is_two_moments_and_one_they_skip_none() {
        let moments = |text| back(text, ColumnType::Timestamp { fsp: 0 }).len();
        assert_eq!(moments("2024-10-27 02:30:00"), 2);
        assert_eq!(moments("2024-03-31 02:30:00"), 0);
    }

    #[test]
    fn what_no_value_of_the_column_looks_like_is_no_key_of_the_source() {
        let members: std::sync::Arc<[std::sync::Arc<str>]> = ["new".into(), "done".into()].into();
        let collation = model::table::Collation { charset: "utf8mb4".into(), name: "x".into() };
        for (text, ty) in [
            ("1 OR 1", ColumnType::Int { bytes: 4, unsigned: false }),
            ("1) OR (1", ColumnType::Decimal { precision: 9, scale: 2 }),
            ("old", ColumnType::Enum { members, collation }),
            ("%", ColumnType::VarBinary { bytes: 9 }),
        ] {
            assert_eq!(back(text, ty.clone()), [], "{ty:?}");
        }
    }
}

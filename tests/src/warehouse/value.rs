//! One value in the form in which both sides are compared: as `docs/types.md` says that it arrives.

use anyhow::{Context, Result};
use serde_json::Value;

use super::System;
use crate::render::Rendering;

/// `None` is NULL.
pub(super) type Cell = Option<String>;

/// From what the source prints, as `system` shows it.
pub(super) fn of_source(system: System, rendering: Rendering, bytes: &[u8]) -> Result<Cell> {
    // It does not tell the document `null` from no document.
    if system == System::StarRocks && rendering == Rendering::Json && bytes == b"null" {
        return Ok(None);
    }
    Ok(match (rendering, rendering.json(bytes)?) {
        (_, Value::Null) => None,
        (Rendering::Truth, Value::Bool(set)) => Some(u8::from(set).to_string()),
        (Rendering::Bit, _) => Some(number(bytes).to_string()),
        (Rendering::Float, _) => Some(float(text(bytes)?)?),
        (Rendering::Double, _) => Some(double(text(bytes)?)?),
        (Rendering::DateTime | Rendering::Timestamp, _) => Some(moment(text(bytes)?)),
        (Rendering::Json, Value::String(text)) => Some(canonical(&text)?),
        (_, Value::String(text)) => Some(text),
        (_, other) => Some(one_form(other).to_string()),
    })
}

/// From what the target prints.
pub(super) fn of_target(rendering: Rendering, bytes: &[u8]) -> Result<Cell> {
    let text = text(bytes)?;
    Ok(Some(match rendering {
        Rendering::Float => float(text)?,
        Rendering::Double => double(text)?,
        Rendering::DateTime | Rendering::Timestamp => moment(text),
        Rendering::Json | Rendering::Geometry | Rendering::Vector => canonical(text)?,
        Rendering::Integer
        | Rendering::Decimal
        | Rendering::Bit
        | Rendering::Truth
        | Rendering::Text
        | Rendering::Date
        | Rendering::Bytes => text.to_owned(),
    }))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).context("text that is not UTF-8")
}

/// Of a BIT.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Both zeros are one value: neither system tells them apart in what it prints.
fn float(text: &str) -> Result<String> {
    let number: f32 = text.parse().with_context(|| format!("a FLOAT: `{text}`"))?;
    Ok((number + 0.0).to_string())
}

fn double(text: &str) -> Result<String> {
    let number: f64 = text.parse().with_context(|| format!("a DOUBLE: `{text}`"))?;
    Ok((number + 0.0).to_string())
}

/// Without the zeros at the end of a fraction: how many of them are shown is the column's type.
fn moment(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
        None => text.to_owned(),
    }
}

/// A document without spaces, its keys in order, its numbers in one form.
fn canonical(document: &str) -> Result<String> {
    let value: Value =
        serde_json::from_str(document).with_context(|| format!("no JSON: `{document}`"))?;
    Ok(one_form(value).to_string())
}

fn one_form(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            // Beyond that a number with a point is none of its neighbours either.
            Some(float) if !number.is_u64() && !number.is_i64() && float.fract() == 0.0 => {
                format!("{float:.0}").parse::<i64>().map_or(Value::Number(number), Value::from)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(one_form).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, one_form(value))).collect()
        }
        plain @ (Value::Null | Value::Bool(_) | Value::String(_)) => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(rendering: Rendering, source: &[u8], target: &str) -> (Cell, Cell) {
        let target = of_target(rendering, target.as_bytes()).unwrap();
        (of_source(System::Doris, rendering, source).unwrap(), target)
    }

    #[test]
    fn values_that_are_the_same_by_the_rules_are_the_same_here() {
        for (rendering, source, target) in [
            (Rendering::Integer, "00042", "42"),
            (Rendering::Integer, "18446744073709551615", "18446744073709551615"),
            (Rendering::Float, "0.1", "0.1"),
            (Rendering::Double, "1e30", "1e+30"),
            (Rendering::Decimal, "-0.50", "-0.50"),
            (Rendering::DateTime, "2024-02-29 10:00:00.250", "2024-02-29 10:00:00.250000"),
            (Rendering::DateTime, "2024-02-29 10:00:00.000", "2024-02-29 10:00:00"),
            (Rendering::Json, "{\"b\": [1.0, 2], \"a\": null}", "{\"a\":null,\"b\":[1,2]}"),
            (Rendering::Text, "é", "é"),
            (Rendering::Bytes, "a", "YQ=="),
        ] {
            let (source, target) = both(rendering, source.as_bytes(), target);
            assert_eq!(source, target, "{rendering:?}");
        }
        assert_eq!(both(Rendering::Bit, &[1, 0], "256").0.as_deref(), Some("256"));
        assert_eq!(both(Rendering::Truth, &[1], "1").0.as_deref(), Some("1"));
    }

    #[test]
    fn values_that_differ_are_not_the_same_here() {
        for (rendering, source, target) in [
            (Rendering::Decimal, "0.50", "0.5"),
            (Rendering::Float, "0.1", "0.10000001"),
            (Rendering::DateTime, "2024-02-29 10:00:00.25", "2024-02-29 10:00:00"),
            (Rendering::Json, "{\"a\": 1}", "{\"a\":\"1\"}"),
            (Rendering::Text, "e", "e "),
            (Rendering::Bytes, "a", "a"),
        ] {
            let (source, target) = both(rendering, source.as_bytes(), target);
            assert_ne!(source, target, "{rendering:?}");
        }
    }

    #[test]
    fn what_no_calendar_holds_is_null() {
        assert_eq!(of_source(System::Doris, Rendering::Date, b"0000-00-00").unwrap(), None);
        assert_eq!(of_source(System::Doris, Rendering::Date, b"2024-00-10").unwrap(), None);
    }
}

//! One form for a value, whether it is what a load would say or what the target shows.
//!
//! What a load says is made by the sink's own [`RowPlan`](crate::warehouse::encode::RowPlan), so every
//! choice of a job (zone, base64 or hex, …) and every loss of `docs/types.md` is in it already. What is
//! left are the target's own spellings of one value: zeros at the end of a fraction, the digits of a
//! float, the layout of JSON. Those, and nothing else, are taken out here, on both sides alike.

use std::borrow::Cow;

use model::{Column, ColumnType};
use serde_json::Value;

use crate::warehouse::target::TargetType;

/// How a column's values are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Byte for byte.
    Exact,
    /// Zeros in front and at the end of the fraction say nothing.
    Decimal,
    Float,
    Double,
    /// Zeros at the end of the fraction say nothing; a day is its first moment.
    Moment,
    Json,
}

impl Spelling {
    /// `source`: the column that the values are of, where there is one.
    pub(super) fn of(source: Option<&Column>, target: TargetType) -> Self {
        let source = source.map(|column| &column.ty);
        // As text it may be laid out by the server that read it: a binlog, or a SELECT.
        if source == Some(&ColumnType::Json) {
            return Self::Json;
        }
        match target {
            TargetType::Float => Self::Float,
            TargetType::Double => Self::Double,
            TargetType::Decimal { .. } => Self::Decimal,
            TargetType::DateTime { .. } => Self::Moment,
            TargetType::Json => Self::Json,
            TargetType::Char { .. } | TargetType::Varchar { .. } | TargetType::String => {
                match source {
                    Some(ColumnType::Float) => Self::Float,
                    Some(ColumnType::Double) => Self::Double,
                    _ => Self::Exact,
                }
            }
            TargetType::Boolean
            | TargetType::TinyInt
            | TargetType::SmallInt
            | TargetType::Int
            | TargetType::BigInt
            | TargetType::LargeInt
            | TargetType::Date => Self::Exact,
        }
    }

    /// The one form of `text`. What cannot be read stands as it is: then it equals only itself.
    pub(super) fn form(self, text: &[u8]) -> Cow<'_, [u8]> {
        let Ok(plain) = std::str::from_utf8(text) else { return Cow::Borrowed(text) };
        let owned = match self {
            Self::Exact => None,
            Self::Decimal => return decimal(plain),
            // Both zeros are one value: neither system tells them apart in what it prints.
            Self::Float => plain.parse::<f32>().ok().map(|v| (v + 0.0).to_string()),
            Self::Double => plain.parse::<f64>().ok().map(|v| (v + 0.0).to_string()),
            Self::Moment => return moment(plain),
            Self::Json => serde_json::from_str(plain).ok().map(|v| one_form(v).to_string()),
        };
        owned.map_or(Cow::Borrowed(text), |form| Cow::Owned(form.into_bytes()))
    }
}

fn decimal(text: &str) -> Cow<'_, [u8]> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if whole == "0" && fraction.is_empty() { "" } else { sign };
    Cow::Owned(format!("{sign}{whole}{point}{fraction}").into_bytes())
}

fn moment(text: &str) -> Cow<'_, [u8]> {
    const DAY_LEN: usize = "2024-02-29".len();
    if text.len() == DAY_LEN {
        return Cow::Owned(format!("{text} 00:00:00").into_bytes());
    }
    let short = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => text,
    };
    Cow::Borrowed(short.as_bytes())
}

/// Keys in order (the map sorts them), and whole numbers without a point.
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

/// What a value of a load's JSON says, without its quotes; `None` is NULL.
pub(super) fn said(json: &[u8], is_document: bool) -> Option<Cow<'_, [u8]>> {
    if json == b"null" {
        return None;
    }
    let quoted = json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    Some(match quoted {
        Some(plain) if !is_document && !plain.contains(&b'\\') => Cow::Borrowed(plain),
        Some(_) if !is_document => match serde_json::from_slice::<String>(json) {
            Ok(text) => Cow::Owned(text.into_bytes()),
            // Ours to begin with; kept whole, it equals nothing.
            Err(_) => Cow::Borrowed(json),
        },
        _ => Cow::Borrowed(json),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(spelling: Spelling, text: &str) -> String {
        String::from_utf8(spelling.form(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn spellings_of_one_value_have_one_form() {
        for (spelling, one, other) in [
            (Spelling::Decimal, "0012.50", "12.5"),
            (Spelling::Decimal, "-0.00", "0"),
            (Spelling::Decimal, "7", "7.00"),
            (Spelling::Float, "0.1", "1e-1"),
            (Spelling::Float, "3.4028235e38", "3.4028235e+38"),
            (Spelling::Double, "1e30", "1e+30"),
            (Spelling::Double, "-0.0", "0"),
            (Spelling::Moment, "2024-02-29 10:00:00.250", "2024-02-29 10:00:00.25"),
            (Spelling::Moment, "2024-02-29 10:00:00.000", "2024-02-29 10:00:00"),
            (Spelling::Moment, "2024-02-29", "2024-02-29 00:00:00"),
            (Spelling::Json, r#"{"b": [1.0, 2], "a": null}"#, r#"{"a":null,"b":[1,2]}"#),
            (Spelling::Json, "18446744073709551615", " 18446744073709551615"),
        ] {
            assert_eq!(form(spelling, one), form(spelling, other), "{spelling:?}");
        }
    }

    #[test]
    fn values_that_differ_keep_forms_that_differ() {
        for (spelling, one, other) in [
            (Spelling::Exact, "1", "01"),
            (Spelling::Exact, "e", "e "),
            (Spelling::Decimal, "0.5", "0.05"),
            (Spelling::Decimal, "-5", "5"),
            (Spelling::Decimal, "100", "1"),
            (Spelling::Float, "0.1", "0.10000001"),
            (Spelling::Double, "0.1", "0.10000001"),
            (Spelling::Moment, "2024-02-29 10:00:00", "2024-02-29 10:00:00.1"),
            (Spelling::Moment, "2024-02-29 10:00:10", "2024-02-29 10:00:1"),
            (Spelling::Json, r#"{"a": 1}"#, r#"{"a":"1"}"#),
            (Spelling::Json, "9007199254740993", "9007199254740992"),
        ] {
            assert_ne!(form(spelling, one), form(spelling, other), "{spelling:?}");
        }
    }

    #[test]
    fn what_a_load_says_is_taken_out_of_its_quotes() {
        let said = |json: &str, document| {
            said(json.as_bytes(), document).map(|v| String::from_utf8(v.into_owned()).unwrap())
        };
        assert_eq!(said("null", false), None);
        assert_eq!(said("12", false).unwrap(), "12");
        assert_eq!(said(r#""a\"b\u0001""#, false).unwrap(), "a\"b\u{1}");
        assert_eq!(said(r#""null""#, false).unwrap(), "null");
        assert_eq!(said(r#""text""#, true).unwrap(), r#""text""#);
    }
}

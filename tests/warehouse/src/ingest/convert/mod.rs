//! From a text to a value of a column's type, or why not.

mod decimal;
pub mod temporal;

#[cfg(test)]
mod tests;

use crate::System;
use crate::table::{Misfit, Type, Value};

pub use temporal::Zone;

/// # Errors
/// What the type does not hold.
pub fn convert(ty: Type, text: &str, system: System, zone: Zone) -> Result<Value, Misfit> {
    match ty {
        Type::Boolean => boolean(text),
        Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt | Type::LargeInt => {
            integer(ty, text)
        }
        // The shortest digits of the greatest float are above it as a double.
        Type::Float => {
            let fits = text.trim().parse().is_ok_and(f32::is_finite);
            float(text).filter(|_| fits).map(Value::Float)
        }
        Type::Double => float(text).map(Value::Float),
        Type::Decimal { precision, scale } => {
            return decimal::canonical(text, precision, scale).map(Value::Text);
        }
        Type::Char(_) | Type::Varchar(_) | Type::String => {
            fits(ty, text, system)?;
            Some(Value::Text(text.to_owned()))
        }
        Type::Varbinary(_) => {
            fits(ty, text, system)?;
            Some(Value::Bytes(text.as_bytes().to_vec()))
        }
        Type::Date => temporal::date(text, system, zone).map(Value::Text),
        Type::DateTime(scale) => temporal::datetime(text, scale, system, zone).map(Value::Text),
        Type::Json => json(text),
    }
    .ok_or(Misfit::Unparsable)
}

fn fits(ty: Type, text: &str, system: System) -> Result<(), Misfit> {
    let limit = ty.length_max(system).and_then(|max| usize::try_from(max).ok());
    match limit {
        Some(limit) if text.len() > limit => Err(Misfit::TooLong { limit }),
        _ => Ok(()),
    }
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "1" => Some(Value::Int(1)),
        "0" => Some(Value::Int(0)),
        _ if text.eq_ignore_ascii_case("true") => Some(Value::Int(1)),
        _ if text.eq_ignore_ascii_case("false") => Some(Value::Int(0)),
        _ => None,
    }
}

fn integer(ty: Type, text: &str) -> Option<Value> {
    let (least, greatest) = ty.integer_range()?;
    let value: i128 = text.trim().parse().ok()?;
    (least..=greatest).contains(&value).then_some(Value::Int(value))
}

fn float(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// Both servers store JSON in a binary form of their own: spaces are lost.
fn json(text: &str) -> Option<Value> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(Value::Text(value.to_string()))
}

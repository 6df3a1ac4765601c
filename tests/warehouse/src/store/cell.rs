//! Values as SQLite and a staged row hold them.

use std::cmp::Ordering;

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use serde_json::{Value as Json, json};

use crate::table::{Type, Value};

/// Numbers as texts, for JSON has no 128 bits, and not every float comes back from it; bytes as an array.
pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(value) => json!({ "int": value.to_string() }),
        Value::Float(value) => json!({ "float": value.to_string() }),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!(bytes),
    }
}

/// The inverse; what it did not write is NULL.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(bytes) => {
            let bytes = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok());
            Value::Bytes(bytes.collect())
        }
        Json::Object(number) => {
            let int = number.get("int").and_then(|text| text.as_str()?.parse().ok());
            let float = number.get("float").and_then(|text| text.as_str()?.parse().ok());
            int.map(Value::Int).or(float.map(Value::Float)).unwrap_or(Value::Null)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Value::Null,
    }
}

/// SQLite's integers have 64 bits: a `LARGEINT` is a text there, whatever its size.
pub(super) fn to_sql(ty: Type, value: &Value) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(match value {
        Value::Null => SqlValue::Null,
        Value::Int(value) => match i64::try_from(*value) {
            Ok(short) if ty != Type::LargeInt => SqlValue::Integer(short),
            _ => SqlValue::Text(value.to_string()),
        },
        Value::Float(value) => SqlValue::Real(*value),
        Value::Text(text) => SqlValue::Text(text.clone()),
        Value::Bytes(bytes) => SqlValue::Blob(bytes.clone()),
    })
}

/// A value as [`to_sql`] put it.
pub(super) fn from_sql(ty: Type, stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value.into()),
        ValueRef::Real(value) => Value::Float(value),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            match text.parse() {
                Ok(value) if ty == Type::LargeInt => Value::Int(value),
                _ => Value::Text(text.into_owned()),
            }
        }
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

/// A sequence as it was stored, by [`sequence_to_sql`].
pub(super) fn sequence_from_sql(stored: ValueRef<'_>) -> Value {
    stored
        .as_str()
        .ok()
        .and_then(|text| serde_json::from_str(text).ok())
        .map_or(Value::Null, |json| from_json(&json))
}

pub(super) fn sequence_to_sql(sequence: &Value) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(SqlValue::Text(to_json(sequence).to_string()))
}

/// Which of two sequences is the greater: NULL is the least, and times in one form sort as texts.
pub(super) fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.cmp(other),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

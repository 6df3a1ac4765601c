//! JSON, as the two servers read it: numbers keep the text they came in.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::System;
use crate::txn::Refusal;

use super::{Field, Record};

/// How documents lie in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// One object to a line (Doris).
    Lines(Vec<u8>),
    /// One after another, whatever stands between (StarRocks), or just one (Doris).
    Documents,
    /// One array of objects.
    Array(Keys),
}

/// How a value is found in its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Named,
    /// `fuzzy_parse`: where the first object of the body has a key, every other one has it too, and nobody looks.
    OfTheFirst,
}

/// A member of each object.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub name: &'a str,
    /// For a column of JSON, which StarRocks takes as it stands, a string with its quotes.
    pub is_json: bool,
}

/// Every object of the body, its fields in the order of `names`.
///
/// # Errors
/// A body that is not of its shape. Of lines, each is judged alone.
pub fn read(
    shape: &Shape,
    system: System,
    names: &[Wanted<'_>],
    body: &[u8],
) -> Result<Vec<Record>, Refusal> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    match shape {
        Shape::Lines(delimiter) => Ok(lines(body, delimiter)
            .filter(|line| !line.trim_ascii().is_empty())
            .map(|line| record(line, system, names))
            .collect()),
        Shape::Documents => serde_json::Deserializer::from_slice(body)
            .into_iter::<Box<RawValue>>()
            .map(|document| {
                Ok(record(document.map_err(malformed)?.get().as_bytes(), system, names))
            })
            .collect(),
        Shape::Array(keys) => {
            let documents: Vec<&RawValue> = serde_json::from_slice(body).map_err(malformed)?;
            let mut first = None;
            let records = documents.into_iter().map(|document| {
                let document = document.get().as_bytes();
                match keys {
                    Keys::Named => record(document, system, names),
                    Keys::OfTheFirst => record_like(&mut first, document, system, names),
                }
            });
            Ok(records.collect())
        }
    }
}

/// How many objects a body has, none of which is looked into.
///
/// # Errors
/// A body that is not of its shape.
pub fn count(shape: &Shape, body: &[u8]) -> Result<usize, Refusal> {
    match shape {
        Shape::Lines(delimiter) => match delimiter.as_slice() {
            [delimiter] => {
                let ends = memchr::memchr_iter(*delimiter, body).count();
                Ok(ends + usize::from(body.last().is_some_and(|last| last != delimiter)))
            }
            delimiter => Ok(lines(body, delimiter).filter(|line| !line.is_empty()).count()),
        },
        Shape::Documents => serde_json::Deserializer::from_slice(body)
            .into_iter::<IgnoredAny>()
            .try_fold(0, |count, document| document.map(|_| count + 1))
            .map_err(malformed),
        Shape::Array(_) => {
            serde_json::from_slice::<Vec<IgnoredAny>>(body).map(|all| all.len()).map_err(malformed)
        }
    }
}

fn malformed(error: serde_json::Error) -> Refusal {
    Refusal::new("DATA_QUALITY_ERROR", format!("Parse json data failed: {error}"))
}

fn lines<'a>(body: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let here = rest?;
        let found = here.windows(delimiter.len().max(1)).position(|window| window == delimiter);
        let (line, after) = match found {
            Some(at) => (here.get(..at), here.get(at + delimiter.len()..)),
            None => (Some(here), None),
        };
        rest = after;
        line
    })
}

fn record(document: &[u8], system: System, names: &[Wanted<'_>]) -> Record {
    let source = String::from_utf8_lossy(document).into_owned();
    let fields = fields(document, system, names);
    Record { source, fields }
}

/// With the keys of the first object that there was.
fn record_like(
    first: &mut Option<Vec<String>>,
    document: &[u8],
    system: System,
    names: &[Wanted<'_>],
) -> Record {
    let fields = members(document).and_then(|Members(members)| {
        let own = || members.iter().map(|(name, _)| name.clone()).collect();
        let keys = first.get_or_insert_with(own);
        let members = keys.iter().cloned().zip(members.iter().map(|(_, value)| *value));
        picked(&members.collect(), system, names)
    });
    Record { source: String::from_utf8_lossy(document).into_owned(), fields }
}

fn fields(document: &[u8], system: System, names: &[Wanted<'_>]) -> Result<Vec<Field>, String> {
    let Members(members) = members(document)?;
    picked(&members.into_iter().collect(), system, names)
}

fn members(document: &[u8]) -> Result<Members<'_>, String> {
    if document.trim_ascii_start().first() != Some(&b'{') {
        return Err("Not object item".to_owned());
    }
    serde_json::from_slice(document)
        .map_err(|error| format!("Parse json data for JsonDoc failed. error info: {error}"))
}

/// What is wanted of an object's members; of one named twice, the last.
fn picked(
    members: &HashMap<String, &RawValue>,
    system: System,
    names: &[Wanted<'_>],
) -> Result<Vec<Field>, String> {
    let knows_none = !names.iter().any(|wanted| members.contains_key(wanted.name));
    if system == System::Doris && knows_none {
        return Err("All fields is null, this is a invalid row.".to_owned());
    }
    let field = |wanted: &Wanted<'_>| match members.get(wanted.name).map(|raw| raw.get()) {
        None => Ok(Field::Missing),
        Some("null") => Ok(Field::Null),
        Some(raw) if wanted.is_json && system == System::StarRocks => {
            Ok(Field::Text(raw.to_owned()))
        }
        Some(raw) => value(raw, system),
    };
    names.iter().map(field).collect()
}

fn value(raw: &str, system: System) -> Result<Field, String> {
    let text = match raw.as_bytes().first() {
        Some(b't') => "1".to_owned(),
        Some(b'f') => "0".to_owned(),
        Some(b'"') => serde_json::from_str(raw).map_err(|error| error.to_string())?,
        Some(b'{' | b'[') if system == System::StarRocks => minified(raw),
        _ => raw.to_owned(),
    };
    Ok(Field::Text(text))
}

/// Without the spaces between its parts.
fn minified(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in raw.chars() {
        if !in_string && c.is_ascii_whitespace() {
            continue;
        }
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        text.push(c);
    }
    text
}

/// An object's members as they stand in the text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

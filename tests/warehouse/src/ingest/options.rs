//! What a load's headers ask for. What the stand-in does not have it refuses; nothing is passed over.

use std::collections::BTreeMap;

use crate::System;
use crate::txn::Refusal;

use super::compression::Compression;
use super::convert::Zone;
use super::csv::{self, Dialect};
use super::json::{Keys, Shape};

#[cfg(test)]
mod tests;

/// A request's headers: names in lower case.
#[derive(Debug, Clone, Default)]
pub struct Headers(BTreeMap<String, String>);

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let lower = |(name, value): (N, V)| (name.as_ref().to_ascii_lowercase(), value.into());
        Self(headers.into_iter().map(lower).collect())
    }
}

impl Headers {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it is there, and not to say no.
    fn asks_for(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.eq_ignore_ascii_case("false"))
    }

    /// What is exactly `true`; the servers take any other text for false.
    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub format: Format,
    pub compression: Option<Compression>,
    /// The header `columns`, taken apart.
    pub columns: Option<Vec<Assigned>>,
    pub hidden_columns: Vec<String>,
    /// `function_column.sequence_col`.
    pub sequence: Option<String>,
    /// `merge_type: DELETE`.
    pub deletes_all: bool,
    pub strict: bool,
    pub max_filter_ratio: f64,
    pub zone: Zone,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    Csv(Dialect),
    Json(Shape),
}

/// One part of `columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    pub name: String,
    /// What stands behind `=`.
    pub expression: Option<String>,
}

/// Headers that change what a load does and that the stand-in does not have.
const NOT_BUILT: [&str; 16] = [
    "where",
    "jsonpaths",
    "json_root",
    "num_as_string",
    "partial_columns",
    "partial_update",
    "unique_key_update_mode",
    "merge_condition",
    "negative",
    "partitions",
    "temporary_partitions",
    "enable_merge_commit",
    "envelope",
    "trim_space",
    "channel_id",
    "load_to_single_tablet",
];

impl Options {
    /// # Errors
    /// As the server says it; and, in its own words, what the stand-in does not have.
    pub fn parse(system: System, headers: &Headers) -> Result<Self, Refusal> {
        if let Some(name) = NOT_BUILT.iter().find(|name| headers.asks_for(name)) {
            return Err(not_built(&format!("the header `{name}`")));
        }
        check_numbers(system, headers)?;
        let (format, packed_format) = format(system, headers)?;
        let strict = match headers.get("strict_mode") {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(invalid("Invalid strict mode format. Must be bool type")),
        };
        let zone = match headers.get("timezone").or_else(|| headers.get("time_zone")) {
            None => Zone::DEFAULT,
            Some(text) => Zone::parse(text).ok_or_else(|| {
                Refusal::new("ANALYSIS_ERROR", format!("Unknown or incorrect time zone: '{text}'"))
            })?,
        };
        let doris_only = |name: &str| match system {
            System::Doris => headers.get(name),
            System::StarRocks => None,
        };
        Ok(Self {
            format,
            compression: compression(system, headers)?.or(packed_format),
            columns: headers.get("columns").map(assignments),
            hidden_columns: doris_only("hidden_columns").map(names).unwrap_or_default(),
            sequence: doris_only("function_column.sequence_col").map(str::to_owned),
            deletes_all: system == System::Doris && deletes_all(headers)?,
            strict,
            max_filter_ratio: headers.get("max_filter_ratio").map_or(0.0, strtod),
            zone,
        })
    }
}

/// Settings that bear on no row, and have to be numbers all the same.
fn check_numbers(system: System, headers: &Headers) -> Result<(), Refusal> {
    let bad = |name: &str, least: i64| {
        let text = headers.get(name);
        text.is_some_and(|text| text.parse::<i64>().map_or(true, |number| number < least))
    };
    match system {
        System::Doris if bad("exec_mem_limit", i64::MIN) => {
            Err(invalid("Invalid mem limit format"))
        }
        System::Doris if bad("send_batch_parallelism", i64::MIN) => {
            Err(invalid("Invalid send_batch_parallelism format"))
        }
        System::Doris => Ok(()),
        System::StarRocks if bad("load_mem_limit", 0) => {
            Err(invalid("load_mem_limit must be equal or greater than 0"))
        }
        System::StarRocks if bad("exec_mem_limit", 1) => {
            Err(invalid("exec_mem_limit must be greater than 0"))
        }
        System::StarRocks if bad("log_rejected_record_num", -1) => {
            Err(invalid("log_rejected_record_num must be equal or greater than -1"))
        }
        System::StarRocks if bad("load_dop", i64::MIN) => Err(invalid("Invalid load_dop format")),
        System::StarRocks => Ok(()),
    }
}

/// The format, and how the body is packed where the format says that too.
fn format(system: System, headers: &Headers) -> Result<(Format, Option<Compression>), Refusal> {
    let name = headers.get("format").unwrap_or("csv").to_ascii_lowercase();
    let packed = match (system, name.as_str()) {
        (_, "json") => return Ok((Format::Json(shape(system, headers)?), None)),
        (_, "csv") => None,
        (System::StarRocks, "gzip") => Some(Compression::Gzip),
        (System::StarRocks, "deflate") => Some(Compression::Deflate),
        (System::StarRocks, "zstd") => Some(Compression::Zstd),
        (System::StarRocks, "lz4") => Some(Compression::Lz4),
        (System::StarRocks, "bzip2")
        | (
            System::Doris,
            "parquet"
            | "orc"
            | "arrow"
            | "csv_with_names"
            | "csv_with_names_and_types"
            | "hive_text"
            | "wal",
        ) => return Err(not_built(&format!("the format `{name}`"))),
        _ => {
            let text = format!("unknown data format, format={name}");
            return Err(Refusal::new("INTERNAL_ERROR", text));
        }
    };
    Ok((Format::Csv(dialect(system, headers)?), packed))
}

fn shape(system: System, headers: &Headers) -> Result<Shape, Refusal> {
    let by_line = headers.get("read_json_by_line");
    let array = headers.get("strip_outer_array");
    Ok(match system {
        System::StarRocks if headers.is_true("strip_outer_array") => Shape::Array(Keys::Named),
        System::StarRocks => Shape::Documents,
        System::Doris if headers.is_true("strip_outer_array") => {
            let in_order = headers.is_true("fuzzy_parse");
            Shape::Array(if in_order { Keys::OfTheFirst } else { Keys::Named })
        }
        System::Doris if headers.is_true("read_json_by_line") || by_line.or(array).is_none() => {
            Shape::Lines(delimiter(headers, "line_delimiter")?)
        }
        System::Doris => Shape::Documents,
    })
}

fn dialect(system: System, headers: &Headers) -> Result<Dialect, Refusal> {
    let defaults = Dialect::default();
    let column_separator = match headers.get("column_separator") {
        None => defaults.column_separator,
        Some(text) => csv::separator(text).map_err(|why| invalid(&why))?,
    };
    let (line, skip, bad_skip) = match system {
        System::Doris => ("line_delimiter", "skip_lines", "Invalid skip_lines format"),
        System::StarRocks => {
            ("row_delimiter", "skip_header", "Invalid csv load skip_header format")
        }
    };
    let skip_lines = headers.get(skip).map(str::parse::<usize>).transpose();
    Ok(Dialect {
        column_separator,
        line_delimiter: delimiter(headers, line)?,
        enclose: single(system, headers, "enclose")?,
        escape: single(system, headers, "escape")?,
        skip_lines: skip_lines.map_err(|_| invalid(bad_skip))?.unwrap_or(0),
        trim_double_quotes: system == System::Doris && headers.is_true("trim_double_quotes"),
        empty_field_as_null: system == System::Doris && headers.is_true("empty_field_as_null"),
    })
}

fn delimiter(headers: &Headers, name: &str) -> Result<Vec<u8>, Refusal> {
    match headers.get(name) {
        None => Ok(b"\n".to_vec()),
        Some(text) => csv::separator(text).map_err(|why| invalid(&why)),
    }
}

/// Doris wants one byte, StarRocks takes the first.
fn single(system: System, headers: &Headers, name: &str) -> Result<Option<u8>, Refusal> {
    let Some(text) = headers.get(name) else { return Ok(None) };
    if system == System::Doris && text.len() > 1 {
        return Err(invalid(&format!("{name} must be single-char, actually is {text}")));
    }
    Ok(text.bytes().next())
}

fn compression(system: System, headers: &Headers) -> Result<Option<Compression>, Refusal> {
    let name = match system {
        System::Doris => headers.get("compress_type"),
        System::StarRocks => {
            let (own, http) = (headers.get("compression"), headers.get("content-encoding"));
            if own.is_some() && http.is_some() {
                let text = "Only one of http header content-encoding and compression can be set";
                return Err(invalid(text));
            }
            own.or(http)
        }
    };
    let Some(name) = name.map(str::to_ascii_lowercase) else { return Ok(None) };
    match (system, name.as_str()) {
        (System::Doris, "gz") | (System::StarRocks, "gzip") => Ok(Some(Compression::Gzip)),
        (_, "deflate") => Ok(Some(Compression::Deflate)),
        (System::Doris, "lz4") | (System::StarRocks, "lz4_frame") => Ok(Some(Compression::Lz4)),
        (System::StarRocks, "zstd") => Ok(Some(Compression::Zstd)),
        (System::Doris, "lzo" | "bz2" | "lz4_block" | "lzop" | "snappy_block")
        | (System::StarRocks, "bzip2") => Err(not_built(&format!("the compression `{name}`"))),
        (System::Doris, _) => {
            let format = headers.get("format").unwrap_or("csv");
            Err(Refusal::new("INTERNAL_ERROR", format!("unknown data format, format={format}")))
        }
        (System::StarRocks, _) => Err(invalid(&format!("Unsupported compression: {name}"))),
    }
}

fn deletes_all(headers: &Headers) -> Result<bool, Refusal> {
    let text = headers.get("merge_type").unwrap_or("APPEND");
    let has_predicate = headers.get("delete").is_some();
    match text.to_ascii_uppercase().as_str() {
        "MERGE" if has_predicate => Err(not_built("`merge_type: MERGE`")),
        "MERGE" => Err(invalid("Excepted DELETE ON clause when merge type is MERGE.")),
        "APPEND" | "DELETE" if has_predicate => {
            Err(invalid("Not support DELETE ON clause when merge type is not MERGE."))
        }
        "APPEND" => Ok(false),
        "DELETE" => Ok(true),
        _ => Err(invalid(&format!("Invalid merge type {text}"))),
    }
}

fn names(text: &str) -> Vec<String> {
    let parts = text.split(',').map(|name| name.trim().trim_matches('`'));
    parts.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Takes `a, b, c=f(x, 'y,z')` apart at the commas that stand outside brackets and quotes.
fn assignments(text: &str) -> Vec<Assigned> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let assigned = parts.iter().map(|part| {
        let (name, expression) = match part.split_once('=') {
            Some((name, expression)) => (name, Some(expression.trim().to_owned())),
            None => (part.as_str(), None),
        };
        Assigned { name: name.trim().trim_matches('`').to_owned(), expression }
    });
    assigned.filter(|assigned| !assigned.name.is_empty()).collect()
}

/// As C reads a number: the longest start that is one, or zero.
fn strtod(text: &str) -> f64 {
    let text = text.trim_start();
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
    ends.filter_map(|end| text.get(..end)?.parse().ok())
        .find(|value: &f64| value.is_finite())
        .unwrap_or(0.0)
}

fn invalid(text: &str) -> Refusal {
    Refusal::new("INVALID_ARGUMENT", text)
}

/// Not a server's words: so that nobody takes a gap of the stand-in for a rule of theirs.
pub(super) fn not_built(what: &str) -> Refusal {
    Refusal::new("NOT_IMPLEMENTED_ERROR", format!("the stand-in does not have {what}"))
}

//! From a column of the source to its type in the target: the one that loses nothing, and where
//! there is none, what is lost. The page for users is `docs/types.md`; a test keeps it in step.

use model::{Column, ColumnType, TableName};

use super::rules::{BinaryAs, JsonAs, TypeRules};
use super::types::{
    DECIMAL_DIGITS_MAX, DORIS_VARCHAR_BYTES_MAX, STARROCKS_VARCHAR_BYTES_MAX, TargetType,
    decimal_text_bytes,
};
use crate::warehouse::system::System;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub ty: TargetType,
    /// What the target does not keep.
    pub loss: Option<&'static str>,
}

/// Why a table of the source has none in the target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unmappable {
    #[error(
        "column `{column}` {declared} is part of the key, and {system} has no key of {what}; give \
         the table a key of other columns, or leave it out with `tables.exclude`"
    )]
    Key { system: System, column: String, declared: String, what: &'static str },
    #[error("{what} name `{name}` is not allowed in {system}: {rule}; {hint}")]
    Name {
        system: System,
        what: &'static str,
        name: String,
        rule: &'static str,
        hint: &'static str,
    },
    #[error(
        "without a key, {system} sorts rows by their first column, and none of these can be it \
         (floats, JSON and geometries cannot); give the table a key, or leave it out with \
         `tables.exclude`"
    )]
    NoSortColumn { system: System },
    #[error("there is a column `{name}` already; choose another name for the source's")]
    NameTaken { name: String },
    #[error("table {table}: {what}")]
    In { table: TableName, what: Box<Self> },
}

const TEXT_NUMBER: &str = "held as text: no arithmetic, sorts as text";
const TEXT_ORDER: &str = "held as text: sorts as text";
const ZERO_DATE: &str = "what no calendar holds (`0000-00-00`) is NULL";
const TIMESTAMP: &str = "the zone: clock time of the job's one; `0000-00-00` is NULL";
const ZERO_FILL: &str = "the leading zeros";
const MEMBERS: &str = "the list of members; sorts as text";
const JSON: &str = "spaces and the form of numbers";
const JSON_STARROCKS: &str = "spaces and the form of numbers; the document `null` is NULL";
const VECTOR: &str = "held as text, a JSON array: no distance functions";
const GEOMETRY: &str = "held as JSON text of SRID and WKB: no spatial functions";
const TOO_LONG: &str = "values above 1 MiB are refused";
const TOO_LONG_DORIS: &str =
    "values above `string_type_length_soft_limit_bytes` (1 MiB) are refused";
const KEY_TOO_LONG: &str = "values above 65533 bytes are refused";

/// What Doris' STRING takes unless the server is told otherwise, and StarRocks' VARCHAR at most.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// The type of `column`; `is_key`: as a part of a unique key, or of what a table is sorted by.
pub(crate) fn map(
    system: System,
    column: &Column,
    is_key: bool,
    rules: &TypeRules,
) -> Result<Mapped, Unmappable> {
    let refused = |what| {
        let (column, declared) = (column.name.to_string(), column.declared.to_string());
        Err(Unmappable::Key { system, column, declared, what })
    };
    let plain = |ty| Mapped { ty, loss: None };
    let losing = |ty, loss| Mapped { ty, loss: Some(loss) };
    let text = |bytes, shape, loss| text(system, bytes, is_key, shape, loss);
    Ok(match &column.ty {
        ColumnType::Float | ColumnType::Double if is_key => return refused("floats"),
        ColumnType::Json if is_key => return refused("JSON"),
        ColumnType::Geometry | ColumnType::Vector if is_key => return refused("this type"),
        ColumnType::Int { bytes, unsigned } => {
            let ty = integer(*bytes, *unsigned);
            if column.declared.contains("zerofill") { losing(ty, ZERO_FILL) } else { plain(ty) }
        }
        ColumnType::Float => plain(TargetType::Float),
        ColumnType::Double => plain(TargetType::Double),
        ColumnType::Decimal { precision, scale } => {
            let is_text =
                *precision > DECIMAL_DIGITS_MAX || (is_key && system == System::StarRocks);
            if is_text {
                let bytes = decimal_text_bytes(*precision, *scale).into();
                text(bytes, Shape::Open, Some(TEXT_NUMBER))
            } else {
                plain(TargetType::Decimal { precision: *precision, scale: *scale })
            }
        }
        ColumnType::Bit { bits: 1 } => plain(TargetType::Boolean),
        ColumnType::Bit { bits: 64.. } => plain(TargetType::LargeInt),
        ColumnType::Bit { .. } => plain(TargetType::BigInt),
        ColumnType::Year => plain(TargetType::SmallInt),
        ColumnType::Date => losing(TargetType::Date, ZERO_DATE),
        ColumnType::DateTime { fsp } => losing(TargetType::date_time(system, *fsp), ZERO_DATE),
        ColumnType::Timestamp { fsp } => losing(TargetType::date_time(system, *fsp), TIMESTAMP),
        ColumnType::Time { .. } => {
            // `-838:59:59.999999` has 17 bytes.
            let bytes = if system == System::Doris { 20 } else { 17 };
            losing(TargetType::Varchar { bytes }, TEXT_ORDER)
        }
        ColumnType::Json if rules.json == JsonAs::Json => match system {
            System::Doris => losing(TargetType::Json, JSON),
            System::StarRocks => losing(TargetType::Json, JSON_STARROCKS),
        },
        ColumnType::Json
        | ColumnType::Text { .. }
        | ColumnType::Enum { .. }
        | ColumnType::Set { .. }
        | ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::FixedBytes { .. }
        | ColumnType::Geometry
        | ColumnType::Vector => {
            let (bytes, shape, loss) = longest_text(column, rules);
            text(bytes, shape, loss)
        }
    })
}

/// Bytes of the longest value of a column that becomes text, and what that loses.
fn longest_text(column: &Column, rules: &TypeRules) -> (u64, Shape, Option<&'static str>) {
    match &column.ty {
        ColumnType::Text { chars, collation } => {
            let (chars, charset) = (u64::from(*chars), &*collation.charset);
            if is_text_family(&column.declared) {
                (utf8_bytes_of(charset, chars), Shape::Open, None)
            } else {
                (chars.saturating_mul(utf8_bytes_per_char(charset)), Shape::Sized, None)
            }
        }
        ColumnType::Enum { members, .. } => {
            let longest = members.iter().map(|member| chars(member)).max().unwrap_or(0);
            (longest * 4, Shape::Sized, Some(MEMBERS))
        }
        ColumnType::Set { members, .. } => {
            let all = members.iter().map(|member| chars(member) + 1).sum::<u64>();
            (all.saturating_sub(1) * 4, Shape::Sized, Some(MEMBERS))
        }
        ColumnType::FixedBytes { .. } if &*column.declared == "uuid" => {
            (36, Shape::Sized, Some(TEXT_ORDER))
        }
        ColumnType::FixedBytes { .. } if &*column.declared == "inet4" => {
            (15, Shape::Sized, Some(TEXT_ORDER))
        }
        ColumnType::FixedBytes { .. } if &*column.declared == "inet6" => {
            (45, Shape::Sized, Some(TEXT_ORDER))
        }
        ColumnType::Binary { bytes }
        | ColumnType::VarBinary { bytes }
        | ColumnType::FixedBytes { bytes } => {
            let (bytes, loss) = encoded(*bytes, rules.binary);
            (bytes, Shape::Open, Some(loss))
        }
        // Each element takes up to 15 bytes and a comma.
        ColumnType::Vector => (elements(&column.declared) * 16 + 2, Shape::Open, Some(VECTOR)),
        ColumnType::Geometry => (u64::MAX, Shape::Open, Some(GEOMETRY)),
        ColumnType::Json
        | ColumnType::Int { .. }
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Decimal { .. }
        | ColumnType::Bit { .. }
        | ColumnType::Year
        | ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. } => (u64::MAX, Shape::Open, None),
    }
}

/// Whether a text was declared with a length that says how long its values may get, or is rather
/// open: Doris holds the latter as STRING, which no later change has to make wider.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Sized,
    Open,
}

fn text(
    system: System,
    bytes: u64,
    is_key: bool,
    shape: Shape,
    loss: Option<&'static str>,
) -> Mapped {
    let bytes = bytes.max(1);
    let cut = |max: u32| u32::try_from(bytes).map_or(max, |bytes| bytes.min(max));
    match system {
        System::StarRocks => {
            let too_long = (bytes > TEXT_BYTES_MAX).then_some(TOO_LONG);
            let ty = TargetType::Varchar { bytes: cut(STARROCKS_VARCHAR_BYTES_MAX) };
            Mapped { ty, loss: both(loss, too_long) }
        }
        System::Doris => {
            let is_short = bytes <= u64::from(DORIS_VARCHAR_BYTES_MAX);
            if is_key || (is_short && shape == Shape::Sized) {
                let ty = TargetType::Varchar { bytes: cut(DORIS_VARCHAR_BYTES_MAX) };
                Mapped { ty, loss: both(loss, (!is_short).then_some(KEY_TOO_LONG)) }
            } else {
                let too_long = (bytes > TEXT_BYTES_MAX).then_some(TOO_LONG_DORIS);
                Mapped { ty: TargetType::String, loss: both(loss, too_long) }
            }
        }
    }
}

/// What a type loses and what its length does, in one static sentence.
fn both(of_type: Option<&'static str>, of_length: Option<&'static str>) -> Option<&'static str> {
    const BASE64_TOO_LONG: &str = "held as text in base64, refused above 1 MiB of it";
    const HEX_TOO_LONG: &str = "held as text in hexadecimal, refused above 1 MiB of it";
    match (of_type, of_length) {
        (Some(BASE64), Some(_)) => Some(BASE64_TOO_LONG),
        (Some(HEX), Some(_)) => Some(HEX_TOO_LONG),
        (Some(GEOMETRY), _) => Some(GEOMETRY),
        (of_type, of_length) => of_length.or(of_type),
    }
}

const BASE64: &str = "held as text in base64";
const HEX: &str = "held as text in hexadecimal";

fn encoded(bytes: u32, form: BinaryAs) -> (u64, &'static str) {
    let bytes = u64::from(bytes);
    match form {
        BinaryAs::Base64 => (bytes.div_ceil(3) * 4, BASE64),
        BinaryAs::Hex => (bytes * 2, HEX),
    }
}

fn integer(bytes: u8, unsigned: bool) -> TargetType {
    match (bytes, unsigned) {
        (1, false) => TargetType::TinyInt,
        (1, true) | (2, false) => TargetType::SmallInt,
        // MEDIUMINT has three bytes, and fits either way.
        (2, true) | (3, _) | (4, false) => TargetType::Int,
        (4, true) | (_, false) => TargetType::BigInt,
        (_, true) => TargetType::LargeInt,
    }
}

fn chars(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// TEXT and its kin count their length in bytes of their own character set, CHAR and VARCHAR in
/// characters.
fn is_text_family(declared: &str) -> bool {
    ["tinytext", "text", "mediumtext", "longtext"].iter().any(|word| declared.starts_with(word))
}

/// Bytes that a character of this set takes in UTF-8 at most.
fn utf8_bytes_per_char(charset: &str) -> u64 {
    match charset {
        "ascii" => 1,
        // All of theirs lie in the Basic Multilingual Plane.
        "utf8mb3" | "utf8" | "ucs2" | "gbk" | "gb2312" | "sjis" | "cp932" | "ujis" | "eucjpms"
        | "euckr" | "latin1" | "latin2" | "latin5" | "latin7" | "cp1250" | "cp1251" | "cp1256"
        | "cp1257" | "cp850" | "cp852" | "cp866" | "greek" | "hebrew" | "koi8r" | "koi8u"
        | "macce" | "macroman" | "tis620" | "armscii8" | "geostd8" | "dec8" | "hp8" | "keybcs2"
        | "swe7" => 3,
        // Big5 has codes beyond it.
        _ => 4,
    }
}

/// Bytes that a text of so many bytes in this set takes in UTF-8 at most.
fn utf8_bytes_of(charset: &str, bytes: u64) -> u64 {
    match charset {
        "utf8mb4" | "utf8mb3" | "utf8" | "utf32" | "ascii" => bytes,
        // Two bytes become three.
        "ucs2" | "utf16" | "utf16le" | "gbk" | "gb2312" | "gb18030" | "euckr" | "ujis"
        | "eucjpms" => bytes.saturating_mul(3).div_ceil(2),
        "big5" => bytes.saturating_mul(2),
        _ => bytes.saturating_mul(3),
    }
}

/// Of `vector(4)`; the server's longest where it is not said.
fn elements(declared: &str) -> u64 {
    const ELEMENTS_MAX: u64 = 16_383;
    let inside = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.and_then(|(number, _)| number.trim().parse().ok()).unwrap_or(ELEMENTS_MAX)
}

#[cfg(test)]
mod tests;

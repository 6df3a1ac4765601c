//! Does a column of the binlog fit its column of the schema, and how is it read then?

use model::ColumnType;
use model::table::{Collation, Column};
use model::value::Decimal;

use super::op::Op;
use crate::event::{TableMap, WireType};
use crate::value::Charset;
use crate::value::fixed::FixedKind;
use crate::value::temporal::fraction_len;

/// The instruction for column `at` of `map`, if it is `column`; else what each side says.
pub(super) fn column(map: &TableMap, at: usize, column: &Column) -> Result<Op, String> {
    let wire = map.columns.get(at).ok_or("the binlog has no such column")?;
    let meta = &map.metadata;
    if let Some(name) = meta.names.as_ref().and_then(|names| names.get(at))
        && !same_name(name, &column.name)
    {
        return Err(format!("the binlog names it `{name}`, the schema `{}`", column.name));
    }
    if let ColumnType::Int { unsigned, .. } = column.ty
        && let Some(&binlog) = meta.unsigned.as_ref().and_then(|all| all.get(at))
        && binlog != unsigned
    {
        let sign = |unsigned| if unsigned { "unsigned" } else { "signed" };
        return Err(format!("the binlog has it {}, the schema {}", sign(binlog), sign(unsigned)));
    }
    check_charset(map, at, column)?;
    check_members(map, at, column)?;
    op(wire.ty, column)?.ok_or_else(|| {
        format!("the binlog has {}, the schema `{}`", describe(wire.ty), column.declared)
    })
}

/// Column names are not case-sensitive (MySQL manual, "Identifier Case Sensitivity").
fn same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

fn canonical(charset: &str) -> &str {
    if charset == "utf8" { "utf8mb3" } else { charset }
}

fn check_charset(map: &TableMap, at: usize, column: &Column) -> Result<(), String> {
    let schema = if let ColumnType::Text { collation, .. }
    | ColumnType::Enum { collation, .. }
    | ColumnType::Set { collation, .. } = &column.ty
    {
        canonical(&collation.charset)
    } else if let ColumnType::Binary { .. } | ColumnType::VarBinary { .. } = column.ty {
        "binary"
    } else {
        return Ok(());
    };
    let given = map.metadata.collations.as_ref().and_then(|all| all.get(at)).copied().flatten();
    // A number newer than this program says nothing to it.
    let binlog = given
        .and_then(|id| u16::try_from(id).ok())
        .and_then(Charset::name_of_collation)
        .map(canonical);
    match binlog {
        Some(binlog) if binlog != schema => {
            Err(format!("the binlog has character set `{binlog}`, the schema `{schema}`"))
        }
        _ => Ok(()),
    }
}

fn check_members(map: &TableMap, at: usize, column: &Column) -> Result<(), String> {
    let (ColumnType::Enum { members, collation } | ColumnType::Set { members, collation }) =
        &column.ty
    else {
        return Ok(());
    };
    let Some(binlog) = map.metadata.members.as_ref().and_then(|all| all.get(at)?.as_ref()) else {
        return Ok(());
    };
    let charset = charset(collation)?;
    let same = binlog.len() == members.len()
        && binlog
            .iter()
            .zip(members.iter())
            .all(|(b, m)| charset.decode(b).is_some_and(|text| *text == **m));
    if same {
        return Ok(());
    }
    let binlog: Vec<_> = binlog
        .iter()
        .map(|b| charset.decode(b).unwrap_or_else(|| String::from_utf8_lossy(b)))
        .collect();
    Err(format!("the binlog has the members {binlog:?}, the schema {members:?}"))
}

fn charset(collation: &Collation) -> Result<Charset, String> {
    Charset::of_name(&collation.charset)
        .ok_or_else(|| format!("character set `{}` cannot be read", collation.charset))
}

/// `Ok(None)` where the two types do not belong together.
fn op(wire: WireType, column: &Column) -> Result<Option<Op>, String> {
    use ColumnType as Schema;
    use WireType as Wire;
    Ok(match (wire, &column.ty) {
        (Wire::Int { bytes: wire }, Schema::Int { bytes, unsigned }) if wire == *bytes => {
            int(wire, *unsigned)
        }
        (Wire::Float, Schema::Float) => Some(Op::F32),
        (Wire::Double, Schema::Double) => Some(Op::F64),
        (Wire::Decimal { precision: p, scale: s }, Schema::Decimal { precision, scale })
            if (p, s) == (*precision, *scale) =>
        {
            let len = Decimal::packed_len(p, s).and_then(|len| u8::try_from(len).ok());
            len.map(|len| Op::Decimal { precision: p, scale: s, len })
        }
        // Some engines keep whole bytes, and say so.
        (Wire::Bit { bits: wire }, Schema::Bit { bits: bits @ 1..=64 })
            if wire.div_ceil(8) == bits.div_ceil(8) =>
        {
            Some(Op::Bit { bits: *bits })
        }
        (Wire::CompressedVarChar { .. } | Wire::CompressedBlob { .. }, _) => {
            compressed(wire, column)?
        }
        (wire, Schema::Text { chars, collation }) => text(wire, column, *chars, collation)?,
        (Wire::Char { bytes: wire }, Schema::Binary { bytes }) if u32::from(wire) == *bytes => {
            Some(Op::Binary { len_bytes: len_bytes(wire), len: *bytes })
        }
        (Wire::VarChar { bytes: wire }, Schema::VarBinary { bytes })
            if u32::from(wire) == *bytes =>
        {
            Some(Op::Bytes { len_bytes: len_bytes(wire) })
        }
        (Wire::Blob { .. }, Schema::VarBinary { .. }) => {
            blob(wire, column).map(|len_bytes| Op::Bytes { len_bytes })
        }
        (Wire::Enum { bytes }, Schema::Enum { members, .. })
            if bytes == if members.len() < 256 { 1 } else { 2 } =>
        {
            Some(Op::Enum { bytes, members: members.clone() })
        }
        (Wire::Set { bytes }, Schema::Set { members, .. })
            if usize::from(bytes) == set_len(members.len()) =>
        {
            Some(Op::Set { bytes, members: members.clone() })
        }
        (wire, Schema::FixedBytes { bytes }) => fixed(wire, column, *bytes)?,
        (wire, schema) => temporal(wire, schema).or_else(|| document(wire, schema)),
    })
}

/// Bytes that hold a length of at most `max` bytes.
fn len_bytes(max: u16) -> u8 {
    if max > 255 { 2 } else { 1 }
}

/// Bytes of a SET: 5 to 8 members' bytes are all 8 (MySQL source, `get_set_pack_length`).
fn set_len(members: usize) -> usize {
    match members.div_ceil(8) {
        5.. => 8,
        few => few,
    }
}

fn int(bytes: u8, unsigned: bool) -> Option<Op> {
    Some(match (bytes, unsigned) {
        (1, false) => Op::I8,
        (1, true) => Op::U8,
        (2, false) => Op::I16,
        (2, true) => Op::U16,
        (3, false) => Op::I24,
        (3, true) => Op::U24,
        (4, false) => Op::I32,
        (4, true) => Op::U32,
        (8, false) => Op::I64,
        (8, true) => Op::U64,
        _ => return None,
    })
}

/// An old form fits only a column without a fraction: where MariaDB keeps fractions in its own old
/// form, the binlog does not tell how many digits.
fn temporal(wire: WireType, schema: &ColumnType) -> Option<Op> {
    use ColumnType::{Date, DateTime, Time, Timestamp, Year};
    Some(match (wire, schema) {
        (WireType::Year, Year) => Op::Year,
        (WireType::Date, Date) => Op::Date,
        (WireType::Time { fsp }, Time { fsp: schema }) if fsp == *schema => {
            Op::Time { len: fraction_len(fsp)? }
        }
        (WireType::DateTime { fsp }, DateTime { fsp: schema }) if fsp == *schema => {
            Op::DateTime { len: fraction_len(fsp)? }
        }
        (WireType::Timestamp { fsp }, Timestamp { fsp: schema }) if fsp == *schema => {
            Op::Timestamp { len: fraction_len(fsp)? }
        }
        (WireType::OldTime, Time { fsp: 0 }) => Op::OldTime,
        (WireType::OldDateTime, DateTime { fsp: 0 }) => Op::OldDateTime,
        (WireType::OldTimestamp, Timestamp { fsp: 0 }) => Op::OldTimestamp,
        _ => return None,
    })
}

fn text(
    wire: WireType,
    column: &Column,
    chars: u32,
    collation: &Collation,
) -> Result<Option<Op>, String> {
    let width = Charset::max_len(&collation.charset).map(|len| u64::from(chars) * u64::from(len));
    let fits = |wire: u16| width.is_none_or(|width| width == u64::from(wire));
    let len_bytes = if let WireType::VarChar { bytes } | WireType::Char { bytes } = wire {
        fits(bytes).then(|| len_bytes(bytes))
    } else {
        blob(wire, column)
    };
    let Some(len_bytes) = len_bytes else { return Ok(None) };
    let charset = charset(collation)?;
    Ok(Some(if charset == Charset::Utf8 {
        Op::Utf8 { len_bytes }
    } else if charset == Charset::Binary {
        Op::Bytes { len_bytes }
    } else {
        Op::Text { len_bytes, charset }
    }))
}

/// A COMPRESSED column is as wide as it would be without, and one byte more that tells how a value
/// is stored.
fn compressed(wire: WireType, column: &Column) -> Result<Option<Op>, String> {
    let (width, charset) = if let ColumnType::Text { chars, collation } = &column.ty {
        let width = Charset::max_len(&collation.charset).map(|len| chars.saturating_mul(len));
        (width, Some(charset(collation)?))
    } else if let ColumnType::VarBinary { bytes } = column.ty {
        (Some(bytes), None)
    } else {
        return Ok(None);
    };
    let len_bytes = if let WireType::CompressedVarChar { bytes } = wire {
        let fits = width.is_none_or(|width| width.saturating_add(1) == u32::from(bytes));
        fits.then(|| len_bytes(bytes))
    } else if let WireType::CompressedBlob { len_bytes } = wire {
        blob(WireType::Blob { len_bytes }, column)
    } else {
        None
    };
    Ok(len_bytes.map(|len_bytes| Op::Compressed { len_bytes, charset }))
}

/// The length bytes of a TEXT or BLOB, if they are those of the declared type.
fn blob(wire: WireType, column: &Column) -> Option<u8> {
    let WireType::Blob { len_bytes } = wire else { return None };
    let declared = column.declared.split_whitespace().next().unwrap_or_default();
    let expected = match declared.to_ascii_lowercase().as_str() {
        "tinytext" | "tinyblob" => 1,
        "text" | "blob" => 2,
        "mediumtext" | "mediumblob" => 3,
        "longtext" | "longblob" | "json" => 4,
        // `text(1000)` and the like: the server has chosen.
        _ => len_bytes,
    };
    (expected == len_bytes && (1..=4).contains(&len_bytes)).then_some(len_bytes)
}

/// MariaDB has JSON as LONGTEXT, and VECTOR as VARBINARY.
fn document(wire: WireType, schema: &ColumnType) -> Option<Op> {
    let valid = |len_bytes: &u8| (1..=4).contains(len_bytes);
    match (wire, schema) {
        (WireType::Json { len_bytes }, ColumnType::Json) => {
            Some(len_bytes).filter(valid).map(|len_bytes| Op::Json { len_bytes })
        }
        (WireType::Blob { len_bytes }, ColumnType::Json) => {
            Some(len_bytes).filter(valid).map(|len_bytes| Op::JsonText { len_bytes })
        }
        (WireType::Geometry { len_bytes }, ColumnType::Geometry) => {
            Some(len_bytes).filter(valid).map(|len_bytes| Op::Geometry { len_bytes })
        }
        (WireType::Vector { len_bytes }, ColumnType::Vector) => {
            Some(len_bytes).filter(valid).map(|len_bytes| Op::Bytes { len_bytes })
        }
        (WireType::VarChar { bytes }, ColumnType::Vector) => {
            Some(Op::Bytes { len_bytes: len_bytes(bytes) })
        }
        _ => None,
    }
}

fn fixed(wire: WireType, column: &Column, bytes: u32) -> Result<Option<Op>, String> {
    let kind = FixedKind::of_declared(&column.declared)
        .ok_or_else(|| format!("type `{}` cannot be read", column.declared))?;
    let WireType::Char { bytes: wire } = wire else { return Ok(None) };
    let fits = u32::from(wire) == bytes && kind.len() == bytes;
    Ok(fits.then(|| Op::Fixed { len_bytes: len_bytes(wire), kind }))
}

fn describe(wire: WireType) -> String {
    let len = |bytes: u8| format!("with lengths of {bytes} bytes");
    match wire {
        WireType::Int { bytes } => format!("an integer of {bytes} bytes"),
        WireType::Float => "FLOAT".to_owned(),
        WireType::Double => "DOUBLE".to_owned(),
        WireType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        WireType::Bit { bits } => format!("BIT({bits})"),
        WireType::Year => "YEAR".to_owned(),
        WireType::Date => "DATE".to_owned(),
        WireType::Time { fsp } => format!("TIME({fsp})"),
        WireType::DateTime { fsp } => format!("DATETIME({fsp})"),
        WireType::Timestamp { fsp } => format!("TIMESTAMP({fsp})"),
        WireType::OldTime => "TIME in its old form".to_owned(),
        WireType::OldDateTime => "DATETIME in its old form".to_owned(),
        WireType::OldTimestamp => "TIMESTAMP in its old form".to_owned(),
        WireType::VarChar { bytes } => format!("VARCHAR or VARBINARY of {bytes} bytes"),
        WireType::Char { bytes } => format!("CHAR or BINARY of {bytes} bytes"),
        WireType::Blob { len_bytes } => format!("TEXT or BLOB {}", len(len_bytes)),
        WireType::Json { len_bytes } => format!("JSON {}", len(len_bytes)),
        WireType::Geometry { len_bytes } => format!("GEOMETRY {}", len(len_bytes)),
        WireType::Vector { len_bytes } => format!("VECTOR {}", len(len_bytes)),
        WireType::Enum { bytes } => format!("ENUM of {bytes} bytes"),
        WireType::Set { bytes } => format!("SET of {bytes} bytes"),
        WireType::CompressedVarChar { bytes } => {
            format!("a COMPRESSED VARCHAR or VARBINARY of {bytes} bytes")
        }
        WireType::CompressedBlob { len_bytes } => {
            format!("a COMPRESSED TEXT or BLOB {}", len(len_bytes))
        }
        WireType::Other(number) => format!("type {number}"),
    }
}

//! The grammar of a column and its type.

use sqlparser::tokenizer::Token;

use crate::System;
use crate::table::Type;

use super::cursor::Cursor;
use super::{ColumnDef, DefaultValue, SqlError};

const DECIMAL_PRECISION_MAX: u8 = 38;
const CHAR_MAX: u32 = 255;
const VARCHAR_MAX_DORIS: u32 = 65_533;
const VARCHAR_MAX_STARROCKS: u32 = 1_048_576;
const SCALE_MAX: u8 = 6;

pub(super) fn column(cursor: &mut Cursor) -> Result<ColumnDef, SqlError> {
    let name = cursor.name()?;
    named(name, cursor)
}

/// What stands behind its name.
pub(super) fn named(name: String, cursor: &mut Cursor) -> Result<ColumnDef, SqlError> {
    let ty = data_type(cursor)?;
    let mut column = ColumnDef {
        name,
        ty,
        nullable: None,
        is_key: false,
        default: None,
        comment: String::new(),
    };
    loop {
        if cursor.take_word("KEY") {
            column.is_key = true;
        } else if cursor.take_words(&["NOT", "NULL"]) {
            column.nullable = Some(false);
        } else if cursor.take_word("NULL") {
            column.nullable = Some(true);
        } else if cursor.take_word("DEFAULT") {
            column.default = Some(default(cursor)?);
        } else if cursor.take_word("COMMENT") {
            column.comment = cursor.text()?;
        } else {
            break;
        }
    }
    for what in
        ["AUTO_INCREMENT", "GENERATED", "SUM", "REPLACE", "REPLACE_IF_NOT_NULL", "MAX", "MIN"]
    {
        if cursor.at_word(what) {
            return Err(SqlError::not_built(&format!("{what} columns")));
        }
    }
    Ok(column)
}

fn default(cursor: &mut Cursor) -> Result<DefaultValue, SqlError> {
    if cursor.take_word("NULL") {
        return Ok(DefaultValue::Null);
    }
    if cursor.take_word("CURRENT_TIMESTAMP") {
        if cursor.take(&Token::LParen) && !cursor.take(&Token::RParen) {
            cursor.integer::<u8>()?;
            cursor.expect(&Token::RParen)?;
        }
        return Ok(DefaultValue::CurrentTimestamp);
    }
    if let Some(text) = cursor.take_text() {
        return Ok(DefaultValue::Text(text));
    }
    let number = match cursor.system() {
        System::Doris => cursor.take_number(),
        System::StarRocks => None,
    };
    number.map(DefaultValue::Text).ok_or_else(|| cursor.unexpected("a literal in quotes"))
}

fn data_type(cursor: &mut Cursor) -> Result<Type, SqlError> {
    let start = cursor.unexpected("a data type");
    let name = cursor.name()?.to_ascii_uppercase();
    let system = cursor.system();
    let doris = system == System::Doris;
    let ty = match &*name {
        "BOOLEAN" | "BOOL" => Type::Boolean,
        "TINYINT" => integer(cursor, Type::TinyInt)?,
        "SMALLINT" => integer(cursor, Type::SmallInt)?,
        "INT" | "INTEGER" => integer(cursor, Type::Int)?,
        "BIGINT" => integer(cursor, Type::BigInt)?,
        "LARGEINT" => integer(cursor, Type::LargeInt)?,
        "FLOAT" => Type::Float,
        "DOUBLE" => Type::Double,
        "DECIMAL" | "NUMERIC" => decimal(cursor)?,
        "DECIMALV3" if doris => decimal(cursor)?,
        "CHAR" => Type::Char(length(cursor, "Char", CHAR_MAX)?.unwrap_or(1)),
        "VARCHAR" => varchar(cursor)?,
        "STRING" => Type::String,
        "TEXT" if doris => Type::String,
        "DATE" => Type::Date,
        "DATEV2" if doris => Type::Date,
        "DATETIME" => datetime(cursor)?,
        "DATETIMEV2" if doris => datetime(cursor)?,
        "JSON" => Type::Json,
        "JSONB" if doris => Type::Json,
        "VARBINARY" | "BINARY" if !doris => {
            let longest = VARCHAR_MAX_STARROCKS;
            Type::Varbinary(length(cursor, "Varbinary", longest)?.unwrap_or(longest))
        }
        "VARIANT" | "ARRAY" | "MAP" | "STRUCT" | "BITMAP" | "HLL" | "QUANTILE_STATE" | "IPV4"
        | "IPV6" | "AGG_STATE" | "TIME" | "PERCENTILE" => {
            return Err(SqlError::not_built(&format!("the type {name}")));
        }
        _ => return Err(start),
    };
    Ok(ty)
}

/// A width for display may stand behind an integer type; it means nothing.
fn integer(cursor: &mut Cursor, ty: Type) -> Result<Type, SqlError> {
    bracketed(cursor)?;
    Ok(ty)
}

fn decimal(cursor: &mut Cursor) -> Result<Type, SqlError> {
    let system = cursor.system();
    let (mut precision, mut scale) = match system {
        System::Doris => (38, 9),
        System::StarRocks => (10, 0),
    };
    if cursor.take(&Token::LParen) {
        precision = cursor.integer::<u8>()?;
        scale = if cursor.take(&Token::Comma) { cursor.integer::<u8>()? } else { 0 };
        cursor.expect(&Token::RParen)?;
    }
    if !(1..=DECIMAL_PRECISION_MAX).contains(&precision) {
        return Err(SqlError::analysis(
            system,
            &format!(
                "Precision of decimal must between 1 and {DECIMAL_PRECISION_MAX}. Precision was set \
                 to: {precision}."
            ),
        ));
    }
    if scale > precision {
        return Err(SqlError::analysis(
            system,
            &format!(
                "Scale of decimal must between 0 and precision. Scale was set to: {scale}, where \
                 precision is {precision}"
            ),
        ));
    }
    Ok(Type::Decimal { precision, scale })
}

fn varchar(cursor: &mut Cursor) -> Result<Type, SqlError> {
    let (longest, unsaid) = match cursor.system() {
        System::Doris => (VARCHAR_MAX_DORIS, VARCHAR_MAX_DORIS),
        System::StarRocks => (VARCHAR_MAX_STARROCKS, 1),
    };
    Ok(Type::Varchar(length(cursor, "Varchar", longest)?.unwrap_or(unsaid)))
}

fn length(cursor: &mut Cursor, name: &str, longest: u32) -> Result<Option<u32>, SqlError> {
    let system = cursor.system();
    if name == "Varchar" && cursor.take_star_in_parentheses() {
        return Ok(Some(longest));
    }
    match bracketed(cursor)? {
        Some(0) => Err(SqlError::analysis(system, &format!("{name} size must be > 0"))),
        Some(length) if length > longest => {
            Err(SqlError::analysis(system, &format!("{name} size must be <= {longest}: {length}")))
        }
        length => Ok(length),
    }
}

/// StarRocks' has microseconds and no scale to write.
fn datetime(cursor: &mut Cursor) -> Result<Type, SqlError> {
    let system = cursor.system();
    if system == System::StarRocks {
        return Ok(Type::DateTime(SCALE_MAX));
    }
    let scale = bracketed(cursor)?.unwrap_or(0);
    match u8::try_from(scale).ok().filter(|scale| *scale <= SCALE_MAX) {
        Some(scale) => Ok(Type::DateTime(scale)),
        None => Err(SqlError::analysis(
            system,
            &format!("Scale of Datetime/Time must between 0 and 6. Scale was set to: {scale}"),
        )),
    }
}

/// `(n)`, if it is there.
fn bracketed(cursor: &mut Cursor) -> Result<Option<u32>, SqlError> {
    if !cursor.take(&Token::LParen) {
        return Ok(None);
    }
    let number = cursor.integer()?;
    cursor.expect(&Token::RParen)?;
    Ok(Some(number))
}

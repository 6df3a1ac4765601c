//! What a statement came to, and how rows are written: as texts, or in the binary form of prepared statements.

use bytes::BufMut as _;
use chrono::{Datelike as _, NaiveDate, NaiveDateTime, Timelike as _};
use mysql_common::constants::ColumnType;
use mysql_common::io::BufMutExt as _;

use crate::table::Type;

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Done,
    Rows(Rows),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    pub fields: Vec<Field>,
    pub rows: Vec<Vec<Cell>>,
}

/// In its text form; `None` is NULL.
pub type Cell = Option<Vec<u8>>;

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub ty: Type,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Text,
    Binary,
}

const NULL_IN_TEXT: u8 = 0xFB;
/// The bitmap of NULLs in a binary row begins with two bits that mean nothing.
const NULLS_OFFSET: usize = 2;
/// "As many as there are", for the digits behind the point.
const ANY_DECIMALS: u8 = 31;
const TEXT_MAX: u32 = 65_533;

impl Rows {
    /// With texts throughout.
    pub fn new(names: &[&str]) -> Self {
        let field = |name: &&str| Field { name: (*name).to_owned(), ty: Type::Varchar(TEXT_MAX) };
        Self { fields: names.iter().map(field).collect(), rows: Vec::new() }
    }

    pub fn push<const N: usize>(&mut self, texts: [&str; N]) {
        self.rows.push(texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect());
    }

    pub fn push_cells<const N: usize>(&mut self, cells: [Option<String>; N]) {
        self.rows.push(cells.map(|cell| cell.map(String::into_bytes)).to_vec());
    }
}

impl Field {
    pub(super) fn column_type(&self) -> ColumnType {
        match self.ty {
            Type::Boolean | Type::TinyInt => ColumnType::MYSQL_TYPE_TINY,
            Type::SmallInt => ColumnType::MYSQL_TYPE_SHORT,
            Type::Int => ColumnType::MYSQL_TYPE_LONG,
            Type::BigInt => ColumnType::MYSQL_TYPE_LONGLONG,
            Type::Float => ColumnType::MYSQL_TYPE_FLOAT,
            Type::Double => ColumnType::MYSQL_TYPE_DOUBLE,
            Type::Decimal { .. } => ColumnType::MYSQL_TYPE_NEWDECIMAL,
            Type::Date => ColumnType::MYSQL_TYPE_DATE,
            Type::DateTime(_) => ColumnType::MYSQL_TYPE_DATETIME,
            Type::Varchar(_) => ColumnType::MYSQL_TYPE_VAR_STRING,
            Type::Varbinary(_) => ColumnType::MYSQL_TYPE_BLOB,
            // The protocol has no integer of 128 bits.
            Type::LargeInt | Type::Char(_) | Type::String | Type::Json => {
                ColumnType::MYSQL_TYPE_STRING
            }
        }
    }

    pub(super) fn decimals(&self) -> u8 {
        match self.ty {
            Type::Decimal { scale, .. } => scale,
            Type::DateTime(scale) => scale,
            Type::Float | Type::Double => ANY_DECIMALS,
            Type::Boolean
            | Type::TinyInt
            | Type::SmallInt
            | Type::Int
            | Type::BigInt
            | Type::LargeInt
            | Type::Char(_)
            | Type::Varchar(_)
            | Type::String
            | Type::Date
            | Type::Json
            | Type::Varbinary(_) => 0,
        }
    }
}

impl Encoding {
    pub(super) fn row(self, fields: &[Field], cells: &[Cell]) -> Vec<u8> {
        match self {
            Self::Text => text_row(cells),
            Self::Binary => binary_row(fields, cells),
        }
    }
}

fn text_row(cells: &[Cell]) -> Vec<u8> {
    let mut packet = Vec::new();
    for cell in cells {
        match cell {
            None => packet.put_u8(NULL_IN_TEXT),
            Some(text) => packet.put_lenenc_str(text),
        }
    }
    packet
}

fn binary_row(fields: &[Field], cells: &[Cell]) -> Vec<u8> {
    let mut nulls = vec![0_u8; (fields.len() + NULLS_OFFSET).div_ceil(8)];
    let mut values = Vec::new();
    for (at, (field, cell)) in fields.iter().zip(cells).enumerate() {
        let written = cell.as_ref().and_then(|text| binary_cell(field, text, &mut values));
        if written.is_none() {
            let bit = at + NULLS_OFFSET;
            if let Some(byte) = nulls.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    let mut packet = vec![0];
    packet.extend(nulls);
    packet.extend(values);
    packet
}

/// `None` where the text is nothing of the field's type, which the store keeps from happening.
fn binary_cell(field: &Field, text: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let readable = std::str::from_utf8(text);
    match field.ty {
        Type::Boolean | Type::TinyInt => to.put_i8(readable.ok()?.parse().ok()?),
        Type::SmallInt => to.put_i16_le(readable.ok()?.parse().ok()?),
        Type::Int => to.put_i32_le(readable.ok()?.parse().ok()?),
        Type::BigInt => to.put_i64_le(readable.ok()?.parse().ok()?),
        Type::Float => to.put_f32_le(readable.ok()?.parse().ok()?),
        Type::Double => to.put_f64_le(readable.ok()?.parse().ok()?),
        Type::Date => {
            put_time(NaiveDate::parse_from_str(readable.ok()?, "%Y-%m-%d").ok()?.into(), to)?
        }
        Type::DateTime(_) => {
            let time = NaiveDateTime::parse_from_str(readable.ok()?, "%Y-%m-%d %H:%M:%S%.f");
            put_time(time.ok()?, to)?;
        }
        Type::LargeInt
        | Type::Decimal { .. }
        | Type::Char(_)
        | Type::Varchar(_)
        | Type::String
        | Type::Json
        | Type::Varbinary(_) => to.put_lenenc_str(text),
    }
    Some(())
}

fn put_time(time: NaiveDateTime, to: &mut Vec<u8>) -> Option<()> {
    to.put_u8(11);
    to.put_u16_le(u16::try_from(time.year()).ok()?);
    for part in [time.month(), time.day(), time.hour(), time.minute(), time.second()] {
        to.put_u8(u8::try_from(part).ok()?);
    }
    to.put_u32_le(time.nanosecond() / 1_000);
    Some(())
}

//! Types of columns, with their limits.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::System;

/// A column's type. Lengths are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    /// 128 bits.
    LargeInt,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Char(u32),
    Varchar(u32),
    /// As long as the server's setting allows.
    String,
    Date,
    /// With so many digits after the second; StarRocks always has six.
    DateTime(u8),
    Json,
    /// StarRocks only.
    Varbinary(u32),
}

/// A value as it is stored. Decimals, dates and JSON are texts in one form.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Why a text is no value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// It reads as nothing of this type, or as more than it holds.
    Unparsable,
    /// More bytes than the column takes.
    TooLong { limit: usize },
    /// A number with more digits before the point than the decimal has.
    DecimalRange,
}

const STRING_MAX_DORIS: u32 = 1 << 20;
const STRING_MAX_STARROCKS: u32 = 65_533;

impl Type {
    /// How many bytes a text may have.
    #[must_use]
    pub fn length_max(self, system: System) -> Option<u32> {
        match self {
            Self::Char(length) | Self::Varchar(length) | Self::Varbinary(length) => Some(length),
            Self::String if system == System::Doris => Some(STRING_MAX_DORIS),
            Self::String => Some(STRING_MAX_STARROCKS),
            Self::Boolean
            | Self::TinyInt
            | Self::SmallInt
            | Self::Int
            | Self::BigInt
            | Self::LargeInt
            | Self::Float
            | Self::Double
            | Self::Decimal { .. }
            | Self::Date
            | Self::DateTime(_)
            | Self::Json => None,
        }
    }

    /// The least and the greatest of an integer type.
    #[must_use]
    pub fn integer_range(self) -> Option<(i128, i128)> {
        match self {
            Self::TinyInt => Some((i8::MIN.into(), i8::MAX.into())),
            Self::SmallInt => Some((i16::MIN.into(), i16::MAX.into())),
            Self::Int => Some((i32::MIN.into(), i32::MAX.into())),
            Self::BigInt => Some((i64::MIN.into(), i64::MAX.into())),
            Self::LargeInt => Some((i128::MIN, i128::MAX)),
            Self::Boolean
            | Self::Float
            | Self::Double
            | Self::Decimal { .. }
            | Self::Char(_)
            | Self::Varchar(_)
            | Self::String
            | Self::Date
            | Self::DateTime(_)
            | Self::Json
            | Self::Varbinary(_) => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::LargeInt => f.write_str("LARGEINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::String => f.write_str("STRING"),
            Self::Date => f.write_str("DATE"),
            Self::DateTime(0) => f.write_str("DATETIME"),
            Self::DateTime(scale) => write!(f, "DATETIME({scale})"),
            Self::Json => f.write_str("JSON"),
            Self::Varbinary(length) => write!(f, "VARBINARY({length})"),
        }
    }
}

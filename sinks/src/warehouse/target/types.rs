//! Types of columns in Doris and StarRocks: those that we make, and those that we may find.

use std::fmt::Write as _;

use crate::warehouse::system::System;

/// A VARCHAR of Doris holds no more bytes; what is longer is a STRING.
pub(crate) const DORIS_VARCHAR_BYTES_MAX: u32 = 65_533;
/// A VARCHAR of StarRocks holds no more bytes, and no other type of text does.
pub(crate) const STARROCKS_VARCHAR_BYTES_MAX: u32 = 1_048_576;
/// What `STRING` is short for in StarRocks.
const STARROCKS_STRING_BYTES: u32 = 65_533;
/// Digits of the longest DECIMAL that both systems have without a switch.
pub(crate) const DECIMAL_DIGITS_MAX: u8 = 38;
/// StarRocks keeps this many digits of a second, and its type does not say so.
const STARROCKS_FSP: u8 = 6;

/// Lengths are bytes of UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TargetType {
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
    Date,
    /// `fsp`: digits of the fraction of a second. Always 6 in StarRocks.
    DateTime {
        fsp: u8,
    },
    /// Made by users only.
    Char {
        bytes: u32,
    },
    Varchar {
        bytes: u32,
    },
    /// Doris only: as long as the server's `string_type_length_soft_limit_bytes` allows.
    String,
    Json,
}

/// What can become another of its kind without its values changing their nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Integer,
    Float,
    Decimal,
    Date,
    Text,
    Json,
}

impl TargetType {
    pub(crate) fn date_time(system: System, fsp: u8) -> Self {
        match system {
            System::Doris => Self::DateTime { fsp },
            System::StarRocks => Self::DateTime { fsp: STARROCKS_FSP },
        }
    }

    /// As a statement declares it.
    pub(crate) fn sql(self, system: System) -> String {
        let word = match self {
            Self::Boolean => "BOOLEAN",
            Self::TinyInt => "TINYINT",
            Self::SmallInt => "SMALLINT",
            Self::Int => "INT",
            Self::BigInt => "BIGINT",
            Self::LargeInt => "LARGEINT",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Decimal { .. } => "DECIMAL",
            Self::Date => "DATE",
            Self::DateTime { .. } => "DATETIME",
            Self::Char { .. } => "CHAR",
            Self::Varchar { .. } => "VARCHAR",
            Self::String => "STRING",
            Self::Json => "JSON",
        };
        let mut sql = word.to_owned();
        // Writing to a String cannot fail.
        let _ = match (self, system) {
            (Self::Decimal { precision, scale }, _) => write!(sql, "({precision},{scale})"),
            (Self::DateTime { fsp }, System::Doris) if fsp > 0 => write!(sql, "({fsp})"),
            (Self::Char { bytes } | Self::Varchar { bytes }, _) => write!(sql, "({bytes})"),
            _ => Ok(()),
        };
        sql
    }

    /// From information_schema.COLUMNS: COLUMN_TYPE, or DATA_TYPE where that says enough; also as a
    /// statement spells it. `None` for a type that we never load into, or a text that leaves open
    /// which type it is.
    ///
    /// Both systems show a BOOLEAN as `tinyint(1)`, a TINYINT as `tinyint(4)`, and a LARGEINT as an
    /// unsigned `bigint` (their `schema_columns_scanner.cpp`).
    pub(crate) fn parse(system: System, text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (name, rest) = text.split_once('(').unwrap_or((&text, ""));
        let (arguments, tail) = rest.split_once(')').unwrap_or(("", rest));
        let mut numbers = arguments.split(',').map(|number| number.trim().parse::<u32>().ok());
        let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
        let small = |number: u32| u8::try_from(number).ok();
        let name = match (name.trim(), tail.trim()) {
            ("bigint", "unsigned") => "largeint",
            (name, "") => name,
            _ => return None,
        };
        Some(match name {
            "boolean" | "bool" => Self::Boolean,
            "tinyint" if first == Some(1) => Self::Boolean,
            "tinyint" => Self::TinyInt,
            "smallint" => Self::SmallInt,
            "int" | "integer" => Self::Int,
            "bigint" => Self::BigInt,
            "largeint" | "bigint unsigned" => Self::LargeInt,
            "float" => Self::Float,
            "double" => Self::Double,
            "date" | "datev2" => Self::Date,
            "datetime" | "datetimev2" => Self::date_time(system, first.map_or(Some(0), small)?),
            "char" => Self::Char { bytes: first? },
            // As long as it gets.
            "varchar" if system == System::Doris && arguments == "*" => {
                Self::Varchar { bytes: DORIS_VARCHAR_BYTES_MAX }
            }
            "varchar" => Self::Varchar { bytes: first? },
            "string" | "text" if system == System::Doris => Self::String,
            "string" | "text" => Self::Varchar { bytes: STARROCKS_STRING_BYTES },
            "json" | "jsonb" => Self::Json,
            _ if name.starts_with("decimal") => {
                Self::Decimal { precision: small(first?)?, scale: small(second.unwrap_or(0))? }
            }
            _ => return None,
        })
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Boolean
            | Self::TinyInt
            | Self::SmallInt
            | Self::Int
            | Self::BigInt
            | Self::LargeInt => Family::Integer,
            Self::Float | Self::Double => Family::Float,
            Self::Decimal { .. } => Family::Decimal,
            Self::Date | Self::DateTime { .. } => Family::Date,
            Self::Char { .. } | Self::Varchar { .. } | Self::String => Family::Text,
            Self::Json => Family::Json,
        }
    }

    /// True where every value of `other` is a value of this type, as it is or as its text.
    pub(crate) fn holds(self, other: Self) -> bool {
        match (self, other) {
            _ if self == other => true,
            (Self::Float, _) => matches!(other, Self::Boolean | Self::TinyInt | Self::SmallInt),
            (Self::Double, _) => {
                other == Self::Float || other.integer_digits().is_some_and(|digits| digits <= 10)
            }
            (Self::Decimal { precision, scale }, Self::Decimal { precision: p, scale: s }) => {
                scale >= s && precision.saturating_sub(scale) >= p.saturating_sub(s)
            }
            (Self::Decimal { precision, scale }, _) => other
                .integer_digits()
                .is_some_and(|digits| precision.saturating_sub(scale) >= digits),
            (Self::DateTime { fsp }, Self::DateTime { fsp: digits }) => fsp >= digits,
            (Self::DateTime { .. }, _) => other == Self::Date,
            (Self::Char { bytes } | Self::Varchar { bytes }, _) => {
                other.text_bytes().is_some_and(|needed| bytes >= needed)
            }
            (Self::String, _) => true,
            _ => match (self.integer_digits(), other.integer_digits()) {
                (Some(ours), Some(theirs)) => ours >= theirs,
                _ => false,
            },
        }
    }

    /// A type that holds what either holds and is of the same family; `None` where there is none.
    pub(crate) fn union(self, other: Self) -> Option<Self> {
        if self.holds(other) {
            let foreign = self.family() == Family::Text && other.family() != Family::Text;
            return (!foreign).then_some(self);
        }
        if other.holds(self) {
            return other.union(self);
        }
        match (self, other) {
            (Self::Decimal { precision, scale }, Self::Decimal { precision: p, scale: s }) => {
                let whole = precision.saturating_sub(scale).max(p.saturating_sub(s));
                Self::decimal(whole, scale.max(s))
            }
            (Self::Decimal { precision, scale }, integer)
            | (integer, Self::Decimal { precision, scale }) => {
                let whole = precision.saturating_sub(scale).max(integer.integer_digits()?);
                Self::decimal(whole, scale)
            }
            _ => None,
        }
    }

    fn decimal(whole: u8, scale: u8) -> Option<Self> {
        let precision = whole.checked_add(scale).filter(|p| *p <= DECIMAL_DIGITS_MAX)?;
        Some(Self::Decimal { precision, scale })
    }

    /// Digits of the longest value of an integer.
    fn integer_digits(self) -> Option<u8> {
        match self {
            Self::Boolean => Some(1),
            Self::TinyInt => Some(3),
            Self::SmallInt => Some(5),
            Self::Int => Some(10),
            Self::BigInt => Some(19),
            Self::LargeInt => Some(39),
            Self::Float
            | Self::Double
            | Self::Decimal { .. }
            | Self::Date
            | Self::DateTime { .. }
            | Self::Char { .. }
            | Self::Varchar { .. }
            | Self::String
            | Self::Json => None,
        }
    }

    /// Bytes of the longest value as text; `None` where there is no bound.
    pub(crate) fn text_bytes(self) -> Option<u32> {
        match self {
            Self::Boolean => Some(5),
            Self::Float => Some(16),
            Self::Double => Some(24),
            Self::Decimal { precision, scale } => Some(decimal_text_bytes(precision, scale)),
            Self::Date => Some(10),
            Self::DateTime { fsp: 0 } => Some(19),
            Self::DateTime { fsp } => Some(20 + u32::from(fsp)),
            Self::Char { bytes } | Self::Varchar { bytes } => Some(bytes),
            Self::String | Self::Json => None,
            Self::TinyInt | Self::SmallInt | Self::Int | Self::BigInt | Self::LargeInt => {
                self.integer_digits().map(|digits| u32::from(digits) + 1)
            }
        }
    }
}

/// The digits, a sign and a point; and the zero before the point of one that is all fraction.
pub(crate) fn decimal_text_bytes(precision: u8, scale: u8) -> u32 {
    u32::from(precision) + if scale >= precision { 3 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(system: System) -> Vec<TargetType> {
        use TargetType::*;
        let mut all = vec![Boolean, TinyInt, SmallInt, Int, BigInt, LargeInt, Float, Double, Date];
        all.extend(
            [(9, 0), (10, 2), (38, 38)].map(|(precision, scale)| Decimal { precision, scale }),
        );
        all.extend([0, 3, 6].map(|fsp| TargetType::date_time(system, fsp)));
        all.extend([1, 255].map(|bytes| Char { bytes }));
        all.extend([1, 65_533].map(|bytes| Varchar { bytes }));
        all.extend((system == System::Doris).then_some(String));
        all.push(Json);
        all
    }

    #[test]
    fn a_type_reads_back_from_its_own_words() {
        for system in System::ALL {
            for ty in samples(system) {
                assert_eq!(TargetType::parse(system, &ty.sql(system)), Some(ty), "{system}");
            }
        }
    }

    #[test]
    fn types_are_read_as_the_catalogues_of_both_systems_show_them() {
        use System::{Doris, StarRocks};
        use TargetType::*;
        for (system, text, expected) in [
            (Doris, "tinyint(1)", Some(Boolean)),
            (Doris, "tinyint(4)", Some(TinyInt)),
            (StarRocks, "int(11)", Some(Int)),
            (Doris, "largeint", Some(LargeInt)),
            (Doris, "bigint unsigned", Some(LargeInt)),
            (StarRocks, "bigint(20) unsigned", Some(LargeInt)),
            (Doris, "decimalv3(10, 2)", Some(Decimal { precision: 10, scale: 2 })),
            (StarRocks, "DECIMAL64(10,2)", Some(Decimal { precision: 10, scale: 2 })),
            (Doris, "datetimev2(3)", Some(DateTime { fsp: 3 })),
            (Doris, "datetime", Some(DateTime { fsp: 0 })),
            (StarRocks, "datetime", Some(DateTime { fsp: 6 })),
            (Doris, "datev2", Some(Date)),
            (Doris, "string", Some(String)),
            (StarRocks, "string", Some(Varchar { bytes: 65_533 })),
            (Doris, "varchar(*)", Some(Varchar { bytes: 65_533 })),
            (Doris, "jsonb", Some(Json)),
            // Which VARCHAR, which DECIMAL: not said. STRING is `varchar` in Doris' DATA_TYPE.
            (Doris, "varchar", None),
            (Doris, "decimal", None),
            (Doris, "unknown", None),
            (Doris, "array<int(11)>", None),
            (StarRocks, "varbinary(16)", None),
            (StarRocks, "int(10) unsigned", None),
            (StarRocks, "", None),
        ] {
            assert_eq!(TargetType::parse(system, text), expected, "{system} {text}");
        }
    }

    #[test]
    fn a_wider_type_holds_a_narrower_one_and_text_holds_what_fits_it() {
        use TargetType::*;
        let decimal = |precision, scale| Decimal { precision, scale };
        let varchar = |bytes| Varchar { bytes };
        for (wide, narrow) in [
            (BigInt, Int),
            (TinyInt, Boolean),
            (LargeInt, BigInt),
            (Double, Float),
            (Double, Int),
            (decimal(12, 2), decimal(10, 2)),
            (decimal(10, 0), Int),
            (DateTime { fsp: 6 }, DateTime { fsp: 3 }),
            (DateTime { fsp: 0 }, Date),
            (varchar(8), varchar(4)),
            (varchar(11), Int),
            (String, varchar(65_533)),
            (String, Json),
        ] {
            assert!(wide.holds(narrow), "{wide:?} {narrow:?}");
            assert!(!narrow.holds(wide), "{narrow:?} {wide:?}");
        }
        for (one, other) in [
            (Float, Int),
            (Double, BigInt),
            (decimal(10, 4), decimal(10, 2)),
            (varchar(10), Int),
            (Json, varchar(4)),
            (varchar(1_048_576), Json),
            (Date, Int),
        ] {
            assert!(!one.holds(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_union_of_two_types_holds_both_or_does_not_exist() {
        use TargetType::*;
        let decimal = |precision, scale| Decimal { precision, scale };
        let check = |a: TargetType, b: TargetType, expected: Option<TargetType>| {
            assert_eq!(a.union(b), expected, "{a:?} {b:?}");
            assert_eq!(b.union(a), expected, "{b:?} {a:?}");
            assert!(expected.is_none_or(|union| union.holds(a) && union.holds(b)));
        };
        check(Int, BigInt, Some(BigInt));
        check(decimal(10, 2), decimal(8, 4), Some(decimal(12, 4)));
        check(decimal(10, 2), BigInt, Some(decimal(21, 2)));
        check(decimal(38, 0), decimal(38, 38), None);
        check(Varchar { bytes: 4 }, Varchar { bytes: 8 }, Some(Varchar { bytes: 8 }));
        check(Date, DateTime { fsp: 3 }, Some(DateTime { fsp: 3 }));
        check(Varchar { bytes: 40 }, Int, None);
        check(String, Json, None);
        check(Float, Int, None);
    }
}

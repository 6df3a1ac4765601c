//! What an expression gives: known before the first row, so that a target's table can be made for it.

use std::fmt;
use std::sync::Arc;

use model::table::Collation;
use model::{Column, ColumnType};

/// Characters of a text whose length nobody knows: those of LONGTEXT.
pub(super) const CHARS_MAX: u32 = u32::MAX;
/// Characters that a VARCHAR of four bytes each may have (MySQL manual, "The CHAR and VARCHAR Types").
const VARCHAR_CHARS_MAX: u32 = 16_383;
/// Digits of a DECIMAL, and those behind its point (MySQL manual, "Fixed-Point Types").
pub(super) const PRECISION_MAX: u8 = 65;
pub(super) const SCALE_MAX: u8 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ty {
    Null,
    Bool,
    /// `bytes` is 1, 2, 3, 4 or 8.
    Int {
        bytes: u8,
        unsigned: bool,
    },
    Decimal {
        precision: u8,
        scale: u8,
    },
    Float,
    Double,
    Text {
        chars: u32,
    },
    Date,
    Time {
        fsp: u8,
    },
    /// Without a zone.
    DateTime {
        fsp: u8,
    },
    /// A moment: UTC.
    Timestamp {
        fsp: u8,
    },
    /// Bytes, geometries: they pass as they are.
    Opaque,
}

pub(super) const BIGINT: Ty = Ty::Int { bytes: 8, unsigned: false };

impl Ty {
    pub(super) fn of(column: &ColumnType) -> Self {
        match column {
            ColumnType::Int { bytes, unsigned } => Self::Int { bytes: *bytes, unsigned: *unsigned },
            ColumnType::Bit { .. } => Self::Int { bytes: 8, unsigned: true },
            ColumnType::Year => Self::Int { bytes: 2, unsigned: true },
            ColumnType::Float => Self::Float,
            ColumnType::Double => Self::Double,
            ColumnType::Decimal { precision, scale } => {
                Self::Decimal { precision: *precision, scale: *scale }
            }
            ColumnType::Date => Self::Date,
            ColumnType::Time { fsp } => Self::Time { fsp: *fsp },
            ColumnType::DateTime { fsp } => Self::DateTime { fsp: *fsp },
            ColumnType::Timestamp { fsp } => Self::Timestamp { fsp: *fsp },
            ColumnType::Text { chars, .. } => Self::Text { chars: *chars },
            ColumnType::Enum { members, .. } => {
                let longest = members.iter().map(|member| member.chars().count()).max();
                Self::text(longest.unwrap_or(0))
            }
            ColumnType::Set { members, .. } => {
                Self::text(members.iter().map(|member| member.chars().count() + 1).sum())
            }
            ColumnType::Json => Self::Text { chars: CHARS_MAX },
            ColumnType::Binary { .. }
            | ColumnType::VarBinary { .. }
            | ColumnType::FixedBytes { .. }
            | ColumnType::Geometry
            | ColumnType::Vector => Self::Opaque,
        }
    }

    pub(super) fn text(chars: usize) -> Self {
        Self::Text { chars: u32::try_from(chars).unwrap_or(CHARS_MAX) }
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text { .. })
    }

    pub(super) fn is_integer(self) -> bool {
        matches!(self, Self::Int { .. } | Self::Bool)
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    pub(super) fn is_number(self) -> bool {
        self.is_integer() || self.is_float() || matches!(self, Self::Decimal { .. })
    }

    /// Digits of the fraction of a second.
    pub(super) fn fraction(self) -> u8 {
        if let Self::Time { fsp } | Self::DateTime { fsp } | Self::Timestamp { fsp } = self {
            fsp
        } else {
            0
        }
    }

    /// Digits before and behind the point of an exact number.
    pub(super) fn digits(self) -> Option<(u8, u8)> {
        match self {
            Self::Bool => Some((1, 0)),
            Self::Int { bytes, unsigned } => {
                let whole = match bytes {
                    1 => 3,
                    2 => 5,
                    3 => 8,
                    4 => 10,
                    _ if unsigned => 20,
                    _ => 19,
                };
                Some((whole, 0))
            }
            Self::Decimal { precision, scale } => Some((precision.saturating_sub(scale), scale)),
            Self::Null
            | Self::Float
            | Self::Double
            | Self::Text { .. }
            | Self::Date
            | Self::Time { .. }
            | Self::DateTime { .. }
            | Self::Timestamp { .. }
            | Self::Opaque => None,
        }
    }

    /// A DECIMAL of these digits, as far as there is one.
    pub(super) fn decimal(whole: u8, scale: u8) -> Self {
        let scale = scale.min(SCALE_MAX);
        let precision = whole.saturating_add(scale).clamp(1, PRECISION_MAX);
        Self::Decimal { precision, scale: scale.min(precision) }
    }

    /// Characters of its values as text.
    pub(super) fn width(self) -> u32 {
        let second = |fsp: u8| u32::from(fsp) + u32::from(fsp > 0);
        match self {
            Self::Null => 0,
            Self::Bool => 5,
            Self::Int { .. } => self.digits().map_or(20, |(whole, _)| u32::from(whole) + 1),
            Self::Decimal { precision, .. } => u32::from(precision) + 3,
            Self::Float | Self::Double => 25,
            Self::Text { chars } => chars,
            Self::Date => 10,
            Self::Time { fsp } => 10 + second(fsp),
            Self::DateTime { fsp } | Self::Timestamp { fsp } => 19 + second(fsp),
            Self::Opaque => CHARS_MAX,
        }
    }

    /// The one type of values that come from either. `None`: there is none.
    pub(super) fn unified(self, other: Self) -> Option<Self> {
        if self == other {
            return Some(self);
        }
        match (self, other) {
            (Self::Null, ty) | (ty, Self::Null) => Some(ty),
            (Self::Opaque, _) | (_, Self::Opaque) => None,
            (Self::Text { chars: one }, Self::Text { chars: other }) => {
                Some(Self::Text { chars: one.max(other) })
            }
            (one, other) if one.is_float() && other.is_number() => Some(Self::Double),
            (one, other) if one.is_number() && other.is_float() => Some(Self::Double),
            (
                Self::Int { bytes: one, unsigned: first },
                Self::Int { bytes: other, unsigned: second },
            ) if first == second => Some(Self::Int { bytes: one.max(other), unsigned: first }),
            (one, other) if one.is_integer() && other.is_integer() => {
                let is_great = |ty| ty == Self::Int { bytes: 8, unsigned: true };
                let great = is_great(one) || is_great(other);
                Some(if great { Self::decimal(20, 0) } else { BIGINT })
            }
            (Self::Date, Self::DateTime { fsp }) | (Self::DateTime { fsp }, Self::Date) => {
                Some(Self::DateTime { fsp })
            }
            (Self::DateTime { fsp: one }, Self::DateTime { fsp: other }) => {
                Some(Self::DateTime { fsp: one.max(other) })
            }
            (Self::Timestamp { fsp: one }, Self::Timestamp { fsp: other }) => {
                Some(Self::Timestamp { fsp: one.max(other) })
            }
            (Self::Time { fsp: one }, Self::Time { fsp: other }) => {
                Some(Self::Time { fsp: one.max(other) })
            }
            (one, other) => {
                let ((whole, scale), (whole_2, scale_2)) = (one.digits()?, other.digits()?);
                Some(Self::decimal(whole.max(whole_2), scale.max(scale_2)))
            }
        }
    }

    /// A column of this type. `None`: no table has such a one.
    pub(super) fn column(self, name: &str) -> Option<Column> {
        let ty = match self {
            Self::Null | Self::Opaque => return None,
            Self::Bool => ColumnType::Int { bytes: 1, unsigned: false },
            Self::Int { bytes, unsigned } => ColumnType::Int { bytes, unsigned },
            Self::Decimal { precision, scale } => ColumnType::Decimal { precision, scale },
            Self::Float => ColumnType::Float,
            Self::Double => ColumnType::Double,
            Self::Text { chars } => {
                let chars = if chars > VARCHAR_CHARS_MAX { CHARS_MAX } else { chars.max(1) };
                let collation = Collation { charset: "utf8mb4".into(), name: "utf8mb4_bin".into() };
                ColumnType::Text { chars, collation }
            }
            Self::Date => ColumnType::Date,
            Self::Time { fsp } => ColumnType::Time { fsp },
            Self::DateTime { fsp } => ColumnType::DateTime { fsp },
            Self::Timestamp { fsp } => ColumnType::Timestamp { fsp },
        };
        let declared: Arc<str> = self.to_string().to_ascii_lowercase().into();
        let name = name.into();
        Some(Column { name, ty, declared, nullable: true, generated: false, invisible: false })
    }
}

/// As a server declares it, in capitals.
impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_fraction = |f: &mut fmt::Formatter<'_>, name, fsp: &u8| match fsp {
            0 => f.write_str(name),
            fsp => write!(f, "{name}({fsp})"),
        };
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool => f.write_str("TINYINT(1)"),
            Self::Int { bytes, unsigned } => {
                f.write_str(match bytes {
                    1 => "TINYINT",
                    2 => "SMALLINT",
                    3 => "MEDIUMINT",
                    4 => "INT",
                    _ => "BIGINT",
                })?;
                f.write_str(if *unsigned { " UNSIGNED" } else { "" })
            }
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Text { chars } if *chars > VARCHAR_CHARS_MAX => f.write_str("LONGTEXT"),
            Self::Text { chars } => write!(f, "VARCHAR({})", (*chars).max(1)),
            Self::Date => f.write_str("DATE"),
            Self::Time { fsp } => with_fraction(f, "TIME", fsp),
            Self::DateTime { fsp } => with_fraction(f, "DATETIME", fsp),
            Self::Timestamp { fsp } => with_fraction(f, "TIMESTAMP", fsp),
            Self::Opaque => f.write_str("bytes or geometry"),
        }
    }
}

//! Values while an expression is computed. Exact numbers stay exact: integers in 128 bits, decimals with
//! all their digits. Who knows the type ([`Ty`]) knows how a value is written.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::str::FromStr as _;

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _};
use model::row::PackedRow;
use model::value::{Date, DateTime, Time};
use model::{Cell, Decimal};

use super::temporal;
use super::types::Ty;

/// Why a row has no result. It ends the job: rows are neither left out nor guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl Fault {
    #[cold]
    pub(super) fn out_of_range(what: &str, ty: Ty) -> Self {
        Self(format!("the result of {what} is out of range of {ty}"))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i128),
    Decimal(BigDecimal),
    Double(f64),
    Text(Cow<'v, str>),
    Date(Date),
    /// A TIMESTAMP too, which is then in UTC.
    DateTime(DateTime),
    Time(Time),
    /// Something, of which only that is known.
    Opaque,
}

impl<'v> Value<'v> {
    pub(super) fn of(cell: &'v Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Int(v) => Self::Int(i128::from(*v)),
            Cell::UInt(v) | Cell::Bit(v) => Self::Int(i128::from(*v)),
            Cell::Year(v) => Self::Int(i128::from(*v)),
            Cell::Float(v) => Self::Double(f64::from(*v)),
            Cell::Double(v) => Self::Double(*v),
            // A decimal of the server's always reads.
            Cell::Decimal(v) => Self::decimal(&v.to_string()).unwrap_or(Self::Null),
            Cell::Date(v) => Self::Date(*v),
            Cell::Time(v) => Self::Time(*v),
            Cell::DateTime(v) | Cell::Timestamp(v) => Self::DateTime(*v),
            Cell::Text(v) | Cell::Json(v) => Self::Text(Cow::Borrowed(v)),
            Cell::Bytes(_) | Cell::Geometry(_) => Self::Opaque,
        }
    }

    pub(super) fn decimal(text: &str) -> Option<Self> {
        BigDecimal::from_str(text).ok().map(Self::Decimal)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The same value, its text not copied.
    pub(super) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(v) => Value::Bool(*v),
            Self::Int(v) => Value::Int(*v),
            Self::Decimal(v) => Value::Decimal(v.clone()),
            Self::Double(v) => Value::Double(*v),
            Self::Text(v) => Value::Text(Cow::Borrowed(v)),
            Self::Date(v) => Value::Date(*v),
            Self::DateTime(v) => Value::DateTime(*v),
            Self::Time(v) => Value::Time(*v),
            Self::Opaque => Value::Opaque,
        }
    }

    /// Of a condition; `None` is unknown.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(v) => Some(*v),
            Self::Int(v) => Some(*v != 0),
            Self::Decimal(v) => Some(*v != BigDecimal::default()),
            Self::Double(v) => Some(*v != 0.0),
            Self::Null
            | Self::Text(_)
            | Self::Date(_)
            | Self::DateTime(_)
            | Self::Time(_)
            | Self::Opaque => None,
        }
    }

    pub(super) fn integer(&self) -> Option<i128> {
        match self {
            Self::Bool(v) => Some(i128::from(*v)),
            Self::Int(v) => Some(*v),
            Self::Null
            | Self::Decimal(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::Date(_)
            | Self::DateTime(_)
            | Self::Time(_)
            | Self::Opaque => None,
        }
    }

    /// An exact number.
    pub(super) fn exact(&self) -> Option<BigDecimal> {
        match self {
            Self::Decimal(v) => Some(v.clone()),
            Self::Bool(_) | Self::Int(_) => self.integer().map(BigDecimal::from),
            Self::Null
            | Self::Double(_)
            | Self::Text(_)
            | Self::Date(_)
            | Self::DateTime(_)
            | Self::Time(_)
            | Self::Opaque => None,
        }
    }

    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Double(v) => Some(*v),
            Self::Bool(_) | Self::Int(_) => self.integer()?.to_f64(),
            Self::Decimal(v) => v.to_string().parse().ok(),
            Self::Null
            | Self::Text(_)
            | Self::Date(_)
            | Self::DateTime(_)
            | Self::Time(_)
            | Self::Opaque => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A day is its midnight.
    pub(super) fn date_time(&self) -> Option<DateTime> {
        match self {
            Self::Date(date) => Some(DateTime { date: *date, ..DateTime::default() }),
            Self::DateTime(v) => Some(*v),
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Decimal(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::Time(_)
            | Self::Opaque => None,
        }
    }

    /// Texts compare by their characters' code points. `None` where one is NULL.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Time(one), Self::Time(other)) => {
                Some(temporal::micros(*one).cmp(&temporal::micros(*other)))
            }
            (Self::Double(_), _) | (_, Self::Double(_)) => {
                self.float()?.partial_cmp(&other.float()?)
            }
            (Self::Decimal(_), _) | (_, Self::Decimal(_)) => {
                Some(self.exact()?.cmp(&other.exact()?))
            }
            (Self::Bool(_) | Self::Int(_), _) => Some(self.integer()?.cmp(&other.integer()?)),
            (one, other) => Some(one.date_time()?.cmp(&other.date_time()?)),
        }
    }

    /// As MySQL prints a value of this type.
    pub(super) fn to_text(&self, ty: Ty) -> Cow<'_, str> {
        let fsp = ty.fraction();
        match self {
            Self::Null | Self::Opaque => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Int(v) => v.to_string().into(),
            Self::Decimal(v) => scaled(v, ty).to_plain_string().into(),
            Self::Double(v) if ty == Ty::Float => float_text(*v, || narrow(*v).to_string()).into(),
            Self::Double(v) => float_text(*v, || v.to_string()).into(),
            Self::Date(v) => temporal::date_text(*v).into(),
            Self::DateTime(v) => temporal::date_time_text(v, fsp).into(),
            Self::Time(v) => temporal::time_text(*v, fsp).into(),
        }
    }

    /// Appends the value to a packed row.
    pub(super) fn push(&self, out: &mut Vec<u8>, ty: Ty) -> Result<(), Fault> {
        let text;
        let outside = || Fault::out_of_range("the expression", ty);
        let cell = match self {
            Self::Null | Self::Opaque => Cell::Null,
            Self::Bool(v) => Cell::Int(i64::from(*v)),
            Self::Int(v) if matches!(ty, Ty::Int { unsigned: true, .. }) => {
                Cell::UInt(u64::try_from(*v).map_err(|_| outside())?)
            }
            Self::Int(v) => Cell::Int(i64::try_from(*v).map_err(|_| outside())?),
            Self::Decimal(v) => {
                text = fitted(v, ty).ok_or_else(outside)?.to_plain_string();
                Cell::Decimal(Decimal::Text(&text))
            }
            Self::Double(v) if ty == Ty::Float => Cell::Float(narrow(*v)),
            Self::Double(v) => Cell::Double(*v),
            Self::Text(v) => Cell::Text(Cow::Borrowed(v)),
            Self::Date(v) => Cell::Date(*v),
            Self::DateTime(v) if matches!(ty, Ty::Timestamp { .. }) => Cell::Timestamp(*v),
            Self::DateTime(v) => Cell::DateTime(*v),
            Self::Time(v) => Cell::Time(*v),
        };
        PackedRow::push(out, &cell);
        Ok(())
    }
}

/// With the digits behind the point that the type has; half away from zero.
fn scaled(value: &BigDecimal, ty: Ty) -> BigDecimal {
    if let Ty::Decimal { scale, .. } = ty {
        value.with_scale_round(i64::from(scale), RoundingMode::HalfUp)
    } else {
        value.clone()
    }
}

/// The number with the type's digits; `None` where it has more before the point.
pub(super) fn fitted(value: &BigDecimal, ty: Ty) -> Option<BigDecimal> {
    let value = scaled(value, ty);
    let Ty::Decimal { precision, scale } = ty else { return Some(value) };
    let whole = value.digits().saturating_sub(u64::from(scale));
    (whole <= u64::from(precision.saturating_sub(scale))).then_some(value)
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest of the narrower floats is meant")]
pub(super) fn narrow(value: f64) -> f32 {
    value as f32
}

/// Plain digits, or an exponent where MySQL writes one.
fn float_text(value: f64, plain: impl Fn() -> String) -> String {
    let is_plain = value == 0.0 || (1e-15..1e15).contains(&value.abs());
    if is_plain { plain() } else { format!("{value:e}") }
}

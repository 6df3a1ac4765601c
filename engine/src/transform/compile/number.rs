//! Arithmetic. Whole numbers give a BIGINT, or a DECIMAL where a BIGINT UNSIGNED is among them; a quotient
//! of theirs is whole, as in Flink. Decimals keep all digits of sums and products, and four more than the
//! dividend in quotients, as in MySQL. What a type cannot hold ends the job; a division by zero is NULL.

use bigdecimal::{BigDecimal, RoundingMode, Zero as _};

use super::calls::Call;
use super::{Typed, cast};
use crate::transform::expr::Node;
use crate::transform::syntax::Wrong;
use crate::transform::types::{BIGINT, Ty};
use crate::transform::value::{Fault, Value, fitted};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
    Times,
    By,
    Rest,
}

/// Digits that a quotient has behind the point beside those of the dividend (MySQL's
/// `div_precision_increment`).
const QUOTIENT_DIGITS: u8 = 4;

pub(super) fn arithmetic(call: &Call<'_>) -> Result<Typed, Wrong> {
    let sign = match call.name {
        "+" => Sign::Plus,
        "-" => Sign::Minus,
        "*" => Sign::Times,
        "/" => Sign::By,
        _ => Sign::Rest,
    };
    let (one, other) = call.two()?;
    number(&one, call.name)?;
    number(&other, call.name)?;
    let ty = result(sign, &one, &other);
    let name = call.name.to_owned();
    let node = Node::two(
        move |one, other| match computed(sign, &one, &other, ty) {
            Some(value) => Ok(value),
            None => Err(Fault::out_of_range(&format!("`{name}`"), ty)),
        },
        one.node,
        other.node,
    );
    Ok(Typed::new(node, ty, call.at))
}

fn number(typed: &Typed, name: &str) -> Result<(), Wrong> {
    if typed.ty.is_number() || typed.ty == Ty::Null {
        return Ok(());
    }
    let what = format!("{name} takes numbers, and this is {}: write a CAST", typed.ty);
    Err(typed.wrong(what))
}

fn result(sign: Sign, one: &Typed, other: &Typed) -> Ty {
    let (Some((whole, scale)), Some((whole_2, scale_2))) = (digits(one), digits(other)) else {
        return Ty::Double;
    };
    let integers = |ty: Ty| ty.is_integer() || ty == Ty::Null;
    if integers(one.ty) && integers(other.ty) {
        let great = |ty| ty == Ty::Int { bytes: 8, unsigned: true };
        return match sign {
            _ if !great(one.ty) && !great(other.ty) => BIGINT,
            Sign::Plus | Sign::Minus => Ty::decimal(21, 0),
            Sign::Times => Ty::decimal(40, 0),
            Sign::By | Sign::Rest => Ty::decimal(20, 0),
        };
    }
    match sign {
        Sign::Plus | Sign::Minus => Ty::decimal(whole.max(whole_2) + 1, scale.max(scale_2)),
        Sign::Times => Ty::decimal(whole + whole_2, scale + scale_2),
        Sign::By => Ty::decimal(whole + scale_2, scale + QUOTIENT_DIGITS),
        Sign::Rest => Ty::decimal(whole.max(whole_2), scale.max(scale_2)),
    }
}

/// Digits before and behind the point; of a number that is written out, its own.
fn digits(typed: &Typed) -> Option<(u8, u8)> {
    match typed.constant() {
        Some(Value::Int(value)) => {
            let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
            Some((u8::try_from(digits).unwrap_or(u8::MAX), 0))
        }
        _ if typed.ty == Ty::Null => Some((1, 0)),
        _ => typed.ty.digits(),
    }
}

/// `None`: out of range.
fn computed(sign: Sign, one: &Value<'_>, other: &Value<'_>, ty: Ty) -> Option<Value<'static>> {
    if let (Some(one), Some(other)) = (one.integer(), other.integer()) {
        let value = match sign {
            Sign::Plus => one.checked_add(other),
            Sign::Minus => one.checked_sub(other),
            Sign::Times => one.checked_mul(other),
            Sign::By | Sign::Rest if other == 0 => return Some(Value::Null),
            Sign::By => one.checked_div(other),
            Sign::Rest => one.checked_rem(other),
        };
        match (value, ty) {
            (Some(value), Ty::Decimal { .. }) => {
                return Some(Value::Decimal(fitted(&BigDecimal::from(value), ty)?));
            }
            (Some(value), ty) => return cast::fits(value, ty).then_some(Value::Int(value)),
            // A product may need more than 128 bits.
            (None, _) => {}
        }
    }
    if ty == Ty::Double {
        let (one, other) = (one.float()?, other.float()?);
        let value = match sign {
            Sign::Plus => one + other,
            Sign::Minus => one - other,
            Sign::Times => one * other,
            Sign::By | Sign::Rest if other == 0.0 => return Some(Value::Null),
            Sign::By => one / other,
            Sign::Rest => one % other,
        };
        return value.is_finite().then_some(Value::Double(value));
    }
    let (one, other) = (one.exact()?, other.exact()?);
    let value = match sign {
        Sign::Plus => one + other,
        Sign::Minus => one - other,
        Sign::Times => one * other,
        Sign::By | Sign::Rest if other.is_zero() => return Some(Value::Null),
        Sign::By => one / other,
        Sign::Rest => one % other,
    };
    Some(Value::Decimal(fitted(&value, ty)?))
}

/// `-x` and `ABS(x)`.
pub(super) fn sign(call: &Call<'_>) -> Result<Typed, Wrong> {
    let inner = call.one()?;
    number(&inner, if call.name == "ABS" { "ABS" } else { "-" })?;
    let (only_negative, name) = (call.name == "ABS", call.name.to_owned());
    let ty = match inner.ty {
        Ty::Int { bytes: 8, unsigned: true } if !only_negative => Ty::decimal(20, 0),
        Ty::Int { unsigned: true, .. } if only_negative => inner.ty,
        ty if ty.is_integer() => BIGINT,
        ty => ty,
    };
    let turned = move |value: Value<'_>| match value {
        Value::Double(v) if only_negative => Some(Value::Double(v.abs())),
        Value::Double(v) => Some(Value::Double(-v)),
        Value::Decimal(v) if only_negative => Some(Value::Decimal(v.abs())),
        Value::Decimal(v) => Some(Value::Decimal(-v)),
        value => {
            let value = value.integer()?;
            let value = if only_negative { value.checked_abs()? } else { value.checked_neg()? };
            match ty {
                Ty::Decimal { .. } => Some(Value::Decimal(BigDecimal::from(value))),
                ty => cast::fits(value, ty).then_some(Value::Int(value)),
            }
        }
    };
    let node = Node::one(
        move |value| turned(value).ok_or_else(|| Fault::out_of_range(&name, ty)),
        inner.node,
    );
    Ok(Typed::new(node, ty, call.at))
}

/// `CEIL(x)` and `FLOOR(x)`.
pub(super) fn whole(call: &Call<'_>) -> Result<Typed, Wrong> {
    let inner = call.one()?;
    number(&inner, call.name)?;
    let up = call.name != "FLOOR";
    let mode = if up { RoundingMode::Ceiling } else { RoundingMode::Floor };
    let ty = match inner.ty {
        Ty::Decimal { .. } => {
            let (digits, _) = inner.ty.digits().unwrap_or_default();
            Ty::decimal(digits.saturating_add(1), 0)
        }
        Ty::Float => Ty::Double,
        ty => ty,
    };
    let node = Node::one(
        move |value| {
            Ok(match value {
                Value::Double(v) => Value::Double(if up { v.ceil() } else { v.floor() }),
                Value::Decimal(v) => Value::Decimal(v.with_scale_round(0, mode)),
                value => value,
            })
        },
        inner.node,
    );
    Ok(Typed::new(node, ty, call.at))
}

/// `ROUND(x, digits)`: half away from zero.
pub(super) fn round(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut typed = call.typed()?.into_iter();
    let inner = typed.next().ok_or_else(|| call.wrong("an argument is missing"))?;
    number(&inner, "ROUND")?;
    let places = match typed.next() {
        None => 0,
        Some(places) => match places.constant().and_then(Value::integer) {
            Some(places @ -65..=30) => i64::try_from(places).unwrap_or_default(),
            _ => return Err(places.wrong("a number from -65 to 30 is wanted, written out")),
        },
    };
    let scale = u8::try_from(places).unwrap_or(0);
    let ty = match inner.ty {
        Ty::Decimal { scale: given, .. } => {
            let (digits, _) = inner.ty.digits().unwrap_or_default();
            Ty::decimal(digits.saturating_add(1), given.min(scale))
        }
        Ty::Float => Ty::Double,
        ty => ty,
    };
    let rounded = move |value: Value<'_>| match value {
        Value::Double(v) => {
            let factor = 10_f64.powi(i32::try_from(places).unwrap_or_default());
            let scaled = (v * factor).round() / factor;
            Some(Value::Double(if scaled.is_finite() { scaled } else { v }))
        }
        Value::Decimal(v) => {
            let value = v.with_scale_round(places, RoundingMode::HalfUp);
            Some(Value::Decimal(fitted(&value, ty)?))
        }
        value => {
            let whole = BigDecimal::from(value.integer()?);
            let rounded = whole.with_scale_round(places.min(0), RoundingMode::HalfUp);
            let value: i128 = rounded.with_scale(0).to_plain_string().parse().ok()?;
            cast::fits(value, ty).then_some(Value::Int(value))
        }
    };
    let node =
        Node::one(move |v| rounded(v).ok_or_else(|| Fault::out_of_range("ROUND", ty)), inner.node);
    Ok(Typed::new(node, ty, call.at))
}

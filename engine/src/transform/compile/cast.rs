//! From one type to another. A text that is no number or no day becomes NULL; a number that the type does
//! not hold ends the job.

use std::str::FromStr as _;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _};
use model::TimeZone;

use super::Typed;
use crate::transform::expr::Node;
use crate::transform::syntax::{TypeName, Wrong};
use crate::transform::temporal;
use crate::transform::types::{BIGINT, CHARS_MAX, PRECISION_MAX, SCALE_MAX, Ty};
use crate::transform::value::{Fault, Value, fitted, narrow};

/// The type that a CAST names.
pub(super) fn named(name: &TypeName) -> Result<Ty, Wrong> {
    let wrong = |what: String| Wrong::new(name.at, what);
    let number = |at: usize| name.numbers.get(at).copied();
    let int = |bytes| Ty::Int { bytes, unsigned: false };
    let most = match name.name.as_str() {
        "DECIMAL" | "NUMERIC" => 2,
        "CHAR" | "VARCHAR" | "TIMESTAMP" | "DATETIME" | "DATE" => 1,
        _ => 0,
    };
    if name.numbers.len() > most {
        return Err(wrong(format!("{} takes fewer numbers", name.name)));
    }
    Ok(match name.name.as_str() {
        "BOOLEAN" => Ty::Bool,
        "TINYINT" | "BYTE" => int(1),
        "SMALLINT" | "SHORT" => int(2),
        "INT" | "INTEGER" => int(4),
        "BIGINT" | "LONG" => BIGINT,
        "FLOAT" => Ty::Float,
        "DOUBLE" => Ty::Double,
        "STRING" | "TEXT" => Ty::Text { chars: CHARS_MAX },
        "CHAR" | "VARCHAR" => Ty::Text { chars: number(0).unwrap_or(CHARS_MAX).max(1) },
        "DATE" => Ty::Date,
        "TIMESTAMP" | "DATETIME" => {
            let fsp = u8::try_from(number(0).unwrap_or(6)).ok().filter(|fsp| *fsp <= 6);
            Ty::DateTime { fsp: fsp.ok_or_else(|| wrong("0 to 6 digits".to_owned()))? }
        }
        "DECIMAL" | "NUMERIC" => {
            let small = |n: u32| u8::try_from(n).unwrap_or(u8::MAX);
            let (precision, scale) =
                (small(number(0).unwrap_or(10)), small(number(1).unwrap_or(0)));
            if precision == 0 || precision > PRECISION_MAX || scale > SCALE_MAX.min(precision) {
                let most = format!("DECIMAL has 1 to {PRECISION_MAX} digits, at most {SCALE_MAX}");
                return Err(wrong(format!("{most} of them behind the point")));
            }
            Ty::Decimal { precision, scale }
        }
        other => {
            return Err(wrong(format!(
                "there is no type {other} to cast to; there are BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, \
                 FLOAT, DOUBLE, DECIMAL(p, s), CHAR(n), VARCHAR(n), STRING, DATE, TIMESTAMP(n)"
            )));
        }
    })
}

/// What a CAST does.
pub(super) fn to(from: Typed, ty: Ty, zone: TimeZone) -> Result<Typed, Wrong> {
    let at = from.at;
    if from.ty == Ty::Null {
        return Ok(Typed::new(from.node, ty, at));
    }
    let refused = |from: &Typed| from.wrong(format!("{} cannot be cast to {ty}", from.ty));
    if from.ty == Ty::Opaque {
        return Err(refused(&from));
    }
    let source = from.ty;
    let node = match ty {
        Ty::Text { chars } => return Ok(text(from, chars, zone)),
        Ty::Bool if source.is_number() => {
            Node::one(|v| Ok(v.truth().map_or(Value::Null, Value::Bool)), from.node)
        }
        Ty::Bool if source.is_text() => Node::one(|v| Ok(to_bool(&v)), from.node),
        Ty::Int { .. } if source.is_number() || source.is_text() => {
            Node::one(move |v| to_int(&v, ty), from.node)
        }
        Ty::Decimal { .. } if source.is_number() || source.is_text() => {
            Node::one(move |v| to_decimal(&v, ty), from.node)
        }
        Ty::Float | Ty::Double if source.is_number() || source.is_text() => {
            Node::one(move |v| to_float(&v, ty), from.node)
        }
        Ty::Date | Ty::DateTime { .. } if !source.is_number() && !is_clock(source) => {
            let local = local(from, zone);
            Node::one(move |v| Ok(to_day(&v, ty)), local.node)
        }
        _ => return Err(refused(&from)),
    };
    Ok(Typed::new(node, ty, at))
}

fn is_clock(ty: Ty) -> bool {
    matches!(ty, Ty::Time { .. })
}

/// A value where its type is to be a wider one.
pub(super) fn implied(from: Typed, ty: Ty, zone: TimeZone) -> Result<Typed, Wrong> {
    let same = std::mem::discriminant(&from.ty) == std::mem::discriminant(&ty);
    let scaled = matches!(ty, Ty::Decimal { .. } | Ty::Float | Ty::Double);
    if from.ty == ty || (same && !scaled) { Ok(from) } else { to(from, ty, zone) }
}

/// Any value as text, cut where it is longer.
pub(super) fn text(from: Typed, chars: u32, zone: TimeZone) -> Typed {
    let (at, source) = (from.at, from.ty);
    let width = source.width().min(chars);
    if source.is_text() && source.width() <= chars {
        return Typed::new(from.node, Ty::Text { chars: width }, at);
    }
    let from = local(from, zone);
    let kept = usize::try_from(chars).unwrap_or(usize::MAX);
    let node = Node::one(
        move |v| {
            let text = v.to_text(source);
            let end = text.char_indices().nth(kept).map_or(text.len(), |(end, _)| end);
            Ok(Value::Text(text.get(..end).unwrap_or_default().to_owned().into()))
        },
        from.node,
    );
    Typed::new(node, Ty::Text { chars: width }, at)
}

/// A TIMESTAMP as the zone's clocks show it; anything else as it is.
pub(super) fn local(from: Typed, zone: TimeZone) -> Typed {
    let Ty::Timestamp { fsp } = from.ty else { return from };
    let shown = move |v: Value<'_>| match v {
        Value::DateTime(v) => Value::DateTime(zone.local(&v)),
        _ => Value::Null,
    };
    Typed::new(Node::one(move |v| Ok(shown(v)), from.node), Ty::DateTime { fsp }, from.at)
}

/// A text beside numbers.
pub(super) fn literal_number(from: Typed) -> Result<Typed, Wrong> {
    let number = from.literal().and_then(|text| Value::decimal(text.trim()));
    let number = number.ok_or_else(|| from.wrong("this is compared with a number, and is none"))?;
    let ty = Ty::decimal(PRECISION_MAX - SCALE_MAX, SCALE_MAX);
    Ok(Typed::new(Node::Constant(number), ty, from.at))
}

/// A text beside days and times.
pub(super) fn literal_moment(from: Typed) -> Result<Typed, Wrong> {
    let moment = from.literal().and_then(temporal::parse).ok_or_else(|| {
        from.wrong("this is compared with a time, and is none: write `2022-09-22 10:00:00`")
    })?;
    Ok(Typed::new(Node::Constant(Value::DateTime(moment)), Ty::DateTime { fsp: 6 }, from.at))
}

/// A text beside values of TIME.
pub(super) fn literal_clock(from: Typed) -> Result<Typed, Wrong> {
    let time = from.literal().and_then(temporal::parse_time);
    let time = time.ok_or_else(|| from.wrong("this is compared with a TIME: write `10:00:00`"))?;
    Ok(Typed::new(Node::Constant(Value::Time(time)), Ty::Time { fsp: 6 }, from.at))
}

fn to_bool(value: &Value<'_>) -> Value<'static> {
    let text = value.as_text().unwrap_or_default().trim();
    if text.eq_ignore_ascii_case("true") {
        Value::Bool(true)
    } else if text.eq_ignore_ascii_case("false") {
        Value::Bool(false)
    } else {
        let number = Value::decimal(text).and_then(|number| number.truth());
        number.map_or(Value::Null, Value::Bool)
    }
}

/// What lies behind the point is cut off.
fn to_int(value: &Value<'_>, ty: Ty) -> Result<Value<'static>, Fault> {
    let outside = || Fault::out_of_range("CAST", ty);
    let number = match value {
        Value::Text(text) => match BigDecimal::from_str(text.trim()) {
            Ok(number) => whole(&number).ok_or_else(outside)?,
            Err(_) => return Ok(Value::Null),
        },
        Value::Double(v) if v.is_finite() => v.trunc().to_i128().ok_or_else(outside)?,
        Value::Decimal(v) => whole(v).ok_or_else(outside)?,
        other => other.integer().ok_or_else(outside)?,
    };
    if fits(number, ty) { Ok(Value::Int(number)) } else { Err(outside()) }
}

fn whole(number: &BigDecimal) -> Option<i128> {
    // Longer than any integer, and not to be written out.
    if number.fractional_digit_count() < -40 {
        return None;
    }
    let (digits, _): (BigInt, i64) =
        number.with_scale_round(0, RoundingMode::Down).into_bigint_and_exponent();
    digits.to_i128()
}

pub(super) fn fits(number: i128, ty: Ty) -> bool {
    let Ty::Int { bytes, unsigned } = ty else { return true };
    let bits = u32::from(bytes) * 8;
    if unsigned {
        (0..1_i128 << bits).contains(&number)
    } else {
        (-(1_i128 << (bits - 1))..1_i128 << (bits - 1)).contains(&number)
    }
}

fn to_decimal(value: &Value<'_>, ty: Ty) -> Result<Value<'static>, Fault> {
    let number = match value {
        Value::Text(text) => BigDecimal::from_str(text.trim()).ok(),
        Value::Double(v) => BigDecimal::from_str(&v.to_string()).ok(),
        other => other.exact(),
    };
    let Some(number) = number else { return Ok(Value::Null) };
    let fitted = fitted(&number, ty).ok_or_else(|| Fault::out_of_range("CAST", ty))?;
    Ok(Value::Decimal(fitted))
}

fn to_float(value: &Value<'_>, ty: Ty) -> Result<Value<'static>, Fault> {
    let number = match value {
        Value::Text(text) => text.trim().parse().ok().filter(|v: &f64| v.is_finite()),
        other => other.float(),
    };
    let Some(number) = number else { return Ok(Value::Null) };
    let number = if ty == Ty::Float { f64::from(narrow(number)) } else { number };
    if number.is_finite() {
        Ok(Value::Double(number))
    } else {
        Err(Fault::out_of_range("CAST", ty))
    }
}

fn to_day(value: &Value<'_>, ty: Ty) -> Value<'static> {
    let moment = match value {
        Value::Text(text) => temporal::parse(text),
        other => other.date_time(),
    };
    match (moment, ty) {
        (None, _) => Value::Null,
        (Some(moment), Ty::DateTime { fsp }) => Value::DateTime(temporal::cut(moment, fsp)),
        (Some(moment), _) => Value::Date(moment.date),
    }
}

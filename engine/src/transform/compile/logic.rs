//! Truth, comparison and choice, with NULL as the third value.

use std::cmp::Ordering;

use model::TimeZone;

use super::calls::Call;
use super::{Scope, Typed, cast};
use crate::transform::expr::Node;
use crate::transform::syntax::{Expr, Wrong};
use crate::transform::types::Ty;
use crate::transform::value::Value;

pub(super) fn joined(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut nodes = call.arguments.iter().map(|argument| call.scope.condition(argument));
    let (Some(one), Some(other)) = (nodes.next(), nodes.next()) else {
        return Err(call.wrong("an argument is missing"));
    };
    let (one, other) = (Box::new(one?.node), Box::new(other?.node));
    let node = if call.name == "AND" { Node::And(one, other) } else { Node::Or(one, other) };
    Ok(Typed::new(node, Ty::Bool, call.at))
}

pub(super) fn not(call: &Call<'_>) -> Result<Typed, Wrong> {
    let inner = condition(call)?;
    Ok(Typed::new(Node::Not(Box::new(inner.node)), Ty::Bool, call.at))
}

pub(super) fn is(call: &Call<'_>) -> Result<Typed, Wrong> {
    let node = match call.name {
        "IS NULL" => Node::IsNull(Box::new(call.one()?.node)),
        name => Node::Is(Box::new(condition(call)?.node), name == "IS TRUE"),
    };
    Ok(Typed::new(node, Ty::Bool, call.at))
}

fn condition(call: &Call<'_>) -> Result<Typed, Wrong> {
    let argument = call.arguments.first().ok_or_else(|| call.wrong("an argument is missing"))?;
    call.scope.condition(argument)
}

pub(super) fn compare(call: &Call<'_>) -> Result<Typed, Wrong> {
    let holds: fn(Ordering) -> bool = match call.name {
        "=" => Ordering::is_eq,
        "<>" => Ordering::is_ne,
        "<" => Ordering::is_lt,
        "<=" => Ordering::is_le,
        ">" => Ordering::is_gt,
        _ => Ordering::is_ge,
    };
    let mut typed = comparable(call.typed()?, call.scope.zone, call.name)?.into_iter();
    let (Some(one), Some(other)) = (typed.next(), typed.next()) else {
        return Err(call.wrong("an argument is missing"));
    };
    let test = move |one: Value<'_>, other: Value<'_>| one.compare(&other).map(holds);
    let node = Node::two(
        move |one, other| Ok(test(one, other).map_or(Value::Null, Value::Bool)),
        one.node,
        other.node,
    );
    Ok(Typed::new(node, Ty::Bool, call.at))
}

/// `a BETWEEN b AND c` is `b <= a AND a <= c`: false where either is, whatever the other is.
pub(super) fn between(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut typed = comparable(call.typed()?, call.scope.zone, call.name)?.into_iter();
    let (Some(value), Some(low), Some(high)) = (typed.next(), typed.next(), typed.next()) else {
        return Err(call.wrong("an argument is missing"));
    };
    let [value, low, high] = [value, low, high].map(|one| Box::new(one.node));
    let node = Node::Between(value, low, high);
    Ok(Typed::new(node, Ty::Bool, call.at))
}

pub(super) fn is_in(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut typed = comparable(call.typed()?, call.scope.zone, call.name)?.into_iter();
    let Some(value) = typed.next() else { return Err(call.wrong("an argument is missing")) };
    let list = typed.map(|one| one.node).collect();
    Ok(Typed::new(Node::In(Box::new(value.node), list), Ty::Bool, call.at))
}

pub(super) fn null_if(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut typed = comparable(call.typed()?, call.scope.zone, call.name)?.into_iter();
    let (Some(one), Some(other)) = (typed.next(), typed.next()) else {
        return Err(call.wrong("an argument is missing"));
    };
    let node = Node::NullIf(Box::new(one.node), Box::new(other.node));
    Ok(Typed::new(node, one.ty, call.at))
}

pub(super) fn coalesce(call: &Call<'_>) -> Result<Typed, Wrong> {
    let (list, ty) = unified(call.typed()?, call.scope.zone)?;
    let nodes = list.into_iter().map(|one| one.node).collect();
    Ok(Typed::new(Node::Coalesce(nodes), ty, call.at))
}

pub(super) fn choice(call: &Call<'_>) -> Result<Typed, Wrong> {
    let [when, then, otherwise] = call.arguments else {
        return Err(call.wrong("an argument is missing"));
    };
    case(call.scope, None, &[(when.clone(), then.clone())], Some(otherwise), call.at)
}

pub(super) fn case(
    scope: &Scope<'_>,
    operand: Option<&Expr>,
    whens: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    at: usize,
) -> Result<Typed, Wrong> {
    let mut results = Vec::new();
    for (_, then) in whens {
        results.push(scope.typed(then)?);
    }
    results.push(match otherwise {
        Some(otherwise) => scope.typed(otherwise)?,
        None => Typed::new(Node::Constant(Value::Null), Ty::Null, at),
    });
    let (mut results, ty) = unified(results, scope.zone)?;
    let otherwise = results.pop().map_or(Node::Constant(Value::Null), |last| last.node);
    let thens = results.into_iter().map(|then| then.node);
    let node = match operand {
        None => {
            let whens = whens.iter().map(|(when, _)| scope.condition(when));
            let whens = whens.collect::<Result<Vec<_>, _>>()?.into_iter().map(|when| when.node);
            Node::Case(whens.zip(thens).collect(), Box::new(otherwise))
        }
        Some(operand) => {
            let values = std::iter::once(operand).chain(whens.iter().map(|(when, _)| when));
            let values = values.map(|value| scope.typed(value)).collect::<Result<Vec<_>, _>>()?;
            let mut values = comparable(values, scope.zone, "CASE")?.into_iter();
            let operand = values.next().map_or(Node::Constant(Value::Null), |one| one.node);
            let whens = values.map(|when| when.node).zip(thens).collect();
            Node::Switch(Box::new(operand), whens, Box::new(otherwise))
        }
    };
    Ok(Typed::new(node, ty, at))
}

/// Values of one type, made so where they are not.
fn unified(list: Vec<Typed>, zone: TimeZone) -> Result<(Vec<Typed>, Ty), Wrong> {
    let mut ty = Ty::Null;
    for one in &list {
        if one.ty == Ty::Opaque {
            return Err(one.wrong("bytes and geometries only pass as they are"));
        }
        ty = ty.unified(one.ty).ok_or_else(|| {
            one.wrong(format!("this is {}, and before it is {ty}: write a CAST", one.ty))
        })?;
    }
    let made = list.into_iter().map(|one| match one.ty {
        Ty::Null => Ok(one),
        _ => cast::implied(one, ty, zone),
    });
    Ok((made.collect::<Result<_, _>>()?, ty))
}

/// Values that compare with each other: numbers, texts, or days and times. A text that is written out is
/// read as what it is compared with. Beside a DATETIME, a TIMESTAMP is what clocks of the job's zone show.
fn comparable(list: Vec<Typed>, zone: TimeZone, name: &str) -> Result<Vec<Typed>, Wrong> {
    let is_open = |one: &Typed| one.ty == Ty::Null || one.literal().is_some();
    let kinds: Vec<Kind> =
        list.iter().filter(|one| !is_open(one)).map(|o| Kind::of(o.ty)).collect();
    let all = |wanted: &[Kind]| kinds.iter().all(|kind| wanted.contains(kind));
    let kind = if kinds.is_empty() || all(&[Kind::Text]) {
        Kind::Text
    } else if all(&[Kind::Number]) {
        Kind::Number
    } else if all(&[Kind::Day, Kind::Moment]) {
        Kind::Moment
    } else if all(&[Kind::Clock]) {
        Kind::Clock
    } else {
        let types: Vec<_> = list.iter().map(|one| one.ty.to_string()).collect();
        let what = format!("{name} has nothing to compare in {}: write a CAST", types.join(", "));
        return Err(Wrong::new(list.first().map_or(0, |one| one.at), what));
    };
    let made = list.into_iter().map(|one| {
        let is_literal = one.literal().is_some();
        match kind {
            Kind::Number if is_literal => cast::literal_number(one),
            Kind::Moment if is_literal => cast::literal_moment(one),
            Kind::Moment => Ok(cast::local(one, zone)),
            Kind::Clock if is_literal => cast::literal_clock(one),
            Kind::Text | Kind::Number | Kind::Clock | Kind::Day | Kind::None => Ok(one),
        }
    });
    made.collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Day,
    Moment,
    Clock,
    None,
}

impl Kind {
    fn of(ty: Ty) -> Self {
        match ty {
            Ty::Bool | Ty::Int { .. } | Ty::Decimal { .. } | Ty::Float | Ty::Double => Self::Number,
            Ty::Text { .. } => Self::Text,
            Ty::Date | Ty::DateTime { .. } => Self::Day,
            Ty::Timestamp { .. } => Self::Moment,
            Ty::Time { .. } => Self::Clock,
            Ty::Null | Ty::Opaque => Self::None,
        }
    }
}

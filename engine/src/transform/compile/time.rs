//! Days and times. A TIMESTAMP is what clocks of the job's zone show (`table.local-time-zone`). What no
//! calendar has, a zero date among them, gives NULL.

use model::value::DateTime;

use super::calls::Call;
use super::{Typed, cast};
use crate::transform::expr::Node;
use crate::transform::syntax::{Kind, Wrong};
use crate::transform::temporal::{self, Format, Unit};
use crate::transform::types::{BIGINT, Ty};
use crate::transform::value::Value;

/// A day or a time, as the zone's clocks show it.
fn moment(typed: Typed, call: &Call<'_>) -> Result<Typed, Wrong> {
    let typed = cast::local(typed, call.scope.zone);
    match typed.ty {
        Ty::Date | Ty::DateTime { .. } | Ty::Null => Ok(typed),
        Ty::Text { .. } if typed.literal().is_some() => cast::literal_moment(typed),
        ty => Err(typed.wrong(format!(
            "{} takes a day or a time, and this is {ty}: write a CAST or TO_TIMESTAMP",
            call.name
        ))),
    }
}

fn format(typed: &Typed) -> Result<Format, Wrong> {
    let pattern = typed.literal().ok_or_else(|| typed.wrong("a text is wanted, written out"))?;
    Format::read(pattern).map_err(|wrong| typed.wrong(wrong))
}

pub(super) fn date_format(call: &Call<'_>) -> Result<Typed, Wrong> {
    let (value, pattern) = call.two()?;
    let (value, format) = (moment(value, call)?, format(&pattern)?);
    let ty = Ty::text(format.width());
    let node = Node::one(
        move |value| {
            let moment = value.date_time().filter(|v| temporal::to_chrono(v).is_some());
            Ok(moment.map_or(Value::Null, |v| Value::Text(format.write(&v).into())))
        },
        value.node,
    );
    Ok(Typed::new(node, ty, call.at))
}

/// `TO_DATE(text[, format])` and `TO_TIMESTAMP(text[, format])`.
pub(super) fn parse(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut given = call.typed()?.into_iter();
    let text = given.next().ok_or_else(|| call.wrong("an argument is missing"))?;
    if !text.ty.is_text() && text.ty != Ty::Null {
        return Err(text.wrong(format!("{} takes a text, and this is {}", call.name, text.ty)));
    }
    let to_date = call.name == "TO_DATE";
    let format = match given.next() {
        Some(pattern) => Some(format(&pattern)?),
        None => None,
    };
    let read = move |text: &str| match &format {
        Some(format) => format.parse(text),
        None => temporal::parse(text),
    };
    let made = move |moment: DateTime| {
        if to_date { Value::Date(moment.date) } else { Value::DateTime(moment) }
    };
    let node = Node::one(
        move |value| Ok(value.as_text().and_then(&read).map_or(Value::Null, made)),
        text.node,
    );
    let ty = if to_date { Ty::Date } else { Ty::DateTime { fsp: 6 } };
    Ok(Typed::new(node, ty, call.at))
}

/// `TIMESTAMPDIFF(unit, from, to)`: whole units.
pub(super) fn difference(call: &Call<'_>) -> Result<Typed, Wrong> {
    let [unit, from, to] = call.arguments else {
        return Err(call.wrong("an argument is missing"));
    };
    let named = match &unit.kind {
        Kind::Name(name) | Kind::Text(name) => name.to_ascii_uppercase(),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Number(_)
        | Kind::Call(..)
        | Kind::Case { .. }
        | Kind::Cast(..) => String::new(),
    };
    let Some((_, unit)) = Unit::NAMES.into_iter().find(|(name, _)| *name == named) else {
        let names = Unit::NAMES.map(|(name, _)| name).join(", ");
        return Err(Wrong::new(unit.at, format!("a unit is wanted: {names}")));
    };
    let from = moment(call.scope.typed(from)?, call)?;
    let to = moment(call.scope.typed(to)?, call)?;
    let between = move |from: &Value<'_>, to: &Value<'_>| {
        unit.between(&from.date_time()?, &to.date_time()?).map(Value::Int)
    };
    let node = Node::two(
        move |from, to| Ok(between(&from, &to).unwrap_or(Value::Null)),
        from.node,
        to.node,
    );
    Ok(Typed::new(node, BIGINT, call.at))
}

/// `YEAR(x)` and its like.
pub(super) fn field(call: &Call<'_>) -> Result<Typed, Wrong> {
    let value = moment(call.one()?, call)?;
    let part: fn(&DateTime) -> i128 = match call.name {
        "YEAR" => |v| v.date.year.into(),
        "MONTH" => |v| v.date.month.into(),
        "DAYOFMONTH" => |v| v.date.day.into(),
        "HOUR" => |v| v.hour.into(),
        "MINUTE" => |v| v.minute.into(),
        _ => |v| v.second.into(),
    };
    let node = Node::one(
        move |value| Ok(value.date_time().map_or(Value::Null, |v| Value::Int(part(&v)))),
        value.node,
    );
    Ok(Typed::new(node, Ty::Int { bytes: 4, unsigned: false }, call.at))
}

/// `DATE(x)`.
pub(super) fn date(call: &Call<'_>) -> Result<Typed, Wrong> {
    cast::to(moment(call.one()?, call)?, Ty::Date, call.scope.zone)
}

//! Texts. Whatever is no text becomes one, as MySQL prints it; lengths and places count characters.

use std::borrow::Cow;

use super::calls::Call;
use super::{Typed, cast};
use crate::transform::expr::Node;
use crate::transform::syntax::Wrong;
use crate::transform::types::{BIGINT, CHARS_MAX, Ty};
use crate::transform::value::Value;

/// The arguments as texts.
fn texts(call: &Call<'_>) -> Result<Vec<Typed>, Wrong> {
    call.typed()?.into_iter().map(|one| text(one, call)).collect()
}

fn text(one: Typed, call: &Call<'_>) -> Result<Typed, Wrong> {
    if one.ty == Ty::Opaque {
        return Err(one.wrong("bytes and geometries are no text"));
    }
    Ok(if one.ty == Ty::Null { one } else { cast::text(one, CHARS_MAX, call.scope.zone) })
}

fn first(call: &Call<'_>) -> Result<Typed, Wrong> {
    text(call.one()?, call)
}

fn chars(typed: &Typed) -> u32 {
    typed.ty.width()
}

pub(super) fn concat(call: &Call<'_>) -> Result<Typed, Wrong> {
    let parts = texts(call)?;
    let width = parts.iter().fold(0_u32, |sum, part| sum.saturating_add(chars(part)));
    let node = Node::many(
        |values| {
            let parts: Vec<&str> = values.iter().filter_map(Value::as_text).collect();
            Ok(Value::Text(parts.concat().into()))
        },
        parts.into_iter().map(|part| part.node).collect(),
    );
    Ok(Typed::new(node, Ty::Text { chars: width }, call.at))
}

pub(super) fn case(call: &Call<'_>) -> Result<Typed, Wrong> {
    let inner = first(call)?;
    let upper = call.name == "UPPER";
    // Some characters become up to three.
    let width = chars(&inner).saturating_mul(if upper { 3 } else { 2 });
    let width = if chars(&inner) == 0 { 0 } else { width };
    let node = Node::one(
        move |value| {
            let text = value.as_text().unwrap_or_default();
            let text = if upper { text.to_uppercase() } else { text.to_lowercase() };
            Ok(Value::Text(text.into()))
        },
        inner.node,
    );
    Ok(Typed::new(node, Ty::Text { chars: width }, call.at))
}

pub(super) fn trim(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut given = texts(call)?.into_iter();
    let inner = given.next().ok_or_else(|| call.wrong("an argument is missing"))?;
    let blank = || Typed::new(Node::Constant(Value::Text(" ".into())), Ty::text(1), call.at);
    let what = given.next().unwrap_or_else(blank);
    let (left, right) = (call.name != "RTRIM", call.name != "LTRIM");
    let width = chars(&inner);
    let node = Node::two(
        move |value, what| {
            let (Some(text), Some(what)) = (value.as_text(), what.as_text()) else {
                return Ok(Value::Null);
            };
            let mut kept = text;
            if left && !what.is_empty() {
                kept = kept.trim_start_matches(what);
            }
            if right && !what.is_empty() {
                kept = kept.trim_end_matches(what);
            }
            Ok(if kept.len() == text.len() { value } else { Value::Text(kept.to_owned().into()) })
        },
        inner.node,
        what.node,
    );
    Ok(Typed::new(node, Ty::Text { chars: width }, call.at))
}

pub(super) fn char_length(call: &Call<'_>) -> Result<Typed, Wrong> {
    let inner = first(call)?;
    let count = |text: &str| i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let node =
        Node::one(move |v| Ok(Value::Int(count(v.as_text().unwrap_or_default()))), inner.node);
    Ok(Typed::new(node, BIGINT, call.at))
}

/// Places count from 1, or from the end where they are negative; there is nothing at 0, as in MySQL.
pub(super) fn substr(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut given = call.typed()?.into_iter();
    let inner = given.next().ok_or_else(|| call.wrong("an argument is missing"))?;
    let inner = text(inner, call)?;
    let mut width = chars(&inner);
    let mut nodes = vec![inner.node];
    for number in given {
        if !number.ty.is_integer() && number.ty != Ty::Null {
            return Err(
                number.wrong(format!("a whole number is wanted, and this is {}", number.ty))
            );
        }
        if nodes.len() == 2
            && let Some(length) = number.constant().and_then(Value::integer)
        {
            width = width.min(u32::try_from(length.max(0)).unwrap_or(u32::MAX));
        }
        nodes.push(number.node);
    }
    let node = Node::many(
        |values| {
            let mut values = values.into_iter();
            let text = values.next().unwrap_or(Value::Null);
            let start = values.next().and_then(|value| value.integer()).unwrap_or(0);
            let length = values.next().map(|value| value.integer().unwrap_or(0));
            let cut = cut(text.as_text().unwrap_or_default(), start, length).to_owned();
            Ok(Value::Text(cut.into()))
        },
        nodes,
    );
    Ok(Typed::new(node, Ty::Text { chars: width }, call.at))
}

fn cut(text: &str, start: i128, length: Option<i128>) -> &str {
    let count = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let from = if start < 0 { count.saturating_add(start) } else { start - 1 };
    let length = length.unwrap_or(count);
    if from < 0 || from >= count || length <= 0 {
        return "";
    }
    let byte = |chars: i128| {
        let chars = usize::try_from(chars).unwrap_or(usize::MAX);
        text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
    };
    text.get(byte(from)..byte(from.saturating_add(length))).unwrap_or_default()
}

pub(super) fn replace(call: &Call<'_>) -> Result<Typed, Wrong> {
    let parts = texts(call)?;
    let nodes = parts.into_iter().map(|part| part.node).collect();
    let node = Node::many(
        |values| {
            let mut texts = values.iter().filter_map(Value::as_text);
            let mut next = || texts.next().unwrap_or_default();
            let (text, from, to) = (next(), next(), next());
            let text = if from.is_empty() { text.to_owned() } else { text.replace(from, to) };
            Ok(Value::Text(text.into()))
        },
        nodes,
    );
    Ok(Typed::new(node, Ty::Text { chars: CHARS_MAX }, call.at))
}

/// `REGEXP_REPLACE(text, pattern, replacement)`, in Java's spelling.
pub(super) fn regexp_replace(call: &Call<'_>) -> Result<Typed, Wrong> {
    let [inner, pattern, replacement] = call.arguments else {
        return Err(call.wrong("an argument is missing"));
    };
    let inner = text(call.scope.typed(inner)?, call)?;
    let written = |typed: Typed| match typed.literal() {
        Some(text) => Ok(text.to_owned()),
        None => Err(typed.wrong("a text is wanted, written out")),
    };
    let pattern_at = pattern.at;
    let pattern = written(call.scope.typed(pattern)?)?;
    let regex = job::anywhere(&pattern).map_err(|e| Wrong::new(pattern_at, e.to_string()))?;
    let replacement = ours(&written(call.scope.typed(replacement)?)?);
    let node = Node::one(
        move |value| {
            Ok(match &value {
                Value::Text(text) => match regex.replace_all(text, replacement.as_str()) {
                    Cow::Borrowed(_) => value,
                    Cow::Owned(text) => Value::Text(text.into()),
                },
                _ => Value::Null,
            })
        },
        inner.node,
    );
    Ok(Typed::new(node, Ty::Text { chars: CHARS_MAX }, call.at))
}

/// Java's replacement in our spelling: `$1` is a group, `\$` a dollar.
fn ours(java: &str) -> String {
    let mut ours = String::new();
    let mut chars = java.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => ours.push_str("$$"),
                escaped => ours.extend(escaped),
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                ours.push_str("${");
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    ours.push(digit);
                }
                ours.push('}');
            }
            '$' => ours.push_str("$$"),
            c => ours.push(c),
        }
    }
    ours
}

/// `%` is any text, `_` any character; a backslash, or what `ESCAPE` says, makes them themselves.
pub(super) fn like(call: &Call<'_>) -> Result<Typed, Wrong> {
    let mut given = texts(call)?.into_iter();
    let (Some(value), Some(pattern)) = (given.next(), given.next()) else {
        return Err(call.wrong("an argument is missing"));
    };
    let escape = match given.next() {
        None => '\\',
        Some(escape) => {
            let text = escape.literal().unwrap_or_default();
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => c,
                _ => return Err(escape.wrong("one character is wanted, written out")),
            }
        }
    };
    let node = Node::two(
        move |value, pattern| {
            let (Some(text), Some(pattern)) = (value.as_text(), pattern.as_text()) else {
                return Ok(Value::Null);
            };
            Ok(Value::Bool(is_like(text, &marks(pattern, escape))))
        },
        value.node,
        pattern.node,
    );
    Ok(Typed::new(node, Ty::Bool, call.at))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Any,
    One,
    Char(char),
}

fn marks(pattern: &str, escape: char) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        marks.push(match c {
            c if c == escape => Mark::Char(chars.next().unwrap_or(c)),
            '%' => Mark::Any,
            '_' => Mark::One,
            c => Mark::Char(c),
        });
    }
    marks
}

/// Goes back to the last `%` alone, so that its time is bounded by the product of both lengths.
fn is_like(text: &str, marks: &[Mark]) -> bool {
    let (mut rest, mut at) = (text, 0);
    let mut back: Option<(&str, usize)> = None;
    loop {
        let first = rest.chars().next();
        let matched = match (marks.get(at), first) {
            (Some(Mark::Any), _) => {
                back = Some((rest, at));
                at += 1;
                continue;
            }
            (None, None) => return true,
            (Some(Mark::One), Some(_)) => true,
            (Some(Mark::Char(wanted)), Some(c)) => *wanted == c,
            (Some(Mark::One | Mark::Char(_)), None) | (None, Some(_)) => false,
        };
        if matched {
            rest = rest.get(first.map_or(0, char::len_utf8)..).unwrap_or_default();
            at += 1;
            continue;
        }
        let Some((from, mark)) = back else { return false };
        let Some(c) = from.chars().next() else { return false };
        let next = from.get(c.len_utf8()..).unwrap_or_default();
        back = Some((next, mark));
        (rest, at) = (next, mark + 1);
    }
}

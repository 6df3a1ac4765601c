//! What a compiled expression is, and how a row goes through it.

use model::{Cell, TableName};

use super::value::{Fault, Value};

type Given<'v> = Result<Value<'v>, Fault>;
type One = Box<dyn for<'v> Fn(Value<'v>) -> Given<'v> + Send + Sync>;
type Two = Box<dyn for<'v> Fn(Value<'v>, Value<'v>) -> Given<'v> + Send + Sync>;
type Many = Box<dyn for<'v> Fn(Vec<Value<'v>>) -> Given<'v> + Send + Sync>;

/// A part of an expression whose types are known to fit.
pub(super) enum Node {
    Column(usize),
    Meta(Meta),
    Constant(Value<'static>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    Is(Box<Node>, bool),
    /// The first of the conditions that holds gives its value.
    Case(Vec<(Node, Node)>, Box<Node>),
    /// The first of the values that equals the operand gives its own.
    Switch(Box<Node>, Vec<(Node, Node)>, Box<Node>),
    Coalesce(Vec<Node>),
    /// NULL where both are equal.
    NullIf(Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Node>),
    /// A value, and the least and the greatest that it may be.
    Between(Box<Node>, Box<Node>, Box<Node>),
    /// NULL where an argument is: these three are not asked then.
    One(One, Box<Node>),
    Two(Two, Box<Node>, Box<Node>),
    Many(Many, Vec<Node>),
}

/// What is known of a row beside its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meta {
    Database,
    Table,
    Event,
}

/// A row image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) cells: &'r [Cell<'r>],
    pub(super) table: &'r TableName,
    /// `+I`, `-U`, `+U` or `-D`.
    pub(super) event: &'static str,
}

impl Node {
    pub(super) fn one(
        apply: impl for<'v> Fn(Value<'v>) -> Given<'v> + Send + Sync + 'static,
        node: Self,
    ) -> Self {
        Self::One(Box::new(apply), Box::new(node))
    }

    pub(super) fn two(
        apply: impl for<'v> Fn(Value<'v>, Value<'v>) -> Given<'v> + Send + Sync + 'static,
        first: Self,
        second: Self,
    ) -> Self {
        Self::Two(Box::new(apply), Box::new(first), Box::new(second))
    }

    pub(super) fn many(
        apply: impl for<'v> Fn(Vec<Value<'v>>) -> Given<'v> + Send + Sync + 'static,
        nodes: Vec<Self>,
    ) -> Self {
        Self::Many(Box::new(apply), nodes)
    }

    pub(super) fn value<'r>(&'r self, row: Row<'r>) -> Given<'r> {
        Ok(match self {
            Self::Column(at) => row.cells.get(*at).map_or(Value::Null, Value::of),
            Self::Meta(meta) => Value::Text(
                match meta {
                    Meta::Database => &*row.table.db,
                    Meta::Table => &*row.table.table,
                    Meta::Event => row.event,
                }
                .into(),
            ),
            Self::Constant(value) => value.borrowed(),
            Self::Not(inner) => known(inner.value(row)?.truth().map(|truth| !truth)),
            Self::And(one, other) => known(joined(one, other, row, false)?),
            Self::Or(one, other) => known(joined(one, other, row, true)?),
            Self::IsNull(inner) => Value::Bool(inner.value(row)?.is_null()),
            Self::Is(inner, wanted) => Value::Bool(inner.value(row)?.truth() == Some(*wanted)),
            Self::Case(..)
            | Self::Switch(..)
            | Self::Coalesce(_)
            | Self::NullIf(..)
            | Self::In(..)
            | Self::Between(..) => return self.chosen(row),
            Self::One(apply, node) => {
                let value = node.value(row)?;
                if value.is_null() { Value::Null } else { apply(value)? }
            }
            Self::Two(apply, first, second) => match (first.value(row)?, second.value(row)?) {
                (Value::Null, _) | (_, Value::Null) => Value::Null,
                (first, second) => apply(first, second)?,
            },
            Self::Many(apply, nodes) => {
                let mut values = Vec::with_capacity(nodes.len());
                for node in nodes {
                    let value = node.value(row)?;
                    if value.is_null() {
                        return Ok(Value::Null);
                    }
                    values.push(value);
                }
                apply(values)?
            }
        })
    }

    /// Of those that compare.
    fn chosen<'r>(&'r self, row: Row<'r>) -> Given<'r> {
        Ok(match self {
            Self::Case(whens, otherwise) => {
                for (when, then) in whens {
                    if when.value(row)?.truth() == Some(true) {
                        return then.value(row);
                    }
                }
                return otherwise.value(row);
            }
            Self::Switch(operand, whens, otherwise) => {
                let operand = operand.value(row)?;
                for (when, then) in whens {
                    if operand.compare(&when.value(row)?).is_some_and(|order| order.is_eq()) {
                        return then.value(row);
                    }
                }
                return otherwise.value(row);
            }
            Self::Coalesce(nodes) => {
                for node in nodes {
                    let value = node.value(row)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Self::NullIf(first, second) => {
                let value = first.value(row)?;
                let equal = value.compare(&second.value(row)?).is_some_and(|order| order.is_eq());
                if equal { Value::Null } else { value }
            }
            Self::In(node, list) => {
                let value = node.value(row)?;
                let mut unknown = false;
                for one in list {
                    match value.compare(&one.value(row)?) {
                        Some(order) if order.is_eq() => return Ok(Value::Bool(true)),
                        Some(_) => {}
                        None => unknown = true,
                    }
                }
                known((!unknown).then_some(false))
            }
            Self::Between(node, low, high) => {
                let value = node.value(row)?;
                let above = value.compare(&low.value(row)?).map(|order| order.is_ge());
                let below = value.compare(&high.value(row)?).map(|order| order.is_le());
                known(match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (above, below) => above.and(below),
                })
            }
            Self::Column(_)
            | Self::Meta(_)
            | Self::Constant(_)
            | Self::Not(_)
            | Self::And(..)
            | Self::Or(..)
            | Self::IsNull(_)
            | Self::Is(..)
            | Self::One(..)
            | Self::Two(..)
            | Self::Many(..) => return self.value(row),
        })
    }
}

/// AND and OR with three values: `absorbs` decides alone, whatever the other is.
fn joined(one: &Node, other: &Node, row: Row<'_>, absorbs: bool) -> Result<Option<bool>, Fault> {
    let first = one.value(row)?.truth();
    if first == Some(absorbs) {
        return Ok(first);
    }
    let second = other.value(row)?.truth();
    Ok(if second == Some(absorbs) { second } else { first.and(second) })
}

fn known<'v>(truth: Option<bool>) -> Value<'v> {
    truth.map_or(Value::Null, Value::Bool)
}

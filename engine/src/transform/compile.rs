//! Trees of words → expressions over one table's columns. Whatever is wrong with an expression is found
//! here, before a row is: names, types, arguments.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a function takes a few types, and all others are alike to it"
)]

use model::{TableSchema, TimeZone};

use super::expr::{Meta, Node};
use super::syntax::{Expr, Kind, Wrong};
use super::types::{BIGINT, Ty};
use super::value::Value;

mod calls;
mod cast;
mod logic;
mod number;
mod text;
mod time;

/// Columns that an error lists, at most.
const LISTED_MAX: usize = 60;

/// A compiled part, what it gives, and where it stands.
pub(super) struct Typed {
    pub(super) node: Node,
    pub(super) ty: Ty,
    pub(super) at: usize,
}

impl Typed {
    fn new(node: Node, ty: Ty, at: usize) -> Self {
        Self { node, ty, at }
    }

    fn constant(&self) -> Option<&Value<'static>> {
        if let Node::Constant(value) = &self.node { Some(value) } else { None }
    }

    /// A text that is written there.
    fn literal(&self) -> Option<&str> {
        self.constant()?.as_text()
    }

    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::new(self.at, message)
    }
}

/// What names mean.
#[derive(Clone, Copy)]
pub(super) struct Scope<'c> {
    pub(super) schema: &'c TableSchema,
    /// Columns of the projection that are computed; a filter may name them.
    pub(super) computed: &'c [(&'c str, &'c Expr)],
    /// In which a TIMESTAMP is shown.
    pub(super) zone: TimeZone,
}

impl Scope<'_> {
    pub(super) fn typed(&self, expr: &Expr) -> Result<Typed, Wrong> {
        let at = expr.at;
        let constant = |value, ty| Ok(Typed::new(Node::Constant(value), ty, at));
        match &expr.kind {
            Kind::Name(name) => self.name(name, at),
            Kind::Null => constant(Value::Null, Ty::Null),
            Kind::Bool(truth) => constant(Value::Bool(*truth), Ty::Bool),
            Kind::Number(number) => {
                let (value, ty) = literal(number)
                    .ok_or_else(|| Wrong::new(at, format!("`{number}` is no number of SQL")))?;
                constant(value, ty)
            }
            Kind::Text(text) => {
                constant(Value::Text(text.clone().into()), Ty::text(text.chars().count()))
            }
            Kind::Call(name, arguments) => calls::call(self, name, arguments, at),
            Kind::Case { operand, whens, otherwise } => {
                logic::case(self, operand.as_deref(), whens, otherwise.as_deref(), at)
            }
            Kind::Cast(inner, ty) => {
                let inner = self.typed(inner)?;
                let inner = cast::to(inner, cast::named(ty)?, self.zone)?;
                Ok(Typed { at, ..inner })
            }
        }
    }

    /// A condition: a truth value, or a number, of which 0 is false.
    pub(super) fn condition(&self, expr: &Expr) -> Result<Typed, Wrong> {
        let typed = self.typed(expr)?;
        match typed.ty {
            Ty::Null => Ok(typed),
            ty if ty.is_number() => Ok(typed),
            ty => Err(typed.wrong(format!("a condition is wanted, and this is {ty}"))),
        }
    }

    fn name(&self, name: &str, at: usize) -> Result<Typed, Wrong> {
        let same = |other: &str| other.to_lowercase() == name.to_lowercase();
        if let Some((_, expr)) = self.computed.iter().find(|(computed, _)| same(computed)) {
            return Ok(Typed { at, ..Self { computed: &[], ..*self }.typed(expr)? });
        }
        if let Some(at_column) = self.column(name)
            && let Some(column) = self.schema.columns.get(at_column)
        {
            return Ok(Typed::new(Node::Column(at_column), Ty::of(&column.ty), at));
        }
        let meta = match name.to_ascii_lowercase().as_str() {
            "__schema_name__" | "__namespace_name__" => Meta::Database,
            "__table_name__" => Meta::Table,
            "__data_event_type__" => Meta::Event,
            _ => {
                calls::refuse_unsteady(name, at)?;
                return Err(Wrong::new(at, self.unknown(name)));
            }
        };
        // MySQL's identifiers have 64 characters at most.
        let chars = if meta == Meta::Event { 2 } else { 64 };
        Ok(Typed::new(Node::Meta(meta), Ty::Text { chars }, at))
    }

    /// The place of a column in a row image.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        let columns = || self.schema.columns.iter();
        let exact = columns().position(|column| *column.name == *name);
        // Column names are not case-sensitive (MySQL manual, "Identifier Case Sensitivity").
        let alike = || columns().position(|c| c.name.to_lowercase() == name.to_lowercase());
        exact.or_else(alike)
    }

    fn unknown(&self, name: &str) -> String {
        let columns = &self.schema.columns;
        let names: Vec<_> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
        let more = names.len().saturating_sub(LISTED_MAX);
        let listed = names.get(..LISTED_MAX).unwrap_or(&names).join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("there is no column `{name}`; there are {listed}{more}")
    }
}

/// `5` is a whole number, `5.0` a decimal, `5e0` a float.
fn literal(number: &str) -> Option<(Value<'static>, Ty)> {
    if number.contains(['e', 'E']) {
        let value: f64 = number.parse().ok()?;
        return value.is_finite().then_some((Value::Double(value), Ty::Double));
    }
    if let Ok(value) = number.parse::<i64>() {
        let small = i32::try_from(value).is_ok();
        let ty = if small { Ty::Int { bytes: 4, unsigned: false } } else { BIGINT };
        return Some((Value::Int(value.into()), ty));
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.trim_start_matches(['-', '0']).len();
    let (whole, scale) = (u8::try_from(whole).ok()?, u8::try_from(fraction.len()).ok()?);
    let ty = Ty::decimal(whole, scale);
    Some((Value::decimal(number)?, ty)).filter(|_| ty.digits() == Some((whole, scale)))
}

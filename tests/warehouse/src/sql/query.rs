//! `SELECT`, answered by SQLite.

use std::collections::BTreeMap;

use rusqlite::Statement;
use rusqlite::types::ValueRef;
use sqlparser::tokenizer::Token;

use crate::System;
use crate::cluster::State;
use crate::ddl::SqlError;
use crate::table::{TableName, Type};

use super::answer::{Cell, Field, Rows};
use super::metadata;
use super::rewrite::{Rewritten, rewrite};

/// Who asks, and from where.
pub(super) struct Asker<'a> {
    pub(super) user: &'a str,
    pub(super) id: u32,
    pub(super) database: Option<&'a str>,
    pub(super) variables: &'a BTreeMap<String, String>,
}

/// Characters; an expression may be longer.
const NAME_MAX: usize = 256;
const TEXT_MAX: u32 = 65_533;

pub(super) fn answer(state: &State, asker: &Asker<'_>, tokens: &[Token]) -> Result<Rows, SqlError> {
    let Rewritten { sql, asks_metadata } = rewrite(state, asker, tokens)?;
    if asks_metadata {
        metadata::lay_out(state)?;
    }
    let rows = select(state, &sql);
    if asks_metadata {
        metadata::clear(state.store.connection())?;
    }
    rows
}

fn select(state: &State, sql: &str) -> Result<Rows, SqlError> {
    let refused = |error| refusal(state.system, &error);
    let mut select = state.store.connection().prepare(sql).map_err(refused)?;
    if !select.readonly() {
        return Err(SqlError::not_built("queries that change something"));
    }
    let (names, types): (Vec<String>, Vec<Option<Type>>) =
        columns(state, &select).into_iter().unzip();
    let mut kinds = vec![Kind::Unknown; names.len()];
    let mut rows = Vec::new();
    let mut found = select.query([]).map_err(refused)?;
    while let Some(row) = found.next().map_err(refused)? {
        let mut cells: Vec<Cell> = Vec::new();
        for (at, (kind, ty)) in kinds.iter_mut().zip(&types).enumerate() {
            let value = row.get_ref(at).map_err(refused)?;
            *kind = kind.and(value);
            cells.push(cell(state.system, *ty, value));
        }
        rows.push(cells);
    }
    let fields = names
        .into_iter()
        .zip(types)
        .zip(kinds)
        .map(|((name, ty), kind)| Field { name, ty: ty.unwrap_or_else(|| kind.ty()) });
    Ok(Rows { fields: fields.collect(), rows })
}

/// What is a column of a table has its type; an expression has none.
fn columns(state: &State, select: &Statement<'_>) -> Vec<(String, Option<Type>)> {
    let typed = |table: Option<&str>, column: Option<&str>| {
        let view = table?.strip_suffix("#rows")?;
        let (database, table) = view.split_once('.')?;
        let table = state.table(&TableName::new(database, table))?;
        Some(table.columns.get(table.position(column?)?)?.ty)
    };
    let columns = select.columns_with_metadata();
    columns
        .iter()
        .map(|column| {
            let name = column.name().chars().take(NAME_MAX).collect();
            (name, typed(column.table_name(), column.origin_name()))
        })
        .collect()
}

/// What the values of an expression are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Integer,
    Real,
    Text,
}

impl Kind {
    fn and(self, value: ValueRef<'_>) -> Self {
        match (self, value) {
            (kind, ValueRef::Null) => kind,
            (Self::Unknown | Self::Integer, ValueRef::Integer(_)) => Self::Integer,
            (Self::Unknown | Self::Integer | Self::Real, ValueRef::Real(_))
            | (Self::Real, ValueRef::Integer(_)) => Self::Real,
            _ => Self::Text,
        }
    }

    fn ty(self) -> Type {
        match self {
            Self::Integer => Type::BigInt,
            Self::Real => Type::Double,
            Self::Unknown | Self::Text => Type::Varchar(TEXT_MAX),
        }
    }
}

fn cell(system: System, ty: Option<Type>, value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string().into_bytes()),
        ValueRef::Real(value) => Some(real(ty, value).into_bytes()),
        ValueRef::Blob(bytes) => Some(bytes.to_vec()),
        ValueRef::Text(text) => Some(match ty {
            // StarRocks writes microseconds where there are some.
            Some(Type::DateTime(_)) if system == System::StarRocks => {
                text.strip_suffix(b".000000").unwrap_or(text).to_vec()
            }
            _ => text.to_vec(),
        }),
    }
}

/// The shortest text that reads as the same number.
#[expect(clippy::cast_possible_truncation, reason = "a FLOAT was one before it was stored")]
fn real(ty: Option<Type>, value: f64) -> String {
    let plain = 1e-5..1e15;
    let is_plain = value == 0.0 || plain.contains(&value.abs());
    match (ty, is_plain) {
        (Some(Type::Float), true) => (value as f32).to_string(),
        (Some(Type::Float), false) => format!("{:e}", value as f32),
        (_, true) => value.to_string(),
        (_, false) => format!("{value:e}"),
    }
}

/// SQLite's complaint in the words of a server, where they are known.
fn refusal(system: System, error: &rusqlite::Error) -> SqlError {
    let text = error.to_string();
    let unknown =
        text.strip_prefix("no such column: ").map(|rest| rest.split(" in ").next().unwrap_or(rest));
    match (unknown, system) {
        (Some(column), System::Doris) => {
            SqlError::ddl(system, &format!("Unknown column '{column}' in 'table list'"))
        }
        (Some(column), System::StarRocks) => {
            SqlError::analysis(system, &format!("Column '{column}' cannot be resolved"))
        }
        (None, _) => SqlError::not_built(&format!("what this query needs: {text}")),
    }
}

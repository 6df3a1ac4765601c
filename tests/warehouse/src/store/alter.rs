//! Rows follow a change of their table's columns, those that are staged too.

use rusqlite::Connection;
use rusqlite::types::ToSqlOutput;
use rusqlite::{params, params_from_iter};
use serde_json::{Map, Value as Json};

use crate::System;
use crate::ingest::convert::{Zone, convert};
use crate::table::{Column, Table, TableName, Type, Value};

use super::{Store, StoreError, cell, create, quoted, rows_of, view_name};

/// Why the rows stay as they were.
#[derive(Debug, thiserror::Error)]
pub enum AlterError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value has no like in the new type.
    #[error("column {column}: the value {value} is no {ty}")]
    Value { column: String, value: String, ty: Type },
}

impl From<rusqlite::Error> for AlterError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A column as it will be, and what its values are made of.
struct Source<'a> {
    column: &'a Column,
    /// Where the value is at present, and of which type; a new column has none.
    old: Option<(usize, &'a Column)>,
    filled: Value,
}

impl Store {
    /// Rewrites all rows of a table, and those that are staged for it. `origins` says for each column of `after`
    /// what it is called in `before`; one that is new is filled with its default.
    ///
    /// # Errors
    /// A value that the new type does not hold; then all is as it was.
    pub fn alter(
        &mut self,
        system: System,
        database: &str,
        before: &Table,
        after: &Table,
        origins: &[Option<String>],
    ) -> Result<(), AlterError> {
        let sources = sources(system, before, after, origins)?;
        let unit = self.connection.savepoint().map_err(StoreError::from)?;
        rewrite_rows(&unit, system, database, before, after, &sources)?;
        rewrite_staged(&unit, system, &TableName::new(database, &*before.name), &sources)?;
        Ok(unit.commit()?)
    }
}

fn sources<'a>(
    system: System,
    before: &'a Table,
    after: &'a Table,
    origins: &[Option<String>],
) -> Result<Vec<Source<'a>>, AlterError> {
    let pairs = after.columns.iter().zip(origins);
    pairs
        .map(|(column, origin)| {
            let at = origin.as_ref().and_then(|name| before.position(name));
            let old = at.and_then(|at| Some((at, before.columns.get(at)?)));
            let filled = match &column.default {
                Some(text) => typed(system, column, text)?,
                None => Value::Null,
            };
            Ok(Source { column, old, filled })
        })
        .collect()
}

fn rewrite_rows(
    unit: &Connection,
    system: System,
    database: &str,
    before: &Table,
    after: &Table,
    sources: &[Source<'_>],
) -> Result<(), AlterError> {
    let name = TableName::new(database, &*before.name);
    let (view, rows) = (quoted(&view_name(&name)), rows_of(&name));
    let index = quoted(&format!("{}#key", view_name(&name)));
    let old = quoted(&format!("{}#old", view_name(&name)));
    unit.execute_batch(&format!(
        "DROP VIEW {view}; DROP INDEX IF EXISTS {index}; ALTER TABLE {rows} RENAME TO {old};"
    ))?;
    create(unit, database, after)?;
    let hidden = before.columns.len();
    let marks = vec!["?"; after.columns.len() + HIDDEN].join(", ");
    {
        let mut insert = unit.prepare(&format!("INSERT INTO {rows} VALUES ({marks})"))?;
        let mut select = unit.prepare(&format!("SELECT * FROM {old} ORDER BY rowid"))?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            let mut cells: Vec<ToSqlOutput<'static>> = Vec::new();
            for source in sources {
                let value = match source.old {
                    Some((at, column)) => {
                        let stored = cell::from_sql(column.ty, row.get_ref(at)?);
                        source.recast(system, column, stored)?
                    }
                    None => source.filled.clone(),
                };
                cells.push(cell::to_sql(source.column.ty, &value));
            }
            for at in hidden..hidden + HIDDEN {
                cells.push(ToSqlOutput::Owned(row.get_ref(at)?.into()));
            }
            insert.execute(params_from_iter(cells))?;
        }
    }
    Ok(unit.execute_batch(&format!("DROP TABLE {old};"))?)
}

/// The delete sign, the sequence and the version.
const HIDDEN: usize = 3;

fn rewrite_staged(
    unit: &Connection,
    system: System,
    name: &TableName,
    sources: &[Source<'_>],
) -> Result<(), AlterError> {
    let mut select = unit.prepare("SELECT place, cells FROM staged WHERE db = ? AND tbl = ?")?;
    let staged = select.query_map(params![name.database, name.table], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let staged: Vec<(i64, String)> = staged.collect::<Result<_, _>>()?;
    let mut update = unit.prepare("UPDATE staged SET cells = ? WHERE place = ?")?;
    for (place, cells) in staged {
        let cells: Map<String, Json> = serde_json::from_str(&cells).map_err(StoreError::from)?;
        let mut rewritten = Map::new();
        for source in sources {
            let value = match source.old {
                Some((_, column)) => match cells.get(&column.name) {
                    Some(json) => source.recast(system, column, cell::from_json(json))?,
                    None => continue,
                },
                None => source.filled.clone(),
            };
            rewritten.insert(source.column.name.clone(), cell::to_json(&value));
        }
        let rewritten = serde_json::to_string(&rewritten).map_err(StoreError::from)?;
        update.execute(params![rewritten, place])?;
    }
    Ok(())
}

impl Source<'_> {
    fn recast(&self, system: System, old: &Column, value: Value) -> Result<Value, AlterError> {
        if old.ty == self.column.ty {
            return Ok(value);
        }
        match value {
            Value::Null => Ok(Value::Null),
            Value::Int(value) if self.column.ty == Type::Date => {
                typed(system, self.column, &dashed(&value.to_string()))
            }
            Value::Int(value) => typed(system, self.column, &value.to_string()),
            Value::Float(value) => typed(system, self.column, &value.to_string()),
            Value::Text(text) => typed(system, self.column, &text),
            Value::Bytes(bytes) => Ok(Value::Bytes(bytes)),
        }
    }
}

/// A date that was written as the number 20240131.
fn dashed(digits: &str) -> String {
    match (digits.get(..4), digits.get(4..6), digits.get(6..8)) {
        (Some(year), Some(month), Some(day)) if digits.len() == 8 => {
            format!("{year}-{month}-{day}")
        }
        _ => digits.to_owned(),
    }
}

fn typed(system: System, column: &Column, text: &str) -> Result<Value, AlterError> {
    convert(column.ty, text, system, Zone::DEFAULT).map_err(|_| AlterError::Value {
        column: column.name.clone(),
        value: text.to_owned(),
        ty: column.ty,
    })
}

//! What an `ALTER TABLE` comes to: the table as it will be, where each of its columns comes from, and whether
//! that is done at once or by a job.

use serde::{Deserialize, Serialize};

use crate::System;
use crate::table::{Column, KeyModel, Sequence, Table, Type};

use super::define::{column, forbidden_in_key};
use super::names::check_column;
use super::{Clause, ColumnDef, KeyKind, Place, SqlError, moves};

/// A change of one table's columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub after: Table,
    /// For each column of `after`: what it is called at present; `None` is a new one.
    pub origins: Vec<Option<String>>,
    pub weight: Weight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Weight {
    /// Of what is known of the table alone: properties, or a name in StarRocks.
    Unlisted,
    /// Columns, done when the statement returns.
    Light,
    /// By a job that rewrites the rows.
    Heavy,
}

/// # Errors
/// What the server refuses, in its words.
pub fn plan(system: System, before: &Table, clauses: &[Clause]) -> Result<Change, SqlError> {
    let origins = before.columns.iter().map(|column| Some(column.name.clone())).collect();
    let change = Change { after: before.clone(), origins, weight: Weight::Unlisted };
    let mut planner = Planner { system, change, instant: is_instant(system, before) };
    for clause in clauses {
        planner.apply(clause)?;
    }
    Ok(planner.change)
}

/// Whether the table was made for changes without a job: both servers' default.
fn is_instant(system: System, table: &Table) -> bool {
    let property = match system {
        System::Doris => "light_schema_change",
        System::StarRocks => "fast_schema_evolution",
    };
    table.details.properties.get(property).is_none_or(|value| !value.eq_ignore_ascii_case("false"))
}

struct Planner {
    system: System,
    change: Change,
    instant: bool,
}

impl Planner {
    fn apply(&mut self, clause: &Clause) -> Result<(), SqlError> {
        match clause {
            Clause::Add { columns, place } => {
                for def in columns {
                    self.add(def, place.as_ref())?;
                }
            }
            Clause::Drop(name) => self.remove(name)?,
            Clause::Modify { column, place } => self.modify(column, place.as_ref())?,
            Clause::ColumnComment { column, comment } => {
                let Some((_, column)) = self.find(column) else {
                    return Err(self.refuse(&format!("Unknown column '{column}'")));
                };
                let comments = &mut self.change.after.details.comments;
                comments.insert(column.name, comment.clone());
            }
            Clause::Comment(comment) => self.change.after.details.comment.clone_from(comment),
            Clause::Rename { from, to } => self.rename(from, to)?,
            Clause::Order(names) => self.order(names)?,
            Clause::Properties(properties) => {
                self.change.after.details.properties.extend(properties.clone());
            }
        }
        Ok(())
    }

    fn add(&mut self, def: &ColumnDef, place: Option<&Place>) -> Result<(), SqlError> {
        let mut added = column(self.system, def)?;
        let name = &def.name;
        if def.is_key {
            self.check_added_key(def)?;
            added.is_key = true;
        }
        if self.table().position_in_sql(name).is_some() {
            return Err(self.refuse(&format!(
                "Can not add column which already exists in base table: {name}"
            )));
        }
        let ids = &self.table().details.column_ids;
        if let Some((holder, _)) = ids.iter().find(|(_, id)| id.eq_ignore_ascii_case(name)) {
            return Err(self.refuse(&format!(
                "Can not add column which already exists in column id: {name}, you can remove \
                 `{holder}` and try again."
            )));
        }
        if !added.nullable && added.default.is_none() {
            return Err(match self.system {
                System::Doris => SqlError::not_built(
                    "ADD COLUMN … NOT NULL without a default for the rows there are",
                ),
                System::StarRocks => {
                    self.refuse(&format!("column {name} is NOT NULL and has no default value"))
                }
            });
        }
        let at = self.place_of(added.is_key, place)?;
        let weight = if added.is_key { Weight::Heavy } else { Weight::Light };
        if !def.comment.is_empty() {
            let comments = &mut self.change.after.details.comments;
            comments.insert(name.clone(), def.comment.clone());
        }
        self.change.after.columns.insert(at, added);
        self.change.origins.insert(at, None);
        self.weigh(weight);
        Ok(())
    }

    fn check_added_key(&self, def: &ColumnDef) -> Result<(), SqlError> {
        let unique = self.table().model == KeyModel::Unique;
        if unique && self.system == System::StarRocks {
            let text = format!("Can not add key column: {} for primary key table", def.name);
            return Err(self.refuse(&text));
        }
        let kind = if unique { KeyKind::Unique } else { KeyKind::Duplicate };
        let why = forbidden_in_key(self.system, kind, def);
        why.map_or(Ok(()), |text| Err(self.refuse(&text)))
    }

    /// Where a column goes: keys stay before values.
    fn place_of(&self, is_key: bool, place: Option<&Place>) -> Result<usize, SqlError> {
        let columns = &self.table().columns;
        let keys = columns.iter().filter(|column| column.is_key).count();
        let at = match place {
            None if is_key => keys,
            None => columns.len(),
            Some(Place::First) => 0,
            Some(Place::After(name)) => {
                let found = self.table().position_in_sql(name);
                found.ok_or_else(|| self.refuse(&format!("Column[{name}] does not found")))? + 1
            }
        };
        let fits = if is_key { at <= keys } else { at >= keys };
        if fits {
            return Ok(at);
        }
        Err(self.refuse(match self.system {
            System::Doris => "Invalid column order. value should be after key",
            System::StarRocks => {
                "Invalid column order. value should be after key. Please specify \
                                  the correct position by AFTER"
            }
        }))
    }

    fn remove(&mut self, name: &str) -> Result<(), SqlError> {
        let Some((at, column)) = self.find(name) else {
            return Err(self.refuse(&format!("Column does not exists: {name}")));
        };
        if column.is_key && self.table().model == KeyModel::Unique {
            return Err(self.refuse(match self.system {
                System::Doris => "Can not drop key column in Unique data model table",
                System::StarRocks => "Can not drop key column in primary data model table",
            }));
        }
        self.check_free(&column.name, "drop")?;
        self.change.after.columns.remove(at);
        self.change.origins.remove(at);
        let details = &mut self.change.after.details;
        details.comments.remove(&column.name);
        details.column_ids.remove(&column.name);
        self.weigh(if column.is_key { Weight::Heavy } else { Weight::Light });
        Ok(())
    }

    fn modify(&mut self, def: &ColumnDef, place: Option<&Place>) -> Result<(), SqlError> {
        let Some((at, old)) = self.find(&def.name) else {
            return Err(self.refuse(&format!("Column[{}] does not exists", def.name)));
        };
        let mut new = column(self.system, def)?;
        new.name.clone_from(&old.name);
        new.is_key = old.is_key;
        if old.is_key && self.table().model == KeyModel::Unique {
            if self.system == System::StarRocks {
                return Err(self.refuse("Can not modify key column in primary data model table"));
            }
            if !def.is_key {
                let text = format!("Can not modify key column {} into value column", old.name);
                return Err(self.refuse(&text));
            }
        }
        self.check_modified(&old, &new)?;
        let at = match place {
            Some(_) => {
                self.change.after.columns.remove(at);
                let origin = self.change.origins.remove(at);
                let to = self.place_of(old.is_key, place)?;
                self.change.after.columns.insert(to, old.clone());
                self.change.origins.insert(to, origin);
                self.weigh(Weight::Heavy);
                to
            }
            None => at,
        };
        if let Some(place) = self.change.after.columns.get_mut(at) {
            *place = new.clone();
        }
        let comments = &mut self.change.after.details.comments;
        comments.insert(old.name.clone(), def.comment.clone());
        if old != new {
            let wider = matches!((old.ty, new.ty), (Type::Varchar(_), Type::Varchar(_)));
            let light = self.system == System::Doris && wider && !old.is_key;
            self.weigh(if light { Weight::Light } else { Weight::Heavy });
        }
        Ok(())
    }

    fn check_modified(&self, old: &Column, new: &Column) -> Result<(), SqlError> {
        let is_sequence =
            matches!(&self.table().sequence, Some(Sequence::Column(name)) if *name == old.name);
        if old != new && is_sequence {
            return Err(self.refuse(&format!("Can not alter sequence column[{}]", old.name)));
        }
        if old.ty != new.ty && self.table().is_distributed_by(&old.name) {
            let text = format!("Can not modify distribution column[{}]", old.name);
            return Err(self.refuse(&text));
        }
        if !moves::is_allowed(old.ty, new.ty) {
            let is_text = |ty| matches!(ty, Type::Char(_) | Type::Varchar(_));
            let shorter = is_text(old.ty) && is_text(new.ty) && self.system == System::Doris;
            return Err(self.refuse(&if shorter {
                format!(
                    "Shorten type length is prohibited, srcType={}, targetType={}",
                    old.ty, new.ty
                )
            } else {
                format!("Can not change {} to {}", old.ty, new.ty)
            }));
        }
        if old.nullable && !new.nullable {
            return Err(self.refuse("Can not change from nullable to non-nullable"));
        }
        if old.default != new.default {
            return Err(self.refuse("Can not change default value"));
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), SqlError> {
        let Some((at, column)) = self.find(from) else {
            return Err(self.refuse(&format!("Column[{from}] does not exists")));
        };
        check_column(self.system, to)?;
        let taken = self.table().position_in_sql(to).is_some_and(|other| other != at);
        if column.name == to || taken {
            return Err(self.refuse(&format!("Column name[{to}] is already used")));
        }
        if column.is_key && self.system == System::StarRocks {
            let text = format!("Can not rename key column[{from}] of a primary key table");
            return Err(self.refuse(&text));
        }
        if !self.instant && self.system == System::Doris {
            let text = "not support rename column of a table without light_schema_change";
            return Err(self.refuse(text));
        }
        let old = column.name.clone();
        let table = &mut self.change.after;
        if let Some(column) = table.columns.get_mut(at) {
            to.clone_into(&mut column.name);
        }
        if let Some(comment) = table.details.comments.remove(&old) {
            table.details.comments.insert(to.to_owned(), comment);
        }
        for name in &mut table.details.distribution {
            if name.eq_ignore_ascii_case(&old) {
                to.clone_into(name);
            }
        }
        if matches!(&table.sequence, Some(Sequence::Column(name)) if *name == old) {
            table.sequence = Some(Sequence::Column(to.to_owned()));
        }
        if self.system == System::StarRocks {
            let id = table.details.column_ids.remove(&old).unwrap_or(old);
            if id != to {
                table.details.column_ids.insert(to.to_owned(), id);
            }
        } else {
            self.weigh(Weight::Light);
        }
        Ok(())
    }

    fn order(&mut self, names: &[String]) -> Result<(), SqlError> {
        if self.system == System::StarRocks && self.table().model == KeyModel::Unique {
            return Err(SqlError::not_built(
                "ORDER BY of a primary key table, which sets its sort key",
            ));
        }
        let mut places = Vec::new();
        for name in names {
            let Some((at, _)) = self.find(name) else {
                return Err(self.refuse(&format!("Column[{name}] not exists")));
            };
            if places.contains(&at) {
                return Err(self.refuse(&format!("Reduplicative column[{name}]")));
            }
            places.push(at);
        }
        if places.len() != self.table().columns.len() {
            return Err(self.refuse("Reorder stmt should contains all columns"));
        }
        let pick = |at: &usize| {
            Some((
                self.change.after.columns.get(*at)?.clone(),
                self.change.origins.get(*at)?.clone(),
            ))
        };
        let (columns, origins): (Vec<Column>, Vec<_>) = places.iter().filter_map(pick).unzip();
        if !columns.is_sorted_by_key(|column| !column.is_key) {
            return Err(self.refuse("Invalid column order. value should be after key"));
        }
        (self.change.after.columns, self.change.origins) = (columns, origins);
        self.weigh(Weight::Heavy);
        Ok(())
    }

    /// What the table's rows are placed or told apart by.
    fn check_free(&self, name: &str, verb: &str) -> Result<(), SqlError> {
        if self.table().is_distributed_by(name) {
            return Err(self.refuse(&format!("Can not {verb} distribution column[{name}]")));
        }
        if matches!(&self.table().sequence, Some(Sequence::Column(column)) if column == name) {
            let text = format!(
                "Can not {verb} sequence mapping column[{name}] in Unique data model table[{}]",
                self.table().name
            );
            return Err(self.refuse(&text));
        }
        Ok(())
    }

    fn weigh(&mut self, weight: Weight) {
        let weight = if self.instant { weight } else { Weight::Heavy };
        self.change.weight = self.change.weight.max(weight);
    }

    fn table(&self) -> &Table {
        &self.change.after
    }

    fn find(&self, name: &str) -> Option<(usize, Column)> {
        let at = self.table().position_in_sql(name)?;
        Some((at, self.table().columns.get(at)?.clone()))
    }

    fn refuse(&self, detail: &str) -> SqlError {
        SqlError::ddl(self.system, detail)
    }
}

//! What tables become in Doris and StarRocks. Pure: definitions in, definitions and statements out.
//!
//! [`TargetTable::of`] says which table a table of the source needs, [`create`] makes it,
//! [`compare`] tells whether one that exists can take its place, and [`evolve`] what a change of
//! the source asks of it.

use std::sync::Arc;

use model::{TableName, TableSchema};

pub(crate) mod alteration;
pub(crate) mod compare;
pub(crate) mod create;
pub(crate) mod evolve;
pub(crate) mod fill;
pub(crate) mod map;
mod names;
#[cfg(test)]
mod page;
pub(crate) mod policy;
pub(crate) mod rules;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod types;

pub(crate) use map::Unmappable;
pub(crate) use rules::TypeRules;
pub(crate) use types::TargetType;

use super::system::System;
use types::Family;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyModel {
    /// A row replaces the one with its key: UNIQUE KEY in Doris, PRIMARY KEY in StarRocks.
    Unique,
    /// Rows are appended. What is repeated is there twice, and nothing can be deleted.
    Duplicate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetColumn {
    pub name: Arc<str>,
    pub ty: TargetType,
    pub nullable: bool,
    /// Of the key; in a table without one, of what it is sorted and distributed by.
    pub is_key: bool,
    /// Which column of the source's rows it takes; `None` where they have none for it.
    pub source: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetTable {
    pub name: TableName,
    /// The key's first, in its order; the others in the source's.
    pub columns: Vec<TargetColumn>,
    pub model: KeyModel,
    /// A hidden column says which of two rows with one key is the newer (Doris).
    pub sequence: bool,
}

/// Where the name of a row's table in the source goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceName {
    /// Rows with one key replace each other, whatever their table.
    Value,
    /// Each table of the source has keys of its own.
    KeyPart,
}

/// Two tables of the source that one target cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{source_table} cannot be merged into {target} as the tables before it made it: {reason}; \
     route the two to different tables"
)]
pub(crate) struct Disunion {
    pub source_table: TableName,
    pub target: TableName,
    pub reason: String,
}

/// `db.table`, each of up to 64 characters of three bytes.
const SOURCE_NAME: TargetType = TargetType::Varchar { bytes: 385 };

impl TargetTable {
    /// The table `name` that takes the rows of `source`.
    ///
    /// # Errors
    /// A name or a key that the system cannot have.
    pub(crate) fn of(
        system: System,
        source: &TableSchema,
        name: TableName,
        rules: &TypeRules,
    ) -> Result<Self, Unmappable> {
        let of_source = |what| Unmappable::In { table: source.name.clone(), what: Box::new(what) };
        Self::built(system, source, name, rules).map_err(of_source)
    }

    fn built(
        system: System,
        source: &TableSchema,
        name: TableName,
        rules: &TypeRules,
    ) -> Result<Self, Unmappable> {
        names::table(system, &name, rules.names)?;
        let model = if source.has_key() { KeyModel::Unique } else { KeyModel::Duplicate };
        let key = match model {
            KeyModel::Unique => source.key.clone(),
            KeyModel::Duplicate => vec![sort_column(system, source, rules)?],
        };
        let others = (0..source.columns.len()).filter(|at| !key.contains(at));
        let mut columns = Vec::with_capacity(source.columns.len());
        for at in key.iter().copied().chain(others) {
            let Some(column) = source.columns.get(at) else { continue };
            names::column(system, &column.name, rules.names)?;
            let is_key = key.contains(&at);
            let in_unique_key = is_key && model == KeyModel::Unique;
            let value = map::map(system, column, false, rules)?.ty;
            let ty = if in_unique_key || (is_key && !can_sort(value)) {
                map::map(system, column, true, rules)?.ty
            } else {
                value
            };
            // A date that no calendar holds arrives as NULL, also where the source has NOT NULL.
            // So does the JSON document `null` in StarRocks, which has no other.
            let is_lost = match ty.family() {
                Family::Date => true,
                Family::Json => system == System::StarRocks,
                Family::Integer | Family::Float | Family::Decimal | Family::Text => false,
            };
            let may_be_null = column.nullable || is_lost;
            columns.push(TargetColumn {
                name: column.name.clone(),
                ty,
                nullable: may_be_null && !in_unique_key,
                is_key,
                source: Some(at),
            });
        }
        Ok(Self { name, columns, model, sequence: false })
    }

    /// With the hidden column that orders rows of one key, where the system has it.
    pub(crate) fn with_sequence(mut self, system: System) -> Self {
        self.sequence = system == System::Doris && self.model == KeyModel::Unique;
        self
    }

    /// With a column that holds the name of the row's table in the source.
    ///
    /// # Errors
    /// There is a column of this name.
    pub(crate) fn with_source_name(
        mut self,
        name: &str,
        place: SourceName,
    ) -> Result<Self, Unmappable> {
        if self.find(name).is_some() {
            return Err(Unmappable::NameTaken { name: name.to_owned() });
        }
        let is_key = place == SourceName::KeyPart && self.model == KeyModel::Unique;
        let column = TargetColumn {
            name: name.into(),
            ty: SOURCE_NAME,
            nullable: false,
            is_key,
            source: None,
        };
        let at = if is_key { self.key().count() } else { self.columns.len() };
        self.columns.insert(at, column);
        Ok(self)
    }

    /// The table that takes the rows of both: each column as wide as either, and nullable where one
    /// of them lacks it. Columns that only `other` has come last and take nothing of `self`'s rows.
    ///
    /// # Errors
    /// A column that has no such type, or keys that differ.
    pub(crate) fn union(&self, other: &Self, source_table: &TableName) -> Result<Self, Disunion> {
        let apart = |reason| Disunion {
            source_table: source_table.clone(),
            target: self.name.clone(),
            reason,
        };
        if self.model != other.model {
            return Err(apart("one has a key, the other has none".to_owned()));
        }
        let names = |table: &Self| table.key().map(|c| lower(&c.name)).collect::<Vec<_>>();
        let (ours, theirs) = (names(self), names(other));
        if ours != theirs {
            let (ours, theirs) = (ours.join(", "), theirs.join(", "));
            return Err(apart(format!("its key is ({theirs}), theirs is ({ours})")));
        }
        let mut union = self.clone();
        for column in &mut union.columns {
            let Some(twin) = other.find(&column.name) else {
                column.nullable = true;
                continue;
            };
            let Some(ty) = column.ty.union(twin.ty) else {
                // Only the words matter here, and both systems have the same.
                let words = |ty: TargetType| ty.sql(System::Doris);
                let (ours, theirs) = (words(column.ty), words(twin.ty));
                let name = &column.name;
                return Err(apart(format!("its column `{name}` is {theirs}, theirs is {ours}")));
            };
            (column.ty, column.nullable) = (ty, column.nullable || twin.nullable);
        }
        for column in other.columns.iter().filter(|column| self.find(&column.name).is_none()) {
            let column = TargetColumn { nullable: true, source: None, ..column.clone() };
            union.columns.push(column);
        }
        union.sequence |= other.sequence;
        Ok(union)
    }

    /// A column by its name, which neither system tells apart by case.
    pub(crate) fn find(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The columns of the key, in its order; without one, what the table is sorted by.
    pub(crate) fn key(&self) -> impl Iterator<Item = &TargetColumn> {
        self.columns.iter().filter(|column| column.is_key)
    }
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Both systems sort the rows of a table without a key by its first columns, and refuse some types
/// there.
fn can_sort(ty: TargetType) -> bool {
    !matches!(ty, TargetType::Float | TargetType::Double | TargetType::String | TargetType::Json)
}

/// The first column that can be sorted by as it is, else the first that can become one.
fn sort_column(
    system: System,
    source: &TableSchema,
    rules: &TypeRules,
) -> Result<usize, Unmappable> {
    let fits = |is_key| {
        source.columns.iter().position(|column| {
            map::map(system, column, is_key, rules).is_ok_and(|mapped| can_sort(mapped.ty))
        })
    };
    fits(false).or_else(|| fits(true)).ok_or(Unmappable::NoSortColumn { system })
}

#[cfg(test)]
mod tests;

//! What a statement makes of a table's definition.
//!
//! The definition in force before it, and the statement's own words, give the one after it, however
//! far the stream lags behind the server. Whatever cannot be told exactly is `None`; the server is
//! asked then ([`super::schema_history`]). Test: `definitions_follow_statements_as_the_server_does`.

use std::collections::BTreeMap;
use std::sync::Arc;

use binlog::event::QueryEvent;
use model::change::Filled;
use model::table::{Collation, Column, ColumnType, Index, TableName, TableSchema};

use super::catalog::choose_key;
use super::ddl::clause::{Clause, alteration};
use super::ddl::column::{ColumnDef, ColumnKey, Place};
use super::ddl::creation::{Creation, TextDefault, creation};
use super::ddl::index::IndexDef;
use super::dialect::Dialect;
use super::dialect::types::ROW_BYTES_MAX;

mod filling;

/// `NO_BACKSLASH_ESCAPES` in a logged `sql_mode` (MySQL manual, "Server SQL Modes").
const NO_BACKSLASH_ESCAPES: u64 = 0x0010_0000;

/// True where a string may end elsewhere than the tokenizer thinks.
fn is_ambiguous(query: &QueryEvent) -> bool {
    query.sql.contains('\\') && query.sql_mode.is_some_and(|mode| mode & NO_BACKSLASH_ESCAPES != 0)
}

/// What a statement makes of a table.
#[derive(Debug)]
pub struct Altered {
    pub schema: TableSchema,
    /// Columns that kept their values under another name: from, to.
    pub renamed: Renamed,
    /// Columns that came, and what the rows that were there hold in them.
    pub filled: Vec<(Arc<str>, Filled)>,
}

pub type Renamed = Vec<(Arc<str>, Arc<str>)>;

impl From<TableSchema> for Altered {
    /// All columns have the names that they had, or are new.
    fn from(schema: TableSchema) -> Self {
        Self { schema, renamed: Renamed::new(), filled: Vec::new() }
    }
}

/// `before` after a statement that alters it.
pub fn altered(before: &TableSchema, query: &QueryEvent, dialect: &Dialect) -> Option<Altered> {
    if is_ambiguous(query) {
        return None;
    }
    let clauses = alteration(&query.sql)?;
    let mut after = Definition::of(before, query, dialect)?;
    let renamed = after.columns(&clauses)?;
    after.indexes(&clauses)?;
    let filled = after.filled(before, &clauses);
    Some(Altered { schema: after.finish(), renamed, filled })
}

/// The table that a statement creates; `like`: the definition of another in force here.
pub fn created(
    name: &TableName,
    query: &QueryEvent,
    dialect: &Dialect,
    like: impl Fn(&TableName) -> Option<Arc<TableSchema>>,
) -> Option<TableSchema> {
    if is_ambiguous(query) {
        return None;
    }
    let (columns, indexes, text) = match creation(&query.sql, &query.db)? {
        Creation::Like(other) => {
            let other = TableSchema::clone(&*like(&other)?);
            return Some(TableSchema { name: name.clone(), ..other });
        }
        Creation::Columns { columns, indexes, text } => (columns, indexes, text),
    };
    let collation = if text == TextDefault::default() {
        dialect.of_database(&name.db)?
    } else {
        dialect.text(text.charset.as_deref(), text.collation.as_deref(), query)?
    };
    let mut new = Definition {
        name: name.clone(),
        columns: Vec::new(),
        indexes: Vec::new(),
        collation,
        query,
        dialect,
    };
    for def in &columns {
        let column = new.column(def)?;
        new.columns.push(column);
    }
    for def in &columns {
        new.inline_index(def);
    }
    for index in &indexes {
        new.add_index(index)?;
    }
    Some(new.finish())
}

fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// True where an index's column `name`, renamed already, is the one that was called `before`.
fn renamed_to(renamed: &BTreeMap<String, Option<String>>, before: &str, name: &str) -> bool {
    match renamed.get(&before.to_lowercase()) {
        Some(Some(now)) => same(now, name),
        Some(None) => false,
        None => same(before, name),
    }
}

impl Clause {
    /// True for a clause about a column that was there before.
    fn is_about_a_column(&self) -> bool {
        matches!(self, Self::Drop { .. } | Self::Change { .. } | Self::RenameColumn { .. })
    }

    /// True where a column has the name `name` after it, new or renamed.
    fn gives(&self, name: &str) -> bool {
        match self {
            Self::Add { column, .. } | Self::Change { column, .. } => same(&column.name, name),
            Self::RenameColumn { to, .. } => same(to, name),
            Self::Drop { .. }
            | Self::Show { .. }
            | Self::AddIndex(_)
            | Self::DropIndex { .. }
            | Self::RenameIndex { .. }
            | Self::Convert(_)
            | Self::Default(_) => false,
        }
    }
}

/// An index may hold the beginning of it alone.
fn has_length(column: &Column) -> bool {
    matches!(
        column.ty,
        ColumnType::Text { .. } | ColumnType::Binary { .. } | ColumnType::VarBinary { .. }
    )
}

/// A definition under work.
struct Definition<'a> {
    name: TableName,
    columns: Vec<Column>,
    indexes: Vec<Index>,
    collation: Collation,
    query: &'a QueryEvent,
    dialect: &'a Dialect,
}

impl<'a> Definition<'a> {
    fn of(before: &TableSchema, query: &'a QueryEvent, dialect: &'a Dialect) -> Option<Self> {
        Some(Self {
            name: before.name.clone(),
            columns: before.columns.clone(),
            indexes: before.indexes.clone(),
            collation: before.collation.clone()?,
            query,
            dialect,
        })
    }

    fn at(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| same(&c.name, column))
    }

    fn indexes_hold(&self, column: &str) -> bool {
        self.indexes.iter().any(|i| i.columns.iter().any(|c| same(c, column)))
    }

    /// First what happens to the columns that are there, in their place; then, in the statement's
    /// order, those that are new or moved: as the server does it (MySQL's
    /// `prepare_fields_and_keys`).
    fn columns(&mut self, clauses: &[Clause]) -> Option<Renamed> {
        // Servers differ in what it comes to beside other clauses.
        let converts = clauses.iter().any(|c| matches!(c, Clause::Convert(_)));
        if converts && clauses.len() > 1 {
            return None;
        }
        let renamed = self.settle_present(clauses)?;
        self.rename_in_indexes(&renamed);
        let (mut moved, mut kept) = (Vec::new(), Renamed::new());
        for column in std::mem::take(&mut self.columns) {
            let whole_key = self.indexes.iter().any(|i| {
                i.unique && i.columns.iter().any(|name| renamed_to(&renamed, &column.name, name))
            });
            let change = clauses.iter().find_map(|c| {
                let Clause::Change { from, column: def } = c else { return None };
                same(from, &column.name).then_some(def)
            });
            match (renamed.get(&column.name.to_lowercase()), change) {
                (Some(None), _) => {}
                (_, Some(def)) => {
                    let new = self.column(def)?;
                    // Whether an index still holds the whole of it is the server's to say.
                    if whole_key && new.ty != column.ty && (has_length(&new) || has_length(&column))
                    {
                        return None;
                    }
                    // One that is computed from here on, or not any more, is another column.
                    if new.name != column.name && new.generated == column.generated {
                        kept.push((column.name, Arc::clone(&new.name)));
                    }
                    match &def.place {
                        Some(place) => moved.push((def.name.clone(), new, place)),
                        None => self.columns.push(new),
                    }
                }
                (Some(Some(to)), None) => {
                    let to: Arc<str> = to.as_str().into();
                    kept.push((Arc::clone(&column.name), Arc::clone(&to)));
                    self.columns.push(Column { name: to, ..column });
                }
                (None, None) => self.columns.push(column),
            }
        }
        self.place(clauses, moved)?;
        Some(kept)
    }

    /// Does what needs no order, and gives the columns that go or change their name: the new one, or
    /// `None` for one that goes.
    fn settle_present(&mut self, clauses: &[Clause]) -> Option<BTreeMap<String, Option<String>>> {
        let mut renamed = BTreeMap::new();
        for clause in clauses {
            match clause {
                Clause::Drop { column, if_exists } => match self.at(column) {
                    Some(_) => drop(renamed.insert(column.to_lowercase(), None)),
                    None if *if_exists => {}
                    None => return None,
                },
                Clause::Change { from, column } => {
                    self.at(from)?;
                    renamed.insert(from.to_lowercase(), Some(column.name.clone()));
                }
                Clause::RenameColumn { from, to } => {
                    self.at(from)?;
                    renamed.insert(from.to_lowercase(), Some(to.clone()));
                }
                Clause::Convert(text) => self.convert(text)?,
                Clause::Default(text) => {
                    let (charset, collation) = (text.charset.as_deref(), text.collation.as_deref());
                    self.collation = self.dialect.text(charset, collation, self.query)?;
                }
                Clause::Show { column, invisible } => {
                    let at = self.at(column)?;
                    self.columns.get_mut(at)?.invisible = *invisible;
                }
                Clause::Add { .. }
                | Clause::AddIndex(_)
                | Clause::DropIndex { .. }
                | Clause::RenameIndex { .. } => {}
            }
        }
        // Servers differ in what two clauses about one column come to.
        if clauses.iter().filter(|c| c.is_about_a_column()).count() > renamed.len() {
            return None;
        }
        // And in whether an index goes with a column whose name another one takes.
        let is_replaced =
            |gone: &str| clauses.iter().any(|c| c.gives(gone)) && self.indexes_hold(gone);
        if renamed.iter().any(|(column, to)| to.is_none() && is_replaced(column)) {
            return None;
        }
        Some(renamed)
    }

    fn place(
        &mut self,
        clauses: &[Clause],
        mut moved: Vec<(String, Column, &Place)>,
    ) -> Option<()> {
        for clause in clauses {
            let (column, place) = if let Clause::Add { column: def, if_not_exists } = clause {
                if self.at(&def.name).is_some() {
                    if *if_not_exists {
                        continue;
                    }
                    return None;
                }
                (self.column(def)?, def.place.as_ref())
            } else if let Clause::Change { column: def, .. } = clause
                && let Some(at) = moved.iter().position(|(name, ..)| *name == def.name)
            {
                let (_, column, place) = moved.remove(at);
                (column, Some(place))
            } else {
                continue;
            };
            let at = match place {
                None => self.columns.len(),
                Some(Place::First) => 0,
                Some(Place::After(other)) => self.at(other)? + 1,
            };
            self.columns.insert(at, column);
        }
        Some(())
    }

    fn filled(&self, before: &TableSchema, clauses: &[Clause]) -> Vec<(Arc<str>, Filled)> {
        let added = clauses.iter().filter_map(|clause| {
            let Clause::Add { column: def, .. } = clause else { return None };
            let column = self.columns.get(self.at(&def.name)?)?;
            // IF NOT EXISTS, and it did.
            let was_there = before.columns.contains(column);
            (!was_there).then_some(())?;
            Some((Arc::clone(&column.name), filling::of(def, column)?))
        });
        added.collect()
    }

    fn rename_in_indexes(&mut self, renamed: &BTreeMap<String, Option<String>>) {
        self.indexes.retain_mut(|index| {
            let columns = std::mem::take(&mut index.columns);
            let had_none = columns.is_empty();
            index.columns = columns
                .into_iter()
                .filter_map(|name| match renamed.get(&name.to_lowercase()) {
                    None => Some(name),
                    Some(None) => None,
                    Some(Some(to)) => Some(to.as_str().into()),
                })
                .collect();
            // No column goes that an expression needs.
            !index.columns.is_empty() || index.expression || had_none
        });
    }

    /// CONVERT TO CHARACTER SET.
    fn convert(&mut self, text: &TextDefault) -> Option<()> {
        let (charset, collation) = (text.charset.as_deref(), text.collation.as_deref());
        let to = self.dialect.text(charset, collation, self.query)?;
        let width = self.dialect.bytes_per_char(&to)?;
        let mut changes = false;
        for column in &mut self.columns {
            if let ColumnType::Text { chars, collation } = &column.ty {
                let grows = width > self.dialect.bytes_per_char(collation)?;
                // A wider set makes TEXT a larger kind of TEXT, and a long VARCHAR a TEXT.
                let of_text = column.declared.ends_with("text");
                let too_long = u64::from(*chars) * u64::from(width) > ROW_BYTES_MAX;
                if grows && (of_text || too_long) {
                    return None;
                }
            }
            if let ColumnType::Text { collation, .. }
            | ColumnType::Enum { collation, .. }
            | ColumnType::Set { collation, .. } = &mut column.ty
            {
                changes |= *collation != to;
                *collation = to.clone();
            }
        }
        // Old servers leave the table's own default as it was where no column had to change.
        if !changes && self.dialect.widths && !self.dialect.mariadb {
            return None;
        }
        self.collation = to;
        Some(())
    }

    fn indexes(&mut self, clauses: &[Clause]) -> Option<()> {
        for clause in clauses {
            if let Clause::DropIndex { index, if_exists } = clause {
                match self.indexes.iter().position(|i| same(&i.name, index)) {
                    Some(at) => drop(self.indexes.remove(at)),
                    None if *if_exists => {}
                    None => return None,
                }
            } else if let Clause::RenameIndex { from, to } = clause {
                let index = self.indexes.iter_mut().find(|i| same(&i.name, from))?;
                index.name = to.as_str().into();
            }
        }
        for clause in clauses {
            if let Clause::Add { column, .. } | Clause::Change { column, .. } = clause {
                self.inline_index(column);
            } else if let Clause::AddIndex(index) = clause {
                self.add_index(index)?;
            }
        }
        Some(())
    }

    /// `column … UNIQUE` and `column … PRIMARY KEY`.
    fn inline_index(&mut self, column: &ColumnDef) {
        let Some(key) = column.key else { return };
        let columns = vec![column.name.as_str().into()];
        let name = match key {
            ColumnKey::Primary => "PRIMARY".into(),
            ColumnKey::Unique => self.free_name(&column.name),
        };
        self.indexes.push(Index { name, unique: true, whole: true, expression: false, columns });
    }

    fn add_index(&mut self, def: &IndexDef) -> Option<()> {
        let mut columns = Vec::with_capacity(def.columns.len());
        for name in &def.columns {
            columns.push(Arc::clone(&self.columns.get(self.at(name)?)?.name));
        }
        let name = match &def.name {
            Some(name) if self.indexes.iter().any(|i| same(&i.name, name)) => {
                return def.if_not_exists.then_some(());
            }
            Some(name) => name.as_str().into(),
            None => self.free_name(columns.first().map_or("functional_index", |first| first)),
        };
        let whole = def.unique && def.whole;
        let (unique, expression) = (def.unique, def.expression);
        self.indexes.push(Index { name, unique, whole, expression, columns });
        Some(())
    }

    /// The name that the server gives an index without one: that of its first column, with a number
    /// where it is taken (MySQL's `make_unique_key_name`).
    fn free_name(&self, first: &str) -> Arc<str> {
        let taken = |name: &str| self.indexes.iter().any(|i| same(&i.name, name));
        if !taken(first) && !same(first, "PRIMARY") {
            return first.into();
        }
        (2..100)
            .map(|n| format!("{first}_{n}"))
            .find(|name| !taken(name))
            .unwrap_or_default()
            .into()
    }

    fn finish(mut self) -> TableSchema {
        let primary = self.indexes.iter().find(|i| &*i.name == "PRIMARY");
        for column in primary.iter().flat_map(|i| &i.columns) {
            if let Some(column) = self.columns.iter_mut().find(|c| same(&c.name, column)) {
                column.nullable = false;
            }
        }
        self.indexes.sort_by_key(|i| i.name.to_lowercase());
        let (key_index, key) = choose_key(&self.indexes, &self.columns);
        TableSchema {
            name: self.name,
            columns: self.columns,
            key,
            key_index,
            collation: Some(self.collation),
            indexes: self.indexes,
        }
    }

    fn column(&self, def: &ColumnDef) -> Option<Column> {
        let collation = if def.charset.is_none() && def.collation.is_none() {
            self.collation.clone()
        } else {
            self.dialect.text(def.charset.as_deref(), def.collation.as_deref(), self.query)?
        };
        let (declared, ty) = self.dialect.resolve(&def.ty, collation)?;
        let implied =
            self.dialect.explicit_timestamps || !matches!(ty, ColumnType::Timestamp { .. });
        Some(Column {
            name: def.name.as_str().into(),
            ty,
            declared: declared.into(),
            nullable: def.nullable.unwrap_or(implied),
            generated: def.generated,
            invisible: def.invisible,
        })
    }
}

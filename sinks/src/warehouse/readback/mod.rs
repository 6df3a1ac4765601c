//! What the tables of a target hold, for those who compare it with the source.
//!
//! Nothing is written, made or changed. A table is looked up with the sink's own rules ([`Tables`]), and
//! what it should hold is what the sink's own [`RowPlan`] would load; both sides are then brought into one
//! form ([`canonical`]). So a choice of the job that changes what arrives cannot be mistaken for a
//! difference, and there is no second list of types to keep in step.

mod canonical;
mod key;
mod row;
mod statement;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use model::row::RowError;
use model::table::quote;
use model::{Cell, SinkError, TableName, TableSchema, TimeZone};

pub use row::{Cells, Key, Row, cells};

use self::canonical::{Spelling, said};
use self::row::Builder;
use self::statement::{KEYS_PER_QUERY, KeyColumn};
use super::client::{Client, Reading};
use super::encode::{Between, RowPlan};
use super::options::Choices;
use super::system::System;
use super::tables::{Tables, as_spelled};
use super::target::compare::{Weight, compare};
use super::target::rules::BinaryAs;
use super::target::{KeyModel, TargetTable};
use crate::SinkContext;
use crate::config::{ConfigError, Options};

/// A target that can be read.
pub struct Readback {
    system: System,
    client: Arc<Client>,
    choices: Arc<Choices>,
    tables: Tables,
    source_column: Option<String>,
}

/// A connection of its own, on which rows are read.
pub struct Connection(Reading);

/// What stands where rows of the source's tables go.
#[derive(Debug)]
pub enum Look {
    /// No such table.
    Missing,
    /// A table that cannot hold these rows, and why.
    Unfit(String),
    Table(Box<View>),
}

/// How rows of some tables of the source stand in one table of the target.
#[derive(Debug)]
pub struct View {
    name: TableName,
    columns: Vec<ViewColumn>,
    key: Vec<KeyColumn>,
    sources: Vec<ViewSource>,
    /// Columns of the source that the table lacks.
    lacks: Vec<String>,
    binary: BinaryAs,
    time_zone: TimeZone,
    source_column: Option<String>,
}

#[derive(Debug)]
struct ViewColumn {
    name: String,
    spelling: Spelling,
}

#[derive(Debug)]
struct ViewSource {
    schema: Arc<TableSchema>,
    plan: RowPlan,
    /// For each column of the view the plan's, where this source has one.
    columns: Vec<Option<usize>>,
    /// By the plan's columns.
    documents: Vec<bool>,
    /// The source's columns of the key, in the target's order.
    key: Vec<usize>,
}

impl Readback {
    pub(crate) fn open(
        system: System,
        options: &Options<'_>,
        context: &SinkContext,
    ) -> Result<Self, ConfigError> {
        let choices = Arc::new(Choices::parse(system, options, context)?);
        let client = super::sink::client(system, &choices, context)?;
        let (routes, source_column) = (context.routes.clone(), context.source_column.clone());
        let tables = Tables::new(
            system,
            Arc::clone(&client),
            Arc::clone(&choices),
            routes,
            source_column.clone(),
            context.watcher.clone(),
        );
        Ok(Self { system, client, choices, tables, source_column })
    }

    /// False where the target keeps what the source has deleted.
    pub fn deletes(&self) -> bool {
        self.choices.deletes
    }

    /// # Errors
    /// The routes do not name one target.
    pub fn target_of(&self, source: &TableName) -> Result<TableName, SinkError> {
        self.tables.routed(source)
    }

    /// Looks up the table that takes the rows of all these; at least one.
    ///
    /// # Errors
    /// The target cannot be asked.
    pub async fn look(
        &self,
        name: &TableName,
        sources: &[Arc<TableSchema>],
    ) -> Result<Look, SinkError> {
        let wanted = match self.wanted(name, sources) {
            Ok(wanted) => wanted,
            Err(SinkError::Definite { what, .. }) => return Ok(Look::Unfit(what)),
            Err(other) => return Err(other),
        };
        let Some(existing) = self.client.table(name).await? else { return Ok(Look::Missing) };
        let mut lacks = Vec::new();
        let mut fatal = Vec::new();
        let mut asked = wanted.clone();
        asked.sequence = existing.has_sequence;
        for difference in compare(self.system, &asked, &existing) {
            match difference.weight {
                Weight::Harmless => {}
                Weight::AddColumn(column) => lacks.push(column.name.to_string()),
                Weight::Fatal => fatal.push(difference.message),
            }
        }
        if !fatal.is_empty() {
            return Ok(Look::Unfit(fatal.join("; ")));
        }
        let is_there = |name: &str| !lacks.iter().any(|lack| lack.eq_ignore_ascii_case(name));
        let mut table = as_spelled(asked, &existing, self.system);
        table.columns.retain(|column| is_there(&column.name));
        Ok(Look::Table(Box::new(self.view(table, sources, lacks))))
    }

    fn wanted(
        &self,
        name: &TableName,
        sources: &[Arc<TableSchema>],
    ) -> Result<TargetTable, SinkError> {
        let mut all: Option<TargetTable> = None;
        for source in sources {
            let wanted = self.tables.wanted(source, name)?;
            all = Some(match all {
                None => wanted,
                Some(before) => before
                    .union(&wanted, &source.name)
                    .map_err(|disunion| self.tables.definite(disunion.to_string()))?,
            });
        }
        all.ok_or_else(|| self.tables.definite(format!("no table goes to {name}")))
    }

    fn view(&self, table: TargetTable, sources: &[Arc<TableSchema>], lacks: Vec<String>) -> View {
        let mut plans = Vec::new();
        // By the table's columns: whether any source gives it, and as what.
        let mut given: BTreeMap<usize, Spelling> = BTreeMap::new();
        for schema in sources {
            let plan = RowPlan::new(&Between {
                system: self.system,
                source: schema,
                target: &table,
                rules: self.choices.rules,
                time_zone: self.choices.time_zone,
                source_column: self.source_column.as_deref(),
            });
            let names = plan.names();
            let mut at: BTreeMap<usize, usize> = BTreeMap::new();
            for (number, ((place, _), name)) in plan.places().zip(&names).enumerate() {
                let Some(column) = table.columns.iter().position(|c| c.name == *name) else {
                    continue;
                };
                let Some(target) = table.columns.get(column) else { continue };
                let of_source = place.and_then(|place| schema.columns.get(place));
                given.entry(column).or_insert_with(|| Spelling::of(of_source, target.ty));
                at.insert(column, number);
            }
            plans.push((schema, plan, at));
        }
        let keyed = table.model == KeyModel::Unique;
        let key: Vec<KeyColumn> = table
            .key()
            .filter(|_| keyed)
            .map(|column| KeyColumn { name: column.name.to_string(), ty: column.ty })
            .collect();
        let columns = given.iter().filter_map(|(at, spelling)| {
            let name = table.columns.get(*at)?.name.to_string();
            Some(ViewColumn { name, spelling: *spelling })
        });
        let columns = columns.collect();
        let sources = plans.into_iter().map(|(schema, plan, at)| ViewSource {
            schema: Arc::clone(schema),
            columns: given.keys().map(|column| at.get(column).copied()).collect(),
            documents: plan.places().map(|(_, is_document)| is_document).collect(),
            key: key.iter().filter_map(|column| place(schema, &column.name)).collect(),
            plan,
        });
        let sources = sources.collect();
        let (binary, time_zone) = (self.choices.rules.binary, self.choices.time_zone);
        let source_column = self.source_column.clone();
        View { name: table.name, columns, key, sources, lacks, binary, time_zone, source_column }
    }

    /// # Errors
    /// The target cannot be reached.
    pub async fn connect(&self) -> Result<Connection, SinkError> {
        Ok(Connection(self.client.reading().await?))
    }

    /// Runs one of the view's queries and gives each row to `take`, until it has seen enough: the
    /// connection is of no use then.
    ///
    /// # Errors
    /// The query is refused, or the connection breaks; some rows may have been given by then.
    pub async fn rows(
        &self,
        connection: &mut Connection,
        view: &View,
        query: &str,
        mut take: impl FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SinkError> {
        let doing = format!("rows of {}", view.name);
        let read = |cells: Vec<Option<Vec<u8>>>| take(view.shown(&cells));
        Ok(self.client.read(&mut connection.0, &doing, query, read).await?)
    }
}

fn place(schema: &TableSchema, name: &str) -> Option<usize> {
    schema.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
}

impl View {
    /// Names of the columns that are compared, in the order of a row's cells: the key's first.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Columns of the source that the table lacks, and that are not compared.
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    pub fn has_key(&self) -> bool {
        !self.key.is_empty()
    }

    pub fn key_columns(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|column| column.name.as_str())
    }

    /// The cells that the sink would load for a row of the source with this number.
    ///
    /// # Errors
    /// The sink would refuse the row.
    pub fn row(&self, source: usize, row: &[Cell<'_>]) -> Result<Row, RowError> {
        self.built(source, row, self.columns.len())
    }

    /// The same of its key alone; the other cells may be anything.
    ///
    /// # Errors
    /// The sink would refuse the key.
    pub fn key_of(&self, source: usize, row: &[Cell<'_>]) -> Result<Key, RowError> {
        Ok(self.built(source, row, self.key.len())?.key().into())
    }

    fn built(&self, source: usize, row: &[Cell<'_>], columns: usize) -> Result<Row, RowError> {
        let mut builder = Builder::new(self.key.len());
        let mut json = Vec::new();
        let Some(source) = self.sources.get(source) else { return Ok(builder.finish()) };
        for (column, given) in self.columns.iter().zip(&source.columns).take(columns) {
            // Another shard has it: it is NULL in rows of this one.
            let Some(number) = *given else {
                builder.push(None);
                continue;
            };
            json.clear();
            source.plan.value_of(number, &mut json, &source.schema, row)?;
            let is_document = source.documents.get(number).copied().unwrap_or(false);
            match said(&json, is_document) {
                None => builder.push(None),
                Some(text) => builder.push(Some(&column.spelling.form(&text))),
            }
        }
        Ok(builder.finish())
    }

    /// A row as the target shows it; of a query for keys, the key alone.
    fn shown(&self, shown: &[Option<Vec<u8>>]) -> Row {
        let mut builder = Builder::new(self.key.len());
        for (column, text) in self.columns.iter().zip(shown) {
            let form: Option<Cow<'_, [u8]>> = text.as_deref().map(|t| column.spelling.form(t));
            builder.push(form.as_deref());
        }
        builder.finish()
    }

    /// Every key of the source, as cells in the order of its own key, that is this one in the target:
    /// mostly one, none where the source cannot have it.
    pub fn source_keys<'k>(&self, source: usize, key: &'k [u8]) -> Vec<Vec<Cell<'k>>> {
        let Some(ViewSource { schema, key: places, .. }) = self.sources.get(source) else {
            return Vec::new();
        };
        let mut by_place: BTreeMap<usize, Vec<Cell<'k>>> = BTreeMap::new();
        for (place, text) in places.iter().zip(cells(key)) {
            let (Some(column), Some(text)) = (schema.columns.get(*place), text) else {
                return Vec::new();
            };
            by_place.insert(*place, key::cells(text, column, self.binary, self.time_zone));
        }
        let mut keys = vec![Vec::new()];
        for place in &schema.key {
            let Some(values) = by_place.get(place) else { return Vec::new() };
            let longer = |key: &Vec<Cell<'k>>| {
                let with = |value: &Cell<'k>| key.iter().chain([value]).cloned().collect();
                values.iter().map(with).collect::<Vec<_>>()
            };
            keys = keys.iter().flat_map(longer).collect();
        }
        keys
    }

    /// Why rows of the source cannot be looked up by a key of the target, if so.
    pub fn refuses_lookups(&self) -> Option<String> {
        self.sources.iter().find_map(|source| {
            let columns = source.key.iter().filter_map(|at| source.schema.columns.get(*at));
            let bad = columns.clone().find(|column| !key::turns_back(column));
            if let Some(column) = bad {
                let (name, declared) = (&column.name, &column.declared);
                return Some(format!("rows cannot be looked up by key column `{name}` {declared}"));
            }
            (columns.count() != source.schema.key.len())
                .then(|| "the target's key is not the source's".to_owned())
        })
    }

    /// True where a range of the source's keys is one of the target's, and holds rows of this source
    /// alone.
    pub fn is_in_order(&self) -> bool {
        let [source] = self.sources.as_slice() else { return false };
        // The target may sort its key in another order of columns, and compares all the same by ours:
        // ranges are spelled out column by column.
        source.key == source.schema.key
            && source.key.iter().zip(&self.key).all(|(at, column)| {
                let of_source = source.schema.columns.get(*at);
                of_source.is_some_and(|of_source| key::is_in_order(of_source, column.ty))
            })
    }

    fn select(&self, columns: usize) -> String {
        let names: Vec<String> =
            self.columns.iter().take(columns).map(|column| quote(&column.name)).collect();
        statement::select(&names, &self.name.quoted())
    }

    /// All rows.
    pub fn query_all(&self) -> String {
        self.select(self.columns.len())
    }

    /// Rows with keys above `after`, and up to `through`.
    pub fn query_range(&self, after: Option<&[u8]>, through: Option<&[u8]>) -> String {
        self.query_all() + &statement::range(&self.key, after, through)
    }

    /// Rows with these keys, in as many queries as it takes.
    pub fn query_keys<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Vec<String> {
        let keys: Vec<&[u8]> = keys.collect();
        let batches = keys.chunks(KEYS_PER_QUERY);
        batches.map(|batch| self.query_all() + &statement::among(&self.key, batch)).collect()
    }

    /// So many keys above `after`, in the target's order.
    pub fn query_page(&self, after: Option<&[u8]>, limit: u64) -> String {
        let key = &self.key;
        let range = statement::range(key, after, None);
        self.select(key.len()) + &range + &statement::page(key, limit)
    }

    /// The column that names a row's table in the source, if there is one.
    pub fn source_column(&self) -> Option<&str> {
        self.source_column.as_deref()
    }
}

#[cfg(test)]
mod tests;

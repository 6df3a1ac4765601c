//! The target's tables: which table a row goes to, that it is there, and that it can take the row.
//!
//! A table is met when a run begins, when the source announces it, or with its first row, whichever is
//! first. It is then looked up in the target, made where it is missing, and compared where it is not: what
//! would end in refused or wrong rows is told before the first of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::change::SchemaChange;
use model::{Routes, SinkError, TableName, TableSchema};

use super::client::Client;
use super::encode::{Between, RowPlan};
use super::options::Choices;
use super::system::System;
use super::target::alteration::{Alteration, Change};
use super::target::compare::{ExistingTable, Weight, compare};
use super::target::evolve::{self, TableChange};
use super::target::policy::{ChangeKind, Verdict};
use super::target::{SourceName, TargetColumn, TargetTable, create};
use crate::unapplied::Watcher;

/// Fatal differences that are told at once.
const TOLD_MAX: usize = 20;

pub(crate) struct Tables {
    pub(super) sink: String,
    pub(super) system: System,
    pub(super) client: Arc<Client>,
    pub(super) choices: Arc<Choices>,
    pub(super) watcher: Watcher,
    routes: Routes,
    source_column: Option<String>,
    pub(super) by_name: BTreeMap<TableName, Target>,
    /// By the address of the definition, which is kept alive beside its plan.
    pub(super) plans: HashMap<usize, Planned>,
    /// `None` until they are asked for.
    databases: Option<BTreeSet<String>>,
    /// The tables that the run begins with are met: one that comes now was made in the source.
    begun: bool,
}

/// A table of the target, as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub table: TargetTable,
    /// The source's tables that go there, as they are.
    pub sources: BTreeMap<TableName, Arc<TableSchema>>,
    /// What its loads name.
    pub columns: Arc<[Arc<str>]>,
}

/// Where rows of one definition go, and how.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub schema: Arc<TableSchema>,
    pub target: TableName,
    pub rows: Arc<RowPlan>,
}

impl Tables {
    pub(crate) fn new(
        system: System,
        client: Arc<Client>,
        choices: Arc<Choices>,
        routes: Routes,
        source_column: Option<String>,
        watcher: Watcher,
    ) -> Self {
        Self {
            sink: choices.settings.sink.clone(),
            system,
            client,
            choices,
            watcher,
            routes,
            source_column,
            by_name: BTreeMap::new(),
            plans: HashMap::new(),
            databases: None,
            begun: false,
        }
    }

    /// Every target is looked up anew: a run begins.
    pub(crate) fn forget(&mut self) {
        self.by_name.clear();
        self.plans.clear();
        self.databases = None;
        self.begun = false;
    }

    pub(crate) fn get(&self, target: &TableName) -> Option<&Target> {
        self.by_name.get(target)
    }

    pub(crate) fn target_of(&self, source: &TableName) -> TableName {
        self.routes.target(source)
    }

    /// The databases of the targets.
    pub(crate) fn databases(&self) -> BTreeSet<String> {
        self.by_name.keys().map(|name| name.db.to_string()).collect()
    }

    /// Databases that `sources` go to, met or not.
    pub(crate) fn databases_of<'s>(
        &self,
        sources: impl Iterator<Item = &'s TableName>,
    ) -> BTreeSet<String> {
        sources.map(|source| self.routes.target(source).db.to_string()).collect()
    }

    /// Meets all tables that a run begins with. What stands in the way of any is told of all at once.
    pub(crate) async fn meet_all(
        &mut self,
        schemas: impl Iterator<Item = Arc<TableSchema>>,
    ) -> Result<(), SinkError> {
        let mut refused = Vec::new();
        for schema in schemas {
            match self.meet(&schema).await {
                Ok(_) => {}
                Err(SinkError::Definite { what, .. }) => refused.push(what),
                Err(other) => return Err(other),
            }
        }
        if refused.is_empty() {
            self.begun = true;
            return Ok(());
        }
        let more = refused.len().saturating_sub(TOLD_MAX);
        refused.truncate(TOLD_MAX);
        if more > 0 {
            refused.push(format!("and {more} more"));
        }
        Err(self.definite(refused.join("\n")))
    }

    /// Where rows of this definition go. The first time, the target's table is looked up, made or compared.
    pub(crate) async fn meet(&mut self, schema: &Arc<TableSchema>) -> Result<Planned, SinkError> {
        let address = Arc::as_ptr(schema).addr();
        if let Some(planned) = self.plans.get(&address) {
            return Ok(planned.clone());
        }
        let target = self.routed(&schema.name)?;
        let wanted = self.wanted(schema, &target)?;
        let known = self.by_name.get(&target);
        let is_covered = known.is_some_and(|known| covers(&known.table, &wanted));
        if !is_covered {
            let wanted = match known {
                Some(known) => known
                    .table
                    .union(&wanted, &schema.name)
                    .map_err(|disunion| self.definite(disunion.to_string()))?,
                None => wanted,
            };
            let table = self.ensure(wanted).await?;
            self.stand(&target, table);
        }
        let planned = self.plan(schema, &target)?;
        self.plans.insert(address, planned.clone());
        Ok(planned)
    }

    pub(super) fn routed(&self, source: &TableName) -> Result<TableName, SinkError> {
        self.routes.check(source).map_err(|error| self.definite(error.to_string()))?;
        Ok(self.routes.target(source))
    }

    /// The table that we would make for `schema`.
    pub(super) fn wanted(
        &self,
        schema: &TableSchema,
        target: &TableName,
    ) -> Result<TargetTable, SinkError> {
        let unmappable = |error: super::target::Unmappable| self.definite(error.to_string());
        let table = TargetTable::of(self.system, schema, target.clone(), &self.choices.rules)
            .map_err(unmappable)?;
        let table = if self.choices.sequence { table.with_sequence(self.system) } else { table };
        match &self.source_column {
            Some(name) => table.with_source_name(name, SourceName::Value).map_err(unmappable),
            None => Ok(table),
        }
    }

    /// Sets what stands in the target, and lets go of what was planned for it before.
    pub(super) fn stand(&mut self, name: &TableName, table: TargetTable) {
        self.plans.retain(|_, planned| planned.target != *name);
        let entry = self.by_name.entry(name.clone());
        let target = entry.or_insert_with(|| Target {
            table: table.clone(),
            sources: BTreeMap::new(),
            columns: Arc::new([]),
        });
        target.table = table;
    }

    fn plan(&mut self, schema: &Arc<TableSchema>, name: &TableName) -> Result<Planned, SinkError> {
        let Some(target) = self.by_name.get_mut(name) else {
            return Err(self.definite(format!("{name}: the table is not known")));
        };
        target.sources.insert(schema.name.clone(), Arc::clone(schema));
        let between = |source| Between {
            system: self.system,
            source,
            target: &target.table,
            rules: self.choices.rules,
            time_zone: self.choices.time_zone,
            source_column: self.source_column.as_deref(),
        };
        // A load names what any of its rows may have.
        let mut columns: Vec<Arc<str>> = Vec::new();
        for source in target.sources.values() {
            for name in RowPlan::new(&between(source)).names() {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
        }
        let rows = Arc::new(RowPlan::new(&between(schema)));
        target.columns = columns.into();
        Ok(Planned { schema: Arc::clone(schema), target: name.clone(), rows })
    }

    /// The table as it stands in the target once it can take all rows of `wanted`.
    async fn ensure(&mut self, mut wanted: TargetTable) -> Result<TargetTable, SinkError> {
        let name = wanted.name.clone();
        let Some(existing) = self.client.table(&name).await? else {
            self.create(&wanted).await?;
            return Ok(wanted);
        };
        wanted.sequence = existing.has_sequence;
        let mut missing = Vec::new();
        let mut fatal = Vec::new();
        for difference in compare(self.system, &wanted, &existing) {
            match difference.weight {
                Weight::Harmless => tracing::debug!(table = %name, "{}", difference.message),
                Weight::Fatal => fatal.push(difference.message),
                Weight::AddColumn(column) => {
                    match self.choices.policy.verdict(ChangeKind::AddColumn) {
                        Verdict::Apply | Verdict::Soften => missing.push(column),
                        Verdict::Leave | Verdict::Stop => fatal.push(difference.message),
                    }
                }
            }
        }
        if !fatal.is_empty() {
            let system = self.system;
            let what = format!("{system} table {name} cannot take the rows: {}", fatal.join("; "));
            return Err(self.definite(what));
        }
        for column in missing {
            tracing::info!(table = %name, column = %column.name, "adds a column that the table lacks: rows \
                that are there hold NULL in it until they are loaded again");
            let add = Alteration::new(&name, Change::AddColumn(column));
            self.alter(&add).await?;
        }
        Ok(as_spelled(wanted, &existing, self.system))
    }

    async fn create(&mut self, wanted: &TargetTable) -> Result<(), SinkError> {
        let (name, system) = (&wanted.name, self.system);
        if !self.choices.auto_create {
            return Err(self.definite(format!(
                "{system} has no table {name}, and `auto.create` is off; create it with: {}",
                create::table(system, wanted, &self.choices.create)
            )));
        }
        let known = match &mut self.databases {
            Some(known) => known,
            none => none.insert(self.client.databases().await?.into_iter().collect()),
        };
        if !known.contains(&*name.db) {
            self.client.execute(&create::database(&name.db)).await?;
            known.insert(name.db.to_string());
        }
        let steps = if self.begun {
            let plan = evolve::plan(system, TableChange::Created(wanted), &self.choices.policy);
            plan.map_err(|refused| self.definite(refused.to_string()))?.alterations
        } else {
            vec![Alteration::new(name, Change::Create(Box::new(wanted.clone())))]
        };
        if steps.is_empty() {
            return Err(self.definite(format!(
                "{system} has no table {name}, and the job does not let it be made (`create.table`); create \
                 it with: {}",
                create::table(system, wanted, &self.choices.create)
            )));
        }
        tracing::info!(table = %name, "creates the table in {system}");
        for step in &steps {
            self.alter(step).await?;
        }
        Ok(())
    }

    /// The statement that was run; `None`: it had been done before.
    pub(super) async fn alter(&self, alteration: &Alteration) -> Result<Option<String>, SinkError> {
        Ok(self.client.alter(alteration, &self.choices.create).await?)
    }

    /// Does the change come with another definition than the one of before?
    pub(crate) fn is_new_to(&self, change: &SchemaChange) -> bool {
        let target = self.by_name.get(&self.routes.target(&change.table));
        let known = target.and_then(|target| target.sources.get(&change.table));
        change.after.as_ref().is_some_and(|after| known.is_none_or(|known| known != after))
    }

    pub(crate) fn definite(&self, what: String) -> SinkError {
        SinkError::Definite { sink: self.sink.clone(), what }
    }
}

/// Does `table` have all that `wanted` has?
fn covers(table: &TargetTable, wanted: &TargetTable) -> bool {
    table.model == wanted.model
        && wanted.columns.iter().all(|column| {
            table.find(&column.name).is_some_and(|held| {
                held.is_key == column.is_key
                    && held.ty.holds(column.ty)
                    && (held.nullable || !column.nullable)
            })
        })
}

/// `wanted` in the words of the table that exists: its spelling, its types, and its columns beyond.
pub(super) fn as_spelled(
    mut wanted: TargetTable,
    existing: &ExistingTable,
    system: System,
) -> TargetTable {
    for column in &mut wanted.columns {
        let there = existing.columns.iter().find(|c| c.name.eq_ignore_ascii_case(&column.name));
        if let Some(there) = there {
            column.name = there.name.as_str().into();
            column.ty = there.ty(system).unwrap_or(column.ty);
            column.nullable = there.nullable;
        }
    }
    for there in &existing.columns {
        if wanted.find(&there.name).is_none()
            && let Some(ty) = there.ty(system)
        {
            wanted.columns.push(TargetColumn {
                name: there.name.as_str().into(),
                ty,
                nullable: there.nullable,
                is_key: there.is_key,
                source: None,
            });
        }
    }
    wanted
}

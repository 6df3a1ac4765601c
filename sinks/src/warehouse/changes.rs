//! Changes of the source's tables, taken to their targets.

use std::sync::Arc;

use model::change::{Filled, SchemaChange};
use model::{SinkError, TableName, TableSchema};

use super::tables::{Tables, Target, as_spelled};
use super::target::alteration::{Alteration, Change, OnFailure};
use super::target::evolve::{self, TableChange};
use super::target::{KeyModel, TargetColumn, TargetTable, fill};
use crate::unapplied::{Applied, Unapplied};

/// A change of a table that the target is to follow.
#[derive(Debug)]
pub(crate) struct Step {
    pub target: TableName,
    pub alterations: Vec<Alteration>,
    /// As it stands after that; `None`: gone.
    after: Option<TargetTable>,
    source: TableName,
    schema: Option<Arc<TableSchema>>,
    /// The source's statement, and where it ends in its binlog.
    sql: Arc<str>,
    place: String,
}

pub(crate) fn are_of_one_statement(one: &SchemaChange, other: &SchemaChange) -> bool {
    let place = |change: &SchemaChange| (Arc::clone(&change.origin.file), change.origin.pos);
    place(one) == place(other) && one.sql == other.sql
}

impl Tables {
    /// Takes a target as it is found, for a change of it is still to be told. What the target has beyond the
    /// source's table is no matter of the change, unless its statement names it. `all`: what is to be told.
    pub(crate) async fn find(
        &mut self,
        change: &SchemaChange,
        all: &[SchemaChange],
    ) -> Result<(), SinkError> {
        let target = self.routed(&change.table)?;
        if self.get(&target).is_some() {
            return Ok(());
        }
        let Some(existing) = self.client.table(&target).await? else { return Ok(()) };
        // A table that got another name is told as one that is gone and one that came.
        let came = all.iter().find(|other| other.renamed_from.as_ref() == Some(&change.table));
        let schema = change.after.as_ref().or_else(|| came.and_then(|came| came.after.as_ref()));
        let schema = schema.map_or_else(|| nothing(&change.table), Arc::clone);
        let wanted = self.wanted(&schema, &target).ok();
        let sql = change.sql.to_ascii_lowercase();
        let columns = existing.columns.iter().enumerate().filter_map(|(at, there)| {
            let asked = wanted.as_ref().is_some_and(|wanted| wanted.find(&there.name).is_some());
            let ty = there.ty(self.system)?;
            (asked || sql.contains(&there.name.to_ascii_lowercase())).then(|| TargetColumn {
                name: there.name.as_str().into(),
                ty,
                nullable: there.nullable,
                is_key: there.is_key,
                // It was the source's own.
                source: Some(at),
            })
        });
        let model = existing.model.or(wanted.as_ref().map(|wanted| wanted.model));
        let table = TargetTable {
            name: target.clone(),
            columns: columns.collect(),
            model: model.unwrap_or(KeyModel::Unique),
            sequence: existing.has_sequence,
        };
        self.stand(&target, table);
        if let Some(found) = self.by_name.get_mut(&target) {
            found.sources.insert(change.table.clone(), schema);
        }
        Ok(())
    }

    /// What a change of the source asks of the target. `None`: nothing.
    ///
    /// # Errors
    /// What the policy stops, and what the target cannot follow.
    pub(crate) async fn follow(
        &mut self,
        change: &SchemaChange,
    ) -> Result<Option<Step>, SinkError> {
        let target = self.routed(&change.table)?;
        let Some(known) = self.by_name.get(&target).cloned() else {
            // Of a table that was never met nothing is there.
            if let Some(schema) = &change.after
                && schema.name == change.table
            {
                self.meet(schema).await?;
            }
            return Ok(None);
        };
        let is_shared = known.sources.keys().any(|source| *source != change.table);
        if change.starts_over {
            return Ok(self.empty(change, known, target, is_shared));
        }
        let wanted = match &change.after {
            Some(schema) if !change.truncated => Some(self.wanted(schema, &target)?),
            Some(_) | None => None,
        };
        let what = match &wanted {
            _ if change.truncated => TableChange::Truncated(&known.table),
            None => TableChange::Dropped(&known.table),
            Some(wanted) => {
                let union;
                let after = if is_shared {
                    union = known.table.union(wanted, &change.table);
                    union.as_ref().map_err(|disunion| self.definite(disunion.to_string()))?
                } else {
                    wanted
                };
                let renamed = renamed(change);
                let altered =
                    TableChange::Altered { before: &known.table, after, renamed: &renamed };
                let mut step = self.planned_step(altered, change, target)?;
                self.fill(&mut step, change, &known, is_shared);
                return Ok(Some(step));
            }
        };
        if is_shared {
            let why = "other tables are merged into the target: its rows stay, though the source has \
                emptied or dropped this one";
            tracing::warn!(table = %change.table, %target, "{why}");
            self.unapplied(&change.table, &change.sql, why.to_owned());
            return Ok(None);
        }
        self.planned_step(what, change, target).map(Some)
    }

    fn planned_step(
        &self,
        what: TableChange<'_>,
        change: &SchemaChange,
        target: TableName,
    ) -> Result<Step, SinkError> {
        let plan = evolve::plan(self.system, what, &self.choices.policy)
            .map_err(|refused| self.definite(refused.to_string()))?;
        for left in &plan.left {
            tracing::warn!(table = %change.table, "{left}");
            self.unapplied(&change.table, &change.sql, left.clone());
        }
        let gone = change.after.is_none() && plan.table.is_some();
        Ok(Step {
            target,
            alterations: plan.alterations,
            after: plan.table.filter(|_| !gone),
            source: change.table.clone(),
            schema: change.after.clone(),
            sql: Arc::clone(&change.sql),
            place: place(change),
        })
    }

    /// Rows that are in the target hold in a column that came what the source's hold in it, or the log says
    /// that they do not.
    fn fill(&self, step: &mut Step, change: &SchemaChange, known: &Target, is_shared: bool) {
        let Some(schema) = &change.after else { return };
        let column = |name: &str| schema.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
        let filled = |name: &str| {
            let mut filled = change.filled.iter();
            filled.find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, filled)| filled)
        };
        let warn = |name: &str, why: &str| {
            tracing::warn!(table = %change.table, target = %known.table.name, column = name,
                "a column came, and rows that the target has already hold NULL, or what they held, where \
                 the source's hold its DEFAULT: {why}; `run --resnapshot {}` reads them again",
                change.table);
            let what =
                format!("rows from before the change may lack the DEFAULT of `{name}`: {why}");
            self.unapplied(&change.table, &change.sql, what);
        };
        // Of a shadow table, or read from the server: what may be NULL and says no more is NULL.
        let sql = change.sql.to_ascii_lowercase();
        let is_plain = !sql.contains("default") && !sql.contains(" as");
        for alteration in &mut step.alterations {
            let Change::AddColumn(added) = &alteration.change else { continue };
            match filled(&added.name) {
                Some(Filled::Null) => {}
                Some(Filled::Literal(_)) if is_shared => {
                    warn(&added.name, "the target has rows of other tables, too");
                }
                Some(Filled::Literal(literal)) => {
                    let default = column(&added.name)
                        .and_then(|column| fill::default(column, added.ty, literal));
                    match default {
                        Some(default) => alteration.fill = Some(default.into()),
                        None => warn(&added.name, "the target's type has no such default"),
                    }
                }
                None if is_plain && column(&added.name).is_some_and(|column| column.nullable) => {}
                None => warn(&added.name, "what it is only the source knows"),
            }
        }
        // The target has kept it when the source dropped it, or it was made by hand, or for other tables.
        for (name, _) in change.filled.iter().filter(|(_, filled)| *filled != Filled::Null) {
            let there = known.table.find(name);
            if there.is_some_and(|there| there.source.is_none() || is_shared) {
                warn(name, "the target had the column before");
            }
        }
    }

    fn unapplied(&self, table: &TableName, statement: &Arc<str>, why: String) {
        let (sink, table, statement) = (self.sink.clone(), table.clone(), Arc::clone(statement));
        self.watcher.tell(Unapplied { sink, table, statement, why });
    }

    fn applied(&self, step: &Step, applied: String) {
        let (table, target) = (step.source.clone(), step.target.clone());
        tracing::info!(sink = self.sink, %table, %target, position = step.place, statement = applied,
            "a change of the source's table was made in its target");
        let (statement, place) = (Arc::clone(&step.sql), step.place.clone());
        let sink = self.sink.clone();
        self.watcher.tell_applied(Applied { sink, table, target, statement, place, applied });
    }

    /// A table whose rows are read again starts out empty.
    fn empty(
        &self,
        change: &SchemaChange,
        known: Target,
        target: TableName,
        is_shared: bool,
    ) -> Option<Step> {
        if is_shared {
            tracing::warn!(table = %change.table, %target, "the table is read again, and others are merged \
                into its target: rows that the source deleted meanwhile stay there");
            return None;
        }
        let truncate = Alteration::new(&target, Change::Truncate);
        let schema = known.sources.get(&change.table).cloned();
        let (source, sql) = (change.table.clone(), Arc::clone(&change.sql));
        let (alterations, after) = (vec![truncate], Some(known.table));
        Some(Step { target, alterations, after, source, schema, sql, place: place(change) })
    }

    /// Makes the change. Everything of the target that was loaded before must be settled.
    pub(crate) async fn take(&mut self, step: Step) -> Result<(), SinkError> {
        let mut after = step.after.clone();
        for alteration in &step.alterations {
            let error = match self.alter(alteration).await {
                Ok(None) => continue,
                Ok(Some(statement)) => {
                    self.applied(&step, statement);
                    continue;
                }
                Err(error) => error,
            };
            if alteration.on_failure == OnFailure::Stop {
                return Err(error);
            }
            tracing::warn!(table = %step.target, "{error}; the job goes on without this change");
            self.unapplied(&step.source, &step.sql, error.to_string());
            if let (Some(table), Some(existing)) = (&after, self.client.table(&step.target).await?)
            {
                after = Some(as_spelled(table.clone(), &existing, self.system));
            }
        }
        self.plans.retain(|_, planned| planned.target != step.target);
        match after {
            Some(table) => {
                self.stand(&step.target, table);
                if let Some(target) = self.by_name.get_mut(&step.target) {
                    target.sources.remove(&step.source);
                }
                if let Some(schema) = step.schema {
                    self.meet(&schema).await?;
                }
            }
            None => {
                self.by_name.remove(&step.target);
            }
        }
        Ok(())
    }
}

fn place(change: &SchemaChange) -> String {
    format!("{}:{}", change.origin.file, change.origin.pos)
}

/// Of a table that is gone.
fn nothing(name: &TableName) -> Arc<TableSchema> {
    Arc::new(TableSchema {
        name: name.clone(),
        columns: Vec::new(),
        key: Vec::new(),
        key_index: "".into(),
        collation: None,
        indexes: Vec::new(),
    })
}

fn renamed(change: &SchemaChange) -> Vec<(String, String)> {
    change.renamed.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect()
}

//! Schema changes that a tool makes in a shadow table: gh-ost's and pt-online-schema-change's.
//!
//! Such a tool creates a shadow of a table, alters the shadow, copies the rows into it and carries
//! over what changes meanwhile. At the cut-over the shadow gets the table's name, and holds then what
//! the table held, in other columns. So the whole of it is one change of the table's definition, at
//! the cut-over:
//!
//! 1. The tools' tables are told by their names ([`names`]) while the table they are named after is
//!    followed. Their rows are no part of the changelog, whatever the patterns say.
//! 2. A shadow's definition follows the statements about it, as those of followed tables do, and is
//!    part of the checkpoint: a run that begins between the ALTER and the cut-over knows it.
//! 3. A followed table with a shadow that is renamed to the name of an old table is *away*. It stays
//!    followed under its own name, and nothing is said yet. No row of it can come: it is not there.
//! 4. A shadow that takes the name of a table that is away is the cut-over. The table takes the
//!    shadow's definition as it takes that of an ALTER: what its snapshot has done stays done, what
//!    is open is read again, for it may have been read on either side.
//!
//! Steps 3 and 4 are one RENAME TABLE, or two statements (gh-ost's `--cut-over=two-step`), with a
//! checkpoint in between at times. A table that does not come back from away, for its shadow is
//! dropped or another table takes its name, is let go as one that is dropped.

pub mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use binlog::event::QueryEvent;
use binlog::reader::Delivered;
use model::checkpoint::{Away, OnlineDdlState, ShadowState, Unproven};
use model::{BinlogPosition, TableName, TableSchema};

use self::names::Role;
use super::catalog::CatalogTable;
use super::ddl::{self, Touch};
use super::definition::{self, Altered};
use super::schema_history::Rows;
use super::tables::{Followed, TableSet};
use super::{MySqlSource, SourceError};

/// More text than this is not kept for the record of a schema change.
const STATEMENTS_BYTES_MAX: usize = 64 * 1024;
/// Names with a timestamp never come again.
const NAMES_SAID_MAX: usize = 1000;

/// The tools' tables beside the followed ones.
#[derive(Debug, Default)]
pub struct OnlineDdl {
    /// Names are looked at. What is under way comes to its end in any case.
    enabled: bool,
    shadows: BTreeMap<TableName, ShadowState>,
    /// Followed tables that have made way, and where to.
    away: BTreeMap<TableName, TableName>,
    /// Told, and no part of the changelog until they are dropped or renamed.
    passed_over: BTreeSet<TableName>,
    /// Named in the log; a tool uses its names again and again.
    said: BTreeSet<TableName>,
}

/// The server's tables, by what they are to a job.
#[derive(Debug, Default)]
pub struct Sorted {
    pub tables: BTreeMap<TableName, CatalogTable>,
    /// Named after one of those, by a tool.
    aside: BTreeMap<TableName, CatalogTable>,
}

/// Tells the tools' tables from those that are `wanted`; `known` are followed already.
pub fn sort(
    catalog: BTreeMap<TableName, CatalogTable>,
    known: &BTreeSet<TableName>,
    wanted: impl Fn(&TableName) -> bool,
) -> Sorted {
    let bases: BTreeSet<TableName> =
        catalog.keys().filter(|name| wanted(name)).chain(known).cloned().collect();
    let is_a_tools =
        |name: &TableName| !known.contains(name) && names::base(&bases, name).is_some();
    let (aside, mut tables): (BTreeMap<_, _>, BTreeMap<_, _>) =
        catalog.into_iter().partition(|(name, _)| is_a_tools(name));
    tables.retain(|name, _| wanted(name));
    Sorted { tables, aside }
}

impl Sorted {
    /// Without a look at the names.
    pub fn plain(tables: BTreeMap<TableName, CatalogTable>) -> Self {
        Self { tables, aside: BTreeMap::new() }
    }

    /// The tools' tables.
    pub fn aside(&self) -> impl Iterator<Item = &TableName> {
        self.aside.keys()
    }
}

impl OnlineDdl {
    /// As a checkpoint left it.
    pub fn resume(
        enabled: bool,
        state: Option<&OnlineDdlState>,
        followed: &BTreeMap<TableName, Followed>,
    ) -> Self {
        let mut online = Self { enabled, ..Self::default() };
        for Away { table, at } in state.iter().flat_map(|s| &s.away) {
            if followed.contains_key(table) {
                online.away.insert(table.clone(), at.clone());
            }
        }
        for shadow in state.iter().flat_map(|s| &s.shadows) {
            let is_needed = names::base(followed.keys(), &shadow.name).is_some();
            if is_needed && !followed.contains_key(&shadow.name) {
                online.shadows.insert(shadow.name.clone(), shadow.clone());
            }
        }
        online
    }

    pub fn state(&self) -> OnlineDdlState {
        let away =
            |(table, at): (&TableName, &TableName)| Away { table: table.clone(), at: at.clone() };
        OnlineDdlState {
            shadows: self.shadows.values().cloned().collect(),
            away: self.away.iter().map(away).collect(),
        }
    }

    fn has_shadow(&self, table: &TableName) -> bool {
        self.shadows.keys().any(|s| names::role(s, table) == Some(Role::Shadow))
    }

    /// The table that is away under this name.
    fn away_at(&self, at: &TableName) -> Option<TableName> {
        self.away.iter().find(|(_, place)| *place == at).map(|(table, _)| table.clone())
    }
}

impl TableSet {
    /// Takes note of the tools' tables that the server had when its binlog reached to `until`.
    pub fn set_aside(&mut self, sorted: Sorted, until: &BinlogPosition) {
        for (name, table) in sorted.aside {
            let Some(role) = self.role(&name) else { continue };
            self.pass_over(&name);
            if role == Role::Shadow && !self.online.shadows.contains_key(&name) {
                let shadow = ShadowState {
                    name: name.clone(),
                    definition: Some(table.schema),
                    unproven: Some(Unproven { until: until.clone(), used: false, anew: false }),
                    statements: None,
                };
                self.online.shadows.insert(name, shadow);
            }
        }
    }

    /// True for a table that a tool has named after a followed one: its rows are nobody's. Says so
    /// where the patterns match it.
    pub fn passes_over(&mut self, name: &TableName) -> bool {
        if self.online.passed_over.contains(name) {
            return true;
        }
        let is_a_tools = self.role(name).is_some();
        if is_a_tools {
            self.pass_over(name);
        }
        is_a_tools
    }

    fn role(&self, name: &TableName) -> Option<Role> {
        if !self.online.enabled || self.followed.contains_key(name) || self.apart.has(name) {
            return None;
        }
        let bases = self.followed.keys().chain(self.apart.tables().map(|apart| &apart.table));
        names::base(bases, name).map(|(_, role)| role)
    }

    fn pass_over(&mut self, table: &TableName) {
        self.online.passed_over.insert(table.clone());
        if self.online.said.len() >= NAMES_SAID_MAX {
            self.online.said.clear();
        }
        if self.patterns.matches(table) && self.online.said.insert(table.clone()) {
            tracing::warn!(%table, "the table matches and, by its name, is one of gh-ost or \
                pt-online-schema-change: it is not followed");
        }
    }
}

/// What the record of the cut-over says: the shadow's changes, said of the table.
fn said_of(table: &TableName, shadow: &ShadowState) -> Option<String> {
    let all = shadow.statements.as_ref().filter(|all| !all.is_empty())?;
    let said = |sql: &String| names::said_of(sql, &shadow.name.table, &table.table);
    Some(all.iter().map(said).collect::<Vec<_>>().join("; "))
}

impl MySqlSource {
    /// Takes what a statement does to the tools' tables; true where nothing is left to be done.
    pub(super) async fn touch_online(
        &mut self,
        touch: &Touch,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<bool, SourceError> {
        match touch {
            Touch::Create { table, anew } => {
                let table = self.tables.stored(table);
                self.created_online(&table, *anew, query, delivered).await
            }
            Touch::Alter(table) => {
                let table = self.tables.stored(table);
                self.altered_online(&table, query).await
            }
            Touch::Drop(table) => {
                let table = self.tables.stored(table);
                self.tables.online.away.remove(&table);
                self.gone_for_good(&table, query, delivered).await;
                self.forget(&table, query, delivered).await;
                Ok(false)
            }
            Touch::Rename { from, to } => {
                let (from, to) = (self.tables.stored(from), self.tables.stored(to));
                self.renamed_online(&from, &to, query, delivered).await
            }
            Touch::DropDatabase(db) => {
                let db = self.tables.stored(&TableName::new(db.as_str(), "")).db;
                let online = &mut self.tables.online;
                online.away.retain(|table, _| table.db != db);
                online.shadows.retain(|table, _| table.db != db);
                online.passed_over.retain(|table| table.db != db);
                Ok(false)
            }
            Touch::Truncate(_) | Touch::Database(_) => Ok(false),
        }
    }

    async fn created_online(
        &mut self,
        table: &TableName,
        anew: bool,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<bool, SourceError> {
        if self.tables.online.away.remove(table).is_some() {
            // Another table takes its place.
            self.let_go(table, query, delivered).await;
        }
        let Some(role) = self.tables.role(table) else { return Ok(false) };
        self.tables.pass_over(table);
        if role == Role::Shadow && (anew || !self.tables.online.shadows.contains_key(table)) {
            let (definition, unproven) = match self.created(table, query) {
                Some(schema) => (Some(Arc::new(schema)), None),
                None => self.asked(table).await?,
            };
            let statements = Some(Vec::new());
            let shadow = ShadowState { name: table.clone(), definition, unproven, statements };
            self.tables.online.shadows.insert(table.clone(), shadow);
        }
        Ok(true)
    }

    async fn altered_online(
        &mut self,
        table: &TableName,
        query: &QueryEvent,
    ) -> Result<bool, SourceError> {
        let is_new = !self.tables.online.shadows.contains_key(table);
        if is_new && self.tables.role(table) != Some(Role::Shadow) {
            return Ok(false);
        }
        let (definition, unproven) = match self.shadow_after(table, query) {
            Some(after) => (Some(Arc::new(after.schema)), None),
            None => self.asked(table).await?,
        };
        let before = self.tables.online.shadows.remove(table);
        let mut statements = before.and_then(|shadow| shadow.statements);
        if let Some(all) = &mut statements {
            all.push(query.sql.clone());
        }
        let statements = statements
            .filter(|all| all.iter().map(String::len).sum::<usize>() <= STATEMENTS_BYTES_MAX);
        let shadow = ShadowState { name: table.clone(), definition, unproven, statements };
        self.tables.online.shadows.insert(table.clone(), shadow);
        Ok(true)
    }

    async fn renamed_online(
        &mut self,
        from: &TableName,
        to: &TableName,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<bool, SourceError> {
        let is_shadow = self.tables.online.shadows.contains_key(from);
        if is_shadow && self.tables.online.away.contains_key(to) {
            self.cut_over(from, to, query, delivered).await?;
            return Ok(true);
        }
        if self.tables.online.away.get(to) == Some(from) {
            // The shadow did not get the name: all is as before.
            self.tables.online.away.remove(to);
            self.tables.online.passed_over.remove(from);
            return Ok(true);
        }
        if self.tables.online.away.remove(to).is_some() {
            // Another table takes its place.
            self.let_go(to, query, delivered).await;
        }
        self.gone_for_good(from, query, delivered).await;
        let is_followed = self.tables.followed.contains_key(from);
        let makes_way = names::role(to, from) == Some(Role::Old);
        if is_followed && makes_way && self.tables.online.has_shadow(from) {
            self.tables.online.away.insert(from.clone(), to.clone());
            self.tables.pass_over(to);
            return Ok(true);
        }
        self.renamed_among(from, to, query, delivered).await
    }

    /// What a table that is away is called meanwhile is no more: it cannot come back.
    async fn gone_for_good(&mut self, at: &TableName, query: &QueryEvent, delivered: &Delivered) {
        if let Some(table) = self.tables.online.away_at(at) {
            self.tables.online.away.remove(&table);
            self.let_go(&table, query, delivered).await;
        }
    }

    /// A table gets, or loses, a name of the tools, and nothing comes of it for the table that it is
    /// named after.
    async fn renamed_among(
        &mut self,
        from: &TableName,
        to: &TableName,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<bool, SourceError> {
        let definition = self.shadow_before(from).map(|schema| {
            Arc::new(TableSchema { name: to.clone(), ..TableSchema::clone(&schema) })
        });
        self.forget(from, query, delivered).await;
        let others = self.tables.followed.keys().filter(|table| *table != from);
        let is_free = !self.tables.followed.contains_key(to) && self.tables.online.enabled;
        let Some((_, role)) = names::base(others, to).filter(|_| is_free) else { return Ok(false) };
        self.let_go(from, query, delivered).await;
        self.tables.pass_over(to);
        if role == Role::Shadow {
            let (definition, unproven) = match definition.filter(|_| !ddl::alters(&query.sql)) {
                Some(schema) => (Some(schema), None),
                None => self.asked(to).await?,
            };
            let name = to.clone();
            let shadow = ShadowState { name, definition, unproven, statements: None };
            self.tables.online.shadows.insert(to.clone(), shadow);
        }
        Ok(true)
    }

    /// The shadow is the table from here on.
    async fn cut_over(
        &mut self,
        shadow: &TableName,
        table: &TableName,
        query: &QueryEvent,
        delivered: &Delivered,
    ) -> Result<(), SourceError> {
        // ALTER … RENAME may change columns in the same statement.
        let after = match ddl::alters(&query.sql) {
            true => self.shadow_after(shadow, query).map(|after| after.schema),
            false => self.shadow_before(shadow).map(|schema| TableSchema::clone(&schema)),
        };
        let after = after.map(|schema| TableSchema { name: table.clone(), ..schema }.into());
        let online = &mut self.tables.online;
        online.away.remove(table);
        online.passed_over.remove(shadow);
        let said = online.shadows.remove(shadow).and_then(|shadow| said_of(table, &shadow));
        let sql = said.unwrap_or_else(|| query.sql.clone());
        tracing::info!(%table, %shadow, "the cut-over of an online schema change");
        let said = QueryEvent { sql, ..query.clone() };
        self.refuse_blind_trust(table, &said)?;
        self.redefine(table, after, Rows::Kept, &said, delivered).await
    }

    /// A tool's table is gone. A table that made way for it alone does not come back.
    async fn forget(&mut self, table: &TableName, query: &QueryEvent, delivered: &Delivered) {
        let online = &mut self.tables.online;
        online.passed_over.remove(table);
        if online.shadows.remove(table).is_none() {
            return;
        }
        let lost: Vec<TableName> =
            online.away.keys().filter(|t| !online.has_shadow(t)).cloned().collect();
        for table in lost {
            self.tables.online.away.remove(&table);
            self.let_go(&table, query, delivered).await;
        }
    }

    /// Statements that cannot be read may be about any shadow that they name.
    pub(super) async fn reread_shadows(&mut self, sql: &str) -> Result<(), SourceError> {
        let sql = sql.to_lowercase();
        let shadows = self.tables.online.shadows.keys();
        let named: Vec<TableName> =
            shadows.filter(|t| sql.contains(&t.table.to_lowercase())).cloned().collect();
        for name in named {
            let (definition, unproven) = self.asked(&name).await?;
            if let Some(shadow) = self.tables.online.shadows.get_mut(&name) {
                (shadow.definition, shadow.unproven, shadow.statements) =
                    (definition, unproven, None);
            }
        }
        Ok(())
    }

    /// A shadow's definition in force here, if it is known.
    fn shadow_before(&self, name: &TableName) -> Option<Arc<TableSchema>> {
        let here = &self.reader.position().binlog;
        let shadow = self.tables.online.shadows.get(name)?;
        let is_proven = shadow.unproven.as_ref().is_none_or(|u| *here > u.until);
        shadow.definition.clone().filter(|_| is_proven)
    }

    /// The same after a statement that alters it.
    fn shadow_after(&self, name: &TableName, query: &QueryEvent) -> Option<Altered> {
        let before = self.shadow_before(name).filter(|_| query.sql_exact)?;
        definition::altered(&before, query, &self.dialect)
    }

    /// What the server says of a table now.
    async fn asked(
        &mut self,
        table: &TableName,
    ) -> Result<(Option<Arc<TableSchema>>, Option<Unproven>), SourceError> {
        let (found, until) = self.definition(table).await?;
        Ok((found.map(|found| found.schema), Some(Unproven { until, used: false, anew: false })))
    }
}

//! Loads that are staged, and what becomes of them: committed, lost, or aborted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{SinkError, TableName};
use tokio::task::JoinSet;

use super::client::{Outcome, Staged};
use super::loads::is_of;
use super::sink::Warehouse;

impl Warehouse {
    /// Commits what is staged for a table before its checkpoint: the server would wait for it for ever, or
    /// lose it.
    pub(super) async fn settle(&mut self, table: &TableName) -> Result<(), SinkError> {
        self.abort_leftovers(&[table.db.to_string()].into()).await?;
        let prepared = self.prepared.iter().filter(|staged| is_of(staged, table)).cloned();
        let open: Vec<Staged> = prepared.chain(self.loads.staged_of(table)).collect();
        if open.is_empty() {
            return Ok(());
        }
        tracing::info!(%table, loads = open.len(),
            "commits what is staged before a schema change, ahead of its checkpoint");
        let lost = self.commit_all(open).await?;
        self.refuse_lost(&lost)?;
        self.loads.forget(table);
        self.prepared.retain(|staged| !is_of(staged, table));
        Ok(())
    }

    /// Commits, those of one table in their order, and says which were lost.
    pub(super) async fn commit_all(
        &self,
        staged: Vec<Staged>,
    ) -> Result<BTreeMap<TableName, String>, SinkError> {
        let mut by_table: BTreeMap<TableName, Vec<Staged>> = BTreeMap::new();
        for staged in staged {
            let table = TableName::new(staged.db.as_str(), staged.table.as_str());
            by_table.entry(table).or_default().push(staged);
        }
        let mut lost = BTreeMap::new();
        let mut tasks: JoinSet<Result<Option<(TableName, String)>, SinkError>> = JoinSet::new();
        for (table, staged) in by_table {
            while tasks.len() >= self.choices.parallel {
                if let Some(done) = tasks.join_next().await {
                    lost.extend(self.joined(done)?);
                }
            }
            let client = Arc::clone(&self.client);
            tasks.spawn(async move {
                let mut lost = None;
                for staged in &staged {
                    if let Outcome::Lost(why) = client.commit(staged).await? {
                        lost = Some((table.clone(), format!("{}: {why}", staged.label)));
                    }
                }
                Ok(lost)
            });
        }
        while let Some(done) = tasks.join_next().await {
            lost.extend(self.joined(done)?);
        }
        Ok(lost)
    }

    fn joined<T>(
        &self,
        done: Result<Result<T, SinkError>, tokio::task::JoinError>,
    ) -> Result<T, SinkError> {
        done.map_err(|error| SinkError::Transient {
            sink: self.sink.clone(),
            what: format!("a commit ended: {error}"),
            source: None,
        })?
    }

    pub(super) fn refuse_lost(&self, lost: &BTreeMap<TableName, String>) -> Result<(), SinkError> {
        let Some((table, why)) = lost.first_key_value() else { return Ok(()) };
        Err(SinkError::Transient {
            sink: self.sink.clone(),
            what: format!("{} has lost what was prepared for {table} ({why})", self.system),
            source: None,
        })
    }

    /// What an attempt before this one has left under way is not to be seen by anybody, and blocks schema
    /// changes.
    pub(super) async fn abort_leftovers(
        &self,
        databases: &BTreeSet<String>,
    ) -> Result<(), SinkError> {
        let known = self.client.databases().await?;
        for db in databases.iter().filter(|db| known.contains(*db)) {
            for staged in self.client.unfinished(db, &self.prefix).await? {
                let is_ours = staged.label.contains(&self.attempt)
                    || self.prepared.iter().any(|held| held.label == staged.label);
                if !is_ours {
                    tracing::info!(label = %staged.label, "aborts what an earlier attempt has left");
                    self.client.abort(&staged).await?;
                }
            }
        }
        Ok(())
    }
}

//! `doris` and `starrocks`: rows become loads, loads become visible with the checkpoint that names them.
//!
//! Rows wait in a buffer for each table, folded to one row for each key ([`super::buffer`]). A buffer that is
//! full, and all of them at a barrier, are sent as transactions that nobody sees; their names are the token.
//! When the checkpoint is stored they are committed, those of one table in the order in which they were
//! begun, for of two rows with one key that of the later commit stays. After a crash the token says which to
//! commit; all others of the job are aborted, and their rows come again from the source.
//!
//! INVARIANT durable-first, on the far side: only `commit` and `restore` make rows visible, both with a token
//! of a stored checkpoint. One exception: what a schema change must find committed (`settle`). The engine
//! takes a checkpoint before it hands such a change on, so that there is nothing left to settle, save while
//! a table without a key is read in one pass.
//!
//! What waits too long is thrown away by the server (an hour in Doris, a day in StarRocks), and with it rows
//! that the checkpoint counts as delivered. `restore` finds that out, and `begin` asks for these tables to be
//! read again.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::change::SchemaChange;
use model::checkpoint::SourceState;
use model::sink::SinkToken;
use model::{Barrier, Batch, Clock, Item, RowsBlock, RowsKind, Sink, SinkError, TableName};
use tokio::time::Instant;

use super::buffer::{Buffer, Encoded};
use super::changes::{Step, are_of_one_statement};
use super::client::{Client, Label, Load, Staged};
use super::loads::Loads;
use super::options::Choices;
use super::sequence::Epoch;
use super::system::System;
use super::tables::Tables;
use super::taking::{Taking, Task};
use super::target::alteration::{Change, Pace};
use super::target::{KeyModel, create};
use super::token::Token;
use crate::SinkContext;
use crate::config::{ConfigError, Options};

/// How often loads that nothing else waits for are looked after.
const LOOK: Duration = Duration::from_millis(100);
/// Loads' worth of rows that may wait in buffers, beside those under way.
const WAITING_LOADS: usize = 2;

pub(crate) struct Warehouse {
    pub(super) sink: String,
    pub(super) system: System,
    pub(super) choices: Arc<Choices>,
    pub(super) client: Arc<Client>,
    clock: Arc<dyn Clock>,
    tables: Tables,
    taking: Taking,
    buffers: BTreeMap<TableName, Waiting>,
    /// No row waits since before this; `None`: none waits.
    oldest: Option<Instant>,
    /// Bytes in all buffers.
    bytes: usize,
    pub(super) loads: Loads,
    /// Prepared, and not committed yet.
    pub(super) prepared: Vec<Staged>,
    epoch: Epoch,
    /// What all labels of the job begin with.
    pub(super) prefix: String,
    /// Tells the labels of this life from those of any other: a load is never taken for another.
    pub(super) attempt: String,
    /// Of the last barrier; labels say behind which checkpoint they are.
    checkpoint: u64,
    /// Loads since then.
    part: u32,
    /// See [`Token::marks`].
    marks: Vec<TableName>,
    /// Tables whose prepared rows the server has thrown away, and what it says.
    lost: BTreeMap<TableName, String>,
}

/// # Errors
/// Options that no client can be made of.
pub(super) fn client(
    system: System,
    choices: &Choices,
    context: &SinkContext,
) -> Result<Arc<Client>, ConfigError> {
    let bad = |error| ConfigError::BadValue {
        sink: context.sink_name.clone(),
        option: "connector".to_owned(),
        value: system.connector().to_owned(),
        expected: format!("a client that can be made: {error}"),
    };
    Client::new(system, choices.settings.clone()).map(Arc::new).map_err(bad)
}

struct Waiting {
    rows: Buffer,
    since: Instant,
}

impl Warehouse {
    pub(crate) fn open(
        system: System,
        options: &Options<'_>,
        context: &SinkContext,
    ) -> Result<Self, ConfigError> {
        let choices = Arc::new(Choices::parse(system, options, context)?);
        let client = client(system, &choices, context)?;
        if !choices.settings.tls.verify {
            tracing::warn!(sink = %context.sink_name, %system,
                "`ssl.verify` is false: certificates are not looked at, so anybody on the way can pose as \
                 the server and read the password and all rows");
        }
        let name = format!("{}/{}", context.job, context.sink_name);
        Ok(Self {
            sink: context.sink_name.clone(),
            system,
            tables: Tables::new(
                system,
                Arc::clone(&client),
                Arc::clone(&choices),
                context.routes.clone(),
                context.source_column.clone(),
                context.watcher.clone(),
            ),
            taking: Taking::new(&context.sink_name),
            buffers: BTreeMap::new(),
            oldest: None,
            bytes: 0,
            loads: Loads::new(
                &context.sink_name,
                Arc::clone(&client),
                choices.two_phase,
                choices.parallel,
            ),
            prepared: Vec::new(),
            epoch: Epoch::default(),
            prefix: Label::prefix(&choices.label_prefix, &name),
            attempt: format!("{:x}", RandomState::new().build_hasher().finish()),
            checkpoint: 0,
            part: 0,
            marks: Vec::new(),
            lost: BTreeMap::new(),
            clock: Arc::clone(&context.clock),
            client,
            choices,
        })
    }

    fn definite(&self, what: String) -> SinkError {
        SinkError::Definite { sink: self.sink.clone(), what }
    }

    fn token(&self, bytes: &[u8]) -> Result<Token, SinkError> {
        Token::read(bytes).map_err(|what| self.definite(what))
    }

    /// What is to be done with a block.
    async fn task(&mut self, item: usize, block: &RowsBlock) -> Result<Task, SinkError> {
        let planned = self.tables.meet(&block.table).await?;
        let Some(target) = self.tables.get(&planned.target) else {
            return Err(self.definite(format!("{}: the table is not known", planned.target)));
        };
        let deletes = self.choices.deletes;
        let changes_rows = matches!(block.kind, RowsKind::Update | RowsKind::Delete);
        if target.table.model == KeyModel::Duplicate && deletes && changes_rows {
            return Err(self.definite(format!(
                "table {} has no key, so a row of it cannot be changed or deleted in {} table {}: give the \
                 table a key and read it again (`run --resnapshot {}`), leave it out, or set `enable-delete` \
                 to false: rows are then only appended, an update as one more row",
                block.table.name, self.system, planned.target, block.table.name
            )));
        }
        let sequence = self.epoch.of(&block.origin, block.kind);
        Ok(Task { item, planned, deletes, sequence })
    }

    async fn take(&mut self, batch: &Arc<Batch>, tasks: Vec<Task>) -> Result<(), SinkError> {
        if tasks.is_empty() {
            return Ok(());
        }
        while !self.taking.has_room(batch) {
            self.wait_for_next().await?;
        }
        self.taking.begin(Arc::clone(batch), tasks);
        Ok(())
    }

    /// Puts the rows of the next batch that is being taken where they wait for their loads; `false` where
    /// there is none.
    async fn wait_for_next(&mut self) -> Result<bool, SinkError> {
        let Some(taken) = self.taking.next().await? else { return Ok(false) };
        for (target, rows) in &taken.parts {
            self.wait(target, &taken.encoded, rows.clone()).await?;
        }
        self.taking.give_back(taken);
        Ok(true)
    }

    async fn wait_for_all(&mut self) -> Result<(), SinkError> {
        while self.wait_for_next().await? {}
        Ok(())
    }

    async fn wait(
        &mut self,
        target: &TableName,
        encoded: &Encoded,
        mut rows: Range<usize>,
    ) -> Result<(), SinkError> {
        let (bytes_max, rows_max) = (self.choices.bytes_max, self.choices.rows_max);
        while !rows.is_empty() {
            let new = || Waiting { rows: Buffer::new(self.system), since: Instant::now() };
            let waiting = self.buffers.entry(target.clone()).or_insert_with(new);
            if waiting.rows.is_empty() {
                waiting.since = Instant::now();
                self.oldest.get_or_insert(waiting.since);
            }
            let others = self.bytes - waiting.rows.held();
            let most = (bytes_max * WAITING_LOADS).saturating_sub(others);
            if waiting.rows.outgrows(encoded.bytes())
                && let Some(memory) = self.loads.memory(most)
            {
                waiting.rows.move_to(memory);
            }
            rows.start = waiting.rows.append(encoded, rows.clone(), bytes_max, rows_max);
            if waiting.rows.len() >= bytes_max {
                waiting.rows.shrink();
            }
            let is_full = waiting.rows.len() >= bytes_max || waiting.rows.live() >= rows_max;
            self.bytes = others + waiting.rows.held();
            if is_full {
                self.send(target).await?;
            }
            while self.bytes + self.loads.bytes() > self.room() {
                if self.bytes > bytes_max * WAITING_LOADS {
                    self.send_largest().await?;
                } else {
                    self.loads.one().await?;
                }
            }
        }
        Ok(())
    }

    fn room(&self) -> usize {
        self.choices.bytes_max.saturating_mul(self.choices.parallel + WAITING_LOADS)
    }

    async fn send_largest(&mut self) -> Result<(), SinkError> {
        let largest = self.buffers.iter().max_by_key(|(_, waiting)| waiting.rows.len());
        match largest.map(|(name, _)| name.clone()) {
            Some(name) => self.send(&name).await,
            None => Ok(()),
        }
    }

    /// Sends what waits for a table.
    async fn send(&mut self, name: &TableName) -> Result<(), SinkError> {
        let Some(mut waiting) = self.buffers.remove(name) else { return Ok(()) };
        self.bytes -= waiting.rows.held();
        let Some((body, rows)) = waiting.rows.take() else { return Ok(()) };
        let Some(target) = self.tables.get(name) else {
            return Err(self.definite(format!("{name}: the table is not known")));
        };
        self.part += 1;
        let label = Label::new(&self.prefix, name, &self.attempt, self.checkpoint, self.part);
        let columns = Arc::clone(&target.columns);
        self.loads.begin(Load { table: name.clone(), label, columns, body, rows }).await
    }

    async fn send_all(&mut self) -> Result<(), SinkError> {
        let names: Vec<TableName> = self.buffers.keys().cloned().collect();
        for name in names {
            self.send(&name).await?;
        }
        Ok(())
    }

    /// Takes all that one statement did. A table that got another name is told as one that is gone and one
    /// that came; its rows stay where they are, and are not told again.
    async fn statement(&mut self, told: &[&SchemaChange]) -> Result<(), SinkError> {
        let renames = self.tables.renames(told)?;
        let mut taken = BTreeSet::new();
        if !renames.is_empty() {
            let moved = told.iter().filter_map(|change| change.renamed_from.as_ref());
            for source in moved.chain(told.iter().map(|change| &change.table)) {
                let target = self.tables.target_of(source);
                self.send(&target).await?;
                self.loads.all().await?;
                self.settle(&target).await?;
            }
            taken = self.tables.taken(&renames).await?;
        }
        let is_moved = |table: &TableName| {
            told.iter().any(|change| change.renamed_from.as_ref() == Some(table))
        };
        for change in told.iter().filter(|change| change.after.is_none()) {
            let target = self.tables.target_of(&change.table);
            if change.starts_over || !(is_moved(&change.table) || taken.contains(&target)) {
                self.schema(change).await?;
            } else if !is_moved(&change.table) {
                // What is there is the table that has taken its place.
                self.tables.let_go(&target);
            }
        }
        if let Some(first) = told.first().filter(|_| !renames.is_empty()) {
            let place = format!("{}{}{}", self.prefix, first.origin.file, first.sql);
            let mark = format!("{:08x}_{}", crc32fast::hash(place.as_bytes()), first.origin.pos);
            self.marks.extend(self.tables.rename(&renames, &mark).await?);
        }
        for change in told.iter().filter(|change| change.after.is_some()) {
            self.schema(change).await?;
        }
        Ok(())
    }

    /// What told an earlier run how far a statement was, which does not come again.
    async fn drop_marks(&mut self, marks: &[TableName]) -> Result<(), SinkError> {
        for mark in marks {
            self.client.execute(&create::drop(mark)).await?;
        }
        self.marks.retain(|mark| !marks.contains(mark));
        Ok(())
    }

    async fn schema(&mut self, change: &SchemaChange) -> Result<(), SinkError> {
        // What waits was encoded for the table as it stood.
        self.send(&self.tables.target_of(&change.table)).await?;
        if let Some(step) = self.tables.follow(change).await? {
            self.step(step).await?;
        }
        if change.truncated && self.tables.is_new_to(change) {
            // CREATE OR REPLACE: emptied, and another one.
            let altered = SchemaChange { truncated: false, ..change.clone() };
            if let Some(step) = self.tables.follow(&altered).await? {
                self.step(step).await?;
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), SinkError> {
        let waits = step.alterations.iter().any(|alteration| {
            alteration.pace(self.system) == Pace::Job
                || matches!(alteration.change, Change::Drop | Change::Truncate)
        });
        self.loads.all().await?;
        if waits {
            self.settle(&step.target).await?;
        }
        self.tables.take(step).await
    }

    /// Tables of the source that go to what was lost.
    fn lost_sources(&self, source: &SourceState) -> Vec<TableName> {
        let names = source.tables.iter().map(|table| table.name());
        names.filter(|name| self.lost.contains_key(&self.tables.target_of(name))).cloned().collect()
    }
}

#[async_trait]
impl Sink for Warehouse {
    async fn check(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        token.map_or(Ok(()), |token| self.token(token).map(drop))
    }

    async fn restore(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        self.tables.forget();
        self.lost.clear();
        let Some(token) = token.map(|token| self.token(token)).transpose()? else {
            return Ok(());
        };
        self.epoch = token.epoch;
        self.lost = self.commit_all(token.staged).await?;
        self.drop_marks(&token.marks).await?;
        self.abort_leftovers(&token.databases).await
    }

    async fn begin(&mut self, source: &SourceState) -> Result<(), SinkError> {
        let told = &source.quarantine.start_over;
        let lost = self.lost_sources(source);
        for (table, why) in &self.lost {
            tracing::warn!(%table, system = %self.system,
                "what was prepared for the table was thrown away: it is read again ({why})");
        }
        if let Some((table, why)) = self.lost.first_key_value()
            && lost.iter().any(|name| !told.contains(name))
        {
            let what = format!(
                "{} has thrown away rows that were prepared for {table} and waited too long for their \
                 commit ({why})",
                self.system
            );
            return Err(SinkError::Lost { sink: self.sink.clone(), tables: lost, what });
        }
        self.epoch.on(source, self.clock.now_ms());
        let names = source.tables.iter().map(|table| table.name());
        self.abort_leftovers(&self.tables.databases_of(names)).await?;
        // Their definitions are those behind changes of which the target has not heard yet.
        let changes = &source.untold;
        for change in changes {
            self.tables.find(change, changes).await?;
        }
        let named = |change: &SchemaChange, name: &TableName| {
            change.table == *name || change.after.as_ref().is_some_and(|after| after.name == *name)
        };
        let told =
            source.tables.iter().filter(|table| !changes.iter().any(|c| named(c, table.name())));
        self.tables.meet_all(told.map(|table| Arc::clone(&table.schema))).await
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        let (mut items, mut tasks) = (batch.items.iter().enumerate().peekable(), Vec::new());
        while let Some((number, item)) = items.next() {
            match item {
                Item::Rows(block) => tasks.push(self.task(number, block).await?),
                Item::Schema(change) => {
                    self.take(&batch, std::mem::take(&mut tasks)).await?;
                    self.wait_for_all().await?;
                    // What one statement did is told in one go.
                    let mut told = vec![change];
                    while let Some((_, Item::Schema(next))) = items
                        .next_if(|(_, item)| matches!(item, Item::Schema(n) if are_of_one_statement(n, change)))
                    {
                        told.push(next);
                    }
                    self.statement(&told).await?;
                }
            }
        }
        self.take(&batch, tasks).await
    }

    async fn prepare(&mut self, barrier: &Barrier) -> Result<SinkToken, SinkError> {
        self.wait_for_all().await?;
        self.send_all().await?;
        if self.part == 0 {
            self.taking.rest();
            self.loads.rest();
        }
        self.loads.all().await?;
        let staged = self.loads.take();
        self.prepared.extend(staged.iter().cloned());
        (self.checkpoint, self.part) = (barrier.id.0, 0);
        let mut token = Token::new(staged, self.tables.databases(), self.epoch.clone());
        token.marks.clone_from(&self.marks);
        token.write().map_err(|what| self.definite(what))
    }

    async fn commit(&mut self, token: &SinkToken) -> Result<(), SinkError> {
        let token = self.token(token)?;
        let lost = self.commit_all(token.staged.clone()).await?;
        self.refuse_lost(&lost)?;
        self.prepared.retain(|held| !token.staged.iter().any(|done| done.label == held.label));
        self.drop_marks(&token.marks).await
    }

    fn rewinds(&self) -> bool {
        false
    }

    /// Also where rows are visible at once: rows of before a change, told again behind it, would go to
    /// tables that have other columns by then, or other names.
    fn stages(&self) -> bool {
        true
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        // A row that does not fit is told although nothing comes behind it.
        self.wait_for_all().await?;
        if self.choices.two_phase {
            return Ok(());
        }
        let interval = self.choices.interval;
        if self.oldest.is_some_and(|since| since.elapsed() >= interval) {
            let due = self.buffers.iter().filter(|(_, held)| held.since.elapsed() >= interval);
            let due: Vec<TableName> = due.map(|(name, _)| name.clone()).collect();
            for name in due {
                self.send(&name).await?;
            }
            self.oldest = self.buffers.values().map(|waiting| waiting.since).min();
        }
        self.loads.ended()
    }

    fn flush_due(&self) -> Option<Duration> {
        if self.choices.two_phase {
            return None;
        }
        match self.oldest {
            Some(since) => Some(self.choices.interval.saturating_sub(since.elapsed())),
            // One that fails while nothing comes is an error all the same.
            None => (self.taking.is_under_way() || self.loads.are_under_way()).then_some(LOOK),
        }
    }
}

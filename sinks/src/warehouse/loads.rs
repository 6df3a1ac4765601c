//! Loads under way, bounded in number and in bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::{SinkError, TableName};
use tokio::task::{JoinError, JoinSet};

use super::client::{Client, Load, Staged};

/// Which load of the sink's life, in the order in which they were begun.
type Number = u64;

/// What a load came to; `None` where it is visible already. With its body, whose memory serves again.
type Loaded = (Number, TableName, Bytes, Result<Option<Staged>, SinkError>);

pub(crate) struct Loads {
    sink: String,
    client: Arc<Client>,
    /// Loads wait for their commit; else they are visible as soon as they are done.
    two_phase: bool,
    parallel: usize,
    tasks: JoinSet<Loaded>,
    bytes: usize,
    /// How many of each table are under way.
    busy: BTreeMap<TableName, usize>,
    next: Number,
    /// Of bodies that have been loaded: fresh memory costs more than the rows that are written to it.
    memory: Vec<Vec<u8>>,
    /// Since the last barrier, in their order.
    staged: BTreeMap<Number, Staged>,
}

impl Loads {
    pub(crate) fn new(sink: &str, client: Arc<Client>, two_phase: bool, parallel: usize) -> Self {
        Self {
            sink: sink.to_owned(),
            client,
            two_phase,
            parallel,
            tasks: JoinSet::new(),
            bytes: 0,
            busy: BTreeMap::new(),
            next: 0,
            memory: Vec::new(),
            staged: BTreeMap::new(),
        }
    }

    /// Bytes of all that are under way.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Begins a load, as soon as there is room for it.
    ///
    /// # Errors
    /// Of one that was begun before.
    pub(crate) async fn begin(&mut self, load: Load) -> Result<(), SinkError> {
        // Staged loads are put in order by their commits; others only by coming one after the other.
        while self.tasks.len() >= self.parallel
            || (!self.two_phase && self.busy.contains_key(&load.table))
        {
            self.one().await?;
        }
        let (client, two_phase, number) = (Arc::clone(&self.client), self.two_phase, self.next);
        self.next += 1;
        self.bytes += load.body.len();
        *self.busy.entry(load.table.clone()).or_default() += 1;
        self.tasks.spawn(async move {
            let done = if two_phase {
                client.stage(&load).await.map(Some)
            } else {
                client.load(&load).await.map(|()| None)
            };
            (number, load.table, load.body, done.map_err(SinkError::from))
        });
        Ok(())
    }

    /// Waits for one of those under way.
    pub(crate) async fn one(&mut self) -> Result<(), SinkError> {
        self.tasks.join_next().await.map_or(Ok(()), |done| self.done(done))
    }

    /// Looks at those that have ended.
    pub(crate) fn ended(&mut self) -> Result<(), SinkError> {
        while let Some(done) = self.tasks.try_join_next() {
            self.done(done)?;
        }
        Ok(())
    }

    pub(crate) fn are_under_way(&self) -> bool {
        !self.tasks.is_empty()
    }

    fn done(&mut self, done: Result<Loaded, JoinError>) -> Result<(), SinkError> {
        let (number, table, body, done) = done.map_err(|error| SinkError::Transient {
            sink: self.sink.clone(),
            what: format!("a load ended: {error}"),
            source: None,
        })?;
        self.bytes -= body.len();
        self.keep(body);
        if let Some(count) = self.busy.get_mut(&table) {
            *count -= 1;
            if *count == 0 {
                self.busy.remove(&table);
            }
        }
        if let Some(staged) = done? {
            self.staged.insert(number, staged);
        }
        Ok(())
    }

    /// Keeps the memory of a body, unless that was much more than it needed.
    fn keep(&mut self, body: Bytes) {
        if self.memory.len() >= self.parallel || !body.is_unique() {
            return;
        }
        let memory = Vec::from(body);
        if memory.len() >= memory.capacity() / 2 {
            self.memory.push(memory);
        }
    }

    /// Memory of a body that has been loaded, if it takes up no more than so many bytes.
    pub(crate) fn memory(&mut self, most: usize) -> Option<Vec<u8>> {
        self.memory.pop_if(|memory| memory.len() <= most)
    }

    /// Gives back what serves nobody.
    pub(crate) fn rest(&mut self) {
        self.memory = Vec::new();
    }

    /// Waits for all of them.
    pub(crate) async fn all(&mut self) -> Result<(), SinkError> {
        while !self.tasks.is_empty() {
            self.one().await?;
        }
        Ok(())
    }

    /// What was staged since the last barrier, in order.
    pub(crate) fn take(&mut self) -> Vec<Staged> {
        std::mem::take(&mut self.staged).into_values().collect()
    }

    /// Of one table, what was staged since the last barrier.
    pub(crate) fn staged_of(&self, table: &TableName) -> Vec<Staged> {
        self.staged.values().filter(|staged| is_of(staged, table)).cloned().collect()
    }

    /// They are settled.
    pub(crate) fn forget(&mut self, table: &TableName) {
        self.staged.retain(|_, staged| !is_of(staged, table));
    }
}

pub(crate) fn is_of(staged: &Staged, table: &TableName) -> bool {
    staged.db == *table.db && staged.table == *table.table
}

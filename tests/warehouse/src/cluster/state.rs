//! The cluster itself, as one unit of work sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::jobs::Jobs;
use crate::store::{Order, Store, StoreError};
use crate::table::{Catalog, Table, TableName};
use crate::txn::{Backend, Doris, Label, Limits, Refusal, StarRocks, Transaction, TxnId};
use crate::{Moment, System};

use super::{
    Book, Clock, Compaction, Counting, ErrorLogs, Fault, Gathered, Nodes, Rows, ServerLimits,
    Setup, Users,
};

/// Databases are numbered from here.
const FIRST_DATABASE: u64 = 10_006;

#[derive(Debug)]
pub struct State {
    pub system: System,
    /// The time of this unit of work.
    pub now: Moment,
    pub clock: Clock,
    pub nodes: Nodes,
    pub users: Users,
    pub limits: ServerLimits,
    /// For databases that are made from now on; see [`Ledger::limits_mut`](crate::txn::Ledger::limits_mut).
    pub transaction_limits: Limits,
    pub store: Store,
    /// Changed by the methods here alone, which keep what they change.
    pub(super) catalog: Catalog,
    pub(super) databases: BTreeMap<String, Database>,
    pub(super) next_txn: u64,
    /// In which order the rows of one load are applied.
    pub order: Order,
    /// Schema changes.
    pub jobs: Jobs,
    versions: BTreeMap<TableName, u64>,
    /// When the frontend finds out which backends are dead.
    detections: Vec<(Moment, Backend)>,
    /// Committed ones that are not to be visible before a moment.
    held: BTreeMap<TxnId, Moment>,
    /// Where rows are counted.
    pub counting: Option<Counting>,
    pub(super) faults: Vec<Fault>,
    pub gathered: Gathered,
    pub error_logs: ErrorLogs,
    pub(super) deaths: watch::Sender<()>,
}

#[derive(Debug)]
pub struct Database {
    pub id: u64,
    pub book: Book,
}

impl State {
    pub(super) fn new(setup: &Setup, store: Store) -> Self {
        let mut users = Users::default();
        users.put(&setup.user, &setup.password);
        let clock = Clock::default();
        Self {
            system: setup.system,
            now: clock.now(),
            clock,
            nodes: Nodes::new(setup.backends, setup.followers + 1),
            users,
            limits: ServerLimits::of(setup.system),
            transaction_limits: Limits::of(setup.system),
            store,
            catalog: Catalog::default(),
            databases: BTreeMap::new(),
            next_txn: 0,
            order: Order::default(),
            jobs: Jobs::default(),
            versions: BTreeMap::new(),
            detections: Vec::new(),
            held: BTreeMap::new(),
            counting: (setup.rows == Rows::Counted).then(Counting::default),
            faults: Vec::new(),
            gathered: Gathered::new(),
            error_logs: ErrorLogs::default(),
            deaths: watch::Sender::new(()),
        }
    }

    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn databases(&self) -> impl Iterator<Item = (&str, &Database)> {
        self.databases.iter().map(|(name, database)| (name.as_str(), database))
    }

    #[must_use]
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name)
    }

    pub fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.get_mut(name)
    }

    /// Makes a database; one that is there stays as it is. Says whether it is new.
    ///
    /// # Errors
    /// A store that fails.
    pub fn create_database(&mut self, name: &str) -> Result<bool, StoreError> {
        if self.databases.contains_key(name) {
            return Ok(false);
        }
        let id = self.databases.values().map(|database| database.id + 1).max();
        let id = id.unwrap_or(FIRST_DATABASE);
        self.open_database(name, id);
        self.keep_database(name, id)?;
        Ok(true)
    }

    pub(super) fn open_database(&mut self, name: &str, id: u64) {
        let book = Book::new(self.system, name, id, self.transaction_limits.clone());
        self.databases.insert(name.to_owned(), Database { id, book });
    }

    /// Drops a database with its tables and transactions. Says whether there was one.
    ///
    /// # Errors
    /// A store that fails.
    pub fn drop_database(&mut self, name: &str) -> Result<bool, StoreError> {
        let tables: Vec<String> = self.catalog.of(name).map(|table| table.name.clone()).collect();
        for table in tables {
            self.drop_table(&TableName::new(name, table))?;
        }
        if let Some(database) = self.databases.remove(name) {
            for txn in database.book.ledger().iter() {
                self.store.discard(txn.id)?;
            }
            self.lose_database(name)?;
            return Ok(true);
        }
        Ok(false)
    }

    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.catalog.get(name)
    }

    /// Makes a table, empty. The database must be there, and no table of this name.
    ///
    /// # Errors
    /// A store that fails.
    pub fn create_table(&mut self, database: &str, table: Table) -> Result<(), StoreError> {
        self.store.create_table(database, &table)?;
        self.define_table(database, table)
    }

    /// Changes what is known of a table. What that means for its rows is the caller's matter.
    ///
    /// # Errors
    /// A store that fails.
    pub fn define_table(&mut self, database: &str, table: Table) -> Result<(), StoreError> {
        self.keep_table(database, &table)?;
        self.catalog.put(database, table);
        Ok(())
    }

    /// Drops a table, and what is staged for it. Says whether there was one.
    ///
    /// # Errors
    /// A store that fails.
    pub fn drop_table(&mut self, name: &TableName) -> Result<bool, StoreError> {
        if self.catalog.get(name).is_none() {
            return Ok(false);
        }
        self.store.drop_table(name)?;
        self.undefine_table(name)?;
        Ok(true)
    }

    /// Gives a table another name within its database; what is staged for it follows.
    ///
    /// # Errors
    /// A store that fails.
    pub fn rename_table(&mut self, from: &TableName, to: &TableName) -> Result<(), StoreError> {
        let Some(table) = self.catalog.get(from).cloned() else { return Ok(()) };
        let table = Table { name: to.table.clone(), ..table };
        self.store.rename_table(from, &table)?;
        self.undefine_table(from)?;
        self.define_table(&to.database, table)
    }

    /// Forgets a table's definition, and leaves its rows to the caller.
    ///
    /// # Errors
    /// A store that fails.
    pub fn undefine_table(&mut self, name: &TableName) -> Result<(), StoreError> {
        self.lose_table(name)?;
        self.stop_job(name);
        self.catalog.remove(name);
        self.versions.remove(name);
        Ok(())
    }

    /// Empties a table; what is staged for it is lost. Says whether there is one.
    ///
    /// # Errors
    /// A store that fails.
    pub fn truncate_table(&mut self, name: &TableName) -> Result<bool, StoreError> {
        if self.catalog.get(name).is_none() {
            return Ok(false);
        }
        self.store.truncate(name)?;
        self.versions.remove(name);
        Ok(true)
    }

    /// The transactions of a database.
    ///
    /// # Errors
    /// No such database.
    pub fn book(&mut self, database: &str) -> Result<&mut Book, Refusal> {
        let (system, next_txn) = (self.system, self.next_txn());
        let found = self.databases.get_mut(database);
        let book = &mut found.ok_or_else(|| unknown_database(system, database))?.book;
        book.ledger_mut().number_from(next_txn);
        Ok(book)
    }

    /// The transactions of a Doris database.
    ///
    /// # Errors
    /// No such database, or one of StarRocks.
    pub fn doris(&mut self, database: &str) -> Result<&mut Doris, Refusal> {
        let system = self.system;
        match self.book(database)? {
            Book::Doris(doris) => Ok(doris),
            Book::StarRocks(_) => Err(unknown_database(system, database)),
        }
    }

    /// The transactions of a StarRocks database.
    ///
    /// # Errors
    /// No such database, or one of Doris.
    pub fn starrocks(&mut self, database: &str) -> Result<&mut StarRocks, Refusal> {
        let system = self.system;
        match self.book(database)? {
            Book::StarRocks(starrocks) => Ok(starrocks),
            Book::Doris(_) => Err(unknown_database(system, database)),
        }
    }

    /// The databases draw their numbers from one source.
    pub(super) fn next_txn(&self) -> u64 {
        let next = self.databases.values().map(|database| database.book.ledger().next_id());
        next.max().unwrap_or(0).max(self.next_txn)
    }

    /// The table of a load.
    ///
    /// # Errors
    /// No such database or table.
    pub fn table_of_load(&self, name: &TableName) -> Result<Table, Refusal> {
        if !self.databases.contains_key(&name.database) {
            return Err(unknown_database(self.system, &name.database));
        }
        let found = self.catalog.get(name).cloned().map(|table| table.at(self.now));
        found.ok_or_else(|| match self.system {
            System::Doris => Refusal::new(
                "NOT_FOUND",
                format!(
                    "TStatus: errCode = 7, detailMessage = table not found, tableName={}",
                    name.table
                ),
            ),
            System::StarRocks => Refusal::new(
                "INTERNAL_ERROR",
                format!("unknown table [{}.{}]", name.database, name.table),
            ),
        })
    }

    /// What `get_load_state` says of a label, and why if it was aborted.
    ///
    /// # Errors
    /// No such database.
    pub fn load_state(
        &self,
        database: &str,
        label: &str,
    ) -> Result<(&'static str, String), Refusal> {
        let found =
            self.databases.get(database).ok_or_else(|| unknown_database(self.system, database))?;
        let Ok(label) = Label::new(self.system, label) else {
            return Ok(("UNKNOWN", String::new()));
        };
        let ledger = found.book.ledger();
        let reason = ledger.by_label(&label).map_or(String::new(), |txn| txn.reason.clone());
        Ok((ledger.load_state(&label), reason))
    }

    #[must_use]
    pub fn transaction(&self, database: &str, id: TxnId) -> Option<&Transaction> {
        self.databases.get(database)?.book.ledger().get(id)
    }

    /// How many versions of a table are not compacted.
    #[must_use]
    pub fn versions(&self, name: &TableName) -> u64 {
        self.versions.get(name).copied().unwrap_or(1)
    }

    pub fn compact_all(&mut self) {
        self.versions.clear();
    }

    /// A transaction that commits in this unit of work is not visible for a while.
    pub fn hold_publication(&mut self, id: TxnId, time: Duration) {
        self.held.insert(id, self.now + time);
    }

    /// Lets time pass at once: what falls due with it is done at the end of this unit of work.
    ///
    /// # Errors
    /// A store that fails.
    pub fn skip_time(&mut self, time: Duration) -> Result<(), StoreError> {
        self.clock.skip(time);
        self.now = self.clock.now();
        self.keep_clock()
    }

    /// A backend's process dies: what it was gathering is gone, and the frontend finds out later.
    pub fn kill_backend(&mut self, id: Backend) {
        let Some(node) = self.nodes.backend_mut(id) else { return };
        node.running = false;
        self.detections.push((self.now + self.limits.heartbeat_lost_after, id));
        for database in self.databases.values_mut() {
            database.book.forget_contexts(id);
        }
        // Nobody may be connected.
        self.deaths.send_replace(());
    }

    /// It comes up again, as one that has forgotten all that was not complete.
    pub fn revive_backend(&mut self, id: Backend) {
        let Some(node) = self.nodes.backend_mut(id) else { return };
        node.running = true;
        node.alive = true;
        self.detections.retain(|(_, lost)| *lost != id);
        self.lose_backend(id);
    }

    fn lose_backend(&mut self, id: Backend) {
        for database in self.databases.values_mut() {
            database.book.lose_backend(id, self.now);
        }
    }

    /// The leader starts anew, or another frontend leads: what only its memory knew is gone.
    pub fn restart_frontend(&mut self, leader: usize) {
        self.nodes.leader = leader;
        for database in self.databases.values_mut() {
            database.book.ledger_mut().restart_frontend();
        }
    }

    pub(super) fn enter(&mut self) -> Result<(), StoreError> {
        self.now = self.clock.now();
        self.begin_unit()?;
        self.pass_time()
    }

    pub(super) fn leave(&mut self) -> Result<(), StoreError> {
        self.pass_time()?;
        self.commit_unit()
    }

    fn pass_time(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        let lost: Vec<Backend> =
            self.detections.iter().filter(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        self.detections.retain(|(at, _)| *at > now);
        for id in lost {
            if let Some(node) = self.nodes.backend_mut(id) {
                node.alive = false;
            }
            self.lose_backend(id);
        }
        for database in self.databases.values_mut() {
            database.book.pass_time(now);
        }
        self.next_txn = self.next_txn();
        self.publish_due()?;
        self.advance_jobs()
    }

    fn publish_due(&mut self) -> Result<(), StoreError> {
        for (name, database) in &mut self.databases {
            let ledger = database.book.ledger_mut();
            while let Some(txn) = ledger.next_to_publish() {
                let since = txn.times.committed.unwrap_or(self.now);
                let held = self.held.get(&txn.id).is_some_and(|until| *until > self.now);
                if held || self.now.since(since) < self.limits.publish_delay {
                    break;
                }
                self.held.remove(&txn.id);
                let (id, version) = (txn.id, txn.version.unwrap_or(0));
                if self.limits.compaction == Compaction::OnDemand {
                    for table in &txn.tables {
                        let table = TableName::new(name, table);
                        *self.versions.entry(table).or_insert(1) += 1;
                    }
                }
                self.store.publish(&self.catalog, id, version, self.order)?;
                if let Some(counting) = &mut self.counting {
                    counting.publish(id);
                }
                ledger.publish_next(self.now);
            }
        }
        Ok(())
    }
}

fn unknown_database(system: System, name: &str) -> Refusal {
    match system {
        System::Doris => Refusal::new(
            "ANALYSIS_ERROR",
            format!("TStatus: errCode = 2, detailMessage = unknown database, database={name}"),
        ),
        System::StarRocks => {
            Refusal::new("INTERNAL_ERROR", format!("unknown database, database={name}"))
        }
    }
}

//! One ordered stream of events over reconnects: no gap, no repetition.
//!
//! [`Reader::next`] hands out what a job needs to see, in the order of the binlog. When the
//! connection breaks it makes a new one, asks for all that comes after [`Reader::position`], reads
//! the open transaction again from its start and passes over what it has handed out of it. What no
//! new connection can mend is an error, with the way out in its text.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use model::{BinlogPosition, Position, RowsKind, TableName};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::connection::Incoming;
use crate::event::{Event, FormatDescription, QueryEvent, Xid, kind};
use crate::packet::{EventHeader, RawEvent};
use crate::rows::{RowsEvent, TableMap, TablePlan};
use crate::server::{Server, SourceOptions};

mod error;
pub(crate) mod holding;
mod link;
mod start;
mod statement;
mod tracker;
mod verify;
mod watch;

pub use error::BinlogError;
pub use start::Start;
pub use watch::{Down, LinkState, LinkWatch};

use holding::Holding;
use link::Link;
use start::resolve;
use tracker::{RowsStep, Step, Tracker};

/// Table maps kept between statements. A server gives a table a new number when it opens it again.
const TABLES_MAX: usize = 4096;
/// "No table" (MySQL source, `Table_id`): a rows event that only ends its statement.
const NO_TABLE: u64 = 0x00ff_ffff;

/// Where in the stream a transaction is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is committed where it stands.
    Here,
    /// An XA transaction: it ends prepared, and its verdict comes later in the stream; or committed,
    /// in one phase. Only its end tells.
    Later,
}

/// Which tables the job wants, and how their rows are read.
pub trait Tables {
    /// Asked when a table map comes that was not there before in a transaction `settled` so, or after
    /// [`Reader::replan`]. `None`: not wanted, its rows are passed over undecoded.
    ///
    /// # Errors
    /// Are given to [`Tables::refused`]; [`BinlogError::Table`] carries the caller's own.
    fn plan(
        &mut self,
        map: &TableMap,
        settled: Settled,
    ) -> Result<Option<Arc<TablePlan>>, BinlogError>;

    /// Rows of one table cannot be read. `Ok`: the table is not wanted any more.
    ///
    /// # Errors
    /// End the stream's [`Reader::next`].
    fn refused(
        &mut self,
        table: &TableName,
        place: Place,
        error: BinlogError,
    ) -> Result<(), BinlogError> {
        let _ = (table, place);
        Err(error)
    }

    /// A rows event of a table that is not wanted was passed over.
    fn passed_over(&mut self, table: &TableName) {
        let _ = table;
    }
}

/// An event in the stream.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it ends.
    pub binlog: BinlogPosition,
    /// Of its transaction.
    pub gtid: Option<Arc<str>>,
}

/// What happened.
#[derive(Debug)]
pub enum StreamEvent {
    /// A transaction begins. Not repeated after a reconnect, nor where the stream began inside it.
    Begin(Settled),
    /// Rows of a wanted table.
    Rows(Rows),
    /// A statement, in words: a schema change, or one that says nothing of rows. `in_transaction`:
    /// the open transaction goes on after it; else it is a transaction of its own, and over.
    Query { query: Box<QueryEvent>, in_transaction: bool },
    /// The transaction is over, and in the position.
    Commit,
    /// The transaction is over, and in the position; its rows are prepared and not committed.
    Prepared(Xid),
    /// A transaction of its own: the rows that were prepared under this name are committed here.
    XaCommit(Xid),
    /// A transaction of its own: the rows that were prepared under this name never happened.
    XaRollback(Xid),
    /// The position moved, outside transactions.
    Progress,
    /// The stream goes on from another server with the same transactions. Its files are not those
    /// of the last one: a file position taken there means nothing here.
    ServerChanged,
}

/// A rows event of a wanted table; every image holds all columns.
#[derive(Debug, Clone)]
pub struct Rows {
    pub plan: Arc<TablePlan>,
    pub kind: RowsKind,
    /// Row images to the end; for an update, before and after in turn.
    pub images: Bytes,
}

#[derive(Debug)]
pub struct Delivered {
    pub event: StreamEvent,
    /// Of the transaction; `None` where it has none, and outside transactions.
    pub gtid: Option<Arc<str>>,
    /// When the source ran the statement: whole seconds, in milliseconds since the epoch. 0 where
    /// the event has no time.
    pub ts_ms: i64,
    /// The server that made the change first.
    pub server_id: u32,
    pub file: Arc<str>,
    /// End of the event in `file`; of the compressed transaction around it, where there is one.
    pub end: u64,
}

/// A table map and what the job said to it.
#[derive(Debug)]
struct Mapped {
    table: TableName,
    raw: Bytes,
    settled: Settled,
    plan: Option<Arc<TablePlan>>,
}

/// The ordered stream of one server's binlog.
pub struct Reader {
    options: SourceOptions,
    server: Server,
    tracker: Tracker,
    format: FormatDescription,
    tables: HashMap<u64, Mapped>,
    holding: Holding,
    link: Link,
    backoff: Backoff,
    /// Since when nothing was handed out, for connections that failed.
    down_since: Option<Instant>,
    watch: LinkWatch,
    /// Failures since the last event that was handed out, other than lost connections.
    unreadable: u32,
    server_changed: bool,
}

impl Reader {
    /// Finds `start`, verifies that the server has it, and begins to read there. `server` is the
    /// one whose history a stored position belongs to.
    ///
    /// # Errors
    /// Every [`BinlogError`], also transient ones: the first connection is tried once.
    pub async fn open(
        options: SourceOptions,
        server: Server,
        start: Start,
    ) -> Result<Self, BinlogError> {
        let begins_by_gtids = matches!(start, Start::Gtids(_));
        let (position, skip) = Box::pin(resolve(&options, &server, start)).await?;
        let tracker = Tracker::new(position, skip);
        let mut reader = Self {
            format: FormatDescription::initial(server.flavor),
            tracker: if begins_by_gtids { tracker.anywhere() } else { tracker },
            tables: HashMap::new(),
            holding: Holding::default(),
            link: Link::Down { retry_at: Instant::now() },
            backoff: Backoff::default(),
            down_since: None,
            watch: LinkWatch::default(),
            unreadable: 0,
            server_changed: false,
            options,
            server,
        };
        let linked = reader.connecting().await?;
        reader.linked(linked);
        Ok(reader)
    }

    /// The next event. Cancel-safe: nothing is lost or repeated when the future is dropped.
    ///
    /// # Errors
    /// What no new connection mends. A later call tries again from the position.
    pub async fn next(&mut self, tables: &mut impl Tables) -> Result<Delivered, BinlogError> {
        loop {
            if let Some(delivered) = self.buffered(tables)? {
                return Ok(delivered);
            }
            let incoming = self.receive().await?;
            if let Some(delivered) = self.hand_out(incoming, tables)? {
                return Ok(delivered);
            }
        }
    }

    /// The next event, where the server has sent it already.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn buffered(&mut self, tables: &mut impl Tables) -> Result<Option<Delivered>, BinlogError> {
        if std::mem::take(&mut self.server_changed) {
            let header = EventHeader::default();
            return Ok(Some(self.deliver(StreamEvent::ServerChanged, None, &header)));
        }
        while let Some(incoming) = self.received()? {
            let delivered = self.hand_out(incoming, tables)?;
            if delivered.is_some() {
                return Ok(delivered);
            }
        }
        Ok(None)
    }

    fn hand_out(
        &mut self,
        incoming: Incoming,
        tables: &mut impl Tables,
    ) -> Result<Option<Delivered>, BinlogError> {
        match self.take(incoming, tables) {
            Ok(None) => Ok(None),
            Ok(Some(delivered)) => {
                self.flows();
                self.unreadable = 0;
                Ok(Some(delivered))
            }
            Err(error) => {
                // The events after it must not be read as if it had been.
                self.link = Link::Down { retry_at: Instant::now() };
                Err(error)
            }
        }
    }

    /// Tells `watch` from now on how the connection stands.
    pub fn watch(&mut self, watch: LinkWatch) {
        watch.tell(LinkState::Up { address: self.options.address() });
        self.watch = watch;
    }

    /// After the last event that was handed out. A stream opened here hands out what comes next.
    pub fn position(&self) -> &Position {
        self.tracker.position()
    }

    /// The server that is read now.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Forgets what [`Tables::plan`] answered: the schema changed, ask again.
    pub fn replan(&mut self) {
        // The plans stay for rows of a statement under way; no map equals an empty one.
        self.tables.values_mut().for_each(|mapped| mapped.raw = Bytes::new());
    }

    /// What an event means to the caller; `None` for nothing.
    fn take(
        &mut self,
        incoming: Incoming,
        tables: &mut impl Tables,
    ) -> Result<Option<Delivered>, BinlogError> {
        let Incoming { raw, inner } = incoming;
        let header = raw.header;
        self.holding.came(header.event_size);
        let located = self.tracker.locate(&header, inner);
        if matches!(header.event_type, kind::HEARTBEAT | kind::HEARTBEAT_V2) {
            // The connection works, though it had nothing to hand out.
            self.flows();
        }
        if let Some(id) = TableMap::peek_table_id(&raw, &self.format) {
            self.table_map(id, &raw, tables)?;
            return Ok(None);
        }
        if let Some(id) = RowsEvent::peek_table_id(&raw, &self.format) {
            return self.rows(id, &raw, tables);
        }
        let event = self.decode(&raw)?;
        if let Event::FormatDescription(format) = &event {
            // A new file: after a restart the server numbers its tables from the start again.
            self.format = format.clone();
            self.tables.clear();
        }
        let before = self.tracker.gtid();
        let step = self.tracker.apply(&event, &header, located)?;
        let gtid = before.or_else(|| self.tracker.gtid());
        let event = match (step, event) {
            (Step::Nothing, _) => return Ok(None),
            (Step::Progress, _) => StreamEvent::Progress,
            (Step::Begin(settled), _) => StreamEvent::Begin(settled),
            (Step::Commit, _) => StreamEvent::Commit,
            (Step::Prepared(xid), _) => StreamEvent::Prepared(xid),
            (Step::XaCommit(xid), _) => StreamEvent::XaCommit(xid),
            (Step::XaRollback(xid), _) => StreamEvent::XaRollback(xid),
            (Step::Query { in_transaction }, Event::Query(query)) => {
                StreamEvent::Query { query: Box::new(query), in_transaction }
            }
            (Step::Query { .. }, _) => return Ok(None),
        };
        Ok(Some(self.deliver(event, gtid, &header)))
    }

    fn decode(&self, raw: &RawEvent) -> Result<Event, BinlogError> {
        Event::decode(raw, &self.format)
            .map_err(|source| BinlogError::Decode { at: self.at(), source })
    }

    /// Where the stream stands, for messages.
    fn at(&self) -> String {
        format!("{}:{}", self.tracker.file(), self.tracker.offset())
    }

    fn place(&self) -> Place {
        Place { binlog: self.tracker.cursor().clone(), gtid: self.tracker.gtid() }
    }

    fn table_map(
        &mut self,
        id: u64,
        raw: &RawEvent,
        tables: &mut impl Tables,
    ) -> Result<(), BinlogError> {
        let settled = self.tracker.settled();
        let known = self.tables.get(&id).is_some_and(|m| m.raw == raw.body && m.settled == settled);
        // Before the start that was asked for, the schemas are not those we know.
        if self.tracker.is_skipping() || known {
            return Ok(());
        }
        // It is kept, and must not hold the memory of what came beside it.
        let raw = RawEvent { header: raw.header, body: Bytes::copy_from_slice(&raw.body) };
        let Event::TableMap(map) = self.decode(&raw)? else { return Ok(()) };
        let table = TableName::new(Arc::clone(&map.db), Arc::clone(&map.table));
        let plan = match tables.plan(&map, settled) {
            Ok(plan) => plan,
            Err(error) => {
                tables.refused(&table, self.place(), error)?;
                None
            }
        };
        self.tables.insert(id, Mapped { table, raw: raw.body, settled, plan });
        Ok(())
    }

    fn rows(
        &mut self,
        id: u64,
        raw: &RawEvent,
        tables: &mut impl Tables,
    ) -> Result<Option<Delivered>, BinlogError> {
        if self.tracker.rows()? == RowsStep::Skip || id == NO_TABLE {
            return Ok(None);
        }
        let plan = match self.tables.get(&id) {
            Some(Mapped { plan: None, table, .. }) => {
                tables.passed_over(table);
                return Ok(None);
            }
            Some(Mapped { plan: Some(plan), .. }) => Arc::clone(plan),
            None => {
                let what = format!("rows of a table that no table map has named (number {id})");
                return Err(BinlogError::Unsupported { at: self.at(), what });
            }
        };
        let Event::Rows(rows) = self.decode(raw)? else { return Ok(None) };
        let images = match plan.whole_images(&rows) {
            Ok(images) => images,
            Err(source) => {
                let table = &plan.schema().name;
                let error = BinlogError::Decode { at: self.at(), source };
                tables.refused(table, self.place(), error)?;
                tables.passed_over(table);
                if let Some(mapped) = self.tables.get_mut(&id) {
                    mapped.plan = None;
                }
                return Ok(None);
            }
        };
        self.tracker.delivered();
        let gtid = self.tracker.gtid();
        let rows = Rows { plan, kind: rows.kind, images: self.holding.hold(images) };
        Ok(Some(self.deliver(StreamEvent::Rows(rows), gtid, &raw.header)))
    }

    fn deliver(
        &mut self,
        event: StreamEvent,
        gtid: Option<Arc<str>>,
        header: &EventHeader,
    ) -> Delivered {
        if matches!(event, StreamEvent::Begin(_)) && self.tables.len() > TABLES_MAX {
            // Between statements no map is needed: each statement brings its own.
            self.tables.clear();
        }
        Delivered {
            event,
            gtid,
            ts_ms: i64::from(header.timestamp) * 1000,
            server_id: header.server_id,
            file: Arc::clone(self.tracker.file()),
            end: self.tracker.offset(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.watch.tell(LinkState::Over);
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("server", &self.server.identity)
            .field("position", self.tracker.position())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The open transaction.

use std::sync::Arc;

use model::{BinlogPosition, Gtid, MariaGtid};

use crate::event::Xid;

/// What identifies a transaction to its server.
#[derive(Debug, Clone)]
pub(super) enum Id {
    None,
    Mysql(Gtid),
    Maria(MariaGtid),
}

/// A transaction from its first event on.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: Id,
    pub(super) gtid: Option<Arc<str>>,
    pub(super) start: BinlogPosition,
    /// `BEGIN` has come; before it, a statement is a transaction of its own.
    pub(super) open: bool,
    /// Rows events so far, of any table.
    pub(super) rows_events: u64,
    /// So many of them were applied before this connection.
    pub(super) applied: u64,
    /// It continues one whose beginning was handed out.
    pub(super) resumed: bool,
    /// Its rows went out, now or before.
    pub(super) delivered: bool,
    /// All of it lies before the start that was asked for.
    pub(super) skipped: bool,
    /// The first or the undone part of an ALTER in two parts: not to be acted on.
    pub(super) void: bool,
    /// Its name, where it is an XA transaction that may end prepared.
    pub(super) xa: Option<Xid>,
}

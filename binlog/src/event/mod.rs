//! One event -> what it says.
//!
//! Nothing is passed over in silence: an event that this crate does not know is
//! [`Event::Unsupported`], unless its writer marked it ignorable.

mod compressed;
mod format;
mod gtid;
mod incident;
pub mod kind;
mod maria;
mod payload;
mod query;
mod rotate;
mod rows;
pub(crate) mod table_map;
mod xa;

use bytes::Bytes;
use model::{GtidSet, MariaGtids};

use crate::cursor::Fields;
use crate::error::DecodeError;
use crate::packet::RawEvent;

pub use format::{Flavor, FormatDescription};
pub use gtid::GtidEvent;
pub use incident::Incident;
pub use maria::{MariaGtidEvent, MariaXa};
pub use payload::{Compression, PayloadEvents, TransactionPayload};
pub use query::{QueryEvent, StatementCharset};
pub use rotate::{Heartbeat, Rotate};
pub use rows::{Presence, RowsEvent};
pub use table_map::{Members, Metadata, TableMap, WireColumn, WireType};
pub use xa::{BadXid, XaPrepare, Xid};

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// First in every file: how the events after it are to be read.
    FormatDescription(FormatDescription),
    /// The next file, or (made up by the server) the file in which the stream begins.
    Rotate(Rotate),
    /// A MySQL transaction begins.
    Gtid(GtidEvent),
    /// A MySQL transaction without a GTID begins.
    AnonymousGtid(GtidEvent),
    /// What was executed before this file.
    PreviousGtids(GtidSet),
    /// A MariaDB transaction begins; it stands for `BEGIN`.
    MariaGtid(MariaGtidEvent),
    /// The last GTIDs of each domain before this file.
    MariaGtidList(MariaGtids),
    Query(QueryEvent),
    TableMap(TableMap),
    Rows(RowsEvent),
    /// The transaction is committed; the number is the engine's.
    Xid(u64),
    /// The transaction is prepared (or, in one phase, committed) by XA.
    XaPrepare(XaPrepare),
    /// Nothing happened up to this place.
    Heartbeat(Heartbeat),
    /// The statement behind the rows that follow. For people.
    RowsQuery(Bytes),
    /// The server lost changes. The stream has a hole here.
    Incident(Incident),
    /// A whole compressed transaction but for its GTID event.
    TransactionPayload(TransactionPayload),
    /// The server shut down in order.
    Stop,
    /// Of no consequence for rows: known as such, or marked ignorable by its writer.
    Ignorable(u8),
    /// An event whose meaning is not known. Going on past it could lose changes.
    Unsupported(u8),
}

impl Event {
    /// Reads `raw`, an event of the file that `format` describes.
    ///
    /// # Errors
    /// Damaged or cut bytes.
    pub fn decode(raw: &RawEvent, format: &FormatDescription) -> Result<Self, DecodeError> {
        let body = &raw.body;
        Ok(match raw.header.event_type {
            kind::FORMAT_DESCRIPTION => Self::FormatDescription(FormatDescription::decode(body)?),
            kind::ROTATE => Self::Rotate(Rotate::decode(raw)?),
            kind::GTID => Self::Gtid(GtidEvent::decode(body)?),
            kind::GTID_TAGGED => Self::Gtid(GtidEvent::decode_tagged(body)?),
            kind::ANONYMOUS_GTID => Self::AnonymousGtid(GtidEvent::decode(body)?),
            kind::PREVIOUS_GTIDS => Self::PreviousGtids(gtid::decode_previous(body)?),
            kind::MARIA_GTID => Self::MariaGtid(MariaGtidEvent::decode(raw)?),
            kind::MARIA_GTID_LIST => Self::MariaGtidList(maria::decode_gtid_list(body)?),
            kind::QUERY => Self::Query(QueryEvent::decode(body)?),
            kind::MARIA_QUERY_COMPRESSED => Self::Query(QueryEvent::decode_compressed(body)?),
            kind::EXECUTE_LOAD_QUERY => Self::Query(QueryEvent::decode_load(body)?),
            kind::TABLE_MAP => Self::TableMap(TableMap::decode(body, format)?),
            kind::XID => Self::Xid(Fields::new("xid", body).u64("number")?),
            kind::XA_PREPARE => Self::XaPrepare(XaPrepare::decode(body)?),
            kind::HEARTBEAT => Self::Heartbeat(Heartbeat::decode(raw)?),
            kind::HEARTBEAT_V2 => Self::Heartbeat(Heartbeat::decode_v2(body)?),
            kind::ROWS_QUERY => Self::RowsQuery(rows::decode_query(body)?),
            kind::MARIA_ANNOTATE_ROWS => Self::RowsQuery(body.clone()),
            kind::INCIDENT => Self::Incident(Incident::decode(body)?),
            kind::TRANSACTION_PAYLOAD => {
                Self::TransactionPayload(TransactionPayload::decode(body)?)
            }
            kind::STOP => Self::Stop,
            other => match RowsEvent::decode(other, body, format)? {
                Some(rows) => Self::Rows(rows),
                None if harmless(other) || raw.header.is_ignorable() => Self::Ignorable(other),
                None => Self::Unsupported(other),
            },
        })
    }
}

/// Event types that say nothing about rows: variables and files of statements (the statement itself
/// comes as a query event, which tells), group replication's bookkeeping, MariaDB's checkpoints of its log.
fn harmless(event_type: u8) -> bool {
    matches!(
        event_type,
        kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::BEGIN_LOAD_QUERY
            | kind::APPEND_BLOCK
            | kind::DELETE_FILE
            | kind::SLAVE
            | kind::IGNORABLE
            | kind::TRANSACTION_CONTEXT
            | kind::VIEW_CHANGE
            | kind::MARIA_BINLOG_CHECKPOINT
    )
}

#[cfg(test)]
mod tests;

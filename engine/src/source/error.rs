//! Why a source ends, and whether a new start may help.

use binlog::reader::BinlogError;
use model::{StoreError, TableName};

use super::merge::MergeError;
use super::snapshot;
use crate::pipeline::queue::Closed as SinkGone;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Binlog(#[from] BinlogError),
    #[error("table {table}: {declared} is of a type that this build does not know")]
    UnknownType { table: TableName, declared: String },
    #[error("table {table}")]
    Value {
        table: TableName,
        #[source]
        source: snapshot::rows::BadValue,
    },
    /// The server refused to read rows of a table.
    #[error("{source}")]
    Chunk { table: TableName, source: Box<BinlogError> },
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(
        "table {table}: {what}. Exclude it (`tables.exclude`), or start over (`--from none`) to \
         read it as it is now"
    )]
    UnknownSchema { table: TableName, what: String },
    #[error(
        "{verb} logged as a statement at {at}, without its rows, and it may change {table}. Set \
         binlog_format=ROW on the server and in every session that writes, and start over \
         (`--from none`) to read the tables as they are now: {sql}"
    )]
    Statement { verb: String, table: TableName, at: String, sql: String },
    #[error(
        "SELECT logged as a statement at {at}: the function it calls may have changed rows of any \
         table. Set binlog_format=ROW on the server and in every session that writes, and start over \
         (`--from none`) to read the tables as they are now: {sql}"
    )]
    RowsOfFunction { at: String, sql: String },
    #[error(
        "table {table}: its key changed while it was being read, and which rows are left to read \
         cannot be told any more. Start over (`--from none`) to read it by its new key"
    )]
    KeyLost { table: TableName },
    #[error(
        "the pass over {table}, which has no key, broke after rows were emitted; it starts again"
    )]
    PassBroken { table: TableName },
    #[error("the binlog now comes from another server while tables are being read")]
    ServerChanged,
    #[error("held back changes: {0}")]
    Spool(String),
    #[error("rows of prepared XA transactions: {0}")]
    Held(String),
    #[error(
        "with XA transaction {xid} prepared, {count} wait for their verdict and hold {bytes} bytes; \
         a job keeps {limit} bytes of at most {most} transactions. Settle them, make them smaller, and start over (`--from none`)"
    )]
    XaLimit { xid: String, count: usize, bytes: u64, limit: u64, most: usize },
    #[error(
        "XA transaction {xid}, which is committed at {at}, was prepared before the job began: \
         its changes were not seen. Start over (`--from none`); a job that begins at a place in \
         the binlog needs one in front of that XA PREPARE, or behind the commit. With \
         XA_RECOVER_ADMIN (MySQL 8.0+) a job that begins waits for such transactions"
    )]
    XaUnseen { xid: String, at: String },
    #[error(
        "table {table} matches newly, or is to come back, and XA transaction {xid} is prepared since before that: \
         whether it changed the table is not known. Run the job with the tables it had until that \
         is settled"
    )]
    XaNewTable { table: TableName, xid: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no table matches {patterns}; nothing would be replicated. {hint}")]
    NothingMatches { patterns: String, hint: String },
    #[error("`--resnapshot {table}`: {what}")]
    NotFollowed { table: String, what: &'static str },
    /// The other side of a queue is gone, and says why itself.
    #[error("the job is ending")]
    Stopped,
}

impl SourceError {
    pub fn query(what: &str, source: mysql_async::Error) -> Self {
        Self::Binlog(BinlogError::Query { what: what.to_owned(), source })
    }

    /// A query that reads rows of `table` failed: `cannot {what} db.table`.
    pub fn chunk(what: &str, table: &TableName, source: mysql_async::Error) -> Self {
        let source = BinlogError::Query { what: format!("{what} {table}"), source };
        Self::Chunk { table: table.clone(), source: Box::new(source) }
    }

    /// The server's error code, where the server refused something.
    pub fn server_code(&self) -> Option<u16> {
        if let Self::Chunk { source, .. } = self {
            return source.server_code();
        }
        if let Self::Binlog(error) = self { error.server_code() } else { None }
    }

    /// True where a new start from the newest checkpoint may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Binlog(error) => error.is_transient(),
            Self::Chunk { source, .. } => source.is_transient(),
            Self::PassBroken { .. }
            | Self::ServerChanged
            | Self::Stopped
            | Self::Store(StoreError::Io { .. }) => true,
            Self::UnknownType { .. }
            | Self::Value { .. }
            | Self::Merge(_)
            | Self::UnknownSchema { .. }
            | Self::KeyLost { .. }
            | Self::Statement { .. }
            | Self::RowsOfFunction { .. }
            | Self::Spool(_)
            | Self::Held(_)
            | Self::XaLimit { .. }
            | Self::XaUnseen { .. }
            | Self::XaNewTable { .. }
            | Self::Store(_)
            | Self::NothingMatches { .. }
            | Self::NotFollowed { .. } => false,
        }
    }
}

impl From<SinkGone> for SourceError {
    fn from(_: SinkGone) -> Self {
        Self::Stopped
    }
}

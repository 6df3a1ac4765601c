//! What can go wrong between us and the server, sorted by what the caller must do about it.

use std::time::Duration;

use model::position::BadBinlogFile;

/// A failure of the connection, the server or the stream. [`BinlogError::is_transient`] tells
/// whether trying again can help; every other error needs a person, and its text says for what.
#[derive(Debug, thiserror::Error)]
pub enum BinlogError {
    #[error("cannot connect to {address}")]
    Connect {
        address: String,
        #[source]
        source: mysql_async::Error,
    },
    #[error("no answer from {address} within {waited:?}")]
    ConnectTimeout { address: String, waited: Duration },
    #[error("cannot {what}")]
    Query {
        what: String,
        #[source]
        source: mysql_async::Error,
    },
    /// The server answered, and we cannot make sense of it.
    #[error("{what}: the server answered `{answer}`")]
    Answer { what: &'static str, answer: String },
    /// The dump connection broke, or delivered bytes that are no events.
    #[error("the binlog stream broke at {at}: {what}")]
    Stream { at: String, what: String },
    #[error("no event and no heartbeat for {silent:?} at {at}")]
    Silent { at: String, silent: Duration },
    /// What we must read next is gone from the server.
    #[error(
        "the server no longer has the binlog from {wanted}: the oldest it keeps is {oldest}{}. \
         Take a new snapshot (`--from none`), or restore a checkpoint that lies after {oldest}; \
         to keep binlogs longer, raise `binlog_expire_logs_seconds` (`expire_logs_days`)",
        purged_text(.purged)
    )]
    Purged { wanted: String, oldest: String, purged: String },
    /// The server lacks transactions that we have applied, and does not get them: it is not the one,
    /// or not the line of history, that this job read.
    #[error(
        "the server {server} has not executed {missing}, which this job has already applied: its \
         data has diverged (a failover that lost transactions, a write on a replica, a restored \
         backup, or another server). Applied: {applied}. Executed there: {executed}. Connect the \
         job to a server that has them, or take a new snapshot (`--from none`)"
    )]
    Diverged { server: String, missing: String, applied: String, executed: String },
    /// The same, and it may still get them.
    #[error(
        "the server {server} has not executed {missing} yet, which this job has already applied; \
         as a replica it may still get them, and the job waits. Applied: {applied}. Executed \
         there: {executed}. If a failover lost them, take a new snapshot (`--from none`)"
    )]
    Behind { server: String, missing: String, applied: String, executed: String },
    /// Without GTIDs a file and an offset mean nothing on another server.
    #[error(
        "connected to server {found}, but the position {position} belongs to server {expected} \
         and the servers have no GTIDs to translate it. Connect the job to {expected}, or take a \
         new snapshot (`--from none`); with gtid_mode = ON on all of them a position is good on each"
    )]
    OtherServer { expected: String, found: String, position: String },
    /// Servers cut the rows of a transaction into events as their own settings say.
    #[error(
        "connected to server {found}, but the position lies inside transaction {gtid}: {rows_events} \
         of its rows events are applied as server {expected} cut them, and another server may cut \
         them otherwise. Connect the job to {expected}, restore a snapshot that lies between two \
         transactions (`--from`), or take a new one (`--from none`)"
    )]
    InsideTransaction { expected: String, found: String, gtid: String, rows_events: u64 },
    /// It would send its own writes and nothing else, for ever.
    #[error(
        "the server {server} is a replica that does not log what it replicates: nothing of that \
         would be seen. Set log_replica_updates = ON (log_slave_updates before MySQL 8.0.26 and on \
         MariaDB) in its my.cnf and restart it, or connect the job to another server"
    )]
    NotLogged { server: String },
    /// A load balancer, or a failover that the stream has not met yet.
    #[error(
        "a table is to be read from server {expected}, whose binlog is followed, and the \
         connection reached {found}: one address must lead to one server at a time"
    )]
    ReadElsewhere { expected: String, found: String },
    /// See [`crate::server::SourceOptions::reconnect_for`].
    #[error("{address} cannot be reached any more: {attempts} attempts in {waited:?} failed")]
    Unreachable {
        address: String,
        attempts: u32,
        waited: Duration,
        #[source]
        source: Box<BinlogError>,
    },
    #[error(
        "the position {wanted} lies beyond the end of its file, which holds {size} bytes: the \
         server was recreated or restored since. Take a new snapshot (`--from none`)"
    )]
    BeyondEnd { wanted: String, size: u64 },
    /// `gtid_mode` was not ON for a while, and the server sends by GTIDs only what has one.
    #[error(
        "after {position} come transactions without a GTID, which the server does not send while its \
         gtid_mode is ON. Set gtid_mode = ON_PERMISSIVE until the job has read them, or take a new \
         snapshot (`--from none`)"
    )]
    Anonymous { position: String },
    #[error(
        "the server logged an incident at {at}: {what}. Changes may be missing from its binlog; \
         take a new snapshot (`--from none`)"
    )]
    Incident { at: String, what: String },
    /// A setting of the server, or of a session that wrote to it, makes rows incomplete.
    #[error("{what} at {at}. Set {fix} on the server and in every session that writes")]
    Setting { at: String, what: String, fix: &'static str },
    #[error(
        "another replica connected to {server} with our server id {server_id}, and the server ended \
         our connection: give this job or the other replica another `source.server-id`"
    )]
    SameServerId { server: String, server_id: u32 },
    /// The stream holds something that we read correctly or not at all, and cannot yet.
    #[error("cannot replicate {what} at {at}")]
    Unsupported { at: String, what: String },
    /// Damaged bytes, or rows that do not hold all columns.
    #[error("cannot read the event at {at}")]
    Decode {
        at: String,
        #[source]
        source: crate::DecodeError,
    },
    #[error("{upto} was not visible to reads on {server} within {waited:?}")]
    NotVisible { server: String, upto: String, waited: Duration },
    /// The caller's own, from [`crate::Tables::plan`].
    #[error(transparent)]
    Table(Box<dyn std::error::Error + Send + Sync>),
}

fn purged_text(purged: &str) -> String {
    if purged.is_empty() { String::new() } else { format!(" (it purged {purged})") }
}

impl From<BadBinlogFile> for BinlogError {
    fn from(bad: BadBinlogFile) -> Self {
        Self::Answer { what: "cannot read a binlog file name", answer: bad.0 }
    }
}

/// Server errors after which the same request can succeed: the server is full, going down, coming
/// up, or ended our statement or connection (MySQL error reference; 1927 and 4031 are kills).
const TRANSIENT_CODES: [u16; 21] = [
    1040, 1041, 1042, 1043, 1053, 1077, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1213,
    1226, 1317, 1836, 1927, 4031,
];

impl BinlogError {
    /// True where a new attempt on a new connection can succeed without anybody's help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { source, .. } | Self::Query { source, .. } => can_pass(source),
            Self::ConnectTimeout { .. }
            | Self::Stream { .. }
            | Self::Silent { .. }
            | Self::Behind { .. }
            | Self::Unreachable { .. }
            | Self::NotVisible { .. } => true,
            Self::Answer { .. }
            | Self::Purged { .. }
            | Self::Diverged { .. }
            | Self::OtherServer { .. }
            | Self::InsideTransaction { .. }
            | Self::NotLogged { .. }
            | Self::ReadElsewhere { .. }
            | Self::BeyondEnd { .. }
            | Self::Anonymous { .. }
            | Self::Incident { .. }
            | Self::Setting { .. }
            | Self::SameServerId { .. }
            | Self::Unsupported { .. }
            | Self::Decode { .. }
            | Self::Table(_) => false,
        }
    }

    /// True where another server of the same data may do what this one cannot.
    pub fn is_of_the_server(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Unreachable { .. }
            | Self::Purged { .. }
            | Self::Diverged { .. }
            | Self::Behind { .. }
            | Self::OtherServer { .. }
            | Self::InsideTransaction { .. }
            | Self::NotLogged { .. }
            | Self::BeyondEnd { .. } => true,
            Self::Query { .. }
            | Self::Answer { .. }
            | Self::Stream { .. }
            | Self::Silent { .. }
            | Self::NotVisible { .. }
            | Self::ReadElsewhere { .. }
            // Another server would not tell that they are missing.
            | Self::Anonymous { .. }
            | Self::Incident { .. }
            | Self::Setting { .. }
            | Self::SameServerId { .. }
            | Self::Unsupported { .. }
            | Self::Decode { .. }
            | Self::Table(_) => false,
        }
    }

    /// The server's error code, where the server refused something.
    pub fn server_code(&self) -> Option<u16> {
        let (Self::Connect { source, .. } | Self::Query { source, .. }) = self else {
            return None;
        };
        if let mysql_async::Error::Server(refused) = source { Some(refused.code) } else { None }
    }

    /// Wraps the failure of a statement: `cannot {what}`.
    pub(crate) fn query(what: impl Into<String>) -> impl FnOnce(mysql_async::Error) -> Self {
        let what = what.into();
        move |source| Self::Query { what, source }
    }
}

/// True where an error of the driver can go away without anybody's help.
fn can_pass(error: &mysql_async::Error) -> bool {
    use mysql_async::{DriverError, Error, IoError};
    match error {
        Error::Io(IoError::Io(_)) => true,
        Error::Server(refused) => TRANSIENT_CODES.contains(&refused.code),
        Error::Driver(cause) => {
            matches!(cause, DriverError::ConnectionClosed | DriverError::PacketOutOfOrder)
        }
        Error::Io(IoError::Tls(_)) | Error::Other(_) | Error::Url(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> BinlogError {
        let refused = mysql_async::ServerError { code, message: "m".into(), state: "HY000".into() };
        BinlogError::Query { what: "x".into(), source: mysql_async::Error::Server(refused) }
    }

    #[test]
    fn a_full_or_stopping_server_is_worth_another_try_and_a_denied_user_is_not() {
        assert!(refused(1040).is_transient() && refused(1053).is_transient());
        assert!(!refused(1045).is_transient() && !refused(1236).is_transient());
    }

    #[test]
    fn purged_names_the_place_the_oldest_binlog_and_the_ways_out() {
        let error = BinlogError::Purged {
            wanted: "binlog.000002:154".into(),
            oldest: "binlog.000007".into(),
            purged: "u:1-9".into(),
        };
        let text = error.to_string();
        for part in ["binlog.000002:154", "binlog.000007", "u:1-9", "--from none", "checkpoint"] {
            assert!(text.contains(part), "{part} is missing from: {text}");
        }
    }
}

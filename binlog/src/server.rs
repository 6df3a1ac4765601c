//! The server as it is: flavour, version, identity, settings, and where its binlog stands.
//!
//! What a server can do is found out by trying the statement, never from its version alone: forks
//! and managed services differ from what their version promises.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{BinlogFile, BinlogPosition, GtidSet, Gtids, MariaGtid, MariaGtids, Position};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::event::Flavor;
use crate::query::Session;
use crate::reader::BinlogError;

mod options;
mod prepared;
mod replication;

pub use options::{ClientCertificate, Password, RECONNECTS_MIN, SourceOptions, Tls, connect};
pub(crate) use options::{SESSION_WHERE_KNOWN, install_tls_provider, session};
pub(crate) use replication::Replication;

/// Offset of the first event of every binlog file: after the four magic bytes.
pub const FILE_START: u64 = 4;
/// How long [`Server::current_position`] waits for commits in flight before it takes the start of
/// the file instead.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// What we know of the server we are connected to.
#[derive(Debug, Clone)]
pub struct Server {
    pub flavor: Flavor,
    pub version: (u16, u16, u16),
    /// As the server says it, for instance `10.11.19-MariaDB-log`.
    pub version_text: String,
    /// Empty on MariaDB, which has none.
    pub server_uuid: String,
    pub server_id: u32,
    /// Tells this server from others: `server_uuid`, or on MariaDB host name, port and server id.
    pub identity: String,
    /// True where every transaction has a GTID: MySQL with `gtid_mode=ON`, every MariaDB.
    pub gtids: bool,
    pub log_bin: bool,
    /// 0: names are compared as spelled. 1, 2: without regard to case.
    pub lower_case_table_names: u8,
    variables: BTreeMap<String, String>,
}

/// A file of `SHOW BINARY LOGS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryLog {
    pub file: BinlogFile,
    /// Bytes.
    pub size: u64,
}

const VARIABLES: &str = "'version', 'version_comment', 'server_uuid', 'server_id', 'gtid_mode', \
    'log_bin', 'lower_case_table_names', 'binlog_format', 'binlog_row_image', \
    'binlog_row_value_options', 'binlog_row_metadata', 'binlog_expire_logs_seconds', \
    'expire_logs_days', 'binlog_transaction_compression', 'log_slave_updates', \
    'log_replica_updates', 'hostname', 'port', 'read_only', 'binlog_checksum', 'log_bin_compress'";

impl Server {
    /// Asks the server for all of it.
    ///
    /// # Errors
    /// [`BinlogError::Query`], or [`BinlogError::Answer`] where an answer makes no sense.
    pub async fn probe(conn: &mut Conn) -> Result<Self, BinlogError> {
        let query = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({VARIABLES})");
        let rows: Vec<(String, String)> =
            conn.query(query).await.map_err(BinlogError::query("read the server's variables"))?;
        let variables =
            rows.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        Self::from_variables(variables)
    }

    pub(crate) fn from_variables(variables: BTreeMap<String, String>) -> Result<Self, BinlogError> {
        let get = |name: &str| variables.get(name).map_or("", String::as_str);
        let version_text = get("version").to_owned();
        let is_mariadb = [get("version"), get("version_comment")]
            .iter()
            .any(|text| text.to_ascii_lowercase().contains("mariadb"));
        let flavor = if is_mariadb { Flavor::MariaDb } else { Flavor::MySql };
        let version = parse_version(&version_text).ok_or_else(|| BinlogError::Answer {
            what: "cannot read the server's version",
            answer: version_text.clone(),
        })?;
        let server_id = get("server_id").parse().map_err(|_| BinlogError::Answer {
            what: "cannot read the server's `server_id`",
            answer: get("server_id").to_owned(),
        })?;
        let server_uuid =
            if is_mariadb { String::new() } else { get("server_uuid").to_ascii_lowercase() };
        let identity = if server_uuid.is_empty() {
            format!("{}:{} (server id {server_id})", get("hostname"), get("port"))
        } else {
            server_uuid.clone()
        };
        Ok(Self {
            flavor,
            version,
            server_uuid,
            server_id,
            identity,
            gtids: is_mariadb || get("gtid_mode").eq_ignore_ascii_case("ON"),
            log_bin: is_on(get("log_bin")),
            lower_case_table_names: get("lower_case_table_names").parse().unwrap_or_default(),
            version_text,
            variables,
        })
    }

    /// A global variable as the server printed it; `None` where it has no such variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Asks a server for what is [`Server::identity`] here; upper and lower case are one.
    pub(crate) fn identity_query(&self) -> &'static str {
        if self.server_uuid.is_empty() {
            "SELECT CONCAT(@@GLOBAL.hostname, ':', @@GLOBAL.port, ' (server id ', \
             @@GLOBAL.server_id, ')')"
        } else {
            "SELECT @@GLOBAL.server_uuid"
        }
    }

    /// True where `conn` leads to this server and to no other.
    ///
    /// # Errors
    /// [`BinlogError::Query`].
    pub async fn is_behind(&self, conn: &mut impl Session) -> Result<bool, BinlogError> {
        let found = conn.first(self.identity_query()).await;
        let found = found.map_err(BinlogError::query("ask the server who it is"))?;
        let found = found.unwrap_or_default().into_iter().next().flatten();
        Ok(found.is_some_and(|found| found.eq_ignore_ascii_case(&self.identity)))
    }

    pub fn is_mariadb(&self) -> bool {
        matches!(self.flavor, Flavor::MariaDb)
    }

    /// False where what it replicates is not in its binlog; it may replicate nothing.
    pub(crate) fn logs_what_it_replicates(&self) -> bool {
        let names = ["log_replica_updates", "log_slave_updates"];
        names.iter().find_map(|name| self.variable(name)).is_none_or(is_on)
    }

    /// The end of the binlog, as the server tells it. It can be ahead of what a SELECT sees: the
    /// binlog is written before the engine commits.
    ///
    /// # Errors
    /// [`BinlogError::Query`]; [`BinlogError::Answer`] where the server keeps no binlog.
    pub async fn binlog_end(&self, conn: &mut impl Session) -> Result<BinlogPosition, BinlogError> {
        let row = match conn.first("SHOW BINARY LOG STATUS").await {
            Ok(row) => row,
            // Before 8.2, and on MariaDB, it is a syntax error (1064) under this name.
            Err(mysql_async::Error::Server(e)) if e.code == 1064 => conn
                .first("SHOW MASTER STATUS")
                .await
                .map_err(BinlogError::query("read the binlog's position (SHOW MASTER STATUS)"))?,
            Err(source) => {
                let what = "read the binlog's position (SHOW BINARY LOG STATUS)".to_owned();
                return Err(BinlogError::Query { what, source });
            }
        };
        let row = row.ok_or_else(|| BinlogError::Answer {
            what: "the server keeps no binlog (`log_bin` is off)",
            answer: String::new(),
        })?;
        position_of(&row)
    }

    /// Where a stream that starts now begins. Never ahead of itself: every transaction that ends
    /// at or before the file position is in the GTID set, so a file watermark is reached only by
    /// what was delivered.
    ///
    /// MySQL adds a GTID to `gtid_executed` after the binlog holds it. So the file position is read
    /// first, then the GTIDs in flight (`gtid_owned`), and the set is taken once it holds those.
    /// Where a commit takes too long, the position is the start of the file instead: the dump skips
    /// what the set holds, and the position moves on with it.
    pub async fn current_position(&self, conn: &mut Conn) -> Result<Position, BinlogError> {
        let mut binlog = self.binlog_end(conn).await?;
        let gtids = if self.is_mariadb() {
            Gtids::Mariadb(self.maria_gtids_at(conn, &binlog).await?)
        } else if self.gtids {
            let in_flight = owned(conn).await?;
            let mut executed = self.gtid_executed(conn).await?;
            let started = tokio::time::Instant::now();
            while !executed.is_superset(&in_flight) {
                if started.elapsed() > SETTLE_MAX {
                    binlog.offset = FILE_START;
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                executed = self.gtid_executed(conn).await?;
            }
            Gtids::Mysql(executed)
        } else {
            Gtids::None
        };
        Ok(Position { gtids, binlog, in_transaction: None })
    }

    /// MariaDB's GTID position at a place that must be an event's start.
    pub(crate) async fn maria_gtids_at(
        &self,
        conn: &mut Conn,
        at: &BinlogPosition,
    ) -> Result<MariaGtids, BinlogError> {
        let text: Option<Option<String>> = conn
            .exec_first("SELECT BINLOG_GTID_POS(?, ?)", (&**at.file.name(), at.offset))
            .await
            .map_err(BinlogError::query(format!("translate {at} to a GTID position")))?;
        match text.flatten() {
            Some(text) => parse(&text, "cannot read BINLOG_GTID_POS"),
            None => Err(BinlogError::Answer {
                what: "the server knows no GTID position there",
                answer: at.to_string(),
            }),
        }
    }

    /// `gtid_executed` (MySQL).
    pub async fn gtid_executed(&self, conn: &mut Conn) -> Result<GtidSet, BinlogError> {
        global_gtids(conn, "gtid_executed").await
    }

    /// `gtid_purged`: what the server executed but no longer has a binlog of (MySQL).
    pub async fn gtid_purged(&self, conn: &mut Conn) -> Result<GtidSet, BinlogError> {
        global_gtids(conn, "gtid_purged").await
    }

    /// What a MariaDB server holds: of each domain and writer the last transaction of its binlog, and
    /// of each domain the last one that it replicated.
    pub(crate) async fn maria_executed(
        &self,
        conn: &mut Conn,
    ) -> Result<Vec<MariaGtid>, BinlogError> {
        let texts: Option<(Option<String>, Option<String>)> = conn
            .query_first("SELECT @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos")
            .await
            .map_err(BinlogError::query("read `gtid_binlog_state` and `gtid_slave_pos`"))?;
        let (state, replicated) = texts.unwrap_or_default();
        [state.unwrap_or_default(), replicated.unwrap_or_default()]
            .iter()
            .flat_map(|text| text.split(','))
            .filter(|text| !text.trim().is_empty())
            .map(|text| parse(text, "cannot read a MariaDB GTID"))
            .collect()
    }

    /// Transactions that its binlog holds or held; on MariaDB the last of each domain.
    ///
    /// # Errors
    /// [`BinlogError::Query`], or [`BinlogError::Answer`] where an answer makes no sense.
    pub async fn executed(&self, conn: &mut Conn) -> Result<Gtids, BinlogError> {
        if !self.gtids {
            return Ok(Gtids::None);
        }
        if !self.is_mariadb() {
            return Ok(Gtids::Mysql(self.gtid_executed(conn).await?));
        }
        let text: Option<String> = conn
            .query_first("SELECT @@GLOBAL.gtid_binlog_pos")
            .await
            .map_err(BinlogError::query("read `gtid_binlog_pos`"))?;
        parse(&text.unwrap_or_default(), "cannot read `gtid_binlog_pos`").map(Gtids::Mariadb)
    }

    /// Age at which a binlog file is purged; `None` where none is by its age.
    pub fn binlog_expires_after(&self) -> Option<Duration> {
        let number = |name| self.variable(name)?.parse::<f64>().ok().filter(|n| *n > 0.0);
        let seconds = number("binlog_expire_logs_seconds")
            .or_else(|| number("expire_logs_days").map(|days| days * 86_400.0))?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The files that the server still has, oldest first.
    pub async fn binary_logs(&self, conn: &mut Conn) -> Result<Vec<BinaryLog>, BinlogError> {
        let rows = conn.rows("SHOW BINARY LOGS").await;
        let rows = rows.map_err(BinlogError::query("list the binlog files (SHOW BINARY LOGS)"))?;
        rows.iter()
            .map(|row| position_of(row).map(|p| BinaryLog { file: p.file, size: p.offset }))
            .collect()
    }

    /// The oldest file that the server still has.
    pub async fn oldest(&self, conn: &mut Conn) -> Result<BinlogFile, BinlogError> {
        let logs = self.binary_logs(conn).await?;
        logs.into_iter().next().map(|log| log.file).ok_or_else(|| BinlogError::Answer {
            what: "the server lists no binlog file",
            answer: String::new(),
        })
    }
}

/// GTIDs of transactions that are committing. Each part is `uuid:n#thread`, maybe with a tag; the
/// owning threads are cut off.
async fn owned(conn: &mut Conn) -> Result<GtidSet, BinlogError> {
    let text: Option<String> = conn
        .query_first("SELECT @@GLOBAL.gtid_owned")
        .await
        .map_err(BinlogError::query("read `gtid_owned`"))?;
    parse_owned(&text.unwrap_or_default())
}

fn parse_owned(text: &str) -> Result<GtidSet, BinlogError> {
    let mut plain = String::with_capacity(text.len());
    let mut skipping = false;
    for c in text.chars() {
        match c {
            '#' => skipping = true,
            ':' | ',' => {
                skipping = false;
                plain.push(c);
            }
            _ if skipping => {}
            _ => plain.push(c),
        }
    }
    parse(&plain, "cannot read `gtid_owned`")
}

async fn global_gtids(conn: &mut Conn, variable: &'static str) -> Result<GtidSet, BinlogError> {
    let text: Option<String> = conn
        .query_first(format!("SELECT @@GLOBAL.{variable}"))
        .await
        .map_err(BinlogError::query(format!("read `{variable}`")))?;
    parse(&text.unwrap_or_default(), "cannot read a GTID set")
}

pub(crate) fn parse<T: std::str::FromStr>(
    text: &str,
    what: &'static str,
) -> Result<T, BinlogError> {
    text.parse().map_err(|_| BinlogError::Answer { what, answer: text.to_owned() })
}

/// The first two columns, file and offset, of a status or log row.
pub(crate) fn position_of(row: &[Option<String>]) -> Result<BinlogPosition, BinlogError> {
    let text = |at: usize| row.get(at).and_then(Option::as_deref);
    match (text(0), text(1).and_then(|offset| offset.parse().ok())) {
        (Some(file), Some(offset)) => Ok(BinlogPosition { file: file.parse()?, offset }),
        (file, _) => Err(BinlogError::Answer {
            what: "cannot read a binlog position",
            answer: file.unwrap_or_default().to_owned(),
        }),
    }
}

fn is_on(value: &str) -> bool {
    value.eq_ignore_ascii_case("ON") || value == "1"
}

/// `10.11.19-MariaDB-log` is (10, 11, 19).
fn parse_version(text: &str) -> Option<(u16, u16, u16)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u16>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests;

//! A job, valid by construction.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use model::{BinlogFile, CheckpointMode, Gtids, Routes, TimeZone};
use regex::Regex;

use crate::diagnostics::{Note, Place};
use crate::settings::is_sensitive;
use crate::tables::TablePatterns;

/// One script: one source, a set of tables, one or more sinks.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// A path, for instance `retail/orders/emp_sync`.
    pub name: String,
    pub source: SourceSpec,
    /// At least one.
    pub sinks: Vec<SinkSpec>,
    /// Readers of the snapshot.
    pub parallelism: NonZeroU32,
    pub checkpointing: Checkpointing,
    pub restart: RestartStrategy,
    pub runtime_mode: RuntimeMode,
    /// Zone in which the format `changelog` shows TIMESTAMP columns (`table.local-time-zone`).
    pub time_zone: TimeZone,
    pub restore: RestoreSettings,
    /// In the order in which they are tried.
    pub transforms: Vec<TransformSpec>,
    /// What the reader has to tell, to be logged once.
    pub notes: Vec<Note>,
}

/// Where changes come from.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// `mysql-cdc`, the only one there is.
    pub connector: String,
    /// At least one, each once. Several are servers of the same data, in order of preference.
    pub hosts: Vec<Host>,
    pub username: String,
    pub password: Secret,
    pub tables: TablePatterns,
    pub startup: StartupMode,
    /// Ids to show the server as a replica; `None`: chosen by the engine.
    pub server_id: Option<ServerIds>,
    /// As given; without effect, for our sessions and the binlog are in UTC.
    pub server_time_zone: Option<TimeZone>,
    /// Rows per chunk of the snapshot.
    pub chunk_rows: Option<NonZeroU32>,
    /// Rows fetched at a time within a chunk.
    pub fetch_size: NonZeroU32,
    pub connect_timeout: Duration,
    /// Attempts to connect before the job's restart strategy takes over.
    pub max_retries: u32,
    /// Period of the server's heartbeat events; `None`: off.
    pub heartbeat: Option<Duration>,
    /// After a restore, tables that match and are new are snapshotted, and removed ones dropped.
    pub scan_newly_added: bool,
    /// Tables of gh-ost and pt-online-schema-change are told from others.
    pub online_schema_changes: bool,
    pub tls: Tls,
    pub on_table_error: OnTableError,
}

/// What an error does that is of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTableError {
    /// It ends the job.
    #[default]
    Stop,
    /// It sets the table apart; the others go on.
    Quarantine,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// A name or an address; one of IPv6 without its brackets.
    pub name: String,
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

/// A text that never shows: not in logs, listings or errors.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the handshake alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a job without a snapshot of its own begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartupMode {
    /// Snapshot, then the binlog.
    Initial,
    /// Snapshot, then the end.
    Snapshot,
    LatestOffset,
    EarliestOffset,
    SpecificOffset(StartOffset),
    /// Changes from this time on, in milliseconds since the epoch.
    Timestamp {
        millis: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartOffset {
    File {
        file: BinlogFile,
        pos: u64,
    },
    /// Transactions applied already; never [`Gtids::None`].
    Gtids(Gtids),
}

/// An inclusive range of server ids, first not above last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerIds {
    pub first: u32,
    pub last: u32,
}

/// How the connection is protected; names and meanings are those of MySQL's `--ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    Disabled,
    /// TLS where the server offers it, unverified.
    #[default]
    Preferred,
    /// TLS or nothing, unverified.
    Required,
    /// The server's certificate must come from the given authority.
    VerifyCa,
    /// And it must be for this host name.
    VerifyIdentity,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    pub mode: SslMode,
    /// Certificates of the authorities, PEM.
    pub ca: Option<PathBuf>,
    /// The client's certificate, PEM; always together with `key`.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// A destination and its options.
#[derive(Clone)]
pub struct SinkSpec {
    /// `sink[0]`, `sink[1]`, …; a lone `sink.*` is `sink[0]`.
    pub name: String,
    pub connector: String,
    /// Without the `sink.` or `sink[N].` prefix and without `connector`.
    pub options: BTreeMap<String, String>,
    /// Where each table of the source goes.
    pub routes: Routes,
    /// Name of a column that says which table of the source a row is of.
    pub source_column: Option<String>,
    /// Where each option, and `connector`, stands, for errors that only the sink can find.
    pub places: BTreeMap<String, Place>,
}

impl SinkSpec {
    /// Where an option stands, without its prefix; where it does not, where the sink says what it is.
    pub fn place(&self, option: Option<&str>) -> Option<&Place> {
        option.and_then(|o| self.places.get(o)).or_else(|| self.places.get("connector"))
    }
}

impl fmt::Debug for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: BTreeMap<&str, &str> = self
            .options
            .iter()
            .map(|(k, v)| (k.as_str(), if is_sensitive(k) { "***" } else { v.as_str() }))
            .collect();
        f.debug_struct("SinkSpec")
            .field("name", &self.name)
            .field("connector", &self.connector)
            .field("options", &shown)
            .field("routes", &self.routes)
            .field("source_column", &self.source_column)
            .finish_non_exhaustive()
    }
}

/// What a job wants to be done to the rows of some tables.
#[derive(Debug, Clone)]
pub struct TransformSpec {
    /// Matched against `db.table`; anchored at both ends.
    pub tables: Regex,
    /// The patterns as the job has them.
    pub source_table: String,
    pub projection: Option<Written>,
    pub filter: Option<Written>,
    /// Names of columns with commas between.
    pub primary_keys: Option<Written>,
    pub description: Option<String>,
}

/// A text of a job that is read once the tables are known, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    pub place: Place,
    /// It stands in the job as it is, in one line.
    pub in_one_piece: bool,
}

impl Written {
    /// The place of a part of it, `before` characters in.
    pub fn part(&self, before: usize) -> String {
        match &self.place {
            Place::Script { file, line, column } if self.in_one_piece => {
                format!("{file}:{line}:{}", column + before)
            }
            place @ (Place::Script { .. } | Place::Override { .. } | Place::Whole { .. }) => {
                format!("{place}, at character {} of the text", before + 1)
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpointing {
    /// Base period, at least 10 ms; `None`: no periodic checkpoints.
    pub interval: Option<Duration>,
    pub interval_during_backlog: BacklogInterval,
    /// A checkpoint slower than this is given up.
    pub timeout: Duration,
    /// Gap between the end of one and the start of the next.
    pub min_pause: Duration,
    /// Consecutive failures that the job survives.
    pub tolerable_failures: u32,
    pub mode: CheckpointMode,
    pub retention: Retention,
    /// The newest N are kept.
    pub num_retained: NonZeroU32,
    /// Where checkpoints rest; `None`: the state store of the run.
    pub dir: Option<String>,
    /// Where savepoints rest; `None`: beside the checkpoints.
    pub savepoint_dir: Option<String>,
}

/// The period while the snapshot runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BacklogInterval {
    /// As at other times.
    Same,
    /// No periodic checkpoints meanwhile.
    Off,
    /// Not below the base period.
    Every(Duration),
}

/// What becomes of checkpoints when the job ends without a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    Retain,
    /// Kept only when the job failed.
    DeleteOnCancellation,
    /// Kept in neither case.
    DeleteAlways,
}

/// What to do after a failure that may go away by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum RestartStrategy {
    None,
    FixedDelay {
        /// In total.
        attempts: u32,
        delay: Duration,
    },
    FailureRate {
        max_failures: u32,
        interval: Duration,
        delay: Duration,
    },
    ExponentialDelay {
        initial_backoff: Duration,
        /// Not below `initial_backoff`.
        max_backoff: Duration,
        /// At least 1.
        multiplier: f64,
        /// Share of the delay that is drawn at random, 0 to 1.
        jitter: f64,
        /// A run of this length without failure sets the delay back.
        reset_threshold: Duration,
        /// Restarts before the job fails; `None`: without limit.
        attempts: Option<u32>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeMode {
    Streaming,
    /// The snapshot, then the end.
    Batch,
}

/// Where to resume from, and who owns what is resumed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSettings {
    /// A checkpoint or savepoint by its path.
    pub path: Option<String>,
    /// Tables in the snapshot that the job no longer names are dropped instead of refused.
    pub ignore_unclaimed: bool,
    pub claim_mode: ClaimMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimMode {
    /// The snapshot stays the user's.
    NoClaim,
    /// The engine owns it and may delete it.
    Claim,
}

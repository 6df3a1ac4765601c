//! Arguments of the commands that read a script or a state themselves.

use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU32};

use clap::{Args, ValueEnum};
use job::TablePatterns;
use state::StateUrl;

use super::LinkArgs;
use super::values::{address, from, pair, tables};
use crate::client::ServerUrl;
use crate::commands::reference::Reference;
use crate::daemon::From;

#[derive(Debug, Args)]
pub struct ScriptArgs {
    /// The job: a script with SET statements and EXECUTE CDCSOURCE, or a pipeline in YAML
    pub job: std::path::PathBuf,
    /// Set an option of the statement, a SET key or a variable, over what the script says
    #[arg(long = "set", value_name = "K=V", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Run what Dinky would run where the script is not clean, with a warning each time
    #[arg(long)]
    pub lenient: bool,
}

#[derive(Debug, Args)]
pub struct StateArg {
    /// Where checkpoints rest: rocksdb://DIR or a path, file://DIR, s3://BUCKET/PREFIX, gs://…, az://…,
    /// hdfs://NAMENODE:PORT/PATH; secrets come from the environment. Else the script's
    /// `execution.checkpointing.dir` says it, else it is ./seachange-state
    #[arg(long, value_name = "URL", env = "SEACHANGE_STATE")]
    pub state: Option<StateUrl>,
    /// Where what may be lost is kept of a job whose checkpoints rest elsewhere (s3://, …): changes
    /// held back, and copies of held rows
    #[arg(
        long,
        value_name = "DIR",
        env = "SEACHANGE_WORK_DIR",
        default_value = "./seachange-work"
    )]
    pub work_dir: std::path::PathBuf,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub script: ScriptArgs,
    #[command(flatten)]
    pub state: StateArg,
    /// Begin with: latest, earliest, none, or (for this start alone) one snapshot: its id, or the
    /// path or URL of an exported one
    #[arg(long, default_value = "latest", value_parser = from)]
    pub from: From,
    /// Where the newest snapshot is damaged, go on from the newest valid one, unless a sink would
    /// then repeat what it has committed
    #[arg(long)]
    pub allow_fallback: bool,
    /// Read this table from the start again, as it is today, while the others go on; takes it out
    /// of quarantine. May be given several times
    #[arg(long, value_name = "DB.TABLE")]
    pub resnapshot: Vec<String>,
    /// Take the job from another process, though it lives: that one ends. Not with rocksdb://, whose
    /// lock its holder keeps
    #[arg(long)]
    pub take_over: bool,
    /// Serve savepoints, status and stop over HTTP at this address, for instance 127.0.0.1:8083; a
    /// port alone is of 127.0.0.1, port 0 is chosen. There is no password: see docs/operations.md
    #[arg(long, value_name = "[IP:]PORT", value_parser = address)]
    pub http: Option<SocketAddr>,
    /// What SIGTERM and Ctrl-C do before the job stops
    #[arg(long, value_enum, default_value_t = OnTerm::Savepoint)]
    pub on_term: OnTerm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnTerm {
    /// Take a savepoint
    Savepoint,
    /// Stop at once; checkpoints are kept as the job's retention says
    Cancel,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub script: ScriptArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub script: ScriptArgs,
    #[command(flatten)]
    pub state: StateArg,
    /// Only tables of the source whose whole `db.table` matches, as in `table-name`
    #[arg(long, value_name = "REGEX", value_parser = tables)]
    pub tables: Option<TablePatterns>,
    /// Differing keys that are named of each table
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub keys: usize,
    /// Show what differing columns hold, not their names alone
    #[arg(long)]
    pub show_values: bool,
    /// Read no more rows of the source, all tables together
    #[arg(long, value_name = "N")]
    pub rows_per_second: Option<NonZeroU32>,
    /// Tables at a time
    #[arg(long, value_name = "N", default_value = "2")]
    pub parallelism: NonZeroU8,
    /// How long the job's next checkpoint is waited for; longer than the checkpoint interval
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub wait: std::time::Duration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SnapshotsArgs {
    /// Name of the job, or its script; all jobs if not given
    pub job: Option<String>,
    #[command(flatten)]
    pub state: StateArg,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Read every byte of every snapshot again, and of the XA rows that it names
    #[arg(long)]
    pub verify: bool,
    /// Ask the daemon that answers here, of the job of this name, in place of a state. Only where it is
    /// given: SEACHANGE_SERVER alone leaves this command with the state
    #[arg(
        long,
        value_name = "URL",
        requires = "job",
        conflicts_with = "verify",
        help_heading = "Daemon"
    )]
    pub server: Option<ServerUrl>,
    #[command(flatten)]
    pub link: LinkArgs,
}

/// Which job's snapshot a number, `latest` or `earliest` means.
#[derive(Debug, Args)]
pub struct OfJob {
    /// Name of the job, or its script; may be left out where there is only one job
    #[arg(long)]
    pub job: Option<String>,
    #[command(flatten)]
    pub state: StateArg,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The snapshot: its id, latest, earliest, or the path or URL of an exported one
    #[arg(value_name = "REF", required_unless_present = "diff")]
    pub reference: Option<Reference>,
    #[command(flatten)]
    pub of: OfJob,
    /// What differs between two snapshots, in words
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["reference", "schemas"])]
    pub diff: Option<Vec<Reference>>,
    /// With the definitions of the tables, column by column
    #[arg(long)]
    pub schemas: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Name of the job, or its script
    pub job: String,
    #[command(flatten)]
    pub state: StateArg,
    /// So many of the newest of each kind stay; else as many as the script retains, else 1
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Savepoints too, beyond the newest ones that --keep says
    #[arg(long)]
    pub savepoints: bool,
    /// Damaged snapshots too, whatever their age, which cannot be told
    #[arg(long)]
    pub damaged: bool,
    /// Only what was completed so long ago: 12h, 7d, 1month
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub older_than: Option<std::time::Duration>,
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The snapshot: its id, latest or earliest
    #[arg(value_name = "REF")]
    pub reference: Reference,
    /// Where to: a directory, or the URL of one (file, s3, gs, az, hdfs)
    #[arg(value_name = "URL")]
    pub to: String,
    #[command(flatten)]
    pub of: OfJob,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("place").required(true).args(["binlog", "gtids"]))]
pub struct EditArgs {
    /// The snapshot: its id, latest, earliest, or the path or URL of an exported one
    #[arg(value_name = "REF")]
    pub reference: Reference,
    #[command(flatten)]
    pub of: OfJob,
    /// The edge between two transactions, after which the next start goes on
    #[arg(long, value_name = "FILE:POS")]
    pub binlog: Option<String>,
    /// The transactions that count as applied: a GTID set, or on MariaDB the last of each domain
    #[arg(long, value_name = "SET")]
    pub gtids: Option<String>,
    /// Why, for whoever lists the snapshots later
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Do it. Without this, it is only said what it would do
    #[arg(long)]
    pub i_understand: bool,
}

//! What users type.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU32};

use clap::{Args, Parser, Subcommand, ValueEnum};
use job::TablePatterns;
use state::StateUrl;

use crate::commands::reference::Reference;
use crate::daemon::From;

/// Replicates MySQL and MariaDB tables: a snapshot, then the binlog for ever, exactly once.
#[derive(Debug, Parser)]
#[command(name = "seachange", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job until it ends or is stopped
    #[command(after_help = "\
Examples:
  seachange run emp_1.sql
  seachange run emp_1.sql --state /var/lib/seachange --set hostname=db.example --set port=3307
  seachange run emp_1.sql --state 's3://bucket/cdc?region=eu-west-1'
  seachange run emp_1.sql --from 17          resume from snapshot 17, this time only
  seachange run emp_1.sql --from /backup/savepoint-emp_1-17-0badcafe
  seachange run emp_1.sql --resnapshot emp_1.employees_1      read this table again
  seachange run orders.yaml                  a pipeline in the form of Flink CDC's
  seachange run emp_1.sql --http 8083
  curl -X POST http://127.0.0.1:8083/api/v1/savepoints -d '{\"note\": \"before the upgrade\"}'

Output of a print sink goes to stdout, everything else to stderr. SIGTERM or Ctrl-C takes a
savepoint and stops; a second one stops at once. SIGUSR1 takes a savepoint, and the job goes on. Exit codes: 0 done, 1 failed after its restarts,
2 wrong usage or script.")]
    Run(RunArgs),
    /// Check that the source is fit for a job, and list its tables
    #[command(after_help = "\
Example:
  seachange check emp_1.sql

Exit codes: 0 fit, 2 wrong usage or script, 3 something is to be mended (the fix is shown).")]
    Check(CheckArgs),
    /// Compare a job's tables in Doris or StarRocks with their sources, key by key
    #[command(after_help = "\
Examples:
  seachange verify emp_1.sql
  seachange verify emp_1.sql --tables 'emp_1\\.employees_.*' --json
  seachange verify emp_1.sql --rows-per-second 20000 --parallelism 1      kind to busy servers
  seachange verify emp_1.sql --show-values --keys 100 --wait 5m

Only reads, from the source, the target and the job's state, while the job runs or is stopped.
See docs/verify.md. Exit codes: 0 equal, 1 failed to run, 2 wrong usage or script, 3 not equal: rows
differ or never stood still, a table or a column is missing, or a table could not be compared.")]
    Verify(VerifyArgs),
    /// List checkpoints and savepoints, newest first, each read and verified
    #[command(after_help = "\
Examples:
  seachange snapshots                        of all jobs under ./seachange-state
  seachange snapshots emp_1 --json --state /var/lib/seachange
  seachange snapshots emp_1.sql --verify     every byte again, also of held XA rows

On a terminal that is too narrow for the table, a list. Exit codes: 0 done, 1 failed, or --verify
found damage, 2 wrong usage.")]
    Snapshots(SnapshotsArgs),
    /// Show what one checkpoint or savepoint holds
    #[command(after_help = "\
Examples:
  seachange inspect 17 --job emp_1
  seachange inspect latest --schemas --json
  seachange inspect /backup/savepoint-emp_1-17-0badcafe
  seachange inspect --diff 17 latest         how far apart, and what changed in between

Exit codes: 0 done, 1 failed, 2 wrong usage.")]
    Inspect(InspectArgs),
    /// Remove old snapshots of a job that is stopped
    #[command(after_help = "\
Examples:
  seachange prune emp_1 --keep 3             checkpoints beyond the 3 newest
  seachange prune emp_1.sql --savepoints --older-than 30d --dry-run

Savepoints stay unless asked for, and so do damaged snapshots. The newest valid snapshot always
stays. Exit codes: 0 done, 1 failed (the job runs, for instance), 2 wrong usage.")]
    Prune(PruneArgs),
    /// Copy one checkpoint or savepoint out of the state, to restore from anywhere
    #[command(after_help = "\
Examples:
  seachange copy latest /backup --job emp_1
  seachange copy 17 's3://bucket/savepoints?region=eu-central-1' --json

A new directory is made there, with the rows of prepared XA transactions; nothing is overwritten.
It is read back and verified. What is printed is what `run --from` takes. Exit codes: 0 done,
1 failed, 2 wrong usage.")]
    Copy(CopyArgs),
    /// Make a new savepoint like another, at another position of the binlog
    #[command(after_help = "\
Examples:
  seachange edit latest --binlog binlog.000123:4711               says what it would do
  seachange edit 17 --gtids '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-57' --i-understand \\
      --note 'past the broken transaction'

It breaks what Seachange promises: changes between the two positions are lost, or come again. The
old snapshot stays as it is. Exit codes: 0 done, 1 failed (the job runs, for instance), 2 wrong
usage, or nothing was done for want of --i-understand.")]
    Edit(EditArgs),
}

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

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected K=V, for instance port=3307")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

fn tables(text: &str) -> Result<TablePatterns, String> {
    TablePatterns::new(None, Some(text), None).map_err(|error| error.to_string())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let expected = "expected a port, or an address with one: 8083, 127.0.0.1:8083, [::1]:8083";
    text.parse().map_err(|_| expected.to_owned())
}

fn from(text: &str) -> Result<From, String> {
    Ok(match text {
        "latest" => From::Latest,
        "earliest" => From::Earliest,
        "none" => From::Nothing,
        // A slip in one of the words is no path.
        path if path.contains('/') => From::Elsewhere(path.to_owned()),
        id => From::Id(id.parse().map_err(|_| {
            "expected latest, earliest, none, the number of a snapshot (`seachange snapshots`), or a \
             path or URL with a `/` in it"
        })?),
    })
}

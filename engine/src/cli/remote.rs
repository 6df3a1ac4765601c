//! Arguments of the commands that ask a daemon.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::values::{begin, event_kind, job_state, stop_kind, strategy};
use crate::api::{Begin, EventKind, JobState, StopKind, Strategy};
use crate::client::ServerUrl;

#[derive(Debug, Subcommand)]
pub enum RemoteCommand {
    /// Give a daemon a job: its script, and a name
    #[command(after_help = "\
Examples:
  seachange submit emp_1.sql --start --wait
  seachange submit orders.yaml --name retail/orders/emp_sync --note 'ticket 4711'
  seachange submit emp_1.sql --update                  there already: a new version of its script
  seachange submit emp_1.sql --apply --wait=2m         the same, and it runs by it

A script that is there already, word for word, is answered as if it were new. Exit codes: 0 done,
1 failed or refused, 2 wrong usage or script (each fault with its line).")]
    Submit(SubmitArgs),
    /// List the jobs of a daemon
    #[command(after_help = "\
Examples:
  seachange jobs
  seachange jobs --tree --folder retail
  seachange jobs --search emp --state failed --state restarting
  seachange jobs --json --server https://cdc.example:8083 --ca ca.pem

Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Jobs(JobsArgs),
    /// Show how a job of a daemon stands
    #[command(after_help = "\
Examples:
  seachange show retail/orders/emp_sync
  seachange show emp_1 --json

Exit codes: 0 done, 1 failed or refused (no such job, for instance), 2 wrong usage.")]
    Show(JobArgs),
    /// Start a job of a daemon
    #[command(after_help = "\
Examples:
  seachange start emp_1 --wait                 until every table follows the binlog
  seachange start emp_1 --from 17              from snapshot 17, this time only
  seachange start emp_1 --resnapshot emp_1.employees_1 --wait=10m

A job that runs already is left alone. Exit codes: 0 done, 1 failed or refused (with --wait also:
the job failed, or the time is over), 2 wrong usage.")]
    Start(StartArgs),
    /// Stop a job of a daemon, by a savepoint or without
    #[command(after_help = "\
Examples:
  seachange stop emp_1                         savepoint, verified, then the end
  seachange stop emp_1 --kind savepoint --note 'before the upgrade'
  seachange stop emp_1 --kind cancel           at once, without a savepoint

Comes back when the job has ended. Where no savepoint can be taken the job runs on, and the exit
code is 1. Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Stop(StopArgs),
    /// Pause a job of a daemon: a savepoint, then rest until `resume`
    #[command(after_help = "\
Example:
  seachange pause emp_1 --note 'maintenance of the source'

A restart of the daemon leaves it paused. Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Pause(HaltArgs),
    /// Start a paused job where it paused
    #[command(after_help = "\
Example:
  seachange resume emp_1 --wait

Exit codes: 0 done, 1 failed or refused (with --wait also: the job failed), 2 wrong usage.")]
    Resume(ResumeArgs),
    /// Take a savepoint of a job that runs, and goes on
    #[command(after_help = "\
Example:
  seachange savepoint emp_1 --note 'before the migration'

Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Savepoint(HaltArgs),
    /// Start a job again from one of its snapshots, ending it first if it runs
    #[command(after_help = "\
Examples:
  seachange snapshots emp_1 --server http://127.0.0.1:8083
  seachange restore emp_1 17 --wait

For this start alone: later starts go on from the newest snapshot, or as the job's strategy says.
Exit codes: 0 done, 1 failed or refused (with --wait also: the job failed), 2 wrong usage.")]
    Restore(RestoreArgs),
    /// Give a job of a daemon a new version of its script, or another strategy
    #[command(after_help = "\
Examples:
  seachange update emp_1 emp_1.sql             from its next start on
  seachange update emp_1 emp_1.sql --apply     now: savepoint, then start by the new script
  seachange update emp_1 --strategy earliest

A value `******` in the script stands for what the version before it holds there. Exit codes:
0 done, 1 failed or refused, 2 wrong usage or script.")]
    Update(UpdateArgs),
    /// List the versions of a job's script, print one, or compare two
    #[command(after_help = "\
Examples:
  seachange versions emp_1
  seachange versions emp_1 3 > emp_1.sql       secrets read ******
  seachange versions emp_1 --diff 2 3

Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Versions(VersionsArgs),
    /// Show a job's tables; read some again, follow more, or fewer
    #[command(after_help = "\
Examples:
  seachange tables emp_1
  seachange tables emp_1 resnapshot emp_1.employees_1      read it from the start again
  seachange tables emp_1 release emp_1.employees_1         the same of one in quarantine
  seachange tables emp_1 add emp_1.employees_3             a new version of the script, applied
  seachange tables emp_1 drop emp_1.employees_3            nothing is removed from the sinks

Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Tables(TablesArgs),
    /// Show what happened to a job, or to all
    #[command(after_help = "\
Examples:
  seachange events                             of all jobs, the newest last
  seachange events emp_1 --kind state --kind audit
  seachange events --follow --json             one line each, for programs

Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Events(EventsArgs),
    /// Show what a job's print sink wrote of late
    #[command(after_help = "\
Examples:
  seachange output emp_1
  seachange output emp_1 --follow

Exit codes: 0 done, 1 failed or refused, 2 wrong usage.")]
    Output(OutputArgs),
    /// Forget a job that is stopped
    #[command(after_help = "\
Examples:
  seachange delete emp_1                       its snapshots stay
  seachange delete emp_1 --snapshots           they go too, but for those that were exported

Exit codes: 0 done, 1 failed or refused (it runs, for instance), 2 wrong usage.")]
    Delete(DeleteArgs),
    /// Ask whether a daemon answers, or a job that runs with --http
    #[command(after_help = "\
Examples:
  seachange health                             it answers: of use as the health check of a container
  seachange health --ready                     its jobs are back; of `run --http`: the job runs
  seachange health --server https://cdc.example:8083 --ca ca.pem

Asks once, without a token, and waits 4 s at most. Exit codes: 0 yes, 1 no, 2 wrong usage.")]
    Health(HealthArgs),
}

/// Which daemon is asked, and how it answers.
#[derive(Debug, Args)]
pub struct AskArgs {
    #[command(flatten)]
    pub link: LinkArgs,
    /// Where the daemon answers
    #[arg(
        long,
        value_name = "URL",
        env = "SEACHANGE_SERVER",
        default_value = "http://127.0.0.1:8083",
        help_heading = "Daemon"
    )]
    pub server: ServerUrl,
    /// Print the daemon's JSON
    #[arg(long)]
    pub json: bool,
}

/// How a daemon lets us in. The token is no argument, for others see those.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// File with the daemon's token in one line; else SEACHANGE_TOKEN holds it, where one is needed
    #[arg(long, value_name = "FILE", help_heading = "Daemon")]
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) that are believed of an https:// daemon, and no others; else the system's
    #[arg(long, value_name = "FILE", help_heading = "Daemon")]
    pub ca: Option<PathBuf>,
}

/// Whether a start is waited for.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Wait until every table follows the binlog, or so long: --wait=90s
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        value_parser = humantime::parse_duration
    )]
    pub wait: Option<Option<Duration>>,
}

#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The job: a script with SET statements and EXECUTE CDCSOURCE, or a pipeline in YAML; - is
    /// standard input
    pub script: PathBuf,
    /// Its name, a path whose folders are those of the tree; else the script's `pipeline.name`
    #[arg(long, value_name = "PATH")]
    pub name: Option<String>,
    /// Start it at once
    #[arg(long)]
    pub start: bool,
    /// Where its starts begin, this one and later ones
    #[arg(long, value_parser = strategy())]
    pub strategy: Option<Strategy>,
    /// Run what Dinky would run where the script is not clean, with a warning each time
    #[arg(long)]
    pub lenient: bool,
    /// For whoever lists the versions later
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub note: String,
    /// Where the job is there already, make this the new version of its script, from its next start
    #[arg(long)]
    pub update: bool,
    /// The same, and if it runs, stop it by a savepoint and start it by the new script
    #[arg(long)]
    pub apply: bool,
    #[command(flatten)]
    pub wait: WaitArgs,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Only jobs with this in their name, whatever its case
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Only jobs in this state; may be given several times
    #[arg(long, value_parser = job_state())]
    pub state: Vec<JobState>,
    /// Only jobs below this path
    #[arg(long, value_name = "PATH")]
    pub folder: Option<String>,
    /// As a tree of folders
    #[arg(long, conflicts_with = "json")]
    pub tree: bool,
    /// No more than these, by name; else all, but of --json the first 5000
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Those behind this name
    #[arg(long, value_name = "PATH")]
    pub after: Option<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct JobArgs {
    /// Name of the job
    pub job: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct StartArgs {
    /// Name of the job
    pub job: String,
    /// Begin with, for this start alone: latest, earliest, none, or one snapshot: its id, or the path
    /// or URL of an exported one; else as the job's strategy says
    #[arg(long, value_parser = begin)]
    pub from: Option<Begin>,
    /// Where the newest snapshot is damaged, go on from the newest valid one, unless a sink would
    /// then repeat what it has committed
    #[arg(long)]
    pub allow_fallback: bool,
    /// Read this table from the start again, as it is today, while the others go on; takes it out
    /// of quarantine. May be given several times
    #[arg(long, value_name = "DB.TABLE")]
    pub resnapshot: Vec<String>,
    #[command(flatten)]
    pub wait: WaitArgs,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct StopArgs {
    /// Name of the job
    pub job: String,
    /// smart: a savepoint that is read back, then the end; savepoint: the same, marked as yours;
    /// cancel: at once, without one
    #[arg(long, default_value = "smart", value_parser = stop_kind())]
    pub kind: StopKind,
    /// To the savepoint, for whoever lists the snapshots later
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub note: String,
    /// How long its end is waited for; else as long as it takes. The daemon goes on stopping it
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        value_parser = humantime::parse_duration
    )]
    pub wait: Option<Option<Duration>>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct HaltArgs {
    /// Name of the job
    pub job: String,
    /// To the savepoint, for whoever lists the snapshots later
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub note: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Name of the job
    pub job: String,
    #[command(flatten)]
    pub wait: WaitArgs,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Name of the job
    pub job: String,
    /// The snapshot: its id, or the path or URL of an exported one
    pub snapshot: String,
    #[command(flatten)]
    pub wait: WaitArgs,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Name of the job
    pub job: String,
    /// The whole new script; - is standard input
    #[arg(required_unless_present = "strategy")]
    pub script: Option<PathBuf>,
    /// If it runs, stop it by a savepoint and start it by the new script
    #[arg(long)]
    pub apply: bool,
    /// Where its starts begin, from now on
    #[arg(long, value_parser = strategy())]
    pub strategy: Option<Strategy>,
    /// The version that this one follows: refused where it is not the newest any more
    #[arg(long, value_name = "N")]
    pub after: Option<u32>,
    /// For whoever lists the versions later
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub note: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct VersionsArgs {
    /// Name of the job
    pub job: String,
    /// Print the script of this version
    #[arg(value_name = "N")]
    pub number: Option<u32>,
    /// What differs between two versions, line by line
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["number", "json"])]
    pub diff: Option<Vec<u32>>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct TablesArgs {
    /// Name of the job
    pub job: String,
    /// What to do with tables; else they are listed
    #[arg(value_enum, requires = "tables")]
    pub change: Option<TableChange>,
    /// Their exact names, db.table
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableChange {
    /// Read them from the start again: savepoint, restart
    Resnapshot,
    /// The same of tables in quarantine
    Release,
    /// Follow them too
    Add,
    /// Follow them no more
    Drop,
}

#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Name of the job; else of all jobs, and of the daemon
    pub job: Option<String>,
    /// Go on with what happens from now
    #[arg(long, short)]
    pub follow: bool,
    /// So many of the newest
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Only of this kind; may be given several times
    #[arg(long, value_parser = event_kind())]
    pub kind: Vec<EventKind>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Name of the job
    pub job: String,
    /// Go on with what is written from now
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Name of the job
    pub job: String,
    /// Its checkpoints and savepoints too
    #[arg(long)]
    pub snapshots: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Whether it is ready, too
    #[arg(long)]
    pub ready: bool,
    /// Where it answers
    #[arg(
        long,
        value_name = "URL",
        env = "SEACHANGE_SERVER",
        default_value = "http://127.0.0.1:8083",
        help_heading = "Daemon"
    )]
    pub server: ServerUrl,
    /// Certificates (PEM) that are believed of an https:// daemon, and no others; else the system's
    #[arg(long, value_name = "FILE", help_heading = "Daemon")]
    pub ca: Option<PathBuf>,
}

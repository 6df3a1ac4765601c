//! What users type.

mod daemon;
mod help;
mod local;
mod remote;
#[cfg(test)]
mod tests;
mod tools;
mod values;

use clap::{Parser, Subcommand};

pub use self::daemon::{ServeArgs, TokenArgs, TokenCommand, TokenFileArgs, TokenRole};
pub use self::help::command;
pub use self::local::{
    CheckArgs, CopyArgs, EditArgs, InspectArgs, OfJob, OnTerm, PruneArgs, RunArgs, ScriptArgs,
    SnapshotsArgs, StateArg, VerifyArgs,
};
pub use self::remote::{
    AskArgs, DeleteArgs, EventsArgs, HaltArgs, HealthArgs, JobArgs, JobsArgs, LinkArgs, OutputArgs,
    RemoteCommand, RestoreArgs, ResumeArgs, StartArgs, StopArgs, SubmitArgs, TableChange,
    TablesArgs, UpdateArgs, VersionsArgs, WaitArgs,
};
pub use self::tools::{
    AlertsCommand, AlertsTestArgs, CompletionsArgs, ManArgs, Shell, ToolCommand,
};

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
  seachange snapshots emp_1 --server http://127.0.0.1:8083      of a job of this daemon

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
    /// Run many jobs, with an HTTP API and a page
    #[command(after_help = "\
Examples:
  seachange serve
  seachange serve --config /etc/seachange/seachange.toml
  seachange serve --config seachange.toml --check-config     what it says, or what is wrong with it
  seachange serve --listen 8083

Jobs come back by themselves as they were left. SIGTERM and Ctrl-C take a savepoint of each job that
runs, and end; a second one ends at once. Logs go to stderr. Exit codes: 0 done, 1 failed or stopped
at once, 2 wrong usage or configuration.")]
    Serve(ServeArgs),
    /// Make, list and revoke the tokens that a daemon asks for
    #[command(after_help = "\
Examples:
  seachange token new alice --role operator --config /etc/seachange/seachange.toml
  seachange token new grafana --role viewer --file /var/lib/seachange/tokens.toml
  seachange token list
  seachange token revoke alice

A running daemon sees each change at once. The token goes to stdout, alone. See docs/security.md.
Exit codes: 0 done, 1 failed, 2 wrong usage.")]
    Token(TokenArgs),
    #[command(flatten)]
    Remote(RemoteCommand),
    #[command(flatten)]
    Tool(ToolCommand),
}

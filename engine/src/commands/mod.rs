//! One command per file. Each gives its exit code; an error is printed once, by `main`.

pub mod check;
pub mod inspect;
pub mod run;
pub mod snapshots;

use std::path::Path;

use job::{JobSpec, Mode, Surroundings};

use crate::cli::ScriptArgs;

/// Exit codes of the whole program.
pub mod exit {
    pub const DONE: u8 = 0;
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const CHECK: u8 = 3;
}

/// An error that is the user's to mend before anything runs: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The process's environment and files, and the sinks' options.
struct World;

impl Surroundings for World {
    fn env(&self, name: &str) -> Option<String> {
        job::Process.env(name)
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        job::Process.file(path)
    }

    fn sink_options(&self, connector: &str) -> Option<Vec<String>> {
        let options = sinks::options(connector);
        (!options.is_empty()).then(|| options.iter().map(|o| o.name.to_owned()).collect())
    }
}

/// Reads the script that the arguments name.
pub fn read_job(args: &ScriptArgs) -> anyhow::Result<JobSpec> {
    let path = args.job.display().to_string();
    let text = std::fs::read_to_string(&args.job)
        .map_err(|e| Usage(format!("cannot read the job script {path}: {e}")))?;
    let mode = if args.lenient { Mode::Lenient } else { Mode::Strict };
    job::parse(&text, &path, mode, &args.set, &World).map_err(|e| Usage(e.to_string()).into())
}

/// The name of the job that `text` means: a script's, or the text itself. A script's secrets may be
/// missing here.
fn job_name(text: &str) -> anyhow::Result<String> {
    if !Path::new(text).is_file() {
        return Ok(text.to_owned());
    }
    let script = std::fs::read_to_string(text)
        .map_err(|e| Usage(format!("cannot read the job script {text}: {e}")))?;
    Ok(job::job_name(&script, text, &[], &World))
}

/// Milliseconds since the epoch as RFC 3339, UTC.
fn time_text(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map(|t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .unwrap_or_default()
}

/// Prints a command's answer. A reader that has seen enough and closes the pipe is no failure.
fn show(text: impl std::fmt::Display) -> std::io::Result<()> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

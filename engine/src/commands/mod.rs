//! One command per file. Each gives its exit code; an error is printed once, by `main`.

pub mod alerts;
pub mod check;
pub mod copy;
mod diff;
pub mod edit;
pub mod inspect;
pub mod prune;
pub mod reference;
pub mod remote;
pub mod run;
pub mod serve;
mod snapshot_bytes;
pub mod snapshots;
pub mod token;
pub mod tools;
pub mod verify;
pub(crate) mod words;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use job::{JobSpec, Mode, Surroundings};
use model::CheckpointStore;
use model::checkpoint::Fence;
use state::{JobOptions, StateUrl};

use crate::cli::{ScriptArgs, StateArg};
use crate::transform::Transforms;

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
pub(crate) struct World;

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
    let text = std::fs::read_to_string(&args.job).map_err(|e| {
        let what = format!("cannot read the job script {path}: {e}");
        Usage(format!("{what} (the path of a file is wanted here, not the name of a job)"))
    })?;
    let mode = if args.lenient { Mode::Lenient } else { Mode::Strict };
    let job =
        job::parse(&text, &path, mode, &args.set, &World).map_err(|e| Usage(e.to_string()))?;
    Transforms::read(&job.transforms, job.time_zone).map_err(Usage)?;
    Ok(job)
}

/// Where the state is: as the command line says, else as the job's script does, else beside us.
fn state_url(arg: &StateArg, script: Option<&str>) -> Result<StateUrl, Usage> {
    match (&arg.state, script) {
        (Some(given), _) => Ok(given.clone()),
        (None, Some(dir)) => {
            dir.parse().map_err(|e| Usage(format!("`execution.checkpointing.dir`: {e}")))
        }
        (None, None) => Ok(StateUrl::default()),
    }
}

/// What a user names by a job's name or by its script. A script's secrets may be missing here.
struct Named {
    job: String,
    state: StateUrl,
    /// `execution.checkpointing.num-retained`, where a script says it.
    retained: Option<NonZeroU32>,
}

fn named(text: &str, state: &StateArg) -> anyhow::Result<Named> {
    if !Path::new(text).is_file() {
        let state = state_url(state, None)?;
        return Ok(Named { job: text.to_owned(), state, retained: None });
    }
    let script = std::fs::read_to_string(text)
        .map_err(|e| Usage(format!("cannot read the job script {text}: {e}")))?;
    let job = job::identity(&script, text, &[], &World);
    let state = state_url(state, job.checkpoint_dir.as_deref())?;
    Ok(Named { job: job.name, state, retained: Some(job.num_retained) })
}

/// The job that `--job` names, else the only one there is.
async fn named_or_only(job: Option<&str>, state: &StateArg) -> anyhow::Result<Named> {
    if let Some(job) = job {
        return named(job, state);
    }
    let url = state_url(state, None)?;
    let jobs = state::jobs(&url).await?;
    match jobs.as_slice() {
        [only] => Ok(Named { job: only.clone(), state: url, retained: None }),
        [] => Err(Usage(format!("there is no job in {url}")).into()),
        many => Err(Usage(format!("which job? name it with --job: {}", many.join(", "))).into()),
    }
}

/// Takes a job that nobody runs, to write to its state.
async fn taken(
    named: &Named,
    state: &StateArg,
) -> anyhow::Result<(Arc<dyn CheckpointStore>, Fence)> {
    let options = JobOptions { work_dir: state.work_dir.clone(), ..JobOptions::default() };
    let store = state::open_job(&named.state, &named.job, &options).await?.checkpoints;
    let fence = store.acquire().await?;
    Ok((store, fence))
}

/// Prints a command's answer. A reader that has seen enough and closes the pipe is no failure.
fn show(text: impl std::fmt::Display) -> std::io::Result<()> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

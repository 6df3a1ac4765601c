//! Why something that was asked for is not done.

use crate::api::Told;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no job `{0}`")]
    NoJob(String),
    #[error("job `{job}` has no version {number} of its script")]
    NoVersion { job: String, number: u32 },
    /// A name or a value that cannot be.
    #[error("{0}")]
    Bad(String),
    /// The job's state does not allow it, and what does.
    #[error("{0}")]
    InTheWay(String),
    #[error("version {asked} is not the newest: {newest} is, look at it first")]
    Outdated { asked: u32, newest: u32 },
    #[error("{}", list(.0))]
    Script(Vec<Told>),
    /// No such snapshot, or it cannot be restored.
    #[error("{0}")]
    Snapshot(String),
    /// Nothing was taken; the job runs on.
    #[error("no savepoint was taken, and the job runs on: {0}")]
    SavepointFailed(String),
    #[error("the daemon is ending")]
    Leaving,
    /// What the daemon keeps could not be read or written.
    #[error("{0}")]
    State(String),
}

fn list(errors: &[Told]) -> String {
    let lines: Vec<String> = errors
        .iter()
        .map(|told| match (told.line, told.column) {
            (Some(line), Some(column)) => format!("{line}:{column}: {}", told.message),
            _ => told.message.clone(),
        })
        .collect();
    lines.join("\n")
}

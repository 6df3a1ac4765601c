//! `/metrics`: how jobs and the process stand, for Prometheus.
//!
//! Nothing is kept for it: a page is rendered from what is counted anyway, when it is asked for.

mod jobs;
mod names;
mod process;
mod tables;
mod text;

use std::sync::Arc;

pub use self::names::ALL;
pub use self::process::Process;
use self::text::Family;
pub use self::text::{Kind, Metric};
use crate::api::JobState;
use crate::lag::Behind;
use crate::meters::Meters;
use crate::source::status::Status;

/// What a page is served as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Tables with series of their own, over all jobs: seven lines each at least.
pub const TABLES_SHOWN_MAX: usize = 20_000;

/// A job, as the page shows it.
#[derive(Debug, Clone)]
pub struct JobMetrics {
    pub name: String,
    pub state: JobState,
    /// Of the run that is under way, or the last one; `None`: it never ran in this process.
    pub run: Option<RunMetrics>,
}

/// The numbers of a job that runs or ran.
#[derive(Debug, Clone)]
pub struct RunMetrics {
    pub status: Status,
    pub meters: Arc<Meters>,
    /// `None` where it was not measured, as of a job that does not run.
    pub behind: Option<Behind>,
}

/// Whether tables have series of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerTable {
    Shown,
    LeftOut,
}

/// The page. Jobs come in the order given.
pub fn render(process: &Process, jobs: &[JobMetrics], tables: PerTable) -> String {
    let mut page = String::new();
    about_process(&mut page, process, jobs);
    jobs::write(&mut page, jobs);
    tables::write(&mut page, jobs, tables);
    page
}

fn about_process(page: &mut String, process: &Process, jobs: &[JobMetrics]) {
    Family::of(page, &names::BUILD).put(&[env!("CARGO_PKG_VERSION")], 1);
    let mut family = Family::of(page, &names::JOBS);
    for state in JobState::ALL {
        let count = jobs.iter().filter(|job| job.state == state).count();
        family.put(&[state.name()], count);
    }
    Family::of(page, &names::RSS).put_some(&[], process.resident_bytes);
    Family::of(page, &names::CPU).put_some(&[], process.cpu_seconds);
    Family::of(page, &names::FDS).put_some(&[], process.open_fds);
    Family::of(page, &names::FDS_MAX).put_some(&[], process.max_fds);
}

#[cfg(test)]
mod tests;

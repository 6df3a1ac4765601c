//! Many jobs in one process: kept, started, watched, stopped, and brought back after a restart.

mod refused;

use tokio::sync::broadcast;

pub use self::refused::Refused;
use crate::api::{
    Counts, DeleteWish, Edited, Event, EventKind, Events, Halted, JobDetail, JobList, JobState,
    JobSummary, Line, Output, PauseWish, RestoreWish, Sample, Samples, SavepointWish, Snapshot,
    Snapshots, StartWish, StopWish, SubmitWish, TableWish, Tables, UpdateWish, ValidateWish,
    Validated, VersionText, Versions,
};

/// Which jobs are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Part of the name, whatever its case.
    pub search: Option<String>,
    /// Empty: all.
    pub states: Vec<JobState>,
    /// Jobs below this path.
    pub folder: Option<String>,
    pub limit: usize,
    /// The name after which the page begins.
    pub after: Option<String>,
}

/// Which events are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsQuery {
    pub job: Option<String>,
    /// Empty: all.
    pub kinds: Vec<EventKind>,
    pub limit: usize,
    /// Only those with a smaller id.
    pub before: Option<u64>,
    /// Only those with a greater id; then the oldest of them, in their order.
    pub after: Option<u64>,
}

/// What watchers are told. Whoever lags is told so by the channel and asks anew.
#[derive(Debug, Clone)]
pub enum News {
    Event(Event),
    /// A job stands differently; or is gone.
    Job(String),
    Output(String, Line),
    Sample(String, Sample),
}

/// A submitted job.
#[derive(Debug, Clone)]
pub struct Submitted {
    pub job: JobDetail,
    /// False: that very script was there already.
    pub is_new: bool,
}

/// The jobs of a daemon. Who asks is told as `by`, for the events.
pub struct Jobs {}

impl Jobs {
    pub fn list(&self, query: &ListQuery) -> JobList {
        todo!()
    }
    pub fn counts(&self) -> Counts {
        todo!()
    }
    /// One line of the list; `None`: no such job.
    pub fn summary(&self, job: &str) -> Option<JobSummary> {
        todo!()
    }
    pub fn detail(&self, job: &str) -> Result<JobDetail, Refused> {
        todo!()
    }
    pub async fn submit(&self, wish: SubmitWish, by: &str) -> Result<Submitted, Refused> {
        todo!()
    }
    pub async fn validate(&self, wish: ValidateWish) -> Result<Validated, Refused> {
        todo!()
    }
    pub async fn update(&self, job: &str, wish: UpdateWish, by: &str) -> Result<Edited, Refused> {
        todo!()
    }
    pub async fn delete(&self, job: &str, wish: DeleteWish, by: &str) -> Result<(), Refused> {
        todo!()
    }
    pub async fn start(&self, job: &str, wish: StartWish, by: &str) -> Result<JobDetail, Refused> {
        todo!()
    }
    pub async fn stop(&self, job: &str, wish: StopWish, by: &str) -> Result<Halted, Refused> {
        todo!()
    }
    pub async fn pause(&self, job: &str, wish: PauseWish, by: &str) -> Result<Halted, Refused> {
        todo!()
    }
    pub async fn resume(&self, job: &str, by: &str) -> Result<JobDetail, Refused> {
        todo!()
    }
    pub async fn savepoint(
        &self,
        job: &str,
        wish: SavepointWish,
        by: &str,
    ) -> Result<Snapshot, Refused> {
        todo!()
    }
    pub async fn snapshots(&self, job: &str) -> Result<Snapshots, Refused> {
        todo!()
    }
    pub async fn restore(
        &self,
        job: &str,
        wish: RestoreWish,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        todo!()
    }
    pub async fn events(&self, query: &EventsQuery) -> Result<Events, Refused> {
        todo!()
    }
    pub fn output(&self, job: &str, after: u64, limit: usize) -> Result<Output, Refused> {
        todo!()
    }
    pub fn samples(&self, job: &str, after_ms: i64) -> Result<Samples, Refused> {
        todo!()
    }
    pub fn tables(&self, job: &str) -> Result<Tables, Refused> {
        todo!()
    }
    pub async fn resnapshot(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        todo!()
    }
    pub async fn release(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        todo!()
    }
    pub async fn add_tables(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<Edited, Refused> {
        todo!()
    }
    pub async fn drop_tables(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<Edited, Refused> {
        todo!()
    }
    pub async fn versions(&self, job: &str) -> Result<Versions, Refused> {
        todo!()
    }
    pub async fn version(&self, job: &str, number: u32) -> Result<VersionText, Refused> {
        todo!()
    }
    /// From now on.
    pub fn news(&self) -> broadcast::Receiver<News> {
        todo!()
    }
    /// The daemon has tried to bring back every job that is to run.
    pub fn is_ready(&self) -> bool {
        todo!()
    }
}

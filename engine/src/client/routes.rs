//! The routes of `docs/api.md` that the commands use.

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::{Again, Call};
use super::{Client, ClientError, Reply};
use crate::api::{
    DeleteWish, Edited, EventKind, Events, Halted, JobDetail, JobList, JobState, Output, PauseWish,
    RestoreWish, SavepointWish, Snapshot, Snapshots, StartWish, StopWish, SubmitWish, TableWish,
    Tables, UpdateWish, ValidateWish, Validated, VersionText, Versions,
};

type Answer<T> = Result<Reply<T>, ClientError>;

/// Which jobs are listed.
#[derive(Debug, Clone, Default)]
pub struct JobsAsked {
    pub search: Option<String>,
    pub states: Vec<JobState>,
    pub folder: Option<String>,
    pub limit: Option<usize>,
    pub after: Option<String>,
}

/// Which events are listed; of all jobs where none is named.
#[derive(Debug, Clone, Default)]
pub struct EventsAsked {
    pub job: Option<String>,
    pub kinds: Vec<EventKind>,
    pub limit: Option<usize>,
    pub before: Option<u64>,
}

impl Client {
    /// One page.
    pub async fn jobs(&self, asked: &JobsAsked) -> Answer<JobList> {
        let mut call = Call::get(&["jobs"])
            .with("search", asked.search.as_ref())
            .with("folder", asked.folder.as_ref())
            .with("limit", asked.limit)
            .with("after", asked.after.as_ref());
        for state in &asked.states {
            call = call.with("state", Some(state.name()));
        }
        self.ask(call).await
    }

    /// Status 201: it is new; 200: that very script was there already.
    pub async fn submit(&self, wish: &SubmitWish) -> Answer<JobDetail> {
        self.ask(Call::change(Method::POST, &["jobs"], wish, Again::ByKey)?).await
    }

    pub async fn validate(&self, wish: &ValidateWish) -> Answer<Validated> {
        self.ask(Call::change(Method::POST, &["validate"], wish, Again::Always)?).await
    }

    pub async fn job(&self, job: &str) -> Answer<JobDetail> {
        self.ask(Call::get(&["jobs", job])).await
    }

    /// The same script once more changes nothing, unless it follows a version by number.
    pub async fn update(&self, job: &str, wish: &UpdateWish) -> Answer<Edited> {
        let again = if wish.after.is_none() { Again::Always } else { Again::Never };
        self.ask(Call::change(Method::PUT, &["jobs", job], wish, again)?).await
    }

    pub async fn delete(&self, job: &str, wish: DeleteWish) -> Result<(), ClientError> {
        let path = ["jobs", job];
        let call = Call { method: Method::DELETE, again: Again::Never, ..Call::get(&path) };
        self.text(&call.with("snapshots", wish.snapshots.then_some(true))).await.map(drop)
    }

    pub async fn start(&self, job: &str, wish: &StartWish) -> Answer<JobDetail> {
        // Of a place to begin at, or a table to be read again, the second time would be another.
        let is_plain = *wish == StartWish::default();
        let again = if is_plain { Again::Always } else { Again::Never };
        self.post(job, &["start"], wish, again).await
    }

    /// Answered when the job has ended.
    pub async fn stop(&self, job: &str, wish: &StopWish) -> Answer<Halted> {
        self.post(job, &["stop"], wish, Again::Always).await
    }

    pub async fn pause(&self, job: &str, wish: &PauseWish) -> Answer<Halted> {
        self.post(job, &["pause"], wish, Again::Always).await
    }

    pub async fn resume(&self, job: &str) -> Answer<JobDetail> {
        self.post(job, &["resume"], &serde_json::json!({}), Again::Always).await
    }

    pub async fn savepoint(&self, job: &str, wish: &SavepointWish) -> Answer<Snapshot> {
        self.post(job, &["savepoints"], wish, Again::ByKey).await
    }

    pub async fn restore(&self, job: &str, wish: &RestoreWish) -> Answer<JobDetail> {
        self.post(job, &["restore"], wish, Again::ByKey).await
    }

    pub async fn snapshots(&self, job: &str) -> Answer<Snapshots> {
        self.ask(Call::get(&["jobs", job, "snapshots"])).await
    }

    pub async fn events(&self, asked: &EventsAsked) -> Answer<Events> {
        let path = match &asked.job {
            Some(job) => vec!["jobs", job, "events"],
            None => vec!["events"],
        };
        let mut call = Call::get(&path).with("limit", asked.limit).with("before", asked.before);
        for kind in &asked.kinds {
            let name = serde_json::to_value(kind).unwrap_or_default();
            call = call.with("kind", name.as_str());
        }
        self.ask(call).await
    }

    /// Lines with greater numbers than `after`, oldest first.
    pub async fn output(&self, job: &str, after: u64, limit: usize) -> Answer<Output> {
        let path = ["jobs", job, "output"];
        self.ask(Call::get(&path).with("after", Some(after)).with("limit", Some(limit))).await
    }

    pub async fn tables(&self, job: &str) -> Answer<Tables> {
        self.ask(Call::get(&["jobs", job, "tables"])).await
    }

    pub async fn resnapshot(&self, job: &str, wish: &TableWish) -> Answer<JobDetail> {
        self.post(job, &["tables", "resnapshot"], wish, Again::Never).await
    }

    pub async fn release(&self, job: &str, wish: &TableWish) -> Answer<JobDetail> {
        self.post(job, &["tables", "release"], wish, Again::Never).await
    }

    pub async fn add_tables(&self, job: &str, wish: &TableWish) -> Answer<Edited> {
        self.post(job, &["tables", "add"], wish, Again::Never).await
    }

    pub async fn drop_tables(&self, job: &str, wish: &TableWish) -> Answer<Edited> {
        self.post(job, &["tables", "drop"], wish, Again::Never).await
    }

    pub async fn versions(&self, job: &str) -> Answer<Versions> {
        self.ask(Call::get(&["jobs", job, "versions"])).await
    }

    pub async fn version(&self, job: &str, number: u32) -> Answer<VersionText> {
        self.ask(Call::get(&["jobs", job, "versions", &number.to_string()])).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        job: &str,
        what: &[&str],
        wish: &impl Serialize,
        again: Again,
    ) -> Answer<T> {
        let path: Vec<&str> = ["jobs", job].into_iter().chain(what.iter().copied()).collect();
        self.ask(Call::change(Method::POST, &path, wish, again)?).await
    }
}

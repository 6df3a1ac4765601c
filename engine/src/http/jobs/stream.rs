//! Server-sent events: what changes, told to those who watch.
//!
//! A watcher holds no more than its place in the daemon's news, the names of jobs that changed within
//! a second, and a page of events it missed. Whoever reads too slowly is overtaken by the news, is
//! told `lagged`, and asks anew.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;

use super::extract::{Ask, given};
use super::refusals::{Guarded, Readable};
use super::{Served, limits};
use crate::api::{JobSummary, Line};
use crate::http::problem::Problem;
use crate::jobs::{EventsQuery, News, Refused};

const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Between two lists of jobs that changed.
const JOBS_EVERY: Duration = Duration::from_secs(1);
/// Missed events that are asked for at a time.
const MISSED_PAGE: usize = 200;
/// Ids of events that were sent from the store and may come once more: more than the news can hold.
const RESENT_MAX: usize = 4096;
/// News that are looked through before something is sent.
const NEWS_AT_A_TIME: usize = 500;
const LAST_ID: &str = "last-event-id";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamAsked {
    /// Also `output` and `sample` of this job.
    #[param(min_length = 1, max_length = 500, example = "retail/orders/emp_sync")]
    job: Option<String>,
    /// Id of an event: those behind it are sent first. `Last-Event-ID` goes before.
    #[serde(default, deserialize_with = "given")]
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9223372036854775807u64)]
    since: Option<u64>,
}

/// What changes, as it does
///
/// Server-sent events: `jobs`, a list of summaries that changed; `gone`, a list of names of jobs that
/// were deleted; `event`; with `job` also `output`, a list of lines, and `sample`; `lagged` where
/// something was left out, after which the stream ends.
#[utoipa::path(get, path = "/api/v1/stream", tag = "events", params(StreamAsked), responses(
    (status = 200, description = "Events until one side ends", body = String,
        content_type = "text/event-stream"),
    (status = 404, description = "No such `job`",
        body = crate::api::Problem, content_type = "application/problem+json"),
    Readable, Guarded,
))]
pub(super) async fn stream(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    Ask(asked): Ask<StreamAsked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    if let Some(job) = &asked.job {
        limits::job("job", job)?;
        served.jobs.summary(job).ok_or_else(|| Refused::NoJob(job.clone()))?;
    }
    limits::id("since", asked.since)?;
    let since = last_id(&headers)?.or(asked.since);
    // First the news, then what was missed: nothing falls between.
    let news = served.jobs.news();
    let watcher = Watcher::new(served, news, asked.job, since);
    let told = stream::unfold(watcher, async |mut watcher| {
        watcher.next().await.map(|event| (Ok(event), watcher))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

fn last_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get(LAST_ID).filter(|id| !id.is_empty()) else { return Ok(None) };
    let number = id.to_str().ok().and_then(|id| id.parse().ok());
    number.map(Some).ok_or_else(|| Problem::unreadable("`Last-Event-ID` is no event's id"))
}

/// Where a watcher takes its answers from.
pub(super) trait Told: Send + Sync {
    fn summary(&self, job: &str) -> Option<JobSummary>;
    fn after(
        &self,
        id: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<crate::api::Event>, Refused>> + Send;
    fn ends(&self) -> watch::Receiver<bool>;
}

impl Told for Served {
    fn summary(&self, job: &str) -> Option<JobSummary> {
        self.jobs.summary(job)
    }

    async fn after(&self, id: u64, limit: usize) -> Result<Vec<crate::api::Event>, Refused> {
        let query = EventsQuery { after: Some(id), limit, ..EventsQuery::default() };
        let mut events = self.jobs.events(&query).await?.events;
        events.sort_by_key(|event| event.id);
        Ok(events)
    }

    fn ends(&self) -> watch::Receiver<bool> {
        self.ends.clone()
    }
}

enum Woken {
    End,
    JobsDue,
    News(Result<News, RecvError>),
}

pub(super) struct Watcher<T> {
    told: Arc<T>,
    news: broadcast::Receiver<News>,
    ends: watch::Receiver<bool>,
    job: Option<String>,
    /// Events are asked for from here on, while `is_behind`.
    last: u64,
    is_behind: bool,
    /// Of those that were asked for, the newest: news may tell them once more, and in another order.
    resent: BTreeSet<u64>,
    changed: BTreeSet<String>,
    next_jobs: Instant,
    lines: Vec<Line>,
    out: VecDeque<Event>,
    is_over: bool,
}

impl<T: Told> Watcher<T> {
    pub(super) fn new(
        told: Arc<T>,
        news: broadcast::Receiver<News>,
        job: Option<String>,
        since: Option<u64>,
    ) -> Self {
        Self {
            ends: told.ends(),
            told,
            news,
            job,
            last: since.unwrap_or(0),
            is_behind: since.is_some(),
            resent: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_jobs: Instant::now(),
            lines: Vec::new(),
            out: VecDeque::new(),
            is_over: false,
        }
    }

    /// What is to be sent next; `None`: the stream is over.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.out.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            if self.is_behind {
                self.catch_up().await;
                continue;
            }
            let has_changed = !self.changed.is_empty();
            let woken = tokio::select! { biased;
                _ = self.ends.wait_for(|ends| *ends) => Woken::End,
                () = sleep_until(self.next_jobs), if has_changed => Woken::JobsDue,
                news = self.news.recv() => Woken::News(news),
            };
            match woken {
                Woken::End => self.is_over = true,
                Woken::JobsDue => self.tell_jobs(),
                Woken::News(news) => self.hear(news),
            }
        }
    }

    async fn catch_up(&mut self) {
        if *self.ends.borrow() {
            self.is_over = true;
            return;
        }
        match self.told.after(self.last, MISSED_PAGE).await {
            Ok(missed) => {
                self.is_behind = missed.len() == MISSED_PAGE;
                for event in &missed {
                    self.last = event.id;
                    self.tell_event(event);
                    self.resent.insert(event.id);
                }
                while self.resent.len() > RESENT_MAX {
                    self.resent.pop_first();
                }
            }
            Err(why) => self.give_up(&json!({ "why": why.to_string() })),
        }
    }

    fn hear(&mut self, news: Result<News, RecvError>) {
        let mut news = news;
        for _ in 0..NEWS_AT_A_TIME {
            match news {
                Ok(News::Event(event)) => self.tell_event(&event),
                Ok(News::Job(name)) => {
                    self.changed.insert(name);
                }
                Ok(News::Output(job, lines)) if self.job.as_ref() == Some(&job) => {
                    self.lines.extend(lines.iter().cloned());
                }
                Ok(News::Sample(job, sample)) if self.job.as_ref() == Some(&job) => {
                    self.tell("sample", &sample);
                }
                Ok(News::Output(..) | News::Sample(..)) => {}
                Err(RecvError::Lagged(skipped)) => {
                    self.give_up(&json!({ "skipped": skipped }));
                    break;
                }
                Err(RecvError::Closed) => {
                    self.is_over = true;
                    break;
                }
            }
            news = match self.news.try_recv() {
                Ok(more) => Ok(more),
                Err(broadcast::error::TryRecvError::Empty) => break,
                Err(broadcast::error::TryRecvError::Closed) => Err(RecvError::Closed),
                Err(broadcast::error::TryRecvError::Lagged(n)) => Err(RecvError::Lagged(n)),
            };
        }
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            self.tell("output", &lines);
        }
    }

    fn tell_event(&mut self, event: &crate::api::Event) {
        if self.resent.remove(&event.id) {
            return;
        }
        if let Ok(told) = Event::default().event("event").json_data(event) {
            self.out.push_back(told.id(event.id.to_string()));
        }
    }

    fn tell_jobs(&mut self) {
        self.next_jobs = Instant::now() + JOBS_EVERY;
        let (mut stand, mut gone) = (Vec::new(), Vec::new());
        for name in std::mem::take(&mut self.changed) {
            match self.told.summary(&name) {
                Some(summary) => stand.push(summary),
                None => gone.push(name),
            }
        }
        if !stand.is_empty() {
            self.tell("jobs", &stand);
        }
        if !gone.is_empty() {
            self.tell("gone", &gone);
        }
    }

    fn give_up(&mut self, why: &serde_json::Value) {
        self.tell("lagged", why);
        self.is_over = true;
    }

    fn tell(&mut self, kind: &str, data: &impl Serialize) {
        if let Ok(event) = Event::default().event(kind).json_data(data) {
            self.out.push_back(event);
        }
    }
}

#[cfg(test)]
mod tests;

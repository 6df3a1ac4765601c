//! What happened, kept in the registry and told to whoever watches.
//!
//! Keys: `event/` and the id (u64, big endian), and for each event of a job `of/NAME`, a zero byte and
//! the id, with nothing in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::Clock;
use state::{Registry, Writes};
use tokio::sync::broadcast;
use tracing::warn;

use super::{EventsQuery, News};
use crate::api::{Event, EventKind, Events, JobState};
use crate::error::chain;

const EVENT: &[u8] = b"event/";
const OF: &[u8] = b"of/";
/// Events that are kept, of all jobs together; the oldest go.
const KEPT_MAX: u64 = 50_000;
/// So many are dropped at a time.
const PRUNED: u64 = 500;
/// News that a slow watcher may be behind.
const NEWS: usize = 1024;
/// Events that are looked through for a query with kinds, at a time.
const PAGE: usize = 512;
/// And altogether, so that a kind that never occurs does not read all there is.
const LOOKED_AT_MAX: usize = 20_000;

pub(super) struct Log {
    registry: Registry,
    clock: Arc<dyn Clock>,
    next: AtomicU64,
    pub(super) news: broadcast::Sender<News>,
}

/// What there is to tell.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub job: Option<String>,
    pub kind: EventKind,
    pub text: String,
    pub state: Option<JobState>,
    pub by: Option<String>,
}

impl Told {
    pub(super) fn of(job: &str, kind: EventKind, text: impl Into<String>) -> Self {
        Self { job: Some(job.to_owned()), kind, text: text.into(), state: None, by: None }
    }

    pub(super) fn by(mut self, by: &str) -> Self {
        self.by = Some(by.to_owned());
        self
    }
}

impl Log {
    pub(super) async fn open(
        registry: Registry,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, model::StoreError> {
        let newest = registry.descending(EVENT, end(EVENT), 1).await?;
        let newest = newest.first().map_or(0, |(key, _)| id(key));
        let (news, _) = broadcast::channel(NEWS);
        Ok(Self { registry, clock, next: AtomicU64::new(newest + 1), news })
    }

    /// An event that cannot be kept is told all the same: what it tells of has happened.
    pub(super) async fn tell(&self, told: Told) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let Told { job, kind, text, state, by } = told;
        let event = Event { id, at_ms: self.clock.now_ms(), job, kind, text, state, by };
        let mut writes = Writes::default();
        if let Ok(value) = serde_json::to_vec(&event) {
            writes = writes.put(event_key(id), value);
        }
        if let Some(job) = &event.job {
            writes = writes.put(of_key(job, id), []);
        }
        if let Err(error) = self.registry.write(writes).await {
            warn!("an event is not kept: {}: {}", event.text, chain(&error));
        }
        let _ = self.news.send(News::Event(event));
        if id > KEPT_MAX && id.is_multiple_of(PRUNED) {
            self.prune(id - KEPT_MAX).await;
        }
    }

    async fn prune(&self, below: u64) {
        let Ok(old) = self.registry.ascending(EVENT, EVENT, 2 * PRUNED as usize).await else {
            return;
        };
        let mut writes = Writes::default();
        for (key, value) in old.iter().take_while(|(key, _)| id(key) < below) {
            writes = writes.remove(key.clone());
            if let Ok(Event { job: Some(job), .. }) = serde_json::from_slice(value) {
                writes = writes.remove(of_key(&job, id(key)));
            }
        }
        if let Err(error) = self.registry.write(writes).await {
            warn!("old events are kept for now: {}", chain(&error));
        }
    }

    pub(super) async fn list(&self, query: &EventsQuery) -> Result<Events, model::StoreError> {
        let upwards = query.after.is_some();
        let mut edge = match (query.after, query.before) {
            (Some(after), _) => after.saturating_add(1),
            (None, before) => before.unwrap_or(u64::MAX),
        };
        let (mut events, mut looked_at) = (Vec::new(), 0);
        let mut more = true;
        while events.len() < query.limit && more && looked_at < LOOKED_AT_MAX {
            let page = self.page(query.job.as_deref(), upwards, edge).await?;
            more = page.len() == PAGE;
            looked_at += page.len();
            for event in page {
                edge = if upwards { event.id.saturating_add(1) } else { event.id };
                let fits = query.kinds.is_empty() || query.kinds.contains(&event.kind);
                if fits && (!upwards || query.before.is_none_or(|before| event.id < before)) {
                    events.push(event);
                    if events.len() == query.limit {
                        more = true;
                        break;
                    }
                }
            }
        }
        let next = (more && edge > 0).then_some(edge);
        Ok(Events { events, next })
    }

    async fn page(
        &self,
        job: Option<&str>,
        upwards: bool,
        edge: u64,
    ) -> Result<Vec<Event>, model::StoreError> {
        let Some(job) = job else {
            let records = match upwards {
                true => self.registry.ascending(EVENT, event_key(edge), PAGE).await?,
                false => self.registry.descending(EVENT, event_key(edge), PAGE).await?,
            };
            return Ok(records
                .iter()
                .filter_map(|(_, v)| serde_json::from_slice(v).ok())
                .collect());
        };
        let prefix = of_prefix(job);
        let keys = match upwards {
            true => self.registry.ascending(prefix, of_key(job, edge), PAGE).await?,
            false => self.registry.descending(prefix, of_key(job, edge), PAGE).await?,
        };
        let mut events = Vec::new();
        for (key, _) in keys {
            let value = self.registry.get(event_key(id(&key))).await?;
            events.extend(value.and_then(|value| serde_json::from_slice(&value).ok()));
        }
        Ok(events)
    }
}

fn event_key(id: u64) -> Vec<u8> {
    [EVENT, &id.to_be_bytes()].concat()
}

fn of_prefix(job: &str) -> Vec<u8> {
    [OF, job.as_bytes(), &[0]].concat()
}

fn of_key(job: &str, id: u64) -> Vec<u8> {
    [&*of_prefix(job), &id.to_be_bytes()].concat()
}

/// Above every id.
fn end(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xff; 9]].concat()
}

/// The last eight bytes of either key.
fn id(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::run::SystemClock;

    async fn log(dir: &std::path::Path) -> Log {
        let registry = Registry::open(dir).await.unwrap();
        Log::open(registry, Arc::new(SystemClock)).await.unwrap()
    }

    fn query(job: Option<&str>, limit: usize) -> EventsQuery {
        EventsQuery { job: job.map(str::to_owned), limit, ..EventsQuery::default() }
    }

    fn texts(events: &Events) -> Vec<&str> {
        events.events.iter().map(|event| &*event.text).collect()
    }

    #[tokio::test]
    async fn events_are_listed_page_by_page_and_go_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let kept = log(dir.path()).await;
        for number in 0..5 {
            let job = if number % 2 == 0 { "a" } else { "a/b" };
            kept.tell(Told::of(job, EventKind::Audit, number.to_string())).await;
        }
        let page = kept.list(&query(None, 2)).await.unwrap();
        assert_eq!(texts(&page), ["4", "3"]);
        let older = EventsQuery { before: page.next, ..query(None, 9) };
        let page = kept.list(&older).await.unwrap();
        assert_eq!((texts(&page), page.next), (vec!["2", "1", "0"], None));
        assert_eq!(texts(&kept.list(&query(Some("a"), 9)).await.unwrap()), ["4", "2", "0"]);
        assert_eq!(texts(&kept.list(&query(Some("a/b"), 9)).await.unwrap()), ["3", "1"]);
        let since = EventsQuery { after: Some(3), ..query(None, 9) };
        assert_eq!(texts(&kept.list(&since).await.unwrap()), ["3", "4"]);
        drop(kept);
        let kept = log(dir.path()).await;
        kept.tell(Told::of("a", EventKind::State, "5")).await;
        let page = kept.list(&query(None, 1)).await.unwrap();
        assert_eq!((texts(&page), page.events[0].id), (vec!["5"], 6));
        let kinds = EventsQuery { kinds: vec![EventKind::Audit], ..query(Some("a"), 1) };
        assert_eq!(texts(&kept.list(&kinds).await.unwrap()), ["4"]);
    }
}

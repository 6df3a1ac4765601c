//! What is asked for once and done once: work that goes on where its asker goes away, and answers
//! that are kept for those who ask again with the same `Idempotency-Key`.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::problem::Problem;
use crate::serve::access::Caller;

pub(super) const KEY: &str = "idempotency-key";
pub(super) const KEY_CHARS_MAX: usize = 200;
/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Answers that are kept; the oldest go first.
const ANSWERS_MAX: usize = 1000;
/// Bytes of their bodies, together.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Requests that are being carried out, whether or not somebody waits for them.
const CARRIED_MAX: usize = 1000;
const CARRIED_RETRY_SECONDS: u64 = 5;

/// Work that is carried through once it is begun: a connection that breaks between the savepoint and
/// the start of an update must not leave the job stopped.
#[derive(Default)]
pub(super) struct Carried {
    tasks: Mutex<JoinSet<()>>,
}

impl Carried {
    /// # Errors
    /// It panicked, or too much is under way.
    pub(super) async fn through<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        let (tell, told) = oneshot::channel();
        self.begin(async move { drop(tell.send(work.await)) })?;
        told.await.map_err(|_| fault())
    }

    fn begin(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Problem> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= CARRIED_MAX {
            let why = format!("{CARRIED_MAX} requests are being carried out");
            return Err(Problem::too_many(why, CARRIED_RETRY_SECONDS));
        }
        tasks.spawn(work);
        Ok(())
    }
}

fn fault() -> Problem {
    let why = "the daemon met a fault of its own while it did this; its log has it";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// An answer as it goes out.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: StatusCode,
    json: Bytes,
}

impl Answer {
    pub(super) fn of(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let json = serde_json::to_vec(body).map_err(|error| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no answer: {error}"))
        })?;
        Ok(Self { status, json: json.into() })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        (self.status, [(header::CONTENT_TYPE, json)], self.json).into_response()
    }
}

/// By whom, and with which key.
type Id = (String, String);
type Settled = Result<Answer, Problem>;

/// A request that is known again.
pub(super) struct Request {
    id: Option<Id>,
    print: u64,
}

/// Answers of requests that bore a key.
#[derive(Default)]
pub(super) struct Once {
    carried: Arc<Carried>,
    shelf: Arc<Mutex<Shelf>>,
    prints: RandomState,
}

#[derive(Default)]
struct Shelf {
    entries: HashMap<Id, Entry>,
    /// Their ids by age.
    ages: BTreeMap<u64, Id>,
    next: u64,
    bytes: usize,
}

struct Entry {
    print: u64,
    age: u64,
    since: Instant,
    /// 0 while it is being worked on.
    bytes: usize,
    settled: watch::Receiver<Option<Settled>>,
}

impl Once {
    pub(super) fn new(carried: Arc<Carried>) -> Self {
        Self { carried, ..Self::default() }
    }

    /// # Errors
    /// The key is empty, too long, or there are two.
    pub(super) fn request(
        &self,
        headers: &HeaderMap,
        caller: &Caller,
        path: &str,
        body: &Bytes,
    ) -> Result<Request, Problem> {
        let mut keys = headers.get_all(KEY).iter();
        let (key, second) = (keys.next(), keys.next());
        if second.is_some() {
            return Err(Problem::unreadable("`Idempotency-Key` is there twice"));
        }
        let id = match key.map(|key| key.to_str()) {
            None => None,
            Some(Ok(key)) if (1..=KEY_CHARS_MAX).contains(&key.len()) => {
                Some((caller.name.clone(), key.to_owned()))
            }
            Some(_) => {
                let why = format!(
                    "`Idempotency-Key` is to be 1 to {KEY_CHARS_MAX} of ASCII's \
                                   visible characters"
                );
                return Err(Problem::unreadable(why));
            }
        };
        Ok(Request { id, print: self.prints.hash_one((path, body)) })
    }

    /// Does `work`, unless it was done for this key: then it is answered as it was the first time.
    /// Whoever asks while it is being done waits for the same answer. A refusal changed nothing and is
    /// not kept.
    ///
    /// # Errors
    /// Those of `work`; the key belongs to another request.
    pub(super) async fn answer(
        &self,
        request: Request,
        work: impl Future<Output = Settled> + Send + 'static,
    ) -> Settled {
        let Request { id: Some(id), print } = request else {
            return self.carried.through(work).await?;
        };
        let mut settled = self.known_or_begun(id, print, work)?;
        let answered = settled.wait_for(Option::is_some).await.map_err(|_| fault())?;
        answered.clone().unwrap_or_else(|| Err(fault()))
    }

    fn known_or_begun(
        &self,
        id: Id,
        print: u64,
        work: impl Future<Output = Settled> + Send + 'static,
    ) -> Result<watch::Receiver<Option<Settled>>, Problem> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.sweep();
        if let Some(entry) = shelf.entries.get(&id).filter(|entry| !entry.is_lost()) {
            if entry.print != print {
                let why = "this `Idempotency-Key` was used for another request: use a new one";
                return Err(Problem::new(StatusCode::CONFLICT, why).of_kind(IN_THE_WAY));
            }
            return Ok(entry.settled.clone());
        }
        let (settle, settled) = watch::channel(None);
        let (shared, kept) = (Arc::clone(&self.shelf), id.clone());
        self.carried.begin(async move {
            let answer = work.await;
            let mut shelf = shared.lock().unwrap_or_else(PoisonError::into_inner);
            match &answer {
                Ok(answer) => shelf.keep(&kept, answer.json.len()),
                Err(_) => shelf.remove(&kept),
            }
            settle.send_replace(Some(answer));
        })?;
        shelf.insert(id, print, settled.clone());
        Ok(settled)
    }
}

const IN_THE_WAY: &str = "/problems/in-the-way";

impl Entry {
    fn is_settled(&self) -> bool {
        self.settled.borrow().is_some()
    }

    /// Its work ended without an answer.
    fn is_lost(&self) -> bool {
        !self.is_settled() && self.settled.has_changed().is_err()
    }
}

impl Shelf {
    fn insert(&mut self, id: Id, print: u64, settled: watch::Receiver<Option<Settled>>) {
        self.remove(&id);
        let age = self.next;
        self.next += 1;
        self.ages.insert(age, id.clone());
        self.entries.insert(id, Entry { print, age, since: Instant::now(), bytes: 0, settled });
        self.make_room();
    }

    fn keep(&mut self, id: &Id, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.bytes = bytes;
            self.bytes += bytes;
        }
        self.make_room();
    }

    fn remove(&mut self, id: &Id) {
        if let Some(entry) = self.entries.remove(id) {
            self.ages.remove(&entry.age);
            self.bytes -= entry.bytes;
        }
    }

    /// What is too old goes.
    fn sweep(&mut self) {
        let entry = |id: &Id| self.entries.get(id);
        let is_old = |id: &&Id| entry(id).is_some_and(|entry| entry.since.elapsed() >= KEPT_FOR);
        // What is being worked on stays, and holds up nothing behind it.
        let is_settled = |id: &&Id| entry(id).is_some_and(Entry::is_settled);
        let old = self.ages.values().take_while(is_old).filter(is_settled);
        for id in old.cloned().collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    /// What is being worked on stays, whatever its age: else it would be done twice.
    fn make_room(&mut self) {
        while self.entries.len() > ANSWERS_MAX || self.bytes > ANSWER_BYTES_MAX {
            let done = |id: &&Id| self.entries.get(*id).is_some_and(|entry| entry.bytes > 0);
            let Some(oldest) = self.ages.values().find(done).cloned() else { break };
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;

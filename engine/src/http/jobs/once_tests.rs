use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::*;
use crate::api::Role;

/// Counts what is done.
struct Counted {
    once: Once,
    done: Arc<AtomicU64>,
}

impl Counted {
    fn new() -> Self {
        Self { once: Once::new(Arc::default()), done: Arc::default() }
    }

    fn request(&self, by: &str, key: Option<&str>, body: &str) -> Result<Request, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(KEY, key.parse().unwrap());
        }
        let caller = Caller { name: by.to_owned(), role: Role::Operator };
        self.once.request(&headers, &caller, "/jobs", &Bytes::from(body.to_owned()))
    }

    async fn ask(&self, key: Option<&str>, body: &str) -> Settled {
        self.ask_as("ann", key, body, StatusCode::CREATED).await
    }

    async fn ask_as(&self, by: &str, key: Option<&str>, body: &str, status: StatusCode) -> Settled {
        let request = self.request(by, key, body)?;
        let done = Arc::clone(&self.done);
        let work = async move {
            let count = done.fetch_add(1, Ordering::SeqCst) + 1;
            if status.is_success() {
                return Answer::of(status, &json!({ "done": count }));
            }
            Err(Problem::new(status, "not now"))
        };
        self.once.answer(request, work).await
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }
}

fn status(settled: Settled) -> u16 {
    settled.into_response().status().as_u16()
}

#[tokio::test]
async fn the_same_request_with_the_same_key_is_done_once() {
    let counted = Counted::new();
    let first = counted.ask(Some("k1"), "{}").await.unwrap();
    let again = counted.ask(Some("k1"), "{}").await.unwrap();
    assert_eq!((first.status, &first.json), (again.status, &again.json));
    assert_eq!(counted.done(), 1);
    counted.ask(Some("k2"), "{}").await.unwrap();
    counted.ask(None, "{}").await.unwrap();
    counted.ask(None, "{}").await.unwrap();
    assert_eq!(counted.done(), 4, "another key is another request, and so is none");
}

#[tokio::test]
async fn a_key_of_another_request_is_refused_and_one_of_another_token_is_another() {
    let counted = Counted::new();
    counted.ask(Some("k1"), "{}").await.unwrap();
    assert_eq!(status(counted.ask(Some("k1"), r#"{"a": 1}"#).await), 409);
    assert_eq!(counted.done(), 1);
    counted.ask_as("bob", Some("k1"), r#"{"a": 1}"#, StatusCode::CREATED).await.unwrap();
    assert_eq!(counted.done(), 2);
}

#[tokio::test]
async fn who_asks_meanwhile_waits_for_the_first_answer() {
    let counted = Counted::new();
    let (go, gone) = oneshot::channel::<()>();
    let work = async move {
        let _ = gone.await;
        Answer::of(StatusCode::CREATED, &json!({ "by": "the first" }))
    };
    let first = counted.once.answer(counted.request("ann", Some("k1"), "{}").unwrap(), work);
    let (first, second, ()) = tokio::join!(first, counted.ask(Some("k1"), "{}"), async {
        tokio::task::yield_now().await;
        go.send(()).unwrap();
    });
    assert_eq!(first.unwrap().json, second.unwrap().json);
    assert_eq!(counted.done(), 0);
}

#[tokio::test]
async fn what_is_begun_is_carried_through_although_its_asker_goes_away() {
    let counted = Counted::new();
    let (go, gone) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel::<()>();
    let work = async move {
        let _ = gone.await;
        tell.send(()).unwrap();
        Answer::of(StatusCode::CREATED, &json!({}))
    };
    let asker = counted.once.answer(counted.request("ann", Some("k1"), "{}").unwrap(), work);
    tokio::select! { biased;
        _ = asker => unreachable!("it waits"),
        () = std::future::ready(()) => {}
    }
    go.send(()).unwrap();
    told.await.unwrap();
    counted.ask(Some("k1"), "{}").await.unwrap();
    assert_eq!(counted.done(), 0, "its answer was kept for who asks again");
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let counted = Counted::new();
    let refused = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(status(counted.ask_as("ann", Some("k1"), "{}", refused).await), 503);
    assert_eq!(status(counted.ask(Some("k1"), "{}").await), 201);
    assert_eq!(status(counted.ask(Some("k1"), "{}").await), 201);
    assert_eq!(counted.done(), 2);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_key_is_free_again() {
    let counted = Counted::new();
    let work = async { panic!("planted") };
    let request = counted.request("ann", Some("k1"), "{}").unwrap();
    assert_eq!(status(counted.once.answer(request, work).await), 500);
    assert_eq!(status(counted.ask(Some("k1"), "{}").await), 201);
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_for_a_day() {
    let counted = Counted::new();
    counted.ask(Some("k1"), "{}").await.unwrap();
    tokio::time::advance(KEPT_FOR - Duration::from_secs(1)).await;
    counted.ask(Some("k1"), "{}").await.unwrap();
    assert_eq!(counted.done(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    counted.ask(Some("k1"), "{}").await.unwrap();
    assert_eq!(counted.done(), 2);
}

#[tokio::test]
async fn the_oldest_answers_go_when_there_are_too_many() {
    let counted = Counted::new();
    for n in 0..=ANSWERS_MAX {
        counted.ask(Some(&n.to_string()), "{}").await.unwrap();
    }
    {
        let shelf = counted.once.shelf.lock().unwrap();
        assert_eq!((shelf.entries.len(), shelf.ages.len()), (ANSWERS_MAX, ANSWERS_MAX));
        let bytes: usize = shelf.entries.values().map(|entry| entry.bytes).sum();
        assert_eq!(shelf.bytes, bytes);
    }
    let done = counted.done();
    counted.ask(Some("1"), "{}").await.unwrap();
    assert_eq!(counted.done(), done);
    counted.ask(Some("0"), "{}").await.unwrap();
    assert_eq!(counted.done(), done + 1);
}

#[tokio::test]
async fn keys_that_cannot_be_are_refused() {
    let counted = Counted::new();
    for key in ["", &"k".repeat(KEY_CHARS_MAX + 1), "schlüssel"] {
        assert_eq!(status(counted.ask(Some(key), "{}").await), 400, "{key}");
    }
    counted.ask(Some(&"k".repeat(KEY_CHARS_MAX)), "{}").await.unwrap();
}

use model::conformance::samples;
use model::{BarrierKind, CheckpointId};
use state::MemoryStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::*;
use crate::control::{Controlled, REQUESTS_MAX, Refusal, SavepointRequest, channel};

/// The server, and a job that answers as it is told.
struct Served {
    address: SocketAddr,
    job: Controlled,
    tasks: JoinSet<()>,
    end: oneshot::Sender<()>,
}

async fn served() -> Served {
    let store = MemoryStore::new("emp");
    let fence = store.acquire().await.unwrap();
    store.put(fence, &samples::checkpoint("emp", 3, BarrierKind::Checkpoint)).await.unwrap();
    let (control, job) = channel();
    let (_, status) = watch::channel(Status { tables: 2, tables_live: 1, ..Status::default() });
    let options = binlog::server::SourceOptions::default();
    let api = Api {
        job: "emp".to_owned(),
        control,
        checkpoints: Arc::new(store),
        status,
        lag: Arc::new(Mutex::new(Lag::new(options, crate::lag::Servers::new(Duration::ZERO)))),
    };
    let listening = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listening.address();
    let (end, ends) = oneshot::channel();
    let mut tasks = JoinSet::new();
    let ends = async { drop(ends.await) };
    tasks.spawn(serve(listening, api, ends, Duration::from_secs(60)));
    Served { address, job, tasks, end }
}

impl Served {
    /// The job runs, and takes savepoints of this id, or refuses.
    fn runs(&mut self, answer: Result<u64, &'static str>) {
        self.runs_until(answer, Phase::Ended(None));
    }

    /// The same; `after` is what becomes of it once it was stopped by a savepoint.
    fn runs_until(&mut self, answer: Result<u64, &'static str>, after: Phase) {
        let phase = self.job.phase.clone();
        let (want, mut wanted) = mpsc::channel::<SavepointRequest>(REQUESTS_MAX);
        self.job.phase.send_replace(Phase::Running(want));
        self.tasks.spawn(async move {
            while let Some(request) = wanted.recv().await {
                let taken = |id| {
                    let mut savepoint = samples::checkpoint("emp", id, BarrierKind::Savepoint);
                    savepoint.note.clone_from(&request.note);
                    Taken { savepoint, reference: id.to_string() }
                };
                let refused = |why: &str| Refusal::Failed(why.to_owned());
                let _ = request.reply.send(answer.map(taken).map_err(refused));
                if request.then == Then::End && answer.is_ok() {
                    phase.send_replace(after.clone());
                }
            }
        });
    }

    /// The status of the answer, its content type, and its body.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}",
            self.address
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let kind = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let kind = kind.map_or("", |(_, kind)| kind).to_owned();
        (status, kind, serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)))
    }

    async fn is_refused(&self, asked: (&str, &str, &str), status: u16, why: &str) {
        let (method, path, body) = asked;
        let (got, kind, body) = self.ask(method, path, "", body).await;
        assert_eq!((got, &*kind), (status, "application/problem+json"), "{asked:?}: {body}");
        assert_eq!(body["status"], status);
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{asked:?}: {detail}");
    }
}

const SAVEPOINTS: &str = "/api/v1/savepoints";
const STOP: &str = "/api/v1/stop";

#[tokio::test]
async fn a_savepoint_is_taken_with_its_note() {
    let mut served = served().await;
    served.runs(Ok(17));
    let (status, kind, body) =
        served.ask("POST", SAVEPOINTS, "", r#"{"note": "before the upgrade"}"#).await;
    assert_eq!((status, &*kind), (201, "application/json"));
    assert_eq!(body["id"], 17);
    assert_eq!((&body["note"], &body["reference"]), (&"before the upgrade".into(), &"17".into()));
    assert_eq!(body["kind"], "savepoint");
    assert!(body["position"].is_object() && body["duration_ms"].is_number(), "{body}");
    assert_eq!(served.ask("POST", SAVEPOINTS, "", "").await.0, 201, "a note may be left out");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_reason() {
    let mut served = served().await;
    served.is_refused(("POST", SAVEPOINTS, ""), 503, "the job is starting").await;
    served.is_refused(("POST", STOP, r#"{"kind":"savepoint"}"#), 503, "starting").await;
    served.job.phase.send_replace(Phase::Waiting("disk full".to_owned()));
    served.is_refused(("POST", SAVEPOINTS, ""), 503, "it failed: disk full").await;
    served.runs(Err("savepoint 8 failed: no room"));
    served.is_refused(("POST", SAVEPOINTS, ""), 503, "savepoint 8 failed: no room").await;
    served.is_refused(("POST", STOP, r#"{"kind":"savepoint"}"#), 503, "no room").await;
    served.is_refused(("POST", SAVEPOINTS, r#"{"nota": 1}"#), 400, "unknown field `nota`").await;
    served.is_refused(("POST", STOP, ""), 400, "the body is not").await;
    served.is_refused(("POST", STOP, r#"{"kind":"drain"}"#), 400, "`drain`").await;
    served.is_refused(("GET", "/api/v2", ""), 404, "nothing at this path").await;
    served.is_refused(("GET", STOP, ""), 405, "another method").await;
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(served.ask("POST", SAVEPOINTS, "", &large).await.0, 413);
    assert_eq!(*served.job.stop.borrow(), Stop::Not);
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_half_a_request_or_nothing_is_hung_up_on() {
    let served = served().await;
    let head = format!("POST {STOP} HTTP/1.1\r\nHost: {}\r\n", served.address);
    let body = format!("{head}Content-Length: 17\r\n\r\n{{\"kind\":");
    for sent in ["", &*head, &*body] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let hung_up = timeout(Duration::from_secs(3600), stream.read_to_end(&mut answer)).await;
        assert!(hung_up.is_ok(), "{sent}");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(*served.job.stop.borrow(), Stop::Not);
}

#[tokio::test]
async fn pages_of_other_sites_reach_nothing() {
    let mut served = served().await;
    served.runs(Ok(17));
    for header in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        for (method, path) in [("POST", STOP), ("GET", "/api/v1/status"), ("GET", "/healthz")] {
            let (status, _, body) = served.ask(method, path, header, r#"{"kind":"cancel"}"#).await;
            assert_eq!(status, 403, "{method} {path}: {body}");
        }
    }
    assert_eq!(*served.job.stop.borrow(), Stop::Not);
}

#[tokio::test]
async fn a_stop_is_answered_when_the_job_has_ended_and_not_as_done_where_it_has_not() {
    let why = || "the sink is gone".to_owned();
    for (after, said) in [
        (
            Phase::Waiting(why()),
            "the job failed before it had ended, and starts again: the sink is gone",
        ),
        (Phase::Ended(Some(why())), "the job failed before it had ended: the sink is gone"),
    ] {
        let mut served = served().await;
        served.runs_until(Ok(4), after);
        let (status, _, body) = served.ask("POST", STOP, "", r#"{"kind":"savepoint"}"#).await;
        let said = format!("savepoint 4 is stored, and {said}");
        assert_eq!((status, body["detail"].as_str()), (503, Some(&*said)));
    }
}

#[tokio::test]
async fn the_job_is_shown_and_stopped() {
    let mut served = served().await;
    assert_eq!(served.ask("GET", "/healthz", "", "").await.0, 200);
    assert_eq!(served.ask("GET", "/readyz", "", "").await.0, 503);
    served.runs(Ok(4));
    assert_eq!(served.ask("GET", "/readyz", "", "").await.0, 200);
    let (_, _, status) = served.ask("GET", "/api/v1/status", "", "").await;
    assert_eq!((&status["state"], &status["tables_live"]), (&"running".into(), &1.into()));
    let (_, _, listed) = served.ask("GET", "/api/v1/snapshots", "", "").await;
    assert_eq!(listed[0]["id"], CheckpointId(3).0);
    assert_eq!(listed[0]["restorable"], true);
    let (status, _, body) = served.ask("POST", STOP, "", r#"{"kind":"savepoint"}"#).await;
    assert_eq!((status, &body["id"]), (200, &4.into()));
    assert_eq!(served.ask("GET", "/readyz", "", "").await.0, 503);
    assert_eq!(*served.job.stop.borrow(), Stop::Not, "the savepoint ends it");
    let (status, _, _) = served.ask("POST", STOP, "", r#"{"kind":"cancel"}"#).await;
    assert_eq!((status, *served.job.stop.borrow()), (202, Stop::Cancel));
    served.end.send(()).unwrap();
}

#[tokio::test]
async fn the_job_is_shown_to_prometheus() {
    let mut served = served().await;
    served.runs(Ok(4));
    let (status, kind, page) = served.ask("GET", "/metrics", "", "").await;
    assert_eq!((status, &*kind), (200, crate::metrics::CONTENT_TYPE));
    let page = page.as_str().unwrap();
    for line in [
        "seachange_job_state{job=\"emp\",state=\"snapshotting\"} 1",
        "seachange_job_checkpoints_total{job=\"emp\",outcome=\"completed\"} 0",
    ] {
        assert!(page.lines().any(|l| l == line), "no {line} in {page}");
    }
}

//! A double of the API that answers as it is told, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};

use super::{Client, Token};

/// What one request is answered with.
pub(crate) enum Says {
    Status(u16, String),
    /// And may be asked again at once.
    RetryAfter(u16, String),
    /// Nothing: the connection is cut.
    Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Says>,
    heard: Vec<Heard>,
}

pub(crate) struct Double {
    script: Arc<Mutex<Script>>,
    pub(crate) client: Client,
    _task: tokio::task::JoinSet<()>,
}

impl Double {
    pub(crate) async fn new(answers: impl IntoIterator<Item = Says>) -> Self {
        let script = Script { answers: answers.into_iter().collect(), heard: Vec::new() };
        let script = Arc::new(Mutex::new(script));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let token = Token::find(None, Some("secret")).unwrap();
        let client = Client::new(server, token, None).unwrap();
        Self { script, client, _task: task }
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.script.lock().unwrap().heard.clone()
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let mut script = script.lock().unwrap();
    script.heard.push(Heard {
        method,
        path: uri.to_string(),
        key: text("idempotency-key"),
        authorization: text("authorization"),
        body,
    });
    let status = |status: u16| axum::http::StatusCode::from_u16(status).unwrap();
    match script.answers.pop_front().unwrap_or(Says::Status(500, "asked once too often".to_owned()))
    {
        Says::Status(code, body) => (status(code), body).into_response(),
        Says::RetryAfter(code, body) => {
            (status(code), [("retry-after", "0")], body).into_response()
        }
        Says::Cut => {
            let broken = futures_util::stream::once(async {
                Err::<String, _>(std::io::Error::other("cut"))
            });
            axum::body::Body::from_stream(broken).into_response()
        }
    }
}

/// How the job `a/b` stands, with a field that this client does not know.
pub(crate) fn job(state: &str, reason: &str) -> String {
    let job = serde_json::json!({
        "name": "a/b", "state": state, "reason": reason, "since_ms": 1, "version": 1,
        "sinks": ["print"], "tables": 0, "tables_live": 0, "tables_quarantined": 0, "restarts": 0,
        "wanted": "running", "strategy": "latest", "created_at_ms": 1, "updated_at_ms": 1,
        "progress": {"rows_read": 0, "rows_left_estimate": 0, "events_streamed": 0,
            "rows_streamed": 0, "bytes": 0},
        "checkpoints": {"completed": 0, "failed": 0, "in_progress": false}, "notes": [],
        "a field of later": true,
    });
    job.to_string()
}

//! `run --http ADDR`: what may be asked of a running job from outside. Off unless asked for.
//!
//! There are no users and no passwords: whoever reaches the address may stop the job. So it is
//! loopback unless told otherwise, and what a browser sends on a foreign page's behalf is refused.

pub(crate) mod guard;
pub mod jobs;
pub(crate) mod problem;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::CheckpointStore;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use self::problem::Problem;
use crate::api::JobState;
use crate::checkpoint::machine::Then;
use crate::commands::snapshots::to_json;
use crate::control::{Control, Phase, Stop, Taken};
use crate::lag::{Behind, Lag};
use crate::metrics::{self, JobMetrics, PerTable, Process, RunMetrics};
use crate::serve::access::is_over_limit;
use crate::serve::config::Limits;
use crate::serve::listen::{self, Listening};
use crate::source::status::Status;

/// What a client may send, and how long it may take to.
const BODY_BYTES_MAX: usize = 16 << 10;
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// The next one waits.
const CONNECTIONS_MAX: usize = 64;
/// How long the server may take to say how far behind the stream is.
const LAG_WITHIN: Duration = Duration::from_secs(3);

/// What the endpoints speak about.
#[derive(Clone)]
pub struct Api {
    pub job: String,
    pub control: Control,
    pub checkpoints: Arc<dyn CheckpointStore>,
    pub status: watch::Receiver<Status>,
    pub lag: Arc<Mutex<Lag>>,
}

/// Listens at `address`; port 0 lets the system choose.
///
/// # Errors
/// The address is in use, or not this machine's.
pub async fn bind(address: SocketAddr) -> std::io::Result<Listening> {
    Listening::plain(TcpListener::bind(address).await?)
}

/// Serves until `ends`; then what is under way is answered, for so long as `drain` says.
pub async fn serve(
    listening: Listening,
    api: Api,
    ends: impl Future<Output = ()> + Send,
    drain: Duration,
) {
    let router = routes(api, listening.address().ip().is_loopback());
    let limits = Limits { connections: CONNECTIONS_MAX, ..Limits::default() };
    listen::serve(listening, router, &limits, ends, drain).await;
}

fn routes(api: Api, is_local: bool) -> Router {
    let guarded = middleware::from_fn(move |request, next| guard::admit(is_local, request, next));
    Router::new()
        .route("/api/v1/savepoints", post(savepoint))
        .route("/api/v1/snapshots", get(snapshots))
        .route("/api/v1/status", get(status))
        .route("/api/v1/stop", post(stop))
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method")
        })
        .layer(middleware::from_fn(whole))
        .layer(guarded)
        .with_state(api)
}

/// A route is not begun for a body that is too big, or comes by drops.
async fn whole(request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = Body::from(match timeout(BODY_WITHIN, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if is_over_limit(&error) => {
            let what = format!("a body may have {BODY_BYTES_MAX} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what));
        }
        Ok(Err(_)) => return Err(Problem::unreadable("the body ended early, or cannot be read")),
        Err(_) => {
            let what = format!("the body did not come within {BODY_WITHIN:?}");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, what));
        }
    });
    Ok(next.run(Request::from_parts(parts, body)).await)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    note: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopWish {
    kind: StopKind,
    #[serde(default)]
    note: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StopKind {
    /// The job ends once its savepoint is stored, and goes on if that fails. Answered when it has ended.
    Savepoint,
    /// At once, without one.
    Cancel,
}

async fn savepoint(
    State(api): State<Api>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let wish = if body.is_empty() { Wish::default() } else { read(&body)? };
    let taken = api.control.savepoint(wish.note, Then::GoOn).await?;
    Ok((StatusCode::CREATED, Json(shown(&taken))))
}

async fn stop(State(api): State<Api>, body: Bytes) -> Result<(StatusCode, Json<Value>), Problem> {
    let wish: StopWish = read(&body)?;
    match wish.kind {
        StopKind::Cancel => {
            api.control.stop(Stop::Cancel);
            Ok((StatusCode::ACCEPTED, Json(json!({ "kind": "cancel" }))))
        }
        StopKind::Savepoint => {
            let taken = api.control.savepoint_and_end(wish.note).await?;
            Ok((StatusCode::OK, Json(shown(&taken))))
        }
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not what is wanted: {error}"))
    })
}

fn shown(Taken { savepoint, reference }: &Taken) -> Value {
    json!({
        "id": savepoint.id.0, "kind": savepoint.kind.to_string(), "trigger": savepoint.trigger,
        "note": savepoint.note, "reference": reference, "position": savepoint.source.position,
        "completed_at_ms": savepoint.completed_at_ms, "duration_ms": savepoint.duration_ms,
    })
}

async fn snapshots(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    let mut listed = api.checkpoints.list().await.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, crate::error::chain(&error))
    })?;
    listed.sort_by_key(|l| std::cmp::Reverse(l.id));
    Ok(Json(listed.iter().map(|l| to_json(&api.job, l)).collect()))
}

/// Of a job that runs.
async fn behind(api: &Api, phase: &Phase, status: &Status) -> Option<Behind> {
    let measured = async { api.lag.lock().await.measure(status).await };
    match phase {
        Phase::Running(_) => timeout(LAG_WITHIN, measured).await.ok(),
        Phase::Starting | Phase::Waiting(_) | Phase::Ended(_) => None,
    }
}

async fn show_metrics(State(api): State<Api>) -> impl IntoResponse {
    let phase = api.control.phase();
    let status = api.status.borrow().clone();
    let state = match &phase {
        Phase::Starting => JobState::Starting,
        Phase::Running(_) if status.tables_live < status.tables => JobState::Snapshotting,
        Phase::Running(_) => JobState::Streaming,
        Phase::Waiting(_) => JobState::Restarting,
        Phase::Ended(None) => JobState::Stopped,
        Phase::Ended(Some(_)) => JobState::Failed,
    };
    let behind = behind(&api, &phase, &status).await;
    let run = Some(RunMetrics { status, meters: Arc::clone(api.control.meters()), behind });
    let job = JobMetrics { name: api.job, state, run };
    let page = metrics::render(&Process::now(), &[job], PerTable::Shown);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page)
}

async fn status(State(api): State<Api>) -> Json<Value> {
    let phase = api.control.phase();
    let status = api.status.borrow().clone();
    let behind = behind(&api, &phase, &status).await;
    let quarantined: Vec<Value> = status
        .quarantined
        .iter()
        .map(|(table, dropped)| json!({ "table": table.to_string(), "events_dropped": dropped }))
        .collect();
    Json(json!({
        "job": api.job,
        "state": phase.name(),
        "error": match &phase {
            Phase::Waiting(why) | Phase::Ended(Some(why)) => Some(why),
            Phase::Starting | Phase::Running(_) | Phase::Ended(None) => None,
        },
        "host": status.host.as_ref().map(ToString::to_string),
        "tables": status.tables, "tables_live": status.tables_live,
        "rows_read": status.rows_read, "rows_left_estimate": status.rows_left_estimate,
        "events_streamed": status.events_streamed,
        "position": status.position.as_ref().map(ToString::to_string),
        "lag_seconds": behind.map(|b| b.seconds), "lag_bytes": behind.and_then(|b| b.bytes),
        "quarantined": quarantined,
    }))
}

async fn ready(State(api): State<Api>) -> Result<&'static str, Problem> {
    let phase = api.control.phase();
    match &phase {
        Phase::Running(_) => Ok("ready\n"),
        Phase::Starting | Phase::Waiting(_) | Phase::Ended(_) => {
            let what = format!("the job is {}", phase.name());
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, what))
        }
    }
}

#[cfg(test)]
mod tests;

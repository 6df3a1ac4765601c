//! `/api/v1` of the daemon: its jobs, over HTTP, as `docs/api.md` has it; the page; what monitors ask.
//!
//! A handler reads what is asked, asks [`Jobs`], and writes what that says. Who asks, and whether they
//! may, is found out in front of these routes.

mod extract;
mod job;
mod limits;
mod list;
mod once;
mod openapi;
mod page;
mod refusals;
mod run;
mod stream;
mod watch;

use std::sync::{Arc, LazyLock};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use tokio::sync::watch as channel;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::once::{Carried, Once};
use crate::http::problem::Problem;
use crate::jobs::{Jobs, Refused};

/// Writes what Prometheus reads.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the routes speak about.
#[derive(Clone)]
pub struct Api {
    pub jobs: Arc<Jobs>,
    pub metrics: Metrics,
    pub started_at_ms: i64,
    /// True once the daemon ends: streams end then, so that nobody waits for them.
    pub ends: channel::Receiver<bool>,
}

/// The same, with what the routes keep.
struct Served {
    jobs: Arc<Jobs>,
    metrics: Metrics,
    started_at_ms: i64,
    ends: channel::Receiver<bool>,
    carried: Arc<Carried>,
    once: Once,
}

impl From<Api> for Served {
    fn from(api: Api) -> Self {
        let Api { jobs, metrics, started_at_ms, ends } = api;
        let carried = Arc::<Carried>::default();
        let once = Once::new(Arc::clone(&carried));
        Self { jobs, metrics, started_at_ms, ends, carried, once }
    }
}

impl Served {
    /// Carries through what is asked of the jobs, whether or not whoever asked waits for it.
    async fn carry<T, F>(&self, ask: impl FnOnce(Arc<Jobs>) -> F) -> Result<Json<T>, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refused>> + Send + 'static,
    {
        let asked = ask(Arc::clone(&self.jobs));
        Ok(Json(self.carried.through(asked).await??))
    }
}

/// All that is answered. Tokens, and whom to refuse, are a layer around it: it puts a
/// [`Caller`](crate::serve::access::Caller) into the extensions of each request.
pub fn routes(api: Api) -> Router {
    let (described, _) = described().split_for_parts();
    described
        .merge(page::routes())
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method: `Allow`")
        })
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .with_state(Arc::new(Served::from(api)))
}

/// The description of the routes for programs: OpenAPI 3.1.
pub fn description() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let (_, description) = described().split_for_parts();
        description.to_pretty_json().unwrap_or_default()
    });
    &TEXT
}

fn described() -> OpenApiRouter<Arc<Served>> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(list::info))
        .routes(routes!(list::jobs, list::submit))
        .routes(routes!(list::validate))
        .routes(routes!(job::detail, job::update, job::delete))
        .routes(routes!(run::start))
        .routes(routes!(run::stop))
        .routes(routes!(run::pause))
        .routes(routes!(run::resume))
        .routes(routes!(run::savepoint))
        .routes(routes!(run::snapshots))
        .routes(routes!(run::restore))
        .routes(routes!(watch::job_events))
        .routes(routes!(watch::output))
        .routes(routes!(watch::samples))
        .routes(routes!(job::tables))
        .routes(routes!(job::resnapshot))
        .routes(routes!(job::release))
        .routes(routes!(job::add_tables))
        .routes(routes!(job::drop_tables))
        .routes(routes!(job::versions))
        .routes(routes!(job::version))
        .routes(routes!(watch::events))
        .routes(routes!(stream::stream))
        .routes(routes!(openapi_json))
        .routes(routes!(metrics))
        .routes(routes!(healthz))
        .routes(routes!(readyz))
}

/// This description
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "daemon", responses(
    (status = 200, description = "OpenAPI 3.1", body = serde_json::Value), refusals::Guarded,
))]
async fn openapi_json() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], description()).into_response()
}

/// For Prometheus
#[utoipa::path(get, path = "/metrics", tag = "daemon", responses(
    (status = 200, description = "The text format of Prometheus", body = String,
        content_type = "text/plain"),
    refusals::Guarded,
))]
async fn metrics(State(served): State<Arc<Served>>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], (served.metrics)()).into_response()
}

/// It answers
#[utoipa::path(get, path = "/healthz", tag = "daemon", security(()), responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain"),
))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// It has tried to bring back its jobs
#[utoipa::path(get, path = "/readyz", tag = "daemon", security(()), responses(
    (status = 200, description = "It has", body = String, content_type = "text/plain"),
    (status = 503, description = "Not yet, or it is ending",
        body = crate::api::Problem, content_type = "application/problem+json"),
))]
async fn readyz(State(served): State<Arc<Served>>) -> Result<&'static str, Problem> {
    let unready = |why| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why));
    if *served.ends.borrow() {
        return unready("the daemon is ending");
    }
    if !served.jobs.is_ready() {
        return unready("the daemon is bringing back its jobs");
    }
    Ok("ready\n")
}

#[cfg(test)]
mod tests;

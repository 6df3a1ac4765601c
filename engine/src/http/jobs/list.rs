//! The daemon itself, and its jobs as a list.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Ask, Body, Kept, Who};
use super::once::Answer;
use super::refusals::{ByScript, Carried, Guarded, InTheWay, Readable, WithBody};
use super::{Served, limits};
use crate::api::{Info, JobDetail, JobList, JobState, SubmitWish, ValidateWish, Validated};
use crate::http::problem::Problem;
use crate::jobs::ListQuery;
use crate::serve::access::NOBODY;

const JOBS_MAX: u64 = 5000;
const JOBS_DEFAULT: u64 = 1000;

/// The daemon, and who asks
#[utoipa::path(get, path = "/api/v1/info", tag = "daemon", responses(
    (status = 200, description = "Version, who asks, jobs by state", body = Info), Guarded,
))]
pub(super) async fn info(State(served): State<Arc<Served>>, Who(caller): Who) -> Json<Info> {
    Json(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at_ms: served.started_at_ms,
        needs_token: caller.name != NOBODY,
        role: caller.role,
        token: Some(caller.name).filter(|name| name != NOBODY),
        jobs: served.jobs.counts(),
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListAsked {
    /// Part of the name, whatever its case.
    #[param(max_length = 500, example = "orders")]
    search: Option<String>,
    /// Jobs in one of these states; none given: all.
    #[serde(default)]
    #[param(max_items = 11)]
    state: Vec<JobState>,
    /// Jobs below this path.
    #[param(max_length = 500, example = "retail")]
    folder: Option<String>,
    #[serde(default = "jobs_default")]
    #[param(minimum = 1, maximum = 5000, default = 1000)]
    limit: u64,
    /// `next` of the page before.
    #[param(max_length = 500)]
    after: Option<String>,
}

fn jobs_default() -> u64 {
    JOBS_DEFAULT
}

/// Jobs, by name
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(ListAsked), responses(
    (status = 200, description = "A page of them", body = JobList), Readable, Guarded,
))]
pub(super) async fn jobs(
    State(served): State<Arc<Served>>,
    Ask(asked): Ask<ListAsked>,
) -> Result<Json<JobList>, Problem> {
    let texts = [("search", &asked.search), ("folder", &asked.folder), ("after", &asked.after)];
    for (field, text) in texts {
        limits::part(field, text.as_deref().unwrap_or_default())?;
    }
    let limit = limits::count("limit", asked.limit, JOBS_MAX)?;
    Ok(Json(served.jobs.list(&ListQuery {
        search: asked.search,
        states: asked.state,
        folder: asked.folder,
        limit,
        after: asked.after,
    })))
}

/// Submit a job
///
/// The same script once more changes nothing.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs",
    params(super::openapi::Key), request_body = SubmitWish,
    responses(
        (status = 201, description = "It is new", body = JobDetail),
        (status = 200, description = "That very script is there already", body = JobDetail),
        WithBody, InTheWay, ByScript, Carried, Guarded,
    ))]
pub(super) async fn submit(
    State(served): State<Arc<Served>>,
    Who(caller): Who,
    headers: HeaderMap,
    Kept(wish, bytes): Kept<SubmitWish>,
) -> Result<Answer, Problem> {
    let jobs = Arc::clone(&served.jobs);
    let request = served.once.request(&headers, &caller, "/jobs", &bytes)?;
    let by = caller.name;
    let done = async move {
        let submitted = jobs.submit(wish, &by).await?;
        let status = if submitted.is_new { StatusCode::CREATED } else { StatusCode::OK };
        Answer::of(status, &submitted.job)
    };
    served.once.answer(request, done).await
}

/// Whether a script would be taken
#[utoipa::path(post, path = "/api/v1/validate", tag = "jobs", request_body = ValidateWish,
    responses(
        (status = 200, description = "In either case: `valid` tells", body = Validated),
        (status = 404, description = "No such `job`",
            body = crate::api::Problem, content_type = "application/problem+json"),
        WithBody, Guarded,
    ))]
pub(super) async fn validate(
    State(served): State<Arc<Served>>,
    Body(wish): Body<ValidateWish>,
) -> Result<Json<Validated>, Problem> {
    Ok(Json(served.jobs.validate(wish).await?))
}

//! What happened and how it goes on: events, output, samples.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Ask, JobName, given};
use super::openapi::InJob;
use super::refusals::{Guarded, OfJob, Readable};
use super::{Served, limits};
use crate::api::{EventKind, Events, Output, Samples};
use crate::http::problem::Problem;
use crate::jobs::EventsQuery;

const EVENTS_MAX: u64 = 1000;
const EVENTS_DEFAULT: u64 = 100;
const LINES_MAX: u64 = 5000;
const LINES_DEFAULT: u64 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsAsked {
    #[serde(default = "events_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u64,
    /// Only those with a smaller id: `next` of the page before.
    #[serde(default, deserialize_with = "given")]
    #[param(value_type = Option<u64>, minimum = 0, maximum = 18446744073709551615u64)]
    before: Option<u64>,
    /// Events of these kinds; none given: all.
    #[serde(default)]
    #[param(max_items = 6)]
    kind: Vec<EventKind>,
}

fn events_default() -> u64 {
    EVENTS_DEFAULT
}

impl EventsAsked {
    fn query(self, job: Option<String>) -> Result<EventsQuery, Problem> {
        let limit = limits::count("limit", self.limit, EVENTS_MAX)?;
        Ok(EventsQuery { job, kinds: self.kind, limit, before: self.before, after: None })
    }
}

/// What happened, of all jobs and of the daemon
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsAsked), responses(
    (status = 200, description = "Newest first", body = Events), Readable, Guarded,
))]
pub(super) async fn events(
    State(served): State<Arc<Served>>,
    Ask(asked): Ask<EventsAsked>,
) -> Result<Json<Events>, Problem> {
    Ok(Json(served.jobs.events(&asked.query(None)?).await?))
}

/// What happened to a job
#[utoipa::path(get, path = "/api/v1/jobs/{job}/events", tag = "events",
    params(InJob, EventsAsked), responses(
        (status = 200, description = "Newest first", body = Events), OfJob, Guarded,
    ))]
pub(super) async fn job_events(
    State(served): State<Arc<Served>>,
    JobName(job): JobName,
    Ask(asked): Ask<EventsAsked>,
) -> Result<Json<Events>, Problem> {
    Ok(Json(served.jobs.events(&asked.query(Some(job))?).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutputAsked {
    /// The number of a line: those behind it. `next` of the answer before.
    #[serde(default)]
    #[param(minimum = 0, default = 0)]
    after: u64,
    #[serde(default = "lines_default")]
    #[param(minimum = 1, maximum = 5000, default = 500)]
    limit: u64,
}

fn lines_default() -> u64 {
    LINES_DEFAULT
}

/// What a job's `print` wrote of late
#[utoipa::path(get, path = "/api/v1/jobs/{job}/output", tag = "events",
    params(InJob, OutputAsked), responses(
        (status = 200, description = "Lines", body = Output), OfJob, Guarded,
    ))]
pub(super) async fn output(
    State(served): State<Arc<Served>>,
    JobName(job): JobName,
    Ask(asked): Ask<OutputAsked>,
) -> Result<Json<Output>, Problem> {
    let limit = limits::count("limit", asked.limit, LINES_MAX)?;
    Ok(Json(served.jobs.output(&job, asked.after, limit)?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SamplesAsked {
    /// Only those of later.
    #[serde(default)]
    #[param(default = 0)]
    after_ms: i64,
}

/// Throughput and lag of a job in the last minutes
#[utoipa::path(get, path = "/api/v1/jobs/{job}/samples", tag = "events",
    params(InJob, SamplesAsked), responses(
        (status = 200, description = "Oldest first", body = Samples), OfJob, Guarded,
    ))]
pub(super) async fn samples(
    State(served): State<Arc<Served>>,
    JobName(job): JobName,
    Ask(asked): Ask<SamplesAsked>,
) -> Result<Json<Samples>, Problem> {
    Ok(Json(served.jobs.samples(&job, asked.after_ms)?))
}

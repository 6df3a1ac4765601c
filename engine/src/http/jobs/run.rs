//! A job's buttons: start, stop, pause, resume, savepoint, restore.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::Served;
use super::extract::{Body, JobName, Kept, Who};
use super::limits::{Beyond, Within};
use super::once::Answer;
use super::openapi::{InJob, Key};
use super::refusals::{BySnapshot, Carried, Guarded, InTheWay, OfJob, WithBody};
use crate::api::{
    Halted, JobDetail, PauseWish, RestoreWish, SavepointWish, Snapshot, Snapshots, StartWish,
    StopWish,
};
use crate::http::problem::Problem;

type Daemon = State<Arc<Served>>;
type Answered<T> = Result<Json<T>, Problem>;

/// Nothing can be asked for, and nothing else is taken for it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl Within for Nothing {
    fn within(&self) -> Result<(), Beyond> {
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(Self {})
    }
}

/// Start a job
#[utoipa::path(post, path = "/api/v1/jobs/{job}/start", tag = "run", params(InJob),
    request_body = Option<StartWish>,
    responses(
        (status = 200, description = "The job; it was started, or ran already", body = JobDetail),
        OfJob, WithBody, InTheWay, BySnapshot, Carried, Guarded,
    ))]
pub(super) async fn start(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<StartWish>,
) -> Answered<JobDetail> {
    served.carry(|jobs| async move { jobs.start(&job, wish, &caller.name).await }).await
}

/// Stop a job
///
/// Answered when it has ended.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/stop", tag = "run", params(InJob),
    request_body = StopWish,
    responses(
        (status = 200, description = "It has ended, and by which savepoint", body = Halted),
        OfJob, WithBody, InTheWay, Carried, Guarded,
    ))]
pub(super) async fn stop(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<StopWish>,
) -> Answered<Halted> {
    served.carry(|jobs| async move { jobs.stop(&job, wish, &caller.name).await }).await
}

/// Take a savepoint, and pause the job
#[utoipa::path(post, path = "/api/v1/jobs/{job}/pause", tag = "run", params(InJob),
    request_body = Option<PauseWish>,
    responses(
        (status = 200, description = "It is paused, and by which savepoint", body = Halted),
        OfJob, WithBody, InTheWay, Carried, Guarded,
    ))]
pub(super) async fn pause(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<PauseWish>,
) -> Answered<Halted> {
    served.carry(|jobs| async move { jobs.pause(&job, wish, &caller.name).await }).await
}

/// Start a paused job where it paused
#[utoipa::path(post, path = "/api/v1/jobs/{job}/resume", tag = "run", params(InJob),
    responses(
        (status = 200, description = "The job", body = JobDetail),
        OfJob, WithBody, InTheWay, BySnapshot, Carried, Guarded,
    ))]
pub(super) async fn resume(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(Nothing {}): Body<Nothing>,
) -> Answered<JobDetail> {
    served.carry(|jobs| async move { jobs.resume(&job, &caller.name).await }).await
}

/// Take a savepoint
///
/// The job goes on.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/savepoints", tag = "snapshots",
    params(InJob, Key), request_body = Option<SavepointWish>,
    responses(
        (status = 201, description = "The savepoint", body = Snapshot),
        OfJob, WithBody, InTheWay, Carried, Guarded,
    ))]
pub(super) async fn savepoint(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    headers: HeaderMap,
    Kept(wish, bytes): Kept<SavepointWish>,
) -> Result<Answer, Problem> {
    let jobs = Arc::clone(&served.jobs);
    let path = format!("/savepoints/{job}");
    let request = served.once.request(&headers, &caller, &path, &bytes)?;
    let done = async move {
        let taken = jobs.savepoint(&job, wish, &caller.name).await?;
        Answer::of(StatusCode::CREATED, &taken)
    };
    served.once.answer(request, done).await
}

/// A job's checkpoints and savepoints
#[utoipa::path(get, path = "/api/v1/jobs/{job}/snapshots", tag = "snapshots", params(InJob),
    responses(
        (status = 200, description = "Newest first", body = Snapshots),
        OfJob, Guarded,
    ))]
pub(super) async fn snapshots(State(served): Daemon, JobName(job): JobName) -> Answered<Snapshots> {
    Ok(Json(served.jobs.snapshots(&job).await?))
}

/// Start a job from a snapshot
///
/// It ends first, if it runs. Its strategy stays.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/restore", tag = "snapshots",
    params(InJob, Key), request_body = RestoreWish,
    responses(
        (status = 200, description = "The job", body = JobDetail),
        OfJob, WithBody, InTheWay, BySnapshot, Carried, Guarded,
    ))]
pub(super) async fn restore(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    headers: HeaderMap,
    Kept(wish, bytes): Kept<RestoreWish>,
) -> Result<Answer, Problem> {
    let jobs = Arc::clone(&served.jobs);
    let path = format!("/restore/{job}");
    let request = served.once.request(&headers, &caller, &path, &bytes)?;
    let done = async move {
        let job = jobs.restore(&job, wish, &caller.name).await?;
        Answer::of(StatusCode::OK, &job)
    };
    served.once.answer(request, done).await
}

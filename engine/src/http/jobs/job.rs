//! One job: how it stands, its script, its tables.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Served;
use super::extract::{Ask, Body, JobName, Number, Who};
use super::openapi::{InJob, InVersion};
use super::refusals::{ByScript, Carried, Guarded, InTheWay, OfJob, WithBody};
use crate::api::{
    DeleteWish, Edited, JobDetail, TableWish, Tables, UpdateWish, VersionText, Versions,
};
use crate::http::problem::Problem;
use crate::jobs::Jobs;

type Daemon = State<Arc<Served>>;
type Answered<T> = Result<Json<T>, Problem>;

/// How a job stands
#[utoipa::path(get, path = "/api/v1/jobs/{job}", tag = "jobs", params(InJob), responses(
    (status = 200, description = "The job", body = JobDetail), OfJob, Guarded,
))]
pub(super) async fn detail(State(served): Daemon, JobName(job): JobName) -> Answered<JobDetail> {
    Ok(Json(served.jobs.detail(&job)?))
}

/// Give a job another script or strategy
#[utoipa::path(put, path = "/api/v1/jobs/{job}", tag = "jobs", params(InJob),
    request_body = UpdateWish,
    responses(
        (status = 200, description = "What became of it", body = Edited),
        OfJob, WithBody, InTheWay, ByScript, Carried, Guarded,
    ))]
pub(super) async fn update(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<UpdateWish>,
) -> Answered<Edited> {
    served.carry(|jobs| async move { jobs.update(&job, wish, &caller.name).await }).await
}

/// Forget a job
#[utoipa::path(delete, path = "/api/v1/jobs/{job}", tag = "jobs", params(InJob, DeleteWish),
    responses(
        (status = 204, description = "It is forgotten"),
        OfJob, InTheWay, Carried, Guarded,
    ))]
pub(super) async fn delete(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Ask(wish): Ask<DeleteWish>,
) -> Result<StatusCode, Problem> {
    let forgotten = |jobs: Arc<Jobs>| async move { jobs.delete(&job, wish, &caller.name).await };
    let Json(()) = served.carry(forgotten).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Versions of a job's script
#[utoipa::path(get, path = "/api/v1/jobs/{job}/versions", tag = "jobs", params(InJob), responses(
    (status = 200, description = "Newest first", body = Versions), OfJob, Guarded,
))]
pub(super) async fn versions(State(served): Daemon, JobName(job): JobName) -> Answered<Versions> {
    Ok(Json(served.jobs.versions(&job).await?))
}

/// One version of a job's script, secrets hidden
#[utoipa::path(get, path = "/api/v1/jobs/{job}/versions/{number}", tag = "jobs",
    params(InVersion), responses(
        (status = 200, description = "The script", body = VersionText),
        OfJob, Guarded,
    ))]
pub(super) async fn version(
    State(served): Daemon,
    JobName(job): JobName,
    Number(number): Number,
) -> Answered<VersionText> {
    Ok(Json(served.jobs.version(&job, number).await?))
}

/// A job's tables
#[utoipa::path(get, path = "/api/v1/jobs/{job}/tables", tag = "tables", params(InJob), responses(
    (status = 200, description = "By name", body = Tables), OfJob, Guarded,
))]
pub(super) async fn tables(State(served): Daemon, JobName(job): JobName) -> Answered<Tables> {
    Ok(Json(served.jobs.tables(&job)?))
}

/// Read tables again from the start
#[utoipa::path(post, path = "/api/v1/jobs/{job}/tables/resnapshot", tag = "tables",
    params(InJob), request_body = TableWish,
    responses(
        (status = 200, description = "The job", body = JobDetail),
        OfJob, WithBody, InTheWay, ByScript, Carried, Guarded,
    ))]
pub(super) async fn resnapshot(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<TableWish>,
) -> Answered<JobDetail> {
    served.carry(|jobs| async move { jobs.resnapshot(&job, wish, &caller.name).await }).await
}

/// Release tables from quarantine
#[utoipa::path(post, path = "/api/v1/jobs/{job}/tables/release", tag = "tables",
    params(InJob), request_body = TableWish,
    responses(
        (status = 200, description = "The job", body = JobDetail),
        OfJob, WithBody, InTheWay, ByScript, Carried, Guarded,
    ))]
pub(super) async fn release(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<TableWish>,
) -> Answered<JobDetail> {
    served.carry(|jobs| async move { jobs.release(&job, wish, &caller.name).await }).await
}

/// Follow more tables
#[utoipa::path(post, path = "/api/v1/jobs/{job}/tables/add", tag = "tables",
    params(InJob), request_body = TableWish,
    responses(
        (status = 200, description = "What became of it", body = Edited),
        OfJob, WithBody, InTheWay, ByScript, Carried, Guarded,
    ))]
pub(super) async fn add_tables(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<TableWish>,
) -> Answered<Edited> {
    served.carry(|jobs| async move { jobs.add_tables(&job, wish, &caller.name).await }).await
}

/// Follow tables no more
#[utoipa::path(post, path = "/api/v1/jobs/{job}/tables/drop", tag = "tables",
    params(InJob), request_body = TableWish,
    responses(
        (status = 200, description = "What became of it", body = Edited),
        OfJob, WithBody, InTheWay, ByScript, Carried, Guarded,
    ))]
pub(super) async fn drop_tables(
    State(served): Daemon,
    JobName(job): JobName,
    Who(caller): Who,
    Body(wish): Body<TableWish>,
) -> Answered<Edited> {
    served.carry(|jobs| async move { jobs.drop_tables(&job, wish, &caller.name).await }).await
}

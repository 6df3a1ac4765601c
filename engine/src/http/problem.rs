//! Refusals, as problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::{self, Told};
use crate::control::Refusal;

#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    /// `about:blank`, or a path under `/problems/` that `docs/api.md` lists.
    kind: &'static str,
    detail: String,
    errors: Vec<Told>,
    retry_after_seconds: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, kind: "about:blank", detail, errors: Vec::new(), retry_after_seconds: None }
    }

    /// A body, query or name that cannot be read.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// More than is taken at a time.
    pub(crate) fn too_many(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        Self { retry_after_seconds: Some(retry_after_seconds), ..problem }
    }

    /// Of one of the kinds that programs tell apart.
    pub(crate) fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn with_errors(self, errors: Vec<Told>) -> Self {
        Self { errors, ..self }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Gone => StatusCode::CONFLICT,
            Refusal::NotRunning(_) | Refusal::Waiting(_) | Refusal::Busy | Refusal::Failed(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, refusal.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("refused").to_owned();
        let body = api::Problem {
            kind: self.kind.to_owned(),
            title,
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.errors,
        };
        let mut response = (self.status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

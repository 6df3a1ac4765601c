//! What a request holds, read strictly: whatever does not fit is a problem that names its place.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::limits::{self, Beyond, Within};
use crate::api::Role;
use crate::http::problem::Problem;
use crate::serve::access::{Caller, NOBODY};

/// A JSON object; no body at all is what `T` says it is.
pub(super) struct Body<T>(pub T);

/// The same with its bytes, by which a request is known again.
pub(super) struct Kept<T>(pub T, pub Bytes);

/// What stands behind the `?`.
pub(super) struct Ask<T>(pub T);

/// `{job}` of the path.
pub(super) struct JobName(pub String);

/// `{number}` of the path.
pub(super) struct Number(pub u32);

/// Who asks; an operator without a name where nobody looked.
pub(super) struct Who(pub Caller);

impl<S: Send + Sync, T: DeserializeOwned + Within> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Kept::from_request(request, state).await.map(|Kept(wish, _)| Self(wish))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Within> FromRequest<S> for Kept<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = body(request, state).await?;
        let absent = if bytes.is_empty() { T::absent() } else { None };
        let wish = absent.map_or_else(|| read(&bytes), Ok)?;
        Ok(Self(wish, bytes))
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::unreadable("this route takes a body and no query"));
    }
    let is_json = is_json(request.headers());
    let bytes = Bytes::from_request(request, state)
        .await
        .map_err(|rejected| Problem::new(rejected.status(), rejected.body_text()))?;
    if !bytes.is_empty() && !is_json {
        let why = "the body is to be JSON: send it with `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.map(|kind| kind.split_once(';').map_or(kind, |(essence, _)| essence));
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// # Errors
/// It is no JSON object, or not one that `T` is, or is over a limit.
pub(super) fn read<T: DeserializeOwned + Within>(bytes: &[u8]) -> Result<T, Problem> {
    // An array would be taken for a struct, field by field.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::unreadable("the body is to be a JSON object: `{…}`"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let wish: T = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| Problem::unreadable(located("the body", error)))?;
    json.end()
        .map_err(|error| Problem::unreadable(format!("the body goes on after its end: {error}")))?;
    wish.within()?;
    Ok(wish)
}

impl From<Beyond> for Problem {
    fn from(beyond: Beyond) -> Self {
        match beyond {
            Beyond::Bad(detail) => Self::unreadable(detail),
            Beyond::TooLarge(detail) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
        }
    }
}

fn located(what: &str, error: serde_path_to_error::Error<impl std::fmt::Display>) -> String {
    let path = error.path().to_string();
    let inner = error.into_inner();
    if path == "." { format!("{what}: {inner}") } else { format!("{what}, `{path}`: {inner}") }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        serde_path_to_error::deserialize(pairs)
            .map(Self)
            .map_err(|error| Problem::unreadable(located("the query", error)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for JobName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = segment(parts, state, "job").await?;
        limits::job("job", &name)?;
        Ok(Self(name))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state, "number").await?;
        let number = text.parse();
        number.map(Self).map_err(|why| {
            Problem::unreadable(format!("`{text}` in the path is no version's number: {why}"))
        })
    }
}

async fn segment<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    wanted: &str,
) -> Result<String, Problem> {
    let params = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|rejected| Problem::new(rejected.status(), rejected.body_text()))?;
    let found = params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
    found.ok_or_else(|| Problem::unreadable(format!("the path names no {wanted}")))
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let nobody = || Caller { name: NOBODY.to_owned(), role: Role::Operator };
        Ok(Self(parts.extensions.get().cloned().unwrap_or_else(nobody)))
    }
}

/// For query fields that may be absent but not empty: `limit=` is no limit, and a mistake.
pub(super) fn given<'de, D, T>(field: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(field).map(Some)
}

//! One request, and again where saying it twice is as good as once.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::is_passing;
use super::link::chain;
use super::{Client, ClientError, Reply};
use crate::api::Problem;

/// Attempts after the first.
const RETRIES_MAX: usize = 3;
const RETRY_AFTER_MIN: Duration = Duration::from_millis(200);
/// A daemon that asks for more patience is reported instead.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);
/// A question is answered at once; what changes a job may wait for a savepoint, as long as it takes.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Of an answer that cannot be read, so many characters are shown.
const SHOWN_CHARS_MAX: usize = 200;

/// What happens where an answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It is asked again: the second time changes nothing.
    Always,
    /// It is asked again, with the same `Idempotency-Key`.
    ByKey,
    /// It is reported: the daemon may have done it.
    Never,
}

#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Below `/api/v1`.
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
    pub(super) again: Again,
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a [&'a str]) -> Self {
        let (method, query) = (Method::GET, Vec::new());
        Self { method, path, query, body: None, again: Again::Always }
    }

    pub(super) fn change(
        method: Method,
        path: &'a [&'a str],
        wish: &impl Serialize,
        again: Again,
    ) -> Result<Self, ClientError> {
        let body = serde_json::to_string(wish).map_err(|e| ClientError::Local(e.to_string()))?;
        Ok(Self { method, path, query: Vec::new(), body: Some(body), again })
    }

    pub(super) fn with(mut self, key: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (key, value.to_string())));
        self
    }
}

impl Client {
    /// Asks, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
    ) -> Result<Reply<T>, ClientError> {
        let (status, json) = self.text(&call).await?;
        match serde_json::from_str(&json) {
            Ok(value) => Ok(Reply { value, json, status }),
            Err(why) => {
                let what = format!("{why}, in its answer `{}`", shown(&json));
                Err(self.strange(what))
            }
        }
    }

    /// Asks; status and text of a success.
    pub(super) async fn text(&self, call: &Call<'_>) -> Result<(u16, String), ClientError> {
        let key = format!("{:032x}", rand::random::<u128>());
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(RETRY_AFTER_MIN)
            .with_max_times(RETRIES_MAX)
            .with_jitter()
            .build();
        loop {
            let (error, asked) = match self.once(call, &key).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            // Of a passing refusal nothing was done.
            let again = error.problem().is_some_and(is_passing)
                || (matches!(error, ClientError::Cut { .. }) && call.again != Again::Never);
            let Some(pause) = pauses.next().filter(|_| again) else { return Err(error) };
            let pause = asked.unwrap_or(pause);
            if pause > RETRY_AFTER_MAX {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// One attempt. With a refusal comes how long the daemon wants to be left alone, if it says so.
    async fn once(
        &self,
        call: &Call<'_>,
        key: &str,
    ) -> Result<(u16, String), (ClientError, Option<Duration>)> {
        let mut url = self.server.of(call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.http.request(call.method.clone(), url);
        request = request.header(ACCEPT, "application/json, application/problem+json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.header());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if call.again == Again::ByKey {
            request = request.header("Idempotency-Key", key);
        }
        if call.method == Method::GET {
            request = request.timeout(ANSWERED_WITHIN);
        }
        let response = request.send().await.map_err(|error| (self.unsent(&error), None))?;
        let (status, asked) = (response.status(), asked_pause(&response));
        let text = response.text().await.map_err(|error| (self.cut(&error), None))?;
        if status.is_success() {
            return Ok((status.as_u16(), text));
        }
        Err((self.refusal(status.as_u16(), &text), asked))
    }

    fn refusal(&self, status: u16, text: &str) -> ClientError {
        match serde_json::from_str::<Problem>(text) {
            Ok(problem) => ClientError::Refused(Box::new(problem)),
            Err(_) => self.strange(format!("status {status}, `{}`", shown(text))),
        }
    }

    fn strange(&self, what: String) -> ClientError {
        ClientError::Strange { server: self.server.to_string(), what }
    }

    fn cut(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Cut { server: self.server.to_string(), why: reason(error) }
    }

    fn unsent(&self, error: &reqwest::Error) -> ClientError {
        let (server, why) = (self.server.to_string(), reason(error));
        if why.contains("invalid peer certificate") {
            return ClientError::Distrusted { server, why };
        }
        match error.is_connect() {
            true => ClientError::NotThere { server, why },
            false => self.cut(error),
        }
    }
}

fn asked_pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The causes alone: that a request failed, and its URL, the message says already.
fn reason(error: &reqwest::Error) -> String {
    let cause = std::error::Error::source(error);
    let why = cause.map_or_else(|| error.to_string(), chain);
    why.trim_start_matches("client error (Connect): ").to_owned()
}

fn shown(text: &str) -> String {
    let line: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    line.replace(['\n', '\r'], " ")
}

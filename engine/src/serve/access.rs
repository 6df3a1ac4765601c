//! Who asks, and whether they may: everything that is found out in front of the routes.
//!
//! In this order, so that what costs more comes after what turns more away: whose page sent it, how
//! often its address asks, whose token it bears and what that may do, how big it is. Only then its body
//! is read, and the route asked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout};

use super::config::{Config, Limits};
use super::rate::Rate;
use super::token::{Known, TokenError, Tokens};
use crate::api::Role;
use crate::http::guard::Rules;
use crate::http::problem::Problem;

/// Nothing from elsewhere, nothing inline, nothing framed.
pub const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Who asks where no tokens are asked.
pub const NOBODY: &str = "-";

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// What never ends by itself.
const STREAM: &str = "/api/v1/stream";

/// Whose request it is, as its token says. Put into the extensions of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Of the token; `-` where the daemon has none.
    pub name: String,
    pub role: Role,
}

/// The answer to a request that reaches no route.
type Turned = Box<Response>;

/// Why the daemon does not start as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(transparent)]
    Tokens(#[from] TokenError),
    #[error(
        "other machines reach {listen}, and there are no tokens: make one with `seachange token new \
         NAME --role operator`, listen at 127.0.0.1, or let everybody in with `insecure = true` in \
         [security]"
    )]
    Exposed { listen: SocketAddr },
}

/// What is held of those who ask.
pub struct Gate {
    tokens: Tokens,
    rules: Rules,
    limits: Limits,
    requests: Mutex<Rate>,
    failures: Mutex<Rate>,
}

impl Gate {
    /// Reads the tokens, and refuses to let other machines in without any.
    ///
    /// # Errors
    /// The tokens cannot be used, or are wanted.
    pub fn open(config: &Config) -> Result<Self, GateError> {
        let tokens = Tokens::open(&config.tokens_file())?;
        let listen = config.server.listen;
        let (is_local, are_asked) = (listen.ip().is_loopback(), tokens.now().are_asked);
        if !is_local && !are_asked && !config.security.insecure {
            return Err(GateError::Exposed { listen });
        }
        let hosts = config.server.hosts.clone();
        // Elsewhere any name may be this machine's. With tokens that does no harm: a page that was
        // made to lead here has none.
        let checks_host = is_local || !are_asked || !hosts.is_empty();
        let limits = config.limits.clone();
        let requests = Rate::new(limits.requests_per_second, SECOND, limits.burst);
        let failed = limits.failed_tokens_per_minute;
        Ok(Self {
            tokens,
            rules: Rules { has_pages: true, checks_host, hosts },
            limits,
            requests: Mutex::new(requests),
            failures: Mutex::new(Rate::new(failed, MINUTE, failed)),
        })
    }

    /// Whether a token is asked of everybody, at present.
    pub fn needs_token(&self) -> bool {
        self.tokens.now().are_asked
    }

    async fn admit(&self, request: Request, next: Next) -> Result<Response, Turned> {
        let (mut parts, body) = request.into_parts();
        if let Some(why) = self.rules.refused(&parts) {
            return Err(turned(Problem::new(StatusCode::FORBIDDEN, why)));
        }
        if !is_probe(parts.uri.path()) {
            let peer = peer(&parts);
            within(&self.requests, peer).map_err(|wait| too_often("requests", wait))?;
            if is_guarded(parts.uri.path()) {
                let caller = self.caller(&self.tokens.now(), &parts, peer)?;
                parts.extensions.insert(caller);
            }
        }
        let only_reads = wanted(&parts) == Role::Viewer;
        let is_stream = parts.uri.path() == STREAM;
        // Nothing else takes a body, and nobody is to have one read without a token.
        let body = match is_guarded(parts.uri.path()) {
            true => self.body(&parts.headers, body).await?,
            false => Body::empty(),
        };
        let answer = next.run(Request::from_parts(parts, body));
        // What changes a job is never cut off: who asked would not know whether it was done.
        if !only_reads || is_stream {
            return Ok(answer.await);
        }
        timeout(self.limits.request_within, answer).await.map_err(|_| {
            let what = "it took longer than `request_within` allows; ask for less, or again";
            turned(Problem::new(StatusCode::SERVICE_UNAVAILABLE, what))
        })
    }

    fn caller(&self, known: &Known, parts: &Parts, peer: IpAddr) -> Result<Caller, Turned> {
        if !known.are_asked {
            return Ok(Caller { name: NOBODY.to_owned(), role: Role::Operator });
        }
        let Some(token) = bearer(&parts.headers) else {
            return Err(unknown(
                "a token is wanted: `Authorization: Bearer TOKEN`",
                "Bearer realm=\"seachange\"",
            ));
        };
        // Looked at before the failures are: nobody is locked out by another's wrong tokens.
        let Some((name, role)) = known.bearer(token) else {
            within(&self.failures, peer).map_err(|wait| too_often("wrong tokens", wait))?;
            tracing::warn!(%peer, "a token that is not known");
            return Err(unknown(
                "this token is not known, or was revoked",
                "Bearer realm=\"seachange\", error=\"invalid_token\"",
            ));
        };
        if role < wanted(parts) {
            let (method, path) = (&parts.method, parts.uri.path());
            tracing::warn!(by = name, %method, path, "a viewer asked for an operator's");
            let what =
                format!("`{name}` is a viewer's token, and `{method}` here wants an operator's");
            return Err(turned(Problem::new(StatusCode::FORBIDDEN, what)));
        }
        Ok(Caller { name: name.to_owned(), role })
    }

    /// The whole body: a route is not begun for one that is too big, or comes by drops.
    async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Body, Turned> {
        let max = self.limits.body_bytes;
        let too_big = || {
            let what = format!("a body may have {max} bytes (`body_bytes`)");
            turned(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what))
        };
        let told = headers.get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok());
        if told.and_then(|n| n.parse().ok()).is_some_and(|told: u64| told > max as u64) {
            return Err(too_big());
        }
        match timeout(self.limits.header_within, to_bytes(body, max)).await {
            Ok(Ok(bytes)) => Ok(Body::from(bytes)),
            Ok(Err(error)) if is_over_limit(&error) => Err(too_big()),
            Ok(Err(_)) => {
                let what = "the body ended early, or cannot be read";
                Err(turned(Problem::unreadable(what)))
            }
            Err(_) => {
                let what = "the body did not come within `header_within`";
                Err(turned(Problem::new(StatusCode::REQUEST_TIMEOUT, what)))
            }
        }
    }
}

/// Puts all of it in front of the routes.
pub fn layer(router: Router, gate: Arc<Gate>) -> Router {
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let gate = Arc::clone(&gate);
        async move {
            let is_api = is_guarded(request.uri().path());
            let mut answer = match gate.admit(request, next).await {
                Ok(answer) => answer,
                Err(turned) => *turned,
            };
            harden(answer.headers_mut(), is_api);
            answer
        }
    }))
}

/// What tokens are asked for. Routes go by the path as it is sent, so this is exact: what is spelt
/// otherwise leads nowhere.
fn is_guarded(path: &str) -> bool {
    let is = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is("/api") || is("/metrics")
}

/// Asked by machines, now and then, and answered from memory.
fn is_probe(path: &str) -> bool {
    path == "/healthz" || path == "/readyz"
}

fn wanted(parts: &Parts) -> Role {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    if reads { Role::Viewer } else { Role::Operator }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = all.next()?.to_str().ok()?.split_once(' ')?;
    let is_one = scheme.eq_ignore_ascii_case("bearer") && all.next().is_none();
    is_one.then(|| token.trim())
}

fn peer(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

fn within(rate: &Mutex<Rate>, of: IpAddr) -> Result<(), Duration> {
    rate.lock().unwrap_or_else(PoisonError::into_inner).take(of, Instant::now())
}

fn turned(problem: Problem) -> Turned {
    Box::new(problem.into_response())
}

fn too_often(what: &str, wait: Duration) -> Turned {
    let what = format!("too many {what} from this address; `Retry-After` says when");
    // Whole seconds, and never too early.
    turned(Problem::too_many(what, wait.as_secs() + 1))
}

fn unknown(what: &str, challenge: &'static str) -> Turned {
    let mut answer = turned(Problem::new(StatusCode::UNAUTHORIZED, what));
    let challenge = HeaderValue::from_static(challenge);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

/// Of a body that was read up to a limit.
pub(crate) fn is_over_limit(error: &axum::Error) -> bool {
    let inner = std::error::Error::source(error);
    inner.is_some_and(|inner| inner.is::<http_body_util::LengthLimitError>())
}

/// A route that knows better has said so.
fn harden(headers: &mut HeaderMap, is_api: bool) {
    let mut unless_said = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    unless_said(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    unless_said(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_said(header::X_FRAME_OPTIONS, "DENY");
    unless_said(header::REFERRER_POLICY, "no-referrer");
    unless_said(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    unless_said(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if is_api {
        unless_said(header::CACHE_CONTROL, "no-store");
    }
}

#[cfg(test)]
mod tests;

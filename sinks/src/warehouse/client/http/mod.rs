//! Requests to frontends and backends, and the way from one to the other.
//!
//! Redirects are followed by hand: a frontend sends loads on to a backend, whose address differs, and
//! HTTP clients do not repeat the password there. The first request to a frontend has headers alone.
//! Those after it carry the body and hold it back, for who redirects to a backend may be another
//! frontend, which redirects again.

mod exchange;
mod nodes;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request};
use serde::Deserialize;
use tokio_rustls::TlsConnector;
use url::Url;

use super::reply::Fields;
use super::settings::Settings;
use super::tls::{HINT, HTTPS};
use exchange::{Broken, Exchanged, Timeouts, exchange};
pub(super) use nodes::Nodes;

const HOPS_MAX: usize = 5;
const PLAIN_HINT: &str = "there the password and all rows could be read by others: let TLS end in front of the \
                          backends too and name the places in `be-override` (`HOST:PORT=https://HOST:PORT`), \
                          or allow it by `ssl.plain-redirects` = true";

pub(super) struct Http {
    pub(super) frontends: Nodes,
    pub(super) backends: Nodes,
    elsewhere: BTreeMap<String, String>,
    authorization: HeaderValue,
    timeouts: Timeouts,
    tls: TlsConnector,
    plain_redirects: bool,
}

/// What is asked; the same wherever it goes.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    /// `None` where none belongs to it.
    pub(super) body: Option<Bytes>,
}

#[derive(Debug)]
pub(super) struct Answer {
    /// Who gave it.
    pub(super) node: String,
    pub(super) status: u16,
    pub(super) fields: Fields,
    /// The answer as it came, for one that is no JSON.
    pub(super) raw: Bytes,
    /// Whether it was given to the body, too.
    pub(super) had_body: bool,
}

#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was done.
    Unreached { node: String, why: String },
    /// Nothing was done, and the same again would not be either; with what would help.
    Unsafe { node: String, why: String, hint: &'static str },
    /// Whatever was asked may have been done.
    Lost { node: String, why: String },
}

impl Failure {
    pub(super) fn node(&self) -> &str {
        match self {
            Self::Unreached { node, .. } | Self::Unsafe { node, .. } | Self::Lost { node, .. } => {
                node
            }
        }
    }

    pub(super) fn why(&self) -> &str {
        match self {
            Self::Unreached { why, .. } | Self::Unsafe { why, .. } | Self::Lost { why, .. } => why,
        }
    }
}

/// Where a request begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum To<'a> {
    /// The first that can be reached.
    Frontend,
    Backend(&'a str),
}

impl Http {
    /// # Errors
    /// Files of TLS that cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let credentials = format!("{}:{}", settings.username, settings.password.reveal());
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        // Base64 is always a header.
        let mut authorization =
            HeaderValue::from_str(&basic).unwrap_or(HeaderValue::from_static(""));
        authorization.set_sensitive(true);
        Ok(Self {
            frontends: Nodes::new(settings.fe.clone()),
            backends: Nodes::new(settings.be.clone()),
            elsewhere: settings.be_override.clone(),
            authorization,
            timeouts: Timeouts { connect: settings.connect_timeout, idle: settings.socket_timeout },
            tls: settings.tls.connector()?,
            plain_redirects: settings.tls.plain_redirects,
        })
    }

    pub(super) async fn ask(&self, ask: &Ask, to: To<'_>) -> Result<Answer, Failure> {
        let (nodes, order, first) = match to {
            To::Frontend => (&self.frontends, self.frontends.order(), First::Frontend),
            To::Backend(node) => (&self.backends, vec![node.to_owned()], First::Backend),
        };
        let mut unreached = Failure::Unreached {
            node: String::new(),
            why: "no address of a frontend is given".to_owned(),
        };
        for node in order {
            match self.follow(ask, &node, first).await {
                Err(Failure::Unreached { node: at, why }) if at == node => {
                    nodes.unreached(&node);
                    unreached = Failure::Unreached { node, why };
                }
                Err(Failure::Unreached { node: at, why }) => {
                    nodes.reached(&node);
                    return Err(Failure::Unreached { node: at, why });
                }
                Err(failure @ Failure::Unsafe { .. }) => return Err(failure),
                Err(Failure::Lost { node: at, why }) => {
                    if at == node {
                        nodes.unreached(&node);
                    }
                    return Err(Failure::Lost { node: at, why });
                }
                Ok(answer) => {
                    nodes.reached(&node);
                    return Ok(answer);
                }
            }
        }
        Err(unreached)
    }

    async fn follow(&self, ask: &Ask, node: &str, first: First) -> Result<Answer, Failure> {
        let (mut node, mut target) = (node.to_owned(), ask.target.clone());
        for hop in 0..=HOPS_MAX {
            let withheld = hop == 0 && first == First::Frontend;
            let body = ask.body.clone().filter(|_| !withheld);
            let had_body = body.is_some();
            let exchanged = self.send(ask, &node, &target, body).await?;
            if !exchanged.status.is_redirection() {
                return Ok(Answer {
                    node,
                    status: exchanged.status.as_u16(),
                    fields: Fields::parse(&exchanged.body),
                    raw: exchanged.body,
                    had_body,
                });
            }
            let astray = |why: String| Failure::Unreached { node: node.clone(), why };
            let location = exchanged.location.ok_or_else(|| {
                astray(format!("a redirect ({}) without a place to go", exchanged.status))
            })?;
            let (next, path) = self.place(&location).map_err(astray)?;
            if !self.may_follow(&node, &next) {
                return Err(Failure::Unsafe {
                    why: format!("a redirect from https to http, to {next}"),
                    node,
                    hint: PLAIN_HINT,
                });
            }
            (node, target) = (next, path);
        }
        let why = format!("more than {HOPS_MAX} redirects");
        Err(Failure::Unreached { node: format!("{node} (the last of them)"), why })
    }

    async fn send(
        &self,
        ask: &Ask,
        node: &str,
        target: &str,
        body: Option<Bytes>,
    ) -> Result<Exchanged, Failure> {
        let unreached = |why: String| Failure::Unreached { node: node.to_owned(), why };
        let body = body.unwrap_or_default();
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(target)
            .body(())
            .map_err(|error| unreached(error.to_string()))?;
        let headers = request.headers_mut();
        *headers = ask.headers.clone();
        let host = node.strip_prefix(HTTPS).unwrap_or(node);
        let host = HeaderValue::from_str(host).map_err(|error| unreached(error.to_string()))?;
        headers.insert(HOST, host);
        headers.insert(AUTHORIZATION, self.authorization.clone());
        if ask.method != Method::GET {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if ask.body.is_some() {
            headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
        }
        let sent = exchange(node, request, body, &self.tls, self.timeouts).await;
        sent.map_err(|broken| match broken {
            Broken::Unreached(why) => unreached(why),
            Broken::Distrusted(why) => Failure::Unsafe { node: node.to_owned(), why, hint: HINT },
            Broken::Lost(why) => Failure::Lost { node: node.to_owned(), why },
        })
    }

    /// The nodes of a list of backends (`GET /api/backends`) that live.
    ///
    /// # Errors
    /// One that is no list, or of nodes that nothing is to be sent to.
    pub(super) fn listed(&self, answer: &Answer) -> Result<Vec<String>, Failure> {
        let unreached = |why: String| Failure::Unreached { node: answer.node.clone(), why };
        let list: Listed = serde_json::from_slice(&answer.raw)
            .map_err(|error| unreached(format!("no list of backends ({error})")))?;
        let living = list.data.backends.into_iter().filter(|backend| backend.is_alive);
        let mut nodes = Vec::new();
        for Backend { ip, http_port, .. } in living {
            let host = if ip.contains(':') { format!("[{ip}]") } else { ip };
            let (node, _) =
                self.place(&format!("http://{host}:{http_port}/")).map_err(unreached)?;
            if !self.may_follow(&answer.node, &node) {
                return Err(Failure::Unsafe {
                    why: format!("its list of backends leads from https to http, to {node}"),
                    node: answer.node.clone(),
                    hint: PLAIN_HINT,
                });
            }
            nodes.push(node);
        }
        if nodes.is_empty() {
            return Err(unreached("no backend is alive".to_owned()));
        }
        Ok(nodes)
    }

    /// What was sent over TLS, the password first of all, is not shown to others unasked.
    pub(super) fn may_follow(&self, from: &str, to: &str) -> bool {
        self.plain_redirects || to.starts_with(HTTPS) || !from.starts_with(HTTPS)
    }

    /// Node and target of a URL that a server gave. What it says of user and password is dropped, and
    /// appears nowhere.
    ///
    /// # Errors
    /// A URL that is none of HTTP. A node that goes over TLS begins with [`HTTPS`].
    pub(super) fn place(&self, url: &str) -> Result<(String, String), String> {
        let url = Url::parse(url).map_err(|error| format!("a redirect to no URL ({error})"))?;
        let (Some(host), "http" | "https") = (url.host_str(), url.scheme()) else {
            return Err(format!("a redirect to `{}:`, where loads are not taken", url.scheme()));
        };
        let scheme = if url.scheme() == "https" { HTTPS } else { "" };
        let named = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
        let node = self.elsewhere.get(&named).or_else(|| self.elsewhere.get(host));
        let named = match node {
            Some(node) if node.starts_with(HTTPS) => node.clone(),
            Some(node) => format!("{scheme}{node}"),
            None => format!("{scheme}{named}"),
        };
        let target = match url.query().filter(|query| !query.is_empty()) {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok((named, target))
    }
}

#[derive(Deserialize)]
struct Listed {
    data: Backends,
}

#[derive(Deserialize)]
struct Backends {
    backends: Vec<Backend>,
}

#[derive(Deserialize)]
struct Backend {
    ip: String,
    http_port: u16,
    is_alive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// It redirects who has a body: it does not get it.
    Frontend,
    Backend,
}

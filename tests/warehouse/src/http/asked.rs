//! A request, taken apart.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request, Version};
use percent_encoding::percent_decode_str;

use crate::ingest::Headers;

/// All of a request but its body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// The parts between slashes, decoded.
    pub(crate) path: Vec<String>,
    /// As it came, for a `Location`.
    pub(crate) target: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: Headers,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) expect: Option<String>,
    pub(crate) framing: Framing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    /// A length and chunks, which no request may have.
    Both,
    /// Not at all, so there is none.
    Neither,
}

impl Asked {
    pub(crate) fn of(request: Request<Incoming>) -> (Self, Incoming) {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let asked = Self {
            method: parts.method.clone(),
            version: parts.version,
            path: path(parts.uri.path()),
            target: target.to_owned(),
            query: parts.uri.query().map(query).unwrap_or_default(),
            headers: headers(&parts),
            credentials: credentials(&parts),
            expect: text(&parts, EXPECT.as_str()),
            framing: framing(&parts),
        };
        (asked, body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// As most calls name it.
    pub(crate) fn label(&self) -> &str {
        let in_query = || self.query.get("label").map(String::as_str);
        self.header("label").or_else(in_query).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

fn path(text: &str) -> Vec<String> {
    let parts = text.trim_matches('/').split('/');
    parts.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

fn query(text: &str) -> BTreeMap<String, String> {
    let decoded = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn headers(parts: &Parts) -> Headers {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    parts.headers.iter().map(|(name, value)| (name.as_str(), text(value.as_bytes()))).collect()
}

fn text(parts: &Parts, name: &str) -> Option<String> {
    let value = parts.headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// None if there are none, or none that can be read.
fn credentials(parts: &Parts) -> Option<Credentials> {
    let header = text(parts, AUTHORIZATION.as_str())?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    // `user@cluster`, from the time when there were clusters.
    let user = user.split_once('@').map_or(user, |(user, _)| user);
    Some(Credentials { user: user.to_owned(), password: password.to_owned() })
}

fn framing(parts: &Parts) -> Framing {
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        return Framing::Chunked;
    }
    let length = text(parts, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    length.map_or(Framing::Neither, Framing::Length)
}

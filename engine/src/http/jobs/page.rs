//! The page: files of `engine/ui`, in the binary.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "ui/"]
#[allow_missing = true]
struct Ui;

/// What answers `/`.
const FIRST: &str = "index.html";

struct File {
    kind: &'static str,
    plain: Bytes,
    plain_tag: HeaderValue,
    /// Where that is smaller.
    gzip: Option<(Bytes, HeaderValue)>,
}

/// A route for each file.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let files = Ui::iter().filter_map(|name| Some((File::of(&name, Ui::get(&name)?)?, name)));
    files.fold(Router::new(), |router, (file, name)| {
        let file = Arc::new(file);
        let path = if name == FIRST { "/".to_owned() } else { format!("/{name}") };
        router.route(&path, get(async move |headers: HeaderMap| file.answer(&headers)))
    })
}

impl File {
    fn of(name: &str, embedded: EmbeddedFile) -> Option<Self> {
        let plain = match embedded.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let hash: String =
            embedded.metadata.sha256_hash().iter().take(16).map(|b| format!("{b:02x}")).collect();
        let kind = kind(name);
        let packed = if is_text(kind) { gzip(&plain) } else { None };
        let gzip = packed.filter(|packed| packed.len() < plain.len());
        Some(Self {
            kind,
            plain_tag: HeaderValue::from_str(&format!("\"{hash}\"")).ok()?,
            gzip: match gzip {
                Some(packed) => {
                    Some((packed, HeaderValue::from_str(&format!("\"{hash}-gzip\"")).ok()?))
                }
                None => None,
            },
            plain,
        })
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let packed = self.gzip.as_ref().filter(|_| takes_gzip(asked));
        let (bytes, tag) = packed.map_or((&self.plain, &self.plain_tag), |(b, t)| (b, t));
        let mut answer = if has(asked, tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let kind = HeaderValue::from_static(self.kind);
            ([(header::CONTENT_TYPE, kind)], bytes.clone()).into_response()
        };
        let headers = answer.headers_mut();
        headers.insert(header::ETAG, tag.clone());
        // Asked again each time: a new binary brings a new page.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if packed.is_some() && answer.status() == StatusCode::OK {
            let gzip = HeaderValue::from_static("gzip");
            answer.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        }
        answer
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text/") || kind == "application/json" || kind == "image/svg+xml"
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|one| {
            let (coding, weight) = one.split_once(';').unwrap_or((one, "q=1"));
            let is_refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            coding.trim().eq_ignore_ascii_case("gzip") && !is_refused
        })
    })
}

/// The asker has this very file.
fn has(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let (Ok(tag), mut lists) = (tag.to_str(), asked.get_all(header::IF_NONE_MATCH).iter()) else {
        return false;
    };
    lists.any(|list| {
        list.to_str().is_ok_and(|list| {
            list.split(',')
                .map(str::trim)
                .any(|one| one == "*" || one.trim_start_matches("W/") == tag)
        })
    })
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

//! What calls of both systems have in common: headers, waits and errors.

use std::io::Write as _;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use model::table::quote;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::ClientError;
use super::http::{Answer, Ask, Failure, Http, To};
use super::pace::{Pace, Retries, Setback};
use super::settings::{Compression, Settings};
use super::sql::Sql;
use super::tls::HTTPS;
use super::verdict::{Verdict, verdict};
use super::{Load, Staged, System};

/// Of a part of a path or a query, what stays as it is.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// Of the rows that were refused, how many the error tells of.
const REASONS_MAX: usize = 3;
const REASON_CHARS_MAX: usize = 300;

pub(super) struct Wire {
    pub(super) system: System,
    pub(super) settings: Settings,
    pub(super) http: Http,
    pub(super) sql: Sql,
    pub(super) pace: Pace,
}

/// Why a call did not do what was asked.
#[derive(Debug)]
pub(super) enum Refusal {
    Failure(Failure),
    Said { node: String, words: String, error_url: Option<String> },
}

impl Refusal {
    pub(super) fn said(answer: &Answer) -> Self {
        let mut words = answer.fields.words();
        if words.is_empty() {
            let raw = String::from_utf8_lossy(&answer.raw);
            words = raw.trim().chars().take(REASON_CHARS_MAX).collect();
        }
        if answer.status != 200 {
            words = format!("HTTP {}: {words}", answer.status);
        }
        let error_url = answer.fields.error_url().map(str::to_owned);
        Self::Said { node: answer.node.clone(), words, error_url }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Failure(failure) => failure.why().to_owned(),
            Self::Said { words, .. } => words.clone(),
        }
    }
}

impl Setback for Refusal {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Failure(Failure::Unsafe { hint, .. }) => Verdict::Never(hint),
            Self::Failure(Failure::Unreached { .. } | Failure::Lost { .. }) => Verdict::Soon,
            Self::Said { words, .. } => verdict(words),
        }
    }

    fn node(&self) -> &str {
        match self {
            Self::Failure(failure) => failure.node(),
            Self::Said { node, .. } => node,
        }
    }

    fn why(&self) -> String {
        self.words()
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

pub(super) fn encoded(part: &str) -> String {
    utf8_percent_encode(part, IN_URL).to_string()
}

/// For errors.
pub(super) fn of_load(load: &Load) -> String {
    format!("load `{}` of {}", load.label, load.table.quoted())
}

/// For errors.
pub(super) fn of_staged(staged: &Staged) -> String {
    format!("load `{}` of `{}`.`{}`", staged.label, staged.db, staged.table)
}

impl Wire {
    pub(super) fn retries(&self) -> Retries {
        let of = format!("{} waits for {}", self.settings.sink, self.system);
        self.pace.retries(self.settings.max_retries, of, self.settings.waits.call())
    }

    pub(super) fn transient(&self, what: String) -> ClientError {
        ClientError::Transient { sink: self.settings.sink.clone(), what }
    }

    pub(super) fn definite(&self, what: String) -> ClientError {
        ClientError::Definite { sink: self.settings.sink.clone(), what }
    }

    /// The error of a call that is not tried again.
    pub(super) async fn refused(&self, doing: &str, refusal: &Refusal) -> ClientError {
        let system = self.system;
        match refusal {
            Refusal::Failure(Failure::Unsafe { node, why, hint }) => {
                self.definite(format!("{system} at {node}: {doing}: {why}; {hint}"))
            }
            Refusal::Failure(failure) => {
                let (node, why) = (failure.node(), failure.why());
                self.transient(format!(
                    "{system} at {node}: {doing}: {why}; check that the node runs and can be reached \
                     from here"
                ))
            }
            Refusal::Said { node, words, error_url } => match refusal.verdict() {
                Verdict::Soon | Verdict::Later => {
                    self.transient(format!("{system} at {node} refused {doing}: {words}"))
                }
                Verdict::Never(hint) => {
                    let reasons = match error_url {
                        Some(url) => self.reasons(node, url).await,
                        None => String::new(),
                    };
                    self.definite(format!(
                        "{system} at {node} refused {doing}: {words}{reasons}; {hint}"
                    ))
                }
            },
        }
    }

    /// A frontend redirects a load, and does not take it.
    pub(super) fn answered_as_backend(&self, answer: &Answer, doing: &str) -> ClientError {
        self.definite(format!(
            "{} at {} took {doing} without its rows: it is a backend in the list of frontends; name \
             the frontends' HTTP port (8030 unless changed)",
            self.system, answer.node
        ))
    }

    /// The first lines of an error log, without the rows: what they hold is nobody's business here.
    async fn reasons(&self, from: &str, url: &str) -> String {
        let placed = self.http.place(url).ok();
        // Elsewhere than at a backend it is no place to send a password to.
        let fits = |(node, target): &(String, String)| {
            target.starts_with("/api/") && self.http.may_follow(from, node)
        };
        let Some((node, target)) = placed.filter(fits) else {
            return format!(" (the rows and why: {})", without_user(url));
        };
        let scheme = if node.starts_with(HTTPS) { "" } else { "http://" };
        let shown = format!("{scheme}{node}{target}");
        let ask = Ask { method: Method::GET, target, headers: HeaderMap::new(), body: None };
        let Ok(answer) = self.http.ask(&ask, To::Backend(&node)).await else {
            return format!(" (the rows and why: {shown})");
        };
        let text = String::from_utf8_lossy(&answer.raw);
        let lines = text.lines().filter(|line| !line.trim().is_empty()).take(REASONS_MAX);
        let reasons: Vec<String> = lines.map(without_row).collect();
        format!(": {} (all, with the rows: {shown})", reasons.join("; "))
    }

    /// What a load's headers say in both systems. What the user chose is there, but for what the sink
    /// relies on.
    pub(super) fn load_headers(
        &self,
        load: &Load,
        ours: &[(&str, &str)],
    ) -> Result<HeaderMap, ClientError> {
        let columns: Vec<String> = load.columns.iter().map(|name| quote(name)).collect();
        let columns = columns.join(",");
        let mut headers = HeaderMap::new();
        let given = self.settings.headers.iter().map(|(name, value)| (&**name, &**value));
        let always = [
            ("label", load.label.as_str()),
            ("format", "json"),
            ("columns", &columns),
            // Else what does not fit becomes NULL, and nobody is told.
            ("strict_mode", "true"),
            ("max_filter_ratio", "0"),
        ];
        for (name, value) in given.chain(always).chain(ours.iter().copied()) {
            self.put_header(&mut headers, name, value)?;
        }
        Ok(headers)
    }

    pub(super) fn put_header(
        &self,
        headers: &mut HeaderMap,
        name: &str,
        value: &str,
    ) -> Result<(), ClientError> {
        // Names of columns and tables may be any text; the servers read UTF-8.
        let header =
            HeaderName::try_from(name).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        let Some((name, value)) = header else {
            return Err(self.definite(format!(
                "`{name}` with the value `{}` cannot be an HTTP header; correct the load's properties, \
                 or rename the column",
                value.escape_debug()
            )));
        };
        headers.insert(name, value);
        Ok(())
    }

    /// The body as it is sent.
    pub(super) async fn body(&self, load: &Load) -> Result<Bytes, ClientError> {
        let (body, compression) = (load.body.clone(), self.settings.compression);
        if compression == Compression::None {
            return Ok(body);
        }
        let packed = tokio::task::spawn_blocking(move || pack(&body, compression)).await;
        packed
            .map_err(std::io::Error::other)
            .and_then(|packed| packed)
            .map_err(|error| self.transient(format!("a load cannot be compressed: {error}")))
    }
}

fn pack(body: &Bytes, compression: Compression) -> std::io::Result<Bytes> {
    let room = Vec::with_capacity(body.len() / 4);
    Ok(match compression {
        Compression::None => body.clone(),
        Compression::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
            packer.write_all(body)?;
            packer.finish()?.into()
        }
        Compression::Lz4 => {
            let mut packer = lz4_flex::frame::FrameEncoder::new(room);
            packer.write_all(body)?;
            packer.finish().map_err(std::io::Error::other)?.into()
        }
    })
}

/// Between which words the servers quote a value.
const QUOTED: [(&str, &str); 3] =
    [("input str: [", "] "), ("src value is ", ". "), ("Value '", "' is out of")];

/// Why a row was refused, without what it holds.
fn without_row(line: &str) -> String {
    let reason = line.split("src line").next().unwrap_or_default();
    let mut reason = reason.split(". Row:").next().unwrap_or_default().to_owned();
    for (open, close) in QUOTED {
        if let Some((before, after)) = reason.split_once(open) {
            let rest = after.rsplit_once(close).map(|(_, rest)| rest).unwrap_or_default();
            reason = format!("{before}{open}…{close}{rest}");
        }
    }
    reason.trim().trim_end_matches(['.', ';', ' ']).chars().take(REASON_CHARS_MAX).collect()
}

/// A URL that is shown: it may name a user.
fn without_user(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return "a URL that is none".to_owned() };
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_without_the_values_that_it_quotes() {
        for (line, told) in [
            (
                "Reason: column_name[name], the length of input is too long than schema. first 32 \
                 bytes of input str: [a] b] schema length: 8; actual length: 12; . src line [1,x]; ",
                "Reason: column_name[name], the length of input is too long than schema. first 32 \
                 bytes of input str: […] schema length: 8; actual length: 12",
            ),
            (
                "Reason: column(qty) value is incorrect while strict mode is true, src value is \
                 300. src line [1]; ",
                "Reason: column(qty) value is incorrect while strict mode is true, src value is …",
            ),
            (
                "Error: Value 'it's' is out of range. The type of 'qty' is TINYINT. Row: 1,a,x",
                "Error: Value '…' is out of range. The type of 'qty' is TINYINT",
            ),
        ] {
            assert_eq!(without_row(line), told);
        }
    }
}

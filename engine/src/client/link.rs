//! Whom to ask, how to be let in, and whom to believe.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Certificate, Url};

use super::ClientError;

/// A daemon that is there takes a connection sooner.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// Where a daemon answers: `http://` or `https://`, perhaps with a path in front of `/api`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

impl FromStr for ServerUrl {
    type Err = String;

    /// A `host:port` alone is of `http://`.
    fn from_str(text: &str) -> Result<Self, String> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url: Url = whole
            .parse()
            .map_err(|why| format!("expected a URL, for instance http://127.0.0.1:8083 ({why})"))?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err("expected http://HOST:PORT or https://HOST:PORT".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "no password here, where others see it: a token comes from SEACHANGE_TOKEN \
                        or --token-file"
                    .to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("expected nothing behind the path".to_owned());
        }
        Ok(Self(url))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl ServerUrl {
    /// The URL of a path below `/api/v1`; each segment is one, whatever it holds.
    pub(super) fn of(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        url
    }

    fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let address = host.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// What a daemon with tokens asks for. Not shown by `Debug`.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(******)")
    }
}

impl Token {
    /// Of a file's one line, else of the environment's variable; none where neither is there.
    ///
    /// # Errors
    /// The file cannot be read, or what is found is no token.
    pub fn find(file: Option<&Path>, variable: Option<&str>) -> Result<Option<Self>, ClientError> {
        let Some(path) = file else {
            let given = variable.filter(|text| !text.trim().is_empty());
            return given.map(|text| Self::read(text, "SEACHANGE_TOKEN")).transpose();
        };
        let text = read(path, "--token-file names a file with a token in one line")?;
        Self::read(&String::from_utf8_lossy(&text), &path.display().to_string()).map(Some)
    }

    fn read(text: &str, place: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Token(place.to_owned());
        let text = text.trim();
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(wrong());
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| wrong())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Asks one daemon.
#[derive(Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) server: ServerUrl,
    pub(super) token: Option<Token>,
}

impl Client {
    /// Connects to nothing yet. `ca`: certificates in PEM that are believed, and no others; else those
    /// of the system are.
    ///
    /// # Errors
    /// `ca` cannot be read.
    pub fn new(
        server: ServerUrl,
        token: Option<Token>,
        ca: Option<&Path>,
    ) -> Result<Self, ClientError> {
        install_provider();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECTED_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("seachange/", env!("CARGO_PKG_VERSION")));
        if server.is_loopback() {
            builder = builder.no_proxy();
        }
        match ca {
            Some(path) => builder = builder.tls_certs_only(authorities(path)?),
            // The system's are not looked for where nothing shows a certificate.
            None if server.0.scheme() == "http" => builder = builder.tls_certs_only([]),
            None => {}
        }
        let http = builder.build().map_err(|why| ClientError::Local(chain(&why)))?;
        Ok(Self { http, server, token })
    }

    pub fn server(&self) -> &ServerUrl {
        &self.server
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    const EXPECTED: &str = "--ca names a file of certificates in PEM";
    let wrong = |why: String| ClientError::File { path: path.to_owned(), why, expected: EXPECTED };
    let found = Certificate::from_pem_bundle(&read(path, EXPECTED)?);
    let found = found.map_err(|why| wrong(chain(&why)))?;
    if found.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(found)
}

fn read(path: &Path, expected: &'static str) -> Result<Vec<u8>, ClientError> {
    let file = |why: std::io::Error| ClientError::File {
        path: path.to_owned(),
        why: why.to_string(),
        expected,
    };
    std::fs::read(path).map_err(file)
}

/// Two providers in one program make the first TLS connection panic, so ours is named once.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that the program has chosen one already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// An error with its causes, without what they repeat.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

//! What `--state` says.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::object::ObjectUrl;

/// Where state rests, as a user names it: `rocksdb://DIR` (a bare path means the same), or a place
/// for objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// A directory with one RocksDB per job.
    RocksDb(PathBuf),
    /// A log of objects per job.
    Object(ObjectUrl),
}

/// Why a text names no place for state. It never tells what could be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateUrlError {
    #[error("the state URL is empty: expected `rocksdb://DIR`, `s3://BUCKET/PREFIX`, …")]
    Empty,
    // Only the scheme is told: the rest may hold a secret.
    #[error(
        "`{scheme}://` is no place for state: use `rocksdb://DIR` or a path, `file://DIR`, \
         `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or \
         `hdfs://NAMENODE:PORT/PATH`{hint}"
    )]
    UnknownScheme { scheme: String, hint: &'static str },
    #[error("`{scheme}://` needs {what}: {example}")]
    Incomplete { scheme: String, what: &'static str, example: &'static str },
    #[error("`{scheme}://` has no option `{option}`; it has: {known}")]
    UnknownOption { scheme: String, option: String, known: &'static str },
    #[error("`{option}` of a `{scheme}://` URL is {expected}")]
    BadOption { scheme: String, option: String, expected: &'static str },
    #[error(
        "a `{scheme}://` URL holds no secrets, for it is logged and listed; give them by the \
         environment: {variables}"
    )]
    Secret { scheme: String, variables: &'static str },
    #[error("the path of a `{scheme}://` URL cannot be used: {why}")]
    BadPath { scheme: String, why: String },
}

impl Default for StateUrl {
    fn default() -> Self {
        Self::RocksDb(PathBuf::from("./seachange-state"))
    }
}

impl FromStr for StateUrl {
    type Err = StateUrlError;

    fn from_str(text: &str) -> Result<Self, StateUrlError> {
        let (scheme, dir) = text.split_once("://").unwrap_or(("rocksdb", text));
        if !scheme.eq_ignore_ascii_case("rocksdb") {
            return text.parse().map(Self::Object);
        }
        match dir {
            "" => Err(StateUrlError::Empty),
            dir => Ok(Self::RocksDb(PathBuf::from(dir))),
        }
    }
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RocksDb(dir) => write!(f, "rocksdb://{}", dir.display()),
            Self::Object(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_path_is_a_rocksdb_directory() {
        for (text, dir) in [
            ("rocksdb://./seachange-state", "./seachange-state"),
            ("./seachange-state", "./seachange-state"),
            ("rocksdb:///var/lib/seachange", "/var/lib/seachange"),
            ("/var/lib/seachange", "/var/lib/seachange"),
            ("RocksDB://state", "state"),
        ] {
            assert_eq!(text.parse(), Ok(StateUrl::RocksDb(dir.into())), "{text}");
        }
        assert_eq!("./seachange-state".parse(), Ok(StateUrl::default()));
    }

    #[test]
    fn a_url_reads_back_as_it_prints() {
        let url = StateUrl::default();
        assert_eq!(url.to_string(), "rocksdb://./seachange-state");
        assert_eq!(url.to_string().parse(), Ok(url));
        for text in ["file:///x", "s3://b/p?endpoint=http://127.0.0.1:9000&region=eu-1"] {
            let url: StateUrl = text.parse().unwrap();
            assert!(matches!(url, StateUrl::Object(_)));
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_without_its_secrets() {
        for (url, word) in [
            ("mysql://root:secret@x", "no place for state"),
            ("s3://key:secret@b/p", "AWS_SECRET_ACCESS_KEY"),
            ("oss://bucket/secret", "`s3://BUCKET/PREFIX?endpoint=…`"),
        ] {
            let error = url.parse::<StateUrl>().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("secret@") && !error.contains("/secret"), "{error}");
        }
        assert_eq!("".parse::<StateUrl>(), Err(StateUrlError::Empty));
        assert_eq!("rocksdb://".parse::<StateUrl>(), Err(StateUrlError::Empty));
    }
}

//! What `--state` says.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where state rests, as a user names it: `rocksdb://DIR`, or a bare path, which means the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// A directory with one RocksDB per job.
    RocksDb(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateUrlError {
    #[error("the state URL is empty: expected `rocksdb://DIR`")]
    Empty,
    // Only the scheme is told: the rest may hold a secret.
    #[error(
        "state on `{scheme}://` is not supported by this build yet: use `rocksdb://DIR` or a path"
    )]
    NotYet { scheme: String },
    #[error("`{scheme}://` is no place for state: use `rocksdb://DIR` or a path")]
    UnknownScheme { scheme: String },
}

/// Schemes that the command line documents and this build has no store for.
const NOT_YET: [&str; 10] =
    ["file", "s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "hdfs"];

impl Default for StateUrl {
    fn default() -> Self {
        Self::RocksDb(PathBuf::from("./seachange-state"))
    }
}

impl FromStr for StateUrl {
    type Err = StateUrlError;

    fn from_str(text: &str) -> Result<Self, StateUrlError> {
        let (scheme, dir) = text.split_once("://").unwrap_or(("rocksdb", text));
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "rocksdb" if dir.is_empty() => Err(StateUrlError::Empty),
            "rocksdb" => Ok(Self::RocksDb(PathBuf::from(dir))),
            known if NOT_YET.contains(&known) => Err(StateUrlError::NotYet { scheme }),
            _ => Err(StateUrlError::UnknownScheme { scheme }),
        }
    }
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RocksDb(dir) => write!(f, "rocksdb://{}", dir.display()),
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
    }

    #[test]
    fn a_store_to_come_is_refused_by_name_and_without_its_secrets() {
        for url in ["file:///x", "s3://key:secret@b/p", "gs://b", "az://b", "hdfs://nn/p"] {
            let error = url.parse::<StateUrl>().unwrap_err();
            assert!(matches!(error, StateUrlError::NotYet { .. }), "{url}");
            assert!(error.to_string().contains("not supported by this build yet"), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(matches!(
            "mysql://x".parse::<StateUrl>(),
            Err(StateUrlError::UnknownScheme { .. })
        ));
        assert_eq!("".parse::<StateUrl>(), Err(StateUrlError::Empty));
        assert_eq!("rocksdb://".parse::<StateUrl>(), Err(StateUrlError::Empty));
    }
}

//! How a cluster is reached.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub(crate) use super::tls::TlsSettings;
use crate::waits::Waits;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Name of the sink within the job, for errors.
    pub sink: String,
    /// Frontends, `host:port` of HTTP, or `https://host:port`; at least one.
    pub fe: Vec<String>,
    /// Backends, in the same way. Where there are any, loads go to them and to no other.
    pub be: Vec<String>,
    /// Where `be` names none: loads go to frontends, which send them on. Else a frontend is asked for its
    /// backends, and they are spoken to. Doris alone.
    pub auto_redirect: bool,
    /// Frontends, `host:port` of the MySQL protocol.
    pub sql: Vec<String>,
    pub username: String,
    pub password: Password,
    /// How often a call is repeated after its first failure.
    pub max_retries: u32,
    pub connect_timeout: Duration,
    /// How long a connection may stand still.
    pub socket_timeout: Duration,
    /// Where a backend is reached that frontends name by an address of their own network: `host:port`
    /// or `host` as they name it, to `host:port` or `https://host:port`.
    pub be_override: BTreeMap<String, String>,
    /// Further headers of every load.
    pub headers: BTreeMap<String, String>,
    pub compression: Compression,
    pub tls: TlsSettings,
    /// Where it is shown what calls wait for.
    pub waits: Waits,
}

/// What is done to a load's body. JSON may be compressed since Doris 2.1 (its later releases) and
/// StarRocks 3.2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Compression {
    #[default]
    None,
    Gzip,
    /// In frames.
    Lz4,
}

/// A password that no log, error or `Debug` ever shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Password(String);

impl Password {
    pub(crate) fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

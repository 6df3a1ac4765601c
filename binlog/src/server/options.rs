//! How to reach the source, and the session that every connection of ours gets.

use std::fmt;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Conn, DriverError, Error, Opts, OptsBuilder, SslOpts};

use crate::reader::BinlogError;

/// What the server itself allows at most (`max_allowed_packet`): a row may be that large, and with
/// the default of 64 MiB one large row would end the stream for good.
const PACKET_BYTES_MAX: usize = 1 << 30;
/// How long the server waits for us to take bytes from the socket. A slow sink stalls the reader,
/// and the default of 60 s would have the server drop us.
const NET_TIMEOUT_S: u32 = 3600;
/// How long the server keeps a connection without statements.
const IDLE_TIMEOUT_S: u32 = 28_800;

/// A password that no log, error or `Debug` ever shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For the login alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// TLS as MySQL's own clients name its modes (`--ssl-mode`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tls {
    Disabled,
    /// TLS where the server has it, without looking at its certificate; plain text else.
    #[default]
    Preferred,
    /// TLS or no connection; the certificate is not looked at.
    Required,
    /// The certificate must come from an authority in `ca` (PEM), or a public one where `None`.
    /// The TLS library looks at the host's name all the same and cannot be told not to, so a
    /// certificate without it is refused here too; such are those that MySQL makes for itself.
    VerifyCa {
        ca: Option<PathBuf>,
    },
    /// The same, and it must name the host we connect to.
    VerifyIdentity {
        ca: Option<PathBuf>,
    },
}

/// Our own certificate, where the server asks for one (`REQUIRE X509`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// How to reach the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Password,
    pub tls: Tls,
    pub client_certificate: Option<ClientCertificate>,
    /// For connecting and logging in together.
    pub connect_timeout: Duration,
    /// Ours, as a replica. Two replicas of one server must not share it: they would end each
    /// other's connection in turn.
    pub server_id: u32,
    /// How often the server speaks up when it has nothing to send.
    pub heartbeat: Duration,
    /// How long a stream that lost its connection asks the server again before that is an error, at
    /// least [`RECONNECTS_MIN`] times; `None`: for ever.
    pub reconnect_for: Option<Duration>,
}

/// So often at least a server is asked again before it counts as one that cannot be reached.
pub const RECONNECTS_MIN: u32 = 3;

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 3306,
            user: "root".to_owned(),
            password: Password::default(),
            tls: Tls::default(),
            client_certificate: None,
            connect_timeout: Duration::from_secs(30),
            server_id: 0,
            heartbeat: Duration::from_secs(1),
            reconnect_for: None,
        }
    }
}

impl SourceOptions {
    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }

    fn ssl(&self) -> Option<SslOpts> {
        let opts = SslOpts::default();
        let with_ca = |opts: SslOpts, ca: &Option<PathBuf>| match ca {
            Some(path) => {
                opts.with_root_certs(vec![path.clone().into()]).with_disable_built_in_roots(true)
            }
            None => opts,
        };
        let opts = match &self.tls {
            Tls::Disabled => return None,
            Tls::Preferred | Tls::Required => opts.with_danger_accept_invalid_certs(true),
            Tls::VerifyCa { ca } => with_ca(opts, ca).with_danger_skip_domain_validation(true),
            Tls::VerifyIdentity { ca } => with_ca(opts, ca),
        };
        let identity = self.client_certificate.as_ref().map(|certificate| {
            ClientIdentity::new(certificate.chain.clone().into(), certificate.key.clone().into())
        });
        Some(opts.with_client_identity(identity))
    }

    fn opts(&self, ssl: Option<SslOpts>) -> Opts {
        OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .user(Some(self.user.clone()))
            .pass(Some(self.password.reveal()))
            .ssl_opts(ssl)
            // A local socket would pass TLS by.
            .prefer_socket(false)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .max_allowed_packet(Some(PACKET_BYTES_MAX))
            .wait_timeout(Some(IDLE_TIMEOUT_S as usize))
            .stmt_cache_size(16)
            .into()
    }
}

/// Two TLS providers in one program make the first TLS connection panic, so ours is named once.
pub(crate) fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that the program has chosen one already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// Opens a connection with a session that reads the same whatever the server's defaults are.
///
/// # Errors
/// [`BinlogError::Connect`], [`BinlogError::ConnectTimeout`], or [`BinlogError::Query`] from the
/// session's settings.
pub async fn connect(options: &SourceOptions) -> Result<Conn, BinlogError> {
    let mut conn = open(options).await?;
    for statement in session() {
        let what = || format!("set up the session (`{statement}`)");
        conn.query_drop(&statement)
            .await
            .map_err(|e| BinlogError::Query { what: what(), source: e })?;
    }
    for statement in SESSION_WHERE_KNOWN {
        match conn.query_drop(statement).await {
            Ok(()) => {}
            // Unknown there, or not ours to set: the statement only widens a limit.
            Err(Error::Server(_)) => {}
            Err(source) => {
                return Err(BinlogError::Query { what: "set up the session".to_owned(), source });
            }
        }
    }
    Ok(conn)
}

/// The connection alone, with the server's default session.
async fn open(options: &SourceOptions) -> Result<Conn, BinlogError> {
    install_tls_provider();
    match login(options, options.ssl()).await {
        Err(BinlogError::Connect {
            source: Error::Driver(DriverError::NoClientSslFlagFromServer),
            ..
        }) if options.tls == Tls::Preferred => login(options, None).await,
        other => other,
    }
}

async fn login(options: &SourceOptions, ssl: Option<SslOpts>) -> Result<Conn, BinlogError> {
    let login = Box::pin(Conn::new(options.opts(ssl)));
    let address = options.address();
    match tokio::time::timeout(options.connect_timeout, login).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(source)) => Err(BinlogError::Connect { address, source }),
        Err(_) => Err(BinlogError::ConnectTimeout { address, waited: options.connect_timeout }),
    }
}

pub(crate) fn session() -> [String; 4] {
    [
        "SET NAMES utf8mb4".to_owned(),
        // Text comes as it is stored: what has no Unicode the server would turn into `?`, without a
        // word. What it tells of itself is UTF-8 all the same.
        "SET SESSION character_set_results = NULL".to_owned(),
        // An `init_connect` or a global default may have set any of these otherwise. The modes that
        // would change what we send (ANSI_QUOTES, NO_BACKSLASH_ESCAPES) or get
        // (PAD_CHAR_TO_FULL_LENGTH) are off.
        "SET SESSION autocommit = 1, time_zone = '+00:00', sql_mode = '', sql_auto_is_null = 0, \
         sql_big_selects = 1, sql_select_limit = 18446744073709551615"
            .to_owned(),
        format!(
            "SET SESSION net_write_timeout = {NET_TIMEOUT_S}, net_read_timeout = {NET_TIMEOUT_S}, \
             wait_timeout = {IDLE_TIMEOUT_S}"
        ),
    ]
}

/// Limits on how long a SELECT may run (MySQL 5.7.8+, MariaDB), and the query cache (5.6, MariaDB),
/// whose answers need not be of this moment.
pub(crate) const SESSION_WHERE_KNOWN: [&str; 3] = [
    "SET SESSION max_execution_time = 0",
    "SET SESSION max_statement_time = 0",
    "SET SESSION query_cache_type = 0",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_in_debug_output() {
        let options = SourceOptions { password: Password::new("s3cret"), ..Default::default() };
        assert!(!format!("{options:?}").contains("s3cret"));
    }

    #[test]
    fn an_ipv6_host_is_bracketed() {
        let options = SourceOptions { host: "::1".into(), port: 3306, ..Default::default() };
        assert_eq!(options.address(), "[::1]:3306");
    }
}

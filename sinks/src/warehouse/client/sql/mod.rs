//! The MySQL port: definitions, the catalogue, and what the HTTP ports cannot list.
//!
//! One connection, made when it is needed and dropped when it breaks. Statements go as text, and
//! nothing is asked of the server beside them: what clients of MySQL ask at the start these servers
//! answer by chance.

mod alter;
mod catalog;
mod reading;
mod unfinished;

use std::time::Duration;

use model::table::quote;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, DriverError, Error, IoError, Opts, OptsBuilder, Row, SslOpts, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::ClientError;
use super::http::Nodes;
use super::pace::Setback;
use super::settings::{Settings, TlsSettings};
use super::tls::{HINT, MySqlTls, is_distrust};
use super::verdict::{Verdict, verdict};
use super::wire::Wire;

pub(crate) use reading::Reading;

/// A schema change returns when it is begun, and a light one when it is done; DROP waits for locks.
const STATEMENT_MAX: Duration = Duration::from_secs(600);
const PACKET_BYTES_MAX: usize = 64 << 20;
const ACCESS_CODES: [u16; 6] = [1044, 1045, 1142, 1143, 1227, 5203];
const NO_TLS_HINT: &str =
    "switch it on there, or leave `ssl.mysql-port` out: it is then plain text";
const LABELS: &str = "SHOW TRANSACTION";

pub(super) struct Sql {
    nodes: Nodes,
    username: String,
    password: super::Password,
    connect_timeout: Duration,
    tls: TlsSettings,
    connection: Mutex<Option<(String, Conn)>>,
}

/// Rows as text.
#[derive(Debug, Default)]
pub(super) struct Table {
    names: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// Why a statement was not answered.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No server could be reached.
    Unreached {
        node: String,
        why: String,
    },
    /// Nothing was asked, for it would not be safe; with what would help.
    Unsafe {
        node: String,
        why: String,
        hint: &'static str,
    },
    /// It may have been done.
    Lost {
        node: String,
        why: String,
    },
    Refused {
        node: String,
        code: u16,
        words: String,
    },
}

impl Trouble {
    fn words(&self) -> &str {
        match self {
            Self::Unreached { why, .. } | Self::Unsafe { why, .. } | Self::Lost { why, .. } => why,
            Self::Refused { words, .. } => words,
        }
    }
}

impl Setback for Trouble {
    fn verdict(&self) -> Verdict {
        of(self)
    }

    fn node(&self) -> &str {
        match self {
            Self::Unreached { node, .. }
            | Self::Unsafe { node, .. }
            | Self::Lost { node, .. }
            | Self::Refused { node, .. } => node,
        }
    }

    fn why(&self) -> String {
        self.words().to_owned()
    }
}

impl Table {
    /// The cells of a row under their names, whatever their case.
    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.rows.iter().map(|cells| Record { names: &self.names, cells })
    }
}

#[derive(Clone, Copy)]
struct Record<'a> {
    names: &'a [String],
    cells: &'a [Option<String>],
}

impl<'a> Record<'a> {
    fn get(self, name: &str) -> Option<&'a str> {
        let at = self.names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        self.at(at)
    }

    fn at(self, at: usize) -> Option<&'a str> {
        self.cells.get(at)?.as_deref()
    }
}

impl Sql {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            nodes: Nodes::new(settings.sql.clone()),
            username: settings.username.clone(),
            password: settings.password.clone(),
            connect_timeout: settings.connect_timeout,
            tls: settings.tls.clone(),
            connection: Mutex::new(None),
        }
    }

    /// Runs a statement once.
    pub(super) async fn run(&self, statement: &str) -> Result<Table, Trouble> {
        let mut kept = self.connection.lock().await;
        let idle = match kept.take() {
            // It may have been closed meanwhile, and then nobody knew whether a statement had arrived.
            Some((node, mut conn)) => match timeout(self.connect_timeout, conn.ping()).await {
                Ok(Ok(())) => Some((node, conn)),
                Ok(Err(_)) | Err(_) => None,
            },
            None => None,
        };
        let (node, mut conn) = match idle {
            Some(ready) => ready,
            None => self.connect().await?,
        };
        match timeout(STATEMENT_MAX, query(&mut conn, statement)).await {
            Ok(Ok(table)) => {
                *kept = Some((node, conn));
                Ok(table)
            }
            Ok(Err(Error::Server(error))) => {
                *kept = Some((node.clone(), conn));
                Err(Trouble::Refused { node, code: error.code, words: error.message })
            }
            Ok(Err(error)) => Err(Trouble::Lost { node, why: words(&error) }),
            Err(_) => {
                Err(Trouble::Lost { node, why: format!("no answer within {STATEMENT_MAX:?}") })
            }
        }
    }

    async fn connect(&self) -> Result<(String, Conn), Trouble> {
        let mut last = Trouble::Unreached {
            node: String::new(),
            why: "no MySQL address of a frontend is given".to_owned(),
        };
        for node in self.nodes.order() {
            let why = match timeout(self.connect_timeout, self.login(&node)).await {
                Ok(Ok(conn)) => {
                    self.nodes.reached(&node);
                    return Ok((node, conn));
                }
                Ok(Err(Login::Failed(error))) => match *error {
                    Error::Server(error) => {
                        let (code, words) = (error.code, error.message);
                        return Err(Trouble::Refused { node, code, words });
                    }
                    Error::Driver(DriverError::NoClientSslFlagFromServer) => {
                        let why = "the server has no TLS on its MySQL port".to_owned();
                        return Err(Trouble::Unsafe { node, why, hint: NO_TLS_HINT });
                    }
                    Error::Io(IoError::Io(error)) if is_distrust(&error) => {
                        let why = error.to_string();
                        return Err(Trouble::Unsafe { node, why, hint: HINT });
                    }
                    error @ Error::Io(IoError::Tls(_)) => {
                        return Err(Trouble::Unsafe { node, why: error.to_string(), hint: HINT });
                    }
                    error @ (Error::Driver(_) | Error::Io(_) | Error::Other(_) | Error::Url(_)) => {
                        words(&error)
                    }
                },
                Ok(Err(Login::Address(why))) => why,
                Err(_) => format!("no connection within {:?}", self.connect_timeout),
            };
            self.nodes.unreached(&node);
            last = Trouble::Unreached { node, why };
        }
        Err(last)
    }

    async fn login(&self, node: &str) -> Result<Conn, Login> {
        let options = self.options(node, self.tls.of_mysql()).map_err(Login::Address)?;
        match Box::pin(Conn::new(options)).await {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer))
                if self.tls.mysql == MySqlTls::Offered =>
            {
                let plain = self.options(node, None).map_err(Login::Address)?;
                Ok(Box::pin(Conn::new(plain)).await?)
            }
            other => Ok(other?),
        }
    }

    fn options(&self, node: &str, ssl: Option<SslOpts>) -> Result<Opts, String> {
        let (host, port) = node.rsplit_once(':').ok_or("the address has no port")?;
        let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
        let host = host.trim_matches(['[', ']']);
        Ok(OptsBuilder::default()
            .ip_or_hostname(host.to_owned())
            .tcp_port(port)
            .user(Some(self.username.clone()))
            .pass(Some(self.password.reveal().to_owned()))
            .ssl_opts(ssl)
            .prefer_socket(false)
            // Given, so that they are not asked for.
            .max_allowed_packet(Some(PACKET_BYTES_MAX))
            .wait_timeout(Some(28_800))
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .stmt_cache_size(0)
            .into())
    }
}

/// Why there is no connection.
enum Login {
    Address(String),
    Failed(Box<Error>),
}

impl From<Error> for Login {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Of an error of the system its own, without the kind that is put before them twice.
fn words(error: &Error) -> String {
    match error {
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Driver(_) | Error::Io(_) | Error::Other(_) | Error::Server(_) | Error::Url(_) => {
            error.to_string()
        }
    }
}

async fn query(conn: &mut Conn, statement: &str) -> Result<Table, Error> {
    let mut result = conn.query_iter(statement).await?;
    let columns = result.columns_ref().iter();
    let names = columns.map(|column| column.name_str().into_owned()).collect();
    let rows: Vec<Row> = result.collect().await?;
    result.drop_result().await?;
    let text = |value: Value| match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        // No row that comes as text has another.
        other @ (Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..)) => Some(other.as_sql(true)),
    };
    let rows = rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect();
    Ok(Table { names, rows })
}

/// A string of SQL.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

impl Wire {
    /// Runs a statement that may be run twice, until it is answered.
    pub(super) async fn rows(&self, doing: &str, statement: &str) -> Result<Table, ClientError> {
        let mut retries = self.retries();
        loop {
            let trouble = match self.sql.run(statement).await {
                Ok(table) => return Ok(table),
                Err(trouble) => trouble,
            };
            if !retries.again(&trouble).await {
                return Err(self.troubled(doing, &trouble));
            }
        }
    }

    pub(super) async fn databases(&self) -> Result<Vec<String>, ClientError> {
        let table = self.rows("the list of databases", "SHOW DATABASES").await?;
        Ok(table.records().filter_map(|row| row.at(0).map(str::to_owned)).collect())
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<(), ClientError> {
        self.rows(&format!("`{sql}`"), sql).await.map(drop)
    }

    /// The error of a statement that is not tried again.
    fn troubled(&self, doing: &str, trouble: &Trouble) -> ClientError {
        let system = self.system;
        match trouble {
            Trouble::Unsafe { node, why, hint } => {
                self.definite(format!("{system} at {node}: {doing}: {why}; {hint}"))
            }
            Trouble::Unreached { node, why } | Trouble::Lost { node, why } => {
                self.transient(format!(
                    "{system} at {node}: {doing}: {why}; check that its MySQL port runs and can be \
                     reached from here"
                ))
            }
            Trouble::Refused { node, words, .. } => match of(trouble) {
                Verdict::Soon | Verdict::Later => {
                    self.transient(format!("{system} at {node} refused {doing}: {words}"))
                }
                Verdict::Never("") => {
                    self.definite(format!("{system} at {node} refused {doing}: {words}"))
                }
                Verdict::Never(hint) => {
                    self.definite(format!("{system} at {node} refused {doing}: {words}; {hint}"))
                }
            },
        }
    }
}

/// A statement that was refused is refused again, but for what the server says of itself.
fn of(trouble: &Trouble) -> Verdict {
    match trouble {
        Trouble::Unsafe { hint, .. } => Verdict::Never(hint),
        Trouble::Unreached { .. } | Trouble::Lost { .. } => Verdict::Soon,
        Trouble::Refused { code, .. } if ACCESS_CODES.contains(code) => {
            Verdict::Never("check `username` and `password`, and what the user may do")
        }
        Trouble::Refused { words, .. } => match verdict(words) {
            Verdict::Soon if !super::verdict::passes(words) => Verdict::Never(""),
            Verdict::Never(_) => Verdict::Never(""),
            said @ (Verdict::Soon | Verdict::Later) => said,
        },
    }
}

/// For `SHOW … FROM`.
fn from(db: &str) -> String {
    format!("FROM {}", quote(db))
}

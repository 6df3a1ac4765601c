//! What `check` looks at before a job starts: every precondition on the server and the user, all of
//! them at once, each failure with the statement or the line of my.cnf that mends it.

use std::fmt;

use model::table::quote;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::connection::{self, Start};
use crate::error::own_words;
use crate::reader::BinlogError;
use crate::server::{Server, SourceOptions, connect};
use crate::visibility::VisibilityMethod;

mod grants;

use grants::{Grants, Select};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// The job runs, and the operator should know.
    Warn,
    /// The job would not run, or would lose changes.
    Fail,
}

/// One precondition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub outcome: Outcome,
    /// What is the case.
    pub found: String,
    /// What mends it: an SQL statement or a line of my.cnf.
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, found: found.into(), fix: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into()).filter(|f| !f.is_empty());
        Self { name, outcome: Outcome::Warn, found: found.into(), fix }
    }

    fn fail(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail, ..Self::warn(name, found, fix) }
    }
}

/// Name of the check that the server can be reached and logged in to.
pub const CONNECTION: &str = "connection";
/// Name of the check that positions survive a change of servers.
pub const GTID: &str = "gtid";
/// Warn below this retention: a weekend's outage should not cost a snapshot, a day's never.
const RETENTION_S_MIN: u64 = 24 * 3600;

/// Connects and looks at everything. Never stops at the first failure: a failed connection is
/// itself the one failed check. `databases` are the names whose tables the job reads.
pub async fn run(options: &SourceOptions, databases: &[String]) -> Vec<Check> {
    let mut conn = match connect(options).await {
        Ok(conn) => conn,
        Err(error) => return vec![unreachable(options, &error)],
    };
    let server = match Server::probe(&mut conn).await {
        Ok(server) => server,
        Err(error) => return vec![Check::fail("server", chain(&error), "")],
    };
    let user = account(&mut conn).await;
    let mut checks = vec![Check::ok(CONNECTION, format!("{user} at {}", options.address()))];
    checks.push(version(&server));
    checks.extend(settings(&server));
    checks.extend(relays(&mut conn, &server, &user).await);
    checks.push(gtids(&server));
    checks.push(retention(&server));
    checks.push(server_id(&mut conn, &server, options).await);
    checks.extend(privileges(&mut conn, &server, options, &user, databases).await);
    checks.push(visibility(&mut conn, &server, &user).await);
    drop(conn.disconnect().await);
    checks
}

/// Whether the checks are those of a server, not of the way to it.
pub fn is_reached(checks: &[Check]) -> bool {
    !checks.iter().any(|check| check.name == CONNECTION && check.outcome == Outcome::Fail)
}

/// An error with its causes, on one line; of a server's answer, its words alone.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let (words, deeper) = match next.downcast_ref::<mysql_async::Error>() {
            Some(mysql_async::Error::Server(e)) => (format!("{} ({})", e.message, e.code), false),
            _ => (own_words(&next.to_string()).to_owned(), true),
        };
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = if deeper { next.source() } else { None };
    }
    text
}

fn unreachable(options: &SourceOptions, error: &BinlogError) -> Check {
    let user = sql_text(&options.user);
    let fix = match error.server_code() {
        Some(1045 | 1698) => format!(
            "check user name and password; or, on the server: ALTER USER {user}@'%' IDENTIFIED BY '<password>';"
        ),
        Some(1130) => format!(
            "CREATE USER {user}@'<our address>' IDENTIFIED BY '<password>'; (the server accepts no user from this host)"
        ),
        Some(1129) => "FLUSH HOSTS; (or mysqladmin flush-hosts)".to_owned(),
        Some(1040) => "SET GLOBAL max_connections = <more>;".to_owned(),
        Some(_) => String::new(),
        None if chain(error).contains("certificate") => {
            "use TLS without verification (`required`), or give the server a certificate from the \
             authority we trust that names this host (subjectAltName)"
                .to_owned()
        }
        None => {
            format!("is a MySQL server listening at {}, and may we reach it?", options.address())
        }
    };
    Check::fail(CONNECTION, chain(error), fix)
}

fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Our account as the server matched it, quoted for GRANT.
async fn account(conn: &mut Conn) -> String {
    let account: Option<String> = conn.query_first("SELECT CURRENT_USER()").await.unwrap_or(None);
    let account = account.unwrap_or_default();
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    format!("{}@{}", sql_text(user), sql_text(host))
}

fn version(server: &Server) -> Check {
    let found = server.version_text.clone();
    let (supported, tested) =
        if server.is_mariadb() { ((10, 3, 0), (10, 6, 0)) } else { ((5, 6, 0), (5, 6, 0)) };
    if server.version < supported {
        Check::fail("version", found, "upgrade to MySQL 5.6 or MariaDB 10.6, or newer")
    } else if server.version < tested {
        Check::warn("version", found, "MariaDB before 10.6 is not tested: upgrade where you can")
    } else {
        Check::ok("version", found)
    }
}

fn settings(server: &Server) -> Vec<Check> {
    let mut checks = vec![if server.log_bin {
        Check::ok("log_bin", "ON")
    } else {
        Check::fail("log_bin", "OFF", "my.cnf: [mysqld] log_bin = binlog (and restart)")
    }];
    let required = [
        ("binlog_format", "ROW", "SET GLOBAL binlog_format = 'ROW';"),
        ("binlog_row_image", "FULL", "SET GLOBAL binlog_row_image = 'FULL';"),
    ];
    for (name, wanted, fix) in required {
        checks.push(match server.variable(name) {
            // The server is too old, or too new, to have anything else.
            None => Check::ok(name, "always right on this server"),
            Some(value) if value.eq_ignore_ascii_case(wanted) => Check::ok(name, value),
            Some(value) => Check::fail(
                name,
                value,
                format!("{fix} -- and in my.cnf; sessions that are open keep the old value"),
            ),
        });
    }
    checks
}

/// A replica that does not log what it replicates sends us nothing but its own writes, for ever.
async fn relays(conn: &mut Conn, server: &Server, user: &str) -> Option<Check> {
    const NAME: &str = "log_replica_updates";
    if server.logs_what_it_replicates() {
        return None;
    }
    let fix = "my.cnf: [mysqld] log_replica_updates = ON (log_slave_updates before 8.0.26 and on MariaDB)";
    match server.replication(conn).await {
        Ok(Some(replication)) if replication.channels == 0 => None,
        Ok(Some(_)) => Some(Check::fail(
            NAME,
            "OFF, and this server is a replica: what it replicates is not in its binlog",
            fix,
        )),
        Ok(None) if server.is_mariadb() => Some(Check::warn(
            NAME,
            "OFF, as it may be on a primary; whether this is a replica is not ours to see",
            format!("GRANT SLAVE MONITOR ON *.* TO {user}; (on a replica) {fix}"),
        )),
        Ok(None) => Some(Check::ok(
            NAME,
            "OFF, as it may be on a primary; whether this is a replica is not ours to see",
        )),
        Err(error) => Some(Check::fail(NAME, chain(&error), "")),
    }
}

fn gtids(server: &Server) -> Check {
    match (server.is_mariadb(), server.variable("gtid_mode")) {
        (true, _) => Check::ok(GTID, "MariaDB GTIDs"),
        (false, Some(mode)) if server.gtids => Check::ok(GTID, format!("gtid_mode = {mode}")),
        (false, mode) => Check::warn(
            GTID,
            format!(
                "gtid_mode = {}: positions are file and offset, and do not survive a failover",
                mode.unwrap_or("OFF")
            ),
            if server.version < (5, 7, 6) {
                "my.cnf: [mysqld] gtid_mode = ON, enforce_gtid_consistency = ON, log_slave_updates = ON (and restart)"
            } else {
                "SET GLOBAL gtid_mode = ON; -- step by step, see the MySQL manual, \"Enabling GTID Transactions Online\""
            },
        ),
    }
}

fn retention(server: &Server) -> Check {
    const NAME: &str = "binlog retention";
    let number = |name| server.variable(name).and_then(|v: &str| v.parse::<f64>().ok());
    let seconds = number("binlog_expire_logs_seconds").filter(|s| *s > 0.0);
    let days = number("expire_logs_days").filter(|d| *d > 0.0).map(|d| d * 86_400.0);
    let Some(kept) = seconds.or(days) else {
        return Check::ok(NAME, "binlogs never expire");
    };
    let found = format!("{:.1} h", kept / 3600.0);
    #[expect(clippy::cast_precision_loss, reason = "a number of seconds in a day")]
    if kept >= RETENTION_S_MIN as f64 {
        return Check::ok(NAME, found);
    }
    let fix = if server.variable("binlog_expire_logs_seconds").is_some() {
        "SET GLOBAL binlog_expire_logs_seconds = 259200;"
    } else {
        "SET GLOBAL expire_logs_days = 3;"
    };
    Check::warn(NAME, format!("{found}: a job that is down for longer must start over"), fix)
}

async fn server_id(conn: &mut Conn, server: &Server, options: &SourceOptions) -> Check {
    const NAME: &str = "server id";
    let ours = options.server_id;
    if ours == 0 {
        return Check::fail(
            NAME,
            "ours is 0",
            "give the job a `source.server-id` from 1 to 4294967295",
        );
    }
    if ours == server.server_id {
        let fix = "give the job another `source.server-id`";
        return Check::fail(NAME, format!("{ours} is the server's own"), fix);
    }
    let mut hosts = conn.query::<Row, _>("SHOW REPLICAS").await;
    if hosts.is_err() {
        hosts = conn.query("SHOW SLAVE HOSTS").await;
    }
    let taken = |row: &Row| row.get_opt::<u32, _>(0).and_then(Result::ok) == Some(ours);
    match hosts {
        Ok(rows) if rows.iter().any(taken) => Check::warn(
            NAME,
            format!(
                "a replica with {ours} is connected: this job, running already, or another one"
            ),
            "if it is another, give the job another `source.server-id`: they would end each other's connections",
        ),
        Ok(_) => Check::ok(NAME, format!("{ours}, free")),
        Err(_) => Check::ok(NAME, format!("{ours} (connected replicas are not ours to list)")),
    }
}

async fn privileges(
    conn: &mut Conn,
    server: &Server,
    options: &SourceOptions,
    user: &str,
    databases: &[String],
) -> Vec<Check> {
    let mut checks = vec![client(conn, server, user).await];
    checks.push(replica(server, options, user).await);
    let lines: Vec<String> = conn.query("SHOW GRANTS").await.unwrap_or_default();
    let grants = Grants::parse(&lines);
    for db in databases {
        checks.push(select(conn, &grants, db, user).await);
    }
    if server.logs_prepare() {
        checks.push(prepared(conn, server, user).await);
    }
    checks
}

/// The privilege to ask which XA transactions are prepared, tried.
async fn prepared(conn: &mut Conn, server: &Server, user: &str) -> Check {
    const NAME: &str = "privilege to see prepared XA transactions";
    match server.prepared(conn).await {
        Ok(Some(xids)) => Check::ok(NAME, format!("{} prepared now", xids.len())),
        Ok(None) => Check::warn(
            NAME,
            "without it a job that begins between an XA PREPARE and its XA COMMIT may have to end",
            format!("GRANT XA_RECOVER_ADMIN ON *.* TO {user};"),
        ),
        Err(error) => Check::fail(NAME, chain(&error), ""),
    }
}

/// The privilege to ask for the binlog's position, tried.
async fn client(conn: &mut Conn, server: &Server, user: &str) -> Check {
    let name = if server.is_mariadb() { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
    let logs = if server.log_bin { server.binary_logs(conn).await.map(drop) } else { Ok(()) };
    let end = if server.log_bin { server.binlog_end(conn).await.map(drop) } else { Ok(()) };
    match logs.and(end) {
        Ok(()) => Check::ok("privilege to see the binlog's position", name),
        Err(error) => Check::fail(
            "privilege to see the binlog's position",
            chain(&error),
            format!("GRANT {name} ON *.* TO {user};"),
        ),
    }
}

/// The privilege to read the binlog, tried with a dump that ends at once. It uses an id of its own:
/// with the job's it would end the connection of the job that runs.
async fn replica(server: &Server, options: &SourceOptions, user: &str) -> Check {
    const NAME: &str = "privilege to read the binlog";
    if !server.log_bin {
        return Check::warn(NAME, "not tried: there is no binlog", "");
    }
    let fix = || format!("GRANT REPLICATION SLAVE ON *.* TO {user};");
    match connection::probe(options, server, Start::Oldest).await {
        Ok(_) => Check::ok(NAME, "REPLICATION SLAVE"),
        Err(error) => Check::fail(NAME, chain(&error), fix()),
    }
}

async fn select(conn: &mut Conn, grants: &Grants, db: &str, user: &str) -> Check {
    const NAME: &str = "privilege to read tables";
    let fix = format!("GRANT SELECT ON {}.* TO {user};", quote(db));
    let exists: Result<Option<String>, _> = conn
        .exec_first(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name = ?",
            (db,),
        )
        .await;
    match (grants.select(db), exists) {
        (_, Err(error)) => Check::fail(NAME, format!("{db}: {error}"), ""),
        (Select::Nowhere, _) if grants.roles => {
            Check::warn(NAME, format!("{db}: granted through a role at best"), fix)
        }
        (Select::Nowhere, _) => Check::fail(NAME, format!("no SELECT on {db}"), fix),
        (_, Ok(None)) => {
            Check::warn(NAME, format!("there is no database {db} (yet)"), String::new())
        }
        (Select::SomeTables, _) => {
            Check::warn(NAME, format!("SELECT on some tables of {db} only"), fix)
        }
        (Select::Everywhere, _) => Check::ok(NAME, format!("SELECT on {db}")),
    }
}

async fn visibility(conn: &mut Conn, server: &Server, user: &str) -> Check {
    const NAME: &str = "snapshot without locks";
    match VisibilityMethod::choose(conn, server).await {
        Ok(method) => match method.warning() {
            None => Check::ok(NAME, method.reason()),
            Some(warning) => {
                let fix = if server.version >= (8, 0, 0) {
                    format!(
                        "GRANT BACKUP_ADMIN ON *.* TO {user}; GRANT SELECT ON performance_schema.log_status TO {user};"
                    )
                } else {
                    "gtid_mode = ON".to_owned()
                };
                Check::warn(NAME, warning, fix)
            }
        },
        Err(error) => Check::fail(NAME, chain(&error), ""),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warn => "warning",
            Self::Fail => "failed",
        })
    }
}

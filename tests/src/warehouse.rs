//! The stand-in for Doris and StarRocks (`tests/warehouse`) as a process that can die, and what a suite asks
//! of it: a job's script that loads into it, faults, and whether its tables equal their sources.
//!
//! Rows are read from both sides through SQL and compared here by the rules of `docs/types.md`; nothing is
//! shared with the sinks, whose mistakes would then be ours.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, OptsBuilder, Row};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;
use crate::job::binary_in;
use crate::process::{Guarded, tail};
use crate::server::{free_port, keep};
use crate::{Script, say};

mod comparison;
pub mod fleet;
mod sync;
mod value;

pub use comparison::{Comparison, Pair};
pub use fleet::{Fleet, arrived};
pub use sync::equal_after_stop_and_resume;

const USER: &str = "root";
pub const PASSWORD: &str = "secret";
/// Of the two.
const AUTHORIZATION: &str = "Basic cm9vdDpzZWNyZXQ=";
const START_MAX: Duration = Duration::from_secs(30);
const ANSWER_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    Doris,
    StarRocks,
}

impl System {
    pub const ALL: [Self; 2] = [Self::Doris, Self::StarRocks];

    /// As scripts and the command line spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Doris => "doris",
            Self::StarRocks => "starrocks",
        }
    }

    fn frontends_option(self) -> &'static str {
        match self {
            Self::Doris => "fenodes",
            Self::StarRocks => "load-url",
        }
    }
}

/// How many nodes it pretends to be.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub backends: u16,
    pub followers: u16,
}

/// A running stand-in with a directory of its own. It dies with its owner.
pub struct Warehouse {
    pub system: System,
    size: Size,
    reach: Reach,
    frontend: u16,
    backend: u16,
    query: u16,
    dir: Option<TempDir>,
    process: Option<Guarded>,
    starts: u32,
    /// Rows are counted and not kept.
    counts: bool,
}

/// Where it is, and as whom it is asked.
struct Reach {
    host: String,
    user: String,
    password: String,
    replication: String,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            replication: "1".to_owned(),
        }
    }
}

impl Warehouse {
    /// A Doris or a StarRocks of the user's own, which `LIVE_SYSTEM` (`doris`, `starrocks`) and `LIVE_HOST`
    /// name; beside them `LIVE_HTTP_PORT` (8030), `LIVE_QUERY_PORT` (9030), `LIVE_USER` (root),
    /// `LIVE_PASSWORD` (none) and `LIVE_REPLICATION` (1). `None` where they do not.
    ///
    /// # Errors
    /// One of them makes no sense.
    pub fn live() -> Result<Option<Self>> {
        let of = |name: &str| std::env::var(format!("LIVE_{name}")).ok();
        let port = |name: &str, usual: u16| match of(name) {
            Some(text) => text.parse().with_context(|| format!("LIVE_{name}=`{text}` is no port")),
            None => Ok(usual),
        };
        let (Some(system), Some(host)) = (of("SYSTEM"), of("HOST")) else { return Ok(None) };
        let found = System::ALL.into_iter().find(|known| known.name() == system);
        let usual = Reach::default();
        Ok(Some(Self {
            system: found.with_context(|| format!("LIVE_SYSTEM=`{system}`: doris or starrocks"))?,
            size: Size { backends: 0, followers: 0 },
            reach: Reach {
                host,
                user: of("USER").unwrap_or(usual.user),
                password: of("PASSWORD").unwrap_or_default(),
                replication: of("REPLICATION").unwrap_or(usual.replication),
            },
            frontend: port("HTTP_PORT", 8030)?,
            backend: 0,
            query: port("QUERY_PORT", 9030)?,
            dir: None,
            process: None,
            starts: 0,
            counts: false,
        }))
    }

    /// One frontend, one backend.
    pub async fn start(system: System) -> Result<Self> {
        Self::of_size(system, Size { backends: 1, followers: 0 }).await
    }

    /// One frontend, one backend; rows are counted and not kept, so that it is not what limits a sink.
    pub async fn counting(system: System) -> Result<Self> {
        Self::begun(system, Size { backends: 1, followers: 0 }, true).await
    }

    pub async fn of_size(system: System, size: Size) -> Result<Self> {
        Self::begun(system, size, false).await
    }

    async fn begun(system: System, size: Size, counts: bool) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("seachange-warehouse-").tempdir()?;
        let mut warehouse = Self {
            system,
            size,
            reach: Reach::default(),
            frontend: free_ports(size.followers + 1)?,
            backend: free_ports(size.backends)?,
            query: free_ports(size.followers + 1)?,
            dir: Some(dir),
            process: None,
            starts: 0,
            counts,
        };
        warehouse.up().await?;
        Ok(warehouse)
    }

    async fn up(&mut self) -> Result<()> {
        self.starts += 1;
        let binary = binary_in("WAREHOUSE_BIN", "warehouse", "cargo build -p warehouse")?;
        let mut command = Command::new(binary);
        command.args(["--system", self.system.name(), "--user", USER, "--password", PASSWORD]);
        if self.counts {
            command.args(["--memory", "--count"]);
        } else {
            command.arg("--data").arg(self.dir().join("data"));
        }
        command.current_dir(self.dir());
        let numbers = [
            ("--fe-port", self.frontend),
            ("--be-port", self.backend),
            ("--query-port", self.query),
            ("--backends", self.size.backends),
            ("--followers", self.size.followers),
        ];
        command.args(numbers.iter().flat_map(|(name, n)| [(*name).to_owned(), n.to_string()]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(self.log())?);
        let mut process = Guarded::spawn(&mut command)?;
        let stdout = process.child_mut().stdout.take().context("no stdout")?;
        let first = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        let ready = tokio::time::timeout(START_MAX, first).await;
        let ready = ready.context("the stand-in says nothing")???;
        ensure!(ready.starts_with("ready "), "`{ready}`:\n{}", self.log_tail());
        self.process = Some(process);
        Ok(())
    }

    pub fn dir(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new("."), TempDir::path)
    }

    fn log(&self) -> PathBuf {
        self.dir().join(format!("run-{}.log", self.starts))
    }

    pub fn log_tail(&self) -> String {
        tail(&self.log(), 20)
    }

    /// Dies at once, with everything that was under way.
    pub fn kill9(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill9(),
            None => Ok(()),
        }
    }

    /// Starts again on the same ports and directory, after [`Warehouse::kill9`].
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the {} stand-in still runs", self.system.name());
        self.up().await
    }

    /// The MySQL port, as a client of it would.
    pub async fn conn(&self) -> Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname(&self.reach.host)
            .tcp_port(self.query)
            .user(Some(&self.reach.user))
            .pass(Some(&self.reach.password))
            .prefer_socket(false);
        Ok(Conn::new(options).await?)
    }

    /// Runs statements, one after another, on a connection of their own.
    pub async fn sql(&self, statements: &str) -> Result<()> {
        let mut conn = self.conn().await?;
        for statement in statements.split(";\n").filter(|sql| !sql.trim().is_empty()) {
            let asked = conn.query_drop(statement.trim().trim_end_matches(';')).await;
            asked.with_context(|| format!("in `{statement}` on {}", self.system.name()))?;
        }
        conn.disconnect().await?;
        Ok(())
    }

    /// All rows of a query, as text; NULL is `NULL`.
    pub async fn rows(&self, query: &str) -> Result<Vec<Vec<String>>> {
        let mut conn = self.conn().await?;
        let rows: Vec<Row> = conn.query(query).await.with_context(|| query.to_owned())?;
        conn.disconnect().await?;
        let text = |cell| {
            let text: Option<Vec<u8>> = mysql_async::from_value_opt(cell)?;
            let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
            anyhow::Ok(text.unwrap_or_else(|| "NULL".to_owned()))
        };
        rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect()
    }

    /// The first column of all rows.
    pub async fn column(&self, query: &str) -> Result<Vec<String>> {
        let rows = self.rows(query).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }

    /// Where loads go: frontends and backends.
    pub fn load_ports(&self) -> Vec<u16> {
        let frontends = self.frontend..=self.frontend + self.size.followers;
        frontends.chain(self.backend..self.backend + self.size.backends).collect()
    }

    /// Labels of the transactions of a database that are neither committed nor aborted.
    pub async fn open_transactions(&self, db: &str) -> Result<Vec<String>> {
        self.transactions(db, "running").await
    }

    /// Labels of those that are.
    pub async fn finished_transactions(&self, db: &str) -> Result<Vec<String>> {
        self.transactions(db, "finished").await
    }

    async fn transactions(&self, db: &str, which: &str) -> Result<Vec<String>> {
        let databases = self.rows("SHOW PROC '/dbs'").await?;
        let found = databases.iter().find(|row| row.get(1).is_some_and(|name| name == db));
        let id = found.and_then(|row| row.first()).with_context(|| format!("no database {db}"))?;
        let listed = self.rows(&format!("SHOW PROC '/transactions/{id}/{which}'")).await?;
        Ok(listed.into_iter().filter_map(|row| row.into_iter().nth(1)).collect())
    }

    /// Names of a table's columns that a reader sees, in order.
    pub async fn columns(&self, db: &str, table: &str) -> Result<Vec<String>> {
        let query = format!(
            "SELECT COLUMN_NAME FROM information_schema.columns WHERE TABLE_SCHEMA = '{db}' AND \
             TABLE_NAME = '{table}' ORDER BY ORDINAL_POSITION"
        );
        let mut names = self.column(&query).await?;
        names.retain(|name| !name.starts_with("__"));
        Ok(names)
    }

    pub async fn tables(&self, db: &str) -> Result<Vec<String>> {
        let query = format!(
            "SELECT TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA = '{db}' \
             ORDER BY TABLE_NAME"
        );
        self.column(&query).await
    }

    /// Loads rows as CSV, columns between tabs, NULL as `\N`; they are visible at once.
    ///
    /// # Errors
    /// The load is refused.
    pub async fn load(&self, db: &str, table: &str, label: &str, rows: &str) -> Result<()> {
        self.load_with(db, table, &format!("label: {label}\r\n"), rows).await
    }

    /// Deletes rows, given whole as for [`Warehouse::load`], by the key of theirs.
    ///
    /// # Errors
    /// The load is refused.
    pub async fn delete(
        &self,
        db: &str,
        table: &str,
        label: &str,
        columns: &str,
        rows: &str,
    ) -> Result<()> {
        let deletes = match self.system {
            System::Doris => "merge_type: DELETE\r\n".to_owned(),
            System::StarRocks => format!("columns: {columns}, __op = 'delete'\r\n"),
        };
        self.load_with(db, table, &format!("label: {label}\r\n{deletes}"), rows).await
    }

    async fn load_with(&self, db: &str, table: &str, headers: &str, rows: &str) -> Result<()> {
        let address = format!("127.0.0.1:{}", self.backend);
        let path = format!("/api/{db}/{table}/_stream_load");
        let headers =
            format!("Authorization: {AUTHORIZATION}\r\nExpect: 100-continue\r\n{headers}");
        let asked = http::ask_with(&address, "PUT", &path, &headers, rows);
        let answer = tokio::time::timeout(ANSWER_MAX, asked).await.context("no answer")??;
        ensure!(answer.text("Status") == "Success", "{db}.{table}: {answer:?}");
        Ok(())
    }

    /// What its `POST /_fault` takes: `{"next": …}` or `{"now": …}`.
    ///
    /// # Errors
    /// It does not understand, or is not there.
    pub async fn fault(&self, wish: &Value) -> Result<()> {
        let address = format!("127.0.0.1:{}", self.frontend);
        let body = wish.to_string();
        let asked = http::ask(&address, "POST", "/_fault", &body);
        let answer = tokio::time::timeout(ANSWER_MAX, asked).await.context("no answer")??;
        ensure!(answer.status == 200, "{body} is refused: {answer:?}");
        Ok(())
    }

    /// Of a table, where rows are counted, how many have become visible.
    ///
    /// # Errors
    /// They are not counted, or it is not there.
    pub async fn counted(&self, db: &str, table: &str) -> Result<u64> {
        let address = format!("127.0.0.1:{}", self.frontend);
        let asked = http::ask(&address, "GET", "/_counted", "");
        let answer = tokio::time::timeout(ANSWER_MAX, asked).await.context("no answer")??;
        ensure!(answer.status == 200, "rows are not counted: {answer:?}");
        let rows = answer.body.get(format!("{db}.{table}")).and_then(|of| of.get("rows"));
        Ok(rows.and_then(Value::as_u64).unwrap_or_default())
    }

    /// Arms a fault for the next `times` calls of that kind.
    pub async fn arm(&self, effect: &str, on: &str, times: u32, millis: u64) -> Result<()> {
        let next = json!({"effect": effect, "on": on, "times": times, "millis": millis});
        self.fault(&json!({ "next": next })).await
    }

    /// What happens at once.
    pub async fn now(&self, event: Value) -> Result<()> {
        self.fault(&json!({ "now": event })).await
    }

    /// The same as arguments of `seachange run`, for a script that has the rest of the sink.
    pub fn arguments(&self, sink: &str) -> Vec<String> {
        let places = [self.system.frontends_option(), "jdbc-url"];
        let options = self.options().into_iter().filter(|(key, _)| places.contains(&&**key));
        let set = |(key, value)| ["--set".to_owned(), format!("{sink}.{key}={value}")];
        options.flat_map(set).collect()
    }

    /// Every option that a sink into it needs, each after `sink.`.
    fn options(&self) -> Vec<(String, String)> {
        let Reach { host, user, password, replication } = &self.reach;
        let all = |first: u16| {
            let ports = first..=first + self.size.followers;
            ports.map(|port| format!("{host}:{port}")).collect::<Vec<_>>().join(",")
        };
        [
            ("connector", self.system.name().to_owned()),
            (self.system.frontends_option(), all(self.frontend)),
            ("jdbc-url", format!("jdbc:mysql://{}", all(self.query))),
            ("username", user.clone()),
            ("password", password.clone()),
            ("table.create.properties.replication_num", replication.clone()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

impl Script {
    /// The one sink of the job loads into `warehouse`.
    #[must_use]
    pub fn into_warehouse(self, warehouse: &Warehouse) -> Self {
        self.sink_into("sink", warehouse)
    }

    /// The sink that is called so in the script (`sink[0]`) does.
    #[must_use]
    pub fn sink_into(self, sink: &str, warehouse: &Warehouse) -> Self {
        let options = warehouse.options().into_iter();
        options.fold(self, |script, (key, value)| script.option(&format!("{sink}.{key}"), &value))
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        drop(self.process.take());
        keep(self.dir.take());
    }
}

/// Runs `body` with a fresh stand-in of each system, one after another; the second also where the first
/// fails.
pub async fn for_each_system<F>(body: F) -> Result<()>
where
    F: AsyncFn(&mut Warehouse) -> Result<()>,
{
    let mut failures = String::new();
    for system in System::ALL {
        let begun = Instant::now();
        let mut warehouse = Warehouse::start(system).await?;
        if let Err(error) = body(&mut warehouse).await {
            let log = warehouse.log_tail();
            eprintln!("  {} FAILED: {error:?}\n  the stand-in's log:\n{log}", system.name());
            failures.push_str(&format!("\n{}: {error:#}", system.name()));
        }
        say(format!("{} took {:.1} s", system.name(), begun.elapsed().as_secs_f32()));
    }
    ensure!(failures.is_empty(), "{failures}");
    Ok(())
}

/// The first of so many ports in a row that nobody listens on.
fn free_ports(count: u16) -> Result<u16> {
    for _ in 0..50 {
        let first = free_port()?;
        let is_free = |n| std::net::TcpListener::bind(("127.0.0.1", first + n)).is_ok();
        if (1..count).all(is_free) {
            return Ok(first);
        }
    }
    bail!("no {count} free ports in a row on loopback")
}

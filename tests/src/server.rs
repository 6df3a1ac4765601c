//! Real servers. How each is unpacked, initialised and started is `scripts/servers.sh`'s business;
//! here they get a directory, a port and an end.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::*;
use mysql_async::{Conn, OptsBuilder, Row};
use tempfile::TempDir;

use crate::process::{Guarded, tail};
use crate::say;

/// Raise it when what a template holds changes.
const TEMPLATE_VERSION: &str = "2";
const START_MAX: Duration = Duration::from_secs(90);
const STOP_MAX: Duration = Duration::from_secs(60);

/// A server as an operator has set it up. All log rows in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    MySql9Gtid,
    MySql9NoGtid,
    MySql56Gtid,
    MySql56,
    MariaDb,
}

impl Kind {
    /// One of each, for what GTIDs make no difference to.
    pub const SOFTWARE: [Self; 3] = [Self::MySql9Gtid, Self::MySql56, Self::MariaDb];
    pub const ALL: [Self; 5] =
        [Self::MySql9Gtid, Self::MySql9NoGtid, Self::MySql56Gtid, Self::MySql56, Self::MariaDb];

    /// As written in `SERVERS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MySql9Gtid => "mysql9-gtid",
            Self::MySql9NoGtid => "mysql9",
            Self::MySql56Gtid => "mysql56-gtid",
            Self::MySql56 => "mysql56",
            Self::MariaDb => "mariadb",
        }
    }

    /// As `scripts/servers.sh` calls the software.
    pub fn software(self) -> &'static str {
        match self {
            Self::MySql9Gtid | Self::MySql9NoGtid => "mysql9",
            Self::MySql56Gtid | Self::MySql56 => "mysql56",
            Self::MariaDb => "mariadb",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::MySql9Gtid => &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"],
            Self::MySql9NoGtid => &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"],
            Self::MySql56Gtid => &["--gtid-mode=ON", "--enforce-gtid-consistency"],
            Self::MySql56 | Self::MariaDb => &[],
        }
    }

    /// The kinds that this run is about: those of `SERVERS`, all by default.
    ///
    /// # Errors
    /// An unknown name; a server that is not there, unless `SEACHANGE_SKIP_MYSQL9=1` says that MySQL
    /// 9 may be missing.
    pub fn selected() -> Result<Vec<Self>> {
        let mut kinds = Self::ALL.to_vec();
        if let Ok(wanted) = std::env::var("SERVERS") {
            let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
            for name in &wanted {
                let known = Self::ALL.iter().any(|kind| kind.name() == *name);
                ensure!(known, "SERVERS: unknown `{name}`; known: {:?}", Self::ALL.map(Self::name));
            }
            kinds.retain(|kind| wanted.contains(&kind.name()));
        }
        let mut there = Vec::new();
        for kind in kinds {
            if servers_sh(&["have", kind.software()])?.status()?.success() {
                there.push(kind);
            } else if kind.software() == "mysql9"
                && std::env::var("SEACHANGE_SKIP_MYSQL9").is_ok_and(|skip| skip == "1")
            {
                say(format!("NOT RUN on {}: SEACHANGE_SKIP_MYSQL9=1", kind.name()));
            } else {
                bail!("no server for `{}` here: run `scripts/servers.sh fetch`", kind.name());
            }
        }
        Ok(there)
    }
}

impl Kind {
    /// One of the selected kinds, for what any server shows.
    pub fn any() -> Result<Self> {
        Self::selected()?.first().copied().context("SERVERS selects none")
    }
}

/// A running server with a data directory of its own. It dies with its owner.
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    dir: Option<TempDir>,
    options: Vec<String>,
    process: Option<Guarded>,
}

impl Server {
    /// Starts a fresh instance; `options` come last and so win.
    pub async fn start(kind: Kind, options: &[&str]) -> Result<Self> {
        let template = template(kind).await?;
        let dir = tempfile::Builder::new().prefix("seachange-server-").tempdir()?;
        copy_tree(&template, dir.path())?;
        let mut server = Self::on(kind, dir, options)?;
        server.up().await?;
        Ok(server)
    }

    fn on(kind: Kind, dir: TempDir, options: &[&str]) -> Result<Self> {
        let options = options.iter().map(ToString::to_string).collect();
        Ok(Self { kind, port: free_port()?, dir: Some(dir), options, process: None })
    }

    async fn up(&mut self) -> Result<()> {
        let dir = self.dir().to_string_lossy().into_owned();
        let port = self.port.to_string();
        let mut command = servers_sh(&["run", self.kind.software(), &dir, &port])?;
        command.args(self.kind.options()).args(&self.options).stdin(Stdio::null());
        let out = fs::File::create(self.dir().join("out"))?;
        command.stdout(out.try_clone()?).stderr(out);
        self.process = Some(Guarded::spawn(&mut command)?);
        let begun = std::time::Instant::now();
        loop {
            let ended = match &mut self.process {
                Some(process) => process.exit_code()?,
                None => None,
            };
            if ended.is_some() || begun.elapsed() > START_MAX {
                bail!("{} did not start:\n{}", self.kind.name(), self.log_tail());
            }
            if self.conn().await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// For clients that take one: root, no password.
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/", self.port)
    }

    pub async fn conn(&self) -> Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false)
            .init(vec!["SET NAMES utf8mb4"]);
        Ok(Conn::new(options).await?)
    }

    /// Runs statements, one after another, on a connection of their own.
    pub async fn sql(&self, statements: &str) -> Result<()> {
        let mut conn = self.conn().await?;
        for statement in statements.split(";\n") {
            if !statement.trim().is_empty() {
                let shown: String = statement.chars().take(200).collect();
                conn.query_drop(statement.trim().trim_end_matches(';'))
                    .await
                    .with_context(|| format!("in `{shown}` on {}", self.kind.name()))?;
            }
        }
        conn.disconnect().await?;
        Ok(())
    }

    /// The first column of the first row.
    pub async fn value<T: FromValue>(&self, query: &str) -> Result<T> {
        let mut conn = self.conn().await?;
        let row: Option<Row> = conn.query_first(query).await.with_context(|| query.to_owned())?;
        conn.disconnect().await?;
        row.and_then(|mut row| row.take(0)).with_context(|| format!("no value from `{query}`"))
    }

    /// What this dialect calls the statement that shows the log's end.
    pub fn show_status(&self) -> &'static str {
        match self.kind.software() {
            "mysql9" => "SHOW BINARY LOG STATUS",
            _ => "SHOW MASTER STATUS",
        }
    }

    /// Dies at once, with everything that was under way.
    pub fn kill9(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill9(),
            None => Ok(()),
        }
    }

    /// Shuts down in order.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal("TERM")?;
            process.wait(STOP_MAX).await?;
        }
        Ok(())
    }

    /// Starts again on the same port and directory, after [`Server::kill9`] or [`Server::stop`].
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} still runs", self.kind.name());
        self.up().await
    }

    pub fn log_tail(&self) -> String {
        format!("{}{}", tail(&self.dir().join("out"), 10), tail(&self.dir().join("err.log"), 25))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.take());
        keep(self.dir.take());
    }
}

/// With `KEEP=1` a directory outlives the test, and its place is told.
pub(crate) fn keep(dir: Option<TempDir>) {
    if std::env::var_os("KEEP").is_some()
        && let Some(dir) = dir
    {
        say(format!("kept {}", dir.keep().display()));
    }
}

/// Runs `body` on a fresh server of each selected kind, one after another. A failure names the kind
/// and shows the end of the server's log; the other kinds still run.
pub async fn for_each_server<F>(options: &[&str], body: F) -> Result<()>
where
    F: AsyncFn(&mut Server) -> Result<()>,
{
    on_servers(&Kind::selected()?, options, body).await
}

/// The same on some kinds only.
pub async fn on_servers<F>(kinds: &[Kind], options: &[&str], body: F) -> Result<()>
where
    F: AsyncFn(&mut Server) -> Result<()>,
{
    let selected = Kind::selected()?;
    let mut failures = String::new();
    for kind in kinds.iter().copied().filter(|kind| selected.contains(kind)) {
        let begun = std::time::Instant::now();
        eprintln!("  {}", kind.name());
        let mut server = Server::start(kind, options).await?;
        if let Err(error) = body(&mut server).await {
            let log = server.log_tail();
            eprintln!("  {} FAILED: {error:?}\n  the server's log:\n{log}", kind.name());
            failures.push_str(&format!("\n{}: {error:#}", kind.name()));
        }
        eprintln!("  {} took {:.1} s", kind.name(), begun.elapsed().as_secs_f32());
    }
    ensure!(failures.is_empty(), "{failures}");
    Ok(())
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

pub(crate) fn servers_sh(arguments: &[&str]) -> Result<Command> {
    let script = repository().join("scripts/servers.sh");
    ensure!(script.exists(), "no {}", script.display());
    let mut command = Command::new(script);
    command.args(arguments);
    Ok(command)
}

/// An initialised instance that fresh ones are copied from, made once per version of the software.
async fn template(kind: Kind) -> Result<PathBuf> {
    let software = kind.software();
    let version = servers_sh(&["version", software])?.output()?.stdout;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    ensure!(!version.is_empty(), "{software} does not tell its version: is it fetched?");
    let home = repository().join(".servers/templates");
    fs::create_dir_all(&home)?;
    let ready = home.join(format!("{software}-{version}-{TEMPLATE_VERSION}"));
    if ready.exists() {
        return Ok(ready);
    }
    // Made aside and renamed, so that two runs at once cannot meet in a half-made one.
    let aside = tempfile::Builder::new().prefix("making-").tempdir_in(&home)?;
    let path = aside.path().to_string_lossy().into_owned();
    let status = servers_sh(&["init", software, &path])?.status()?;
    ensure!(status.success(), "cannot make a template of {software} {version}");
    let mut server = Server::on(kind, aside, &[])?;
    server.up().await?;
    server.sql(&users(kind)).await?;
    server.stop().await?;
    for leftover in ["data/auto.cnf", "err.log", "init.log", "out", "s", "s.lock", "pid"] {
        let _ = fs::remove_file(server.dir().join(leftover));
    }
    // A log written with GTIDs on stops a MySQL 5.6 that has them off: instances begin without one.
    for entry in fs::read_dir(server.dir().join("data"))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("binlog.")) {
            fs::remove_file(path)?;
        }
    }
    match fs::rename(server.dir(), &ready) {
        Err(error) if !ready.exists() => Err(error).context("cannot keep the template"),
        _ => Ok(ready),
    }
}

/// What every instance has beside root: `repl`, with the least that replication needs.
fn users(kind: Kind) -> String {
    let mut hosts = vec!["%"];
    let mut sql = "SET sql_log_bin = 0;\n".to_owned();
    if kind.software() == "mysql56" {
        // The anonymous users of the package shadow `repl`@`%` on loopback.
        sql += "DELETE FROM mysql.user WHERE user = '';\nFLUSH PRIVILEGES;\n";
        hosts.push("localhost");
    }
    for host in hosts {
        sql += &format!("CREATE USER 'repl'@'{host}' IDENTIFIED BY 'secret';\n");
        sql += &format!(
            "GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* \
             TO 'repl'@'{host}';\n"
        );
        if kind.software() == "mysql9" {
            sql += &format!("GRANT BACKUP_ADMIN ON *.* TO 'repl'@'{host}';\n");
        }
    }
    sql += if kind.software() == "mysql9" {
        "RESET BINARY LOGS AND GTIDS;\n"
    } else {
        "RESET MASTER;\n"
    };
    sql
}

/// A port that nobody listens on, below the range that outgoing connections are given theirs from:
/// a server that is down for a moment must find its port free again.
/// A port that nobody listens at, at this moment.
///
/// # Errors
/// The system has none.
pub fn free_port() -> Result<u16> {
    for _ in 0..200 {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port on loopback")
}

/// Copies a directory as it stands, into `to`, which is not there yet.
///
/// # Errors
/// Also where a file went while it was copied.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    // cp keeps the holes of the log files, which a copy by hand would fill.
    let status =
        Command::new("cp").args(["-a", "--sparse=always"]).arg(from.join(".")).arg(to).status()?;
    ensure!(status.success(), "cannot copy {} to {}", from.display(), to.display());
    Ok(())
}

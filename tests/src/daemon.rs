//! A daemon as an operator runs it: `seachange serve` with a configuration, in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Answer, ask};
use crate::job::binary;
use crate::process::{Guarded, tail};
use crate::server::{free_port, keep};

const START_MAX: Duration = Duration::from_secs(60);
/// Savepoints of its jobs included.
const STOP_MAX: Duration = Duration::from_secs(120);
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// Its jobs, state and log outlive its process: it can be killed and started again, on the same port.
pub struct Daemon {
    dir: Option<TempDir>,
    process: Option<Guarded>,
    port: u16,
    runs: u32,
    environment: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Its standard output, where it has ended as it should.
    ///
    /// # Errors
    /// It has failed; with what it said.
    pub fn done(self) -> Result<String> {
        ensure!(self.code == 0, "exit code {}: {}{}", self.code, self.out, self.err);
        Ok(self.out)
    }

    /// The same, as JSON.
    ///
    /// # Errors
    /// It has failed, or is none.
    pub fn json(self) -> Result<Value> {
        let out = self.done()?;
        serde_json::from_str(&out).with_context(|| format!("JSON: `{out}`"))
    }

    /// What it said on standard error, where it has ended with this exit code.
    ///
    /// # Errors
    /// It has ended otherwise.
    pub fn refused(self, code: i32) -> Result<String> {
        ensure!(self.code == code, "exit code {}, not {code}: {}{}", self.code, self.out, self.err);
        Ok(self.err)
    }
}

impl Daemon {
    /// Starts one, and waits until it serves HTTP.
    ///
    /// # Errors
    /// It ended, or did not come up in time.
    pub async fn begin() -> Result<Self> {
        Self::with("").await
    }

    /// The same with more in its configuration: tables of TOML other than `server` and `state`.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub async fn with(configuration: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("seachange-daemon-").tempdir()?;
        let mut daemon = Self {
            dir: Some(dir),
            process: None,
            port: free_port()?,
            runs: 0,
            environment: Vec::new(),
        };
        daemon.configure(configuration)?;
        daemon.start().await?;
        Ok(daemon)
    }

    /// Writes its configuration, which holds from its next start.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&self, more: &str) -> Result<()> {
        let at = |name: &str| self.dir().join(name).display().to_string();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{}\"\n\n[state]\nurl = \"{}\"\ndir = \"{}\"\n\
             work_dir = \"{}\"\n\n{more}\n",
            self.port,
            at("state"),
            at("daemon"),
            at("work")
        );
        Ok(fs::write(self.configuration(), text)?)
    }

    fn configuration(&self) -> PathBuf {
        self.dir().join("seachange.toml")
    }

    /// A variable of its processes, from the next start on.
    pub fn env(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it again, after [`Self::kill9`] or [`Self::sigterm`].
    ///
    /// # Errors
    /// It ended, or did not come up in time.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the daemon still runs");
        self.runs += 1;
        let mut command = Command::new(binary()?);
        command.arg("serve").arg("--config").arg(self.configuration()).current_dir(self.dir());
        command.envs(self.environment.iter().cloned());
        let log = fs::File::create(self.log_path())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(Guarded::spawn(&mut command)?);
        let up = crate::eventually("the daemon serves HTTP", START_MAX, || {
            let up = self.is_up();
            async move { up }
        });
        up.await.with_context(|| self.log_tail())
    }

    /// Whether it serves HTTP.
    fn is_up(&mut self) -> Result<bool> {
        let code = self.process.as_mut().map(Guarded::exit_code).transpose()?.flatten();
        ensure!(code.is_none(), "the daemon ended with {code:?}");
        Ok(self.log().contains("HTTP is served at http"))
    }

    /// Waits until it has tried to bring back every job that is to run.
    ///
    /// # Errors
    /// Not in time.
    pub async fn ready(&self) -> Result<()> {
        crate::eventually("the daemon is ready", START_MAX, async || {
            Ok(self.ask("GET", "/readyz", "").await?.status == 200)
        })
        .await
        .with_context(|| self.log_tail())
    }

    pub fn dir(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Guarded::id)
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join(format!("serve-{}.log", self.runs))
    }

    /// What this run (the last one, when stopped) has logged.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn log_tail(&self) -> String {
        tail(&self.log_path(), 30)
    }

    /// Killed as by `kill -9`.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.take().context("the daemon does not run")?.kill9()
    }

    /// SIGTERM: a savepoint of each job that runs, then exit code 0.
    ///
    /// # Errors
    /// It ended otherwise, or not in time.
    pub async fn sigterm(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the daemon does not run")?;
        process.signal("TERM")?;
        let code = process.wait(STOP_MAX).await.with_context(|| self.log_tail())?;
        ensure!(code == 0, "SIGTERM should end in exit code 0, not {code}:\n{}", self.log_tail());
        Ok(())
    }

    /// A request, as JSON.
    ///
    /// # Errors
    /// It is not answered.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let address = format!("127.0.0.1:{}", self.port);
        let asked = ask(&address, method, path, body);
        tokio::time::timeout(ANSWER_MAX, asked).await.context("no answer")?
    }

    /// `seachange` with `arguments`, told by its environment where this daemon is.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> Result<Ran> {
        let mut command = Command::new(binary()?);
        command.env("SEACHANGE_SERVER", self.url()).args(arguments).current_dir(self.dir());
        ran(command)
    }

    /// `curl` of a path of this daemon; status and body.
    ///
    /// # Errors
    /// `curl` failed.
    pub fn curl(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let mut command = Command::new("curl");
        command.args(["-sS", "-X", method, "-w", "\n%{http_code}"]);
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "--data-binary", body]);
        }
        command.arg(format!("{}{path}", self.url()));
        let out = ran(command)?.done()?;
        let (body, status) = out.rsplit_once('\n').context("no status")?;
        let json = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        Ok(Answer { status: status.trim().parse()?, body: json })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.process.take());
        keep(self.dir.take());
    }
}

fn ran(mut command: Command) -> Result<Ran> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    Ok(Ran { code, out: text(&output.stdout), err: text(&output.stderr) })
}

/// What stands at a JSON pointer; null where nothing does.
pub fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

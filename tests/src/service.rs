//! The daemon as systemd runs it: with a socket that it tells how it stands, and a watchdog.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::http::{Answer, ask};
use crate::job::binary;
use crate::process::{Guarded, tail};

const MESSAGE_BYTES_MAX: usize = 4096;
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// One daemon and its directory, over any number of runs.
pub struct Service {
    dir: TempDir,
    address: String,
    socket: UnixDatagram,
    process: Option<Guarded>,
    /// What this run has told, a line each, in its order.
    told: Vec<String>,
}

impl Service {
    /// # Errors
    /// There is no room for a directory, or no port.
    pub fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(dir.path().join("notify"))?;
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let address = free.to_string();
        let place = |name: &str| dir.path().join(name).display().to_string();
        let config = format!(
            "[server]\nlisten = {address:?}\n[state]\nurl = {:?}\ndir = {:?}\nwork_dir = {:?}\n",
            place("state"),
            place("daemon"),
            place("work")
        );
        fs::write(dir.path().join("seachange.toml"), config)?;
        Ok(Self { dir, address, socket, process: None, told: Vec::new() })
    }

    /// # Errors
    /// The binary is not there.
    pub fn start(&mut self, watchdog: Option<Duration>) -> Result<()> {
        ensure!(self.process.is_none(), "it runs");
        // A new socket: the old one may hold words of the run before.
        fs::remove_file(self.notify())?;
        self.socket = UnixDatagram::bind(self.notify())?;
        self.told.clear();
        let log = fs::File::create(self.log())?;
        let mut command = Command::new(binary()?);
        command
            .args(["serve", "--config"])
            .arg(self.dir.path().join("seachange.toml"))
            .current_dir(self.dir.path())
            .env("NOTIFY_SOCKET", self.notify())
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(patience) = watchdog {
            command.env("WATCHDOG_USEC", patience.as_micros().to_string());
        }
        self.process = Some(Guarded::spawn(&mut command)?);
        Ok(())
    }

    fn notify(&self) -> PathBuf {
        self.dir.path().join("notify")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been told so far.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// Listens until a line has been told `times` times.
    ///
    /// # Errors
    /// It is not told within `limit`, or the daemon has ended.
    pub async fn hears(&mut self, line: &str, times: usize, limit: Duration) -> Result<()> {
        let heard = tokio::time::timeout(limit, self.listen(line, times)).await;
        match heard {
            Ok(heard) => heard,
            Err(_) => {
                let log = tail(&self.log(), 20);
                bail!("`{line}` was not told within {limit:?}, but {:?}\n{log}", self.told)
            }
        }
    }

    async fn listen(&mut self, line: &str, times: usize) -> Result<()> {
        let mut message = [0; MESSAGE_BYTES_MAX];
        while self.told.iter().filter(|told| *told == line).count() < times {
            let received = self.socket.recv(&mut message);
            match tokio::time::timeout(Duration::from_millis(200), received).await {
                Ok(length) => {
                    let text = std::str::from_utf8(message.get(..length?).unwrap_or_default())?;
                    self.told.extend(text.lines().map(str::to_owned));
                }
                Err(_) => {
                    let process = self.process.as_mut().context("it does not run")?;
                    if let Some(code) = process.exit_code()? {
                        bail!("it has ended with {code}\n{}", tail(&self.log(), 20));
                    }
                }
            }
        }
        Ok(())
    }

    /// # Errors
    /// It does not answer.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let asked = ask(&self.address, method, path, body);
        tokio::time::timeout(ANSWER_MAX, asked).await.context("no answer")?
    }

    /// Submits a job and starts it.
    ///
    /// # Errors
    /// It is refused.
    pub async fn submit(&self, script: &str) -> Result<()> {
        let wish = json!({ "script": script, "start": true }).to_string();
        let answer = self.ask("POST", "/api/v1/jobs", &wish).await?;
        ensure!(answer.status == 201, "status {}: {}", answer.status, answer.body);
        Ok(())
    }

    /// The state of a job.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn state_of(&self, job: &str) -> Result<String> {
        let answer = self.ask("GET", &format!("/api/v1/jobs/{job}"), "").await?;
        let state = answer.body.get("state").and_then(Value::as_str);
        Ok(state.with_context(|| answer.body.to_string())?.to_owned())
    }

    /// # Errors
    /// It does not come to that state within `limit`.
    pub async fn comes_to(&self, job: &str, state: &str, limit: Duration) -> Result<()> {
        let begun = std::time::Instant::now();
        loop {
            let now = self.state_of(job).await?;
            if now == state {
                return Ok(());
            }
            let log = || tail(&self.log(), 20);
            ensure!(begun.elapsed() < limit, "job {job} is {now}, not {state}\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Exit code of `seachange health` with `options`.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn health(&self, options: &[&str]) -> Result<i32> {
        let mut command = Command::new(binary()?);
        command.arg("health").args(["--server", &self.url()]).args(options);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        status.code().context("it was killed")
    }

    /// # Errors
    /// It does not run.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.process.as_ref().context("it does not run")?.signal(name)
    }

    /// # Errors
    /// It does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.take().context("it does not run")?.kill9()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end within `limit`.
    pub async fn ends(&mut self, limit: Duration) -> Result<i32> {
        let mut process = self.process.take().context("it does not run")?;
        process.wait(limit).await.with_context(|| tail(&self.log(), 20))
    }
}

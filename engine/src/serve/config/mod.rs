//! The daemon's configuration: TOML, read once into values that are valid. Every mistake is told, with
//! its place. `deploy/seachange.toml` shows each setting with its default.

mod read;
mod references;
mod slips;
mod values;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use job::Surroundings;
use state::StateUrl;

pub use self::read::Alerts;
use self::read::Source;
use super::seal::KeySource;
pub use crate::logging::LogFormat;

/// What `seachange serve` goes by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    pub server: Server,
    pub state: State,
    pub jobs: JobLimits,
    pub security: Security,
    pub limits: Limits,
    pub metrics: Metrics,
    /// Read by what sends alerts, by [`Alerts::read`]; absent: none are sent.
    pub alerts: Option<Alerts>,
    pub log: Log,
}

/// Where it listens, and by which names it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub listen: SocketAddr,
    /// Absent: no TLS.
    pub tls: Option<TlsFiles>,
    /// Names in the `Host` header that are ours, beside `localhost` and addresses.
    pub hosts: Vec<String>,
}

/// PEM files; they may change while the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that vouch for it, in this order.
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where the checkpoints of jobs rest whose scripts say nothing else.
    pub url: StateUrl,
    /// The daemon's own directory: its jobs, their scripts and events.
    pub dir: PathBuf,
    /// What may be lost of jobs whose checkpoints rest elsewhere.
    pub work_dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLimits {
    /// Of each job.
    pub threads: usize,
    /// Jobs that open their sources at a time.
    pub starts_at_once: usize,
    /// Of each job's `print`.
    pub output_lines: usize,
    /// Whether scripts are read as with `--lenient` where nothing is said.
    pub lenient: bool,
    /// How long savepoints may take when the daemon ends.
    pub stop_within: Duration,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// Absent: `tokens.toml` in the daemon's directory.
    pub tokens: Option<PathBuf>,
    /// Absent: `seal.key` in the daemon's directory, made at the first start.
    pub key: Option<PathBuf>,
    /// Serve other machines without tokens.
    pub insecure: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of one address, lastingly.
    pub requests_per_second: u32,
    /// Of one address, at once.
    pub burst: u32,
    /// Tokens that are not known, of one address.
    pub failed_tokens_per_minute: u32,
    pub body_bytes: usize,
    pub connections: usize,
    /// Within which the head of a request is to come, and then its body, and a TLS handshake.
    pub header_within: Duration,
    /// Within which whatever only reads is answered.
    pub request_within: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// Whether each table has series of its own.
    pub per_table: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// As `SEACHANGE_LOG`, which wins.
    pub filter: Option<String>,
    pub format: LogFormat,
}

impl Default for Server {
    fn default() -> Self {
        let listen = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8083);
        Self { listen, tls: None, hosts: Vec::new() }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            url: StateUrl::default(),
            dir: PathBuf::from("./seachange-serve"),
            work_dir: PathBuf::from("./seachange-work"),
        }
    }
}

impl Default for JobLimits {
    fn default() -> Self {
        Self {
            threads: 2,
            starts_at_once: 8,
            output_lines: 1000,
            lenient: false,
            stop_within: Duration::from_secs(90),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 100,
            burst: 500,
            failed_tokens_per_minute: 30,
            body_bytes: 4 << 20,
            connections: 512,
            header_within: Duration::from_secs(10),
            request_within: Duration::from_secs(30),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { per_table: true }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn read(path: &Path, world: &dyn Surroundings) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        match world.file(&file) {
            Ok(text) => Self::parse(&text, &file, world),
            Err(error) => {
                let message = format!("the configuration cannot be read: {error}");
                Err(ConfigErrors(vec![ConfigError { file, place: None, message }]))
            }
        }
    }

    /// The same, of its text; `file` is for messages.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, file: &str, world: &dyn Surroundings) -> Result<Self, ConfigErrors> {
        read::config(&Arc::new(Source::new(file, text)), world)
    }

    pub fn tokens_file(&self) -> PathBuf {
        let own = || self.state.dir.join("tokens.toml");
        self.security.tokens.clone().unwrap_or_else(own)
    }

    pub fn key_source(&self) -> KeySource {
        match &self.security.key {
            Some(path) => KeySource::Given(path.clone()),
            None => KeySource::Own(self.state.dir.join("seal.key")),
        }
    }
}

/// What was understood, for `--check-config`: the file that would say so. Of alerts, which may hold
/// passwords anywhere, every text is hidden.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, state, jobs, security, limits, metrics, alerts, log } = self;
        let path = |path: &Path| format!("{:?}", path.display().to_string());
        let time = |time: Duration| humantime::format_duration(time).to_string();
        writeln!(f, "[server]\nlisten = \"{}\"", server.listen)?;
        if let Some(TlsFiles { cert, key }) = &server.tls {
            writeln!(f, "tls_cert = {}\ntls_key = {}", path(cert), path(key))?;
        }
        writeln!(f, "hosts = {:?}", server.hosts)?;
        writeln!(f, "\n[state]\nurl = {:?}", state.url.to_string())?;
        writeln!(f, "dir = {}\nwork_dir = {}", path(&state.dir), path(&state.work_dir))?;
        writeln!(
            f,
            "\n[jobs]\nthreads = {}\nstarts_at_once = {}",
            jobs.threads, jobs.starts_at_once
        )?;
        writeln!(f, "output_lines = {}\nlenient = {}", jobs.output_lines, jobs.lenient)?;
        writeln!(f, "stop_within = {:?}", time(jobs.stop_within))?;
        writeln!(f, "\n[security]\ntokens = {}", path(&self.tokens_file()))?;
        writeln!(f, "key = {}", path(self.key_source().path()))?;
        writeln!(f, "insecure = {}", security.insecure)?;
        writeln!(f, "\n[limits]\nrequests_per_second = {}", limits.requests_per_second)?;
        writeln!(f, "burst = {}", limits.burst)?;
        writeln!(f, "failed_tokens_per_minute = {}", limits.failed_tokens_per_minute)?;
        writeln!(f, "body_bytes = {}\nconnections = {}", limits.body_bytes, limits.connections)?;
        writeln!(f, "header_within = {:?}", time(limits.header_within))?;
        writeln!(f, "request_within = {:?}", time(limits.request_within))?;
        writeln!(f, "\n[metrics]\nper_table = {}", metrics.per_table)?;
        writeln!(f, "\n[log]")?;
        if let Some(filter) = &log.filter {
            writeln!(f, "filter = {filter:?}")?;
        }
        let format = match log.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        writeln!(f, "format = {format:?}")?;
        alerts.as_ref().map_or(Ok(()), |alerts| write!(f, "\n{}", alerts.hidden()))
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub file: String,
    /// Line and column, from 1; absent for the file as a whole.
    pub place: Option<(usize, usize)>,
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => {
                write!(f, "{}:{line}:{column}: {}", self.file, self.message)
            }
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// All that is wrong with a configuration, in its order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<ConfigError>);

#[cfg(test)]
mod tests;

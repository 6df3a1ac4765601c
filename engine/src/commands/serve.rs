//! `seachange serve`: the daemon, from its configuration to its end.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use model::Clock;
use state::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::run::SystemClock;
use super::{Usage, exit, show};
use crate::alerts::{self, Alerts};
use crate::cli::ServeArgs;
use crate::http::jobs::{Api, Metrics, routes};
use crate::jobs::{Jobs, Settings, Waiting};
use crate::logging;
use crate::metrics::{self, PerTable, Process};
use crate::serve::access::{self, Gate};
use crate::serve::config::Config;
use crate::serve::listen::{self, Listening};
use crate::serve::notify;
use crate::serve::seal::Sealer;

/// What requests under way have to end once the jobs have.
const DRAIN: Duration = Duration::from_secs(5);
/// The same key press can reach us twice, through a terminal and a parent process.
const SAME_SIGNAL: Duration = Duration::from_millis(200);
/// How often systemd is told that the jobs are still being stopped, and for how long that holds.
const STILL_EVERY: Duration = Duration::from_secs(10);
const STILL_FOR: Duration = Duration::from_secs(30);

pub async fn run(args: &ServeArgs) -> anyhow::Result<u8> {
    let config = read(args)?;
    let alerts = alerts_of(&config)?;
    if args.check_config {
        show(&config)?;
        return Ok(exit::DONE);
    }
    logging::begin(config.log.filter.as_deref(), config.log.format).map_err(Usage)?;
    // Before anything else: untended, these would end the process.
    let signals = Signals::new().context("cannot watch for SIGTERM")?;
    let gate = Arc::new(Gate::open(&config).map_err(|error| Usage(error.to_string()))?);
    own_directory(&config.state.dir)?;
    let registry = Registry::open(&config.state.dir.join("registry")).await?;
    let sealer = Sealer::open(&config.key_source())?;
    let settings = Settings {
        state: config.state.url.clone(),
        work_dir: config.state.work_dir.clone(),
        threads: config.jobs.threads,
        starts_at_once: config.jobs.starts_at_once,
        output_lines: config.jobs.output_lines,
        lenient: config.jobs.lenient,
    };
    let (jobs, waiting) = Jobs::open(registry, sealer, settings, Arc::new(SystemClock)).await?;
    let listening = listen::bind(&config.server).await?;
    info!("HTTP is served at {}", listening.url());
    if let Some(alerts) = alerts {
        jobs.watch_with(alerts);
    }
    conduct(config, gate, jobs, waiting, listening, signals).await
}

/// Called on the runtime, on which messages are sent.
fn alerts_of(config: &Config) -> Result<Option<Alerts>, Usage> {
    let Some(section) = &config.alerts else { return Ok(None) };
    let read = section.read::<alerts::Config>().map_err(|error| Usage(error.to_string()))?;
    Alerts::new(&read).map(Some).map_err(|error| Usage(error.to_string()))
}

fn read(args: &ServeArgs) -> Result<Config, Usage> {
    let config = match &args.config {
        Some(path) => Config::read(path, &job::Process),
        None => Ok(Config::default()),
    };
    let mut config = config.map_err(|errors| Usage(errors.to_string()))?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    Ok(config)
}

/// The registry and the key lie in it: nobody else's business.
fn own_directory(dir: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make the daemon's directory `{}`", dir.display()))
}

/// Serves until a signal ends it.
async fn conduct(
    config: Config,
    gate: Arc<Gate>,
    jobs: Arc<Jobs>,
    waiting: Waiting,
    listening: Listening,
    mut signals: Signals,
) -> anyhow::Result<u8> {
    let (end, ends) = watch::channel(false);
    let api = Api {
        jobs: Arc::clone(&jobs),
        metrics: metrics_of(&jobs, &config),
        started_at_ms: SystemClock.now_ms(),
        ends: ends.clone(),
    };
    let router = access::layer(routes(api), gate);
    let mut ended = ends.clone();
    let is_over = async move {
        let _ = ended.wait_for(|is_over| *is_over).await;
    };
    let limits = config.limits.clone();
    let mut served = JoinSet::new();
    served.spawn(async move { listen::serve(listening, router, &limits, is_over, DRAIN).await });
    let mut beside = JoinSet::new();
    beside.spawn(notify::beat());
    beside.spawn(bring_back(Arc::clone(&jobs), waiting));
    signals.next().await;
    info!("the daemon ends: each job that runs takes a savepoint first");
    notify::stopping();
    let left = tokio::select! {
        () = jobs.leave(config.jobs.stop_within) => true,
        () = still() => true,
        () = signals.second() => false,
    };
    end.send_replace(true);
    if !left {
        warn!("stopped at once, at a second signal; the newest checkpoints stand");
        return Ok(exit::FAILED);
    }
    if let Some(ended) = served.join_next().await {
        ended.context("the HTTP server")?;
    }
    info!("the daemon has ended");
    Ok(exit::DONE)
}

async fn bring_back(jobs: Arc<Jobs>, waiting: Waiting) {
    jobs.bring_back(waiting).await;
    let all: u64 = jobs.counts().0.values().sum();
    info!(jobs = all, "every job is back where its user left it");
    notify::status(&format!("{all} jobs"));
    notify::ready();
}

/// Never ends: systemd is told that it goes on.
async fn still() {
    loop {
        notify::extend(STILL_FOR);
        tokio::time::sleep(STILL_EVERY).await;
    }
}

fn metrics_of(jobs: &Arc<Jobs>, config: &Config) -> Metrics {
    let jobs = Arc::clone(jobs);
    let tables = match config.metrics.per_table {
        true => PerTable::Shown,
        false => PerTable::LeftOut,
    };
    Arc::new(move || metrics::render(&Process::now(), &jobs.metrics(), tables))
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {} _ = self.interrupt.recv() => {} }
    }

    async fn second(&mut self) {
        tokio::time::sleep(SAME_SIGNAL).await;
        // What came meanwhile is remembered.
        while tokio::time::timeout(Duration::ZERO, self.next()).await.is_ok() {}
        self.next().await;
    }
}

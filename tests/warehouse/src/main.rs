//! `warehouse`: the stand-in as a process.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use warehouse::System;
use warehouse::cluster::{Cluster, Place, Rows, Setup};
use warehouse::http::{Listen, Server};
use warehouse::sql;

const EXAMPLE: &str = "\
Example:
  warehouse --system doris --memory --fe-port 8030 --be-port 8040 --user root --password secret
  curl --location-trusted -u root:secret -H 'Expect: 100-continue' -H 'label: first' \\
       -H 'column_separator: ,' -T rows.csv http://127.0.0.1:8030/api/shop/orders/_stream_load
  mariadb --host 127.0.0.1 --port 9030 --user root --password=secret

When it listens it prints one line, `ready fe=ADDRESS,... be=ADDRESS,... sql=ADDRESS,...`. SIGTERM or Ctrl-C ends it.
What goes wrong on demand is asked for with POST /_fault on any HTTP port, which no real server has:
  {\"next\": {\"effect\": \"cut_reply\", \"on\": \"commit\", \"times\": 1, \"label\": \"\", \"millis\": 1000}}
    effect: cut_reply, fail_though_done, delay, delay_reply, redirect_loop, redirect_to_dead,
            publish_timeout, in_processing, too_many_versions, record_reply
    on:     load, begin, prepare, commit, rollback, state
  {\"now\": {\"kill_backend\": 0}}, revive_backend, lead (a frontend, which forgets what only its memory
    knew), skip_seconds; {\"now\": \"forget_labels\"}, \"stop_compaction\", \"compact\"";

/// A stand-in for Apache Doris or StarRocks: their load interface, as strict as theirs
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLE)]
struct Arguments {
    /// Which server to be
    #[arg(long)]
    system: SystemName,
    /// Keep everything in this directory, made if need be: what is there survives a kill
    #[arg(long, value_name = "DIR", required_unless_present = "memory", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep everything in memory
    #[arg(long)]
    memory: bool,
    /// Count rows and bytes instead of looking into them: GET /_counted on any HTTP port tells
    #[arg(long, conflicts_with = "data")]
    count: bool,
    /// Port of the leading frontend; followers have the ones after it; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 8030)]
    fe_port: u16,
    /// Port of the first backend; the others have the ones after it; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 8040)]
    be_port: u16,
    /// MySQL port of the leading frontend; followers have the ones after it; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 9030)]
    query_port: u16,
    /// How many backends
    #[arg(long, value_name = "N", default_value_t = 1)]
    backends: u32,
    /// How many frontends beside the leader
    #[arg(long, value_name = "N", default_value_t = 0)]
    followers: u32,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Host that redirects name, if clients reach it by another than 127.0.0.1
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The one user
    #[arg(long, default_value = "root")]
    user: String,
    /// The user's password
    #[arg(long, default_value = "", env = "WAREHOUSE_PASSWORD", hide_env_values = true)]
    password: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SystemName {
    Doris,
    Starrocks,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> Result<()> {
    // Before anything is said, so that who waits for `ready` can end us.
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let cluster = Cluster::open(&arguments.setup())?;
    cluster.update(|state| {
        for node in &mut state.nodes.backends {
            node.host.clone_from(&arguments.host);
        }
        for node in &mut state.nodes.frontends {
            node.host.clone_from(&arguments.host);
        }
    })?;
    let mut server = Server::start(&cluster, &arguments.listen()).await?;
    let mut queries = sql::Server::start(&cluster, &arguments.listen_for_queries()).await?;
    let ready = format!(
        "ready fe={} be={} sql={}\n",
        list(&server.frontends),
        list(&server.backends),
        list(&queries.frontends)
    );
    let mut stdout = std::io::stdout();
    stdout
        .write_all(ready.as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot say `ready`")?;
    tokio::select! {
        biased;
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = server.ended() => bail!("a listener ended: the store failed"),
        () = queries.ended() => bail!("a listener of the MySQL port ended"),
    }
}

impl Arguments {
    fn setup(&self) -> Setup {
        let system = match self.system {
            SystemName::Doris => System::Doris,
            SystemName::Starrocks => System::StarRocks,
        };
        Setup {
            system,
            backends: self.backends,
            followers: self.followers,
            user: self.user.clone(),
            password: self.password.clone(),
            rows: if self.count { Rows::Counted } else { Rows::Kept },
            place: self.data.clone().map_or(Place::Memory, Place::Directory),
        }
    }

    fn listen(&self) -> Listen {
        Listen {
            address: self.bind,
            frontend_ports: ports(self.fe_port, self.followers + 1),
            backend_ports: ports(self.be_port, self.backends),
        }
    }

    fn listen_for_queries(&self) -> sql::Listen {
        sql::Listen { address: self.bind, ports: ports(self.query_port, self.followers + 1) }
    }
}

/// So many from the first on; any, if that is 0.
fn ports(first: u16, count: u32) -> Vec<u16> {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    let port = |place| if first == 0 { 0 } else { first.saturating_add(place) };
    (0..count).map(port).collect()
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}

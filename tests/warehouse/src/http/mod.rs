//! The HTTP ports: frontends, which redirect, and backends, which take loads.
//!
//! Each node is a listener of its own, so that a redirect is one to another port, as in a cluster. A handler that
//! answers without reading the body shows what the servers show: no `100 Continue`, and a connection that is
//! closed under a client that writes on. A backend that is dead accepts nobody and cuts who is there.

mod answer;
mod asked;
mod body;
mod control;
mod doris;
mod gather;
mod head;
mod listener;
mod load;
mod site;
mod starrocks;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, interval};

use crate::cluster::Cluster;
use crate::store::StoreError;

use site::{Node, Site};

/// How often time passes where nobody asks anything.
const TICK: Duration = Duration::from_millis(100);

/// Where to listen. 0 is any port that is free; nodes beyond the ports given take any.
#[derive(Debug, Clone)]
pub struct Listen {
    pub address: std::net::IpAddr,
    pub frontend_ports: Vec<u16>,
    pub backend_ports: Vec<u16>,
}

impl Default for Listen {
    fn default() -> Self {
        let address = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        Self { address, frontend_ports: Vec::new(), backend_ports: Vec::new() }
    }
}

/// The listeners, for as long as this lives.
#[derive(Debug)]
pub struct Server {
    pub frontends: Vec<SocketAddr>,
    pub backends: Vec<SocketAddr>,
    tasks: JoinSet<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("port {port} of {address} cannot be listened on: {error}")]
    Listen { address: std::net::IpAddr, port: u16, error: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Server {
    /// Listens for every node of the cluster, and tells the cluster the ports.
    ///
    /// # Errors
    /// A port that is taken.
    pub async fn start(cluster: &Cluster, listen: &Listen) -> Result<Self, ServeError> {
        let (frontends, backends) = cluster.update(|state| {
            let ids: Vec<_> = state.nodes.backends.iter().map(|node| node.id).collect();
            (state.nodes.frontends.len(), ids)
        })?;
        let mut server =
            Self { frontends: Vec::new(), backends: Vec::new(), tasks: JoinSet::new() };
        for place in 0..frontends {
            let (listener, address) = bind(listen, &listen.frontend_ports, place).await?;
            cluster.update(|state| {
                if let Some(node) = state.nodes.frontends.get_mut(place) {
                    node.http_port = address.port();
                }
            })?;
            server.frontends.push(address);
            server.spawn(cluster, listener, Node::Frontend(place));
        }
        for (place, id) in backends.into_iter().enumerate() {
            let (listener, address) = bind(listen, &listen.backend_ports, place).await?;
            cluster.update(|state| {
                if let Some(node) = state.nodes.backend_mut(id) {
                    node.http_port = address.port();
                }
            })?;
            server.backends.push(address);
            server.spawn(cluster, listener, Node::Backend(id));
        }
        server.tasks.spawn(let_time_pass(cluster.clone()));
        Ok(server)
    }

    /// Ends if a listener does, which none should.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }

    fn spawn(&mut self, cluster: &Cluster, listener: TcpListener, node: Node) {
        self.tasks.spawn(listener::listen(listener, Site { cluster: cluster.clone(), node }));
    }
}

async fn bind(
    listen: &Listen,
    ports: &[u16],
    place: usize,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let port = ports.get(place).copied().unwrap_or(0);
    let address = listen.address;
    let refused = |error| ServeError::Listen { address, port, error };
    let listener = TcpListener::bind((address, port)).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

/// A store that fails says so to whoever asks next.
async fn let_time_pass(cluster: Cluster) {
    let mut ticks = interval(TICK);
    while cluster.tick().is_ok() {
        ticks.tick().await;
    }
}

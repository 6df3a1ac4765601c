//! The MySQL port: statements in, rows or refusals out.
//!
//! What a statement means is [`crate::ddl`]'s and the cluster's matter; here it is taken from the wire, done in
//! one unit of work, and answered. Queries run in SQLite, over views that show what is published.

mod answer;
mod connection;
mod execute;
mod greeting;
mod listed;
mod metadata;
mod parameters;
mod query;
mod rewrite;
mod session;
mod shown;
mod variables;
mod wire;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::store::StoreError;

pub use answer::{Answer, Cell, Field, Rows};
pub use session::Session;

/// Where to listen. 0 is any port that is free; frontends beyond the ports given take any.
#[derive(Debug, Clone)]
pub struct Listen {
    pub address: IpAddr,
    pub ports: Vec<u16>,
}

impl Default for Listen {
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), ports: Vec::new() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("port {port} of {address} cannot be listened on: {error}")]
    Listen { address: IpAddr, port: u16, error: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The listeners, for as long as this lives.
#[derive(Debug)]
pub struct Server {
    pub frontends: Vec<SocketAddr>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Listens for every frontend of the cluster, and tells the cluster the ports.
    ///
    /// # Errors
    /// A port that is taken.
    pub async fn start(cluster: &Cluster, listen: &Listen) -> Result<Self, ServeError> {
        let count = cluster.update(|state| state.nodes.frontends.len())?;
        let mut server = Self { frontends: Vec::new(), tasks: JoinSet::new() };
        for place in 0..count {
            let port = listen.ports.get(place).copied().unwrap_or(0);
            let address = listen.address;
            let refused = |error| ServeError::Listen { address, port, error };
            let listener = TcpListener::bind((address, port)).await.map_err(refused)?;
            let bound = listener.local_addr().map_err(refused)?;
            cluster.update(|state| {
                if let Some(node) = state.nodes.frontends.get_mut(place) {
                    node.query_port = bound.port();
                }
            })?;
            server.frontends.push(bound);
            server.tasks.spawn(accept(listener, cluster.clone()));
        }
        Ok(server)
    }

    /// Ends if a listener does, which none should.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }
}

async fn accept(listener: TcpListener, cluster: Cluster) {
    let mut connections = JoinSet::new();
    let mut id = 0_u32;
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    id = id.wrapping_add(1);
                    let served = connection::serve(stream, cluster.clone(), id);
                    // How it ended is the client's matter.
                    connections.spawn(async { drop(served.await) });
                }
                // The peer is gone already, or there are no more handles: both pass.
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

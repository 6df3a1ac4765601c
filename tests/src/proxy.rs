//! A TCP proxy that cuts, stalls and resumes: the network on a bad day.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Far more than any test sends: no cut is due.
const NEVER: i64 = i64::MAX / 2;

/// A listening proxy; every connection ends with it.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

struct Shared {
    server_port: u16,
    /// Bytes that may still pass from the server, over all connections, before a cut.
    left: AtomicI64,
    passed: AtomicU64,
    cuts: AtomicU32,
    stalled: watch::Sender<bool>,
}

impl Proxy {
    pub async fn start(server_port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            server_port,
            left: AtomicI64::new(NEVER),
            passed: AtomicU64::new(0),
            cuts: AtomicU32::new(0),
            stalled: watch::Sender::new(false),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, _accepting: accepting })
    }

    /// Lets `bytes` more through from the server, in the middle of an event or not, then cuts the
    /// connection that carries the last of them.
    pub fn cut_after(&self, bytes: u32) {
        self.shared.left.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// How many connections have been cut.
    pub fn cuts(&self) -> u32 {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Bytes passed from the server so far.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// From now on nothing moves, in either direction, and no connection is closed.
    pub fn stall(&self) {
        self.shared.stalled.send_replace(true);
    }

    pub fn resume(&self) {
        self.shared.stalled.send_replace(false);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(client, Arc::clone(&shared)));
    }
}

/// Both directions until one ends, then the whole connection ends.
async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.server_port)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        _ = copy(from_client, to_server, &shared, None) => {}
        _ = copy(from_server, to_client, &shared, Some(&shared.left)) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    budget: Option<&AtomicI64>,
) -> std::io::Result<()> {
    let mut stalled = shared.stalled.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if stalled.wait_for(|stalled| !stalled).await.is_err() || read == 0 {
            return Ok(());
        }
        let mut part = buffer.get(..read).unwrap_or_default();
        let mut cut = false;
        if let Some(left) = budget {
            let size = i64::try_from(read).unwrap_or(NEVER);
            let before = left.fetch_sub(size, Ordering::SeqCst);
            if before <= size {
                left.store(NEVER, Ordering::SeqCst);
                cut = true;
                part = part.get(..usize::try_from(before).unwrap_or(0)).unwrap_or(part);
            }
            shared.passed.fetch_add(part.len() as u64, Ordering::SeqCst);
        }
        to.write_all(part).await?;
        if cut {
            shared.cuts.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
    }
}

//! The address: connections, with TLS or without, so many at a time, until the daemon ends.

mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use self::tls::Certificate;
use super::config::{Limits, Server};

/// Between two looks at the files of the certificate.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(10);
/// After the system had no room for a connection.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "cannot listen at {address}: {error}; `listen` in [server], or --listen, says another address"
    )]
    Address { address: SocketAddr, error: io::Error },
    #[error("`{}` cannot be used for TLS: {why}", path.display())]
    Pem { path: PathBuf, why: String },
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    #[error("SIGHUP cannot be listened for: {0}")]
    Signal(io::Error),
}

/// An address that is taken, and not yet answered at.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    /// At each the certificate is read again.
    hangups: Option<Signal>,
}

#[derive(Clone)]
struct Tls {
    certificate: Arc<Certificate>,
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Takes the address; port 0 lets the system choose. From here on SIGHUP ends no process.
///
/// # Errors
/// It is in use, or not this machine's; the certificate cannot be used; or SIGHUP, by which that is
/// read again, cannot be listened for.
pub async fn bind(server: &Server) -> Result<Listening, ListenError> {
    let tls = match &server.tls {
        Some(files) => {
            let certificate = Arc::new(Certificate::read(files)?);
            let config = tls::config(Arc::clone(&certificate))?;
            Some(Tls { certificate, acceptor: TlsAcceptor::from(Arc::new(config)) })
        }
        None => None,
    };
    let hangups = signal(SignalKind::hangup()).map_err(ListenError::Signal)?;
    let failed = |error| ListenError::Address { address: server.listen, error };
    let listener = TcpListener::bind(server.listen).await.map_err(failed)?;
    let plain = Listening::plain(listener).map_err(failed)?;
    Ok(Listening { tls, hangups: Some(hangups), ..plain })
}

impl Listening {
    /// Without TLS.
    ///
    /// # Errors
    /// The system does not tell its address.
    pub fn plain(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { listener, address, tls: None, hangups: None })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For people and for commands.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// Answers until `ends`; then what is under way is finished, for so long as `drain` says, and cut off.
///
/// Routes that do not end by themselves have to end with the daemon, or they take all of `drain`.
pub async fn serve(
    listening: Listening,
    router: Router,
    limits: &Limits,
    ends: impl Future<Output = ()> + Send,
    drain: Duration,
) {
    let mut looks = interval(CERTIFICATE_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (leaving, left) = watch::channel(false);
    let door = Door {
        room: Arc::new(Semaphore::new(limits.connections)),
        router,
        header_within: limits.header_within,
        left,
    };
    let Listening { listener, tls, mut hangups, .. } = listening;
    let mut connections = JoinSet::new();
    let mut ends = pin!(ends);
    loop {
        tokio::select! { biased;
            () = &mut ends => break,
            Some(_) = connections.join_next() => {}
            () = next(&mut hangups) => tls.iter().for_each(|tls| tls.certificate.reread(true)),
            _ = looks.tick() => tls.iter().for_each(|tls| tls.certificate.reread(false)),
            accepted = door.accept(&listener) => match accepted {
                Ok((stream, peer, room)) => {
                    connections.spawn(door.clone().answer(stream, peer, tls.clone(), room));
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken");
                    sleep(AFTER_FAILURE).await;
                }
            },
        }
    }
    drop(listener);
    leaving.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(drain, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests under way are cut off");
    }
    connections.shutdown().await;
}

/// Where none is listened for, never.
async fn next(signals: &mut Option<Signal>) {
    let came = match signals {
        Some(signals) => signals.recv().await,
        None => None,
    };
    if came.is_none() {
        std::future::pending().await
    }
}

/// What every connection goes by.
#[derive(Clone)]
struct Door {
    room: Arc<Semaphore>,
    router: Router,
    header_within: Duration,
    left: watch::Receiver<bool>,
}

type Room = Option<OwnedSemaphorePermit>;

impl Door {
    /// Cancel-safe: a permit that was got is given back, and a connection is taken last.
    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr, Room)> {
        // The semaphore is never closed; without it a connection would only take no room.
        let room = Arc::clone(&self.room).acquire_owned().await.ok();
        let (stream, peer) = listener.accept().await?;
        // Events are small, and wanted now.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer, room))
    }

    async fn answer(self, stream: TcpStream, peer: SocketAddr, tls: Option<Tls>, room: Room) {
        let Some(tls) = tls else {
            self.speak(stream, peer).await;
            drop(room);
            return;
        };
        match timeout(self.header_within, tls.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
            Err(_) => tracing::debug!(%peer, "no TLS within the time"),
        }
        drop(room);
    }

    async fn speak(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send, peer: SocketAddr) {
        let router = self.router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request)
        });
        // Also how long a connection may be kept without a request.
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.header_within)
                .serve_connection(TokioIo::new(stream), service)
        );
        let leaves = async { drop(self.left.wait_for(|left| *left).await) };
        let ended = tokio::select! { biased;
            ended = connection.as_mut() => ended,
            () = leaves => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}

/// It went before it was taken.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;

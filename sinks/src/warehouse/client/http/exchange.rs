//! One request and its answer, on a connection of its own: servers close it after most answers anyway,
//! and one that is not kept cannot have been closed in between.
//!
//! The body is held back until the server asks for it with `100 Continue`, or has said nothing for
//! a while: what it refuses by the headers alone is then answered before megabytes are under way, and
//! a redirect does not cut into them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper::header::LOCATION;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::super::tls::{HTTPS, handshake, is_distrust};

const GO_AHEAD_MAX: Duration = Duration::from_secs(2);
const PIECE_BYTES: usize = 256 << 10;
const ANSWER_BYTES_MAX: usize = 4 << 20;

pub(super) struct Exchanged {
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// Nothing was sent.
    Unreached(String),
    /// Nothing was sent, for the other end is not who it should be.
    Distrusted(String),
    /// Whatever was asked may have been done.
    Lost(String),
}

/// What a connection is: plain, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    /// Without a byte of progress.
    pub(super) idle: Duration,
}

/// `tls` is for a node of [`HTTPS`]. The request's headers are complete but for what the body says of itself.
pub(super) async fn exchange(
    node: &str,
    request: Request<()>,
    body: Bytes,
    tls: &TlsConnector,
    timeouts: Timeouts,
) -> Result<Exchanged, Broken> {
    let stream = timeout(timeouts.connect, connect(node, tls))
        .await
        .map_err(|_| Broken::Unreached(format!("no connection within {:?}", timeouts.connect)))??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Broken::Unreached(error.to_string()))?;

    let sent = Arc::new(AtomicUsize::new(0));
    let (go_ahead, gate) = oneshot::channel();
    let held = Held {
        rest: body,
        gate: Some((gate, Box::pin(sleep(GO_AHEAD_MAX.min(timeouts.idle / 2))))),
        sent: sent.clone(),
    };
    let mut request = request.map(|()| held);
    let go_ahead = std::sync::Mutex::new(Some(go_ahead));
    hyper::ext::on_informational(&mut request, move |informed| {
        if informed.status() == StatusCode::CONTINUE
            && let Ok(mut waiting) = go_ahead.lock()
            && let Some(waiting) = waiting.take()
        {
            // Nobody waits any more where the time was over.
            let _ = waiting.send(());
        }
    });

    let answer = async {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.map(str::to_owned);
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Exchanged {
            status: head.status,
            location,
            body,
        })
    };
    let answer = async {
        tokio::pin!(answer);
        tokio::select! { biased;
            answer = &mut answer => answer,
            // It has ended, and with it whatever the answer waits for.
            _ended = connection => answer.await,
        }
    };
    let lost = |error: Box<dyn std::error::Error + Send + Sync>| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Broken::Lost(format!("{error}{cause}"))
    };
    until_idle(answer, &sent, timeouts.idle).await?.map_err(lost)
}

async fn connect(node: &str, tls: &TlsConnector) -> Result<Box<dyn Stream>, Broken> {
    let secure = node.strip_prefix(HTTPS);
    let stream = TcpStream::connect(secure.unwrap_or(node)).await;
    let stream = stream.map_err(|error| Broken::Unreached(error.to_string()))?;
    // An answer does not wait for a full packet; where it cannot be had, it is only slower.
    let _ = stream.set_nodelay(true);
    let Some(secure) = secure else { return Ok(Box::new(stream)) };
    match handshake(tls, secure, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) if is_distrust(&error) => Err(Broken::Distrusted(error.to_string())),
        Err(error) => Err(Broken::Unreached(format!("TLS: {error}"))),
    }
}

/// Ends what waits for longer than `idle` while nothing more of the body leaves.
async fn until_idle<T>(
    work: impl Future<Output = T>,
    sent: &AtomicUsize,
    idle: Duration,
) -> Result<T, Broken> {
    tokio::pin!(work);
    let mut before = sent.load(Ordering::Relaxed);
    loop {
        match timeout(idle, &mut work).await {
            Ok(done) => return Ok(done),
            Err(_) => {
                let now = sent.load(Ordering::Relaxed);
                if now == before {
                    return Err(Broken::Lost(format!("no answer within {idle:?}")));
                }
                before = now;
            }
        }
    }
}

/// A body that waits to be asked for.
struct Held {
    rest: Bytes,
    gate: Option<(oneshot::Receiver<()>, Pin<Box<Sleep>>)>,
    sent: Arc<AtomicUsize>,
}

impl Body for Held {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some((asked, waited)) = &mut self.gate {
            let waits = Pin::new(asked).poll(context).is_pending();
            if waits && waited.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.gate = None;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = PIECE_BYTES.min(self.rest.len());
        let piece = self.rest.split_to(piece);
        self.sent.fetch_add(piece.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

//! Sees what hyper puts right: of a request that has both a length and chunks it drops the length, as it should,
//! and Doris refuses such a request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};

/// A stream that looks at the first head that comes through: a request with both has a connection of its own,
/// for hyper ends it after the answer, and clients that send both open a new one.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    head: Vec<u8>,
    done: bool,
    both: Arc<AtomicBool>,
}

const HEAD_MAX: usize = 1 << 16;

impl<S> Watched<S> {
    /// The stream, and whether its first request has both.
    pub(super) fn new(stream: S) -> (Self, Arc<AtomicBool>) {
        let both = Arc::new(AtomicBool::new(false));
        (Self { stream, head: Vec::new(), done: false, both: Arc::clone(&both) }, both)
    }

    fn look(&mut self, read: &[u8]) {
        self.head.extend_from_slice(read);
        let end = self.head.windows(4).position(|window| window == b"\r\n\r\n");
        self.done = end.is_some() || self.head.len() > HEAD_MAX;
        if let Some(head) = end.and_then(|end| self.head.get(..end)) {
            let head = String::from_utf8_lossy(head).to_ascii_lowercase();
            let has = |name: &str| head.lines().any(|line| line.starts_with(name));
            let both = has("content-length:") && has("transfer-encoding:");
            self.both.store(both, Ordering::Release);
        }
        if self.done {
            self.head = Vec::new();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if !self.done {
            self.look(buffer.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

//! The connection below the stream: made, lost and made again.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use super::start::{Linked, link};
use super::tracker::Connected;
use super::{BinlogError, Down, LinkState, Reader};
use crate::backoff::Backoff;
use crate::connection::{Broken, Dump, Incoming};
use crate::error::own_words;
use crate::event::FormatDescription;
use crate::server::RECONNECTS_MIN;

/// So often in a row the same place may be unreadable before we believe that it is so on the
/// server, not on the way.
const UNREADABLE_MAX: u32 = 3;

type Connecting = Pin<Box<dyn Future<Output = Result<Linked, BinlogError>> + Send>>;

/// Kept across cancelled calls, so that a caller who cancels often cannot keep us from connecting.
pub(super) enum Link {
    Down { retry_at: Instant },
    Connecting(Connecting),
    Up { dump: Box<Dump>, first: Option<Incoming> },
}

impl Reader {
    pub(super) fn connecting(&self) -> Connecting {
        let expected = self.server.identity.clone();
        let position = self.tracker.position().clone();
        Box::pin(link(self.options.clone(), position, expected, self.tracker.has_moved()))
    }

    pub(super) fn linked(&mut self, linked: Linked) {
        let other_server = linked.server.identity != self.server.identity;
        if other_server {
            tracing::warn!(from = %self.server.identity, to = %linked.server.identity,
                "the binlog now comes from another server");
        }
        self.server_changed |= other_server;
        self.format = FormatDescription::initial(linked.server.flavor);
        self.tables.clear();
        self.tracker.connected(&Connected {
            other_server,
            from_head: linked.from_head,
            incomplete: linked.incomplete,
        });
        tracing::info!(server = %linked.server.identity, position = %self.tracker.position(),
            "reading the binlog");
        self.server = linked.server;
        self.link = Link::Up { dump: Box::new(linked.dump), first: linked.first };
    }

    /// The next event off the wire, where it is there.
    pub(super) fn received(&mut self) -> Result<Option<Incoming>, BinlogError> {
        let Link::Up { dump, first } = &mut self.link else { return Ok(None) };
        if let Some(first) = first.take() {
            return Ok(Some(first));
        }
        match dump.buffered() {
            Ok(event) => Ok(event),
            Err(broken) => self.broken(broken).map(|()| None),
        }
    }

    /// The next event off the wire, over as many connections as it takes.
    pub(super) async fn receive(&mut self) -> Result<Incoming, BinlogError> {
        loop {
            match &mut self.link {
                Link::Down { retry_at } => {
                    tokio::time::sleep_until(*retry_at).await;
                    self.link = Link::Connecting(self.connecting());
                }
                Link::Connecting(connecting) => match connecting.as_mut().await {
                    Ok(linked) => self.linked(linked),
                    Err(error) => self.failed(error)?,
                },
                Link::Up { dump, first } => {
                    if let Some(first) = first.take() {
                        return Ok(first);
                    }
                    match dump.next().await {
                        Ok(Some(event)) => return Ok(event),
                        Ok(None) => {
                            self.broken(Broken::Lost("the server ended the dump".into()))?
                        }
                        Err(broken) => self.broken(broken)?,
                    }
                }
            }
        }
    }

    pub(super) fn broken(&mut self, broken: Broken) -> Result<(), BinlogError> {
        if broken.is_same_server_id() {
            self.link = Link::Down { retry_at: Instant::now() };
            let (server, server_id) = (self.server.identity.clone(), self.options.server_id);
            return Err(BinlogError::SameServerId { server, server_id });
        }
        if let Some(gtid) = broken.missing_gtid() {
            self.link = Link::Down { retry_at: Instant::now() };
            return Err(BinlogError::Diverged {
                server: self.server.identity.clone(),
                missing: gtid.to_owned(),
                applied: self.tracker.position().gtids.to_string(),
                executed: "later numbers of its domain, and not this transaction".to_owned(),
            });
        }
        let mends = match &broken {
            Broken::Lost(_) | Broken::Silent(_) => true,
            // A refusal is tried again for its precise reason, damaged bytes for other ones.
            Broken::Refused(_) | Broken::Malformed(_) | Broken::Decode(_) => {
                self.unreadable += 1;
                self.unreadable < UNREADABLE_MAX
            }
        };
        let at = format!("{}:{}", self.tracker.file(), self.tracker.offset());
        let error = broken.into_error(&at);
        if mends {
            return self.retry(error);
        }
        self.unreadable = 0;
        self.link = Link::Down { retry_at: Instant::now() };
        Err(error)
    }

    fn failed(&mut self, error: BinlogError) -> Result<(), BinlogError> {
        if error.is_transient() {
            return self.retry(error);
        }
        self.link = Link::Down { retry_at: Instant::now() };
        Err(error)
    }

    /// Goes on after a wait, unless the server was given up.
    fn retry(&mut self, error: BinlogError) -> Result<(), BinlogError> {
        let wait = self.backoff.next_delay();
        let attempts = self.backoff.attempts();
        let waited = self.down_since.get_or_insert_with(Instant::now).elapsed();
        self.link = Link::Down { retry_at: Instant::now() + wait };
        if self.options.reconnect_for.is_some_and(|most| waited >= most)
            && attempts >= RECONNECTS_MIN
        {
            (self.down_since, self.backoff) = (None, Backoff::default());
            let (address, source) = (self.options.address(), Box::new(error));
            return Err(BinlogError::Unreachable { address, attempts, waited, source });
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let cause = own_words(&cause);
        tracing::warn!(%error, cause, attempt = attempts,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "the binlog connection broke, connecting again");
        let (address, position) = (self.options.address(), self.tracker.position());
        let down = Down { address, error: &error, failures: attempts, position };
        self.watch.tell(LinkState::Down(down));
        Ok(())
    }

    /// What came shows that the connection works. Only a login does not: the dump may break each time.
    pub(super) fn flows(&mut self) {
        self.backoff.reset();
        if self.down_since.take().is_some() {
            self.watch.tell(LinkState::Up { address: self.options.address() });
        }
    }
}

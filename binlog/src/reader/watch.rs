//! What becomes of a stream's connection, told to whoever watches the job.

use std::sync::Arc;

use model::Position;

use super::BinlogError;

/// How the connection of a stream stands.
#[derive(Debug)]
pub enum LinkState<'a> {
    /// Events come from here.
    Up { address: String },
    /// It broke, or another could not be made. It is tried again, however long that takes.
    Down(Down<'a>),
    /// Nobody reads the stream any more.
    Over,
}

/// A connection that is to be made again.
#[derive(Debug)]
pub struct Down<'a> {
    /// `host:port` of the server that is asked.
    pub address: String,
    /// What went wrong the last time.
    pub error: &'a BinlogError,
    /// Failures since the last event came: the first is the loss itself.
    pub failures: u32,
    /// What the stream goes on from.
    pub position: &'a Position,
}

/// Who is told: of the loss, of each attempt after it that fails, and when events come again.
#[derive(Clone, Default)]
pub struct LinkWatch(Option<Arc<Told>>);

type Told = dyn Fn(LinkState<'_>) + Send + Sync;

impl LinkWatch {
    /// `told` is called on the way of the stream, and must not block.
    pub fn new(told: impl Fn(LinkState<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    /// Tells it.
    pub fn tell(&self, state: LinkState<'_>) {
        if let Some(told) = &self.0 {
            told(state);
        }
    }
}

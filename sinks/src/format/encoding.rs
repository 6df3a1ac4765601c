//! Batches become lines, several at a time and in their order ([`crate::lanes`]).

use std::sync::Arc;

use model::{Batch, SinkError};

use super::{Encoder, Format, encoder};
use crate::SinkContext;
use crate::lanes::Lanes;

/// Memory of lines that is kept for the next ones.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// An encoder, and what it has written.
struct Desk {
    encoder: Box<dyn Encoder>,
    lines: Vec<u8>,
}

pub(crate) struct Encoding {
    format: Format,
    context: SinkContext,
    lanes: Lanes<Desk>,
    idle: Vec<Desk>,
}

impl Encoding {
    pub(crate) fn new(format: Format, context: &SinkContext) -> Self {
        let lanes = Lanes::new(&context.sink_name);
        Self { format, context: context.clone(), lanes, idle: Vec::new() }
    }

    /// The batch can begin to be encoded. If not, the next lines are to be taken first.
    pub(crate) fn has_room(&self, batch: &Batch) -> bool {
        self.lanes.have_room(batch.bytes)
    }

    pub(crate) fn begin(&mut self, batch: Arc<Batch>) {
        let mut desk = self.idle.pop().unwrap_or_else(|| Desk {
            encoder: encoder(self.format, &self.context),
            lines: Vec::new(),
        });
        self.lanes.begin(batch.bytes, move || {
            desk.lines.clear();
            desk.encoder.encode(&batch, &mut desk.lines)?;
            let bytes = desk.lines.len();
            Ok((desk, bytes))
        });
    }

    /// Hands the lines of the next batch to `take`, which may keep their memory and leave other; `None` where
    /// there are none to come.
    ///
    /// # Errors
    /// As [`Encoder::item`]; and work that did not end. There is nothing but errors then.
    pub(crate) async fn next<R>(
        &mut self,
        take: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<Option<R>, SinkError> {
        let Some(mut desk) = self.lanes.next().await? else { return Ok(None) };
        let taken = take(&mut desk.lines);
        if desk.lines.capacity() > KEPT_BYTES_MAX {
            desk.lines = Vec::new();
        }
        self.idle.push(desk);
        Ok(Some(taken))
    }

    /// Batches that were begun do not come.
    pub(crate) fn abandon(&mut self) {
        self.lanes = Lanes::new(&self.context.sink_name);
    }
}

//! Changes → batches, with barriers in between, to every sink alike.

use std::sync::Arc;

use model::{Barrier, Batch, Item, RowsBlock, SchemaChange};

use super::queue::{Closed, Sender};
use super::{BATCH_BYTES_MAX, Delivery};

/// What an item costs beside its rows: the block itself and its share of the vector.
const ITEM_OVERHEAD: usize = 160;

/// Collects changes and hands them to all sinks in batches.
#[derive(Debug)]
pub struct Batcher {
    open: Batch,
    /// Of the open batch.
    rows: u64,
    sinks: Vec<Sender>,
}

impl Batcher {
    pub fn new(sinks: Vec<Sender>) -> Self {
        Self { open: Batch::default(), rows: 0, sinks }
    }

    /// How many rows it is.
    pub fn push_rows(&mut self, block: RowsBlock) -> u64 {
        let rows = block.row_count();
        self.rows += rows;
        self.open.bytes += block.data.len() + ITEM_OVERHEAD;
        self.open.items.push(Item::Rows(block));
        rows
    }

    pub fn push(&mut self, item: Item) {
        match item {
            Item::Rows(block) => {
                self.push_rows(block);
            }
            Item::Schema(_) => {
                self.open.bytes += ITEM_OVERHEAD;
                self.open.items.push(item);
            }
        }
    }

    pub fn push_change(&mut self, change: SchemaChange) {
        self.push(Item::Schema(change));
    }

    pub fn is_full(&self) -> bool {
        self.open.bytes >= BATCH_BYTES_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.open.items.is_empty()
    }

    /// Sends what is collected, waiting where a sink is behind.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        if self.is_empty() {
            return Ok(());
        }
        let batch = Arc::new(std::mem::take(&mut self.open));
        let rows = std::mem::take(&mut self.rows);
        for sink in &self.sinks {
            sink.send(Delivery::Batch(Arc::clone(&batch), rows)).await?;
        }
        Ok(())
    }

    /// Sends what is collected, then the barrier.
    pub async fn barrier(&mut self, barrier: Barrier) -> Result<(), Closed> {
        self.flush().await?;
        let barrier = Arc::new(barrier);
        for sink in &self.sinks {
            sink.send(Delivery::Barrier(Arc::clone(&barrier))).await?;
        }
        Ok(())
    }
}

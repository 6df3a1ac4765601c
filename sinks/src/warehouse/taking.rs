//! Blocks become rows of their targets' loads, those of several batches at a time ([`crate::lanes`]).

use std::ops::Range;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use model::{Batch, Item, Op, RowError, RowsBlock, SinkError, TableName};

use super::buffer::Encoded;
use super::encode::Mark;
use super::sequence;
use super::tables::Planned;
use crate::lanes::Lanes;

/// A block that is to be taken, and how.
pub(crate) struct Task {
    /// Its place in the batch.
    pub item: usize,
    pub planned: Planned,
    /// Deletes of the source are deletes there.
    pub deletes: bool,
    /// Of the block, see [`sequence`].
    pub sequence: u128,
}

/// What became of the blocks of a batch.
#[derive(Default)]
pub(crate) struct Taken {
    pub encoded: Encoded,
    /// Whose rows they are, in their order.
    pub parts: Vec<(TableName, Range<usize>)>,
}

/// Memory of rows that is kept for the next ones.
const KEPT_BYTES_MAX: usize = 8 << 20;

pub(crate) struct Taking {
    lanes: Lanes<Taken>,
    idle: Vec<Taken>,
    hasher: DefaultHashBuilder,
}

impl Taking {
    pub(crate) fn new(sink: &str) -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { lanes: Lanes::new(sink), idle: Vec::new(), hasher }
    }

    /// The batch can begin to be taken. If not, the next rows are to be had first.
    pub(crate) fn has_room(&self, batch: &Batch) -> bool {
        self.lanes.have_room(batch.bytes)
    }

    pub(crate) fn begin(&mut self, batch: Arc<Batch>, tasks: Vec<Task>) {
        let (mut taken, hasher) = (self.idle.pop().unwrap_or_default(), self.hasher.clone());
        self.lanes.begin(batch.bytes, move || {
            for task in tasks {
                if let Some(Item::Rows(block)) = batch.items.get(task.item) {
                    taken.take(block, &task, &hasher)?;
                }
            }
            let bytes = taken.encoded.bytes();
            Ok((taken, bytes))
        });
    }

    /// Rows are still to come.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.lanes.are_empty()
    }

    /// The rows of the next batch, in the order in which they were begun; `None` where there are none to come.
    ///
    /// # Errors
    /// A row that does not decode or does not fit; and work that did not end. There is nothing but errors
    /// then.
    pub(crate) async fn next(&mut self) -> Result<Option<Taken>, SinkError> {
        self.lanes.next().await
    }

    /// Their memory serves the next.
    pub(crate) fn give_back(&mut self, mut taken: Taken) {
        if taken.encoded.bytes() <= KEPT_BYTES_MAX {
            taken.encoded.clear();
            taken.parts.clear();
            self.idle.push(taken);
        }
    }

    /// Gives back what serves nobody.
    pub(crate) fn rest(&mut self) {
        self.idle = Vec::new();
    }
}

impl Taken {
    fn take(
        &mut self,
        block: &RowsBlock,
        task: &Task,
        hasher: &DefaultHashBuilder,
    ) -> Result<(), RowError> {
        let Task { planned, deletes, sequence, .. } = task;
        let (separator, first) = (planned.rows.separator(), self.encoded.rows());
        block.for_each_newest(|change| {
            let is_gone = change.op == Op::Delete;
            let cells = if is_gone { change.before } else { change.after };
            let Some(cells) = cells.filter(|_| !is_gone || *deletes) else { return Ok(()) };
            let mark = Mark { deletes: is_gone, sequence: sequence::row(*sequence, change.row) };
            self.encoded
                .push(separator, hasher, |out| planned.rows.row(out, &planned.schema, cells, mark))
        })?;
        let rows = self.encoded.rows();
        match self.parts.last_mut() {
            Some((target, part)) if *target == planned.target => part.end = rows,
            _ => self.parts.push((planned.target.clone(), first..rows)),
        }
        Ok(())
    }
}

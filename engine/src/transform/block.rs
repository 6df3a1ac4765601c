//! Blocks of rows through a plan.
//!
//! What becomes of a row depends on it alone, so one block may come out as several: a block has one kind,
//! and its rows are numbered through. A stretch of rows that have the same fate is one block again.

use bytes::Bytes;
use model::row::PackedCodec;
use model::{Cell, Item, Origin, RowError, RowsBlock, RowsKind};
use std::sync::Arc;

use super::expr::Row;
use super::plan::{Plan, Stuck};

/// Rows that cannot go on.
#[derive(Debug)]
pub(super) enum Trouble {
    Row(RowError),
    Stuck(Stuck),
}

impl From<RowError> for Trouble {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl From<Stuck> for Trouble {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck(stuck)
    }
}

/// Rows of one kind, numbered through.
struct Run {
    kind: RowsKind,
    first_row: u32,
    next_row: u32,
    /// Where its images begin.
    start: usize,
}

struct Runs<'b> {
    plan: &'b Plan,
    data: Vec<u8>,
    runs: Vec<Run>,
}

/// A row image, decoded.
#[derive(Clone, Copy)]
struct Image<'r> {
    bytes: &'r [u8],
    row: Row<'r>,
}

/// Appends what becomes of a block.
pub(super) fn through(
    plan: &Plan,
    block: &RowsBlock,
    items: &mut Vec<Item>,
) -> Result<(), Trouble> {
    let mut runs = Runs { plan, data: Vec::with_capacity(block.data.len()), runs: Vec::new() };
    let columns = block.table.columns.len();
    let (mut first, mut second) = (Vec::with_capacity(columns), Vec::new());
    let mut rest: &[u8] = &block.data;
    let mut number = block.origin.first_row;
    while !rest.is_empty() {
        let (bytes, event) = (rest, event(block.kind));
        rest = decoded(block, rest, &mut first)?;
        let image = runs.image(bytes, rest, &first, event);
        if block.kind == RowsKind::Update {
            let bytes = rest;
            rest = decoded(block, rest, &mut second)?;
            let after = runs.image(bytes, rest, &second, "+U");
            runs.update(image, after, number)?;
        } else {
            runs.single(image, block.kind, number)?;
        }
        number = number.wrapping_add(1);
    }
    runs.finish(block, items);
    Ok(())
}

fn event(kind: RowsKind) -> &'static str {
    match kind {
        RowsKind::Read | RowsKind::Insert => "+I",
        RowsKind::Update => "-U",
        RowsKind::Delete => "-D",
    }
}

fn decoded<'a>(
    block: &'a RowsBlock,
    bytes: &'a [u8],
    cells: &mut Vec<Cell<'a>>,
) -> Result<&'a [u8], RowError> {
    cells.clear();
    block.image(bytes, cells)
}

impl<'b> Runs<'b> {
    fn image<'r>(
        &self,
        bytes: &'r [u8],
        rest: &[u8],
        cells: &'r [Cell<'r>],
        event: &'static str,
    ) -> Image<'r>
    where
        'b: 'r,
    {
        let bytes = bytes.get(..bytes.len() - rest.len()).unwrap_or(bytes);
        Image { bytes, row: Row { cells, table: &self.plan.source.name, event } }
    }

    fn single(&mut self, image: Image<'_>, kind: RowsKind, number: u32) -> Result<(), Trouble> {
        let goes_on = self.plan.branch(image.row)?.is_some();
        if goes_on {
            self.begin(kind, number);
            self.push(image)?;
        }
        Ok(())
    }

    fn update(&mut self, before: Image<'_>, after: Image<'_>, number: u32) -> Result<(), Trouble> {
        let was = self.plan.branch(before.row)?.is_some();
        let is = self.plan.branch(after.row)?.is_some();
        let kind = match (was, is) {
            (true, true) => RowsKind::Update,
            (false, true) => RowsKind::Insert,
            (true, false) => RowsKind::Delete,
            (false, false) => return Ok(()),
        };
        self.begin(kind, number);
        if was {
            self.push(before)?;
        }
        if is {
            self.push(after)?;
        }
        Ok(())
    }

    /// A row of this kind follows.
    fn begin(&mut self, kind: RowsKind, number: u32) {
        match self.runs.last_mut() {
            // The numbers of read rows mean nothing beyond their block.
            Some(run) if run.kind == kind && (run.next_row == number || kind == RowsKind::Read) => {
                run.next_row = number.wrapping_add(1);
            }
            _ => {
                let (start, next_row) = (self.data.len(), number.wrapping_add(1));
                self.runs.push(Run { kind, first_row: number, next_row, start });
            }
        }
    }

    fn push(&mut self, image: Image<'_>) -> Result<(), Trouble> {
        if !self.plan.packs {
            self.data.extend_from_slice(image.bytes);
        } else if let Some(branch) = self.plan.branch(image.row)? {
            branch.push(image.row, &mut self.data)?;
        }
        Ok(())
    }

    fn finish(self, block: &RowsBlock, items: &mut Vec<Item>) {
        let data = Bytes::from(self.data);
        let mut end = data.len();
        let mut blocks = Vec::with_capacity(self.runs.len());
        for run in self.runs.iter().rev() {
            blocks.push(Item::Rows(RowsBlock {
                table: Arc::clone(&self.plan.schema),
                kind: run.kind,
                codec: if self.plan.packs {
                    Arc::new(PackedCodec)
                } else {
                    Arc::clone(&block.codec)
                },
                data: data.slice(run.start..end),
                origin: Origin { first_row: run.first_row, ..block.origin.clone() },
            }));
            end = run.start;
        }
        items.extend(blocks.into_iter().rev());
    }
}

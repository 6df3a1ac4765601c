//! The rows of a block, taken into the buffer of their target.

use model::{Op, RowsBlock, RowsKind};

use super::buffer::Buffer;
use super::encode::Mark;
use super::sequence;
use super::tables::Planned;
use super::target::KeyModel;

/// How a block's rows are taken.
#[derive(Clone, Copy)]
pub(crate) struct Takes {
    pub model: KeyModel,
    /// Deletes of the source are deletes there.
    pub deletes: bool,
    /// Of the block, see [`sequence`].
    pub sequence: u128,
}

/// Why a block is not taken.
pub(crate) enum Refused {
    Row(model::RowError),
    Keyless,
}

impl From<model::RowError> for Refused {
    fn from(error: model::RowError) -> Self {
        Self::Row(error)
    }
}

/// # Errors
/// A row that does not decode or does not fit, and changes of rows that nobody can find again.
pub(crate) fn take(
    rows: &mut Buffer,
    block: &RowsBlock,
    planned: &Planned,
    takes: Takes,
) -> Result<(), Refused> {
    let separator = planned.rows.separator();
    let appends = takes.model == KeyModel::Duplicate;
    if appends && takes.deletes && matches!(block.kind, RowsKind::Update | RowsKind::Delete) {
        return Err(Refused::Keyless);
    }
    block.for_each_newest(|change| {
        let deletes = change.op == Op::Delete;
        let cells = if deletes { change.before } else { change.after };
        let Some(cells) = cells.filter(|_| !deletes || takes.deletes) else { return Ok(()) };
        let mark = Mark { deletes, sequence: sequence::row(takes.sequence, change.row) };
        rows.push(separator, |out| planned.rows.row(out, &planned.schema, cells, mark))?;
        Ok(())
    })
}

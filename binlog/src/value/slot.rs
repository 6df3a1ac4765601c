//! Where cells are written to.
//!
//! A cell that is returned, or pushed, is put together on the stack piece by piece and copied from there as
//! a whole, and the processor waits until its pieces have arrived: longer than it takes to decode it. So
//! there are cells beforehand, and values are written into them.

use model::Cell;

/// Appends `count` NULLs, and gives them to be written to.
#[inline]
pub(crate) fn slots<'c, 'a>(cells: &'c mut Vec<Cell<'a>>, count: usize) -> &'c mut [Cell<'a>] {
    let from = cells.len();
    cells.extend(std::iter::repeat_with(|| Cell::Null).take(count));
    cells.get_mut(from..).unwrap_or_default()
}

/// Writes to a slot, which is NULL, so that there is nothing in it to be dropped.
#[inline]
pub(crate) fn fill<'a>(slot: &mut Cell<'a>, cell: Cell<'a>) {
    std::mem::forget(std::mem::replace(slot, cell));
}

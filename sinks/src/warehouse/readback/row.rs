//! A row in the one form in which both sides are compared, its key first.

/// Cells one after another, each in the form that [`super::canonical`] gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    bytes: Box<[u8]>,
    /// Where the key ends.
    key_end: usize,
}

/// The key's cells of a [`Row`]: equal exactly where the target holds two keys equal.
pub type Key = Box<[u8]>;

const NULL: u8 = 0;
const VALUE: u8 = 1;

impl Row {
    /// A row of these cells, the first `key` of them its key.
    pub fn of(cells: &[Option<&[u8]>], key: usize) -> Self {
        let mut builder = Builder::new(key);
        cells.iter().for_each(|cell| builder.push(*cell));
        builder.finish()
    }

    pub fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_end).unwrap_or_default()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `None` is NULL.
    pub fn cells(&self) -> Cells<'_> {
        cells(&self.bytes)
    }
}

/// Of a row, or of a key.
pub fn cells(bytes: &[u8]) -> Cells<'_> {
    Cells { rest: bytes }
}

#[derive(Debug, Clone)]
pub struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.rest.split_first()?;
        if *tag == NULL {
            self.rest = rest;
            return Some(None);
        }
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let (cell, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Some(cell))
    }
}

/// Puts a row together.
#[derive(Debug)]
pub(super) struct Builder {
    bytes: Vec<u8>,
    key: usize,
    key_end: usize,
    cells: usize,
}

impl Builder {
    /// `key`: how many of the cells are the key.
    pub(super) fn new(key: usize) -> Self {
        Self { bytes: Vec::new(), key, key_end: 0, cells: 0 }
    }

    pub(super) fn push(&mut self, cell: Option<&[u8]>) {
        match cell {
            None => self.bytes.push(NULL),
            Some(cell) => {
                self.bytes.push(VALUE);
                // No value of either system comes near.
                let len = u32::try_from(cell.len()).unwrap_or(u32::MAX);
                self.bytes.extend_from_slice(&len.to_le_bytes());
                self.bytes.extend_from_slice(cell);
            }
        }
        self.cells += 1;
        if self.cells == self.key {
            self.key_end = self.bytes.len();
        }
    }

    pub(super) fn finish(self) -> Row {
        Row { bytes: self.bytes.into(), key_end: self.key_end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_back_its_cells_and_begins_with_its_key() {
        let mut builder = Builder::new(2);
        for cell in [Some(&b"7"[..]), Some(b""), None, Some(b"v")] {
            builder.push(cell);
        }
        let row = builder.finish();
        assert_eq!(cells(row.key()).collect::<Vec<_>>(), [Some(&b"7"[..]), Some(b"")]);
        assert_eq!(row.cells().skip(2).collect::<Vec<_>>(), [None, Some(&b"v"[..])]);
    }
}

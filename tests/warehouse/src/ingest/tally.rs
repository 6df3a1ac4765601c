//! Rows counted while a body comes, for who measures another program: none is looked into, and nothing is kept.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::json::Shape;
use super::{Format, Options, Refusal};

/// What has come of a body so far.
#[derive(Debug)]
pub struct Tally {
    way: Way,
    rows: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Way {
    /// A row ends with this byte; the last one need not.
    Lines { delimiter: u8, open: bool },
    /// A row is an object at this depth.
    Objects { level: u32, depth: u32, within: Within },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Structure,
    Text,
    /// Behind a backslash.
    Escape,
}

impl Tally {
    /// `None` for a body that has to be there as a whole before its rows can be told.
    #[must_use]
    pub fn of(options: &Options) -> Option<Self> {
        let objects = |level| Way::Objects { level, depth: 0, within: Within::Structure };
        let way = match (options.compression, &options.format) {
            (None, Format::Json(Shape::Lines(delimiter))) => {
                let [delimiter] = *delimiter.as_slice() else { return None };
                Way::Lines { delimiter, open: false }
            }
            (None, Format::Json(Shape::Documents)) => objects(0),
            (None, Format::Json(Shape::Array(_))) => objects(1),
            (Some(_), _) | (None, Format::Csv(_)) => return None,
        };
        Some(Self { way, rows: 0, bytes: 0 })
    }

    /// Bytes that have come.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn add(&mut self, data: &[u8]) {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.bytes += number(data.len());
        match &mut self.way {
            Way::Lines { delimiter, open } => {
                self.rows += number(memchr_iter(*delimiter, data).count());
                *open = data.last().map_or(*open, |last| last != delimiter);
            }
            Way::Objects { level, depth, within } => {
                self.rows += objects(data, *level, depth, within);
            }
        }
    }

    /// How many rows there were.
    ///
    /// # Errors
    /// A body that ends within an object or a text.
    pub fn rows(&self) -> Result<u64, Refusal> {
        match self.way {
            Way::Lines { open, .. } => Ok(self.rows + u64::from(open)),
            Way::Objects { depth: 0, within: Within::Structure, .. } => Ok(self.rows),
            Way::Objects { .. } => {
                let text = "Parse json data failed: the body ends within a document";
                Err(Refusal::new("DATA_QUALITY_ERROR", text))
            }
        }
    }
}

/// Objects that begin at a depth of `level`.
fn objects(mut data: &[u8], level: u32, depth: &mut u32, within: &mut Within) -> u64 {
    let mut rows = 0;
    while let Some((&byte, rest)) = data.split_first() {
        match *within {
            Within::Escape => (*within, data) = (Within::Text, rest),
            Within::Text => {
                let Some(at) = memchr2(b'"', b'\\', data) else { return rows };
                let ends = data.get(at) == Some(&b'"');
                *within = if ends { Within::Structure } else { Within::Escape };
                data = data.get(at + 1..).unwrap_or_default();
            }
            Within::Structure => {
                if *depth == level
                    && let Some(row) = plain(data)
                {
                    rows += 1;
                    data = data.get(row..).unwrap_or_default();
                    continue;
                }
                data = rest;
                match byte {
                    b'"' => *within = Within::Text,
                    b'{' | b'[' => {
                        rows += u64::from(byte == b'{' && *depth == level);
                        *depth += 1;
                    }
                    b'}' | b']' => *depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }
    rows
}

/// The length of the object that `data` begins with, if it is there as a whole and has neither another one,
/// nor an array, nor a backslash in it, as nearly all have not. Then a brace outside of texts is its end.
fn plain(data: &[u8]) -> Option<usize> {
    let within = data.strip_prefix(b"{")?;
    let end = memchr(b'}', within)?;
    let within = within.get(..end)?;
    let quotes = memchr_iter(b'"', within).count();
    (quotes.is_multiple_of(2) && memchr3(b'\\', b'[', b'{', within).is_none()).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::System;
    use crate::ingest::Headers;
    use crate::ingest::json::Keys;

    fn counted(shape: Shape, body: &[u8], pieces: usize) -> Result<u64, Refusal> {
        let mut options = Options::parse(System::Doris, &Headers::default()).unwrap();
        options.format = Format::Json(shape);
        let mut tally = Tally::of(&options).unwrap();
        for piece in body.chunks(pieces) {
            tally.add(piece);
        }
        assert_eq!(tally.bytes(), body.len() as u64);
        tally.rows()
    }

    const TRICKY: &str = r#"{"a":"{\"}\\","b":{"c":[{}]}}"#;

    #[test]
    fn rows_are_counted_wherever_a_body_is_cut() {
        for pieces in 1..=64 {
            let array = format!("[{TRICKY},{TRICKY}, {TRICKY}]");
            let count = |shape, body: &str| counted(shape, body.as_bytes(), pieces).unwrap();
            assert_eq!(count(Shape::Array(Keys::Named), &array), 3);
            assert_eq!(count(Shape::Array(Keys::Named), "[]"), 0);
            let plain =
                r#"[{"a":"x"},{"a":"}"},{"a":"}","b":"},{"},{},{"a":{}},{"a":[1]},{"a":"z"}]"#;
            assert_eq!(count(Shape::Array(Keys::Named), plain), 7);
            assert_eq!(count(Shape::Documents, &format!("{TRICKY}{TRICKY}")), 2);
            for end in ["", "\n"] {
                let lines = format!("{TRICKY}\n{TRICKY}{end}");
                assert_eq!(count(Shape::Lines(b"\n".to_vec()), &lines), 2);
            }
        }
    }

    #[test]
    fn a_body_that_ends_within_a_document_is_refused() {
        for body in [r#"[{"a":1}"#, r#"[{"a":1},{"b"#, r#"[{"a":"\"#] {
            assert!(counted(Shape::Array(Keys::Named), body.as_bytes(), 3).is_err(), "{body}");
        }
    }
}

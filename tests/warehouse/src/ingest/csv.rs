//! CSV, as the two servers read it.

use crate::System;

use super::{Field, Record};

/// How a body separates and quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    pub column_separator: Vec<u8>,
    pub line_delimiter: Vec<u8>,
    pub enclose: Option<u8>,
    pub escape: Option<u8>,
    pub skip_lines: usize,
    pub trim_double_quotes: bool,
    pub empty_field_as_null: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            column_separator: b"\t".to_vec(),
            line_delimiter: b"\n".to_vec(),
            enclose: None,
            escape: None,
            skip_lines: 0,
            trim_double_quotes: false,
            empty_field_as_null: false,
        }
    }
}

const NULL: &[u8] = b"\\N";

/// Every record of the body; one of another width than `width` is told why.
#[must_use]
pub fn read(dialect: &Dialect, system: System, width: usize, body: &[u8]) -> Vec<Record> {
    let mut scanner = Scanner { dialect, system, rest: body };
    let mut records = Vec::new();
    while !scanner.rest.is_empty() {
        let line = scanner.line();
        records.push(record(dialect, system, width, line));
    }
    records.drain(..dialect.skip_lines.min(records.len()));
    records
}

struct Line<'a> {
    source: &'a [u8],
    cells: Vec<Cell>,
}

struct Cell {
    bytes: Vec<u8>,
    quoted: bool,
}

struct Scanner<'a> {
    dialect: &'a Dialect,
    system: System,
    rest: &'a [u8],
}

enum End {
    Cell,
    Line,
}

impl<'a> Scanner<'a> {
    fn line(&mut self) -> Line<'a> {
        let start = self.rest;
        let mut cells = Vec::new();
        loop {
            let (cell, end) = self.cell();
            cells.push(cell);
            if matches!(end, End::Line) {
                break;
            }
        }
        let length = start.len() - self.rest.len();
        let source = start.get(..length).unwrap_or_default();
        let source = source.strip_suffix(self.dialect.line_delimiter.as_slice()).unwrap_or(source);
        Line { source, cells }
    }

    fn cell(&mut self) -> (Cell, End) {
        let mut cell = Cell { bytes: Vec::new(), quoted: false };
        if self.dialect.enclose.is_some() && self.rest.first().copied() == self.dialect.enclose {
            self.advance(1);
            cell.quoted = true;
            self.enclosed(&mut cell.bytes);
        }
        loop {
            if self.skip(&self.dialect.column_separator) {
                return (cell, End::Cell);
            }
            if self.rest.is_empty() || self.skip(&self.dialect.line_delimiter) {
                return (cell, End::Line);
            }
            self.take_one(&mut cell.bytes);
        }
    }

    /// Up to the closing character, which is consumed.
    fn enclosed(&mut self, into: &mut Vec<u8>) {
        let enclose = self.dialect.enclose;
        while let Some(byte) = self.rest.first().copied() {
            if Some(byte) != enclose {
                self.take_one(into);
                continue;
            }
            self.advance(1);
            // StarRocks follows RFC 4180: a doubled one is one. For Doris it ends the cell.
            let doubled = self.system == System::StarRocks && self.rest.first().copied() == enclose;
            if !doubled {
                return;
            }
            self.advance(1);
            into.push(byte);
        }
    }

    fn take_one(&mut self, into: &mut Vec<u8>) {
        if self.dialect.escape.is_some() && self.rest.first().copied() == self.dialect.escape {
            // `\N` stays what it is where the escape is a backslash.
            if into.is_empty() && self.rest.starts_with(NULL) {
                into.extend_from_slice(NULL);
                return self.advance(NULL.len());
            }
            self.advance(1);
        }
        if let Some(byte) = self.rest.first() {
            into.push(*byte);
            self.advance(1);
        }
    }

    fn skip(&mut self, text: &[u8]) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

fn record(dialect: &Dialect, system: System, width: usize, line: Line<'_>) -> Record {
    let Ok(source) = std::str::from_utf8(line.source) else {
        let fields = Err("the source data is not a valid UTF-8 string".to_owned());
        return Record { source: "Unable to display".to_owned(), fields };
    };
    let fields = if line.cells.len() == width {
        line.cells.into_iter().map(|cell| field(dialect, cell)).collect()
    } else {
        Err(wrong_width(dialect, system, width, &line))
    };
    Record { source: source.to_owned(), fields }
}

fn field(dialect: &Dialect, cell: Cell) -> Result<Field, String> {
    if !cell.quoted && cell.bytes == NULL {
        return Ok(Field::Null);
    }
    if dialect.empty_field_as_null && cell.bytes.is_empty() {
        return Ok(Field::Null);
    }
    // An escape may stand inside a character only where the line was no text to begin with.
    let text = String::from_utf8(cell.bytes).map_err(|_| "the value is no UTF-8".to_owned())?;
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if dialect.trim_double_quotes => Ok(Field::Text(inner.to_owned())),
        _ => Ok(Field::Text(text)),
    }
}

fn wrong_width(dialect: &Dialect, system: System, width: usize, line: &Line<'_>) -> String {
    let actual = line.cells.len();
    let separator = dialect.column_separator.escape_ascii();
    let delimiter = dialect.line_delimiter.escape_ascii();
    match system {
        System::Doris => {
            let compared = if actual < width { " less than " } else { " more than " };
            format!(
                "actual column number in csv file is {compared} schema column number.actual number: \
                 {actual}, schema column number: {width}; line delimiter: [{delimiter}], column \
                 separator: [{separator}]"
            )
        }
        System::StarRocks => format!(
            "Target column count: {width} doesn't match source value column count: {actual}. \
             Column separator: '{separator}', Row delimiter: '{delimiter}'"
        ),
    }
}

/// A separator as a header writes it: `\x01`, `\x01\x02`, `\\x0D0A`, `\t`, or itself.
///
/// # Errors
/// Nothing at all, and half a byte.
pub fn separator(text: &str) -> Result<Vec<u8>, String> {
    let hex = text.trim_start_matches('\\');
    let bytes = match hex.strip_prefix(['x', 'X']) {
        Some(digits) if hex.len() < text.len() => {
            let digits = digits.replace("\\x", "");
            let pairs = digits.as_bytes().chunks(2);
            let bytes: Option<Vec<u8>> = pairs
                .map(|pair| {
                    let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
                    u8::from_str_radix(pair, 16).ok()
                })
                .collect();
            bytes.ok_or_else(|| format!("Invalid hex separator: {text}"))?
        }
        _ => match text {
            "\\t" => b"\t".to_vec(),
            "\\n" => b"\n".to_vec(),
            "\\r\\n" => b"\r\n".to_vec(),
            _ => text.as_bytes().to_vec(),
        },
    };
    if bytes.is_empty() { Err("separator is empty".to_owned()) } else { Ok(bytes) }
}

//! Row images as JSON objects, the form of a load that both systems take.
//!
//! The columns of the key come first, as they do in every table of theirs. So the beginning of an object
//! tells its key, and two rows have one key where these bytes are equal: nothing else is kept to find them
//! by ([`super::buffer`]).

use std::sync::Arc;

use model::row::RowError;
use model::{Cell, TableSchema, TimeZone};

use super::client::{DELETE_SIGN, OP, SEQUENCE_COLUMN};
use super::system::System;
use super::target::rules::{BinaryAs, TypeRules};
use super::target::{KeyModel, TargetTable, TargetType};
use crate::format::form::{Form, Unfit, hex};
use crate::format::short::Phrase;
use crate::format::{json, number, temporal};

/// How rows of one definition of a source's table become rows of a target. Made once for each.
#[derive(Debug)]
pub(crate) struct RowPlan {
    columns: Vec<ColumnPlan>,
    /// How many of them are the key.
    key: usize,
    /// What a row says behind its columns: nothing where rows are only appended.
    operation: Option<&'static str>,
    sequence: bool,
    time_zone: TimeZone,
    binary: BinaryAs,
    system: System,
}

#[derive(Debug)]
struct ColumnPlan {
    name: Arc<str>,
    /// `{"name":` of the first, `,"name":` of the others.
    label: Phrase,
    value: Value,
}

#[derive(Debug)]
enum Value {
    /// The cell at this place, and what of its type it does not say itself.
    Cell { at: usize, form: Form, as_json: bool, in_key: bool },
    /// The same in every row: already JSON.
    Constant(Box<[u8]>),
}

/// What a row of a load says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub deletes: bool,
    /// Of two rows with one key the greater one stays, where the table has a sequence.
    pub sequence: u128,
}

/// What a plan is made of.
pub(crate) struct Between<'a> {
    pub system: System,
    pub source: &'a TableSchema,
    pub target: &'a TargetTable,
    pub rules: TypeRules,
    pub time_zone: TimeZone,
    /// Name of the column that says which table of the source a row is of.
    pub source_column: Option<&'a str>,
}

impl RowPlan {
    pub(crate) fn new(between: &Between<'_>) -> Self {
        let Between { system, source, target, rules, time_zone, source_column } = *between;
        let mut columns = Vec::new();
        for column in &target.columns {
            let names_source = source_column.is_some_and(|n| n.eq_ignore_ascii_case(&column.name));
            // By name, for the target's columns may be those of several tables.
            let at = source.columns.iter().position(|c| c.name.eq_ignore_ascii_case(&column.name));
            let value = match at.and_then(|at| Some((at, source.columns.get(at)?))) {
                Some((at, of_source)) => Value::Cell {
                    at,
                    form: Form::of(of_source),
                    as_json: system == System::StarRocks && column.ty == TargetType::Json,
                    in_key: column.is_key && target.model == KeyModel::Unique,
                },
                None if names_source => Value::Constant({
                    let mut name = Vec::new();
                    json::text(&mut name, &source.name.to_string());
                    name.into()
                }),
                // The target keeps what the source has dropped, or another shard has.
                None => continue,
            };
            let mut label = vec![if columns.is_empty() { b'{' } else { b',' }];
            json::text(&mut label, &column.name);
            label.push(b':');
            let (name, label) = (Arc::clone(&column.name), Phrase::new(&label));
            columns.push(ColumnPlan { name, label, value });
        }
        let keyed = target.model == KeyModel::Unique;
        let operation = keyed.then_some(match system {
            System::Doris => DELETE_SIGN,
            System::StarRocks => OP,
        });
        let key = if keyed { target.key().count() } else { 0 };
        let sequence = target.sequence && keyed && system == System::Doris;
        Self { columns, key, operation, sequence, time_zone, binary: rules.binary, system }
    }

    /// The names that every row gives, for the load's header.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.columns.iter().map(|column| column.name.clone()).collect();
        names.extend(self.operation.map(Into::into));
        names.extend(self.sequence.then(|| SEQUENCE_COLUMN.into()));
        names
    }

    /// Appends a row. The length of what tells its key; 0 where there is none.
    ///
    /// # Errors
    /// A value that its column's type cannot hold, and a date in a key that no calendar has.
    pub(crate) fn row(
        &self,
        out: &mut Vec<u8>,
        source: &TableSchema,
        cells: &[Cell<'_>],
        mark: Mark,
    ) -> Result<usize, RowError> {
        let start = out.len();
        let mut key_length = 0;
        for (number, column) in self.columns.iter().enumerate() {
            column.label.write(out);
            self.column(column, out, source, cells)?;
            if number + 1 == self.key {
                key_length = out.len() - start;
            }
        }
        if self.columns.is_empty() {
            out.push(b'{');
        }
        if let Some(operation) = self.operation {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(operation.as_bytes());
            out.extend_from_slice(if mark.deletes { b"\":1" } else { b"\":0" });
        }
        if self.sequence {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(SEQUENCE_COLUMN.as_bytes());
            out.extend_from_slice(b"\":");
            number::integer(out, mark.sequence);
        }
        out.push(b'}');
        Ok(key_length)
    }

    fn column(
        &self,
        column: &ColumnPlan,
        out: &mut Vec<u8>,
        source: &TableSchema,
        cells: &[Cell<'_>],
    ) -> Result<(), RowError> {
        let (at, form, as_json, in_key) = match &column.value {
            Value::Constant(value) => {
                out.extend_from_slice(value);
                return Ok(());
            }
            Value::Cell { at, form, as_json, in_key } => (*at, *form, *as_json, *in_key),
        };
        let cell = cells.get(at).unwrap_or(&Cell::Null);
        if in_key && (cell.is_null() || is_no_date(cell)) {
            let what = "a key that the target cannot hold: NULL, or a date that no calendar has";
            return Err(Unfit(what).at(source, at));
        }
        self.value(out, form, as_json, cell).map_err(|unfit| unfit.at(source, at))
    }

    /// The value of one column, as [`Self::row`] has it; columns are numbered as in [`Self::names`].
    ///
    /// # Errors
    /// As [`Self::row`].
    pub(crate) fn value_of(
        &self,
        number: usize,
        out: &mut Vec<u8>,
        source: &TableSchema,
        cells: &[Cell<'_>],
    ) -> Result<(), RowError> {
        match self.columns.get(number) {
            Some(column) => self.column(column, out, source, cells),
            None => Ok(()),
        }
    }

    /// For each column its place in the source, where it has one, and whether its values are JSON
    /// documents as they stand.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Option<usize>, bool)> {
        self.columns.iter().map(|column| match &column.value {
            Value::Constant(_) => (None, false),
            Value::Cell { at, as_json, .. } => (Some(*at), *as_json),
        })
    }

    fn value(
        &self,
        out: &mut Vec<u8>,
        form: Form,
        as_json: bool,
        cell: &Cell<'_>,
    ) -> Result<(), Unfit> {
        match cell {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Int(v) => number::integer(out, *v),
            Cell::UInt(v) | Cell::Bit(v) => number::integer(out, *v),
            Cell::Year(v) => number::integer(out, *v),
            Cell::Float(v) => number::json_float(out, *v),
            Cell::Double(v) => number::json_float(out, *v),
            // A number keeps its digits in both systems: it is read as text.
            Cell::Decimal(v) => {
                out.push(b'"');
                v.write_to(out);
                out.push(b'"');
            }
            Cell::Json(v) if as_json => out.extend_from_slice(v.as_bytes()),
            Cell::Text(v) | Cell::Json(v) => json::text(out, v),
            Cell::Date(_) | Cell::DateTime(_) | Cell::Timestamp(_) if is_no_date(cell) => {
                out.extend_from_slice(b"null");
            }
            Cell::Date(v) => quoted(out, |out| temporal::date(out, *v)),
            Cell::DateTime(v) => {
                quoted(out, |out| temporal::date_time(out, v, b' ', form.fraction()));
            }
            Cell::Timestamp(v) => {
                let local = self.time_zone.local(v);
                quoted(out, |out| temporal::date_time(out, &local, b' ', form.fraction()));
            }
            Cell::Time(v) => quoted(out, |out| temporal::time(out, v, form.fraction())),
            Cell::Bytes(v) if form == Form::Vector => vector(out, v)?,
            Cell::Bytes(v) => self.bytes(out, v),
            Cell::Geometry(v) => geometry(out, v)?,
        }
        Ok(())
    }

    fn bytes(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        match self.binary {
            BinaryAs::Base64 => json::base64(out, bytes),
            BinaryAs::Hex => {
                quoted(out, |out| out.extend(bytes.iter().flat_map(|byte| hex(*byte, b'A'))));
            }
        }
    }

    /// What stands between two rows of a load.
    pub(crate) fn separator(&self) -> u8 {
        match self.system {
            System::Doris => b'\n',
            System::StarRocks => b',',
        }
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn is_no_date(cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Date(v) => v.is_partial(),
        Cell::DateTime(v) | Cell::Timestamp(v) => v.date.is_partial(),
        Cell::Null
        | Cell::Int(_)
        | Cell::UInt(_)
        | Cell::Float(_)
        | Cell::Double(_)
        | Cell::Decimal(_)
        | Cell::Bit(_)
        | Cell::Year(_)
        | Cell::Time(_)
        | Cell::Text(_)
        | Cell::Bytes(_)
        | Cell::Json(_)
        | Cell::Geometry(_) => false,
    }
}

/// The JSON text of a vector, in a string.
fn vector(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Unfit> {
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Unfit("a vector that is not whole 32-bit floats"));
    }
    out.extend_from_slice(b"\"[");
    for (at, float) in floats.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        number::json_float(out, f32::from_le_bytes(*float));
    }
    out.extend_from_slice(b"]\"");
    Ok(())
}

/// The JSON text of a geometry, in a string.
fn geometry(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Unfit> {
    let Some((srid, wkb)) = bytes.split_first_chunk::<4>() else {
        return Err(Unfit("a geometry without its SRID"));
    };
    out.extend_from_slice(b"\"{\\\"srid\\\":");
    number::integer(out, u32::from_le_bytes(*srid));
    out.extend_from_slice(b",\\\"wkb\\\":\\\"");
    let mut text = Vec::new();
    json::base64(&mut text, wkb);
    out.extend_from_slice(text.get(1..text.len().saturating_sub(1)).unwrap_or_default());
    out.extend_from_slice(b"\\\"}\"");
    Ok(())
}

#[cfg(test)]
mod tests;

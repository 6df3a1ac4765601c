//! `changelog`: `db.table> +I[10, 1992-09-12, cai]`, one line per image, for people.

use model::row::RowError;
use model::{
    Cell, Change, Item, Op, RowsBlock, SchemaChange, SinkError, TableName, TableSchema, TimeZone,
};

use super::Encoder;
use super::form::{Form, Unfit, hex};
use super::number::{mysql_double, mysql_fixed, mysql_float};
use super::plans::Plans;
use super::temporal;

pub(super) struct Changelog {
    time_zone: TimeZone,
    plans: Plans<Plan>,
}

#[derive(Debug)]
struct Plan {
    /// `db.table> `
    start: Vec<u8>,
    forms: Vec<Form>,
}

impl Changelog {
    pub(super) fn new(time_zone: TimeZone) -> Self {
        Self { time_zone, plans: Plans::new() }
    }

    fn rows(&mut self, block: &RowsBlock, out: &mut Vec<u8>) -> Result<(), SinkError> {
        let plan = self.plans.get(&block.table, |table| Plan {
            start: line_start(&table.name),
            forms: table.columns.iter().map(Form::of).collect(),
        });
        let lines = Lines { plan, table: &block.table, time_zone: self.time_zone };
        block.for_each(|change| Ok(lines.change(out, &change)?))
    }

    fn schema(&mut self, change: &SchemaChange, out: &mut Vec<u8>) {
        self.plans.forget(&change.table);
        out.extend_from_slice(&line_start(&change.table));
        out.extend_from_slice(b"DDL ");
        text(out, &change.sql);
        out.push(b'\n');
    }
}

impl Encoder for Changelog {
    fn item(&mut self, item: &Item, out: &mut Vec<u8>) -> Result<(), SinkError> {
        match item {
            Item::Rows(block) => self.rows(block, out),
            Item::Schema(change) => {
                self.schema(change, out);
                Ok(())
            }
        }
    }
}

fn line_start(table: &TableName) -> Vec<u8> {
    let mut start = Vec::new();
    text(&mut start, &table.db);
    start.push(b'.');
    text(&mut start, &table.table);
    start.extend_from_slice(b"> ");
    start
}

struct Lines<'p> {
    plan: &'p Plan,
    table: &'p TableSchema,
    time_zone: TimeZone,
}

impl Lines<'_> {
    fn change(&self, out: &mut Vec<u8>, change: &Change<'_, '_>) -> Result<(), RowError> {
        let (old, new) = match change.op {
            Op::Read | Op::Create => (b"".as_slice(), b"+I[".as_slice()),
            Op::Update => (b"-U[".as_slice(), b"+U[".as_slice()),
            Op::Delete => (b"-D[".as_slice(), b"".as_slice()),
        };
        if let Some(cells) = change.before {
            self.line(out, old, cells)?;
        }
        if let Some(cells) = change.after {
            self.line(out, new, cells)?;
        }
        Ok(())
    }

    fn line(&self, out: &mut Vec<u8>, kind: &[u8], cells: &[Cell<'_>]) -> Result<(), RowError> {
        out.extend_from_slice(&self.plan.start);
        out.extend_from_slice(kind);
        for (at, (form, cell)) in self.plan.forms.iter().zip(cells).enumerate() {
            if at > 0 {
                out.extend_from_slice(b", ");
            }
            self.value(out, *form, cell).map_err(|unfit| unfit.at(self.table, at))?;
        }
        out.extend_from_slice(b"]\n");
        Ok(())
    }

    fn value(&self, out: &mut Vec<u8>, form: Form, cell: &Cell<'_>) -> Result<(), Unfit> {
        match cell {
            Cell::Null => out.extend_from_slice(b"NULL"),
            Cell::Int(v) => integer(out, form, *v),
            Cell::UInt(v) => integer(out, form, *v),
            Cell::Year(v) => out.extend_from_slice(&temporal::four(*v)),
            Cell::Float(v) => match form.decimals() {
                Some(decimals) => mysql_fixed(out, f64::from(*v), decimals),
                None => mysql_float(out, *v),
            },
            Cell::Double(v) => match form.decimals() {
                Some(decimals) => mysql_fixed(out, *v, decimals),
                None => mysql_double(out, *v),
            },
            Cell::Decimal(v) => v.write_to(out),
            Cell::Text(v) => text(out, v),
            Cell::Json(v) => json(out, v),
            Cell::Date(v) => temporal::date(out, *v),
            Cell::DateTime(v) => temporal::date_time(out, v, b' ', form.fraction()),
            Cell::Timestamp(v) => {
                temporal::date_time(out, &self.time_zone.local(v), b' ', form.fraction());
            }
            Cell::Time(v) => temporal::time(out, v, form.fraction()),
            Cell::Bit(v) => hexadecimal(out, form.bit_bytes(*v, &mut [0; 8])),
            Cell::Bytes(v) => hexadecimal(out, v),
            Cell::Geometry(v) => hexadecimal(out, v),
        }
        Ok(())
    }
}

fn integer(out: &mut Vec<u8>, form: Form, value: impl itoa::Integer) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    if let Form::ZeroFill(width) = form {
        let missing = usize::from(width).saturating_sub(digits.len());
        out.extend(std::iter::repeat_n(b'0', missing));
    }
    out.extend_from_slice(digits);
}

/// `0x0AFF`, as the `mysql` client shows binary values.
fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"0x");
    out.extend(bytes.iter().flat_map(|byte| hex(*byte, b'A')));
}

/// Text that stays on its line: as `mysql --batch` writes it, and every other control character
/// as `\x1b`.
fn text(out: &mut Vec<u8>, text: &str) {
    escaped(out, text, |byte| byte < 0x20 || byte == 0x7f || byte == b'\\');
}

/// JSON text has its own backslashes, and control characters only where the server keeps it as
/// LONGTEXT, between values.
fn json(out: &mut Vec<u8>, json: &str) {
    escaped(out, json, |byte| byte < 0x20 || byte == 0x7f);
}

fn escaped(out: &mut Vec<u8>, text: &str, special: impl Fn(u8) -> bool) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| special(*byte)) {
        let (clean, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(clean);
        let Some((&byte, after)) = from.split_first() else { return };
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0 => out.extend_from_slice(b"\\0"),
            _ => {
                let [high, low] = hex(byte, b'a');
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

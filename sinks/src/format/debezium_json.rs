//! `debezium-json`: what Debezium's JSON converter writes without schemas, one object a line.

use std::sync::Arc;

use model::row::RowError;
use model::{
    Cell, Change, Clock, Item, Op, Origin, RowsBlock, RowsKind, SchemaChange, SinkError, TableName,
    TableSchema,
};

use super::Encoder;
use super::form::{Form, Unfit};
use super::json;
use super::number::{integer, json_float};
use super::plans::Plans;
use super::short::Phrase;
use super::temporal;
use crate::SinkContext;

pub(super) struct DebeziumJson {
    job: String,
    clock: Arc<dyn Clock>,
    plans: Plans<Plan>,
    /// What every record of the block at hand says between its `op` and its row number, and after.
    middle: Vec<u8>,
    end: Vec<u8>,
    /// Where the columns of the row at hand start.
    starts: Vec<usize>,
}

/// What every record of a table repeats.
#[derive(Debug)]
struct Plan {
    /// From `{"connector"` to the server id.
    source: Vec<u8>,
    columns: Vec<ColumnPlan>,
}

#[derive(Debug)]
struct ColumnPlan {
    /// `{"name":` for the first column, `,"name":` for the others.
    name: Phrase,
    form: Form,
}

impl DebeziumJson {
    pub(super) fn new(context: &SinkContext) -> Self {
        Self {
            job: context.job.clone(),
            clock: Arc::clone(&context.clock),
            plans: Plans::new(),
            middle: Vec::new(),
            end: Vec::new(),
            starts: Vec::new(),
        }
    }

    fn rows(&mut self, block: &RowsBlock, out: &mut Vec<u8>) -> Result<(), SinkError> {
        let job = &self.job;
        let plan = self.plans.get(&block.table, |table| Plan::of(table, job));
        self.middle.clear();
        self.middle.extend_from_slice(b"\",\"ts_ms\":");
        integer(&mut self.middle, self.clock.now_ms());
        self.middle.extend_from_slice(b",\"source\":");
        self.middle.extend_from_slice(&plan.source);
        source_position(&mut self.middle, &block.origin);
        self.end.clear();
        source_end(&mut self.end, &block.origin, block.kind);
        self.end.extend_from_slice(b"}\n");

        let (table, middle, end) = (&*block.table, &self.middle, &self.end);
        let starts = &mut self.starts;
        block.for_each(|change| {
            record(out, plan, table, &change, starts)?;
            out.extend_from_slice(middle);
            integer(out, change.row);
            out.extend_from_slice(end);
            Ok(())
        })
    }

    fn schema(&mut self, change: &SchemaChange, out: &mut Vec<u8>) {
        self.plans.forget(&change.table);
        out.extend_from_slice(b"{\"source\":");
        source_start(out, &self.job, &change.table);
        source_position(out, &change.origin);
        integer(out, change.origin.first_row);
        // A schema change comes from the stream, as an insert does.
        source_end(out, &change.origin, RowsKind::Insert);
        out.extend_from_slice(b",\"ts_ms\":");
        integer(out, self.clock.now_ms());
        out.extend_from_slice(b",\"databaseName\":");
        json::text(out, &change.table.db);
        out.extend_from_slice(b",\"schemaName\":null,\"tableName\":");
        json::text(out, &change.table.table);
        out.extend_from_slice(b",\"ddl\":");
        json::text(out, &change.sql);
        out.extend_from_slice(b",\"dropped\":");
        out.extend_from_slice(if change.after.is_none() { b"true" } else { b"false" });
        out.extend_from_slice(b"}\n");
    }
}

impl Encoder for DebeziumJson {
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

impl Plan {
    fn of(table: &TableSchema, job: &str) -> Self {
        let mut source = Vec::new();
        source_start(&mut source, job, &table.name);
        let columns = table.columns.iter().enumerate().map(|(at, column)| {
            let mut name = vec![if at == 0 { b'{' } else { b',' }];
            json::text(&mut name, &column.name);
            name.push(b':');
            ColumnPlan { name: Phrase::new(&name), form: Form::of(column) }
        });
        Self { columns: columns.collect(), source }
    }
}

fn source_start(out: &mut Vec<u8>, job: &str, table: &TableName) {
    out.extend_from_slice(b"{\"connector\":\"mysql\",\"name\":");
    json::text(out, job);
    out.extend_from_slice(b",\"db\":");
    json::text(out, &table.db);
    out.extend_from_slice(b",\"table\":");
    json::text(out, &table.table);
    out.extend_from_slice(b",\"server_id\":");
}

/// Goes on from the server id to the row number, which comes next.
fn source_position(out: &mut Vec<u8>, origin: &Origin) {
    integer(out, origin.server_id);
    out.extend_from_slice(b",\"gtid\":");
    match &origin.gtid {
        Some(gtid) => json::text(out, gtid),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"file\":");
    json::text(out, &origin.file);
    out.extend_from_slice(b",\"pos\":");
    integer(out, origin.pos);
    out.extend_from_slice(b",\"row\":");
}

fn source_end(out: &mut Vec<u8>, origin: &Origin, kind: RowsKind) {
    out.extend_from_slice(match kind {
        RowsKind::Read => b",\"snapshot\":\"true\",\"ts_ms\":",
        RowsKind::Insert | RowsKind::Update | RowsKind::Delete => {
            b",\"snapshot\":\"false\",\"ts_ms\":".as_slice()
        }
    });
    integer(out, origin.ts_ms);
    out.push(b'}');
}

/// Writes a record up to and with the letter of its `op`.
fn record(
    out: &mut Vec<u8>,
    plan: &Plan,
    table: &TableSchema,
    change: &Change<'_, '_>,
    starts: &mut Vec<usize>,
) -> Result<(), RowError> {
    starts.clear();
    match change.before {
        Some(cells) => {
            out.extend_from_slice(b"{\"before\":");
            row(out, plan, table, cells, starts)?;
            out.extend_from_slice(b",\"after\":");
        }
        None => out.extend_from_slice(b"{\"before\":null,\"after\":"),
    }
    match (change.before, change.after) {
        (Some(before), Some(after)) => row_after(out, plan, table, (before, after), starts)?,
        (None, Some(after)) => row(out, plan, table, after, starts)?,
        (_, None) => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(match change.op {
        Op::Read => b",\"op\":\"r",
        Op::Create => b",\"op\":\"c",
        Op::Update => b",\"op\":\"u",
        Op::Delete => b",\"op\":\"d",
    });
    Ok(())
}

/// Writes a row, and where in `out` each of its columns starts and the last ends.
fn row(
    out: &mut Vec<u8>,
    plan: &Plan,
    table: &TableSchema,
    cells: &[Cell<'_>],
    starts: &mut Vec<usize>,
) -> Result<(), RowError> {
    if cells.is_empty() {
        out.push(b'{');
    }
    for (at, (column, cell)) in plan.columns.iter().zip(cells).enumerate() {
        starts.push(out.len());
        column.name.write(out);
        value(out, column.form, cell).map_err(|unfit| unfit.at(table, at))?;
    }
    starts.push(out.len());
    out.push(b'}');
    Ok(())
}

/// Writes the row that an update leaves. What it left as it was is copied from the row before, which says
/// the same in the same words: most of an update, as a rule.
fn row_after(
    out: &mut Vec<u8>,
    plan: &Plan,
    table: &TableSchema,
    (before, after): (&[Cell<'_>], &[Cell<'_>]),
    starts: &[usize],
) -> Result<(), RowError> {
    if after.is_empty() {
        out.push(b'{');
    }
    let mut kept_from = None;
    for (at, ((column, was), is)) in plan.columns.iter().zip(before).zip(after).enumerate() {
        let start = starts.get(at).copied().unwrap_or_default();
        if is_same(was, is) {
            kept_from.get_or_insert(start);
            continue;
        }
        if let Some(from) = kept_from.take() {
            out.extend_from_within(from..start);
        }
        column.name.write(out);
        value(out, column.form, is).map_err(|unfit| unfit.at(table, at))?;
    }
    if let (Some(from), Some(end)) = (kept_from, starts.last()) {
        out.extend_from_within(from..*end);
    }
    out.push(b'}');
    Ok(())
}

/// Both are written with the same bytes: stricter than that they are equal, where 0 is -0.
fn is_same(one: &Cell<'_>, other: &Cell<'_>) -> bool {
    match (one, other) {
        (Cell::Float(one), Cell::Float(other)) => one.to_bits() == other.to_bits(),
        (Cell::Double(one), Cell::Double(other)) => one.to_bits() == other.to_bits(),
        (Cell::Decimal(one), Cell::Decimal(other)) => one.is_same(other),
        (one, other) => one == other,
    }
}

fn value(out: &mut Vec<u8>, form: Form, cell: &Cell<'_>) -> Result<(), Unfit> {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Int(v) => integer(out, *v),
        Cell::UInt(v) => integer(out, *v),
        Cell::Year(v) => integer(out, *v),
        Cell::Float(v) => json_float(out, *v),
        Cell::Double(v) => json_float(out, *v),
        Cell::Decimal(v) => {
            out.push(b'"');
            v.write_to(out);
            out.push(b'"');
        }
        Cell::Text(v) | Cell::Json(v) => json::text(out, v),
        Cell::Date(v) if v.is_partial() => out.extend_from_slice(b"null"),
        Cell::DateTime(v) | Cell::Timestamp(v) if v.date.is_partial() => {
            out.extend_from_slice(b"null");
        }
        Cell::Date(v) => {
            out.push(b'"');
            temporal::date(out, *v);
            out.push(b'"');
        }
        Cell::DateTime(v) => {
            out.push(b'"');
            temporal::date_time(out, v, b'T', form.fraction());
            out.push(b'"');
        }
        Cell::Timestamp(v) => {
            out.push(b'"');
            temporal::date_time(out, v, b'T', form.fraction());
            out.extend_from_slice(b"Z\"");
        }
        Cell::Time(v) => {
            out.push(b'"');
            temporal::time(out, v, form.fraction());
            out.push(b'"');
        }
        Cell::Bit(v) if form.bits() == 1 => {
            out.extend_from_slice(if *v == 0 { b"false" } else { b"true" });
        }
        Cell::Bit(v) => json::base64(out, form.bit_bytes(*v, &mut [0; 8])),
        Cell::Bytes(v) if form == Form::Vector => vector(out, v)?,
        Cell::Bytes(v) => json::base64(out, v),
        Cell::Geometry(v) => geometry(out, v)?,
    }
    Ok(())
}

fn vector(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Unfit> {
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Unfit("a vector that is not whole 32-bit floats"));
    }
    out.push(b'[');
    for (at, float) in floats.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json_float(out, f32::from_le_bytes(*float));
    }
    out.push(b']');
    Ok(())
}

fn geometry(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Unfit> {
    let Some((srid, wkb)) = bytes.split_first_chunk::<4>() else {
        return Err(Unfit("a geometry without its SRID"));
    };
    out.extend_from_slice(b"{\"srid\":");
    integer(out, u32::from_le_bytes(*srid));
    out.extend_from_slice(b",\"wkb\":");
    json::base64(out, wkb);
    out.push(b'}');
    Ok(())
}

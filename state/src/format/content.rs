//! What the sections hold, as JSON. The shapes here are the stored ones; where the model's own
//! serde form is stored (position, phase, columns) the model's fields are the format, and grow as
//! the module above says.
//!
//! Schemas are stored once by content: tables of one shape, however many, share an entry, for the
//! name of a table is kept beside its phase and not in its schema.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::checkpoint::{
    Counters, OnlineDdlState, Quarantine, ServerIdentity, SourceState, TablePhase, TableState,
    Unproven, XaState,
};
use model::sink::SinkToken;
use model::table::{Collation, Column, Index, TableName, TableSchema};
use model::{BarrierKind, Checkpoint, CheckpointId, Position, RangeSet, SchemaChange};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::frame::Sections;

/// Section of [`XaState`].
const XA: &str = "xa";
/// Section of [`Quarantine`]. A reader that does not know it would follow such tables past a hole.
const QUARANTINE: &str = "quarantine";
/// Section of [`OnlineDdlState`].
const ONLINE_DDL: &str = "online_ddl";
/// Section of [`SourceState::untold`]. A reader that does not know it would never tell the sinks.
const UNTOLD: &str = "untold";
/// MySQL's own limit (manual, "Limits on Table Column Count and Row Size").
const COLUMNS_PER_TABLE_MAX: usize = 4096;
/// Columns of all tables together. A few bytes name a table of a shared shape, which in memory is a
/// list of columns of its own: without a bound a small file could ask for any amount of memory.
const COLUMNS_MAX: usize = 4_000_000;

#[derive(Serialize, Deserialize)]
struct Header {
    job: String,
    id: CheckpointId,
    kind: BarrierKind,
    trigger: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
    completed_at_ms: i64,
    duration_ms: u64,
    server: ServerIdentity,
    position_ts_ms: i64,
    counters: Counters,
}

/// A followed table: everything but its shape.
#[derive(Deserialize)]
struct Table {
    db: Arc<str>,
    table: Arc<str>,
    /// Key into the section `schemas`.
    schema: String,
    phase: TablePhase,
    #[serde(default)]
    unproven: Option<Unproven>,
}

#[derive(Serialize)]
struct TableRef<'a> {
    db: &'a str,
    table: &'a str,
    schema: &'a str,
    phase: &'a TablePhase,
    #[serde(skip_serializing_if = "Option::is_none")]
    unproven: Option<&'a Unproven>,
}

/// A schema without the name of its table.
#[derive(Deserialize)]
struct Shape {
    columns: Vec<Column>,
    key: Vec<usize>,
    #[serde(default)]
    key_index: Arc<str>,
    #[serde(default)]
    collation: Option<Collation>,
    #[serde(default)]
    indexes: Vec<Index>,
}

#[derive(Serialize, PartialEq, Eq, Hash)]
struct ShapeRef<'a> {
    columns: &'a [Column],
    key: &'a [usize],
    key_index: &'a str,
    collation: Option<&'a Collation>,
    indexes: &'a [Index],
}

/// A sink's token: as text where it is text, so that people can read it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Token {
    Text(String),
    Hex(String),
}

pub(super) fn sections(checkpoint: &Checkpoint) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    // Taken apart in full, so that a field added to the model cannot be forgotten here.
    let Checkpoint { job, id, kind, trigger, note, completed_at_ms, duration_ms, source, sinks } =
        checkpoint;
    let SourceState {
        server,
        position,
        position_ts_ms,
        tables,
        counters,
        xa,
        quarantine,
        online_ddl,
        untold,
    } = source.as_ref();
    check(tables)?;
    check_xa(xa)?;
    check_quarantine(quarantine, tables)?;
    check_online_ddl(online_ddl, tables)?;
    check_untold(untold)?;
    let header = Header {
        job: job.clone(),
        id: *id,
        kind: *kind,
        trigger: trigger.clone(),
        note: note.clone(),
        completed_at_ms: *completed_at_ms,
        duration_ms: *duration_ms,
        server: server.clone(),
        position_ts_ms: *position_ts_ms,
        counters: counters.clone(),
    };
    let shapes = Shapes::of(tables)?;
    let refs = tables.iter().zip(&shapes.of_table).map(|(state, schema)| TableRef {
        db: &state.schema.name.db,
        table: &state.schema.name.table,
        schema,
        phase: &state.phase,
        unproven: state.unproven.as_ref(),
    });
    let tokens: BTreeMap<&str, Token> =
        sinks.iter().map(|(sink, token)| (sink.as_str(), Token::of(token))).collect();
    let mut sections = vec![
        ("header", json(&header)?),
        ("position", json(position)?),
        ("tables", json(&refs.collect::<Vec<_>>())?),
        ("schemas", shapes.json()),
        ("sinks", json(&tokens)?),
    ];
    if *xa != XaState::default() {
        sections.push((XA, json(xa)?));
    }
    if *quarantine != Quarantine::default() {
        sections.push((QUARANTINE, json(quarantine)?));
    }
    if *online_ddl != OnlineDdlState::default() {
        sections.push((ONLINE_DDL, json(online_ddl)?));
    }
    if !untold.is_empty() {
        sections.push((UNTOLD, json(untold)?));
    }
    Ok(sections)
}

pub(super) fn checkpoint(sections: &Sections<'_>) -> Result<Checkpoint, String> {
    let header: Header = parse(sections, "header")?;
    let position: Position = parse(sections, "position")?;
    let tables: Vec<Table> = parse(sections, "tables")?;
    let shapes: HashMap<String, Shape> = parse(sections, "schemas")?;
    let tokens: BTreeMap<String, Token> = parse(sections, "sinks")?;

    let mut columns = 0_usize;
    let mut states = Vec::new();
    for table in tables {
        let shape = shapes.get(&table.schema).ok_or_else(|| {
            format!("table {}.{} has a schema that is not there", table.db, table.table)
        })?;
        columns = columns.saturating_add(shape.columns.len());
        if columns > COLUMNS_MAX {
            return Err(format!("its tables have more than {COLUMNS_MAX} columns"));
        }
        let schema = TableSchema {
            name: TableName { db: table.db, table: table.table },
            columns: shape.columns.clone(),
            key: shape.key.clone(),
            key_index: shape.key_index.clone(),
            collation: shape.collation.clone(),
            indexes: shape.indexes.clone(),
        };
        let (phase, unproven) = (table.phase, table.unproven);
        states.push(TableState { schema: Arc::new(schema), phase, unproven });
    }
    check(&states)?;
    let xa: XaState = parse_if_there(sections, XA)?;
    check_xa(&xa)?;
    let quarantine: Quarantine = parse_if_there(sections, QUARANTINE)?;
    check_quarantine(&quarantine, &states)?;
    let online_ddl: OnlineDdlState = parse_if_there(sections, ONLINE_DDL)?;
    check_online_ddl(&online_ddl, &states)?;
    let untold: Vec<SchemaChange> = parse_if_there(sections, UNTOLD)?;
    check_untold(&untold)?;
    let sinks = tokens.into_iter().map(|(sink, token)| token.bytes(&sink).map(|b| (sink, b)));
    let source = SourceState {
        server: header.server,
        position,
        position_ts_ms: header.position_ts_ms,
        tables: states,
        counters: header.counters,
        xa,
        quarantine,
        online_ddl,
        untold,
    };
    Ok(Checkpoint {
        job: header.job,
        id: header.id,
        kind: header.kind,
        trigger: header.trigger,
        note: header.note,
        completed_at_ms: header.completed_at_ms,
        duration_ms: header.duration_ms,
        source: Arc::new(source),
        sinks: sinks.collect::<Result<_, String>>()?,
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}

fn parse<T: DeserializeOwned>(sections: &Sections<'_>, tag: &str) -> Result<T, String> {
    let payload = sections.get(tag).ok_or_else(|| format!("section `{tag}` is missing"))?;
    serde_json::from_slice(payload).map_err(|error| format!("section `{tag}`: {error}"))
}

/// A section that is left out where it would say nothing, and that older writers did not have.
fn parse_if_there<T: DeserializeOwned + Default>(
    sections: &Sections<'_>,
    tag: &str,
) -> Result<T, String> {
    if sections.contains_key(tag) { parse(sections, tag) } else { Ok(T::default()) }
}

/// What a resume relies on, checked before writing and after reading.
fn check(tables: &[TableState]) -> Result<(), String> {
    let mut names = HashSet::new();
    let mut columns = 0_usize;
    for TableState { schema, phase, unproven: _ } in tables {
        let name = &schema.name;
        if !names.insert(name) {
            return Err(format!("table {name} is there twice"));
        }
        columns = columns.saturating_add(schema.columns.len());
        if schema.columns.len() > COLUMNS_PER_TABLE_MAX || columns > COLUMNS_MAX {
            return Err(format!("with table {name} it has too many columns ({columns})"));
        }
        if let Some(at) = schema.key.iter().find(|&&at| at >= schema.columns.len()) {
            return Err(format!("the key of table {name} names column {at}, which is not there"));
        }
        if let TablePhase::Snapshot { done, .. } = phase {
            check_ranges(done).map_err(|what| format!("the ranges of table {name} {what}"))?;
        }
    }
    Ok(())
}

/// Two transactions of one name, or of one id, would be taken for each other.
fn check_xa(xa: &XaState) -> Result<(), String> {
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    for prepared in &xa.prepared {
        let xid = &prepared.xid;
        if !names.insert(xid) {
            return Err(format!("XA transaction {xid} is there twice"));
        }
        let Some(rows) = &prepared.rows else { continue };
        if !ids.insert(rows.id) || rows.id >= xa.next {
            return Err(format!("the rows of XA transaction {xid} bear a wrong number"));
        }
    }
    Ok(())
}

/// A table is followed or stands apart, and only one that is followed can start over.
fn check_quarantine(quarantine: &Quarantine, tables: &[TableState]) -> Result<(), String> {
    let followed: HashSet<&TableName> = tables.iter().map(TableState::name).collect();
    let mut apart = HashSet::new();
    for table in quarantine.tables.iter().map(|q| &q.table) {
        if followed.contains(table) || !apart.insert(table) {
            return Err(format!("table {table} is in quarantine and there a second time"));
        }
    }
    match quarantine.start_over.iter().find(|table| !followed.contains(table)) {
        Some(table) => Err(format!("table {table} starts over and is not there")),
        None => Ok(()),
    }
}

/// A change is of the table that it defines.
fn check_untold(untold: &[SchemaChange]) -> Result<(), String> {
    let wrong = |change: &&SchemaChange| {
        let after = change.after.as_ref();
        after.is_some_and(|after| after.name != change.table || !can_be(after))
    };
    match untold.iter().find(wrong) {
        Some(SchemaChange { table, .. }) => {
            Err(format!("the definition of table {table} that is still to be told cannot be"))
        }
        None => Ok(()),
    }
}

fn can_be(schema: &TableSchema) -> bool {
    let columns = schema.columns.len();
    columns <= COLUMNS_PER_TABLE_MAX && schema.key.iter().all(|&at| at < columns)
}

/// A shadow becomes the definition of a table, and a table that is away comes back under its name.
fn check_online_ddl(online: &OnlineDdlState, tables: &[TableState]) -> Result<(), String> {
    let (mut names, mut away) = (HashSet::new(), HashSet::new());
    for shadow in &online.shadows {
        let name = &shadow.name;
        if !names.insert(name) {
            return Err(format!("the shadow table {name} is there twice"));
        }
        if shadow.definition.as_ref().is_some_and(|schema| !can_be(schema)) {
            return Err(format!("the definition of the shadow table {name} cannot be"));
        }
    }
    for gone in &online.away {
        let name = &gone.table;
        if !away.insert(name) || !tables.iter().any(|t| t.name() == name) {
            return Err(format!("table {name} is away twice, or not followed"));
        }
    }
    Ok(())
}

/// A set of ranges finds a key by halving, so ranges out of order would lose changes.
fn check_ranges(done: &RangeSet) -> Result<(), &'static str> {
    if done.ranges().iter().any(model::KeyRange::is_empty) {
        return Err("hold an empty one");
    }
    let apart = |pair: &[model::KeyRange]| {
        let [lower, upper] = pair else { return false };
        matches!((&lower.through, &upper.after), (Some(end), Some(start)) if end < start)
    };
    match done.ranges().windows(2).all(apart) {
        true => Ok(()),
        false => Err("overlap or are out of order"),
    }
}

/// The distinct shapes of a list of tables.
struct Shapes {
    /// JSON by content hash.
    by_hash: BTreeMap<String, Vec<u8>>,
    /// Hash of each table's shape, in the order of the tables.
    of_table: Vec<String>,
}

impl Shapes {
    fn of(tables: &[TableState]) -> Result<Self, String> {
        let mut known: HashMap<ShapeRef<'_>, String> = HashMap::new();
        let mut by_hash = BTreeMap::new();
        let mut of_table = Vec::with_capacity(tables.len());
        for state in tables {
            let TableSchema { name: _, columns, key, key_index, collation, indexes } =
                state.schema.as_ref();
            let collation = collation.as_ref();
            let shape = ShapeRef { columns, key, key_index, collation, indexes };
            if let Some(hash) = known.get(&shape) {
                of_table.push(hash.clone());
                continue;
            }
            let text = json(&shape)?;
            let mut hash = format!("{:032x}", fnv1a(&text));
            // Two shapes of one hash are told apart, not merged.
            while by_hash.contains_key(&hash) {
                hash.push('+');
            }
            by_hash.insert(hash.clone(), text);
            of_table.push(hash.clone());
            known.insert(shape, hash);
        }
        Ok(Self { by_hash, of_table })
    }

    fn json(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (n, (hash, shape)) in self.by_hash.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            // A hash is hexadecimal digits and `+`: nothing in it needs escaping.
            out.extend_from_slice(format!("\"{hash}\":").as_bytes());
            out.extend_from_slice(shape);
        }
        out.push(b'}');
        out
    }
}

/// 128-bit FNV-1a (RFC 9923): stable for ever, unlike the standard library's hash.
fn fnv1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

impl Token {
    fn of(token: &SinkToken) -> Self {
        match std::str::from_utf8(token) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(token.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    fn bytes(self, sink: &str) -> Result<SinkToken, String> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Hex(hex) => {
                unhex(&hex).ok_or_else(|| format!("the token of `{sink}` is not hexadecimal"))
            }
        }
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

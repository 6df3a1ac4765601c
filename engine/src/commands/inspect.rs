//! `seachange inspect`: everything that one snapshot holds, and what differs between two.

use std::fmt::Write as _;

use model::checkpoint::{TablePhase, TableState};
use model::{Checkpoint, Gtids, KeyBound, KeyRange, PackedCodec, RangeSet, RowCodec, SchemaChange};
use serde_json::{Value, json};

use super::diff::{self, Difference};
use super::reference::Found;
use super::words::{cell, count, grouped, time_text};
use super::{Usage, exit, show};
use crate::cli::InspectArgs;

/// Of a table's ranges, the text shows so many; JSON has them all.
const RANGES_SHOWN: usize = 8;

pub async fn run(args: &InspectArgs) -> anyhow::Result<u8> {
    let (job, state) = (args.of.job.as_deref(), &args.of.state);
    if let Some([a, b]) = args.diff.as_deref() {
        let (a, b) = (a.find(job, state).await?, b.find(job, state).await?);
        let found = diff::between(&a.checkpoint, &b.checkpoint);
        show(if args.json { diff_json(&a, &b, &found) } else { diff_text(&a, &b, &found) })?;
        return Ok(exit::DONE);
    }
    let Some(reference) = &args.reference else {
        return Err(Usage("name a snapshot: its id, latest, earliest or a path".to_owned()).into());
    };
    let found = reference.find(job, state).await?;
    if args.json {
        show(format!("{:#}", to_json(&found, args.schemas)))?;
    } else {
        show(text(&found, args.schemas).trim_end())?;
    }
    Ok(exit::DONE)
}

fn title(found: &Found) -> String {
    let c = &found.checkpoint;
    format!("{} {} of job {}", c.kind, c.id, c.job)
}

fn diff_text(a: &Found, b: &Found, found: &[Difference]) -> String {
    let mut out = format!("A  {} in {}\nB  {} in {}\n", title(a), a.place, title(b), b.place);
    if found.is_empty() {
        out.push_str("nothing differs");
    }
    for difference in found {
        let _ = write!(out, "\n{:<11} {}", difference.about, difference.text);
    }
    out
}

fn diff_json(a: &Found, b: &Found, found: &[Difference]) -> String {
    let one =
        |f: &Found| json!({ "job": f.checkpoint.job, "id": f.checkpoint.id.0, "in": f.place });
    let found: Vec<Value> = found.iter().map(Difference::to_json).collect();
    format!("{:#}", json!({ "a": one(a), "b": one(b), "differences": found }))
}

/// A sink's own words, where they are words.
pub(super) fn token(token: &[u8]) -> Value {
    match serde_json::from_slice(token) {
        Ok(value) => value,
        Err(_) => Value::from(format!("{} bytes", token.len())),
    }
}

fn to_json(found: &Found, schemas: bool) -> Value {
    let (c, outline) = (&found.checkpoint, &found.outline);
    let source = &c.source;
    let tables: Vec<Value> = source.tables.iter().map(|t| table_json(t, schemas)).collect();
    let sinks: serde_json::Map<String, Value> =
        c.sinks.iter().map(|(name, t)| (name.clone(), token(t))).collect();
    let section = |s: &state::format::SectionOutline| json!({ "tag": s.tag, "stored": s.stored, "raw": s.raw });
    let sections: Vec<Value> = outline.sections.iter().map(section).collect();
    json!({
        "job": c.job, "id": c.id.0, "kind": c.kind.to_string(), "trigger": c.trigger,
        "note": c.note, "in": found.place, "size_bytes": found.size,
        "format": { "version": outline.format, "writer": outline.writer,
                    "needed": outline.needed, "sections": sections },
        "completed_at_ms": c.completed_at_ms, "completed_at": time_text(c.completed_at_ms),
        "duration_ms": c.duration_ms, "server": source.server, "position": source.position,
        "position_time": time_text(source.position_ts_ms), "counters": source.counters,
        "tables": tables, "quarantine": quarantine(c),
        "starting_over": source.quarantine.start_over.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "prepared_xa": source.xa.prepared, "sinks": sinks, "online_ddl": source.online_ddl,
        "untold": source.untold.iter().map(untold).collect::<Vec<_>>(),
    })
}

fn untold(change: &SchemaChange) -> Value {
    json!({ "table": change.table.to_string(), "sql": change.sql })
}

fn table_json(t: &TableState, schemas: bool) -> Value {
    let phase = match &t.phase {
        TablePhase::Live => json!("live"),
        TablePhase::Snapshot { done, rows } => {
            let ranges: Vec<Value> = done.ranges().iter().map(range_json).collect();
            json!({ "snapshot": { "ranges_done": ranges.len(), "rows": rows, "ranges": ranges } })
        }
    };
    let mut value =
        json!({ "table": t.name().to_string(), "phase": phase, "unproven": t.unproven });
    if let (true, Some(object)) = (schemas, value.as_object_mut()) {
        object.insert("schema".to_owned(), json!(t.schema));
    }
    value
}

fn range_json(range: &KeyRange) -> Value {
    let bound = |bound: &Option<KeyBound>| bound.as_ref().map(key);
    json!({ "after": bound(&range.after), "through": bound(&range.through) })
}

/// The values of a key, as far as they can be read.
fn key(bound: &KeyBound) -> String {
    let mut cells = Vec::new();
    match PackedCodec.decode(&bound.key, &mut cells) {
        Ok(_) => cells.iter().map(cell).collect::<Vec<_>>().join(", "),
        Err(_) => format!("{} bytes", bound.key.len()),
    }
}

fn ranges(done: &RangeSet) -> String {
    let mut texts: Vec<String> = done.ranges().iter().take(RANGES_SHOWN).map(range_text).collect();
    let more = done.ranges().len() - texts.len();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join("; ")
}

fn range_text(range: &KeyRange) -> String {
    match (&range.after, &range.through) {
        (None, None) => "all".to_owned(),
        (None, Some(through)) => format!("up to ({})", key(through)),
        (Some(after), None) => format!("above ({})", key(after)),
        (Some(after), Some(through)) => format!("above ({}) up to ({})", key(after), key(through)),
    }
}

fn quarantine(c: &Checkpoint) -> Vec<Value> {
    let tables = c.source.quarantine.tables.iter().map(|q| {
        json!({
            "table": q.table.to_string(), "reason": q.reason, "position": q.position,
            "gtid": q.gtid, "since_ms": q.since_ms, "since": time_text(q.since_ms),
            "events_dropped": q.events_dropped,
        })
    });
    tables.collect()
}

/// Writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($text:tt)*) => {{ let _ = writeln!($out, $($text)*); }};
}

fn text(found: &Found, schemas: bool) -> String {
    let mut out = format!("{}\n", title(found));
    head(found, &mut out);
    tables(&found.checkpoint, schemas, &mut out);
    beside(&found.checkpoint, &mut out);
    out
}

fn head(found: &Found, out: &mut String) {
    let (c, outline) = (&found.checkpoint, &found.outline);
    let source = &c.source;
    let at = time_text(c.completed_at_ms);
    line!(out, "completed  {at}, in {} ms, trigger: {}", c.duration_ms, c.trigger);
    if !c.note.is_empty() {
        line!(out, "note       {}", c.note);
    }
    let (size, format) = (count(found.size, "byte"), outline.format);
    let writer = &outline.writer;
    line!(out, "stored     {size} in {}, format {format}, by Seachange {writer}", found.place);
    for s in &outline.sections {
        let (stored, raw) = (grouped(s.stored), grouped(s.raw));
        line!(out, "  {:<10} {stored} bytes, {raw} unpacked", s.tag);
    }
    let server = &source.server;
    let (version, id) = (&server.version, server.server_id);
    line!(out, "server     {version} (id {id}) {}", server.server_uuid);
    line!(out, "binlog     {}", source.position.binlog);
    if source.position.gtids != Gtids::None {
        line!(out, "gtids      {}", source.position.gtids);
    }
    if let Some(inside) = &source.position.in_transaction {
        line!(out, "inside     {} rows events of the next transaction", inside.rows_events);
    }
    line!(out, "as of      {}", time_text(source.position_ts_ms));
    line!(out, "rows read  {}", source.counters.rows_read);
    line!(out, "streamed   {} rows events", source.counters.events_streamed);
}

fn tables(c: &Checkpoint, schemas: bool, out: &mut String) {
    let source = &c.source;
    line!(out, "tables     {}", source.tables.len());
    for table in &source.tables {
        match &table.phase {
            TablePhase::Live => line!(out, "  {}  live", table.name()),
            TablePhase::Snapshot { rows, done } if done.ranges().is_empty() => {
                line!(out, "  {}  snapshot: {rows} rows read, nothing done", table.name());
            }
            TablePhase::Snapshot { rows, done } => {
                line!(out, "  {}  snapshot: {rows} rows read", table.name());
                line!(out, "    done     {}", ranges(done));
            }
        }
        if let Some(unproven) = &table.unproven {
            let until = &unproven.until;
            line!(out, "    its definition is not proven before the stream is at {until}");
        }
        if schemas {
            definition(table, out);
        }
    }
    for table in &source.quarantine.start_over {
        line!(out, "  {table}  starts over; the sinks are not told yet");
    }
    for change in &source.untold {
        line!(out, "  {}  changed; the sinks are not told yet: {}", change.table, change.sql);
    }
    for apart in &source.quarantine.tables {
        let since = time_text(apart.since_ms);
        line!(out, "  {}  in quarantine since {since}", apart.table);
        line!(out, "    at       {}", apart.position);
        line!(out, "    dropped  {} rows events", apart.events_dropped);
        line!(out, "    reason   {}", apart.reason);
    }
}

fn definition(table: &TableState, out: &mut String) {
    for column in &table.schema.columns {
        let null = if column.nullable { "" } else { " NOT NULL" };
        line!(out, "    `{}` {}{null}", column.name, column.declared);
    }
    let key: Vec<&str> = table.schema.key_columns().map(|c| &*c.name).collect();
    let key = if key.is_empty() { "none".to_owned() } else { key.join(", ") };
    line!(out, "    key: {key}");
}

/// XA transactions, online changes, sinks.
fn beside(c: &Checkpoint, out: &mut String) {
    let source = &c.source;
    if !source.xa.prepared.is_empty() {
        line!(out, "prepared   {}", count(source.xa.prepared.len() as u64, "XA transaction"));
    }
    for prepared in &source.xa.prepared {
        let bytes = prepared.rows.map_or(0, |rows| rows.bytes);
        line!(out, "  {}  {bytes} bytes of rows held", prepared.xid);
    }
    let online = &source.online_ddl;
    if !online.shadows.is_empty() {
        line!(out, "online DDL {}", count(online.shadows.len() as u64, "shadow table"));
    }
    for shadow in &online.shadows {
        line!(out, "  {}", shadow.name);
    }
    for away in &online.away {
        line!(out, "  {}  in the middle of its cut-over, as {}", away.table, away.at);
    }
    line!(out, "sinks      {}", c.sinks.len());
    for (name, bytes) in &c.sinks {
        line!(out, "  {name}  {}", token(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::conformance::samples;
    use model::{BarrierKind, Cell, PackedRow};
    use state::format::{self, Place};

    use super::*;

    fn found() -> Found {
        let mut c = samples::checkpoint("emp", 7, BarrierKind::Savepoint);
        c.note = "before the upgrade".to_owned();
        let bound = |id: i64, name: &str| {
            let mut key = Vec::new();
            PackedRow::write(&mut key, &[Cell::Int(id), Cell::Text(name.into())]);
            KeyBound { order: id.to_be_bytes().to_vec(), key }
        };
        let mut done = RangeSet::default();
        done.insert(KeyRange { after: None, through: Some(bound(5, "e")) });
        done.insert(KeyRange { after: Some(bound(9, "i")), through: Some(bound(12, "l")) });
        let source = Arc::make_mut(&mut c.source);
        source.tables[0].phase = TablePhase::Snapshot { done, rows: 8 };
        let bytes = format::encode(&c).unwrap();
        let outline = format::outline(&bytes, Place { store: "s", job: "emp", id: "7" }).unwrap();
        let (size, place) = (bytes.len() as u64, "rocksdb://s".to_owned());
        Found { place, checkpoint: c, outline, size }
    }

    #[test]
    fn the_ranges_of_a_table_are_shown_by_their_keys() {
        let text = text(&found(), false);
        let done = r#"done     up to (5, "e"); above (9, "i") up to (12, "l")"#;
        assert!(text.contains(done), "{text}");
        let json = to_json(&found(), false);
        let second = &json["tables"][0]["phase"]["snapshot"]["ranges"][1];
        assert_eq!(second["through"], r#"12, "l""#);
    }

    #[test]
    fn what_wrote_a_snapshot_and_what_its_sections_take_is_shown() {
        let json = to_json(&found(), false);
        assert_eq!(json["format"]["version"], state::format::FORMAT);
        assert_eq!(json["format"]["sections"][0]["tag"], "header");
        let text = text(&found(), false);
        assert!(text.contains("format 1, by Seachange"), "{text}");
        assert!(text.contains("note       before the upgrade"), "{text}");
    }

    #[test]
    fn definitions_are_shown_on_request_alone() {
        assert!(!text(&found(), false).contains("varchar(50)"));
        let text = text(&found(), true);
        assert!(text.contains("`id` bigint NOT NULL") && text.contains("key: id"), "{text}");
        assert!(to_json(&found(), false)["tables"][0].get("schema").is_none());
        assert!(to_json(&found(), true)["tables"][0]["schema"]["columns"].is_array());
    }
}

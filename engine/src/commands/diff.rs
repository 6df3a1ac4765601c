//! What differs between two snapshots. Pure: two checkpoints in, words out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use model::checkpoint::{TablePhase, TableState};
use model::{Checkpoint, Column, GtidSet, Gtids, MariaGtids, Position, TableSchema};
use serde_json::{Value, json};

use super::inspect::token;
use super::words::{count, time_text};

/// One thing that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) about: &'static str,
    pub(super) text: String,
}

impl Difference {
    pub(super) fn to_json(&self) -> Value {
        json!({ "about": self.about, "text": self.text })
    }
}

/// Collects differences.
#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn say(&mut self, about: &'static str, text: impl Into<String>) {
        self.0.push(Difference { about, text: text.into() });
    }

    fn changed(&mut self, about: &'static str, what: &str, a: impl Display, b: impl Display) {
        let (a, b) = (a.to_string(), b.to_string());
        if a != b {
            self.say(about, format!("{what}: {a} in A, {b} in B"));
        }
    }
}

/// In the order of a snapshot; empty where both hold the same.
pub(super) fn between(a: &Checkpoint, b: &Checkpoint) -> Vec<Difference> {
    let mut found = Found::default();
    found.changed("job", "name", &a.job, &b.job);
    let time = |c: &Checkpoint| time_text(c.completed_at_ms);
    found.changed("completed", "time", time(a), time(b));
    found.changed("note", "text", &a.note, &b.note);
    let (from, to) = (&a.source, &b.source);
    if from.server.identity != to.server.identity {
        found.changed("server", "identity", &from.server.identity, &to.server.identity);
    }
    found.changed("server", "version", &from.server.version, &to.server.version);
    position(&from.position, &to.position, &mut found);
    tables(&from.tables, &to.tables, &mut found);
    quarantine(a, b, &mut found);
    let rows = |c: &Checkpoint| c.source.counters.rows_read;
    found.changed("counters", "rows read", rows(a), rows(b));
    let events = |c: &Checkpoint| c.source.counters.events_streamed;
    found.changed("counters", "rows events streamed", events(a), events(b));
    xa(a, b, &mut found);
    sinks(a, b, &mut found);
    found.0
}

fn position(a: &Position, b: &Position, found: &mut Found) {
    if a == b {
        return;
    }
    found.changed("position", "binlog", &a.binlog, &b.binlog);
    if let Some(text) = in_files(a, b) {
        found.say("position", text);
    }
    match (&a.gtids, &b.gtids) {
        (Gtids::Mysql(a), Gtids::Mysql(b)) => of_mysql(a, b, found),
        (Gtids::Mariadb(a), Gtids::Mariadb(b)) => of_mariadb(a, b, found),
        (a, b) if a == b => {}
        (a, b) => {
            let kind = |gtids: &Gtids| match gtids {
                Gtids::None => "none",
                Gtids::Mysql(_) => "of MySQL",
                Gtids::Mariadb(_) => "of MariaDB",
            };
            found.changed("position", "GTIDs", kind(a), kind(b));
        }
    }
    let inside = |p: &Position| match &p.in_transaction {
        Some(inside) => format!("{} rows events of the next", inside.rows_events),
        None => "none".to_owned(),
    };
    found.changed("position", "inside a transaction", inside(a), inside(b));
}

/// How far apart the two are in the binlog.
fn in_files(a: &Position, b: &Position) -> Option<String> {
    let (a, b) = (&a.binlog, &b.binlog);
    if a.file == b.file && a.offset != b.offset {
        let word = if b.offset > a.offset { "ahead" } else { "behind" };
        let bytes = count(b.offset.abs_diff(a.offset), "byte");
        return Some(format!("B is {bytes} of binlog {word}"));
    }
    let word = match a.file.partial_cmp(&b.file) {
        Some(std::cmp::Ordering::Less) => "ahead",
        Some(std::cmp::Ordering::Greater) => "behind",
        Some(std::cmp::Ordering::Equal) => return None,
        None => return Some("the binlog files are of two servers, or were renamed".to_owned()),
    };
    let files = count(a.file.sequence().abs_diff(b.file.sequence()), "binlog file");
    Some(format!("B is {files} {word}"))
}

fn of_mysql(a: &GtidSet, b: &GtidSet, found: &mut Found) {
    for (whose, set) in [("B", b.minus(a)), ("A", a.minus(b))] {
        if set.is_empty() {
            continue;
        }
        let size = set.iter().flat_map(|(_, intervals)| intervals).fold(0_u64, |n, (from, to)| {
            n.saturating_add(to.saturating_sub(*from).saturating_add(1))
        });
        let transactions = count(size, "transaction");
        found.say("position", format!("only {whose} has applied {transactions}: {set}"));
    }
}

fn of_mariadb(a: &MariaGtids, b: &MariaGtids, found: &mut Found) {
    let domains: BTreeSet<u32> = a.iter().chain(b.iter()).map(|gtid| gtid.domain).collect();
    for domain in domains {
        let text = match (a.get(domain), b.get(domain)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => {
                let word = if b.sequence >= a.sequence { "ahead" } else { "behind" };
                // Numbers may be left out, so there can be fewer transactions than that.
                let numbers = count(a.sequence.abs_diff(b.sequence), "sequence number");
                format!("{a} in A, {b} in B, which is {numbers} {word}")
            }
            (Some(a), None) => format!("{a} in A, nothing of it in B"),
            (None, Some(b)) => format!("nothing of it in A, {b} in B"),
            (None, None) => continue,
        };
        found.say("position", format!("domain {domain}: {text}"));
    }
}

fn tables(a: &[TableState], b: &[TableState], found: &mut Found) {
    let by_name = |tables: &[TableState]| -> BTreeMap<_, _> {
        tables.iter().map(|t| (t.name().clone(), t.clone())).collect()
    };
    let (a, b) = (by_name(a), by_name(b));
    for (name, table) in &a {
        match b.get(name) {
            None => found.say("tables", format!("{name} is in A only ({})", phase(table))),
            Some(other) => {
                let name = name.to_string();
                found.changed("tables", &name, phase(table), phase(other));
                columns(&name, &table.schema, &other.schema, found);
            }
        }
    }
    for (name, table) in b.iter().filter(|(name, _)| !a.contains_key(name)) {
        found.say("tables", format!("{name} is in B only ({})", phase(table)));
    }
}

fn phase(table: &TableState) -> String {
    match &table.phase {
        TablePhase::Live => "live".to_owned(),
        TablePhase::Snapshot { done, rows } => {
            let ranges = count(done.ranges().len() as u64, "range");
            format!("snapshot with {} in {ranges}", count(*rows, "row"))
        }
    }
}

fn columns(table: &str, a: &TableSchema, b: &TableSchema, found: &mut Found) {
    let by_name = |schema: &TableSchema| -> BTreeMap<String, Column> {
        schema.columns.iter().map(|c| (c.name.to_string(), c.clone())).collect()
    };
    let (old, new) = (by_name(a), by_name(b));
    for (name, column) in &old {
        match new.get(name) {
            None => {
                found.say("columns", format!("{table}.{name} {} is in A only", column.declared))
            }
            Some(other) => {
                let what = format!("{table}.{name}");
                found.changed("columns", &what, declared(column), declared(other));
                let same = declared(column) == declared(other);
                if same && column != other {
                    found
                        .say("columns", format!("{what}: its details differ (collation, members)"));
                }
            }
        }
    }
    for (name, column) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        found.say("columns", format!("{table}.{name} {} is in B only", column.declared));
    }
    let order = |s: &TableSchema| s.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    if old.keys().eq(new.keys()) && order(a) != order(b) {
        let names = |s: &TableSchema| order(s).join(", ");
        found.changed("columns", &format!("{table}, their order"), names(a), names(b));
    }
    let key = |s: &TableSchema| s.key_columns().map(|c| &*c.name).collect::<Vec<_>>().join(", ");
    found.changed("columns", &format!("{table}, its key"), key(a), key(b));
}

fn declared(column: &Column) -> String {
    format!("{}{}", column.declared, if column.nullable { "" } else { " NOT NULL" })
}

fn quarantine(a: &Checkpoint, b: &Checkpoint, found: &mut Found) {
    let by_name = |c: &Checkpoint| -> BTreeMap<_, _> {
        c.source.quarantine.tables.iter().map(|q| (q.table.clone(), q.clone())).collect()
    };
    let (a, b) = (by_name(a), by_name(b));
    for (name, apart) in &a {
        match b.get(name) {
            None => found.say("quarantine", format!("{name} is there in A only: {}", apart.reason)),
            Some(other) => {
                let dropped = "rows events passed over";
                let (a, b) = (apart.events_dropped, other.events_dropped);
                found.changed("quarantine", &format!("{name}, {dropped}"), a, b);
            }
        }
    }
    for (name, apart) in b.iter().filter(|(name, _)| !a.contains_key(name)) {
        found.say("quarantine", format!("{name} is there in B only: {}", apart.reason));
    }
}

fn xa(a: &Checkpoint, b: &Checkpoint, found: &mut Found) {
    let names = |c: &Checkpoint| -> BTreeSet<String> {
        c.source.xa.prepared.iter().map(|p| p.xid.clone()).collect()
    };
    let (a_has, b_has) = (names(a), names(b));
    for (whose, one, other) in [("A", &a_has, &b_has), ("B", &b_has, &a_has)] {
        for xid in one.difference(other) {
            found.say("XA", format!("{xid} is prepared in {whose} only"));
        }
    }
    let online = |c: &Checkpoint| -> BTreeSet<String> {
        c.source.online_ddl.shadows.iter().map(|s| s.name.to_string()).collect()
    };
    let (a_has, b_has) = (online(a), online(b));
    for (whose, one, other) in [("A", &a_has, &b_has), ("B", &b_has, &a_has)] {
        for shadow in one.difference(other) {
            found.say("online DDL", format!("{shadow} is under way in {whose} only"));
        }
    }
    if a.source.untold != b.source.untold {
        let of = |c: &Checkpoint| c.source.untold.len();
        found.changed("schema changes", "not told to the sinks yet", of(a), of(b));
    }
}

fn sinks(a: &Checkpoint, b: &Checkpoint, found: &mut Found) {
    for (name, one) in &a.sinks {
        match b.sinks.get(name) {
            None => found.say("sinks", format!("{name} is in A only")),
            Some(other) if one != other => {
                found.changed("sinks", name, token(one), token(other));
            }
            Some(_) => {}
        }
    }
    for name in b.sinks.keys().filter(|name| !a.sinks.contains_key(*name)) {
        found.say("sinks", format!("{name} is in B only"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::BarrierKind;
    use model::checkpoint::SourceState;
    use model::conformance::samples;

    use super::*;

    /// What differs once `change` has been made to a copy, apart from the time.
    fn check(change: impl FnOnce(&mut SourceState), expect: &[(&str, &str)]) {
        let a = samples::checkpoint("emp", 7, BarrierKind::Checkpoint);
        let mut b = a.clone();
        change(Arc::make_mut(&mut b.source));
        let found = between(&a, &b);
        let got: Vec<(&str, &str)> = found.iter().map(|d| (d.about, d.text.as_str())).collect();
        assert_eq!(got, expect);
    }

    fn at(gtids: Gtids, binlog: &str) -> Position {
        let (file, offset) = binlog.split_once(':').unwrap();
        let (file, offset) = (file.parse().unwrap(), offset.parse().unwrap());
        let binlog = model::BinlogPosition { file, offset };
        Position { gtids, binlog, in_transaction: None }
    }

    fn apart(a: &Position, b: &Position) -> Vec<String> {
        let mut found = Found::default();
        position(a, b, &mut found);
        found.0.into_iter().map(|d| d.text).collect()
    }

    #[test]
    fn nothing_differs_between_a_snapshot_and_itself() {
        check(|_| {}, &[]);
    }

    #[test]
    fn two_positions_in_one_file_are_so_many_bytes_apart() {
        let (a, b) = (at(Gtids::None, "b.000002:100"), at(Gtids::None, "b.000002:1334"));
        let text = ["binlog: b.000002:100 in A, b.000002:1334 in B"];
        assert_eq!(apart(&a, &b), [text[0], "B is 1,234 bytes of binlog ahead"]);
        assert!(apart(&b, &a)[1].contains("behind"));
        let (later, other) = (at(Gtids::None, "b.000005:4"), at(Gtids::None, "c.000002:4"));
        assert_eq!(apart(&a, &later)[1], "B is 3 binlog files ahead");
        assert!(apart(&a, &other)[1].contains("two servers"));
    }

    #[test]
    fn gtids_tell_which_transactions_are_in_between() {
        const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let of = |text: &str| at(Gtids::Mysql(format!("{U}:{text}").parse().unwrap()), "b.1:4");
        assert_eq!(
            apart(&of("1-5"), &of("1-4:6-9")),
            [
                format!("only B has applied 4 transactions: {U}:6-9"),
                format!("only A has applied 1 transaction: {U}:5"),
            ]
        );
        let maria = |text: &str| at(Gtids::Mariadb(text.parse().unwrap()), "b.1:4");
        assert_eq!(
            apart(&maria("0-1-5,1-1-7"), &maria("0-2-9,2-1-1")),
            [
                "domain 0: 0-1-5 in A, 0-2-9 in B, which is 4 sequence numbers ahead",
                "domain 1: 1-1-7 in A, nothing of it in B",
                "domain 2: nothing of it in A, 2-1-1 in B",
            ]
        );
    }

    #[test]
    fn tables_and_columns_that_came_went_or_changed_are_named() {
        check(
            |s| s.tables[0].phase = TablePhase::Snapshot { done: Default::default(), rows: 3 },
            &[("tables", "shop.items: live in A, snapshot with 3 rows in 0 ranges in B")],
        );
        check(
            |s| s.tables[0].schema = samples::schema("shop", "orders"),
            &[
                ("tables", "shop.items is in A only (live)"),
                ("tables", "shop.orders is in B only (live)"),
            ],
        );
        check(
            |s| {
                let schema = Arc::make_mut(&mut s.tables[0].schema);
                schema.columns[1].declared = "varchar(90)".into();
                schema.columns[1].nullable = false;
            },
            &[("columns", "shop.items.name: varchar(50) in A, varchar(90) NOT NULL in B")],
        );
        check(
            |s| drop(Arc::make_mut(&mut s.tables[0].schema).columns.pop()),
            &[("columns", "shop.items.name varchar(50) is in A only")],
        );
    }

    #[test]
    fn sinks_and_counters_are_compared() {
        let a = samples::checkpoint("emp", 7, BarrierKind::Checkpoint);
        let mut b = samples::checkpoint("emp", 7, BarrierKind::Checkpoint);
        b.sinks.insert("sink[1]".to_owned(), b"x".to_vec());
        b.sinks.insert("sink[0]".to_owned(), br#"{"part":2}"#.to_vec());
        Arc::make_mut(&mut b.source).counters.rows_read = 9;
        let texts: Vec<String> = between(&a, &b).into_iter().map(|d| d.text).collect();
        assert_eq!(
            texts,
            [
                "rows read: 0 in A, 9 in B",
                r#"sink[0]: "7 bytes" in A, {"part":2} in B"#,
                "sink[1] is in B only",
            ]
        );
    }
}

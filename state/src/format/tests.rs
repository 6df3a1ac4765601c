use std::collections::BTreeMap;
use std::sync::Arc;

use model::change::Filled;
use model::checkpoint::{
    Away, Counters, HeldId, HeldRows, OnlineDdlState, PreparedXa, Quarantine, Quarantined,
    ServerIdentity, ShadowState, SourceState, TablePhase, TableState, Unproven, XaState,
};
use model::conformance::samples;
use model::position::InTransaction;
use model::table::Collation;
use model::{
    BarrierKind, BinlogPosition, CheckpointId, Column, ColumnType, Gtids, KeyBound, KeyRange,
    Origin, Position, RangeSet, SchemaChange, TableName, TableSchema,
};
use proptest::prelude::*;

use super::*;

mod damaged;
mod never_written;

const PLACE: Place<'_> = Place { store: "memory", job: "retail/emp_sync", id: "7" };

fn bound(bytes: &[u8]) -> KeyBound {
    KeyBound { order: bytes.to_vec(), key: bytes.iter().map(|b| b ^ 0x55).collect() }
}

type Bytes<'a> = Option<&'a [u8]>;

fn done(ranges: &[(Bytes<'_>, Bytes<'_>)]) -> RangeSet {
    let mut done = RangeSet::default();
    for (after, through) in ranges {
        done.insert(KeyRange { after: after.map(bound), through: through.map(bound) });
    }
    done
}

fn column(name: &str, ty: ColumnType, declared: &str) -> Column {
    Column {
        name: name.into(),
        ty,
        declared: declared.into(),
        nullable: name != "id",
        generated: name == "total",
        invisible: name == "hidden",
    }
}

fn orders(table: &str) -> Arc<TableSchema> {
    let collation = Collation { charset: "utf8mb4".into(), name: "utf8mb4_0900_ai_ci".into() };
    let members: Arc<[Arc<str>]> = ["new".into(), "it's `paid`".into(), "完了".into()].into();
    Arc::new(TableSchema {
        name: TableName::new("shop", table),
        columns: vec![
            column("id", ColumnType::Int { bytes: 8, unsigned: true }, "bigint unsigned"),
            column("name", ColumnType::Text { chars: 50, collation: collation.clone() }, "text"),
            column("state", ColumnType::Enum { members, collation }, "enum('new',…)"),
            column("total", ColumnType::Decimal { precision: 65, scale: 30 }, "decimal(65,30)"),
            column("hidden", ColumnType::Bit { bits: 64 }, "bit(64)"),
            column("at", ColumnType::Timestamp { fsp: 6 }, "timestamp(6)"),
        ],
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    })
}

/// Everything that version 1 can hold. Fixed for ever: `fixtures/v1.checkpoint` was made from it.
fn version_1() -> Checkpoint {
    let gtids = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7,\
                 3e11fa47-71ca-11e1-9e33-c80aa9429562:blue:1-18446744073709551614";
    let gtids = Gtids::Mysql(gtids.parse().unwrap());
    let keyless =
        TableSchema { key: vec![], key_index: "".into(), ..orders("log").as_ref().clone() };
    let half_read = TablePhase::Snapshot {
        done: done(&[(None, Some(&[1, 0, 255])), (Some(&[7]), Some(&[9])), (Some(&[12]), None)]),
        rows: u64::MAX,
    };
    let waiting = TablePhase::Snapshot { done: RangeSet::default(), rows: 0 };
    let source = SourceState {
        server: ServerIdentity {
            server_uuid: "3e11fa47-71ca-11e1-9e33-c80aa9429562".into(),
            server_id: u32::MAX,
            version: "9.7.0-commercial".into(),
            identity: "8f9d1a3c".into(),
        },
        position: Position {
            gtids,
            binlog: BinlogPosition {
                file: "mysql-bin.1000000".parse().unwrap(),
                offset: 5_000_000_000,
            },
            in_transaction: Some(InTransaction {
                gtid: Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:8".into()),
                rows_events: 12_345,
            }),
        },
        position_ts_ms: 1_663_840_800_123,
        tables: vec![
            TableState { schema: orders("orders_1"), phase: TablePhase::Live, unproven: None },
            TableState { schema: orders("orders_2"), phase: half_read, unproven: None },
            TableState { schema: Arc::new(keyless), phase: waiting, unproven: None },
        ],
        counters: Counters { rows_read: 1_000_000, events_streamed: u64::MAX },
        xa: XaState {
            prepared: vec![
                PreparedXa { xid: "X'67',X'',1".into(), rows: None },
                PreparedXa {
                    xid: "X'67',X'62',4294967295".into(),
                    rows: Some(HeldRows {
                        id: HeldId { run: 3, number: 17 },
                        records: 12_345,
                        bytes: u64::MAX,
                    }),
                },
            ],
            next: HeldId { run: 4, number: 2 },
        },
        quarantine: Quarantine::default(),
        online_ddl: OnlineDdlState::default(),
        untold: vec![],
    };
    Checkpoint {
        job: "retail/emp_sync".into(),
        id: CheckpointId(7),
        kind: BarrierKind::Savepoint,
        trigger: "request".into(),
        note: String::new(),
        completed_at_ms: 1_663_840_801_000,
        duration_ms: 17,
        source: Arc::new(source),
        sinks: BTreeMap::from([
            ("sink[0]".to_owned(), b"label-7-0,label-7-1".to_vec()),
            ("sink[1]".to_owned(), vec![0, 159, 146, 150, 255]),
            ("sink[2]".to_owned(), vec![]),
        ]),
    }
}

/// With a table in quarantine, and one that starts over. `fixtures/v1-quarantine.checkpoint` was
/// made from it.
fn with_quarantine() -> Checkpoint {
    let mut checkpoint = version_1();
    Arc::make_mut(&mut checkpoint.source).quarantine = Quarantine {
        tables: vec![Quarantined {
            table: TableName::new("shop", "完了"),
            reason: "rows of shop.完了 lack column `id`".into(),
            position: BinlogPosition {
                file: "mysql-bin.999999".parse().unwrap(),
                offset: 5_000_000_000,
            },
            gtid: Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:7".into()),
            since_ms: 1_663_840_800_000,
            events_dropped: u64::MAX,
        }],
        start_over: vec![TableName::new("shop", "orders_2")],
    };
    checkpoint
}

/// What `fixtures/{name}` holds must read back as `wanted`, for ever. A fixture of a format that is about
/// to be released is written where there is none, and the test fails this once: look at it and commit it.
#[track_caller]
fn is_read_for_ever(name: &str, wanted: &Checkpoint) {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    match std::fs::read(&path) {
        Ok(fixture) => assert_eq!(decode(&fixture, PLACE).unwrap(), *wanted),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&path, encode(wanted).unwrap()).unwrap();
            panic!("{path} was not there and has been written: commit it, it never changes again");
        }
        Err(error) => panic!("{path}: {error}"),
    }
}

#[test]
fn the_fixture_of_version_1_is_read_for_ever() {
    is_read_for_ever("v1.checkpoint", &version_1());
}

#[test]
fn a_snapshot_with_a_quarantine_is_read_for_ever() {
    is_read_for_ever("v1-quarantine.checkpoint", &with_quarantine());
}

#[test]
fn what_is_encoded_decodes_to_the_same() {
    let bytes = encode(&version_1()).unwrap();
    assert_eq!(decode(&bytes, PLACE).unwrap(), version_1());
    assert_eq!(encode(&version_1()).unwrap(), bytes, "and the same bytes come of it again");
}

#[test]
fn a_snapshot_from_before_there_were_xa_transactions_in_it_is_read() {
    let mut checkpoint = version_1();
    let bytes = encode(&checkpoint).unwrap();
    let sections = frame::read(&bytes).ok().unwrap();
    let old: Vec<(&str, Vec<u8>)> = sections
        .iter()
        .filter(|(tag, _)| **tag != "xa")
        .map(|(tag, payload)| (*tag, payload.to_vec()))
        .collect();
    Arc::make_mut(&mut checkpoint.source).xa = XaState::default();
    assert_eq!(decode(&frame::write(&old).unwrap(), PLACE).unwrap(), checkpoint);
}

/// A schema change of `shop.orders_1` between its ALTER and its cut-over, one whose shadow is gone,
/// and one between the two steps of its cut-over.
fn online_ddl() -> OnlineDdlState {
    let binlog = BinlogPosition { file: "binlog.000012".parse().unwrap(), offset: 5_000_000_000 };
    let altered = vec!["alter /* gh-ost */ table `shop`.`_orders_1_gho` add c int".to_owned()];
    OnlineDdlState {
        shadows: vec![
            ShadowState {
                name: TableName::new("shop", "_orders_1_gho"),
                definition: Some(orders("_orders_1_gho")),
                unproven: None,
                statements: Some(altered),
            },
            ShadowState {
                name: TableName::new("shop", "_orders_2_new"),
                definition: None,
                unproven: Some(Unproven { until: binlog, used: false, anew: false }),
                statements: None,
            },
        ],
        away: vec![Away {
            table: TableName::new("shop", "orders_2"),
            at: TableName::new("shop", "_orders_2_old"),
        }],
    }
}

#[test]
fn an_online_schema_change_under_way_reads_back_as_it_was() {
    let mut checkpoint = version_1();
    Arc::make_mut(&mut checkpoint.source).online_ddl = online_ddl();
    let bytes = encode(&checkpoint).unwrap();
    assert_eq!(decode(&bytes, PLACE).unwrap(), checkpoint);
    assert_eq!(encode(&checkpoint).unwrap(), bytes, "and the same bytes come of it again");
}

/// A column gets another name, and a table goes: neither is told yet.
fn untold() -> Vec<SchemaChange> {
    let change = |after, renamed| SchemaChange {
        table: TableName::new("shop", "orders_1"),
        sql: "ALTER TABLE orders_1 RENAME COLUMN nick TO name".into(),
        after,
        starts_over: false,
        truncated: true,
        renamed,
        filled: vec![("a".into(), Filled::Null), ("b".into(), Filled::Literal("5".into()))],
        renamed_from: Some(TableName::new("shop", "orders_0")),
        origin: Origin {
            ts_ms: 1_663_840_800_123,
            server_id: 7,
            gtid: Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:8".into()),
            file: "mysql-bin.1000000".into(),
            pos: 5_000_000_000,
            first_row: 0,
        },
    };
    let renamed = vec![("nick".into(), "name".into())];
    vec![change(Some(orders("orders_1")), renamed), change(None, vec![])]
}

#[test]
fn schema_changes_that_no_sink_has_heard_of_read_back_as_they_were() {
    let mut checkpoint = version_1();
    Arc::make_mut(&mut checkpoint.source).untold = untold();
    let bytes = encode(&checkpoint).unwrap();
    assert_eq!(decode(&bytes, PLACE).unwrap(), checkpoint);
    assert_eq!(encode(&checkpoint).unwrap(), bytes, "and the same bytes come of it again");
}

#[test]
fn an_ordinary_checkpoint_takes_a_few_kilobytes() {
    let bytes = encode(&samples::checkpoint("j", 1, BarrierKind::Checkpoint)).unwrap();
    assert!(bytes.len() < 2048, "{} bytes", bytes.len());
}

#[test]
fn the_outline_tells_who_wrote_it_and_what_it_takes() {
    let bytes = encode(&version_1()).unwrap();
    let outline = outline(&bytes, PLACE).unwrap();
    assert_eq!((outline.format, outline.needed.as_str()), (1, "0.1.0"));
    assert_eq!(outline.writer, env!("CARGO_PKG_VERSION"));
    let tags: Vec<_> = outline.sections.iter().map(|section| section.tag.as_str()).collect();
    assert_eq!(tags, ["header", "position", "tables", "schemas", "sinks", "xa"]);
}

fn a_checkpoint() -> impl Strategy<Value = Checkpoint> {
    let cuts = prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..6), 0..7);
    let phase = prop::option::of((cuts, any::<u64>())).prop_map(|snapshot| {
        let Some((cuts, rows)) = snapshot else { return TablePhase::Live };
        let cuts: Vec<_> = cuts.iter().map(|cut| bound(cut)).collect();
        let mut done = RangeSet::default();
        for pair in cuts.chunks(2) {
            done.insert(KeyRange { after: Some(pair[0].clone()), through: pair.get(1).cloned() });
        }
        TablePhase::Snapshot { done, rows }
    });
    let table = (phase, any::<bool>(), "\\PC{0,9}");
    let tables = prop::collection::vec(table, 0..9).prop_map(|tables| {
        let state = |(n, (phase, wide, name)): (usize, (TablePhase, bool, String))| {
            let name = format!("{name}{n}");
            let schema = if wide { orders(&name) } else { samples::schema("d\"b", &name) };
            TableState { schema, phase, unproven: None }
        };
        tables.into_iter().enumerate().map(state).collect::<Vec<_>>()
    });
    let sinks =
        prop::collection::btree_map("\\PC{0,9}", prop::collection::vec(any::<u8>(), 0..40), 0..4);
    (tables, sinks, "\\PC{0,20}", "\\PC{0,20}", any::<u64>(), any::<i64>(), any::<u64>()).prop_map(
        |(tables, sinks, job, note, id, at, offset)| {
            let source = SourceState { tables, position_ts_ms: at, ..samples::source(offset) };
            Checkpoint {
                job,
                note,
                id: CheckpointId(id),
                sinks,
                completed_at_ms: at,
                source: Arc::new(source),
                ..version_1()
            }
        },
    )
}

proptest! {
    #[test]
    fn every_checkpoint_reads_back_as_it_was(checkpoint in a_checkpoint()) {
        let bytes = encode(&checkpoint).unwrap();
        prop_assert_eq!(decode(&bytes, PLACE).unwrap(), checkpoint);
    }
}

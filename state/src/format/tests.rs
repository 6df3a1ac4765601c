use std::collections::BTreeMap;
use std::sync::Arc;

use model::checkpoint::{
    Away, Counters, HeldId, HeldRows, OnlineDdlState, PreparedXa, Quarantine, Quarantined,
    ServerIdentity, ShadowState, SourceState, TablePhase, TableState, Unproven, XaState,
};
use model::conformance::samples;
use model::position::InTransaction;
use model::table::Collation;
use model::{
    BarrierKind, BinlogPosition, CheckpointId, Column, ColumnType, Gtids, KeyBound, KeyRange,
    Position, RangeSet, TableName, TableSchema,
};
use proptest::prelude::*;

use super::*;

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

fn what_is_damaged(bytes: &[u8]) -> String {
    match decode(bytes, PLACE) {
        Err(StoreError::Damaged { what, store, job, id }) => {
            assert_eq!((store.as_str(), job.as_str(), id.as_str()), ("memory", PLACE.job, "7"));
            what
        }
        other => panic!("expected damage, got {other:?}"),
    }
}

/// Makes the checksums right again after a change, so that what lies behind them is reached.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A frame around these sections, whole and valid, whatever they hold.
fn framed(sections: &[(&str, &str)]) -> Vec<u8> {
    let sections: Vec<_> =
        sections.iter().map(|(tag, json)| (*tag, json.as_bytes().to_vec())).collect();
    frame::write(&sections).unwrap()
}

#[test]
fn the_fixture_of_version_1_is_read_for_ever() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/v1.checkpoint");
    let fixture = std::fs::read(path).unwrap();
    assert_eq!(decode(&fixture, PLACE).unwrap(), version_1());
}

#[test]
fn a_snapshot_with_a_quarantine_is_read_for_ever() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/v1-quarantine.checkpoint");
    let fixture = std::fs::read(path).unwrap();
    assert_eq!(decode(&fixture, PLACE).unwrap(), with_quarantine());
}

/// To be run once per released format, by name; a fixture is never made anew.
#[test]
#[ignore = "makes the fixture of the format being released"]
fn make_the_fixture() {
    let path = format!("{}/fixtures/v{FORMAT}.checkpoint", env!("CARGO_MANIFEST_DIR"));
    let mut file = std::fs::File::create_new(path).unwrap();
    std::io::Write::write_all(&mut file, &encode(&version_1()).unwrap()).unwrap();
}

/// To be run once; the fixture is never made anew.
#[test]
#[ignore = "makes the fixture of a snapshot with a quarantine"]
fn make_the_fixture_of_a_quarantine() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/v1-quarantine.checkpoint");
    let mut file = std::fs::File::create_new(path).unwrap();
    std::io::Write::write_all(&mut file, &encode(&with_quarantine()).unwrap()).unwrap();
}

#[test]
fn what_is_encoded_decodes_to_the_same() {
    let bytes = encode(&version_1()).unwrap();
    assert_eq!(decode(&bytes, PLACE).unwrap(), version_1());
    assert_eq!(encode(&version_1()).unwrap(), bytes, "and the same bytes come of it again");
}

#[test]
fn every_flipped_bit_is_detected() {
    let bytes = encode(&version_1()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            what_is_damaged(&flipped);
        }
    }
}

#[test]
fn every_truncation_is_detected() {
    let bytes = encode(&version_1()).unwrap();
    for len in 0..bytes.len() {
        what_is_damaged(&bytes[..len]);
    }
    what_is_damaged(&[bytes.as_slice(), b"\n"].concat());
}

#[test]
fn a_foreign_file_is_told_from_a_torn_one() {
    let bytes = encode(&version_1()).unwrap();
    assert_eq!(what_is_damaged(b""), "it is empty");
    assert_eq!(what_is_damaged(b"SELECT 1;"), "it is not a Seachange snapshot");
    let torn = format!("it has {} bytes where {} were written", bytes.len() - 9, bytes.len());
    assert_eq!(what_is_damaged(&bytes[..bytes.len() - 9]), torn);
    let text_mode: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'\r').collect();
    assert_eq!(what_is_damaged(&text_mode), "it is not a Seachange snapshot");
}

#[test]
fn a_newer_format_is_refused_with_the_version_that_reads_it() {
    let mut bytes = encode(&version_1()).unwrap();
    bytes[16] = 2;
    match decode(&resealed(bytes), PLACE) {
        Err(error @ StoreError::Newer { .. }) => {
            let text = error.to_string();
            assert!(text.contains("format 2"), "{text}");
            assert!(text.contains("use Seachange 0.1.0 or newer"), "{text}");
        }
        other => panic!("expected a newer format, got {other:?}"),
    }
}

#[test]
fn only_an_optional_section_may_be_unknown() {
    let mut bytes = framed(&[("later", "{}")]);
    assert_eq!(what_is_damaged(&bytes), "section `later` is unknown");
    // The flags stand right behind the tag.
    let at = bytes.windows(5).position(|w| w == b"later").unwrap() + 5;
    bytes[at] = 2;
    assert_eq!(what_is_damaged(&resealed(bytes.clone())), "section `header` is missing");
    bytes[at] = 4;
    assert_eq!(what_is_damaged(&resealed(bytes)), "section `later` has unknown flags 4");
}

#[test]
fn a_damaged_section_is_named() {
    let mut bytes = framed(&[("header", "{}"), ("position", "{}")]);
    let at = bytes.windows(8).position(|w| w == b"position").unwrap();
    let end = bytes.len() - 5;
    assert!(end > at);
    bytes[end] ^= 1;
    let what = what_is_damaged(&resealed(bytes));
    assert_eq!(what, "the checksum of section `position` does not match");
    let twice = framed(&[("header", "{}"), ("header", "{}")]);
    assert_eq!(what_is_damaged(&twice), "section `header` is there twice");
    let no_json = framed(&[("header", "{\"job\": 1}")]);
    assert!(what_is_damaged(&no_json).starts_with("section `header`: "));
}

#[test]
fn a_section_that_claims_to_unpack_to_gigabytes_is_refused_unread() {
    let large = "x".repeat(100_000);
    let mut bytes = framed(&[("header", &large)]);
    let at = bytes.windows(6).position(|w| w == b"header").unwrap() + 6;
    // What no writer may pack stays plain; a packed one claims more than it can hold.
    let stored = u64::from_le_bytes(bytes[at + 9..at + 17].try_into().unwrap());
    assert!(bytes[at] & 1 == 0 || 100_000 <= stored * 1024);
    bytes[at] = 1;
    bytes[at + 1..at + 9].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    let what = what_is_damaged(&resealed(bytes));
    assert_eq!(what, "section `header` claims to unpack to more than any writer packs");
}

#[test]
fn a_small_file_cannot_ask_for_endless_columns() {
    let column = r#"{"name":"c","ty":"json","declared":"json","nullable":true}"#;
    let columns = vec![column; 4096].join(",");
    let schemas = format!(r#"{{"a":{{"columns":[{columns}],"key":[],"key_index":""}}}}"#);
    let table = |n: usize| format!(r#"{{"db":"d","table":"{n}","schema":"a","phase":"live"}}"#);
    let tables = (0..1000).map(table).collect::<Vec<_>>().join(",");
    let good = encode(&version_1()).unwrap();
    let good = frame::read(&good).ok().unwrap();
    let text = |tag: &str| String::from_utf8(good[tag].to_vec()).unwrap();
    let bytes = framed(&[
        ("header", &text("header")),
        ("position", &text("position")),
        ("tables", &format!("[{tables}]")),
        ("schemas", &schemas),
        ("sinks", "{}"),
    ]);
    assert!(bytes.len() < 512 * 1024, "{} bytes", bytes.len());
    assert_eq!(what_is_damaged(&bytes), "its tables have more than 4000000 columns");
}

#[test]
fn what_could_not_be_resumed_is_never_written() {
    let refused = |change: &dyn Fn(&mut SourceState)| {
        let mut checkpoint = version_1();
        change(Arc::make_mut(&mut checkpoint.source));
        encode(&checkpoint).unwrap_err().what
    };
    let what = refused(&|source| source.tables.push(source.tables[0].clone()));
    assert_eq!(what, "table shop.orders_1 is there twice");
    let what = refused(&|source| Arc::make_mut(&mut source.tables[0].schema).key = vec![6]);
    assert_eq!(what, "the key of table shop.orders_1 names column 6, which is not there");
}

#[test]
fn held_rows_that_two_xa_transactions_would_share_are_never_written() {
    let refused = |change: &dyn Fn(&mut XaState)| {
        let mut checkpoint = version_1();
        change(&mut Arc::make_mut(&mut checkpoint.source).xa);
        encode(&checkpoint).unwrap_err().what
    };
    let what = refused(&|xa| xa.prepared.push(xa.prepared[0].clone()));
    assert_eq!(what, "XA transaction X'67',X'',1 is there twice");
    let wrong = "the rows of XA transaction X'67',X'62',4294967295 bear a wrong number";
    assert_eq!(refused(&|xa| xa.prepared[0].rows = xa.prepared[1].rows), wrong);
    assert_eq!(refused(&|xa| xa.next = HeldId { run: 3, number: 17 }), wrong);
}

#[test]
fn a_quarantine_that_could_not_be_kept_is_never_written() {
    let refused = |change: &dyn Fn(&mut Quarantine)| {
        let mut checkpoint = with_quarantine();
        change(&mut Arc::make_mut(&mut checkpoint.source).quarantine);
        encode(&checkpoint).unwrap_err().what
    };
    let followed = TableName::new("shop", "log");
    let what = refused(&|q| q.tables[0].table = followed.clone());
    assert_eq!(what, "table shop.log is in quarantine and there a second time");
    let what = refused(&|q| q.tables.push(q.tables[0].clone()));
    assert_eq!(what, "table shop.完了 is in quarantine and there a second time");
    let what = refused(&|q| q.start_over.push(q.tables[0].table.clone()));
    assert_eq!(what, "table shop.完了 starts over and is not there");
}

#[test]
fn a_reader_that_knows_of_no_quarantine_refuses_the_snapshot() {
    let bytes = encode(&with_quarantine()).unwrap();
    let at = bytes.windows(10).position(|w| w == b"quarantine").unwrap();
    let mut renamed = bytes;
    renamed[at..at + 10].copy_from_slice(b"quarantinf");
    assert_eq!(what_is_damaged(&resealed(renamed)), "section `quarantinf` is unknown");
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

#[test]
fn an_online_schema_change_that_could_not_go_on_is_never_written() {
    let refused = |change: &dyn Fn(&mut OnlineDdlState)| {
        let mut checkpoint = version_1();
        let mut online = online_ddl();
        change(&mut online);
        Arc::make_mut(&mut checkpoint.source).online_ddl = online;
        encode(&checkpoint).unwrap_err().what
    };
    let what = refused(&|online| online.shadows.push(online.shadows[0].clone()));
    assert_eq!(what, "the shadow table shop._orders_1_gho is there twice");
    let what = refused(&|online| {
        Arc::make_mut(online.shadows[0].definition.as_mut().unwrap()).key = vec![6];
    });
    assert_eq!(what, "the definition of the shadow table shop._orders_1_gho cannot be");
    let what = refused(&|online| online.away[0].table = TableName::new("shop", "t"));
    assert_eq!(what, "table shop.t is away twice, or not followed");
}

#[test]
fn ranges_out_of_order_are_refused() {
    let range = |a: u8, b: u8| KeyRange { after: Some(bound(&[a])), through: Some(bound(&[b])) };
    let json = serde_json::to_string(&[range(5, 6), range(1, 2)]).unwrap();
    let phase = TablePhase::Snapshot { done: serde_json::from_str(&json).unwrap(), rows: 0 };
    let mut checkpoint = version_1();
    Arc::make_mut(&mut checkpoint.source).tables[0].phase = phase;
    let what = encode(&checkpoint).unwrap_err().what;
    assert_eq!(what, "the ranges of table shop.orders_1 overlap or are out of order");
}

#[test]
fn two_thousand_tables_of_one_shape_fit_into_a_mebibyte() {
    let mut checkpoint = version_1();
    let source = Arc::make_mut(&mut checkpoint.source);
    source.tables = (0..2000_u32)
        .map(|n| {
            let n = n.to_be_bytes();
            let at = |k: u8| [n.as_slice(), &[k; 12]].concat();
            let (a, b, c) = (at(1), at(90), at(91));
            TableState {
                schema: orders(&format!("orders_{n:?}")),
                phase: TablePhase::Snapshot {
                    done: done(&[(None, Some(&a)), (Some(&b), Some(&c)), (Some(&at(200)), None)]),
                    rows: u64::from(n[3]) * 7919,
                },
                unproven: None,
            }
        })
        .collect();
    let bytes = encode(&checkpoint).unwrap();
    println!("2,000 tables in mid-snapshot: {} bytes", bytes.len());
    assert!(bytes.len() < 1024 * 1024, "{} bytes", bytes.len());
    let schemas = outline(&bytes, PLACE).unwrap();
    let schemas = schemas.sections.iter().find(|section| section.tag == "schemas").unwrap();
    assert!(schemas.raw < 2048, "one shape is stored once, not in {} bytes", schemas.raw);
    assert_eq!(decode(&bytes, PLACE).unwrap(), checkpoint);
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

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes, PLACE).is_err());
    }

    /// Behind right checksums anything may stand; it may decode, but never panic.
    #[test]
    fn no_sealed_bytes_panic(flips in prop::collection::vec((20_usize..4000, any::<u8>()), 1..4)) {
        let mut bytes = encode(&version_1()).unwrap();
        for (at, to) in flips {
            let at = 16 + at % (bytes.len() - 20);
            bytes[at] = to;
        }
        let _either = decode(&resealed(bytes), PLACE);
    }
}

use binlog::BinlogError;
use binlog::reader::Tables;
use job::TablePatterns;
use model::table::TableSchema;

use super::*;
use crate::source::catalog::CatalogTable;
use crate::source::online_ddl::OnlineDdl;
use crate::source::snapshot::rows::BadValue;
use crate::source::tables::Followed;

#[derive(Debug)]
struct At(i64);

impl Clock for At {
    fn now_ms(&self) -> i64 {
        self.0
    }
}

fn name(table: &str) -> TableName {
    TableName::new("d", table)
}

fn followed(table: &str, plan: u64) -> (TableName, Followed) {
    let schema = TableSchema {
        name: name(table),
        columns: vec![],
        key: vec![],
        key_index: "".into(),
        collation: None,
        indexes: vec![],
    };
    let mut followed = Followed::live(CatalogTable::born(Arc::new(schema)));
    followed.plan = PlanId(plan);
    (name(table), followed)
}

fn tables(on_error: OnTableError) -> TableSet {
    TableSet {
        followed: [followed("a", 1), followed("b", 2)].into(),
        others: BTreeSet::new(),
        apart: Apart::new(on_error, Arc::new(At(77))),
        patterns: TablePatterns::new(Some("d"), None, None).unwrap(),
        fold_case: false,
        online: OnlineDdl::default(),
    }
}

fn place() -> Place {
    let binlog = BinlogPosition { file: "binlog.000002".parse().unwrap(), offset: 4711 };
    Place { binlog, gtid: Some("u:5".into()) }
}

fn lacks_a_column() -> BinlogError {
    let (table, column) = ("d.a".to_owned(), "x".to_owned());
    let source = binlog::DecodeError::PartialImage { table, column };
    BinlogError::Decode { at: "binlog.000002:4711".to_owned(), source }
}

fn refused(code: u16) -> BinlogError {
    let refused = mysql_async::ServerError { code, message: "m".into(), state: "HY000".into() };
    BinlogError::Query { what: "read d.a".into(), source: mysql_async::Error::Server(refused) }
}

fn boxed(code: u16) -> Box<BinlogError> {
    Box::new(refused(code))
}

#[test]
fn a_table_set_apart_is_followed_no_more_and_what_it_misses_is_counted() {
    let mut tables = tables(OnTableError::Quarantine);
    tables.refused(&name("a"), place(), lacks_a_column()).unwrap();
    tables.passed_over(&name("a"));
    tables.passed_over(&name("a"));
    tables.passed_over(&name("b"));
    assert!(tables.followed.keys().eq([&name("b")]), "the other goes on");
    assert_eq!(tables.apart.plans_over, [PlanId(1)]);
    let state = tables.apart.state();
    let [known] = state.tables.as_slice() else { panic!("{state:?}") };
    assert_eq!((&known.table, &known.position), (&name("a"), &place().binlog));
    assert_eq!((known.since_ms, known.events_dropped), (77, 2));
    assert_eq!(known.gtid.as_deref(), Some("u:5"));
    for part in ["binlog.000002:4711", "lack column `x`", "binlog_row_image"] {
        assert!(known.reason.contains(part), "`{part}` is missing from: {}", known.reason);
    }
    assert_eq!(tables.states().len(), 1);
}

#[test]
fn the_first_reason_and_place_stand() {
    let mut tables = tables(OnTableError::Quarantine);
    tables.set_apart(&name("a"), place(), "first".to_owned());
    tables.passed_over(&name("a"));
    tables.set_apart(&name("a"), place(), "second".to_owned());
    let state = tables.apart.state();
    assert_eq!((state.tables[0].reason.as_str(), state.tables[0].events_dropped), ("first", 1));
}

#[test]
fn unless_the_job_asks_for_it_nothing_is_set_apart() {
    let mut tables = tables(OnTableError::Stop);
    let error = tables.refused(&name("a"), place(), lacks_a_column()).unwrap_err();
    assert!(error.to_string().contains("cannot read the event"), "{error}");
    assert_eq!(tables.followed.len(), 2);
    assert_eq!(tables.apart.state(), Quarantine::default());
}

#[test]
fn only_what_is_of_one_table_by_its_kind_can_set_it_apart() {
    let bad = BadValue { column: "c".into(), declared: "int".into(), reason: "odd" };
    let row = RowError { table: "d.a".into(), column: "c".into(), at: 3, reason: "odd".into() };
    let of_table = [
        SourceError::UnknownType { table: name("a"), declared: "x".into() },
        SourceError::Value { table: name("a"), source: bad },
        SourceError::UnknownSchema { table: name("a"), what: "x".into() },
        SourceError::KeyLost { table: name("a") },
        SourceError::Chunk { table: name("a"), source: boxed(1146) },
        SourceError::Chunk { table: name("a"), source: boxed(1142) },
        SourceError::Merge(MergeError::Row(row)),
    ];
    for error in &of_table {
        assert!(error.is_of_table(), "{error}");
    }
    let of_more = [
        // A full server, a denied user, a replica that is no replica.
        SourceError::Chunk { table: name("a"), source: boxed(1040) },
        SourceError::Chunk { table: name("a"), source: boxed(1045) },
        SourceError::Chunk { table: name("a"), source: boxed(1227) },
        // The same refusal of a query that is not about the table's rows.
        SourceError::Binlog(refused(1146)),
        SourceError::Binlog(lacks_a_column()),
        SourceError::PassBroken { table: name("a") },
        SourceError::ServerChanged,
        SourceError::Spool("d.a".into()),
        SourceError::XaUnseen { xid: "x".into(), at: "y".into() },
        SourceError::Stopped,
    ];
    for error in &of_more {
        assert!(!error.is_of_table(), "{error}");
    }
}

#[test]
fn the_list_of_tables_stays_until_they_are_others_and_a_table_set_apart_keeps_its_numbers() {
    let mut tables = tables(OnTableError::Quarantine);
    let before = tables.list(&[]);
    assert!(tables.is_listed(&before));
    tables.followed[&name("a")].meter.streamed(model::RowsKind::Insert, 3, 30, 5000);
    assert!(tables.is_listed(&before), "numbers are behind the list");
    assert_eq!(before[0].now().rows.inserted, 3);
    tables.set_apart(&name("a"), place(), "a reason".to_owned());
    assert!(!tables.is_listed(&before));
    let after = tables.list(&before);
    assert!(tables.is_listed(&after));
    let names: Vec<_> = after.iter().map(|table| &*table.name.table).collect();
    assert_eq!(names, ["b", "a"]);
    let now = after[1].now();
    assert_eq!(now.stage, crate::source::status::TableStage::Quarantined);
    assert_eq!((now.rows.inserted, now.last_change_ms), (3, Some(5000)));
    assert_eq!(after[1].apart.as_ref().unwrap().since_ms, 77);
    tables.apart.leave(&name("a"));
    assert!(!tables.is_listed(&after));
}

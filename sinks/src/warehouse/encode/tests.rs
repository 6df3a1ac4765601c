use std::sync::Arc;

use model::table::Collation;
use model::{Column, ColumnType, Date, DateTime, Decimal, Time};
use serde_json::Value as Json;

use super::*;
use crate::testing::{column, int};

const MARK: Mark = Mark { deletes: false, sequence: 77 };

fn collation() -> Collation {
    Collation { charset: "utf8mb4".into(), name: "utf8mb4_bin".into() }
}

fn text() -> ColumnType {
    ColumnType::Text { chars: 50, collation: collation() }
}

fn schema(columns: Vec<Column>, key: Vec<usize>) -> Arc<TableSchema> {
    let mut schema = TableSchema::clone(&crate::testing::table(columns));
    schema.key = key;
    Arc::new(schema)
}

fn target(system: System, schema: &TableSchema) -> TargetTable {
    let name = model::TableName::new("dw", "t");
    TargetTable::of(system, schema, name, &TypeRules::default()).unwrap().with_sequence(system)
}

fn plan(system: System, schema: &TableSchema, target: &TargetTable) -> RowPlan {
    RowPlan::new(&Between {
        system,
        source: schema,
        target,
        rules: TypeRules::default(),
        time_zone: "+08:00".parse().unwrap(),
        source_column: Some("origin"),
    })
}

/// The row, and what of it is the key.
fn row(system: System, schema: &TableSchema, cells: &[Cell<'_>], mark: Mark) -> (String, String) {
    let plan = plan(system, schema, &target(system, schema));
    let mut out = Vec::new();
    let key = plan.row(&mut out, schema, cells, mark).unwrap();
    let text = String::from_utf8(out).unwrap();
    let key = text[..key].to_owned();
    (text, key)
}

/// What a value of `ty` becomes behind a key of 1.
fn value(system: System, declared: &str, ty: ColumnType, cell: Cell<'_>) -> String {
    let schema = schema(vec![column("id", "bigint", int()), column("v", declared, ty)], vec![0]);
    let (row, _) = row(system, &schema, &[Cell::Int(1), cell], MARK);
    let _: Json = serde_json::from_str(&row).expect(&row);
    let rest = row.split_once("\"v\":").unwrap().1;
    rest.split_once(",\"__").unwrap().0.to_owned()
}

#[test]
fn a_row_begins_with_its_key_and_ends_with_what_it_does() {
    let columns = vec![
        column("name", "varchar(50)", text()),
        column("b", "bigint", int()),
        column("a", "bigint", int()),
    ];
    let schema = schema(columns, vec![2, 1]);
    let cells = [Cell::Text("x\"y".into()), Cell::Int(2), Cell::Int(1)];
    let (doris, key) = row(System::Doris, &schema, &cells, MARK);
    let expected = "{\"a\":1,\"b\":2,\"name\":\"x\\\"y\",\"__DORIS_DELETE_SIGN__\":0,\
                    \"__seachange_sequence\":77}";
    assert_eq!((doris.as_str(), key.as_str()), (expected, "{\"a\":1,\"b\":2"));
    let (starrocks, _) = row(System::StarRocks, &schema, &cells, Mark { deletes: true, ..MARK });
    assert_eq!(starrocks, "{\"a\":1,\"b\":2,\"name\":\"x\\\"y\",\"__op\":1}");
}

#[test]
fn rows_of_a_table_without_a_key_have_none_and_do_nothing_but_stand_there() {
    let schema = schema(vec![column("n", "bigint", int())], Vec::new());
    for system in System::ALL {
        let (row, key) = row(system, &schema, &[Cell::Int(1)], MARK);
        assert_eq!((row.as_str(), key.as_str()), ("{\"n\":1}", ""));
    }
}

#[test]
fn the_header_names_what_the_rows_name() {
    let schema = schema(vec![column("n", "bigint", int()), column("id", "bigint", int())], vec![1]);
    let names = |system| {
        let target = target(system, &schema);
        plan(system, &schema, &target).names().join(",")
    };
    assert_eq!(names(System::Doris), "id,n,__DORIS_DELETE_SIGN__,__seachange_sequence");
    assert_eq!(names(System::StarRocks), "id,n,__op");
}

#[test]
fn values_are_written_as_both_systems_read_them() {
    let at = DateTime {
        date: Date { year: 2022, month: 9, day: 22 },
        hour: 20,
        minute: 1,
        second: 2,
        micros: 345_678,
    };
    let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 1 };
    let cases: Vec<(&str, ColumnType, Cell<'_>, &str)> = vec![
        ("bigint", int(), Cell::Null, "null"),
        ("bigint", int(), Cell::Int(i64::MIN), "-9223372036854775808"),
        (
            "bigint unsigned",
            ColumnType::Int { bytes: 8, unsigned: true },
            Cell::UInt(u64::MAX),
            "18446744073709551615",
        ),
        ("bit(1)", ColumnType::Bit { bits: 1 }, Cell::Bit(1), "1"),
        ("bit(64)", ColumnType::Bit { bits: 64 }, Cell::Bit(u64::MAX), "18446744073709551615"),
        ("float", ColumnType::Float, Cell::Float(0.1), "0.1"),
        ("double", ColumnType::Double, Cell::Double(1e300), "1e300"),
        (
            "decimal(38,10)",
            ColumnType::Decimal { precision: 38, scale: 10 },
            Cell::Decimal(Decimal::Text("1234567890123456789012345678.0123456789")),
            "\"1234567890123456789012345678.0123456789\"",
        ),
        ("year", ColumnType::Year, Cell::Year(2155), "2155"),
        ("date", ColumnType::Date, Cell::Date(at.date), "\"2022-09-22\""),
        ("date", ColumnType::Date, Cell::Date(Date::default()), "null"),
        (
            "datetime(3)",
            ColumnType::DateTime { fsp: 3 },
            Cell::DateTime(at),
            "\"2022-09-22 20:01:02.345\"",
        ),
        (
            "timestamp(6)",
            ColumnType::Timestamp { fsp: 6 },
            Cell::Timestamp(at),
            "\"2022-09-23 04:01:02.345678\"",
        ),
        ("time(6)", ColumnType::Time { fsp: 6 }, Cell::Time(time), "\"-838:59:59.000001\""),
        ("varchar(50)", text(), Cell::Text("a\n蔡".into()), "\"a\\n蔡\""),
        (
            "blob",
            ColumnType::VarBinary { bytes: 65535 },
            Cell::Bytes((&b"\x00\xff"[..]).into()),
            "\"AP8=\"",
        ),
        (
            "point",
            ColumnType::Geometry,
            Cell::Geometry(b"\xe6\x10\x00\x00\x01"),
            "\"{\\\"srid\\\":4326,\\\"wkb\\\":\\\"AQ==\\\"}\"",
        ),
        (
            "vector(2)",
            ColumnType::Vector,
            Cell::Bytes((&b"\x00\x00\x80\x3f\x00\x00\x00\x40"[..]).into()),
            "\"[1.0,2.0]\"",
        ),
    ];
    for (declared, ty, cell, expected) in cases {
        for system in System::ALL {
            assert_eq!(value(system, declared, ty.clone(), cell.clone()), expected, "{declared}");
        }
    }
}

#[test]
fn json_is_a_text_to_doris_and_json_to_starrocks() {
    let check = |system, json: &'static str, expected: &str| {
        assert_eq!(value(system, "json", ColumnType::Json, Cell::Json(json.into())), expected);
    };
    check(System::Doris, "{\"a\": 1}", "\"{\\\"a\\\": 1}\"");
    check(System::Doris, "\"x\"", "\"\\\"x\\\"\"");
    check(System::StarRocks, "{\"a\": 1}", "{\"a\": 1}");
    check(System::StarRocks, "\"x\"", "\"x\"");
}

#[test]
fn a_key_that_no_calendar_has_is_refused_with_its_column() {
    let schema = schema(vec![column("day", "date", ColumnType::Date)], vec![0]);
    let target = target(System::Doris, &schema);
    let plan = plan(System::Doris, &schema, &target);
    let refused = plan.row(&mut Vec::new(), &schema, &[Cell::Date(Date::default())], MARK);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("column `day`") && refused.contains("key"), "{refused}");
}

#[test]
fn a_merged_table_says_which_table_a_row_is_of_and_leaves_out_what_it_lacks() {
    let one = schema(vec![column("id", "bigint", int())], vec![0]);
    let both = schema(vec![column("id", "bigint", int()), column("n", "bigint", int())], vec![0]);
    let target = target(System::StarRocks, &both)
        .with_source_name("origin", crate::warehouse::target::SourceName::Value)
        .unwrap();
    let mut out = Vec::new();
    let plan = plan(System::StarRocks, &one, &target);
    plan.row(&mut out, &one, &[Cell::Int(1)], MARK).unwrap();
    let expected = "{\"id\":1,\"origin\":\"shop.t\",\"__op\":0}";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

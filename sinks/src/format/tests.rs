//! Golden lines of both formats, and the strings against another JSON implementation.

use std::sync::Arc;

use model::table::Collation;
use model::{
    Cell, Column, ColumnType, Date, DateTime, Decimal, Item, RowsKind, SchemaChange, TableName,
    TableSchema, Time,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Format, encoder};
use crate::testing::{column, context, int, origin, rows, table};

fn encoded(format: Format, items: &[Item]) -> String {
    let mut encoder = encoder(format, &context());
    let mut out = Vec::new();
    items.iter().for_each(|item| encoder.item(item, &mut out).unwrap());
    String::from_utf8(out).unwrap()
}

fn objects(items: &[Item]) -> Vec<Value> {
    let lines = encoded(Format::DebeziumJson, items);
    lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Encodes one value in a column of its own and compares both formats, byte by byte.
fn check(declared: &str, ty: ColumnType, cell: Cell<'_>, json: &str, changelog: &str) {
    let table = table(vec![column("id", "bigint", int()), column("v", declared, ty)]);
    let item = [rows(&table, RowsKind::Insert, &[&[Cell::Int(1), cell]])];
    let line = encoded(Format::DebeziumJson, &item);
    serde_json::from_str::<Value>(&line).expect(&line);
    let after = line.split_once(r#""after":{"id":1,"v":"#).unwrap().1;
    let after = after.split_once(r#"},"op":"c","ts_ms":"#).unwrap().0;
    assert_eq!(after, json, "{declared} as debezium-json");
    let line = encoded(Format::Changelog, &item);
    let shown = line.strip_prefix("shop.t> +I[1, ").unwrap().strip_suffix("]\n").unwrap();
    assert_eq!(shown, changelog, "{declared} as changelog");
}

fn varchar() -> ColumnType {
    ColumnType::Text { chars: 50, collation: collation() }
}

fn collation() -> Collation {
    Collation { charset: "utf8mb4".into(), name: "utf8mb4_bin".into() }
}

fn at(fraction: u32) -> DateTime {
    let date = Date { year: 2022, month: 9, day: 22 };
    DateTime { date, hour: 18, minute: 1, second: 2, micros: fraction }
}

#[test]
fn integers_have_all_their_digits() {
    let unsigned = || ColumnType::Int { bytes: 8, unsigned: true };
    let max = "18446744073709551615";
    check("bigint unsigned", unsigned(), Cell::UInt(u64::MAX), max, max);
    let min = "-9223372036854775808";
    check("bigint", int(), Cell::Int(i64::MIN), min, min);
    let tiny = ColumnType::Int { bytes: 1, unsigned: false };
    check("tinyint(1)", tiny, Cell::Int(1), "1", "1");
    check("int(5) unsigned zerofill", unsigned(), Cell::UInt(42), "42", "00042");
    check("int(2) unsigned zerofill", unsigned(), Cell::UInt(421), "421", "421");
    check("year", ColumnType::Year, Cell::Year(2155), "2155", "2155");
    check("year", ColumnType::Year, Cell::Year(0), "0", "0000");
}

#[test]
fn floats_are_the_shortest_that_read_back_and_in_the_changelog_as_mysql_prints_them() {
    let (float, double) = (|| ColumnType::Float, || ColumnType::Double);
    check("float", float(), Cell::Float(0.1), "0.1", "0.1");
    check("float", float(), Cell::Float(16_777_217.0), "16777216.0", "16777200");
    check("float(7,4)", float(), Cell::Float(1.5), "1.5", "1.5000");
    check("double", double(), Cell::Double(1.0), "1.0", "1");
    check("double", double(), Cell::Double(1e20), "1e20", "1e20");
    check("double", double(), Cell::Double(-1.5e-7), "-1.5e-7", "-0.00000015");
    let max = "1.7976931348623157e308";
    check("double", double(), Cell::Double(f64::MAX), max, max);
    check("double", double(), Cell::Double(f64::NAN), "\"NaN\"", "nan");
    check("double", double(), Cell::Double(f64::NEG_INFINITY), "\"-Infinity\"", "-inf");
}

#[test]
fn decimals_are_strings_with_every_digit() {
    let ty = || ColumnType::Decimal { precision: 10, scale: 2 };
    let text = Cell::Decimal(Decimal::Text("-12345678.90"));
    check("decimal(10,2)", ty(), text, "\"-12345678.90\"", "-12345678.90");
    let packed = Decimal::packed(&[0x80, 0x00, 0x00, 0x0a, 0x07], 10, 2).unwrap();
    check("decimal(10,2)", ty(), Cell::Decimal(packed), "\"10.07\"", "10.07");
}

#[test]
fn bits_are_a_truth_value_or_big_endian_bytes() {
    let bits = |bits| ColumnType::Bit { bits };
    check("bit(1)", bits(1), Cell::Bit(1), "true", "0x01");
    check("bit(1)", bits(1), Cell::Bit(0), "false", "0x00");
    check("bit(9)", bits(9), Cell::Bit(0x102), "\"AQI=\"", "0x0102");
    let all = Cell::Bit(u64::MAX);
    check("bit(64)", bits(64), all, "\"//////////8=\"", "0xFFFFFFFFFFFFFFFF");
}

#[test]
fn dates_and_times_are_iso_texts_with_the_declared_fraction() {
    let date = || ColumnType::Date;
    check("date", date(), Cell::Date(at(0).date), "\"2022-09-22\"", "2022-09-22");
    let datetime = |fsp| ColumnType::DateTime { fsp };
    let check_datetime = |fsp, micros, json: &str, shown: &str| {
        check("datetime", datetime(fsp), Cell::DateTime(at(micros)), json, shown);
    };
    check_datetime(0, 0, "\"2022-09-22T18:01:02\"", "2022-09-22 18:01:02");
    check_datetime(3, 120_000, "\"2022-09-22T18:01:02.120\"", "2022-09-22 18:01:02.120");
    check_datetime(6, 7, "\"2022-09-22T18:01:02.000007\"", "2022-09-22 18:01:02.000007");
    let time = |fsp| ColumnType::Time { fsp };
    let longest = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 1 };
    let shown = "-838:59:59.000001";
    check("time(6)", time(6), Cell::Time(longest), &format!("\"{shown}\""), shown);
    let short = Time { hours: 7, minutes: 5, ..Time::default() };
    check("time", time(0), Cell::Time(short), "\"07:05:00\"", "07:05:00");
}

#[test]
fn a_timestamp_is_utc_in_json_and_local_in_the_changelog() {
    let timestamp = |fsp| ColumnType::Timestamp { fsp };
    let json = "\"2022-09-22T18:01:02.50Z\"";
    let cell = Cell::Timestamp(at(500_000));
    check("timestamp(2)", timestamp(2), cell, json, "2022-09-23 02:01:02.50");
    let zero = Cell::Timestamp(DateTime::default());
    check("timestamp", timestamp(0), zero, "null", "0000-00-00 00:00:00");
}

#[test]
fn dates_that_no_calendar_holds_are_null_in_json_and_shown_in_the_changelog() {
    let partial = Date { year: 2010, month: 0, day: 15 };
    check("date", ColumnType::Date, Cell::Date(Date::default()), "null", "0000-00-00");
    check("date", ColumnType::Date, Cell::Date(partial), "null", "2010-00-15");
    let cell = Cell::DateTime(DateTime { date: partial, hour: 1, ..DateTime::default() });
    check("datetime", ColumnType::DateTime { fsp: 0 }, cell, "null", "2010-00-15 01:00:00");
}

#[test]
fn texts_stay_on_their_line() {
    let check = |text: &str, json: &str, shown: &str| {
        check("varchar(50)", varchar(), Cell::Text(text.into()), json, shown);
    };
    check("蔡 kunkun 🐔", "\"蔡 kunkun 🐔\"", "蔡 kunkun 🐔");
    check("", "\"\"", "");
    check("a\nb\r\t\\\"\0", r#""a\nb\r\t\\\"\u0000""#, r#"a\nb\r\t\\"\0"#);
    check("\u{1b}[31m\u{7f}", "\"\\u001b[31m\u{7f}\"", r"\x1b[31m\x7f");
    check("\u{8}\u{c}", r#""\b\f""#, r"\x08\x0c");
}

#[test]
fn enums_and_sets_are_their_text_and_json_a_string_of_json() {
    let members: Arc<[Arc<str>]> = ["M".into(), "F".into()].into();
    let set = ColumnType::Set { members: Arc::clone(&members), collation: collation() };
    let one = ColumnType::Enum { members, collation: collation() };
    check("enum('M','F')", one, Cell::Text("M".into()), "\"M\"", "M");
    check("set('M','F')", set, Cell::Text("M,F".into()), "\"M,F\"", "M,F");
    let json = r#"{"a": "x\ny"}"#;
    let escaped = r#""{\"a\": \"x\\ny\"}""#;
    check("json", ColumnType::Json, Cell::Json(json.into()), escaped, json);
    check("json", ColumnType::Json, Cell::Json("[1,\n2]".into()), r#""[1,\n2]""#, r"[1,\n2]");
}

#[test]
fn bytes_are_base64_and_hexadecimal() {
    let bytes = |bytes: &[u8]| Cell::Bytes(bytes.to_vec().into());
    let blob = || ColumnType::VarBinary { bytes: 255 };
    check("blob", blob(), bytes(&[0, 255, 10]), "\"AP8K\"", "0x00FF0A");
    check("blob", blob(), bytes(&[]), "\"\"", "0x");
    let binary = ColumnType::Binary { bytes: 4 };
    check("binary(4)", binary, bytes(&[171, 0, 0, 0]), "\"qwAAAA==\"", "0xAB000000");
}

#[test]
fn geometries_vectors_and_addresses_have_their_own_shapes() {
    let mut point = 4326_u32.to_le_bytes().to_vec();
    point.extend([1, 1]);
    let json = r#"{"srid":4326,"wkb":"AQE="}"#;
    check("point", ColumnType::Geometry, Cell::Geometry(&point), json, "0xE61000000101");
    let vector = [1.0_f32, -0.5].iter().flat_map(|f| f.to_le_bytes()).collect::<Vec<_>>();
    let shown = "0x0000803F000000BF";
    check("vector(2)", ColumnType::Vector, Cell::Bytes(vector.into()), "[1.0,-0.5]", shown);
    let shown = "fe80::1";
    let address = Cell::Text(shown.into());
    check("inet6", ColumnType::FixedBytes { bytes: 16 }, address, "\"fe80::1\"", shown);
}

#[test]
fn null_is_null_in_every_type() {
    for ty in [int(), varchar(), ColumnType::Geometry, ColumnType::Bit { bits: 1 }] {
        check("any", ty, Cell::Null, "null", "NULL");
    }
}

#[test]
fn a_value_that_its_type_cannot_hold_is_an_error_with_its_column() {
    let refused = |ty, cell: Cell<'_>| {
        let table = table(vec![column("id", "bigint", int()), column("v", "any", ty)]);
        let item = rows(&table, RowsKind::Insert, &[&[Cell::Int(1), cell]]);
        let error = encoder(Format::DebeziumJson, &context()).item(&item, &mut Vec::new());
        error.unwrap_err().to_string()
    };
    let place = "row image of shop.t does not decode at byte 0, column `v`: ";
    assert_eq!(
        refused(ColumnType::Geometry, Cell::Geometry(&[1, 2])),
        format!("{place}a geometry without its SRID")
    );
    assert_eq!(
        refused(ColumnType::Vector, Cell::Bytes(vec![1, 2, 3].into())),
        format!("{place}a vector that is not whole 32-bit floats")
    );
}

fn people() -> Arc<TableSchema> {
    table(vec![column("id", "bigint", int()), column("name", "varchar(50)", varchar())])
}

fn person(id: i64, name: &str) -> [Cell<'_>; 2] {
    [Cell::Int(id), Cell::Text(name.into())]
}

#[test]
fn an_insert_is_one_object_with_everything_of_its_source() {
    let item = rows(&people(), RowsKind::Insert, &[&person(10, "cai")]);
    assert_eq!(
        encoded(Format::DebeziumJson, &[item]),
        concat!(
            r#"{"before":null,"after":{"id":10,"name":"cai"},"op":"c","ts_ms":1700000000123,"#,
            r#""source":{"connector":"mysql","name":"retail/emp","db":"shop","table":"t","#,
            r#""server_id":7,"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:23","#,
            r#""file":"binlog.000003","pos":4096,"row":5,"snapshot":"false","#,
            r#""ts_ms":1663840800000}}"#,
            "\n"
        )
    );
}

#[test]
fn a_read_row_says_snapshot_and_has_no_gtid() {
    let item = rows(&people(), RowsKind::Read, &[&person(1, "a"), &person(2, "b")]);
    let records = objects(&[item]);
    assert_eq!(records[1]["op"], "r");
    assert_eq!(records[1]["before"], Value::Null);
    assert_eq!(records[1]["after"], json!({"id": 2, "name": "b"}));
    assert_eq!(records[1]["source"]["snapshot"], "true");
    assert_eq!(records[1]["source"]["gtid"], Value::Null);
    assert_eq!(records[1]["source"]["ts_ms"], 0);
    assert_eq!(records[1]["source"]["row"], 6);
}

#[test]
fn an_update_has_both_images_and_a_delete_the_old_one() {
    let (old, new) = (person(1, "a"), person(1, "b"));
    let items = [
        rows(&people(), RowsKind::Update, &[&old, &new]),
        rows(&people(), RowsKind::Delete, &[&new]),
    ];
    let records = objects(&items);
    let shape = |at: usize| json!([records[at]["op"], records[at]["before"], records[at]["after"]]);
    assert_eq!(shape(0), json!(["u", {"id": 1, "name": "a"}, {"id": 1, "name": "b"}]));
    assert_eq!(shape(1), json!(["d", {"id": 1, "name": "b"}, null]));
    assert_eq!(
        encoded(Format::Changelog, &items),
        "shop.t> -U[1, a]\nshop.t> +U[1, b]\nshop.t> -D[1, b]\n"
    );
}

#[test]
fn an_update_of_the_key_leaves_as_a_delete_and_an_insert() {
    let item = [rows(&people(), RowsKind::Update, &[&person(1, "a"), &person(2, "a")])];
    let ops: Vec<_> = objects(&item).iter().map(|r| r["op"].clone()).collect();
    assert_eq!(ops, ["d", "c"]);
    assert_eq!(encoded(Format::Changelog, &item), "shop.t> -D[1, a]\nshop.t> +I[2, a]\n");
}

#[test]
fn a_schema_change_is_a_record_of_its_own_in_both_formats() {
    let change = |after| {
        Item::Schema(SchemaChange {
            table: TableName::new("shop", "t"),
            sql: "ALTER TABLE t\n  ADD c INT COMMENT \"x\"".into(),
            after,
            starts_over: false,
            truncated: false,
            renamed: vec![],
            filled: vec![],
            renamed_from: None,
            origin: origin(RowsKind::Insert),
        })
    };
    let items = [change(Some(people())), change(None)];
    let records = objects(&items);
    assert_eq!(records[0]["ddl"], "ALTER TABLE t\n  ADD c INT COMMENT \"x\"");
    assert_eq!(records[0]["databaseName"], "shop");
    assert_eq!(records[0]["tableName"], "t");
    assert_eq!(records[0]["dropped"], false);
    assert_eq!(records[1]["dropped"], true);
    assert_eq!(records[0]["ts_ms"], 1_700_000_000_123_i64);
    assert_eq!(records[0]["source"]["gtid"], "3e11fa47-71ca-11e1-9e33-c80aa9429562:23");
    assert_eq!(records[0]["source"]["snapshot"], "false");
    assert!(records[0].get("op").is_none());
    let lines = encoded(Format::Changelog, &items);
    let line = "shop.t> DDL ALTER TABLE t\\n  ADD c INT COMMENT \"x\"\n";
    assert_eq!(lines, line.repeat(2));
}

#[test]
fn rows_after_a_schema_change_have_the_new_columns() {
    let (old, new) =
        (people(), table(vec![column("id", "bigint", int()), column("age", "int", int())]));
    let change = SchemaChange {
        table: old.name.clone(),
        sql: "ALTER TABLE t".into(),
        after: Some(Arc::clone(&new)),
        starts_over: false,
        truncated: false,
        renamed: vec![],
        filled: vec![],
        renamed_from: None,
        origin: origin(RowsKind::Insert),
    };
    let records = objects(&[
        rows(&old, RowsKind::Insert, &[&person(1, "a")]),
        Item::Schema(change),
        rows(&new, RowsKind::Insert, &[&[Cell::Int(2), Cell::Int(30)]]),
        // A read of the window before may still carry the older schema.
        rows(&old, RowsKind::Read, &[&person(3, "c")]),
    ]);
    assert_eq!(records[0]["after"], json!({"id": 1, "name": "a"}));
    assert_eq!(records[2]["after"], json!({"id": 2, "age": 30}));
    assert_eq!(records[3]["after"], json!({"id": 3, "name": "c"}));
}

#[test]
fn names_are_escaped_as_values_are() {
    let odd = Column { ..column("a\"b\n", "bigint", int()) };
    let table = Arc::new(TableSchema {
        name: TableName::new("d\"b", "t\n1"),
        columns: vec![odd],
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    });
    let item = [rows(&table, RowsKind::Insert, &[&[Cell::Int(1)]])];
    let records = objects(&item);
    assert_eq!(records[0]["after"]["a\"b\n"], 1);
    assert_eq!(records[0]["source"]["db"], "d\"b");
    assert_eq!(records[0]["source"]["table"], "t\n1");
    assert_eq!(encoded(Format::Changelog, &item), "d\"b.t\\n1> +I[1]\n");
}

proptest! {
    /// Any text, with what needs escaping at any place of the eight-byte steps.
    #[test]
    fn every_text_reads_back_from_json_as_it_was(
        text in prop_oneof![any::<String>(), "[ -~\"\\\\\\x00-\\x1f\u{7f}-\u{ff}蔡]{0,40}"],
    ) {
        let mut out = Vec::new();
        super::json::text(&mut out, &text);
        let read: String = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&read, &text);
        prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn every_float_reads_back_from_json_as_it_was(
        double in any::<u64>().prop_map(f64::from_bits),
        float in any::<u32>().prop_map(f32::from_bits),
    ) {
        let mut out = Vec::new();
        if double.is_finite() {
            super::number::json_float(&mut out, double);
            let read: f64 = std::str::from_utf8(&out).unwrap().parse().unwrap();
            prop_assert_eq!(read.to_bits(), double.to_bits());
        }
        out.clear();
        if float.is_finite() {
            super::number::json_float(&mut out, float);
            let read: f32 = std::str::from_utf8(&out).unwrap().parse().unwrap();
            prop_assert_eq!(read.to_bits(), float.to_bits());
        }
    }

    /// Whatever an update leaves as it was is copied; zeros of both signs are equal, and are not copied.
    #[test]
    fn the_row_after_an_update_is_written_as_an_insert_of_it(
        texts in prop::collection::vec(("[a-z\"]{0,20}", "[a-z\"]{0,20}", any::<bool>()), 0..4),
        zeros in any::<(bool, bool)>(),
        numbers in any::<(i64, i64, bool)>(),
    ) {
        let sign = |negative| Cell::Double(if negative { -0.0 } else { 0.0 });
        let decimal = |negative: bool| {
            Cell::Decimal(Decimal::Text(if negative { "-0.00" } else { "0.00" }))
        };
        let mut columns = vec![column("id", "bigint", int())];
        let (mut before, mut after) = (vec![Cell::Int(1)], vec![Cell::Int(1)]);
        for (was, is, kept) in &texts {
            columns.push(column(&format!("t{}", columns.len()), "varchar(50)", varchar()));
            before.push(Cell::Text(was.into()));
            after.push(Cell::Text(if *kept { was } else { is }.into()));
        }
        columns.push(column("double", "double", ColumnType::Double));
        columns.push(column("n", "bigint", int()));
        let fits = ColumnType::Decimal { precision: 10, scale: 2 };
        columns.push(column("decimal", "decimal(10,2)", fits));
        before.extend([sign(zeros.0), Cell::Int(numbers.0), decimal(zeros.0)]);
        let number = if numbers.2 { numbers.0 } else { numbers.1 };
        after.extend([sign(zeros.1), Cell::Int(number), decimal(zeros.1)]);
        let table = table(columns);
        let row = |line: &str, name: &str, next: &str| {
            let from = line.split_once(&format!("\"{name}\":")).unwrap().1;
            from.split_once(&format!(",\"{next}\":")).unwrap().0.to_owned()
        };
        let update = [rows(&table, RowsKind::Update, &[&before, &after])];
        let update = encoded(Format::DebeziumJson, &update);
        let insert = |cells: &[Cell<'_>]| {
            let item = [rows(&table, RowsKind::Insert, &[cells])];
            row(&encoded(Format::DebeziumJson, &item), "after", "op")
        };
        prop_assert_eq!(row(&update, "before", "after"), insert(&before));
        prop_assert_eq!(row(&update, "after", "op"), insert(&after));
    }

    #[test]
    fn no_text_breaks_a_line_of_the_changelog(text in any::<String>()) {
        let item = rows(&people(), RowsKind::Insert, &[&person(1, &text)]);
        let line = encoded(Format::Changelog, &[item]);
        prop_assert_eq!(line.lines().count(), 1);
        prop_assert!(!line.trim_end_matches('\n').contains(|c: char| c.is_ascii_control()));
    }
}

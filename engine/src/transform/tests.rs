use std::sync::Arc;

use job::{Place, TransformSpec, Written};
use model::table::Collation;
use model::value::{Date, DateTime, Time};
use model::{Cell, Column, ColumnType, Decimal, TableName, TableSchema, TimeZone};
use regex::Regex;

use super::*;

mod changes;
mod expressions;
mod tables;

fn column(name: &str, ty: ColumnType, declared: &str) -> Column {
    Column {
        name: name.into(),
        ty,
        declared: declared.into(),
        nullable: name != "id",
        generated: false,
        invisible: false,
    }
}

fn text_type(chars: u32) -> ColumnType {
    let collation = Collation { charset: "utf8mb4".into(), name: "utf8mb4_bin".into() };
    ColumnType::Text { chars, collation }
}

fn int(bytes: u8, unsigned: bool) -> ColumnType {
    ColumnType::Int { bytes, unsigned }
}

fn table(columns: Vec<Column>) -> Arc<TableSchema> {
    Arc::new(TableSchema {
        name: TableName::new("shop", "items"),
        columns,
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: Vec::new(),
    })
}

/// A table with a column of every kind, and a row of it.
fn everything() -> (Arc<TableSchema>, Vec<Cell<'static>>) {
    let date = Date { year: 2024, month: 2, day: 29 };
    let at = DateTime { date, hour: 23, minute: 30, second: 5, micros: 123_000 };
    let time = Time { negative: false, hours: 25, minutes: 1, seconds: 2, micros: 0 };
    let all = [
        ("id", int(4, false), "int", Cell::Int(7)),
        ("name", text_type(20), "varchar(20)", Cell::Text(" Ab蔡 ".into())),
        (
            "price",
            ColumnType::Decimal { precision: 10, scale: 2 },
            "decimal(10,2)",
            Cell::Decimal(Decimal::Text("12.30")),
        ),
        ("qty", int(4, false), "int", Cell::Null),
        ("big", int(8, true), "bigint unsigned", Cell::UInt(u64::MAX)),
        ("small", int(1, false), "tinyint(1)", Cell::Int(1)),
        ("d", ColumnType::Date, "date", Cell::Date(date)),
        ("dt", ColumnType::DateTime { fsp: 3 }, "datetime(3)", Cell::DateTime(at)),
        (
            "ts",
            ColumnType::Timestamp { fsp: 0 },
            "timestamp",
            Cell::Timestamp(DateTime { micros: 0, ..at }),
        ),
        ("tm", ColumnType::Time { fsp: 0 }, "time", Cell::Time(time)),
        ("x", ColumnType::Double, "double", Cell::Double(1.5)),
        ("b", ColumnType::VarBinary { bytes: 4 }, "varbinary(4)", Cell::Bytes(vec![1].into())),
        ("zero", ColumnType::Date, "date", Cell::Date(Date::default())),
    ];
    let (columns, cells) = all
        .into_iter()
        .map(|(name, ty, declared, cell)| (column(name, ty, declared), cell))
        .unzip();
    (table(columns), cells)
}

fn written(text: &str) -> Option<Written> {
    let place = Place::Script { file: "job.yaml".to_owned(), line: 9, column: 11 };
    (!text.is_empty()).then(|| Written { text: text.to_owned(), place, in_one_piece: true })
}

fn rule(projection: &str, filter: &str, keys: &str) -> TransformSpec {
    TransformSpec {
        tables: Regex::new(r"\Ashop\..*\z").unwrap(),
        source_table: r"shop.\.*".to_owned(),
        projection: written(projection),
        filter: written(filter),
        primary_keys: written(keys),
        description: None,
    }
}

fn shanghai() -> TimeZone {
    "Asia/Shanghai".parse().unwrap()
}

fn rules(specs: &[TransformSpec]) -> Result<Transforms, String> {
    Transforms::read(specs, shanghai())
}

//! Columns and tables for the tests of this module.

use model::table::Collation;
use model::{Column, ColumnType, TableName, TableSchema};

use super::{TargetTable, TypeRules};
use crate::warehouse::system::System;

pub(super) fn column(name: &str, ty: ColumnType, declared: &str, nullable: bool) -> Column {
    let (name, declared) = (name.into(), declared.into());
    Column { name, ty, declared, nullable, generated: false, invisible: false }
}

pub(super) fn collation(charset: &str) -> Collation {
    Collation { charset: charset.into(), name: format!("{charset}_bin").into() }
}

pub(super) fn text(declared: &str, chars: u32, charset: &str) -> Column {
    let collation = collation(charset);
    column("c", ColumnType::Text { chars, collation }, declared, true)
}

/// A column by its words: `id int!`, `!` for NOT NULL.
pub(super) fn of_words(words: &str) -> Column {
    let (words, nullable) = match words.strip_suffix('!') {
        Some(words) => (words, false),
        None => (words, true),
    };
    let (name, declared) = words.split_once(' ').expect("a name and a type");
    let number = |default: u32| {
        let inside = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        inside.map_or(default, |(number, _)| number.parse().expect("a number"))
    };
    let small = |default| u8::try_from(number(default)).expect("a small number");
    let ty = match declared.split('(').next().expect("a word") {
        "tinyint" => ColumnType::Int { bytes: 1, unsigned: false },
        "int" => ColumnType::Int { bytes: 4, unsigned: false },
        "bigint" => ColumnType::Int { bytes: 8, unsigned: false },
        "varchar" => ColumnType::Text { chars: number(0), collation: collation("utf8mb4") },
        "text" => ColumnType::Text { chars: 65_535, collation: collation("utf8mb4") },
        "decimal" => ColumnType::Decimal { precision: small(10), scale: 2 },
        "date" => ColumnType::Date,
        "datetime" => ColumnType::DateTime { fsp: small(0) },
        "double" => ColumnType::Double,
        "json" => ColumnType::Json,
        other => panic!("{other}"),
    };
    column(name, ty, declared, nullable)
}

/// A table `shop.emp`; the first `key` of its columns are its key.
pub(crate) fn schema(columns: &[&str], key: usize) -> TableSchema {
    TableSchema {
        name: TableName::new("shop", "emp"),
        columns: columns.iter().map(|words| of_words(words)).collect(),
        key: (0..key).collect(),
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    }
}

/// What becomes of it as `dw.emp`.
pub(super) fn target(system: System, columns: &[&str], key: usize) -> TargetTable {
    let name = TableName::new("dw", "emp");
    TargetTable::of(system, &schema(columns, key), name, &TypeRules::default()).expect("a target")
}

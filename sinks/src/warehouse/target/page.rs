//! Keeps `docs/types.md` and [`super::map`] in step: each row of the page's two tables is one sample
//! here, and says what is mapped.

use model::{Column, ColumnType};

use super::map::map;
use super::rules::TypeRules;
use super::testing::{collation, column};
use crate::warehouse::system::System;

const PAGE: &str = include_str!("../../../../docs/types.md");

fn int(declared: &str, bytes: u8) -> Column {
    let unsigned = declared.contains("unsigned") || declared.contains("zerofill");
    column("c", ColumnType::Int { bytes, unsigned }, declared, true)
}

fn text(declared: &str, chars: u32, charset: &str) -> Column {
    column("c", ColumnType::Text { chars, collation: collation(charset) }, declared, true)
}

fn members(declared: &str) -> Column {
    let collation = collation("utf8mb4");
    let members = ["new".into(), "done".into()].into();
    let ty = if declared.starts_with("enum") {
        ColumnType::Enum { members, collation }
    } else {
        ColumnType::Set { members, collation }
    };
    column("c", ty, declared, true)
}

fn of(declared: &str, ty: ColumnType) -> Column {
    column("c", ty, declared, true)
}

fn decimal(precision: u8, scale: u8) -> Column {
    let declared = format!("decimal({precision},{scale})");
    column("c", ColumnType::Decimal { precision, scale }, &declared, true)
}

/// What the page calls it, and a column of it.
fn numbers_and_times() -> Vec<(&'static str, Column)> {
    vec![
        ("TINYINT, TINYINT(1), BOOL", int("tinyint(1)", 1)),
        ("TINYINT UNSIGNED", int("tinyint unsigned", 1)),
        ("SMALLINT", int("smallint", 2)),
        ("SMALLINT UNSIGNED", int("smallint unsigned", 2)),
        ("MEDIUMINT", int("mediumint", 3)),
        ("MEDIUMINT UNSIGNED", int("mediumint unsigned", 3)),
        ("INT", int("int", 4)),
        ("INT UNSIGNED", int("int unsigned", 4)),
        ("INT(5) ZEROFILL", int("int(5) unsigned zerofill", 4)),
        ("BIGINT", int("bigint", 8)),
        ("BIGINT UNSIGNED, SERIAL", int("bigint unsigned", 8)),
        ("FLOAT", of("float", ColumnType::Float)),
        ("DOUBLE, REAL", of("double", ColumnType::Double)),
        ("DECIMAL(10,2), up to 38 digits", decimal(10, 2)),
        ("DECIMAL(65,30), from 39 digits", decimal(65, 30)),
        ("BIT(1)", of("bit(1)", ColumnType::Bit { bits: 1 })),
        ("BIT(2) to BIT(63)", of("bit(63)", ColumnType::Bit { bits: 63 })),
        ("BIT(64)", of("bit(64)", ColumnType::Bit { bits: 64 })),
        ("YEAR", of("year", ColumnType::Year)),
        ("DATE", of("date", ColumnType::Date)),
        ("DATETIME", of("datetime", ColumnType::DateTime { fsp: 0 })),
        ("DATETIME(3)", of("datetime(3)", ColumnType::DateTime { fsp: 3 })),
        ("TIMESTAMP(3)", of("timestamp(3)", ColumnType::Timestamp { fsp: 3 })),
        ("TIME(6)", of("time(6)", ColumnType::Time { fsp: 6 })),
    ]
}

fn texts_and_bytes() -> Vec<(&'static str, Column)> {
    let blob = |declared, bytes| of(declared, ColumnType::VarBinary { bytes });
    let fixed = |declared, bytes| of(declared, ColumnType::FixedBytes { bytes });
    vec![
        ("CHAR(10), utf8mb4", text("char(10)", 10, "utf8mb4")),
        ("VARCHAR(10), utf8mb4", text("varchar(10)", 10, "utf8mb4")),
        ("VARCHAR(10), latin1", text("varchar(10)", 10, "latin1")),
        ("VARCHAR(10), ascii", text("varchar(10)", 10, "ascii")),
        ("VARCHAR(20000), utf8mb3", text("varchar(20000)", 20_000, "utf8mb3")),
        ("VARCHAR(21845), utf8mb3", text("varchar(21845)", 21_845, "utf8mb3")),
        ("TINYTEXT, utf8mb4", text("tinytext", 255, "utf8mb4")),
        ("TEXT, utf8mb4", text("text", 65_535, "utf8mb4")),
        ("TEXT, latin1", text("text", 65_535, "latin1")),
        ("MEDIUMTEXT", text("mediumtext", 16_777_215, "utf8mb4")),
        ("LONGTEXT, MariaDB's JSON", text("longtext", u32::MAX, "utf8mb4")),
        ("ENUM('new','done')", members("enum('new','done')")),
        ("SET('new','done')", members("set('new','done')")),
        ("JSON", of("json", ColumnType::Json)),
        ("BINARY(16)", of("binary(16)", ColumnType::Binary { bytes: 16 })),
        ("VARBINARY(255)", blob("varbinary(255)", 255)),
        ("TINYBLOB", blob("tinyblob", 255)),
        ("BLOB", blob("blob", 65_535)),
        ("MEDIUMBLOB", blob("mediumblob", 16_777_215)),
        ("LONGBLOB", blob("longblob", u32::MAX)),
        ("GEOMETRY, POINT and their kin", of("point", ColumnType::Geometry)),
        ("VECTOR(4)", of("vector(4)", ColumnType::Vector)),
        ("UUID (MariaDB)", fixed("uuid", 16)),
        ("INET4 (MariaDB)", fixed("inet4", 4)),
        ("INET6 (MariaDB)", fixed("inet6", 16)),
    ]
}

fn keys() -> Vec<(&'static str, Column)> {
    vec![
        ("DECIMAL(10,2)", decimal(10, 2)),
        ("DECIMAL(65,30)", decimal(65, 30)),
        ("VARCHAR(21845), utf8mb3", text("varchar(21845)", 21_845, "utf8mb3")),
        ("BINARY(16)", of("binary(16)", ColumnType::Binary { bytes: 16 })),
        ("FLOAT, DOUBLE", of("double", ColumnType::Double)),
    ]
}

fn row(name: &str, column: &Column, is_key: bool) -> String {
    let cells =
        System::ALL.map(|system| match map(system, column, is_key, &TypeRules::default()) {
            Ok(mapped) => {
                format!("`{}` | {}", mapped.ty.sql(system), mapped.loss.unwrap_or_default())
            }
            Err(_) => "none | the table is refused".to_owned(),
        });
    let row = format!("| {name} | {} |", cells.join(" | "));
    row.replace("|  |", "| |")
}

/// Rows of the table under a heading of the page.
fn rows_under(heading: &str) -> Vec<String> {
    let (_, rest) = PAGE.split_once(heading).expect("the heading");
    let lines = rest.lines().skip_while(|line| !line.starts_with('|'));
    lines.take_while(|line| line.starts_with('|')).skip(2).map(str::to_owned).collect()
}

#[track_caller]
fn check(heading: &str, samples: &[(&str, Column)], is_key: bool) {
    let expected: Vec<_> = samples.iter().map(|(name, column)| row(name, column, is_key)).collect();
    let told = expected.join("\n");
    assert!(rows_under(heading) == expected, "docs/types.md, {heading}: should be\n{told}");
}

#[test]
fn the_page_has_the_type_and_the_loss_of_every_type() {
    check("\n## Numbers and times\n", &numbers_and_times(), false);
    check("\n## Texts and bytes\n", &texts_and_bytes(), false);
}

#[test]
fn the_page_has_what_is_different_in_a_key() {
    check("\n## Keys\n", &keys(), true);
}

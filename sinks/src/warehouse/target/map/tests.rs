use super::*;
use crate::warehouse::target::rules::Names;
use crate::warehouse::target::testing::{column, text};

#[track_caller]
fn sql(system: System, column: &Column, is_key: bool) -> String {
    match map(system, column, is_key, &TypeRules::default()) {
        Ok(mapped) => mapped.ty.sql(system),
        Err(refused) => refused.to_string(),
    }
}

#[track_caller]
fn check(column: &Column, doris: &str, starrocks: &str) {
    assert_eq!(sql(System::Doris, column, false), doris, "{column:?}");
    assert_eq!(sql(System::StarRocks, column, false), starrocks, "{column:?}");
}

#[track_caller]
fn check_key(column: &Column, doris: &str, starrocks: &str) {
    assert_eq!(sql(System::Doris, column, true), doris, "{column:?}");
    assert_eq!(sql(System::StarRocks, column, true), starrocks, "{column:?}");
}

#[test]
fn a_text_gets_the_bytes_that_its_character_set_takes_in_utf8() {
    for (charset, bytes) in [
        ("utf8mb4", 40),
        ("utf16", 40),
        ("gb18030", 40),
        ("big5", 40),
        ("utf8mb3", 30),
        ("ucs2", 30),
        ("gbk", 30),
        ("latin1", 30),
        ("ascii", 10),
        ("one_of_tomorrow", 40),
    ] {
        let expected = format!("VARCHAR({bytes})");
        check(&text("varchar(10)", 10, charset), &expected, &expected);
    }
}

#[test]
fn a_text_longer_than_a_varchar_is_a_string_in_doris() {
    check(&text("varchar(16383)", 16_383, "utf8mb4"), "VARCHAR(65532)", "VARCHAR(65532)");
    check(&text("varchar(16384)", 16_384, "utf8mb4"), "STRING", "VARCHAR(65536)");
}

#[test]
fn a_text_without_room_has_room_for_one_byte() {
    check(&text("char(0)", 0, "utf8mb4"), "VARCHAR(1)", "VARCHAR(1)");
}

#[test]
fn the_text_family_counts_bytes_of_its_own_set() {
    for (declared, chars, charset, starrocks) in [
        ("tinytext", 255, "utf8mb4", "VARCHAR(255)"),
        ("text", 65_535, "utf8mb4", "VARCHAR(65535)"),
        ("text", 65_535, "latin1", "VARCHAR(196605)"),
        ("text", 65_535, "utf16", "VARCHAR(98303)"),
        ("text", 65_535, "sjis", "VARCHAR(196605)"),
        ("text /*M!100301 COMPRESSED*/", 65_535, "utf8mb4", "VARCHAR(65535)"),
        ("longtext", u32::MAX, "utf8mb4", "VARCHAR(1048576)"),
    ] {
        check(&text(declared, chars, charset), "STRING", starrocks);
    }
}

#[test]
fn keys_get_types_that_can_be_keys() {
    let decimal =
        |precision, scale| column("c", ColumnType::Decimal { precision, scale }, "decimal", false);
    check_key(&decimal(10, 2), "DECIMAL(10,2)", "VARCHAR(12)");
    check_key(&decimal(30, 30), "DECIMAL(30,30)", "VARCHAR(33)");
    check_key(&decimal(65, 0), "VARCHAR(67)", "VARCHAR(67)");
    check_key(&text("char(10)", 10, "utf8mb4"), "VARCHAR(40)", "VARCHAR(40)");
    check_key(&text("text", 65_535, "utf8mb4"), "VARCHAR(65533)", "VARCHAR(65535)");
    let binary = column("c", ColumnType::Binary { bytes: 16 }, "binary(16)", false);
    check_key(&binary, "VARCHAR(24)", "VARCHAR(24)");
}

#[test]
fn a_key_that_no_system_takes_is_refused_with_what_to_do() {
    for system in System::ALL {
        for (ty, declared, what) in [
            (ColumnType::Float, "float", "floats"),
            (ColumnType::Double, "double", "floats"),
            (ColumnType::Json, "json", "JSON"),
            (ColumnType::Vector, "vector(4)", "this type"),
        ] {
            assert_eq!(
                sql(system, &column("c", ty, declared, false), true),
                format!(
                    "column `c` {declared} is part of the key, and {system} has no key of {what}; \
                     give the table a key of other columns, or leave it out with `tables.exclude`"
                )
            );
        }
    }
}

#[test]
fn json_and_binary_values_follow_the_rules_of_the_job() {
    let rules = TypeRules { json: JsonAs::Text, binary: BinaryAs::Hex, names: Names::Ascii };
    let of = |system, ty: &ColumnType| {
        let column = column("c", ty.clone(), "declared", true);
        map(system, &column, false, &rules).expect("a type").ty.sql(system)
    };
    assert_eq!(of(System::Doris, &ColumnType::Json), "STRING");
    assert_eq!(of(System::StarRocks, &ColumnType::Json), "VARCHAR(1048576)");
    assert_eq!(of(System::StarRocks, &ColumnType::VarBinary { bytes: 16 }), "VARCHAR(32)");
}

#[test]
fn what_a_capped_length_refuses_is_told() {
    let loss = |system, column: &Column, is_key| {
        map(system, column, is_key, &TypeRules::default()).expect("a type").loss
    };
    let long = text("longtext", u32::MAX, "utf8mb4");
    assert_eq!(loss(System::Doris, &long, false), Some(TOO_LONG_DORIS));
    assert_eq!(loss(System::StarRocks, &long, false), Some(TOO_LONG));
    let wide = text("varchar(20000)", 20_000, "utf8mb4");
    assert_eq!(loss(System::Doris, &wide, true), Some(KEY_TOO_LONG));
    assert_eq!(loss(System::StarRocks, &wide, true), None);
}

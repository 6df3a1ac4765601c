use std::collections::BTreeSet;

use super::testing::{schema, target};
use super::*;

fn shape(table: &TargetTable, system: System) -> Vec<String> {
    let column = |column: &TargetColumn| {
        let (key, null) = (["", " key"], [" NOT NULL", ""]);
        let (key, null) = (key[usize::from(column.is_key)], null[usize::from(column.nullable)]);
        let source = column.source.map_or("-".to_owned(), |at| at.to_string());
        format!("{} {}{null}{key} {source}", column.name, column.ty.sql(system))
    };
    table.columns.iter().map(column).collect()
}

#[test]
fn the_key_comes_first_in_its_order_and_the_rest_as_in_the_source() {
    let mut source = schema(&["note text", "b int!", "x datetime(3)!", "a bigint!"], 0);
    source.key = vec![3, 1];
    let name = TableName::new("dw", "emp");
    let rules = TypeRules::default();
    let table = TargetTable::of(System::Doris, &source, name, &rules).expect("a target");
    assert_eq!(table.model, KeyModel::Unique);
    assert_eq!(
        shape(&table, System::Doris),
        ["a BIGINT NOT NULL key 3", "b INT NOT NULL key 1", "note STRING 0", "x DATETIME(3) 2"]
    );
}

#[test]
fn a_date_may_be_null_for_the_zero_date_but_not_in_a_key() {
    let table = target(System::StarRocks, &["day date!", "seen date!", "n int!"], 1);
    assert_eq!(
        shape(&table, System::StarRocks),
        ["day DATE NOT NULL key 0", "seen DATE 1", "n INT NOT NULL 2"]
    );
}

#[test]
fn a_table_without_a_key_is_sorted_by_the_first_column_that_can_be() {
    let table = target(System::Doris, &["note text", "x double", "n decimal", "day date"], 0);
    assert_eq!(table.model, KeyModel::Duplicate);
    assert_eq!(
        shape(&table, System::Doris),
        ["n DECIMAL(10,2) key 2", "note STRING 0", "x DOUBLE 1", "day DATE 3"]
    );
    let only_text = target(System::Doris, &["x double", "note text"], 0);
    assert_eq!(shape(&only_text, System::Doris), ["note VARCHAR(65533) key 1", "x DOUBLE 0"]);
    let table = target(System::StarRocks, &["n decimal"], 0);
    assert_eq!(shape(&table, System::StarRocks), ["n DECIMAL(10,2) key 0"]);
}

#[test]
fn a_table_that_cannot_be_is_named_with_the_reason() {
    let of = |columns: &[&str], key, name: &str| {
        let name = TableName::new("dw", name);
        let source = schema(columns, key);
        TargetTable::of(System::Doris, &source, name, &TypeRules::default())
            .expect_err("a refusal")
            .to_string()
    };
    let refusals: BTreeSet<_> = [
        of(&["x double!"], 1, "emp"),
        of(&["x double", "y json"], 0, "emp"),
        of(&["id int!", "mv_x int"], 1, "emp"),
        of(&["id int!"], 1, "_emp"),
    ]
    .into();
    assert_eq!(refusals.len(), 4);
    assert!(refusals.iter().all(|text| text.starts_with("table shop.emp: ")), "{refusals:?}");
}

#[test]
fn only_a_unique_table_of_doris_has_a_sequence() {
    for (system, key, expected) in
        [(System::Doris, 1, true), (System::Doris, 0, false), (System::StarRocks, 1, false)]
    {
        let table = target(system, &["id int!"], key).with_sequence(system);
        assert_eq!(table.sequence, expected, "{system} {key}");
    }
}

#[test]
fn the_name_of_the_source_is_a_value_or_the_end_of_the_key() {
    let table = target(System::Doris, &["id int!", "n int"], 1);
    let with = |place| table.clone().with_source_name("origin", place).expect("a free name");
    assert_eq!(
        shape(&with(SourceName::Value), System::Doris),
        ["id INT NOT NULL key 0", "n INT 1", "origin VARCHAR(385) NOT NULL -"]
    );
    assert_eq!(
        shape(&with(SourceName::KeyPart), System::Doris),
        ["id INT NOT NULL key 0", "origin VARCHAR(385) NOT NULL key -", "n INT 1"]
    );
    let taken = table.with_source_name("N", SourceName::Value).expect_err("a refusal");
    assert_eq!(
        taken.to_string(),
        "there is a column `N` already; choose another name for the source's"
    );
}

#[test]
fn shards_merge_into_the_widest_columns_nullable_where_one_lacks_them() {
    let one = target(System::Doris, &["id int!", "n int!", "old int!"], 1);
    let two = target(System::Doris, &["ID bigint!", "n bigint!", "extra varchar(5)!"], 1);
    let union = one.union(&two, &TableName::new("shop", "emp_2")).expect("a union");
    assert_eq!(
        shape(&union, System::Doris),
        ["id BIGINT NOT NULL key 0", "n BIGINT NOT NULL 1", "old INT 2", "extra VARCHAR(20) -"]
    );
}

#[test]
fn shards_that_do_not_fit_are_refused_by_name() {
    let one = target(System::Doris, &["id int!", "n int"], 1);
    let apart = |columns: &[&str], key| {
        let other = target(System::Doris, columns, key);
        let name = TableName::new("shop", "emp_2");
        one.union(&other, &name).expect_err("a refusal").to_string()
    };
    assert_eq!(
        apart(&["id int!", "n date"], 1),
        "shop.emp_2 cannot be merged into dw.emp as the tables before it made it: its column `n` \
         is DATE, theirs is INT; route the two to different tables"
    );
    assert!(apart(&["n int!"], 1).contains("its key is (n), theirs is (id)"));
    assert!(apart(&["id int!"], 0).contains("one has a key, the other has none"));
}

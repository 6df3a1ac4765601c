use super::*;
use crate::warehouse::target::testing::target;

const COLUMNS: [&str; 3] = ["id int!", "name varchar(10)", "qty int!"];

fn there(name: &str, column_type: &str, nullable: bool) -> ExistingColumn {
    ExistingColumn {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        nullable,
        is_key: name == "id",
        default: None,
    }
}

fn same() -> ExistingTable {
    ExistingTable {
        columns: vec![
            there("id", "int(11)", false),
            there("name", "varchar(40)", true),
            there("qty", "int(11)", false),
        ],
        model: Some(KeyModel::Unique),
        has_sequence: false,
    }
}

fn differences(existing: &ExistingTable) -> Vec<(String, String)> {
    let wanted = target(System::Doris, &COLUMNS, 1);
    let weight = |weight: &Weight| match weight {
        Weight::Harmless => "harmless".to_owned(),
        Weight::AddColumn(column) => format!("add {}", column.name),
        Weight::Fatal => "fatal".to_owned(),
    };
    let all = compare(System::Doris, &wanted, existing);
    all.iter().map(|d| (weight(&d.weight), d.message.clone())).collect()
}

#[track_caller]
fn check(change: impl FnOnce(&mut ExistingTable), weight: &str, message: &str) {
    let mut existing = same();
    change(&mut existing);
    assert_eq!(differences(&existing), [(weight.to_owned(), message.to_owned())]);
}

#[test]
fn a_table_as_we_make_it_differs_in_nothing() {
    assert_eq!(differences(&same()), []);
}

#[test]
fn what_loads_every_row_is_harmless() {
    check(
        |t| t.columns[1].column_type = "string".into(),
        "harmless",
        "its column `name` is string, which holds every VARCHAR(40)",
    );
    check(
        |t| t.columns[2].nullable = true,
        "harmless",
        "its column `qty` may be NULL, the source's may not",
    );
    check(
        |t| t.columns.push(there("loaded_at", "datetimev2(0)", true)),
        "harmless",
        "its column `loaded_at` is none of the source's and stays empty",
    );
    check(
        |t| t.columns[1].name = "Name".into(),
        "harmless",
        "its column `Name` is spelled `name` in the source; the table's spelling is used",
    );
}

#[test]
fn a_column_that_is_missing_is_added() {
    check(
        |t| {
            t.columns.remove(2);
        },
        "add qty",
        "it has no column `qty` INT; it is added, and is NULL in the rows that are there",
    );
}

#[test]
fn what_would_refuse_rows_is_fatal_and_says_the_statement_to_run() {
    check(
        |t| t.columns[1].column_type = "varchar(30)".into(),
        "fatal",
        "its column `name` is varchar(30), too narrow for VARCHAR(40), so rows would be refused; \
         run `ALTER TABLE `dw`.`emp` MODIFY COLUMN `name` VARCHAR(40) NULL`",
    );
    check(
        |t| t.columns[1].nullable = false,
        "fatal",
        "its column `name` is NOT NULL, and the source has NULL there; run `ALTER TABLE \
         `dw`.`emp` MODIFY COLUMN `name` VARCHAR(40) NULL`",
    );
    check(
        |t| t.columns.push(there("region", "int(11)", false)),
        "fatal",
        "its column `region` is NOT NULL without a default, and the source has no such column; \
         run `ALTER TABLE `dw`.`emp` DROP COLUMN `region``, or give it a default",
    );
    check(
        |t| t.columns[2].column_type = "datev2".into(),
        "fatal",
        "its column `qty` is datev2, not INT; drop the column, and it is added anew, or drop the \
         table",
    );
    check(
        |t| t.columns[2].column_type = "bitmap".into(),
        "fatal",
        "its column `qty` is bitmap, which nothing can be loaded into; make it INT",
    );
}

#[test]
fn another_key_or_model_is_fatal() {
    check(
        |t| t.model = Some(KeyModel::Duplicate),
        "fatal",
        "it keeps every version of a row (DUPLICATE KEY) though the source has a key; drop it, \
         and it is made anew",
    );
    check(
        |t| t.model = None,
        "fatal",
        "it neither keeps rows nor replaces them by their key (an aggregate table?); drop it, and \
         it is made anew",
    );
    check(
        |t| t.columns[2].is_key = true,
        "fatal",
        "its key is (id, qty), the source's is (id); drop it, and it is made anew",
    );
}

#[test]
fn a_table_that_replaces_rows_cannot_take_those_of_a_source_without_a_key() {
    let wanted = target(System::Doris, &COLUMNS, 0);
    let existing = same();
    let all = compare(System::Doris, &wanted, &existing);
    assert!(all.iter().any(|d| d.weight == Weight::Fatal && d.message.contains("lost")), "{all:?}");
}

#[test]
fn a_sequence_that_is_there_must_be_loaded_and_one_that_is_not_is_done_without() {
    check(
        |t| t.has_sequence = true,
        "fatal",
        "it has a sequence column, so every load must say the sequence of its rows; drop it, and \
         it is made anew",
    );
    let wanted = target(System::Doris, &COLUMNS, 1).with_sequence(System::Doris);
    let all = compare(System::Doris, &wanted, &same());
    assert!(matches!(&all[..], [Difference { weight: Weight::Harmless, .. }]), "{all:?}");
}

#[test]
fn a_key_in_another_order_is_harmless() {
    let wanted = target(System::Doris, &["id int!", "qty int!"], 2);
    let mut existing = same();
    existing.columns.remove(1);
    existing.columns[1].is_key = true;
    existing.columns.reverse();
    let all = compare(System::Doris, &wanted, &existing);
    assert!(matches!(&all[..], [Difference { weight: Weight::Harmless, .. }]), "{all:?}");
}

#[test]
fn a_key_that_is_too_narrow_is_made_anew_for_no_system_can_change_it() {
    check(
        |t| t.columns[0].column_type = "smallint(6)".into(),
        "fatal",
        "its column `id` is smallint(6), too narrow for INT, so rows would be refused; drop it, \
         and it is made anew",
    );
}

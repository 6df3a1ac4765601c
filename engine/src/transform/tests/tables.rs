//! What rules make of a table.

use super::*;

/// The columns behind the rules, the key marked by a star; or what is wrong.
fn shown(specs: &[TransformSpec], needs_key: bool) -> String {
    let (table, _) = everything();
    match rules(specs).and_then(|rules| rules.plan(&table, needs_key)) {
        Err(wrong) => wrong,
        Ok(None) => "as it is".to_owned(),
        Ok(Some(plan)) => {
            let columns = plan.schema.columns.iter().enumerate().map(|(at, column)| {
                let star = if plan.schema.key.contains(&at) { "*" } else { "" };
                format!("{star}{} {}", column.name, column.declared)
            });
            columns.collect::<Vec<_>>().join(", ")
        }
    }
}

#[track_caller]
fn check(projection: &str, filter: &str, keys: &str, expected: &str) {
    assert_eq!(shown(&[rule(projection, filter, keys)], true), expected, "{projection}");
}

const ALL: &str = "*id int, name varchar(20), price decimal(10,2), qty int, big bigint unsigned, small \
                   tinyint(1), d date, dt datetime(3), ts timestamp, tm time, x double, b varbinary(4), \
                   zero date";

#[test]
fn a_projection_names_orders_and_computes_columns() {
    check("name AS n, ID", "", "", "n varchar(20), *id int");
    check("id, price * qty AS total, b", "", "", "*id int, total decimal(20,2), b varbinary(4)");
    check(
        "id, __table_name__, id > 1 AS `is it`",
        "",
        "",
        "*id int, __table_name__ varchar(64), is it tinyint(1)",
    );
    check("id, name", "", "name, id", "*id int, *name varchar(20)");
    check("*", "", "", "as it is");
    check("", "id > 1", "", ALL);
    let renamed = ALL.replace("name varchar(20)", "name varchar(60)");
    check(r"\*, UPPER(name) AS name", "", "", &renamed);
    let first = format!("*id bigint, {}", ALL.split_once(", ").unwrap().1);
    check("id + 1 AS id, *", "", "", &first);
}

#[test]
fn a_projection_that_loses_the_key_needs_another() {
    let refused = "job.yaml:9:11: the projection of table shop.items leaves out its key (id), and the sink \
                   tells rows by it: keep it, or name another with `primary-keys`";
    check("name", "", "", refused);
    assert_eq!(shown(&[rule("name", "", "")], false), "name varchar(20)");
    check("name", "", "name", "*name varchar(20)");
}

#[test]
fn what_does_not_fit_is_told_with_its_place_and_table() {
    let unknown = shown(&[rule("id, nam", "", "")], true);
    let start =
        "job.yaml:9:15: table shop.items: there is no column `nam`; there are `id`, `name`, ";
    assert!(unknown.starts_with(start), "{unknown}");
    check(
        "id, id + 1",
        "",
        "",
        "job.yaml:9:18: table shop.items: a computed column needs a name: write `… AS name`",
    );
    check("id, name AS ID", "", "", "job.yaml:9:15: table shop.items: `ID` is given twice");
    check(
        "id, NULL AS n",
        "",
        "",
        "job.yaml:9:15: table shop.items: `n` would be NULL: write a CAST",
    );
    check(
        "id",
        "name",
        "",
        "job.yaml:9:11: table shop.items: a condition is wanted, and this is VARCHAR(20)",
    );
    check(
        "id",
        "",
        "id, nme",
        "job.yaml:9:15: table shop.items: the projection has no column `nme`; there are `id`",
    );
    check("id,", "", "", "job.yaml:9:14: expected an expression, found the end");
}

#[test]
fn a_filter_may_name_computed_columns_first() {
    check("id, UPPER(name) AS name", "name = 'X'", "", "*id int, name varchar(60)");
    check("id, id + 1 AS name", "name > 5 AND price > 1", "", "*id int, name bigint");
}

#[test]
fn rules_of_one_table_give_the_same_columns() {
    let specs = [rule("id, name", "id > 5", ""), rule("id, SUBSTR(name, 1) AS name", "", "")];
    assert_eq!(shown(&specs, true), "*id int, name varchar(20)");
    let specs = [rule("id, name", "id > 5", ""), rule("id, qty AS name", "", "")];
    assert_eq!(
        shown(&specs, true),
        "job.yaml:9:11: table shop.items is of the rule at job.yaml:9:11 too, and has `name varchar(20)` by \
         that one where it has `name int` by this: all rules of a table give the same columns"
    );
    let specs = [rule("id", "", ""), rule("id, nonsense", "", "")];
    assert_eq!(shown(&specs, true), "*id int");
}

//! Which names the systems take.

use model::TableName;

use super::map::Unmappable;
use super::rules::Names;
use crate::warehouse::system::System;

const BY_ROUTE: &str = "give the table another name with a route";
const IN_SOURCE: &str = "rename the column in the source, or leave the table out";

/// # Errors
/// The database or the table that cannot be created by this name.
pub(super) fn table(system: System, name: &TableName, names: Names) -> Result<(), Unmappable> {
    let refuse = |what, name: &str, rule| {
        Err(Unmappable::Name { system, what, name: name.to_owned(), rule, hint: BY_ROUTE })
    };
    if let Some(rule) = table_rule(system, &name.db, names) {
        return refuse("database", &name.db, rule);
    }
    match table_rule(system, &name.table, names) {
        Some(rule) => refuse("table", &name.table, rule),
        None => Ok(()),
    }
}

/// The rule that a name breaks.
fn table_rule(system: System, name: &str, names: Names) -> Option<&'static str> {
    let letter =
        |c: char| c.is_ascii_alphabetic() || (names == Names::Unicode && c.is_alphabetic());
    let length = name.chars().count();
    match system {
        System::Doris if length > 64 => Some("it has more than 64 characters"),
        System::Doris if !name.starts_with(letter) => Some("it does not begin with a letter"),
        System::Doris => {
            let allowed = |c: char| letter(c) || c.is_ascii_digit() || matches!(c, '-' | '_');
            (!name.chars().all(allowed)).then_some(
                "it has other signs than letters (of ASCII, unless the server has \
                 `enable_unicode_name_support`), digits, `-` and `_`",
            )
        }
        System::StarRocks if name.is_empty() => Some("it is empty"),
        System::StarRocks if length > 256 => Some("it has more than 256 characters"),
        System::StarRocks => name.contains('\0').then_some("it holds a zero byte"),
    }
}

/// # Errors
/// A column that cannot be created by this name, or would be taken for one of the system's own.
pub(super) fn column(system: System, name: &str, names: Names) -> Result<(), Unmappable> {
    let lower = name.to_ascii_lowercase();
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    let length = name.chars().count();
    let rule = match system {
        _ if !(1..=256).contains(&length) => Some("it does not have 1 to 256 characters"),
        System::Doris if begins(&["mv_", "mva_", "__doris_"]) => {
            Some("`mv_`, `mva_` and `__doris_` begin names of the system's own")
        }
        System::Doris => {
            let first = |c: char| {
                c.is_ascii_alphanumeric()
                    || matches!(c, '_' | '@')
                    || (names == Names::Unicode && c.is_alphabetic())
            };
            let ascii = names == Names::Unicode || name.is_ascii();
            (!name.starts_with(first) || !ascii).then_some(
                "it does not begin with a letter, a digit, `_` or `@`, or is not ASCII (which it \
                 need not be where the server has `enable_unicode_name_support`)",
            )
        }
        System::StarRocks if matches!(&*lower, "__op" | "__row") => {
            Some("it is a name of the system's own")
        }
        System::StarRocks => name.contains('\0').then_some("it holds a zero byte"),
    };
    match rule {
        None => Ok(()),
        Some(rule) => {
            let name = name.to_owned();
            Err(Unmappable::Name { system, what: "column", name, rule, hint: IN_SOURCE })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes_table(system: System, db: &str, name: &str, names: Names) -> bool {
        table(system, &TableName::new(db, name), names).is_ok()
    }

    #[test]
    fn tables_of_doris_begin_with_a_letter_and_have_plain_signs() {
        let long = "x".repeat(64);
        for name in ["orders", "Orders_2-b", &long] {
            assert!(takes_table(System::Doris, "shop", name, Names::Ascii), "{name}");
        }
        let longer = "x".repeat(65);
        for name in ["_orders", "2024_orders", "a.b", "a b", "größe", "", &longer] {
            assert!(!takes_table(System::Doris, "shop", name, Names::Ascii), "{name}");
            assert!(!takes_table(System::Doris, name, "orders", Names::Ascii), "{name}");
        }
        assert!(takes_table(System::Doris, "shop", "größe", Names::Unicode));
    }

    #[test]
    fn tables_of_starrocks_may_have_any_name_that_mysql_has() {
        for name in ["_orders", "2024_orders", "a.b", "größe"] {
            assert!(takes_table(System::StarRocks, "shop", name, Names::Ascii), "{name}");
        }
        assert!(!takes_table(System::StarRocks, "shop", "", Names::Ascii));
    }

    #[test]
    fn columns_are_not_taken_for_the_systems_own() {
        let takes = |system, name| column(system, name, Names::Ascii).is_ok();
        for name in ["id", "_id", "2nd", "@x", "a b"] {
            assert!(takes(System::Doris, name), "{name}");
        }
        for name in ["mv_x", "MVA_x", "__DORIS_DELETE_SIGN__", "größe", "$x"] {
            assert!(!takes(System::Doris, name), "{name}");
        }
        assert!(takes(System::StarRocks, "größe") && takes(System::StarRocks, "mv_x"));
        assert!(!takes(System::StarRocks, "__op"));
    }

    #[test]
    fn a_refused_name_comes_with_the_rule_and_a_way_out() {
        let name = TableName::new("shop", "_orders");
        assert_eq!(
            table(System::Doris, &name, Names::Ascii).expect_err("a refusal").to_string(),
            "table name `_orders` is not allowed in Doris: it does not begin with a letter; give \
             the table another name with a route"
        );
    }
}

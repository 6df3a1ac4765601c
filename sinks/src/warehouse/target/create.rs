//! The statements that make, empty and remove tables.
//!
//! The source's comments and defaults are not carried over: a row always comes whole, so no default
//! is ever asked for, and many of MySQL's mean nothing here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::TableName;
use model::table::quote;

use super::{KeyModel, TargetColumn, TargetTable};
use crate::config::ConfigError;
use crate::warehouse::system::System;

pub(crate) const NUM_BUCKETS: &str = "table.create.num-buckets";
/// What stands behind it is a property of the table, as the system spells it.
pub(crate) const PROPERTY_PREFIX: &str = "table.create.properties.";

const SEQUENCE_TYPE: &str = "function_column.sequence_type";
const SEQUENCE_COLUMN: &str = "function_column.sequence_col";

/// What a job chooses of new tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CreateOptions {
    /// `None`: the system chooses.
    pub buckets: Option<u32>,
    /// They win over ours.
    pub properties: BTreeMap<String, String>,
}

impl CreateOptions {
    /// From the options of a sink, of which only those of new tables are looked at.
    ///
    /// # Errors
    /// A number of buckets that is none.
    pub(crate) fn parse(
        sink: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let bad = |value: &str| ConfigError::BadValue {
            sink: sink.to_owned(),
            option: NUM_BUCKETS.to_owned(),
            value: value.to_owned(),
            expected: "auto, or a number of at least 1".to_owned(),
        };
        let buckets = match options.get(NUM_BUCKETS).map(|value| value.trim()) {
            None | Some("auto") => None,
            Some(value) => Some(value.parse().ok().filter(|n| *n > 0).ok_or_else(|| bad(value))?),
        };
        let property = |(name, value): (&String, &String)| {
            Some((name.strip_prefix(PROPERTY_PREFIX)?.to_owned(), value.clone()))
        };
        Ok(Self { buckets, properties: options.iter().filter_map(property).collect() })
    }
}

pub(crate) fn database(name: &str) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}", quote(name))
}

pub(crate) fn table(system: System, table: &TargetTable, options: &CreateOptions) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("  {} {}", quote(&column.name), definition(system, column)))
        .collect();
    let key = table.key().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ");
    let model = match (table.model, system) {
        (KeyModel::Unique, System::Doris) => "UNIQUE",
        (KeyModel::Unique, System::StarRocks) => "PRIMARY",
        (KeyModel::Duplicate, _) => "DUPLICATE",
    };
    let buckets = match (options.buckets, system) {
        (Some(buckets), _) => format!(" BUCKETS {buckets}"),
        (None, System::Doris) => " BUCKETS AUTO".to_owned(),
        // There it is said by saying nothing.
        (None, System::StarRocks) => String::new(),
    };
    let mut sql = format!(
        "CREATE TABLE IF NOT EXISTS {} (\n{}\n)\n{model} KEY ({key})\nDISTRIBUTED BY HASH \
         ({key}){buckets}",
        table.name.quoted(),
        columns.join(",\n"),
    );
    let properties: Vec<String> = properties(system, table, options)
        .iter()
        .map(|(name, value)| format!("  {} = {}", text(name), text(value)))
        .collect();
    if !properties.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(sql, "\nPROPERTIES (\n{}\n)", properties.join(",\n"));
    }
    sql
}

/// Type and nullability, as CREATE and ALTER have them after the name.
pub(super) fn definition(system: System, column: &TargetColumn) -> String {
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    format!("{} {null}", column.ty.sql(system))
}

pub(crate) fn truncate(name: &TableName) -> String {
    format!("TRUNCATE TABLE {}", name.quoted())
}

/// Without FORCE: the table stays in the recycle bin for as long as the system keeps it there.
pub(crate) fn drop(name: &TableName) -> String {
    format!("DROP TABLE IF EXISTS {}", name.quoted())
}

fn properties<'a>(
    system: System,
    table: &TargetTable,
    options: &'a CreateOptions,
) -> BTreeMap<&'a str, &'a str> {
    let given = &options.properties;
    let mut all = BTreeMap::new();
    match system {
        System::Doris => {
            all.insert("light_schema_change", "true");
            if table.model == KeyModel::Unique {
                all.insert("enable_unique_key_merge_on_write", "true");
            }
            if table.sequence && !given.contains_key(SEQUENCE_COLUMN) {
                all.insert(SEQUENCE_TYPE, "largeint");
            }
        }
        System::StarRocks if table.model == KeyModel::Unique => {
            all.insert("enable_persistent_index", "true");
        }
        System::StarRocks => {}
    }
    all.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all
}

/// In double quotes.
pub(super) fn text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::target::testing::target;

    fn options(given: &[(&str, &str)]) -> CreateOptions {
        let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        CreateOptions::parse("sink[0]", &given).expect("options")
    }

    fn sql(system: System, key: usize, given: &[(&str, &str)]) -> String {
        let emp = target(system, &["id int!", "name varchar(50)"], key).with_sequence(system);
        table(system, &emp, &options(given))
    }

    #[test]
    fn a_table_with_a_key_replaces_rows_by_it() {
        assert_eq!(
            sql(System::Doris, 1, &[]),
            "CREATE TABLE IF NOT EXISTS `dw`.`emp` (\n  `id` INT NOT NULL,\n  `name` VARCHAR(200) \
             NULL\n)\nUNIQUE KEY (`id`)\nDISTRIBUTED BY HASH (`id`) BUCKETS AUTO\nPROPERTIES (\n  \
             \"enable_unique_key_merge_on_write\" = \"true\",\n  \"function_column.sequence_type\" \
             = \"largeint\",\n  \"light_schema_change\" = \"true\"\n)"
        );
        assert_eq!(
            sql(System::StarRocks, 1, &[]),
            "CREATE TABLE IF NOT EXISTS `dw`.`emp` (\n  `id` INT NOT NULL,\n  `name` VARCHAR(200) \
             NULL\n)\nPRIMARY KEY (`id`)\nDISTRIBUTED BY HASH (`id`)\nPROPERTIES (\n  \
             \"enable_persistent_index\" = \"true\"\n)"
        );
    }

    #[test]
    fn a_table_without_a_key_keeps_every_row() {
        let doris = sql(System::Doris, 0, &[]);
        assert!(doris.contains("\nDUPLICATE KEY (`id`)\n"), "{doris}");
        assert!(!doris.contains("merge_on_write") && !doris.contains("sequence"), "{doris}");
        assert!(sql(System::StarRocks, 0, &[]).ends_with("DISTRIBUTED BY HASH (`id`)"));
    }

    #[test]
    fn what_the_job_says_of_new_tables_wins() {
        let given = [
            ("table.create.num-buckets", "4"),
            ("table.create.properties.replication_num", "1"),
            ("table.create.properties.light_schema_change", "false"),
            ("table.create.properties.function_column.sequence_col", "name"),
            ("table.create.properties.x", "a\"b\\c"),
            ("format", "csv"),
        ];
        let sql = sql(System::Doris, 1, &given);
        assert!(sql.ends_with(
            " BUCKETS 4\nPROPERTIES (\n  \"enable_unique_key_merge_on_write\" = \"true\",\n  \
             \"function_column.sequence_col\" = \"name\",\n  \"light_schema_change\" = \"false\",\n  \
             \"replication_num\" = \"1\",\n  \"x\" = \"a\\\"b\\\\c\"\n)"
        ), "{sql}");
    }

    #[test]
    fn a_number_of_buckets_is_auto_or_at_least_one() {
        for bad in ["0", "-1", "many", ""] {
            let given = [(NUM_BUCKETS.to_owned(), bad.to_owned())].into();
            let refused = CreateOptions::parse("sink[0]", &given).expect_err("a refusal");
            assert_eq!(
                refused.to_string(),
                format!(
                    "sink[0]: option `table.create.num-buckets` is `{bad}`, expected auto, or a \
                     number of at least 1"
                )
            );
        }
        assert_eq!(options(&[(NUM_BUCKETS, "auto")]).buckets, None);
    }

    #[test]
    fn names_are_quoted_everywhere() {
        let name = TableName::new("d`w", "emp");
        assert_eq!(database("d`w"), "CREATE DATABASE IF NOT EXISTS `d``w`");
        assert_eq!(truncate(&name), "TRUNCATE TABLE `d``w`.`emp`");
        assert_eq!(drop(&name), "DROP TABLE IF EXISTS `d``w`.`emp`");
    }
}

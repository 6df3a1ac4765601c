//! What a table is at present.
//!
//! Columns come from `information_schema`. Of the key it says little that holds in every version, so
//! key and model are read from `SHOW CREATE TABLE`.

use model::TableName;

use super::super::error::ClientError;
use super::super::wire::Wire;
use super::text;
use crate::warehouse::system::System;
use crate::warehouse::target::KeyModel;
use crate::warehouse::target::compare::{ExistingColumn, ExistingTable};

const SEQUENCE: [&str; 2] = ["function_column.sequence_col", "function_column.sequence_type"];

impl Wire {
    /// `None`: there is no such table.
    pub(in super::super) async fn table(
        &self,
        name: &TableName,
    ) -> Result<Option<ExistingTable>, ClientError> {
        let mut columns = self.columns(name).await?;
        if columns.is_empty() {
            return Ok(None);
        }
        let doing = format!("the definition of {}", name.quoted());
        let shown = self.rows(&doing, &format!("SHOW CREATE TABLE {}", name.quoted())).await?;
        let statement = shown.records().next().and_then(|row| row.at(1)).unwrap_or_default();
        let (model, key) = key(self.system, statement);
        for column in &mut columns {
            column.is_key = key.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        }
        let has_sequence = SEQUENCE.iter().any(|name| statement.contains(&format!("\"{name}\"")));
        Ok(Some(ExistingTable { columns, model, has_sequence }))
    }

    /// Without their key; none where there is no such table.
    pub(super) async fn columns(
        &self,
        name: &TableName,
    ) -> Result<Vec<ExistingColumn>, ClientError> {
        let doing = format!("the columns of {}", name.quoted());
        let statement = format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT FROM \
             information_schema.columns WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} ORDER BY \
             ORDINAL_POSITION",
            text(&name.db),
            text(&name.table)
        );
        let found = self.rows(&doing, &statement).await?;
        let columns = found.records().filter_map(|row| {
            Some(ExistingColumn {
                name: row.at(0)?.to_owned(),
                column_type: row.at(1)?.to_owned(),
                nullable: row.at(2).is_some_and(|said| said.eq_ignore_ascii_case("yes")),
                is_key: false,
                default: row.at(3).map(str::to_owned),
            })
        });
        Ok(columns.collect())
    }
}

/// Model and key of a `CREATE TABLE`, as both systems print it: on a line of its own.
fn key(system: System, statement: &str) -> (Option<KeyModel>, Vec<String>) {
    let kinds = [
        ("DUPLICATE KEY", Some(KeyModel::Duplicate)),
        ("UNIQUE KEY", (system == System::Doris).then_some(KeyModel::Unique)),
        ("PRIMARY KEY", (system == System::StarRocks).then_some(KeyModel::Unique)),
        ("AGGREGATE KEY", None),
    ];
    for line in statement.lines().rev() {
        let found = kinds.iter().find_map(|(words, model)| {
            Some((*model, line.trim_start().strip_prefix(words)?.trim_start().strip_prefix('(')?))
        });
        if let Some((model, list)) = found {
            return (model, names(list));
        }
    }
    (None, Vec::new())
}

/// Up to the bracket that closes the list.
fn names(list: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    for c in list.chars() {
        match c {
            '`' => quoted = !quoted,
            ',' | ')' if !quoted => {
                names.push(std::mem::take(&mut name));
                if c == ')' {
                    break;
                }
            }
            c if c.is_whitespace() && !quoted => {}
            c => name.push(c),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_and_key_are_read_from_what_each_system_prints() {
        let print = |key: &str| {
            format!(
                "CREATE TABLE `t` (\n  `id` bigint(20) NOT NULL COMMENT \"UNIQUE KEY(`no`)\"\n) \
                 ENGINE=OLAP\n{key}\nDISTRIBUTED BY HASH(`id`)"
            )
        };
        let check = |system, line: &str| key(system, &print(line));
        let unique = Some(KeyModel::Unique);
        let named = vec!["id".to_owned(), "a, (b)".to_owned()];
        assert_eq!(check(System::Doris, "UNIQUE KEY(`id`, `a, (b)`)"), (unique, named.clone()));
        assert_eq!(check(System::StarRocks, "PRIMARY KEY (`id`,`a, (b)`) "), (unique, named));
        let id = vec!["id".to_owned()];
        assert_eq!(check(System::StarRocks, "UNIQUE KEY(`id`)"), (None, id.clone()));
        assert_eq!(check(System::Doris, "AGGREGATE KEY(`id`)"), (None, id.clone()));
        let duplicate = Some(KeyModel::Duplicate);
        assert_eq!(check(System::Doris, "DUPLICATE KEY(`id`)"), (duplicate, id));
        assert_eq!(check(System::Doris, ""), (None, Vec::new()));
    }
}

//! Definitions as the servers write them.

use std::fmt::Write as _;

use crate::System;
use crate::table::{CURRENT_TIMESTAMP, Column, KeyModel, Table, Type};

/// A type as `DESC` and `SHOW CREATE TABLE` write it.
#[must_use]
pub fn type_name(system: System, ty: Type) -> String {
    match (system, ty) {
        (System::StarRocks, Type::DateTime(_)) => "datetime".to_owned(),
        (System::StarRocks, Type::String) => "varchar(65533)".to_owned(),
        (System::Doris, Type::String) => "text".to_owned(),
        (System::Doris, _) => ty.to_string().to_ascii_lowercase(),
        (System::StarRocks, _) => ty.to_string().to_ascii_lowercase().replace(',', ", "),
    }
}

/// What `SHOW CREATE TABLE` says.
#[must_use]
pub fn create_table(system: System, table: &Table, backends: usize) -> String {
    let mut sql = format!("CREATE TABLE `{}` (\n", table.name);
    let columns: Vec<String> =
        table.columns.iter().map(|column| printed_column(system, table, column)).collect();
    sql.push_str(&columns.join(",\n"));
    let keys: Vec<&str> = table.columns.iter().filter(|c| c.is_key).map(|c| &*c.name).collect();
    let kind = match (table.model, system) {
        (KeyModel::Duplicate, _) => "DUPLICATE KEY",
        (KeyModel::Unique, System::Doris) => "UNIQUE KEY",
        (KeyModel::Unique, System::StarRocks) => "PRIMARY KEY",
    };
    let details = &table.details;
    // `write!` to a text does not fail.
    let _ = write!(sql, "\n) ENGINE=OLAP\n{kind}({})\n", listed(&keys));
    if !details.comment.is_empty() {
        let _ = writeln!(sql, "COMMENT '{}'", details.comment.replace('\'', "\\'"));
    }
    let distribution: Vec<&str> = details.distribution.iter().map(String::as_str).collect();
    if distribution.is_empty() {
        sql.push_str("DISTRIBUTED BY RANDOM");
    } else {
        let _ = write!(sql, "DISTRIBUTED BY HASH({})", listed(&distribution));
    }
    match (details.buckets, system) {
        (Some(buckets), _) => {
            let _ = writeln!(sql, " BUCKETS {buckets}");
        }
        (None, System::Doris) => sql.push_str(" BUCKETS AUTO\n"),
        (None, System::StarRocks) => sql.push('\n'),
    }
    let mut properties = details.properties.clone();
    if (table.model, system) == (KeyModel::Unique, System::Doris) {
        let merge_on_write = properties.entry("enable_unique_key_merge_on_write".to_owned());
        merge_on_write.or_insert_with(|| "true".to_owned());
    }
    let placed = properties.remove("replication_allocation");
    let placed = placed.map(|text| text.rsplit(':').next().unwrap_or_default().trim().to_owned());
    let replicas = properties.remove("replication_num").or(placed);
    let replicas = replicas.unwrap_or_else(|| backends.min(3).to_string());
    let first = match system {
        System::Doris => {
            format!("\"replication_allocation\" = \"tag.location.default: {replicas}\"")
        }
        System::StarRocks => format!("\"replication_num\" = \"{replicas}\""),
    };
    let rest = properties.iter().map(|(name, value)| format!("\"{name}\" = \"{value}\""));
    let properties: Vec<String> = std::iter::once(first).chain(rest).collect();
    let _ = write!(sql, "PROPERTIES (\n{}\n);", properties.join(",\n"));
    sql
}

fn printed_column(system: System, table: &Table, column: &Column) -> String {
    let mut line = format!("  `{}` {}", column.name, type_name(system, column.ty));
    line.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
    match column.default.as_deref() {
        None => {}
        Some(CURRENT_TIMESTAMP) => line.push_str(" DEFAULT CURRENT_TIMESTAMP"),
        Some(text) => {
            let _ = write!(line, " DEFAULT \"{}\"", text.replace('"', "\\\""));
        }
    }
    let comment = table.details.comments.get(&column.name).filter(|comment| !comment.is_empty());
    match (comment, system) {
        (Some(comment), System::Doris) => {
            let _ = write!(line, " COMMENT \"{}\"", comment.replace('"', "\\\""));
        }
        (comment, System::StarRocks) => {
            let comment = comment.map_or("", String::as_str).replace('"', "\\\"");
            let _ = write!(line, " COMMENT \"{comment}\"");
        }
        (None, System::Doris) => {}
    }
    line
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

//! What `SHOW` and `DESC` answer.

use std::collections::BTreeMap;

use crate::System;
use crate::cluster::State;
use crate::ddl::{Named, Show, SqlError, printed};
use crate::table::{Column, Table};

use super::answer::Rows;
use super::execute::{alive, existing};
use super::listed;

pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

pub(super) fn answer(
    state: &State,
    database: Option<&str>,
    variables: &BTreeMap<String, String>,
    show: &Show,
) -> Result<Rows, SqlError> {
    match show {
        Show::Databases(like) => Ok(databases(state, like.as_deref())),
        Show::Tables { database: named, like, full } => {
            tables(state, named.as_deref().or(database), like.as_deref(), *full)
        }
        Show::CreateTable(table) => create_table(state, database, table),
        Show::CreateDatabase(name) => {
            known(state, Some(name))?;
            let mut rows = Rows::new(&["Database", "Create Database"]);
            rows.push([name, &format!("CREATE DATABASE `{name}`")]);
            Ok(rows)
        }
        Show::Columns { table, like, full } => {
            columns(state, database, table, like.as_deref(), *full)
        }
        Show::Backends => Ok(listed::backends(state)),
        Show::Frontends => Ok(listed::frontends(state)),
        Show::Jobs { database: named, table, newest_first, limit } => {
            let database = known(state, named.as_deref().or(database))?;
            Ok(listed::jobs(state, database, table.as_deref(), *newest_first, *limit))
        }
        Show::Transaction { database: named, which } => {
            let database = known(state, named.as_deref().or(database))?;
            listed::transactions(state, database, which)
        }
        Show::Proc(path) => listed::proc(state, path),
        Show::Variables(like) => {
            let mut rows = Rows::new(&["Variable_name", "Value"]);
            for (name, value) in variables {
                if like.as_ref().is_none_or(|pattern| is_like(name, pattern)) {
                    rows.push([name, value]);
                }
            }
            Ok(rows)
        }
        Show::Warnings => Ok(Rows::new(&["Level", "Code", "Message"])),
        Show::Empty(columns) => Ok(Rows::new(columns)),
    }
}

/// A database that is there.
fn known<'a>(state: &State, name: Option<&'a str>) -> Result<&'a str, SqlError> {
    let name = name.ok_or_else(|| SqlError::no_database(state.system))?;
    if state.database(name).is_none() && !name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        return Err(SqlError::unknown_database(state.system, name));
    }
    Ok(name)
}

fn databases(state: &State, like: Option<&str>) -> Rows {
    let mut rows = Rows::new(&["Database"]);
    let own = state.databases().map(|(name, _)| name);
    let mut names: Vec<&str> = own.chain([INFORMATION_SCHEMA]).collect();
    names.sort_unstable();
    for name in names {
        if like.is_none_or(|pattern| is_like(name, pattern)) {
            rows.push([name]);
        }
    }
    rows
}

fn tables(
    state: &State,
    database: Option<&str>,
    like: Option<&str>,
    full: bool,
) -> Result<Rows, SqlError> {
    let database = known(state, database)?;
    let header = format!("Tables_in_{database}");
    let names = [&*header, "Table_type"];
    let mut rows = Rows::new(if full { &names } else { &names[..1] });
    for table in state.catalog().of(database) {
        if like.is_none_or(|pattern| is_like(&table.name, pattern)) {
            if full {
                rows.push([&table.name, "BASE TABLE"]);
            } else {
                rows.push([&*table.name]);
            }
        }
    }
    Ok(rows)
}

fn found<'a>(
    state: &'a State,
    database: Option<&str>,
    table: &Named,
) -> Result<&'a Table, SqlError> {
    let name = existing(state, database, table)?;
    state.table(&name).ok_or_else(|| SqlError::unknown_table(state.system, &name.table))
}

fn create_table(state: &State, database: Option<&str>, table: &Named) -> Result<Rows, SqlError> {
    let table = found(state, database, table)?;
    let mut rows = Rows::new(&["Table", "Create Table"]);
    rows.push([&table.name, &printed::create_table(state.system, table, alive(state))]);
    Ok(rows)
}

fn columns(
    state: &State,
    database: Option<&str>,
    table: &Named,
    like: Option<&str>,
    full: bool,
) -> Result<Rows, SqlError> {
    let table = found(state, database, table)?;
    let mut rows = Rows::new(if full {
        &["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"]
            [..]
    } else {
        &["Field", "Type", "Null", "Key", "Default", "Extra"]
    });
    for column in &table.columns {
        if like.is_some_and(|pattern| !is_like(&column.name, pattern)) {
            continue;
        }
        let ty = Some(printed::type_name(state.system, column.ty));
        let (name, null) = (Some(column.name.clone()), Some(yes(column.nullable).to_owned()));
        let key = Some(if column.is_key { yes(true).to_owned() } else { String::new() });
        let (default, extra) = (column.default.clone(), Some(String::new()));
        if full {
            let comment = table.details.comments.get(&column.name).cloned().unwrap_or_default();
            let privileges = Some(String::new());
            rows.push_cells([name, ty, None, null, key, default, extra, privileges, Some(comment)]);
        } else {
            rows.push_cells([name, ty, null, key, default, extra]);
        }
    }
    Ok(rows)
}

pub(super) fn describe(
    state: &State,
    database: Option<&str>,
    table: &Named,
) -> Result<Rows, SqlError> {
    let table = found(state, database, table)?;
    let mut rows = Rows::new(&["Field", "Type", "Null", "Key", "Default", "Extra"]);
    for column in &table.columns {
        rows.push_cells([
            Some(column.name.clone()),
            Some(printed::type_name(state.system, column.ty)),
            Some(null_of(state.system, column).to_owned()),
            Some(column.is_key.to_string()),
            column.default.clone(),
            Some(String::new()),
        ]);
    }
    Ok(rows)
}

fn null_of(system: System, column: &Column) -> &'static str {
    match (system, column.nullable) {
        (System::StarRocks, nullable) => yes(nullable),
        (System::Doris, true) => "Yes",
        (System::Doris, false) => "No",
    }
}

pub(super) fn yes(is: bool) -> &'static str {
    if is { "YES" } else { "NO" }
}

/// `%` is any text, `_` any character, `\` takes their meaning away. Case is heeded.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = rest.as_str();
            text.char_indices()
                .any(|(at, _)| text.get(at..).is_some_and(|tail| is_like(tail, rest)))
                || is_like("", rest)
        }
        Some(c) => {
            let literal = if c == '\\' { rest.next() } else { (c != '_').then_some(c) };
            let mut left = text.chars();
            match left.next() {
                Some(found) if literal.is_none_or(|literal| literal == found) => {
                    is_like(left.as_str(), rest.as_str())
                }
                Some(_) | None => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_pattern_is_like_what_it_stands_for() {
        for (text, pattern, like) in [
            ("sync_orders", "sync%", true),
            ("sync_orders", "sync\\_%", true),
            ("sync-orders", "sync\\_%", false),
            ("sync-orders", "sync_%", true),
            ("x", "%", true),
            ("", "%", true),
            ("größe", "gr__e", true),
            ("abc", "ab", false),
            ("abc", "%c", true),
            ("abc", "ABC", false),
        ] {
            assert_eq!(is_like(text, pattern), like, "{text} like {pattern}");
        }
    }
}

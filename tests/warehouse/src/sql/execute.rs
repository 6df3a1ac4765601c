//! Statements that change something.

use crate::System;
use crate::cluster::State;
use crate::ddl::{Clause, CreateTable, Named, SqlError, Statement, change, check_database, define};
use crate::table::TableName;
use crate::txn::Label;

const CANCELLED: &str = "user cancelled";

pub(super) fn execute(
    state: &mut State,
    database: Option<&str>,
    statement: &Statement,
) -> Result<(), SqlError> {
    match statement {
        Statement::CreateDatabase { name, if_not_exists } => {
            create_database(state, name, *if_not_exists)
        }
        Statement::DropDatabase { name, if_exists } => drop_database(state, name, *if_exists),
        Statement::CreateTable(create) => create_table(state, database, create),
        Statement::DropTable { table, if_exists } => drop_table(state, database, table, *if_exists),
        Statement::Truncate(table) => {
            let name = existing(state, database, table)?;
            state.truncate_table(&name)?;
            Ok(())
        }
        Statement::RenameTable { table, to } => rename_table(state, database, table, to),
        Statement::Alter { table, clauses } => alter(state, database, table, clauses),
        Statement::CancelAlter(table) => cancel_alter(state, database, table),
        Statement::CleanLabel { label, database: named } => {
            clean_label(state, named.as_deref().or(database), label.as_deref())
        }
        Statement::CancelLoad { .. } => {
            // Stream loads are no load jobs.
            Err(SqlError::ddl(state.system, "Load job does not exist"))
        }
        Statement::Nothing
        | Statement::Use(_)
        | Statement::Set(_)
        | Statement::Show(_)
        | Statement::Describe(_)
        | Statement::Query(_) => Ok(()),
    }
}

/// The full name of a table, which may not be there.
pub(super) fn resolve(
    state: &State,
    database: Option<&str>,
    named: &Named,
) -> Result<TableName, SqlError> {
    let database = named.database.as_deref().or(database);
    let database = database.ok_or_else(|| SqlError::no_database(state.system))?;
    if state.database(database).is_none() {
        return Err(SqlError::unknown_database(state.system, database));
    }
    Ok(TableName::new(database, &*named.table))
}

/// The full name of a table that is there.
pub(super) fn existing(
    state: &State,
    database: Option<&str>,
    named: &Named,
) -> Result<TableName, SqlError> {
    let name = resolve(state, database, named)?;
    if state.table(&name).is_none() {
        return Err(SqlError::unknown_table(state.system, &name.table));
    }
    Ok(name)
}

fn create_database(state: &mut State, name: &str, if_not_exists: bool) -> Result<(), SqlError> {
    check_database(state.system, name)?;
    if state.create_database(name)? || if_not_exists {
        return Ok(());
    }
    let detail = format!("Can't create database '{name}'; database exists");
    Err(SqlError::numbered(state.system, 1007, "HY000", &detail))
}

fn drop_database(state: &mut State, name: &str, if_exists: bool) -> Result<(), SqlError> {
    if state.drop_database(name)? || if_exists {
        return Ok(());
    }
    let detail = format!("Can't drop database '{name}'; database doesn't exist");
    Err(SqlError::numbered(state.system, 1008, "HY000", &detail))
}

fn create_table(
    state: &mut State,
    database: Option<&str>,
    create: &CreateTable,
) -> Result<(), SqlError> {
    let name = resolve(state, database, &create.table)?;
    if state.table(&name).is_some() {
        if create.if_not_exists {
            return Ok(());
        }
        let detail = format!("Table '{}' already exists", name.table);
        return Err(SqlError::numbered(state.system, 1050, "42S01", &detail));
    }
    let backends = alive(state);
    let table = define::define(state.system, backends, create)?;
    Ok(state.create_table(&name.database, table)?)
}

fn rename_table(
    state: &mut State,
    database: Option<&str>,
    table: &Named,
    to: &str,
) -> Result<(), SqlError> {
    let name = existing(state, database, table)?;
    let to = TableName::new(name.database.clone(), to);
    if state.table(&to).is_some() {
        let detail = format!("Table name[{}] is already used", to.table);
        return Err(SqlError::ddl(state.system, &detail));
    }
    if state.jobs.under_way(&name).is_some() {
        let detail = format!("Table[{}]'s state(SCHEMA_CHANGE) is not NORMAL", name.table);
        return Err(SqlError::ddl(state.system, &detail));
    }
    Ok(state.rename_table(&name, &to)?)
}

/// How many backends the frontend takes for alive.
pub(super) fn alive(state: &State) -> usize {
    state.nodes.backends.iter().filter(|node| node.alive).count()
}

fn drop_table(
    state: &mut State,
    database: Option<&str>,
    table: &Named,
    if_exists: bool,
) -> Result<(), SqlError> {
    let name = match resolve(state, database, table) {
        Err(_) if if_exists && table.database.is_some() => return Ok(()),
        name => name?,
    };
    if state.drop_table(&name)? || if_exists {
        return Ok(());
    }
    Err(match state.system {
        System::Doris => {
            let detail = format!("Unknown table '{}'", name.table);
            SqlError::numbered(System::Doris, 1051, "42S02", &detail)
        }
        System::StarRocks => SqlError::unknown_table(System::StarRocks, &name.table),
    })
}

fn alter(
    state: &mut State,
    database: Option<&str>,
    table: &Named,
    clauses: &[Clause],
) -> Result<(), SqlError> {
    let name = existing(state, database, table)?;
    if state.jobs.under_way(&name).is_some() {
        return Err(SqlError::ddl(state.system, &busy(state.system, &name.table)));
    }
    let Some(before) = state.table(&name) else { return Ok(()) };
    let change = change::plan(state.system, before, clauses)?;
    Ok(state.change_table(&name, change)?)
}

fn busy(system: System, table: &str) -> String {
    match system {
        System::Doris => format!(
            "Table[{table}]'s state(SCHEMA_CHANGE) is not NORMAL. Do not allow doing ALTER ops"
        ),
        System::StarRocks => format!(
            "A schema change operation is in progress on the table \"{table}\". Please wait until the \
             current operation completes.\nTo check the status of the operation, see SHOW ALTER TABLE"
        ),
    }
}

fn cancel_alter(state: &mut State, database: Option<&str>, table: &Named) -> Result<(), SqlError> {
    let name = existing(state, database, table)?;
    let Some(id) = state.jobs.under_way(&name).map(|job| job.id) else {
        let detail = format!("Table[{}] is not under SCHEMA_CHANGE.", name.table);
        return Err(SqlError::ddl(state.system, &detail));
    };
    state.jobs.cancel(id, CANCELLED, state.now);
    Ok(())
}

fn clean_label(
    state: &mut State,
    database: Option<&str>,
    label: Option<&str>,
) -> Result<(), SqlError> {
    let system = state.system;
    let database = database.ok_or_else(|| SqlError::no_database(system))?;
    let found = state.database_mut(database);
    let book = &mut found.ok_or_else(|| SqlError::unknown_database(system, database))?.book;
    match label.map(|text| Label::new(system, text)) {
        None => book.ledger_mut().clean(None),
        Some(Ok(label)) => book.ledger_mut().clean(Some(&label)),
        // No load has such a label.
        Some(Err(_)) => {}
    }
    Ok(())
}

//! `information_schema`, laid out anew for each query that asks it.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};

use crate::System;
use crate::cluster::State;
use crate::ddl::printed::type_name;
use crate::store::StoreError;
use crate::table::{Column, KeyModel, Table, Type};
use crate::txn::State as Standing;

use super::shown::{INFORMATION_SCHEMA, yes};

/// A table of it: its name, its columns, its rows.
struct Laid {
    name: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<SqlValue>>,
}

pub(super) const TABLES: [&str; 4] = ["schemata", "tables", "columns", "loads"];
/// Bytes, as Doris counts them for its STRING.
const STRING_LENGTH_DORIS: i64 = 2_147_483_643;

/// Lays the tables out beside the views; a query sees them as `information_schema.x`.
pub(super) fn lay_out(state: &State) -> Result<(), StoreError> {
    clear(state.store.connection())?;
    for laid in [schemata(state), tables(state), columns(state), loads(state)] {
        laid.create(state.store.connection())?;
    }
    Ok(())
}

pub(super) fn clear(connection: &Connection) -> Result<(), StoreError> {
    for name in TABLES {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS temp.{}", place(name)))?;
    }
    Ok(())
}

fn place(name: &str) -> String {
    format!("\"{INFORMATION_SCHEMA}.{name}\"")
}

impl Laid {
    fn create(&self, connection: &Connection) -> Result<(), StoreError> {
        let (place, columns) = (place(self.name), self.columns.join(", "));
        connection.execute_batch(&format!("CREATE TEMP TABLE {place} ({columns})"))?;
        let marks = vec!["?"; self.columns.len()].join(", ");
        let mut insert =
            connection.prepare(&format!("INSERT INTO temp.{place} VALUES ({marks})"))?;
        for row in &self.rows {
            insert.execute(params_from_iter(row))?;
        }
        Ok(())
    }
}

fn text(text: impl Into<String>) -> SqlValue {
    SqlValue::Text(text.into())
}

fn number<N: TryInto<i64>>(number: Option<N>) -> SqlValue {
    number.and_then(|number| number.try_into().ok()).map_or(SqlValue::Null, SqlValue::Integer)
}

fn catalog(system: System) -> SqlValue {
    text(match system {
        System::Doris => "internal",
        System::StarRocks => "def",
    })
}

fn schemata(state: &State) -> Laid {
    let names = state.databases().map(|(name, _)| name).chain([INFORMATION_SCHEMA]);
    let row = |name| {
        vec![
            catalog(state.system),
            text(name),
            text("utf8"),
            text("utf8_general_ci"),
            SqlValue::Null,
        ]
    };
    Laid {
        name: "schemata",
        columns: &[
            "CATALOG_NAME",
            "SCHEMA_NAME",
            "DEFAULT_CHARACTER_SET_NAME",
            "DEFAULT_COLLATION_NAME",
            "SQL_PATH",
        ],
        rows: names.map(row).collect(),
    }
}

fn tables(state: &State) -> Laid {
    let mut rows = Vec::new();
    for (database, _) in state.databases() {
        for table in state.catalog().of(database) {
            rows.push(vec![
                catalog(state.system),
                text(database),
                text(&*table.name),
                text("BASE TABLE"),
                text(match state.system {
                    System::Doris => "Doris",
                    System::StarRocks => "StarRocks",
                }),
                SqlValue::Null,
                text(&*table.details.comment),
            ]);
        }
    }
    Laid {
        name: "tables",
        columns: &[
            "TABLE_CATALOG",
            "TABLE_SCHEMA",
            "TABLE_NAME",
            "TABLE_TYPE",
            "ENGINE",
            "TABLE_ROWS",
            "TABLE_COMMENT",
        ],
        rows,
    }
}

fn columns(state: &State) -> Laid {
    let mut rows = Vec::new();
    for (database, _) in state.databases() {
        for table in state.catalog().of(database) {
            for (at, column) in table.columns.iter().enumerate() {
                rows.push(column_row(state.system, database, table, at, column));
            }
        }
    }
    Laid {
        name: "columns",
        columns: &[
            "TABLE_CATALOG",
            "TABLE_SCHEMA",
            "TABLE_NAME",
            "COLUMN_NAME",
            "ORDINAL_POSITION",
            "COLUMN_DEFAULT",
            "IS_NULLABLE",
            "DATA_TYPE",
            "CHARACTER_MAXIMUM_LENGTH",
            "CHARACTER_OCTET_LENGTH",
            "NUMERIC_PRECISION",
            "NUMERIC_SCALE",
            "DATETIME_PRECISION",
            "CHARACTER_SET_NAME",
            "COLLATION_NAME",
            "COLUMN_TYPE",
            "COLUMN_KEY",
            "EXTRA",
            "PRIVILEGES",
            "COLUMN_COMMENT",
            "COLUMN_SIZE",
            "DECIMAL_DIGITS",
        ],
        rows,
    }
}

fn column_row(
    system: System,
    database: &str,
    table: &Table,
    at: usize,
    column: &Column,
) -> Vec<SqlValue> {
    let length = length(system, column.ty);
    let (precision, scale) = digits(column.ty);
    let key = match (column.is_key, table.model, system) {
        (false, _, _) => "",
        (true, KeyModel::Duplicate, _) => "DUP",
        (true, KeyModel::Unique, System::Doris) => "UNI",
        (true, KeyModel::Unique, System::StarRocks) => "PRI",
    };
    let comment = table.details.comments.get(&column.name).map_or("", String::as_str);
    let fraction = if let Type::DateTime(scale) = column.ty { Some(scale) } else { None };
    vec![
        catalog(system),
        text(database),
        text(&*table.name),
        text(&*column.name),
        number(Some(at + 1)),
        column.default.as_ref().map_or(SqlValue::Null, |default| text(&**default)),
        text(yes(column.nullable)),
        text(data_type(system, column.ty)),
        number(length),
        number(length),
        number(precision),
        number(scale),
        number(fraction),
        SqlValue::Null,
        SqlValue::Null,
        text(column_type(system, column.ty)),
        text(key),
        text(""),
        text(""),
        text(comment),
        number(length.or(precision.map(i64::from))),
        number(scale),
    ]
}

fn length(system: System, ty: Type) -> Option<i64> {
    if ty == Type::String && system == System::Doris {
        return Some(STRING_LENGTH_DORIS);
    }
    ty.length_max(system).map(i64::from)
}

/// Of numbers, and how many of them stand behind the point.
fn digits(ty: Type) -> (Option<u8>, Option<u8>) {
    match ty {
        Type::TinyInt => (Some(3), Some(0)),
        Type::SmallInt => (Some(5), Some(0)),
        Type::Int => (Some(10), Some(0)),
        Type::BigInt => (Some(19), Some(0)),
        Type::LargeInt => (Some(39), Some(0)),
        Type::Float => (Some(7), Some(7)),
        Type::Double => (Some(15), Some(15)),
        Type::Decimal { precision, scale } => (Some(precision), Some(scale)),
        Type::Boolean
        | Type::Char(_)
        | Type::Varchar(_)
        | Type::String
        | Type::Date
        | Type::DateTime(_)
        | Type::Json
        | Type::Varbinary(_) => (None, None),
    }
}

/// The type without its lengths, in MySQL's names as far as it has them.
fn data_type(system: System, ty: Type) -> &'static str {
    match ty {
        Type::Boolean | Type::TinyInt => "tinyint",
        Type::SmallInt => "smallint",
        Type::Int => "int",
        Type::BigInt => "bigint",
        Type::LargeInt => "bigint unsigned",
        Type::Float => "float",
        Type::Double => "double",
        Type::Decimal { .. } => "decimal",
        Type::Char(_) => "char",
        Type::String if system == System::Doris => "string",
        Type::Varchar(_) | Type::String => "varchar",
        Type::Date => "date",
        Type::DateTime(_) => "datetime",
        Type::Json => "json",
        Type::Varbinary(_) => "varbinary",
    }
}

/// With lengths, and the widths that MySQL shows.
fn column_type(system: System, ty: Type) -> String {
    let fixed = match ty {
        Type::Boolean => "tinyint(1)",
        Type::TinyInt => "tinyint(4)",
        Type::SmallInt => "smallint(6)",
        Type::Int => "int(11)",
        Type::BigInt => "bigint(20)",
        Type::LargeInt => "bigint(20) unsigned",
        Type::String if system == System::Doris => "string",
        Type::Decimal { precision, scale } => return format!("decimal({precision},{scale})"),
        Type::String
        | Type::Float
        | Type::Double
        | Type::Char(_)
        | Type::Varchar(_)
        | Type::Date
        | Type::DateTime(_)
        | Type::Json
        | Type::Varbinary(_) => return type_name(system, ty),
    };
    fixed.to_owned()
}

/// Of the transactions that are remembered.
fn loads(state: &State) -> Laid {
    let mut rows = Vec::new();
    for (name, database) in state.databases() {
        for txn in database.book.ledger().iter() {
            let tables: Vec<&str> = txn.tables.iter().map(String::as_str).collect();
            let time =
                |at: Option<crate::Moment>| at.map_or(SqlValue::Null, |at| text(at.to_string()));
            let standing = match txn.state {
                Standing::Prepare => "LOADING",
                Standing::Prepared => "PREPARED",
                Standing::Committed => "COMMITED",
                Standing::Visible => "FINISHED",
                Standing::Aborted => "CANCELLED",
            };
            rows.push(vec![
                number(Some(txn.id.0)),
                text(txn.label.to_string()),
                text(name),
                text(tables.join(",")),
                text(standing),
                text("STREAM LOAD"),
                time(Some(txn.times.begun)),
                time(txn.times.committed),
                time(txn.times.finished),
                text(&*txn.reason),
            ]);
        }
    }
    Laid {
        name: "loads",
        columns: &[
            "ID",
            "LABEL",
            "DB_NAME",
            "TABLE_NAME",
            "STATE",
            "TYPE",
            "CREATE_TIME",
            "LOAD_COMMIT_TIME",
            "LOAD_FINISH_TIME",
            "ERROR_MSG",
        ],
        rows,
    }
}

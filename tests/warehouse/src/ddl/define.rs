//! From a `CREATE TABLE` to a table, or to the rule that it breaks.

use crate::System;
use crate::ingest::convert::{Zone, convert};
use crate::table::{CURRENT_TIMESTAMP, Column, Details, KeyModel, Sequence, Table, Type};

use super::names::{check_column, check_table};
use super::{ColumnDef, CreateTable, DefaultValue, Distribution, KeyKind, SqlError};

const REPLICAS: &str = "replication_num";
/// Doris only.
const REPLICAS_BY_TAG: &str = "replication_allocation";
const TAG: &str = "tag.location.default:";
const REPLICAS_UNSAID: usize = 3;
const SEQUENCE_COLUMN: &str = "function_column.sequence_col";
const SEQUENCE_TYPE: &str = "function_column.sequence_type";

/// # Errors
/// Names, types, keys, defaults, a distribution or replicas that the server does not take.
pub fn define(system: System, backends: usize, create: &CreateTable) -> Result<Table, SqlError> {
    check_table(system, &create.table.table)?;
    let mut columns: Vec<Column> = Vec::new();
    for def in &create.columns {
        if columns.iter().any(|column| column.name.eq_ignore_ascii_case(&def.name)) {
            let detail = format!("Duplicate column name '{}'", def.name);
            return Err(SqlError::numbered(system, 1060, "42S21", &detail));
        }
        columns.push(column(system, def)?);
    }
    let (kind, keys) = key(system, create)?;
    check_keys(system, kind, keys, &create.columns)?;
    for (column, def) in columns.iter_mut().zip(&create.columns).take(keys.len()) {
        column.is_key = true;
        column.nullable = def.nullable.unwrap_or(kind != KeyKind::Primary);
    }
    let distribution = distribution(system, kind, &columns, create)?;
    check_replicas(system, backends, create)?;
    let sequence = sequence(system, kind, &columns, create)?;
    let comments = create.columns.iter().filter(|def| !def.comment.is_empty());
    Ok(Table {
        name: create.table.table.clone(),
        columns,
        model: match kind {
            KeyKind::Duplicate => KeyModel::Duplicate,
            KeyKind::Unique | KeyKind::Primary => KeyModel::Unique,
        },
        sequence,
        details: Details {
            comment: create.comment.clone(),
            comments: comments.map(|def| (def.name.clone(), def.comment.clone())).collect(),
            distribution: distribution.columns,
            buckets: distribution.buckets,
            properties: create.properties.clone(),
            ..Details::default()
        },
    })
}

/// A column that is no key's.
pub(super) fn column(system: System, def: &ColumnDef) -> Result<Column, SqlError> {
    check_column(system, &def.name)?;
    let nullable = def.nullable.unwrap_or(true);
    let default = match &def.default {
        None => None,
        Some(DefaultValue::Null) if nullable => None,
        Some(DefaultValue::Null) => {
            let text = "Can not set null default value to non nullable column";
            return Err(SqlError::analysis(system, &format!("{text}: {}", def.name)));
        }
        Some(DefaultValue::CurrentTimestamp) if matches!(def.ty, Type::DateTime(_)) => {
            Some(CURRENT_TIMESTAMP.to_owned())
        }
        Some(DefaultValue::CurrentTimestamp) => {
            let text =
                "Types other than DATETIME cannot use current_timestamp as the default value";
            return Err(SqlError::analysis(system, text));
        }
        Some(DefaultValue::Text(text)) => {
            convert(def.ty, text, system, Zone::DEFAULT).map_err(|_| {
                let detail = format!("Invalid default value for '{}'", def.name);
                SqlError::numbered(system, 1067, "42000", &detail)
            })?;
            Some(text.clone())
        }
    };
    Ok(Column { name: def.name.clone(), ty: def.ty, nullable, is_key: false, default })
}

/// Which key, unsaid the first column's; rows are then told apart by nothing.
fn key(system: System, create: &CreateTable) -> Result<(KeyKind, &[String]), SqlError> {
    if let Some((kind, keys)) = &create.key {
        return Ok((*kind, keys));
    }
    match create.columns.first() {
        Some(first) if forbidden_in_key(system, KeyKind::Duplicate, first).is_none() => {
            Ok((KeyKind::Duplicate, std::slice::from_ref(&first.name)))
        }
        _ => {
            let text = "The olap table first column could not be float, double, string or json, \
                        please use decimal or varchar instead.";
            Err(SqlError::analysis(system, text))
        }
    }
}

fn check_keys(
    system: System,
    kind: KeyKind,
    keys: &[String],
    columns: &[ColumnDef],
) -> Result<(), SqlError> {
    for (at, key) in keys.iter().enumerate() {
        let known = columns.iter().any(|column| column.name.eq_ignore_ascii_case(key));
        let here = columns.get(at).filter(|column| column.name.eq_ignore_ascii_case(key));
        let Some(column) = here else {
            return Err(SqlError::analysis(system, &misplaced(system, at, key, known, columns)));
        };
        if let Some(text) = forbidden_in_key(system, kind, column) {
            return Err(SqlError::analysis(system, &text));
        }
        if kind == KeyKind::Primary && column.nullable == Some(true) {
            let text = format!("primary key column[{key}] cannot be nullable");
            return Err(SqlError::analysis(system, &text));
        }
    }
    Ok(())
}

fn misplaced(system: System, at: usize, key: &str, known: bool, columns: &[ColumnDef]) -> String {
    let found = columns.get(at).map_or("", |column| &column.name);
    match (system, known) {
        (System::Doris, false) => format!("Key column[{key}] doesn't exist."),
        (System::Doris, true) => format!(
            "Key columns should be a ordered prefix of the schema. KeyColumns[{at}] (starts from zero) \
             is {key}, but corresponding column is {found} in the previous columns declaration."
        ),
        (System::StarRocks, false) => format!("Key column({key}) doesn't exist."),
        (System::StarRocks, true) => {
            "Key columns should be a ordered prefix of the schema.".to_owned()
        }
    }
}

/// Why a column cannot be of a key.
pub(super) fn forbidden_in_key(
    system: System,
    kind: KeyKind,
    column: &ColumnDef,
) -> Option<String> {
    let (name, ty) = (&column.name, column.ty);
    match (system, ty) {
        (System::Doris, Type::Float | Type::Double) => {
            Some("Float or double can not used as a key, use decimal instead.".to_owned())
        }
        (System::Doris, Type::String) => {
            Some(format!("String Type should not be used in key column[{name}]"))
        }
        (System::Doris, Type::Json) => {
            Some(format!("JsonType type should not be used in key column[{name}]."))
        }
        (System::StarRocks, Type::Decimal { .. } | Type::Char(_)) if kind != KeyKind::Primary => {
            None
        }
        (
            System::StarRocks,
            Type::Float
            | Type::Double
            | Type::Json
            | Type::Varbinary(_)
            | Type::Decimal { .. }
            | Type::Char(_),
        ) => Some(match kind {
            KeyKind::Primary => {
                format!("primary key column[{name}] type not supported: {ty}")
            }
            KeyKind::Duplicate | KeyKind::Unique => {
                format!("Invalid data type of key column '{name}': '{ty}'")
            }
        }),
        _ => None,
    }
}

fn distribution(
    system: System,
    kind: KeyKind,
    columns: &[Column],
    create: &CreateTable,
) -> Result<Distribution, SqlError> {
    let by_key = kind != KeyKind::Duplicate;
    let Some(distribution) = create.distribution.clone() else {
        return match system {
            System::Doris => Err(SqlError::analysis(
                system,
                "Create olap table should contain distribution desc",
            )),
            System::StarRocks if by_key => Err(SqlError::analysis(
                system,
                "Currently not support default distribution in PRIMARY_KEYS",
            )),
            System::StarRocks => Ok(Distribution { columns: Vec::new(), buckets: None }),
        };
    };
    if distribution.columns.is_empty() && by_key {
        let text = match system {
            System::Doris => "Create unique keys table should not contain random distribution desc",
            System::StarRocks => "PRIMARY_KEYS must use hash distribution",
        };
        return Err(SqlError::analysis(system, text));
    }
    for name in &distribution.columns {
        let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        let text = match column {
            None => format!("Distribution column({name}) doesn't exist."),
            Some(column) if by_key && !column.is_key => {
                format!("Distribution column[{name}] is not key column")
            }
            Some(_) => continue,
        };
        return Err(SqlError::analysis(system, &text));
    }
    Ok(distribution)
}

fn check_replicas(system: System, backends: usize, create: &CreateTable) -> Result<(), SqlError> {
    let said = create.properties.get(REPLICAS).map(String::as_str);
    let placed = create.properties.get(REPLICAS_BY_TAG).and_then(|text| text.strip_prefix(TAG));
    let replicas = match said.or(placed).map(|text| text.trim().parse::<usize>()) {
        None => REPLICAS_UNSAID,
        Some(Ok(replicas)) if replicas > 0 => replicas,
        Some(_) => {
            let text = "Replication num should larger than 0. (suggested 3)";
            return Err(SqlError::analysis(system, text));
        }
    };
    if replicas <= backends {
        return Ok(());
    }
    Err(SqlError::ddl(
        system,
        &match system {
            System::Doris => format!(
                "replication num should be less than the number of available backends. replication \
                 num is {replicas}, available backend num is {backends}"
            ),
            System::StarRocks => format!(
                "Table replication num should be less than of equal to the number of available BE \
                 nodes. You can change this default by setting the replication_num table properties. \
                 Current alive backend is [{backends}]."
            ),
        },
    ))
}

fn sequence(
    system: System,
    kind: KeyKind,
    columns: &[Column],
    create: &CreateTable,
) -> Result<Option<Sequence>, SqlError> {
    let (by_column, by_type) =
        (create.properties.get(SEQUENCE_COLUMN), create.properties.get(SEQUENCE_TYPE));
    if system == System::StarRocks || (by_column.is_none() && by_type.is_none()) {
        return Ok(None);
    }
    if kind != KeyKind::Unique {
        let text = "sequence column only support in unique table";
        return Err(SqlError::analysis(system, text));
    }
    if let Some(name) = by_column {
        let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        let text = match column {
            None => format!("The specified sequence column[{name}] not exists"),
            Some(column) if !may_order(column.ty) => {
                "Sequence type only support integer types and date types".to_owned()
            }
            Some(column) => return Ok(Some(Sequence::Column(column.name.clone()))),
        };
        return Err(SqlError::analysis(system, &text));
    }
    let name = by_type.map_or("", String::as_str);
    let ty = match &*name.to_ascii_lowercase() {
        "tinyint" => Type::TinyInt,
        "smallint" => Type::SmallInt,
        "int" => Type::Int,
        "bigint" => Type::BigInt,
        "largeint" => Type::LargeInt,
        "date" => Type::Date,
        "datetime" => Type::DateTime(0),
        _ => {
            let text = "sequence type only support integer types and date types";
            return Err(SqlError::analysis(system, text));
        }
    };
    Ok(Some(Sequence::Hidden(ty)))
}

fn may_order(ty: Type) -> bool {
    ty.integer_range().is_some() || matches!(ty, Type::Date | Type::DateTime(_))
}

//! What may be called what.

use crate::System;

use super::SqlError;

const DATABASE_MAX_DORIS: usize = 64;
const TABLE_MAX_DORIS: usize = 64;
const COLUMN_MAX_DORIS: usize = 256;
const DATABASE_MAX_STARROCKS: usize = 256;
const NAME_MAX_STARROCKS: usize = 1_024;
/// Of columns that Doris makes itself.
const RESERVED_IN_DORIS: [&str; 3] = ["mv_", "mva_", "__doris_shadow_"];

/// # Errors
/// A name that no database may have.
pub fn check_database(system: System, name: &str) -> Result<(), SqlError> {
    let (fits, longest) = match system {
        System::Doris => (begins_with_letter(name), DATABASE_MAX_DORIS),
        System::StarRocks => (!name.is_empty(), DATABASE_MAX_STARROCKS),
    };
    if fits && name.len() <= longest && name.chars().all(is_common) {
        return Ok(());
    }
    Err(SqlError::numbered(system, 1102, "42000", &format!("Incorrect database name '{name}'")))
}

pub(super) fn check_table(system: System, name: &str) -> Result<(), SqlError> {
    let (fits, pattern) = match system {
        System::Doris => (
            begins_with_letter(name)
                && name.len() <= TABLE_MAX_DORIS
                && name.chars().all(is_common),
            "^[a-zA-Z][a-zA-Z0-9\\-_]*$",
        ),
        System::StarRocks => (is_long_name(name), "^[^\\0]{1,1024}$"),
    };
    if fits {
        return Ok(());
    }
    let detail = format!("Incorrect table name '{name}'. Table name regex is '{pattern}'");
    Err(SqlError::numbered(system, 1103, "42000", &detail))
}

pub(super) fn check_column(system: System, name: &str) -> Result<(), SqlError> {
    let fits = match system {
        System::Doris => {
            let first = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
            name.starts_with(first)
                && name.len() <= COLUMN_MAX_DORIS
                && name.is_ascii()
                && !RESERVED_IN_DORIS.iter().any(|reserved| name.starts_with(reserved))
        }
        System::StarRocks => {
            is_long_name(name) && !name.contains(['=', '<', '>', '!', '*']) && name != "__op"
        }
    };
    if fits {
        return Ok(());
    }
    let detail = format!("Incorrect column name '{name}'");
    Err(SqlError::numbered(system, 1166, "42000", &detail))
}

fn begins_with_letter(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_common(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_long_name(name: &str) -> bool {
    (1..=NAME_MAX_STARROCKS).contains(&name.chars().count()) && !name.contains('\0')
}

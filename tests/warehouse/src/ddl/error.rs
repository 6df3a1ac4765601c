//! Refusals of statements, with the codes that clients see.

use std::fmt;

use crate::System;

/// A statement that is not done, as the MySQL protocol carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    pub code: u16,
    /// Five characters (SQLSTATE).
    pub state: &'static str,
    pub message: String,
}

impl SqlError {
    /// One of MySQL's own errors, with MySQL's number.
    pub fn numbered(system: System, code: u16, state: &'static str, detail: &str) -> Self {
        let message = match system {
            System::Doris => doris(2, detail),
            System::StarRocks => detail.to_owned(),
        };
        Self { code, state, message }
    }

    /// A statement that was understood, and cannot be done.
    pub fn ddl(system: System, detail: &str) -> Self {
        Self::numbered(system, general(system), "HY000", detail)
    }

    /// A statement that was read, and makes no sense.
    pub fn analysis(system: System, detail: &str) -> Self {
        match system {
            System::Doris => Self::ddl(system, detail),
            System::StarRocks => Self::ddl(
                system,
                &format!(
                    "Getting analyzing error. Detail message: {}.",
                    detail.trim_end_matches('.')
                ),
            ),
        }
    }

    /// Doris gives what it looked for and did not find a code of its own.
    pub fn not_found(system: System, detail: &str) -> Self {
        let message = match system {
            System::Doris => doris(7, detail),
            System::StarRocks => detail.to_owned(),
        };
        Self { code: general(system), state: "HY000", message }
    }

    /// A statement that cannot be read.
    pub fn syntax(system: System, column: u64, found: &str, expected: &str) -> Self {
        match system {
            System::Doris => Self::ddl(
                system,
                &format!("mismatched input '{found}' expecting {expected}(line 1, pos {column})"),
            ),
            System::StarRocks => Self::ddl(
                system,
                &format!(
                    "Getting syntax error at line 1, column {column}. Detail message: Unexpected \
                     input '{found}', the most similar input is {{{expected}}}."
                ),
            ),
        }
    }

    /// What the servers have and the stand-in has not: said as such, lest it be taken for a refusal of theirs.
    pub fn not_built(what: &str) -> Self {
        let message = format!("the stand-in warehouse does not have {what}");
        Self { code: 1235, state: "42000", message }
    }

    pub fn unknown_database(system: System, name: &str) -> Self {
        Self::numbered(system, 1049, "42000", &format!("Unknown database '{name}'"))
    }

    /// A table that a DDL statement names.
    pub fn unknown_table(system: System, name: &str) -> Self {
        match system {
            System::Doris => Self::not_found(system, &format!("table not found, tableName={name}")),
            System::StarRocks => {
                Self::numbered(system, 5502, "42S02", &format!("Unknown table '{name}'"))
            }
        }
    }

    pub fn no_database(system: System) -> Self {
        Self::numbered(system, 1046, "3D000", "No database selected")
    }
}

/// The number of errors without one.
fn general(system: System) -> u16 {
    match system {
        System::Doris => 1105,
        System::StarRocks => 1064,
    }
}

fn doris(code: u8, detail: &str) -> String {
    format!("errCode = {code}, detailMessage = {detail}")
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.state, self.message)
    }
}

impl std::error::Error for SqlError {}

//! What the rows of a table hold in a column that comes: its DEFAULT, or where it has none and must not
//! be NULL, what its type has for that (MySQL manual, "Data Type Default Values").

use model::change::Filled;
use model::table::{Column, ColumnType};

use super::super::ddl::column::{ColumnDef, DefaultDef};

/// `None` where only the server knows.
pub(super) fn of(def: &ColumnDef, column: &Column) -> Option<Filled> {
    if def.is_of_the_row || column.generated {
        return None;
    }
    match &def.default {
        // What this is in UTC depends on the session.
        Some(DefaultDef::Number(_) | DefaultDef::Text(_))
            if matches!(column.ty, ColumnType::Timestamp { .. }) =>
        {
            None
        }
        Some(DefaultDef::Number(text)) if !is_the_same_as_text(text, &column.ty) => None,
        Some(DefaultDef::Number(text) | DefaultDef::Text(text)) => {
            Some(Filled::Literal(text.as_str().into()))
        }
        Some(DefaultDef::Other) => None,
        Some(DefaultDef::Null) => Some(Filled::Null),
        None if column.nullable => Some(Filled::Null),
        None => implied(&column.ty).map(Filled::Literal),
    }
}

/// In a text a number is what the server prints: `1e3` is `1000`. A member is told by its place.
fn is_the_same_as_text(number: &str, ty: &ColumnType) -> bool {
    match ty {
        ColumnType::Enum { .. } | ColumnType::Set { .. } => false,
        ColumnType::Text { .. } => {
            let digits = number.strip_prefix('-').unwrap_or(number);
            let whole = digits.split('.').next().unwrap_or_default();
            digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                && !digits.ends_with('.')
                && (whole == "0" || !whole.is_empty() && !whole.starts_with('0'))
        }
        ColumnType::Int { .. }
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Decimal { .. }
        | ColumnType::Bit { .. }
        | ColumnType::Year
        | ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::FixedBytes { .. } => true,
    }
}

/// Dates are zero there, or refused, as the server's mode has it.
fn implied(ty: &ColumnType) -> Option<std::sync::Arc<str>> {
    match ty {
        ColumnType::Int { .. }
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Decimal { .. }
        | ColumnType::Bit { .. } => Some("0".into()),
        ColumnType::Text { .. } | ColumnType::VarBinary { .. } | ColumnType::Set { .. } => {
            Some("".into())
        }
        ColumnType::Enum { members, .. } => members.first().cloned(),
        ColumnType::Year
        | ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Binary { .. }
        | ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::FixedBytes { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ddl::clause::{Clause, alteration};
    use super::*;

    const INT: ColumnType = ColumnType::Int { bytes: 4, unsigned: false };

    fn filled(words: &str, ty: ColumnType) -> Option<Filled> {
        let clauses =
            alteration(&format!("ALTER TABLE t ADD COLUMN c {words}, ADD x INT")).unwrap();
        let Some(Clause::Add { column: def, .. }) = clauses.first() else { panic!("{words}") };
        let column = Column {
            name: "c".into(),
            ty,
            declared: "".into(),
            nullable: def.nullable.unwrap_or(true),
            generated: def.generated,
            invisible: false,
        };
        of(def, &column)
    }

    #[test]
    fn a_literal_is_known_and_what_the_server_alone_knows_is_not() {
        let literal = |text: &str| Some(Filled::Literal(text.into()));
        for (words, expected) in [
            ("INT NOT NULL DEFAULT 5", literal("5")),
            ("INT DEFAULT -5 NOT NULL COMMENT 'DEFAULT 6'", literal("-5")),
            ("INT DEFAULT - -5", literal("5")),
            ("INT DEFAULT +1.5e3", literal("1.5e3")),
            ("INT DEFAULT '7' AFTER id", literal("7")),
            ("INT DEFAULT \"it's\"", literal("it's")),
            ("INT DEFAULT ''", literal("")),
            ("INT DEFAULT TRUE", literal("1")),
            ("INT DEFAULT NULL", Some(Filled::Null)),
            ("INT", Some(Filled::Null)),
            ("INT NOT NULL", literal("0")),
            ("INT NOT NULL DEFAULT (5)", None),
            ("INT NOT NULL DEFAULT (rand() * 5)", None),
            ("INT DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)", None),
            ("INT DEFAULT _latin1'5'", None),
            ("INT NOT NULL AUTO_INCREMENT UNIQUE", None),
            ("INT AS (1 + 1) STORED", None),
            ("INT GENERATED ALWAYS AS (1 + 1) VIRTUAL NOT NULL", None),
        ] {
            assert_eq!(filled(words, INT), expected, "{words}");
        }
    }

    #[test]
    fn a_column_that_must_not_be_null_has_what_its_type_has_for_that() {
        let collation =
            model::table::Collation { charset: "utf8mb4".into(), name: "utf8mb4_bin".into() };
        let members = ["no".into(), "yes".into()].into();
        let of_members = ColumnType::Enum { members, collation: collation.clone() };
        let literal = |text: &str| Some(Filled::Literal(text.into()));
        assert_eq!(filled("ENUM('no', 'yes') NOT NULL", of_members), literal("no"));
        let text = ColumnType::Text { chars: 5, collation };
        assert_eq!(filled("VARCHAR(5) NOT NULL", text.clone()), literal(""));
        for (words, expected) in [
            ("VARCHAR(5) DEFAULT 1.50", literal("1.50")),
            ("VARCHAR(5) DEFAULT -0.5", literal("-0.5")),
            ("VARCHAR(5) DEFAULT '007'", literal("007")),
            ("VARCHAR(5) DEFAULT 007", None),
            ("VARCHAR(5) DEFAULT .5", None),
            ("VARCHAR(5) DEFAULT 1e3", None),
        ] {
            assert_eq!(filled(words, text.clone()), expected, "{words}");
        }
        assert_eq!(filled("DATE NOT NULL", ColumnType::Date), None);
        let stamp = ColumnType::Timestamp { fsp: 0 };
        assert_eq!(filled("TIMESTAMP DEFAULT '2024-02-29 10:00:00'", stamp.clone()), None);
        assert_eq!(filled("TIMESTAMP NULL", stamp), Some(Filled::Null));
    }
}

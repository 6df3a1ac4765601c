//! Types as a statement declares them → as the server would then show them.

use model::ColumnType;
use model::table::Collation;

use super::Dialect;
use crate::source::catalog::{Facts, column_type};
use crate::source::ddl::column::DeclaredType;

/// A row of text columns may take this many bytes; VARCHAR beyond it becomes TEXT (MySQL manual,
/// "Limits on Table Column Count and Row Size").
pub const ROW_BYTES_MAX: u64 = 65_535;

impl Dialect {
    /// A type as the server declares it, and what it holds.
    pub(in crate::source) fn resolve(
        &self,
        ty: &DeclaredType,
        collation: Collation,
    ) -> Option<(String, ColumnType)> {
        let word = ty.word.as_str();
        let mut facts = Facts::default();
        let (data_type, declared) = match word {
            "BOOL" | "BOOLEAN" => ("tinyint", "tinyint(1)".to_owned()),
            "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "INTEGER" | "BIGINT" => {
                let name = if word == "INTEGER" { "int".to_owned() } else { word.to_lowercase() };
                let declared = self.integer(&name, ty)?;
                return Some((declared.clone(), column_type(&name, &declared, &facts)?));
            }
            "FLOAT" | "DOUBLE" | "REAL" => {
                let double = word != "FLOAT" || matches!(ty.numbers.as_slice(), [p] if *p > 24);
                let name = if double { "double" } else { "float" };
                let digits = match ty.numbers.as_slice() {
                    [m, d] => format!("({m},{d})"),
                    _ => String::new(),
                };
                (name, with_sign(format!("{name}{digits}"), ty))
            }
            "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => {
                let (p, s) = match ty.numbers.as_slice() {
                    [] => (10, 0),
                    [p] => (*p, 0),
                    [p, s] => (*p, *s),
                    _ => return None,
                };
                // DECIMAL(0) means the default.
                let p = if p == 0 { 10 } else { p };
                (facts.precision, facts.scale) = (p, s);
                ("decimal", with_sign(format!("decimal({p},{s})"), ty))
            }
            "BIT" => {
                facts.precision = ty.numbers.first().copied().unwrap_or(1);
                ("bit", format!("bit({})", facts.precision))
            }
            "YEAR" => ("year", if self.widths { "year(4)" } else { "year" }.to_owned()),
            "DATE" => ("date", "date".to_owned()),
            "TIME" | "DATETIME" | "TIMESTAMP" => {
                let name = match word {
                    "TIME" => "time",
                    "DATETIME" => "datetime",
                    _ => "timestamp",
                };
                let fsp = ty.numbers.first().filter(|n| **n > 0);
                (name, fsp.map_or_else(|| name.to_owned(), |n| format!("{name}({n})")))
            }
            "ENUM" | "SET" => {
                facts.collation = Some(collation);
                let quoted: Vec<String> = ty
                    .members
                    .iter()
                    .map(|m| format!("'{}'", m.trim_end_matches(' ').replace('\'', "''")))
                    .collect();
                let name = if word == "ENUM" { "enum" } else { "set" };
                (name, format!("{name}({})", quoted.join(",")))
            }
            "JSON" if self.mariadb => {
                facts.collation = Some(self.collation("utf8mb4_bin")?);
                facts.chars = u64::from(u32::MAX);
                ("longtext", "longtext".to_owned())
            }
            "JSON" => ("json", "json".to_owned()),
            "GEOMETRY" | "POINT" | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING"
            | "MULTIPOLYGON" => ("geometry", word.to_lowercase()),
            "UUID" | "INET4" | "INET6" if self.mariadb => {
                let name = word.to_lowercase();
                return Some((name.clone(), column_type(&name, &name, &facts)?));
            }
            _ => return self.resolve_string(ty, collation, facts),
        };
        Some((declared.clone(), column_type(data_type, &declared, &facts)?))
    }

    fn resolve_string(
        &self,
        ty: &DeclaredType,
        collation: Collation,
        mut facts: Facts,
    ) -> Option<(String, ColumnType)> {
        let length = ty.numbers.first().copied();
        let bytes_per_char = u64::from(self.bytes_per_char(&collation)?);
        let (name, declared) = match ty.word.as_str() {
            "CHAR" | "CHARACTER" => {
                facts.chars = length.unwrap_or(1);
                ("char", format!("char({})", facts.chars))
            }
            "VARCHAR" => {
                facts.chars = length?;
                if facts.chars * bytes_per_char > ROW_BYTES_MAX {
                    return None;
                }
                ("varchar", format!("varchar({})", facts.chars))
            }
            "BINARY" => {
                facts.octets = length.unwrap_or(1);
                ("binary", format!("binary({})", facts.octets))
            }
            "VARBINARY" => {
                facts.octets = length.filter(|n| *n <= ROW_BYTES_MAX)?;
                ("varbinary", format!("varbinary({})", facts.octets))
            }
            // With a length, the smallest kind that holds it.
            _ if length.is_some() => return None,
            "TINYTEXT" => (facts.sized(255), "tinytext".to_owned()),
            "TEXT" => (facts.sized(65_535), "text".to_owned()),
            "MEDIUMTEXT" => (facts.sized(16_777_215), "mediumtext".to_owned()),
            "LONGTEXT" => (facts.sized(4_294_967_295), "longtext".to_owned()),
            "TINYBLOB" => (facts.sized(255), "tinyblob".to_owned()),
            "BLOB" => (facts.sized(65_535), "blob".to_owned()),
            "MEDIUMBLOB" => (facts.sized(16_777_215), "mediumblob".to_owned()),
            "LONGBLOB" => (facts.sized(4_294_967_295), "longblob".to_owned()),
            _ => return None,
        };
        let name = if name.is_empty() { declared.clone() } else { name.to_owned() };
        if name.ends_with("char") || name.ends_with("text") {
            facts.collation = Some(collation);
        }
        Some((declared.clone(), column_type(&name, &declared, &facts)?))
    }

    fn integer(&self, name: &str, ty: &DeclaredType) -> Option<String> {
        let (signed, unsigned) = match name {
            "tinyint" => (4, 3),
            "smallint" => (6, 5),
            "mediumint" => (9, 8),
            "int" => (11, 10),
            "bigint" => (20, 20),
            _ => return None,
        };
        let given = ty.numbers.first().copied();
        let shown =
            self.widths || ty.zerofill || (name == "tinyint" && given == Some(1) && !ty.unsigned);
        let width = given.unwrap_or(if ty.unsigned { unsigned } else { signed });
        let name = if shown { format!("{name}({width})") } else { name.to_owned() };
        Some(with_sign(name, ty))
    }
}

fn with_sign(declared: String, ty: &DeclaredType) -> String {
    let unsigned = if ty.unsigned { " unsigned" } else { "" };
    let zerofill = if ty.zerofill { " zerofill" } else { "" };
    format!("{declared}{unsigned}{zerofill}")
}

impl Facts {
    /// Of the TEXT and BLOB families, whose declaration says no length.
    fn sized(&mut self, most: u64) -> &'static str {
        (self.chars, self.octets) = (most, most);
        ""
    }
}

//! Tables as the source declares them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// `db.table`, spelled as the server stores it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    pub db: Arc<str>,
    pub table: Arc<str>,
}

impl TableName {
    pub fn new(db: impl Into<Arc<str>>, table: impl Into<Arc<str>>) -> Self {
        Self { db: db.into(), table: table.into() }
    }

    /// `` `db`.`table` `` with backticks doubled, for SQL.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.db), quote(&self.table))
    }
}

/// An identifier in backticks, for SQL (MySQL manual, "Schema Object Names").
pub fn quote(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.db, self.table)
    }
}

/// What a column holds. The declared text stays beside it in [`Column::declared`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `bytes` is 1, 2, 3, 4 or 8.
    Int {
        bytes: u8,
        unsigned: bool,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// 1 to 64 bits.
    Bit {
        bits: u8,
    },
    Year,
    Date,
    /// `fsp`: digits of the fraction of a second, 0 to 6; the same below.
    Time {
        fsp: u8,
    },
    DateTime {
        fsp: u8,
    },
    Timestamp {
        fsp: u8,
    },
    /// CHAR, VARCHAR and the TEXT family. `chars` is the declared maximum in characters.
    Text {
        chars: u32,
        collation: Collation,
    },
    /// BINARY(n): values are padded with zero bytes to `bytes`, which the binlog cuts off.
    Binary {
        bytes: u32,
    },
    /// VARBINARY and the BLOB family.
    VarBinary {
        bytes: u32,
    },
    Enum {
        members: Arc<[Arc<str>]>,
        collation: Collation,
    },
    Set {
        members: Arc<[Arc<str>]>,
        collation: Collation,
    },
    Json,
    Geometry,
    /// VECTOR: 32-bit floats, little endian.
    Vector,
    /// MariaDB's UUID (16 bytes), INET4 (4), INET6 (16): told by the declared text.
    FixedBytes {
        bytes: u32,
    },
}

/// A character set and the order within it, by MySQL's names, for instance `utf8mb4` and
/// `utf8mb4_0900_ai_ci`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Collation {
    pub charset: Arc<str>,
    pub name: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    pub name: Arc<str>,
    pub ty: ColumnType,
    /// As the server declares it, for instance `varchar(50)` (information_schema COLUMN_TYPE).
    pub declared: Arc<str>,
    pub nullable: bool,
    /// Computed when read and kept nowhere (VIRTUAL).
    #[serde(default)]
    pub generated: bool,
    /// Hidden from `SELECT *`, yet in every row image.
    #[serde(default)]
    pub invisible: bool,
}

/// A table's columns in the order of its row images, and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableSchema {
    pub name: TableName,
    pub columns: Vec<Column>,
    /// Positions in `columns` of the primary key, else of the first unique index whose columns
    /// are all NOT NULL; empty where the table has neither.
    pub key: Vec<usize>,
    /// Index that holds `key`, for instance `PRIMARY`; empty where there is none.
    #[serde(default)]
    pub key_index: Arc<str>,
    /// What text columns get that do not say; `None` where it is not known.
    #[serde(default)]
    pub collation: Option<Collation>,
    /// All of them: a statement may drop the one that holds the key, or make a better one.
    #[serde(default)]
    pub indexes: Vec<Index>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Index {
    pub name: Arc<str>,
    pub unique: bool,
    /// False where it is not unique, or a part is only the beginning of a column, or an expression:
    /// such an index is no key of rows.
    pub whole: bool,
    /// A part is an expression (MySQL 8.0.13), so that the index outlives its columns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expression: bool,
    /// Names of the columns, in index order.
    pub columns: Vec<Arc<str>>,
}

impl TableSchema {
    pub fn has_key(&self) -> bool {
        !self.key.is_empty()
    }

    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|&at| self.columns.get(at))
    }
}

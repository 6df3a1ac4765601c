//! What was read of a statement.

use std::collections::BTreeMap;

use sqlparser::tokenizer::Token;

use crate::table::Type;

/// A table as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The session's if `None`.
    pub database: Option<String>,
    pub table: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Only comments.
    Nothing,
    CreateDatabase {
        name: String,
        if_not_exists: bool,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    CreateTable(Box<CreateTable>),
    DropTable {
        table: Named,
        if_exists: bool,
    },
    Truncate(Named),
    /// `ALTER TABLE t RENAME u`, within its database.
    RenameTable {
        table: Named,
        to: String,
    },
    Alter {
        table: Named,
        clauses: Vec<Clause>,
    },
    /// `CANCEL ALTER TABLE COLUMN FROM t`.
    CancelAlter(Named),
    /// Forgets one finished label, or all.
    CleanLabel {
        label: Option<String>,
        database: Option<String>,
    },
    CancelLoad {
        database: Option<String>,
        label: Pattern,
    },
    Use(String),
    /// In the order of the statement, names as they were written.
    Set(Vec<(String, String)>),
    Show(Show),
    Describe(Named),
    /// As tokens, from `SELECT` or `WITH` on.
    Query(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    Is(String),
    Like(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    Databases(Option<String>),
    Tables {
        database: Option<String>,
        like: Option<String>,
        full: bool,
    },
    CreateTable(Named),
    CreateDatabase(String),
    Columns {
        table: Named,
        like: Option<String>,
        full: bool,
    },
    Backends,
    Frontends,
    Jobs {
        database: Option<String>,
        table: Option<String>,
        newest_first: bool,
        limit: Option<usize>,
    },
    Transaction {
        database: Option<String>,
        which: Which,
    },
    Proc(String),
    Variables(Option<String>),
    Warnings,
    /// Of something that the stand-in has none of: an empty answer with these columns.
    Empty(&'static [&'static str]),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Id(u64),
    Label(Pattern),
    Status(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub table: Named,
    pub if_not_exists: bool,
    pub columns: Vec<ColumnDef>,
    pub key: Option<(KeyKind, Vec<String>)>,
    pub comment: String,
    pub distribution: Option<Distribution>,
    pub properties: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Duplicate,
    Unique,
    /// StarRocks only.
    Primary,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// None: at random.
    pub columns: Vec<String>,
    /// By the server if `None`.
    pub buckets: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    pub name: String,
    pub ty: Type,
    /// Unsaid is nullable, but for a primary key.
    pub nullable: Option<bool>,
    /// `KEY` behind the type.
    pub is_key: bool,
    pub default: Option<DefaultValue>,
    pub comment: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
    Null,
    Text(String),
    CurrentTimestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    Add { columns: Vec<ColumnDef>, place: Option<Place> },
    Drop(String),
    Modify { column: ColumnDef, place: Option<Place> },
    ColumnComment { column: String, comment: String },
    Comment(String),
    Rename { from: String, to: String },
    Order(Vec<String>),
    Properties(BTreeMap<String, String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    First,
    After(String),
}

//! Tables as the server's `information_schema` describes them now.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::table::{Collation, Column, ColumnType, Index, TableName, TableSchema};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::SourceError;

/// A base table and the server's guess of its size.
#[derive(Debug, Clone)]
pub struct CatalogTable {
    pub schema: Arc<TableSchema>,
    /// `TABLE_ROWS` and `AVG_ROW_LENGTH`: estimates for InnoDB, for progress and chunk sizes only.
    pub rows_estimate: u64,
    pub row_bytes_estimate: u64,
    /// Storage engine, for instance `InnoDB`.
    pub engine: String,
}

impl CatalogTable {
    /// One that is created just now, empty.
    pub fn born(schema: Arc<TableSchema>) -> Self {
        Self { schema, rows_estimate: 0, row_bytes_estimate: 0, engine: "InnoDB".to_owned() }
    }
}

/// Reads every base table that `wanted` accepts. `databases` limits the scan where it is known.
pub async fn read(
    conn: &mut Conn,
    databases: Option<&[String]>,
    wanted: impl Fn(&TableName) -> bool,
) -> Result<BTreeMap<TableName, CatalogTable>, SourceError> {
    let databases = match databases {
        Some(named) => named.to_vec(),
        None => user_databases(conn).await?,
    };
    let mut all = BTreeMap::new();
    for db in databases {
        read_database(conn, &db, None, &wanted, &mut all).await?;
    }
    Ok(all)
}

/// Reads one table; `None` where there is no such base table now.
pub async fn read_one(
    conn: &mut Conn,
    name: &TableName,
) -> Result<Option<CatalogTable>, SourceError> {
    let mut all = BTreeMap::new();
    read_database(conn, &name.db, Some(&name.table), &|_| true, &mut all).await?;
    Ok(all.into_values().next())
}

/// What matches and is in the binlog, and yet no table that can be followed: MariaDB's sequences and
/// system-versioned tables, each with what it is.
pub async fn others(
    conn: &mut Conn,
    wanted: impl Fn(&TableName) -> bool,
) -> Result<BTreeMap<TableName, String>, SourceError> {
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
               WHERE TABLE_TYPE IN ('SEQUENCE', 'SYSTEM VERSIONED')";
    let rows: Vec<(String, String, String)> =
        conn.query(sql).await.map_err(|e| SourceError::query("list the sequences", e))?;
    Ok(rows
        .into_iter()
        .map(|(db, name, kind)| (TableName::new(db, name), kind.to_lowercase()))
        .filter(|(name, _)| wanted(name))
        .collect())
}

async fn user_databases(conn: &mut Conn) -> Result<Vec<String>, SourceError> {
    let sql = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN \
               ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 1";
    conn.query(sql).await.map_err(|e| SourceError::query("list the databases", e))
}

/// Database, table, estimated rows, average row length, engine, collation.
type TableRow = (String, String, Option<u64>, Option<u64>, Option<String>, Option<String>);

async fn read_database(
    conn: &mut Conn,
    db: &str,
    only: Option<&str>,
    wanted: &impl Fn(&TableName) -> bool,
    all: &mut BTreeMap<TableName, CatalogTable>,
) -> Result<(), SourceError> {
    let what = || format!("read the tables of `{db}` from information_schema");
    let filter = if only.is_some() { " AND TABLE_NAME = ?" } else { "" };
    let params = || {
        let mut params = vec![mysql_async::Value::from(db)];
        params.extend(only.map(mysql_async::Value::from));
        mysql_async::Params::Positional(params)
    };
    let tables: Vec<TableRow> = conn
        .exec(
            format!(
                "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, AVG_ROW_LENGTH, ENGINE, \
                 TABLE_COLLATION FROM \
                 information_schema.TABLES WHERE TABLE_SCHEMA = ?{filter} \
                 AND TABLE_TYPE = 'BASE TABLE'"
            ),
            params(),
        )
        .await
        .map_err(|e| SourceError::query(&what(), e))?;
    let mut found: BTreeMap<TableName, (u64, u64, String, Option<Collation>)> = BTreeMap::new();
    for (db, table, rows, bytes, engine, collation) in tables {
        let name = TableName::new(db, table);
        if wanted(&name) {
            let (rows, bytes) = (rows.unwrap_or_default(), bytes.unwrap_or_default());
            let collation = collation.map(|name| of_its_charset(&name));
            found.insert(name, (rows, bytes, engine.unwrap_or_default(), collation));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let mut columns =
        columns(conn, &filter.replace("TABLE_NAME", "c.TABLE_NAME"), params(), |name| {
            found.contains_key(name)
        })
        .await?;
    let mut all_indexes = indexes(conn, filter, params()).await?;
    for (name, (rows_estimate, row_bytes_estimate, engine, collation)) in found {
        let columns = columns.remove(&name).unwrap_or_default();
        let mut indexes = all_indexes.remove(&name).unwrap_or_default();
        indexes.sort_by_key(|i| i.name.to_lowercase());
        let (key_index, key) = choose_key(&indexes, &columns);
        let schema =
            TableSchema { name: name.clone(), columns, key, key_index, collation, indexes };
        let schema = Arc::new(schema);
        all.insert(name, CatalogTable { schema, rows_estimate, row_bytes_estimate, engine });
    }
    Ok(())
}

/// A collation's name begins with that of its character set (MySQL manual, "Collation Naming
/// Conventions").
fn of_its_charset(name: &str) -> Collation {
    let charset = name.split('_').next().unwrap_or(name);
    Collation { charset: charset.into(), name: name.into() }
}

fn text(row: &mut Row, name: &str) -> Option<String> {
    row.take_opt::<Option<String>, _>(name).and_then(Result::ok).flatten()
}

fn number(row: &mut Row, name: &str) -> Option<u64> {
    row.take_opt::<Option<u64>, _>(name).and_then(Result::ok).flatten()
}

/// A type that we do not know is an error of a wanted table, and nothing to us in any other.
async fn columns(
    conn: &mut Conn,
    filter: &str,
    params: mysql_async::Params,
    wanted: impl Fn(&TableName) -> bool,
) -> Result<BTreeMap<TableName, Vec<Column>>, SourceError> {
    let sql = format!(
        "SELECT c.TABLE_SCHEMA AS db, c.TABLE_NAME AS tab, c.COLUMN_NAME AS name, \
         c.DATA_TYPE AS dtype, c.COLUMN_TYPE AS ctype, c.IS_NULLABLE AS nullable, \
         c.CHARACTER_MAXIMUM_LENGTH AS chars, c.CHARACTER_OCTET_LENGTH AS octets, \
         c.NUMERIC_PRECISION AS prec, c.NUMERIC_SCALE AS scale, c.EXTRA AS extra, \
         c.CHARACTER_SET_NAME AS charset, c.COLLATION_NAME AS coll \
         FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = ?{filter} \
         ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION"
    );
    let rows: Vec<Row> = conn
        .exec(sql, params)
        .await
        .map_err(|e| SourceError::query("read columns from information_schema", e))?;
    let mut all: BTreeMap<TableName, Vec<Column>> = BTreeMap::new();
    for mut row in rows {
        let db = text(&mut row, "db").unwrap_or_default();
        let table = text(&mut row, "tab").unwrap_or_default();
        let name = TableName::new(db, table);
        if !wanted(&name) {
            continue;
        }
        let column = column(&mut row)
            .map_err(|declared| SourceError::UnknownType { table: name.clone(), declared })?;
        all.entry(name).or_default().push(column);
    }
    Ok(all)
}

/// One row of information_schema.COLUMNS; `Err` holds the declaration that we do not know.
fn column(row: &mut Row) -> Result<Column, String> {
    let name = text(row, "name").unwrap_or_default();
    let declared = text(row, "ctype").unwrap_or_default();
    let data_type = text(row, "dtype").unwrap_or_default().to_ascii_lowercase();
    let extra = text(row, "extra").unwrap_or_default().to_ascii_uppercase();
    let facts = Facts {
        chars: number(row, "chars").unwrap_or_default(),
        octets: number(row, "octets").unwrap_or_default(),
        precision: number(row, "prec").unwrap_or_default(),
        scale: number(row, "scale").unwrap_or_default(),
        collation: text(row, "charset")
            .zip(text(row, "coll"))
            .map(|(charset, name)| Collation { charset: charset.into(), name: name.into() }),
    };
    let ty = column_type(&data_type, &declared, &facts)
        .ok_or_else(|| format!("column `{name}` {declared}"))?;
    Ok(Column {
        name: name.into(),
        ty,
        declared: declared.into(),
        nullable: text(row, "nullable").as_deref() == Some("YES"),
        // MySQL says `VIRTUAL GENERATED`, MariaDB too; older MariaDB `VIRTUAL`.
        generated: extra.contains("VIRTUAL"),
        invisible: extra.contains("INVISIBLE"),
    })
}

/// What information_schema.COLUMNS says beside a type's declaration.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub chars: u64,
    pub octets: u64,
    pub precision: u64,
    pub scale: u64,
    pub collation: Option<Collation>,
}

/// The type from information_schema's DATA_TYPE and COLUMN_TYPE.
pub fn column_type(data_type: &str, declared: &str, facts: &Facts) -> Option<ColumnType> {
    let unsigned = declared.contains("unsigned") || declared.contains("zerofill");
    let int = |bytes| Some(ColumnType::Int { bytes, unsigned });
    let fsp = parenthesised(declared).and_then(|n| n.parse().ok()).unwrap_or(0);
    let small = |n: u64| u8::try_from(n).ok();
    let length = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    match data_type {
        "tinyint" => int(1),
        "smallint" => int(2),
        "mediumint" => int(3),
        "int" | "integer" => int(4),
        "bigint" => int(8),
        "float" => Some(ColumnType::Float),
        "double" | "real" => Some(ColumnType::Double),
        "decimal" | "numeric" => Some(ColumnType::Decimal {
            precision: small(facts.precision)?,
            scale: small(facts.scale)?,
        }),
        "bit" => Some(ColumnType::Bit { bits: small(facts.precision)? }),
        "year" => Some(ColumnType::Year),
        "date" => Some(ColumnType::Date),
        "time" => Some(ColumnType::Time { fsp }),
        "datetime" => Some(ColumnType::DateTime { fsp }),
        "timestamp" => Some(ColumnType::Timestamp { fsp }),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            Some(match &facts.collation {
                Some(collation) => {
                    ColumnType::Text { chars: length(facts.chars), collation: collation.clone() }
                }
                // CHARACTER SET binary turns the type into its binary twin.
                None => ColumnType::VarBinary { bytes: length(facts.octets) },
            })
        }
        "binary" => Some(ColumnType::Binary { bytes: length(facts.octets) }),
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            Some(ColumnType::VarBinary { bytes: length(facts.octets) })
        }
        "enum" | "set" => {
            let members = members(declared)?;
            let binary = || Collation { charset: "binary".into(), name: "binary".into() };
            let collation = facts.collation.clone().unwrap_or_else(binary);
            Some(if data_type == "enum" {
                ColumnType::Enum { members, collation }
            } else {
                ColumnType::Set { members, collation }
            })
        }
        "json" => Some(ColumnType::Json),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => Some(ColumnType::Geometry),
        "vector" => Some(ColumnType::Vector),
        "uuid" | "inet6" => Some(ColumnType::FixedBytes { bytes: 16 }),
        "inet4" => Some(ColumnType::FixedBytes { bytes: 4 }),
        _ => None,
    }
}

fn parenthesised(declared: &str) -> Option<&str> {
    declared.split_once('(')?.1.split_once(')').map(|(inside, _)| inside)
}

/// Members of `enum('a','b''c','d\\e')`: quotes doubled and other signs escaped, as the server
/// prints them whatever its `sql_mode` (MySQL source, `append_unescaped`).
fn members(declared: &str) -> Option<Arc<[Arc<str>]>> {
    let inside = declared.split_once('(')?.1.rsplit_once(')')?.0;
    let mut members: Vec<Arc<str>> = Vec::new();
    let mut chars = inside.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ',' | ' ' => continue,
            '\'' => {}
            _ => return None,
        }
        let mut member = String::new();
        loop {
            match chars.next()? {
                '\'' if chars.next_if_eq(&'\'').is_some() => member.push('\''),
                '\'' => break,
                '\\' => member.push(unescaped(chars.next()?)),
                other => member.push(other),
            }
        }
        members.push(member.into());
    }
    Some(members.into())
}

fn unescaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        'r' => '\r',
        '0' => '\0',
        other => other,
    }
}

async fn indexes(
    conn: &mut Conn,
    filter: &str,
    params: mysql_async::Params,
) -> Result<BTreeMap<TableName, Vec<Index>>, SourceError> {
    // Functional key parts (MySQL 8.0.13) have no COLUMN_NAME.
    type Part = (String, String, String, Option<String>, Option<u64>, u64);
    let parts: Vec<Part> = conn
        .exec(
            format!(
                "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NON_UNIQUE \
                 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ?{filter} \
                 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
            ),
            params,
        )
        .await
        .map_err(|e| SourceError::query("read indexes from information_schema", e))?;
    let mut all: BTreeMap<TableName, Vec<Index>> = BTreeMap::new();
    for (db, table, name, column, beginning, non_unique) in parts {
        let indexes = all.entry(TableName::new(db, table)).or_default();
        if indexes.last().is_none_or(|i| *i.name != *name) {
            let (name, unique) = (name.into(), non_unique == 0);
            let (expression, columns) = (false, Vec::new());
            indexes.push(Index { name, unique, whole: unique, expression, columns });
        }
        if let Some(index) = indexes.last_mut() {
            index.whole &= column.is_some() && beginning.is_none();
            index.expression |= column.is_none();
            index.columns.extend(column.map(Arc::from));
        }
    }
    Ok(all)
}

/// The primary key, else the first unique index (by name) whose columns are all NOT NULL. One over
/// the beginning of a column is no key: its order is not the column's.
pub fn choose_key(indexes: &[Index], columns: &[Column]) -> (Arc<str>, Vec<usize>) {
    let usable = |index: &Index| -> Option<Vec<usize>> {
        let at = |name: &Arc<str>| {
            columns.iter().position(|c| c.name.to_lowercase() == name.to_lowercase() && !c.nullable)
        };
        if !index.unique || !index.whole || index.columns.is_empty() {
            return None;
        }
        index.columns.iter().map(at).collect()
    };
    let mut candidates: Vec<&Index> = indexes.iter().collect();
    candidates.sort_by_key(|i| (&*i.name != "PRIMARY", Arc::clone(&i.name)));
    candidates
        .into_iter()
        .find_map(|index| Some((Arc::clone(&index.name), usable(index)?)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enum_members_are_read_as_the_server_quotes_them() {
        let got = members("enum('a','b''c','d,e','')").unwrap();
        let got: Vec<&str> = got.iter().map(|m| &**m).collect();
        assert_eq!(got, ["a", "b'c", "d,e", ""]);
        let got = members(r"enum('a\\b','c\nd\re\0','\\')").unwrap();
        let got: Vec<&str> = got.iter().map(|m| &**m).collect();
        assert_eq!(got, ["a\\b", "c\nd\re\0", "\\"]);
        assert!(members("enum('a").is_none());
    }

    fn column(name: &str, nullable: bool) -> Column {
        Column {
            name: name.into(),
            ty: ColumnType::Json,
            declared: "x".into(),
            nullable,
            generated: false,
            invisible: false,
        }
    }

    #[test]
    fn a_key_is_the_primary_else_a_unique_index_without_nulls() {
        let columns = [column("a", false), column("b", true), column("c", false)];
        let index = |name: &str, of: &[&str]| Index {
            name: name.into(),
            unique: name != "plain",
            whole: name != "beginning",
            expression: false,
            columns: of.iter().map(|c| (*c).into()).collect(),
        };
        let choose = |list: &[Index]| {
            let (name, key) = choose_key(list, &columns);
            (name.to_string(), key)
        };
        let none = (String::new(), vec![]);
        assert_eq!(
            choose(&[index("PRIMARY", &["c", "a"]), index("aa", &["a"])]),
            ("PRIMARY".to_owned(), vec![2, 0])
        );
        assert_eq!(
            choose(&[index("u2", &["c"]), index("u1", &["b"]), index("u3", &["a"])]),
            ("u2".to_owned(), vec![2])
        );
        assert_eq!(choose(&[index("u1", &["a", "b"])]), none);
        assert_eq!(choose(&[index("functional", &[])]), none);
        assert_eq!(choose(&[index("beginning", &["a"]), index("plain", &["a"])]), none);
    }
}

//! The grammar of `CREATE` and `DROP`.

use std::collections::BTreeMap;

use sqlparser::tokenizer::Token;

use crate::System;

use super::cursor::Cursor;
use super::{CreateTable, Distribution, KeyKind, SqlError, Statement, column};

pub(super) fn create(cursor: &mut Cursor) -> Result<Statement, SqlError> {
    if cursor.take_word("DATABASE") || cursor.take_word("SCHEMA") {
        let if_not_exists = cursor.take_words(&["IF", "NOT", "EXISTS"]);
        let name = cursor.name()?;
        if cursor.take_word("PROPERTIES") {
            properties(cursor)?;
        }
        return Ok(Statement::CreateDatabase { name, if_not_exists });
    }
    for kind in ["EXTERNAL", "TEMPORARY", "VIEW", "MATERIALIZED", "USER", "CATALOG", "INDEX"] {
        if cursor.at_word(kind) {
            return Err(SqlError::not_built(&format!("CREATE {kind}")));
        }
    }
    cursor.expect_word("TABLE")?;
    create_table(cursor).map(|create| Statement::CreateTable(Box::new(create)))
}

pub(super) fn drop(cursor: &mut Cursor) -> Result<Statement, SqlError> {
    let is_database = cursor.take_word("DATABASE") || cursor.take_word("SCHEMA");
    if !is_database {
        cursor.expect_word("TABLE")?;
    }
    let if_exists = cursor.take_words(&["IF", "EXISTS"]);
    let statement = if is_database {
        Statement::DropDatabase { name: cursor.name()?, if_exists }
    } else {
        Statement::DropTable { table: cursor.named()?, if_exists }
    };
    cursor.take_word("FORCE");
    Ok(statement)
}

fn create_table(cursor: &mut Cursor) -> Result<CreateTable, SqlError> {
    let if_not_exists = cursor.take_words(&["IF", "NOT", "EXISTS"]);
    let table = cursor.named()?;
    if cursor.at_word("LIKE") || cursor.at_word("AS") {
        return Err(SqlError::not_built("CREATE TABLE from another table"));
    }
    cursor.expect(&Token::LParen)?;
    let columns = cursor.listed(column_or_index)?.into_iter().flatten().collect();
    if cursor.take_word("ENGINE") {
        cursor.take(&Token::Eq);
        if !cursor.take_word("OLAP") {
            return Err(SqlError::not_built("an engine other than OLAP"));
        }
    }
    let key = key(cursor)?;
    let comment = if cursor.take_word("COMMENT") { cursor.text()? } else { String::new() };
    for partitions in ["PARTITION", "AUTO"] {
        if cursor.at_word(partitions) {
            return Err(SqlError::not_built("tables in partitions"));
        }
    }
    let distribution = distribution(cursor)?;
    if cursor.system() == System::StarRocks && cursor.take_words(&["ORDER", "BY"]) {
        cursor.names()?;
    }
    let properties =
        if cursor.take_word("PROPERTIES") { properties(cursor)? } else { BTreeMap::new() };
    Ok(CreateTable { table, if_not_exists, columns, key, comment, distribution, properties })
}

fn column_or_index(cursor: &mut Cursor) -> Result<Option<super::ColumnDef>, SqlError> {
    if cursor.at_word("INDEX") {
        return Err(SqlError::not_built("indexes"));
    }
    column::column(cursor).map(Some)
}

fn key(cursor: &mut Cursor) -> Result<Option<(KeyKind, Vec<String>)>, SqlError> {
    let doris = cursor.system() == System::Doris;
    let kind = if cursor.take_words(&["DUPLICATE", "KEY"]) {
        KeyKind::Duplicate
    } else if doris && cursor.take_words(&["UNIQUE", "KEY"]) {
        KeyKind::Unique
    } else if !doris && cursor.take_words(&["PRIMARY", "KEY"]) {
        KeyKind::Primary
    } else if !doris && cursor.at_word("UNIQUE") {
        return Err(SqlError::not_built("unique key tables, which a primary key table replaces"));
    } else if cursor.at_word("AGGREGATE") {
        return Err(SqlError::not_built("aggregate tables"));
    } else {
        return Ok(None);
    };
    let columns = cursor.names()?;
    if cursor.at_word("CLUSTER") {
        return Err(SqlError::not_built("CLUSTER BY"));
    }
    Ok(Some((kind, columns)))
}

fn distribution(cursor: &mut Cursor) -> Result<Option<Distribution>, SqlError> {
    if !cursor.take_words(&["DISTRIBUTED", "BY"]) {
        return Ok(None);
    }
    let columns = if cursor.take_word("RANDOM") {
        Vec::new()
    } else {
        cursor.expect_word("HASH")?;
        cursor.names()?
    };
    let mut buckets = None;
    if cursor.take_word("BUCKETS") {
        let automatic = cursor.system() == System::Doris && cursor.take_word("AUTO");
        buckets = if automatic { None } else { Some(cursor.integer()?) };
    }
    Ok(Some(Distribution { columns, buckets }))
}

/// `("a" = "b", …)`.
pub(super) fn properties(cursor: &mut Cursor) -> Result<BTreeMap<String, String>, SqlError> {
    cursor.expect(&Token::LParen)?;
    let pairs = cursor.listed(|cursor| {
        let name = cursor.text()?;
        cursor.expect(&Token::Eq)?;
        Ok((name, cursor.text()?))
    })?;
    Ok(pairs.into_iter().collect())
}

//! The grammar of `SHOW`.

use sqlparser::tokenizer::Token;

use crate::System;

use super::cursor::Cursor;
use super::{Pattern, Show, SqlError, Which};

pub(super) fn show(cursor: &mut Cursor) -> Result<Show, SqlError> {
    let full = cursor.take_word("FULL");
    if cursor.take_word("DATABASES") || cursor.take_word("SCHEMAS") {
        return Ok(Show::Databases(like(cursor)?));
    }
    if cursor.take_word("TABLES") {
        let database = from_database(cursor)?;
        return Ok(Show::Tables { database, like: like(cursor)?, full });
    }
    if cursor.take_word("COLUMNS") || cursor.take_word("FIELDS") {
        return columns(cursor, full);
    }
    if cursor.take_words(&["CREATE", "TABLE"]) {
        return Ok(Show::CreateTable(cursor.named()?));
    }
    if cursor.take_words(&["CREATE", "DATABASE"]) || cursor.take_words(&["CREATE", "SCHEMA"]) {
        return Ok(Show::CreateDatabase(cursor.name()?));
    }
    if cursor.take_words(&["ALTER", "TABLE", "COLUMN"]) {
        return jobs(cursor);
    }
    if cursor.take_word("TRANSACTION") {
        return transaction(cursor);
    }
    if cursor.take_word("PROC") {
        return Ok(Show::Proc(cursor.text()?));
    }
    if cursor.take_word("BACKENDS") {
        return Ok(Show::Backends);
    }
    if cursor.take_word("FRONTENDS") {
        return Ok(Show::Frontends);
    }
    setting(cursor)
}

fn setting(cursor: &mut Cursor) -> Result<Show, SqlError> {
    let scoped = cursor.take_word("SESSION") || cursor.take_word("GLOBAL");
    if cursor.take_word("VARIABLES") {
        return Ok(Show::Variables(variable(cursor)?));
    }
    if !scoped {
        if cursor.take_word("WARNINGS") || cursor.take_word("ERRORS") {
            cursor.rest();
            return Ok(Show::Warnings);
        }
        if cursor.take_word("STATUS") {
            cursor.rest();
            return Ok(Show::Empty(&["Variable_name", "Value"]));
        }
        if cursor.take_word("PROCESSLIST") {
            return Ok(Show::Empty(&[
                "Id", "User", "Host", "db", "Command", "Time", "State", "Info",
            ]));
        }
    }
    Err(cursor.unexpected("what to show"))
}

/// `FROM db` or `IN db`.
pub(super) fn from_database(cursor: &mut Cursor) -> Result<Option<String>, SqlError> {
    if cursor.take_word("FROM") || cursor.take_word("IN") {
        return cursor.name().map(Some);
    }
    Ok(None)
}

fn like(cursor: &mut Cursor) -> Result<Option<String>, SqlError> {
    if cursor.take_word("LIKE") { cursor.text().map(Some) } else { Ok(None) }
}

/// `LIKE 'x'` or `WHERE Variable_name = 'x'`, with more behind an `OR` that is not heeded.
fn variable(cursor: &mut Cursor) -> Result<Option<String>, SqlError> {
    if !cursor.take_word("WHERE") {
        return like(cursor);
    }
    cursor.name()?;
    if !cursor.take_word("LIKE") {
        cursor.expect(&Token::Eq)?;
    }
    let name = cursor.text()?;
    if cursor.at_word("OR") {
        return Err(SqlError::not_built("SHOW VARIABLES with more than one condition"));
    }
    Ok(Some(name))
}

fn columns(cursor: &mut Cursor, full: bool) -> Result<Show, SqlError> {
    if !cursor.take_word("FROM") {
        cursor.expect_word("IN")?;
    }
    let mut table = cursor.named()?;
    if let Some(database) = from_database(cursor)? {
        table.database = Some(database);
    }
    Ok(Show::Columns { table, like: like(cursor)?, full })
}

/// Of the conditions there may be, only that on the table is heeded.
fn jobs(cursor: &mut Cursor) -> Result<Show, SqlError> {
    let database = from_database(cursor)?;
    let mut table = None;
    if cursor.take_word("WHERE") {
        let column = cursor.name()?;
        if !column.eq_ignore_ascii_case("TableName") {
            return Err(SqlError::not_built(&format!("SHOW ALTER TABLE by {column}")));
        }
        cursor.expect(&Token::Eq)?;
        table = Some(cursor.text()?);
    }
    let mut newest_first = false;
    if cursor.take_words(&["ORDER", "BY"]) {
        let column = cursor.name()?;
        if !["CreateTime", "JobId"].iter().any(|known| column.eq_ignore_ascii_case(known)) {
            return Err(SqlError::not_built(&format!("SHOW ALTER TABLE ordered by {column}")));
        }
        newest_first = cursor.take_word("DESC");
        cursor.take_word("ASC");
    }
    let limit = if cursor.take_word("LIMIT") { Some(cursor.integer()?) } else { None };
    Ok(Show::Jobs { database, table, newest_first, limit })
}

fn transaction(cursor: &mut Cursor) -> Result<Show, SqlError> {
    let database = from_database(cursor)?;
    cursor.expect_word("WHERE")?;
    if cursor.take_word("id") {
        cursor.expect(&Token::Eq)?;
        return Ok(Show::Transaction { database, which: Which::Id(cursor.integer()?) });
    }
    let which = if cursor.system() == System::Doris && cursor.take_word("status") {
        cursor.expect(&Token::Eq)?;
        Which::Status(cursor.text()?)
    } else if cursor.system() == System::Doris {
        Which::Label(label(cursor)?)
    } else {
        return Err(cursor.unexpected("id"));
    };
    Ok(Show::Transaction { database, which })
}

/// `label = 'x'` or `label LIKE 'x%'`.
pub(super) fn label(cursor: &mut Cursor) -> Result<Pattern, SqlError> {
    cursor.expect_word("label")?;
    if cursor.take_word("LIKE") {
        return cursor.text().map(Pattern::Like);
    }
    cursor.expect(&Token::Eq)?;
    cursor.text().map(Pattern::Is)
}

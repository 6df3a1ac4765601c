//! The SQL that sinks and people send: read into a [`Statement`], and held against the rules of the server.
//!
//! The tokens are those of a maintained SQL tokenizer; the grammars of the two servers are written upon it, for
//! what is `UNIQUE KEY (…) DISTRIBUTED BY …` in the one is `PRIMARY KEY (…)` in the other, and what one takes the
//! other must refuse. Pure: [`define`] makes a table of a `CREATE TABLE`, [`change`] says what an `ALTER TABLE`
//! comes to, and whoever owns the tables does it.

mod alter;
pub mod change;
mod column;
mod create;
mod cursor;
pub mod define;
mod error;
mod moves;
mod names;
pub mod printed;
mod show;
mod statement;

#[cfg(test)]
mod tests;

use sqlparser::tokenizer::Token;

use crate::System;

use cursor::Cursor;

pub use error::SqlError;
pub use names::check_database;
pub use statement::{
    Clause, ColumnDef, CreateTable, DefaultValue, Distribution, KeyKind, Named, Pattern, Place,
    Show, Statement, Which,
};

/// Reads one statement.
///
/// # Errors
/// What is not of the server's grammar, and what is, but the stand-in does not have.
pub fn parse(system: System, sql: &str) -> Result<Statement, SqlError> {
    let mut cursor = Cursor::new(system, sql)?;
    let statement = statement(&mut cursor)?;
    cursor.end()?;
    Ok(statement)
}

fn statement(cursor: &mut Cursor) -> Result<Statement, SqlError> {
    if cursor.peek().is_none() || cursor.peek() == Some(&Token::SemiColon) {
        return Ok(Statement::Nothing);
    }
    if cursor.at_word("SELECT") || cursor.at_word("WITH") || cursor.peek() == Some(&Token::LParen) {
        let mut tokens = cursor.rest();
        while tokens.last() == Some(&Token::SemiColon) {
            tokens.pop();
        }
        return Ok(Statement::Query(tokens));
    }
    if cursor.take_word("CREATE") {
        return create::create(cursor);
    }
    if cursor.take_word("DROP") {
        return create::drop(cursor);
    }
    if cursor.take_words(&["ALTER", "TABLE"]) {
        return alter::alter(cursor);
    }
    if cursor.take_word("SHOW") {
        return show::show(cursor).map(Statement::Show);
    }
    other(cursor)
}

fn other(cursor: &mut Cursor) -> Result<Statement, SqlError> {
    if cursor.take_words(&["TRUNCATE", "TABLE"]) {
        let table = cursor.named()?;
        cursor.take_word("FORCE");
        return Ok(Statement::Truncate(table));
    }
    if cursor.take_word("DESC") || cursor.take_word("DESCRIBE") {
        let table = cursor.named()?;
        cursor.take_word("ALL");
        return Ok(Statement::Describe(table));
    }
    // What pools of connections end every turn with: nothing is under way here.
    if cursor.take_word("COMMIT") || cursor.take_word("ROLLBACK") {
        return Ok(Statement::Nothing);
    }
    if cursor.take_word("USE") {
        return Ok(Statement::Use(cursor.name()?));
    }
    if cursor.take_word("SET") {
        return Ok(Statement::Set(assignments(&cursor.rest())));
    }
    if cursor.take_words(&["CANCEL", "ALTER", "TABLE", "COLUMN", "FROM"]) {
        return Ok(Statement::CancelAlter(cursor.named()?));
    }
    if cursor.take_words(&["CANCEL", "LOAD"]) {
        let database = show::from_database(cursor)?;
        cursor.expect_word("WHERE")?;
        let label = show::label(cursor)?;
        return Ok(Statement::CancelLoad { database, label });
    }
    if cursor.system() == System::Doris && cursor.take_words(&["CLEAN", "LABEL"]) {
        let named = !cursor.at_word("FROM") && cursor.peek().is_some();
        let label = if named { Some(cursor.name()?) } else { None };
        let database = show::from_database(cursor)?;
        return Ok(Statement::CleanLabel { label, database });
    }
    for verb in ["INSERT", "UPDATE", "DELETE"] {
        if cursor.at_word(verb) {
            return Err(SqlError::not_built(&format!("{verb}: rows come by Stream Load")));
        }
    }
    for verb in ["EXPLAIN", "GRANT", "REVOKE", "ADMIN", "KILL", "REFRESH", "ANALYZE", "BACKUP"] {
        if cursor.at_word(verb) {
            return Err(SqlError::not_built(verb));
        }
    }
    Err(cursor.unexpected("a statement"))
}

/// `a = 1, @@session.b = 'x'`, and `NAMES utf8`: what is set is remembered, little of it is heeded.
fn assignments(tokens: &[Token]) -> Vec<(String, String)> {
    let parts = tokens.split(|token| *token == Token::Comma);
    parts
        .filter_map(|part| {
            let equals =
                part.iter().position(|token| matches!(token, Token::Eq | Token::Assignment));
            let (name, value) = part.split_at(equals?);
            let name: String = name.iter().rev().take(1).map(plain).collect();
            let name = name.rsplit('.').next().unwrap_or(&name).trim_start_matches('@').to_owned();
            let value = value.iter().skip(1).map(plain).collect::<Vec<_>>().join(" ");
            Some((name.to_ascii_lowercase(), value.trim_end_matches([' ', ';']).to_owned()))
        })
        .collect()
}

/// A token without its quotes.
fn plain(token: &Token) -> String {
    if let Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) = token {
        return text.clone();
    }
    if let Token::Word(word) = token { word.value.clone() } else { token.to_string() }
}

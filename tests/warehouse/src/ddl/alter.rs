//! The grammar of `ALTER TABLE`.

use sqlparser::tokenizer::Token;

use crate::System;

use super::cursor::Cursor;
use super::{Clause, Place, SqlError, Statement, column, create};

pub(super) fn alter(cursor: &mut Cursor) -> Result<Statement, SqlError> {
    let table = cursor.named()?;
    let of_parts = ["COLUMN", "ROLLUP", "PARTITION"];
    if cursor.at_word("RENAME") && !of_parts.iter().any(|part| cursor.at_words(&["RENAME", part])) {
        cursor.take_word("RENAME");
        return Ok(Statement::RenameTable { table, to: cursor.name()? });
    }
    let mut clauses = vec![clause(cursor)?];
    while cursor.take(&Token::Comma) {
        clauses.push(clause(cursor)?);
    }
    Ok(Statement::Alter { table, clauses })
}

fn clause(cursor: &mut Cursor) -> Result<Clause, SqlError> {
    if cursor.take_words(&["ADD", "COLUMN"]) {
        return add(cursor);
    }
    if cursor.take_words(&["DROP", "COLUMN"]) {
        let name = cursor.name()?;
        ignore_properties(cursor)?;
        return Ok(Clause::Drop(name));
    }
    if cursor.take_words(&["MODIFY", "COLUMN"]) {
        let name = cursor.name()?;
        if cursor.system() == System::Doris && cursor.take_word("COMMENT") {
            return Ok(Clause::ColumnComment { column: name, comment: cursor.text()? });
        }
        let column = column::named(name, cursor)?;
        let place = place(cursor)?;
        ignore_properties(cursor)?;
        return Ok(Clause::Modify { column, place });
    }
    if cursor.system() == System::Doris && cursor.take_words(&["MODIFY", "COMMENT"]) {
        return Ok(Clause::Comment(cursor.text()?));
    }
    if cursor.take_words(&["RENAME", "COLUMN"]) {
        let from = cursor.name()?;
        if cursor.system() == System::StarRocks {
            cursor.take_word("TO");
        }
        return Ok(Clause::Rename { from, to: cursor.name()? });
    }
    if cursor.take_words(&["ORDER", "BY"]) {
        return Ok(Clause::Order(cursor.names()?));
    }
    if cursor.take_word("SET") {
        return Ok(Clause::Properties(create::properties(cursor)?));
    }
    for what in ["ADD", "DROP", "RENAME", "MODIFY", "REPLACE", "COMMENT", "SWAP", "ENABLE"] {
        if cursor.at_word(what) {
            return Err(SqlError::not_built(&format!("this ALTER TABLE … {what}")));
        }
    }
    Err(cursor.unexpected("ADD COLUMN"))
}

/// One with a place, or several in parentheses without.
fn add(cursor: &mut Cursor) -> Result<Clause, SqlError> {
    let (columns, place) = if cursor.take(&Token::LParen) {
        (cursor.listed(column::column)?, None)
    } else {
        (vec![column::column(cursor)?], place(cursor)?)
    };
    ignore_properties(cursor)?;
    Ok(Clause::Add { columns, place })
}

fn place(cursor: &mut Cursor) -> Result<Option<Place>, SqlError> {
    if cursor.take_word("FIRST") {
        return Ok(Some(Place::First));
    }
    if cursor.take_word("AFTER") {
        return cursor.name().map(Place::After).map(Some);
    }
    Ok(None)
}

/// A timeout for the job, at most.
fn ignore_properties(cursor: &mut Cursor) -> Result<(), SqlError> {
    if cursor.take_word("PROPERTIES") {
        create::properties(cursor)?;
    }
    Ok(())
}

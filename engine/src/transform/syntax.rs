//! Projections and filters as trees in which every part knows its place.
//!
//! The words are those of standard SQL, as Flink CDC reads them: a backslash in a text is a backslash, and
//! names stand in backticks or double quotes where they need to. Operators and functions are calls alike,
//! so that one table of them says what exists ([`super::compile`]).

use std::any::TypeId;

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Token, Tokenizer};

mod parser;

/// Bytes of one text.
const TEXT_MAX: usize = 16 << 10;
/// Parts within parts: what walks a tree does so by recursion.
const HEIGHT_MAX: u16 = 200;

/// A part of an expression.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    /// Characters of the text before it.
    pub(super) at: usize,
    height: u16,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Name(String),
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    /// A function or an operator by its name in capitals.
    Call(String, Vec<Expr>),
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast(Box<Expr>, TypeName),
}

/// `DECIMAL(10, 2)`.
#[derive(Debug, Clone)]
pub(super) struct TypeName {
    /// In capitals.
    pub(super) name: String,
    pub(super) numbers: Vec<u32>,
    pub(super) at: usize,
}

/// One place of a projection.
#[derive(Debug, Clone)]
pub(super) enum Projected {
    All,
    One { expr: Expr, name: Option<String> },
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Reads `id, UPPER(name) AS name, *`.
pub(super) fn projection(text: &str) -> Result<Vec<Projected>, Wrong> {
    parser::Parser::new(pieces(text)?).projection()
}

/// Reads one condition.
pub(super) fn filter(text: &str) -> Result<Expr, Wrong> {
    parser::Parser::new(pieces(text)?).filter()
}

/// Reads names with commas between.
pub(super) fn names(text: &str) -> Result<Vec<(String, usize)>, Wrong> {
    parser::Parser::new(pieces(text)?).names()
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    /// In capitals, and as it was written.
    Word(String, String),
    Quoted(String),
    Number(String),
    Text(String),
    Sign(String),
    End,
}

#[derive(Debug)]
struct Words;

impl Dialect for Words {
    fn dialect(&self) -> TypeId {
        TypeId::of::<Self>()
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || matches!(c, '_' | '$')
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || matches!(c, '_' | '$')
    }
}

/// The words and signs of a text, each with the characters before it.
fn pieces(text: &str) -> Result<Vec<(Piece, usize)>, Wrong> {
    if text.len() > TEXT_MAX {
        return Err(Wrong::new(0, format!("the text is longer than {TEXT_MAX} bytes")));
    }
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1))
        .collect();
    let place = |line: u64, column: u64| {
        let line = usize::try_from(line.saturating_sub(1)).unwrap_or_default();
        let column = usize::try_from(column.saturating_sub(1)).unwrap_or_default();
        starts.get(line).copied().unwrap_or_default() + column
    };
    let tokens = Tokenizer::new(&Words, text).tokenize_with_location().map_err(|error| {
        Wrong::new(place(error.location.line, error.location.column), error.message)
    })?;
    let mut pieces = Vec::with_capacity(tokens.len() + 1);
    for token in tokens {
        let start = token.span.start;
        if let Some(piece) = piece(token.token) {
            pieces.push((piece, place(start.line, start.column)));
        }
    }
    pieces.push((Piece::End, text.trim_end().chars().count()));
    Ok(pieces)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other token is a sign")]
fn piece(token: Token) -> Option<Piece> {
    Some(match token {
        Token::Whitespace(_) | Token::EOF => return None,
        Token::Word(word) if word.quote_style.is_some() => Piece::Quoted(word.value),
        Token::Word(word) => Piece::Word(word.value.to_ascii_uppercase(), word.value),
        Token::Number(number, _) => Piece::Number(number),
        Token::SingleQuotedString(text) => Piece::Text(text),
        sign => Piece::Sign(sign.to_string()),
    })
}

#[cfg(test)]
mod tests;

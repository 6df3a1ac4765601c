//! Tokens of a statement, and a place among them.

use sqlparser::dialect::MySqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::System;

use super::{Named, SqlError};

/// Reads from the left; what does not fit is an error that names the place.
#[derive(Debug)]
pub(super) struct Cursor {
    system: System,
    /// With the column where each begins.
    tokens: Vec<(Token, u64)>,
    at: usize,
}

impl Cursor {
    pub(super) fn new(system: System, sql: &str) -> Result<Self, SqlError> {
        let tokens = Tokenizer::new(&MySqlDialect {}, sql).tokenize_with_location();
        let tokens = tokens.map_err(|why| {
            SqlError::syntax(system, why.location.column, &why.message, "a statement")
        })?;
        let tokens = tokens.into_iter().map(|token| (token.token, token.span.start.column));
        let tokens =
            tokens.filter(|(token, _)| !matches!(token, Token::Whitespace(_) | Token::EOF));
        Ok(Self { system, tokens: tokens.collect(), at: 0 })
    }

    pub(super) fn system(&self) -> System {
        self.system
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// What is left, as tokens.
    pub(super) fn rest(&mut self) -> Vec<Token> {
        let rest = self.tokens.iter().skip(self.at).map(|(token, _)| token.clone()).collect();
        self.at = self.tokens.len();
        rest
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        self.is_word(self.at, word)
    }

    pub(super) fn at_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.is_word(self.at + ahead, word))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.take_words(&[word])
    }

    /// All of them or none.
    pub(super) fn take_words(&mut self, words: &[&str]) -> bool {
        let all = self.at_words(words);
        if all {
            self.at += words.len();
        }
        all
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), SqlError> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    pub(super) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, token: &Token) -> Result<(), SqlError> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(&format!("'{token}'"))) }
    }

    /// An identifier, in backticks or not.
    pub(super) fn name(&mut self) -> Result<String, SqlError> {
        if let Some(Token::Word(word)) = self.peek() {
            let name = word.value.clone();
            self.at += 1;
            return Ok(name);
        }
        Err(self.unexpected("an identifier"))
    }

    /// A table's name, after its database's or alone.
    pub(super) fn named(&mut self) -> Result<Named, SqlError> {
        let first = self.name()?;
        if self.take(&Token::Period) {
            let table = self.name()?;
            return Ok(Named { database: Some(first), table });
        }
        Ok(Named { database: None, table: first })
    }

    /// A text in quotes, if one is next.
    pub(super) fn take_text(&mut self) -> Option<String> {
        let (Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) = self.peek()?
        else {
            return None;
        };
        let text = text.clone();
        self.at += 1;
        Some(text)
    }

    pub(super) fn text(&mut self) -> Result<String, SqlError> {
        self.take_text().ok_or_else(|| self.unexpected("a text in quotes"))
    }

    /// A number as it was written, with its sign.
    pub(super) fn take_number(&mut self) -> Option<String> {
        let start = self.at;
        let sign = if self.take(&Token::Minus) { "-" } else { "" };
        if let Some(Token::Number(digits, _)) = self.peek() {
            let number = format!("{sign}{digits}");
            self.at += 1;
            return Some(number);
        }
        self.at = start;
        None
    }

    pub(super) fn integer<N: std::str::FromStr>(&mut self) -> Result<N, SqlError> {
        let number = self.take_number().and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| self.unexpected("an integer"))
    }

    /// `(a, b)`.
    pub(super) fn names(&mut self) -> Result<Vec<String>, SqlError> {
        self.expect(&Token::LParen)?;
        self.listed(Self::name)
    }

    /// What is left of a list in parentheses that are open.
    pub(super) fn listed<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut list = vec![one(self)?];
        while self.take(&Token::Comma) {
            list.push(one(self)?);
        }
        self.expect(&Token::RParen)?;
        Ok(list)
    }

    /// `(*)`: as long as it may be.
    pub(super) fn take_star_in_parentheses(&mut self) -> bool {
        let start = self.at;
        let found =
            self.take(&Token::LParen) && self.take(&Token::Mul) && self.take(&Token::RParen);
        if !found {
            self.at = start;
        }
        found
    }

    pub(super) fn end(&mut self) -> Result<(), SqlError> {
        while self.take(&Token::SemiColon) {}
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    pub(super) fn unexpected(&self, expected: &str) -> SqlError {
        let (found, column) = self
            .tokens
            .get(self.at)
            .map_or(("<EOF>".to_owned(), 0), |(token, column)| (token.to_string(), *column));
        SqlError::syntax(self.system, column, &found, expected)
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        matches!(self.tokens.get(at), Some((Token::Word(found), _))
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }
}

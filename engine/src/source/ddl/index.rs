//! Indexes and constraints, as statements declare them.

use sqlparser::tokenizer::Token;

use super::Tokens;
use super::clause::Clause;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDef {
    /// `None`: the server finds one. `PRIMARY` for the primary key.
    pub name: Option<String>,
    pub unique: bool,
    pub columns: Vec<String>,
    /// False where a part is the beginning of a column, or an expression.
    pub whole: bool,
    pub expression: bool,
    pub if_not_exists: bool,
}

/// What an index is over.
struct Parts {
    columns: Vec<String>,
    whole: bool,
    expression: bool,
}

impl Parts {
    fn index(self, name: Option<String>, unique: bool, if_not_exists: bool) -> IndexDef {
        let Self { columns, whole, expression } = self;
        IndexDef { name, unique, columns, whole, expression, if_not_exists }
    }
}

impl Tokens<'_> {
    /// CREATE INDEX, past its first word.
    pub(super) fn create_index(&mut self) -> Option<Vec<Clause>> {
        if self.take(&["OR"]) {
            // MariaDB's OR REPLACE: which index goes cannot be told from here alone.
            return None;
        }
        let mut unique = false;
        while let Some(word) = self.word() {
            match word.as_str() {
                "UNIQUE" => unique = true,
                "FULLTEXT" | "SPATIAL" | "ONLINE" | "OFFLINE" => {}
                _ => break,
            }
            self.at += 1;
        }
        if !self.take(&["INDEX", "KEY"]) {
            return None;
        }
        let if_not_exists = self.if_not_exists();
        let name = Some(self.identifier()?);
        self.using()?;
        if !self.take(&["ON"]) {
            return None;
        }
        self.table()?;
        let index = self.parts()?.index(name, unique, if_not_exists);
        Some(vec![Clause::AddIndex(index)])
    }

    /// An index or a constraint, which may be none that makes a key. The outer `None`: it is none
    /// of them; the inner: it cannot be read.
    pub(super) fn index_def(&mut self) -> Option<Option<Option<IndexDef>>> {
        let words = [
            "CONSTRAINT",
            "PRIMARY",
            "UNIQUE",
            "INDEX",
            "KEY",
            "FULLTEXT",
            "SPATIAL",
            "FOREIGN",
            "CHECK",
        ];
        self.word().filter(|w| words.contains(&w.as_str()))?;
        Some(self.index_or_constraint())
    }

    fn index_or_constraint(&mut self) -> Option<Option<IndexDef>> {
        let mut name = None;
        if self.take(&["CONSTRAINT"]) {
            let kinds = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"];
            if !self.word().is_some_and(|w| kinds.contains(&w.as_str())) {
                name = Some(self.identifier()?);
            }
        }
        if self.take(&["CHECK"]) {
            self.group()?;
            self.take(&["NOT"]);
            self.take(&["ENFORCED"]);
            return Some(None);
        }
        if self.take(&["FOREIGN"]) {
            return self.foreign_key(name);
        }
        let primary = self.take(&["PRIMARY"]);
        let unique = primary || self.take(&["UNIQUE"]);
        if !unique {
            self.take(&["FULLTEXT", "SPATIAL"]);
        }
        self.take(&["INDEX", "KEY"]);
        let if_not_exists = self.if_not_exists();
        if self.tokens.get(self.at) != Some(&Token::LParen)
            && self.word().as_deref() != Some("USING")
        {
            name = Some(self.identifier()?);
        }
        if primary {
            name = Some("PRIMARY".to_owned());
        }
        self.using()?;
        let index = self.parts()?.index(name, unique, if_not_exists);
        self.index_options()?;
        Some(Some(index))
    }

    /// A foreign key brings an index of its own where none serves it: the server names it.
    fn foreign_key(&mut self, mut name: Option<String>) -> Option<Option<IndexDef>> {
        if !self.take(&["KEY"]) {
            return None;
        }
        let if_not_exists = self.if_not_exists();
        if self.tokens.get(self.at) != Some(&Token::LParen) {
            let own = self.identifier()?;
            name.get_or_insert(own);
        }
        let index = self.parts()?.index(name, false, if_not_exists);
        if !self.take(&["REFERENCES"]) {
            return None;
        }
        self.table()?;
        self.group()?;
        while let Some(word) = self.word() {
            match word.as_str() {
                "ON" | "DELETE" | "UPDATE" | "RESTRICT" | "CASCADE" | "SET" | "NULL" | "NO"
                | "ACTION" | "DEFAULT" | "MATCH" | "FULL" | "PARTIAL" | "SIMPLE" => self.at += 1,
                _ => break,
            }
        }
        Some(Some(index))
    }

    fn using(&mut self) -> Option<()> {
        if self.take(&["USING"]) {
            self.word()?;
            self.at += 1;
        }
        Some(())
    }

    /// `(a, b(10) DESC, (expression))`.
    fn parts(&mut self) -> Option<Parts> {
        if !self.symbol(&Token::LParen) {
            return None;
        }
        let mut parts = Parts { columns: Vec::new(), whole: true, expression: false };
        loop {
            if self.tokens.get(self.at) == Some(&Token::LParen) {
                self.group()?;
                (parts.whole, parts.expression) = (false, true);
            } else {
                parts.columns.push(self.identifier()?);
                if self.tokens.get(self.at) == Some(&Token::LParen) {
                    self.group()?;
                    parts.whole = false;
                }
            }
            self.take(&["ASC", "DESC"]);
            if !self.symbol(&Token::Comma) {
                break;
            }
        }
        self.symbol(&Token::RParen).then_some(parts)
    }

    fn index_options(&mut self) -> Option<()> {
        while let Some(word) = self.word() {
            match word.as_str() {
                "USING" => self.using()?,
                "VISIBLE" | "INVISIBLE" | "IGNORED" | "NOT" => self.at += 1,
                "COMMENT" => {
                    self.at += 1;
                    self.string()?;
                }
                "KEY_BLOCK_SIZE" => {
                    self.at += 1;
                    self.symbol(&Token::Eq);
                    self.number()?;
                }
                "WITH" => {
                    self.at += 1;
                    if !self.take(&["PARSER"]) {
                        return None;
                    }
                    self.identifier()?;
                }
                _ => break,
            }
        }
        Some(())
    }
}

//! A column as a statement declares it.

use sqlparser::tokenizer::Token;

use super::Tokens;

/// One column of CREATE TABLE, or of ADD, MODIFY and CHANGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    pub name: String,
    pub ty: DeclaredType,
    pub charset: Option<String>,
    pub collation: Option<String>,
    /// Where the statement says.
    pub nullable: Option<bool>,
    /// VIRTUAL: computed when read.
    pub generated: bool,
    pub invisible: bool,
    pub key: Option<ColumnKey>,
    pub place: Option<Place>,
    pub default: Option<DefaultDef>,
    /// Each row has a value of its own: it is computed, or counted.
    pub is_of_the_row: bool,
}

/// What DEFAULT says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultDef {
    Null,
    /// As it is written.
    Number(String),
    /// Without its quotes.
    Text(String),
    /// Known to the server alone.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKey {
    Primary,
    Unique,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    First,
    After(String),
}

/// A type's words and what stands behind them, not yet told what they mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclaredType {
    /// Upper case, for instance `VARCHAR`.
    pub word: String,
    pub numbers: Vec<u64>,
    /// Of ENUM and SET.
    pub members: Vec<String>,
    pub unsigned: bool,
    pub zerofill: bool,
}

impl Tokens<'_> {
    /// `name type attributes [FIRST | AFTER column]`; `None` where a word is not known here.
    pub(super) fn column_def(&mut self) -> Option<ColumnDef> {
        let name = self.identifier()?;
        let ty = self.declared_type()?;
        let mut column = ColumnDef {
            name,
            ty,
            charset: None,
            collation: None,
            nullable: None,
            generated: false,
            invisible: false,
            key: None,
            place: None,
            default: None,
            is_of_the_row: false,
        };
        if column.ty.word == "SERIAL" {
            // BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE (manual, "Numeric Data Type Syntax").
            column.ty.word = "BIGINT".to_owned();
            column.ty.unsigned = true;
            column.nullable = Some(false);
            column.key = Some(ColumnKey::Unique);
            column.is_of_the_row = true;
        }
        while let Some(word) = self.word() {
            if !self.attribute(&mut column, &word)? {
                break;
            }
        }
        Some(column)
    }

    fn declared_type(&mut self) -> Option<DeclaredType> {
        let mut word = self.word()?;
        self.at += 1;
        if ["DOUBLE", "CHAR", "CHARACTER"].contains(&word.as_str()) {
            if self.take(&["PRECISION"]) {
                word = "DOUBLE".to_owned();
            } else if self.take(&["VARYING"]) {
                word = "VARCHAR".to_owned();
            }
        }
        let mut ty = DeclaredType { word, ..DeclaredType::default() };
        if self.symbol(&Token::LParen) {
            loop {
                if let Some(text) = self.string() {
                    ty.members.push(text);
                } else {
                    ty.numbers.push(self.number()?);
                }
                if !self.symbol(&Token::Comma) {
                    break;
                }
            }
            if !self.symbol(&Token::RParen) {
                return None;
            }
        }
        Some(ty)
    }

    /// `Some(false)`: the word is no attribute, and the column ends before it.
    fn attribute(&mut self, column: &mut ColumnDef, word: &str) -> Option<bool> {
        if word == "PARTITION" {
            return Some(false);
        }
        self.at += 1;
        match word {
            "UNSIGNED" => column.ty.unsigned = true,
            "SIGNED" | "STORED" | "PERSISTENT" | "AUTO_INCREMENT" | "VISIBLE" => {
                column.generated &= !matches!(word, "STORED" | "PERSISTENT");
                column.is_of_the_row |= word == "AUTO_INCREMENT";
            }
            "ZEROFILL" => (column.ty.zerofill, column.ty.unsigned) = (true, true),
            "CHARSET" => column.charset = Some(self.name_of_set()?),
            "CHARACTER" => {
                self.must("SET")?;
                column.charset = Some(self.name_of_set()?);
            }
            "COLLATE" => column.collation = Some(self.name_of_set()?),
            "NULL" => column.nullable = Some(true),
            "NOT" => {
                self.must("NULL")?;
                column.nullable = Some(false);
            }
            "DEFAULT" => column.default = Some(self.default_def()?),
            "ON" => {
                self.must("UPDATE")?;
                self.default_value()?;
            }
            "PRIMARY" => {
                self.must("KEY")?;
                column.key = Some(ColumnKey::Primary);
            }
            "KEY" => column.key = Some(ColumnKey::Primary),
            "UNIQUE" => {
                self.take(&["KEY"]);
                column.key = Some(ColumnKey::Unique);
            }
            "GENERATED" => self.must("ALWAYS")?,
            "AS" => {
                self.group()?;
                column.generated = true;
                column.is_of_the_row = true;
            }
            "VIRTUAL" => column.generated = true,
            "INVISIBLE" => column.invisible = true,
            "COMMENT" => {
                self.string()?;
            }
            "SRID" => {
                self.number()?;
            }
            "COLUMN_FORMAT" | "STORAGE" => {
                self.word()?;
                self.at += 1;
            }
            "CHECK" => self.group()?,
            "FIRST" => column.place = Some(Place::First),
            "AFTER" => column.place = Some(Place::After(self.identifier()?)),
            _ => return None,
        }
        Some(true)
    }

    /// A character set or a collation: a word, or a string.
    pub(super) fn name_of_set(&mut self) -> Option<String> {
        if self.word().as_deref() == Some("BINARY") {
            // Bytes, not text: the type becomes another.
            return None;
        }
        self.string().or_else(|| self.identifier()).map(|name| name.to_ascii_lowercase())
    }

    fn must(&mut self, word: &str) -> Option<()> {
        self.take(&[word]).then_some(())
    }

    fn default_def(&mut self) -> Option<DefaultDef> {
        let begun = self.at;
        let mut sign = "";
        while let Some(Token::Minus | Token::Plus) = self.tokens.get(self.at) {
            if self.tokens.get(self.at) == Some(&Token::Minus) {
                sign = if sign.is_empty() { "-" } else { "" };
            }
            self.at += 1;
        }
        let is_signed = self.at > begun;
        let token = self.tokens.get(self.at)?;
        let def = if let Token::Number(text, _) = token {
            DefaultDef::Number(format!("{sign}{text}"))
        } else if is_signed {
            DefaultDef::Other
        } else if let Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) = token {
            DefaultDef::Text(text.clone())
        } else {
            match self.word().as_deref() {
                Some("NULL") => DefaultDef::Null,
                Some("TRUE") => DefaultDef::Number("1".to_owned()),
                Some("FALSE") => DefaultDef::Number("0".to_owned()),
                Some(_) | None => DefaultDef::Other,
            }
        };
        self.at = begun;
        self.default_value()?;
        Some(def)
    }

    /// Past a literal, a function or an expression in brackets.
    pub(super) fn default_value(&mut self) -> Option<()> {
        while self.symbol(&Token::Minus) || self.symbol(&Token::Plus) {}
        if self.tokens.get(self.at) == Some(&Token::LParen) {
            return self.group();
        }
        let introducer =
            matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.value.starts_with('_'));
        self.at += 1 + usize::from(introducer);
        if self.tokens.get(self.at) == Some(&Token::LParen) {
            self.group()?;
        }
        (self.at <= self.tokens.len()).then_some(())
    }

    /// Past `( … )`.
    pub(super) fn group(&mut self) -> Option<()> {
        if !self.symbol(&Token::LParen) {
            return None;
        }
        let mut depth = 1usize;
        while depth > 0 {
            let token = self.tokens.get(self.at)?;
            depth += usize::from(*token == Token::LParen);
            depth -= usize::from(*token == Token::RParen);
            self.at += 1;
        }
        Some(())
    }

    pub(super) fn string(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at)?;
        let (Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) = token else {
            return None;
        };
        let text = text.clone();
        self.at += 1;
        Some(text)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let Token::Number(text, _) = self.tokens.get(self.at)? else { return None };
        let number = text.parse().ok()?;
        self.at += 1;
        Some(number)
    }
}

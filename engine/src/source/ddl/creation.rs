//! CREATE TABLE, and the options of tables.

use model::TableName;
use sqlparser::tokenizer::Token;

use super::Tokens;
use super::column::ColumnDef;
use super::index::IndexDef;

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    Like(TableName),
    Columns { columns: Vec<ColumnDef>, indexes: Vec<IndexDef>, text: TextDefault },
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextDefault {
    pub charset: Option<String>,
    pub collation: Option<String>,
}

/// Reads CREATE TABLE, logged in database `default_db`.
pub fn creation(sql: &str, default_db: &str) -> Option<Creation> {
    Tokens::of(sql, default_db)?.creation()
}

/// Options of a table with one value each, which change neither its columns nor its keys.
const OPTIONS: [&str; 38] = [
    "ENGINE",
    "TYPE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "TABLE_CHECKSUM",
    "COMMENT",
    "COMPRESSION",
    "CONNECTION",
    "DELAY_KEY_WRITE",
    "ENCRYPTION",
    "ENGINE_ATTRIBUTE",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PASSWORD",
    "ROW_FORMAT",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "TABLESPACE",
    "TRANSACTIONAL",
    "ALGORITHM",
    "LOCK",
    "AUTOEXTEND_SIZE",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "ENCRYPTED",
    "ENCRYPTION_KEY_ID",
    "IETF_QUOTES",
    "SEQUENCE",
    "UNION",
    "NODEGROUP",
];

impl Tokens<'_> {
    /// One option of a table, or two words and a value.
    pub(super) fn option(&mut self, text: &mut TextDefault) -> Option<()> {
        self.take(&["DEFAULT"]);
        let word = self.word()?;
        self.at += 1;
        if word == "CHARACTER" || word == "CHARSET" || word == "COLLATE" {
            if word == "CHARACTER" && !self.take(&["SET"]) {
                return None;
            }
            self.symbol(&Token::Eq);
            let name = Some(self.name_of_set()?);
            if word == "COLLATE" {
                text.collation = name
            } else {
                text.charset = name
            }
            return Some(());
        }
        if word == "DATA" || word == "INDEX" {
            if !self.take(&["DIRECTORY"]) {
                return None;
            }
        } else if word == "START" {
            // MySQL logs CREATE TABLE … SELECT so (manual, "Atomic DDL").
            return self.take(&["TRANSACTION"]).then_some(());
        } else if !OPTIONS.contains(&word.as_str()) {
            return None;
        }
        self.symbol(&Token::Eq);
        if self.tokens.get(self.at) == Some(&Token::LParen) {
            return self.group();
        }
        self.tokens.get(self.at)?;
        self.at += 1;
        Some(())
    }

    fn creation(&mut self) -> Option<Creation> {
        if !self.take(&["CREATE"]) {
            return None;
        }
        if self.take(&["OR"]) {
            self.take(&["REPLACE"]);
        }
        if !self.take(&["TABLE"]) {
            return None;
        }
        self.if_not_exists();
        self.table()?;
        if self.take(&["LIKE"]) {
            return Some(Creation::Like(self.table()?));
        }
        if !self.symbol(&Token::LParen) {
            return None;
        }
        if self.take(&["LIKE"]) {
            return Some(Creation::Like(self.table()?));
        }
        let (mut columns, mut indexes) = (Vec::new(), Vec::new());
        loop {
            match self.index_def() {
                Some(index) => indexes.extend(index?),
                None => columns.push(self.column_def()?),
            }
            if !self.symbol(&Token::Comma) {
                break;
            }
        }
        if !self.symbol(&Token::RParen) {
            return None;
        }
        let mut text = TextDefault::default();
        while let Some(word) = self.word() {
            if word == "PARTITION" {
                self.at = self.tokens.len();
                break;
            }
            self.option(&mut text)?;
            self.symbol(&Token::Comma);
        }
        (self.at >= self.tokens.len()).then_some(Creation::Columns { columns, indexes, text })
    }
}

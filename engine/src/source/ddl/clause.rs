//! What a statement does to one table, clause by clause.
//!
//! Read from the tokens of a maintained tokenizer, in the grammar of the manuals of MySQL and
//! MariaDB ("ALTER TABLE Statement", "CREATE TABLE Statement"). A word that is not known here makes
//! the whole statement unread (`None`): nothing is guessed.

use sqlparser::tokenizer::Token;

use super::Tokens;
use super::column::ColumnDef;
use super::creation::TextDefault;
use super::index::IndexDef;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    Add {
        column: ColumnDef,
        if_not_exists: bool,
    },
    /// MODIFY, where the name stays, and CHANGE.
    Change {
        from: String,
        column: ColumnDef,
    },
    Drop {
        column: String,
        if_exists: bool,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    Show {
        column: String,
        invisible: bool,
    },
    AddIndex(IndexDef),
    /// `PRIMARY` for the primary key.
    DropIndex {
        index: String,
        if_exists: bool,
    },
    RenameIndex {
        from: String,
        to: String,
    },
    /// Of every column that holds text, and of the table.
    Convert(TextDefault),
    /// For columns to come.
    Default(TextDefault),
}

/// Reads ALTER TABLE, CREATE INDEX and DROP INDEX, all of which change one table.
pub fn alteration(sql: &str) -> Option<Vec<Clause>> {
    Tokens::of(sql, "")?.alteration()
}

/// Words that begin what is done to partitions, up to the statement's end.
const PARTITIONS: [&str; 13] = [
    "PARTITION",
    "REMOVE",
    "REORGANIZE",
    "COALESCE",
    "ANALYZE",
    "OPTIMIZE",
    "REBUILD",
    "REPAIR",
    "EXCHANGE",
    "TRUNCATE",
    "UPGRADE",
    "DISCARD",
    "IMPORT",
];

impl Tokens<'_> {
    fn alteration(&mut self) -> Option<Vec<Clause>> {
        if self.take(&["CREATE"]) {
            return self.create_index();
        }
        if self.take(&["DROP"]) {
            self.take(&["ONLINE", "OFFLINE"]);
            if !self.take(&["INDEX", "KEY"]) {
                return None;
            }
            let if_exists = self.if_exists();
            let index = self.identifier()?;
            return Some(vec![Clause::DropIndex { index, if_exists }]);
        }
        if !self.take(&["ALTER"]) {
            return None;
        }
        while self.take(&["ONLINE", "OFFLINE", "IGNORE"]) {}
        if !self.take(&["TABLE"]) {
            return None;
        }
        self.if_exists();
        self.table()?;
        if self.take(&["WAIT"]) {
            self.number()?;
        }
        self.take(&["NOWAIT"]);
        let mut clauses = Vec::new();
        while self.at < self.tokens.len() {
            self.clause(&mut clauses)?;
            // Options of a table may follow without one.
            self.symbol(&Token::Comma);
        }
        Some(clauses)
    }

    fn clause(&mut self, out: &mut Vec<Clause>) -> Option<()> {
        let word = self.word()?;
        self.at += 1;
        match word.as_str() {
            "ADD" => return self.add(out),
            "DROP" => return self.drop_clause(out),
            "MODIFY" => {
                self.column_word();
                if self.if_exists() {
                    return None;
                }
                let column = self.column_def()?;
                out.push(Clause::Change { from: column.name.clone(), column });
            }
            "CHANGE" => {
                self.column_word();
                if self.if_exists() {
                    return None;
                }
                let from = self.identifier()?;
                out.push(Clause::Change { from, column: self.column_def()? });
            }
            "ALTER" => return self.alter_clause(out),
            "RENAME" => return self.rename_clause(out),
            "CONVERT" => {
                if !self.take(&["TO"]) || !self.take(&["CHARACTER", "CHARSET"]) {
                    return None;
                }
                self.take(&["SET"]);
                let charset = Some(self.name_of_set()?);
                let collation =
                    if self.take(&["COLLATE"]) { Some(self.name_of_set()?) } else { None };
                out.push(Clause::Convert(TextDefault { charset, collation }));
            }
            "ORDER" => self.at = self.tokens.len(),
            "FORCE" => {}
            "ENABLE" | "DISABLE" => {
                if !self.take(&["KEYS"]) {
                    return None;
                }
            }
            "WITH" | "WITHOUT" => {
                if !self.take(&["VALIDATION"]) {
                    return None;
                }
            }
            partitions if PARTITIONS.contains(&partitions) => self.at = self.tokens.len(),
            "CHECK" if self.word().as_deref() == Some("PARTITION") => self.at = self.tokens.len(),
            _ => {
                self.at -= 1;
                let mut text = TextDefault::default();
                self.option(&mut text)?;
                if text != TextDefault::default() {
                    out.push(Clause::Default(text));
                }
            }
        }
        Some(())
    }

    fn add(&mut self, out: &mut Vec<Clause>) -> Option<()> {
        if self.take(&["PARTITION"]) {
            self.at = self.tokens.len();
            return Some(());
        }
        if let Some(index) = self.index_def() {
            out.extend(index?.map(Clause::AddIndex));
            return Some(());
        }
        self.column_word();
        let if_not_exists = self.if_not_exists();
        if self.symbol(&Token::LParen) {
            loop {
                match self.index_def() {
                    Some(index) => out.extend(index?.map(Clause::AddIndex)),
                    None => {
                        let column = self.column_def()?;
                        out.push(Clause::Add { column, if_not_exists });
                    }
                }
                if !self.symbol(&Token::Comma) {
                    break;
                }
            }
            return self.symbol(&Token::RParen).then_some(());
        }
        out.push(Clause::Add { column: self.column_def()?, if_not_exists });
        Some(())
    }

    fn drop_clause(&mut self, out: &mut Vec<Clause>) -> Option<()> {
        let word = self.word();
        match word.as_deref() {
            Some("PARTITION") => self.at = self.tokens.len(),
            Some("PRIMARY") => {
                self.at += 1;
                if !self.take(&["KEY"]) {
                    return None;
                }
                out.push(Clause::DropIndex { index: "PRIMARY".to_owned(), if_exists: false });
            }
            Some("INDEX" | "KEY") => {
                self.at += 1;
                let if_exists = self.if_exists();
                out.push(Clause::DropIndex { index: self.identifier()?, if_exists });
            }
            Some("FOREIGN") => {
                self.at += 1;
                if !self.take(&["KEY"]) {
                    return None;
                }
                self.if_exists();
                self.identifier()?;
            }
            Some("CHECK" | "CONSTRAINT") => {
                self.at += 1;
                self.if_exists();
                // A constraint may be a unique index.
                out.push(Clause::DropIndex { index: self.identifier()?, if_exists: true });
            }
            Some("PERIOD" | "SYSTEM") => return None,
            _ => {
                self.column_word();
                let if_exists = self.if_exists();
                out.push(Clause::Drop { column: self.identifier()?, if_exists });
                self.take(&["RESTRICT", "CASCADE"]);
            }
        }
        Some(())
    }

    fn alter_clause(&mut self, out: &mut Vec<Clause>) -> Option<()> {
        if self.take(&["INDEX", "KEY", "CHECK", "CONSTRAINT"]) {
            self.if_exists();
            self.identifier()?;
            if self.take(&["NOT"]) {
                return self.take(&["ENFORCED", "IGNORED"]).then_some(());
            }
            return self.take(&["VISIBLE", "INVISIBLE", "ENFORCED", "IGNORED"]).then_some(());
        }
        self.column_word();
        if self.if_exists() {
            return None;
        }
        let column = self.identifier()?;
        if self.take(&["DROP"]) {
            return self.take(&["DEFAULT"]).then_some(());
        }
        if !self.take(&["SET"]) {
            return None;
        }
        if self.take(&["DEFAULT"]) {
            return self.default_value();
        }
        let invisible = self.take(&["INVISIBLE"]);
        if !invisible && !self.take(&["VISIBLE"]) {
            return None;
        }
        out.push(Clause::Show { column, invisible });
        Some(())
    }

    fn rename_clause(&mut self, out: &mut Vec<Clause>) -> Option<()> {
        let column = self.take(&["COLUMN"]);
        if column || self.take(&["INDEX", "KEY"]) {
            if self.if_exists() {
                return None;
            }
            let from = self.identifier()?;
            if !self.take(&["TO"]) {
                return None;
            }
            let to = self.identifier()?;
            out.push(if column {
                Clause::RenameColumn { from, to }
            } else {
                Clause::RenameIndex { from, to }
            });
            return Some(());
        }
        // The table's new name is read elsewhere.
        self.take(&["TO", "AS"]);
        self.symbol(&Token::Eq);
        self.table().map(|_| ())
    }

    /// `[COLUMN]`, which is no column's name where it stands unquoted.
    fn column_word(&mut self) {
        self.take(&["COLUMN"]);
    }
}

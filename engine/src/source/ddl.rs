//! Which tables a logged statement touches, and how.
//!
//! The tokens are those of a maintained SQL tokenizer. What a statement does to a table's columns
//! and keys: [`clause`].

pub mod clause;
pub mod column;
pub mod creation;
pub mod index;

use model::TableName;
use sqlparser::dialect::MySqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

/// One table touched by a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    Create {
        table: TableName,
        /// There was none of that name before, or it was dropped first: not IF NOT EXISTS.
        anew: bool,
    },
    /// Columns, keys or options changed, under the same name.
    Alter(TableName),
    Drop(TableName),
    Truncate(TableName),
    Rename {
        from: TableName,
        to: TableName,
    },
    /// Made, or its defaults changed.
    Database(String),
    DropDatabase(String),
}

/// What kind of statement the binlog holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logged {
    Touches(Vec<Touch>),
    /// INSERT, UPDATE, DELETE, REPLACE or LOAD as a statement: its rows are not in the binlog.
    RowsAsStatement {
        verb: String,
        tables: Vec<TableName>,
    },
    /// The same, and we cannot read which tables.
    UnreadableRows {
        verb: String,
    },
    /// A SELECT is logged for the function that it calls, and for the rows which that writes (MySQL
    /// manual, "Stored Program Binary Logging"): of which tables, only the function knows.
    RowsOfFunction,
    /// Nothing that concerns a table's rows or columns.
    Other,
    /// It changes tables, and we cannot tell which.
    Unreadable,
}

/// True where an ALTER may leave a table with as many columns of the same types, in other places.
pub fn may_move_columns(sql: &str) -> bool {
    let words = ["CHANGE", "MODIFY", "FIRST", "AFTER", "RENAME", "DROP", "CREATE"];
    let sql = executable_comments_opened(sql).to_ascii_uppercase();
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|w| words.contains(&w))
}

/// True for ALTER TABLE, which may change columns beside the name.
pub fn alters(sql: &str) -> bool {
    let sql = executable_comments_opened(sql);
    sql.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("ALTER"))
}

struct Tokens<'s> {
    tokens: Vec<Token>,
    at: usize,
    default_db: &'s str,
}

/// Reads a statement logged in database `default_db`.
pub fn read(sql: &str, default_db: &str) -> Logged {
    match Tokens::of(sql, default_db) {
        Some(mut tokens) => tokens.statement(),
        None => unreadable(&executable_comments_opened(sql)),
    }
}

/// MySQL runs what stands in `/*!50100 … */`, MariaDB also `/*M! … */` (manual, "Comments"). Inside
/// quotes a comment is text, and from `#` or `-- ` to the end of the line everything is comment.
pub(super) fn executable_comments_opened(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut quote: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        if let Some(open) = quote {
            // A backslash takes the next character with it, but not inside backticks.
            let escaped = c == '\\' && open != '`';
            let taken: usize =
                rest.chars().take(if escaped { 2 } else { 1 }).map(char::len_utf8).sum();
            let (head, tail) = rest.split_at(taken);
            out.push_str(head);
            rest = tail;
            if c == open {
                quote = None;
            }
            continue;
        }
        let blank_follows = |text: &str| text.chars().next().is_none_or(char::is_whitespace);
        if c == '#' || rest.strip_prefix("--").is_some_and(blank_follows) {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            let (inside, after) = comment.split_once("*/").unwrap_or((comment, ""));
            if let Some(run) = inside.strip_prefix('!').or_else(|| inside.strip_prefix("M!")) {
                out.push_str(run.trim_start_matches(|c: char| c.is_ascii_digit()));
            }
            out.push(' ');
            rest = after;
            continue;
        }
        if matches!(c, '\'' | '"' | '`') {
            quote = Some(c);
        }
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// A statement whose text does not even tokenize: harmless unless it starts like a change.
fn unreadable(sql: &str) -> Logged {
    let verb = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match verb.as_str() {
        "ALTER" | "CREATE" | "DROP" | "RENAME" | "TRUNCATE" => Logged::Unreadable,
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "WITH" => {
            Logged::UnreadableRows { verb }
        }
        _ => Logged::Other,
    }
}

impl<'s> Tokens<'s> {
    /// Past MariaDB's `SET STATEMENT var=value FOR`. `None` where the text does not even tokenize.
    fn of(sql: &str, default_db: &'s str) -> Option<Self> {
        let sql = executable_comments_opened(sql);
        let tokens = Tokenizer::new(&MySqlDialect {}, &sql).tokenize().ok()?;
        let matters = |t: &Token| !matches!(t, Token::Whitespace(_) | Token::SemiColon);
        let tokens = tokens.into_iter().filter(matters).collect();
        let mut tokens = Self { tokens, at: 0, default_db };
        if tokens.take(&["SET"]) && tokens.take(&["STATEMENT"]) {
            while tokens.at < tokens.tokens.len() && !tokens.take(&["FOR"]) {
                tokens.at += 1;
            }
        }
        Some(tokens)
    }
}

impl Tokens<'_> {
    fn word(&self) -> Option<String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(w)) if w.quote_style.is_none() => Some(w.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Takes the next token if it is one of these unquoted words.
    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.word().is_some_and(|w| words.contains(&w.as_str()));
        self.at += usize::from(found);
        found
    }

    fn identifier(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at)?;
        let name = if let Token::Word(word) = token {
            word.value.clone()
        } else if let Token::DoubleQuotedString(text) | Token::Number(text, _) = token {
            text.clone()
        } else {
            return None;
        };
        self.at += 1;
        Some(name)
    }

    fn if_exists(&mut self) -> bool {
        self.take(&["IF"]) && self.take(&["EXISTS"])
    }

    fn if_not_exists(&mut self) -> bool {
        self.take(&["IF"]) && self.take(&["NOT"]) && self.take(&["EXISTS"])
    }

    fn symbol(&mut self, symbol: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(symbol);
        self.at += usize::from(found);
        found
    }

    fn table(&mut self) -> Option<TableName> {
        let first = self.identifier()?;
        if self.symbol(&Token::Period) {
            return Some(TableName::new(first, self.identifier()?));
        }
        Some(TableName::new(self.default_db, first))
    }

    /// `t1, t2, …`
    fn tables(&mut self) -> Option<Vec<TableName>> {
        let mut tables = vec![self.table()?];
        while self.symbol(&Token::Comma) {
            tables.push(self.table()?);
        }
        Some(tables)
    }

    fn statement(&mut self) -> Logged {
        let Some(verb) = self.word() else { return Logged::Other };
        self.at += 1;
        let touches = match verb.as_str() {
            "CREATE" if self.creates_from_select() => {
                // The new table's name comes first.
                let _ = self.take(&["OR"]) && self.take(&["REPLACE"]);
                self.take(&["TABLE"]);
                self.if_not_exists();
                return self.dml("CREATE TABLE … SELECT".to_owned());
            }
            "CREATE" => self.create(),
            "ALTER" => self.alter(),
            "DROP" => self.drop(),
            "RENAME" => self.rename(),
            "TRUNCATE" => {
                self.take(&["TABLE"]);
                self.table().map(|t| vec![Touch::Truncate(t)])
            }
            "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "LOAD" | "WITH" => return self.dml(verb),
            "SELECT" => return Logged::RowsOfFunction,
            _ => return Logged::Other,
        };
        match touches {
            Some(touches) if touches.is_empty() => Logged::Other,
            Some(touches) => Logged::Touches(touches),
            None => Logged::Unreadable,
        }
    }

    /// With `binlog_format=ROW` the new table's rows are logged as rows, and no SELECT is (MySQL
    /// manual, "CREATE TABLE ... SELECT Statement").
    fn creates_from_select(&self) -> bool {
        let word = |t: &Token, text: &str| matches!(t, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text));
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let table = rest.iter().take(3).any(|t| word(t, "TABLE"));
        table
            && !rest.iter().any(|t| word(t, "TEMPORARY"))
            && rest.iter().any(|t| word(t, "SELECT"))
    }

    fn create(&mut self) -> Option<Vec<Touch>> {
        if self.take(&["OR"]) {
            self.take(&["REPLACE"]);
        }
        if let Some(database) = self.database() {
            return database;
        }
        if self.take(&["TEMPORARY"]) {
            return Some(vec![]);
        }
        if self.take(&["TABLE"]) {
            let anew = !self.if_not_exists();
            return Some(vec![Touch::Create { table: self.table()?, anew }]);
        }
        self.index()
    }

    /// `[UNIQUE|FULLTEXT|SPATIAL] INDEX name … ON table`: a unique index may become the row key.
    fn index(&mut self) -> Option<Vec<Touch>> {
        while self.take(&["UNIQUE", "FULLTEXT", "SPATIAL", "ONLINE", "OFFLINE"]) {}
        if !self.take(&["INDEX", "KEY"]) {
            return Some(vec![]);
        }
        while self.at < self.tokens.len() && !self.take(&["ON"]) {
            self.at += 1;
        }
        Some(vec![Touch::Alter(self.table()?)])
    }

    fn alter(&mut self) -> Option<Vec<Touch>> {
        if let Some(database) = self.database() {
            return database;
        }
        while self.take(&["ONLINE", "OFFLINE", "IGNORE"]) {}
        if !self.take(&["TABLE"]) {
            return Some(vec![]);
        }
        if self.take(&["IF"]) {
            self.take(&["EXISTS"]);
        }
        let table = self.table()?;
        match self.renamed_to() {
            Some(Some(to)) => Some(vec![Touch::Rename { from: table, to }]),
            Some(None) => None,
            None => Some(vec![Touch::Alter(table)]),
        }
    }

    /// CREATE or ALTER DATABASE; ALTER may leave the name out.
    fn database(&mut self) -> Option<Option<Vec<Touch>>> {
        if !self.take(&["DATABASE", "SCHEMA"]) {
            return None;
        }
        if self.take(&["IF"]) {
            self.take(&["NOT"]);
            self.take(&["EXISTS"]);
        }
        let named = !self.word().is_some_and(|w| {
            ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ"]
                .contains(&w.as_str())
        });
        let name = if named { self.identifier() } else { Some(self.default_db.to_owned()) };
        Some(name.map(|name| vec![Touch::Database(name)]))
    }

    /// `RENAME [TO|AS] name` among an ALTER's clauses, which RENAME COLUMN, INDEX and KEY are not.
    fn renamed_to(&mut self) -> Option<Option<TableName>> {
        let mut depth = 0usize;
        while let Some(token) = self.tokens.get(self.at) {
            if *token == Token::LParen {
                depth += 1;
            } else if *token == Token::RParen {
                depth = depth.saturating_sub(1);
            }
            let clause_starts = self.at == 0
                || matches!(
                    self.tokens.get(self.at - 1),
                    Some(Token::Comma | Token::Word(_) | Token::DoubleQuotedString(_))
                );
            if depth == 0 && clause_starts && self.take(&["RENAME"]) {
                if self.take(&["COLUMN", "INDEX", "KEY"]) {
                    continue;
                }
                self.take(&["TO", "AS"]);
                self.symbol(&Token::Eq);
                return Some(self.table());
            }
            self.at += 1;
        }
        None
    }

    fn drop(&mut self) -> Option<Vec<Touch>> {
        if self.take(&["TEMPORARY"]) {
            return Some(vec![]);
        }
        if self.take(&["DATABASE", "SCHEMA"]) {
            if self.take(&["IF"]) {
                self.take(&["EXISTS"]);
            }
            return Some(vec![Touch::DropDatabase(self.identifier()?)]);
        }
        if self.take(&["TABLE", "TABLES"]) {
            if self.take(&["IF"]) {
                self.take(&["EXISTS"]);
            }
            return Some(self.tables()?.into_iter().map(Touch::Drop).collect());
        }
        self.index()
    }

    fn rename(&mut self) -> Option<Vec<Touch>> {
        if !self.take(&["TABLE", "TABLES"]) {
            return Some(vec![]);
        }
        if self.take(&["IF"]) {
            self.take(&["EXISTS"]);
        }
        let mut touches = Vec::new();
        loop {
            let from = self.table()?;
            // MariaDB: RENAME TABLE a WAIT n TO b, or NOWAIT.
            if self.take(&["WAIT"]) {
                self.at += 1;
            }
            self.take(&["NOWAIT"]);
            if !self.take(&["TO"]) {
                return None;
            }
            touches.push(Touch::Rename { from, to: self.table()? });
            if !self.symbol(&Token::Comma) {
                return Some(touches);
            }
        }
    }

    /// Every name that could be a table: it is only compared with the tables that the job follows.
    fn dml(&mut self, verb: String) -> Logged {
        let mut tables = Vec::new();
        while self.at < self.tokens.len() {
            let start = self.at;
            if let Some(table) = self.table() {
                tables.push(table);
            }
            self.at = self.at.max(start + 1);
        }
        Logged::RowsAsStatement { verb, tables }
    }
}

#[cfg(test)]
mod tests;

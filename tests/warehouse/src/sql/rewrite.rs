//! From MySQL's words to SQLite's.
//!
//! No grammar of queries: tokens are passed on, but for what the two write differently. A table's name becomes
//! that of its view, `db`.`t` → `"db.t"`, under the name that the query calls it by; texts and names change their
//! quotes; variables and functions of the session become literals.

use sqlparser::tokenizer::Token;

use crate::cluster::State;
use crate::ddl::SqlError;
use crate::table::TableName;

use super::metadata;
use super::query::Asker;
use super::shown::INFORMATION_SCHEMA;

/// A query for SQLite.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) sql: String,
    /// Whether `information_schema` is to be laid out.
    pub(super) asks_metadata: bool,
}

pub(super) fn rewrite(
    state: &State,
    asker: &Asker<'_>,
    tokens: &[Token],
) -> Result<Rewritten, SqlError> {
    let mut writer = Writer {
        state,
        asker,
        tokens,
        at: 0,
        in_from: vec![false],
        sql: String::new(),
        asks_metadata: false,
    };
    while let Some(token) = writer.peek(0) {
        writer.step(token)?;
    }
    Ok(Rewritten { sql: writer.sql, asks_metadata: writer.asks_metadata })
}

struct Writer<'a> {
    state: &'a State,
    asker: &'a Asker<'a>,
    tokens: &'a [Token],
    at: usize,
    /// For each open parenthesis, whether tables are being listed.
    in_from: Vec<bool>,
    sql: String,
    asks_metadata: bool,
}

/// After these no table is listed any more.
const ENDS_OF_FROM: [&str; 12] = [
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "SELECT",
    "ON",
    "USING",
    "SET",
];
/// What may follow a table's name and is no alias.
const NO_ALIAS: [&str; 12] = [
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "ON",
    "USING",
    "OFFSET",
    "FOR",
];
const JOINS: [&str; 7] = ["JOIN", "LEFT", "RIGHT", "INNER", "CROSS", "FULL", "NATURAL"];

impl<'a> Writer<'a> {
    fn peek(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    fn step(&mut self, token: &'a Token) -> Result<(), SqlError> {
        if let Token::Word(word) = token {
            return self.word(&word.value, word.quote_style.is_some());
        }
        self.at += 1;
        if let Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) = token {
            self.write(&literal(text));
        } else if *token == Token::LParen {
            self.write("(");
            // `FROM (a, b)` lists tables too.
            let listed = self.in_from.last().copied().unwrap_or(false);
            let nested = listed && self.before_is_from(2);
            self.in_from.push(nested);
            if nested && self.at_name() {
                return self.table();
            }
        } else if *token == Token::RParen {
            self.in_from.pop();
            self.write(")");
        } else if *token == Token::Comma {
            self.write(",");
            if self.in_from.last() == Some(&true) && self.at_name() {
                return self.table();
            }
        } else if *token == Token::Spaceship {
            self.write("IS");
        } else if let Token::Number(digits, _) = token {
            self.write(digits);
        } else {
            self.write(&token.to_string());
        }
        Ok(())
    }

    fn word(&mut self, word: &str, quoted: bool) -> Result<(), SqlError> {
        if quoted {
            return self.name(word);
        }
        let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
        if word.starts_with('@') {
            self.at += 1;
            return self.variable(word);
        }
        if is(&["FROM", "JOIN"]) {
            self.at += 1;
            self.write(word);
            if let Some(listed) = self.in_from.last_mut() {
                *listed = true;
            }
            return if self.at_name() { self.table() } else { Ok(()) };
        }
        if is(&ENDS_OF_FROM)
            && let Some(listed) = self.in_from.last_mut()
        {
            *listed = false;
        }
        if let Some(value) = self.session_function(word) {
            self.at += 3;
            self.write(&value);
            return Ok(());
        }
        if word.eq_ignore_ascii_case("STRING") && self.before_is("AS") {
            self.at += 1;
            self.write("TEXT");
            return Ok(());
        }
        self.name(word)
    }

    /// `db.t.c` becomes `t.c`: the query knows its tables by their last names.
    fn name(&mut self, word: &str) -> Result<(), SqlError> {
        let dotted = |ahead: usize| {
            self.peek(ahead) == Some(&Token::Period)
                && matches!(self.peek(ahead + 1), Some(Token::Word(_)))
        };
        if dotted(1) && dotted(3) {
            self.at += 2;
            return Ok(());
        }
        let quoted = matches!(self.peek(0), Some(Token::Word(word)) if word.quote_style.is_some());
        self.at += 1;
        if quoted {
            self.write(&identifier(word));
        } else {
            self.write(word);
        }
        Ok(())
    }

    fn at_name(&self) -> bool {
        matches!(self.peek(0), Some(Token::Word(word))
            if word.quote_style.is_some() || !word.value.eq_ignore_ascii_case("SELECT"))
            && self.peek(1) != Some(&Token::LParen)
    }

    /// A table's name, and the alias that it has or gets.
    fn table(&mut self) -> Result<(), SqlError> {
        let Some(Token::Word(first)) = self.peek(0) else { return Ok(()) };
        let mut database = None;
        let mut table = first.value.clone();
        self.at += 1;
        while self.peek(0) == Some(&Token::Period) {
            let Some(Token::Word(next)) = self.peek(1) else { break };
            self.at += 2;
            database = Some(std::mem::replace(&mut table, next.value.clone()));
        }
        if database.is_none() && self.is_defined_here(&table) {
            self.write(&identifier(&table));
            return Ok(());
        }
        let place = self.place(database.as_deref(), &table)?;
        self.write(&identifier(&place));
        if !self.has_alias() {
            self.write("AS");
            self.write(&identifier(&table));
        }
        Ok(())
    }

    /// What the store calls a table.
    fn place(&mut self, database: Option<&str>, table: &str) -> Result<String, SqlError> {
        let system = self.state.system;
        let database =
            database.or(self.asker.database).ok_or_else(|| SqlError::no_database(system))?;
        if database.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            let name = table.to_ascii_lowercase();
            if !metadata::TABLES.contains(&&*name) {
                return Err(SqlError::not_built(&format!("{INFORMATION_SCHEMA}.{name}")));
            }
            self.asks_metadata = true;
            return Ok(format!("{INFORMATION_SCHEMA}.{name}"));
        }
        if self.state.database(database).is_none() {
            return Err(SqlError::unknown_database(system, database));
        }
        let name = TableName::new(database, table);
        if self.state.table(&name).is_none() {
            return Err(match system {
                crate::System::Doris => SqlError::ddl(
                    system,
                    &format!("Table [{table}] does not exist in database [{database}]."),
                ),
                crate::System::StarRocks => SqlError::numbered(
                    system,
                    5502,
                    "42S02",
                    &format!(
                        "Getting analyzing error. Detail message: Unknown table '{database}.{table}'."
                    ),
                ),
            });
        }
        Ok(crate::store::view_name(&name))
    }

    /// By a `WITH`.
    fn is_defined_here(&self, name: &str) -> bool {
        let is = |token: Option<&Token>, text: &str| matches!(token, Some(Token::Word(word)) if word.value.eq_ignore_ascii_case(text));
        self.tokens.windows(3).any(|three| {
            is(three.first(), name)
                && is(three.get(1), "AS")
                && three.get(2) == Some(&Token::LParen)
        })
    }

    fn has_alias(&self) -> bool {
        let Some(Token::Word(word)) = self.peek(0) else { return false };
        let is = |words: &[&str]| words.iter().any(|known| word.value.eq_ignore_ascii_case(known));
        word.quote_style.is_some() || !(is(&NO_ALIAS) || is(&JOINS))
    }

    /// `@@a`, `@@session.a`.
    fn variable(&mut self, word: &str) -> Result<(), SqlError> {
        let mut name = word.trim_start_matches('@').to_ascii_lowercase();
        while self.peek(0) == Some(&Token::Period) {
            let Some(Token::Word(next)) = self.peek(1) else { break };
            name = next.value.to_ascii_lowercase();
            self.at += 2;
        }
        let Some(value) = self.asker.variables.get(&name) else {
            let detail = format!("Unknown system variable '{name}'");
            return Err(SqlError::numbered(self.state.system, 1193, "HY000", &detail));
        };
        let is_number = value.parse::<i64>().is_ok();
        self.write(&if is_number { value.clone() } else { literal(value) });
        // The column is called as it was asked for.
        if !self.has_as() {
            self.write("AS");
            self.write(&identifier(word));
        }
        Ok(())
    }

    fn has_as(&self) -> bool {
        matches!(self.peek(0), Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("AS"))
    }

    /// A call without arguments that asks about the session or the time.
    fn session_function(&self, word: &str) -> Option<String> {
        if self.peek(1) != Some(&Token::LParen) || self.peek(2) != Some(&Token::RParen) {
            return None;
        }
        let value = match &*word.to_ascii_uppercase() {
            "DATABASE" | "SCHEMA" => match self.asker.database {
                Some(name) => literal(name),
                None => "NULL".to_owned(),
            },
            "VERSION" => literal(super::variables::SERVER_VERSION),
            "CURRENT_VERSION" if self.state.system == crate::System::StarRocks => {
                literal(&format!("{} stand-in", super::listed::version(self.state.system)))
            }
            "CONNECTION_ID" => self.asker.id.to_string(),
            "USER" | "CURRENT_USER" | "SESSION_USER" => {
                literal(&format!("'{}'@'%'", self.asker.user))
            }
            "NOW" | "CURRENT_TIMESTAMP" => literal(&self.state.now.to_string()),
            _ => return None,
        };
        Some(value)
    }

    fn before_is(&self, word: &str) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        matches!(before, Some(Token::Word(found)) if found.value.eq_ignore_ascii_case(word))
    }

    /// Whether a parenthesis stands where a table's name may.
    fn before_is_from(&self, back: usize) -> bool {
        let before = self.at.checked_sub(back).and_then(|at| self.tokens.get(at));
        matches!(before, Some(Token::Word(found))
            if ["FROM", "JOIN"].iter().any(|word| found.value.eq_ignore_ascii_case(word)))
    }

    fn write(&mut self, text: &str) {
        // An expression is a column's name: it is to look as it was written.
        let glued = [".", "(", ")", ","].contains(&text) || self.sql.ends_with(['.', '(']);
        if !glued && !self.sql.is_empty() {
            self.sql.push(' ');
        }
        self.sql.push_str(text);
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

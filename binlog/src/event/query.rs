//! Statements: DDL, and the edges of transactions.

use std::borrow::Cow;

use super::compressed;
use crate::cursor::{Cursor, Fields};
use crate::error::DecodeError;
use crate::value::Charset;

/// A statement as the source ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryEvent {
    pub thread_id: u32,
    /// Not 0 where the statement failed half-way on the source.
    pub error_code: u16,
    /// The session's default database; empty where it had none.
    pub db: String,
    pub sql: String,
    /// False where the statement has bytes that its character set does not: they stand in `sql` as
    /// U+FFFD. Such a statement must not be acted upon as if it had been read.
    pub sql_exact: bool,
    /// Bits of `sql_mode`, as in the session.
    pub sql_mode: Option<u64>,
    pub charset: Option<StatementCharset>,
    /// Collation for `utf8mb4` without one (`default_collation_for_utf8mb4`), by its number.
    pub default_collation_for_utf8mb4: Option<u16>,
    /// Collation of the default database, by its number.
    pub database_collation: Option<u16>,
}

/// Numbers of the session's collations when it ran a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementCharset {
    /// `character_set_client`: what the statement's bytes are written in.
    pub client: u16,
    pub connection: u16,
    pub server: u16,
}

const EVENT: &str = "query";
/// Number of the file, where its name begins and ends in the statement, what becomes of duplicates
/// (MySQL source, `Execute_load_query_event`).
const LOAD_FIELDS_LEN: usize = 4 + 4 + 4 + 1;

impl QueryEvent {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Self::read(body, 0, |sql| Ok(Cow::Borrowed(sql)))
    }

    pub(super) fn decode_compressed(body: &[u8]) -> Result<Self, DecodeError> {
        Self::read(body, 0, |sql| Ok(Cow::Owned(compressed::unpack(EVENT, sql)?.into())))
    }

    /// LOAD DATA, logged as a statement. The file that it loads came in events before it.
    pub(super) fn decode_load(body: &[u8]) -> Result<Self, DecodeError> {
        Self::read(body, LOAD_FIELDS_LEN, |sql| Ok(Cow::Borrowed(sql)))
    }

    /// `more`: bytes of the fixed part that only some statements have.
    fn read<'b>(
        body: &'b [u8],
        more: usize,
        unpack: impl FnOnce(&'b [u8]) -> Result<Cow<'b, [u8]>, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(EVENT, body);
        let thread_id = fields.u32("thread id")?;
        fields.u32("execution time")?;
        let db_len = fields.u8("database length")?;
        let error_code = fields.u16("error code")?;
        let variables_len = fields.u16("length of status variables")?;
        fields.take(more, "fields of LOAD DATA")?;
        let variables = fields.take(usize::from(variables_len), "status variables")?;
        let db = fields.text(usize::from(db_len), "database")?.to_owned();
        fields.u8("end of the database")?;
        let sql = unpack(fields.rest())?;
        let variables = Variables::read(variables);
        let charset = match variables.charset {
            Some(charset) => Charset::of_collation(charset.client).unwrap_or(Charset::Utf8),
            None => Charset::Utf8,
        };
        let (sql, sql_exact) = match charset.decode(&sql) {
            Some(text) => (text.into_owned(), true),
            None => (String::from_utf8_lossy(&sql).into_owned(), false),
        };
        Ok(Self {
            thread_id,
            error_code,
            db,
            sql,
            sql_exact,
            sql_mode: variables.sql_mode,
            charset: variables.charset,
            default_collation_for_utf8mb4: variables.default_collation_for_utf8mb4,
            database_collation: variables.database_collation,
        })
    }
}

#[derive(Debug, Default)]
struct Variables {
    sql_mode: Option<u64>,
    charset: Option<StatementCharset>,
    default_collation_for_utf8mb4: Option<u16>,
    database_collation: Option<u16>,
}

impl Variables {
    /// Reads what is known, up to the first variable that is not: variables have no common length,
    /// and servers write them in the order of their numbers for this very reason.
    fn read(bytes: &[u8]) -> Self {
        let mut all = Self::default();
        let mut cursor = Cursor::new(bytes);
        while let Some(code) = cursor.u8() {
            if all.take(code, &mut cursor).is_none() {
                break;
            }
        }
        all
    }

    /// Numbers and sizes: MySQL source, `statement_events.h`, `Query_event_status_vars`.
    fn take(&mut self, code: u8, c: &mut Cursor<'_>) -> Option<()> {
        const SQL_MODE: u8 = 1;
        const CATALOG: u8 = 2;
        const CHARSET: u8 = 4;
        const TIME_ZONE: u8 = 5;
        const CATALOG_WITHOUT_NUL: u8 = 6;
        const DATABASE_CHARSET: u8 = 8;
        const INVOKER: u8 = 11;
        const UPDATED_DATABASES: u8 = 12;
        const UPDATED_DATABASES_TOO_MANY: u8 = 254;
        const DEFAULT_COLLATION_FOR_UTF8MB4: u8 = 18;
        match code {
            SQL_MODE => self.sql_mode = Some(c.u64()?),
            CATALOG => {
                let len = c.u8()?;
                c.take(usize::from(len) + 1)?;
            }
            CHARSET => {
                self.charset = Some(StatementCharset {
                    client: c.u16()?,
                    connection: c.u16()?,
                    server: c.u16()?,
                });
            }
            TIME_ZONE | CATALOG_WITHOUT_NUL => short_text(c)?,
            DATABASE_CHARSET => self.database_collation = Some(c.u16()?),
            INVOKER => {
                short_text(c)?;
                short_text(c)?;
            }
            UPDATED_DATABASES => {
                let count = c.u8()?;
                let count = if count == UPDATED_DATABASES_TOO_MANY { 0 } else { count };
                for _ in 0..count {
                    let len = c.rest().iter().position(|&b| b == 0)?;
                    c.take(len + 1)?;
                }
            }
            DEFAULT_COLLATION_FOR_UTF8MB4 => {
                self.default_collation_for_utf8mb4 = Some(c.u16()?);
            }
            // Flags, auto-increment, locale, tables to update, master's bytes, microseconds,
            // explicit timestamp defaults, DDL's xid, primary key and encryption requirements;
            // MariaDB's microseconds and xid.
            0 | 3 | 10 => drop(c.take(4)?),
            7 => drop(c.take(2)?),
            9 | 17 | 129 => drop(c.take(8)?),
            13 | 128 => drop(c.take(3)?),
            16 | 19 | 20 => drop(c.take(1)?),
            _ => return None,
        }
        Some(())
    }
}

fn short_text(c: &mut Cursor<'_>) -> Option<()> {
    let len = c.u8()?;
    c.take(usize::from(len)).map(drop)
}

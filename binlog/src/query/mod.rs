//! Queries whose rows are taken from the wire as they come.
//!
//! `mysql_async` makes a `Vec` of every row and one more of every text in it. A snapshot reads millions of
//! rows and wants none of these: here a row is the slice of what the socket gave in which it lies, and
//! [`ResultRows`] says what cells are in it. The connection is that of the dump ([`crate::wire`]), with the
//! session that every connection of ours has.
//!
//! Statements are either run as text, for short answers ([`Session`]), or prepared, for rows of tables
//! ([`QueryConn::select`]): only then numbers and times come as such, and a FLOAT with all of its digits.
//! Errors are `mysql_async`'s, so that they mean the same on every connection.

use std::future::Future;

use bytes::Bytes;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, DriverError, Error, Row, Value};

use crate::cursor::Cursor;
use crate::reader::BinlogError;
use crate::reader::holding::Holding;
use crate::server::SourceOptions;
use crate::wire::{self, Wire, is_end, unexpected};

mod cell;
mod column;
mod rows;
mod select;

pub use column::ResultColumn;
pub use rows::{BadValue, ResultRows};
pub use select::Select;

/// First byte of an answer without rows.
const OK: u8 = 0x00;
/// First byte of an answer that asks us for a file, which no statement of ours does.
const LOCAL_FILE: u8 = 0xfb;
/// In the place of a text: NULL (MySQL internals, "Text Resultset Row").
const NULL: u8 = 0xfb;
/// Commands (MySQL internals, "Text Protocol", "Prepared Statements").
const COM_QUIT: u8 = 0x01;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;

/// A row of a short answer: its values as text, `None` for NULL.
pub type TextRow = Vec<Option<String>>;

/// Any connection, as far as short questions go.
pub trait Session: Send {
    /// Runs a statement, and drops the rows that it may have.
    ///
    /// # Errors
    /// The server's, or those of the connection.
    fn run(&mut self, sql: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// All rows of a statement's answer, which is short.
    ///
    /// # Errors
    /// The server's, or those of the connection.
    fn rows(&mut self, sql: &str) -> impl Future<Output = Result<Vec<TextRow>, Error>> + Send;

    /// The first row; `None` where there is none.
    ///
    /// # Errors
    /// As [`Session::rows`].
    fn first(&mut self, sql: &str) -> impl Future<Output = Result<Option<TextRow>, Error>> + Send {
        async { Ok(self.rows(sql).await?.into_iter().next()) }
    }
}

impl Session for Conn {
    async fn run(&mut self, sql: &str) -> Result<(), Error> {
        self.query_drop(sql).await
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, Error> {
        let rows: Vec<Row> = self.query(sql).await?;
        // The text protocol has nothing else.
        let text = |value| {
            let Value::Bytes(bytes) = value else { return None };
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }
}

/// A connection for queries.
#[derive(Debug)]
pub struct QueryConn {
    wire: Wire,
    /// A prepared SELECT whose rows have not all been taken.
    open: Option<u32>,
    /// Another answer is on its way, or what came was none: nobody knows where the next one begins.
    busy: bool,
    holding: Holding,
}

impl QueryConn {
    /// Connects, with the session of every connection.
    ///
    /// # Errors
    /// As [`crate::server::connect`].
    pub async fn connect(options: &SourceOptions) -> Result<Self, BinlogError> {
        let wire = Box::pin(wire::connect(options)).await?;
        Ok(Self { wire, open: None, busy: false, holding: Holding::default() })
    }

    /// Runs a SELECT whose rows come as [`ResultRows`] reads them.
    ///
    /// # Errors
    /// The server's, or those of the connection.
    pub async fn select(&mut self, sql: &str) -> Result<Select<'_>, Error> {
        self.free().await?;
        Select::begin(self, sql).await
    }

    /// Nothing is asked for a while: memory that is not in use is given back.
    pub fn rest(&mut self) {
        self.wire.rest();
    }

    /// Says goodbye: a connection that is only dropped counts with the server as one that broke.
    pub async fn close(mut self) {
        if self.open.is_none() && !self.busy {
            let _ = self.wire.say(&[COM_QUIT]).await;
        }
    }

    /// Before a statement: takes off the wire what is left of a SELECT that nobody read to its end.
    async fn free(&mut self) -> Result<(), Error> {
        if self.open.is_some() {
            match Select::rest(self).await {
                // That of the other statement.
                Ok(()) | Err(Error::Server(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if std::mem::replace(&mut self.busy, true) {
            return Err(Error::Driver(DriverError::ConnectionClosed));
        }
        Ok(())
    }

    /// After it: a refusal is an answer too.
    fn ended<T>(&mut self, answer: Result<T, Error>) -> Result<T, Error> {
        self.busy = !matches!(answer, Ok(_) | Err(Error::Server(_)));
        answer
    }

    /// The next packet; an error where it is one.
    async fn packet(&mut self) -> Result<Bytes, Error> {
        let packet = self.wire.receive().await?;
        self.came(packet.len());
        Ok(packet)
    }

    fn came(&mut self, bytes: usize) {
        self.holding.came(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Begins a statement of the text protocol: how many columns its rows have, 0 where it has none.
    async fn begin(&mut self, sql: &str) -> Result<usize, Error> {
        self.wire.query(sql).await?;
        let answer = self.packet().await?;
        if matches!(answer.first(), Some(&OK)) {
            return Ok(0);
        }
        let columns = column_count(&answer)?;
        for _ in 0..columns {
            self.packet().await?;
        }
        self.end_of_columns().await?;
        Ok(columns)
    }

    async fn end_of_columns(&mut self) -> Result<(), Error> {
        let end = self.packet().await?;
        if is_end(&end) { Ok(()) } else { Err(unexpected(&end)) }
    }
}

impl Session for QueryConn {
    async fn run(&mut self, sql: &str) -> Result<(), Error> {
        self.free().await?;
        let answer = self.passed_over(sql).await;
        self.ended(answer)
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, Error> {
        self.free().await?;
        let answer = self.text(sql).await;
        self.ended(answer)
    }
}

impl QueryConn {
    async fn passed_over(&mut self, sql: &str) -> Result<(), Error> {
        if self.begin(sql).await? > 0 {
            while !is_end(&self.packet().await?) {}
        }
        Ok(())
    }

    async fn text(&mut self, sql: &str) -> Result<Vec<TextRow>, Error> {
        let columns = self.begin(sql).await?;
        let mut rows = Vec::new();
        if columns == 0 {
            return Ok(rows);
        }
        loop {
            let packet = self.packet().await?;
            if is_end(&packet) {
                return Ok(rows);
            }
            rows.push(text_row(&packet, columns).ok_or_else(|| unexpected(&packet))?);
        }
    }
}

/// How many columns an answer says that its rows have.
fn column_count(answer: &[u8]) -> Result<usize, Error> {
    let mut fields = Cursor::new(answer);
    let count = if answer.first() == Some(&LOCAL_FILE) { None } else { fields.lenenc() };
    let count = count.filter(|count| *count > 0 && fields.rest().is_empty());
    let count = count.and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| unexpected(answer))
}

fn text_row(packet: &[u8], columns: usize) -> Option<TextRow> {
    let mut fields = Cursor::new(packet);
    // The claim of so many columns is not believed before they are there.
    let mut row = Vec::new();
    for _ in 0..columns {
        if fields.rest().first() == Some(&NULL) {
            fields.u8();
            row.push(None);
        } else {
            let text = fields.lenenc_bytes()?;
            row.push(Some(String::from_utf8_lossy(text).into_owned()));
        }
    }
    fields.rest().is_empty().then_some(row)
}

#[cfg(test)]
mod tests;

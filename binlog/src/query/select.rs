//! A SELECT as a prepared statement, and its rows (MySQL internals, "Prepared Statements").
//!
//! The statement has no parameters: a value that the server is to compare with a column is a literal of
//! the column's own type, whatever type a parameter would get. It is closed once its rows are taken, so
//! that none stays with the server.

use bytes::Bytes;
use mysql_async::Error;

use super::{
    COM_STMT_CLOSE, COM_STMT_EXECUTE, COM_STMT_PREPARE, OK, QueryConn, ResultColumn, column_count,
};
use crate::cursor::Cursor;
use crate::wire::{Piece, is_end, refusal, unexpected};

/// The rows of a SELECT, on their way. What is not taken is taken off the wire by
/// [`Select::finish`], or before the next statement of the connection.
#[derive(Debug)]
#[must_use = "its rows are on the wire"]
pub struct Select<'c> {
    conn: &'c mut QueryConn,
    columns: Vec<ResultColumn>,
}

/// What the server says of a statement that it has prepared.
#[derive(Debug, PartialEq, Eq)]
struct Prepared {
    statement: u32,
    columns: u16,
    parameters: u16,
}

impl Prepared {
    fn read(packet: &[u8]) -> Option<Self> {
        let mut fields = Cursor::new(packet);
        fields.u8().filter(|first| *first == OK)?;
        let (statement, columns, parameters) = (fields.u32()?, fields.u16()?, fields.u16()?);
        Some(Self { statement, columns, parameters })
    }
}

impl<'c> Select<'c> {
    pub(super) async fn begin(conn: &'c mut QueryConn, sql: &str) -> Result<Self, Error> {
        let answer = Self::ask(conn, sql).await;
        let (statement, columns) = conn.ended(answer)?;
        conn.open = Some(statement);
        Ok(Self { conn, columns })
    }

    async fn ask(conn: &mut QueryConn, sql: &str) -> Result<(u32, Vec<ResultColumn>), Error> {
        let mut prepare = vec![COM_STMT_PREPARE];
        prepare.extend_from_slice(sql.as_bytes());
        conn.wire.say(&prepare).await?;
        let answer = conn.packet().await?;
        let prepared = Prepared::read(&answer).ok_or_else(|| unexpected(&answer))?;
        for definitions in [prepared.parameters, prepared.columns] {
            for _ in 0..definitions {
                conn.packet().await?;
            }
            if definitions > 0 {
                conn.end_of_columns().await?;
            }
        }
        match Self::execute(conn, prepared.statement).await {
            Ok(columns) => Ok((prepared.statement, columns)),
            Err(error) => {
                // A refusal leaves the connection usable; where it is broken, this fails too.
                let _ = Self::forget(conn, prepared.statement).await;
                Err(error)
            }
        }
    }

    async fn execute(conn: &mut QueryConn, statement: u32) -> Result<Vec<ResultColumn>, Error> {
        let mut execute = vec![COM_STMT_EXECUTE];
        execute.extend_from_slice(&statement.to_le_bytes());
        // No cursor; once.
        execute.extend_from_slice(&[0, 1, 0, 0, 0]);
        conn.wire.say(&execute).await?;
        let answer = conn.packet().await?;
        let count = column_count(&answer)?;
        let mut columns = Vec::new();
        for _ in 0..count {
            let packet = conn.packet().await?;
            columns.push(ResultColumn::read(&packet).ok_or_else(|| unexpected(&packet))?);
        }
        conn.end_of_columns().await?;
        Ok(columns)
    }

    async fn forget(conn: &mut QueryConn, statement: u32) -> Result<(), Error> {
        let mut close = vec![COM_STMT_CLOSE];
        close.extend_from_slice(&statement.to_le_bytes());
        conn.wire.say(&close).await
    }

    /// How the values of its columns come.
    pub fn columns(&self) -> &[ResultColumn] {
        &self.columns
    }

    /// The next rows, one after another as [`super::ResultRows`] reads them; `None` behind the last.
    ///
    /// # Errors
    /// The server's, for it can end a SELECT at any row; those of the connection.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        Self::rows(self.conn).await
    }

    /// Some of the rows that came, as they are to be kept: a slice of the memory that they came in, or
    /// a copy, where little of what comes is kept.
    pub fn hold(&mut self, rows: Bytes) -> Bytes {
        self.conn.holding.hold(rows)
    }

    /// Takes the rows off the wire that nobody took.
    ///
    /// # Errors
    /// As [`Select::next`].
    pub async fn finish(self) -> Result<(), Error> {
        Self::rest(self.conn).await
    }

    pub(super) async fn rest(conn: &mut QueryConn) -> Result<(), Error> {
        while Self::rows(conn).await?.is_some() {}
        Ok(())
    }

    async fn rows(conn: &mut QueryConn) -> Result<Option<Bytes>, Error> {
        let Some(statement) = conn.open else { return Ok(None) };
        let end = match conn.wire.piece(OK).await? {
            Piece::Rows(rows) => {
                conn.came(rows.len());
                return Ok(Some(rows));
            }
            Piece::Other(end) => end,
        };
        let refused = refusal(&end);
        if refused.is_none() && !is_end(&end) {
            // What follows it, and whether anything does, nobody knows.
            (conn.open, conn.busy) = (None, true);
            return Err(unexpected(&end));
        }
        conn.open = None;
        let forgotten = Self::forget(conn, statement).await;
        // The server ended the SELECT, and nothing of it follows; that counts first.
        refused.map_or(forgotten, Err).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prepared_statement_tells_its_number_and_what_definitions_follow() {
        let packet = [0, 7, 0, 0, 0, 11, 0, 2, 0, 0, 0, 0];
        let expect = Prepared { statement: 7, columns: 11, parameters: 2 };
        assert_eq!(Prepared::read(&packet), Some(expect));
        for len in 0..9 {
            assert_eq!(Prepared::read(&packet[..len]), None, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none_and_never_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = (Prepared::read(&bytes), ResultColumn::read(&bytes));
            let _ = (column_count(&bytes), super::super::text_row(&bytes, 3));
        }
    }
}

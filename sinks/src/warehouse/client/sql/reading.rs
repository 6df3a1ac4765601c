//! Rows of a table as they come, on a connection of their own: a statement that reads many must not
//! keep the job's own ones waiting, and is never held in memory as a whole.

use std::ops::ControlFlow;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Row, Value};

use super::Trouble;
use crate::warehouse::client::{Client, ClientError};

/// Both systems end a query after some minutes otherwise (`query_timeout`).
const QUERY_SECONDS_MAX: u32 = 4 * 3600;

/// A connection that only reads.
pub(crate) struct Reading {
    node: String,
    conn: Conn,
}

impl Client {
    /// # Errors
    /// No frontend can be reached, or the user may not.
    pub(crate) async fn reading(&self) -> Result<Reading, ClientError> {
        let wire = &self.wire;
        let connected = wire.sql.connect().await;
        let (node, mut conn) =
            connected.map_err(|trouble| wire.troubled("a connection to read rows", &trouble))?;
        // Of one that has no such setting its own limit holds.
        let limit = format!("SET query_timeout = {QUERY_SECONDS_MAX}");
        if let Err(error) = conn.query_drop(limit).await {
            tracing::debug!(%node, "the limit of queries stays as it is: {error}");
        }
        Ok(Reading { node, conn })
    }

    /// Runs a query and gives each row to `take`, until it has seen enough: the rest is left on the
    /// connection then, which is good for nothing any more.
    ///
    /// # Errors
    /// The query is refused, or the connection breaks; some rows may have been given by then.
    pub(crate) async fn read(
        &self,
        reading: &mut Reading,
        doing: &str,
        statement: &str,
        mut take: impl FnMut(Vec<Option<Vec<u8>>>) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        let read = async {
            let mut result = reading.conn.query_iter(statement).await?;
            while let Some(row) = result.next().await? {
                if take(cells(row)).is_break() {
                    return Ok(());
                }
            }
            result.drop_result().await
        };
        let node = reading.node.clone();
        read.await.map_err(|error| match error {
            Error::Server(error) => {
                let refused = Trouble::Refused { node, code: error.code, words: error.message };
                self.wire.troubled(doing, &refused)
            }
            error @ (Error::Driver(_) | Error::Io(_) | Error::Other(_) | Error::Url(_)) => {
                self.wire.troubled(doing, &Trouble::Lost { node, why: error.to_string() })
            }
        })
    }
}

fn cells(row: Row) -> Vec<Option<Vec<u8>>> {
    let text = |value: Value| match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        // No row that comes as text has another.
        other @ (Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..)) => Some(other.as_sql(true).into_bytes()),
    };
    row.unwrap().into_iter().map(text).collect()
}

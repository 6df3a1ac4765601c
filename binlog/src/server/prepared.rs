//! XA transactions that are prepared on the server now.

use std::collections::HashSet;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::Server;
use crate::event::Xid;
use crate::reader::BinlogError;

/// From here on the rows are in the binlog at XA PREPARE; before, at the commit, as those of an
/// ordinary transaction (MySQL manual, "Restrictions on XA Transactions"; MariaDB KB, "XA
/// Transactions").
const MYSQL_LOGS_PREPARE: (u16, u16, u16) = (5, 7, 7);
const MARIADB_LOGS_PREPARE: (u16, u16, u16) = (10, 5, 2);

impl Server {
    /// True where `XA PREPARE` is in the binlog, and the verdict in a place of its own.
    pub fn logs_prepare(&self) -> bool {
        let first = if self.is_mariadb() { MARIADB_LOGS_PREPARE } else { MYSQL_LOGS_PREPARE };
        self.version >= first
    }

    /// The XA transactions that are prepared and neither committed nor rolled back. `None` where the
    /// server does not say: MySQL from 8.0 on tells it to those with XA_RECOVER_ADMIN alone.
    ///
    /// # Errors
    /// [`BinlogError::Query`] where the connection breaks; [`BinlogError::Answer`] where the answer
    /// makes no sense.
    pub async fn prepared(&self, conn: &mut Conn) -> Result<Option<HashSet<Xid>>, BinlogError> {
        let rows: Vec<Row> = match conn.query("XA RECOVER").await {
            Ok(rows) => rows,
            Err(mysql_async::Error::Server(_)) => return Ok(None),
            Err(source) => {
                let what = "list the prepared XA transactions (XA RECOVER)".to_owned();
                return Err(BinlogError::Query { what, source });
            }
        };
        rows.iter().map(xid).collect::<Result<_, _>>().map(Some)
    }
}

/// Columns: format number, length of gtrid, length of bqual, both parts in one.
fn xid(row: &Row) -> Result<Xid, BinlogError> {
    let number = |at: usize| row.get_opt::<i64, _>(at).and_then(Result::ok);
    let read = || {
        let data = row.get_opt::<Vec<u8>, _>(3)?.ok()?;
        Xid::new(
            number(0)?,
            usize::try_from(number(1)?).ok()?,
            usize::try_from(number(2)?).ok()?,
            data,
        )
    };
    read().ok_or_else(|| BinlogError::Answer {
        what: "cannot read the answer to XA RECOVER",
        answer: format!("{row:?}"),
    })
}

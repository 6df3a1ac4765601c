//! What a server says of its own replication.

use model::{GtidSet, MariaGtid};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::{Server, parse};
use crate::reader::BinlogError;

/// The channels through which a server replicates from others, all together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replication {
    /// Set up, running or not. 0: the server is no replica.
    pub(crate) channels: usize,
    /// At least one thread of one of them runs.
    pub(crate) running: bool,
    /// What has come in, executed or not; since the relay log was begun (MySQL).
    pub(crate) received: GtidSet,
    /// Of each domain the last that has come in (MariaDB).
    pub(crate) received_maria: Vec<MariaGtid>,
}

/// Each server knows one of them; the privilege is that for the binlog's position, but on MariaDB
/// from 10.5.9 on, where it is SLAVE MONITOR.
const STATUS: [&str; 3] = ["SHOW REPLICA STATUS", "SHOW ALL SLAVES STATUS", "SHOW SLAVE STATUS"];

impl Server {
    /// `None` where it is not ours to see.
    ///
    /// # Errors
    /// [`BinlogError::Query`] where the connection breaks.
    pub(crate) async fn replication(
        &self,
        conn: &mut Conn,
    ) -> Result<Option<Replication>, BinlogError> {
        for statement in STATUS {
            // MariaDB takes the first for its default channel alone.
            if self.is_mariadb() && statement == "SHOW REPLICA STATUS" {
                continue;
            }
            match conn.query::<Row, _>(statement).await {
                Ok(rows) => return Ok(Some(Replication::read(&rows)?)),
                Err(mysql_async::Error::Server(_)) => {}
                Err(source) => {
                    let what = "read the state of the server's own replication".to_owned();
                    return Err(BinlogError::Query { what, source });
                }
            }
        }
        Ok(None)
    }
}

impl Replication {
    fn read(rows: &[Row]) -> Result<Self, BinlogError> {
        let mut all = Self { channels: rows.len(), ..Self::default() };
        for row in rows {
            let text = |names: &[&str]| {
                let column = |name: &&str| row.get_opt::<Option<String>, _>(*name);
                names.iter().find_map(column).and_then(Result::ok).flatten().unwrap_or_default()
            };
            let threads = [
                text(&["Replica_IO_Running", "Slave_IO_Running"]),
                text(&["Replica_SQL_Running", "Slave_SQL_Running"]),
            ];
            all.running |= threads.iter().any(|state| !state.eq_ignore_ascii_case("No"));
            let received = text(&["Retrieved_Gtid_Set"]);
            all.received.union(&parse(&received, "cannot read `Retrieved_Gtid_Set`")?);
            let received = text(&["Gtid_IO_Pos"]);
            for gtid in received.split(',').filter(|gtid| !gtid.trim().is_empty()) {
                all.received_maria.push(parse(gtid, "cannot read `Gtid_IO_Pos`")?);
            }
        }
        Ok(all)
    }
}

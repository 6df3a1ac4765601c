//! Real replicas, set up as an operator does it: through SQL.

use std::time::Duration;

use anyhow::Result;

use crate::eventually;
use crate::server::{Kind, Server};

/// How long a replica may take to have what its primary has.
const CAUGHT_UP_MAX: Duration = Duration::from_secs(60);

impl Server {
    /// A fresh server that replicates from this one from its first transaction on: by GTIDs where it
    /// has them, else by file and offset.
    pub async fn replica(&self, options: &[&str]) -> Result<Self> {
        let replica = Self::start(self.kind, options).await?;
        let (port, password) = (self.port, "secret");
        let statements = match self.kind {
            Kind::MySql9Gtid | Kind::MySql9NoGtid => {
                let by_gtid = u8::from(self.kind == Kind::MySql9Gtid);
                format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, \
                     SOURCE_USER = 'repl', SOURCE_PASSWORD = '{password}', \
                     SOURCE_AUTO_POSITION = {by_gtid}, SOURCE_CONNECT_RETRY = 1, \
                     GET_SOURCE_PUBLIC_KEY = 1;\nSTART REPLICA"
                )
            }
            old @ (Kind::MySql56Gtid | Kind::MySql56 | Kind::MariaDb) => {
                let by_gtid = if old == Kind::MariaDb {
                    "MASTER_USE_GTID = slave_pos"
                } else if old == Kind::MySql56Gtid {
                    "MASTER_AUTO_POSITION = 1"
                } else {
                    "MASTER_AUTO_POSITION = 0"
                };
                format!(
                    "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, \
                     MASTER_USER = 'repl', MASTER_PASSWORD = '{password}', {by_gtid}, \
                     MASTER_CONNECT_RETRY = 1;\nSTART SLAVE"
                )
            }
        };
        replica.sql(&statements).await?;
        Ok(replica)
    }

    /// Waits until `query` gives a first value here that is not 0.
    pub async fn has(&self, query: &str) -> Result<()> {
        // The database itself may still be to come.
        let there = async || Ok(self.value::<u64>(query).await.is_ok_and(|found| found > 0));
        eventually(query, CAUGHT_UP_MAX, there).await
    }
}

//! The data: a MySQL 9 whose binlog holds one workload, and nothing else.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use model::table::Collation;
use model::{Column, ColumnType, TableName, TableSchema};
use mysql_async::Row;
use mysql_async::prelude::*;
use tests::{Kind, Server, say};

use crate::shapes::Shape;
use crate::{scale, tables};

/// Rows of `bench.bulk`, each inserted and then updated.
pub(crate) const BULK_ROWS: u64 = 1_000_000;
/// Rows of one transaction of it.
const BULK_TRANSACTION: u64 = 1000;
/// Transactions of four single-row statements on `bench.oltp`.
const OLTP_TRANSACTIONS: u64 = 250_000;
const OLTP_ROWS: u64 = 10_000;

/// Nothing of a server outlives the run, so nothing of it has to reach a disk.
pub(crate) const NOT_DURABLE: [&str; 4] = [
    "--innodb-buffer-pool-size=2G",
    "--innodb-doublewrite=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    Bulk,
    Oltp,
    /// The inserts of a table of some other shape.
    Shape(Shape),
    /// Inserts into so many tables alike.
    Tables(u64),
    /// So many inserts into one table.
    Longer(u64),
}

impl Workload {
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Oltp => "oltp",
            Self::Shape(shape) => shape.table(),
            // All of them.
            Self::Tables(_) => "t.*",
            Self::Longer(_) => "longer",
        }
    }

    /// Changes of rows in its binlog.
    pub(crate) fn changes(self) -> u64 {
        match self {
            Self::Bulk => 2 * BULK_ROWS,
            Self::Oltp => 4 * OLTP_TRANSACTIONS,
            Self::Shape(shape) => shape.rows(),
            Self::Tables(_) => tables::ROWS,
            Self::Longer(rows) => rows,
        }
    }
}

/// A server with the data, and where its log ends.
pub(crate) struct Source {
    pub(crate) server: Server,
    pub(crate) workload: Workload,
    /// In order.
    pub(crate) files: Vec<String>,
    /// Of all files.
    pub(crate) bytes: u64,
    /// Offset at which the last file ends.
    pub(crate) end: u64,
}

impl Source {
    pub(crate) async fn with(workload: Workload) -> Result<Self> {
        Self::on(Kind::MySql9Gtid, workload).await
    }

    pub(crate) async fn on(kind: Kind, workload: Workload) -> Result<Self> {
        let server = Server::start(kind, &NOT_DURABLE).await?;
        let begun = Instant::now();
        prepare(&server, workload).await?;
        let mysql9 = kind.software() == "mysql9";
        server.sql(if mysql9 { "RESET BINARY LOGS AND GTIDS" } else { "RESET MASTER" }).await?;
        match workload {
            Workload::Bulk => bulk(&server).await?,
            Workload::Oltp => server.sql(&format!("CALL bench.oltp({OLTP_TRANSACTIONS})")).await?,
            Workload::Shape(shape) => shape.fill(&server).await?,
            Workload::Tables(count) => tables::fill(&server, count).await?,
            Workload::Longer(rows) => scale::fill(&server, rows).await?,
        }
        let mut conn = server.conn().await?;
        let logs: Vec<Row> = conn.query("SHOW BINARY LOGS").await?;
        let (mut files, mut bytes, mut end) = (Vec::new(), 0, 0);
        for log in logs {
            files.push(log.get(0).context("a log without a name")?);
            end = log.get(1).context("a log without a size")?;
            bytes += end;
        }
        let (seconds, mb) = (begun.elapsed().as_secs_f64(), bytes / 1_000_000);
        say(format!("{}: {mb} MB of binlog written in {seconds:.0} s", workload.table()));
        Ok(Self { server, workload, files, bytes, end })
    }
}

async fn prepare(server: &Server, workload: Workload) -> Result<()> {
    server
        .sql(
            "CREATE DATABASE bench;
CREATE DATABASE aux;
CREATE TABLE aux.seq (n INT PRIMARY KEY);
INSERT INTO aux.seq WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 999) \
             SELECT n FROM s",
        )
        .await?;
    match workload {
        Workload::Bulk => server.sql(BULK_TABLE).await,
        Workload::Shape(_) | Workload::Tables(_) | Workload::Longer(_) => Ok(()),
        Workload::Oltp => {
            server.sql(OLTP_TABLE).await?;
            let fill = format!(
                "INSERT INTO bench.oltp SELECT a.n * 1000 + b.n, b.n, REPEAT('c', 119), REPEAT('p', 59) \
                 FROM aux.seq a, aux.seq b WHERE a.n < {}",
                OLTP_ROWS / 1000
            );
            server.sql(&fill).await?;
            // Not cut at its semicolons as `sql` would.
            server.conn().await?.query_drop(OLTP_PROCEDURE).await.context("the procedure")
        }
    }
}

/// Rows of about 200 bytes. The collation is the server's: `utf8mb4_0900_ai_ci` with MySQL 9.
const BULK_TABLE: &str = "CREATE TABLE bench.bulk (\
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY, customer_id INT NOT NULL, status TINYINT NOT NULL, \
  quantity SMALLINT UNSIGNED NOT NULL, price DECIMAL(12,2) NOT NULL, rate DOUBLE, \
  name VARCHAR(64) NOT NULL, email VARCHAR(100), note VARCHAR(255), created_at DATETIME(3) NOT NULL, \
  updated_at TIMESTAMP NOT NULL) CHARACTER SET utf8mb4";

async fn bulk(server: &Server) -> Result<()> {
    let mut conn = server.conn().await?;
    for from in (0..BULK_ROWS).step_by(usize::try_from(BULK_TRANSACTION)?) {
        conn.query_drop(format!(
            "INSERT INTO bench.bulk SELECT {from} + n, n * 7919, n % 5, n, n * 1234.56, n / 7, \
             CONCAT('customer ', {from} + n), CONCAT(LEFT(SHA2(n, 256), 32), '@example.com'), \
             IF(n % 10 = 0, NULL, CONCAT(SHA2(n, 256), ' \"', n, '\"')), \
             '2024-02-29 10:00:00.123' + INTERVAL n SECOND, '2024-03-01 00:00:00' + INTERVAL n SECOND \
             FROM aux.seq"
        ))
        .await?;
    }
    for from in (0..BULK_ROWS).step_by(usize::try_from(BULK_TRANSACTION)?) {
        conn.query_drop(format!(
            "UPDATE bench.bulk SET price = price + 1, status = status + 1, \
             updated_at = updated_at + INTERVAL 1 DAY \
             WHERE id BETWEEN {from} AND {from} + {BULK_TRANSACTION} - 1"
        ))
        .await?;
    }
    conn.disconnect().await?;
    Ok(())
}

/// Copies `bench.bulk` past its own end until it has `rows`, not logged. One that has them stays.
pub(crate) async fn grow_bulk(server: &Server, rows: u64) -> Result<()> {
    let mut conn = server.conn().await?;
    conn.query_drop("SET sql_log_bin = 0").await?;
    let held: Option<u64> = conn.query_first("SELECT MAX(id) + 1 FROM bench.bulk").await?;
    for from in (held.unwrap_or_default()..rows).step_by(usize::try_from(BULK_ROWS)?) {
        conn.query_drop(format!(
            "INSERT INTO bench.bulk SELECT id + {from}, customer_id, status, quantity, price, rate, \
             name, email, note, created_at, updated_at FROM bench.bulk WHERE id < {BULK_ROWS}"
        ))
        .await?;
    }
    conn.disconnect().await?;
    Ok(())
}

/// The shape of sysbench.
const OLTP_TABLE: &str = "CREATE TABLE bench.oltp (id BIGINT NOT NULL PRIMARY KEY, k INT NOT NULL, \
  c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL, KEY (k)) CHARACTER SET utf8mb4";

/// As sysbench's `oltp_write_only`: two updates, a delete, an insert.
const OLTP_PROCEDURE: &str = "CREATE PROCEDURE bench.oltp(transactions INT) BEGIN
  DECLARE i INT DEFAULT 0;
  DECLARE key1 INT; DECLARE key2 INT; DECLARE key3 INT;
  WHILE i < transactions DO
    SET key1 = i * 7919 % 10000, key2 = i * 104729 % 10000, key3 = i * 31 % 10000;
    START TRANSACTION;
    UPDATE bench.oltp SET k = k + 1 WHERE id = key1;
    UPDATE bench.oltp SET c = CONCAT(i, REPEAT('x', 100)) WHERE id = key2;
    DELETE FROM bench.oltp WHERE id = key3;
    INSERT INTO bench.oltp VALUES (key3, i, REPEAT('c', 119), REPEAT('p', 59));
    COMMIT;
    SET i = i + 1;
  END WHILE;
END";

/// `bench.bulk` as the engine knows it.
pub(crate) fn bulk_schema() -> Arc<TableSchema> {
    let collation = || Collation { charset: "utf8mb4".into(), name: "utf8mb4_0900_ai_ci".into() };
    let int = |bytes, unsigned| ColumnType::Int { bytes, unsigned };
    let text = |chars| ColumnType::Text { chars, collation: collation() };
    let column = |(name, declared, ty): (&str, &str, ColumnType)| Column {
        name: name.into(),
        ty,
        declared: declared.into(),
        nullable: matches!(name, "rate" | "email" | "note"),
        generated: false,
        invisible: false,
    };
    let columns = [
        ("id", "bigint unsigned", int(8, true)),
        ("customer_id", "int", int(4, false)),
        ("status", "tinyint", int(1, false)),
        ("quantity", "smallint unsigned", int(2, true)),
        ("price", "decimal(12,2)", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("rate", "double", ColumnType::Double),
        ("name", "varchar(64)", text(64)),
        ("email", "varchar(100)", text(100)),
        ("note", "varchar(255)", text(255)),
        ("created_at", "datetime(3)", ColumnType::DateTime { fsp: 3 }),
        ("updated_at", "timestamp", ColumnType::Timestamp { fsp: 0 }),
    ];
    Arc::new(TableSchema {
        name: TableName::new("bench", "bulk"),
        columns: columns.into_iter().map(column).collect(),
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    })
}

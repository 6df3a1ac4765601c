//! The stand-in and the comparison keep their promises, or no other test of the warehouses means anything.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::server::on_servers;
use tests::warehouse::{Comparison, Pair, System, for_each_system};
use tests::{Kind, Warehouse};

/// What makes a source's tables, and what would be their equals in either system.
const SOURCE: &str = "CREATE DATABASE d DEFAULT CHARACTER SET utf8mb4;\n\
    CREATE TABLE d.keyed (id INT PRIMARY KEY, v VARCHAR(20), at DATETIME(3));\n\
    INSERT INTO d.keyed VALUES (1, 'é', '2024-02-29 10:00:00.25'), (2, NULL, NULL), (3, '', NULL);\n\
    CREATE TABLE d.heap (id INT, v VARCHAR(20));\n\
    INSERT INTO d.heap VALUES (1, 'a'), (1, 'a'), (2, 'b')";
/// The same rows, as a load has them.
const KEYED: &str = "1\té\t2024-02-29 10:00:00.250\n2\t\\N\t\\N\n3\t\t\\N\n";
const HEAP: &str = "1\ta\n1\ta\n2\tb\n";

async fn target(warehouse: &Warehouse) -> Result<()> {
    let system = warehouse.system;
    let key = match system {
        System::Doris => "UNIQUE KEY(id)",
        System::StarRocks => "PRIMARY KEY(id)",
    };
    let end = "DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES ('replication_num'='1')";
    let at = if system == System::Doris { "DATETIME(3)" } else { "DATETIME" };
    let create = format!(
        "CREATE DATABASE d;\n\
         CREATE TABLE d.keyed (id INT NOT NULL, v VARCHAR(80), at {at}) {key} {end};\n\
         CREATE TABLE d.heap (id INT, v VARCHAR(80)) DUPLICATE KEY(id) {end}"
    );
    warehouse.sql(&create).await?;
    warehouse.load("d", "keyed", "keyed", KEYED).await?;
    warehouse.load("d", "heap", "heap", HEAP).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_difference_is_seen_and_nothing_else_is() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        server.sql(SOURCE).await?;
        let pairs = [Pair::same("d.keyed"), Pair::same("d.heap")];
        for_each_system(async |warehouse| {
            target(warehouse).await?;
            let found = async |warehouse: &Warehouse| {
                let verdict = Comparison::of(server, warehouse, &pairs).await?.verdict();
                anyhow::Ok(verdict.err().map_or(String::new(), |error| error.to_string()))
            };
            ensure!(found(warehouse).await?.is_empty(), "{}", found(warehouse).await?);
            for (number, (table, rows, told)) in [
                (
                    "heap",
                    HEAP,
                    "d.heap: 0 rows of d.heap are not there, 3 are there that should not",
                ),
                ("keyed", "4\tx\t\\N\n", "too many 1x 4 | x, NULL"),
                ("keyed", "2\t\t\\N\n", "missing  1x 2 | NULL, NULL"),
                (
                    "keyed",
                    "1\té\t2024-02-29 10:00:00\n",
                    "missing  1x 1 | é, 2024-02-29 10:00:00.25",
                ),
            ]
            .into_iter()
            .enumerate()
            {
                warehouse.load("d", table, &format!("spoil_{number}"), rows).await?;
                let found = found(warehouse).await?;
                ensure!(found.contains(told), "`{told}` after {rows:?} is not in: {found}");
            }
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_visible_outlives_a_kill_and_faults_are_taken() -> Result<()> {
    for_each_system(async |warehouse| {
        target(warehouse).await?;
        warehouse.arm("cut_reply", "commit", 1, 0).await?;
        ensure!(warehouse.arm("no_such_effect", "commit", 1, 0).await.is_err());
        warehouse.kill9()?;
        ensure!(warehouse.conn().await.is_err(), "it still answers");
        tokio::time::sleep(Duration::from_millis(100)).await;
        warehouse.restart().await?;
        let rows = warehouse.column("SELECT v FROM d.heap ORDER BY v").await?;
        ensure!(rows == ["a", "a", "b"], "{rows:?}");
        let columns = warehouse.columns("d", "keyed").await?;
        ensure!(columns == ["id", "v", "at"], "{columns:?}");
        Ok(())
    })
    .await
}

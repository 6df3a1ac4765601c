//! The examples for several tables and several sinks, run as they are: shards of one table arrive in one,
//! each row with where it comes from, and two warehouses at once each hold all of a source.

use std::time::Duration;

use anyhow::Result;
use tests::server::on_servers;
use tests::warehouse::{Comparison, PASSWORD, Pair, Size, System, arrived};
use tests::{Job, Kind, Server, Warehouse};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(60);
/// What is committed may show a moment later.
const VISIBLE_WITHIN: Duration = Duration::from_secs(20);
/// As many copies as tables have where a script does not say.
const COPIES: Size = Size { backends: 3, followers: 0 };

/// The example's job, on this server.
fn settings(job: &mut Job, server: &Server, source: &str, name: &str) -> Vec<String> {
    job.env("MYSQL_PASSWORD", "");
    job.env("DORIS_PASSWORD", PASSWORD);
    job.env("STARROCKS_PASSWORD", PASSWORD);
    let set = [
        format!("{source}hostname=127.0.0.1"),
        format!("{source}port={}", server.port),
        format!("pipeline.name={name}"),
        "execution.checkpointing.interval=500".to_owned(),
    ];
    set.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
}

fn start(job: &mut Job, arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    job.start(&arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_become_one_table_whose_rows_say_where_they_come_from() -> Result<()> {
    const SHARDS: [&str; 3] = ["shop_0.orders_0", "shop_0.orders_1", "shop_1.orders_2"];
    on_servers(&SERVERS, &[], async |server| {
        server
            .sql("CREATE DATABASE shop_0;\nCREATE DATABASE shop_1;\nCREATE DATABASE merged")
            .await?;
        for (n, shard) in SHARDS.iter().enumerate() {
            server
                .sql(&format!(
                    "CREATE TABLE {shard} (id INT PRIMARY KEY, v INT);\n\
                     INSERT INTO {shard} VALUES ({n}1, 1), ({n}2, 2), ({n}3, 3)"
                ))
                .await?;
        }
        let parts = SHARDS.map(|s| format!("SELECT id, v, '{s}' AS source_table FROM {s}"));
        server.sql(&format!("CREATE VIEW merged.orders AS {}", parts.join(" UNION ALL "))).await?;

        let doris = Warehouse::of_size(System::Doris, COPIES).await?;
        let mut job = Job::new("shards")?;
        job.example()?;
        let mut arguments = settings(&mut job, server, "", "shards");
        arguments.extend(doris.arguments("sink"));
        start(&mut job, &arguments)?;
        job.live(PATIENCE).await?;
        for (n, shard) in SHARDS.iter().enumerate() {
            server
                .sql(&format!(
                    "UPDATE {shard} SET v = v + 10 WHERE id = {n}1;\n\
                     DELETE FROM {shard} WHERE id = {n}2;\nINSERT INTO {shard} VALUES ({n}4, 4)"
                ))
                .await?;
        }
        arrived(&mut job, &doris, "SELECT id FROM shop.orders WHERE id = 24", PATIENCE).await?;
        job.sigterm().await?;
        let pairs = [Pair::new("merged.orders", "shop.orders")];
        Comparison::equal(server, &doris, &pairs, VISIBLE_WITHIN).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_warehouses_at_once_each_hold_all_of_the_source() -> Result<()> {
    const NAME: &str = "doris-and-starrocks";
    on_servers(&SERVERS, &[], async |server| {
        server
            .sql(
                "CREATE DATABASE emp_1;\n\
                 CREATE TABLE emp_1.employees_1 (id INT PRIMARY KEY, name VARCHAR(20));\n\
                 CREATE TABLE emp_1.employees_2 (id INT PRIMARY KEY, born DATE);\n\
                 INSERT INTO emp_1.employees_1 VALUES (10, 'cai'), (11, 'wang');\n\
                 INSERT INTO emp_1.employees_2 VALUES (10, '1992-09-12')",
            )
            .await?;
        let doris = Warehouse::of_size(System::Doris, COPIES).await?;
        let starrocks = Warehouse::of_size(System::StarRocks, COPIES).await?;
        let mut job = Job::pipeline(NAME)?;
        job.example()?;
        let mut arguments = settings(&mut job, server, "source.", NAME);
        arguments.extend(doris.arguments("sink[0]"));
        arguments.extend(starrocks.arguments("sink[1]"));
        start(&mut job, &arguments)?;
        job.live(PATIENCE).await?;
        server
            .sql(
                "UPDATE emp_1.employees_1 SET name = 'li' WHERE id = 10;\n\
                 DELETE FROM emp_1.employees_1 WHERE id = 11;\n\
                 INSERT INTO emp_1.employees_2 VALUES (12, NULL);\n\
                 UPDATE emp_1.employees_1 SET id = 13 WHERE id = 10",
            )
            .await?;
        for (warehouse, prefix) in [(&doris, "ods_"), (&starrocks, "")] {
            let last = format!("SELECT id FROM emp_1.{prefix}employees_1 WHERE id = 13");
            arrived(&mut job, warehouse, &last, PATIENCE).await?;
            let pairs = ["employees_1", "employees_2"].map(|table| {
                Pair::new(&format!("emp_1.{table}"), &format!("emp_1.{prefix}{table}"))
            });
            Comparison::equal(server, warehouse, &pairs, VISIBLE_WITHIN).await?;
        }
        job.sigterm().await
    })
    .await
}

//! Twenty tables in each warehouse equal their source: copied and followed under writers, stopped with a
//! savepoint, and followed again.

use std::time::Duration;

use anyhow::Result;
use tests::server::on_servers;
use tests::warehouse::{equal_after_stop_and_resume, for_each_system};
use tests::{Job, Kind, Script, Server, Warehouse, eventually};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn twenty_tables_equal_their_source_after_a_snapshot_a_stream_a_stop_and_a_resume()
-> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| equal_after_stop_and_resume(server, warehouse).await)
            .await
    })
    .await
}

/// What a load takes, beside the interval; the machine may be busy.
const LOADED_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn at_least_once_a_row_is_visible_within_the_interval_in_a_pause_and_among_other_rows()
-> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        for_each_system(async |warehouse| waits_no_longer(server, warehouse).await).await
    })
    .await
}

async fn waits_no_longer(server: &Server, warehouse: &Warehouse) -> Result<()> {
    let setup = "DROP DATABASE IF EXISTS d;\nCREATE DATABASE d;\n\
                 CREATE TABLE d.t (id INT PRIMARY KEY);\nCREATE TABLE d.busy (id INT PRIMARY KEY);\n\
                 INSERT INTO d.t VALUES (0)";
    server.sql(setup).await?;
    let mut job = Job::new("trickle")?;
    let interval = Duration::from_millis(700);
    // No checkpoint shows the rows.
    job.script(
        &Script::new("trickle", server, "d", ".*")
            .into_warehouse(warehouse)
            .option("checkpoint", "3600000")
            .option("sink.enable-2pc", "false")
            .option("sink.buffer-flush.interval", "700 ms"),
    )?;
    job.start(&[])?;
    let is_there = async |id: u32, within: Duration| -> Result<()> {
        let query = format!("SELECT id FROM d.t WHERE id = {id}");
        eventually("the row in the target", within, async || {
            Ok(warehouse.rows(&query).await.is_ok_and(|rows| !rows.is_empty()))
        })
        .await
    };
    is_there(0, PATIENCE).await?;
    let within = interval + LOADED_WITHIN;
    server.sql("INSERT INTO d.t VALUES (1)").await?;
    is_there(1, within).await?;
    let trickle = async {
        for id in 0.. {
            server.sql(&format!("INSERT INTO d.busy VALUES ({id})")).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::Ok(())
    };
    let among = async {
        tokio::time::sleep(interval).await;
        server.sql("INSERT INTO d.t VALUES (2)").await?;
        is_there(2, within).await
    };
    tokio::select! {
        ended = trickle => ended?,
        seen = among => seen?,
    }
    job.sigterm().await
}

//! Twenty tables in each warehouse equal their source: copied and followed under writers, stopped with a
//! savepoint, and followed again.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::server::on_servers;
use tests::warehouse::{Comparison, Fleet, for_each_system};
use tests::{Job, Kind, Server, Warehouse, say};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const ROWS: u64 = 1_500;
/// Changes a second, together.
const RATE: u64 = 1_500;
/// Changes that each run sees at least.
const CHANGES_MIN: u64 = 4_000;
const PATIENCE: Duration = Duration::from_secs(120);
/// What is committed may show a moment later.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn twenty_tables_equal_their_source_after_a_snapshot_a_stream_a_stop_and_a_resume()
-> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| run(server, warehouse).await).await
    })
    .await
}

async fn run(server: &Server, warehouse: &Warehouse) -> Result<()> {
    let mut fleet = Fleet::load(server, ROWS).await?;
    let mut job = Job::new("sync")?;
    job.script(
        &Fleet::script("sync", server, warehouse)
            .option("checkpoint", "1000")
            .option("parallelism", "2")
            .option("source.scan.incremental.snapshot.chunk.size", "200")
            // Several loads of a table between two checkpoints.
            .option("sink.buffer-flush.max-rows", "300"),
    )?;
    fleet.start(server, RATE).await?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    fleet.reach(fleet.changes() + CHANGES_MIN, PATIENCE).await?;
    job.sigterm().await?;

    let between = fleet.changes();
    fleet.reach(between + CHANGES_MIN / 4, PATIENCE).await?;
    job.start(&[])?;
    fleet.reach(between + CHANGES_MIN, PATIENCE).await?;
    fleet.quiesce().await?;
    fleet.last_change(server, &mut job, warehouse, PATIENCE).await?;
    job.sigterm().await?;
    say(format!("{} changes", fleet.changes()));
    Comparison::equal(server, warehouse, &Fleet::pairs(), VISIBLE_WITHIN).await?;
    nothing_is_left_open(warehouse).await
}

/// A stopped job leaves no transaction that nobody will commit.
async fn nothing_is_left_open(warehouse: &Warehouse) -> Result<()> {
    for db in Fleet::databases() {
        let open = warehouse.open_transactions(db).await?;
        ensure!(open.is_empty(), "{db} has open transactions after the stop: {open:?}");
    }
    Ok(())
}

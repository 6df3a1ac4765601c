//! Twenty tables are copied and followed under writers, the job is stopped by a savepoint and goes on, and in
//! the end they are those of the source.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Comparison, Fleet, Warehouse};
use crate::{Job, Server, say};

const ROWS: u64 = 1_500;
/// Changes a second, together.
const RATE: u64 = 1_500;
/// Changes that each run sees at least.
const CHANGES_MIN: u64 = 4_000;
const PATIENCE: Duration = Duration::from_secs(120);
/// What is committed may show a moment later.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

/// # Errors
/// They are not, or a transaction is left open.
pub async fn equal_after_stop_and_resume(server: &Server, warehouse: &Warehouse) -> Result<()> {
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

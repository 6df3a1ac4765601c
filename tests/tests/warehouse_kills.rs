//! Twenty tables equal their source whatever is killed: the job at every edge of a checkpoint and at random
//! moments, the warehouse at random moments, and while replies are lost, late or untrue. No row of a table
//! without a key comes twice.
//!
//! `KILLS=300` makes a campaign of it: so many on each server and system.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tests::server::on_servers;
use tests::warehouse::{Comparison, Fleet, Size, System};
use tests::{Job, Kind, Server, Warehouse, say};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
/// Where the caller does not say how many.
const KILLS: u32 = 10;
const ROWS: u64 = 600;
/// Changes a second, together.
const RATE: u64 = 600;
/// What a rising job passes sooner or later, where its state is on disk.
const POINTS: [&str; 10] = [
    "barrier.before",
    "barrier.after",
    "prepare.before",
    "prepare.after",
    "store.before",
    "store.after",
    "commit.before",
    "commit.after",
    "prune.before",
    "prune.after",
];
/// Effect, the call it is meant for, and how long it takes where it takes time.
const FAULTS: [(&str, &str, u64); 20] = [
    ("cut_reply", "load", 0),
    ("cut_reply", "begin", 0),
    ("cut_reply", "prepare", 0),
    ("cut_reply", "commit", 0),
    ("cut_reply", "rollback", 0),
    ("cut_reply", "state", 0),
    ("fail_though_done", "load", 0),
    ("fail_though_done", "begin", 0),
    ("fail_though_done", "prepare", 0),
    ("fail_though_done", "commit", 0),
    ("fail_though_done", "rollback", 0),
    ("delay", "commit", 300),
    ("delay_reply", "load", 300),
    ("delay_reply", "commit", 300),
    ("redirect_loop", "load", 0),
    ("redirect_to_dead", "load", 0),
    ("publish_timeout", "commit", 400),
    ("in_processing", "load", 0),
    ("in_processing", "prepare", 0),
    ("record_reply", "load", 0),
];
/// The job is patient with a warehouse that has too much to do: of a campaign only.
const TOO_MUCH: (&str, &str, u64) = ("too_many_versions", "load", 0);
const POINT_WITHIN: Duration = Duration::from_secs(150);
const PATIENCE: Duration = Duration::from_secs(180);
/// What is committed may show a moment later.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

/// What ends a round.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// The job ends itself there, at this passage.
    JobAt(&'static str, u32),
    JobAfter(Duration),
    /// The warehouse, which is away for a while; the job then goes on.
    WarehouseAfter(Duration, Duration),
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_twenty_tables_equal_their_source_and_no_row_comes_twice() -> Result<()>
{
    let kills = match std::env::var("KILLS") {
        Ok(kills) => kills.parse().context("KILLS is a number")?,
        Err(_) => KILLS,
    };
    on_servers(&SERVERS, &[], async |server| {
        // The short version meets each system once, and both servers.
        for system in System::ALL {
            if kills > KILLS || (system == System::Doris) == (server.kind == Kind::MySql9Gtid) {
                let size = Size { backends: 2, followers: 1 };
                let mut warehouse = Warehouse::of_size(system, size).await?;
                campaign(server, &mut warehouse, kills).await.with_context(|| {
                    format!("{}; its log:\n{}", system.name(), warehouse.log_tail())
                })?;
            }
        }
        Ok(())
    })
    .await
}

async fn campaign(server: &Server, warehouse: &mut Warehouse, kills: u32) -> Result<()> {
    let mut fleet = Fleet::load(server, ROWS).await?;
    let mut job = Job::new("kills")?;
    job.script(
        &Fleet::script("kills", server, warehouse)
            .option("checkpoint", "200")
            .option("source.scan.incremental.snapshot.chunk.size", "100")
            .option("sink.buffer-flush.max-rows", "100")
            .set("restart-strategy", "fixed-delay")
            .set("restart-strategy.fixed-delay.attempts", "100000")
            .set("restart-strategy.fixed-delay.delay", "100ms"),
    )?;
    fleet.start(server, RATE).await?;
    let mut rng = StdRng::seed_from_u64(fleet.seed());
    let mut tally = BTreeMap::new();
    let mut history = Vec::new();
    for number in 0..kills {
        let kill = match rng.random_range(0..10) {
            0..5 => {
                let point = POINTS.choose(&mut rng).context("no points")?;
                Kill::JobAt(point, rng.random_range(1..=4))
            }
            5..7 => Kill::JobAfter(millis(&mut rng, 200..4_000)),
            _ => Kill::WarehouseAfter(millis(&mut rng, 100..2_000), millis(&mut rng, 0..1_000)),
        };
        let mut faults = faults(&mut rng, warehouse).await?;
        if kills > KILLS && rng.random_bool(0.05) {
            let (effect, on, millis) = TOO_MUCH;
            warehouse.arm(effect, on, 1, millis).await?;
            faults.push(format!("{effect} on {on}"));
        }
        history.push(format!("round {number}: {kill:?} with {faults:?}"));
        let rounds = || history.join("\n");
        die(&mut job, warehouse, kill).await.with_context(rounds)?;
        *tally.entry(name(kill)).or_insert(0) += 1;
    }
    say(format!("{}: {kills} kills: {tally:?}", warehouse.system.name()));

    if job.pid().is_none() {
        job.arm(None);
        job.start(&[])?;
    }
    fleet.quiesce().await?;
    job.live(PATIENCE).await?;
    fleet.last_change(server, &mut job, warehouse, PATIENCE).await?;
    job.sigterm().await?;
    say(format!("{} changes", fleet.changes()));
    Comparison::equal(server, warehouse, &Fleet::pairs(), VISIBLE_WITHIN).await?;
    for db in Fleet::databases() {
        let open = warehouse.open_transactions(db).await?;
        ensure!(open.is_empty(), "{db} has transactions that nobody will commit: {open:?}");
    }
    Ok(())
}

/// Arms up to three, or has a node change its part.
async fn faults(rng: &mut StdRng, warehouse: &Warehouse) -> Result<Vec<String>> {
    let mut armed = Vec::new();
    for _ in 0..rng.random_range(0..=3) {
        if rng.random_bool(0.15) {
            let place = rng.random_range(0..2);
            warehouse.now(json!({ "lead": place })).await?;
            armed.push(format!("lead {place}"));
        } else if rng.random_bool(0.15) {
            let place = rng.random_range(0..2);
            warehouse.now(json!({ "kill_backend": place })).await?;
            warehouse.now(json!({ "revive_backend": place })).await?;
            armed.push(format!("backend {place}"));
        } else {
            let (effect, on, millis) = *FAULTS.choose(rng).context("no faults")?;
            let times = rng.random_range(1..=3);
            warehouse.arm(effect, on, times, millis).await?;
            armed.push(format!("{effect} on {on} {times}x"));
        }
    }
    Ok(armed)
}

async fn die(job: &mut Job, warehouse: &mut Warehouse, kill: Kill) -> Result<()> {
    // A point is armed as the process starts.
    if job.pid().is_some() && matches!(kill, Kill::JobAt(..)) {
        job.kill9()?;
    }
    if job.pid().is_none() {
        job.arm(match kill {
            Kill::JobAt(point, passage) => Some(format!("{point}:{passage}")),
            Kill::JobAfter(_) | Kill::WarehouseAfter(..) => None,
        });
        job.start(&[])?;
    }
    match kill {
        Kill::JobAt(..) => {
            let code = job.wait_exit(POINT_WITHIN).await?;
            ensure!(code == 128 + 6, "ended with {code}, not there:\n{}", job.log_tail());
        }
        Kill::JobAfter(time) => {
            tokio::time::sleep(time).await;
            job.kill9()?;
        }
        Kill::WarehouseAfter(time, away) => {
            tokio::time::sleep(time).await;
            warehouse.kill9()?;
            tokio::time::sleep(away).await;
            warehouse.restart().await?;
            ensure!(job.ended()?.is_none(), "the job has ended by itself:\n{}", job.log_tail());
        }
    }
    Ok(())
}

fn name(kill: Kill) -> &'static str {
    match kill {
        Kill::JobAt(point, _) => point,
        Kill::JobAfter(_) => "the job",
        Kill::WarehouseAfter(..) => "the warehouse",
    }
}

fn millis(rng: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

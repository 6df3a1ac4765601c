//! How long a change takes from its commit until a reader of the warehouse sees it, at a steady pace.
//!
//! The stand-in counts rows; how many are visible is asked every few milliseconds. Rows become
//! visible in the order of the binlog, which is that of commits: the n-th commit, as clients saw
//! them, is taken for the n-th row. Two that are that near to each other have waited alike.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tests::warehouse::{System, Warehouse};
use tests::{Job, say};
use tokio::time::MissedTickBehavior;

use crate::latency::{CHANGES, PATIENCE, Scene, WARM_UP, write};

/// Between two looks: the error of a time.
const LOOK: Duration = Duration::from_millis(5);

/// So many rows are visible, and when that was known.
type Seen = (u64, Instant);

/// From commit to visible, without those of the warm-up.
pub(crate) async fn paced(system: System) -> Result<Vec<Duration>> {
    let scene = Scene::new().await?;
    let warehouse = Warehouse::counting(system).await?;
    let mut job = Job::new("bench")?;
    job.script(&scene.script.into_warehouse(&warehouse))?;
    job.start(&["--from", "none"])?;
    job.live(PATIENCE).await?;

    let (sent, seen) = tokio::try_join!(write(&scene.server), watch(&warehouse))?;
    job.sigterm().await?;
    let mut commits: Vec<Instant> = sent.values().map(|sent| sent.done).collect();
    commits.sort_unstable();
    say(format!("{}: visible in {} steps", system.name(), seen.len()));
    let mut seen = seen.into_iter().peekable();
    let mut times = Vec::new();
    for (number, commit) in (1..).zip(commits) {
        while seen.next_if(|(rows, _)| *rows < number).is_some() {}
        if let Some((_, at)) = seen.peek().filter(|_| number > WARM_UP) {
            times.push(at.saturating_duration_since(commit));
        }
    }
    Ok(times)
}

/// Looks until all are visible; says of each number of rows when it was first seen.
async fn watch(warehouse: &Warehouse) -> Result<Vec<Seen>> {
    let begun = Instant::now();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut last) = (Vec::new(), 0);
    while last < CHANGES {
        ensure!(begun.elapsed() < PATIENCE, "only {last} of {CHANGES} rows are visible");
        looks.tick().await;
        let rows = warehouse.counted("bench", "paced").await?;
        if rows > last {
            seen.push((rows, Instant::now()));
            last = rows;
        }
    }
    Ok(seen)
}

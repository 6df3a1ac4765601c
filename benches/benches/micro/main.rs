//! What each step costs by itself, with everything in memory (`make bench-micro`).
//!
//! Rows are made (`benches::made`); events of all kinds, and a checkpoint, are those that the tests
//! of `binlog` and `state` hold.

mod checkpoints;
mod events;
mod gtids;
mod merge;
mod rows;

use std::time::Duration;

use anyhow::Result;
use criterion::Criterion;

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(2);
const SAMPLES: usize = 20;

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASURED)
        .sample_size(SAMPLES)
        .configure_from_args();
    events::each(&mut criterion)?;
    rows::each(&mut criterion)?;
    merge::each(&mut criterion)?;
    gtids::each(&mut criterion)?;
    checkpoints::each(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

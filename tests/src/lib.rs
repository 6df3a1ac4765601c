//! Promises kept on real servers: the harness.
//!
//! A test starts a [`Server`] (a real one, in a directory of its own), runs a [`Job`] (the
//! `seachange` binary, as a user runs it), lets a [`Workload`] loose on the tables, cuts
//! connections with a [`Proxy`], and at the end asks the [`chain`] auditor whether the changelog
//! is exact. Nothing here outlives the test, also when the test itself is killed.

pub mod chain;
pub mod changelog;
pub mod daemon;
pub mod hdfs;
pub mod http;
pub mod job;
pub mod matrix;
pub mod object_server;
pub mod online_tools;
mod process;
pub mod proxy;
pub mod render;
mod replica;
pub mod scene;
pub mod server;
pub mod stage;
#[cfg(test)]
mod tidy;
pub mod walk;
pub mod warehouse;
pub mod workload;

pub use daemon::Daemon;
pub use hdfs::Hdfs;
pub use job::{Job, Script};
pub use object_server::ObjectServer;
pub use proxy::Proxy;
pub use scene::Scene;
pub use server::{Kind, Server, for_each_server};
pub use stage::Stage;
pub use warehouse::Warehouse;
pub use workload::Workload;

use anyhow::Context;
use std::future::Future;
use std::time::{Duration, Instant};

/// Asks `check` every few milliseconds until it says yes.
///
/// # Errors
/// Names `what` when `limit` has passed.
pub async fn eventually<F, Fut>(what: &str, limit: Duration, mut check: F) -> anyhow::Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<bool>>,
{
    let begun = Instant::now();
    while !check().await? {
        if begun.elapsed() > limit {
            anyhow::bail!("waited {limit:?} in vain: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// What the dice of a workload begin with: `SEED`, which replays one, or a new one each time.
///
/// # Errors
/// Where `SEED` is no number.
pub fn seed() -> anyhow::Result<u64> {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().context("SEED is a number")?,
        Err(_) => rand::random::<u32>().into(),
    };
    say(format!("SEED={seed}"));
    Ok(seed)
}

/// One line of a test's story, on stderr.
pub fn say(text: impl std::fmt::Display) {
    eprintln!("    {text}");
}

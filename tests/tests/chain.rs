//! `exact-changelog` and `resume-exact`: six tables of 50,000 rows under eight writers, a job that is
//! stopped 5 times and killed 20 times at random moments, and a changelog without a fault.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tests::chain::written;
use tests::workload::ROWS;
use tests::{Job, Script, Server, Workload, for_each_server, say};

const STOPS: usize = 5;
const KILLS: usize = 20;
const WRITERS: u64 = 8;
/// Changes a second, together: what leaves the job and the server room on two cores.
const RATE: u64 = 10_000;
/// Changes that meet a chunk are read with it; so many more are made once the tables are read.
const STREAMED_MIN: u64 = 200_000;
const CATCH_UP_MAX: Duration = Duration::from_secs(180);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGTERM: a savepoint, then exit 0.
    Stop,
    /// kill -9
    Kill,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_changelog_is_exact_through_stops_and_kills_under_load() -> Result<()> {
    for_each_server(&[], run).await
}

async fn run(server: &mut Server) -> Result<()> {
    let mut workload = Workload::new(server, "chain")?;
    workload.load(server, ROWS).await?;
    server.sql("CREATE TABLE chain.t_mark (id INT PRIMARY KEY, note VARCHAR(40))").await?;
    let mut job = Job::new("chain")?;
    job.script(
        &Script::new("chain", server, "chain", "t_.*")
            .file(&job.out())
            .option("checkpoint", "200")
            .option("parallelism", "2")
            .option("source.scan.incremental.snapshot.chunk.size", "400"),
    )?;
    workload.start(WRITERS, RATE);
    let ended = interrupt(&mut job, &workload).await?;

    job.start(&[])?;
    workload.reach(ended.live_at + STREAMED_MIN, CATCH_UP_MAX).await?;
    workload.quiesce().await?;
    let quiet = Instant::now();
    job.live(CATCH_UP_MAX).await?;
    workload.last_change(server, &mut job, CATCH_UP_MAX).await?;
    say(format!("caught up {:.1} s after the last change", quiet.elapsed().as_secs_f32()));
    job.sigterm().await?;

    let begun = Instant::now();
    let auditor = workload.audit(server, &job).await?;
    let counts = auditor.counts();
    let early = ended.at.iter().filter(|bytes| **bytes < auditor.snapshot_bytes()).count();
    say(format!(
        "{counts:?}; {} transactions; {early} of {} ends fell into the snapshot; audited in {:.1} s",
        workload.transactions(),
        ended.at.len(),
        begun.elapsed().as_secs_f32()
    ));
    auditor.verdict()?;
    ensure!(counts.streamed() >= STREAMED_MIN, "too few changes streamed: {counts:?}");
    ensure!(early > 0 && early < ended.at.len(), "every end fell into the same phase: {early}");
    Ok(())
}

/// How a job was interrupted.
#[derive(Debug, Default)]
struct Ended {
    /// How far it had written at each end, in bytes.
    at: Vec<u64>,
    /// Changes that the writers had made when every table was read.
    live_at: u64,
}

/// Starts the job and ends it, again and again.
async fn interrupt(job: &mut Job, workload: &Workload) -> Result<Ended> {
    let mut rng = StdRng::seed_from_u64(workload.seed());
    let mut ends = [vec![End::Stop; STOPS], vec![End::Kill; KILLS]].concat();
    ends.shuffle(&mut rng);
    let mut ended = Ended::default();
    let half = ends.len() / 2;
    for (n, end) in ends.into_iter().enumerate() {
        let before = written(&job.out());
        job.start(&[])?;
        // Some kills hit the start itself. A stop comes when there is something to save.
        if end == End::Stop || rng.random_bool(0.75) {
            let moved = |job: &Job| written(&job.out()) != before;
            job.wait_for("the first bytes", Duration::from_secs(60), moved).await?;
        }
        if n == half {
            // Whatever the machine's speed: the other half of the ends falls into the stream.
            job.live(CATCH_UP_MAX).await?;
            ended.live_at = workload.changes();
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(10..700))).await;
        ended.at.push(written(&job.out()));
        match end {
            End::Stop => job.sigterm().await?,
            End::Kill => job.kill9()?,
        }
    }
    Ok(ended)
}

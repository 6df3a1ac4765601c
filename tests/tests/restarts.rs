//! The source dies, comes back, and the network is cut in the middle of events: one changelog
//! through all of it, without the job being restarted.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tests::chain::written;
use tests::{Job, Proxy, Script, Server, Workload, for_each_server, say};

const PATIENCE: Duration = Duration::from_secs(90);
const CRASHES: u32 = 3;
const CUTS: u32 = 6;
/// Seconds after which the server gives up a replica that does not read.
const NET_WRITE_TIMEOUT_S: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn the_changelog_is_exact_through_server_crashes_cuts_and_silence() -> Result<()> {
    for_each_server(&[], run).await
}

async fn run(server: &mut Server) -> Result<()> {
    let mut workload = Workload::new(server, "w")?;
    workload.load(server, 15_000).await?;
    server.sql("CREATE TABLE w.t_mark (id INT PRIMARY KEY, note VARCHAR(40))").await?;
    let proxy = Proxy::start(server.port).await?;
    let mut job = Job::new("restarts")?;
    job.script(
        &Script::new("restarts", server, "w", "t_.*")
            .file(&job.out())
            .option("port", &proxy.port.to_string())
            .option("source.scan.incremental.snapshot.chunk.size", "300")
            .option("source.heartbeat.interval", "500")
            .set("restart-strategy", "fixed-delay")
            .set("restart-strategy.fixed-delay.attempts", "1000")
            .set("restart-strategy.fixed-delay.delay", "200ms"),
    )?;
    workload.start(4, 3_000);
    job.start(&[])?;
    job.wait_for("the first bytes", PATIENCE, |job| written(&job.out()) > 0).await?;

    let mut rng = StdRng::seed_from_u64(workload.seed());
    for _ in 0..CUTS {
        let cuts = proxy.cuts();
        proxy.cut_after(rng.random_range(1..200_000));
        job.wait_for("a cut", PATIENCE, |_| proxy.cuts() > cuts).await?;
        moves_on(&mut job).await?;
    }
    for _ in 0..CRASHES {
        server.kill9()?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..1_500))).await;
        server.restart().await?;
        moves_on(&mut job).await?;
    }
    say(format!("{} cuts, {CRASHES} crashes, {} changes", proxy.cuts(), workload.changes()));
    stalled(server, &proxy, &mut workload).await?;
    moves_on(&mut job).await?;

    workload.quiesce().await?;
    // An idle source: nothing but heartbeats for longer than the server's patience.
    tokio::time::sleep(Duration::from_secs(NET_WRITE_TIMEOUT_S + 2)).await;
    job.live(PATIENCE).await?;
    workload.last_change(server, &mut job, PATIENCE).await?;
    job.sigterm().await?;

    let auditor = workload.audit(server, &job).await?;
    say(format!("{:?}", auditor.counts()));
    auditor.verdict()
}

/// Waits until the job has written what it had not yet.
async fn moves_on(job: &mut Job) -> Result<()> {
    // Enough to be news, and not only what was under way.
    let before = written(&job.out());
    job.wait_for("new changes", PATIENCE, |job| written(&job.out()) > before + 100_000).await
}

/// The network stands still for longer than the server waits for a replica to read.
async fn stalled(server: &Server, proxy: &Proxy, workload: &mut Workload) -> Result<()> {
    server.sql(&format!("SET GLOBAL net_write_timeout = {NET_WRITE_TIMEOUT_S}")).await?;
    let before = workload.changes();
    proxy.stall();
    tokio::time::sleep(Duration::from_secs(NET_WRITE_TIMEOUT_S + 3)).await;
    ensure!(workload.changes() > before, "the writers do not go through the proxy");
    proxy.resume();
    Ok(())
}

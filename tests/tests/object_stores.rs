//! Checkpoints on real object stores: the store's own suite on S3 and HDFS, and jobs that lose their
//! local disk, meet a second process, or sleep through their lease.

use std::time::Duration;

use anyhow::{Result, ensure};
use state::conformance::{self, Objects};
use tests::chain::written;
use tests::object_server::CREDENTIALS;
use tests::{Hdfs, Job, Kind, ObjectServer, Script, Server, Workload, say};

const PATIENCE: Duration = Duration::from_secs(90);
/// The product's own, which the tests below wait out.
const LEASE: Duration = Duration::from_secs(10);

/// Of the suites: long enough for a busy machine to renew it in.
const SUITE_LEASE: Duration = Duration::from_secs(3);

fn on_s3(server: &ObjectServer) -> Objects {
    let [(_, key), (_, secret)] = CREDENTIALS;
    Objects::on_s3(&server.url("suite"), key, secret).with_lease(SUITE_LEASE)
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_promises_of_a_store() -> Result<()> {
    let server = ObjectServer::start().await?;
    conformance::a_place_keeps_its_promises(|| on_s3(&server)).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hdfs_keeps_the_promises_of_a_store() -> Result<()> {
    if !Hdfs::is_there()? {
        say("NOT RUN on HDFS: `scripts/servers.sh fetch hdfs` has not been run (it needs Java)");
        return Ok(());
    }
    let hdfs = Hdfs::start().await?;
    let url = hdfs.url("state/suite");
    conformance::a_place_keeps_its_promises(|| Objects::new(&url).with_lease(SUITE_LEASE)).await;
    let raced = Objects::new(&url).with_lease(Duration::from_millis(500));
    let (taken, put) = conformance::holders_never_interleave(&raced, 8, 4).await;
    say(format!("HDFS: {taken} take-overs, {put} snapshots"));
    ensure!(taken > 8 && put > 0, "{taken} take-overs, {put} snapshots");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_of_one_job_on_s3_never_interleave() -> Result<()> {
    let server = ObjectServer::start().await?;
    let raced = on_s3(&server).with_lease(Duration::from_millis(500));
    let (taken, put) = conformance::holders_never_interleave(&raced, 8, 8).await;
    say(format!("S3: {taken} take-overs, {put} snapshots"));
    ensure!(taken > 20 && put > 20, "{taken} take-overs, {put} snapshots");
    Ok(())
}

/// A job under load whose state is on S3.
struct Stage {
    server: Server,
    objects: ObjectServer,
    workload: Workload,
    job: Job,
}

impl Stage {
    async fn begin(name: &str) -> Result<Self> {
        let server = Server::start(Kind::any()?, &[]).await?;
        let objects = ObjectServer::start().await?;
        let mut workload = Workload::new(&server, "w")?;
        workload.load(&server, 3_000).await?;
        let mut job = Job::new(name)?;
        job.keep_state_on(&objects, "cdc");
        job.script(
            &Script::new(name, &server, "w", "t_.*")
                .file(&job.out())
                .set("restart-strategy", "fixed-delay")
                .set("restart-strategy.fixed-delay.attempts", "100")
                .set("restart-strategy.fixed-delay.delay", "200ms"),
        )?;
        workload.start(2, 500);
        job.start(&[])?;
        job.live(PATIENCE).await?;
        Ok(Self { server, objects, workload, job })
    }

    async fn moves_on(&mut self) -> Result<()> {
        let before = written(&self.job.out());
        self.job
            .wait_for("new changes", PATIENCE, |job| written(&job.out()) > before + 20_000)
            .await?;
        self.job.next_checkpoint().await.map(drop)
    }

    /// Waits until everything that was written to the source is in a checkpoint.
    async fn moves_past(&mut self) -> Result<()> {
        self.job.next_checkpoint().await?;
        self.job.next_checkpoint().await.map(drop)
    }

    /// Nothing lost, nothing twice.
    async fn exact(&mut self) -> Result<()> {
        let mut auditor = self.workload.auditor();
        auditor.read_dir(&self.job.out())?;
        auditor.compare(&mut self.server.conn().await?).await?;
        say(format!("{:?}", auditor.counts()));
        auditor.verdict()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_on_s3_goes_on_exactly_after_a_kill_and_without_its_local_disk() -> Result<()> {
    let mut stage = Stage::begin("s3_kill").await?;
    for _ in 0..3 {
        stage.moves_on().await?;
        stage.job.kill9()?;
        let work = stage.job.dir().join("seachange-work");
        ensure!(work.exists(), "no work directory");
        std::fs::remove_dir_all(&work)?;
        // The process is dead, and known to be: there is nothing to wait for.
        stage.job.start(&[])?;
    }
    stage.moves_on().await?;
    stage.workload.quiesce().await?;
    stage.job.live(PATIENCE).await?;
    stage.moves_past().await?;
    stage.job.sigterm().await?;
    stage.exact().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_and_takes_over_from_one_that_sleeps() -> Result<()> {
    let mut stage = Stage::begin("s3_sleep").await?;
    stage.moves_on().await?;
    let mut second = stage.job.beside()?;
    second.start(&[])?;
    let code = second.wait_exit(PATIENCE).await?;
    let log = second.stderr();
    ensure!(code == 1 && log.contains("another process runs job"), "exit code {code}:\n{log}");
    ensure!(log.contains("--take-over"), "no advice:\n{log}");
    stage.moves_on().await?;

    stage.job.signal("STOP")?;
    // As from another machine, which shares the directory and not its locks.
    std::fs::remove_file(stage.job.out().join(".seachange-lock"))?;
    second.start(&[])?;
    let patience = PATIENCE + LEASE;
    second
        .wait_for("the take-over", patience, |job| job.stderr().contains("resuming from"))
        .await?;
    second.live(PATIENCE).await?;
    second.next_checkpoint().await?;
    stage.job.signal("CONT")?;
    let code = stage.job.wait_exit(PATIENCE).await?;
    let log = stage.job.stderr();
    ensure!(code == 1, "exit code {code}, not 1:\n{log}");
    ensure!(log.contains("another process runs job"), "it does not say so:\n{log}");
    second.next_checkpoint().await?;
    stage.workload.quiesce().await?;
    second.next_checkpoint().await?;
    second.next_checkpoint().await?;
    second.sigterm().await?;
    stage.exact().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_for_a_while_ends_no_job() -> Result<()> {
    let mut stage = Stage::begin("s3_silent").await?;
    stage.moves_on().await?;
    stage.objects.stand_still()?;
    // Longer than the lease: what the job holds runs out, and it must not write on.
    tokio::time::sleep(LEASE + Duration::from_secs(2)).await;
    let silent = written(&stage.job.out());
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(written(&stage.job.out()) == silent, "it writes without a lease");
    stage.objects.go_on()?;
    stage.moves_on().await?;
    stage.workload.quiesce().await?;
    stage.moves_past().await?;
    stage.job.sigterm().await?;
    stage.exact().await
}

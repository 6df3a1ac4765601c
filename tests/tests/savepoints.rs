//! Savepoints of a running job, asked for by signal and over HTTP: the job goes on, each is good to
//! begin with later, by its id or by where it was written, and one that fails costs nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::chain::{Auditor, ends_with_text, parts, written};
use tests::http::Answer;
use tests::job::id_of;
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, Workload, for_each_server, say};

const PATIENCE: Duration = Duration::from_secs(90);
const SAVEPOINTS: &str = "/api/v1/savepoints";
const STOP: &str = "/api/v1/stop";
const WITH_SAVEPOINT: &str = r#"{"kind": "savepoint"}"#;

/// Tables with rows, writers on them, and a job that follows them into files.
struct Scene {
    workload: Workload,
    job: Job,
}

impl Scene {
    async fn begin(server: &Server, change: impl FnOnce(Script, &Job) -> Script) -> Result<Self> {
        let mut workload = Workload::new(server, "w")?;
        workload.load(server, 6_000).await?;
        server.sql("CREATE TABLE w.t_mark (id INT PRIMARY KEY, note VARCHAR(40))").await?;
        let mut job = Job::new("savepoints")?;
        let script = Script::new("savepoints", server, "w", "t_.*")
            .file(&job.out())
            .option("source.scan.incremental.snapshot.chunk.size", "200");
        job.script(&change(script, &job))?;
        workload.start(3, 1_500);
        job.start(&["--http", "0"])?;
        job.wait_for("the first bytes", PATIENCE, |job| written(&job.out()) > 0).await?;
        Ok(Self { workload, job })
    }

    /// Waits until much has changed, and the job has written what it had not yet.
    async fn moves_on(&mut self) -> Result<()> {
        let changes = self.workload.changes();
        self.workload.reach(changes + 700, PATIENCE).await?;
        let before = written(&self.job.out());
        let news = |job: &Job| written(&job.out()) > before + 50_000;
        self.job.wait_for("new changes", PATIENCE, news).await
    }

    /// Lets writers and job come to rest, and holds the changelog against the tables.
    async fn is_exact(&mut self, server: &Server) -> Result<()> {
        self.workload.quiesce().await?;
        self.job.live(PATIENCE).await?;
        self.workload.last_change(server, &mut self.job, PATIENCE).await?;
        self.job.sigterm().await?;
        let auditor = self.workload.audit(server, &self.job).await?;
        say(format!("{:?}", auditor.counts()));
        auditor.verdict()
    }
}

fn has(answer: &Answer, status: u16, why: &str) -> Result<()> {
    let detail = answer.text("detail");
    ensure!(answer.status == status && detail.contains(why), "not {status}, `{why}`: {answer:?}");
    Ok(())
}

/// The snapshot of this id, as it is listed.
fn listed(job: &Job, id: u64) -> Result<Value> {
    let found = job.snapshots()?.into_iter().find(|s| id_of(s) == id);
    found.with_context(|| format!("snapshot {id} is not listed"))
}

fn is_of(snapshot: &Value, kind: &str, trigger: &str) -> Result<()> {
    let text = |name: &str| snapshot.get(name).and_then(Value::as_str).unwrap_or("");
    let fits = text("kind") == kind && text("trigger") == trigger;
    ensure!(fits, "not a {kind} by {trigger}: {snapshot}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn savepoints_are_taken_while_the_job_goes_on_and_are_begun_with_later() -> Result<()> {
    for_each_server(&[], async |server| {
        let mut scene = Scene::begin(server, |script, _| script).await?;
        let job = &mut scene.job;
        // In the middle of the snapshot of the tables.
        let taken = job.ask("POST", SAVEPOINTS, r#"{"note": "in the middle"}"#).await?;
        ensure!(taken.status == 201, "{taken:?}");
        let first = taken.number("id").context("no id")?;
        ensure!(taken.text("reference") == first.to_string(), "{taken:?}");
        ensure!(taken.text("note") == "in the middle", "{taken:?}");
        let at_first = listed(job, first)?;
        is_of(&at_first, "savepoint", "request")?;
        ensure!(at_first.get("position") == taken.body.get("position"), "{taken:?}: {at_first}");

        job.signal("USR1")?;
        let told = |job: &Job| job.stderr().contains("was taken at SIGUSR1; the job goes on");
        job.wait_for("word of the savepoint", PATIENCE, told).await?;
        let savepoint = |s: &Value| s.get("kind") == Some(&"savepoint".into());
        let second = job.snapshots()?.into_iter().find(savepoint).context("no savepoint")?;
        let second = id_of(&second);
        ensure!(second > first, "{second} after {first}");
        scene.moves_on().await?;
        let job = &mut scene.job;
        job.next_checkpoint().await?;
        is_of(&listed(job, first)?, "savepoint", "request")?;
        shows_itself(job).await?;

        let stopped = job.ask("POST", STOP, WITH_SAVEPOINT).await?;
        ensure!(stopped.status == 200, "{stopped:?}");
        ensure!(job.wait_exit(PATIENCE).await? == 0, "{}", job.log_tail());
        let newest = job.snapshots()?.into_iter().next().context("no snapshot")?;
        ensure!(Some(id_of(&newest)) == stopped.number("id"), "{stopped:?}: {newest}");
        is_of(&newest, "savepoint", "stop")?;

        for id in [second, first] {
            scene.workload.start(3, 1_500);
            scene.job.start(&["--http", "0", "--from", &id.to_string()])?;
            scene.moves_on().await?;
            scene.is_exact(server).await?;
        }
        Ok(())
    })
    .await
}

/// What can be looked at while it runs.
async fn shows_itself(job: &mut Job) -> Result<()> {
    let status = job.ask("GET", "/api/v1/status", "").await?;
    ensure!(status.text("state") == "running" && status.number("tables") == Some(7), "{status:?}");
    ensure!(status.number("lag_seconds").is_some() && !status.text("position").is_empty());
    for path in ["/healthz", "/readyz"] {
        ensure!(job.ask("GET", path, "").await?.status == 200, "{path}");
    }
    let snapshots = job.ask("GET", "/api/v1/snapshots", "").await?;
    let count = snapshots.body.as_array().map_or(0, Vec::len);
    ensure!(snapshots.status == 200 && count >= 3, "{snapshots:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_that_fails_leaves_the_job_as_it_was() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid, Kind::MariaDb], &[], async |server| {
        // A file where the directory would have to be.
        let with_dir = |script: Script, job: &Job| {
            script.set("state.savepoints.dir", &blocked(job).join("savepoints").to_string_lossy())
        };
        let mut scene = Scene::begin(server, |script, job| {
            fs::write(blocked(job), "in the way").ok();
            with_dir(script, job)
        })
        .await?;
        let job = &mut scene.job;
        let refused = job.ask("POST", SAVEPOINTS, "").await?;
        has(&refused, 503, "failed: cannot")?;
        job.signal("USR1")?;
        let told = |job: &Job| job.stderr().contains("no savepoint was taken at SIGUSR1");
        job.wait_for("word of the failure", PATIENCE, told).await?;
        for _ in 0..3 {
            has(&scene.job.ask("POST", STOP, WITH_SAVEPOINT).await?, 503, "failed: cannot")?;
            scene.moves_on().await?;
        }
        let job = &mut scene.job;
        job.next_checkpoint().await?;
        let savepoint = |s: &Value| s.get("kind") == Some(&"savepoint".into());
        ensure!(!job.snapshots()?.iter().any(savepoint), "a savepoint that failed is listed");

        job.signal("TERM")?;
        ensure!(job.wait_exit(PATIENCE).await? == 1, "a stop without its savepoint is a failure");
        ensure!(job.stderr().contains("savepoint") && job.stderr().contains("failed: cannot"));
        job.start(&["--http", "0"])?;
        fs::remove_file(blocked(job))?;
        let taken = ready(job).await?.ask("POST", SAVEPOINTS, "").await?;
        ensure!(taken.status == 201, "{taken:?}");
        ensure!(
            Path::new(taken.text("reference")).is_dir() || taken.text("reference").contains("://")
        );
        scene.is_exact(server).await
    })
    .await
}

/// Waits until the job runs.
async fn ready(job: &mut Job) -> Result<&mut Job> {
    let begun = Instant::now();
    while job.ask("GET", "/readyz", "").await?.status != 200 {
        ensure!(begun.elapsed() < PATIENCE, "never ready:\n{}", job.log_tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(job)
}

fn blocked(job: &Job) -> PathBuf {
    job.dir().join("blocked")
}

/// The savepoints below a directory, by their directories.
fn savepoints_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        found.push(entry?.path());
    }
    found.sort();
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_elsewhere_is_whole_wherever_it_is_moved() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid, Kind::MariaDb], &[], async |server| {
        let dir = |job: &Job| job.dir().join("savepoints");
        let mut scene = Scene::begin(server, |script, job| {
            let dir = format!("file://{}", dir(job).display());
            script.set("execution.checkpointing.savepoint-dir", &dir)
        })
        .await?;
        let taken = scene.job.ask("POST", SAVEPOINTS, "").await?;
        ensure!(taken.status == 201, "{taken:?}");
        scene.moves_on().await?;
        scene.is_exact(server).await?;

        let written = savepoints_in(&dir(&scene.job))?;
        ensure!(written.len() == 2, "one on request, one at the stop: {written:?}");
        let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let first = written
            .iter()
            .find(|path| name(path).is_some_and(|name| taken.text("reference").ends_with(&name)));
        let moved = scene.job.dir().join("kept for later");
        fs::rename(first.with_context(|| format!("{taken:?} is not in {written:?}"))?, &moved)?;
        // The state that the job had is gone altogether.
        fs::remove_dir_all(scene.job.state())?;
        scene.workload.start(3, 1_500);
        scene.job.start(&["--http", "0", "--from", &moved.to_string_lossy()])?;
        scene.moves_on().await?;
        scene.job.kill9()?;
        scene.job.start(&["--http", "0"])?;
        scene.is_exact(server).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_begins_with_what_its_script_names_and_owns_it_only_if_told_so() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid], &[], async |server| {
        server
            .sql("CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY);\nINSERT INTO d.t VALUES (1)")
            .await?;
        let mut job = Job::new("first")?;
        let dir = job.dir().join("savepoints");
        let script = |name: &str| Script::new(name, server, "d", "t").print();
        let there = dir.to_string_lossy().into_owned();
        job.script(&script("first").set("state.savepoints.dir", &there))?;
        job.start(&[])?;
        prints(&mut job, &["d.t> +I[1]"]).await?;
        job.sigterm().await?;
        let path = savepoints_in(&dir)?.into_iter().next().context("no savepoint")?;
        server.sql("INSERT INTO d.t VALUES (2)").await?;

        for (name, mode, stays) in [("second", "NO_CLAIM", true), ("third", "CLAIM", false)] {
            let mut job = Job::new(name)?;
            let named = script(name)
                .set("execution.savepoint.path", &path.to_string_lossy())
                .set("execution.savepoint-restore-mode", mode);
            job.script(&named)?;
            job.start(&[])?;
            prints(&mut job, &["d.t> +I[2]"]).await?;
            job.next_checkpoint().await?;
            ensure!(path.join("snapshot").is_file() == stays, "{mode}");
            job.sigterm().await?;
            // From here on its own state counts.
            job.start(&[])?;
            job.next_checkpoint().await?;
            ensure!(job.stdout().is_empty(), "it was thrown back: {:?}", job.stdout());
            let told = "`execution.state-recovery.path` counts for the first start alone";
            ensure!(job.stderr().contains(told), "{}", job.stderr());
            job.sigterm().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_and_sigterm_end_with_a_savepoint_and_say_so() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        server.sql("CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY)").await?;
        let mut job = Job::new("signals")?;
        job.script(&Script::new("signals", server, "d", "t").print())?;
        for (id, signal) in [(1, "INT"), (2, "TERM")] {
            job.start(&[])?;
            job.live(PATIENCE).await?;
            server.sql(&format!("INSERT INTO d.t VALUES ({id})")).await?;
            prints(&mut job, &[&format!("d.t> +I[{id}]")]).await?;
            job.signal(signal)?;
            let code = job.wait_exit(PATIENCE).await?;
            let (newest, log) = (job.snapshots()?.first().map(id_of), job.stderr());
            ensure!(code == 0, "SIG{signal}: exit code {code}: {log}");
            let last = format!("its last snapshot is {}", newest.context("no snapshot")?);
            for words in ["stopping: a savepoint is taken first", "savepoint stored", &last] {
                ensure!(log.contains(words), "SIG{signal}: `{words}` is not in: {log}");
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_a_sink_refuses_leaves_the_job_where_it_was() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        server
            .sql("CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY);\nINSERT INTO d.t VALUES (1)")
            .await?;
        let mut job = Job::new("refused")?;
        job.script(&Script::new("refused", server, "d", "t").file(&job.out()))?;
        let mut newest = Vec::new();
        for id in [2, 3] {
            job.start(&[])?;
            job.live(PATIENCE).await?;
            server.sql(&format!("INSERT INTO d.t VALUES ({id})")).await?;
            let last = format!("\"id\":{id}}}");
            job.wait_for("the row", PATIENCE, |job| ends_with_text(&job.out(), &last)).await?;
            job.sigterm().await?;
            newest.push(job.snapshots()?.first().map(id_of).context("no savepoint")?);
        }
        // What the job has written is another than its snapshots know.
        let part = parts(&job.out())?.into_iter().next().context("no part")?;
        let good = fs::read(&part)?;
        let mut bad = good.clone();
        *bad.first_mut().context("an empty part")? ^= 1;
        fs::write(&part, bad)?;
        for from in [newest.first().context("no first")?.to_string(), "latest".to_owned()] {
            job.start(&["--from", &from])?;
            let code = job.wait_exit(PATIENCE).await?;
            let log = job.stderr();
            ensure!(code == 1 && log.contains("is another than the checkpoint knows"), "{log}");
            let listed = job.snapshots()?.first().map(id_of);
            ensure!(listed.as_ref() == newest.last(), "{listed:?} after --from {from}");
        }
        fs::write(&part, good)?;
        job.start(&[])?;
        server.sql("INSERT INTO d.t VALUES (4)").await?;
        job.wait_for("the row", PATIENCE, |job| ends_with_text(&job.out(), "\"id\":4}")).await?;
        job.sigterm().await?;
        let mut auditor = Auditor::new();
        auditor.table("d.t", &["id"]);
        auditor.read_dir(&job.out())?;
        auditor.compare(&mut server.conn().await?).await?;
        auditor.verdict()
    })
    .await
}

async fn prints(job: &mut Job, lines: &[&str]) -> Result<()> {
    let all = |job: &Job| job.stdout().len() >= lines.len();
    job.wait_for("its lines", PATIENCE, all).await?;
    ensure!(job.stdout() == lines, "{:?}", job.stdout());
    Ok(())
}

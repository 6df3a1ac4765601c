//! Two hundred jobs on one daemon: at rest they take next to nothing, the API answers at once, and after a
//! `kill -9` all of them are back by themselves, with nothing lost and nothing twice.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::chain::Auditor;
use tests::daemon::at;
use tests::{Daemon, Kind, Script, Server, eventually, say};

const JOBS: usize = 200;
const ROWS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(300);
/// At rest so long the processor's time is counted.
const REST: Duration = Duration::from_secs(20);
/// Of a core, in percent, as a debug build; what a release takes stands in benches/README.md.
const CPU_PERCENT_MAX: f64 = 25.0;
const MEMORY_MAX: u64 = 1 << 30;
/// Changes to each table while nobody is there to see them.
const MISSED: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_jobs_rest_quietly_and_are_back_by_themselves_after_a_kill() -> Result<()> {
    let kind = Kind::selected()?.first().copied().context("SERVERS names none")?;
    let server = Server::start(kind, &["--max-connections=1000"]).await?;
    tables(&server).await?;
    let mut daemon = Daemon::with("[limits]\nrequests_per_second = 1000\n").await?;
    let told = many(&server, &mut daemon).await;
    told.with_context(|| format!("the daemon's log:\n{}", daemon.log_tail()))
}

async fn many(server: &Server, daemon: &mut Daemon) -> Result<()> {
    for number in 0..JOBS {
        let out = daemon.dir().join(format!("out-{number:03}"));
        let script = Script::new(&name(number), server, "many", &format!("t_{number:03}"))
            .option("checkpoint", "10000")
            .file(&out);
        let body = json!({ "script": script.text(), "start": true }).to_string();
        let answer = daemon.ask("POST", "/api/v1/jobs", &body).await?;
        ensure!(answer.status == 201, "{}", answer.body);
    }
    all_stream(daemon).await?;
    rests(daemon).await?;
    answers_at_once(daemon).await?;
    write(server, 1).await?;

    daemon.kill9()?;
    write(server, 2).await?;
    let begun = Instant::now();
    daemon.start().await?;
    daemon.ready().await?;
    all_stream(daemon).await?;
    say(format!("{JOBS} jobs stream again after {:.1} s", begun.elapsed().as_secs_f64()));
    write(server, 3).await?;
    // Each writes what it holds back with its next checkpoint.
    eventually("every change arrives", PATIENCE, async || {
        for number in 0..JOBS {
            if exact(server, daemon, number).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await?;
    daemon.sigterm().await?;
    for number in 0..JOBS {
        exact(server, daemon, number).await.with_context(|| name(number))?;
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("many/f{}/job_{number:03}", number % 10)
}

async fn tables(server: &Server) -> Result<()> {
    let mut sql = "CREATE DATABASE many".to_owned();
    for number in 0..JOBS {
        sql += &format!(";\nCREATE TABLE many.t_{number:03} (id INT PRIMARY KEY, v INT)");
        let rows: Vec<String> = (0..ROWS).map(|id| format!("({id}, 0)")).collect();
        sql += &format!(";\nINSERT INTO many.t_{number:03} VALUES {}", rows.join(", "));
    }
    server.sql(&sql).await
}

/// Changes every table.
async fn write(server: &Server, round: usize) -> Result<()> {
    let mut sql = Vec::new();
    for number in 0..JOBS {
        let table = format!("many.t_{number:03}");
        for change in 0..MISSED {
            sql.push(format!("UPDATE {table} SET v = v + {round} WHERE id = {change}"));
        }
        sql.push(format!("INSERT INTO {table} VALUES ({}, {round})", 1000 + round));
        sql.push(format!("DELETE FROM {table} WHERE id = {}", 10 + round));
    }
    server.sql(&sql.join(";\n")).await
}

async fn all_stream(daemon: &Daemon) -> Result<()> {
    let waited = eventually("every job streams", PATIENCE, async || {
        let failed = daemon.ask("GET", "/api/v1/jobs?state=failed&limit=1", "").await?.body;
        ensure!(at(&failed, "/total") == 0, "{failed}");
        let answer = daemon.ask("GET", "/api/v1/jobs?state=streaming&limit=1", "").await?;
        Ok(at(&answer.body, "/total").as_u64() == Some(JOBS as u64))
    });
    let counts = async || daemon.ask("GET", "/api/v1/info", "").await.map(|answer| answer.body);
    let waited = waited.await;
    if waited.is_err() {
        return waited.with_context(|| "not all stream").context(format!("{:?}", counts().await));
    }
    waited
}

async fn rests(daemon: &Daemon) -> Result<()> {
    let pid = daemon.pid().context("no daemon")?;
    let before = ticks(pid)?;
    tokio::time::sleep(REST).await;
    let spent = ticks(pid)?.saturating_sub(before);
    // In hundredths of a second, on every Linux there is (`getconf CLK_TCK`).
    let percent = spent as f64 / REST.as_secs_f64();
    let memory = resident(pid)?;
    say(format!("{JOBS} jobs at rest: {percent:.1} % of a core, {} MiB", memory >> 20));
    ensure!(percent < CPU_PERCENT_MAX, "{percent} % of a core at rest");
    ensure!(memory < MEMORY_MAX, "{memory} bytes at rest");
    Ok(())
}

fn ticks(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    Ok(field(11).context("utime")? + field(12).context("stime")?)
}

fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib = line.split_whitespace().nth(1).context("no number")?;
    Ok(kib.parse::<u64>()? << 10)
}

/// How long it takes is said, and held in benches/README.md; that it answers is held here.
async fn answers_at_once(daemon: &Daemon) -> Result<()> {
    for path in ["/", "/api/v1/jobs?limit=5000", "/metrics"] {
        let mut took = Vec::new();
        for _ in 0..9 {
            let begun = Instant::now();
            let answer = daemon.ask("GET", path, "").await?;
            ensure!(answer.status == 200, "{path}: {}", answer.status);
            took.push(begun.elapsed());
        }
        took.sort();
        say(format!(
            "GET {path}: median {:.1} ms",
            took.get(4).context("nine")?.as_secs_f64() * 1e3
        ));
    }
    let listed = daemon.ask("GET", "/api/v1/jobs?limit=5000", "").await?.body;
    ensure!(at(&listed, "/jobs").as_array().is_some_and(|jobs| jobs.len() == JOBS));
    let exact = |job: &Value| at(job, "/tables") == 1 && at(job, "/restarts") == 0;
    ensure!(at(&listed, "/jobs").as_array().into_iter().flatten().all(exact), "{listed}");
    Ok(())
}

/// What the file sink holds is an unbroken chain of changes, and ends at what the source holds.
async fn exact(server: &Server, daemon: &Daemon, number: usize) -> Result<()> {
    let mut auditor = Auditor::new();
    auditor.table(&format!("many.t_{number:03}"), &["id"]);
    auditor.read_dir(&daemon.dir().join(format!("out-{number:03}")))?;
    auditor.compare(&mut server.conn().await?).await?;
    auditor.verdict()
}

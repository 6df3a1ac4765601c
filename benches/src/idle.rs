//! What a job takes that has nothing to do.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tests::{Job, Kind, Script, Server};

use crate::table::Figure;
use crate::workload::NOT_DURABLE;

/// Until everything of the start is over.
const SETTLED: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn quiet() -> Result<Vec<Figure>> {
    let server = Server::start(Kind::MySql9Gtid, &NOT_DURABLE).await?;
    server.sql("CREATE DATABASE bench;\nCREATE TABLE bench.quiet (n BIGINT PRIMARY KEY)").await?;
    let script = Script::new("bench", &server, "bench", "quiet")
        .option("scan.startup.mode", "initial")
        .option("checkpoint", "10000")
        .blackhole();
    let mut job = Job::new("bench")?;
    job.script(&script)?;
    job.start(&["--from", "none"])?;
    job.live(PATIENCE).await?;
    tokio::time::sleep(SETTLED).await;
    let pid = job.pid().context("the job has ended")?;
    let (begun, before) = (Instant::now(), switches(pid)?);
    tokio::time::sleep(WATCHED).await;
    let per_second = (switches(pid)? - before) as f64 / begun.elapsed().as_secs_f64();
    let memory = field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")? / 1024;
    job.sigterm().await?;
    let figure = |what: &str, value: String, aim: &str| Figure {
        what: what.to_owned(),
        value,
        aim: aim.to_owned(),
    };
    Ok(vec![
        figure("a quiet job: switches of its threads", format!("{per_second:.1}/s"), "< 5/s"),
        figure("a quiet job: resident memory", format!("{memory} MiB"), "< 40 MiB"),
    ])
}

/// How often threads of the process were put to work (`proc(5)`: `status`).
fn switches(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        sum += field(&status, "voluntary_ctxt_switches:")?;
        sum += field(&status, "nonvoluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

fn field(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).with_context(|| format!("no {name}"))
}

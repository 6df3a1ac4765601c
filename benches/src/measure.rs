//! One run of one program: wall time, processor time, peak memory.

use std::fs;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::{Job, Script};
use tokio::process::Command as Program;

/// A process that has used no more than this much of a processor, look by look (a checkpoint of an
/// idle job takes less)...
const IDLE_SHARE: f64 = 0.5;
const LOOK: Duration = Duration::from_millis(20);
/// ... for this long has nothing left to do.
const IDLE_FOR: Duration = Duration::from_millis(1500);
/// One that has not opened its source yet may wait for the server; after so long it is looked at.
const OPEN_AFTER: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(5);
const RUN_MAX: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    /// Seconds.
    pub(crate) wall: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// Bytes; 0 where it was not looked at.
    pub(crate) peak: u64,
}

/// The middle of each figure of an odd number of runs.
pub(crate) fn median(runs: &[Run]) -> Run {
    let middle = |of: fn(&Run) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Run {
        wall: middle(|r| r.wall),
        cpu: middle(|r| r.cpu),
        peak: runs.iter().map(|r| r.peak).max().unwrap_or_default(),
    }
}

/// Runs a tool of the servers' to its end, its output thrown away.
pub(crate) fn tool(kind: &str, name: &str, arguments: &[&str]) -> Result<Run> {
    let script = "TIMEFORMAT='%R %U %S'; time \"$@\" >/dev/null 2>/dev/null";
    let servers = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers.sh");
    let output = Command::new("bash")
        .args(["-c", script, "bash", servers, "tool", kind, name])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    ensure!(output.status.success(), "{name} {arguments:?} ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut seconds = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || seconds.next().context("no times")?.context("no time");
    let (wall, user, system) = (next()?, next()?, next()?);
    Ok(Run { wall, cpu: user + system, peak: 0 })
}

/// Runs a job that ends by itself.
pub(crate) async fn to_its_end(name: &str, script: &Script) -> Result<(Run, Job)> {
    let mut job = Job::new(name)?;
    job.script(script)?;
    let begun = Instant::now();
    job.start(&["--from", "none"])?;
    let mut run = Run::default();
    while job.ended()?.is_none() {
        ensure!(begun.elapsed() < RUN_MAX, "job {name} does not end:\n{}", job.log_tail());
        look(job.pid(), &mut run);
        tokio::time::sleep(POLL).await;
    }
    run.wall = begun.elapsed().as_secs_f64();
    let code = job.wait_exit(RUN_MAX).await?;
    ensure!(code == 0, "job {name} ended with {code}:\n{}", job.log_tail());
    Ok((run, job))
}

/// Runs a job until it has nothing left to do, and stops it with a savepoint. Its end is the last
/// time that it used a processor; the caller makes sure, by the savepoint, that it was the end of
/// the log too.
pub(crate) async fn until_idle(name: &str, script: &Script) -> Result<(Run, Job)> {
    let mut job = Job::new(name)?;
    job.script(script)?;
    let begun = Instant::now();
    job.start(&["--from", "none"])?;
    let mut run = Run::default();
    let (mut looked, mut used, mut busy, mut open) = (begun, 0.0, begun, false);
    while busy.elapsed() < IDLE_FOR {
        ensure!(begun.elapsed() < RUN_MAX, "job {name} is never idle:\n{}", job.log_tail());
        ensure!(job.ended()?.is_none(), "job {name} ended:\n{}", job.log_tail());
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        let total = job.pid().map_or(0.0, threads_cpu);
        if total - used > IDLE_SHARE * (now - looked).as_secs_f64() {
            busy = now;
            run.wall = (now - begun).as_secs_f64();
        } else if !open && busy.elapsed() > OPEN_AFTER {
            // What a run begins with is stored once the source is open.
            open = job.snapshots().is_ok_and(|stored| !stored.is_empty());
            busy = Instant::now();
        }
        (looked, used) = (now, total);
    }
    look(job.pid(), &mut run);
    job.sigterm().await?;
    Ok((run, job))
}

/// Runs any program to its end, and returns what it wrote on standard output.
pub(crate) async fn program(command: &mut Program) -> Result<(Run, String)> {
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    let begun = Instant::now();
    let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("{command:?}"))?;
    let mut run = Run::default();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        ensure!(begun.elapsed() < RUN_MAX, "{command:?} does not end");
        look(child.id(), &mut run);
        tokio::time::sleep(POLL).await;
    };
    run.wall = begun.elapsed().as_secs_f64();
    let (mut said, mut told) = (String::new(), String::new());
    out.rewind()?;
    out.read_to_string(&mut said)?;
    err.rewind()?;
    err.read_to_string(&mut told)?;
    ensure!(status.success(), "{command:?} ended with {status}:\n{told}");
    Ok((run, said))
}

fn look(pid: Option<u32>, run: &mut Run) {
    let Some(pid) = pid else { return };
    run.peak = run.peak.max(peak_memory(pid).unwrap_or_default());
    // The one misses part of a tick, the other threads that have ended.
    run.cpu = run.cpu.max(cpu(pid).unwrap_or_default()).max(threads_cpu(pid));
}

/// Peak of resident memory in bytes (`proc(5)`: `VmHWM`).
fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Processor seconds of the process, in clock ticks of 10 ms (`proc(5)`: `utime`, `stime`).
fn cpu(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// Processor seconds of the threads alive, in nanoseconds (`proc(5)`: `schedstat`).
fn threads_cpu(pid: u32) -> f64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let nanos = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

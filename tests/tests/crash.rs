//! The crash campaign: the process dies at every edge of a checkpoint and at random moments, again and
//! again, under load. Nothing is lost, nothing comes twice, and what snapshots exist is what is listed.
//!
//! `make crash MINUTES=15` runs it for longer: `CRASH_MINUTES` is shared by all servers and stores.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tests::chain::written;
use tests::job::id_of;
use tests::server::{copy_tree, on_servers};
use tests::{Job, Kind, ObjectServer, Script, Server, Workload, say};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
/// Servers times stores.
const CAMPAIGNS: u32 = 4;
/// Kills on each server and store where the caller does not give minutes.
const KILLS: u32 = 30;
const ROWS: u64 = 4_000;
const WRITERS: u64 = 3;
/// Changes a second, together.
const RATE: u64 = 900;
const RETAINED: usize = 3;
const POWER_CUTS: u32 = 5;
/// Points that only state on objects passes.
const OF_OBJECTS: [&str; 3] = ["record.before", "record.after", "fence.after"];
/// A point is passed within a few checkpoints, of which there are ten a second.
const POINT_WITHIN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// The process ends itself there, at this passage.
    At(&'static str, u32),
    /// `kill -9` after a while.
    After(Duration),
    /// SIGTERM, which reaches its savepoint or dies at a point on its way.
    Stop,
}

/// What the processes have said they stored.
#[derive(Default)]
struct Acknowledged {
    /// By id: is it a savepoint?
    snapshots: BTreeMap<u64, bool>,
}

/// What happened, for people.
#[derive(Default)]
struct Tally {
    kills: u32,
    at: BTreeMap<&'static str, u32>,
    stops: u32,
    older: u32,
    again: u32,
    looked_at: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_and_every_snapshot_is_listed_whatever_kills_the_job()
-> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        campaign(server, "rocksdb", |_| ()).await?;
        let objects = ObjectServer::start().await?;
        campaign(server, "s3", |job| job.keep_state_on(&objects, "crash")).await
    })
    .await
}

/// How long one campaign lasts; `None`: for [`KILLS`] kills.
fn share() -> Result<Option<Duration>> {
    let Ok(minutes) = std::env::var("CRASH_MINUTES") else { return Ok(None) };
    let minutes: f64 = minutes.parse().context("CRASH_MINUTES is a number")?;
    Ok(Some(Duration::from_secs_f64(minutes * 60.0 / f64::from(CAMPAIGNS))))
}

async fn campaign(server: &mut Server, store: &str, settle: impl Fn(&mut Job)) -> Result<()> {
    let db = format!("crash_{store}");
    let mut workload = Workload::new(server, &db)?;
    workload.load(server, ROWS).await?;
    server.sql(&format!("CREATE TABLE {db}.t_mark (id INT PRIMARY KEY, note VARCHAR(40))")).await?;
    let mut job = Job::new("crash")?;
    settle(&mut job);
    job.script(
        &Script::new("crash", server, &db, "t_.*")
            .file(&job.out())
            .option("checkpoint", "100")
            .option("source.scan.incremental.snapshot.chunk.size", "100")
            .set("execution.checkpointing.num-retained", &RETAINED.to_string()),
    )?;
    workload.start(WRITERS, RATE);
    let tally = kill_again_and_again(&mut job, store, &db, workload.seed()).await?;
    say(format!(
        "{store}: {} kills, {} stops, {} starts from an older snapshot, {} tables read again, {} \
         snapshots looked at; at points: {:?}",
        tally.kills, tally.stops, tally.older, tally.again, tally.looked_at, tally.at
    ));

    job.arm(None);
    job.start(&[])?;
    workload.quiesce().await?;
    job.live(PATIENCE).await?;
    workload.last_change(server, &mut job, PATIENCE).await?;
    job.sigterm().await?;

    let auditor = workload.audit(server, &job).await?;
    say(format!("{store}: {:?} of {} changes", auditor.counts(), workload.changes()));
    auditor.verdict()
}

async fn kill_again_and_again(job: &mut Job, store: &str, db: &str, seed: u64) -> Result<Tally> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut tally = Tally::default();
    let mut acknowledged = Acknowledged::default();
    let mut abandoned = BTreeSet::new();
    let share = share()?;
    let begun = Instant::now();
    let has = |point: &&&str| store == "s3" || !OF_OBJECTS.contains(*point);
    let mut points = model::fault::POINTS.iter().filter(has).cycle();
    loop {
        let done = match share {
            Some(share) => begun.elapsed() >= share,
            None => tally.kills >= KILLS,
        };
        if done {
            return Ok(tally);
        }
        let kill = match rng.random_range(0..100) {
            0..5 => Kill::Stop,
            5..45 => Kill::After(Duration::from_millis(rng.random_range(20..1_200))),
            _ => {
                let point = points.next().context("no points")?;
                // A fence is put once in a start.
                let passages = if *point == "fence.after" { 1 } else { 4 };
                Kill::At(point, rng.random_range(1..=passages))
            }
        };
        let arguments = arguments(job, db, &mut rng, &mut tally, &mut abandoned)?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        job.arm(match kill {
            Kill::At(point, passage) => Some(format!("{point}:{passage}")),
            Kill::After(_) | Kill::Stop => None,
        });
        job.start(&arguments)?;
        die(job, kill, &mut tally).await.with_context(|| format!("{kill:?} {arguments:?}"))?;
        acknowledged.read(&job.stderr());
        let listed = job.snapshots().with_context(|| format!("after {kill:?}"))?;
        tally.looked_at += listed.len();
        acknowledged.check(&listed).with_context(|| format!("after {kill:?} {arguments:?}"))?;
    }
}

/// Most starts go on from the newest snapshot; some from an older one, some read a table again. Once a
/// job went back, the sink has other bytes than the snapshots hold that it went back past.
fn arguments(
    job: &Job,
    db: &str,
    rng: &mut StdRng,
    tally: &mut Tally,
    abandoned: &mut BTreeSet<u64>,
) -> Result<Vec<String>> {
    let listed: Vec<u64> = job.snapshots()?.iter().map(id_of).collect();
    let good: Vec<u64> = listed.iter().copied().filter(|id| !abandoned.contains(id)).collect();
    match (rng.random_range(0..100), good.choose(rng)) {
        (0..10, Some(one)) => {
            tally.older += 1;
            abandoned.extend(listed.iter().filter(|id| *id > one));
            Ok(vec!["--from".to_owned(), one.to_string()])
        }
        (10..15, Some(_)) => {
            tally.again += 1;
            Ok(vec!["--resnapshot".to_owned(), format!("{db}.t_int")])
        }
        _ => Ok(Vec::new()),
    }
}

async fn die(job: &mut Job, kill: Kill, tally: &mut Tally) -> Result<()> {
    match kill {
        Kill::At(point, _) => {
            let code = job.wait_exit(POINT_WITHIN).await?;
            ensure!(code == 128 + 6, "it should have died there, and ended with {code}");
            *tally.at.entry(point).or_default() += 1;
            tally.kills += 1;
        }
        Kill::After(while_) => {
            tokio::time::sleep(while_).await;
            job.kill9()?;
            tally.kills += 1;
        }
        Kill::Stop => {
            let before = written(&job.out());
            job.wait_for("new changes", PATIENCE, |job| written(&job.out()) != before).await?;
            job.sigterm().await?;
            tally.stops += 1;
        }
    }
    Ok(())
}

impl Acknowledged {
    /// Takes in what a run has logged: `checkpoint stored id=12 kind=checkpoint …`.
    fn read(&mut self, log: &str) {
        for line in log.lines() {
            let Some((before, rest)) = line.split_once(" stored id=") else { continue };
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(id) = digits.parse() {
                self.snapshots.insert(id, before.ends_with("savepoint"));
            }
        }
    }

    /// Everything listed can be restored, and everything that is to be there is listed.
    fn check(&self, listed: &[Value]) -> Result<()> {
        let ids: Vec<u64> = listed.iter().map(id_of).collect();
        for one in listed {
            let restorable = one.get("restorable").and_then(Value::as_bool) == Some(true);
            ensure!(restorable, "listed, and cannot be restored: {one}");
        }
        let checkpoints = listed.iter().filter(|one| is(one, "checkpoint"));
        let oldest = checkpoints.map(id_of).min().unwrap_or(0);
        let newest = self.snapshots.keys().next_back().copied();
        for (&id, &savepoint) in &self.snapshots {
            let stays = savepoint || id >= oldest || Some(id) == newest;
            ensure!(!stays || ids.contains(&id), "{id} was stored and is not listed: {ids:?}");
        }
        Ok(())
    }
}

fn is(snapshot: &Value, kind: &str) -> bool {
    snapshot.get("kind").and_then(Value::as_str) == Some(kind)
}

/// The machine loses its power: what is on its disk at that moment is carried to another one. The disk
/// is copied while the job runs, state first: a sink's disk is never behind what the state says of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_copied_while_the_job_runs_goes_on_elsewhere_exactly() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        let mut workload = Workload::new(server, "power")?;
        workload.load(server, ROWS).await?;
        workload.start(WRITERS, RATE);
        let mut job = Job::new("power")?;
        let script = |job: &Job| {
            Script::new("power", server, "power", "t_.*")
                .file(&job.out())
                .option("checkpoint", "50")
                .option("source.scan.incremental.snapshot.chunk.size", "100")
        };
        job.script(&script(&job))?;
        let mut rng = StdRng::seed_from_u64(workload.seed());
        for _ in 0..POWER_CUTS {
            job.start(&[])?;
            let before = written(&job.out());
            job.wait_for("new changes", PATIENCE, |job| written(&job.out()) != before).await?;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..600))).await;
            let elsewhere = Job::new("power")?;
            // A file that goes in between spoils a copy, and another is made.
            while copy_tree(&job.state(), &elsewhere.state()).is_err() {
                std::fs::remove_dir_all(elsewhere.state())?;
            }
            copy_tree(&job.out(), &elsewhere.out())?;
            job.kill9()?;
            job = elsewhere;
            job.script(&script(&job))?;
            let listed = job.snapshots()?;
            ensure!(!listed.is_empty(), "a copy without a snapshot");
            Acknowledged::default().check(&listed)?;
        }
        job.start(&[])?;
        workload.quiesce().await?;
        job.live(PATIENCE).await?;
        server.sql("CREATE TABLE power.t_mark (id INT PRIMARY KEY, note VARCHAR(40))").await?;
        workload.last_change(server, &mut job, PATIENCE).await?;
        job.sigterm().await?;
        workload.audit(server, &job).await?.verdict()
    })
    .await
}

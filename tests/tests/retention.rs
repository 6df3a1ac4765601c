//! What stays of a job's checkpoints: every cell of the table of
//! `execution.checkpointing.externalized-checkpoint-retention`. And when there are any, while tables
//! are being read.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::server::on_servers;
use tests::{Job, Kind, Script, Server, say};

const PATIENCE: Duration = Duration::from_secs(60);

/// How a job is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// `--on-term cancel`.
    Cancelled,
    /// By a statement in the binlog, in place of its rows.
    Failed,
    /// By itself, when everything is read.
    Done,
    /// With a savepoint.
    Stopped,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_table_of_retentions() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid], &[], async |server| {
        server
            .sql(
                "CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY, v INT);\n\
                 INSERT INTO d.t VALUES (1, 1), (2, 2)",
            )
            .await?;
        for (retention, stays_after) in [
            ("RETAIN_ON_CANCELLATION", &[End::Cancelled, End::Failed, End::Done, End::Stopped][..]),
            ("DELETE_ON_CANCELLATION", &[End::Failed]),
            ("NO_EXTERNALIZED_CHECKPOINTS", &[]),
        ] {
            for end in [End::Cancelled, End::Failed, End::Done, End::Stopped] {
                let stays = stays_after.contains(&end);
                let cell = cell(server, retention, end, stays).await;
                cell.with_context(|| format!("{retention}, {end:?}"))?;
            }
        }
        Ok(())
    })
    .await
}

async fn cell(server: &Server, retention: &str, end: End, stays: bool) -> Result<()> {
    let name = format!("{}_{end:?}", retention.to_lowercase());
    let mut job = Job::new(&name)?;
    let mode = if end == End::Done { "snapshot" } else { "initial" };
    let script = Script::new(&name, server, "d", "t")
        .blackhole()
        .option("scan.startup.mode", mode)
        .set("restart-strategy", "none")
        .set("execution.checkpointing.num-retained", "100")
        .set("execution.checkpointing.externalized-checkpoint-retention", retention);
    job.script(&script)?;
    let (signal, code) = match end {
        End::Cancelled => (Some("TERM"), 0),
        End::Failed => (None, 1),
        End::Done => (None, 0),
        End::Stopped => (Some("TERM"), 0),
    };
    job.start(if end == End::Cancelled { &["--on-term", "cancel"] } else { &[] })?;
    if end != End::Done {
        job.next_checkpoint().await?;
        if end == End::Cancelled {
            job.signal("USR1")?;
            let taken = |job: &Job| job.stderr().contains("was taken at SIGUSR1");
            job.wait_for("a savepoint", PATIENCE, taken).await?;
            job.next_checkpoint().await?;
        }
    }
    if end == End::Failed {
        let sql = "SET SESSION binlog_format = STATEMENT;\nUPDATE d.t SET v = v + 1 WHERE id = 1";
        server.sql(sql).await?;
    }
    if let Some(signal) = signal {
        job.signal(signal)?;
    }
    let exit = job.wait_exit(PATIENCE).await?;
    ensure!(exit == code, "exit code {exit}, not {code}:\n{}", job.log_tail());
    let snapshots = job.snapshots()?;
    let of_kind = |kind: &str| {
        snapshots.iter().filter(|s| s.get("kind").and_then(Value::as_str) == Some(kind)).count()
    };
    let (checkpoints, savepoints) = (of_kind("checkpoint"), of_kind("savepoint"));
    say(format!("{retention} {end:?}: {checkpoints} checkpoints, {savepoints} savepoints"));
    ensure!((checkpoints > 0) == stays, "{checkpoints} checkpoints:\n{}", job.log_tail());
    // Savepoints never go.
    let expected = usize::from(matches!(end, End::Cancelled | End::Stopped));
    ensure!(savepoints == expected, "{savepoints} savepoints, not {expected}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_of_its_own_holds_while_there_are_tables_to_read() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid], &[], async |server| {
        server
            .sql(
                "CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY, v INT);\n\
                 SET SESSION cte_max_recursion_depth = 100000;\n\
                 INSERT INTO d.t WITH RECURSIVE n (i) AS \
                 (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) SELECT i, i FROM n",
            )
            .await?;
        let same = periodic(server, "same", None).await?;
        ensure!(same.iter().any(|live| !live), "nothing was taken while the table was read");
        let off = periodic(server, "off", Some("0")).await?;
        ensure!(!off.is_empty() && off.iter().all(|live| *live), "{off:?}");
        let seldom = periodic(server, "seldom", Some("1h")).await?;
        ensure!(!seldom.is_empty() && seldom.iter().all(|live| *live), "{seldom:?}");
        Ok(())
    })
    .await
}

/// Of every periodic checkpoint, whether the table was read by then.
async fn periodic(server: &Server, name: &str, backlog: Option<&str>) -> Result<Vec<bool>> {
    let mut job = Job::new(name)?;
    let mut script = Script::new(name, server, "d", "t")
        .blackhole()
        .option("checkpoint", "50")
        .option("source.scan.incremental.snapshot.chunk.size", "100")
        .set("execution.checkpointing.num-retained", "100000");
    if let Some(period) = backlog {
        script = script.set("execution.checkpointing.interval-during-backlog", period);
    }
    job.script(&script)?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    job.sigterm().await?;
    let number = |s: &Value, field: &str| s.get(field).and_then(Value::as_u64);
    let snapshots = job.snapshots()?;
    let periodic = snapshots.iter().filter(|s| s.get("trigger") == Some(&"period".into()));
    let live: Vec<bool> = periodic.map(|s| number(s, "tables_live") == Some(1)).collect();
    let early = live.iter().filter(|live| !**live).count();
    say(format!("{name}: {early} of {} while the table was read", live.len()));
    Ok(live)
}

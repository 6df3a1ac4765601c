//! The walkthrough of the README, as a user types it: what is printed, and what is printed again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::job::id_of;
use tests::{Job, Server, for_each_server};

const PATIENCE: Duration = Duration::from_secs(30);
const COLUMNS: &str = "(emp_no INT NOT NULL, birth_date DATE NOT NULL, first_name VARCHAR(14) NOT NULL, \
                       last_name VARCHAR(16) NOT NULL, gender ENUM('M','F') NOT NULL, \
                       hire_date DATE NOT NULL, PRIMARY KEY (emp_no))";

/// `seachange run examples/emp_N.sql`, against `server`, with checkpoints that come sooner and stay
/// longer: enough are kept that the one named by hand is still there at the end.
fn run(server: &Server, job: &mut Job, more: &[&str]) -> Result<()> {
    let port = format!("port={}", server.port);
    let mut arguments = vec!["--set", "hostname=127.0.0.1", "--set", &port];
    arguments.extend(["--set", "checkpoint=500", "--set", "state.checkpoints.num-retained=1000"]);
    arguments.extend(more);
    job.start(&arguments)
}

async fn database(server: &Server, number: u32) -> Result<()> {
    server
        .sql(&format!(
            "CREATE DATABASE emp_{number};\n\
             CREATE TABLE emp_{number}.employees_1 {COLUMNS};\n\
             CREATE TABLE emp_{number}.employees_2 {COLUMNS}"
        ))
        .await?;
    insert(server, number, 10, "'1992-09-12','cai','kunkun','M','2022-09-22'").await?;
    insert(server, number, 11, "'1990-09-15','wang','meimei','F','2021-04-12'").await
}

async fn insert(server: &Server, database: u32, id: u32, values: &str) -> Result<()> {
    server
        .sql(&format!("INSERT INTO emp_{database}.employees_{database} VALUES ({id},{values})"))
        .await
}

/// Waits for `expected` lines, in any order, and that no other comes.
async fn prints(job: &mut Job, expected: &[&str]) -> Result<()> {
    job.wait_for("the lines", PATIENCE, |job| job.stdout_lines() >= expected.len()).await?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut got = job.stdout();
    got.sort();
    ensure!(got == expected, "printed {got:#?}\nexpected {expected:#?}\n{}", job.log_tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_exactly_from_savepoint_crash_and_a_snapshot_named_by_hand() -> Result<()> {
    for_each_server(&[], async |server| {
        savepoint(server).await?;
        crash(server).await
    })
    .await
}

async fn savepoint(server: &Server) -> Result<()> {
    database(server, 1).await?;
    let mut job = Job::new("emp_1")?;
    job.example()?;
    run(server, &mut job, &[])?;
    let (cai, wang) = (
        "emp_1.employees_1> +I[10, 1992-09-12, cai, kunkun, M, 2022-09-22]",
        "emp_1.employees_1> +I[11, 1990-09-15, wang, meimei, F, 2021-04-12]",
    );
    prints(&mut job, &[cai, wang]).await?;
    job.sigterm().await?;
    let newest = job.snapshots()?.first().cloned().context("no snapshot")?;
    ensure!(kind(&newest) == "savepoint", "SIGTERM should leave a savepoint: {newest}");

    insert(server, 1, 12, "'1992-02-15','lin','dawei','M','2022-05-12'").await?;
    run(server, &mut job, &[])?;
    prints(&mut job, &["emp_1.employees_1> +I[12, 1992-02-15, lin, dawei, M, 2022-05-12]"]).await?;
    job.sigterm().await
}

async fn crash(server: &Server) -> Result<()> {
    database(server, 2).await?;
    let mut job = Job::new("emp_2")?;
    job.example()?;
    run(server, &mut job, &[])?;
    prints(
        &mut job,
        &[
            "emp_2.employees_2> +I[10, 1992-09-12, cai, kunkun, M, 2022-09-22]",
            "emp_2.employees_2> +I[11, 1990-09-15, wang, meimei, F, 2021-04-12]",
        ],
    )
    .await?;
    let by_hand = job.next_checkpoint().await?;
    job.kill9()?;

    let li = "emp_2.employees_2> +I[13, 1995-01-02, li, xiaolu, F, 2022-11-18]";
    insert(server, 2, 13, "'1995-01-02','li','xiaolu','F','2022-11-18'").await?;
    run(server, &mut job, &[])?;
    prints(&mut job, &[li]).await?;
    job.next_checkpoint().await?;
    job.kill9()?;

    // From the checkpoint before it, by its number: the row comes again, this once.
    run(server, &mut job, &["--from", &by_hand.to_string()])?;
    prints(&mut job, &[li]).await?;
    job.next_checkpoint().await?;
    job.kill9()?;
    // And then the newest is the start again.
    let zhao = "emp_2.employees_2> +I[14, 1991-07-07, zhao, min, F, 2020-01-01]";
    insert(server, 2, 14, "'1991-07-07','zhao','min','F','2020-01-01'").await?;
    run(server, &mut job, &[])?;
    prints(&mut job, &[zhao]).await?;
    job.sigterm().await?;
    let snapshots = job.snapshots()?;
    ensure!(snapshots.iter().all(|one| one.get("restorable") == Some(&Value::Bool(true))));
    ensure!(snapshots.is_sorted_by_key(|one| std::cmp::Reverse(id_of(one))), "not newest first");
    Ok(())
}

fn kind(snapshot: &Value) -> &str {
    snapshot.get("kind").and_then(Value::as_str).unwrap_or("")
}

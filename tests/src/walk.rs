//! The walkthrough, told to a daemon: submit, see two rows, stop by a savepoint, miss nothing, cancel,
//! and go back to a checkpoint. Who does it, commands or `curl`, is [`Hands`].

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Daemon, Server, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const COLUMNS: &str = "(emp_no INT NOT NULL, birth_date DATE NOT NULL, first_name VARCHAR(14) NOT NULL, \
                       last_name VARCHAR(16) NOT NULL, gender ENUM('M','F') NOT NULL, \
                       hire_date DATE NOT NULL, PRIMARY KEY (emp_no))";

pub const CAI: &str = "emp_1.employees_1> +I[10, 1992-09-12, cai, kunkun, M, 2022-09-22]";
pub const WANG: &str = "emp_1.employees_1> +I[11, 1990-09-15, wang, meimei, F, 2021-04-12]";
pub const LIN: &str = "emp_1.employees_1> +I[12, 1992-02-15, lin, dawei, M, 2022-05-12]";
pub const LI: &str = "emp_1.employees_1> +I[13, 1995-01-02, li, xiaolu, F, 2022-11-18]";

/// What somebody does to one job of a daemon. Each comes back when it is done.
pub trait Hands {
    /// Gives the daemon the script, and starts it.
    fn submit(&self, script: &str) -> Result<()>;
    /// By a savepoint that is verified; its id.
    fn stop(&self) -> Result<u64>;
    fn cancel(&self) -> Result<()>;
    fn start(&self) -> Result<()>;
    /// Of a job that goes on; its id.
    fn savepoint(&self) -> Result<u64>;
    fn restore(&self, snapshot: u64) -> Result<()>;
    /// Newest first, as the API tells them.
    fn snapshots(&self) -> Result<Vec<Value>>;
    /// Lines of the print sink.
    fn output(&self) -> Result<Vec<String>>;
    /// Of the job.
    fn state(&self) -> Result<String>;
}

/// The example's script with this server in it, and checkpoints that come sooner and stay longer.
///
/// # Errors
/// The example is another by now.
pub fn script(server: &Server) -> Result<String> {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/emp_1.sql");
    let mut text = std::fs::read_to_string(example)?;
    for (from, to) in [
        ("'port' = '3306'", format!("'port' = '{}'", server.port)),
        ("'checkpoint' = '3000'", "'checkpoint' = '500'".to_owned()),
        ("num-retained = 3;", "num-retained = 1000;".to_owned()),
    ] {
        ensure!(text.contains(from), "examples/emp_1.sql has no {from}");
        text = text.replace(from, &to);
    }
    Ok(text)
}

/// The tables of the example, with two rows.
///
/// # Errors
/// They are there already.
pub async fn tables(server: &Server) -> Result<()> {
    server
        .sql(&format!(
            "CREATE DATABASE emp_1;\nCREATE TABLE emp_1.employees_1 {COLUMNS};\n\
             CREATE TABLE emp_1.employees_2 {COLUMNS}"
        ))
        .await?;
    insert(server, "10,'1992-09-12','cai','kunkun','M','2022-09-22'").await?;
    insert(server, "11,'1990-09-15','wang','meimei','F','2021-04-12'").await
}

/// A row of `emp_1.employees_1`.
///
/// # Errors
/// The server refuses it.
pub async fn insert(server: &Server, values: &str) -> Result<()> {
    server.sql(&format!("INSERT INTO emp_1.employees_1 VALUES ({values})")).await
}

/// Waits for `expected` lines, the first two in any order, and holds that no other has come before a
/// savepoint that is taken then.
///
/// # Errors
/// Other lines come, or these do not.
pub async fn prints(hands: &impl Hands, expected: &[&str]) -> Result<()> {
    let waited =
        eventually("the lines", PATIENCE, async || Ok(hands.output()?.len() >= expected.len()));
    let waited = waited.await.with_context(|| format!("printed {:#?}", hands.output()));
    waited.with_context(|| format!("state {:?}", hands.state()))?;
    // One that is starting takes no savepoint.
    let runs = eventually("it runs", PATIENCE, async || Ok(hands.state()? == "streaming"));
    runs.await.with_context(|| format!("state {:?}", hands.state()))?;
    hands.savepoint()?;
    let mut got = hands.output()?;
    if let Some(first) = got.get_mut(..2) {
        first.sort();
    }
    ensure!(got == expected, "printed {got:#?}\nexpected {expected:#?}");
    Ok(())
}

/// The whole of it, on a server without the example's tables.
///
/// # Errors
/// A step does not come out as it should.
pub async fn through(server: &Server, daemon: &Daemon, hands: &impl Hands) -> Result<()> {
    walk(server, hands).await.with_context(|| format!("the daemon's log:\n{}", daemon.log_tail()))
}

async fn walk(server: &Server, hands: &impl Hands) -> Result<()> {
    tables(server).await?;
    hands.submit(&script(server)?)?;
    prints(hands, &[CAI, WANG]).await?;
    let savepoint = hands.stop()?;
    ensure!(hands.state()? == "stopped", "{}", hands.state()?);
    let newest = hands.snapshots()?.into_iter().next().context("no snapshot")?;
    ensure!(of(&newest) == Some((savepoint, "savepoint")), "{newest}");

    insert(server, "12,'1992-02-15','lin','dawei','M','2022-05-12'").await?;
    hands.start()?;
    prints(hands, &[CAI, WANG, LIN]).await?;

    let checkpoint = next_checkpoint(hands).await?;
    hands.cancel()?;
    ensure!(hands.state()? == "stopped", "{}", hands.state()?);
    insert(server, "13,'1995-01-02','li','xiaolu','F','2022-11-18'").await?;
    hands.restore(checkpoint)?;
    prints(hands, &[CAI, WANG, LIN, LI]).await?;
    // From there once more: the row comes again, this once.
    hands.restore(checkpoint)?;
    prints(hands, &[CAI, WANG, LIN, LI, LI]).await?;
    // And then the newest is the start again.
    hands.stop()?;
    hands.start()?;
    prints(hands, &[CAI, WANG, LIN, LI, LI]).await?;
    hands.stop()?;
    Ok(())
}

/// A checkpoint that holds all that was printed before this call.
async fn next_checkpoint(hands: &impl Hands) -> Result<u64> {
    let savepoint = hands.savepoint()?;
    let mut found = None;
    eventually("a checkpoint", PATIENCE, || {
        let looked = newest_checkpoint(hands, savepoint).map(|newest| {
            found = newest;
            newest.is_some()
        });
        async move { looked }
    })
    .await?;
    found.context("no checkpoint")
}

fn newest_checkpoint(hands: &impl Hands, after: u64) -> Result<Option<u64>> {
    let snapshots = hands.snapshots()?;
    let mut all = snapshots.iter().filter_map(of);
    Ok(all.find(|(id, kind)| *kind == "checkpoint" && *id > after).map(|(id, _)| id))
}

fn of(snapshot: &Value) -> Option<(u64, &str)> {
    Some((snapshot.get("id")?.as_u64()?, snapshot.get("kind")?.as_str()?))
}

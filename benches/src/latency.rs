//! How long a change takes from its statement to the sink, at a steady pace.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use tests::{Job, Kind, Script, Server};
use tokio::task::JoinSet;

use crate::table::Figure;
use crate::workload::NOT_DURABLE;

const CHANGES_PER_SECOND: u64 = 5000;
const CONNECTIONS: usize = 8;
const SECONDS: u64 = 15;
/// Not counted: caches fill, and connections are made.
const WARM_UP_SECONDS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// A statement of a client.
#[derive(Clone, Copy)]
struct Sent {
    begun: Instant,
    /// The client knows that it is committed.
    done: Instant,
}

pub(crate) async fn paced() -> Result<Vec<Figure>> {
    let server = Server::start(Kind::MySql9Gtid, &NOT_DURABLE).await?;
    let table = "CREATE TABLE bench.paced (n BIGINT PRIMARY KEY, pad VARCHAR(100))";
    server.sql(&format!("CREATE DATABASE bench;\n{table}")).await?;
    let script = Script::new("bench", &server, "bench", "paced")
        .option("scan.startup.mode", "latest-offset")
        .option("checkpoint", "1000")
        .option("source.ssl.mode", "disabled")
        .print();
    let mut job = Job::new("bench")?;
    job.script(&script)?;
    job.start(&["--from", "none"])?;
    job.live(PATIENCE).await?;

    let sent = write(&server).await?;
    job.wait_for("every change on stdout", PATIENCE, |job| job.stdout_lines() >= sent.len())
        .await?;
    let (mut statements, mut from_begin, mut from_done) = (Vec::new(), Vec::new(), Vec::new());
    for (at, line) in job.arrivals() {
        let number = line.split_once("+I[").and_then(|(_, row)| row.split(',').next());
        let number: u64 = number.and_then(|n| n.parse().ok()).with_context(|| line.clone())?;
        let sent = sent.get(&number).with_context(|| format!("nobody wrote `{line}`"))?;
        if number >= WARM_UP_SECONDS * CHANGES_PER_SECOND {
            statements.push(sent.done - sent.begun);
            from_begin.push(at.saturating_duration_since(sent.begun));
            from_done.push(at.saturating_duration_since(sent.done));
        }
    }
    job.sigterm().await?;
    let figure = |what: &str, all: &mut Vec<Duration>, aim: &str| {
        all.sort_unstable();
        let at = |percent: usize| {
            let place = (all.len() * percent / 100).min(all.len().saturating_sub(1));
            all.get(place).map_or(0.0, |d| d.as_secs_f64() * 1e3)
        };
        let value = format!("p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms", at(50), at(99), at(100));
        Figure { what: what.to_owned(), value, aim: aim.to_owned() }
    };
    let pace = format!("{CHANGES_PER_SECOND} single-row transactions a second");
    Ok(vec![
        figure(&format!("{pace}: the statement itself"), &mut statements, ""),
        figure(
            "the same, from the statement's begin to the line on stdout (`print`)",
            &mut from_begin,
            "",
        ),
        figure("the same, from its commit as the client sees it", &mut from_done, "p99 < 20 ms"),
    ])
}

async fn write(server: &Server) -> Result<HashMap<u64, Sent>> {
    let mut writers = JoinSet::new();
    let begun = tokio::time::Instant::now();
    for writer in (0_u64..).take(CONNECTIONS) {
        let mut conn = server.conn().await?;
        writers.spawn(async move {
            let insert = conn.prep("INSERT INTO bench.paced VALUES (?, REPEAT('p', 60))").await?;
            let mut sent = Vec::new();
            for number in (writer..SECONDS * CHANGES_PER_SECOND).step_by(CONNECTIONS) {
                let due = Duration::from_secs_f64(number as f64 / CHANGES_PER_SECOND as f64);
                tokio::time::sleep_until(begun + due).await;
                let begun = Instant::now();
                conn.exec_drop(&insert, (number,)).await?;
                sent.push((number, Sent { begun, done: Instant::now() }));
            }
            anyhow::Ok(sent)
        });
    }
    let mut all = HashMap::new();
    while let Some(sent) = writers.join_next().await {
        all.extend(sent??);
    }
    let took = begun.elapsed().as_secs_f64();
    ensure!(took < SECONDS as f64 * 1.1, "the pace was not kept: {took:.1} s for {SECONDS}");
    Ok(all)
}

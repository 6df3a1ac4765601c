//! How long a change takes from its statement to the sink, at a steady pace.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use tests::warehouse::System;
use tests::{Job, Kind, Script, Server};
use tokio::task::JoinSet;

use crate::chart::{Chart, Series};
use crate::table::Figure;
use crate::visible;
use crate::workload::NOT_DURABLE;

const CHANGES_PER_SECOND: u64 = 5000;
const CONNECTIONS: usize = 8;
const SECONDS: u64 = 15;
pub(crate) const CHANGES: u64 = SECONDS * CHANGES_PER_SECOND;
/// Not counted: caches fill, and connections are made.
pub(crate) const WARM_UP: u64 = 3 * CHANGES_PER_SECOND;
/// Milliseconds.
pub(crate) const CHECKPOINT: u64 = 1000;
/// Milliseconds beside the interval, until changes are to be visible.
const VISIBLE_AFTER: u64 = 200;
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Of a chart.
const PERCENTILES: [f64; 8] = [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 99.0, 100.0];

/// A statement of a client.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    begun: Instant,
    /// The client knows that it is committed.
    pub(crate) done: Instant,
}

/// A server with a table to write to, and the job that follows it.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) script: Script,
}

impl Scene {
    pub(crate) async fn new() -> Result<Self> {
        let server = Server::start(Kind::MySql9Gtid, &NOT_DURABLE).await?;
        let table = "CREATE TABLE bench.paced (n BIGINT PRIMARY KEY, pad VARCHAR(100))";
        server.sql(&format!("CREATE DATABASE bench;\n{table}")).await?;
        let script = Script::new("bench", &server, "bench", "paced")
            .option("scan.startup.mode", "latest-offset")
            .option("checkpoint", &CHECKPOINT.to_string())
            .option("source.ssl.mode", "disabled");
        Ok(Self { server, script })
    }
}

/// Durations of one kind, the shortest first.
struct Times(Vec<Duration>);

impl Times {
    fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// Milliseconds.
    fn at(&self, percent: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (0..last).find(|place| *place as f64 >= self.0.len() as f64 * percent / 100.0);
        self.0.get(place.unwrap_or(last)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }

    fn figure(&self, what: &str, aim: &str) -> Figure {
        let [p50, p99, most] = [50.0, 99.0, 100.0].map(|percent| self.at(percent));
        let value = format!("p50 {p50:.1} ms, p99 {p99:.1} ms, most {most:.1} ms");
        Figure { what: what.to_owned(), value, aim: aim.to_owned() }
    }

    fn series(&self, name: &str) -> Series {
        Series { name: name.to_owned(), values: PERCENTILES.map(|percent| self.at(percent)).into() }
    }
}

/// Into `print`, then into each warehouse.
pub(crate) async fn paced() -> Result<(Vec<Figure>, Vec<Chart>)> {
    let pace = format!("{CHANGES_PER_SECOND} single-row transactions a second");
    let [statements, from_begin, from_done] = printed().await?;
    let mut figures = vec![
        statements.figure(&format!("{pace}: the statement itself"), ""),
        from_begin
            .figure("the same, from the statement's begin to the line on stdout (`print`)", ""),
        from_done.figure("the same, from its commit as the client sees it", "p99 < 20 ms"),
    ];
    let mut visible = Vec::new();
    let limit = CHECKPOINT + VISIBLE_AFTER;
    for system in System::ALL {
        let times = Times::new(visible::paced(system).await?);
        let (name, seconds) = (system.name(), CHECKPOINT as f64 / 1e3);
        let what = format!("the same, to visible in `{name}`, checkpoints of {seconds} s");
        figures.push(times.figure(&what, &format!("p99 < {limit} ms")));
        visible.push(times.series(&format!("to visible in `{name}`")));
    }
    let chart = |name, title: &str, series, limit| Chart {
        name,
        title: format!("{title}, {pace}, ms"),
        along: "percentile",
        places: PERCENTILES.map(|percent| percent.to_string()).into(),
        series,
        limit,
    };
    let write = [statements.series("the statement"), from_done.series("to `write` of `print`")];
    let charts = vec![
        chart("latency-write", "From commit to `print`", write.into(), None),
        chart("latency-visible", "From commit to visible", visible, Some(limit as f64)),
    ];
    Ok((figures, charts))
}

/// Statements; from their begin, and from their commit, to the line on standard output.
async fn printed() -> Result<[Times; 3]> {
    let scene = Scene::new().await?;
    let mut job = Job::new("bench")?;
    job.script(&scene.script.print())?;
    job.start(&["--from", "none"])?;
    job.live(PATIENCE).await?;

    let sent = write(&scene.server).await?;
    job.wait_for("every change on stdout", PATIENCE, |job| job.stdout_lines() >= sent.len())
        .await?;
    let (mut statements, mut from_begin, mut from_done) = (Vec::new(), Vec::new(), Vec::new());
    for (at, line) in job.arrivals() {
        let number = line.split_once("+I[").and_then(|(_, row)| row.split(',').next());
        let number: u64 = number.and_then(|n| n.parse().ok()).with_context(|| line.clone())?;
        let sent = sent.get(&number).with_context(|| format!("nobody wrote `{line}`"))?;
        if number >= WARM_UP {
            statements.push(sent.done - sent.begun);
            from_begin.push(at.saturating_duration_since(sent.begun));
            from_done.push(at.saturating_duration_since(sent.done));
        }
    }
    job.sigterm().await?;
    Ok([statements, from_begin, from_done].map(Times::new))
}

/// Writes at the pace; says of each number when.
pub(crate) async fn write(server: &Server) -> Result<HashMap<u64, Sent>> {
    let mut writers = JoinSet::new();
    let begun = tokio::time::Instant::now();
    for writer in (0_u64..).take(CONNECTIONS) {
        let mut conn = server.conn().await?;
        writers.spawn(async move {
            let insert = conn.prep("INSERT INTO bench.paced VALUES (?, REPEAT('p', 60))").await?;
            let mut sent = Vec::new();
            for number in (writer..CHANGES).step_by(CONNECTIONS) {
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

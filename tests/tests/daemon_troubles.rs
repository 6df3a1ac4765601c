//! What goes wrong in one job of a daemon stays there and is told; and no password is told anywhere.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::daemon::at;
use tests::server::free_port;
use tests::{Daemon, Kind, Script, Server, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const PLANTED: [&str; 3] = ["Pl4nted-of-source", "Pl4nted-of-sink", "Pl4nted-of-update"];

async fn server() -> Result<Server> {
    let kind = Kind::selected()?.first().copied().context("SERVERS names none")?;
    let server = Server::start(kind, &[]).await?;
    server
        .sql(
            "CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY, v INT);\n\
             INSERT INTO d.t VALUES (1, 1), (2, 2)",
        )
        .await?;
    Ok(server)
}

async fn submit(daemon: &Daemon, name: &str, script: &str) -> Result<()> {
    let body = json!({ "script": script, "name": name, "start": true }).to_string();
    let answer = daemon.ask("POST", "/api/v1/jobs", &body).await?;
    ensure!(answer.status == 201, "{name}: {}", answer.body);
    Ok(())
}

async fn job(daemon: &Daemon, name: &str) -> Result<Value> {
    Ok(daemon.ask("GET", &format!("/api/v1/jobs/{name}"), "").await?.body)
}

async fn is(daemon: &Daemon, name: &str, state: &str) -> Result<Value> {
    let what = format!("{name} is {state}");
    let waited =
        eventually(&what, PATIENCE, async || Ok(at(&job(daemon, name).await?, "/state") == state));
    let waited = waited.await;
    let now = job(daemon, name).await?;
    waited.with_context(|| now.to_string())?;
    Ok(now)
}

async fn post(daemon: &Daemon, path: &str, body: Value, status: u16) -> Result<Value> {
    let answer = daemon.ask("POST", path, &body.to_string()).await?;
    ensure!(answer.status == status, "POST {path}: {} {}", answer.status, answer.body);
    Ok(answer.body)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer).as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_or_has_lost_its_sink_or_its_source_harms_no_other() -> Result<()> {
    let server = server().await?;
    let mut daemon = Daemon::begin().await?;
    daemon.sigterm().await?;
    daemon.env("SEACHANGE_PANIC", "panics");
    daemon.start().await?;
    let of = |name: &str| Script::new(name, &server, "d", "t");
    submit(&daemon, "whole", &of("whole").print().text()).await?;
    submit(&daemon, "panics", &of("panics").print().text()).await?;
    let nobody = format!("127.0.0.1:{}", free_port()?);
    let doris = of("no_sink")
        .option("sink.connector", "doris")
        .option("sink.fenodes", &nobody)
        .option("sink.max-retries", "1")
        .option("sink.username", "root")
        .option("sink.password", "secret");
    submit(&daemon, "no_sink", &doris.text()).await?;
    let patient = doris.clone().option("sink.max-retries", "1000");
    submit(&daemon, "patient", &patient.text()).await?;
    let closed = of("no_source").option("port", &free_port()?.to_string()).print();
    submit(&daemon, "no_source", &closed.text()).await?;

    let panicked = is(&daemon, "panics", "failed").await?;
    ensure!(text(&panicked, "/reason").contains("panicked"), "{panicked}");
    let no_sink = is(&daemon, "no_sink", "restarting").await?;
    ensure!(text(&no_sink, "/error").contains("Doris at 127.0.0.1"), "{no_sink}");
    let no_source = is(&daemon, "no_source", "restarting").await?;
    ensure!(text(&no_source, "/error").contains("127.0.0.1"), "{no_source}");

    eventually("the reason of waiting is told", PATIENCE, async || {
        let patient = job(&daemon, "patient").await?;
        let reason = text(&patient, "/reason");
        Ok(at(&patient, "/state") == "starting"
            && reason.starts_with("sink[0] waits for Doris at 127.0.0.1")
            && reason.contains("; tried "))
    })
    .await
    .with_context(|| daemon.log_tail())?;

    is(&daemon, "whole", "streaming").await?;
    server.sql("INSERT INTO d.t VALUES (3, 3)").await?;
    eventually("the change arrives", PATIENCE, async || {
        let answer = daemon.ask("GET", "/api/v1/jobs/whole/output", "").await?;
        Ok(at(&answer.body, "/lines").as_array().is_some_and(|lines| lines.len() == 3))
    })
    .await?;
    let whole = job(&daemon, "whole").await?;
    ensure!(at(&whole, "/restarts") == 0, "{whole}");
    // They can be stopped, each as it is.
    for name in ["no_sink", "no_source", "panics", "patient"] {
        let path = format!("/api/v1/jobs/{name}/stop");
        let stopped = post(&daemon, &path, json!({ "kind": "cancel" }), 200).await?;
        ensure!(text(&stopped, "/job/state") == "stopped", "{stopped}");
    }
    daemon.sigterm().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_dies_is_told_while_it_is_dead_and_when_it_is_back() -> Result<()> {
    let mut server = server().await?;
    let daemon = Daemon::begin().await?;
    submit(&daemon, "left", &Script::new("left", &server, "d", "t").print().text()).await?;
    is(&daemon, "left", "streaming").await?;
    let events = async || {
        let path = "/api/v1/jobs/left/events?kind=source";
        let answer = daemon.ask("GET", path, "").await?;
        ensure!(answer.status == 200, "{}", answer.body);
        let events = at(&answer.body, "/events").as_array().cloned().unwrap_or_default();
        Ok(events.iter().rev().map(|event| text(event, "/text").to_owned()).collect::<Vec<_>>())
    };
    let address = format!("127.0.0.1:{}", server.port);
    server.kill9()?;
    eventually("the loss is the reason", PATIENCE, async || {
        let left = job(&daemon, "left").await?;
        let reason = text(&left, "/reason");
        Ok(at(&left, "/state") == "streaming"
            && reason.contains(&format!("waits for the source at {address} since 20"))
            && reason.contains(&format!("cannot connect to {address}: "))
            && reason.contains(" times, connects again, to go on from "))
    })
    .await
    .with_context(|| daemon.log_tail())?;
    eventually("the loss is an event", PATIENCE, async || Ok(events().await?.len() == 1)).await?;
    let told = events().await?;
    let broke = format!("the connection to the source at {address} broke: ");
    ensure!(told.len() == 1 && told.iter().all(|text| text.starts_with(&broke)), "{told:?}");
    let listed = daemon.cli(&["jobs"])?.done()?;
    ensure!(listed.contains("waits for the source at "), "{listed}");

    server.restart().await?;
    eventually("nothing is waited for", PATIENCE, async || {
        let left = job(&daemon, "left").await?;
        let is_there = left.get("waits_for").is_some();
        Ok(text(&left, "/reason") == "tables that follow the binlog: 1" && !is_there)
    })
    .await
    .with_context(|| daemon.log_tail())?;
    server.sql("INSERT INTO d.t VALUES (3, 3)").await?;
    eventually("the change arrives", PATIENCE, async || {
        let answer = daemon.ask("GET", "/api/v1/jobs/left/output", "").await?;
        Ok(at(&answer.body, "/lines").as_array().is_some_and(|lines| lines.len() == 3))
    })
    .await?;
    eventually("its end is an event", PATIENCE, async || Ok(events().await?.len() == 2)).await?;
    let told = events().await?;
    let back = format!("events of the source at {address} come again, after ");
    ensure!(told.last().is_some_and(|text| text.starts_with(&back)), "{told:?}");
    let left = job(&daemon, "left").await?;
    ensure!(at(&left, "/restarts") == 0, "{left}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_that_fails_leaves_the_job_running_and_says_why_everywhere() -> Result<()> {
    let server = server().await?;
    let daemon = Daemon::begin().await?;
    let nowhere = daemon.dir().join("a-file");
    fs::write(&nowhere, "no directory")?;
    let script = Script::new("kept", &server, "d", "t")
        .set("execution.checkpointing.savepoint-dir", &format!("file://{}/x", nowhere.display()))
        .print();
    submit(&daemon, "kept", &script.text()).await?;
    is(&daemon, "kept", "streaming").await?;
    for kind in ["smart", "savepoint"] {
        let refused = post(&daemon, "/api/v1/jobs/kept/stop", json!({ "kind": kind }), 503).await?;
        ensure!(text(&refused, "/type") == "/problems/savepoint-failed", "{refused}");
        ensure!(text(&refused, "/detail").contains("runs on"), "{refused}");
        ensure!(text(&refused, "/detail").contains("a-file"), "{refused}");
        let now = is(&daemon, "kept", "streaming").await?;
        ensure!(text(&now, "/savepoint_error").contains("a-file"), "{now}");
    }
    let said = daemon.cli(&["stop", "kept"])?.refused(1)?;
    ensure!(said.contains("runs on") && said.contains("a-file"), "{said}");
    let events = daemon.ask("GET", "/api/v1/jobs/kept/events?kind=savepoint", "").await?.body;
    ensure!(text(&events, "/events/0/text").contains("a-file"), "{events}");
    // It does run on.
    server.sql("INSERT INTO d.t VALUES (3, 3)").await?;
    eventually("the change arrives", PATIENCE, async || {
        let answer = daemon.ask("GET", "/api/v1/jobs/kept/output", "").await?;
        Ok(at(&answer.body, "/lines").as_array().is_some_and(|lines| lines.len() == 3))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_in_an_answer_a_log_a_metric_or_a_file_of_the_daemon() -> Result<()> {
    let server = server().await?;
    let [of_source, of_sink, of_update] = PLANTED;
    server
        .sql(&format!(
            "CREATE USER planted IDENTIFIED BY '{of_source}';\nGRANT ALL ON *.* TO planted"
        ))
        .await?;
    let mut daemon = Daemon::begin().await?;
    let script = Script::new("shy", &server, "d", "t")
        .option("username", "planted")
        .option("password", of_source)
        .option("sink[0].connector", "print")
        .option("sink[1].connector", "doris")
        .option("sink[1].fenodes", &format!("127.0.0.1:{}", free_port()?))
        .option("sink[1].max-retries", "1")
        .option("sink[1].username", "root")
        .option("sink[1].password", of_sink);
    submit(&daemon, "shy", &script.text()).await?;
    let lone = Script::new("lone", &server, "d", "t")
        .option("username", "planted")
        .option("password", of_source)
        .print();
    submit(&daemon, "lone", &lone.text()).await?;
    is(&daemon, "lone", "streaming").await?;
    is(&daemon, "shy", "restarting").await?;
    let changed = script.clone().option("sink[1].password", of_update).text();
    let body = json!({ "script": changed, "apply": true }).to_string();
    let answer = daemon.ask("PUT", "/api/v1/jobs/shy", &body).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    let wrong = changed.replace("'print'", "'prnt'");
    let wrong = json!({ "script": wrong }).to_string();
    let refused = daemon.ask("POST", "/api/v1/validate", &wrong).await?;
    let mut seen = vec![answer.body.to_string(), refused.body.to_string()];
    for path in [
        "/api/v1/jobs",
        "/api/v1/jobs/shy",
        "/api/v1/jobs/shy/versions/1",
        "/api/v1/jobs/shy/versions/2",
        "/api/v1/jobs/shy/events",
        "/api/v1/jobs/lone/snapshots",
        "/api/v1/jobs/lone/tables",
        "/api/v1/events",
        "/metrics",
    ] {
        let answer = daemon.ask("GET", path, "").await?;
        ensure!(answer.status == 200, "{path}: {}", answer.body);
        seen.push(format!("{path}: {}", answer.body));
    }
    let masked = seen.iter().find(|text| text.contains("versions/2")).context("versions")?;
    ensure!(masked.contains("******"), "{masked}");
    post(&daemon, "/api/v1/jobs/lone/stop", json!({ "kind": "smart" }), 200).await?;
    daemon.sigterm().await?;
    seen.push(daemon.log());
    for planted in PLANTED {
        if let Some(text) = seen.iter().find(|text| text.contains(planted)) {
            anyhow::bail!("{planted} is in {text}");
        }
    }
    let mut files = 0;
    unseen(daemon.dir(), &mut files)?;
    ensure!(files > 20, "only {files} files were looked at");
    // And yet it is known: the job runs again.
    daemon.start().await?;
    post(&daemon, "/api/v1/jobs/lone/start", json!({}), 200).await?;
    is(&daemon, "lone", "streaming").await?;
    daemon.sigterm().await
}

fn unseen(dir: &Path, files: &mut usize) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            unseen(&path, files)?;
            continue;
        }
        *files += 1;
        let bytes = fs::read(&path)?;
        for planted in PLANTED {
            let found = bytes.windows(planted.len()).any(|part| part == planted.as_bytes());
            ensure!(!found, "{planted} is in {}", path.display());
        }
    }
    Ok(())
}

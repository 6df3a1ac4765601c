//! What the daemon tells systemd, over a real `NOTIFY_SOCKET`: that it is ready, that it lives, that
//! it stops.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{Script, Service, for_each_server};

const PATIENCE: Duration = Duration::from_secs(60);
const READY: &str = "READY=1";
const ALIVE: &str = "WATCHDOG=1";
const STOPPING: &str = "STOPPING=1";

fn place(service: &Service, line: &str) -> Option<usize> {
    service.told().iter().position(|told| told == line)
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_told_once_jobs_are_brought_back_and_the_end_begins_with_word_of_it() -> Result<()>
{
    for_each_server(&[], async |server| {
        server.sql("CREATE DATABASE s;\nCREATE TABLE s.t (id INT PRIMARY KEY)").await?;
        let mut service = Service::new()?;
        service.start(None)?;
        service.hears(READY, 1, PATIENCE).await?;
        service.submit(&Script::new("kept", server, "s", "t").blackhole().text()).await?;
        service.comes_to("kept", "streaming", PATIENCE).await?;

        service.kill9()?;
        service.start(None)?;
        service.hears(READY, 1, PATIENCE).await?;
        ensure!(service.ask("GET", "/readyz", "").await?.status == 200, "ready, and it is not");
        let state = service.state_of("kept").await?;
        let is_back = ["starting", "snapshotting", "streaming"].contains(&state.as_str());
        ensure!(is_back, "ready, and its job is {state}");
        service.comes_to("kept", "streaming", PATIENCE).await?;

        ensure!(place(&service, STOPPING).is_none(), "{:?}", service.told());
        service.signal("TERM")?;
        service.hears(STOPPING, 1, PATIENCE).await?;
        ensure!(service.ends(PATIENCE).await? == 0, "an end as asked for is exit code 0");
        ensure!(place(&service, READY) < place(&service, STOPPING), "{:?}", service.told());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_hears_of_it_for_as_long_as_it_lives() -> Result<()> {
    let mut service = Service::new()?;
    service.start(Some(Duration::from_secs(1)))?;
    service.hears(READY, 1, PATIENCE).await?;
    let before = service.told().iter().filter(|told| *told == ALIVE).count();
    service.hears(ALIVE, before + 5, PATIENCE).await?;
    service.signal("TERM")?;
    service.hears(STOPPING, 1, PATIENCE).await?;
    ensure!(service.ends(PATIENCE).await? == 0);

    service.start(None)?;
    service.hears(READY, 1, PATIENCE).await?;
    service.signal("TERM")?;
    service.hears(STOPPING, 1, PATIENCE).await?;
    ensure!(place(&service, ALIVE).is_none(), "nobody asked: {:?}", service.told());
    ensure!(service.ends(PATIENCE).await? == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_keeps_no_daemon_from_being_ready() -> Result<()> {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let script = format!(
        "SET pipeline.name = lost;\nSET restart-strategy = fixed-delay;\n\
         SET restart-strategy.fixed-delay.attempts = 1000;\n\
         EXECUTE CDCSOURCE lost WITH ('connector' = 'mysql-cdc', 'hostname' = '127.0.0.1', \
         'port' = '{port}', 'username' = 'u', 'password' = '', 'table-name' = 's\\.t', \
         'sink.connector' = 'blackhole');\n"
    );
    let mut service = Service::new()?;
    service.start(None)?;
    service.hears(READY, 1, PATIENCE).await?;
    service.submit(&script).await?;
    service.comes_to("lost", "restarting", PATIENCE).await?;
    service.kill9()?;
    service.start(None)?;
    service.hears(READY, 1, PATIENCE).await?;
    service.signal("TERM")?;
    ensure!(service.ends(PATIENCE).await? == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_says_yes_while_the_daemon_answers_and_no_when_it_is_gone() -> Result<()> {
    let mut service = Service::new()?;
    ensure!(service.health(&[])? == 1, "nobody is there");
    service.start(None)?;
    service.hears(READY, 1, PATIENCE).await?;
    ensure!(service.health(&[])? == 0 && service.health(&["--ready"])? == 0);
    service.signal("TERM")?;
    ensure!(service.ends(PATIENCE).await? == 0);
    ensure!(service.health(&[])? == 1 && service.health(&["--ready"])? == 1);
    Ok(())
}

#[test]
fn the_configurations_that_are_delivered_are_understood() -> Result<()> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    for file in ["seachange.toml", "container/seachange.toml", "kubernetes/seachange.toml"] {
        let mut command = Command::new(tests::job::binary()?);
        command.args(["serve", "--check-config", "--config"]).arg(deploy.join(file));
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(0), "{file}: {said}");
    }
    Ok(())
}

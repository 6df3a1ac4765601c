//! The harness keeps its own promises, or no other test means anything.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{Kind, Proxy, Server, Workload, eventually, for_each_server, say};

/// Processes whose command line names `dir`.
fn processes_of(dir: &std::path::Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")? {
        let line = std::fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        count += usize::from(String::from_utf8_lossy(&line).contains(&*dir.to_string_lossy()));
    }
    Ok(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_keeps_what_was_committed_before_its_death() -> Result<()> {
    for_each_server(&[], async |server| {
        say(server.value::<String>("SELECT VERSION()").await?);
        let mut workload = Workload::new(server, "w")?;
        workload.load(server, 3_000).await?;
        workload.start(4, 5_000);
        workload.reach(5_000, Duration::from_secs(60)).await?;
        server.kill9()?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = workload.changes();
        server.restart().await?;
        workload.reach(before + 2_000, Duration::from_secs(60)).await?;
        workload.quiesce().await?;
        let rows: u64 = server.value("SELECT COUNT(*) FROM w.t_int").await?;
        ensure!(rows > 1_000, "{rows} rows");

        // The auditor meets the real rows: everything is missing from an empty changelog.
        let mut auditor = workload.auditor();
        let mut conn = server.conn().await?;
        auditor.compare(&mut conn).await?;
        let verdict = auditor.verdict().unwrap_err().to_string();
        ensure!(verdict.contains("missing: the source holds it"), "{verdict}");
        say(format!("{} changes in {} transactions", workload.changes(), workload.transactions()));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_outlives_its_owner() -> Result<()> {
    let server = Server::start(Kind::any()?, &[]).await?;
    let dir = server.dir().to_owned();
    ensure!(processes_of(&dir)? > 0, "the server cannot be seen");
    drop(server);
    ensure!(processes_of(&dir)? == 0, "the server has outlived its owner");
    ensure!(!dir.exists(), "the directory has outlived the server");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_outlives_a_killed_test() -> Result<()> {
    // This test again, in a process of its own, which holds a server and is killed.
    const INNER: &str = "SEACHANGE_TEST_HOLDS_A_SERVER";
    if let Ok(place) = std::env::var(INNER) {
        let server = Server::start(Kind::any()?, &[]).await?;
        std::fs::write(place, server.dir().to_string_lossy().as_bytes())?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        return Ok(());
    }
    let place = tempfile::NamedTempFile::new()?;
    let mut inner = Command::new(std::env::current_exe()?)
        .args(["--exact", "no_server_outlives_a_killed_test"])
        .env(INNER, place.path())
        .spawn()?;
    let told = || std::fs::read_to_string(place.path()).unwrap_or_default();
    let up = eventually("the server of the inner test", Duration::from_secs(30), async || {
        Ok(!told().is_empty())
    })
    .await;
    inner.kill()?;
    inner.wait()?;
    up?;
    let dir = std::path::PathBuf::from(told());
    eventually("the server is gone", Duration::from_secs(5), async || Ok(processes_of(&dir)? == 0))
        .await?;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_cuts_in_the_middle_of_an_answer() -> Result<()> {
    use mysql_async::prelude::Queryable;
    let server = Server::start(Kind::any()?, &[]).await?;
    let proxy = Proxy::start(server.port).await?;
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(proxy.port)
        .user(Some("root"))
        .prefer_socket(false);
    let mut conn = mysql_async::Conn::new(options).await?;
    let length: Option<usize> = conn.query_first("SELECT LENGTH(REPEAT('x', 100000))").await?;
    ensure!(length == Some(100_000), "{length:?}");
    proxy.cut_after(50_000);
    let cut: Result<Option<String>, _> = conn.query_first("SELECT REPEAT('x', 100000)").await;
    ensure!(cut.is_err() && proxy.cuts() == 1, "not cut");
    Ok(())
}

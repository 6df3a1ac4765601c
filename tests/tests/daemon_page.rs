//! The walkthrough on a daemon by clicking in a browser: `tests/page/real.mjs` is who clicks.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{Daemon, Kind, Server, walk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

/// A browser on a busy machine.
const WALK_MAX: Duration = Duration::from_secs(600);
/// Given in their order, one each time the walk asks for a row.
const ROWS: [&str; 2] = [
    "12,'1992-02-15','lin','dawei','M','2022-05-12'",
    "13,'1995-01-02','li','xiaolu','F','2022-11-18'",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_led_through_stop_start_cancel_and_restore_by_clicking() -> Result<()> {
    let server = Server::start(Kind::any()?, &[]).await?;
    walk::tables(&server).await?;
    let mut daemon = Daemon::begin().await?;
    daemon.ready().await?;
    let script = daemon.dir().join("emp_1.sql");
    fs::write(&script, walk::script(&server)?)?;

    let asked = TcpListener::bind("127.0.0.1:0").await?;
    let insert = format!("curl -sfS http://{}/", asked.local_addr()?);
    let mut clicks = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/page/run.sh"));
    clicks.arg("real").env("PAGE_URL", daemon.url()).env("PAGE_TOKEN", "");
    clicks.env("PAGE_SCRIPT", &script).env("PAGE_INSERT", insert).kill_on_drop(true);
    let mut clicks = clicks.spawn().context("cannot start tests/page/run.sh")?;

    let walked = timeout(WALK_MAX, async {
        tokio::select! {
            ended = clicks.wait() => Ok(ended?),
            failed = inserts(&server, &asked) => Err(failed),
        }
    });
    let status = walked.await.context("the walk took too long")?;
    let log = || format!("the daemon's log:\n{}", daemon.log_tail());
    ensure!(status.with_context(log)?.success(), "{}", log());
    daemon.sigterm().await
}

/// Inserts a row for each request, until there are none left. Comes back with what went wrong.
async fn inserts(server: &Server, asked: &TcpListener) -> anyhow::Error {
    for row in ROWS {
        if let Err(why) = insert(server, asked, row).await {
            return why;
        }
    }
    std::future::pending().await
}

async fn insert(server: &Server, asked: &TcpListener, row: &str) -> Result<()> {
    let (mut socket, _) = asked.accept().await?;
    let mut head = [0; 1024];
    ensure!(socket.read(&mut head).await? > 0, "nothing was asked for");
    walk::insert(server, row).await?;
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    Ok(socket.write_all(answer).await?)
}

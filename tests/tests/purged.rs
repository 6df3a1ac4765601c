//! A job comes back after the server has thrown away what it still needs: it says so and stops, and
//! never goes on with a hole.

use std::time::Duration;

use anyhow::{Result, ensure};
use mysql_async::Row;
use mysql_async::prelude::*;
use tests::chain::{Auditor, ends_with_text, written};
use tests::{Job, Script, eventually, for_each_server};

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_binlog_is_an_error_that_names_it_and_never_a_hole() -> Result<()> {
    for_each_server(&[], async |server| {
        server
            .sql(
                "CREATE DATABASE p;\nCREATE TABLE p.t (id INT PRIMARY KEY, v INT);\n\
                 INSERT INTO p.t VALUES (1, 1), (2, 2)",
            )
            .await?;
        let mut job = Job::new("purged")?;
        job.script(
            &Script::new("purged", server, "p", "t").file(&job.out()).set("restart-strategy", "none"),
        )?;
        job.start(&[])?;
        job.wait_for("both rows", Duration::from_secs(30), |job| {
            ends_with_text(&job.out(), "\"id\":2")
        })
        .await?;
        job.sigterm().await?;
        let (before, snapshots) = (written(&job.out()), job.snapshots()?.len());

        server
            .sql(
                "INSERT INTO p.t VALUES (3, 3);\nFLUSH BINARY LOGS;\nINSERT INTO p.t VALUES (4, 4);\n\
                 FLUSH BINARY LOGS",
            )
            .await?;
        let mut conn = server.conn().await?;
        // MariaDB keeps a log for as long as its own recovery needs it, without a word.
        eventually("the logs are purged", Duration::from_secs(20), async || {
            let mut conn = server.conn().await?;
            let logs: Vec<Row> = conn.query("SHOW BINARY LOGS").await?;
            let newest: Option<String> = logs.last().and_then(|row| row.get(0));
            conn.query_drop(format!("PURGE BINARY LOGS TO '{}'", newest.unwrap_or_default())).await?;
            Ok(logs.len() == 1)
        })
        .await?;
        server.sql("INSERT INTO p.t VALUES (5, 5)").await?;

        job.start(&[])?;
        let code = job.wait_exit(Duration::from_secs(30)).await?;
        let log = job.stderr();
        ensure!(code == 1, "exit code {code}, not 1:\n{log}");
        ensure!(log.contains("no longer has the binlog"), "the cause is not named:\n{log}");
        ensure!(!log.contains("panicked"), "{log}");
        ensure!(written(&job.out()) == before, "something was written behind the hole");
        ensure!(job.snapshots()?.len() == snapshots, "a snapshot is gone");

        // The way out that the user has: to begin anew.
        job.start(&["--from", "none"])?;
        job.wait_for("all five rows", Duration::from_secs(30), |job| {
            ends_with_text(&job.out(), "\"id\":5")
        })
        .await?;
        job.sigterm().await?;
        let mut auditor = Auditor::new();
        auditor.table("p.t", &["id"]);
        auditor.read_dir(&job.out())?;
        auditor.compare(&mut conn).await?;
        auditor.verdict()
    })
    .await
}

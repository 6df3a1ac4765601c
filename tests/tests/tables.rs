//! The set of tables changes: one is born, a pattern widens, a table is let go.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::chain::{Auditor, ends_with_text};
use tests::{Job, Script, Server, for_each_server};

const PATIENCE: Duration = Duration::from_secs(30);

async fn wait(job: &mut Job, text: &str) -> Result<()> {
    job.wait_for(text, PATIENCE, |job| ends_with_text(&job.out(), text)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_come_and_go_and_every_changelog_is_exact() -> Result<()> {
    for_each_server(&[], async |server| {
        server
            .sql(
                "CREATE DATABASE d;\nCREATE TABLE d.a_old (id INT PRIMARY KEY, v VARCHAR(20));\n\
                 INSERT INTO d.a_old VALUES (1, 'old one')",
            )
            .await?;
        let mut job = Job::new("tables")?;
        job.script(&Script::new("tables", server, "d", "a_.*").file(&job.out()))?;
        job.start(&[])?;
        wait(&mut job, "old one").await?;

        born_while_running(server, &mut job).await?;
        born_while_down(server, &mut job).await?;
        widened(server, &mut job).await?;
        audit(server, &job, &["d.a_old", "d.a_new", "d.a_down", "d.b_wide"]).await?;
        let_go(server, &mut job).await
    })
    .await
}

/// A table that matches is followed from its birth, its first rows included.
async fn born_while_running(server: &Server, job: &mut Job) -> Result<()> {
    server
        .sql(
            "CREATE TABLE d.a_new (id INT PRIMARY KEY, v VARCHAR(20));\n\
             INSERT INTO d.a_new VALUES (1, 'new one'), (2, 'new two');\n\
             UPDATE d.a_new SET v = 'new one, changed' WHERE id = 1",
        )
        .await?;
    wait(job, "new one, changed").await
}

/// Also one that is born, and filled, while the job is down.
async fn born_while_down(server: &Server, job: &mut Job) -> Result<()> {
    job.sigterm().await?;
    server
        .sql(
            "CREATE TABLE d.a_down (id INT PRIMARY KEY, v VARCHAR(20));\n\
             INSERT INTO d.a_down VALUES (1, 'down one');\n\
             UPDATE d.a_down SET v = 'down one, changed'",
        )
        .await?;
    job.start(&[])?;
    wait(job, "down one, changed").await
}

/// A pattern that takes in a table which has long been there: it is read, the others go on.
async fn widened(server: &Server, job: &mut Job) -> Result<()> {
    server
        .sql(
            "CREATE TABLE d.b_wide (id INT PRIMARY KEY, v VARCHAR(20));\n\
             INSERT INTO d.b_wide VALUES (1, 'wide one');\n\
             INSERT INTO d.a_old VALUES (2, 'old two')",
        )
        .await?;
    wait(job, "old two").await?;
    job.sigterm().await?;
    job.script(
        &Script::new("tables", server, "d", "(a|b)_.*")
            .file(&job.out())
            .option("source.scan.newly-added-table.enabled", "true"),
    )?;
    job.start(&[])?;
    wait(job, "wide one").await?;
    server
        .sql(
            "INSERT INTO d.a_old VALUES (3, 'old three');\nUPDATE d.b_wide SET v = 'wide, changed'",
        )
        .await?;
    wait(job, "wide, changed").await?;
    job.sigterm().await
}

/// A table that the pattern no longer names is let go; the others go on without a fault.
async fn let_go(server: &Server, job: &mut Job) -> Result<()> {
    job.script(
        &Script::new("tables", server, "d", "a_.*")
            .file(&job.out())
            .set("execution.savepoint.ignore-unclaimed-state", "true"),
    )?;
    job.start(&[])?;
    server
        .sql(
            "INSERT INTO d.b_wide VALUES (99, 'not to be seen');\n\
             INSERT INTO d.a_old VALUES (4, 'old four')",
        )
        .await?;
    wait(job, "old four").await?;
    ensure!(!ends_with_text(&job.out(), "not to be seen"), "a table let go is still followed");
    job.sigterm().await?;
    server.sql("DELETE FROM d.b_wide WHERE id = 99").await?;
    audit(server, job, &["d.a_old", "d.a_new", "d.a_down", "d.b_wide"]).await
}

async fn audit(server: &Server, job: &Job, tables: &[&str]) -> Result<()> {
    let mut auditor = Auditor::new();
    for table in tables {
        auditor.table(table, &["id"]);
    }
    auditor.read_dir(&job.out())?;
    auditor.compare(&mut server.conn().await?).await?;
    auditor.verdict()
}

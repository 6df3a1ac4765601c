//! Each startup mode begins where it says, and tables of every shape are read.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::Row;
use mysql_async::prelude::*;
use tests::{Job, Script, Server, for_each_server};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn each_startup_mode_begins_where_it_says() -> Result<()> {
    for_each_server(&[], async |server| {
        server.sql("CREATE DATABASE s;\nCREATE TABLE s.t (id INT PRIMARY KEY, v INT)").await?;
        server.sql("INSERT INTO s.t VALUES (1, 10)").await?;
        let mut conn = server.conn().await?;
        let at: Row = conn.query_first(server.show_status()).await?.context("no binlog")?;
        let (file, pos): (String, u64) = (at.get(0).context("file")?, at.get(1).context("pos")?);
        // Binlog timestamps are whole seconds: the second row is in a later one than the first.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let seconds: u64 = server.value("SELECT UNIX_TIMESTAMP()").await?;
        server.sql("INSERT INTO s.t VALUES (2, 20);\nUPDATE s.t SET v = 11 WHERE id = 1").await?;

        let offset = |script: Script| {
            script
                .option("source.scan.startup.specific-offset.file", &file)
                .option("source.scan.startup.specific-offset.pos", &pos.to_string())
        };
        let time = |script: Script| {
            script.option("source.scan.startup.timestamp-millis", &(seconds * 1_000).to_string())
        };
        let (row, change) = ("+I[1, 11]", ["-U[1, 10]", "+U[1, 11]"]);
        let create = "DDL CREATE TABLE s.t (id INT PRIMARY KEY, v INT)";
        let from_first = [create, "+I[1, 10]", "+I[2, 20]", change[0], change[1]];
        let from_second = ["+I[2, 20]", change[0], change[1]];
        mode(server, "initial", |s| s, &[row, "+I[2, 20]"]).await?;
        mode(server, "snapshot", |s| s, &[row, "+I[2, 20]"]).await?;
        mode(server, "earliest-offset", |s| s, &from_first).await?;
        mode(server, "specific-offset", offset, &from_second).await?;
        mode(server, "timestamp", time, &from_second).await?;
        mode(server, "latest-offset", |s| s, &[]).await
    })
    .await
}

/// Runs a job in `mode`, and then one change more; expects `lines` and that change alone.
async fn mode(
    server: &Server,
    mode: &str,
    options: impl FnOnce(Script) -> Script,
    lines: &[&str],
) -> Result<()> {
    let mut job = Job::new("startup")?;
    let script = Script::new("startup", server, "s", "t").print();
    job.script(&options(script.option("scan.startup.mode", mode)))?;
    job.start(&[])?;
    let expected: Vec<String> = lines.iter().map(|line| format!("s.t> {line}")).collect();
    if mode == "snapshot" {
        // The snapshot, then the end.
        ensure!(job.wait_exit(PATIENCE).await? == 0, "{}", job.log_tail());
        let mut got = job.stdout();
        got.sort();
        ensure!(got == expected, "{mode}: {got:?}, expected {expected:?}");
        return Ok(());
    }
    job.next_checkpoint().await?;
    server.sql("INSERT INTO s.t VALUES (3, 30);\nDELETE FROM s.t WHERE id = 3").await?;
    job.wait_for("the change", PATIENCE, |job| {
        job.stdout().iter().any(|line| line == "s.t> -D[3, 30]")
    })
    .await?;
    job.sigterm().await?;
    let mut got = job.stdout();
    // The change that ends each mode is in the log of the modes after it.
    got.retain(|line| !line.contains("[3, 30]"));
    // Chunks may come in any order.
    if mode == "initial" {
        got.sort();
    }
    ensure!(got == expected, "{mode}: {got:?}, expected {expected:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_every_shape_are_read_and_followed() -> Result<()> {
    for_each_server(&[], async |server| {
        server
            .sql(
                "CREATE DATABASE s;\n\
                 CREATE TABLE s.keyless (a INT, b VARCHAR(10));\n\
                 INSERT INTO s.keyless VALUES (1, 'x'), (1, 'x'), (2, NULL);\n\
                 CREATE TABLE s.uniq (a INT, b INT NOT NULL, UNIQUE KEY (b));\n\
                 INSERT INTO s.uniq VALUES (1, 2), (NULL, 1);\n\
                 CREATE TABLE s.uniq_null (a INT, UNIQUE KEY (a));\n\
                 INSERT INTO s.uniq_null VALUES (NULL), (NULL), (7);\n\
                 CREATE TABLE s.nothing (id INT PRIMARY KEY);\n\
                 CREATE TABLE s.one (id INT PRIMARY KEY);\n\
                 INSERT INTO s.one VALUES (-5);\n\
                 CREATE VIEW s.a_view AS SELECT * FROM s.one",
            )
            .await?;
        let mut job = Job::new("shapes")?;
        job.script(&Script::new("shapes", server, "s", ".*").print())?;
        job.start(&[])?;
        lines(
            &mut job,
            &[
                "s.keyless> +I[1, x]",
                "s.keyless> +I[1, x]",
                "s.keyless> +I[2, NULL]",
                "s.one> +I[-5]",
                "s.uniq> +I[1, 2]",
                "s.uniq> +I[NULL, 1]",
                "s.uniq_null> +I[7]",
                "s.uniq_null> +I[NULL]",
                "s.uniq_null> +I[NULL]",
            ],
        )
        .await?;
        job.sigterm().await?;
        server
            .sql(
                "DELETE FROM s.keyless WHERE a = 1 LIMIT 1;\nUPDATE s.uniq SET a = 9 WHERE b = 1;\n\
                 INSERT INTO s.uniq_null VALUES (NULL);\nINSERT INTO s.nothing VALUES (1);\n\
                 DELETE FROM s.one",
            )
            .await?;
        job.start(&[])?;
        lines(
            &mut job,
            &[
                "s.keyless> -D[1, x]",
                "s.nothing> +I[1]",
                "s.one> -D[-5]",
                "s.uniq> +U[9, 1]",
                "s.uniq> -U[NULL, 1]",
                "s.uniq_null> +I[NULL]",
            ],
        )
        .await?;
        job.sigterm().await
    })
    .await
}

/// Waits until as many lines are there, and expects these, in any order.
async fn lines(job: &mut Job, expected: &[&str]) -> Result<()> {
    job.wait_for("the lines", PATIENCE, |job| job.stdout_lines() >= expected.len()).await?;
    // A line too many would come soon.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut got = job.stdout();
    got.sort();
    ensure!(got == expected, "{got:#?}\nexpected {expected:#?}");
    Ok(())
}

//! `seachange check` names everything that is wrong, at once, with what mends it.

use anyhow::{Result, ensure};
use tests::job::seachange;
use tests::{Job, Kind, Script, for_each_server};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_set_up_as_it_should_be_passes() -> Result<()> {
    for_each_server(&[], async |server| {
        server.sql("CREATE DATABASE c;\nCREATE TABLE c.t (id INT PRIMARY KEY)").await?;
        let job = Job::new("check")?;
        job.script(&Script::new("check", server, "c", "t").print())?;
        let (code, out, err) = seachange(job.dir(), &["check", "check.sql"])?;
        ensure!(code == 0, "exit code {code}:\n{out}{err}");
        ensure!(out.contains("c.t"), "the table is not listed:\n{out}{err}");
        ensure!(!out.contains('✗'), "{out}{err}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_named_in_one_run_with_its_fix() -> Result<()> {
    for_each_server(&["--binlog-format=STATEMENT", "--binlog-row-image=MINIMAL"], async |server| {
        let host = if server.kind.software() == "mysql56" { "localhost" } else { "%" };
        server
            .sql(&format!(
                "CREATE DATABASE c;\nCREATE TABLE c.t (id INT PRIMARY KEY);\n\
                 CREATE USER 'nobody'@'{host}' IDENTIFIED BY 'secret'"
            ))
            .await?;
        let job = Job::new("check")?;
        // The sixth fault: the server's own id.
        let own = server.port.to_string();
        job.script(
            &Script::new("check", server, "c", "t")
                .print()
                .option("username", "nobody")
                .option("source.server-id", &own),
        )?;
        let (code, out, err) = seachange(job.dir(), &["check", "check.sql"])?;
        ensure!(code == 3, "exit code {code}, not 3:\n{out}{err}");
        let client = if server.kind == Kind::MariaDb {
            "GRANT BINLOG MONITOR"
        } else {
            "GRANT REPLICATION CLIENT"
        };
        for (what, fix) in [
            ("binlog_format", "binlog_format = 'ROW'"),
            ("binlog_row_image", "binlog_row_image = 'FULL'"),
            ("read the binlog", "GRANT REPLICATION SLAVE"),
            ("binlog's position", client),
            ("read tables", "GRANT SELECT ON"),
            ("server id", "server-id"),
        ] {
            // A narrow terminal may fold the table's cells.
            let text = out.split_whitespace().collect::<Vec<_>>().join(" ");
            ensure!(text.contains(what) && text.contains(fix), "`{what}`, `{fix}`:\n{out}{err}");
        }
        ensure!(out.matches('✗').count() >= 6, "fewer than six:\n{out}{err}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn cascades_that_the_server_does_not_log_are_named() -> Result<()> {
    for_each_server(&[], async |server| {
        server
            .sql(
                "CREATE DATABASE c;\nCREATE TABLE c.up (id INT PRIMARY KEY) ENGINE=InnoDB;\n\
                 CREATE TABLE c.plain (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES c.up (id)) \
                 ENGINE=InnoDB;\n\
                 CREATE TABLE c.goes_along (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES \
                 c.up (id) ON DELETE CASCADE) ENGINE=InnoDB",
            )
            .await?;
        if server.kind == Kind::MariaDb {
            // It shows foreign keys to nobody who may only read.
            server.sql("GRANT REFERENCES ON c.* TO 'repl'@'%'").await?;
        }
        let job = Job::new("check")?;
        job.script(&Script::new("check", server, "c", ".*").print())?;
        let (code, out, err) = seachange(job.dir(), &["check", "check.sql", "--json"])?;
        ensure!(code == 0, "exit code {code}:\n{out}{err}");
        let told = out.contains("not in the binlog: c.goes_along\"");
        ensure!(told == (server.kind.software() != "mysql9"), "{out}{err}");
        Ok(())
    })
    .await
}

//! Servers differ, and are changed under a running job: how they name files and tables, write
//! rows and end connections. The changelog stays exact, or the job says why not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::Row;
use mysql_async::prelude::*;
use tests::job::seachange;
use tests::server::on_servers;
use tests::stage::TABLE;
use tests::{Job, Kind, Script, Server, Stage, eventually, for_each_server};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn checksums_and_compression_switched_under_a_running_job_change_nothing() -> Result<()> {
    for_each_server(&[], async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        let mut id = 0;
        for checksum in ["NONE", "CRC32", "NONE", "CRC32"] {
            server.sql(&format!("SET GLOBAL binlog_checksum = {checksum}")).await?;
            for _ in 0..2 {
                id += 1;
                stage.row(id).await?;
                stage.again().await?;
            }
        }
        let (compress, plain) = match server.kind.software() {
            "mysql9" => ("SET binlog_transaction_compression = ON", "SELECT 1"),
            "mariadb" => ("SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress = OFF"),
            _ => {
                stage.row(101).await?;
                return stage.job.sigterm().await;
            }
        };
        let long = "z".repeat(1500);
        let lines = [
            format!("d.t> +I[101, {long}]"),
            "d.t> +I[102, x]".to_owned(),
            format!("d.t> -U[101, {long}]"),
            "d.t> +U[101, y]".to_owned(),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let sql = format!(
            "{compress};\nBEGIN;\nINSERT INTO d.t VALUES (101, REPEAT('z', 1500)), (102, 'x');\n\
             UPDATE d.t SET v = 'y' WHERE id = 101;\nCOMMIT;\n{plain}"
        );
        stage.expect(&sql, &lines).await?;
        stage.again().await?;
        stage.row(103).await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_image_cut_short_under_a_running_job_ends_it_with_the_setting_to_change() -> Result<()>
{
    for_each_server(&[], async |server| {
        for image in ["MINIMAL", "NOBLOB"] {
            let setup = "CREATE TABLE d.t (id INT PRIMARY KEY, v INT, b BLOB)";
            let mut stage = Stage::begin(server, setup).await?;
            server.sql("INSERT INTO d.t VALUES (1, 1, 'b')").await?;
            stage.come(&["d.t> +I[1, 1, …"]).await?;
            server.sql(&format!("SET binlog_row_image = {image};\nUPDATE d.t SET v = 2")).await?;
            let words = ["d.t", "binlog_row_image other than FULL"];
            stage.ends(&words).await?;
            // Nor does a restart go past it.
            stage.start(&[]).await?;
            stage.ends(&words).await?;
            server.sql("DROP DATABASE d;\nDROP DATABASE o").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn file_numbers_of_seven_digits_follow_those_of_six() -> Result<()> {
    let kinds = [Kind::MySql9Gtid, Kind::MySql9NoGtid, Kind::MariaDb];
    on_servers(&kinds, &[], async |server| {
        let reset = if server.kind == Kind::MariaDb {
            "RESET MASTER TO 999998"
        } else {
            "RESET BINARY LOGS AND GTIDS TO 999998"
        };
        server.sql(reset).await?;
        let mut stage = Stage::begin(server, TABLE).await?;
        for id in 1..=4 {
            stage.row(id).await?;
            server.sql("FLUSH BINARY LOGS").await?;
        }
        let end: Row =
            server.conn().await?.query_first(server.show_status()).await?.context("no binlog")?;
        let file: String = end.get(0).context("no file")?;
        ensure!(file == "binlog.1000002", "{file}");
        stage.again().await?;
        stage.row(5).await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alter_in_two_parts_counts_at_its_second_and_never_if_it_fails() -> Result<()> {
    on_servers(&[Kind::MariaDb], &[], async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        let rows = "INSERT INTO d.t VALUES (1, 'x'), (2, 'x')";
        stage.expect(rows, &["d.t> +I[1, x]", "d.t> +I[2, x]"]).await?;
        let mut conn = server.conn().await?;
        conn.query_drop("SET binlog_alter_two_phase = 1").await?;
        let failed = conn.query_drop("ALTER TABLE d.t ADD c INT, ADD UNIQUE (v)").await;
        ensure!(failed.is_err(), "two rows have the same value");
        conn.query_drop("ALTER TABLE d.t ADD a INT FIRST").await?;
        server.sql("UPDATE d.t SET v = 'y' WHERE id = 2").await?;
        stage
            .come(&[
                "d.t> DDL ALTER TABLE d.t ADD a INT FIRST",
                "d.t> -U[NULL, 2, x]",
                "d.t> +U[NULL, 2, y]",
            ])
            .await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_server_made_and_hides_is_a_key_and_a_column() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid], &[], async |server| {
        server.sql("SET GLOBAL sql_generate_invisible_primary_key = ON").await?;
        let setup =
            format!("{TABLE};\nCREATE TABLE d.read (v INT);\nINSERT INTO d.read VALUES (5), (6)");
        let mut stage = Stage::with(server, &setup, |script| script).await?;
        let mut read = stage.job.stdout();
        read.sort();
        ensure!(read == ["d.read> +I[1, 5]", "d.read> +I[2, 6]"], "{read:?}");
        drop(stage.lines().await?);
        stage
            .expect(
                "UPDATE d.read SET v = 7 WHERE v = 6;\nCREATE TABLE d.born (v INT);\n\
                 INSERT INTO d.born VALUES (1), (1);\nDELETE FROM d.born LIMIT 1",
                &[
                    "d.read> -U[2, 6]",
                    "d.read> +U[2, 7]",
                    "d.born> DDL CREATE TABLE…",
                    "d.born> +I[1, 1]",
                    "d.born> +I[2, 1]",
                    "d.born> -D[1, 1]",
                ],
            )
            .await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn row_events_of_the_older_version_are_read() -> Result<()> {
    on_servers(&[Kind::MySql56], &["--log-bin-use-v1-row-events=1"], async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        stage.row(1).await?;
        stage
            .expect(
                "UPDATE d.t SET v = 'y';\nDELETE FROM d.t",
                &["d.t> -U[1, x]", "d.t> +U[1, y]", "d.t> -D[1, y]"],
            )
            .await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_regard_to_case_are_one_table_and_names_with_it_are_two() -> Result<()> {
    on_servers(&[Kind::MySql56, Kind::MariaDb], &["--lower-case-table-names=1"], async |server| {
        let mut stage = Stage::begin(server, "CREATE TABLE D.MiXed (Id INT PRIMARY KEY)").await?;
        stage
            .expect(
                "INSERT INTO d.MIXED VALUES (1);\nALTER TABLE D.mixeD ADD V INT;\n\
                 INSERT INTO d.mixed VALUES (2, 2);\nRENAME TABLE d.Mixed TO D.OTHER;\n\
                 INSERT INTO d.Other VALUES (3, 3);\nTRUNCATE D.other;\nDROP TABLE d.OTHER",
                &[
                    "d.mixed> +I[1]",
                    "d.mixed> DDL ALTER TABLE D.mixeD ADD V INT",
                    "d.mixed> +I[2, 2]",
                    "d.mixed> DDL RENAME TABLE…",
                    "d.other> DDL RENAME TABLE…",
                    "d.other> +I[3, 3]",
                    "d.other> DDL TRUNCATE D.other",
                    "d.other> DDL DROP TABLE…",
                ],
            )
            .await?;
        stage.job.sigterm().await
    })
    .await?;
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let setup = "CREATE TABLE d.t (id INT PRIMARY KEY);\nCREATE TABLE d.T (id INT PRIMARY KEY)";
        let mut stage = Stage::begin(server, setup).await?;
        stage
            .expect(
                "INSERT INTO d.t VALUES (1);\nINSERT INTO d.T VALUES (2);\nDROP TABLE d.t;\n\
                 RENAME TABLE d.T TO d.t;\nINSERT INTO d.t VALUES (3)",
                &[
                    "d.t> +I[1]",
                    "d.T> +I[2]",
                    "d.t> DDL DROP TABLE…",
                    "d.T> DDL RENAME TABLE…",
                    "d.t> DDL RENAME TABLE…",
                    "d.t> +I[3]",
                ],
            )
            .await?;
        stage.job.sigterm().await
    })
    .await
}

/// Payloads of one packet end here; a longer one goes on in the next.
const PACKET: usize = (1 << 24) - 1;

#[tokio::test(flavor = "multi_thread")]
async fn rows_larger_than_a_packet_and_of_exactly_one_come_whole() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &["--max-allowed-packet=64M"], async |server| {
        // What stands around the text in a rows event of its version, and one byte of the packet.
        let around = if server.kind == Kind::MariaDb { 45 } else { 47 };
        let lengths = [PACKET - around, 2 * PACKET + 1_000];
        let sql = |from: usize| -> String {
            let insert = |(n, length): (usize, &usize)| {
                format!("INSERT INTO d.t VALUES ({}, REPEAT('y', {length}))", from + n)
            };
            lengths.iter().enumerate().map(insert).collect::<Vec<_>>().join(";\n")
        };
        let setup = format!("CREATE TABLE d.t (id INT PRIMARY KEY, v LONGTEXT);\n{}", sql(10));
        let mut stage = Stage::begin(server, &setup).await?;
        let check = |lines: &[String], from: usize| -> Result<()> {
            let mut lines: Vec<&String> = lines.iter().filter(|l| l.starts_with("d.t>")).collect();
            lines.sort();
            ensure!(lines.len() == lengths.len(), "{} lines", lines.len());
            for (n, (line, length)) in lines.iter().zip(lengths).enumerate() {
                let text = line.strip_prefix(&format!("d.t> +I[{}, ", from + n)).unwrap_or("");
                let text = text.strip_suffix(']').unwrap_or("");
                let whole = text.len() == length && text.bytes().all(|b| b == b'y');
                ensure!(whole, "{} bytes, not {length}", text.len());
            }
            Ok(())
        };
        check(&stage.job.stdout(), 10)?;
        drop(stage.lines().await?);
        server.sql(&sql(20)).await?;
        check(&stage.lines().await?, 20)?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_that_the_server_ends_are_made_again_unnoticed() -> Result<()> {
    let timeouts = ["--wait-timeout=1", "--interactive-timeout=1", "--net-read-timeout=1"];
    on_servers(&Kind::SOFTWARE, &timeouts, async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        stage.row(1).await?;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        stage.row(2).await?;
        // All at once, as an operator would.
        let mut conn = server.conn().await?;
        let query = "SELECT id FROM information_schema.processlist WHERE user = 'repl'";
        let ids: Vec<u64> = conn.query(query).await?;
        ensure!((2..=4).contains(&ids.len()), "{} connections of the job", ids.len());
        for id in ids {
            // One may have gone by itself.
            let _ = conn.query_drop(format!("KILL {id}")).await;
        }
        // The server is asked for this table's definition.
        let sql = "CREATE TABLE d.born LIKE o.like_it;\nINSERT INTO d.born VALUES (3)";
        server.sql("CREATE TABLE o.like_it (id INT PRIMARY KEY)").await?;
        stage.expect(sql, &["d.born> DDL CREATE TABLE…", "d.born> +I[3]"]).await?;
        stage.row(3).await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_of_the_server_and_traffic_of_others_are_read_over_while_a_job_is_away()
-> Result<()> {
    for_each_server(&[], async |server| {
        let setup = format!(
            "{TABLE};\nCREATE TABLE d.other (id INT PRIMARY KEY, w INT);\nCREATE TABLE o.t (id INT)"
        );
        let mut job = {
            let mut stage = Stage::begin(server, &setup).await?;
            stage.row(1).await?;
            stage.job.sigterm().await?;
            stage.job
        };
        // After each start the first table to be opened has the same number.
        server.sql("INSERT INTO d.t VALUES (2, 'x')").await?;
        server.stop().await?;
        server.restart().await?;
        server.sql("INSERT INTO d.other VALUES (3, 3)").await?;
        server.kill9()?;
        server.restart().await?;
        server.sql("INSERT INTO d.t VALUES (4, 'x')").await?;
        job.start(&[])?;
        let lines = ["d.t> +I[2, x]", "d.other> +I[3, 3]", "d.t> +I[4, x]"];
        job.wait_for("all rows", PATIENCE, |job| job.stdout_lines() >= lines.len()).await?;
        ensure!(job.stdout() == lines, "{:?}", job.stdout());

        // Its position moves on with what it does not follow: those logs may go.
        for _ in 0..3 {
            server.sql("INSERT INTO o.t VALUES (1);\nFLUSH BINARY LOGS").await?;
        }
        job.next_checkpoint().await?;
        job.sigterm().await?;
        purge(server).await?;
        server.sql("INSERT INTO d.t VALUES (5, 'x')").await?;
        job.start(&[])?;
        job.wait_for("the row", PATIENCE, |job| job.stdout_lines() >= 1).await?;
        ensure!(job.stdout() == ["d.t> +I[5, x]"], "{:?}", job.stdout());
        job.sigterm().await
    })
    .await
}

/// Purges all logs but the newest.
async fn purge(server: &Server) -> Result<()> {
    // MariaDB keeps a log for as long as its own recovery needs it, without a word.
    eventually("the logs are purged", PATIENCE, async || {
        let mut conn = server.conn().await?;
        let logs: Vec<Row> = conn.query("SHOW BINARY LOGS").await?;
        let newest: Option<String> = logs.last().and_then(|row| row.get(0));
        conn.query_drop(format!("PURGE BINARY LOGS TO '{}'", newest.unwrap_or_default())).await?;
        Ok(logs.len() == 1)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_replica_with_the_same_id_ends_the_first_or_disturbs_nobody() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let same = |script: Script| script.option("source.server-id", "5999");
        let mut stage = Stage::with(server, TABLE, same).await?;
        stage.row(1).await?;
        let mut second = Job::new("second")?;
        second.script(&same(Script::new("second", server, "d", "t").print()))?;
        second.start(&[])?;
        second.live(PATIENCE).await?;
        // MySQL tells replicas apart by their UUID, which each process has its own.
        if server.kind == Kind::MariaDb {
            stage.ends(&["another replica connected", "5999", "server-id"]).await?;
            server.sql("INSERT INTO d.t VALUES (2, 'x')").await?;
        } else {
            stage.row(2).await?;
            stage.job.sigterm().await?;
        }
        let line = |job: &Job| job.stdout().iter().any(|l| l == "d.t> +I[2, x]");
        second.wait_for("the row", PATIENCE, line).await?;
        second.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn users_log_in_by_their_plugin_with_and_without_tls() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        server.sql("CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY)").await?;
        let mysql9 = server.kind.software() == "mysql9";
        let plugins: &[&str] = match server.kind.software() {
            "mysql9" => &["caching_sha2_password"],
            _ => &["mysql_native_password"],
        };
        for plugin in plugins {
            // Nothing is cached of a user who has never been there.
            for (n, mode) in ["disabled", "preferred", "required"].into_iter().enumerate() {
                let user = format!("u{n}");
                let fits = mysql9 || mode != "required";
                logs_in(server, plugin, &user, mode, fits).await?;
            }
        }
        Ok(())
    })
    .await
}

async fn logs_in(server: &Server, plugin: &str, user: &str, mode: &str, fits: bool) -> Result<()> {
    let host = if server.kind.software() == "mysql56" { "localhost" } else { "%" };
    let with = match server.kind.software() {
        "mysql56" => "IDENTIFIED BY 'p w'".to_owned(),
        "mariadb" => format!("IDENTIFIED VIA {plugin} USING PASSWORD('p w')"),
        _ => format!("IDENTIFIED WITH {plugin} BY 'p w'"),
    };
    server
        .sql(&format!(
            "CREATE USER '{user}'@'{host}' {with};\nGRANT SELECT, REPLICATION SLAVE, \
             REPLICATION CLIENT ON *.* TO '{user}'@'{host}'"
        ))
        .await?;
    let job = Job::new("login")?;
    let script = Script::new("login", server, "d", "t").print();
    let script = script.option("username", user).option("password", "p w");
    job.script(&script.option("source.ssl.mode", mode))?;
    let (code, out, err) = seachange(job.dir(), &["check", "login.sql"])?;
    ensure!((code == 0) == fits, "{plugin}, {mode}: exit code {code}\n{out}{err}");
    Ok(())
}

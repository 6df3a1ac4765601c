//! What a statement leaves in the binlog is what comes out: rows, however they were written; nothing
//! of what was undone, and nothing of what is no table.

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use tests::server::on_servers;
use tests::{Kind, Server, Stage};

/// Servers that refuse what GTIDs cannot express: a transaction over engines with and without
/// transactions, and temporary tables within one.
const WITHOUT_GTIDS: [Kind; 3] = [Kind::MySql9NoGtid, Kind::MySql56, Kind::MariaDb];

const TWO_ENGINES: &str = "CREATE TABLE d.i (id INT PRIMARY KEY, v INT) ENGINE=InnoDB;\n\
     CREATE TABLE d.m (id INT PRIMARY KEY, v INT) ENGINE=MyISAM";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_undone_never_comes_out_and_what_stayed_does() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut stage = Stage::begin(server, TWO_ENGINES).await?;
        stage.expect("BEGIN;\nINSERT INTO d.i VALUES (1, 1);\nROLLBACK", &[]).await?;
        stage
            .expect(
                "BEGIN;\nINSERT INTO d.i VALUES (1, 1);\nSAVEPOINT a;\n\
                 INSERT INTO d.i VALUES (2, 2);\nSAVEPOINT b;\nUPDATE d.i SET v = 9;\n\
                 ROLLBACK TO a;\nINSERT INTO d.i VALUES (3, 3);\nRELEASE SAVEPOINT a;\nCOMMIT",
                &["d.i> +I[1, 1]", "d.i> +I[3, 3]"],
            )
            .await?;
        // Of a statement that fails in its middle, an engine without transactions keeps the half.
        let mut conn = server.conn().await?;
        for table in ["d.i", "d.m"] {
            let twice = format!("INSERT INTO {table} VALUES (10, 0), (11, 0), (10, 1)");
            ensure!(conn.query_drop(twice).await.is_err(), "a key twice");
        }
        stage.come(&["d.m> +I[10, 0]", "d.m> +I[11, 0]"]).await?;
        stage.expect("DELETE FROM d.m WHERE id = 10", &["d.m> -D[10, 0]"]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_over_two_engines_comes_out_as_each_engine_kept_it() -> Result<()> {
    on_servers(&WITHOUT_GTIDS, &[], async |server| {
        let mut stage = Stage::begin(server, TWO_ENGINES).await?;
        let both = |end: &str, id: u32| {
            format!(
                "BEGIN;\nINSERT INTO d.i VALUES ({id}, 0);\nINSERT INTO d.m VALUES ({id}, 0);\n\
                 INSERT INTO d.i VALUES ({}, 0);\n{end}",
                id + 1
            )
        };
        stage.expect(&both("ROLLBACK", 20), &["d.m> +I[20, 0]"]).await?;
        let committed = ["d.m> +I[30, 0]", "d.i> +I[30, 0]", "d.i> +I[31, 0]"];
        stage.expect(&both("COMMIT", 30), &committed).await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_logged_and_undone_by_a_later_event_never_pass_for_committed_ones()
-> Result<()> {
    on_servers(&WITHOUT_GTIDS, &[], async |server| {
        let mut stage = Stage::begin(server, TWO_ENGINES).await?;
        server
            .sql(
                "BEGIN;\nINSERT INTO d.i VALUES (40, 0);\nSAVEPOINT a;\n\
                 INSERT INTO d.m VALUES (40, 0);\nINSERT INTO d.i VALUES (41, 0);\n\
                 ROLLBACK TO a;\nCOMMIT",
            )
            .await?;
        // MySQL leaves out what was undone. MariaDB logs it, with ROLLBACK TO behind it.
        if server.kind == Kind::MariaDb {
            stage.ends(&["rows rolled back to a savepoint"]).await?;
            stage.start(&["--from", "none"]).await?;
            stage.job.next_checkpoint().await?;
        } else {
            stage.come(&["d.m> +I[40, 0]", "d.i> +I[40, 0]"]).await?;
        }
        // A temporary table keeps MariaDB and old servers from forgetting what is rolled back.
        server
            .sql(
                "BEGIN;\nINSERT INTO d.i VALUES (50, 0);\n\
                 CREATE TEMPORARY TABLE d.tmp (id INT) ENGINE=InnoDB;\n\
                 INSERT INTO d.tmp VALUES (1);\nDROP TEMPORARY TABLE d.tmp;\n\
                 INSERT INTO d.i VALUES (51, 0);\nROLLBACK",
            )
            .await?;
        if server.kind != Kind::MySql9NoGtid {
            return stage.ends(&["rows of a transaction that was rolled back"]).await;
        }
        stage.come(&[]).await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_table_leaves_no_trace() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut stage = Stage::begin(server, TWO_ENGINES).await?;
        stage
            .expect(
                "CREATE TEMPORARY TABLE d.tmp (id INT PRIMARY KEY);\n\
                 INSERT INTO d.tmp VALUES (1);\nALTER TABLE d.tmp ADD COLUMN v INT;\n\
                 UPDATE d.tmp SET v = 2;\nINSERT INTO d.i SELECT id, v FROM d.tmp;\n\
                 TRUNCATE TABLE d.tmp;\nDROP TABLE d.tmp",
                &["d.i> +I[1, 2]"],
            )
            .await?;
        // It hides a table of the same name from its session, and from nobody else.
        stage
            .expect(
                "CREATE TEMPORARY TABLE d.i (other VARCHAR(9));\nINSERT INTO d.i VALUES ('x');\n\
                 ALTER TABLE d.i ADD COLUMN more INT;\nDROP TABLE d.i;\n\
                 UPDATE d.i SET v = 3",
                &["d.i> -U[1, 2]", "d.i> +U[1, 3]"],
            )
            .await?;
        stage
            .expect(
                "CREATE VIEW d.v AS SELECT id FROM d.i;\n\
                 CREATE OR REPLACE VIEW d.v AS SELECT id, v FROM d.i;\n\
                 INSERT INTO d.v VALUES (2, 2);\nDROP VIEW d.v;\n\
                 CREATE PROCEDURE d.p() BEGIN DROP TABLE IF EXISTS d.nothing; DELETE FROM d.i WHERE id = 2; END;\n\
                 CALL d.p();\nDROP PROCEDURE d.p;\n\
                 CREATE EVENT d.e ON SCHEDULE EVERY 1 YEAR DISABLE DO TRUNCATE TABLE d.i;\n\
                 DROP EVENT d.e;\nCREATE USER 'u'@'nowhere';\nGRANT ALL ON d.* TO 'u'@'nowhere';\n\
                 DROP USER 'u'@'nowhere';\nANALYZE TABLE d.i;\nFLUSH TABLES;\n\
                 CREATE TABLE o.i LIKE d.i;\nINSERT INTO o.i VALUES (1, 1);\nDROP DATABASE o",
                &["d.i> +I[2, 2]", "d.i> -D[2, 2]"],
            )
            .await?;
        // MySQL before 8.0 and MariaDB drop what is there and then complain; later ones drop nothing.
        let mut conn = server.conn().await?;
        let half = conn.query_drop("DROP TABLE d.m, d.nothing").await;
        ensure!(half.is_err(), "there is no table d.nothing");
        let left: u64 = server
            .value("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'm'")
            .await?;
        let dropped = ["d.m> DDL DROP TABLE…"];
        stage.come(if left == 0 { &dropped } else { &[] }).await?;
        stage.expect("UPDATE d.i SET v = 4", &["d.i> -U[1, 3]", "d.i> +U[1, 4]"]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_out_however_they_were_written() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let setup = "CREATE TABLE d.a (id INT PRIMARY KEY, v INT, UNIQUE KEY (v)) ENGINE=InnoDB;\n\
             CREATE TABLE d.b (id INT PRIMARY KEY, v INT) ENGINE=InnoDB;\n\
             CREATE TABLE d.c (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES d.b (id) \
             ON DELETE CASCADE) ENGINE=InnoDB;\n\
             CREATE TABLE d.log (id INT AUTO_INCREMENT PRIMARY KEY, said VARCHAR(20))";
        let mut stage = Stage::begin(server, setup).await?;
        stage
            .expect(
                "INSERT INTO d.a VALUES (1, 1), (2, 2);\n\
                 INSERT INTO d.b SELECT id, v + 10 FROM d.a ORDER BY id;\n\
                 INSERT INTO d.a VALUES (2, 2) ON DUPLICATE KEY UPDATE v = 5;\n\
                 INSERT IGNORE INTO d.b VALUES (2, 0), (3, 0);\nREPLACE INTO d.b VALUES (3, 7)",
                &[
                    "d.a> +I[1, 1]",
                    "d.a> +I[2, 2]",
                    "d.b> +I[1, 11]",
                    "d.b> +I[2, 12]",
                    "d.a> -U[2, 2]",
                    "d.a> +U[2, 5]",
                    "d.b> +I[3, 0]",
                    // Another table refers to it: no update in place.
                    "d.b> -D[3, 0]",
                    "d.b> +I[3, 7]",
                ],
            )
            .await?;
        // Values of a unique key, and keys, that change places within one transaction.
        stage
            .expect(
                "BEGIN;\nUPDATE d.a SET v = NULL WHERE id = 1;\nUPDATE d.a SET v = 1 WHERE id = 2;\n\
                 UPDATE d.a SET v = 5 WHERE id = 1;\nUPDATE d.a SET id = 3 WHERE id = 1;\n\
                 UPDATE d.a SET id = 1 WHERE id = 2;\nUPDATE d.a SET id = 2 WHERE id = 3;\nCOMMIT",
                &[
                    "d.a> -U[1, 1]",
                    "d.a> +U[1, NULL]",
                    "d.a> -U[2, 5]",
                    "d.a> +U[2, 1]",
                    "d.a> -U[1, NULL]",
                    "d.a> +U[1, 5]",
                    "d.a> -D[1, 5]",
                    "d.a> +I[3, 5]",
                    "d.a> -D[2, 1]",
                    "d.a> +I[1, 1]",
                    "d.a> -D[3, 5]",
                    "d.a> +I[2, 5]",
                ],
            )
            .await?;
        stage
            .expect(
                "CREATE TRIGGER d.told AFTER DELETE ON d.a FOR EACH ROW \
                 INSERT INTO d.log (said) VALUES (CONCAT('gone ', OLD.id));\n\
                 UPDATE d.a JOIN d.b USING (id) SET d.a.v = 8, d.b.v = 9 WHERE id = 1",
                &["d.a> -U[1, 1]", "d.a> +U[1, 8]", "d.b> -U[1, 11]", "d.b> +U[1, 9]"],
            )
            .await?;
        server.sql("DELETE d.a, d.b FROM d.a JOIN d.b USING (id) WHERE id = 2").await?;
        let mut lines = stage.lines().await?;
        // Each table's rows are logged together, in an order of the server's.
        lines.sort();
        ensure!(lines == ["d.a> -D[2, 5]", "d.b> -D[2, 12]", "d.log> +I[1, gone 2]"], "{lines:?}");
        cascade(server, &mut stage).await?;
        loaded(server, &mut stage).await
    })
    .await
}

/// Rows that go with the row they refer to: InnoDB deletes them below the binlog, up to MySQL 9.6.
async fn cascade(server: &Server, stage: &mut Stage<'_>) -> Result<()> {
    server.sql("INSERT INTO d.c VALUES (1, 3), (2, 1);\nDELETE FROM d.b WHERE id = 3").await?;
    let mut lines = stage.lines().await?;
    lines.sort();
    let mut expected = vec!["d.b> -D[3, 7]", "d.c> +I[1, 3]", "d.c> +I[2, 1]"];
    if server.kind.software() == "mysql9" {
        expected.insert(3, "d.c> -D[1, 3]");
    }
    ensure!(lines == expected, "{lines:?}, expected {expected:?}");
    Ok(())
}

async fn loaded(server: &Server, stage: &mut Stage<'_>) -> Result<()> {
    let path = server.dir().join("tmp/rows");
    std::fs::write(&path, "70\t70\n71\t\\N\n")?;
    let load = format!("LOAD DATA INFILE '{}' INTO TABLE d.a", path.display());
    stage.expect(&load, &["d.a> +I[70, 70]", "d.a> +I[71, NULL]"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_from_a_query_comes_with_its_rows() -> Result<()> {
    // MySQL 5.6 refuses it with GTIDs.
    let kinds = [Kind::MySql9Gtid, Kind::MySql9NoGtid, Kind::MySql56, Kind::MariaDb];
    on_servers(&kinds, &[], async |server| {
        let mut stage = Stage::begin(server, TWO_ENGINES).await?;
        stage
            .expect("INSERT INTO d.i VALUES (1, 1), (2, 2)", &["d.i> +I[1, 1]", "d.i> +I[2, 2]"])
            .await?;
        stage
            .expect(
                "CREATE TABLE d.made (PRIMARY KEY (id)) SELECT id, CONCAT('é', v) AS t FROM d.i;\n\
                 UPDATE d.made SET t = 'x' WHERE id = 2",
                &[
                    "d.made> DDL CREATE TABLE…",
                    "d.made> +I[1, é1]",
                    "d.made> +I[2, é2]",
                    "d.made> -U[2, é2]",
                    "d.made> +U[2, x]",
                ],
            )
            .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_take_rows_without_logging_them_are_told() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let setup = "CREATE TABLE d.p (id INT PRIMARY KEY, v INT) ENGINE=InnoDB \
             PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), \
             PARTITION high VALUES LESS THAN (20));\n\
             CREATE TABLE d.x (id INT PRIMARY KEY, v INT) ENGINE=InnoDB";
        let mut stage = Stage::begin(server, setup).await?;
        stage
            .expect(
                "INSERT INTO d.p VALUES (1, 1), (11, 1);\nINSERT INTO d.x VALUES (2, 2);\n\
                 ALTER TABLE d.p EXCHANGE PARTITION low WITH TABLE d.x;\n\
                 ALTER TABLE d.p TRUNCATE PARTITION high;\nUPDATE d.p SET v = 5;\n\
                 TRUNCATE TABLE d.x;\nALTER TABLE d.p DROP PARTITION low;\nDROP TABLE d.p",
                &[
                    "d.p> +I[1, 1]",
                    "d.p> +I[11, 1]",
                    "d.x> +I[2, 2]",
                    "d.p> DDL ALTER TABLE d.p EXCHANGE PARTITION…",
                    "d.p> DDL ALTER TABLE d.p TRUNCATE PARTITION high",
                    "d.p> -U[2, 2]",
                    "d.p> +U[2, 5]",
                    "d.x> DDL TRUNCATE TABLE d.x",
                    "d.p> DDL ALTER TABLE d.p DROP PARTITION low",
                    "d.p> DDL DROP TABLE `d`.`p`…",
                ],
            )
            .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_comments_of_every_shape_are_read_as_the_server_reads_them() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let mut stage = Stage::begin(server, "CREATE TABLE d.i (id INT PRIMARY KEY, v INT)").await?;
        let names = ["a.b", "sp ace", "q``t", "d\"q", "s'q", "表", "select", "1e5", "Ünï", "b\\s"];
        for name in names {
            let shown = name.replace("``", "`").replace('\\', "\\\\");
            let lines = [
                format!("d.{shown}> DDL CREATE TABLE…"),
                format!("d.{shown}> +I[1, 😀]"),
                format!("d.{shown}> DDL ALTER TABLE…"),
                format!("d.{shown}> +I[2, b, 2]"),
                format!("d.{shown}> DDL DROP TABLE…"),
            ];
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let sql = format!(
                "CREATE TABLE d.`{name}` (`{name}` INT PRIMARY KEY, b VARCHAR(9)) CHARSET utf8mb4;\n\
                 INSERT INTO d.`{name}` VALUES (1, '😀');\n\
                 ALTER TABLE d.`{name}` ADD COLUMN `c, d` INT;\n\
                 INSERT INTO d.`{name}` VALUES (2, 'b', 2);\nDROP TABLE d.`{name}`"
            );
            stage.expect(&sql, &lines).await?;
        }
        comments(&mut stage).await
    })
    .await
}

async fn comments(stage: &mut Stage<'_>) -> Result<()> {
    let mut columns = "1, 1".to_owned();
    stage.expect("INSERT INTO d.i VALUES (1, 1)", &["d.i> +I[1, 1]"]).await?;
    let changes = [
        "/* it's the app's */ ALTER TABLE d.i ADD COLUMN a INT",
        "-- it's a /* remark\nALTER TABLE d.i /*!50100 ADD COLUMN b INT */",
        "# another\nALTER TABLE d.i ADD c INT -- , ADD d INT",
        "ALTER TABLE d.i /*!50100 ADD COLUMN d INT, */ /*!999999 ADD COLUMN never INT, */ ADD e INT",
        "ALTER TABLE d.i ADD f INT COMMENT '/*!50100 ADD x INT */ -- it''s, # ADD y INT'",
        "SET sql_mode = 'ANSI_QUOTES';\nALTER TABLE \"d\".\"i\" ADD \"g /*\" INT",
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES';\nALTER TABLE d.i ADD h INT COMMENT 'back\\'",
        "USE d;\nALTER TABLE /*M! IGNORED, */ i ADD k INT",
        "USE d;\nALTER TABLE i ADD l INT /*M! UNSIGNED */",
    ];
    let mut added = 0;
    for sql in changes {
        // MySQL runs the one, MariaDB the other: each as it reads it.
        let is_mariadb = stage.server.kind == Kind::MariaDb;
        if is_mariadb && sql.contains("IGNORED") {
            continue;
        }
        added += if sql.contains("ADD COLUMN d INT") { 2 } else { 1 };
        stage.server.sql(sql).await?;
        let before = columns.clone();
        columns = format!("1, {}{}", 100 + added, ", NULL".repeat(added));
        let row = format!("UPDATE d.i SET v = {}", 100 + added);
        stage.server.sql(&row).await?;
        let lines = stage.lines().await?;
        let last = lines.last().with_context(|| format!("nothing came of {sql}"))?;
        ensure!(*last == format!("d.i> +U[{columns}]"), "{sql}\n{before}\n{lines:#?}");
        ensure!(lines.len() == 3, "{sql}: {lines:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_logged_as_a_statement_end_the_job_with_the_statement() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        let file = server.dir().join("tmp/rows");
        std::fs::write(&file, "90\t1\n")?;
        let load = format!("LOAD DATA INFILE '{}' INTO TABLE d.i", file.display());
        let setup = format!(
            "{TWO_ENGINES};\nCREATE TABLE o.i (id INT PRIMARY KEY, v INT);\n\
             CREATE FUNCTION d.f() RETURNS INT DETERMINISTIC MODIFIES SQL DATA \
             BEGIN INSERT INTO d.i VALUES (80, 1); RETURN 1; END"
        );
        let mut stage = Stage::begin(server, &setup).await?;
        let other = "SET binlog_format = 'STATEMENT';\nINSERT INTO o.i VALUES (1, 1);\n\
             UPDATE o.i SET v = 2;\nDELETE FROM o.i";
        stage.expect(other, &[]).await?;
        stage
            .expect(
                &format!("SET binlog_format = 'STATEMENT';\n{}", load.replace("d.i", "o.i")),
                &[],
            )
            .await?;
        for (sql, words) in [
            ("INSERT INTO d.i VALUES (60, 1)", "INSERT logged as a statement"),
            (
                "USE d;\nDELETE i FROM o.i AS x, i WHERE x.id = i.id + 1000",
                "DELETE logged as a statement",
            ),
            (&*load, "LOAD logged as a statement"),
            ("SELECT d.f()", "SELECT logged as a statement"),
        ] {
            server.sql(&format!("SET binlog_format = 'STATEMENT';\n{sql}")).await?;
            stage
                .ends(&[words, "binlog_format=ROW", "--from none"])
                .await
                .context(sql.to_owned())?;
            stage.start(&["--from", "none"]).await?;
            stage.job.next_checkpoint().await?;
        }
        stage.job.sigterm().await
    })
    .await
}

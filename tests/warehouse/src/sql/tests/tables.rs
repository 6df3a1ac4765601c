//! Tables and their changes, over the port.

use super::*;

#[tokio::test]
async fn databases_and_tables_come_and_go_and_are_listed() {
    for system in [System::Doris, System::StarRocks] {
        let mut port = Port::with_orders(system).await;
        assert_eq!(port.rows("SHOW DATABASES").await, [["information_schema"], ["shop"]]);
        assert_eq!(port.rows("SHOW TABLES FROM shop").await, [["orders"]]);
        assert_eq!(port.refusal("CREATE DATABASE shop").await.0, 1007);
        assert_eq!(port.refusal("DROP DATABASE gone").await.0, 1008);
        port.run("DROP DATABASE IF EXISTS gone").await;
        let created = port.rows("SHOW CREATE TABLE orders").await[0][1].clone();
        assert_eq!(port.refusal(&created).await.0, 1050);
        port.run("DROP TABLE orders FORCE").await;
        port.run("DROP TABLE IF EXISTS orders").await;
        assert!(port.refusal("DROP TABLE orders").await.1.contains("Unknown table 'orders'"));
        port.run(&created).await;
        assert_eq!(port.rows("SHOW CREATE TABLE orders").await[0][1], created);
        port.run("DROP DATABASE shop").await;
        assert_eq!(port.refusal("SHOW TABLES").await.0, 1049);
    }
}

#[tokio::test]
async fn columns_are_described_as_each_server_does() {
    let mut port = Port::with_orders(System::Doris).await;
    let sql = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, \
               NUMERIC_PRECISION, NUMERIC_SCALE, COLUMN_KEY, IS_NULLABLE, COLUMN_DEFAULT, \
               COLUMN_COMMENT FROM information_schema.COLUMNS \
               WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'orders' ORDER BY ORDINAL_POSITION";
    assert_eq!(
        port.rows(sql).await,
        [
            ["id", "int", "int(11)", "NULL", "10", "0", "UNI", "NO", "NULL", "key"],
            ["name", "varchar", "varchar(8)", "8", "NULL", "NULL", "", "YES", "none", ""],
            ["paid", "decimal", "decimal(38,10)", "NULL", "38", "10", "", "YES", "NULL", ""],
            ["at", "datetime", "datetime(6)", "NULL", "NULL", "NULL", "", "YES", "NULL", ""],
            [
                "big",
                "bigint unsigned",
                "bigint(20) unsigned",
                "NULL",
                "39",
                "0",
                "",
                "YES",
                "NULL",
                ""
            ],
        ]
    );
    assert_eq!(port.rows("DESC orders").await[0], ["id", "int", "No", "true", "NULL", ""]);
    let full = port.rows("SHOW FULL COLUMNS FROM `orders` FROM `shop` LIKE 'i%'").await;
    assert_eq!(full, [["id", "int", "NULL", "NO", "YES", "NULL", "", "", "key"]]);

    let mut port = Port::with_orders(System::StarRocks).await;
    assert_eq!(port.rows(sql).await[0][6], "PRI");
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
    assert_eq!(port.rows(tables).await, [["orders"]]);
    let names: Vec<String> = port
        .client
        .exec("SELECT SCHEMA_NAME FROM information_schema.schemata ORDER BY 1", ())
        .await
        .unwrap();
    assert_eq!(names, ["information_schema", "shop"]);
}

/// Row 36 of Doris' checklist, 37 of StarRocks'.
#[tokio::test]
async fn a_column_added_or_dropped_again_is_refused_and_the_schema_says_what_is_there() {
    for system in [System::Doris, System::StarRocks] {
        let mut port = Port::with_orders(system).await;
        port.load(&[], "1\ta\t\\N\t\\N\t\\N\n");
        let note = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'note'";
        for (sql, there, text) in [
            (
                "ALTER TABLE shop.orders ADD COLUMN note VARCHAR(9) DEFAULT 'new'",
                "1",
                "already exists",
            ),
            ("ALTER TABLE orders DROP COLUMN note", "0", "does not exist"),
        ] {
            port.run(sql).await;
            assert_eq!(port.rows(note).await, [[there]]);
            let (_, refusal) = port.refusal(sql).await;
            assert!(refusal.contains(text), "{refusal}");
            assert_eq!(port.rows(note).await, [[there]]);
        }
        assert_eq!(port.rows("SELECT * FROM orders").await, [["1", "a", "NULL", "NULL", "NULL"]]);
    }
}

async fn job(port: &mut Port) -> String {
    let sql = "SHOW ALTER TABLE COLUMN FROM shop WHERE TableName='orders' \
               ORDER BY CreateTime DESC LIMIT 1";
    port.rows(sql).await.first().map_or("none".to_owned(), |row| row[9].clone())
}

/// Row 35 of both checklists.
#[tokio::test]
async fn a_heavy_change_is_listed_in_every_state_and_refuses_a_second_one() {
    for (system, busy) in [
        (System::Doris, "Table[orders]'s state(SCHEMA_CHANGE) is not NORMAL"),
        (System::StarRocks, "A schema change operation is in progress on the table \"orders\""),
    ] {
        let mut port = Port::with_orders(system).await;
        assert_eq!(job(&mut port).await, "none");
        port.load(&[], "1\t10\t\\N\t\\N\t\\N\n");
        let open = port.prepare(&[], "2\t20\t\\N\t\\N\t\\N\n");
        port.run(
            "ALTER TABLE orders MODIFY COLUMN name VARCHAR(20) DEFAULT 'none', ADD COLUMN n INT",
        )
        .await;
        if system == System::Doris {
            assert_eq!(job(&mut port).await, "FINISHED", "a longer VARCHAR is light");
            port.run("ALTER TABLE orders ORDER BY (id, n, name, paid, at, big)").await;
        }
        for state in ["PENDING", "WAITING_TXN", "WAITING_TXN"] {
            assert_eq!(job(&mut port).await, state);
            let (_, text) = port.refusal("ALTER TABLE orders ADD COLUMN more INT").await;
            assert!(text.contains(busy), "{text}");
            port.pass(1);
        }
        port.load(&[("columns", "id,name")], "3\t30\n");
        port.commit(open);
        assert_eq!(job(&mut port).await, "RUNNING");
        port.pass(1);
        assert_eq!(job(&mut port).await, "FINISHED");
        port.load(&[("columns", "id,n")], "4\t40\n");
        let rows = port.rows("SELECT id, name, n FROM orders ORDER BY id").await;
        let expected =
            [["1", "10", "NULL"], ["2", "20", "NULL"], ["3", "30", "NULL"], ["4", "none", "40"]];
        assert_eq!(rows, expected, "{system:?}");
    }
}

/// Row 35 of both checklists.
#[tokio::test]
async fn a_job_is_cancelled_by_a_value_that_does_not_fit_and_by_a_person() {
    for system in [System::Doris, System::StarRocks] {
        let mut port = Port::open(system).await;
        let kind = if system == System::Doris { "UNIQUE" } else { "PRIMARY" };
        port.run(&format!(
            "CREATE TABLE orders (id INT NOT NULL, name VARCHAR(8)) {kind} KEY(id) DISTRIBUTED BY \
             HASH(id) BUCKETS 1 PROPERTIES ('replication_num'='1')"
        ))
        .await;
        port.load(&[], "1\tmany\n");
        port.run("ALTER TABLE orders MODIFY COLUMN name INT").await;
        port.pass(2);
        assert_eq!(job(&mut port).await, "CANCELLED");
        port.run("ALTER TABLE orders MODIFY COLUMN name INT").await;
        port.run("CANCEL ALTER TABLE COLUMN FROM shop.orders").await;
        assert_eq!(job(&mut port).await, "CANCELLED");
        assert_eq!(
            port.with(|state| state
                .jobs
                .of("shop")
                .filter(|job| job.state == JobState::Cancelled)
                .count()),
            2
        );
        assert!(
            port.refusal("CANCEL ALTER TABLE COLUMN FROM orders").await.1.contains("not under")
        );
        assert_eq!(port.rows("SELECT * FROM orders").await, [["1", "many"]]);
    }
}

/// Row 36 of StarRocks' checklist.
#[tokio::test]
async fn after_a_rename_its_old_name_is_no_new_columns() {
    let mut port = Port::with_orders(System::StarRocks).await;
    port.run("ALTER TABLE orders RENAME COLUMN name TO title").await;
    let (_, text) = port.refusal("ALTER TABLE orders ADD COLUMN name INT").await;
    assert!(text.contains("already exists in column id: name"), "{text}");
    assert_eq!(job(&mut port).await, "none");
}

/// Row 37 of Doris' checklist.
#[tokio::test]
async fn a_load_that_names_a_column_which_is_gone_is_refused() {
    let mut port = Port::with_orders(System::Doris).await;
    port.run("ALTER TABLE orders DROP COLUMN name").await;
    let headers = [("columns", "id,name")].into_iter().collect();
    let options = Options::parse(System::Doris, &headers).unwrap();
    let table = port.with(|state| state.table_of_load(&TableName::new("shop", "orders"))).unwrap();
    let refusal = ingest(System::Doris, &table, &options, b"1\ta\n").unwrap_err();
    assert!(refusal.message.contains("Unknown column 'name'"), "{refusal}");
}

/// Row 38 of Doris' checklist, 39 of StarRocks'.
#[tokio::test]
async fn a_truncate_before_the_commit_loses_the_rows_that_wait_for_it() {
    for system in [System::Doris, System::StarRocks] {
        let mut port = Port::with_orders(system).await;
        let txn = port.prepare(&[], "1\ta\t\\N\t\\N\t\\N\n");
        port.run("TRUNCATE TABLE shop.orders").await;
        port.commit(txn);
        assert_eq!(port.rows("SELECT count(*) FROM orders").await, [["0"]]);
    }
}

/// Row 38 of StarRocks' checklist.
#[tokio::test]
async fn keys_that_a_primary_key_table_cannot_have_are_refused() {
    let mut port = Port::open(System::StarRocks).await;
    for (columns, text) in [
        ("id DECIMAL(10,2) NOT NULL, v INT", "type not supported"),
        ("id CHAR(9) NOT NULL, v INT", "type not supported"),
        ("v INT, id INT NOT NULL", "ordered prefix"),
        ("id INT NULL, v INT", "cannot be nullable"),
    ] {
        let sql = format!(
            "CREATE TABLE t ({columns}) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) \
             PROPERTIES('replication_num'='1')"
        );
        let (code, refusal) = port.refusal(&sql).await;
        assert_eq!(code, 1064);
        assert!(refusal.contains(text), "{refusal}");
    }
}

#[tokio::test]
async fn a_default_of_the_current_time_is_the_time_of_the_load() {
    let mut port = Port::open(System::Doris).await;
    port.run(
        "CREATE TABLE orders (id INT, at DATETIME DEFAULT CURRENT_TIMESTAMP) UNIQUE KEY(id) \
         DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES ('replication_num'='1')",
    )
    .await;
    port.skip(Duration::from_secs(86_400));
    port.load(&[("columns", "id"), ("strict_mode", "true")], "1\n");
    let rows = port.rows("SELECT at <= NOW(), at > '2024-01-01' FROM orders").await;
    assert_eq!(rows, [["1", "1"]]);
}

//! `seachange verify` tells a target that equals its source from one that does not, names the rows, and is
//! not deceived by a target that is behind.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use serde_json::Value;
use tests::matrix::Table;
use tests::server::on_servers;
use tests::warehouse::{Fleet, System, arrived, for_each_system};
use tests::{Job, Kind, Script, Server, Warehouse, say};

const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(120);
const EQUAL: i32 = 0;
const NOT_EQUAL: i32 = 3;

/// The report of `seachange verify JOB --json` with these arguments, and its exit code.
fn verify(job: &Job, arguments: &[&str]) -> Result<(i32, Value)> {
    let (path, state) = (job.path().to_string_lossy().into_owned(), job.state_url());
    let fixed = ["verify", &path, "--state", &state, "--json"];
    let (code, out, err) = job.command(&[&fixed[..], arguments].concat())?;
    let report = serde_json::from_str(&out).with_context(|| format!("{code}: `{out}`\n{err}"))?;
    Ok((code, report))
}

/// Everything is equal, in so many tables. The rows that were compared.
fn equal(job: &Job, tables: usize, arguments: &[&str]) -> Result<u64> {
    let (code, report) = verify(job, arguments)?;
    ensure!(code == EQUAL, "exit code {code}: {report:#}");
    let listed = at(&report, "/tables").as_array().map_or(0, Vec::len);
    ensure!(listed == tables, "{listed} tables, not {tables}: {report:#}");
    let tables = at(&report, "/tables").as_array().into_iter().flatten();
    let mut rows = 0;
    for table in tables {
        let (source, target) = (at(table, "/rows_source"), at(table, "/rows_target"));
        ensure!(source == target, "{table:#}");
        rows += source.as_u64().context("rows")?;
    }
    Ok(rows)
}

/// What stands there, or null.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn word<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `id: what (columns)` of each key that is named, sorted.
fn named(table: &Value) -> Vec<String> {
    let keys = at(table, "/keys").as_array().into_iter().flatten();
    let mut named: Vec<String> = keys
        .map(|key| {
            let columns = at(key, "/columns").as_array().into_iter().flatten();
            let columns: Vec<&str> = columns.map(|column| word(column, "name")).collect();
            format!(
                "{}: {} ({})",
                word(at(key, "/key"), "id"),
                word(key, "what"),
                columns.join(", ")
            )
        })
        .collect();
    named.sort();
    named
}

/// Three tables: a key in order, one of text, and none.
async fn shop(server: &Server) -> Result<()> {
    server
        .sql(
            "DROP DATABASE IF EXISTS shop;\nCREATE DATABASE shop DEFAULT CHARACTER SET utf8mb4;\n\
             CREATE TABLE shop.orders (id INT PRIMARY KEY, v INT, note VARCHAR(40));\n\
             CREATE TABLE shop.people (id VARCHAR(20) PRIMARY KEY, v INT);\n\
             CREATE TABLE shop.log (at DATETIME(3), v INT);\n\
             CREATE TABLE shop.mark (id INT PRIMARY KEY)",
        )
        .await?;
    let orders: Vec<String> = (1..=3_000).map(|n| format!("({n}, {n}, 'n {n}')")).collect();
    server.sql(&format!("INSERT INTO shop.orders VALUES {}", orders.join(", "))).await?;
    let people: Vec<String> = (1..=700).map(|n| format!("('p{n}', {n})")).collect();
    server.sql(&format!("INSERT INTO shop.people VALUES {}", people.join(", "))).await?;
    server
        .sql("INSERT INTO shop.log VALUES ('2024-02-29 10:00:00.5', 1), (NULL, 2), (NULL, 2)")
        .await
}

fn script(server: &Server, warehouse: &Warehouse) -> Script {
    let script = Script::new("shop", server, "shop", ".*").into_warehouse(warehouse);
    // So that rows can be planted without a sequence.
    if warehouse.system == System::Doris { script.option("sink.sequence", "false") } else { script }
}

/// Writes a last row and waits for it.
async fn caught_up(server: &Server, job: &mut Job, warehouse: &Warehouse, n: u32) -> Result<()> {
    server.sql(&format!("INSERT INTO shop.mark VALUES ({n})")).await?;
    let query = format!("SELECT id FROM shop.mark WHERE id = {n}");
    arrived(job, warehouse, &query, PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_in_the_target_is_named_exactly() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| planted(server, warehouse).await).await
    })
    .await
}

async fn planted(server: &Server, warehouse: &Warehouse) -> Result<()> {
    shop(server).await?;
    let mut job = Job::new("shop")?;
    job.script(&script(server, warehouse))?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    caught_up(server, &mut job, warehouse, 1).await?;
    equal(&job, 4, &[])?;

    warehouse.load("shop", "orders", "p1", "5\t-5\tn 5\n3001\t1\tmore\n").await?;
    warehouse.delete("shop", "orders", "p2", "id, v, note", "9\t9\tn 9\n").await?;
    warehouse.load("shop", "people", "p3", "p7\t70\nq\t1\nP8\t8\n").await?;
    warehouse.delete("shop", "people", "p4", "id, v", "p9\t9\n").await?;
    warehouse.load("shop", "log", "p5", "\\N\t2\n").await?;
    // While the job runs, and after it: nothing has happened in the source since.
    check_planted(&job, &["--wait", "30s"])?;
    job.sigterm().await?;
    check_planted(&job, &["--wait", "1s"])?;
    let (_, shown) = verify(&job, &["--wait", "1s", "--show-values", "--tables", "shop\\.orders"])?;
    ensure!(shown.to_string().contains("\"-5\""), "{shown:#}");
    let (_, few) = verify(&job, &["--wait", "1s", "--keys", "1", "--tables", "shop\\.orders"])?;
    ensure!(named(at(&few, "/tables/0")).len() == 1, "{few:#}");
    Ok(())
}

fn check_planted(job: &Job, arguments: &[&str]) -> Result<()> {
    let (code, report) = verify(job, arguments)?;
    ensure!(code == NOT_EQUAL, "exit code {code}: {report:#}");
    let table = |name: &str| {
        let tables = at(&report, "/tables").as_array().into_iter().flatten();
        tables.into_iter().find(|table| word(table, "table") == name).context(name.to_owned())
    };
    let orders = table("shop.orders")?;
    let expected = ["3001: only in the target ()", "5: differs (v)", "9: only in the source ()"];
    ensure!(named(orders) == expected, "{orders:#}");
    ensure!(at(orders, "/settled") == true && at(orders, "/rows_source") == 3_000, "{orders:#}");
    let people = table("shop.people")?;
    let expected = [
        // Of a collation without case it is no other key in the source, and one in the target.
        "P8: only in the target ()",
        "p7: differs (v)",
        "p9: only in the source ()",
        "q: only in the target ()",
    ];
    ensure!(named(people) == expected, "{people:#}");
    let log = table("shop.log")?;
    ensure!(word(log, "state") == "differs" && at(log, "/rows_target") == 4, "{log:#}");
    ensure!(word(table("shop.mark")?, "state") == "equal", "{report:#}");
    ensure!(!report.to_string().contains("\"-5\""), "values are shown: {report:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_behind_its_source_is_told_as_such() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| {
            shop(server).await?;
            let mut job = Job::new("shop")?;
            job.script(&script(server, warehouse))?;
            job.start(&[])?;
            job.live(PATIENCE).await?;
            caught_up(server, &mut job, warehouse, 1).await?;
            job.sigterm().await?;
            server.sql("UPDATE shop.orders SET v = 0 WHERE id = 17").await?;
            let (code, report) = verify(&job, &["--wait", "1s", "--tables", "shop\\.orders"])?;
            let orders = at(&report, "/tables/0");
            ensure!(code == NOT_EQUAL && at(orders, "/settled") == false, "{code}: {report:#}");
            ensure!(named(orders) == ["17: differs (v)"], "{report:#}");
            job.start(&[])?;
            caught_up(server, &mut job, warehouse, 2).await?;
            equal(&job, 4, &["--rows-per-second", "20000", "--parallelism", "1"])?;
            job.sigterm().await
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_writers_a_target_that_is_right_is_equal() -> Result<()> {
    // The stand-in compares no LARGEINT above 63 bits.
    const LOOKS: u32 = 4;
    const TABLES: &str = "fleet_.\\.(t_int|t_comp|t_ci|t_bin|t_dt|by_.*|moving|mark)";
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| {
            let mut fleet = Fleet::load(server, 600).await?;
            let mut job = Job::new("verified")?;
            job.script(&Fleet::script("verified", server, warehouse))?;
            job.start(&[])?;
            job.live(PATIENCE).await?;
            fleet.start(server, 300).await?;
            fleet.reach(fleet.changes() + 300, PATIENCE).await?;
            for _ in 0..LOOKS {
                let (code, report) = verify(&job, &["--tables", TABLES])?;
                ensure!(code == EQUAL, "{code}: {report:#}");
            }
            fleet.quiesce().await?;
            fleet.last_change(server, &mut job, warehouse, PATIENCE).await?;
            equal(&job, 16, &["--tables", TABLES])?;
            equal(&job, 3, &["--tables", "fleet_k\\.log_."])?;
            job.sigterm().await
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_of_every_type_equals_what_arrived() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| types(server, warehouse).await).await
    })
    .await
}

async fn types(server: &Server, warehouse: &Warehouse) -> Result<()> {
    const TEXT_BYTES_MAX: u64 = 1 << 20;
    let mut conn = server.conn().await?;
    conn.query_drop("SET time_zone = '+00:00', sql_mode = ''").await?;
    conn.query_drop("DROP DATABASE IF EXISTS shop").await?;
    conn.query_drop("CREATE DATABASE shop DEFAULT CHARACTER SET utf8mb4").await?;
    conn.query_drop("CREATE TABLE shop.mark (id INT PRIMARY KEY)").await?;
    let tables = Table::all(server.kind)?;
    let mut values = 0;
    for table in &tables {
        conn.query_drop(table.create("shop")).await.context(table.declaration.clone())?;
        let is_bytes = table.declaration.to_lowercase().contains("blob");
        let max = if is_bytes { TEXT_BYTES_MAX / 4 * 3 } else { TEXT_BYTES_MAX };
        for (at, cell) in table.cells.iter().enumerate() {
            let length = match &*cell.value {
                "" => None,
                value => conn.query_first(format!("SELECT LENGTH({value})")).await?,
            };
            if length.flatten().is_none_or(|length: u64| length <= max) {
                conn.query_drop(table.insert("shop", at + 1, &cell.value)).await?;
                values += 1;
            }
        }
        // Generated columns and those with NOT NULL refuse it.
        let _ = conn.query_drop(table.insert("shop", table.cells.len() + 1, "NULL")).await;
    }
    let mut job = Job::new("shop")?;
    job.script(&script(server, warehouse).set("table.local-time-zone", "Asia/Shanghai"))?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    caught_up(server, &mut job, warehouse, 1).await?;
    let rows = equal(&job, tables.len() + 1, &["--parallelism", "4"])?;
    ensure!(rows > values && values > 500, "{rows} rows of {values} values");
    say(format!("{values} values"));
    job.sigterm().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_merged_shards_are_those_of_all_of_them() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        for_each_system(async |warehouse| {
            server.sql("DROP DATABASE IF EXISTS shop;\nCREATE DATABASE shop").await?;
            server.sql("CREATE TABLE shop.mark (id INT PRIMARY KEY)").await?;
            for n in 0..3 {
                server
                    .sql(&format!(
                        "CREATE TABLE shop.orders_{n} (id INT PRIMARY KEY, v INT);\n\
                         INSERT INTO shop.orders_{n} VALUES ({n}1, 1), ({n}2, 2), ({n}3, 3)"
                    ))
                    .await?;
            }
            let mut job = Job::new("shop")?;
            let script = script(server, warehouse)
                .option("split.enable", "true")
                .option("split.match_number_regex", "_[0-9]+")
                .option("split.max_match_value", "100");
            job.script(&script)?;
            job.start(&[])?;
            job.live(PATIENCE).await?;
            caught_up(server, &mut job, warehouse, 1).await?;
            equal(&job, 2, &[])?;
            warehouse.load("shop", "orders", "s1", "12\t5\n77\t7\n").await?;
            warehouse.delete("shop", "orders", "s2", "id, v", "23\t3\n").await?;
            let (code, report) = verify(&job, &["--tables", "shop\\.orders_1"])?;
            let orders = at(&report, "/tables/0");
            let expected =
                ["12: differs (v)", "23: only in the source ()", "77: only in the target ()"];
            ensure!(code == NOT_EQUAL && named(orders) == expected, "{code}: {report:#}");
            ensure!(
                at(orders, "/rows_source") == 9 && at(orders, "/rows_target") == 9,
                "{report:#}"
            );
            job.sigterm().await
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_and_a_sink_that_cannot_be_read_are_said_so() -> Result<()> {
    on_servers(&SERVERS[..1], &[], async |server| {
        for_each_system(async |warehouse| {
            shop(server).await?;
            let mut job = Job::new("shop")?;
            let text = Script::new("shop", server, "shop", ".*")
                .sink_into("sink[0]", warehouse)
                .option("sink[1].connector", "blackhole");
            job.script(&text)?;
            let (path, state) = (job.path().to_string_lossy().into_owned(), job.state_url());
            let (code, _, err) = job.command(&["verify", &path, "--state", &state])?;
            ensure!(code == 1 && err.contains("no snapshot"), "{code}: {err}");
            job.start(&[])?;
            job.live(PATIENCE).await?;
            caught_up(server, &mut job, warehouse, 1).await?;
            job.sigterm().await?;
            warehouse.sql("DROP TABLE shop.people").await?;
            let (code, out, err) =
                job.command(&["verify", &path, "--state", &state, "--wait", "1s"])?;
            ensure!(code == NOT_EQUAL, "{code}: {out}{err}");
            for part in ["shop.people", "missing", "sink[1]: `blackhole` keeps no tables"] {
                ensure!(out.contains(part), "{part}: {out}");
            }
            ensure!(!out.contains(tests::warehouse::PASSWORD), "{out}");
            Ok(())
        })
        .await
    })
    .await
}

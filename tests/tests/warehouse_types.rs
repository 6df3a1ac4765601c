//! Every type: each declaration and value of `tests/types/matrix.tsv` arrives in both systems as
//! `docs/types.md` says, whether it was copied, inserted or put in place of another.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::Conn;
use mysql_async::prelude::*;
use tests::matrix::Table;
use tests::server::on_servers;
use tests::warehouse::{Comparison, Pair, System, arrived};
use tests::{Job, Kind, Script, Server, Warehouse, say};

const DB: &str = "types";
const SERVERS: [Kind; 2] = [Kind::MySql9Gtid, Kind::MariaDb];
const PATIENCE: Duration = Duration::from_secs(180);
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
/// Rows that are copied are numbered from 1, those that come later from these.
const INSERTED: usize = 1000;
const UPDATED: usize = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn every_value_of_every_type_arrives_as_the_page_of_types_says() -> Result<()> {
    on_servers(&SERVERS, &[], async |server| {
        let mut conn = server.conn().await?;
        conn.query_drop("SET time_zone = '+00:00', sql_mode = ''").await?;
        conn.query_drop(format!("CREATE DATABASE {DB} DEFAULT CHARACTER SET utf8mb4")).await?;
        conn.query_drop(format!("CREATE TABLE {DB}.mark (id INT PRIMARY KEY)")).await?;
        let mut tables = Table::all(server.kind)?;
        for table in &mut tables {
            conn.query_drop(table.create(DB)).await.context(table.declaration.clone())?;
            leave_out_too_long(&mut conn, table).await?;
            rows(&mut conn, table, 0).await?;
        }
        let (doris, starrocks) =
            (Warehouse::start(System::Doris).await?, Warehouse::start(System::StarRocks).await?);
        let mut job = Job::new("types")?;
        job.script(
            &Script::new("types", server, DB, ".*")
                .sink_into("sink[0]", &doris)
                .sink_into("sink[1]", &starrocks),
        )?;
        job.start(&[])?;
        job.live(PATIENCE).await?;
        for table in &tables {
            rows(&mut conn, table, INSERTED).await?;
            updates(&mut conn, table).await?;
        }
        conn.query_drop(format!("INSERT INTO {DB}.mark VALUES (1)")).await?;
        for warehouse in [&doris, &starrocks] {
            arrived(&mut job, warehouse, &format!("SELECT id FROM {DB}.mark"), PATIENCE).await?;
        }
        job.sigterm().await?;
        let pairs = pairs(&tables);
        for warehouse in [&doris, &starrocks] {
            let name = warehouse.system.name();
            let compared = Comparison::equal(server, warehouse, &pairs, VISIBLE_WITHIN).await;
            compared.with_context(|| format!("{name}, {}", declarations(&tables)))?;
        }
        values(server, &tables).await
    })
    .await
}

fn pairs(tables: &[Table]) -> Vec<Pair> {
    tables.iter().map(|table| Pair::same(&format!("{DB}.{}", table.name))).collect()
}

/// Which table is of which declaration, for a message.
fn declarations(tables: &[Table]) -> String {
    let short = |text: &str| text.chars().take(30).collect::<String>();
    let each = tables.iter().map(|table| format!("{}: {}", table.name, short(&table.declaration)));
    each.collect::<Vec<_>>().join("; ")
}

/// Nothing was compared if nothing was there.
async fn values(server: &Server, tables: &[Table]) -> Result<()> {
    let mut values: u64 = 0;
    for table in tables {
        values += server.value::<u64>(&format!("SELECT COUNT(*) FROM {DB}.{}", table.name)).await?;
    }
    say(format!("{values} values in {} tables", tables.len()));
    ensure!(values > 1_000, "only {values} values");
    Ok(())
}

/// Values that neither system takes: of more than 1 MiB as they arrive, of which bytes do in base64.
async fn leave_out_too_long(conn: &mut Conn, table: &mut Table) -> Result<()> {
    const TEXT_BYTES_MAX: u64 = 1 << 20;
    let is_bytes = table.declaration.to_lowercase().contains("blob");
    let max = if is_bytes { TEXT_BYTES_MAX / 4 * 3 } else { TEXT_BYTES_MAX };
    let mut fitting = Vec::new();
    for cell in &table.cells {
        let length = match &*cell.value {
            "" => None,
            value => conn.query_first::<Option<u64>, _>(format!("SELECT LENGTH({value})")).await?,
        };
        if length.flatten().is_none_or(|length| length <= max) {
            fitting.push(cell.clone());
        }
    }
    if fitting.len() < table.cells.len() {
        let left_out = table.cells.len() - fitting.len();
        say(format!("{}: {left_out} of its values are too long to arrive", table.declaration));
    }
    table.cells = fitting;
    Ok(())
}

/// One row for each value of the matrix, and one that is NULL where the column takes it.
async fn rows(conn: &mut Conn, table: &Table, first: usize) -> Result<()> {
    for (at, cell) in table.cells.iter().enumerate() {
        let insert = table.insert(DB, first + at + 1, &cell.value);
        conn.query_drop(&insert).await.with_context(|| format!("line {}", cell.line))?;
    }
    let null = table.insert(DB, first + table.cells.len() + 1, "NULL");
    // Generated columns and those with NOT NULL refuse it.
    let _ = conn.query_drop(null).await;
    Ok(())
}

/// Rows whose value takes the place of a NULL, where the column takes one.
async fn updates(conn: &mut Conn, table: &Table) -> Result<()> {
    for (at, cell) in table.cells.iter().enumerate() {
        let (id, name) = (UPDATED + at + 1, &table.name);
        if cell.value.is_empty() || conn.query_drop(table.insert(DB, id, "NULL")).await.is_err() {
            continue;
        }
        let update = format!("UPDATE {DB}.{name} SET v = {} WHERE id = {id}", cell.value);
        conn.query_drop(&update).await.with_context(|| format!("line {}", cell.line))?;
    }
    Ok(())
}

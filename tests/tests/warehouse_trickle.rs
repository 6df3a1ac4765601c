//! A thousand tables with a trickle of changes each: few connections to the warehouse, one load of a table
//! between two checkpoints, little memory, and every row arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::*;
use tests::server::on_servers;
use tests::warehouse::for_each_system;
use tests::{Job, Kind, Script, Server, Warehouse, eventually, say};

const TABLES: usize = 1000;
/// Each changes every table once.
const ROUNDS: u32 = 4;
/// Between two of them, beside what they take.
const PAUSE: Duration = Duration::from_millis(500);
const CONNECTIONS_MAX: usize = 8;
const MEMORY_MAX: u64 = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks at the connections.
const LOOK: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tables_share_connections_and_are_loaded_once_a_checkpoint() -> Result<()> {
    on_servers(&[Kind::any()?], &[], async |server| {
        for_each_system(async |warehouse| trickles(server, warehouse).await).await
    })
    .await
}

async fn trickles(server: &Server, warehouse: &Warehouse) -> Result<()> {
    tables(server).await?;
    let mut job = Job::new("trickle")?;
    job.script(
        &Script::new("trickle", server, "many", "t_.*")
            .into_warehouse(warehouse)
            .option("checkpoint", "2000"),
    )?;
    job.start(&[])?;
    job.live(PATIENCE).await?;
    let mut conn = server.conn().await?;
    let changes = async {
        for round in 1..=ROUNDS {
            for number in 0..TABLES {
                let sql = format!("UPDATE many.t_{number:04} SET v = v + {round} WHERE id = 1");
                conn.query_drop(sql).await?;
            }
            tokio::time::sleep(PAUSE).await;
        }
        all_there(warehouse, (1..=ROUNDS).sum()).await
    };
    let most = async {
        let mut most = 0;
        loop {
            most = most.max(connections(warehouse)?);
            if most > CONNECTIONS_MAX {
                return anyhow::Ok(most);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        changed = changes => changed?,
        most = most => anyhow::bail!("{} connections to the warehouse", most?),
    }
    let memory = job.peak_memory().context("no memory")?;
    job.sigterm().await?;
    say(format!("{TABLES} tables, peak {} MiB", memory >> 20));
    ensure!(memory < MEMORY_MAX, "{memory} bytes");
    loads(warehouse).await
}

async fn tables(server: &Server) -> Result<()> {
    let mut sql = "DROP DATABASE IF EXISTS many;\nCREATE DATABASE many".to_owned();
    for number in 0..TABLES {
        let table = format!("many.t_{number:04}");
        sql += &format!(";\nCREATE TABLE {table} (id INT PRIMARY KEY, v INT)");
        sql += &format!(";\nINSERT INTO {table} VALUES (1, 0)");
    }
    server.sql(&sql).await
}

/// Every table holds the sum of its changes.
async fn all_there(warehouse: &Warehouse, sum: u32) -> Result<()> {
    let expected = [[sum.to_string()]];
    for number in 0..TABLES {
        eventually("the last change", PATIENCE, async || {
            let rows = warehouse.rows(&format!("SELECT v FROM many.t_{number:04}")).await?;
            Ok(rows == expected)
        })
        .await?;
    }
    Ok(())
}

/// Of the job to the ports of the warehouse that take loads. `/proc/net/tcp`: proc(5).
fn connections(warehouse: &Warehouse) -> Result<usize> {
    const ESTABLISHED: &str = "01";
    let ports = warehouse.load_ports();
    let is_ours = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        let (remote, state) = (fields.next(), fields.next());
        let port = remote.and_then(|address| address.rsplit_once(':'));
        let port = port.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        state == Some(ESTABLISHED) && port.is_some_and(|port| ports.contains(&port))
    };
    Ok(std::fs::read_to_string("/proc/net/tcp")?.lines().filter(is_ours).count())
}

/// A label ends with the number of the load among those of its table and checkpoint.
async fn loads(warehouse: &Warehouse) -> Result<()> {
    let labels = warehouse.finished_transactions("many").await?;
    let mut of_checkpoint: BTreeMap<String, usize> = BTreeMap::new();
    for label in &labels {
        let (load, _) = label.rsplit_once('_').with_context(|| label.clone())?;
        *of_checkpoint.entry(load.to_owned()).or_default() += 1;
    }
    // StarRocks lists the newest thousand.
    ensure!(labels.len() >= TABLES, "only {} loads are listed", labels.len());
    let twice = of_checkpoint.iter().find(|(_, loads)| **loads > 1);
    ensure!(twice.is_none(), "loaded more than once within a checkpoint: {twice:?}");
    say(format!("{} loads", labels.len()));
    Ok(())
}

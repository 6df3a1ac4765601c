//! The same against a Doris or a StarRocks of the user's own, which the environment names
//! (`docs/warehouses.md`). Where it names none, nothing is tried, and that is said.

use anyhow::Result;
use tests::server::on_servers;
use tests::warehouse::{Fleet, equal_after_stop_and_resume};
use tests::{Kind, Warehouse, say};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_tables_equal_their_source_in_a_warehouse_of_the_users_own() -> Result<()> {
    let Some(warehouse) = Warehouse::live()? else {
        say("LIVE_SYSTEM and LIVE_HOST name no warehouse: nothing was tried");
        return Ok(());
    };
    on_servers(&[Kind::any()?], &[], async |server| {
        for db in Fleet::databases() {
            warehouse.sql(&format!("DROP DATABASE IF EXISTS {db}")).await?;
        }
        equal_after_stop_and_resume(server, &warehouse).await
    })
    .await
}

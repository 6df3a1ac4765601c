//! GTIDs that come and go, leave holes, bear tags, jump and come from several domains: a job goes on
//! where it was, and what was numbered meanwhile is not passed over.

use anyhow::{Context, Result};
use tests::server::on_servers;
use tests::stage::TABLE;
use tests::{Kind, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn gtid_mode_switched_step_by_step_under_a_running_job_loses_nothing() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid], &[], async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        let down = ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"];
        let up = ["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];
        let mut id = 0;
        for mode in down.into_iter().chain(up) {
            server.sql(&format!("SET GLOBAL gtid_mode = {mode}")).await?;
            for restart in [false, true] {
                if restart {
                    stage.again().await?;
                }
                id += 1;
                stage.row(id).await.with_context(|| format!("{mode}, restart {restart}"))?;
            }
        }
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_got_no_gtid_while_the_job_was_down_are_not_passed_over() -> Result<()> {
    on_servers(&[Kind::MySql9Gtid], &[], async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        stage.row(1).await?;
        stage.job.sigterm().await?;
        for mode in ["ON_PERMISSIVE", "OFF_PERMISSIVE"] {
            server.sql(&format!("SET GLOBAL gtid_mode = {mode}")).await?;
        }
        server.sql("INSERT INTO d.t VALUES (2, 'anonymous')").await?;
        for mode in ["ON_PERMISSIVE", "ON"] {
            server.sql(&format!("SET GLOBAL gtid_mode = {mode}")).await?;
        }
        server.sql("INSERT INTO d.t VALUES (3, 'with a GTID')").await?;
        stage.start(&[]).await?;
        stage.ends(&["without a GTID", "ON_PERMISSIVE", "--from none"]).await?;
        // The way out that it names.
        server.sql("SET GLOBAL gtid_mode = ON_PERMISSIVE").await?;
        stage.start(&[]).await?;
        stage.come(&["d.t> +I[2, anonymous]", "d.t> +I[3, with a GTID]"]).await?;
        server.sql("SET GLOBAL gtid_mode = ON").await?;
        stage.again().await?;
        stage.row(4).await?;
        stage.job.sigterm().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_gtids_that_is_filled_while_the_job_is_down_is_not_passed_over() -> Result<()>
{
    on_servers(&[Kind::MySql9Gtid, Kind::MySql56Gtid], &[], async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        const OTHER: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let numbered = |n: u32, id: u32| {
            format!(
                "SET gtid_next = '{OTHER}:{n}';\nINSERT INTO d.t VALUES ({id}, 'x');\n\
                 SET gtid_next = 'AUTOMATIC'"
            )
        };
        for n in [1, 2, 5, 9] {
            stage.expect(&numbered(n, n), &[&format!("d.t> +I[{n}, x]")]).await?;
        }
        stage.job.sigterm().await?;
        server.sql(&numbered(7, 7)).await?;
        server.sql(&numbered(3, 3)).await?;
        stage.start(&[]).await?;
        stage.come(&["d.t> +I[7, x]", "d.t> +I[3, x]"]).await?;
        if server.kind == Kind::MySql9Gtid {
            tagged(&mut stage).await?;
        }
        stage.job.sigterm().await
    })
    .await
}

async fn tagged(stage: &mut Stage<'_>) -> Result<()> {
    for (id, tag) in [(21, "blue"), (22, "green"), (23, "blue")] {
        let sql = format!(
            "SET gtid_next = 'AUTOMATIC:{tag}';\nINSERT INTO d.t VALUES ({id}, 'x');\n\
             SET gtid_next = 'AUTOMATIC'"
        );
        stage.expect(&sql, &[&format!("d.t> +I[{id}, x]")]).await?;
        stage.again().await?;
    }
    stage.row(24).await
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_servers_and_jumps_of_mariadbs_gtids_are_followed() -> Result<()> {
    on_servers(&[Kind::MariaDb], &[], async |server| {
        let mut stage = Stage::begin(server, TABLE).await?;
        let mut id = 0;
        for (domain, server_id) in [(1, 7), (0, 8), (1, 7), (5, 9), (0, 7)] {
            id += 1;
            let sql = format!(
                "SET gtid_domain_id = {domain}, server_id = {server_id};\n\
                 INSERT INTO d.t VALUES ({id}, 'x')"
            );
            stage.expect(&sql, &[&format!("d.t> +I[{id}, x]")]).await?;
            stage.again().await?;
        }
        let jump = "SET gtid_domain_id = 1, gtid_seq_no = 5000;\nINSERT INTO d.t VALUES (50, 'x')";
        stage.expect(jump, &["d.t> +I[50, x]"]).await?;
        stage.job.sigterm().await?;
        server.sql("FLUSH BINARY LOGS;\nINSERT INTO d.t VALUES (51, 'x')").await?;
        stage.start(&[]).await?;
        stage.come(&["d.t> +I[51, x]"]).await?;
        stage.job.sigterm().await
    })
    .await
}

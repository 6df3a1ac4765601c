//! Transactions as they are seen over the port, and nodes.

use super::*;

#[tokio::test]
async fn transactions_are_found_by_id_label_pattern_and_status_in_doris() {
    let mut port = Port::with_orders(System::Doris).await;
    port.load(&[], "1\ta\t\\N\t\\N\t\\N\n");
    let waiting = port.prepare(&[], "2\tb\t\\N\t\\N\t\\N\n");
    let gathering = port.begin();
    for (filter, expected) in [
        (format!("id={waiting}"), &[("load-2", "PRECOMMITTED")][..]),
        ("label='load-1'".to_owned(), &[("load-1", "VISIBLE")]),
        ("status='precommitted'".to_owned(), &[("load-2", "PRECOMMITTED")]),
        ("label LIKE 'other%'".to_owned(), &[]),
        (
            "label LIKE 'load-%'".to_owned(),
            &[("load-3", "PREPARE"), ("load-2", "PRECOMMITTED"), ("load-1", "VISIBLE")],
        ),
    ] {
        let rows = port.rows(&format!("SHOW TRANSACTION FROM shop WHERE {filter}")).await;
        let found: Vec<(&str, &str)> = rows.iter().map(|row| (&*row[1], &*row[3])).collect();
        assert_eq!(found, expected, "{filter}");
    }
    let (_, text) = port.refusal("SHOW TRANSACTION WHERE id=1").await;
    assert!(text.contains("does not exist"), "{text}");
    let rows = port.rows(&format!("SHOW TRANSACTION WHERE id={gathering}")).await;
    assert_eq!(rows[0].len(), 15, "all columns of the contract");
    assert_eq!(rows[0][6], "\\N", "it was never pre-committed");
}

#[tokio::test]
async fn strays_are_found_in_the_list_of_what_is_running() {
    for system in [System::Doris, System::StarRocks] {
        let mut port = Port::with_orders(system).await;
        port.load(&[], "1\ta\t\\N\t\\N\t\\N\n");
        port.prepare(&[], "2\tb\t\\N\t\\N\t\\N\n");
        let databases = port.rows("SHOW PROC '/dbs'").await;
        let id = databases.iter().find(|row| row[1] == "shop").expect("the database")[0].clone();
        let labels =
            |rows: Vec<Vec<String>>| rows.into_iter().map(|row| row[1].clone()).collect::<Vec<_>>();
        let running = port.rows(&format!("SHOW PROC '/transactions/{id}/running'")).await;
        assert_eq!(labels(running), ["load-2"]);
        let finished = port.rows(&format!("SHOW PROC '/transactions/{id}/finished'")).await;
        assert_eq!(labels(finished), ["load-1"]);
        let counts = port.rows(&format!("SHOW PROC '/transactions/{id}'")).await;
        assert_eq!(counts, [["running", "1"], ["finished", "1"]]);
        let loads =
            "SELECT label, state FROM information_schema.loads WHERE db_name = 'shop' ORDER BY id";
        assert_eq!(port.rows(loads).await, [["load-1", "FINISHED"], ["load-2", "PREPARED"]]);
    }
}

#[tokio::test]
async fn cleaning_a_label_forgets_it_only_if_its_load_is_finished() {
    let mut port = Port::with_orders(System::Doris).await;
    port.load(&[], "1\ta\t\\N\t\\N\t\\N\n");
    port.prepare(&[], "2\tb\t\\N\t\\N\t\\N\n");
    port.run("CLEAN LABEL `load-1` FROM shop").await;
    port.run("CLEAN LABEL FROM shop").await;
    let states = port.with(|state| {
        ["load-1", "load-2"].map(|label| state.load_state("shop", label).expect("a database").0)
    });
    assert_eq!(states, ["UNKNOWN", "PRECOMMITTED"]);
}

/// Row 42 of Doris' checklist.
#[tokio::test]
async fn backends_and_frontends_are_listed_with_their_ports_and_whether_they_live() {
    let mut port = Port::open(System::Doris).await;
    port.with(|state| state.nodes.backends[0].http_port = 8_040);
    let sql = "SHOW BACKENDS";
    let rows = port.rows(sql).await;
    assert_eq!((&*rows[0][1], &*rows[0][4], &*rows[0][5]), ("127.0.0.1", "8040", "true"));
    port.with(|state| state.nodes.backends[0].alive = false);
    assert_eq!(port.rows(sql).await[0][5], "false");
    let frontends = port.rows("SHOW FRONTENDS").await;
    assert_eq!(frontends[0][4], port.server.frontends[0].port().to_string());
    assert_eq!(frontends[0][7], "true");
}

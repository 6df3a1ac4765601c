//! Doris: labels and two phases; rows 7 to 12, 17, 18 and 20.

use std::io::Write as _;

use warehouse::cluster::{Call, Effect, Event};

use crate::warehouse::{Warehouse, doris, expect};
use crate::wire::{Reply, Request};

fn two_phase(label: &str, body: &str) -> Request {
    Request::load(label, body).header("two_phase_commit", "true")
}

fn precommit(warehouse: &Warehouse, label: &str, body: &str) -> String {
    let reply = two_phase(label, body).send(warehouse.backend());
    expect(&reply, &[("Status", "Success"), ("TwoPhaseCommit", "true")]);
    reply.json()["TxnId"].to_string()
}

fn end(warehouse: &Warehouse, operation: &str, name: &str, value: &str) -> Reply {
    let request = Request::put("/api/shop/_stream_load_2pc").header("txn_operation", operation);
    request.header(name, value).follow(warehouse.frontend())
}

#[track_caller]
fn says(reply: &Reply, status: &str, message: &str) {
    let prefix =
        if status == "ANALYSIS_ERROR" { "TStatus: errCode = 2, detailMessage = " } else { "" };
    expect(reply, &[("status", status), ("msg", &format!("{prefix}{message}"))]);
}

#[test]
fn row_7_a_label_that_is_visible_is_finished_and_names_its_transaction_in_words() {
    let warehouse = doris();
    let first = Request::load("a", "1,x,1\n").send(warehouse.backend());
    let txn = first.json()["TxnId"].to_string();
    let again = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(
        &again,
        &[("Status", "Label Already Exists"), ("ExistingJobStatus", "FINISHED"), ("TxnId", "-1")],
    );
    let text = format!("Label [a] has already been used, relate to txn [{txn}]");
    assert!(again.json()["Message"].as_str().unwrap().ends_with(&text), "{again:?}");
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_8_a_label_whose_data_is_still_coming_is_running() {
    let warehouse = doris();
    let mut first = Request::load("a", "1,x,1\n").start(warehouse.backend()).unwrap();
    warehouse.eventually("the load begins", || warehouse.state("a") == "PREPARE");
    let again = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&again, &[("Status", "Label Already Exists"), ("ExistingJobStatus", "RUNNING")]);
    first.write_all(b"1,x,1\n").unwrap();
    warehouse.eventually("the load ends", || warehouse.state("a") == "VISIBLE");
}

#[test]
fn row_9_a_label_that_was_aborted_is_as_new() {
    let warehouse = doris();
    precommit(&warehouse, "a", "1,x,1\n");
    let aborted = end(&warehouse, "abort", "label", "a");
    says(&aborted, "Success", "label [a] abort successfully.");
    assert_eq!(warehouse.state("a"), "ABORTED");
    expect(&Request::load("a", "2,y,1\n").send(warehouse.backend()), &[("Status", "Success")]);
    assert_eq!(warehouse.rows(), ["2=y"]);
}

#[test]
fn row_10_of_two_phases_the_first_is_not_seen() {
    let warehouse = doris();
    let txn = precommit(&warehouse, "a", "1,x,1\n");
    assert_eq!((warehouse.state("a"), warehouse.rows().len()), ("PRECOMMITTED", 0));
    let again = two_phase("a", "1,x,1\n").send(warehouse.backend());
    expect(&again, &[("Status", "Label Already Exists"), ("ExistingJobStatus", "PRECOMMITTED")]);
    let committed = end(&warehouse, "commit", "txn_id", &txn);
    says(&committed, "Success", &format!("transaction [{txn}] commit successfully."));
    assert_eq!((warehouse.state("a"), warehouse.rows()), ("VISIBLE", vec!["1=x".to_owned()]));
    // Only this very text asks for two phases.
    let one = Request::load("b", "2,y,1\n").header("two_phase_commit", "TRUE");
    expect(&one.send(warehouse.backend()), &[("TwoPhaseCommit", "false")]);
    assert_eq!(warehouse.state("b"), "VISIBLE");
}

#[test]
fn row_11_a_second_commit_says_that_it_is_visible_and_by_label_that_there_is_none() {
    let warehouse = doris();
    let txn = precommit(&warehouse, "a", "1,x,1\n");
    end(&warehouse, "commit", "label", "a");
    let message = format!("transaction [{txn}] is already visible, not pre-committed.");
    says(&end(&warehouse, "commit", "txn_id", &txn), "ANALYSIS_ERROR", &message);
    let message = "transaction not found, label=a";
    says(&end(&warehouse, "commit", "label", "a"), "ANALYSIS_ERROR", message);
}

#[test]
fn row_12_what_is_visible_is_not_aborted() {
    let warehouse = doris();
    let txn = precommit(&warehouse, "a", "1,x,1\n");
    end(&warehouse, "commit", "txn_id", &txn);
    let message = format!("transaction [{txn}] is already VISIBLE, could not abort.");
    says(&end(&warehouse, "abort", "txn_id", &txn), "ANALYSIS_ERROR", &message);
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn what_names_no_transaction_is_refused() {
    let warehouse = doris();
    let operation =
        Request::put("/api/shop/orders/_stream_load_2pc").header("txn_operation", "commit");
    let neither = operation.send(warehouse.frontend());
    expect(&neither, &[("status", "FAILED"), ("msg", "No transaction id or label selected.")]);
    let bad = operation.header("txn_id", "x").follow(warehouse.frontend());
    assert!(
        bad.json()["msg"].as_str().unwrap().starts_with("convert txn_id [x] failed"),
        "{bad:?}"
    );
    says(&end(&warehouse, "commit", "txn_id", "7"), "ANALYSIS_ERROR", "transaction [7] not found");
    let odd = end(&warehouse, "finish", "txn_id", "7");
    expect(&odd, &[("msg", "transaction operation should be 'commit' or 'abort'")]);
}

#[test]
fn a_commit_into_a_table_that_was_dropped_is_refused_and_an_abort_is_not() {
    let warehouse = doris();
    let txn = precommit(&warehouse, "a", "1,x,1\n");
    let name = warehouse::table::TableName::new("shop", "orders");
    warehouse.update(|state| state.drop_table(&name).unwrap());
    let refused = end(&warehouse, "commit", "txn_id", &txn);
    expect(&refused, &[("status", "ANALYSIS_ERROR")]);
    expect(&end(&warehouse, "abort", "txn_id", &txn), &[("status", "Success")]);
}

#[test]
fn row_17_one_that_waits_too_long_is_aborted() {
    let warehouse = doris();
    let txn = precommit(&warehouse, "a", "1,x,1\n");
    warehouse.happen(Event::SkipSeconds(3_601));
    assert_eq!(warehouse.state("a"), "ABORTED");
    let refused = end(&warehouse, "commit", "txn_id", &txn);
    let message = refused.json()["msg"].to_string();
    assert!(message.contains(&format!("transaction [{txn}] is already aborted")), "{message}");
    expect(&two_phase("a", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
}

#[test]
fn row_18_labels_are_forgotten_by_age_by_number_and_on_demand() {
    let warehouse = doris();
    expect(&Request::load("a", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
    warehouse.happen(Event::SkipSeconds(12 * 3_600 + 1));
    assert_eq!(warehouse.state("a"), "UNKNOWN");
    warehouse.update(|state| {
        let ledger = state.database_mut("shop").unwrap().book.ledger_mut();
        ledger.limits_mut().labels_max = 1;
    });
    for label in ["a", "b"] {
        let load = Request::load(label, "1,x,1\n").send(warehouse.backend());
        expect(&load, &[("Status", "Success")]);
    }
    assert_eq!((warehouse.state("a"), warehouse.state("b")), ("UNKNOWN", "VISIBLE"));
    warehouse.happen(Event::ForgetLabels);
    assert_eq!(warehouse.state("b"), "UNKNOWN");
}

#[test]
fn row_20_more_transactions_than_may_run_are_refused() {
    let warehouse = doris();
    warehouse.update(|state| {
        let ledger = state.database_mut("shop").unwrap().book.ledger_mut();
        ledger.limits_mut().running_max = 1;
    });
    precommit(&warehouse, "a", "1,x,1\n");
    let refused = Request::load("b", "1,x,1\n").send(warehouse.backend());
    expect(&refused, &[("Status", "Fail")]);
    let text = "current running txns on db 10006 is 1, larger than limit 1";
    assert!(refused.body.contains(text), "{refused:?}");
    end(&warehouse, "abort", "label", "a");
    expect(&Request::load("b", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
}

#[test]
fn row_13_a_commit_whose_answer_is_lost_is_found_by_its_label() {
    let warehouse = doris();
    let txn = precommit(&warehouse, "a", "1,x,1\n");
    warehouse.fault(Effect::CutReply, Call::Commit);
    let commit = Request::put("/api/shop/_stream_load_2pc").header("txn_operation", "commit");
    assert!(commit.header("txn_id", &txn).try_send(warehouse.backend()).is_err());
    let state = Request::get("/api/shop/get_load_state?label=a").send(warehouse.frontend());
    expect(&state, &[("data", "VISIBLE")]);
}

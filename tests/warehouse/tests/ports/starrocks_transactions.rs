//! StarRocks: the transaction interface; rows 9 to 17, 22, 23, 33 and 34.

use std::io::Write as _;

use warehouse::cluster::{Call, Effect, Event};

use crate::warehouse::{Warehouse, expect, starrocks};
use crate::wire::{Reply, Request};

/// One call of the transaction interface, by way of the frontend.
pub(crate) fn call(warehouse: &Warehouse, name: &str, label: &str, body: &str) -> Reply {
    request(name, label, body).follow(warehouse.frontend())
}

pub(crate) fn request(name: &str, label: &str, body: &str) -> Request {
    let path = format!("/api/transaction/{name}");
    let request = if name == "load" { Request::put(path) } else { Request::post(path) };
    let request = request.header("Expect", "100-continue").header("label", label);
    request
        .header("db", "shop")
        .header("table", "orders")
        .header("column_separator", ",")
        .body(body)
}

#[track_caller]
pub(crate) fn ok(reply: &Reply) {
    expect(reply, &[("Status", "OK")]);
}

pub(crate) fn prepared(warehouse: &Warehouse, label: &str, body: &str) {
    ok(&call(warehouse, "begin", label, ""));
    ok(&call(warehouse, "load", label, body));
    ok(&call(warehouse, "prepare", label, ""));
}

#[test]
fn row_9_rows_are_counted_at_prepare_and_seen_after_the_commit() {
    let warehouse = starrocks();
    let begun = call(&warehouse, "begin", "a", "");
    expect(&begun, &[("Status", "OK"), ("Message", ""), ("Label", "a"), ("TxnId", "1000")]);
    let loaded = call(&warehouse, "load", "a", "1,x,1\n");
    expect(&loaded, &[("Status", "OK"), ("TxnId", "1000"), ("LoadBytes", "6")]);
    assert!(loaded.json()["NumberTotalRows"].is_null());
    ok(&call(&warehouse, "load", "a", "2,y,2\n"));
    let done = call(&warehouse, "prepare", "a", "");
    expect(&done, &[("Status", "OK"), ("NumberTotalRows", "2"), ("NumberLoadedRows", "2")]);
    assert_eq!((warehouse.state("a"), warehouse.rows().len()), ("PREPARED", 0));
    let load = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&load, &[("Status", "Label Already Exists"), ("ExistingJobStatus", "RUNNING")]);
    let committed = call(&warehouse, "commit", "a", "");
    expect(&committed, &[("Status", "OK"), ("Label", "a"), ("TxnId", "1000")]);
    assert_eq!(
        (warehouse.state("a"), warehouse.rows()),
        ("VISIBLE", vec!["1=x".to_owned(), "2=y".to_owned()])
    );
}

#[test]
fn row_9_a_commit_of_what_gathers_is_one_step() {
    let warehouse = starrocks();
    ok(&call(&warehouse, "begin", "a", ""));
    ok(&call(&warehouse, "load", "a", "1,x,1\n"));
    let committed = call(&warehouse, "commit", "a", "");
    expect(&committed, &[("Status", "OK"), ("NumberLoadedRows", "1")]);
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_10_a_load_with_other_headers_ends_the_transaction() {
    let warehouse = starrocks();
    ok(&call(&warehouse, "begin", "a", ""));
    ok(&call(&warehouse, "load", "a", "1,x,1\n"));
    let other = request("load", "a", "2|y|2\n").header("column_separator", "|");
    let refused = other.follow(warehouse.frontend());
    expect(&refused, &[("Status", "INTERNAL_ERROR"), ("Message", "load request not equal last.")]);
    assert_eq!(warehouse.state("a"), "ABORTED");
    ok(&call(&warehouse, "begin", "a", ""));
}

#[test]
fn row_11_a_load_that_does_not_end_its_line_lets_the_next_go_on_with_it() {
    let warehouse = starrocks();
    ok(&call(&warehouse, "begin", "a", ""));
    ok(&call(&warehouse, "load", "a", "1,x,1"));
    ok(&call(&warehouse, "load", "a", "2,y,2\n"));
    let refused = call(&warehouse, "prepare", "a", "");
    expect(&refused, &[("Status", "INTERNAL_ERROR"), ("Message", "too many filtered rows")]);
    let url = refused.json()["ErrorURL"].as_str().unwrap().to_owned();
    let path = &url[url.find("/api").unwrap()..];
    let log = Request::get(path).send(warehouse.backend());
    assert!(log.body.contains("1,x,12,y,2"), "{log:?}");
}

#[test]
fn row_12_of_calls_at_once_the_second_is_told_to_come_again() {
    let warehouse = starrocks();
    let begun = request("begin", "a", "").send(warehouse.frontend()).location().unwrap();
    ok(&call(&warehouse, "begin", "a", ""));
    let at = warehouse.update(|state| {
        let txn = state.transaction("shop", ::warehouse::txn::TxnId(1_000)).unwrap();
        let node = state.nodes.backend(txn.coordinator).unwrap();
        warehouse.backends.iter().copied().find(|backend| backend.port() == node.http_port)
    });
    assert!(warehouse.backends.contains(&begun.authority));
    let mut first = request("load", "a", "1,x,1\n").start(at.unwrap()).unwrap();
    warehouse.eventually("the load begins", || {
        let list = Request::post("/api/transaction/list").send(at.unwrap());
        list.body.contains("\"InProcessing\": true")
    });
    for name in ["load", "prepare", "commit", "rollback"] {
        let refused = call(&warehouse, name, "a", "9,z,9\n");
        expect(&refused, &[("Status", "TXN_IN_PROCESSING")]);
    }
    first.write_all(b"1,x,1\n").unwrap();
    warehouse.eventually("the load ends", || {
        let done = call(&warehouse, "prepare", "a", "").json();
        done["Status"] == "OK" && done["NumberTotalRows"] == 1
    });
    warehouse.fault(Effect::InProcessing, Call::Prepare);
    ok(&call(&warehouse, "begin", "b", ""));
    ok(&call(&warehouse, "load", "b", "2,y,2\n"));
    expect(&call(&warehouse, "prepare", "b", ""), &[("Status", "TXN_IN_PROCESSING")]);
    ok(&call(&warehouse, "prepare", "b", ""));
}

#[test]
fn row_13_a_second_prepare_finds_no_transaction() {
    let warehouse = starrocks();
    prepared(&warehouse, "a", "1,x,1\n");
    let again = call(&warehouse, "prepare", "a", "");
    expect(&again, &[("Status", "TXN_NOT_EXISTS")]);
    assert_eq!(warehouse.state("a"), "PREPARED");
    ok(&call(&warehouse, "commit", "a", ""));
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_14_a_second_commit_is_fine_and_a_rollback_after_it_is_not() {
    let warehouse = starrocks();
    prepared(&warehouse, "a", "1,x,1\n");
    ok(&call(&warehouse, "commit", "a", ""));
    let again = call(&warehouse, "commit", "a", "");
    let text = "Transaction 1000 has already committed, label is a";
    expect(&again, &[("Status", "OK"), ("Message", text)]);
    let refused = call(&warehouse, "rollback", "a", "");
    expect(&refused, &[("Status", "FAILED")]);
    assert!(refused.body.contains("Can not abort VISIBLE transaction 1000, label is a"));
}

#[test]
fn row_15_a_commit_that_is_not_seen_in_time_fails_although_it_is_decided() {
    let warehouse = starrocks();
    warehouse.update(|state| state.limits.publish_delay = std::time::Duration::from_secs(60));
    prepared(&warehouse, "a", "1,x,1\n");
    let slow = request("commit", "a", "").header("timeout", "1").follow(warehouse.frontend());
    expect(&slow, &[("Status", "FAILED")]);
    assert!(slow.body.contains("publish timeout: 1000"), "{slow:?}");
    assert_eq!(warehouse.state("a"), "COMMITTED");
    warehouse.fault(Effect::PublishTimeout, Call::Commit);
    ok(&call(&warehouse, "begin", "b", ""));
    ok(&call(&warehouse, "load", "b", "2,y,2\n"));
    expect(&call(&warehouse, "commit", "b", ""), &[("Status", "PUBLISH_TIMEOUT")]);
    assert_eq!(warehouse.state("b"), "COMMITTED");
    warehouse.happen(Event::SkipSeconds(61));
    assert_eq!(warehouse.rows(), ["1=x", "2=y"]);
}

#[test]
fn row_17_a_transaction_without_data_fails_at_prepare() {
    let warehouse = starrocks();
    ok(&call(&warehouse, "begin", "a", ""));
    let refused = call(&warehouse, "prepare", "a", "");
    expect(&refused, &[("Status", "INTERNAL_ERROR")]);
    assert!(refused.body.contains("hasn't send any data yet"), "{refused:?}");
    assert_eq!(warehouse.state("a"), "ABORTED");
}

#[test]
fn a_label_that_gathers_is_not_begun_again() {
    let warehouse = starrocks();
    ok(&call(&warehouse, "begin", "a", ""));
    let again = call(&warehouse, "begin", "a", "");
    let empty = [("Status", "LABEL_ALREADY_EXISTS"), ("ExistingJobStatus", ""), ("Message", "")];
    expect(&again, &empty);
    ok(&call(&warehouse, "load", "a", "1,x,1\n"));
    ok(&call(&warehouse, "prepare", "a", ""));
    let running = call(&warehouse, "begin", "a", "");
    expect(&running, &[("Status", "LABEL_ALREADY_EXISTS"), ("ExistingJobStatus", "RUNNING")]);
    ok(&call(&warehouse, "rollback", "a", ""));
    ok(&call(&warehouse, "begin", "a", ""));
}

#[test]
fn what_names_another_table_or_database_or_nothing_is_refused() {
    let warehouse = starrocks();
    let empty = request("begin", "", "").follow(warehouse.frontend());
    expect(&empty, &[("Message", "Empty label.")]);
    warehouse.update(|state| state.create_database("other").unwrap());
    let at = warehouse.backend();
    ok(&request("begin", "a", "").send(at));
    let other = request("load", "a", "1,x,1\n").header("db", "other").send(at);
    expect(&other, &[("Message", "request db other transaction db shop not match")]);
    ok(&request("begin", "b", "").send(at));
    let other = request("load", "b", "1,x,1\n").header("table", "items").send(at);
    expect(&other, &[("Message", "Request table items not equal transaction table orders")]);
    let unknown = request("load", "c", "1,x,1\n").send(at);
    let text = "Transaction with label c not exists";
    expect(&unknown, &[("Status", "TXN_NOT_EXISTS"), ("Message", text)]);
    ok(&request("begin", "d", "").send(at));
    let elsewhere = request("load", "d", "1,x,1\n").send(warehouse.backends[1]);
    expect(&elsewhere, &[("Status", "TXN_NOT_EXISTS")]);
}

#[test]
fn row_22_and_23_labels_are_forgotten_and_transactions_are_limited() {
    let warehouse = starrocks();
    prepared(&warehouse, "a", "1,x,1\n");
    ok(&call(&warehouse, "commit", "a", ""));
    warehouse.happen(Event::SkipSeconds(12 * 3_600 + 1));
    assert_eq!(warehouse.state("a"), "UNKNOWN");
    let unknown = call(&warehouse, "commit", "a", "");
    assert!(unknown.body.contains("No transaction found by label a"), "{unknown:?}");
    warehouse.update(|state| {
        let ledger = state.database_mut("shop").unwrap().book.ledger_mut();
        ledger.limits_mut().running_max = 1;
    });
    ok(&call(&warehouse, "begin", "b", ""));
    let refused = call(&warehouse, "begin", "c", "");
    let text = "current running txns on db 10006 is 1, larger than limit 1";
    expect(&refused, &[("Status", "INTERNAL_ERROR"), ("Message", text)]);
    ok(&call(&warehouse, "rollback", "b", ""));
    ok(&call(&warehouse, "begin", "c", ""));
}

#[test]
fn row_33_a_transaction_over_two_tables_is_seen_as_one() {
    let warehouse = starrocks();
    let multi = |name: &str, label: &str, table: &str, body: &str| {
        let request = request(name, label, body).header("transaction_type", "multi");
        let request = if table.is_empty() {
            request.without("table")
        } else {
            request.header("table", table)
        };
        request.follow(warehouse.frontend())
    };
    ok(&multi("begin", "a", "", ""));
    ok(&multi("load", "a", "orders", "1,x,1\n"));
    ok(&multi("load", "a", "items", "2,y,2\n"));
    let done = multi("prepare", "a", "", "");
    expect(&done, &[("Status", "OK"), ("NumberTotalRows", "2")]);
    assert!(warehouse.rows().is_empty());
    ok(&multi("commit", "a", "", ""));
    assert_eq!(
        (warehouse.rows(), warehouse.rows_of("items")),
        (vec!["1=x".to_owned()], vec!["2=y".to_owned()])
    );

    warehouse.update(|state| state.limits.multi_prepare = false);
    ok(&multi("begin", "b", "", ""));
    ok(&multi("load", "b", "items", "3,z,3\n"));
    let unsupported = multi("prepare", "b", "", "");
    expect(&unsupported, &[("Status", "FAILED")]);
    assert!(unsupported.body.contains("Unsupported operation"), "{unsupported:?}");
    ok(&multi("commit", "b", "", ""));
    assert_eq!(warehouse.rows_of("items"), ["2=y", "3=z"]);

    let at_backend = request("begin", "c", "").header("transaction_type", "multi");
    let refused = at_backend.send(warehouse.backend());
    expect(&refused, &[("Status", "INVALID_ARGUMENT")]);
    assert!(refused.body.contains("can only be sent to FE nodes"), "{refused:?}");
}

#[test]
fn row_34_a_label_whose_backend_is_gone_is_cancelled_not_rolled_back() {
    let warehouse = starrocks();
    ok(&request("begin", "a", "").send(warehouse.backend()));
    ok(&request("load", "a", "1,x,1\n").send(warehouse.backend()));
    warehouse.happen(Event::KillBackend(0));
    let location = request("rollback", "a", "").send(warehouse.frontend()).location().unwrap();
    assert!(request("rollback", "a", "").try_send(location.authority).is_err());
    assert_eq!(warehouse.state("a"), "PREPARE");
    let cancel = Request::post("/api/shop/orders/_cancel?label=a").send(warehouse.frontend());
    expect(&cancel, &[("status", "OK")]);
    assert_eq!(warehouse.state("a"), "ABORTED");
}

//! StarRocks: what goes wrong; rows 16, 18 to 21 and 24.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use warehouse::cluster::{Call, Effect, Event};

use crate::starrocks_transactions::{call, ok, prepared, request};
use crate::warehouse::{Warehouse, expect, starrocks};
use crate::wire::Request;

/// Sends a call to whom the frontend names, and sees the connection cut.
#[track_caller]
fn is_cut(warehouse: &Warehouse, name: &str, body: &str) {
    let on = match name {
        "begin" => Call::Begin,
        "load" => Call::Load,
        "prepare" => Call::Prepare,
        _ => Call::Commit,
    };
    warehouse.fault(Effect::CutReply, on);
    let request = request(name, "a", body);
    let answer = request.try_send(warehouse.frontend());
    let Ok(reply) = answer else { return };
    let location = reply.location().expect("a redirect");
    assert!(request.try_send(location.authority).is_err(), "{name} was answered");
}

#[test]
fn row_16_of_each_call_the_answer_can_be_lost_after_it_is_done() {
    let warehouse = starrocks();
    is_cut(&warehouse, "begin", "");
    assert_eq!(warehouse.state("a"), "PREPARE");
    is_cut(&warehouse, "load", "1,x,1\n");
    ok(&call(&warehouse, "load", "a", "2,y,2\n"));
    is_cut(&warehouse, "prepare", "");
    assert_eq!(warehouse.state("a"), "PREPARED");
    is_cut(&warehouse, "commit", "");
    assert_eq!(warehouse.state("a"), "VISIBLE");
    assert_eq!(warehouse.rows(), ["1=x", "2=y"]);
}

#[test]
fn a_call_can_say_that_it_failed_although_it_is_done() {
    let warehouse = starrocks();
    prepared(&warehouse, "a", "1,x,1\n");
    warehouse.fault(Effect::FailThoughDone, Call::Commit);
    expect(&call(&warehouse, "commit", "a", ""), &[("Status", "INTERNAL_ERROR")]);
    assert_eq!(warehouse.state("a"), "VISIBLE");
    warehouse.fault(Effect::FailThoughDone, Call::Load);
    let load = Request::load("b", "2,y,2\n").follow(warehouse.frontend());
    expect(&load, &[("Status", "Fail"), ("Label", "b")]);
    assert_eq!(warehouse.state("b"), "VISIBLE");
}

#[test]
fn row_18_with_its_backend_goes_what_it_gathered() {
    let warehouse = starrocks();
    ok(&request("begin", "a", "").send(warehouse.backend()));
    ok(&request("load", "a", "1,x,1\n").send(warehouse.backend()));
    warehouse.happen(Event::KillBackend(0));
    warehouse.happen(Event::ReviveBackend(0));
    let lost = call(&warehouse, "load", "a", "2,y,2\n");
    expect(&lost, &[("Status", "TXN_NOT_EXISTS")]);
    assert_eq!(warehouse.state("a"), "ABORTED");
    prepared(&warehouse, "a", "1,x,1\n");
}

#[test]
fn row_19_what_is_prepared_outlives_backends_and_frontends() {
    let warehouse = starrocks();
    prepared(&warehouse, "a", "1,x,1\n");
    for place in [0, 1] {
        warehouse.happen(Event::KillBackend(place));
    }
    warehouse.happen(Event::Lead(0));
    warehouse.happen(Event::SkipSeconds(60));
    ok(&call(&warehouse, "commit", "a", ""));
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_20_another_leader_does_not_know_what_gathers() {
    let warehouse = starrocks();
    ok(&call(&warehouse, "begin", "a", ""));
    warehouse.happen(Event::Lead(0));
    let lost = call(&warehouse, "load", "a", "1,x,1\n");
    expect(&lost, &[("Status", "FAILED")]);
    assert!(
        lost.body.contains("Can't find the transaction with db [shop] and label[a]"),
        "{lost:?}"
    );
    assert_eq!(warehouse.state("a"), "UNKNOWN");
    // Its backend has not noticed: what it finishes nobody knows any more.
    let (one, other) = (warehouse.backends[0], warehouse.backends[1]);
    let held =
        [one, other].map(|at| request("load", "a", "1,x,1\n").send(at).json()["Status"].clone());
    assert!(held.contains(&"OK".into()), "{held:?}");
    let ended =
        [one, other].map(|at| request("prepare", "a", "").send(at).json()["Status"].clone());
    assert!(ended.contains(&"INTERNAL_ERROR".into()), "{ended:?}");
}

#[test]
fn row_21_a_transaction_is_aborted_when_any_of_its_three_times_is_over() {
    let warehouse = starrocks();
    ok(&request("begin", "a", "").header("timeout", "100").follow(warehouse.frontend()));
    let idle = request("begin", "b", "").header("idle_transaction_timeout", "50");
    ok(&idle.follow(warehouse.frontend()));
    warehouse.happen(Event::SkipSeconds(51));
    assert_eq!((warehouse.state("a"), warehouse.state("b")), ("PREPARE", "ABORTED"));
    warehouse.happen(Event::SkipSeconds(50));
    assert_eq!(warehouse.state("a"), "ABORTED");

    ok(&call(&warehouse, "begin", "c", ""));
    ok(&call(&warehouse, "load", "c", "1,x,1\n"));
    let bad =
        request("prepare", "c", "").header("prepared_timeout", "x").follow(warehouse.frontend());
    expect(&bad, &[("Message", "Invalid prepared_timeout: x")]);
    ok(&request("prepare", "c", "").header("prepared_timeout", "30").follow(warehouse.frontend()));
    prepared(&warehouse, "d", "2,y,2\n");
    warehouse.happen(Event::SkipSeconds(31));
    assert_eq!((warehouse.state("c"), warehouse.state("d")), ("ABORTED", "PREPARED"));
    warehouse.happen(Event::SkipSeconds(24 * 3_600));
    assert_eq!(warehouse.state("d"), "ABORTED");
    let refused = call(&warehouse, "commit", "d", "");
    assert!(refused.body.contains("Can not commit ABORTED transaction"), "{refused:?}");
}

#[test]
fn row_24_too_many_versions_are_refused_until_they_are_compacted() {
    let warehouse = starrocks();
    warehouse.fault(Effect::TooManyVersions, Call::Load);
    let refused = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&refused, &[("Status", "Fail")]);
    assert!(refused.body.contains("because of too many versions, current/limit: 1001/1000"));
    expect(&Request::load("a", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
}

#[test]
fn a_client_that_goes_away_in_a_load_leaves_an_aborted_transaction() {
    let warehouse = starrocks();
    ok(&request("begin", "a", "").send(warehouse.backend()));
    drop(request("load", "a", "1,x,1\n").start(warehouse.backend()).unwrap());
    warehouse.eventually("it is aborted", || warehouse.state("a") == "ABORTED");
}

#[test]
fn a_transaction_that_is_cancelled_in_a_load_takes_no_more_data() {
    let warehouse = starrocks();
    ok(&request("begin", "a", "").send(warehouse.backend()));
    let mut load = request("load", "a", "1,x,1\n").start(warehouse.backend()).unwrap();
    warehouse.eventually("the load begins", || {
        let list = Request::post("/api/transaction/list").send(warehouse.backend());
        list.body.contains("\"InProcessing\": true")
    });
    let cancel = Request::post("/api/shop/orders/_cancel?label=a").send(warehouse.frontend());
    expect(&cancel, &[("status", "OK")]);
    load.write_all(b"1,x,1\n").unwrap();
    load.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    load.read_to_string(&mut reply).unwrap();
    assert!(reply.contains("TXN_NOT_EXISTS"), "{reply}");
    assert!(warehouse.update(|state| state.gathered.is_empty()), "data of nobody");
}

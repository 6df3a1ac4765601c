//! StarRocks: redirects, credentials, framing, one-shot loads; rows 1 to 8, 40 and 42.

use std::time::Duration;

use warehouse::System;
use warehouse::cluster::{Call, Effect, Event, Setup};

use crate::warehouse::{USER, Warehouse, expect, setup, starrocks};
use crate::wire::Request;

#[test]
fn row_1_a_load_over_http_1_1_must_expect_100_continue_and_one_over_1_0_need_not() {
    let warehouse = starrocks();
    for request in [
        Request::load("a", "1,x,1\n").without("Expect"),
        Request::load("a", "1,x,1\n").without("Expect").header("expect", "a miracle"),
    ] {
        let reply = request.send(warehouse.frontend());
        assert_eq!((reply.status, reply.closed), (200, true));
        let text = "class com.starrocks.common.DdlException: There is no 100-continue header";
        expect(&reply, &[("Status", "FAILED"), ("Message", text)]);
    }
    let old = Request::load("a", "1,x,1\n").without("Expect").http_1_0();
    assert_eq!(old.send(warehouse.frontend()).status, 307);
}

#[test]
fn row_2_a_redirect_has_no_credentials_and_closes_the_connection() {
    let warehouse = starrocks();
    let load = Request::load("a", "1,x,1\n");
    let reply = load.send(warehouse.frontend());
    assert_eq!((reply.status, reply.closed, reply.continued), (307, true, false));
    let location = reply.location().unwrap();
    assert_eq!(location.user, None);
    assert!(warehouse.backends.contains(&location.authority));
    let bare = load.clone().without("Authorization").send(location.authority);
    expect(&bare, &[("Status", "Fail"), ("Message", "no valid Basic authorization")]);
    assert!(!bare.continued);
    expect(&load.follow(warehouse.frontend()), &[("Status", "Success"), ("Message", "OK")]);
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_3_a_follower_redirects_to_the_leader_which_redirects_to_a_backend() {
    let warehouse = Warehouse::start(&Setup { followers: 1, ..setup(System::StarRocks) });
    let begin = Request::post("/api/transaction/begin").header("label", "a");
    let begin = begin.header("db", "shop").header("table", "orders");
    let first = begin.send(warehouse.frontends[1]).location().unwrap();
    assert_eq!(first.authority, warehouse.frontend());
    let second = begin.send(first.authority).location().unwrap();
    assert_eq!(second.authority, warehouse.backend());
    expect(&begin.follow(warehouse.frontends[1]), &[("Status", "OK"), ("Label", "a")]);
    let state = Request::get("/api/shop/get_load_state?label=a");
    assert_eq!(state.send(warehouse.frontends[1]).status, 307);
    expect(&state.follow(warehouse.frontends[1]), &[("state", "PREPARE")]);
    // Loads of one request are anybody's to redirect.
    let load = Request::load("b", "1,x,1\n").send(warehouse.frontends[1]).location().unwrap();
    assert_eq!(load.authority, warehouse.backend());
}

#[test]
fn row_4_a_bad_password_is_http_401() {
    let warehouse = starrocks();
    let wrong = Request::load("a", "1,x,1\n").user(USER, "wrong");
    let reply = wrong.send(warehouse.frontend());
    assert_eq!((reply.status, reply.header("WWW-Authenticate")), (401, Some("Basic realm=\"\"")));
    expect(&reply, &[("status", "FAILED")]);
    assert!(reply.body.contains("Access denied"), "{reply:?}");
    let reply = wrong.send(warehouse.backend());
    assert_eq!(reply.status, 200);
    expect(&reply, &[("Status", "Fail")]);
    assert!(reply.json()["Message"].as_str().unwrap().starts_with("Access denied"), "{reply:?}");
}

#[test]
fn row_5_a_backend_refuses_by_the_headers_before_the_body() {
    let warehouse = starrocks();
    for request in [
        Request::load("a", "1,x,1\n").at("/api/shop/nothing/_stream_load"),
        Request::load("a", "1,x,1\n").header("format", "orc"),
        Request::load("a", "1,x,1\n").header("timeout", "soon"),
        Request::load("a", "1,x,1\n")
            .header("compression", "gzip")
            .header("Content-Encoding", "gzip"),
        Request::load("a", "1,x,1\n").header("enable_merge_commit", "true"),
    ] {
        let reply = request.send(warehouse.backend());
        assert_eq!((reply.status, reply.continued), (200, false), "{reply:?}");
        expect(&reply, &[("Status", "Fail")]);
    }
    assert!(warehouse.rows().is_empty());
}

#[test]
fn row_6_labels_have_no_dots_and_colons_and_are_free_after_an_abort() {
    let warehouse = starrocks();
    for label in ["shop.orders", "shop:orders", &"x".repeat(129)] {
        let reply = Request::load(label, "1,x,1\n").send(warehouse.backend());
        expect(&reply, &[("Status", "Fail")]);
        assert!(reply.body.contains("Label format error"), "{reply:?}");
    }
    let strict = Request::load("a", "1,x,many\n").header("strict_mode", "true");
    expect(&strict.send(warehouse.backend()), &[("Status", "Fail")]);
    assert_eq!(warehouse.state("a"), "ABORTED");
    expect(&Request::load("a", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
}

#[test]
fn row_7_a_label_in_use_is_refused_without_the_number_of_its_transaction() {
    let warehouse = starrocks();
    let load = Request::load("a", "1,x,1\n");
    expect(&load.send(warehouse.backend()), &[("Status", "Success")]);
    let again = load.send(warehouse.backend());
    expect(
        &again,
        &[
            ("Status", "Label Already Exists"),
            ("ExistingJobStatus", "FINISHED"),
            ("Message", "Label [a] has already been used."),
        ],
    );
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_8_publish_timeout_is_committed_and_seen_later() {
    let warehouse = starrocks();
    warehouse.fault(Effect::PublishTimeout, Call::Load);
    let reply = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&reply, &[("Status", "Publish Timeout")]);
    assert_eq!((warehouse.state("a"), warehouse.rows().len()), ("COMMITTED", 0));
    warehouse.happen(Event::SkipSeconds(1));
    assert_eq!((warehouse.state("a"), warehouse.rows().len()), ("VISIBLE", 1));
}

#[test]
fn row_40_keys_come_in_three_styles() {
    let warehouse = starrocks();
    let state = Request::get("/api/shop/get_load_state?label=a").send(warehouse.frontend());
    expect(&state, &[("state", "UNKNOWN"), ("reason", ""), ("status", "OK"), ("msg", "Success")]);
    let load = Request::load("a", "1,x,1\n").without("Expect").send(warehouse.frontend());
    assert!(load.json()["Status"].is_string() && load.json()["Message"].is_string());
    let denied = Request::load("a", "").user("nobody", "").send(warehouse.frontend());
    assert!(denied.json()["status"].is_string() && denied.json()["msg"].is_string());
}

#[test]
fn row_42_redirects_go_in_a_circle_or_to_a_dead_backend() {
    let warehouse = starrocks();
    warehouse.fault(Effect::RedirectLoop, Call::Load);
    let load = Request::load("a", "1,x,1\n");
    let location = load.send(warehouse.frontend()).location().unwrap();
    assert_eq!(location.authority, warehouse.frontend());
    // Dead, and not yet missed.
    warehouse.happen(Event::KillBackend(1));
    let location = load.send(warehouse.frontend()).location().unwrap();
    assert_eq!(location.authority, warehouse.backends[1]);
    assert!(load.try_send(location.authority).is_err());
    expect(&load.follow(warehouse.frontend()), &[("Status", "Success")]);
    warehouse.happen(Event::SkipSeconds(5));
    let listed = Request::get("/api/show_proc?path=/backends").send(warehouse.frontend()).json();
    assert_eq!((&listed[0]["Alive"], &listed[1]["Alive"]), (&"true".into(), &"false".into()));
    assert_eq!(Request::get("/api/backends").send(warehouse.frontend()).status, 404);
}

#[test]
fn a_label_of_another_load_under_way_is_running() {
    let warehouse = starrocks();
    let _first = Request::load("a", "1,x,1\n").start(warehouse.backend()).unwrap();
    warehouse.eventually("it gathers", || warehouse.state("a") == "PREPARE");
    let again = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&again, &[("Status", "Label Already Exists"), ("ExistingJobStatus", "RUNNING")]);
}

#[test]
fn a_frontend_says_how_it_is_and_what_columns_there_are() {
    let warehouse = starrocks();
    let health = Request::get("/api/health").without("Authorization").send(warehouse.frontend());
    expect(&health, &[("online_backend_num", "2"), ("status", "OK")]);
    let schema = Request::get("/api/shop/orders/_schema").send(warehouse.frontend()).json();
    assert_eq!(schema["properties"][0]["name"], "id");
    warehouse.update(|state| state.limits.publish_delay = Duration::from_millis(50));
    let load = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&load, &[("Status", "Success")]);
    assert_eq!(warehouse.rows(), ["1=x"], "answered before it is seen");
}

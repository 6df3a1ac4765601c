//! Doris: redirects, credentials, framing; rows 1 to 6, 32, 39 and 42.

use std::io::{Read as _, Write as _};

use warehouse::System;
use warehouse::cluster::{Event, Setup};

use crate::warehouse::{PASSWORD, USER, Warehouse, doris, expect, setup};
use crate::wire::Request;

#[test]
fn row_1_a_load_without_expect_is_refused_by_the_frontend() {
    let warehouse = doris();
    let reply = Request::load("a", "1,x,1\n").without("Expect").send(warehouse.frontend());
    assert_eq!((reply.status, reply.closed), (200, true));
    expect(&reply, &[("status", "FAILED"), ("msg", "There is no 100-continue header")]);
    assert_eq!(warehouse.state("a"), "UNKNOWN");
    // The value is not looked at.
    let odd = Request::load("a", "1,x,1\n").header("Expect", "whatever");
    assert_eq!(odd.start(warehouse.frontend()).map(|_| ()).ok(), Some(()));
}

#[test]
fn row_2_the_frontend_redirects_with_the_credentials_and_closes_without_reading() {
    let warehouse = doris();
    let request = Request::load("a", "1,x,1\n").at("/api/shop/orders/_stream_load?a=b");
    let reply = request.send(warehouse.frontend());
    assert_eq!((reply.status, reply.body.as_str(), reply.continued), (307, "", false));
    assert!(reply.closed);
    let location = reply.location().unwrap();
    assert_eq!(location.user.as_deref(), Some("root:p%40s:s%2Fw%25rd"));
    assert!(warehouse.backends.contains(&location.authority), "{location:?}");
    assert_eq!(location.path, "/api/shop/orders/_stream_load?a=b");
    let other = request.send(warehouse.frontend()).location().unwrap();
    assert_ne!(location.authority, other.authority, "the backends take turns");
}

#[test]
fn row_2_a_body_sent_to_the_frontend_meets_a_closed_connection() {
    let warehouse = doris();
    let request = Request::load("a", "").chunked();
    let mut stream = request.start(warehouse.frontend()).unwrap();
    let part = vec![b'x'; 1 << 16];
    let mut refused = false;
    for _ in 0..1_000 {
        let sent = write!(stream, "{:x}\r\n", part.len())
            .and_then(|()| stream.write_all(&part))
            .and_then(|()| stream.write_all(b"\r\n"));
        if sent.is_err() {
            refused = true;
            break;
        }
    }
    assert!(refused, "64 MiB went to a frontend that reads no bodies");
}

#[test]
fn row_3_a_backend_wants_the_credentials_again() {
    let warehouse = doris();
    let reply = Request::load("a", "1,x,1\n").without("Authorization").send(warehouse.backend());
    assert_eq!((reply.status, reply.continued), (200, false));
    let message = "[NOT_AUTHORIZED]no valid Basic authorization";
    expect(&reply, &[("Status", "Fail"), ("Message", message), ("TxnId", "-1")]);
    let reply = Request::load("a", "1,x,1\n").follow(warehouse.frontend());
    expect(&reply, &[("Status", "Success"), ("Message", "OK"), ("NumberLoadedRows", "1")]);
    assert!(reply.continued);
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_4_a_bad_password_is_401_in_http_200() {
    let warehouse = doris();
    let wrong = Request::load("a", "1,x,1\n").user(USER, "wrong");
    let reply = wrong.send(warehouse.frontend());
    assert_eq!(reply.status, 200);
    expect(&reply, &[("msg", "Unauthorized"), ("code", "401")]);
    assert!(reply.body.contains("Access denied for"), "{reply:?}");
    let reply = wrong.send(warehouse.backend());
    expect(&reply, &[("Status", "Fail")]);
    assert!(reply.body.contains("detailMessage = Access denied for"), "{reply:?}");
    // A cluster behind the name is cut off.
    let user = format!("{USER}@default_cluster");
    let reply = Request::load("a", "1,x,1\n").user(&user, PASSWORD).send(warehouse.backend());
    expect(&reply, &[("Status", "Success")]);
}

#[test]
fn row_5_what_the_headers_refuse_is_answered_before_the_body_is_asked_for() {
    let warehouse = doris();
    expect(&Request::load("a", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
    let bad = [
        Request::load("a", "1,x,1\n"),
        Request::load("b", "1,x,1\n").at("/api/shop/nothing/_stream_load"),
        Request::load("b", "1,x,1\n").at("/api/nowhere/orders/_stream_load"),
        Request::load("b", "1,x,1\n").header("columns", "id,nothing"),
        Request::load("b", "1,x,1\n").header("format", "tsv"),
        Request::load("b", "1,x,1\n").header("strict_mode", "maybe"),
        Request::load("b", "1,x,1\n").header("timeout", "soon"),
        Request::load("b", "1,x,1\n").header("timeout", "259201"),
    ];
    for request in bad {
        let reply = request.send(warehouse.backend());
        assert_eq!((reply.status, reply.continued), (200, false), "{reply:?}");
        assert_ne!(reply.json()["Status"], "Success", "{reply:?}");
    }
    // The one that began and was not planned is aborted: its label is free.
    assert_eq!(warehouse.state("b"), "ABORTED");
    expect(&Request::load("b", "2,y,2\n").send(warehouse.backend()), &[("Status", "Success")]);
}

#[test]
fn row_6_a_label_outside_the_grammar_is_refused() {
    let warehouse = doris();
    for label in ["shop.orders", &"x".repeat(129)] {
        let reply = Request::load(label, "1,x,1\n").send(warehouse.backend());
        expect(&reply, &[("Status", "Fail"), ("Label", label)]);
        let text =
            "[ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = Label format error. regex: ";
        assert!(reply.json()["Message"].as_str().unwrap().starts_with(text), "{reply:?}");
    }
}

#[test]
fn row_32_a_body_comes_with_a_length_or_in_chunks_and_whole() {
    let warehouse = doris();
    let chunked = Request::load("chunked", "1,x,1\n2,y,2\n").chunked();
    expect(&chunked.send(warehouse.backend()), &[("Status", "Success"), ("LoadBytes", "12")]);
    let neither = Request::load("neither", "").unframed().send(warehouse.backend());
    expect(&neither, &[("Status", "Fail")]);
    assert!(neither.body.contains("[INVALID_ARGUMENT]content_length is empty"), "{neither:?}");
    let cut = Request::load("cut", "3,z,3\n4,z,4\n").truncated(6).send(warehouse.backend());
    let text = "[NETWORK_ERROR]receive body don't equal with body bytes";
    expect(&cut, &[("Status", "Fail"), ("Message", text)]);
    assert_eq!(warehouse.state("cut"), "ABORTED");
    assert_eq!(warehouse.rows(), ["1=x", "2=y"]);
}

#[test]
fn row_32_both_a_length_and_chunks_are_refused() {
    let warehouse = doris();
    for order in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
    ] {
        let request = Request::load("both", "").header("X", &format!("y\r\n{order}")).unframed();
        let mut stream = request.start(warehouse.backend()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(
            reply.contains(
                "[INVALID_ARGUMENT]please do not set both content_length and transfer-encoding"
            ),
            "{reply}"
        );
        assert!(!reply.contains("100 Continue"), "{reply}");
    }
}

#[test]
fn row_39_a_follower_redirects_load_states_to_the_master_and_takes_loads() {
    let warehouse = Warehouse::start(&Setup { followers: 1, ..setup(System::Doris) });
    let follower = warehouse.frontends[1];
    expect(&Request::load("a", "1,x,1\n").follow(follower), &[("Status", "Success")]);
    let request = Request::get("/api/shop/get_load_state?label=a");
    let location = request.send(follower).location().unwrap();
    assert_eq!(location.authority, warehouse.frontend());
    let reply = request.follow(follower);
    expect(&reply, &[("msg", "success"), ("code", "0"), ("data", "VISIBLE"), ("count", "0")]);
}

#[test]
fn row_42_a_dead_backend_is_listed_as_dead_and_not_redirected_to() {
    let warehouse = doris();
    warehouse.update(|state| state.limits.heartbeat_lost_after = std::time::Duration::ZERO);
    warehouse.happen(Event::KillBackend(0));
    let reply = Request::get("/api/backends").send(warehouse.frontend()).json();
    let listed = &reply["data"]["backends"];
    assert_eq!(listed[0]["is_alive"], false);
    assert_eq!(listed[1]["is_alive"], true);
    assert_eq!(listed[1]["http_port"], warehouse.backends[1].port());
    let alive = Request::get("/api/backends?is_alive=true").send(warehouse.frontend()).json();
    assert_eq!(alive["data"]["backends"].as_array().unwrap().len(), 1);
    for label in ["a", "b"] {
        let location = Request::load(label, "").send(warehouse.frontend()).location().unwrap();
        assert_eq!(location.authority, warehouse.backends[1]);
    }
    assert!(Request::load("c", "").try_send(warehouse.backend()).is_err());
    warehouse.happen(Event::KillBackend(1));
    let reply = Request::load("d", "").send(warehouse.frontend());
    expect(&reply, &[("status", "FAILED")]);
    assert!(reply.body.contains("No backend load available"), "{reply:?}");
}

#[test]
fn a_frontend_says_how_it_is_and_what_columns_there_are() {
    let warehouse = doris();
    let health = Request::get("/api/health").without("Authorization").send(warehouse.frontend());
    assert_eq!(health.json()["data"]["online_backend_num"], 2);
    let schema = Request::get("/api/shop/orders/_schema").send(warehouse.frontend()).json();
    assert_eq!(schema["data"]["keysType"], "UNIQUE_KEYS");
    assert_eq!(schema["data"]["properties"][1]["type"], "VARCHAR");
    let wrong = Request::post("/api/shop/orders/_stream_load").send(warehouse.frontend());
    expect(&wrong, &[("msg", "Internal Error"), ("code", "500")]);
    let backend = Request::get("/api/health").send(warehouse.backend());
    expect(&backend, &[("status", "OK")]);
}

//! Doris: what goes wrong; rows 14 to 16, 19, 21, 40 and 41.

use std::io::Read as _;
use std::time::Duration;

use warehouse::cluster::{Call, Effect, Event};

use crate::warehouse::{doris, expect};
use crate::wire::Request;

#[test]
fn row_14_a_load_whose_answer_is_lost_is_finished_when_it_comes_again() {
    let warehouse = doris();
    warehouse.fault(Effect::CutReply, Call::Load);
    let load = Request::load("a", "1,x,1\n");
    let location = load.send(warehouse.frontend()).location().unwrap();
    assert!(load.try_send(location.authority).is_err(), "the answer came");
    assert_eq!(warehouse.rows(), ["1=x"]);
    let again = load.follow(warehouse.frontend());
    expect(&again, &[("Status", "Label Already Exists"), ("ExistingJobStatus", "FINISHED")]);
    assert_eq!(warehouse.rows(), ["1=x"]);
}

#[test]
fn row_15_fail_does_not_mean_that_nothing_was_done() {
    let warehouse = doris();
    warehouse.fault(Effect::FailThoughDone, Call::Load);
    let reply = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&reply, &[("Status", "Fail"), ("Label", "a")]);
    assert!(reply.body.contains("[THRIFT_RPC_ERROR]"), "{reply:?}");
    assert_eq!((warehouse.state("a"), warehouse.rows().len()), ("VISIBLE", 1));
}

#[test]
fn row_16_publish_timeout_is_committed_and_seen_later() {
    let warehouse = doris();
    warehouse.fault(Effect::PublishTimeout, Call::Load);
    let reply = Request::load("a", "1,x,1\n").send(warehouse.backend());
    expect(&reply, &[("Status", "Publish Timeout"), ("NumberLoadedRows", "1")]);
    assert_eq!((warehouse.state("a"), warehouse.rows().len()), ("COMMITTED", 0));
    warehouse.happen(Event::SkipSeconds(1));
    assert_eq!((warehouse.state("a"), warehouse.rows().len()), ("VISIBLE", 1));
}

#[test]
fn row_16_a_load_waits_for_its_rows_as_long_as_it_may() {
    let warehouse = doris();
    warehouse.update(|state| state.limits.publish_delay = Duration::from_millis(200));
    expect(&Request::load("a", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
    warehouse.update(|state| state.limits.publish_wait_max = Duration::from_millis(20));
    let late = Request::load("b", "2,y,1\n").send(warehouse.backend());
    expect(&late, &[("Status", "Publish Timeout")]);
    warehouse.eventually("it is seen", || warehouse.rows() == ["1=x", "2=y"]);
}

#[test]
fn row_19_a_frontend_that_restarts_forgets_what_gathers_and_keeps_what_waits() {
    let warehouse = doris();
    let waiting = Request::load("waiting", "1,x,1\n").header("two_phase_commit", "true");
    let txn = waiting.send(warehouse.backend()).json()["TxnId"].to_string();
    let gathering = Request::load("gathering", "2,y,2\n").start(warehouse.backend()).unwrap();
    warehouse.eventually("it gathers", || warehouse.state("gathering") == "PREPARE");
    warehouse.happen(Event::Lead(0));
    assert_eq!(warehouse.state("gathering"), "UNKNOWN");
    assert_eq!(warehouse.state("waiting"), "PRECOMMITTED");
    drop(gathering);
    let commit = Request::put("/api/shop/_stream_load_2pc").header("txn_operation", "commit");
    let reply = commit.header("txn_id", &txn).follow(warehouse.frontend());
    expect(&reply, &[("status", "Success")]);
}

#[test]
fn row_19_and_41_a_backend_that_dies_cuts_its_loads_which_are_aborted_when_it_is_missed() {
    let warehouse = doris();
    let mut cut = Request::load("a", "1,x,1\n").start(warehouse.backend()).unwrap();
    warehouse.eventually("it gathers", || warehouse.state("a") == "PREPARE");
    warehouse.happen(Event::KillBackend(0));
    let mut rest = Vec::new();
    // `100 Continue` may have come before.
    let _reset = cut.read_to_end(&mut rest);
    assert!(!rest.windows(3).any(|window| window == b"200"), "an answer from the dead");

    let elsewhere = warehouse.backends[1];
    let again = Request::load("a", "1,x,1\n");
    let running = again.send(elsewhere);
    expect(&running, &[("Status", "Label Already Exists"), ("ExistingJobStatus", "RUNNING")]);
    warehouse.happen(Event::SkipSeconds(5));
    assert_eq!(warehouse.state("a"), "ABORTED");
    expect(&again.send(elsewhere), &[("Status", "Success")]);

    warehouse.happen(Event::ReviveBackend(0));
    expect(&Request::load("b", "2,y,1\n").send(warehouse.backend()), &[("Status", "Success")]);
    assert_eq!(warehouse.rows(), ["1=x", "2=y"]);
}

#[test]
fn a_client_that_goes_away_leaves_an_aborted_load() {
    let warehouse = doris();
    let gone = Request::load("a", "1,x,1\n").start(warehouse.backend()).unwrap();
    warehouse.eventually("it gathers", || warehouse.state("a") == "PREPARE");
    drop(gone);
    warehouse.eventually("it is aborted", || warehouse.state("a") == "ABORTED");
}

#[test]
fn row_21_too_many_versions_are_refused_until_they_are_compacted() {
    let warehouse = doris();
    warehouse.happen(Event::StopCompaction);
    warehouse.update(|state| state.limits.versions_max = 3);
    for label in ["a", "b"] {
        let load = Request::load(label, "1,x,1\n").send(warehouse.backend());
        expect(&load, &[("Status", "Success")]);
    }
    let refused = Request::load("c", "1,x,1\n").send(warehouse.backend());
    expect(&refused, &[("Status", "Fail")]);
    let message = refused.json()["Message"].to_string();
    assert!(message.contains("[E-235]") && message.contains("exceed limit: 3"), "{message}");
    assert_eq!(warehouse.state("c"), "ABORTED");
    warehouse.happen(Event::Compact);
    expect(&Request::load("c", "1,x,1\n").send(warehouse.backend()), &[("Status", "Success")]);
}

#[test]
fn row_40_where_loads_are_recorded_the_answer_has_more_keys_and_one_of_them_twice() {
    let warehouse = doris();
    warehouse.fault(Effect::RecordReply, Call::Load);
    let reply = Request::load("a", "1,x,1\n").send(warehouse.backend());
    assert_eq!(reply.body.matches("\"Comment\"").count(), 2, "{reply:?}");
    expect(&reply, &[("Status", "Success"), ("Db", "shop"), ("User", "root")]);
    assert!(!reply.body.contains('\n'));
}

#[test]
fn redirects_can_go_in_a_circle_or_to_nobody() {
    let warehouse = doris();
    warehouse.fault(Effect::RedirectLoop, Call::Load);
    let load = Request::load("a", "1,x,1\n");
    let location = load.send(warehouse.frontend()).location().unwrap();
    assert_eq!(location.authority, warehouse.frontend());
    warehouse.fault(Effect::RedirectToDead, Call::Load);
    let location = load.send(warehouse.frontend()).location().unwrap();
    assert!(load.try_send(location.authority).is_err());
    expect(&load.follow(warehouse.frontend()), &[("Status", "Success")]);
}

#[test]
fn faults_can_be_asked_for_over_http_and_fit_by_label() {
    let warehouse = doris();
    let ask = |body: &str| Request::post("/_fault").body(body).send(warehouse.frontend());
    let fault = r#"{"next": {"effect": "fail_though_done", "on": "load", "label": "mine"}}"#;
    assert_eq!(ask(fault).status, 200);
    let other = Request::load("other", "1,x,1\n").send(warehouse.backend());
    expect(&other, &[("Status", "Success")]);
    let mine = Request::load("mine-1", "1,x,1\n").send(warehouse.backend());
    expect(&mine, &[("Status", "Fail")]);
    let once = Request::load("mine-2", "1,x,1\n").send(warehouse.backend());
    expect(&once, &[("Status", "Success")]);
    assert_eq!(ask(r#"{"now": "forget_labels"}"#).status, 200);
    assert_eq!(warehouse.state("other"), "UNKNOWN");
    assert_eq!(ask(r#"{"now": {"kill_backend": 9}}"#).status, 400);
    let unknown = ask(r#"{"next": {"effect": "explode", "on": "load"}}"#);
    assert!(unknown.status == 400 && unknown.body.contains("explode"), "{unknown:?}");
}

#[test]
fn a_late_answer_is_one_whose_work_is_done() {
    let warehouse = doris();
    let fault = warehouse::cluster::Fault::new(Effect::DelayReply, Call::Load);
    warehouse.update(|state| state.arm(warehouse::cluster::Fault { millis: 60_000, ..fault }));
    let request = Request::load("a", "1,x,1\n").without("Expect");
    let mut stream = request.start(warehouse.backend()).unwrap();
    std::io::Write::write_all(&mut stream, b"1,x,1\n").unwrap();
    warehouse.eventually("it is done", || warehouse.rows() == ["1=x"]);
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(stream.read(&mut [0; 16]).is_err(), "answered at once");
}

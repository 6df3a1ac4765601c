//! Doris: what becomes of bodies; rows 22, 23, 33 and 34.

use std::io::Write as _;

use warehouse::cluster::Event;

use crate::warehouse::{doris, expect};
use crate::wire::Request;

#[test]
fn row_22_bad_values_become_null_unless_the_load_is_strict() {
    let warehouse = doris();
    let lenient = Request::load("lenient", "1,x,many\n").send(warehouse.backend());
    expect(&lenient, &[("Status", "Success"), ("NumberFilteredRows", "0")]);
    let strict = Request::load("strict", "2,y,many\n3,z,3\n").header("strict_mode", "true");
    let reply = strict.send(warehouse.backend());
    expect(
        &reply,
        &[
            ("Status", "Fail"),
            ("Message", "[DATA_QUALITY_ERROR]too many filtered rows"),
            ("NumberTotalRows", "2"),
            ("NumberFilteredRows", "1"),
            ("NumberLoadedRows", "0"),
        ],
    );
    assert_eq!((warehouse.state("strict"), warehouse.rows()), ("ABORTED", vec!["1=x".to_owned()]));
    let url = reply.json()["ErrorURL"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&format!("http://{}", warehouse.backend())).unwrap();
    let log = Request::get(path).without("Authorization").send(warehouse.backend());
    assert!(log.body.contains("src value is many. src line [2,y,many]; "), "{log:?}");
}

#[test]
fn row_23_some_bad_rows_may_be_left_out() {
    let warehouse = doris();
    let load = Request::load("a", "1,x,1\n2,y,many\n3,z,3\n4,z,4\n").header("strict_mode", "true");
    let reply = load.header("max_filter_ratio", "0.5").send(warehouse.backend());
    let counts = [("NumberFilteredRows", "1"), ("NumberLoadedRows", "3")];
    expect(&reply, &[[("Status", "Success")].as_slice(), &counts].concat());
    assert!(reply.json()["ErrorURL"].is_string(), "{reply:?}");
    assert_eq!(warehouse.rows(), ["1=x", "3=z", "4=z"]);
}

#[test]
fn row_33_bodies_may_be_compressed_but_json_not_on_older_servers() {
    let warehouse = doris();
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let csv = Request::load("csv", "").body(packed("1,x,1\n")).header("compress_type", "gz");
    expect(&csv.send(warehouse.backend()), &[("Status", "Success")]);
    let json = |label: &str| {
        let body = packed("{\"id\": 2, \"name\": \"y\"}");
        let request = Request::load(label, "").body(body).header("compress_type", "gz");
        request.header("format", "json").send(warehouse.backend())
    };
    expect(&json("new"), &[("Status", "Success")]);
    warehouse.update(|state| state.limits.compressed_json = false);
    let refused = json("old");
    assert!(refused.body.contains("compress data of JSON format is not supported."), "{refused:?}");
    let garbage = Request::load("garbage", "1,x,1\n").header("compress_type", "gz");
    expect(&garbage.send(warehouse.backend()), &[("Status", "Fail")]);
    assert_eq!(warehouse.state("garbage"), "ABORTED");
    assert_eq!(warehouse.rows(), ["1=x", "2=y"]);
}

#[test]
fn row_34_group_commit_with_a_label_is_refused() {
    let warehouse = doris();
    let grouped = |mode: &str| Request::load("a", "1,x,1\n").header("group_commit", mode);
    let reply = grouped("sync_mode").follow(warehouse.frontend());
    let text = "[INVALID_ARGUMENT]label and group_commit can't be set at the same time";
    expect(&reply, &[("Status", "Fail"), ("Message", text)]);
    expect(&grouped("sometimes").send(warehouse.frontend()), &[("status", "FAILED")]);
    expect(&grouped("off_mode").follow(warehouse.frontend()), &[("Status", "Success")]);
}

#[test]
fn row_34_a_table_turns_group_commit_on_where_the_header_does_not_turn_it_off() {
    let warehouse = doris();
    let property = "ALTER TABLE shop.orders SET (\"group_commit_mode\" = \"async_mode\")";
    assert_eq!(warehouse.statement("shop", property)["msg"], "success");
    let silent = Request::load("mine", "1,x,1\n").send(warehouse.backend());
    expect(&silent, &[("Status", "Success"), ("GroupCommit", "true")]);
    expect(&silent, &[("GroupCommitMode", "async_mode"), ("NumberLoadedRows", "1")]);
    let label = silent.json()["Label"].as_str().unwrap().to_owned();
    assert!(label.starts_with("group_commit_"), "{silent:?}");
    assert!(!silent.body.contains("TwoPhaseCommit") && !silent.body.contains("BeginTxnTimeMs"));
    assert_eq!((warehouse.state("mine"), warehouse.rows().len()), ("UNKNOWN", 0));
    warehouse.happen(Event::SkipSeconds(10));
    assert_eq!((warehouse.state(&label), warehouse.rows()), ("VISIBLE", vec!["1=x".to_owned()]));

    let off = Request::load("off", "2,y,1\n").header("group_commit", "off_mode");
    expect(&off.send(warehouse.backend()), &[("Status", "Success"), ("Label", "off")]);
    let staged = Request::load("staged", "3,z,1\n").header("two_phase_commit", "true");
    expect(&staged.send(warehouse.backend()), &[("Label", "staged"), ("TwoPhaseCommit", "true")]);
    assert_eq!(
        (warehouse.state("staged"), warehouse.rows()),
        ("PRECOMMITTED", vec!["1=x".to_owned(), "2=y".to_owned()])
    );
}

#[test]
fn row_34_a_load_that_asks_for_group_commit_has_no_label_or_loses_it() {
    let warehouse = doris();
    let load = Request::load("a", "1,x,1\n").header("group_commit", "sync_mode");
    let unlabelled = load.clone().without("label").send(warehouse.backend());
    expect(&unlabelled, &[("Status", "Success"), ("GroupCommit", "true")]);
    assert_eq!(warehouse.rows(), ["1=x"]);
    let chunked = load.chunked().send(warehouse.backend());
    expect(&chunked, &[("Status", "Success"), ("GroupCommitMode", "sync_mode")]);
    assert_eq!(warehouse.state("a"), "UNKNOWN");
}

#[test]
fn a_load_without_a_label_gets_one() {
    let warehouse = doris();
    let load = Request::load("", "1,x,1\n").without("label");
    let (one, other) = (load.send(warehouse.backend()), load.send(warehouse.backend()));
    expect(&one, &[("Status", "Success")]);
    assert_ne!(one.json()["Label"], other.json()["Label"]);
}

#[test]
fn json_that_is_not_read_by_line_is_limited_before_it_is_read() {
    let warehouse = doris();
    warehouse.update(|state| state.limits.json_max = 10);
    let body = "[{\"id\": 1, \"name\": \"x\"}]";
    let array =
        Request::load("a", body).header("format", "json").header("strip_outer_array", "true");
    let reply = array.send(warehouse.backend());
    assert!(reply.body.contains("[EXCEEDED_LIMIT]json body size 24 bytes"), "{reply:?}");
    assert!(!reply.continued);
    let lines = Request::load("a", "{\"id\": 1, \"name\": \"x\"}").header("format", "json");
    expect(&lines.send(warehouse.backend()), &[("Status", "Success")]);
}

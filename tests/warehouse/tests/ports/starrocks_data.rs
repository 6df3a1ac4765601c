//! StarRocks: what becomes of bodies; rows 25 to 28 and 32.

use std::io::Write as _;

use warehouse::System;

use crate::starrocks_transactions::{call, ok, prepared, request};
use crate::warehouse::{Warehouse, expect, setup, starrocks};
use crate::wire::Request;

#[test]
fn row_25_bad_and_long_values_become_null_unless_the_load_is_strict() {
    let warehouse = starrocks();
    let lenient = Request::load("lenient", "1,x,many\n2,much too long,2\n");
    expect(&lenient.send(warehouse.backend()), &[("Status", "Success"), ("NumberLoadedRows", "2")]);
    assert_eq!(warehouse.rows(), ["1=x", "2"]);
    let strict = Request::load("strict", "3,z,many\n").header("strict_mode", "true");
    let reply = strict.send(warehouse.backend());
    let text = "too many filtered rows";
    expect(&reply, &[("Status", "Fail"), ("Message", text), ("NumberFilteredRows", "1")]);
    let url = reply.json()["ErrorURL"].as_str().unwrap().to_owned();
    let log = Request::get(&url[url.find("/api").unwrap()..]).send(warehouse.backend());
    assert!(log.body.contains("Row: 3,z,many"), "{log:?}");
}

#[test]
fn row_26_a_bad_row_is_found_at_prepare() {
    let warehouse = starrocks();
    ok(&request("begin", "a", "").send(warehouse.backend()));
    let load = request("load", "a", "1,x,many\n").header("strict_mode", "true");
    ok(&load.send(warehouse.backend()));
    let refused = call(&warehouse, "prepare", "a", "");
    expect(&refused, &[("Status", "INTERNAL_ERROR"), ("Message", "too many filtered rows")]);
    assert!(refused.json()["ErrorURL"].is_string());
    assert_eq!(warehouse.state("a"), "ABORTED");
}

#[test]
fn row_27_json_comes_as_an_array_or_one_after_another_and_has_a_limit() {
    let warehouse = starrocks();
    let json = |label: &str, body: &str| Request::load(label, body).header("format", "json");
    let lines = json("lines", "{\"id\": 1, \"name\": \"x\"}\n{\"id\": 2, \"name\": \"y\"}");
    expect(&lines.send(warehouse.backend()), &[("NumberLoadedRows", "2")]);
    let array = json("array", "[{\"id\": 3, \"name\": \"z\"}]").header("strip_outer_array", "true");
    expect(&array.send(warehouse.backend()), &[("NumberLoadedRows", "1")]);
    warehouse.update(|state| state.limits.json_max = 4);
    let refused = json("large", "{\"id\": 4}").send(warehouse.backend());
    assert!(refused.body.contains("exceed the max size [4] of json type data"), "{refused:?}");
    assert!(!refused.continued);
    let forced = json("large", "{\"id\": 4}").header("ignore_json_size", "true");
    expect(&forced.send(warehouse.backend()), &[("Status", "Success")]);
    assert_eq!(warehouse.rows(), ["1=x", "2=y", "3=z", "4"]);
}

#[test]
fn row_28_operations_are_in_the_rows_or_in_the_headers() {
    let warehouse = starrocks();
    let load = Request::load("a", "1,x,1\n2,y,2\n3,z,3\n4,u,4\n").send(warehouse.backend());
    expect(&load, &[("NumberLoadedRows", "4")]);
    let json = Request::load("b", "{\"id\": 1, \"__op\": 1}\n{\"id\": 5, \"name\": \"v\"}");
    expect(&json.header("format", "json").send(warehouse.backend()), &[("Status", "Success")]);
    let csv = Request::load("c", "2,1\n").header("columns", "id,__op");
    expect(&csv.send(warehouse.backend()), &[("Status", "Success")]);
    let constant = Request::load("d", "3\n").header("columns", "id,__op='delete'");
    expect(&constant.send(warehouse.backend()), &[("Status", "Success")]);
    assert_eq!(warehouse.rows(), ["4=u", "5=v"]);
}

#[test]
fn row_32_bodies_may_be_compressed_under_one_of_two_names() {
    let warehouse = starrocks();
    let text = b"1,x,1\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(text).unwrap();
    for (name, codec, body) in [
        ("compression", "gzip", gzip.finish().unwrap()),
        ("compression", "lz4_frame", lz4.finish().unwrap()),
        ("Content-Encoding", "zstd", zstd::encode_all(&text[..], 1).unwrap()),
    ] {
        let load = Request::load(codec, "").body(body).header(name, codec);
        expect(
            &load.send(warehouse.backend()),
            &[("Status", "Success"), ("NumberLoadedRows", "1")],
        );
    }
    let both =
        Request::load("a", "x").header("compression", "gzip").header("Content-Encoding", "gzip");
    let refused = both.send(warehouse.backend());
    let text = "Only one of http header content-encoding and compression can be set";
    expect(&refused, &[("Status", "Fail"), ("Message", text)]);
}

#[test]
fn rows_can_be_counted_instead_of_kept() {
    let counted = ::warehouse::cluster::Rows::Counted;
    let setup = ::warehouse::cluster::Setup { rows: counted, ..setup(System::StarRocks) };
    let warehouse = Warehouse::start(&setup);
    prepared(&warehouse, "a", "1,x,1\n2,y,2\n");
    prepared(&warehouse, "b", "3,z,3\n");
    ok(&call(&warehouse, "rollback", "b", ""));
    let visible = || Request::get("/_counted").send(warehouse.backend()).json();
    assert_eq!(visible(), serde_json::json!({}));
    ok(&call(&warehouse, "commit", "a", ""));
    let expected = serde_json::json!({"shop.orders": {"loads": 1, "rows": 2, "bytes": 12}});
    assert_eq!(visible(), expected);
    ok(&call(&warehouse, "begin", "c", ""));
    for array in [r#"[{"id":4,"name":"{"},{"id":5}]"#, "[]"] {
        let load = request("load", "c", array).header("format", "json");
        ok(&load.header("strip_outer_array", "true").follow(warehouse.frontend()));
    }
    ok(&call(&warehouse, "prepare", "c", ""));
    ok(&call(&warehouse, "commit", "c", ""));
    let expected = serde_json::json!({"shop.orders": {"loads": 3, "rows": 4, "bytes": 44}});
    assert_eq!(visible(), expected);
    assert!(warehouse.rows().is_empty());
}

//! Options that scripts for Dinky give their Doris and StarRocks sinks.

use std::collections::BTreeMap;

use super::*;
use crate::settings::warehouse::{Becomes, Sinks, WAREHOUSE};

fn of(connector: &str, options: &str) -> String {
    script("", options).replace("'print'", &format!("'{connector}'"))
}

#[track_caller]
fn options(connector: &str, given: &str) -> BTreeMap<String, String> {
    good(&of(connector, given)).sinks.remove(0).options
}

#[track_caller]
fn check(connector: &str, given: &str, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(options(connector, given), expected, "{given}");
}

#[track_caller]
fn refused(connector: &str, given: &str, message: &str) {
    let errors = read(&of(connector, given), Mode::Strict, &[]).unwrap_err().to_string();
    assert!(errors.contains(message), "{errors}");
}

#[test]
fn the_scripts_of_dinkys_manual_say_here_what_they_say_there() {
    let job = good(&of(
        "datastream-doris-schema-evolution",
        "'sink.fenodes' = '127.0.0.1:8030', 'sink.username' = 'root', 'sink.password' = '123456',\n  \
         'sink.doris.batch.size' = '1000', 'sink.sink.max-retries' = '1',\n  \
         'sink.sink.batch.interval' = '60000', 'sink.sink.db' = 'test',\n  \
         'sink.sink.properties.format' ='json', 'sink.sink.properties.read_json_by_line' ='true',\n  \
         'sink.sink.properties.timeout' = '600', 'sink.sink.batch.size' = '1',\n  \
         'sink.table.identifier' = '#{schemaName}.#{tableName}',\n  \
         'sink.sink.label-prefix' = '#{schemaName}_#{tableName}_1'",
    ));
    let [sink] = job.sinks.as_slice() else { panic!("one sink") };
    let options: Vec<_> = sink.options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        options,
        [
            ("buffer-flush.interval", "60000ms"),
            ("fenodes", "127.0.0.1:8030"),
            ("label-prefix", "1"),
            ("max-retries", "1"),
            ("password", "123456"),
            ("properties.timeout", "600"),
            ("username", "root"),
        ]
    );
    assert_eq!(sink.connector, "doris");
    assert_eq!(sink.places["max-retries"].to_string(), "dir/job.sql:10:64");
    assert_eq!(sink.routes.target(&TableName::new("shop", "t")), TableName::new("test", "t"));
    for key in ["sink.doris.batch.size", "sink.sink.properties.format", "sink.sink.batch.size"] {
        assert_eq!(job.notes.iter().filter(|n| n.text.contains(key)).count(), 1, "{key}");
    }
    check(
        "starrocks",
        "'sink.jdbc-url' = 'jdbc:mysql://127.0.0.1:19035', 'sink.load-url' = '127.0.0.1:18035',\n  \
         'sink.sink.buffer-flush.interval-ms' = '15000', 'sink.sink.max-retries' = '10',\n  \
         'sink.database-name' = 'ods', 'sink.table-name' = '#{tableName}',\n  \
         'sink.sink.properties.strip_outer_array' = 'true', 'sink.sink.parallelism' = '1'",
        &[
            ("buffer-flush.interval", "15000ms"),
            ("jdbc-url", "jdbc:mysql://127.0.0.1:19035"),
            ("load-url", "127.0.0.1:18035"),
            ("max-retries", "10"),
        ],
    );
}

#[test]
fn values_come_in_the_form_that_our_options_have() {
    let doris = |given: &str, expected: &[(&str, &str)]| check("doris", given, expected);
    doris("'sink.sink.enable-2pc' = 'FALSE'", &[("enable-2pc", "false")]);
    doris("'sink.sink.buffer-flush.interval' = '10 s'", &[("buffer-flush.interval", "10000ms")]);
    doris("'sink.sink.batch.interval' = '0'", &[]);
    doris("'sink.sink.batch.size' = '5000'", &[("buffer-flush.max-rows", "5000")]);
    doris("'sink.sink.buffer-flush.max-bytes' = '100mb'", &[("buffer-flush.max-bytes", "100mb")]);
    doris("'sink.doris.request.connect.timeout' = '30s'", &[("connect.timeout-ms", "30000")]);
    doris("'sink.doris.request.read.timeout.ms' = '7'", &[("socket.timeout-ms", "7")]);
    doris("'sink.sink.label-prefix' = 'v2'", &[("label-prefix", "v2")]);
    doris("'sink.sink.label-prefix' = '${schemaName}_${tableName}'", &[]);
    doris("'sink.sink.ignore.commit-error' = 'false'", &[]);
    doris(
        "'sink.table.create.properties.replication_num' = '1'",
        &[("table.create.properties.replication_num", "1")],
    );
    let starrocks = |given: &str, expected: &[(&str, &str)]| check("starrocks", given, expected);
    starrocks("'sink.sink.semantic' = 'at-least-once'", &[("enable-2pc", "false")]);
    starrocks("'sink.sink.semantic' = 'exactly-once'", &[("enable-2pc", "true")]);
    starrocks("'sink.sink.socket.timeout-ms' = '-1'", &[]);
    starrocks("'sink.sink.io.thread-count' = '4'", &[("parallel-loads", "4")]);
}

#[test]
fn what_would_lose_or_change_rows_is_refused() {
    let doris = |given: &str, message: &str| refused("doris", given, message);
    doris("'sink.sink.ignore.commit-error' = 'true'", "9:38: `sink.sink.ignore.commit-error` can");
    doris(
        "'sink.sink.properties.columns' = 'a,b'",
        "9:4: `sink.sink.properties.columns`: this header",
    );
    doris("'sink.properties.group_commit' = 'async_mode'", "is the sink's own");
    doris("'sink.table.create.auto-partition.properties.include' = 'x'", "without partitions");
    doris("'sink.sink.enable-2pc' = 'maybe'", "is `maybe`, expected `true` or `false`");
    doris(
        "'sink.sink.batch.interval' = '1s', 'sink.buffer-flush.interval' = '2s'",
        "`sink.sink.batch.interval` and `sink.buffer-flush.interval` say the same thing",
    );
    doris("'sink.sink.enable-2pcs' = 'true'", "unknown option `sink.sink.enable-2pcs`");
    refused("starrocks", "'sink.fenodes' = 'fe:8030'", "unknown option `sink.fenodes`");
    refused("starrocks", "'sink.sink.blackhole' = 'true'", "can only be `false` here");
    check("doris", "'sink.sink.properties.group_commit' = 'off_mode'", &[]);
}

#[test]
fn every_option_of_other_engines_ends_in_one_that_the_sink_has() {
    for theirs in WAREHOUSE {
        let connectors: &[&str] = match theirs.of {
            Sinks::Doris => &["doris"],
            Sinks::StarRocks => &["starrocks"],
            Sinks::Both => &["doris", "starrocks"],
        };
        let ours = match theirs.becomes {
            Becomes::Flag(ours)
            | Becomes::Number(ours)
            | Becomes::Size(ours)
            | Becomes::Millis(ours)
            | Becomes::Interval(ours)
            | Becomes::Rows(ours)
            | Becomes::Label(ours)
            | Becomes::Semantic(ours) => ours,
            Becomes::Nothing(_) | Becomes::Only(..) | Becomes::Refused(_) => continue,
        };
        for connector in connectors {
            let known = World.sink_options(connector).unwrap();
            assert!(known.iter().any(|name| name == ours), "{connector}: {theirs:?}");
        }
    }
}

//! What Dinky drops in silence, found when strict, with place and correction.

use super::*;

/// The one error of a script, as it is shown.
#[track_caller]
fn check(source: &str, shown: &str) {
    let errors = read(source, Mode::Strict, &[]).expect_err("an error was expected");
    assert_eq!(errors.to_string(), shown, "\n{errors}");
}

/// Every error of a script as `line:column: beginning of the message`.
#[track_caller]
fn check_all(source: &str, expected: &[&str]) {
    let errors = read(source, Mode::Strict, &[]).expect_err("an error was expected");
    let found: Vec<_> = errors
        .errors
        .iter()
        .map(|error| {
            let place = error.place.to_string().replace("dir/job.sql:", "");
            format!("{place}: {}", error.message)
        })
        .collect();
    let all = found.len() == expected.len();
    let fit = all && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
    assert!(fit, "found {found:#?}\nexpected {expected:#?}");
}

#[test]
fn an_unknown_option_is_shown_with_its_line_and_the_nearest_name() {
    check(
        &script("", "'scan.startup.mod' = 'initial',"),
        "dir/job.sql:9:4: unknown option `scan.startup.mod`; Dinky ignores it: did you mean \
         `scan.startup.mode`?\n  9 |   'scan.startup.mod' = 'initial',\n    |    ^^^^^^^^^^^^^^^^",
    );
}

#[test]
fn all_mistakes_are_told_in_one_go() {
    check_all(
        "SET execution.checkpointing.intervall = 3s;\nSET restart-strategy = fixed;\n\
         EXECUTE CDCSOURCE x WITH (\n'connector' = 'mysql-cdc',\n'hostnme' = 'h',\n'port' = 'x',\n\
         'username' = 'u',\n'scan.startup.mode' = 'initail',\n'table-name' = 'a\\.(b',\n\
         'sink.connector' = 'print', 'sink.fromat' = 'x');",
        &[
            "1:5: unknown `SET` key `execution.checkpointing.intervall`",
            "2:24: `restart-strategy` is `fixed`, expected one of",
            "5:2: unknown option `hostnme`",
            "6:11: `port` is `x`, expected an integer",
            "8:24: `scan.startup.mode` is `initail`, which is no mode; Dinky ignores it and runs \
             `initial`: did you mean `initial`?",
            "9:17: `table-name`: pattern `a\\.(b`, at its character 1: unclosed group",
            "10:30: unknown option `sink.fromat` of sink `print`; Dinky may ignore it: did you \
             mean `sink.format`?",
            "dir/job.sql: option `hostname` is missing",
            "dir/job.sql: option `password` is missing",
        ],
    );
}

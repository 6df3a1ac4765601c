//! With `--lenient` a script runs as it would on Dinky, and every leniency is a note.

use super::*;

#[track_caller]
fn lenient(source: &str) -> JobSpec {
    read(source, Mode::Lenient, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Reads leniently and returns the job and its leniencies, each as `line:column: text`.
#[track_caller]
fn notes(source: &str) -> (JobSpec, Vec<String>) {
    assert!(read(source, Mode::Strict, &[]).is_err(), "strict is to refuse it");
    let job = lenient(source);
    let notes = job.notes.iter().filter(|note| note.kind == NoteKind::Leniency);
    let notes = notes.map(|note| note.to_string().replace("dir/job.sql:", "")).collect();
    (job, notes)
}

#[track_caller]
fn check(source: &str, expected: &[&str], holds: impl Fn(&JobSpec) -> bool) {
    let (job, notes) = notes(source);
    let fit = notes.len() == expected.len()
        && notes.iter().zip(expected).all(|(note, start)| note.starts_with(start));
    assert!(fit, "found {notes:#?}\nexpected {expected:#?}");
    assert!(holds(&job), "{job:#?}");
}

#[track_caller]
fn check_option(options: &str, expected: &[&str], holds: impl Fn(&JobSpec) -> bool) {
    check(&script("", options), expected, holds);
}

fn port(port: u16) -> impl Fn(&JobSpec) -> bool {
    move |job| job.source.hosts[0].port == port
}

#[test]
fn options_are_lost_where_dinky_loses_them() {
    check_option(
        "'port' = '1' 'parallelism' = '7'",
        &[
            "9:14: the comma after the value of `port` is missing; as Dinky loses the next option",
            "9:17: option `parallelism` is lost",
        ],
        |job| job.source.hosts[0].port == 1 && job.parallelism.get() == 1,
    );
    check_option(
        "'port' = '1' , 'parallelism' = '7'",
        &["9:15: blank between the value of `port`", "9:19: option `parallelism` is lost"],
        |job| job.source.hosts[0].port == 1 && job.parallelism.get() == 1,
    );
    check_option(
        "port = '1',",
        &["9:3: `port` is not in single quotes", "9:3: option `port` is lost"],
        port(3306),
    );
    check_option(
        "\"port\" = \"1\",",
        &["9:3: `port` is in double quotes", "9:3: option `port` is lost"],
        port(3306),
    );
    check_option("'prt' = '1',", &["9:4: unknown option `prt`; as Dinky ignores it"], port(3306));
    check_option(
        "'port' = '1', 'port' = '2'",
        &["9:18: `port` is given twice; as Dinky takes the last"],
        port(2),
    );
    check_option("'port' = '1', xyz 'checkpoint' = '3s'", &["9:17: stray text"], |job| {
        job.checkpointing.interval == Some(Duration::from_secs(3))
    });
    check_option(
        "'port' = '1', 'parallelism' = '7",
        &["9:33: this quote is never closed in its statement"],
        |job| job.source.hosts[0].port == 1 && job.parallelism.get() == 7,
    );
    check_option(") 'port' = '1'", &["9:3: this `)` does not end the options"], port(1));
    check_option(
        "'source.ssl.ca' = 'it's', 'port' = '1'",
        &["9:24: a `'` within the value of `source.ssl.ca`; as Dinky cuts the value off there"],
        |job| job.source.hosts[0].port == 1 && job.source.tls.ca == Some("it".into()),
    );
}

#[test]
fn a_mistyped_startup_mode_is_initial() {
    check_option(
        "'scan.startup.mode' = 'latest',",
        &[
            "9:26: `scan.startup.mode` is `latest`, which is no mode; as Dinky ignores it and runs `initial`",
        ],
        |job| job.source.startup == StartupMode::Initial,
    );
    let snapshot = lenient(&script("", "'scan.startup.mode' = 'snapshot'"));
    assert_eq!(snapshot.source.startup, StartupMode::Initial);
}

#[test]
fn set_statements_mean_what_they_mean_to_dinky() {
    let check = |set: &str, expected: &[&str], name: &str| {
        check(&script(set, ""), expected, |job| job.name == name);
    };
    check(
        "SET pipeline.name = a; SET parallelism.default = 7;",
        &["1:21: the value of `pipeline.name` holds a `=`", "1:22: more text follows on the line"],
        "a; SET parallelism.default = 7",
    );
    check(
        "SET pipeline.name = a\nSET parallelism.default = 7;",
        &["1:21: the `;` after this statement is missing", "1:21: the value of"],
        "a SET parallelism.default = 7",
    );
    check(
        "SET pipeline.name=a=b;",
        &[
            "1:5: unknown `SET` key `pipeline.name=a`",
            "1:19: the value of `pipeline.name` holds a `=`",
        ],
        "job",
    );
    check(
        "SET pipeline.nam = a;",
        &["1:5: unknown `SET` key `pipeline.nam`; as Dinky ignores it"],
        "job",
    );
    check(
        "SET pipeline.name = a;\nSET pipeline.name = b;",
        &["2:5: `pipeline.name` is given twice"],
        "b",
    );
    check("SET pipeline.name = ;", &["1:5: `pipeline.name` has no value"], "job");
    check("SET pipeline.name = \"a\";", &["1:21: double quotes are part of the text"], "\"a\"");
    check("ADD JAR 'x.jar';", &["1:1: `ADD` does nothing"], "job");
}

#[test]
fn only_the_first_statement_runs() {
    let two = format!("{}\n{}", script("", "'port' = '1'"), script("", "'port' = '2'"));
    check(&two, &["12:1: a second `EXECUTE CDCSOURCE`; as Dinky runs only the first"], port(1));
}

#[test]
fn a_job_that_dinky_would_run_without_options_is_read_as_it_looks() {
    let tight = script("", "'port' = '1'").replace("WITH (", "WITH(");
    check(
        &tight,
        &[
            "2:21: no blank between `WITH` and `(`: Dinky reads no options at all; here they are read",
        ],
        port(1),
    );
}

#[test]
fn naming_rules_are_left_out_of_print_and_refused_where_rows_would_go_astray() {
    check_option(
        "'sink.table.prefix' = 'ods_',",
        &["9:4: `sink.table.prefix` is not supported yet: the job runs without it"],
        |job| job.sinks[0].options.is_empty(),
    );
    let other = script("", "'sink.table.prefix' = 'ods_',").replace("'print'", "'clickhouse'");
    let errors = read(&other, Mode::Lenient, &[]).unwrap_err().to_string();
    assert!(errors.contains("rows would go to other tables"), "{errors}");
}

#[test]
fn what_stops_dinky_stops_leniency_too() {
    let check = |source: &str, message: &str| {
        let errors = read(source, Mode::Lenient, &[]).unwrap_err().to_string();
        assert!(errors.contains(message), "{errors}");
    };
    check(&script("", "'port' = 'x'"), "`port` is `x`, expected an integer");
    check(&script("INSERT INTO a SELECT * FROM b;", ""), "`INSERT` is not run here");
    check(&script("", "").replace("'hostname' = 'h',", ""), "option `hostname` is missing");
    check(&script("", "").replace(r"a\.b", r"a\.(?!b)"), "look-ahead");
}

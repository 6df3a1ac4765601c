//! Secrets, overrides, and what a script says without saying it.

use super::*;

#[test]
fn secrets_come_from_the_environment_and_from_files() {
    let password = |value: &str| {
        let text = script("", "").replace("'p'", &format!("'{value}'"));
        good(&text).source.password.reveal().to_owned()
    };
    assert_eq!(password("${env:MYSQL_PASSWORD}"), "s3'cret', 'x");
    assert_eq!(password("a${file:/run/secrets/db}b${env:MYSQL_PASSWORD}"), "afiledbs3'cret', 'x");
    assert_eq!(password("$env{x}"), "$env{x}");
    assert_eq!(password("${env:open"), "${env:open");
    assert_eq!(good(&script("SET pipeline.name = ${file:/run/secrets/db};", "")).name, "filed");
}

#[test]
fn a_secret_that_is_not_there_is_an_error_in_its_place() {
    let check = |options: &str, shown: &str| {
        let errors = read(&script("", options), Mode::Strict, &[]).unwrap_err().to_string();
        assert!(errors.starts_with(shown), "{errors}");
        assert_eq!(errors.lines().count(), 3, "{errors}");
    };
    check(
        "'sink.format' = 'x${env:NOPE}'",
        "dir/job.sql:9:21: `sink.format`: environment variable `NOPE` is not set\n",
    );
    check(
        "'sink.format' = '${file:/nope}'",
        "dir/job.sql:9:20: `sink.format`: file `/nope` cannot be read: ",
    );
    check(
        "'port' = '${env:NOPE}'",
        "dir/job.sql:9:13: `port`: environment variable `NOPE` is not set\n",
    );
}

#[test]
fn a_password_is_shown_nowhere() {
    let check = |source: &str, mode: Mode, overrides: &[(&str, &str)]| {
        let shown = match read(source, mode, overrides) {
            Ok(job) => format!("{job:?} {job:#?} {}", job.source.password),
            Err(errors) => format!("{errors} {errors:?}"),
        };
        assert!(!shown.contains("hunter"), "{shown}");
    };
    let variants = [
        "'password' = 'hunter2',",
        "'password' = 'x'hunter2',",
        "'password' = hunter2,",
        "password = 'hunter2',",
        "password = hunter2,",
        "\"password\" = \"hunter2\",",
        "'password' = \"hunter2\",",
        "'password' = 'hunter2' ,",
        "'password' = 'hunter2",
        "'password'\n=\n'hunter2'\n'x' = 'y',",
        "'password' /* c */ = -- d\n /* e */ 'hunter2' 'x' = 'y',",
        "'port' = 'x', -- 'password' = 'hunter2'\n",
        "'pasword' = 'hunter2',",
        "'Password' = 'hunter2',",
        "'password' = 'hunter${2}',",
        "'password' = '${hunter}',",
        "'password' = 'a,hunter2' 'x' = 'y',",
        "'password' = 'a', hunter2',",
        "'password' = 'p', 'sink.password' = 'hunter2',",
        "'password' = 'p', 'jdbc.properties.password' = 'hunter2',",
        "'password' = 'p', 'port' = 'x', 'sink[7].password' = 'hunter2',",
    ];
    for options in variants {
        for mode in [Mode::Strict, Mode::Lenient] {
            check(&script("", "").replace("'password' = 'p',", options), mode, &[]);
            let one_line = script("", "").replace("'password' = 'p',", options).replace('\n', " ");
            check(&one_line.replace("'h'", "'h' 'z'"), mode, &[]);
        }
    }
    let hidden =
        script("", "").replace("'p'", "'${env:MYSQL_PASSWORD}', 'port' = '${file:hunter}'");
    check(&hidden.replace("hunter", "x"), Mode::Strict, &[("password", "hunter2")]);
    check(&script("", ""), Mode::Strict, &[("password", "hunter2"), ("pasword", "hunter3")]);
    check(
        &script("SET s3.secret-key = hunter2;\nSET s3.secret-key = hunter3;", ""),
        Mode::Strict,
        &[],
    );
}

#[test]
fn a_value_from_outside_is_not_shown_when_it_does_not_fit() {
    let text = script("", "'port' = '${env:MYSQL_PASSWORD}'");
    let errors = read(&text, Mode::Strict, &[]).unwrap_err().to_string();
    assert!(errors.contains("`port` is not valid, expected an integer"), "{errors}");
    assert!(!errors.contains("s3'cret"), "{errors}");
}

#[test]
fn overrides_win_over_options_settings_and_variables() {
    let text =
        script("SET pipeline.name = a;\nwho := u1;", "'port' = '1'").replace("'u'", "'${who}'");
    let overrides = [
        ("port", "3310"),
        ("hostname", "h2"),
        ("pipeline.name", "b"),
        ("who", "u2"),
        ("sink.format", "changelog"),
        ("password", ""),
        ("execution.checkpointing.interval", "7s"),
    ];
    let job = read(&text, Mode::Strict, &overrides).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(job.source.hosts, [host("h2", 3310)]);
    assert_eq!((job.name.as_str(), job.source.username.as_str()), ("b", "u2"));
    assert_eq!(job.source.password.reveal(), "");
    assert_eq!(job.sinks[0].options["format"], "changelog");
    assert_eq!(job.checkpointing.interval, Some(Duration::from_secs(7)));
}

#[test]
fn a_bad_override_is_an_error_in_either_mode() {
    for mode in [Mode::Strict, Mode::Lenient] {
        let check = |key, value, shown: &str| {
            let errors = read(&script("", ""), mode, &[(key, value)]).unwrap_err().to_string();
            assert_eq!(errors, shown);
        };
        check(
            "hostnme",
            "h",
            "--set hostnme: no option, variable or `SET` key of this name: did you mean `hostname`?",
        );
        check("port", "x", "--set port: `port` is `x`, expected an integer within its range");
        check(
            "parallelism.default",
            "x",
            "--set parallelism.default: `parallelism.default` is `x`, expected an integer from 1 to 256",
        );
    }
}

#[test]
fn defaults_are_those_of_dinky_and_flink() {
    let job = good(&script("", ""));
    let source = &job.source;
    assert_eq!((source.hosts[0].port, source.max_retries), (3306, 3));
    assert_eq!((source.chunk_rows, source.fetch_size.get()), (None, 1024));
    assert_eq!(source.connect_timeout, Duration::from_secs(30));
    assert_eq!(source.heartbeat, Some(Duration::from_secs(30)));
    assert_eq!((source.server_id, source.server_time_zone), (None, None));
    assert_eq!(source.tls, Tls::default());
    assert_eq!(source.startup, StartupMode::LatestOffset);
    let checkpointing = &job.checkpointing;
    assert_eq!((checkpointing.interval, checkpointing.tolerable_failures), (None, 0));
    assert_eq!(checkpointing.interval_during_backlog, BacklogInterval::Same);
    assert_eq!(checkpointing.timeout, Duration::from_secs(600));
    assert_eq!((checkpointing.retention, checkpointing.num_retained.get()), (Retention::Retain, 1));
    assert_eq!(job.restart, RestartStrategy::None, "without checkpoints");
    assert_eq!((job.time_zone, job.runtime_mode), (TimeZone::Utc, RuntimeMode::Streaming));
    let told: Vec<_> = job.notes.iter().map(|note| note.kind).collect();
    assert_eq!(told, [NoteKind::Default; 2], "the startup mode and the checkpoints");
    let with = good(&script("", "'checkpoint' = '3000'"));
    assert_eq!(
        with.restart,
        RestartStrategy::ExponentialDelay {
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            multiplier: 1.5,
            jitter: 0.1,
            reset_threshold: Duration::from_secs(3600),
            attempts: None,
        }
    );
}

#[test]
fn every_startup_mode_is_read() {
    let check = |options: &str, mode: StartupMode| {
        assert_eq!(good(&script("", options)).source.startup, mode, "{options}");
    };
    check("'scan.startup.mode' = 'Initial'", StartupMode::Initial);
    check("'scan.startup.mode' = 'snapshot'", StartupMode::Snapshot);
    check("'scan.startup.mode' = 'latest-offset'", StartupMode::LatestOffset);
    check("'scan.startup.mode' = 'earliest-offset'", StartupMode::EarliestOffset);
    check(
        "'scan.startup.mode' = 'timestamp', 'source.scan.startup.timestamp-millis' = '1667232000000'",
        StartupMode::Timestamp { millis: 1_667_232_000_000 },
    );
    let at = "'scan.startup.mode' = 'specific-offset', 'source.scan.startup.specific-offset";
    let file = StartOffset::File { file: "binlog.000003".parse().unwrap(), pos: 4 };
    check(
        &format!("{at}.file' = 'binlog.000003', 'source.scan.startup.specific-offset.pos' = '4'"),
        StartupMode::SpecificOffset(file),
    );
    let set = "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5";
    let gtids = model::Gtids::Mysql(set.parse().unwrap());
    check(
        &format!("{at}.gtid-set' = '{set}'"),
        StartupMode::SpecificOffset(StartOffset::Gtids(gtids)),
    );
    let gtids = model::Gtids::Mariadb("0-1-7".parse().unwrap());
    check(
        &format!("{at}.gtid-set' = '0-1-7'"),
        StartupMode::SpecificOffset(StartOffset::Gtids(gtids)),
    );
}

#[test]
fn tls_is_read_by_our_names_and_by_those_of_jdbc() {
    let check = |options: &str, mode: SslMode| {
        assert_eq!(good(&script("", options)).source.tls.mode, mode, "{options}");
    };
    check("'source.ssl.mode' = 'VERIFY_CA'", SslMode::VerifyCa);
    check("'jdbc.properties.useSSL' = 'false'", SslMode::Disabled);
    check("'jdbc.properties.useSSL' = 'true'", SslMode::Required);
    check(
        "'jdbc.properties.sslMode' = 'VERIFY_IDENTITY', 'jdbc.properties.useSSL' = 'true'",
        SslMode::VerifyIdentity,
    );
}

#[test]
fn the_name_of_a_job_is_known_whatever_else_is_wrong() {
    let name = |text: &str| identity(text, "dir/emp.sql", &[], &World).name;
    assert_eq!(name("SET pipeline.name = a/b;\nnonsense"), "a/b");
    assert_eq!(name("SET x = ${env:NOPE};"), "emp");
    let overrides = [("pipeline.name".to_owned(), "c".to_owned())];
    assert_eq!(identity("SET pipeline.name = a;", "emp.sql", &overrides, &World).name, "c");
}

#[test]
fn where_the_state_of_a_job_lies_is_known_without_its_secrets() {
    let text = "SET execution.checkpointing.dir = '/srv/state';\n\
                SET execution.checkpointing.num-retained = 3;\n\
                SET x = ${env:NOPE};";
    let found = identity(text, "emp.sql", &[], &World);
    assert_eq!(found.checkpoint_dir.as_deref(), Some("/srv/state"));
    assert_eq!(found.num_retained.get(), 3);
    let none = identity("nonsense", "emp.sql", &[], &World);
    assert_eq!((none.checkpoint_dir, none.num_retained.get()), (None, 1));
}

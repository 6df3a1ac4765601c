use std::io;
use std::time::Duration;

use model::{CheckpointMode, TableName, TimeZone};

use super::*;

mod durability;
mod examples;
mod lenient;
mod pipeline;
mod quirks;
mod robust;
mod routing;
mod secrets;
mod warehouse;

/// A world with one variable, one file and five sinks.
struct World;

impl Surroundings for World {
    fn env(&self, name: &str) -> Option<String> {
        (name == "MYSQL_PASSWORD").then(|| "s3'cret', 'x".to_owned())
    }

    fn file(&self, path: &str) -> io::Result<String> {
        if path == "/run/secrets/db" {
            Ok("filed\r\n".to_owned())
        } else {
            Err(io::Error::from(io::ErrorKind::NotFound))
        }
    }

    fn sink_options(&self, connector: &str) -> Option<Vec<String>> {
        let options: &[&str] = match connector {
            "print" | "blackhole" => &["format"],
            "file" => &["path", "format", "roll.bytes"],
            "doris" => &[
                "fenodes",
                "benodes",
                "jdbc-url",
                "auto-redirect",
                "sequence",
                "username",
                "password",
                "label-prefix",
                "auto.create",
                "schema.change.behavior",
                "include.schema.changes",
                "exclude.schema.changes",
                "enable-delete",
                "enable-2pc",
                "buffer-flush.max-bytes",
                "buffer-flush.max-rows",
                "buffer-flush.interval",
                "max-retries",
                "parallel-loads",
                "properties.*",
                "table.create.properties.*",
                "table.create.num-buckets",
                "timezone",
                "connect.timeout-ms",
                "socket.timeout-ms",
                "compression",
                "be-override",
            ],
            "starrocks" => &[
                "load-url",
                "jdbc-url",
                "username",
                "password",
                "label-prefix",
                "auto.create",
                "schema.change.behavior",
                "include.schema.changes",
                "exclude.schema.changes",
                "enable-delete",
                "enable-2pc",
                "buffer-flush.max-bytes",
                "buffer-flush.max-rows",
                "buffer-flush.interval",
                "max-retries",
                "parallel-loads",
                "properties.*",
                "table.create.properties.*",
                "table.create.num-buckets",
                "timezone",
                "connect.timeout-ms",
                "socket.timeout-ms",
            ],
            _ => return None,
        };
        Some(options.iter().map(ToString::to_string).collect())
    }
}

fn read(source: &str, mode: Mode, overrides: &[(&str, &str)]) -> Result<JobSpec, ScriptErrors> {
    let overrides: Vec<_> =
        overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    parse(source, "dir/job.sql", mode, &overrides, &World)
}

#[track_caller]
fn good(source: &str) -> JobSpec {
    read(source, Mode::Strict, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The smallest whole script, with `set` before the statement and `options` among its own.
fn script(set: &str, options: &str) -> String {
    format!(
        "{set}\nEXECUTE CDCSOURCE x WITH (\n  'connector' = 'mysql-cdc',\n  'hostname' = 'h',\n  \
         'username' = 'u',\n  'password' = 'p',\n  'table-name' = 'a\\.b',\n  \
         'sink.connector' = 'print',\n  {options}\n);"
    )
}

fn host(name: &str, port: u16) -> Host {
    Host { name: name.to_owned(), port }
}

fn example(name: &str) -> String {
    let path = format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap()
}

#[test]
fn the_walkthrough_scripts_mean_what_they_meant() {
    let job = good(&example("emp_1.sql"));
    assert_eq!(job.name, "job");
    assert_eq!(job.source.hosts, [host("127.0.0.1", 3306)]);
    assert_eq!((job.source.username.as_str(), job.source.password.reveal()), ("root", ""));
    assert_eq!(job.source.startup, StartupMode::Initial);
    assert!(job.source.tables.matches(&TableName::new("emp_1", "employees_1")));
    assert!(!job.source.tables.matches(&TableName::new("emp_2", "employees_1")));
    assert_eq!(job.source.tables.databases_hint(), Some(vec!["emp_1".to_owned()]));
    let checkpointing = &job.checkpointing;
    assert_eq!(checkpointing.interval, Some(Duration::from_millis(3000)), "`checkpoint` wins");
    assert_eq!(checkpointing.timeout, Duration::from_secs(600));
    assert_eq!(checkpointing.tolerable_failures, 10);
    assert_eq!(checkpointing.mode, CheckpointMode::ExactlyOnce);
    assert_eq!(checkpointing.retention, Retention::Retain);
    assert_eq!(checkpointing.num_retained.get(), 3);
    let delay = Duration::from_secs(20);
    assert_eq!(job.restart, RestartStrategy::FixedDelay { attempts: 10, delay });
    assert_eq!((job.time_zone, job.parallelism.get()), ("Asia/Shanghai".parse().unwrap(), 1));
    assert_eq!(job.runtime_mode, RuntimeMode::Streaming);
    let [sink] = job.sinks.as_slice() else { panic!("one sink: {:?}", job.sinks) };
    assert_eq!((sink.name.as_str(), sink.connector.as_str()), ("sink[0]", "print"));
    let noted = |key: &str| job.notes.iter().filter(|n| n.text.contains(key)).count();
    for key in [
        "pipeline.operator-chaining",
        "execution.checkpointing.unaligned",
        "table.exec.source.cdc-events-duplicate",
        "table.sql-dialect",
        "jobmanager.memory.process.size",
        "taskmanager.memory.process.size",
        "taskmanager.memory.managed.size",
        "taskmanager.numberOfTaskSlots",
        "yarn.application.queue",
    ] {
        assert_eq!(noted(key), 1, "{key} is named once");
    }
    assert_eq!(job.notes.len(), 9, "{:#?}", job.notes);
    let other = good(&example("emp_2.sql"));
    assert!(other.source.tables.matches(&TableName::new("emp_2", "employees_2")));
    assert!(!other.source.tables.matches(&TableName::new("emp_2", "employees_22")));
}

#[test]
fn a_key_without_effect_yet_is_named_unless_it_asks_for_what_holds_anyway() {
    let more = |key: &str, value: &str| {
        let with = format!("WITH (\n  '{key}' = '{value}',");
        let notes = good(&example("two-sinks.sql").replacen("WITH (", &with, 1)).notes;
        notes.iter().filter(|n| n.text.contains(key) && n.text.contains("no effect yet")).count()
    };
    assert_eq!(more("source.heartbeat.interval", "1 s"), 0);
    assert_eq!(more("source.heartbeat.interval", "30 s"), 1);
}

#[test]
fn lenient_reads_a_clean_script_as_strict_does() {
    for name in ["emp_1.sql", "emp_2.sql", "two-sinks.sql"] {
        let text = example(name);
        let strict = read(&text, Mode::Strict, &[]).unwrap();
        let lenient = read(&text, Mode::Lenient, &[]).unwrap();
        assert_eq!(format!("{strict:?}"), format!("{lenient:?}"), "{name}");
    }
}

#[test]
fn several_sinks_come_in_their_order_with_their_options() {
    let job = good(&example("two-sinks.sql"));
    assert_eq!(job.name, "examples/two_sinks");
    assert_eq!(job.source.password.reveal(), "s3'cret', 'x");
    let names: Vec<_> = job.sinks.iter().map(|s| (s.name.as_str(), s.connector.as_str())).collect();
    assert_eq!(names, [("sink[0]", "print"), ("sink[1]", "file")]);
    assert_eq!(job.sinks[1].options["path"], "./changes");
    assert_eq!(job.sinks[1].options.len(), 2);
    assert_eq!(job.sinks[1].places["path"].to_string(), "dir/job.sql:18:21");
}

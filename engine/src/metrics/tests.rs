//! The page, as Prometheus reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{BarrierKind, CheckpointId, RowsKind, TableName};

use super::*;
use crate::meters::Took;
use crate::pipeline::queue;
use crate::source::status::TableStatus;

fn run(tables: usize) -> RunMetrics {
    let meters = Arc::<Meters>::default();
    let (sender, _receiver) = queue::bounded();
    let sink = meters.sink("sink.0", "doris", sender.gauge());
    sink.wrote(7, 300);
    sink.write.took(Duration::from_millis(3));
    sink.write.took(Duration::from_secs(90));
    meters.rows.add(RowsKind::Update, 3, 120);
    meters.restarted();
    let (id, kind) = (CheckpointId(4), BarrierKind::Checkpoint);
    let duration = Duration::from_millis(250);
    meters.checkpoints.completed(Took { id, kind, at_ms: 1500, duration, size: None });
    meters.checkpoints.weighs(id, 999);
    let list = (0..tables).map(|n| TableStatus::live(TableName::new("d", format!("t{n}"))));
    let behind =
        Behind { seconds: 4, bytes: Some(50), transactions: Some(2), retention: Some(7.5) };
    let status = Status { list: list.collect(), ..Status::default() };
    RunMetrics { status, meters, behind: Some(behind) }
}

fn page(tables: PerTable) -> String {
    let process = Process {
        resident_bytes: Some(1),
        cpu_seconds: Some(0.25),
        open_fds: Some(3),
        max_fds: Some(1024),
    };
    let jobs = [
        JobMetrics {
            name: "retail/\"odd\\\nname".to_owned(),
            state: JobState::Streaming,
            run: Some(run(2)),
        },
        JobMetrics { name: "b".to_owned(), state: JobState::Created, run: None },
    ];
    render(&process, &jobs, tables)
}

#[track_caller]
fn holds(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|l| l == *line), "no line {line} in\n{page}");
    }
}

#[test]
fn a_job_shows_its_numbers_under_its_escaped_name() {
    let page = page(PerTable::Shown);
    let job = r#"job="retail/\"odd\\\nname""#;
    holds(
        &page,
        &[
            "seachange_jobs{state=\"streaming\"} 1",
            "seachange_jobs{state=\"failed\"} 0",
            "seachange_process_cpu_seconds_total 0.25",
            &format!("seachange_job_state{{{job},state=\"streaming\"}} 1"),
            &format!("seachange_job_state{{{job},state=\"failed\"}} 0"),
            "seachange_job_state{job=\"b\",state=\"created\"} 1",
            &format!("seachange_job_restarts_total{{{job}}} 1"),
            &format!("seachange_job_rows_total{{{job},op=\"update\"}} 3"),
            &format!("seachange_job_tables{{{job},state=\"live\"}} 2"),
            &format!("seachange_job_lag_transactions{{{job}}} 2"),
            &format!("seachange_job_binlog_retention_left_seconds{{{job}}} 7.5"),
            &format!("seachange_job_checkpoint_last_timestamp_seconds{{{job}}} 1.5"),
            &format!("seachange_job_checkpoint_last_size_bytes{{{job}}} 999"),
            &format!("seachange_table_live{{{job},table=\"d.t1\"}} 1"),
        ],
    );
    assert!(!page.contains("_lag_bytes{job=\"b\""), "a job that never ran has no lag");
}

#[test]
fn buckets_of_a_histogram_add_up_and_the_last_holds_all() {
    let page = page(PerTable::Shown);
    let of = r#"job="retail/\"odd\\\nname",sink="sink.0",connector="doris""#;
    holds(
        &page,
        &[
            "# TYPE seachange_sink_write_seconds histogram",
            &format!("seachange_sink_write_seconds_bucket{{{of},le=\"0.001\"}} 0"),
            &format!("seachange_sink_write_seconds_bucket{{{of},le=\"0.005\"}} 1"),
            &format!("seachange_sink_write_seconds_bucket{{{of},le=\"60\"}} 1"),
            &format!("seachange_sink_write_seconds_bucket{{{of},le=\"+Inf\"}} 2"),
            &format!("seachange_sink_write_seconds_sum{{{of}}} 90.003"),
            &format!("seachange_sink_write_seconds_count{{{of}}} 2"),
        ],
    );
}

#[test]
fn tables_can_be_left_out_and_there_are_never_more_than_the_limit() {
    let without = page(PerTable::LeftOut);
    assert!(!without.contains("table=\"d.t1\""), "{without}");
    holds(&without, &["seachange_tables_left_out 2"]);
    let name = "big".to_owned();
    let state = JobState::Streaming;
    let job = JobMetrics { name, state, run: Some(run(TABLES_SHOWN_MAX + 3)) };
    let page = render(&Process::default(), &[job], PerTable::Shown);
    holds(&page, &["seachange_tables_left_out 3"]);
    assert_eq!(page.matches("\nseachange_table_live{").count(), TABLES_SHOWN_MAX);
}

/// The family that a line is of.
fn family(line: &str) -> &str {
    let name = line.split(['{', ' ']).next().unwrap();
    let part = |name: &str| {
        let known = |family: &&str| ALL.iter().any(|metric| metric.name == *family);
        ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|s| name.strip_suffix(s).filter(known))
            .map(str::len)
    };
    part(name).map_or(name, |len| &name[..len])
}

#[test]
fn every_family_is_told_once_in_one_piece_and_begins_with_what_it_is() {
    let page = page(PerTable::Shown);
    let mut seen = BTreeSet::new();
    let mut current = "";
    for line in page.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            current = told.split(' ').next().unwrap();
            assert!(seen.insert(current), "{current} twice");
        } else if let Some(told) = line.strip_prefix("# TYPE ") {
            let metric = ALL.iter().find(|metric| metric.name == current).unwrap();
            assert_eq!(told, format!("{current} {}", metric.kind.name()));
        } else {
            assert_eq!(family(line), current, "{line}");
            let (_, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
        }
    }
    // But for that of tables in quarantine, of which there is none, and of changes, which none had.
    let lacks = ["seachange_table_events_dropped", "seachange_table_last_change_timestamp_seconds"];
    for metric in ALL.iter().filter(|metric| !lacks.contains(&metric.name)) {
        assert!(seen.contains(metric.name), "{} is never written", metric.name);
    }
}

#[test]
fn names_bear_their_units_as_prometheus_wants_them() {
    for metric in ALL {
        let Metric { name, kind, help, labels } = metric;
        assert!(name.starts_with("seachange_"), "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(!name.contains("_ms") && !name.contains("millis"), "{name}");
        assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{help}");
        assert!(labels.iter().all(|label| *label != "le"), "{name}");
    }
}

/// `docs/metrics.md` has a row for every metric, and none for another.
#[test]
fn the_manual_lists_every_metric_and_no_other() {
    let page = include_str!("../../../docs/metrics.md");
    let told: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with("| `seachange_"))
        .map(|line| line.split(" | ").take(3).collect::<Vec<_>>().join(" | "))
        .collect();
    let wanted: BTreeSet<String> = ALL
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            format!("| `{}` | {} | {}", metric.name, metric.kind.name(), labels.join(", "))
        })
        .collect();
    let missing: Vec<_> = wanted.difference(&told).collect();
    let foreign: Vec<_> = told.difference(&wanted).collect();
    assert!(missing.is_empty() && foreign.is_empty(), "missing {missing:#?}, foreign {foreign:#?}");
}

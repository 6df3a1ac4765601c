use std::collections::BTreeSet;
use std::time::Duration;

use clap::FromArgMatches as _;

use super::*;
use crate::api::{Begin, JobState, StopKind};

fn read(line: &str) -> Result<RemoteCommand, String> {
    let words = ["seachange"].into_iter().chain(line.split(' '));
    let matches = command().try_get_matches_from(words).map_err(|error| error.to_string())?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    let Command::Remote(command) = cli.command else { panic!("{cli:?}") };
    Ok(command)
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn every_command_stands_in_one_group_of_the_help_and_has_an_example() {
    let mut command = command();
    let help = command.render_help().to_string();
    command.build();
    let mut names = BTreeSet::new();
    for sub in command.get_subcommands() {
        let name = sub.get_name();
        assert!(names.insert(name.to_owned()));
        let line = format!("\n  {name} ");
        assert_eq!(help.matches(&line).count(), 1, "`{name}` in {help}");
        if name != "help" {
            let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example") && after.contains(&format!("seachange {name}")));
        }
    }
    assert!(!help.contains('{'), "{help}");
}

#[test]
fn a_wait_may_have_an_end_and_takes_no_other_word() {
    let RemoteCommand::Start(start) = read("start --wait emp").unwrap() else { panic!() };
    assert_eq!((start.job.as_str(), start.wait.wait), ("emp", Some(None)));
    let RemoteCommand::Start(start) = read("start emp --wait=90s").unwrap() else { panic!() };
    assert_eq!(start.wait.wait, Some(Some(Duration::from_secs(90))));
    let RemoteCommand::Start(start) = read("start emp").unwrap() else { panic!() };
    assert_eq!((start.wait.wait, start.from), (None, None));
    assert!(read("start emp --wait=soon").is_err());
}

#[test]
fn a_start_begins_with_a_word_a_number_or_a_path() {
    let from = |word: &str| match read(&format!("start emp --from {word}")) {
        Ok(RemoteCommand::Start(args)) => Ok(args.from),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(from("none").unwrap(), Some(Begin::None));
    assert_eq!(from("17").unwrap(), Some(Begin::Custom("17".to_owned())));
    assert_eq!(from("/b/s-17").unwrap(), Some(Begin::Custom("/b/s-17".to_owned())));
    assert!(from("latets").unwrap_err().contains("expected latest, earliest, none"));
}

#[test]
fn a_stop_is_smart_unless_told_otherwise() {
    let RemoteCommand::Stop(stop) = read("stop emp").unwrap() else { panic!() };
    assert_eq!((stop.kind, stop.note.as_str()), (StopKind::Smart, ""));
    let RemoteCommand::Stop(stop) = read("stop emp --kind cancel").unwrap() else { panic!() };
    assert_eq!(stop.kind, StopKind::Cancel);
    assert!(read("stop emp --kind hard").unwrap_err().contains("smart, savepoint, cancel"));
}

#[test]
fn states_and_strategies_are_words_of_the_api() {
    let RemoteCommand::Jobs(jobs) = read("jobs --state failed --state restarting").unwrap() else {
        panic!()
    };
    assert_eq!(jobs.state, [JobState::Failed, JobState::Restarting]);
    let RemoteCommand::Submit(submit) = read("submit a.sql").unwrap() else { panic!() };
    assert_eq!((submit.strategy, submit.start), (None, false));
    assert!(read("jobs --tree --json").is_err(), "a tree is no JSON");
}

#[test]
fn what_is_done_to_tables_names_them() {
    let RemoteCommand::Tables(tables) = read("tables emp release d.a d.b").unwrap() else {
        panic!()
    };
    assert_eq!((tables.change, tables.tables.len()), (Some(TableChange::Release), 2));
    assert!(read("tables emp").is_ok());
    assert!(read("tables emp drop").is_err(), "all tables are not meant");
    assert!(read("tables emp forget d.a").is_err());
}

#[test]
fn an_update_says_what_is_new() {
    assert!(read("update emp").is_err());
    assert!(read("update emp --strategy none").is_ok());
    assert!(read("versions emp --diff 1 2").is_ok() && read("versions emp 1 --diff 1 2").is_err());
}

#[test]
fn a_server_is_a_url_without_secrets() {
    let server = |url: &str| match read(&format!("show emp --server {url}")) {
        Ok(RemoteCommand::Show(args)) => Ok(args.ask.server.to_string()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(server("db:8083").unwrap(), "http://db:8083");
    assert_eq!(server("https://cdc.example/ops/").unwrap(), "https://cdc.example/ops");
    for (url, why) in [
        ("ftp://db", "expected http"),
        ("http://me:secret@db:8083", "no password here"),
        ("http://db/?token=x", "nothing behind the path"),
    ] {
        let error = server(url).unwrap_err();
        assert!(error.contains(why), "{url}: {error}");
    }
}

#[test]
fn snapshots_of_a_daemon_are_of_one_job() {
    let snapshots = |line: &str| {
        let words = ["seachange", "snapshots"].into_iter().chain(line.split(' '));
        command().try_get_matches_from(words).map(drop).map_err(|error| error.to_string())
    };
    assert!(snapshots("emp --server http://db:8083 --json").is_ok());
    assert!(snapshots("--server http://db:8083").is_err());
    assert!(snapshots("emp --verify --server http://db:8083").is_err());
}

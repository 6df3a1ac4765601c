use std::collections::BTreeSet;

use super::*;
use crate::Mode;
use crate::draft::Draft;
use crate::surroundings::Process;

#[test]
fn the_manual_says_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == render(),
        "renew it: cargo run -p job --example configuration > docs/configuration.md"
    );
}

#[test]
fn what_is_said_to_be_honoured_or_checked_is_read_and_nothing_else_is() {
    let mut draft = Draft::new(Mode::Strict, &Process);
    draft.has_statement = true;
    assert!(crate::build::job("job.sql", "", &mut draft).is_none());
    let read: BTreeSet<_> = draft.asked().iter().copied().collect();
    let of_sinks = |key: &str| key.starts_with("sink.") || key.starts_with("sink[");
    let said = SETTINGS.iter().filter(|known| {
        matches!(known.kind, Kind::Honoured | Kind::Mapped | Kind::Idle) && !of_sinks(known.key)
    });
    let said: BTreeSet<_> = said.map(|known| (known.scope, known.key)).collect();
    assert_eq!(read, said);
}

#[test]
fn no_key_stands_in_the_table_twice() {
    let mut seen = BTreeSet::new();
    for known in SETTINGS {
        assert!(seen.insert((known.scope, known.key)), "{}", known.key);
    }
}

#[test]
fn the_nearest_name_is_suggested_and_none_where_none_is_near() {
    let check = |scope, key: &str, hint: Option<&str>| {
        assert_eq!(suggest(scope, key).as_deref(), hint, "{key}");
    };
    check(Scope::With, "hostnme", Some("did you mean `hostname`?"));
    check(Scope::With, "Scan.Startup.Mode", Some("did you mean `scan.startup.mode`?"));
    check(
        Scope::Set,
        "execution.checkpoint.interval",
        Some("did you mean `execution.checkpointing.interval`?"),
    );
    check(Scope::Set, "hostname", Some("it is an option of `EXECUTE CDCSOURCE`"));
    check(Scope::With, "pipeline.name", Some("it is a `SET` key"));
    check(Scope::With, "qqqqqqqqqq", None);
}

#[test]
fn a_family_covers_its_keys_and_a_key_of_its_own_goes_first() {
    assert_eq!(find(Scope::Set, "taskmanager.memory.x").map(|d| d.key), Some("taskmanager.*"));
    assert_eq!(find(Scope::Set, "pipeline.name").map(|d| d.kind), Some(Kind::Honoured));
    assert_eq!(find(Scope::Set, "pipelines"), None);
}

#[test]
fn keys_that_hold_secrets_are_known_also_when_misspelt() {
    for key in ["password", "sink.password", "Pasword", "passwrod", "fs.s3.secret-key", "my_pwd"] {
        assert!(is_sensitive(key), "{key}");
    }
    for key in ["hostname", "username", "table-name", "checkpoint", "parallelism", "sink.path"] {
        assert!(!is_sensitive(key), "{key}");
    }
}

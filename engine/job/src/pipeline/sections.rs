//! The sections `source`, `sink` and `pipeline`: their keys are those of a script, spelled otherwise.

use model::route::RouteMode;

use super::tree::{Node, Pair, What};
use super::{map, near, put, selector, text, unique};
use crate::diagnostics::{At, NoteKind};
use crate::draft::{Draft, Entry};
use crate::settings;
use crate::settings::Scope::{Set, With};
use crate::value::one_of;

/// Keys of `source` that a script has without `source.` in front.
const PLAIN: [&str; 7] = [
    "hostname",
    "port",
    "username",
    "password",
    "tables.exclude",
    "scan.startup.mode",
    "on-table-error",
];

/// Keys of `pipeline`, and the `SET` key that each is.
const SETTINGS: [(&str, &str); 4] = [
    ("name", "pipeline.name"),
    ("parallelism", "parallelism.default"),
    ("local-time-zone", "table.local-time-zone"),
    ("execution.runtime-mode", "execution.runtime-mode"),
];

/// Keys of `pipeline` that do nothing here, and why.
const IDLE: [(&str, &str); 5] = [
    ("schema-operator.rpc-timeout", "A schema change is waited for until its outcome is known."),
    ("operator.uid.prefix", "Of Flink's job graph."),
    ("schema.operator.uid", "Of Flink's job graph."),
    ("sink.partitioning.strategy", "One ordered stream per job."),
    ("transform.decimal.precision.mode", "Decimals are exact, up to 65 digits."),
];

const BEHAVIOUR: &str = "schema.change.behavior";
const BEHAVIOURS: [(&str, &str); 5] = [
    ("evolve", "evolve"),
    ("try_evolve", "try_evolve"),
    ("lenient", "lenient"),
    ("ignore", "ignore"),
    ("exception", "exception"),
];

/// The option that a key of `source` is.
pub(super) fn source_key(key: &str) -> Option<String> {
    match key {
        "tables" => Some("table-name".to_owned()),
        key if PLAIN.contains(&key) => Some(key.to_owned()),
        key if key.starts_with("debezium.") || key.starts_with("jdbc.properties.") => {
            Some(key.to_owned())
        }
        key => {
            let ours = format!("source.{key}");
            settings::find(With, &ours).map(|_| ours)
        }
    }
}

/// The option that a key of a sink is, with the sink's prefix.
pub(super) fn sink_key(key: &str) -> String {
    match key.split_once('.') {
        Some((prefix, "type")) => format!("{prefix}.connector"),
        _ => key.to_owned(),
    }
}

/// The `SET` key that a key of `pipeline` is.
pub(super) fn pipeline_key(key: &str) -> Option<String> {
    let named = SETTINGS.iter().find(|(theirs, _)| *theirs == key);
    match named {
        Some((_, ours)) => Some((*ours).to_owned()),
        None => settings::find(Set, key).map(|_| key.to_owned()),
    }
}

pub(super) fn source(node: &Node, draft: &mut Draft<'_>) {
    let Some(pairs) = map(node, "`source`", draft) else { return };
    for pair in unique(pairs, draft) {
        let Some(value) = text(pair, draft) else { continue };
        match pair.key.as_str() {
            "type" => {
                let ours = if value == "mysql" { "mysql-cdc" } else { value.as_str() };
                if ours != "mysql-cdc" {
                    let message = format!("there is no source `{value}`, only `mysql`");
                    draft.report.error(pair.value.at.clone(), message);
                }
                put(With, "connector", pair, "mysql-cdc", draft);
            }
            "name" => nothing(pair, "Of Flink's job graph.", draft),
            "tables" | "tables.exclude" => tables(pair, &value, draft),
            key => match source_key(key) {
                Some(ours) => put(With, &ours, pair, &value, draft),
                None => unknown("source", pair, known_of_source(), draft),
            },
        }
    }
    draft.entries(With).entry("scan.startup.mode".to_owned()).or_insert_with(|| Entry {
        value: "initial".to_owned(),
        key_at: At::Whole,
        value_at: At::Whole,
        secret: false,
        broken: false,
    });
}

fn tables(pair: &Pair, list: &str, draft: &mut Draft<'_>) {
    let key = if pair.key == "tables" { "table-name" } else { "tables.exclude" };
    put(With, key, pair, list, draft);
    let Some(entry) = draft.entries(With).get(key).cloned() else { return };
    let place = |start: usize, len: usize| entry.part_at(start, len);
    let name = format!("source.{}", pair.key);
    let good = entry.broken || selector::check(&name, &entry.value, &place, &mut draft.report);
    if let Some(put) = draft.entries(With).get_mut(key) {
        put.value = selector::java(&entry.value);
        put.broken |= !good;
    }
}

/// One sink, or several as a list.
pub(super) fn sinks(node: &Node, draft: &mut Draft<'_>) {
    match &node.what {
        What::List(nodes) => {
            for (number, node) in nodes.iter().enumerate() {
                sink(node, &format!("sink[{number}]"), draft);
            }
        }
        What::Nothing | What::Text(_) | What::Map(_) => sink(node, "sink", draft),
    }
}

fn sink(node: &Node, prefix: &str, draft: &mut Draft<'_>) {
    let Some(pairs) = map(node, &format!("`{prefix}`"), draft) else { return };
    let pairs = unique(pairs, draft);
    for pair in &pairs {
        let Some(value) = text(pair, draft) else { continue };
        match pair.key.as_str() {
            "name" => nothing(pair, "Sinks are named by their place.", draft),
            key => put(With, &sink_key(&format!("{prefix}.{key}")), pair, &value, draft),
        }
    }
    if !pairs.iter().any(|pair| pair.key == "type") {
        let message = format!("`{prefix}` has no `type`, for instance `doris`");
        let at = node.at.start..node.at.start + 1;
        draft.report.error(at.clone(), message);
        let (value, at) = (String::new(), At::Script(at));
        let none = Entry { value, key_at: at.clone(), value_at: at, secret: false, broken: true };
        draft.entries(With).insert(format!("{prefix}.connector"), none);
    }
}

pub(super) fn pipeline(node: &Node, draft: &mut Draft<'_>) {
    let Some(pairs) = map(node, "`pipeline`", draft) else { return };
    for pair in unique(pairs, draft) {
        let key = pair.key.as_str();
        if matches!(key, "user-defined-function" | "model") {
            let message = format!("`{key}` is not supported yet");
            draft.report.error(pair.key_at.clone(), message);
            continue;
        }
        let Some(value) = text(pair, draft) else { continue };
        match key {
            BEHAVIOUR => {
                let given = one_of(&BEHAVIOURS, &value);
                draft.behaviour = expected(pair, given, draft)
                    .map(|behaviour| (behaviour.to_owned(), pair.key_at.clone()));
            }
            "route-mode" => {
                let modes =
                    [("ALL_MATCH", RouteMode::AllMatch), ("FIRST_MATCH", RouteMode::FirstMatch)];
                let given = one_of(&modes, &value);
                draft.listed.mode = expected(pair, given, draft).unwrap_or_default();
            }
            "local-time-zone" if value.eq_ignore_ascii_case("systemDefault") => {
                put(Set, "table.local-time-zone", pair, "default", draft);
            }
            key => match (pipeline_key(key), IDLE.iter().find(|(idle, _)| *idle == key)) {
                (_, Some((_, why))) => nothing(pair, why, draft),
                (Some(ours), None) => put(Set, &ours, pair, &value, draft),
                (None, None) => unknown("pipeline", pair, known_of_pipeline(), draft),
            },
        }
    }
}

fn expected<T>(pair: &Pair, given: Result<T, String>, draft: &mut Draft<'_>) -> Option<T> {
    given
        .map_err(|expected| {
            let message = format!("`{}`: expected {expected}", pair.key);
            draft.report.error(pair.value.at.clone(), message);
        })
        .ok()
}

fn nothing(pair: &Pair, why: &str, draft: &mut Draft<'_>) {
    let text = format!("`{}` has no counterpart here and does nothing. {why}", pair.key);
    draft.report.note(NoteKind::NoCounterpart, pair.key_at.clone(), text);
}

fn unknown(
    section: &str,
    pair: &Pair,
    known: impl Iterator<Item = &'static str>,
    draft: &mut Draft<'_>,
) {
    let near = near(pair, known, draft);
    let fix = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
    let message = format!("unknown key `{}` of `{section}`{fix}", pair.key);
    draft.report.error(pair.key_at.clone(), message);
}

fn known_of_source() -> impl Iterator<Item = &'static str> {
    let keys = settings::SETTINGS.iter().filter(|known| known.scope == With);
    let ours = keys.filter_map(|known| known.key.strip_prefix("source."));
    ours.chain(PLAIN).chain(["type", "name", "tables"]).filter(|key| !key.ends_with('*'))
}

fn known_of_pipeline() -> impl Iterator<Item = &'static str> {
    let keys = settings::SETTINGS.iter().filter(|known| known.scope == Set);
    let named = SETTINGS.iter().chain(&IDLE).map(|(key, _)| *key);
    let others = named.chain([BEHAVIOUR, "route-mode", "user-defined-function", "model"]);
    keys.map(|known| known.key).chain(others).filter(|key| !key.ends_with('*'))
}

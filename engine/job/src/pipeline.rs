//! The second front end: a job in the form of Flink CDC's pipelines, in YAML.
//!
//! It says the same as a script in other words, so it becomes the same keys with places, and all
//! that knows keys stays in one place. Where Flink CDC's words mean something else than the keys
//! do (the dot of `tables`, the default of `scan.startup.mode`) it is put right here.
//!
//! A pipeline is read strictly in either mode: Flink CDC refuses what it does not know, so there
//! is no leniency to be like.

mod route;
mod sections;
mod selector;
mod transform;
mod tree;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::Mode;
use crate::diagnostics::{At, Dialect};
use crate::draft::Draft;
use crate::settings::{self, Scope, nearest};
use tree::{Node, Pair, What};

const SECTIONS: [&str; 5] = ["source", "sink", "route", "transform", "pipeline"];

/// Bytes of a file, at most.
const BYTES_MAX: usize = 1 << 20;

static FIRST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let idle = r"(?:[ \t]*(?:#[^\n]*|---[ \t\r]*|%YAML[^\n]*)?\n)*";
    let sections = SECTIONS.join("|");
    Regex::new(&format!(r"\A\u{{feff}}?{idle}(?:{sections})[ \t]*:(?:\s|$)")).ok()
});

/// Is this job a pipeline? By its file's name, else by its first line.
pub(crate) fn is_one(file: &str, source: &str) -> bool {
    let name = file.to_ascii_lowercase();
    let ending = name.ends_with(".yaml") || name.ends_with(".yml");
    ending || FIRST.as_ref().is_some_and(|first| first.is_match(source))
}

/// Reads `source` into the draft, then lays the overrides over it. Returns the stretches that hold
/// secrets.
pub(crate) fn read(
    source: &str,
    overrides: &[(String, String)],
    draft: &mut Draft<'_>,
) -> Vec<Range<usize>> {
    draft.report.mode = Mode::Strict;
    draft.report.dialect = Dialect::Pipeline;
    if source.len() > BYTES_MAX {
        draft.report.unreadable(0..0, "a job may have 1 MiB");
        return Vec::new();
    }
    let mut secrets = Vec::new();
    match tree::read(source) {
        Ok(root) => {
            hidden(&root, &mut secrets);
            job(&root, draft);
        }
        Err(wrong) => draft.report.unreadable(wrong.at, wrong.message),
    }
    for (key, value) in overrides {
        lay_over(key, value, draft);
    }
    secrets
}

fn job(root: &Node, draft: &mut Draft<'_>) {
    let Some(pairs) = map(root, "a job", draft) else { return };
    draft.has_statement = true;
    let sections = unique(pairs, draft);
    for pair in &sections {
        if !SECTIONS.contains(&pair.key.as_str()) {
            let fix = near(pair, SECTIONS.into_iter(), draft).map_or_else(
                || format!("there are `{}`", SECTIONS.join("`, `")),
                |near| format!("did you mean `{near}`?"),
            );
            draft
                .report
                .error(pair.key_at.clone(), format!("unknown section `{}`: {fix}", pair.key));
        }
    }
    let section =
        |name: &str| sections.iter().find(|pair| pair.key == name).map(|pair| &pair.value);
    if let Some(source) = section("source") {
        sections::source(source, draft);
    }
    if let Some(pipeline) = section("pipeline") {
        sections::pipeline(pipeline, draft);
    }
    if let Some(sink) = section("sink") {
        sections::sinks(sink, draft);
    }
    if let Some(routes) = section("route") {
        route::routes(routes, draft);
    }
    if let Some(transforms) = section("transform") {
        transform::transforms(transforms, draft);
    }
}

/// The pairs of a mapping; anything else is reported.
fn map<'a>(node: &'a Node, what: &str, draft: &mut Draft<'_>) -> Option<&'a [Pair]> {
    match &node.what {
        What::Map(pairs) => Some(pairs),
        What::Nothing | What::Text(_) | What::List(_) => {
            let message = format!("{what} is a mapping, not {}", node.kind());
            draft.report.unreadable(node.whole.clone(), message);
            None
        }
    }
}

/// The known key that is most like this one; none is looked for where nobody would read it.
fn near<'a>(
    pair: &Pair,
    known: impl Iterator<Item = &'a str>,
    draft: &Draft<'_>,
) -> Option<&'a str> {
    if draft.report.is_full() { None } else { nearest(&pair.key, known) }
}

/// The pairs without those whose key stood before, which are reported.
fn unique<'a>(pairs: &'a [Pair], draft: &mut Draft<'_>) -> Vec<&'a Pair> {
    let mut seen = BTreeSet::new();
    let (first, again): (Vec<_>, Vec<_>) = pairs.iter().partition(|pair| seen.insert(&pair.key));
    for pair in again {
        let message = format!("`{}` is given twice: keep one of them", pair.key);
        draft.report.error(pair.key_at.clone(), message);
    }
    first
}

/// The text of a value. A list is its texts with commas between; nothing is the empty text.
fn text(pair: &Pair, draft: &mut Draft<'_>) -> Option<String> {
    match &pair.value.what {
        What::Nothing => return Some(String::new()),
        What::Text(text) => return Some(text.clone()),
        What::List(nodes) => {
            let texts: Vec<_> = nodes
                .iter()
                .filter_map(|node| match &node.what {
                    What::Text(text) => Some(text.as_str()),
                    What::Nothing | What::List(_) | What::Map(_) => None,
                })
                .collect();
            if texts.len() == nodes.len() {
                return Some(texts.join(","));
            }
        }
        What::Map(_) => {}
    }
    let message = format!("`{}` is a text, not {}", pair.key, pair.value.kind());
    draft.report.error(pair.key_at.clone(), message);
    None
}

/// Puts a key into the draft, with what its value refers to.
fn put(scope: Scope, key: &str, pair: &Pair, value: &str, draft: &mut Draft<'_>) {
    let (key_at, value_at) = (At::Script(pair.key_at.clone()), At::Script(pair.value.at.clone()));
    let entry = crate::secrets::entry(key, value, key_at, value_at, draft);
    if draft.entries(scope).insert(key.to_owned(), entry).is_some() {
        let message = format!("`{}` says what another key has said: keep one of them", pair.key);
        draft.report.error(pair.key_at.clone(), message);
    }
}

/// An override is named by its section, `source.hostname`, or as in a script.
fn lay_over(key: &str, value: &str, draft: &mut Draft<'_>) {
    let (scope, ours) = match key.split_once('.') {
        Some(("source", short)) => match sections::source_key(short) {
            Some(ours) => (Scope::With, ours),
            None => (Scope::With, key.to_owned()),
        },
        Some(("pipeline", short)) => match sections::pipeline_key(short) {
            Some(ours) => (Scope::Set, ours),
            None => (Scope::Set, key.to_owned()),
        },
        _ if crate::build::is_sink_option(key) => (Scope::With, sections::sink_key(key)),
        _ if settings::find(Scope::With, key).is_some() => (Scope::With, key.to_owned()),
        _ => (Scope::Set, key.to_owned()),
    };
    let value = match key {
        "source.tables" | "source.tables.exclude" => selector::java(value),
        _ => value.to_owned(),
    };
    let at = At::Override(key.to_owned());
    let entry = crate::secrets::entry(&ours, &value, at.clone(), at, draft);
    draft.entries(scope).insert(ours, entry);
}

/// Every value of a sensitive key.
fn hidden(node: &Node, found: &mut Vec<Range<usize>>) {
    match &node.what {
        What::Nothing | What::Text(_) => {}
        What::List(nodes) => nodes.iter().for_each(|node| hidden(node, found)),
        What::Map(pairs) => {
            for pair in pairs {
                if settings::is_sensitive(&pair.key) {
                    found.push(pair.value.whole.clone());
                }
                hidden(&pair.value, found);
            }
        }
    }
}

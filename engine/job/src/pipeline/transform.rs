//! The section `transform`. What its expressions mean depends on the tables, so they are only carried
//! along, each with its place. Keys that say how a table is made are refused: tables here are made by
//! their sink's own options.

use super::tree::{Node, What};
use super::{map, near, selector, text, unique};
use crate::draft::Draft;
use crate::tables::{self, TablePatterns};
use crate::transform::{Drafted, DraftedText};

const SOURCE: &str = "source-table";

pub(super) fn transforms(node: &Node, draft: &mut Draft<'_>) {
    let What::List(nodes) = &node.what else {
        let message = format!("`transform` is a list, not {}", node.kind());
        draft.report.error(node.whole.clone(), message);
        return;
    };
    for node in nodes {
        let transform = transform(node, draft);
        draft.transforms.extend(transform);
    }
}

fn transform(node: &Node, draft: &mut Draft<'_>) -> Option<Drafted> {
    let pairs = map(node, "a transform", draft)?;
    let mut transform = Drafted::default();
    let mut named = false;
    for pair in unique(pairs, draft) {
        let Some(value) = text(pair, draft) else { continue };
        let written = || DraftedText::new(&value, pair.value.at.clone());
        match pair.key.as_str() {
            SOURCE => {
                let place = |start: usize, len: usize| pair.value.part_at(start, len);
                named = true;
                if selector::check(SOURCE, &value, &place, &mut draft.report) {
                    transform.tables = pattern(&value);
                }
                transform.source_table = value;
            }
            "description" => transform.description = Some(value),
            "projection" => transform.projection = written(),
            "filter" => transform.filter = written(),
            "primary-keys" => transform.primary_keys = written(),
            key if REFUSED.iter().any(|(refused, _)| *refused == key) => {
                let why = REFUSED.iter().find(|(refused, _)| *refused == key);
                if let Some((_, why)) = why.filter(|_| !value.trim().is_empty()) {
                    draft.report.error(pair.key_at.clone(), format!("`{key}` is not there: {why}"));
                }
            }
            unknown => {
                let known = KEYS.into_iter().chain(REFUSED.into_iter().map(|(key, _)| key));
                let near = near(pair, known, draft);
                let fix = near.map_or_else(String::new, |n| format!(": did you mean `{n}`?"));
                let message = format!("unknown key `{unknown}` of a transform{fix}");
                draft.report.error(pair.key_at.clone(), message);
            }
        }
    }
    if !named {
        let message = format!("this transform has no `{SOURCE}`");
        draft.report.error(node.at.start..node.at.start + 1, message);
    }
    named.then_some(transform)
}

/// One expression for the whole list, in which commas are alternatives.
fn pattern(list: &str) -> Option<regex::Regex> {
    let written = TablePatterns::written(list);
    let alternatives: Vec<_> = written.iter().map(|(_, pattern)| selector::java(pattern)).collect();
    tables::whole(&alternatives.join("|")).ok()
}

const KEYS: [&str; 5] = [SOURCE, "projection", "filter", "primary-keys", "description"];

const REFUSED: [(&str, &str); 4] = [
    (
        "partition-keys",
        "tables are made without partitions; make the table by hand before the start",
    ),
    ("table-options", "set `table.create.properties.*` of the sink, which counts for all tables"),
    ("table-options.delimiter", "there are no `table-options`"),
    ("converter-after-transform", "a delete stays a delete"),
];

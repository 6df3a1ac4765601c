//! The section `transform`. It is read whole, and what it asks for beyond all columns of all rows is
//! refused: leaving it out would change the result.

use super::tree::{Node, What};
use super::{map, near, selector, text, unique};
use crate::draft::Draft;
use crate::spec::TransformSpec;

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

fn transform(node: &Node, draft: &mut Draft<'_>) -> Option<TransformSpec> {
    let pairs = map(node, "a transform", draft)?;
    let mut transform = TransformSpec::default();
    let mut named = false;
    for pair in unique(pairs, draft) {
        let Some(value) = text(pair, draft) else { continue };
        let some = Some(value.clone()).filter(|value| !value.trim().is_empty());
        let field = match pair.key.as_str() {
            SOURCE => {
                let place = |start: usize, len: usize| pair.value.part_at(start, len);
                selector::check(SOURCE, &value, &place, &mut draft.report);
                named = true;
                transform.source_table = value;
                continue;
            }
            "description" => {
                transform.description = some;
                continue;
            }
            // All columns; a star alone would be an alias, so it is often escaped.
            "projection" if matches!(value.trim(), "*" | "\\*") => {
                transform.projection = some;
                continue;
            }
            "projection" => &mut transform.projection,
            "filter" => &mut transform.filter,
            "primary-keys" => &mut transform.primary_keys,
            "partition-keys" => &mut transform.partition_keys,
            "table-options" => &mut transform.table_options,
            "table-options.delimiter" => &mut transform.table_options_delimiter,
            "converter-after-transform" => &mut transform.converter,
            unknown => {
                let near = near(pair, KEYS.into_iter(), draft);
                let fix = near.map_or_else(String::new, |n| format!(": did you mean `{n}`?"));
                let message = format!("unknown key `{unknown}` of a transform{fix}");
                draft.report.error(pair.key_at.clone(), message);
                continue;
            }
        };
        if some.is_some() {
            let message = format!(
                "`{}` is not supported yet, and leaving it out would change the result",
                pair.key
            );
            draft.report.error(pair.key_at.clone(), message);
        }
        *field = some;
    }
    if !named {
        let message = format!("this transform has no `{SOURCE}`");
        draft.report.error(node.at.start..node.at.start + 1, message);
    }
    named.then_some(transform)
}

const KEYS: [&str; 9] = [
    SOURCE,
    "projection",
    "filter",
    "primary-keys",
    "partition-keys",
    "table-options",
    "table-options.delimiter",
    "converter-after-transform",
    "description",
];

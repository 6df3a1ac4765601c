//! The section `route`: where tables go, by patterns.

use model::route::{Route, Template};

use super::tree::{Node, Pair, What};
use super::{map, selector, text, unique};
use crate::draft::Draft;
use crate::tables::{self, TablePatterns};

const SOURCE: &str = "source-table";
const TARGET: &str = "sink-table";
const SYMBOL: &str = "replace-symbol";

pub(super) fn routes(node: &Node, draft: &mut Draft<'_>) {
    let What::List(nodes) = &node.what else {
        let message = format!("`route` is a list, not {}", node.kind());
        draft.report.error(node.whole.clone(), message);
        return;
    };
    for node in nodes {
        let Some(pairs) = map(node, "a route", draft) else { continue };
        let pairs = unique(pairs, draft);
        let route = route(node, &pairs, draft);
        draft.listed.list.extend(route);
        draft.listed_at.get_or_insert_with(|| node.at.start..node.at.start + 1);
    }
}

fn route(node: &Node, pairs: &[&Pair], draft: &mut Draft<'_>) -> Option<Route> {
    for pair in pairs {
        if ![SOURCE, TARGET, SYMBOL, "description"].contains(&pair.key.as_str()) {
            let message = format!(
                "unknown key `{}` of a route: there are `{SOURCE}`, `{TARGET}`, `{SYMBOL}` and \
                 `description`",
                pair.key
            );
            draft.report.error(pair.key_at.clone(), message);
        }
    }
    let given = |key: &str| pairs.iter().find(|pair| pair.key == key).copied();
    let (Some(source), Some(target)) = (given(SOURCE), given(TARGET)) else {
        let missing = if given(SOURCE).is_none() { SOURCE } else { TARGET };
        let message = format!("this route has no `{missing}`");
        draft.report.error(node.at.start..node.at.start + 1, message);
        return None;
    };
    let symbol = match given(SYMBOL) {
        Some(pair) => Some((pair, text(pair, draft)?)),
        None => None,
    };
    let list = text(source, draft)?;
    let place = |start: usize, len: usize| source.value.part_at(start, len);
    if !selector::check(SOURCE, &list, &place, &mut draft.report) {
        return None;
    }
    // One expression for the whole list, in which commas are alternatives.
    let alternatives: Vec<_> =
        TablePatterns::written(&list).iter().map(|(_, pattern)| selector::java(pattern)).collect();
    let pattern = tables::whole(&alternatives.join("|")).ok()?;
    let given = text(target, draft)?;
    let made = match symbol {
        Some((pair, symbol)) if symbol.is_empty() || !given.contains(&symbol) => {
            let message = format!("`{SYMBOL}` is `{symbol}`, which is not in `{TARGET}`");
            draft.report.error(pair.value.at.clone(), message);
            return None;
        }
        Some((_, symbol)) => Ok(Template::of_symbol(given.trim(), &symbol)),
        None => Template::of_groups(given.trim(), &pattern),
    };
    let wrong = match &made {
        Err(wrong) => wrong.to_string(),
        Ok(made) if made.dots() == 0 => {
            format!("write `database.table`, for instance `ods.{}`", given.trim())
        }
        Ok(made) if made.dots() > 1 => "more than one dot: write `database.table`".to_owned(),
        Ok(_) => return made.ok().map(|target| Route { source: pattern, target }),
    };
    draft.report.error(target.value.at.clone(), format!("`{TARGET}`: {wrong}"));
    None
}

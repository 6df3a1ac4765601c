//! `SET key = value` and `RESET key`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::fragment::Fragment;
use super::{Pair, put};
use crate::Mode;
use crate::diagnostics::NoteKind;
use crate::draft::Draft;
use crate::settings::Scope;

/// Dinky's reading: a key without blanks, as long as possible, so that an `=` in the value moves
/// into the key where no blank stands before it.
static DINKY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?is)\A\s*SET\s+(\S+)\s*=(.*)\z").ok());

pub(super) fn read(statement: &Fragment, draft: &mut Draft<'_>) {
    let text = statement.text();
    let start = text.to_ascii_uppercase().find("SET").map_or(0, |at| at + 3);
    let Some(equals) = text.get(start..).and_then(|rest| rest.find('=')).map(|at| start + at)
    else {
        if text.get(start..).is_none_or(|rest| rest.trim().is_empty()) {
            draft.report.dropped(
                statement.head(1),
                "`SET` without a key",
                "lists its settings",
                "",
            );
        } else {
            draft.report.error(statement.head(2), "`SET` needs `key = value`");
        }
        return;
    };
    let (key_at, value_at) = (start..equals, equals + 1..text.len());
    let strict = as_it_looks(statement, key_at, value_at, draft);
    let pair = match draft.report.mode {
        Mode::Strict => strict,
        Mode::Lenient => as_dinky(statement, draft),
    };
    if let Some(pair) = pair {
        put(Scope::Set, pair, draft);
    }
}

fn as_it_looks(
    statement: &Fragment,
    key_at: Range<usize>,
    value_at: Range<usize>,
    draft: &mut Draft<'_>,
) -> Option<Pair> {
    let key_at = trimmed(statement, key_at);
    let value_at = trimmed(statement, value_at);
    let (key, value) = (statement.get(key_at.clone()), statement.get(value_at.clone()));
    for (part, at) in [(key, &key_at), (value, &value_at)] {
        if part.starts_with('"') {
            let what = "double quotes are part of the text";
            let fix = "leave them out, or write single quotes";
            draft.report.dropped(statement.span(at.clone()), what, "keeps them", fix);
        }
    }
    let quoted = unquoted(value) != value;
    if value.starts_with('\'') && !quoted {
        let at = statement.span(value_at.start..value_at.start + 1);
        draft.report.dropped(at, "this quote is never closed", "keeps it", "close it before `;`");
    } else if !quoted && value.contains('=') {
        let what = format!("the value of `{key}` holds a `=`");
        let at = statement.span(value_at.clone());
        draft.report.dropped(
            at,
            what,
            "may take it for part of the key",
            "put it in single quotes",
        );
    }
    pair(statement, key_at, value_at, draft)
}

fn as_dinky(statement: &Fragment, draft: &mut Draft<'_>) -> Option<Pair> {
    let found = DINKY.as_ref().and_then(|dinky| dinky.captures(statement.text()));
    let parts =
        found.as_ref().and_then(|found| Some((found.get(1)?.range(), found.get(2)?.range())));
    let Some((key_at, value_at)) = parts else {
        draft
            .report
            .error(statement.head(2), "`SET` needs `key = value`, with a key without blanks");
        return None;
    };
    pair(statement, trimmed(statement, key_at), trimmed(statement, value_at), draft)
}

fn pair(
    statement: &Fragment,
    key_at: Range<usize>,
    value_at: Range<usize>,
    draft: &mut Draft<'_>,
) -> Option<Pair> {
    let key = unquoted(statement.get(key_at.clone())).trim();
    let written = statement.get(value_at.clone());
    let value = unquoted(written).trim();
    let key_span = statement.span(key_at);
    if key.is_empty() {
        draft.report.error(statement.head(1), "`SET` without a key");
        return None;
    }
    if value.is_empty() {
        let what = format!("`{key}` has no value");
        draft.report.dropped(key_span, what, "ignores the statement", "leave it out");
        return None;
    }
    let inner = written.find(value).unwrap_or(0);
    let start = value_at.start + inner;
    let value_span = statement.span(start..start + value.len());
    Some(Pair {
        key: key.to_owned(),
        value: folded(value),
        broken: false,
        key_at: key_span,
        value_at: value_span,
    })
}

pub(super) fn reset(statement: &Fragment, draft: &mut Draft<'_>) {
    let mut words = statement.text().split_whitespace().skip(1);
    let Some(key) = words.next().map(unquoted) else {
        draft.entries(Scope::Set).clear();
        return;
    };
    if draft.entries(Scope::Set).remove(key).is_none() {
        let text = format!("`{key}` is not set at this point; nothing to reset");
        draft.report.note(NoteKind::Default, statement.head(2), text);
    }
    if words.next().is_some() {
        let what = "text after the key of `RESET`";
        draft.report.dropped(statement.head(3), what, "ignores it", "");
    }
}

fn trimmed(statement: &Fragment, range: Range<usize>) -> Range<usize> {
    let text = statement.get(range.clone());
    let start = range.start + (text.len() - text.trim_start().len());
    start..start + text.trim().len()
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(text)
}

/// Line ends within a value are blanks.
pub(super) fn folded(value: &str) -> String {
    value.replace("\r\n", " ").replace(['\n', '\r'], " ")
}

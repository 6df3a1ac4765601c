//! `EXECUTE CDCSOURCE name WITH ( 'key' = 'value', … )`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::fragment::Fragment;
use super::set::folded;
use super::{Pair, put};
use crate::Mode;
use crate::diagnostics::NoteKind;
use crate::draft::Draft;
use crate::settings::Scope;

mod options;

use options::Options;

static HEAD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?is)\A\s*EXECUTE\s+CDCSOURCE\b(?P<name>.*?)\b(?P<with>WITH)(?P<gap>\s*)\(").ok()
});
static PAIR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)'(.*?)'\s*=\s*'(.*?)'").ok());
static INSERT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?is)insert\s+into\s.*\sselect\s.*\sfrom\s").ok());

pub(super) fn read(statement: &Fragment, draft: &mut Draft<'_>) {
    if std::mem::replace(&mut draft.has_statement, true) {
        let what = "a second `EXECUTE CDCSOURCE`";
        draft.report.dropped(statement.head(2), what, "runs only the first", "one job, one script");
        return;
    }
    let text = statement.text();
    let Some(body) = head(statement, draft) else {
        let message = "`EXECUTE CDCSOURCE name WITH (` is expected here";
        draft.report.unreadable(statement.head(2), message);
        return;
    };
    if let Some(insert) = INSERT.as_ref().and_then(|insert| insert.find(text)) {
        let text = "Dinky takes a statement with this text for an INSERT; here it is read as it is";
        draft.report.note(NoteKind::Leniency, statement.span(insert.range()), text);
    }
    let looked = Options::read(statement, body, &mut draft.report);
    let pairs = match draft.report.mode {
        Mode::Strict => looked,
        Mode::Lenient => {
            let pairs = as_dinky(statement, body);
            lost(&looked, &pairs, draft);
            pairs
        }
    };
    for pair in pairs {
        put(Scope::With, pair, draft);
    }
}

/// Checks what stands before the options and returns where they begin.
fn head(statement: &Fragment, draft: &mut Draft<'_>) -> Option<usize> {
    let found = HEAD.as_ref()?.captures(statement.text())?;
    let (name, with, gap) = (found.name("name")?, found.name("with")?, found.name("gap")?);
    if name.as_str().trim().is_empty() {
        let at = statement.span(with.range());
        let fix = "`EXECUTE CDCSOURCE orders WITH (`";
        draft.report.dropped(at, "the name before `WITH` is missing", "reads no statement", fix);
    } else if name.as_str().contains(['\'', '=', '(']) {
        return None;
    }
    if gap.is_empty() {
        let at = statement.span(with.start()..with.end() + 1);
        let what = "no blank between `WITH` and `(`";
        match draft.report.mode {
            Mode::Strict => {
                draft.report.dropped(at, what, "reads no options at all", "write `WITH (`");
            }
            Mode::Lenient => {
                let text = format!("{what}: Dinky reads no options at all; here they are read");
                draft.report.note(NoteKind::Leniency, at, text);
            }
        }
    }
    Some(found.get(0)?.end())
}

/// The options as Dinky finds them: what stands up to the last `)`, cut at every quote with a
/// comma, and in each piece the first `'key' = 'value'` alone.
fn as_dinky(statement: &Fragment, body: usize) -> Vec<Pair> {
    let text = statement.text();
    let end = text.rfind(')').filter(|&end| end >= body).unwrap_or(body);
    let Some(regex) = PAIR.as_ref() else { return Vec::new() };
    let (mut pairs, mut start) = (Vec::new(), body);
    while start < end {
        let rest = text.get(start..end).unwrap_or_default();
        let next = rest.find("',").map_or(end, |at| start + at);
        let piece = format!("{}'", text.get(start..next).unwrap_or_default());
        if let Some(found) = regex.captures(&piece)
            && let (Some(key), Some(value)) = (found.get(1), found.get(2))
        {
            let here = |range: Range<usize>| start + range.start..start + range.end;
            pairs.push(Pair {
                key: key.as_str().to_owned(),
                value: folded(value.as_str()),
                broken: false,
                key_at: statement.span(here(key.range())),
                value_at: statement.span(here(value.range())),
            });
        }
        start = next + 2;
    }
    pairs
}

/// Names every option that stands in the script and that Dinky does not see.
fn lost(looked: &[Pair], seen: &[Pair], draft: &mut Draft<'_>) {
    let seen: BTreeSet<_> = seen.iter().map(|pair| pair.key.as_str()).collect();
    for pair in looked.iter().filter(|pair| !seen.contains(pair.key.as_str())) {
        let text = format!("option `{}` is lost: Dinky does not see it", pair.key);
        draft.report.note(NoteKind::Leniency, pair.key_at.clone(), text);
    }
}

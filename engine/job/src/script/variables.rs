//! `name := text` and `${name}`. Variables are text put in before anything is read, so they may
//! hold whole options; secrets (`${env:…}`, `${file:…}`) are values, put in afterwards.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::STATEMENT_BYTES_MAX;
use super::fragment::Fragment;
use crate::Mode;
use crate::diagnostics::NoteKind;
use crate::draft::Draft;

/// Placeholders of sinks that look like variables (Dinky up to 0.7); left as they are.
const PLACEHOLDERS: [&str; 3] = ["schemaName", "tableName", "pkList"];

pub(super) struct Variables {
    defined: BTreeMap<String, String>,
    overrides: BTreeMap<String, String>,
    used: RefCell<BTreeSet<String>>,
}

impl Variables {
    pub(super) fn new(overrides: &[(String, String)]) -> Self {
        let overrides = overrides.iter().cloned().collect();
        Self { defined: BTreeMap::new(), overrides, used: RefCell::default() }
    }

    /// Did the script use a variable of this name?
    pub(super) fn uses(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// Takes a statement that is a definition; false where it is none.
    pub(super) fn define(&mut self, raw: &Fragment, draft: &mut Draft<'_>) -> bool {
        let text = raw.text();
        let first = text.split_whitespace().next().unwrap_or_default();
        if ["SET", "RESET", "EXECUTE"].iter().any(|k| first.eq_ignore_ascii_case(k)) {
            return false;
        }
        let Some(at) = text.find(":=") else { return false };
        let name = raw.get(0..at).trim();
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "'\"${}".contains(c)) {
            draft.report.error(raw.head(1), "a definition is `name := text`, with a plain name");
            return true;
        }
        if self.defined.contains_key(name) {
            let what = format!("variable `{name}` is defined twice");
            draft.report.dropped(raw.head(1), what, "takes the last", "keep one definition");
        }
        let value = self.expand(&raw.slice(at + 2..text.len()), draft);
        let value = value.text().trim();
        if value.lines().skip(1).any(|line| line.contains(":=")) {
            let what = "the `;` after this definition is missing";
            draft.report.dropped(raw.head(1), what, "takes the next definition for its text", "");
        }
        self.defined.insert(name.to_owned(), value.to_owned());
        true
    }

    /// Puts in the text of every variable.
    pub(super) fn expand(&self, raw: &Fragment, draft: &mut Draft<'_>) -> Fragment {
        let text = raw.text();
        let (mut whole, mut done) = (Fragment::default(), 0);
        while let Some((start, end)) = next_variable(text, done) {
            let name = text.get(start + 2..end - 1).unwrap_or_default().trim();
            whole.push(raw, done..start);
            let origin = raw.span(start..end);
            match self.value(name) {
                Some(value) if whole.text().len() + value.len() > STATEMENT_BYTES_MAX => {
                    draft.report.unreadable(origin, "with its variables this grows beyond 1 MiB");
                    return Fragment::default();
                }
                Some(value) => whole.push_instead(&value, origin),
                None => {
                    whole.push(raw, start..end);
                    if !PLACEHOLDERS.contains(&name) {
                        unknown(origin, draft);
                    }
                }
            }
            done = end;
        }
        whole.push(raw, done..text.len());
        whole
    }

    fn value(&self, name: &str) -> Option<String> {
        self.used.borrow_mut().insert(name.to_owned());
        self.overrides.get(name).or_else(|| self.defined.get(name)).cloned()
    }
}

/// The next `${name}` from byte `from` on, where `name` can be one of a variable.
fn next_variable(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let start = at + text.get(at..)?.find("${")?;
        let inner = text.get(start + 2..)?;
        let len = inner.find('}')?;
        let name = inner.get(..len)?.trim();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !name.is_empty() && name.chars().all(plain) {
            return Some((start, start + 2 + len + 1));
        }
        at = start + 2;
    }
}

/// The name is not in the message: it may be part of a password, which the excerpt hides.
fn unknown(origin: std::ops::Range<usize>, draft: &mut Draft<'_>) {
    match draft.report.mode {
        Mode::Strict => draft.report.error(
            origin,
            "this variable is not defined above; define it by `name := text;`, give it by \
             `--set name=text`, or take it from the environment as `${env:NAME}`",
        ),
        Mode::Lenient => draft.report.note(
            NoteKind::Leniency,
            origin,
            "this variable is not defined; the text stays as it is",
        ),
    }
}

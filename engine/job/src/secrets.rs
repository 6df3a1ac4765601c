//! `${env:NAME}` and `${file:PATH}` in values. They are put in last, so that what they hold can
//! neither end a quote nor begin an option, and it is never shown.

use crate::diagnostics::At;
use crate::draft::{Draft, Entry};

/// The value of a key with what it refers to put in. What cannot be found is reported.
pub(crate) fn entry(
    key: &str,
    value: &str,
    key_at: At,
    value_at: At,
    draft: &mut Draft<'_>,
) -> Entry {
    let (mut resolved, mut secret, mut broken) = (String::new(), false, false);
    let mut rest = value;
    while let Some(reference) = next_reference(rest) {
        resolved.push_str(rest.get(..reference.start).unwrap_or_default());
        secret = true;
        let found = match reference.kind {
            Kind::Env => draft.surroundings.env(reference.name).ok_or_else(|| {
                let own = draft.surroundings.whose().map(|whose| {
                    format!(" in the environment of {whose}, which is the one that counts")
                });
                let own = own.unwrap_or_default();
                format!("`{key}`: environment variable `{}` is not set{own}", reference.name)
            }),
            Kind::File => {
                draft.surroundings.file(reference.name).map(without_line_end).map_err(|error| {
                    let by = draft.surroundings.whose().map(|whose| format!(" by {whose}"));
                    let by = by.unwrap_or_default();
                    format!("`{key}`: file `{}` cannot be read{by}: {error}", reference.name)
                })
            }
        };
        match found {
            Ok(text) => resolved.push_str(&text),
            Err(message) => {
                broken = true;
                let from = value.len() - rest.len();
                let at = shifted(&value_at, from + reference.start..from + reference.end);
                draft.report.error(at, message);
            }
        }
        rest = rest.get(reference.end..).unwrap_or_default();
    }
    resolved.push_str(rest);
    Entry { value: resolved, key_at, value_at, secret, broken }
}

enum Kind {
    Env,
    File,
}

struct Reference<'a> {
    kind: Kind,
    name: &'a str,
    start: usize,
    end: usize,
}

fn next_reference(text: &str) -> Option<Reference<'_>> {
    let find = |open: &str| text.find(open).map(|start| (start, start + open.len()));
    let (env, file) = (find("${env:"), find("${file:"));
    let (kind, (start, inner)) = match (env, file) {
        (Some(env), Some(file)) if file.0 < env.0 => (Kind::File, file),
        (Some(env), _) => (Kind::Env, env),
        (None, file) => (Kind::File, file?),
    };
    let len = text.get(inner..)?.find('}')?;
    let name = text.get(inner..inner + len)?.trim();
    Some(Reference { kind, name, start, end: inner + len + 1 })
}

/// Editors and `echo` end a file with a line end that is no part of a password.
fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

fn shifted(at: &At, within: std::ops::Range<usize>) -> At {
    match at {
        At::Script(value) if value.start + within.end <= value.end => {
            At::Script(value.start + within.start..value.start + within.end)
        }
        At::Script(_) | At::Override(_) | At::Whole => at.clone(),
    }
}

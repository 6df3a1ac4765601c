//! From the text of a script to keys with values and places.
//!
//! Dinky reads scripts with regular expressions, so what it takes for a statement, a comment or an
//! option differs from what the text looks like. Here the text is read as it looks. Where the two
//! differ, that is an error (strict), or Dinky's reading wins and a note tells (lenient).

mod cdcsource;
mod fragment;
mod set;
mod split;
mod variables;

use std::ops::Range;

use crate::Mode;
use crate::diagnostics::{At, Report};
use crate::draft::{Draft, Entry};
use crate::settings::{self, Scope};
use fragment::Fragment;
use variables::Variables;

/// Bytes of one statement once its variables are put in, at most. Variables can hold variables, so
/// a few lines could otherwise grow without end.
const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// Bytes of a script, at most.
const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// Reads `source` into the draft, then lays the overrides over it.
pub(crate) fn read(source: &str, overrides: &[(String, String)], draft: &mut Draft<'_>) {
    if source.len() > SCRIPT_BYTES_MAX {
        draft.report.unreadable(0..0, "a script may have 1 MiB");
        return;
    }
    let mut variables = Variables::new(overrides);
    for statement in split::statements(source, &mut draft.report) {
        statement_of(&statement, &mut variables, draft);
    }
    for (key, value) in overrides {
        lay_over(key, value, &variables, draft);
    }
}

/// The script with its comments blanked, byte for byte.
pub(crate) fn blanked(source: &str) -> String {
    let statements = split::statements(source, &mut Report::new(Mode::Lenient));
    statements.iter().map(Fragment::text).collect::<Vec<_>>().join(";")
}

fn statement_of(raw: &Fragment, variables: &mut Variables, draft: &mut Draft<'_>) {
    if variables.define(raw, draft) {
        return;
    }
    let whole = variables.expand(raw, draft);
    for range in split::cuts(&whole, &mut draft.report) {
        one(&whole.slice(range), draft);
    }
}

fn one(statement: &Fragment, draft: &mut Draft<'_>) {
    let text = statement.text();
    let words: Vec<_> = text.split_whitespace().take(3).map(str::to_ascii_uppercase).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        [] => {}
        ["SET", ..] => set::read(statement, draft),
        ["RESET", ..] => set::reset(statement, draft),
        ["EXECUTE", "CDCSOURCE", ..] => cdcsource::read(statement, draft),
        ["EXECUTE", "PIPELINE", third, ..] if third.starts_with("WITHYAML") => {
            let message = "`EXECUTE PIPELINE WITHYAML` is not supported yet; put what stands \
                           between its brackets into a file of its own, `job.yaml`, and run that";
            draft.report.error(statement.head(2), message);
        }
        ["ADD", "JAR" | "CUSTOMJAR" | "FILE", ..] if draft.report.mode == Mode::Lenient => {
            let text = "`ADD` does nothing: there is no JVM to add to";
            draft.report.note(crate::NoteKind::Leniency, statement.head(2), text);
        }
        [first, ..] => refuse(first, words.get(1).copied(), statement, draft),
    }
}

/// A statement that is none of ours, refused by its name.
fn refuse(first: &str, second: Option<&str>, statement: &Fragment, draft: &mut Draft<'_>) {
    const KNOWN: [&str; 24] = [
        "ADD", "ALTER", "ANALYZE", "BEGIN", "CALL", "CREATE", "DELETE", "DESC", "DESCRIBE", "DROP",
        "END", "EXPLAIN", "INSERT", "LOAD", "PRINT", "REMOVE", "REPLACE", "SELECT", "SHOW",
        "TRUNCATE", "UNLOAD", "UPDATE", "USE", "WITH",
    ];
    let ours = "a script holds `SET` statements and one `EXECUTE CDCSOURCE`";
    let (words, message) = match first {
        "EXECUTE" => {
            let what = second.unwrap_or_default();
            let near = settings::nearest(what, ["CDCSOURCE"].into_iter());
            let hint = near.map_or_else(String::new, |_| "; did you mean `CDCSOURCE`?".to_owned());
            (2, format!("`EXECUTE {what}` is not run here: {ours}{hint}"))
        }
        "ADD" => (2, format!("`ADD {}` is not run here: {ours}", second.unwrap_or_default())),
        _ if KNOWN.contains(&first) => (1, format!("`{first}` is not run here: {ours}")),
        _ if first.starts_with('#') || first.starts_with("//") => {
            (1, "this does not begin a comment; write `--`, or `/* … */`".to_owned())
        }
        _ => {
            let keywords = ["SET", "RESET", "EXECUTE"];
            let near = settings::nearest(first, keywords.into_iter());
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            (1, format!("this is no statement: {ours}{hint}"))
        }
    };
    draft.report.error(statement.head(words), message);
}

/// A key and its value as they were read, before `${env:…}` is put in.
struct Pair {
    key: String,
    value: String,
    key_at: Range<usize>,
    /// Of the value's first character.
    value_at: Range<usize>,
    /// Its value could not be read, and that is reported.
    broken: bool,
}

/// Puts a pair into the draft, and says so when the key is there already.
fn put(scope: Scope, pair: Pair, draft: &mut Draft<'_>) {
    let Pair { key, value, key_at, value_at, broken } = pair;
    let first = draft.entries(scope).get(&key).map(|entry| entry.key_at.clone());
    if first.is_some() {
        let what = format!("`{key}` is given twice");
        draft.report.dropped(key_at.clone(), what, "takes the last", "keep one of them");
    }
    let (value_at, key_at) = (At::Script(value_at), At::Script(key_at));
    let mut entry = crate::secrets::entry(&key, &value, key_at, value_at, draft);
    entry.broken |= broken;
    draft.entries(scope).insert(key, entry);
}

/// An override is an option where there is one of that name, else a variable that the script
/// uses, else a `SET` key.
fn lay_over(key: &str, value: &str, variables: &Variables, draft: &mut Draft<'_>) {
    let option = settings::find(Scope::With, key).is_some() || crate::build::is_sink_option(key);
    let given = draft.entries(Scope::With).contains_key(key);
    let scope = match (option || given, variables.uses(key)) {
        (true, _) => Scope::With,
        (false, true) => return,
        (false, false) => Scope::Set,
    };
    let at = At::Override(key.to_owned());
    let entry: Entry = crate::secrets::entry(key, value, at.clone(), at, draft);
    draft.entries(scope).insert(key.to_owned(), entry);
}

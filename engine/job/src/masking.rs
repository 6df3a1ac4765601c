//! Scripts as they may be shown: what is secret, or may be, reads `******`. And the way back, for a
//! script that was shown, edited, and sent in again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::{Front, Mode, Surroundings, diagnostics, draft, script};

/// What stands for a hidden value.
pub const MASK: &str = "******";

/// A hidden value that the script before does not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: `{key}` is {MASK}, and which value that was cannot be told from the version before, for \
     it has {before} of that name and this one {now}: write it out, or as `${{env:NAME}}`"
)]
pub struct Unknown {
    /// From 1.
    pub line: usize,
    pub key: String,
    pub before: usize,
    pub now: usize,
}

/// The script with every value of a sensitive key hidden, in comments too. A reference to a secret
/// (`${env:NAME}`, `${file:PATH}`) is none, and stays.
pub fn masked(source: &str, file_name: &str) -> String {
    let mut shown = String::with_capacity(source.len());
    let mut done = 0;
    for secret in secrets(source, file_name) {
        shown.push_str(source.get(done..secret.value.start).unwrap_or_default());
        shown.push_str(MASK);
        done = secret.value.end;
    }
    shown.push_str(source.get(done..).unwrap_or_default());
    shown
}

/// The script with what [`masked`] hid of `before` put back: the value of the same key, and where there
/// are several of one name, of the one that stands in the same place among them.
///
/// # Errors
/// A value that is hidden, and not to be told.
pub fn unmasked(source: &str, before: &str, file_name: &str) -> Result<String, Unknown> {
    let (now, old) = (secrets(source, file_name), secrets(before, file_name));
    let (counted, known) = (by_key(&now), by_key(&old));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut whole, mut done) = (String::with_capacity(source.len()), 0);
    for secret in &now {
        let at = seen.entry(&secret.key).or_default();
        let place = *at;
        *at += 1;
        if source.get(secret.value.clone()) != Some(MASK) {
            continue;
        }
        let of_name = known.get(&*secret.key).map_or(&[][..], Vec::as_slice);
        let now = counted.get(&*secret.key).map_or(0, Vec::len);
        let value = of_name.get(place).filter(|_| of_name.len() == now);
        let Some(value) = value.and_then(|old| before.get(old.value.clone())) else {
            let start = source.get(..secret.value.start).unwrap_or_default();
            let line = start.matches('\n').count() + 1;
            return Err(Unknown { line, key: secret.key.clone(), before: of_name.len(), now });
        };
        whole.push_str(source.get(done..secret.value.start).unwrap_or_default());
        whole.push_str(value);
        done = secret.value.end;
    }
    whole.push_str(source.get(done..).unwrap_or_default());
    Ok(whole)
}

struct Secret {
    /// In small letters.
    key: String,
    /// Without its quotes and what is blank around it.
    value: Range<usize>,
}

fn by_key(secrets: &[Secret]) -> BTreeMap<&str, Vec<&Secret>> {
    let mut by_key: BTreeMap<&str, Vec<&Secret>> = BTreeMap::new();
    for secret in secrets {
        by_key.entry(&secret.key).or_default().push(secret);
    }
    by_key
}

/// In order, apart from each other; references are not among them.
fn secrets(source: &str, file_name: &str) -> Vec<Secret> {
    let mut draft = draft::Draft::new(Mode::Lenient, &Nowhere);
    let front = Front::of(file_name, source);
    let found = front.read(source, &[], &mut draft);
    let lines = match front {
        Front::Script => diagnostics::Lines::new(source, &script::blanked(source), file_name),
        Front::Pipeline => diagnostics::Lines::of_pipeline(source, found, file_name),
    };
    let secrets = lines.secrets().iter().map(|range| {
        let key = key_before(source, range.start);
        let key = match front {
            Front::Script => key,
            // There every section may have the same key.
            Front::Pipeline => format!("{}{key}", sections_above(source, range.start)),
        };
        Secret { key, value: bare(source, range) }
    });
    secrets.filter(|secret| !source.get(secret.value.clone()).is_some_and(is_reference)).collect()
}

/// Without its quotes: a script's stretch has the opening one alone, a pipeline's may have both.
fn bare(source: &str, range: &Range<usize>) -> Range<usize> {
    let text = source.get(range.clone()).unwrap_or_default();
    let ahead = text.len() - text.trim_start().len();
    let text = text.trim();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let inner = quote.map_or(text, |quote| {
        let inner = text.strip_prefix(quote).unwrap_or(text);
        inner.strip_suffix(quote).unwrap_or(inner)
    });
    let start = range.start + ahead + usize::from(quote.is_some());
    start..start + inner.len()
}

static KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([\w.\[\]-]+)['"]?[^\w'"]*$"#).ok());
/// Of what stands before a value that is looked at for its key, in bytes.
const KEY_BYTES_MAX: usize = 400;

/// The name nearest before a value.
fn key_before(source: &str, at: usize) -> String {
    let from = (at.saturating_sub(KEY_BYTES_MAX)..=at).find(|&at| source.is_char_boundary(at));
    let text = source.get(from.unwrap_or(at)..at).unwrap_or_default();
    let found = KEY.as_ref().and_then(|key| key.captures(text));
    let name = found.and_then(|found| found.get(1).map(|name| name.as_str().to_lowercase()));
    name.unwrap_or_default()
}

/// The keys of the sections that a place of a pipeline is in, each with a dot behind.
fn sections_above(source: &str, at: usize) -> String {
    let before = source.get(..at).unwrap_or_default();
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let mut lines = before.lines().rev();
    let mut inside = lines.next().map_or(0, indent);
    let mut path = String::new();
    for line in lines {
        let text = line.trim_start_matches([' ', '-']);
        let Some((key, _)) = text.split_once(':').filter(|_| !text.starts_with('#')) else {
            continue;
        };
        if indent(line) < inside {
            inside = indent(line);
            path.insert_str(0, &format!("{}.", key.trim().to_lowercase()));
        }
    }
    path
}

static REFERENCE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\$\{(env|file):[^{}]*\}$").ok());

fn is_reference(text: &str) -> bool {
    REFERENCE.as_ref().is_some_and(|reference| reference.is_match(text))
}

/// Nothing is asked of the world to find out what may not be shown.
struct Nowhere;

impl Surroundings for Nowhere {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, _path: &str) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "SET s3.secret-key = hunter0;\nEXECUTE CDCSOURCE a WITH (\n\
        'password' = 'hunter1', -- 'password' = 'hunter2'\n'port' = '3306',\n\
        'sink[0].password' = 'hunter3','sink[1].password' = '${env:PASSWORD}')\n";
    const PIPELINE: &str = "source:\n  type: mysql\n  password: hunter1\nsink:\n  type: doris\n  \
        password: \"hunter2\"\n  token: |\n    hunter3\n    hunter4\npipeline:\n  name: x\n";

    #[test]
    fn what_is_secret_is_hidden_and_everything_else_is_as_it_was() {
        assert_eq!(
            masked(SCRIPT, "a.sql"),
            "SET s3.secret-key = ******;\nEXECUTE CDCSOURCE a WITH (\n\
            'password' = '******', -- 'password' = '******'\n'port' = '3306',\n\
            'sink[0].password' = '******','sink[1].password' = '${env:PASSWORD}')\n"
        );
        let shown = masked(PIPELINE, "a.yaml");
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("\n  password: ******\nsink:"), "{shown}");
        assert!(shown.contains("\n  password: \"******\"\n"), "{shown}");
        assert!(shown.contains("\npipeline:\n  name: x\n"), "{shown}");
    }

    #[test]
    fn a_script_that_was_shown_and_sent_back_is_the_same_script() {
        for (source, file) in [(SCRIPT, "a.sql"), (PIPELINE, "a.yaml"), ("", "a.sql")] {
            let shown = masked(source, file);
            assert_eq!(unmasked(&shown, source, file).as_deref(), Ok(source));
            assert_eq!(masked(&shown, file), shown, "hidden already");
        }
    }

    #[test]
    fn an_edited_script_keeps_what_was_hidden_and_takes_what_is_new() {
        let edited = masked(SCRIPT, "a.sql")
            .replace("'3306'", "'3307'")
            .replace("'sink[0].password' = '******'", "'sink[0].password' = 'other'");
        let expected = SCRIPT.replace("'3306'", "'3307'").replace("hunter3", "other");
        assert_eq!(unmasked(&edited, SCRIPT, "a.sql"), Ok(expected));
    }

    #[test]
    fn sections_that_change_their_places_keep_their_own_secrets() {
        let shown = masked(PIPELINE, "a.yaml");
        let (source, sink) = shown.split_once("sink:").unwrap();
        let (sink, rest) = sink.split_once("pipeline:").unwrap();
        let turned = format!("sink:{sink}{source}pipeline:{rest}");
        let whole = unmasked(&turned, PIPELINE, "a.yaml").unwrap();
        assert!(whole.contains("type: mysql\n  password: hunter1"), "{whole}");
        assert!(whole.contains("type: doris\n  password: \"hunter2\""), "{whole}");
    }

    #[test]
    fn a_hidden_value_is_never_guessed() {
        let shown = masked(PIPELINE, "a.yaml");
        let more = shown.replace("sink:\n", "  password: new\nsink:\n");
        let error = unmasked(&more, PIPELINE, "a.yaml").unwrap_err();
        assert_eq!((error.line, &*error.key), (3, "source.password"));
        let renamed = masked(SCRIPT, "a.sql").replace("sink[0].password", "sink[0].ssl.password");
        let error = unmasked(&renamed, SCRIPT, "a.sql").unwrap_err();
        assert_eq!((&*error.key, error.before), ("sink[0].ssl.password", 0));
    }
}

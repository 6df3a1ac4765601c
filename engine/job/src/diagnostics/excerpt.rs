//! The line that an error stands in, fit to be shown: secrets hidden, not too long.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::{At, Place};
use crate::settings::is_sensitive;

/// Characters of a line that are shown at most, and of these before the place.
const SHOWN_CHARS_MAX: usize = 160;
const SHOWN_BEFORE_MAX: usize = 80;
/// Bytes on either side of the place that are looked at: enough for characters of four bytes.
const AROUND_BYTES_MAX: usize = 4 * SHOWN_CHARS_MAX;

/// A line of the script and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    pub line: String,
    /// Characters of `line` before the place.
    pub before: usize,
    /// Characters of the place.
    pub width: usize,
}

impl Excerpt {
    /// Blanks, then carets below the place; tabs stay tabs.
    pub fn marks(&self) -> String {
        let blank = |c| if c == '\t' { '\t' } else { ' ' };
        let blanks = self.line.chars().take(self.before).map(blank);
        blanks.chain(std::iter::repeat_n('^', self.width)).collect()
    }
}

/// A script by its lines.
pub(crate) struct Lines<'a> {
    source: &'a str,
    file: &'a str,
    /// Byte at which each line begins.
    starts: Vec<usize>,
    /// In order, apart from each other.
    secrets: Vec<Range<usize>>,
}

impl<'a> Lines<'a> {
    /// `blanked` is the script with its comments blanked, byte for byte.
    pub(crate) fn new(source: &'a str, blanked: &str, file: &'a str) -> Self {
        let after_ends = source.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(after_ends).collect();
        // A comment may stand between a key and its value, and a value within a comment.
        let mut found = secrets(source, source);
        found.extend(secrets(blanked, source));
        Self { source, file, starts, secrets: joined(found) }
    }

    /// The same for a pipeline. `found` is what its tree knows to be secret; where there is no tree,
    /// and in comments, the text is looked through.
    pub(crate) fn of_pipeline(source: &'a str, found: Vec<Range<usize>>, file: &'a str) -> Self {
        let mut lines = Self::new(source, source, file);
        lines.secrets.extend(found);
        lines.secrets.extend(secrets_of_pipeline(source));
        lines.secrets = joined(lines.secrets);
        lines
    }

    /// In order, apart from each other. One of a script begins with its opening quote, and ends before
    /// the closing one.
    pub(crate) fn secrets(&self) -> &[Range<usize>] {
        &self.secrets
    }

    pub(super) fn file(&self) -> &str {
        self.file
    }

    pub(crate) fn place(&self, at: &At) -> Place {
        let file = self.file.to_owned();
        match at {
            At::Script(range) => {
                let (line, start) = self.line_of(range.start);
                let before = self.source.get(start..range.start).unwrap_or_default();
                Place::Script { file, line, column: before.chars().count() + 1 }
            }
            At::Override(key) => Place::Override { key: key.clone() },
            At::Whole => Place::Whole { file },
        }
    }

    /// Number of the line, from 1, and the byte at which it begins.
    fn line_of(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|&start| start <= byte).max(1);
        (line, self.starts.get(line - 1).copied().unwrap_or(0))
    }

    pub(super) fn excerpt(&self, at: &At) -> Option<Excerpt> {
        let At::Script(range) = at else { return None };
        let (_, start) = self.line_of(range.start);
        let start = self.boundary(start.max(range.start.saturating_sub(AROUND_BYTES_MAX)));
        let end = self.boundary(range.start.saturating_add(AROUND_BYTES_MAX));
        let line = self.source.get(start..end)?.lines().next().unwrap_or_default();
        let (mut shown, mut before, mut width) = (Vec::new(), 0, 0_usize);
        let mut hidden = false;
        for (offset, c) in line.char_indices() {
            let byte = start + offset;
            let was_hidden = std::mem::replace(&mut hidden, self.is_secret(byte));
            if hidden && was_hidden {
                continue;
            }
            let len = if hidden { 3 } else { 1 };
            before += if byte < range.start { len } else { 0 };
            width += if range.contains(&byte) { len } else { 0 };
            if hidden {
                shown.extend(['*'; 3]);
            } else {
                shown.push(if c.is_control() && c != '\t' { ' ' } else { c });
            }
        }
        let cut =
            if shown.len() > SHOWN_CHARS_MAX { before.saturating_sub(SHOWN_BEFORE_MAX) } else { 0 };
        let line: String = shown.iter().skip(cut).take(SHOWN_CHARS_MAX).collect();
        let before = before - cut;
        let room = line.chars().count().saturating_sub(before).max(1);
        Some(Excerpt { line, before, width: width.clamp(1, room) })
    }

    /// The character boundary at `byte`, or the nearest before it.
    fn boundary(&self, byte: usize) -> usize {
        let end = byte.min(self.source.len());
        (0..=end).rev().find(|&at| self.source.is_char_boundary(at)).unwrap_or(0)
    }

    fn is_secret(&self, byte: usize) -> bool {
        let next = self.secrets.partition_point(|range| range.start <= byte);
        let before = next.checked_sub(1).and_then(|last| self.secrets.get(last));
        before.is_some_and(|range| byte < range.end)
    }
}

/// `key =` or `name :=`, however the key is quoted.
static KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([\w.\[\]-]+)['"]?\s*(:?=)\s*"#).ok());
/// Where a value in single quotes ends, also where its quoting went wrong: a quote before a comma,
/// a bracket, the next key or the end of the line.
static QUOTED_END: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?m)'[ \t]*(?:,[ \t]*(?:['")]|--|\r?$)|[);]|'[\w.]|\r?$)"#).ok()
});
static BARE_END: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?m)[,;][ \t]*(?:['")]|--|\r?$)|\r?$"#).ok());

/// Every stretch that holds the value of a sensitive key, or of a variable: who knows what for.
/// Looked for in `text`, the script or the script without comments; a comment on the way from the
/// key to the value is hidden with it.
fn secrets(text: &str, source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for key in KEY.as_ref().into_iter().flat_map(|keys| keys.captures_iter(text)) {
        let (Some(whole), Some(name), Some(sign)) = (key.get(0), key.get(1), key.get(2)) else {
            continue;
        };
        if is_sensitive(name.as_str()) || sign.as_str() == ":=" {
            let end = value_end(text, whole.end());
            let way = source.get(sign.end()..whole.end()).unwrap_or_default();
            let start = if way.trim().is_empty() { whole.end() } else { sign.end() };
            found.push(start..end);
            if end == text.len() {
                break;
            }
        }
    }
    found
}

/// `key:`, however the key is quoted.
static PIPELINE_KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([\w.\[\]-]+)['"]?\s*:[ \t]*"#).ok());
/// A line on which another value begins.
static PIPELINE_NEXT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?m)^[ \t]*(?:#|(?:-[ \t]+)?['"]?[\w.\[\]-]+['"]?[ \t]*:(?:[ \t\r]|$))"#).ok()
});

/// From each sensitive key to where another value begins on a line of its own.
fn secrets_of_pipeline(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for key in PIPELINE_KEY.as_ref().into_iter().flat_map(|keys| keys.captures_iter(source)) {
        let (Some(whole), Some(name)) = (key.get(0), key.get(1)) else { continue };
        let within = found.last().is_some_and(|last: &Range<usize>| whole.end() < last.end);
        if within || !is_sensitive(name.as_str()) {
            continue;
        }
        let rest = source.get(whole.end()..).unwrap_or_default();
        let line = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let after = rest.get(line..).unwrap_or_default();
        let next = PIPELINE_NEXT.as_ref().and_then(|next| next.find(after));
        let len = next.map_or(rest.len(), |next| line + next.start());
        found.push(whole.end()..whole.end() + len);
        if len == rest.len() {
            break;
        }
    }
    found
}

/// The same stretches in order, apart from each other.
fn joined(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

fn value_end(source: &str, start: usize) -> usize {
    let rest = source.get(start..).unwrap_or_default();
    let (skip, end) = match rest.chars().next() {
        Some('\'') => (1, &QUOTED_END),
        Some(_) => (0, &BARE_END),
        None => return start,
    };
    let inner = rest.get(skip..).unwrap_or_default();
    let found = end.as_ref().and_then(|end| end.find(inner));
    let len = found.map_or(inner.len(), |found| found.start());
    // The opening quote is hidden with the value, so that an empty one cannot be told.
    start + skip + len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, needle: &str) -> (String, String) {
        let at = source.find(needle).unwrap();
        let lines = Lines::new(source, source, "job.sql");
        let excerpt = lines.excerpt(&At::Script(at..at + needle.len())).unwrap();
        (excerpt.line.clone(), excerpt.marks())
    }

    #[test]
    fn the_carets_stand_below_the_place() {
        let (line, marks) = shown("a\n\tbé = cde;\n", "cde");
        assert_eq!((line.as_str(), marks.as_str()), ("\tbé = cde;", "\t     ^^^"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let source = format!("{}needle{}", "x".repeat(5000), "y".repeat(5000));
        let (line, marks) = shown(&source, "needle");
        assert_eq!(line.chars().count(), SHOWN_CHARS_MAX);
        assert_eq!(line.get(marks.find('^').unwrap()..).unwrap().get(..6), Some("needle"));
    }

    #[test]
    fn values_of_sensitive_keys_are_never_shown() {
        let check = |source: &str| {
            for at in 0..=source.len() {
                let lines = Lines::new(source, source, "job.sql");
                let line = lines.excerpt(&At::Script(at..at + 1)).map(|e| e.line);
                assert!(!line.unwrap_or_default().contains("hunter"), "{source} at {at}");
            }
        };
        check("'password' = 'hunter2', 'x' = 'y'");
        check("'password' = 'hunter2' 'x' = 'y'");
        check("'password'='it's hunter2','x' = 'y'");
        check("'password' =\n  'hunter2',\n'x' = 'y'");
        check("password = hunter2, 'x' = 'y'");
        check("\"password\" = \"hunter2\", 'x' = 'y'");
        check("'pasword' = 'hunter2', 'x' = 'y'");
        check("'sink.password' = 'hunter2'");
        check("SET fs.s3.secret-key = hunter2;");
        check("my_pwd := hunter2;");
        check("'password' = 'hunter2");
        check("'password' = 'a, hunter2', 'x' = 'y'");
    }

    #[test]
    fn what_stands_beside_a_secret_stays_readable() {
        let (line, marks) = shown("'password' = 'hunter2', 'xyz' = 'y'", "xyz");
        assert_eq!(line, "'password' = ***', 'xyz' = 'y'");
        assert_eq!(marks.find('^'), line.find("xyz"));
    }
}

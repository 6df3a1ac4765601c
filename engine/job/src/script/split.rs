//! A script into statements: comments blanked, cut where Dinky cuts.

use std::ops::Range;

use super::fragment::Fragment;
use crate::Mode;
use crate::diagnostics::{NoteKind, Report};

/// Cuts the script at each `;` that ends a line, also within quotes, as Dinky does: blanks and a
/// comment may follow it. Comments outside quotes become blanks of the same length.
pub(super) fn statements(source: &str, report: &mut Report) -> Vec<Fragment> {
    let mut found = Vec::new();
    let (mut text, mut start, mut quoted) = (String::new(), 0, false);
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let at = source.len() - rest.len();
        let comment = if quoted { 0 } else { comment_len(rest, at, report) };
        let len = comment.max(c.len_utf8());
        let (head, tail) = rest.split_at(len);
        if comment > 0 || c == '\u{feff}' {
            blank(head, &mut text);
        } else if c == ';' && ends_line(tail) {
            found.push(Fragment::verbatim(std::mem::take(&mut text), start));
            (start, quoted) = (at + 1, false);
        } else {
            quoted ^= c == '\'';
            text.push(c);
        }
        rest = tail;
    }
    found.push(Fragment::verbatim(text, start));
    found
}

/// Bytes of the comment that `rest` begins with; 0 where it begins with none.
fn comment_len(rest: &str, at: usize, report: &mut Report) -> usize {
    if rest.starts_with("--") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if !rest.starts_with("/*") {
        return 0;
    }
    let Some(len) = block_comment_len(rest) else {
        report.unreadable(at..at + 2, "this comment is never closed by `*/`");
        return rest.len();
    };
    if rest.starts_with("/*+") {
        report.note(NoteKind::NoCounterpart, at..at + len, "hints have no counterpart here");
    }
    len
}

fn block_comment_len(rest: &str) -> Option<usize> {
    rest.get(2..)?.find("*/").map(|inner| inner + 4)
}

fn blank(text: &str, out: &mut String) {
    out.extend(text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
}

/// Nothing but blanks and comments up to the end of the line.
fn ends_line(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with(['\n', '\r']) || rest.starts_with("--") {
            return true;
        }
        let comment = rest.starts_with("/*").then(|| block_comment_len(rest)).flatten();
        let Some(after) = comment.and_then(|len| rest.get(len..)) else { return false };
        rest = after;
    }
}

/// The statements that one statement of Dinky looks like: where a `;` stands within a line, or
/// where a line begins with a keyword because the `;` before it is missing. Dinky reads on. Strict
/// reads each by itself, so that one mistake hides no other.
pub(super) fn cuts(whole: &Fragment, report: &mut Report) -> Vec<Range<usize>> {
    let text = whole.text();
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        let before = text.get(start..at).unwrap_or_default();
        match c {
            '\'' => quoted = !quoted,
            ';' if !quoted && !is_blank(rest) && !is_blank(before) => {
                let what = "more text follows on the line after this `;`";
                let dinky = "ends a statement only at a `;` that ends its line, and reads on";
                report.dropped(whole.span(at..at + 1), what, dinky, "begin a new line");
                parts.push(start..at);
                start = at + 1;
            }
            '\n' if !quoted && begins_statement(rest) && !is_blank(before) => {
                let last = before.trim_end();
                let end = start + last.len();
                let last = end - last.chars().next_back().map_or(0, char::len_utf8);
                let what = "the `;` after this statement is missing";
                report.dropped(whole.span(last..end), what, "reads on", "put `;` here");
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    if report.mode == Mode::Lenient {
        parts.clear();
        start = 0;
    }
    parts.push(start..text.len());
    let trimmed = |range: Range<usize>| {
        let part = whole.get(range.clone());
        let part = part.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
        range.start..range.start + part.len()
    };
    parts.into_iter().map(trimmed).collect()
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c == ';' || c.is_whitespace())
}

fn begins_statement(rest: &str) -> bool {
    let line = rest.lines().next().unwrap_or_default().trim_start();
    let first = line.split_whitespace().next().unwrap_or_default();
    let keyword = ["SET", "RESET", "EXECUTE"].iter().any(|k| first.eq_ignore_ascii_case(k));
    keyword && line.len() > first.len()
}

//! Which tables a job follows.
//!
//! `table-name` is a list of Java regular expressions, each matched against the whole of
//! `db.table`: anchored at both ends, so that `emp_1\.t` follows neither `emp_1.t2` nor
//! `my_emp_1.t` (FLINK-38358 is what happens otherwise). Java's expressions and ours differ at the
//! edges: where they mean different things the pattern is rewritten, where ours cannot express it
//! the pattern is refused with its place.

use model::TableName;
use regex::Regex;

/// Schemas of the server itself (MySQL manual, "The mysql System Schema" and its likes); no
/// pattern reaches them.
const SYSTEM_SCHEMAS: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// Java's `\d \D \w \W \s \S` know ASCII only; ours would know all of Unicode.
const ASCII_CLASSES: [(char, &str); 6] = [
    ('d', "[0-9]"),
    ('D', "[^0-9]"),
    ('w', "[a-zA-Z0-9_]"),
    ('W', "[^a-zA-Z0-9_]"),
    ('s', r"[ \t\n\x0B\f\r]"),
    ('S', r"[^ \t\n\x0B\f\r]"),
];

/// The tables of a job: `(databases) and (any of include) and (none of exclude)`, where an absent
/// list restricts nothing.
#[derive(Debug, Clone)]
pub struct TablePatterns {
    databases: Option<Vec<String>>,
    include: Option<Vec<Pattern>>,
    exclude: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    regex: Regex,
}

/// A pattern that is none, or that our expressions cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern `{pattern}`, at its character {}: {reason}", .at + 1)]
pub struct PatternError {
    pub pattern: String,
    /// Characters before the place within the pattern.
    pub at: usize,
    /// Byte at which the pattern begins in the list it stands in.
    pub start: usize,
    pub reason: String,
}

impl std::fmt::Display for TablePatterns {
    /// The patterns as the script has them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |patterns: &[Pattern]| {
            patterns.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(", ")
        };
        match (&self.include, &self.databases) {
            (Some(include), _) => write!(f, "{}", list(include))?,
            (None, Some(databases)) => write!(f, "all of {}", databases.join(", "))?,
            (None, None) => f.write_str("all tables")?,
        }
        if self.exclude.is_empty() { Ok(()) } else { write!(f, " but {}", list(&self.exclude)) }
    }
}

impl TablePatterns {
    /// `databases`: a comma list of literal names. `include`, `exclude`: comma lists of regular
    /// expressions, trimmed; a comma within brackets belongs to its expression.
    ///
    /// # Errors
    /// The first pattern that cannot be used.
    pub fn new(
        databases: Option<&str>,
        include: Option<&str>,
        exclude: Option<&str>,
    ) -> Result<Self, PatternError> {
        let databases = databases.map(|list| {
            let names = list.split(',').map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        });
        let include = include.map(patterns).transpose()?;
        let exclude = exclude.map(patterns).transpose()?.unwrap_or_default();
        Ok(Self { databases, include, exclude })
    }

    /// Is this table followed?
    pub fn matches(&self, table: &TableName) -> bool {
        if SYSTEM_SCHEMAS.iter().any(|schema| schema.eq_ignore_ascii_case(&table.db)) {
            return false;
        }
        if self.databases.as_ref().is_some_and(|names| names.iter().all(|n| **n != *table.db)) {
            return false;
        }
        let name = table.to_string();
        let any = |patterns: &[Pattern]| patterns.iter().any(|p| p.regex.is_match(&name));
        self.include.as_deref().is_none_or(any) && !any(&self.exclude)
    }

    /// The only databases that can hold a followed table, where that is certain; to limit scans.
    pub fn databases_hint(&self) -> Option<Vec<String>> {
        if let Some(names) = &self.databases {
            return Some(names.clone());
        }
        let mut names = Vec::new();
        for pattern in self.include.as_ref()? {
            for (_, alternative) in split_outside_brackets(&pattern.text, '|') {
                names.push(literal_database(alternative)?);
            }
        }
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    /// The patterns as they were written, each with whether it names a database: an escaped dot,
    /// or a dot in a class, with something on its left.
    pub(crate) fn written(list: &str) -> Vec<(usize, &str)> {
        let pieces = split_outside_brackets(list, ',').into_iter();
        let trimmed = pieces.map(|(at, piece)| {
            let start = at + (piece.len() - piece.trim_start().len());
            (start, piece.trim())
        });
        trimmed.filter(|(_, piece)| !piece.is_empty()).collect()
    }
}

fn patterns(list: &str) -> Result<Vec<Pattern>, PatternError> {
    TablePatterns::written(list).into_iter().map(|(at, text)| Pattern::new(at, text)).collect()
}

impl Pattern {
    fn new(start: usize, text: &str) -> Result<Self, PatternError> {
        let regex = whole(text).map_err(|error| PatternError { start, ..error })?;
        Ok(Self { text: text.to_owned(), regex })
    }
}

/// A Java expression that is to match all of a name.
pub(crate) fn whole(text: &str) -> Result<Regex, PatternError> {
    let ours = ours(text)?;
    // `^` and `$` would also match at line ends under `(?m)`.
    Regex::new(&format!(r"\A(?:{ours})\z"))
        .map_err(|error| refusal(text, 0, place_and_reason(&error, &ours).1))
}

/// A Java expression that is to match anywhere.
///
/// # Errors
/// It is none, or ours cannot express it.
pub fn anywhere(text: &str) -> Result<Regex, PatternError> {
    let ours = ours(text)?;
    Regex::new(&ours).map_err(|error| refusal(text, 0, place_and_reason(&error, &ours).1))
}

/// A Java expression in our spelling; an expression by itself: `a)|(b` is none, and only looks
/// like one within a group.
fn ours(text: &str) -> Result<String, PatternError> {
    let ours = translate(text).map_err(|(at, reason)| refusal(text, at, reason))?;
    match Regex::new(&ours) {
        Ok(_) => Ok(ours),
        Err(error) => {
            let (at, reason) = place_and_reason(&error, &ours);
            let unclosed = if reason.contains("unclosed") { UNCLOSED } else { "" };
            // The place is one in our spelling; where that differs, the beginning has to do.
            Err(refusal(text, if ours == text { at } else { 0 }, format!("{reason}{unclosed}")))
        }
    }
}

fn refusal(text: &str, at: usize, reason: String) -> PatternError {
    let at = text.get(..at).map_or(0, |before| before.chars().count());
    PatternError { pattern: text.to_owned(), at, start: 0, reason }
}

const UNCLOSED: &str = " (a comma outside brackets ends a pattern)";

/// The byte and the reason out of an error of the expression compiler, which shows the expression
/// on a line of its own, four blanks in, and marks the place below it.
fn place_and_reason(error: &regex::Error, ours: &str) -> (usize, String) {
    let shown = error.to_string();
    let lines: Vec<_> = shown.lines().collect();
    let last = lines.last().copied().unwrap_or_default().trim();
    let reason = last.strip_prefix("error: ").unwrap_or(last).to_owned();
    let marks = lines.windows(2).find_map(|pair| match pair {
        [line, marks] if line.get(4..) == Some(ours) => marks.get(4..)?.find('^'),
        _ => None,
    });
    // Marks count characters.
    let at = ours.char_indices().nth(marks.unwrap_or(0)).map_or(0, |(at, _)| at);
    (at, reason)
}

/// Rewrites a Java expression into ours, or says at which byte it cannot be.
fn translate(java: &str) -> Result<String, (usize, String)> {
    let mut ours = String::with_capacity(java.len());
    let mut class_depth = 0_usize;
    let mut quantified = false;
    let mut chars = java.char_indices();
    while let Some((at, c)) = chars.next() {
        let rest = java.get(at..).unwrap_or_default();
        let was_quantified = std::mem::take(&mut quantified);
        match c {
            '\\' => {
                let Some((_, escaped)) = chars.next() else {
                    return Err((at, "a backslash with nothing after it".to_owned()));
                };
                push_escape(&mut ours, at, escaped)?;
            }
            '[' => {
                class_depth += 1;
                ours.push(c);
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                ours.push(c);
            }
            '(' if class_depth == 0 => {
                refuse_group(at, rest)?;
                ours.push(c);
            }
            '+' if class_depth == 0 && was_quantified => {
                let reason = "possessive quantifiers are not supported; leave the last `+` out";
                return Err((at, reason.to_owned()));
            }
            '+' | '*' | '?' | '}' if class_depth == 0 => {
                // The `?` of `(?:` quantifies nothing, and `+` cannot follow it.
                quantified = true;
                ours.push(c);
            }
            other => ours.push(other),
        }
    }
    Ok(ours)
}

fn push_escape(ours: &mut String, at: usize, escaped: char) -> Result<(), (usize, String)> {
    if let Some((_, class)) = ASCII_CLASSES.iter().find(|(name, _)| *name == escaped) {
        ours.push_str(class);
        return Ok(());
    }
    match escaped {
        '1'..='9' | 'k' => Err((at, "back-references are not supported".to_owned())),
        'Q' | 'E' => Err((at, r"`\Q…\E` is not supported; escape each character".to_owned())),
        // Java lets any other character that is no letter be escaped.
        c if matches!(c, '<' | '>') || !(c.is_ascii_alphanumeric() || c.is_ascii_punctuation()) => {
            ours.push(c);
            Ok(())
        }
        c => {
            ours.push('\\');
            ours.push(c);
            Ok(())
        }
    }
}

fn refuse_group(at: usize, rest: &str) -> Result<(), (usize, String)> {
    let lookaround = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|open| rest.starts_with(open));
    if lookaround {
        return Err((at, "look-ahead and look-behind are not supported".to_owned()));
    }
    if rest.starts_with("(?>") {
        return Err((at, "atomic groups are not supported; write `(?:`".to_owned()));
    }
    Ok(())
}

/// Cuts at `separator` where it is neither escaped nor within brackets of any kind. Each piece
/// comes with the byte at which it begins.
fn split_outside_brackets(text: &str, separator: char) -> Vec<(usize, &str)> {
    let (mut pieces, mut start, mut depth, mut escaped) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ if c == separator && depth == 0 => {
                pieces.push((start, text.get(start..at).unwrap_or_default()));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push((start, text.get(start..).unwrap_or_default()));
    pieces
}

/// The database of a pattern that begins with a literal name and an escaped dot.
fn literal_database(pattern: &str) -> Option<String> {
    let mut name = String::new();
    let mut chars = pattern.chars();
    loop {
        match chars.next()? {
            '\\' => match chars.next()? {
                '.' => break,
                c if c.is_ascii_punctuation() => name.push(c),
                _ => return None,
            },
            c if c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '@' | '#' | '~') => {
                name.push(c);
            }
            _ => return None,
        }
    }
    // `a\.?b`: the dot may be missing.
    let optional = matches!(chars.next(), Some('?' | '*' | '{'));
    (!name.is_empty() && !optional).then_some(name)
}

#[cfg(test)]
mod tests;

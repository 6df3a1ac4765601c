//! Texts with holes: `ods_$1`, `#{schemaName}_ods`, `ods.<>`.

use regex::{Captures, Regex};

use crate::table::TableName;

/// A text with holes for a table's names, or for what groups of a pattern matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
    Db,
    Table,
}

/// A replacement that Java would refuse, too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("the pattern has no group {0}, only {1}")]
    NoGroup(String, usize),
    #[error("a `$` stands for a group, `$1`; write `\\$` for the character")]
    LoneDollar,
    #[error("a backslash with nothing after it")]
    LoneBackslash,
}

/// Dinky's placeholders, since 1.0 and before.
const PLACEHOLDERS: [(&str, Part); 4] = [
    ("#{schemaName}", Part::Db),
    ("${schemaName}", Part::Db),
    ("#{tableName}", Part::Table),
    ("${tableName}", Part::Table),
];

impl Template {
    /// With `#{schemaName}` and `#{tableName}`, also written `${…}`.
    pub fn of_placeholders(text: &str) -> Self {
        Self::of_marks(text, &PLACEHOLDERS)
    }

    /// Every `symbol` stands for the table's name.
    pub fn of_symbol(text: &str, symbol: &str) -> Self {
        if symbol.is_empty() {
            return Self(vec![Part::Text(text.to_owned())]);
        }
        Self::of_marks(text, &[(symbol, Part::Table)])
    }

    fn of_marks(text: &str, marks: &[(&str, Part)]) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        let next = |rest: &str| {
            let places = marks.iter().filter_map(|mark| Some((rest.find(mark.0)?, mark)));
            places
                .min_by_key(|(at, _)| *at)
                .map(|(at, (mark, part))| (at, mark.len(), part.clone()))
        };
        while let Some((at, len, part)) = next(rest) {
            push_text(&mut parts, rest.get(..at).unwrap_or_default());
            parts.push(part);
            rest = rest.get(at + len..).unwrap_or_default();
        }
        push_text(&mut parts, rest);
        Self(parts)
    }

    /// With `$1` or `${name}` for groups of `pattern`, by the rules of Java's `replaceAll`: a group's
    /// number takes as many digits as there are groups for, and a backslash makes the next
    /// character mean itself.
    ///
    /// # Errors
    /// What Java would throw an exception at.
    pub fn of_groups(text: &str, pattern: &Regex) -> Result<Self, TemplateError> {
        let groups = pattern.captures_len().saturating_sub(1);
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => plain.push(chars.next().ok_or(TemplateError::LoneBackslash)?),
                '$' => {
                    push_text(&mut parts, &std::mem::take(&mut plain));
                    let group = if chars.next_if_eq(&'{').is_some() {
                        let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                        let mut names = pattern.capture_names();
                        let found = names.position(|group| group == Some(name.as_str()));
                        found.ok_or(TemplateError::NoGroup(format!("`{name}`"), groups))?
                    } else {
                        number(&mut chars, groups)?
                    };
                    parts.push(Part::Group(group));
                }
                c => plain.push(c),
            }
        }
        push_text(&mut parts, &plain);
        Ok(Self(parts))
    }

    /// Dots that are neither of a table's name nor of what a group matched.
    pub fn dots(&self) -> usize {
        let of_text = |part: &Part| match part {
            Part::Text(text) => text.matches('.').count(),
            Part::Group(_) | Part::Db | Part::Table => 0,
        };
        self.0.iter().map(of_text).sum()
    }

    /// The same text for every table.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    pub(super) fn render(&self, table: &TableName, groups: Option<&Captures<'_>>) -> String {
        let text = |part| match part {
            &Part::Group(number) => groups.and_then(|g| g.get(number)).map_or("", |g| g.as_str()),
            Part::Text(text) => text.as_str(),
            Part::Db => table.db.as_ref(),
            Part::Table => table.table.as_ref(),
        };
        self.0.iter().map(text).collect()
    }
}

/// The number of a group that there is.
fn number(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    groups: usize,
) -> Result<usize, TemplateError> {
    let digit = |c: char| c.to_digit(10).and_then(|d| usize::try_from(d).ok());
    let first = chars.next().and_then(digit).ok_or(TemplateError::LoneDollar)?;
    if first > groups {
        return Err(TemplateError::NoGroup(first.to_string(), groups));
    }
    let mut number = first;
    while let Some(longer) = chars.peek().copied().and_then(digit).map(|d| number * 10 + d) {
        if longer > groups {
            break;
        }
        number = longer;
        chars.next();
    }
    Ok(number)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

//! Flink CDC's table patterns: the dot separates database and table, and `\.` is the dot of
//! expressions. In a script it is the other way round.

use crate::diagnostics::{At, Report};
use crate::tables::{self, PatternError, TablePatterns};

/// The pattern as a script has it.
pub(super) fn java(pattern: &str) -> String {
    swapped(pattern).into_iter().map(|(c, _)| c).collect()
}

/// Every character of the pattern as a script has it, with the character it came from.
fn swapped(pattern: &str) -> Vec<(char, usize)> {
    let mut swapped = Vec::new();
    let mut chars = pattern.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if chars.next_if(|(_, next)| *next == '.').is_some() => swapped.push(('.', at)),
            '\\' => {
                swapped.push((c, at));
                swapped.extend(chars.next().map(|(at, next)| (next, at)));
            }
            '.' => swapped.extend([('\\', at), ('.', at)]),
            c => swapped.push((c, at)),
        }
    }
    swapped
}

/// Reports every pattern of a list that cannot be used, at its place. False where there is one.
pub(super) fn check(
    key: &str,
    list: &str,
    place: &dyn Fn(usize, usize) -> At,
    report: &mut Report,
) -> bool {
    let mut good = true;
    let patterns = TablePatterns::written(list);
    if patterns.is_empty() {
        report.error(place(0, list.len()), format!("`{key}` holds no pattern"));
        return false;
    }
    for (start, pattern) in patterns {
        let wrong = match tables::whole(&java(pattern)) {
            Err(error) => Some(told(pattern, &error).to_string()),
            Ok(_) if !pattern.replace("\\.", "").contains('.') => Some(format!(
                "pattern `{pattern}` has no dot between database and table: write \
                 `database.{pattern}`"
            )),
            Ok(_) => None,
        };
        if let Some(wrong) = wrong {
            report.error(place(start, pattern.len()), format!("`{key}`: {wrong}"));
            good = false;
        }
    }
    good
}

/// The error in terms of the pattern as it was written.
fn told(pattern: &str, error: &PatternError) -> PatternError {
    let at = swapped(pattern).get(error.at).map_or(0, |(_, at)| *at);
    PatternError { pattern: pattern.to_owned(), at, ..error.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_change_places_with_escaped_ones() {
        assert_eq!(java(r"shop.orders_\.*"), r"shop\.orders_.*");
        assert_eq!(java(r"shop\.*.\.*"), r"shop.*\..*");
        assert_eq!(java(r"a\\.b\d"), r"a\\\.b\d");
        assert_eq!(java("a\\"), "a\\");
    }

    #[test]
    fn an_error_is_told_in_the_pattern_as_it_was_written() {
        let error = tables::whole(&java(r"shop.\.(?!x)")).unwrap_err();
        let told = told(r"shop.\.(?!x)", &error);
        assert_eq!((told.pattern.as_str(), told.at), (r"shop.\.(?!x)", 7));
    }
}

//! What the server lets our user do, as far as `SHOW GRANTS` tells.

/// The lines of `SHOW GRANTS`, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    grants: Vec<Grant>,
    /// A line granted a role, whose privileges the other lines need not show.
    pub(crate) roles: bool,
}

#[derive(Debug)]
struct Grant {
    /// Upper case, without column lists.
    privileges: Vec<String>,
    /// `*` or a pattern with `_`, `%` and backslash escapes.
    db: String,
    /// `*` or a name.
    table: String,
}

impl Grants {
    pub(crate) fn parse(lines: &[String]) -> Self {
        let mut all = Self::default();
        for line in lines {
            let Some(rest) = line.strip_prefix("GRANT ") else { continue };
            match split_on(rest) {
                Some((privileges, object)) => all.add(privileges, object),
                None => all.roles = true,
            }
        }
        all
    }

    fn add(&mut self, privileges: &str, object: &str) {
        let Some((db, table)) = identifier(object).and_then(|(db, rest)| {
            let (table, _) = identifier(rest.strip_prefix('.')?)?;
            Some((db, table))
        }) else {
            return;
        };
        let privileges = list(privileges);
        self.grants.push(Grant { privileges, db, table });
    }

    /// Where rows of `db` may be read.
    pub(crate) fn select(&self, db: &str) -> Select {
        let reads = |grant: &&Grant| {
            grant.privileges.iter().any(|held| held == "ALL PRIVILEGES" || held == "SELECT")
        };
        let here = |grant: &&Grant| grant.db == "*" || like(&grant.db, db);
        let mut found = self.grants.iter().filter(reads).filter(here).peekable();
        if found.peek().is_none() {
            return Select::Nowhere;
        }
        if found.any(|grant| grant.table == "*") { Select::Everywhere } else { Select::SomeTables }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Select {
    Everywhere,
    SomeTables,
    Nowhere,
}

/// Splits at the first ` ON ` outside backticks: privileges before it, object after it.
fn split_on(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted,
            ' ' if !quoted => {
                if let Some(rest) = text.get(at..).and_then(|t| t.strip_prefix(" ON ")) {
                    return text.get(..at).map(|before| (before, rest));
                }
            }
            _ => {}
        }
    }
    None
}

/// `SELECT (a, b), INSERT` is SELECT and INSERT; commas inside parentheses separate columns. A
/// privilege on columns only is kept with its list, so that it is not taken for the whole one.
fn list(text: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let parts = text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(|part| part.trim().to_ascii_uppercase()).collect()
}

/// Reads `*` or a name in backticks (or the other quotes that old servers print).
fn identifier(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some(("*".to_owned(), rest));
    }
    let quote = text.chars().next().filter(|c| ['`', '"', '\''].contains(c))?;
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            name.push(c);
        } else if chars.peek().is_some_and(|&(_, next)| next == quote) {
            chars.next();
            name.push(c);
        } else {
            return text.get(at + c.len_utf8()..).map(|rest| (name, rest));
        }
    }
    None
}

/// SQL's LIKE: `_` is one character, `%` any, a backslash makes the next one plain.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let after = rest.as_str();
            text.char_indices().any(|(at, _)| text.get(at..).is_some_and(|t| like(after, t)))
                || like(after, "")
        }
        Some(wanted) => {
            let plain = if wanted == '\\' { rest.next() } else { None };
            let mut chars = text.chars();
            let first = chars.next();
            let fits = match (plain, first) {
                (_, None) => false,
                (Some(p), Some(c)) => p == c,
                (None, Some(c)) => wanted == '_' || wanted == c,
            };
            fits && like(rest.as_str(), chars.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(lines: &[&str]) -> Grants {
        Grants::parse(&lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn database_grants_match_as_patterns() {
        let g =
            grants(&[r"GRANT SELECT ON `shop\_%`.* TO `u`@`%`", "GRANT USAGE ON *.* TO `u`@`%`"]);
        assert_eq!(g.select("shop_eu"), Select::Everywhere);
        assert_eq!(g.select("shopXeu"), Select::Nowhere);
    }

    #[test]
    fn a_grant_on_one_table_or_some_columns_is_not_the_whole_database() {
        let table = grants(&["GRANT SELECT ON `a`.`t` TO `u`@`%`"]);
        assert_eq!(table.select("a"), Select::SomeTables);
        let columns = grants(&["GRANT SELECT (x, y), INSERT ON `a`.`t` TO `u`@`%`"]);
        assert_eq!(columns.select("a"), Select::Nowhere);
    }

    #[test]
    fn names_with_quotes_and_the_word_on_are_read_whole() {
        let g = grants(&["GRANT SELECT ON `a`` ON b`.* TO `u`@`%`"]);
        assert_eq!(g.select("a` ON b"), Select::Everywhere);
    }

    #[test]
    fn a_granted_role_is_noticed() {
        assert!(grants(&["GRANT `reader`@`%` TO `u`@`%`"]).roles);
    }
}

//! How gh-ost and pt-online-schema-change name the tables that they make beside a table `t`.
//!
//! gh-ost: `_t_gho`, `_t_ghc`, `_t_ghk`, `_t_del`, `_t_20220922100000_del`, and of a revert
//! `_t_rev_del`; where that is over 64 bytes, the end of `t` is left out (its `getSafeTableName`).
//! pt-online-schema-change: `_t_new` and `_t_old`, with more underscores in front where the name is
//! taken.

use std::iter;

use model::TableName;
use model::table::quote;

use super::super::ddl::executable_comments_opened;

/// MySQL's own limit (manual, "Identifier Length Limits"); the tools count bytes.
const NAME_BYTES_MAX: usize = 64;
const TIMESTAMP_DIGITS: usize = 14;

/// What a tool's table is to the table that it is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Gets the new definition and the rows, and then the name.
    Shadow,
    /// What the table is called once the shadow has its name. Before that: gh-ost's sentry.
    Old,
    /// What gh-ost writes down for itself.
    Notes,
}

#[derive(Debug, PartialEq, Eq)]
struct Shape<'n> {
    base: &'n str,
    /// The end of the table's name may be left out.
    cut: bool,
    role: Role,
}

impl Shape<'_> {
    fn fits(&self, table: &str) -> bool {
        if self.cut { table.starts_with(self.base) } else { table == self.base }
    }
}

fn shapes<'n>(name: &'n str) -> Vec<Shape<'n>> {
    let Some(rest) = name.strip_prefix('_') else { return Vec::new() };
    let mut shapes = Vec::new();
    let mut shape = |base: &'n str, role, cut| {
        if !base.is_empty() {
            shapes.push(Shape { base, cut, role });
        }
    };
    let cut = name.len() == NAME_BYTES_MAX;
    let gh_ost = [("_gho", Role::Shadow), ("_ghc", Role::Notes), ("_ghk", Role::Notes)];
    for (suffix, role) in gh_ost {
        if let Some(base) = rest.strip_suffix(suffix) {
            shape(base, role, cut);
        }
    }
    if let Some(base) = rest.strip_suffix("_del") {
        for base in iter::once(base).chain(base.strip_suffix("_rev")) {
            shape(base, Role::Old, cut);
            if let Some(base) = without_timestamp(base) {
                shape(base, Role::Old, cut);
            }
        }
    }
    for (suffix, role) in [("_new", Role::Shadow), ("_old", Role::Old)] {
        let mut base = rest.strip_suffix(suffix);
        while let Some(table) = base {
            shape(table, role, false);
            base = table.strip_prefix('_');
        }
    }
    shapes
}

fn without_timestamp(name: &str) -> Option<&str> {
    let (base, digits) = name.rsplit_once('_')?;
    let is_time = digits.len() == TIMESTAMP_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    is_time.then_some(base)
}

/// The one of `tables` that a tool has named `name` after, and what `name` is to it.
pub fn base<'t>(
    tables: impl IntoIterator<Item = &'t TableName>,
    name: &TableName,
) -> Option<(&'t TableName, Role)> {
    let shapes = shapes(&name.table);
    if shapes.is_empty() {
        return None;
    }
    let role = |table: &TableName| shapes.iter().find(|s| s.fits(&table.table)).map(|s| s.role);
    let mut others = tables.into_iter().filter(|t| t.db == name.db && *t != name);
    others.find_map(|table| Some((table, role(table)?)))
}

/// What `name` is to `table`.
pub fn role(name: &TableName, table: &TableName) -> Option<Role> {
    base([table], name).map(|(_, role)| role)
}

/// True for a shadow's name, of whatever table.
pub fn may_be_a_shadow(name: &TableName) -> bool {
    shapes(&name.table).iter().any(|shape| shape.role == Role::Shadow)
}

/// A statement about `shadow`, said of `table`: on one line, without its comments.
pub fn said_of(sql: &str, shadow: &str, table: &str) -> String {
    let sql = executable_comments_opened(sql);
    let mut said = String::with_capacity(sql.len());
    let mut rest = sql.trim().trim_end_matches(';').trim_end();
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            said.push(' ');
            rest = rest.trim_start();
            continue;
        }
        let (token, after) = rest.split_at(token_len(rest, first));
        let name = token.trim_matches(['`', '"']);
        if first != '\'' && name.eq_ignore_ascii_case(shadow) {
            said.push_str(&quote(table));
        } else {
            said.push_str(token);
        }
        rest = after;
    }
    said
}

/// Bytes of the quoted text, the word or the sign that `text` begins with.
fn token_len(text: &str, first: char) -> usize {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
    if in_word(first) {
        return text.find(|c| !in_word(c)).unwrap_or(text.len());
    }
    if !matches!(first, '\'' | '"' | '`') {
        return first.len_utf8();
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && first != '`' {
            escaped = true;
        } else if c == first {
            return at + c.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, table: &str, expect: Option<Role>) {
        let (name, table) = (TableName::new("d", name), TableName::new("d", table));
        assert_eq!(role(&name, &table), expect, "{name} of {table}");
    }

    #[test]
    fn names_are_told_as_the_tools_make_them() {
        check("_t_gho", "t", Some(Role::Shadow));
        check("_a_b_gho", "a_b", Some(Role::Shadow));
        check("__t_gho", "_t", Some(Role::Shadow));
        check("_t_ghc", "t", Some(Role::Notes));
        check("_t_ghk", "t", Some(Role::Notes));
        check("_t_del", "t", Some(Role::Old));
        check("_t_20220922100000_del", "t", Some(Role::Old));
        check("_t_rev_del", "t", Some(Role::Old));
        check("_t_20220922100000_rev_del", "t", Some(Role::Old));
        check("_t_new", "t", Some(Role::Shadow));
        check("____t_new", "t", Some(Role::Shadow));
        check("____t_new", "__t", Some(Role::Shadow));
        check("_t_old", "t", Some(Role::Old));
        check("__t_old", "t", Some(Role::Old));
        check("_表_gho", "表", Some(Role::Shadow));
    }

    #[test]
    fn other_names_are_the_names_of_other_tables() {
        for name in ["t", "t_gho", "t_new", "_t", "_gho", "_new", "__new", "_t_", "_t_newer"] {
            check(name, "t", None);
        }
        check("_u_gho", "t", None);
        check("__t_gho", "t", None);
        check("_t_2022092210000_del", "t", None);
        check("_t_new", "_t_new", None);
        let (here, there) = (TableName::new("e", "_t_gho"), TableName::new("d", "t"));
        assert_eq!(role(&here, &there), None, "of another database");
    }

    #[test]
    fn a_long_name_is_told_by_what_gh_ost_leaves_of_it() {
        let table = "a".repeat(59) + "zz";
        check(&format!("_{}_gho", "a".repeat(59)), &table, Some(Role::Shadow));
        check(&format!("_{}_del", "a".repeat(59)), &table, Some(Role::Old));
        check(&format!("_{}_gho", "a".repeat(59)), "aaa", None);
        check(&format!("_{}_gho", "a".repeat(58)), &table, None);
        check(&format!("_{}_20220922100000_del", "a".repeat(44)), &table, Some(Role::Old));
    }

    #[test]
    fn a_statement_about_the_shadow_is_said_of_the_table() {
        let check = |sql: &str, expect: &str| assert_eq!(said_of(sql, "_t_gho", "t"), expect);
        check(
            "alter /* gh-ost */ table `d`.`_t_gho` add column\n  c varchar(9) default '_t_gho'",
            "alter table `d`.`t` add column c varchar(9) default '_t_gho'",
        );
        check("ALTER TABLE _t_gho ADD c INT;", "ALTER TABLE `t` ADD c INT");
        check("create index _t_gho_i on d._t_gho (c)", "create index _t_gho_i on d.`t` (c)");
        check(
            r#"ALTER TABLE "d"."_t_gho" MODIFY s TEXT COMMENT 'it''s \' `_t_gho`  x'"#,
            r#"ALTER TABLE "d".`t` MODIFY s TEXT COMMENT 'it''s \' `_t_gho`  x'"#,
        );
        check("/*!50100 ALTER TABLE _t_gho */ COMMENT '", "ALTER TABLE `t` COMMENT '");
    }
}

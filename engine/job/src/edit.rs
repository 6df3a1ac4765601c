//! A script whose list of tables is changed, and nothing else of it.

use std::ops::Range;

use model::TableName;

use crate::diagnostics::At;
use crate::draft::{Draft, Entry};
use crate::settings::Scope::With;
use crate::tables::{PatternError, TablePatterns};
use crate::{Front, Mode, Surroundings};

const INCLUDE: &str = "table-name";
const EXCLUDE: &str = "tables.exclude";
const DATABASES: &str = "database-name";

/// Why the list stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TablesError {
    #[error("`{0}` is no table: write `database.table`")]
    NoTable(String),
    #[error("the job follows `{0}` already")]
    Followed(String),
    #[error("the job does not follow `{0}`")]
    NotFollowed(String),
    #[error("the list of tables comes from `{0}`, which is not in the script: edit that")]
    Elsewhere(&'static str),
    #[error("the script has no list of tables that could be changed: edit the script")]
    NoList,
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The list says something else than was meant, for instance within quotes of another kind.
    #[error("the list of tables cannot be changed by itself for `{0}`: edit the script")]
    Unclear(String),
}

/// The script with tables (`database.table`) that it follows too, and others that it follows no more.
/// One that a pattern of the list names is left out by `tables.exclude`.
///
/// # Errors
/// It is so already, or the script writes its list in a way that only its author can change.
pub fn with_tables(
    source: &str,
    file_name: &str,
    more: &[String],
    fewer: &[String],
) -> Result<String, TablesError> {
    let front = Front::of(file_name, source);
    let mut script = source.to_owned();
    for (table, follows) in
        more.iter().map(|table| (table, true)).chain(fewer.iter().map(|table| (table, false)))
    {
        let name = table_name(table).ok_or_else(|| TablesError::NoTable(table.clone()))?;
        let lists = Lists::read(&script, front);
        if lists.patterns()?.matches(&name) == follows {
            return Err(match follows {
                true => TablesError::Followed(table.clone()),
                false => TablesError::NotFollowed(table.clone()),
            });
        }
        script = match follows {
            true => lists.with(&script, &name)?,
            false => lists.without(&script, &name)?,
        };
        let now = Lists::read(&script, front);
        if now.patterns()?.matches(&name) != follows {
            return Err(TablesError::Unclear(table.clone()));
        }
    }
    Ok(script)
}

fn table_name(text: &str) -> Option<TableName> {
    let (db, table) = text.split_once('.')?;
    let known = !db.is_empty() && !table.is_empty();
    known.then(|| TableName { db: db.into(), table: table.into() })
}

/// What a script says of its tables, and where.
struct Lists {
    front: Front,
    databases: Option<Entry>,
    include: Option<Entry>,
    exclude: Option<Entry>,
}

impl Lists {
    fn read(source: &str, front: Front) -> Self {
        let mut draft = Draft::new(Mode::Lenient, &Nowhere);
        front.read(source, &[], &mut draft);
        let entry = |key: &str, draft: &mut Draft<'_>| draft.entries(With).get(key).cloned();
        Self {
            front,
            databases: entry(DATABASES, &mut draft),
            include: entry(INCLUDE, &mut draft),
            exclude: entry(EXCLUDE, &mut draft),
        }
    }

    fn patterns(&self) -> Result<TablePatterns, PatternError> {
        let value = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.value.clone());
        TablePatterns::new(
            value(&self.databases).as_deref(),
            value(&self.include).as_deref(),
            value(&self.exclude).as_deref(),
        )
    }

    /// The pattern that is this table's alone, as the script writes patterns.
    fn literal(&self, name: &TableName) -> String {
        let (db, table) = (regex::escape(&name.db), regex::escape(&name.table));
        match self.front {
            Front::Script => format!(r"{db}\.{table}"),
            // There the bare dot is the one between database and table.
            Front::Pipeline => format!("{db}.{table}"),
        }
    }

    fn with(&self, source: &str, name: &TableName) -> Result<String, TablesError> {
        let literal = self.literal(name);
        let mut script = source.to_owned();
        // From behind, so that what stands before keeps its place.
        let mut edits = Vec::new();
        if let Some(exclude) = &self.exclude {
            let list = written(exclude, EXCLUDE, source)?;
            let (rest, was_there) = removed(text(source, &list), &literal);
            if was_there {
                edits.push((list, rest));
            }
        }
        let include = self.include.as_ref().ok_or(TablesError::NoList)?;
        let list = written(include, INCLUDE, source)?;
        let (_, is_there) = removed(text(source, &list), &literal);
        if !is_there && edits.is_empty() {
            edits.push((list.end..list.end, format!(",{literal}")));
        }
        edits.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
        for (at, text) in edits {
            script.replace_range(at, &text);
        }
        Ok(script)
    }

    fn without(&self, source: &str, name: &TableName) -> Result<String, TablesError> {
        let literal = self.literal(name);
        let mut script = source.to_owned();
        if let Some(include) = &self.include {
            let list = written(include, INCLUDE, source)?;
            let (rest, was_there) = removed(text(source, &list), &literal);
            if was_there && !rest.trim().is_empty() {
                script.replace_range(list, &rest);
                return Ok(script);
            }
        }
        if let Some(exclude) = &self.exclude {
            let list = written(exclude, EXCLUDE, source)?;
            let comma = if text(source, &list).trim().is_empty() { "" } else { "," };
            script.insert_str(list.end, &format!("{comma}{literal}"));
            return Ok(script);
        }
        let (anchor, key) = match (&self.include, &self.databases) {
            (Some(include), _) => (include, INCLUDE),
            (None, Some(databases)) => (databases, DATABASES),
            (None, None) => return Err(TablesError::NoList),
        };
        let list = written(anchor, key, source)?;
        let after = source.get(list.end..).unwrap_or_default();
        match self.front {
            Front::Script if after.starts_with('\'') => {
                let option = format!(",\n  '{EXCLUDE}' = '{literal}'");
                script.insert_str(list.end + 1, &option);
            }
            Front::Script => return Err(TablesError::NoList),
            Front::Pipeline => {
                let At::Script(key_at) = &anchor.key_at else { return Err(TablesError::NoList) };
                let line = source.get(..key_at.start).and_then(|text| text.rfind('\n'));
                let start = line.map_or(0, |at| at + 1);
                let indent = source.get(start..key_at.start).unwrap_or_default();
                let end = list.end + after.find('\n').unwrap_or(after.len());
                script.insert_str(end, &format!("\n{indent}{EXCLUDE}: {literal}"));
            }
        }
        Ok(script)
    }
}

/// Where the list stands in the script.
fn written(entry: &Entry, key: &'static str, source: &str) -> Result<Range<usize>, TablesError> {
    match &entry.value_at {
        At::Script(range) if !entry.secret && source.get(range.clone()).is_some() => {
            Ok(range.clone())
        }
        At::Script(_) | At::Override(_) | At::Whole => Err(TablesError::Elsewhere(key)),
    }
}

fn text<'a>(source: &'a str, at: &Range<usize>) -> &'a str {
    source.get(at.clone()).unwrap_or_default()
}

/// The list without this pattern, and whether it was on it.
fn removed(list: &str, literal: &str) -> (String, bool) {
    let patterns = TablePatterns::written(list);
    let rest: Vec<&str> =
        patterns.iter().map(|(_, text)| *text).filter(|text| *text != literal).collect();
    (rest.join(","), rest.len() < patterns.len())
}

/// Nothing is asked of the world to change a list.
struct Nowhere;

impl Surroundings for Nowhere {
    fn env(&self, _name: &str) -> Option<String> {
        Some(String::new())
    }

    fn file(&self, _path: &str) -> std::io::Result<String> {
        Ok(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "EXECUTE CDCSOURCE a WITH (\n  'connector' = 'mysql-cdc',\n  \
        'password' = 'x', -- 'table-name' = 'y'\n  'table-name' = 'shop\\.a,shop\\.b_[0-9]+',\n  \
        'sink.connector' = 'print'\n)\n";
    const PIPELINE: &str = "source:\n  type: mysql\n  tables: shop.a,shop.b_[0-9]+ # them\n  \
        password: x\nsink:\n  type: print\n";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_table_is_added_to_the_list_and_taken_off_it_again() {
        for (source, file, more) in [
            (SCRIPT, "a.sql", r"shop\.b_[0-9]+,shop\.c'"),
            (PIPELINE, "a.yaml", "shop.b_[0-9]+,shop.c # them"),
        ] {
            let added = with_tables(source, file, &names(&["shop.c"]), &[]).unwrap();
            assert!(added.contains(more), "{added}");
            let dropped = with_tables(&added, file, &[], &names(&["shop.c"])).unwrap();
            assert_eq!(dropped, source);
        }
    }

    #[test]
    fn a_table_that_a_pattern_names_is_left_out_and_taken_back() {
        for (source, file, option) in [
            (SCRIPT, "a.sql", "[0-9]+',\n  'tables.exclude' = 'shop\\.b_7',\n"),
            (PIPELINE, "a.yaml", "# them\n  tables.exclude: shop.b_7\n"),
        ] {
            let dropped = with_tables(source, file, &[], &names(&["shop.b_7"])).unwrap();
            assert!(dropped.contains(option), "{dropped}");
            let fewer = with_tables(&dropped, file, &[], &names(&["shop.b_8"])).unwrap();
            let back = with_tables(&fewer, file, &names(&["shop.b_7"]), &[]).unwrap();
            assert!(!back.contains("b_7") && back.contains("b_8"), "{back}");
        }
    }

    #[test]
    fn what_is_so_already_or_cannot_be_is_refused() {
        let check = |more: &[&str], fewer: &[&str]| {
            with_tables(SCRIPT, "a.sql", &names(more), &names(fewer)).unwrap_err()
        };
        assert_eq!(check(&["shop.a"], &[]), TablesError::Followed("shop.a".to_owned()));
        assert_eq!(check(&[], &["shop.x"]), TablesError::NotFollowed("shop.x".to_owned()));
        assert_eq!(check(&["shop"], &[]), TablesError::NoTable("shop".to_owned()));
        let outside = SCRIPT.replace(r"'shop\.a,shop\.b_[0-9]+'", "'${env:TABLES}'");
        let error = with_tables(&outside, "a.sql", &names(&["shop.c"]), &[]).unwrap_err();
        assert!(matches!(error, TablesError::Elsewhere(_) | TablesError::Unclear(_)), "{error}");
    }

    #[test]
    fn a_name_is_taken_literally() {
        let added = with_tables(SCRIPT, "a.sql", &names(&["shop.a$b.c"]), &[]).unwrap();
        assert!(added.contains(r",shop\.a\$b\.c'"), "{added}");
    }
}

//! Which table of a sink each table of the source goes to: `split.*` of the job, `sink.table.*` and
//! its likes of each sink. What the rules do, and in which order, is [`model::route`]'s.

use std::collections::BTreeMap;

use model::Routes;
use model::route::{Case, MatchWay, Naming, Shards, Template};
use regex::Regex;

use super::sinks::Options;
use crate::diagnostics::NoteKind;
use crate::draft::Draft;
use crate::settings::Scope::With;
use crate::tables;
use crate::value::{Expected, boolean, integer, nonempty, one_of, text};

const SPLIT: &str = "split.enable";
const SPLIT_NUMBER: &str = "split.match_number_regex";
const SPLIT_MAX: &str = "split.max_match_value";
const SPLIT_WAY: &str = "split.match_way";

/// Does the sink write into tables of its own, which these rules name?
pub(super) fn names_tables(connector: &str) -> bool {
    matches!(connector, "doris" | "starrocks")
}

/// The shards that the job merges, if it does.
pub(super) fn shards(draft: &mut Draft<'_>) -> Option<Shards> {
    let enabled = draft.get(With, SPLIT, boolean).unwrap_or(false);
    let number = draft.get(With, SPLIT_NUMBER, java);
    let max = draft.get(With, SPLIT_MAX, integer::<u64>);
    let ways = [("suffix", MatchWay::Suffix), ("prefix", MatchWay::Prefix)];
    let way = draft.get(With, SPLIT_WAY, |text| one_of(&ways, text));
    if !enabled {
        for key in [SPLIT_NUMBER, SPLIT_MAX, SPLIT_WAY] {
            if let Some(at) = draft.entries(With).get(key).map(|entry| entry.key_at.clone()) {
                let text = format!("`{key}` does nothing without `{SPLIT}`");
                draft.report.note(NoteKind::NoCounterpart, at, text);
            }
        }
        return None;
    }
    let number = number.or_else(|| Regex::new("_[0-9]+").ok())?;
    Some(Shards { number, max: max.unwrap_or(100), way: way.unwrap_or_default() })
}

/// What becomes of `split.enable` in sinks that have no tables to merge into.
pub(super) fn settle_shards(named: bool, connectors: &[&str], draft: &mut Draft<'_>) {
    let Some(entry) = draft.entries(With).get(SPLIT).cloned() else { return };
    if connectors.is_empty() || entry.broken {
        return;
    }
    if named {
        let others = connectors.join("`, `");
        let text = format!("`{SPLIT}`: `{others}` shows every shard under its own name");
        draft.report.note(NoteKind::Default, entry.key_at, text);
    } else {
        draft.unsupported(SPLIT, &entry, "false");
    }
}

/// What becomes of the job's list of routes in sinks that have no tables.
pub(super) fn settle_listed(named: bool, connectors: &[&str], draft: &mut Draft<'_>) {
    let Some(at) = draft.listed_at.clone() else { return };
    let (key, others) = ("route", connectors.join("`, `"));
    if connectors.is_empty() {
        return;
    }
    if named {
        let text = format!("`{key}`: `{others}` shows every table under its own name");
        draft.report.note(NoteKind::Default, at, text);
    } else {
        let message = format!("`{key}` sends tables to others, and `{others}` has none");
        draft.report.error(at, message);
    }
}

/// Takes the options that name tables out of a sink's, and makes routes of them.
pub(super) fn routes(
    connector: &str,
    shards: Option<Shards>,
    options: &mut Options,
    draft: &mut Draft<'_>,
) -> Routes {
    let mut taken = Taken { options, draft };
    let case = taken.case();
    let replace = taken.replace();
    let (last_db, last_table) = taken.last_word(connector);
    let naming = Naming {
        mapping: taken.mapping(),
        prefix: taken.value("table.prefix", text).unwrap_or_default(),
        suffix: taken.value("table.suffix", text).unwrap_or_default(),
        case,
        replace,
        db_in_front: taken.value("table.prefix.schema", boolean).unwrap_or(false),
        db: taken.value("sink.db", template),
        last_db,
        last_table,
    };
    Routes { shards, naming, ..draft.listed.clone() }
}

/// Takes out the column that names the source's table.
pub(super) fn source_column(options: &mut Options, draft: &mut Draft<'_>) -> Option<String> {
    Taken { options, draft }.value("source-column", nonempty)
}

struct Taken<'a, 'd, 's> {
    options: &'a mut Options,
    draft: &'d mut Draft<'s>,
}

impl Taken<'_, '_, '_> {
    fn value<T>(&mut self, short: &str, parse: impl Fn(&str) -> Expected<T>) -> Option<T> {
        let (key, entry) = self.options.remove(short)?;
        self.draft.value(&key, &entry, parse)
    }

    fn case(&mut self) -> Case {
        let both = self.options.get("table.upper").zip(self.options.get("table.lower"));
        let both = both.map(|((upper, _), (lower, entry))| {
            (format!("`{upper}` and `{lower}` cannot both be `true`"), entry.value_at.clone())
        });
        let upper = self.value("table.upper", boolean).unwrap_or(false);
        let lower = self.value("table.lower", boolean).unwrap_or(false);
        match (upper, lower) {
            (true, false) => Case::Upper,
            (false, true) => Case::Lower,
            (false, false) => Case::AsItIs,
            (true, true) => {
                if let Some((message, at)) = both {
                    self.draft.report.error(at, message);
                }
                Case::AsItIs
            }
        }
    }

    /// `a:b,c:d`, by the source's table names.
    fn mapping(&mut self) -> BTreeMap<String, String> {
        let mut mapping = BTreeMap::new();
        let Some((key, entry)) = self.options.remove("table.mapping-routes") else {
            return mapping;
        };
        let mut start = 0;
        for pair in entry.value.split(',') {
            let at = entry.part_at(start, pair.len());
            start += pair.len() + 1;
            if pair.trim().is_empty() {
                continue;
            }
            let plain = |name: &str| !name.is_empty() && name.trim() == name && !name.contains('.');
            match pair.split_once(':') {
                Some((from, to)) if plain(from) && plain(to) && !to.contains(':') => {
                    if mapping.insert(from.to_owned(), to.to_owned()).is_some() {
                        let what = format!("`{key}` maps `{from}` twice");
                        self.draft.report.dropped(at, what, "takes the last", "keep one of them");
                    }
                }
                _ => {
                    let what = format!("`{pair}` in `{key}` maps no table");
                    let fix = "write `source_table:target_table`, without databases and blanks";
                    self.draft.report.dropped(at, what, "ignores it", fix);
                }
            }
        }
        mapping
    }

    fn replace(&mut self) -> Option<(Regex, Template)> {
        let (pattern, with) = ("table.replace.pattern", "table.replace.with");
        let given = self.options.get(pattern).is_some();
        if given != self.options.get(with).is_some() {
            let (key, entry) = self.options.remove(if given { pattern } else { with })?;
            let what = format!("`{key}` stands alone");
            let fix = format!("`{pattern}` and `{with}` go together");
            self.draft.report.dropped(entry.key_at, what, "ignores it", fix);
            return None;
        }
        let pattern = self.value(pattern, java);
        let (key, entry) = self.options.remove(with)?;
        let pattern = pattern?;
        let of_groups = |text: &str| {
            Template::of_groups(text, &pattern)
                .map_err(|wrong| format!("a replacement for `sink.table.replace.pattern`: {wrong}"))
        };
        let with = self.draft.value(&key, &entry, of_groups)?;
        Some((pattern, with))
    }

    /// The table options of Flink's connectors, in which Dinky's placeholders stand for the names
    /// that all other rules gave.
    fn last_word(&mut self, connector: &str) -> (Option<Template>, Option<Template>) {
        if connector == "starrocks" {
            let db = self.value("database-name", template);
            return (db, self.value("table-name", template));
        }
        let identifier = self.value("table.identifier", |text| {
            let wrong = || "`DB.TABLE`, for instance `#{schemaName}.#{tableName}`".to_owned();
            let (db, table) = text.trim().split_once('.').ok_or_else(wrong)?;
            Ok((template(db).map_err(|_| wrong())?, template(table).map_err(|_| wrong())?))
        });
        identifier.unzip()
    }
}

/// A Java expression that is to match anywhere.
fn java(text: &str) -> Expected<Regex> {
    let text = nonempty(text)?;
    tables::anywhere(&text).map_err(|wrong| format!("a regular expression: {wrong}"))
}

/// A name with placeholders.
fn template(text: &str) -> Expected<Template> {
    let name = nonempty(text)?;
    let filled = ["schemaName", "tableName"].iter().fold(name.clone(), |left, placeholder| {
        left.replace(&format!("#{{{placeholder}}}"), "").replace(&format!("${{{placeholder}}}"), "")
    });
    if filled.contains("#{") || filled.contains("${") {
        let wanted = "a name in which the only placeholders are `#{schemaName}` and `#{tableName}`";
        return Err(wanted.to_owned());
    }
    Ok(Template::of_placeholders(&name))
}

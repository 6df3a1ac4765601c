//! Which table of a sink a table of the source goes to. Pure: names in, names out.
//!
//! Jobs say it in two ways. A *list* of routes, each with a pattern over `db.table`, as Flink CDC's
//! pipelines have it; and *rules of naming*, as `CDCSOURCE` scripts have them. The list goes first;
//! where none of it matches, the rules apply. They do so in Dinky's order (that of its 1.x; 0.6 put
//! the database's name before the prefix):
//!
//! 1. shards: `db_1.t_7` is `db.t` from here on, for the database and for the table;
//! 2. another name for the table, where one is mapped;
//! 3. prefix and suffix;
//! 4. capitals or small letters;
//! 5. replacement by a pattern;
//! 6. the database's name in front;
//! 7. the database, else the source's;
//! 8. a last word on both (`table.identifier`), in terms of what came out so far.

use std::collections::BTreeMap;

use regex::{Captures, Regex};

use crate::table::TableName;

mod shards;
mod template;

pub use shards::{MatchWay, Shards};
pub use template::{Template, TemplateError};

/// From the source's tables to those of one sink. The default leaves every name as it is.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    pub list: Vec<Route>,
    pub mode: RouteMode,
    pub shards: Option<Shards>,
    pub naming: Naming,
}

/// What holds where several routes of the list match a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouteMode {
    /// The table goes to the target of each.
    #[default]
    AllMatch,
    FirstMatch,
}

/// Tables that match `source` as a whole go to `target`.
#[derive(Debug, Clone)]
pub struct Route {
    /// Matched against `db.table`; has to be anchored at both ends.
    pub source: Regex,
    /// Gives `db.table`; what has no dot is a table of the source's database.
    pub target: Template,
}

/// The rules of naming, in the order in which they apply.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// By the source's table name, without its database.
    pub mapping: BTreeMap<String, String>,
    pub prefix: String,
    pub suffix: String,
    pub case: Case,
    /// Every match within the name, and what it is replaced by.
    pub replace: Option<(Regex, Template)>,
    /// `DB_` in front.
    pub db_in_front: bool,
    /// In terms of the source's names.
    pub db: Option<Template>,
    /// In terms of the names that the rules before gave.
    pub last_db: Option<Template>,
    pub last_table: Option<Template>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    #[default]
    AsItIs,
    Upper,
    Lower,
}

/// Several tables of the source that are one in the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    pub target: TableName,
    /// At least two, in their order.
    pub sources: Vec<TableName>,
}

/// Why a table cannot be written where the routes send it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error(
        "table {source_table} has several targets ({targets}), and a sink writes a table once: \
         narrow the routes, or set `route-mode` to `FIRST_MATCH`"
    )]
    Several { source_table: TableName, targets: String },
    #[error("the routes leave table {source_table} without a name, as `{target}`")]
    Nameless { source_table: TableName, target: TableName },
}

impl Routes {
    /// Does every table keep its name?
    pub fn is_identity(&self) -> bool {
        let Naming { mapping, prefix, suffix, case, replace, .. } = &self.naming;
        let Naming { db_in_front, db, last_db, last_table, .. } = &self.naming;
        let untouched = mapping.is_empty() && prefix.is_empty() && suffix.is_empty();
        let plain = untouched && *case == Case::AsItIs && replace.is_none() && !db_in_front;
        let named = db.is_some() || last_db.is_some() || last_table.is_some();
        self.list.is_empty() && self.shards.is_none() && plain && !named
    }

    /// Where a table goes; the first place, where there are several ([`Self::check`] refuses that).
    pub fn target(&self, source: &TableName) -> TableName {
        let routed = self.list.iter().find_map(|route| route.target(source));
        routed.unwrap_or_else(|| self.named(source))
    }

    /// Everywhere a table goes: at least one place, each once.
    pub fn targets(&self, source: &TableName) -> Vec<TableName> {
        let mut targets = Vec::new();
        let matching = self.list.iter().filter_map(|route| route.target(source));
        let wanted = if self.mode == RouteMode::FirstMatch { 1 } else { usize::MAX };
        for target in matching.take(wanted) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            targets.push(self.named(source));
        }
        targets
    }

    /// Whether [`Self::target`] says all there is to say of a table. To be asked once a table is
    /// taken up: patterns know their tables no earlier.
    ///
    /// # Errors
    /// A table with several targets, or with an empty name.
    pub fn check(&self, source: &TableName) -> Result<(), RouteError> {
        let targets = self.targets(source);
        if targets.len() > 1 {
            let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
            let source_table = source.clone();
            return Err(RouteError::Several { source_table, targets: targets.join(", ") });
        }
        let nameless = |t: &TableName| t.db.trim().is_empty() || t.table.trim().is_empty();
        match targets.into_iter().find(nameless) {
            Some(target) => Err(RouteError::Nameless { source_table: source.clone(), target }),
            None => Ok(()),
        }
    }

    /// Every target that several of these tables share, in the order of the targets.
    pub fn merges(&self, sources: &[TableName]) -> Vec<Merge> {
        let mut by_target: BTreeMap<TableName, Vec<TableName>> = BTreeMap::new();
        for source in sources {
            for target in self.targets(source) {
                by_target.entry(target).or_default().push(source.clone());
            }
        }
        let shared = by_target.into_iter().filter(|(_, sources)| sources.len() > 1);
        shared.map(|(target, sources)| Merge { target, sources }).collect()
    }

    /// By the rules of naming.
    fn named(&self, source: &TableName) -> TableName {
        match &self.shards {
            Some(shards) => self.naming.target(&shards.merged(source)),
            None => self.naming.target(source),
        }
    }
}

impl Route {
    fn target(&self, source: &TableName) -> Option<TableName> {
        let name = source.to_string();
        let groups = self.source.captures(&name)?;
        let target = self.target.render(source, Some(&groups));
        Some(match target.split_once('.') {
            Some((db, table)) => TableName::new(db, table),
            None => TableName::new(source.db.as_ref(), target),
        })
    }
}

impl Naming {
    fn target(&self, source: &TableName) -> TableName {
        let mapped = self.mapping.get(source.table.as_ref()).map(String::as_str);
        let mut table =
            format!("{}{}{}", self.prefix, mapped.unwrap_or(&source.table), self.suffix);
        match self.case {
            Case::AsItIs => {}
            Case::Upper => table = table.to_uppercase(),
            Case::Lower => table = table.to_lowercase(),
        }
        if let Some((pattern, with)) = &self.replace {
            let instead = |groups: &Captures<'_>| with.render(source, Some(groups));
            table = pattern.replace_all(&table, instead).into_owned();
        }
        if self.db_in_front {
            table = format!("{}_{table}", source.db);
        }
        let db = self.db.as_ref().map(|db| db.render(source, None));
        let named = TableName::new(db.unwrap_or_else(|| source.db.to_string()), table);
        let last = |word: &Option<Template>| word.as_ref().map(|word| word.render(&named, None));
        TableName {
            db: last(&self.last_db).map_or_else(|| named.db.clone(), Into::into),
            table: last(&self.last_table).map_or_else(|| named.table.clone(), Into::into),
        }
    }
}

#[cfg(test)]
mod tests;

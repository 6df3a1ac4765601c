//! A script on its way to a job: keys with their values and places, taken out one by one by the
//! code that knows them.

use std::collections::{BTreeMap, BTreeSet};

use std::ops::Range;

use model::Routes;

use crate::Mode;
use crate::diagnostics::{At, Dialect, NoteKind, Report};
use crate::settings::{self, Kind, Scope};
use crate::surroundings::Surroundings;
use crate::transform::Drafted;
use crate::value::Expected;

/// The value of a key, and where both stand.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) value: String,
    pub(crate) key_at: At,
    pub(crate) value_at: At,
    /// Holds what came from the environment or a file: not to be shown.
    pub(crate) secret: bool,
    /// Something it refers to was not found, and that is reported.
    pub(crate) broken: bool,
}

pub(crate) struct Draft<'a> {
    pub(crate) report: Report,
    pub(crate) surroundings: &'a dyn Surroundings,
    /// An `EXECUTE CDCSOURCE` was read, well or badly.
    pub(crate) has_statement: bool,
    /// Of each sink, where its options stand.
    pub(crate) sink_places: Vec<BTreeMap<String, At>>,
    /// Routes that stand apart from the sinks, for all that have tables of their own.
    pub(crate) listed: Routes,
    /// Where the first of them stands.
    pub(crate) listed_at: Option<Range<usize>>,
    /// What a schema change does in sinks that do not say so themselves, and where that stands.
    pub(crate) behaviour: Option<(String, Range<usize>)>,
    pub(crate) transforms: Vec<Drafted>,
    set: BTreeMap<String, Entry>,
    with: BTreeMap<String, Entry>,
    /// What the building code asked for: the keys that are honoured in fact.
    asked: BTreeSet<(Scope, &'static str)>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(mode: Mode, surroundings: &'a dyn Surroundings) -> Self {
        Self {
            report: Report::new(mode),
            surroundings,
            has_statement: false,
            sink_places: Vec::new(),
            listed: Routes::default(),
            listed_at: None,
            behaviour: None,
            transforms: Vec::new(),
            set: BTreeMap::new(),
            with: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }

    pub(crate) fn entries(&mut self, scope: Scope) -> &mut BTreeMap<String, Entry> {
        match scope {
            Scope::Set => &mut self.set,
            Scope::With => &mut self.with,
        }
    }

    /// Reports `wrong` at the value of a key, or at the script where the key is absent.
    pub(crate) fn refuse(&mut self, scope: Scope, key: &str, wrong: impl Into<String>) {
        let at = self.entries(scope).get(key).map_or(At::Whole, |entry| entry.value_at.clone());
        self.report.error(at, wrong);
    }

    /// The value of a key as it is read by `parse`; one that does not fit is reported.
    pub(crate) fn get<T>(
        &mut self,
        scope: Scope,
        key: &'static str,
        parse: impl Fn(&str) -> Expected<T>,
    ) -> Option<T> {
        self.asked.insert((scope, key));
        let entry = self.entries(scope).get(key)?.clone();
        self.value(&self.named(key), &entry, parse)
    }

    /// What the job calls this key.
    pub(crate) fn named(&self, key: &str) -> String {
        match (self.report.dialect, key) {
            (Dialect::Script, key) => key.to_owned(),
            (Dialect::Pipeline, "connector") => "source.type".to_owned(),
            (Dialect::Pipeline, "table-name") => "source.tables".to_owned(),
            (Dialect::Pipeline, "parallelism.default") => "pipeline.parallelism".to_owned(),
            (Dialect::Pipeline, "table.local-time-zone") => "pipeline.local-time-zone".to_owned(),
            (
                Dialect::Pipeline,
                "hostname" | "port" | "username" | "password" | "tables.exclude",
            )
            | (Dialect::Pipeline, "scan.startup.mode" | "on-table-error") => {
                format!("source.{key}")
            }
            (Dialect::Pipeline, key) => key.to_owned(),
        }
    }

    /// The value of an entry as it is read by `parse`; one that does not fit is reported.
    pub(crate) fn value<T>(
        &mut self,
        key: &str,
        entry: &Entry,
        parse: impl Fn(&str) -> Expected<T>,
    ) -> Option<T> {
        if entry.broken {
            return None;
        }
        match parse(&entry.value) {
            Ok(value) => Some(value),
            Err(expected) => {
                let shown = entry.shown(key);
                let message = format!("`{key}` is {shown}, expected {expected}");
                self.report.error(entry.value_at.clone(), message);
                None
            }
        }
    }

    /// The same for a `SET` key with an older name. Given both, they have to agree.
    pub(crate) fn set_either<T: PartialEq>(
        &mut self,
        key: &'static str,
        older: &'static str,
        parse: impl Fn(&str) -> Expected<T>,
    ) -> Option<T> {
        let new = self.get(Scope::Set, key, &parse);
        let old = self.get(Scope::Set, older, &parse);
        if let (Some(new), Some(old)) = (&new, &old)
            && new != old
            && let Some(at) = self.set.get(older).map(|entry| entry.key_at.clone())
        {
            let what = format!("`{older}` is the older name of `{key}`, which is set otherwise");
            self.report.dropped(at, what, "takes the newer", "keep one of them");
        }
        new.or(old)
    }

    /// Names every key without counterpart once, refuses those not supported, and those unknown.
    pub(crate) fn settle(&mut self) {
        for scope in [Scope::Set, Scope::With] {
            let entries: Vec<_> =
                self.entries(scope).iter().map(|(k, e)| (k.clone(), e.clone())).collect();
            let converters = entries.iter().find(|(key, _)| key == "debezium.converters");
            let converters: Vec<_> = converters
                .map(|(_, e)| e.value.split(',').map(|name| format!("debezium.{}.", name.trim())))
                .into_iter()
                .flatten()
                .collect();
            for (key, entry) in &entries {
                if scope == Scope::With && crate::build::is_sink_option(key) {
                    continue;
                }
                match settings::find(scope, key) {
                    None if converters.iter().any(|prefix| key.starts_with(prefix)) => {
                        self.no_counterpart(key, entry, "Values are shown as MySQL prints them.");
                    }
                    known => self.settle_one(scope, key, entry, known),
                }
            }
        }
    }

    /// Says what becomes of one key.
    pub(crate) fn settle_one(
        &mut self,
        scope: Scope,
        key: &str,
        entry: &Entry,
        known: Option<&'static settings::SettingDoc>,
    ) {
        match known {
            Some(known) => match known.kind {
                Kind::Honoured | Kind::Mapped => {}
                Kind::Idle => self.idle(key, entry, known),
                Kind::Accepted => self.no_counterpart(key, entry, known.meaning),
                Kind::Unsupported => self.unsupported(key, entry, known.default),
            },
            None if matches!(entry.key_at, At::Override(_)) => {
                let fix = settings::suggest_any(key).unwrap_or_default();
                let what = "no option, variable or `SET` key of this name";
                let message =
                    if fix.is_empty() { what.to_owned() } else { format!("{what}: {fix}") };
                self.report.error(entry.key_at.clone(), message);
            }
            None => {
                let hopeless = self.report.mode == Mode::Lenient || self.report.is_full();
                let fix = if hopeless { None } else { settings::suggest(scope, key) };
                let what = match scope {
                    Scope::Set => format!("unknown `SET` key `{key}`"),
                    Scope::With => format!("unknown option `{key}`"),
                };
                let at = entry.key_at.clone();
                self.report.dropped(at, what, "ignores it", fix.unwrap_or_default());
            }
        }
    }

    pub(crate) fn no_counterpart(&mut self, key: &str, entry: &Entry, meaning: &str) {
        let text = format!("`{key}` has no counterpart here and does nothing. {meaning}");
        self.report.note(NoteKind::NoCounterpart, entry.key_at.clone(), text);
    }

    /// A key without effect yet; nothing to say where it asks for what holds anyway.
    fn idle(&mut self, key: &str, entry: &Entry, known: &settings::SettingDoc) {
        if entry.value.trim().eq_ignore_ascii_case(known.default) {
            return;
        }
        let meaning = known.meaning;
        let text = format!("`{key}` has no effect yet. {meaning}");
        self.report.note(NoteKind::NoCounterpart, entry.key_at.clone(), text);
    }

    /// A key that would change the result; harmless where it says what holds anyway.
    pub(crate) fn unsupported(&mut self, key: &str, entry: &Entry, default: &str) {
        if entry.value.trim().is_empty() || entry.value.trim().eq_ignore_ascii_case(default) {
            return;
        }
        match self.report.mode {
            Mode::Strict => {
                let message = format!(
                    "`{key}` is not supported yet, and leaving it out would change the result"
                );
                self.report.error(entry.key_at.clone(), message);
            }
            Mode::Lenient => {
                let text = format!("`{key}` is not supported yet: the job runs without it");
                self.report.note(NoteKind::Leniency, entry.key_at.clone(), text);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn asked(&self) -> &BTreeSet<(Scope, &'static str)> {
        &self.asked
    }
}

impl Entry {
    /// Where one part of the value stands.
    pub(crate) fn part_at(&self, start: usize, len: usize) -> At {
        match &self.value_at {
            At::Script(value) if value.start + start + len <= value.end => {
                At::Script(value.start + start..value.start + start + len)
            }
            At::Script(_) | At::Override(_) | At::Whole => self.value_at.clone(),
        }
    }

    /// The value as an error may show it.
    pub(crate) fn shown(&self, key: &str) -> String {
        if self.secret || settings::is_sensitive(key) {
            "not valid".to_owned()
        } else {
            format!("`{}`", self.value)
        }
    }
}

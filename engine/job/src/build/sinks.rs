//! Where changes go: `sink.*`, or several as `sink[N].*`.

use std::collections::BTreeMap;

use model::Routes;
use model::route::Shards;

use super::{routing, warehouse};
use crate::Mode;
use crate::diagnostics::Dialect;
use crate::draft::{Draft, Entry};
use crate::settings::{self, Kind, Scope, nearest};
use crate::spec::SinkSpec;

/// Dinky's own writers, by the sink that does their work here.
const SAME_AS: [(&str, &str); 6] = [
    ("datastream-doris", "doris"),
    ("datastream-doris-ext", "doris"),
    ("datastream-doris-schema-evolution", "doris"),
    ("datastream-starrocks", "starrocks"),
    ("datastream-print", "print"),
    ("datastream-blackhole", "blackhole"),
];

/// An option of a sink: its key without the prefix, and its entry.
pub(super) type Options = BTreeMap<String, (String, Entry)>;

/// `sink.x` or `sink[N].x`.
pub(crate) fn is_sink_option(key: &str) -> bool {
    split(key).is_some()
}

/// Number of the sink (none for the plain form) and the key without its prefix, removed once.
fn split(key: &str) -> Option<(Option<u16>, &str)> {
    if let Some(rest) = key.strip_prefix("sink.") {
        return Some((None, rest));
    }
    let (number, rest) = key.strip_prefix("sink[")?.split_once("].")?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number = number.parse().ok().filter(|_| digits)?;
    Some((Some(number), rest))
}

pub(super) fn sinks(draft: &mut Draft<'_>) -> Option<Vec<SinkSpec>> {
    let mut plain = Options::new();
    let mut numbered: BTreeMap<u16, Options> = BTreeMap::new();
    for (key, entry) in draft.entries(Scope::With).iter() {
        if let Some((number, short)) = split(key) {
            let options = match number {
                None => &mut plain,
                Some(number) => numbered.entry(number).or_default(),
            };
            options.insert(short.to_owned(), (key.clone(), entry.clone()));
        }
    }
    if !numbered.is_empty()
        && let Some((key, entry)) = plain.values().next()
    {
        let what = format!("`{key}` stands beside `sink[N].…`");
        let at = entry.key_at.clone();
        draft.report.dropped(at, what, "takes only the numbered ones", "number them all");
        plain.clear();
    }
    if numbered.is_empty() {
        numbered.insert(0, plain);
    }
    let shards = routing::shards(draft);
    let mut good = true;
    let mut sinks = Vec::new();
    for (number, options) in numbered {
        let sink = sink(format!("sink[{number}]"), options, shards.as_ref(), draft);
        good &= sink.is_some();
        sinks.extend(sink);
    }
    let names = sinks.iter().map(|sink: &SinkSpec| sink.connector.as_str());
    let (named, others): (Vec<_>, Vec<_>) = names.partition(|name| routing::names_tables(name));
    routing::settle_shards(!named.is_empty(), &others, draft);
    routing::settle_listed(!named.is_empty(), &others, draft);
    if named.is_empty() {
        warehouse::settle_behaviour(draft);
    }
    good.then_some(sinks)
}

fn sink(
    name: String,
    mut options: Options,
    shards: Option<&Shards>,
    draft: &mut Draft<'_>,
) -> Option<SinkSpec> {
    let Some((_, connector)) = options.remove("connector") else {
        let key = match draft.report.dialect {
            Dialect::Script => "connector",
            Dialect::Pipeline => "type",
        };
        let wanted =
            |prefix: &str| format!("option `{prefix}.{key}` is missing, for instance `print`");
        match options.values().next() {
            None => draft.report.missing(wanted("sink")),
            Some((key, entry)) => {
                let prefix = key.split_once('.').map_or("sink", |(prefix, _)| prefix);
                draft.report.error(entry.key_at.clone(), wanted(prefix));
            }
        }
        return None;
    };
    let given = connector.value.trim();
    let same = SAME_AS.iter().find(|(theirs, _)| *theirs == given);
    let kind = same.map_or(given, |(_, ours)| ours).to_owned();
    if connector.broken {
        return None;
    }
    if kind.is_empty() {
        draft.report.error(connector.value_at, "the sink's connector is empty");
        return None;
    }
    let mut spec = SinkSpec {
        name,
        connector: kind,
        options: BTreeMap::new(),
        routes: Routes::default(),
        source_column: None,
        places: BTreeMap::new(),
    };
    if routing::names_tables(&spec.connector) {
        spec.routes = routing::routes(&spec.connector, shards.cloned(), &mut options, draft);
        spec.source_column = routing::source_column(&mut options, draft);
        warehouse::translate(&spec.connector, &mut options, draft);
        warehouse::behaviour(&mut options, draft);
    }
    let mut places = BTreeMap::new();
    let known = draft.surroundings.sink_options(&spec.connector);
    places.insert("connector".to_owned(), connector.value_at);
    for (short, (key, entry)) in options {
        if keep(&short, &key, &entry, known.as_deref(), &spec.connector, draft) {
            places.insert(short.clone(), entry.value_at.clone());
            spec.options.insert(short, entry.value);
        }
    }
    draft.sink_places.push(places);
    Some(spec)
}

/// Is this option for the sink? If not, it is told what becomes of it.
fn keep(
    short: &str,
    key: &str,
    entry: &Entry,
    known: Option<&[String]>,
    connector: &str,
    draft: &mut Draft<'_>,
) -> bool {
    if known.is_some_and(|known| known.iter().any(|name| covers(name, short))) {
        return true;
    }
    let ours = settings::find(Scope::With, &format!("sink.{short}"));
    let ours = ours.filter(|doc| !doc.key.ends_with('*'));
    match (ours, known) {
        (Some(doc), _) => {
            match doc.kind {
                Kind::Unsupported | Kind::Honoured => {
                    if draft.report.mode == Mode::Lenient && names_rows(connector) {
                        renamed(key, entry, doc.default, draft);
                    } else {
                        draft.unsupported(key, entry, doc.default);
                    }
                }
                Kind::Mapped | Kind::Idle | Kind::Accepted => {
                    draft.settle_one(Scope::With, key, entry, Some(doc));
                }
            }
            false
        }
        (None, None) => true,
        (None, Some(known)) => {
            let near = nearest(short, known.iter().map(String::as_str));
            let prefix = key.strip_suffix(short).unwrap_or_default();
            let fix = near.map_or_else(
                || format!("`{connector}` has {}", known.join(", ")),
                |near| format!("did you mean `{prefix}{near}`?"),
            );
            let what = format!("unknown option `{key}` of sink `{connector}`");
            draft.report.dropped(entry.key_at.clone(), what, "may ignore it", fix);
            false
        }
    }
}

/// An option's name, or that of a family, `properties.*`.
fn covers(name: &str, short: &str) -> bool {
    let family = name.strip_suffix('*').filter(|prefix| short.len() > prefix.len());
    name == short || family.is_some_and(|prefix| short.starts_with(prefix))
}

/// Does the sink write into tables of its own, where a wrong name is data in a wrong place?
fn names_rows(connector: &str) -> bool {
    !matches!(connector, "print" | "file" | "blackhole")
}

/// Leniency ends where rows would land in tables that nobody named.
fn renamed(key: &str, entry: &Entry, default: &str, draft: &mut Draft<'_>) {
    if !entry.value.trim().is_empty() && !entry.value.trim().eq_ignore_ascii_case(default) {
        let message = format!("`{key}` is not supported yet, and rows would go to other tables");
        draft.report.error(entry.key_at.clone(), message);
    }
}

//! Where changes come from.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use model::{GtidSet, Gtids, MariaGtids};

use super::hosts::hosts;
use super::required;
use crate::Mode;
use crate::diagnostics::{At, Dialect, NoteKind};
use crate::draft::Draft;
use crate::settings::Scope::With;
use crate::settings::nearest;
use crate::spec::{
    Host, OnTableError, Secret, ServerIds, SourceSpec, SslMode, StartOffset, StartupMode, Tls,
};
use crate::tables::TablePatterns;
use crate::value::{Expected, boolean, integer, nonempty, one_of, parse_duration, text, time_zone};

/// Flink CDC refuses shorter ones.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_millis(250);

const FILE: &str = "source.scan.startup.specific-offset.file";
const POS: &str = "source.scan.startup.specific-offset.pos";
const GTID_SET: &str = "source.scan.startup.specific-offset.gtid-set";
const TIMESTAMP: &str = "source.scan.startup.timestamp-millis";

pub(super) fn source(draft: &mut Draft<'_>) -> Option<SourceSpec> {
    let connector = connector(draft);
    let hosts = hosts(draft);
    let username = required(draft, "username");
    let password = password(draft);
    let tables = tables(draft);
    let startup = startup(draft);
    refuse_place_of_one(hosts.as_deref(), startup.as_ref(), draft);
    let server_id = draft.get(With, "source.server-id", server_ids);
    let server_time_zone = draft.get(With, "source.server-time-zone", time_zone);
    let chunk_rows =
        draft.get(With, "source.scan.incremental.snapshot.chunk.size", integer::<NonZeroU32>);
    let fetch_size = draft.get(With, "source.scan.snapshot.fetch.size", integer::<NonZeroU32>);
    let connect_timeout = draft.get(With, "source.connect.timeout", |text| {
        let given = parse_duration(text)?;
        if given < CONNECT_TIMEOUT_MIN { Err("at least 250 ms".to_owned()) } else { Ok(given) }
    });
    let max_retries = draft.get(With, "source.connect.max-retries", integer);
    let heartbeat = draft.get(With, "source.heartbeat.interval", parse_duration);
    let scan_newly_added = draft.get(With, "source.scan.newly-added-table.enabled", boolean);
    let online_schema_changes =
        draft.get(With, "source.scan.parse.online.schema.changes.enabled", boolean);
    let tls = tls(draft);
    let on_table_error = draft.get(With, "on-table-error", |text| one_of(&ON_TABLE_ERROR, text));
    Some(SourceSpec {
        connector: connector?,
        hosts: hosts?,
        username: username?,
        password: password?,
        tables: tables?,
        startup: startup?,
        server_id,
        server_time_zone,
        chunk_rows,
        fetch_size: fetch_size.or(NonZeroU32::new(1024))?,
        connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(30)),
        max_retries: max_retries.unwrap_or(3),
        heartbeat: Some(heartbeat.unwrap_or(Duration::from_secs(30))).filter(|h| !h.is_zero()),
        scan_newly_added: scan_newly_added.unwrap_or(false),
        online_schema_changes: online_schema_changes.unwrap_or(true),
        tls,
        on_table_error: on_table_error.unwrap_or_default(),
    })
}

const ON_TABLE_ERROR: [(&str, OnTableError); 2] =
    [("stop", OnTableError::Stop), ("quarantine", OnTableError::Quarantine)];

fn connector(draft: &mut Draft<'_>) -> Option<String> {
    let given = required(draft, "connector")?;
    if given != "mysql-cdc" {
        let near = nearest(&given, ["mysql-cdc"].into_iter());
        let hint = near.map_or("", |_| "; did you mean `mysql-cdc`?");
        let message = format!("there is no source `{given}`, only `mysql-cdc`{hint}");
        draft.refuse(With, "connector", message);
        return None;
    }
    Some(given)
}

/// A file and an offset are a place in the binlog of one server: on another one they are any place.
fn refuse_place_of_one(
    hosts: Option<&[Host]>,
    startup: Option<&StartupMode>,
    draft: &mut Draft<'_>,
) {
    let of_one = matches!(startup, Some(StartupMode::SpecificOffset(StartOffset::File { .. })));
    if of_one && hosts.is_some_and(|hosts| hosts.len() > 1) {
        let message = format!(
            "a file and an offset are a place on one server, and `hostname` names several: give \
             one host, or `{GTID_SET}`"
        );
        draft.refuse(With, FILE, message);
    }
}

/// May be empty, and yet has to be given: one forgotten is a mistake, one empty a choice.
fn password(draft: &mut Draft<'_>) -> Option<Secret> {
    if !draft.entries(With).contains_key("password") {
        let (key, empty) = match draft.report.dialect {
            Dialect::Script => ("password", "'password' = ''"),
            Dialect::Pipeline => ("source.password", "password: ''"),
        };
        draft.report.missing(format!("option `{key}` is missing; an empty one is `{empty}`"));
    }
    draft.get(With, "password", text).map(Secret::new)
}

fn tables(draft: &mut Draft<'_>) -> Option<TablePatterns> {
    let databases = draft.get(With, "database-name", nonempty);
    let include = draft.get(With, "table-name", text);
    let exclude = draft.get(With, "tables.exclude", text);
    if !draft_has(draft, "database-name") && !draft_has(draft, "table-name") {
        let message = match draft.report.dialect {
            Dialect::Script => {
                "which tables? Option `table-name` (for instance `shop\\.orders_[0-9]+`) or \
                 `database-name` is missing"
            }
            Dialect::Pipeline => {
                "which tables? Option `source.tables` is missing, for instance `shop.orders_[0-9]+`"
            }
        };
        draft.report.missing(message);
        return None;
    }
    let mut good = true;
    for (key, list) in [("table-name", &include), ("tables.exclude", &exclude)] {
        let Some(list) = list else { continue };
        good &= check_patterns(key, list, databases.as_deref(), draft);
    }
    let patterns = TablePatterns::new(databases.as_deref(), include.as_deref(), exclude.as_deref());
    match patterns {
        Ok(patterns) if good => Some(patterns),
        _ => None,
    }
}

fn draft_has(draft: &mut Draft<'_>, key: &str) -> bool {
    draft.entries(With).contains_key(key)
}

/// Reports every pattern of a list that cannot be used, or that names no database: Dinky takes
/// the database from what stands before `\.`, and without one follows nothing.
fn check_patterns(
    key: &'static str,
    list: &str,
    databases: Option<&str>,
    draft: &mut Draft<'_>,
) -> bool {
    let written = TablePatterns::written(list);
    if written.is_empty() {
        if key == "table-name" {
            draft.refuse(With, key, "`table-name` holds no pattern");
        }
        return key != "table-name";
    }
    let mut good = true;
    for (start, pattern) in written {
        let at = part_at(key, start, pattern.len(), draft);
        if let Err(error) = TablePatterns::new(None, Some(pattern), None) {
            draft.report.error(at, format!("`{key}`: {error}"));
            good = false;
        } else if !pattern.contains(r"\.") && !pattern.contains("[.]") {
            let database = databases.and_then(|list| list.split(',').next()).unwrap_or("db").trim();
            let fix = match pattern.split_once('.') {
                Some((db, table)) => format!(r"write `{db}\.{table}`"),
                None => format!(r"write `{database}\.{pattern}`"),
            };
            let what = format!(r"pattern `{pattern}` has no `\.` between database and table");
            draft.report.dropped(at, what, "finds no table by it", fix);
        }
    }
    good
}

/// Where one part of a list stands.
pub(super) fn part_at(key: &str, start: usize, len: usize, draft: &mut Draft<'_>) -> At {
    draft.entries(With).get(key).map_or(At::Whole, |entry| entry.part_at(start, len))
}

#[derive(Clone, Copy)]
enum ModeName {
    Initial,
    Snapshot,
    Latest,
    Earliest,
    Specific,
    Timestamp,
}

const MODES: [(&str, ModeName); 6] = [
    ("initial", ModeName::Initial),
    ("snapshot", ModeName::Snapshot),
    ("latest-offset", ModeName::Latest),
    ("earliest-offset", ModeName::Earliest),
    ("specific-offset", ModeName::Specific),
    ("timestamp", ModeName::Timestamp),
];

fn startup(draft: &mut Draft<'_>) -> Option<StartupMode> {
    let offset = offset(draft);
    let millis = draft.get(With, TIMESTAMP, integer);
    let mode = mode_name(draft);
    let needless: &[&str] = match mode {
        ModeName::Specific => &[TIMESTAMP],
        ModeName::Timestamp => &[FILE, POS, GTID_SET],
        ModeName::Initial | ModeName::Snapshot | ModeName::Latest | ModeName::Earliest => {
            &[TIMESTAMP, FILE, POS, GTID_SET]
        }
    };
    for key in needless {
        if let Some(at) = draft.entries(With).get(*key).map(|entry| entry.key_at.clone()) {
            let what = format!("`{key}` does nothing with this `scan.startup.mode`");
            draft.report.dropped(at, what, "ignores it", "leave it out, or choose its mode");
        }
    }
    match mode {
        ModeName::Initial => Some(StartupMode::Initial),
        ModeName::Snapshot => Some(StartupMode::Snapshot),
        ModeName::Latest => Some(StartupMode::LatestOffset),
        ModeName::Earliest => Some(StartupMode::EarliestOffset),
        ModeName::Specific => {
            if offset.is_none() {
                let message =
                    format!("`specific-offset` needs `{FILE}` and `{POS}`, or `{GTID_SET}`");
                draft.refuse(With, "scan.startup.mode", message);
            }
            offset.map(StartupMode::SpecificOffset)
        }
        ModeName::Timestamp => {
            if millis.is_none() {
                draft.refuse(With, "scan.startup.mode", format!("`timestamp` needs `{TIMESTAMP}`"));
            }
            millis.map(|millis| StartupMode::Timestamp { millis })
        }
    }
}

fn mode_name(draft: &mut Draft<'_>) -> ModeName {
    let Some(given) = draft.get(With, "scan.startup.mode", text) else {
        let text = "`scan.startup.mode` is not given: changes from now on, without a snapshot \
                    (`latest-offset`, as on Dinky); for a snapshot first give `initial`";
        draft.report.note(NoteKind::Default, At::Whole, text);
        return ModeName::Latest;
    };
    let known = given.trim().to_ascii_lowercase();
    let found = MODES.iter().find(|(name, _)| *name == known).map(|(_, mode)| *mode);
    let entry = draft.entries(With).get("scan.startup.mode").cloned();
    let at = entry.as_ref().map_or(At::Whole, |entry| entry.value_at.clone());
    match found {
        // Dinky has no such mode; a script that names it was written for us, or is mistaken.
        Some(ModeName::Snapshot) if draft.report.mode == Mode::Lenient => {
            let text = "Dinky knows no `snapshot` and runs `initial`; so does this job";
            draft.report.note(NoteKind::Leniency, at, text);
            ModeName::Initial
        }
        Some(mode) => mode,
        None => {
            let shown = entry.map(|entry| entry.shown("scan.startup.mode")).unwrap_or_default();
            let what = format!("`scan.startup.mode` is {shown}, which is no mode");
            let near = nearest(&known, MODES.iter().map(|(name, _)| *name));
            let fix = near.map_or_else(
                || {
                    let names: Vec<_> = MODES.iter().map(|(name, _)| format!("`{name}`")).collect();
                    format!("one of {}", names.join(", "))
                },
                |near| format!("did you mean `{near}`?"),
            );
            draft.report.dropped(at, what, "ignores it and runs `initial`", fix);
            ModeName::Initial
        }
    }
}

fn offset(draft: &mut Draft<'_>) -> Option<StartOffset> {
    let file = draft.get(With, FILE, |text| {
        text.trim().parse().map_err(|_| "a binlog file, for instance `binlog.000123`".to_owned())
    });
    let pos = draft.get(With, POS, integer::<u64>);
    let gtids = draft.get(With, GTID_SET, gtids);
    let (has_file, has_pos) = (draft_has(draft, FILE), draft_has(draft, POS));
    let has_gtids = draft_has(draft, GTID_SET);
    if has_file != has_pos {
        let given = if has_file { FILE } else { POS };
        draft.refuse(With, given, format!("`{FILE}` and `{POS}` go together"));
    }
    if has_gtids && has_file {
        draft.refuse(With, GTID_SET, "GTIDs or file and offset, not both");
    }
    match (gtids, file, pos) {
        (Some(gtids), _, _) => Some(StartOffset::Gtids(gtids)),
        (None, Some(file), Some(pos)) => Some(StartOffset::File { file, pos }),
        _ => None,
    }
}

fn gtids(text: &str) -> Expected<Gtids> {
    let wrong = "a GTID set (`UUID:1-5`), or on MariaDB a GTID position (`0-1-7`)";
    let text = nonempty(text).map_err(|_| wrong.to_owned())?;
    let mysql = text.parse::<GtidSet>().ok().filter(|set| !set.is_empty()).map(Gtids::Mysql);
    let mariadb = || text.parse::<MariaGtids>().ok().filter(|set| !set.is_empty());
    mysql.or_else(|| mariadb().map(Gtids::Mariadb)).ok_or_else(|| wrong.to_owned())
}

fn server_ids(text: &str) -> Expected<ServerIds> {
    let wrong = || "a server id from 1 up, or a range like `5400-5404`".to_owned();
    let id =
        |text: &str| text.trim().parse::<NonZeroU32>().map(NonZeroU32::get).map_err(|_| wrong());
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (id(first)?, id(last)?),
        None => (id(text)?, id(text)?),
    };
    if first > last { Err(wrong()) } else { Ok(ServerIds { first, last }) }
}

const SSL_MODES: [(&str, SslMode); 5] = [
    ("disabled", SslMode::Disabled),
    ("preferred", SslMode::Preferred),
    ("required", SslMode::Required),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-identity", SslMode::VerifyIdentity),
];

fn tls(draft: &mut Draft<'_>) -> Tls {
    let ours = draft.get(With, "source.ssl.mode", |text| one_of(&SSL_MODES, text));
    let jdbc = draft.get(With, "jdbc.properties.sslMode", |text| one_of(&SSL_MODES, text));
    let older = draft.get(With, "jdbc.properties.useSSL", boolean);
    let older = older.map(|on| if on { SslMode::Required } else { SslMode::Disabled });
    let path = |text: &str| nonempty(text).map(PathBuf::from);
    let ca = draft.get(With, "source.ssl.ca", path);
    let cert = draft.get(With, "source.ssl.cert", path);
    let key = draft.get(With, "source.ssl.key", path);
    if cert.is_some() != key.is_some() {
        let given = if cert.is_some() { "source.ssl.cert" } else { "source.ssl.key" };
        draft.refuse(With, given, "`source.ssl.cert` and `source.ssl.key` go together");
    }
    Tls { mode: ours.or(jdbc).or(older).unwrap_or_default(), ca, cert, key }
}

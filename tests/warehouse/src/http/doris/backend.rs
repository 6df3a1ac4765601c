//! A backend: takes loads, and commits or aborts those that wait for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::Method;
use hyper::body::Incoming;

use crate::cluster::{Call, Effect, State};
use crate::ingest::{Format, Options};
use crate::reply::doris;
use crate::store::StoreError;
use crate::table::TableName;
use crate::txn::doris::Named;
use crate::txn::{Backend, Doris, Refusal, TxnId};
use crate::{Moment, System};

use super::super::answer::Answer;
use super::super::asked::{Asked, Framing};
use super::super::load::{self, Ending, Order, Outcome, Phases};
use super::super::site::{Site, Stop, error_log, not_found, refusals};
use super::{access_denied, from_frontend, grouping, no_credentials};

const TIMEOUT_MAX_SECS: u64 = 259_200;

pub(super) async fn answer(
    site: &Site,
    id: Backend,
    asked: Asked,
    body: Incoming,
) -> Result<Answer, StoreError> {
    let (get, put) = (asked.method == Method::GET, asked.method == Method::PUT);
    match asked.path().as_slice() {
        ["api", database, table, "_stream_load"] if put => {
            let name = TableName::new(*database, *table);
            load(site, id, &asked, name, body).await
        }
        ["api", database, "_stream_load_2pc"] | ["api", database, _, "_stream_load_2pc"] if put => {
            two_phase(site, &asked, database)
        }
        ["api", "health"] if get => {
            Ok(Answer::json("{\"status\": \"OK\",\"msg\": \"To Be Added\"}"))
        }
        ["api", "_load_error_log"] if get => site.cluster.update(|state| error_log(state, &asked)),
        _ => Ok(not_found()),
    }
}

async fn load(
    site: &Site,
    id: Backend,
    asked: &Asked,
    name: TableName,
    body: Incoming,
) -> Result<Answer, StoreError> {
    let given = match asked.header("label") {
        Some(label) => label.to_owned(),
        None => unique_label(site.cluster.update(|state| state.now)?),
    };
    let grouped = site.cluster.update(|state| grouping::of_load(state, asked, &name))?;
    let (refused, grouped) = match grouped {
        Ok(grouped) => (None, grouped),
        Err(refusal) => (Some(refusal), None),
    };
    let label = grouped.as_ref().map_or(given, |grouped| grouped.label.clone());
    let ordered = site.cluster.with(|state| {
        let order = order(state, asked, &name, &label, refused)?;
        if let Some(grouped) = &grouped {
            grouped.hold(state);
        }
        Ok(order)
    });
    let outcome = match refusals(ordered)? {
        Ok(order) => load::run(site, id, order, body).await?,
        Err(refusal) => Outcome::refused(None, refusal),
    };
    let reply = doris::Load {
        txn: outcome.txn,
        label: &label,
        two_phase: wants_two_phases(asked),
        grouped: grouped.as_ref().map(|grouped| grouped.mode.as_str()),
        ending: match outcome.ending {
            Ending::Done => doris::Ending::Success,
            Ending::PublishTimeout if grouped.is_some() => doris::Ending::Success,
            Ending::PublishTimeout => doris::Ending::PublishTimeout,
            Ending::Refused(refusal) => doris::Ending::Refused(refusal),
        },
        counts: outcome.counts,
        error_url: outcome.error_url.as_deref(),
    };
    if site.fault(Effect::RecordReply, Call::Load, &label)?.is_some() {
        let user = asked.credentials.as_ref().map_or("", |known| known.user.as_str());
        return Ok(Answer::json(reply.to_record(&name.database, &name.table, user)));
    }
    Ok(Answer::json(reply.to_json()))
}

/// What the headers ask for, checked in the order of the server.
fn order(
    state: &mut State,
    asked: &Asked,
    name: &TableName,
    label: &str,
    ungrouped: Option<Refusal>,
) -> Result<Order, Stop> {
    let credentials = asked.credentials.as_ref().ok_or_else(no_credentials)?;
    if let Some(refusal) = ungrouped {
        return Err(refusal.into());
    }
    let mut options = Options::parse(System::Doris, &asked.headers)?;
    if matches!(options.format, Format::Json(_))
        && options.compression.is_some()
        && !state.limits.compressed_json
    {
        let text = "compress data of JSON format is not supported.";
        return Err(Refusal::new("INTERNAL_ERROR", text).into());
    }
    check_framing(asked.framing)?;
    load::check_length(&state.limits, System::Doris, &options, asked.framing, false)?;
    let gather_max = timeout(asked)?;
    if !state.users.admit(&credentials.user, &credentials.password) {
        return Err(from_frontend(&access_denied(Some(credentials))).into());
    }
    // Garbage is no number, and then none may be filtered.
    options.max_filter_ratio = options.max_filter_ratio.clamp(0.0, 1.0);
    let phases = if wants_two_phases(asked) { Phases::Two } else { Phases::One };
    let label = Doris::label(label)?;
    Ok(Order { name: name.clone(), label, options, gather_max, phases })
}

/// Exactly this text; any other is no.
pub(super) fn wants_two_phases(asked: &Asked) -> bool {
    asked.header("two_phase_commit") == Some("true")
}

fn check_framing(framing: Framing) -> Result<(), Refusal> {
    let text = match framing {
        Framing::Length(_) | Framing::Chunked => return Ok(()),
        Framing::Both => "please do not set both content_length and transfer-encoding",
        Framing::Neither => {
            "content_length is empty and transfer-encoding!=chunked, please set content_length or \
             transfer-encoding=chunked"
        }
    };
    Err(Refusal::new("INVALID_ARGUMENT", text))
}

fn timeout(asked: &Asked) -> Result<Option<Duration>, Refusal> {
    let Some(text) = asked.header("timeout") else { return Ok(None) };
    let seconds: i64 = text.parse().map_err(|_| {
        Refusal::new("INVALID_ARGUMENT", format!("convert timeout [{text}] failed"))
    })?;
    match u64::try_from(seconds) {
        Ok(seconds @ 1..=TIMEOUT_MAX_SECS) => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(from_frontend(&format!(
            "Invalid timeout: {seconds}. Timeout should between 1 and {TIMEOUT_MAX_SECS} seconds"
        ))),
    }
}

fn unique_label(now: Moment) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("unlabelled-{}-{}", now.0, NEXT.fetch_add(1, Ordering::Relaxed))
}

fn two_phase(site: &Site, asked: &Asked, database: &str) -> Result<Answer, StoreError> {
    let done = site.cluster.with(|state| end(state, asked, database));
    Ok(Answer::json(doris::two_phase(&refusals(done)?)))
}

fn end(state: &mut State, asked: &Asked, database: &str) -> Result<String, Stop> {
    let credentials = asked.credentials.as_ref().ok_or_else(no_credentials)?;
    let named = named(asked)?;
    if !state.users.admit(&credentials.user, &credentials.password) {
        return Err(from_frontend(&access_denied(Some(credentials))).into());
    }
    let now = state.now;
    match asked.header("txn_operation") {
        Some(operation) if operation.eq_ignore_ascii_case("abort") => {
            Ok(state.doris(database)?.abort(&named, now)?)
        }
        Some(operation) if operation.eq_ignore_ascii_case("commit") => {
            check_tables(state, database, &named)?;
            let message = state.doris(database)?.commit(&named, now)?;
            if let Some(txn) = id_of(state, database, &named) {
                let found = state.transaction(database, txn);
                let label = found.map(|txn| txn.label.to_string()).unwrap_or_default();
                load::hold(state, txn, Call::Commit, &label);
            }
            Ok(message)
        }
        _ => {
            let text = "transaction operation should be 'commit' or 'abort'";
            Err(Refusal::new("INVALID_ARGUMENT", text).into())
        }
    }
}

fn named(asked: &Asked) -> Result<Named, Refusal> {
    match asked.header("txn_id") {
        Some(text) => text.parse().map(|id| Named::Id(TxnId(id))).map_err(|_| {
            let text = format!("convert txn_id [{text}] failed, it should be a number");
            Refusal::new("INVALID_ARGUMENT", text)
        }),
        None if asked.label().is_empty() => Err(Refusal::new(
            "INVALID_ARGUMENT",
            "transaction id and label can not be empty at the same time",
        )),
        None => Doris::label(asked.label()).map(Named::Label),
    }
}

fn id_of(state: &mut State, database: &str, named: &Named) -> Option<TxnId> {
    match named {
        Named::Id(id) => Some(*id),
        Named::Label(label) => {
            state.doris(database).ok()?.ledger().by_label(label).map(|txn| txn.id)
        }
    }
}

/// A transaction into a table that was dropped cannot be committed; aborted it can be.
fn check_tables(state: &mut State, database: &str, named: &Named) -> Result<(), Refusal> {
    let id = id_of(state, database, named);
    let Some(txn) = id.and_then(|id| state.transaction(database, id)) else { return Ok(()) };
    let defined = |table: &&String| state.table(&TableName::new(database, *table)).is_some();
    match txn.tables.iter().find(|table| !defined(table)) {
        Some(table) if !txn.state.is_final() => {
            Err(from_frontend(&format!("table not found, tableName={table}")))
        }
        _ => Ok(()),
    }
}

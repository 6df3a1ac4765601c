//! A frontend: redirects loads and what backends gather, decides what is prepared, and answers about itself.

use hyper::{Method, Version};
use serde_json::json;

use crate::cluster::{BackendNode, Call, State};
use crate::reply::starrocks;
use crate::store::StoreError;
use crate::table::TableName;
use crate::txn::starrocks::{Commit, Opening, Outcome, Scope, publish_timeout};
use crate::txn::{Backend, Label, Refusal, State as Standing};

use super::super::answer::Answer;
use super::super::asked::Asked;
use super::super::load::hold;
use super::super::site::{Site, Stop, not_found, refusals};
use super::end::{self, Then};
use super::{access_denied, headers, refused};

pub(super) async fn answer(site: &Site, place: usize, asked: &Asked) -> Result<Answer, StoreError> {
    let (get, post, put) =
        (asked.method == Method::GET, asked.method == Method::POST, asked.method == Method::PUT);
    match asked.path().as_slice() {
        ["api", "health"] if get => site.cluster.update(health),
        ["api", "bootstrap"] if get => site.cluster.update(|state| bootstrap(state, place)),
        ["api", ..] if !site.admits(asked.credentials.as_ref())? => {
            let text = access_denied(asked.credentials.as_ref());
            Ok(Answer::json(starrocks::denied(&text)).asking_for_credentials().closing())
        }
        ["api", _, _, "_stream_load"] if put => load(site, asked),
        ["api", "transaction", call] if post || put => {
            if site.follows()? {
                return site.to_leader(asked);
            }
            transaction(site, asked, call).await
        }
        ["api", database, "get_load_state"] if get => load_state(site, asked, database),
        ["api", database, _, "_cancel"] if post => cancel(site, asked, database),
        ["api", "show_proc"] if get => site.cluster.update(|state| show_proc(state, asked)),
        ["api", database, table, "_schema"] if get => {
            let name = TableName::new(*database, *table);
            site.cluster.update(|state| schema(state, &name))
        }
        _ => Ok(not_found()),
    }
}

/// The body is not read: the connection is closed under whoever sends it.
fn load(site: &Site, asked: &Asked) -> Result<Answer, StoreError> {
    let expects =
        asked.expect.as_ref().is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    if asked.version == Version::HTTP_11 && !expects {
        let text = "There is no 100-continue header";
        return Ok(Answer::json(starrocks::not_passed_on(text)).closing());
    }
    match site.cluster.update(|state| state.nodes.choose())? {
        Some(backend) => site.to_backend(asked, Call::Load, &backend),
        None => Ok(no_backend()),
    }
}

fn no_backend() -> Answer {
    Answer::json(starrocks::not_passed_on("No backend alive.")).closing()
}

/// Where a call of the transaction interface is done.
enum Place {
    Here,
    At(BackendNode),
    Nowhere,
}

async fn transaction(site: &Site, asked: &Asked, name: &str) -> Result<Answer, StoreError> {
    let call = match name {
        "begin" => Call::Begin,
        "load" => Call::Load,
        "prepare" => Call::Prepare,
        "commit" => Call::Commit,
        "rollback" => Call::Rollback,
        _ => return Ok(refused(failed("Unsupported operation"), None)),
    };
    let placed = site.cluster.with(|state| place(state, asked, call));
    match refusals(placed)? {
        Err(refusal) => Ok(refused(refusal, None).closing()),
        Ok(Place::Nowhere) => Ok(no_backend()),
        Ok(Place::At(backend)) => site.to_backend(asked, call, &backend),
        Ok(Place::Here) => match call {
            Call::Begin => begin_multi(site, asked),
            Call::Prepare => end::data(site, asked, Then::Prepare).await,
            Call::Commit => commit(site, asked).await,
            Call::Load | Call::Rollback | Call::State => rollback(site, asked),
        },
    }
}

fn place(state: &mut State, asked: &Asked, call: Call) -> Result<Place, Stop> {
    let (database, label) = (headers::database(asked)?.to_owned(), headers::label(asked)?);
    let multi_prepare = state.limits.multi_prepare;
    let starrocks = state.starrocks(&database)?;
    let known = starrocks.ledger().by_label(&label);
    let standing = known.map(|txn| txn.state);
    match (call, headers::is_multi(asked)) {
        (Call::Begin | Call::Commit | Call::Rollback, true) => return Ok(Place::Here),
        (Call::Prepare, true) if multi_prepare => return Ok(Place::Here),
        (Call::Prepare, true) => return Err(failed("Unsupported operation").into()),
        (Call::Begin, false) => {
            // One that gathers is asked where it gathers: it knows that the label is in use.
            let gathering = known.filter(|txn| txn.state == Standing::Prepare);
            let coordinator = gathering.map(|txn| txn.coordinator);
            let node = match coordinator {
                Some(id) => state.nodes.backend(id).filter(|node| node.alive).cloned(),
                None => state.nodes.choose(),
            };
            return Ok(node.map_or(Place::Nowhere, Place::At));
        }
        (Call::Commit | Call::Rollback, false) if standing != Some(Standing::Prepare) => {
            return Ok(Place::Here);
        }
        _ => {}
    }
    let coordinator = starrocks.node(&label)?;
    let node = state.nodes.backend(coordinator).filter(|node| node.alive);
    let node = node.ok_or_else(|| {
        failed(&format!("transaction with op {call:?} label {label} has no backend"))
    })?;
    Ok(Place::At(node.clone()))
}

fn failed(text: &str) -> Refusal {
    let text = format!("class com.starrocks.common.StarRocksException: {text}");
    Refusal::new("FAILED", text)
}

fn begin_multi(site: &Site, asked: &Asked) -> Result<Answer, StoreError> {
    let begun = site.cluster.with(|state| {
        let (database, label) = (headers::database(asked)?, headers::label(asked)?);
        let chosen = state.nodes.choose().ok_or_else(|| failed("No backend alive."))?;
        let opening = Opening {
            label: label.clone(),
            scope: Scope::Multi,
            node: chosen.id,
            gather_max: headers::timeout(asked, "timeout")?,
            idle_max: headers::timeout(asked, "idle_transaction_timeout")?,
        };
        let now = state.now;
        let txn = state.starrocks(database)?.begin(opening, now)?;
        Ok::<_, Stop>((label, txn))
    });
    Ok(match refusals(begun)? {
        Ok((label, txn)) => Answer::json(starrocks::Done::Begin(txn).to_json(&label)),
        Err(refusal) => refused(refusal, None),
    })
}

async fn commit(site: &Site, asked: &Asked) -> Result<Answer, StoreError> {
    let found = site.cluster.with(|state| {
        let (database, label) = (headers::database(asked)?.to_owned(), headers::label(asked)?);
        let now = state.now;
        let starrocks = state.starrocks(&database)?;
        if starrocks.ledger().by_label(&label).is_some_and(|txn| txn.state == Standing::Prepare) {
            return Ok(None);
        }
        let commit = starrocks.commit(&label, now)?;
        let held = match &commit {
            Commit::Decided(txn) => hold(state, *txn, Call::Commit, asked.label()),
            Commit::Gathering(_) | Commit::Already(_) => false,
        };
        let header = headers::timeout(asked, "timeout")?;
        let wait_max = header.unwrap_or(state.limits.publish_wait_max);
        Ok::<_, Stop>(Some((database, label, commit, held, wait_max)))
    });
    let (database, label, commit, held, wait_max) = match refusals(found)? {
        Err(refusal) => return Ok(refused(refusal, None)),
        // Of several tables, the data of which is finished with the commit.
        Ok(None) => return end::data(site, asked, Then::Commit).await,
        Ok(Some(found)) => found,
    };
    let outcome = match commit {
        Commit::Already(outcome) => outcome,
        Commit::Decided(txn) | Commit::Gathering(txn) => {
            if held || !site.sees(&database, txn, wait_max).await? {
                return Ok(refused(publish_timeout(wait_max), None));
            }
            Outcome { txn, message: String::new() }
        }
    };
    Ok(decided(outcome, &label))
}

fn rollback(site: &Site, asked: &Asked) -> Result<Answer, StoreError> {
    let done = site.cluster.with(|state| {
        let (database, label) = (headers::database(asked)?, headers::label(asked)?);
        let now = state.now;
        let outcome = state.starrocks(database)?.rollback(&label, now)?;
        Ok::<_, Stop>((label, outcome))
    });
    Ok(match refusals(done)? {
        Ok((label, outcome)) => decided(outcome, &label),
        Err(refusal) => refused(refusal, None),
    })
}

fn decided(outcome: Outcome, label: &Label) -> Answer {
    let Outcome { txn, message } = outcome;
    Answer::json(starrocks::Done::Decided { txn, message }.to_json(label))
}

fn load_state(site: &Site, asked: &Asked, database: &str) -> Result<Answer, StoreError> {
    if site.follows()? {
        return site.to_leader(asked);
    }
    let found = site.cluster.update(|state| state.load_state(database, asked.label()))?;
    Ok(Answer::json(match found {
        Ok((name, reason)) => starrocks::load_state(name, &reason),
        Err(refusal) => starrocks::denied(&refusal.message),
    }))
}

/// Ends a label whose backend may be gone.
fn cancel(site: &Site, asked: &Asked, database: &str) -> Result<Answer, StoreError> {
    if site.follows()? {
        return site.to_leader(asked);
    }
    let done = site.cluster.with(|state| {
        let label = headers::label(asked)?;
        let now = state.now;
        Ok::<_, Stop>(state.starrocks(database)?.cancel(&label, now)?)
    });
    Ok(Answer::json(match refusals(done)? {
        Ok(()) => json!({ "status": "OK", "msg": "Success" }).to_string(),
        Err(refusal) => starrocks::denied(&refusal.message),
    }))
}

fn health(state: &mut State) -> Answer {
    let alive = state.nodes.backends.iter().filter(|node| node.alive).count();
    let all = state.nodes.backends.len();
    let data = json!({
        "online_backend_num": alive, "total_backend_num": all, "status": "OK", "msg": "Success",
    });
    Answer::json(data.to_string())
}

fn bootstrap(state: &mut State, place: usize) -> Answer {
    let query_port = state.nodes.frontends.get(place).map_or(0, |node| node.query_port);
    let data = json!({
        "replayedJournal": 0, "queryPort": query_port, "rpcPort": 0, "status": "OK",
        "msg": "Success",
    });
    Answer::json(data.to_string())
}

fn show_proc(state: &State, asked: &Asked) -> Answer {
    if asked.query.get("path").is_none_or(|path| path.trim_end_matches('/') != "/backends") {
        let text = "the stand-in shows `/backends` alone";
        return Answer::json(starrocks::not_passed_on(text));
    }
    let text = |flag: bool| if flag { "true" } else { "false" };
    let rows: Vec<_> = state
        .nodes
        .backends
        .iter()
        .map(|node| {
            let Backend(id) = node.id;
            json!({
                "BackendId": id.to_string(),
                "IP": node.host,
                "HttpPort": node.http_port.to_string(),
                "Alive": text(node.alive),
                "SystemDecommissioned": "false",
            })
        })
        .collect();
    Answer::json(json!(rows).to_string())
}

fn schema(state: &mut State, name: &TableName) -> Answer {
    match state.table_of_load(name) {
        Err(refusal) => Answer::json(starrocks::denied(&refusal.message)),
        Ok(table) => {
            let column = |column: &crate::table::Column| json!({ "name": column.name, "type": column.ty.to_string(), "comment": "" });
            let columns: Vec<_> = table.columns.iter().map(column).collect();
            Answer::json(json!({ "status": 200, "properties": columns }).to_string())
        }
    }
}

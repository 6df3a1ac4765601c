//! The transaction interface, at the backend that gathers the data.

use hyper::body::Incoming;

use crate::cluster::{Call, Cluster, Effect, Piece, State};
use crate::ingest::Options;
use crate::reply::starrocks::Done;
use crate::store::StoreError;
use crate::table::TableName;
use crate::txn::starrocks::{Opening, Scope};
use crate::txn::{Backend, Label, Refusal, TxnId};

use super::super::answer::Answer;
use super::super::asked::Asked;
use super::super::load;
use super::super::site::{Site, Stop, refusals};
use super::end::{self, Then};
use super::{headers, refused};

pub(super) async fn answer(
    site: &Site,
    id: Backend,
    asked: &Asked,
    call: &str,
    body: Incoming,
) -> Result<Answer, StoreError> {
    if call != "load" && asked.header("transaction_type").is_some() {
        let text =
            "Multi-statement transaction requests can only be sent to FE nodes, not BE nodes";
        return Ok(refused(Refusal::new("INVALID_ARGUMENT", text), None));
    }
    match call {
        "begin" => begin(site, id, asked),
        "load" => load(site, id, asked, body).await,
        "prepare" => {
            let busy = site.fault(Effect::InProcessing, Call::Prepare, asked.label())?.is_some();
            end(site, id, asked, Then::Prepare, busy).await
        }
        "commit" => end(site, id, asked, Then::Commit, false).await,
        "rollback" => rollback(site, id, asked),
        _ => Ok(refused(Refusal::new("INVALID_ARGUMENT", "Unsupported operation"), None)),
    }
}

/// What this backend gathers: objects one after another, which is no JSON.
pub(super) fn list(state: &State, id: Backend) -> Answer {
    let mut text = String::new();
    for (_, database) in state.databases() {
        let crate::cluster::Book::StarRocks(starrocks) = &database.book else { continue };
        for (label, context) in starrocks.contexts(id) {
            text.push_str(&format!(
                "{{\n    \"Label\": \"{label}\",\n    \"TxnId\": {},\n    \"InProcessing\": {}\n}}\n",
                context.txn, context.busy
            ));
        }
    }
    Answer::json(text)
}

fn begin(site: &Site, id: Backend, asked: &Asked) -> Result<Answer, StoreError> {
    let begun = site.cluster.with(|state| {
        headers::check_user(state, asked)?;
        let label = headers::label(asked)?;
        let name = TableName::new(headers::database(asked)?, headers::table(asked)?);
        let opening = Opening {
            label: label.clone(),
            scope: Scope::Table(name.table.clone()),
            node: id,
            gather_max: headers::timeout(asked, "timeout")?,
            idle_max: headers::timeout(asked, "idle_transaction_timeout")?,
        };
        state.table_of_load(&name)?;
        let now = state.now;
        let txn = state.starrocks(&name.database)?.begin(opening, now)?;
        Ok::<_, Stop>((label, txn))
    });
    Ok(match refusals(begun)? {
        Ok((label, txn)) => Answer::json(Done::Begin(txn).to_json(&label)),
        Err(refusal) => refused(refusal, None),
    })
}

/// A load under way. If nobody is left to end it, the transaction fails.
struct Loading {
    cluster: Cluster,
    at: Backend,
    database: String,
    label: Label,
    ended: bool,
}

impl Loading {
    fn fail(&mut self, reason: &str) -> Result<(), StoreError> {
        self.ended = true;
        self.cluster.update(|state| {
            let now = state.now;
            if let Ok(starrocks) = state.starrocks(&self.database) {
                starrocks.fail(&self.label, reason, now);
            }
        })
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let runs = self
            .cluster
            .update(|state| state.nodes.backend(self.at).is_some_and(|node| node.running));
        if !self.ended && runs.unwrap_or(false) {
            // A store that fails says so to the next call.
            let _failed = self.fail("the load was cut off");
        }
    }
}

async fn load(
    site: &Site,
    id: Backend,
    asked: &Asked,
    body: Incoming,
) -> Result<Answer, StoreError> {
    let started = site.cluster.with(|state| start(state, &site.cluster, id, asked));
    let (mut loading, txn, name, options) = match refusals(started)? {
        Ok(started) => started,
        Err(refusal) => return Ok(refused(refusal, None)),
    };
    let means = site.cluster.update(|state| (state.limits.body_max, state.rows()))?;
    let body = match load::read(&options, body, means).await {
        Ok(body) => body,
        Err(refusal) => {
            loading.fail(&refusal.message)?;
            return Ok(refused(refusal, None));
        }
    };
    let received = body.length();
    let finished = site.cluster.with(|state| {
        let now = state.now;
        let starrocks = state.starrocks(&loading.database)?;
        // It may have been ended while the data came.
        starrocks.check_held(&loading.label, id)?;
        starrocks.finish_load(&loading.label, now);
        state.gathered.entry(txn).or_default().push(Piece { table: name, options, body });
        Ok::<_, Stop>(())
    });
    loading.ended = true;
    Ok(match refusals(finished)? {
        Ok(()) => Answer::json(Done::Load { txn, bytes: received }.to_json(&loading.label)),
        Err(refusal) => refused(refusal, None),
    })
}

/// What can be refused before any data comes.
fn start(
    state: &mut State,
    cluster: &Cluster,
    id: Backend,
    asked: &Asked,
) -> Result<(Loading, TxnId, TableName, Options), Stop> {
    headers::check_user(state, asked)?;
    let label = headers::label(asked)?;
    let name = TableName::new(headers::database(asked)?, headers::table(asked)?);
    if state.take_fault(Effect::InProcessing, Call::Load, asked.label()).is_some() {
        return Err(in_processing(&label).into());
    }
    let database = gathering_database(state, id, &label, &name.database);
    let request = headers::load_request(asked, &name);
    let now = state.now;
    let starrocks = state.starrocks(&database)?;
    starrocks.check_held(&label, id)?;
    let txn = starrocks.start_load(&label, &request, now)?;
    let cluster = cluster.clone();
    let prepared = headers::options(state, asked).and_then(|options| {
        let table = state.table_of_load(&name)?;
        load::plan(state, &table, &name, &label, &options)?;
        Ok(options)
    });
    match prepared {
        Ok(options) => {
            let loading = Loading { cluster, at: id, database, label, ended: false };
            Ok((loading, txn, name, options))
        }
        Err(stop) => {
            state.starrocks(&database)?.fail(&label, &stop.to_string(), now);
            Err(stop)
        }
    }
}

/// A backend finds a label whatever database it is asked for, and says then that it is another.
fn gathering_database(state: &State, id: Backend, label: &Label, asked: &str) -> String {
    let gathers = |database: &crate::cluster::Database| match &database.book {
        crate::cluster::Book::StarRocks(starrocks) => starrocks.check_held(label, id).is_ok(),
        crate::cluster::Book::Doris(_) => false,
    };
    if state.database(asked).is_some_and(gathers) {
        return asked.to_owned();
    }
    let other = state.databases().find(|(_, database)| gathers(database));
    other.map_or(asked, |(name, _)| name).to_owned()
}

fn in_processing(label: &Label) -> Refusal {
    let text = format!("Transaction in processing, please retry later, label is {label}");
    Refusal::new("TXN_IN_PROCESSING", text)
}

async fn end(
    site: &Site,
    id: Backend,
    asked: &Asked,
    then: Then,
    busy: bool,
) -> Result<Answer, StoreError> {
    let checked = site.cluster.with(|state| check(state, id, asked));
    match refusals(checked)? {
        Ok(label) if busy => Ok(refused(in_processing(&label), None)),
        Ok(_) => end::data(site, asked, then).await,
        Err(refusal) => Ok(refused(refusal, None)),
    }
}

fn rollback(site: &Site, id: Backend, asked: &Asked) -> Result<Answer, StoreError> {
    let done = site.cluster.with(|state| {
        let label = check(state, id, asked)?;
        let now = state.now;
        state.starrocks(headers::database(asked)?)?.rollback(&label, now)?;
        Ok::<_, Stop>(label)
    });
    Ok(match refusals(done)? {
        Ok(label) => Answer::json(Done::RolledBack.to_json(&label)),
        Err(refusal) => refused(refusal, None),
    })
}

/// The label, if this backend gathers its data.
fn check(state: &mut State, id: Backend, asked: &Asked) -> Result<Label, Stop> {
    headers::check_user(state, asked)?;
    let label = headers::label(asked)?;
    state.starrocks(headers::database(asked)?)?.check_held(&label, id)?;
    Ok(label)
}

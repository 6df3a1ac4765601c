//! A load in one request, of either system: begin, read, stage, commit.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::body::Incoming;

use crate::System;
use crate::cluster::{Body, Call, Cluster, Compaction, Effect, Piece, Rows, State};
use crate::ingest::json::Shape;
use crate::ingest::{Format, Options, Plan, Tally};
use crate::reply::Counts;
use crate::store::StoreError;
use crate::table::{Table, TableName};
use crate::txn::ledger::Begin;
use crate::txn::{Backend, Label, Refusal, State as Standing, Transaction, TxnId};

use super::asked::Framing;
use super::body;
use super::gather::{apart, digest};
use super::site::{Site, Stop, refusals};

/// What is to be loaded, as the headers say it.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) name: TableName,
    pub(super) label: Label,
    pub(super) options: Options,
    pub(super) gather_max: Option<Duration>,
    pub(super) phases: Phases,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phases {
    One,
    /// It ends before its commit (Doris).
    Two,
}

#[derive(Debug)]
pub(super) struct Outcome {
    /// None if it did not begin.
    pub(super) txn: Option<TxnId>,
    pub(super) counts: Counts,
    pub(super) error_url: Option<String>,
    pub(super) ending: Ending,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Visible; of two phases, complete.
    Done,
    /// Committed, and not visible yet.
    PublishTimeout,
    Refused(Refusal),
}

impl Outcome {
    pub(super) fn refused(txn: Option<TxnId>, refusal: Refusal) -> Self {
        let ending = Ending::Refused(refusal);
        Self { txn, counts: Counts::default(), error_url: None, ending }
    }
}

/// A transaction that has begun, of which nobody may be left to end it: the client went away, or its request
/// was refused. Then it is aborted.
struct Begun {
    cluster: Cluster,
    at: Backend,
    database: String,
    txn: TxnId,
    table: Table,
}

impl Begun {
    fn abort(&self, reason: &str) -> Result<(), StoreError> {
        self.cluster.with(|state| abort(state, &self.database, self.txn, reason))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // A dead backend aborts nothing: the frontend finds out by itself.
        let _kept = self.cluster.with(|state| {
            if runs(state, self.at) {
                abort(state, &self.database, self.txn, "the load was cut off")?;
            }
            Ok::<_, StoreError>(())
        });
    }
}

/// Loads. What can be refused by the headers is refused before the body is read.
pub(super) async fn run(
    site: &Site,
    at: Backend,
    order: Order,
    body: Incoming,
) -> Result<Outcome, StoreError> {
    let begun = site.cluster.with(|state| begin(state, &site.cluster, at, &order));
    let (begun, planned) = match refusals(begun)? {
        Ok(begun) => begun,
        Err(refusal) => return Ok(Outcome::refused(None, refusal)),
    };
    let txn = begun.txn;
    if let Err(refusal) = planned {
        begun.abort(&refusal.message)?;
        return Ok(Outcome::refused(Some(txn), refusal));
    }
    let means = site.cluster.update(|state| (state.limits.body_max, state.rows()))?;
    let body = match read(&order.options, body, means).await {
        Ok(body) => body,
        Err(refusal) => {
            begun.abort(&refusal.message)?;
            return Ok(Outcome::refused(Some(txn), refusal));
        }
    };
    let (database, phases) = (order.name.database.clone(), order.phases);
    let (outcome, held) = apart(move || finish(begun, order, body)).await?;
    if outcome.ending != Ending::Done || phases == Phases::Two {
        return Ok(outcome);
    }
    let wait_max = site.cluster.update(|state| state.limits.publish_wait_max)?;
    if held || !site.sees(&database, txn, wait_max).await? {
        return Ok(Outcome { ending: Ending::PublishTimeout, ..outcome });
    }
    Ok(outcome)
}

fn begin(
    state: &mut State,
    cluster: &Cluster,
    at: Backend,
    order: &Order,
) -> Result<(Begun, Result<(), Refusal>), Stop> {
    let table = state.table_of_load(&order.name)?;
    let (now, database) = (state.now, order.name.database.clone());
    let begin = Begin {
        label: order.label.clone(),
        tables: [order.name.table.clone()].into(),
        coordinator: at,
        gather_max: order.gather_max,
    };
    let txn = state.book(&database)?.begin_load(begin, now)?;
    let planned = plan(state, &table, &order.name, &order.label, &order.options);
    Ok((Begun { cluster: cluster.clone(), at, database, txn, table }, planned))
}

/// What is found before any data comes: columns that do not fit, and too many versions.
pub(super) fn plan(
    state: &mut State,
    table: &Table,
    name: &TableName,
    label: &Label,
    options: &Options,
) -> Result<(), Refusal> {
    Plan::new(state.system, table, options)?;
    let (versions, limit) = (state.versions(name), state.limits.versions_max);
    let full = state.limits.compaction == Compaction::OnDemand && versions >= limit;
    let fault = state.take_fault(Effect::TooManyVersions, Call::Load, &label.to_string());
    if full || fault.is_some() {
        return Err(too_many_versions(state.system, versions.max(limit) + 1, limit));
    }
    Ok(())
}

fn too_many_versions(system: System, versions: u64, limit: u64) -> Refusal {
    match system {
        System::Doris => Refusal::new(
            "E-235",
            format!(
                "failed to init rowset builder. version count: {versions}, exceed limit: {limit}, \
                 tablet: 10010. Please reduce the frequency of loading data or adjust the \
                 max_tablet_version_num in be.conf to a larger value."
            ),
        ),
        System::StarRocks => Refusal::new(
            "INTERNAL_ERROR",
            format!(
                "Failed to load data into tablet 10010, because of too many versions, \
                 current/limit: {versions}/{limit}. You can reduce the loading job concurrency, or \
                 increase loading data batch size."
            ),
        ),
    }
}

/// A body, to its end and uncompressed.
pub(super) async fn read(
    options: &Options,
    body: Incoming,
    (max, rows): (u64, Rows),
) -> Result<Body, Refusal> {
    if let (Rows::Counted, Some(mut tally)) = (rows, Tally::of(options)) {
        body::each(body, max, |data| tally.add(data)).await?;
        return Ok(Body::Counted(tally));
    }
    let bytes = body::read(body, max).await?;
    let Some(compression) = options.compression else { return Ok(Body::Kept(bytes)) };
    let unpacked = apart(move || compression.decompress(&bytes, max)).await;
    unpacked.map(Body::Kept).map_err(|error| {
        Refusal::new("INTERNAL_ERROR", format!("failed to decompress the body: {error}"))
    })
}

/// Whether a body of this length may come.
pub(super) fn check_length(
    limits: &crate::cluster::ServerLimits,
    system: System,
    options: &Options,
    framing: Framing,
    unlimited_json: bool,
) -> Result<(), Refusal> {
    let Framing::Length(length) = framing else { return Ok(()) };
    let whole = matches!(options.format, Format::Json(Shape::Documents | Shape::Array(_)));
    if whole && !unlimited_json && length > limits.json_max {
        let max = limits.json_max;
        return Err(match system {
            System::Doris => Refusal::new(
                "EXCEEDED_LIMIT",
                format!(
                    "json body size {length} bytes exceeds the limit {max} bytes of \
                     streaming_load_json_max_mb"
                ),
            ),
            System::StarRocks => Refusal::new(
                "INTERNAL_ERROR",
                format!(
                    "The size of this batch exceed the max size [{max}] of json type data data \
                     [ {length} ]. Set ignore_json_size to skip the check, although it may lead \
                     enormous memory consuming."
                ),
            ),
        });
    }
    if length > limits.body_max {
        let max = limits.body_max;
        return Err(match system {
            System::Doris => Refusal::new(
                "EXCEEDED_LIMIT",
                format!("body size {length} bytes exceeds the limit {max} bytes"),
            ),
            System::StarRocks => {
                Refusal::new("INTERNAL_ERROR", format!("body size {length} exceed limit: {max}, "))
            }
        });
    }
    Ok(())
}

/// Stages the rows and decides the transaction, in one unit of work. Says also whether a fault keeps the rows
/// from being visible.
fn finish(begun: Begun, order: Order, body: Body) -> Result<(Outcome, bool), StoreError> {
    let (cluster, txn) = (begun.cluster.clone(), begun.txn);
    let means = cluster.update(|state| (state.system, state.rows()))?;
    let tables = BTreeMap::from([(order.name.clone(), begun.table.clone())]);
    let piece = Piece { table: order.name.clone(), options: order.options, body };
    let digest = digest(means, vec![piece], &tables);
    cluster.with(|state| {
        let now = state.now;
        if !runs(state, begun.at) {
            let lost = Refusal::new("INTERNAL_ERROR", "the backend is down");
            return Ok((Outcome::refused(Some(txn), lost), false));
        }
        let error_url = digest.keep_log(state, txn, begun.at);
        let decided = digest.verdict.clone().and_then(|()| {
            let book = state.book(&order.name.database)?;
            match order.phases {
                Phases::One => book.commit_load(txn, now),
                Phases::Two => book.precommit(txn, now),
            }
        });
        let counts = digest.counts;
        if let Err(refusal) = decided {
            abort(state, &order.name.database, txn, &refusal.message)?;
            let counts = Counts { loaded: 0, ..counts };
            let refused = Outcome { counts, error_url, ..Outcome::refused(Some(txn), refusal) };
            return Ok((refused, false));
        }
        digest.stage(state, txn)?;
        let label = order.label.to_string();
        let held = order.phases == Phases::One && hold(state, txn, Call::Load, &label);
        Ok((Outcome { txn: Some(txn), counts, error_url, ending: Ending::Done }, held))
    })
}

/// Keeps a transaction that commits now from being visible, if a fault says so.
pub(super) fn hold(state: &mut State, txn: TxnId, call: Call, label: &str) -> bool {
    let fault = state.take_fault(Effect::PublishTimeout, call, label);
    if let Some(fault) = &fault {
        state.hold_publication(txn, fault.time());
    }
    fault.is_some()
}

fn runs(state: &State, backend: Backend) -> bool {
    state.nodes.backend(backend).is_some_and(|node| node.running)
}

/// One that is complete, decided or lost is not for a load to abort.
fn abort(state: &mut State, database: &str, txn: TxnId, reason: &str) -> Result<(), StoreError> {
    let now = state.now;
    let gathers = |found: &Transaction| found.state == Standing::Prepare;
    if state.transaction(database, txn).is_some_and(gathers)
        && let Some(database) = state.database_mut(database)
    {
        let _refused = database.book.ledger_mut().abort(txn, reason, now);
    }
    Ok(())
}

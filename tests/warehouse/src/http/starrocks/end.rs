//! The end of a transaction's data, at its backend; of one over several tables, at the frontend.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::System;
use crate::cluster::{Call, Cluster};
use crate::reply::{Counts, starrocks};
use crate::store::StoreError;
use crate::table::{Table, TableName};
use crate::txn::{Label, Refusal, TxnId};

use super::super::answer::Answer;
use super::super::asked::Asked;
use super::super::gather::{apart, digest};
use super::super::load::hold;
use super::super::site::{Site, Stop, refusals};
use super::{headers, refused};

/// What follows when the data is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Prepare,
    Commit,
}

#[derive(Debug)]
struct End {
    database: String,
    label: Label,
    then: Then,
    prepared_max: Option<Duration>,
}

#[derive(Debug)]
struct Ended {
    counts: Counts,
    error_url: Option<String>,
    decided: Result<TxnId, Refusal>,
    /// A fault keeps the rows from being visible.
    held: bool,
}

/// Finishes the data of the label that is asked for, and answers.
pub(super) async fn data(site: &Site, asked: &Asked, then: Then) -> Result<Answer, StoreError> {
    let parsed = (|| {
        Ok::<_, Refusal>(End {
            database: headers::database(asked)?.to_owned(),
            label: headers::label(asked)?,
            then,
            prepared_max: headers::timeout(asked, "prepared_timeout")?,
        })
    })();
    let end = match parsed {
        Ok(end) => end,
        Err(refusal) => return Ok(refused(refusal, None)),
    };
    let (database, label) = (end.database.clone(), end.label.clone());
    let cluster = site.cluster.clone();
    // Once begun it ends, whether or not somebody still waits for it.
    let ended = apart(move || finish(&cluster, &end)).await?;
    let Ended { counts, error_url, decided, held } = match ended {
        Ok(ended) => ended,
        Err(refusal) => return Ok(refused(refusal, None)),
    };
    let txn = match decided {
        Ok(txn) => txn,
        Err(refusal) => return Ok(refused(refusal, error_url.as_deref())),
    };
    if then == Then::Commit {
        let wait_max = site.cluster.update(|state| state.limits.publish_wait_max)?;
        if held || !site.sees(&database, txn, wait_max).await? {
            let refusal = Refusal::new("PUBLISH_TIMEOUT", "publish timeout");
            return Ok(refused(refusal, None));
        }
    }
    Ok(Answer::json(starrocks::Done::Data { txn, counts }.to_json(&label)))
}

fn finish(cluster: &Cluster, end: &End) -> Result<Result<Ended, Refusal>, StoreError> {
    let started = cluster.with(|state| {
        let now = state.now;
        let txn = state.starrocks(&end.database)?.start_prepare(&end.label, now)?;
        let pieces = state.gathered.remove(&txn).unwrap_or_default();
        let tables: BTreeMap<TableName, Table> = pieces
            .iter()
            .filter_map(|piece| Some((piece.table.clone(), state.table(&piece.table)?.clone())))
            .collect();
        let coordinator = state.transaction(&end.database, txn).map(|txn| txn.coordinator);
        Ok::<_, Stop>((txn, pieces, tables, coordinator, state.rows()))
    });
    let (txn, pieces, tables, coordinator, rows) = match refusals(started)? {
        Ok(started) => started,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let digest = digest((System::StarRocks, rows), pieces, &tables);
    let ended = cluster.with(|state| {
        let now = state.now;
        let error_url = coordinator.and_then(|at| digest.keep_log(state, txn, at));
        let counts = digest.counts;
        let starrocks = state.starrocks(&end.database)?;
        let decided = match &digest.verdict {
            Err(refusal) => {
                starrocks.fail(&end.label, &refusal.message, now);
                Err(refusal.clone())
            }
            Ok(()) if end.then == Then::Commit => starrocks.finish_commit(&end.label, now),
            Ok(()) => starrocks.finish_prepare(&end.label, end.prepared_max, now),
        };
        let mut held = false;
        if decided.is_ok() {
            digest.stage(state, txn)?;
            let label = end.label.to_string();
            held = end.then == Then::Commit && hold(state, txn, Call::Commit, &label);
        }
        Ok::<_, Stop>(Ended { counts, error_url, decided, held })
    });
    refusals(ended)
}

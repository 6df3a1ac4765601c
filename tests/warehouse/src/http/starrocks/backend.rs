//! A backend: takes loads in one request, and hands the transaction interface on.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Method;
use hyper::body::Incoming;

use crate::Moment;
use crate::cluster::State;
use crate::reply::starrocks;
use crate::store::StoreError;
use crate::table::TableName;
use crate::txn::{Backend, StarRocks};

use super::super::answer::Answer;
use super::super::asked::Asked;
use super::super::load::{self, Ending, Order, Outcome, Phases};
use super::super::site::{Site, Stop, error_log, not_found, refusals};
use super::{headers, transaction};

pub(super) async fn answer(
    site: &Site,
    id: Backend,
    asked: Asked,
    body: Incoming,
) -> Result<Answer, StoreError> {
    let (get, post, put) =
        (asked.method == Method::GET, asked.method == Method::POST, asked.method == Method::PUT);
    match asked.path().as_slice() {
        ["api", database, table, "_stream_load"] if put => {
            let name = TableName::new(*database, *table);
            load(site, id, &asked, name, body).await
        }
        ["api", "transaction", "list"] if post => {
            site.cluster.update(|state| transaction::list(state, id))
        }
        ["api", "transaction", call] if post || put => {
            transaction::answer(site, id, &asked, call, body).await
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
    let label = match asked.header("label") {
        Some(label) => label.to_owned(),
        None => unique_label(site.cluster.update(|state| state.now)?),
    };
    let ordered = site.cluster.with(|state| order(state, asked, &name, &label));
    let outcome = match refusals(ordered)? {
        Ok(order) => load::run(site, id, order, body).await?,
        Err(refusal) => Outcome::refused(None, refusal),
    };
    let reply = starrocks::Load {
        txn: outcome.txn,
        label: &label,
        ending: match outcome.ending {
            Ending::Done => starrocks::Ending::Success,
            Ending::PublishTimeout => starrocks::Ending::PublishTimeout,
            Ending::Refused(refusal) => starrocks::Ending::Refused(refusal),
        },
        counts: outcome.counts,
        error_url: outcome.error_url.as_deref(),
    };
    Ok(Answer::json(reply.to_json()))
}

fn order(state: &mut State, asked: &Asked, name: &TableName, label: &str) -> Result<Order, Stop> {
    headers::check_user(state, asked)?;
    Ok(Order {
        name: name.clone(),
        label: StarRocks::label(label)?,
        options: headers::options(state, asked)?,
        gather_max: headers::timeout(asked, "timeout")?,
        phases: Phases::One,
    })
}

fn unique_label(now: Moment) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("unlabelled-{}-{}", now.0, NEXT.fetch_add(1, Ordering::Relaxed))
}

//! StarRocks over HTTP.

mod backend;
mod end;
mod frontend;
mod headers;
mod transaction;

use hyper::body::Incoming;

use crate::reply::{Counts, starrocks};
use crate::store::StoreError;
use crate::txn::Refusal;

use super::answer::Answer;
use super::asked::{Asked, Credentials};
use super::site::{Node, Site};

pub(super) async fn answer(
    site: &Site,
    asked: Asked,
    body: Incoming,
) -> Result<Answer, StoreError> {
    match site.node {
        Node::Frontend(place) => frontend::answer(site, place, &asked).await,
        Node::Backend(id) => backend::answer(site, id, asked, body).await,
    }
}

/// What is said by who does not hear in time that what was asked is done.
pub(super) fn failure(one_shot: bool, label: &str) -> Answer {
    let text =
        "call frontend service failed, address=127.0.0.1:9020, reason=THRIFT_EAGAIN (timed out)";
    let refusal = Refusal::new("INTERNAL_ERROR", text);
    if !one_shot {
        return refused(refusal, None);
    }
    let load = starrocks::Load {
        txn: None,
        label,
        ending: starrocks::Ending::Refused(refusal),
        counts: Counts::default(),
        error_url: None,
    };
    Answer::json(load.to_json())
}

/// Of the names of codes that a load may end with, this server has fewer.
fn refused(refusal: Refusal, error_url: Option<&str>) -> Answer {
    let code = match refusal.code {
        "DATA_QUALITY_ERROR" | "NETWORK_ERROR" | "EXCEEDED_LIMIT" | "ANALYSIS_ERROR" => {
            "INTERNAL_ERROR"
        }
        code => code,
    };
    Answer::json(starrocks::refused(&Refusal { code, ..refusal }, error_url))
}

fn access_denied(credentials: Option<&Credentials>) -> String {
    let user = credentials.map_or("", |credentials| credentials.user.as_str());
    format!("Access denied for user '{user}' (using password: YES)")
}

fn no_credentials() -> Refusal {
    Refusal::new("INTERNAL_ERROR", "no valid Basic authorization")
}

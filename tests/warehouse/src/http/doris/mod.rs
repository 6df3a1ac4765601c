//! Apache Doris over HTTP. Whatever is answered, but a redirect, comes with HTTP 200.

mod backend;
mod frontend;
mod grouping;
mod statements;

use hyper::body::Incoming;

use crate::cluster::Call;
use crate::reply::{Counts, doris};
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
        Node::Frontend(place) => frontend::answer(site, place, &asked, body).await,
        Node::Backend(id) => backend::answer(site, id, asked, body).await,
    }
}

/// What a backend says when the frontend does not answer it in time, although it has done what was asked.
pub(super) fn failure(call: Call, label: &str) -> Answer {
    let refusal = Refusal::new(
        "THRIFT_RPC_ERROR",
        "failed to call frontend service, address=127.0.0.1:9020, reason=THRIFT_EAGAIN (timed out)",
    );
    Answer::json(match call {
        Call::Load => doris::Load {
            txn: None,
            label,
            two_phase: false,
            grouped: None,
            ending: doris::Ending::Refused(refusal),
            counts: Counts::default(),
            error_url: None,
        }
        .to_json(),
        Call::Commit | Call::Rollback => doris::two_phase(&Err(refusal)),
        Call::Begin | Call::Prepare | Call::State => {
            doris::answer("Internal Error", 500, refusal.message)
        }
    })
}

fn access_denied(credentials: Option<&Credentials>) -> String {
    let user = credentials.map_or("", |credentials| credentials.user.as_str());
    format!("Access denied for user '{user}'@'127.0.0.1' (using password: YES)")
}

/// What a backend that has no frontend's word for it says.
fn no_credentials() -> Refusal {
    Refusal::new("NOT_AUTHORIZED", "no valid Basic authorization")
}

/// As a backend passes on what the frontend answered.
fn from_frontend(detail: &str) -> Refusal {
    let text = format!("TStatus: errCode = 2, detailMessage = {detail}");
    Refusal::new("ANALYSIS_ERROR", text)
}

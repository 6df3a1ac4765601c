//! A node, as its handlers see it.

use std::time::Duration;

use hyper::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::System;
use crate::cluster::{BackendNode, Call, Cluster, Effect, Fault, State};
use crate::store::StoreError;
use crate::txn::{Backend, Refusal, State as Standing, TxnId};

use super::answer::Answer;
use super::asked::{Asked, Credentials};

#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) cluster: Cluster,
    pub(super) node: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// By its place.
    Frontend(usize),
    Backend(Backend),
}

/// Why a unit of work came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A refusal is an answer too; a store that fails is none.
pub(super) fn refusals<T>(done: Result<T, Stop>) -> Result<Result<T, Refusal>, StoreError> {
    match done {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
        Err(Stop::Store(error)) => Err(error),
    }
}

/// What may stand in the user's part of a URL, as Java's `URI` has it; `%` is always written out.
const USER_INFO: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'-')
    .remove(b'!')
    .remove(b'.')
    .remove(b'~')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b';')
    .remove(b':')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b',');

/// Where nobody listens.
const DEAD_PORT: u16 = 1;
/// How often a call looks whether its rows are visible.
const LOOK: Duration = Duration::from_millis(10);

impl Site {
    pub(super) fn system(&self) -> Result<System, StoreError> {
        self.cluster.update(|state| state.system)
    }

    pub(super) fn fault(
        &self,
        effect: Effect,
        on: Call,
        label: &str,
    ) -> Result<Option<Fault>, StoreError> {
        self.cluster.update(|state| state.take_fault(effect, on, label))
    }

    pub(super) fn admits(&self, credentials: Option<&Credentials>) -> Result<bool, StoreError> {
        let Some(Credentials { user, password }) = credentials else { return Ok(false) };
        self.cluster.update(|state| state.users.admit(user, password))
    }

    /// Whether this is a frontend that does not lead.
    pub(super) fn follows(&self) -> Result<bool, StoreError> {
        let Node::Frontend(place) = self.node else { return Ok(false) };
        self.cluster.update(|state| state.nodes.leader != place)
    }

    pub(super) fn to_leader(&self, asked: &Asked) -> Result<Answer, StoreError> {
        let leader = self.cluster.update(|state| state.nodes.leader().cloned())?;
        let authority = leader.map(|node| format!("{}:{}", node.host, node.http_port));
        self.to(asked, &authority.unwrap_or_default())
    }

    /// Redirects a call to a backend; or where a fault wants it.
    pub(super) fn to_backend(
        &self,
        asked: &Asked,
        call: Call,
        backend: &BackendNode,
    ) -> Result<Answer, StoreError> {
        let authority = if self.fault(Effect::RedirectLoop, call, asked.label())?.is_some() {
            self.own_authority()?
        } else if self.fault(Effect::RedirectToDead, call, asked.label())?.is_some() {
            format!("{}:{DEAD_PORT}", backend.host)
        } else {
            format!("{}:{}", backend.host, backend.http_port)
        };
        self.to(asked, &authority)
    }

    /// Doris copies the credentials into the URL, StarRocks does not.
    fn to(&self, asked: &Asked, authority: &str) -> Result<Answer, StoreError> {
        let user = match (self.system()?, &asked.credentials) {
            (System::Doris, Some(Credentials { user, password })) => {
                let text = format!("{user}:{password}");
                format!("{}@", utf8_percent_encode(&text, USER_INFO))
            }
            (System::Doris | System::StarRocks, _) => String::new(),
        };
        Ok(Answer::redirect(format!("http://{user}{authority}{}", asked.target)))
    }

    fn own_authority(&self) -> Result<String, StoreError> {
        self.cluster.update(|state| match self.node {
            Node::Frontend(place) => state
                .nodes
                .frontends
                .get(place)
                .map(|node| format!("{}:{}", node.host, node.http_port))
                .unwrap_or_default(),
            Node::Backend(id) => backend_authority(state, id),
        })
    }

    /// Waits until rows are visible. False if they are not in time.
    pub(super) async fn sees(
        &self,
        database: &str,
        txn: TxnId,
        wait_max: Duration,
    ) -> Result<bool, StoreError> {
        let begun = self.cluster.update(|state| state.now)?;
        loop {
            let (state, now) = self.cluster.update(|state| {
                (state.transaction(database, txn).map(|txn| txn.state), state.now)
            })?;
            if state != Some(Standing::Committed) {
                return Ok(true);
            }
            if now.since(begun) >= wait_max {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

pub(super) fn backend_authority(state: &State, id: Backend) -> String {
    let node = state.nodes.backend(id);
    node.map(|node| format!("{}:{}", node.host, node.http_port)).unwrap_or_default()
}

pub(super) fn not_found() -> Answer {
    Answer::text(StatusCode::NOT_FOUND, "no such path\n")
}

/// The rows that a load refused, and why: the target of `ErrorURL`.
pub(super) fn error_log(state: &State, asked: &Asked) -> Answer {
    let file = asked.query.get("file").map_or("", String::as_str);
    match state.error_logs.get(file) {
        Some(text) => Answer::text(StatusCode::OK, text),
        None => Answer::text(StatusCode::NOT_FOUND, "no such file\n"),
    }
}

//! StarRocks' answers: three styles of keys, by who answers what.

use crate::txn::{Label, Refusal, TxnId};

use super::{Counts, Object};

#[cfg(test)]
mod tests;

/// How a one-shot load ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Success,
    /// Committed, and not visible yet.
    PublishTimeout,
    Refused(Refusal),
}

/// A backend's answer to `_stream_load`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load<'a> {
    /// None if it did not begin.
    pub txn: Option<TxnId>,
    pub label: &'a str,
    pub ending: Ending,
    pub counts: Counts,
    pub error_url: Option<&'a str>,
}

impl Load<'_> {
    #[must_use]
    pub fn to_json(&self) -> String {
        let (status, existing, message) = match &self.ending {
            Ending::Success => ("Success", None, "OK"),
            Ending::PublishTimeout => ("Publish Timeout", None, "publish timeout"),
            Ending::Refused(refusal) if refusal.code == "LABEL_ALREADY_EXISTS" => {
                ("Label Already Exists", refusal.existing, refusal.message.as_str())
            }
            // No `[CODE]` before the words.
            Ending::Refused(refusal) => ("Fail", None, refusal.message.as_str()),
        };
        let id = self.txn.and_then(|txn| i64::try_from(txn.0).ok()).unwrap_or(-1);
        counted(
            Object::default()
                .with("TxnId", id)
                .with("Label", self.label)
                .with("Status", status)
                .maybe("ExistingJobStatus", existing)
                .with("Message", message),
            self.counts,
        )
        .with("LoadTimeMs", 0)
        .with("BeginTxnTimeMs", 0)
        .with("StreamLoadPlanTimeMs", 0)
        .with("ReadDataTimeMs", 0)
        .with("WriteDataTimeMs", 0)
        .with("CommitAndPublishTimeMs", 0)
        .maybe("ErrorURL", self.error_url)
        .pretty()
    }
}

/// What a call of the transaction interface did, as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Begin(TxnId),
    Load {
        txn: TxnId,
        bytes: u64,
    },
    /// `prepare`, and a `commit` in one step: only here are rows counted.
    Data {
        txn: TxnId,
        counts: Counts,
    },
    /// The frontend's `commit` and `rollback`, with a word where nothing was left to do.
    Decided {
        txn: TxnId,
        message: String,
    },
    /// The backend's `rollback`.
    RolledBack,
}

impl Done {
    #[must_use]
    pub fn to_json(&self, label: &Label) -> String {
        let message = match self {
            Self::Decided { message, .. } => message.as_str(),
            Self::Begin(_) | Self::Load { .. } | Self::Data { .. } | Self::RolledBack => "",
        };
        let object = Object::default().with("Status", "OK").with("Message", message);
        let object = object.with("Label", label.to_string());
        match self {
            Self::Begin(txn) => object.with("TxnId", txn.0).with("BeginTxnTimeMs", 0),
            Self::Load { txn, bytes } => object
                .with("TxnId", txn.0)
                .with("LoadBytes", *bytes)
                .with("StreamLoadPlanTimeMs", 0)
                .with("ReceivedDataTimeMs", 0),
            Self::Data { txn, counts } => counted(object.with("TxnId", txn.0), *counts)
                .with("LoadTimeMs", 0)
                .with("StreamLoadPlanTimeMs", 0)
                .with("ReceivedDataTimeMs", 0)
                .with("WriteDataTimeMs", 0)
                .with("CommitAndPublishTimeMs", 0),
            Self::Decided { txn, .. } => object.with("TxnId", txn.0),
            Self::RolledBack => object,
        }
        .pretty()
    }
}

/// A refusal by the transaction interface.
#[must_use]
pub fn refused(refusal: &Refusal, error_url: Option<&str>) -> String {
    // A duplicate begin is answered with the key, be it empty.
    let taken = refusal.code == "LABEL_ALREADY_EXISTS";
    let existing = taken.then(|| refusal.existing.unwrap_or_default());
    Object::default()
        .with("Status", refusal.code)
        .with("Message", refusal.message.as_str())
        .maybe("ExistingJobStatus", existing)
        .maybe("ErrorURL", error_url)
        .pretty()
}

/// The frontend's word on a load that it does not pass on.
#[must_use]
pub fn not_passed_on(text: &str) -> String {
    let text = format!("class com.starrocks.common.DdlException: {text}");
    Object::default().with("Status", "FAILED").with("Message", text).compact()
}

/// With HTTP 401.
#[must_use]
pub fn denied(text: &str) -> String {
    Object::default().with("status", "FAILED").with("msg", text).compact()
}

/// To `get_load_state`.
#[must_use]
pub fn load_state(state: &str, reason: &str) -> String {
    let object = Object::default().with("state", state).with("reason", reason);
    object.with("status", "OK").with("msg", "Success").compact()
}

fn counted(object: Object, counts: Counts) -> Object {
    object
        .with("NumberTotalRows", counts.total)
        .with("NumberLoadedRows", counts.loaded)
        .with("NumberFilteredRows", counts.filtered)
        .with("NumberUnselectedRows", counts.unselected)
        .with("LoadBytes", counts.bytes)
}

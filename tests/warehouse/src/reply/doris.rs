//! Doris' answers. All of them come with HTTP 200: the true outcome stands in the body.

use crate::txn::{Refusal, TxnId};

use super::{Counts, Object};

#[cfg(test)]
mod tests;

/// How a load ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Committed and visible; with two phases, precommitted.
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
    pub two_phase: bool,
    /// The mode of a load that the server put together with others.
    pub grouped: Option<&'a str>,
    pub ending: Ending,
    pub counts: Counts,
    pub error_url: Option<&'a str>,
}

impl Load<'_> {
    #[must_use]
    pub fn to_json(&self) -> String {
        self.object().pretty() + "\n"
    }

    /// As the newest backends write it where loads are recorded: on one line, with a second `Comment` and more
    /// keys than a reader knows.
    #[must_use]
    pub fn to_record(&self, database: &str, table: &str, user: &str) -> String {
        self.object()
            .with("cluster", "")
            .with("Db", database)
            .with("Table", table)
            .with("User", user)
            .with("ClientIp", "127.0.0.1")
            .with("Comment", "")
            .with("StartTime", "")
            .with("FinishTime", "")
            .compact()
    }

    fn object(&self) -> Object {
        let (status, message) = self.status();
        let existing = match &self.ending {
            Ending::Refused(refusal) => refusal.existing,
            Ending::Success | Ending::PublishTimeout => None,
        };
        let id = self.txn.and_then(|txn| i64::try_from(txn.0).ok()).unwrap_or(-1);
        let alone = self.grouped.is_none();
        let two_phase = if self.two_phase { "true" } else { "false" };
        Object::default()
            .with("TxnId", id)
            .with("Label", self.label)
            .with("Comment", "")
            .maybe("TwoPhaseCommit", alone.then_some(two_phase))
            .maybe("GroupCommit", self.grouped.map(|_| true))
            .maybe("GroupCommitMode", self.grouped)
            .maybe("LoadId", self.grouped.map(|_| self.label.trim_start_matches("group_commit_")))
            .with("Status", status)
            .maybe("ExistingJobStatus", existing)
            .with("Message", message)
            .with("NumberTotalRows", self.counts.total)
            .with("NumberLoadedRows", self.counts.loaded)
            .with("NumberFilteredRows", self.counts.filtered)
            .with("NumberUnselectedRows", self.counts.unselected)
            .with("LoadBytes", self.counts.bytes)
            .with("LoadTimeMs", 0)
            .maybe("BeginTxnTimeMs", alone.then_some(0))
            .with("StreamLoadPutTimeMs", 0)
            .with("ReadDataTimeMs", 0)
            .with("WriteDataTimeMs", 0)
            .with("ReceiveDataTimeMs", 0)
            .maybe("CommitAndPublishTimeMs", alone.then_some(0))
            .maybe("ErrorURL", self.error_url)
    }

    fn status(&self) -> (&'static str, String) {
        match &self.ending {
            Ending::Success => ("Success", "OK".to_owned()),
            Ending::PublishTimeout => {
                let text = "transaction commit successfully, BUT data will be visible later";
                ("Publish Timeout", format!("[PUBLISH_TIMEOUT]{text}"))
            }
            Ending::Refused(refusal) if refusal.code == "LABEL_ALREADY_EXISTS" => {
                ("Label Already Exists", refusal.to_string())
            }
            Ending::Refused(refusal) => ("Fail", refusal.to_string()),
        }
    }
}

/// To `_stream_load_2pc`: keys in lower case, and a status that is the name of a code.
#[must_use]
pub fn two_phase(answer: &Result<String, Refusal>) -> String {
    let (status, message) = match answer {
        Ok(message) => ("Success", message),
        Err(refusal) => (refusal.code, &refusal.message),
    };
    Object::default().with("status", status).with("msg", message.as_str()).pretty()
}

/// A frontend's refusal of a load.
#[must_use]
pub fn failed(text: &str) -> String {
    Object::default().with("status", "FAILED").with("msg", text).compact()
}

/// A frontend's general answer; 0 is success.
#[must_use]
pub fn answer(message: &str, code: u16, data: impl Into<serde_json::Value>) -> String {
    let object = Object::default().with("msg", message).with("code", code);
    object.with("data", data).with("count", 0).compact()
}

//! What the servers say, in whichever style: `Status` and `status`, `Message` and `msg` mean the same
//! and mix, keys are there twice, and numbers are text now and then.

use std::collections::HashMap;

use serde_json::Value;

/// A JSON object with its keys in lower case; empty where the answer is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(HashMap<String, Value>);

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Self {
        // Of a key that is there twice the last counts; none that matters is.
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Self::default();
        };
        Self(members.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect())
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    pub(super) fn number(&self, key: &str) -> Option<i64> {
        let value = self.0.get(key)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    pub(super) fn status(&self) -> &str {
        self.text("status").unwrap_or_default()
    }

    /// The server's words.
    pub(super) fn message(&self) -> &str {
        let mut texts = ["message", "msg", "reason"].into_iter().filter_map(|key| self.text(key));
        texts.find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// All of them, for people.
    pub(super) fn words(&self) -> String {
        let parts = [self.status(), self.message(), self.text("data").unwrap_or_default()];
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        said.join(": ")
    }

    pub(super) fn existing_job_status(&self) -> &str {
        self.text("existingjobstatus").unwrap_or_default()
    }

    pub(super) fn txn(&self) -> Option<u64> {
        self.number("txnid").and_then(|id| u64::try_from(id).ok())
    }

    pub(super) fn error_url(&self) -> Option<&str> {
        self.text("errorurl").filter(|url| !url.is_empty())
    }
}

/// What a label stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelState {
    /// Never heard of, or forgotten.
    Unknown,
    /// Under way.
    Prepare,
    /// Durable and invisible: PRECOMMITTED, PREPARED.
    Staged,
    /// Visible, or about to be.
    Committed,
    Aborted,
}

impl LabelState {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "UNKNOWN" => Self::Unknown,
            "PREPARE" => Self::Prepare,
            "PRECOMMITTED" | "PREPARED" => Self::Staged,
            "COMMITTED" | "VISIBLE" => Self::Committed,
            "ABORTED" => Self::Aborted,
            _ => return None,
        })
    }
}

/// The transaction that a refused label belongs to, which Doris says in words alone.
pub(super) fn txn_in(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once("has already been used, relate to txn [")?;
    rest.split(']').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_of_keys_and_keys_that_are_there_twice_are_read() {
        let load = Fields::parse(
            b"{\"TxnId\": 7, \"Comment\": \"\", \"Status\": \"Success\", \"Message\": \"OK\", \"Comment\": \"x\"}\n",
        );
        assert_eq!((load.status(), load.message(), load.txn()), ("Success", "OK", Some(7)));
        let two_phase = Fields::parse(b"{\"status\": \"ANALYSIS_ERROR\", \"msg\": \"no\"}");
        assert_eq!((two_phase.status(), two_phase.message()), ("ANALYSIS_ERROR", "no"));
        let failed = Fields::parse(b"{\"TxnId\": -1, \"Status\": \"Fail\"}");
        assert_eq!((failed.txn(), failed.message()), (None, ""));
        assert_eq!(Fields::parse(b"<html>").status(), "");
    }

    #[test]
    fn the_transaction_of_a_used_label_is_cut_out_of_the_words() {
        let old = "[LABEL_ALREADY_EXISTS]TStatus: errCode = 2, detailMessage = Label [a_1] has \
                   already been used, relate to txn [1005]";
        assert_eq!(txn_in(old), Some(1005));
        assert_eq!(txn_in(&format!("{old}, status [PRECOMMITTED].")), Some(1005));
        assert_eq!(txn_in("Label [a_1] has already been used."), None);
    }
}

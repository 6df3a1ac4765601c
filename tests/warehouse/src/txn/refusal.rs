//! What a server says when it does not do what it was asked.

use std::fmt;

/// A refusal in the server's words. Where they stand in the reply is the endpoint's matter: Doris writes
/// `[code]message` into a load's reply and the two apart into a commit's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The name of the status, such as `ANALYSIS_ERROR` or `TXN_NOT_EXISTS`.
    pub code: &'static str,
    pub message: String,
    /// `ExistingJobStatus`, where the label is taken.
    pub existing: Option<&'static str>,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), existing: None }
    }

    #[must_use]
    pub fn with_existing(self, existing: &'static str) -> Self {
        Self { existing: Some(existing), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]{}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

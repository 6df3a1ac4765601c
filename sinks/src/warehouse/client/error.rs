//! Why the target could not do what was asked.

use model::SinkError;

/// What it was about, what the server said and what to do stand in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientError {
    /// May go away by itself: the job starts over from its checkpoint.
    #[error("{what}")]
    Transient { sink: String, what: String },
    /// Only an operator can help.
    #[error("{what}")]
    Definite { sink: String, what: String },
}

impl From<ClientError> for SinkError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Transient { sink, what } => Self::Transient { sink, what, source: None },
            ClientError::Definite { sink, what } => Self::Definite { sink, what },
        }
    }
}

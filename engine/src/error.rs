//! What can end a run, and what may help.

use binlog::error::own_words;
use model::{SinkError, StoreError};

use crate::checkpoint::coordinator::CheckpointError;
use crate::source::SourceError;

/// What the supervisor does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Start again from the newest checkpoint, as the restart strategy says.
    Restart,
    /// Only an operator can help.
    Halt,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job asks for what cannot be.
    #[error("{0}")]
    Job(String),
    /// A task panicked: a bug of ours. The newest checkpoint is untouched by it.
    #[error("an internal task failed: {0}")]
    Internal(String),
}

impl EngineError {
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Source(error) if error.is_transient() => Remedy::Restart,
            Self::Sink(SinkError::Transient { .. }) | Self::Internal(_) => Remedy::Restart,
            Self::Checkpoint(CheckpointError::GaveUp(_))
            | Self::Checkpoint(CheckpointError::Store(StoreError::Io { .. }))
            | Self::Store(StoreError::Io { .. }) => Remedy::Restart,
            Self::Source(_)
            // A loss that can be mended is, before this is asked.
            | Self::Sink(
                SinkError::Definite { .. } | SinkError::Lost { .. } | SinkError::Row(_),
            )
            | Self::Checkpoint(CheckpointError::Store(_))
            | Self::Store(_)
            | Self::Job(_) => Remedy::Halt,
        }
    }
}

/// The error and its causes, as one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        let next_text = own_words(&next_text);
        if !text.contains(next_text) {
            text.push_str(": ");
            text.push_str(next_text);
        }
        cause = next.source();
    }
    text
}

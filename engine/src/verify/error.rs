//! Why a comparison ends before its end.

use model::row::RowError;
use model::{SinkError, StoreError};

use crate::source::SourceError;

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Sinks(#[from] sinks::ConfigError),
    /// A row that the sink would refuse.
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(
        "the job has no snapshot that can be read, so what its target should hold is not known; is \
         this where its state is (`--state`)?"
    )]
    NoSnapshot,
    #[error(
        "the job's newest snapshot is of server {wanted}, and none of its hosts is that one: {found}"
    )]
    Elsewhere { wanted: String, found: String },
    #[error("the job has gone on to another server meanwhile; start the comparison again")]
    Moved,
}

impl From<binlog::reader::BinlogError> for VerifyError {
    fn from(error: binlog::reader::BinlogError) -> Self {
        Self::Source(error.into())
    }
}

impl VerifyError {
    /// True where it keeps this table from being compared, and no other.
    pub fn is_of_table(&self) -> bool {
        match self {
            Self::Source(error) => error.is_of_table() && !error.is_transient(),
            Self::Row(_) => true,
            Self::Sink(SinkError::Definite { .. }) => true,
            Self::Sink(_)
            | Self::Store(_)
            | Self::Sinks(_)
            | Self::NoSnapshot
            | Self::Elsewhere { .. }
            | Self::Moved => false,
        }
    }
}

//! What every [`crate::CheckpointStore`] promises, wherever it rests.

//! Checkpoints: when one is due, and how it comes to be stored and committed.

pub mod coordinator;
pub mod machine;

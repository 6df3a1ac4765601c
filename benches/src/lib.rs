//! What the harness (`make bench`) and the micro-benches (`make bench-micro`) both measure with.

pub mod encode;
pub mod made;

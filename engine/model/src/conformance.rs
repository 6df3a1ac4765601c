//! Suites that every implementation of a port passes (feature `conformance`): [`sink`] for
//! [`crate::Sink`], [`store`] for [`crate::CheckpointStore`].
//!
//! They are generic async functions and need no runtime of their own: call them from a test under
//! whichever runtime the implementation wants. A broken promise panics with the promise's text.

pub mod samples;
pub mod sink;
pub mod store;

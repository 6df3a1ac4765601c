//! Apache Doris and StarRocks. The two look alike and differ in almost every detail: what differs
//! asks [`system::System`] which one it serves.
#![allow(dead_code, reason = "wired by the sinks")]

pub(crate) mod client;
pub(crate) mod system;
pub(crate) mod target;

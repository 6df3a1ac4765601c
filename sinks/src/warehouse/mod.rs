//! Apache Doris and StarRocks. The two look alike and differ in almost every detail: what differs
//! asks [`system::System`] which one it serves.
//!
//! `target` knows tables and `encode` rows, both pure; `client` talks to a cluster; `sink` makes them
//! one. `readback` reads what a sink has left there, for those who compare it with the source.

mod buffer;
mod changes;
mod client;
mod encode;
mod loads;
pub(crate) mod options;
pub mod readback;
mod renames;
mod sequence;
mod settle;
mod sink;
pub(crate) mod system;
mod tables;
mod taking;
pub(crate) mod target;
mod token;

pub(crate) use sink::Warehouse;
pub(crate) use system::System;

#[cfg(test)]
mod tests;

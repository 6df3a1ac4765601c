//! A stand-in warehouse: by a switch an Apache Doris or a StarRocks, for tests of the sinks and for people
//! who want to try them without a cluster.
//!
//! It is as strict as the servers are: what they refuse it refuses, in their words, and what they forget it
//! forgets. The rules live in a pure core without sockets and clocks: time is a parameter, so that a test
//! can let a day pass. The arrows point one way: `txn` and `table` know nobody, `ingest` turns a body into
//! rows of a table, `store` keeps them, `ddl` reads statements, `jobs` does what takes its time, and `reply`
//! writes what is answered. `cluster` holds one of each for all ports.

pub mod cluster;
pub mod ddl;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod moment;
pub mod reply;
pub mod sql;
pub mod store;
pub mod system;
pub mod table;
pub mod txn;

pub use moment::Moment;
pub use system::System;

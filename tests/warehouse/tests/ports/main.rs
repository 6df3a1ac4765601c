//! The stand-in over real sockets. Tests name the row of their contract's checklist.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by a panic, in its helpers too"
)]

mod curl;
mod doris_data;
mod doris_faults;
mod doris_labels;
mod doris_statements;
mod doris_wire;
mod process;
mod starrocks_data;
mod starrocks_faults;
mod starrocks_transactions;
mod starrocks_wire;
mod warehouse;
mod wire;

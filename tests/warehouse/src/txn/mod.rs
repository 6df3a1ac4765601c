//! Labels and transactions of one database: who may begin, what follows what, what is forgotten and when.
//!
//! The two servers share one [`Ledger`]: states, the rule of labels, limits, expiry, restarts. They differ in
//! who may call what in which state, and in the words; these are [`Doris`] and [`StarRocks`], each a table of
//! (call, state) that its tests spell out cell by cell.
//!
//! No rows here: whoever keeps them asks for the state of their transaction, makes them visible as
//! [`Ledger::publish_next`] says, and drops them when the transaction is aborted or lost.

pub mod doris;
pub mod label;
pub mod ledger;
pub mod limits;
pub mod refusal;
pub mod starrocks;
pub mod transaction;

pub use doris::Doris;
pub use label::{BadLabel, Label};
pub use ledger::{Begin, Ledger};
pub use limits::Limits;
pub use refusal::Refusal;
pub use starrocks::StarRocks;
pub use transaction::{Backend, State, Transaction, TxnId};

//! How many, and for how long: the settings of a frontend that bear on transactions.

use std::time::Duration;

use crate::System;

const HOUR: Duration = Duration::from_secs(3_600);

/// Limits of one database's transactions, at the servers' defaults unless a test says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Transactions that may be under way at once (`max_running_txn_num_per_db`).
    pub running_max: usize,
    /// How long a transaction may gather data, where the request does not say
    /// (`stream_load_default_timeout_second`).
    pub gather_max: Duration,
    /// How long it may wait, complete, for its commit (`stream_load_default_precommit_timeout_second`,
    /// `prepared_transaction_default_timeout_second`).
    pub wait_max: Duration,
    /// How long the label of a finished one is remembered (`streaming_label_keep_max_second`).
    pub label_age_max: Duration,
    /// How many finished ones are remembered (`label_num_threshold`, `label_keep_max_num`).
    pub labels_max: usize,
}

impl Limits {
    #[must_use]
    pub fn of(system: System) -> Self {
        match system {
            System::Doris => Self {
                running_max: 1_000,
                gather_max: 72 * HOUR,
                wait_max: HOUR,
                label_age_max: 12 * HOUR,
                labels_max: 2_000,
            },
            System::StarRocks => Self {
                running_max: 1_000,
                gather_max: Duration::from_secs(600),
                wait_max: 24 * HOUR,
                label_age_max: 12 * HOUR,
                labels_max: 1_000,
            },
        }
    }
}

//! The settings of a server, but for those of its transactions ([`crate::txn::Limits`]).

use std::time::Duration;

use crate::System;

const MIB: u64 = 1 << 20;

/// At the servers' defaults unless a test says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Bytes of a load's body (`streaming_load_max_mb`).
    pub body_max: u64,
    /// Bytes of a JSON body that is not read by line (`streaming_load_json_max_mb`,
    /// `streaming_load_max_batch_size_mb`).
    pub json_max: u64,
    /// Versions of a table that are not compacted (`max_tablet_version_num`, `tablet_max_versions`).
    pub versions_max: u64,
    pub compaction: Compaction,
    /// How long a commit waits until its rows are visible.
    pub publish_wait_max: Duration,
    /// How long a commit takes to become visible.
    pub publish_delay: Duration,
    /// How long the frontend takes a dead backend for alive.
    pub heartbeat_lost_after: Duration,
    /// Whether the frontend knows `prepare` of a transaction over several tables (StarRocks).
    pub multi_prepare: bool,
    /// Whether JSON bodies may be compressed.
    pub compressed_json: bool,
    /// Whether a change of columns that is done at once is listed among the jobs (Doris does, StarRocks may).
    pub light_changes_listed: bool,
}

/// When the versions of a table become one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// At once.
    Keeping,
    /// When a test says so.
    OnDemand,
}

impl ServerLimits {
    #[must_use]
    pub fn of(system: System) -> Self {
        let (body_max_mib, versions_max, publish_wait_secs) = match system {
            System::Doris => (10_240, 2_000, 30),
            System::StarRocks => (102_400, 1_000, 20),
        };
        Self {
            body_max: body_max_mib * MIB,
            json_max: 100 * MIB,
            versions_max,
            compaction: Compaction::Keeping,
            publish_wait_max: Duration::from_secs(publish_wait_secs),
            publish_delay: Duration::ZERO,
            heartbeat_lost_after: Duration::from_secs(5),
            multi_prepare: true,
            compressed_json: true,
            light_changes_listed: system == System::Doris,
        }
    }
}

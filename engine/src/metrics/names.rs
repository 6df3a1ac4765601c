//! Every metric that there is: `docs/metrics.md` lists the same, which a test holds.

use super::text::Kind::{Counter, Gauge, Histogram, Summary};
use super::text::{Kind, Metric};

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help }
}

macro_rules! metrics {
    ($($name:ident = $text:literal, $kind:expr, $labels:expr, $help:literal;)*) => {
        $(pub(super) static $name: Metric = metric(concat!("seachange_", $text), $kind, $labels, $help);)*
        /// In the order of the page.
        pub static ALL: &[&Metric] = &[$(&$name),*];
    };
}

const NONE: &[&str] = &[];
const JOB: &[&str] = &["job"];
const SINK: &[&str] = &["job", "sink", "connector"];
const TABLE: &[&str] = &["job", "table"];

metrics! {
    BUILD = "build_info", Gauge, &["version"], "1, with the version of the binary.";
    JOBS = "jobs", Gauge, &["state"], "Jobs in a state.";
    RSS = "process_resident_memory_bytes", Gauge, NONE, "Memory of the process that is resident.";
    CPU = "process_cpu_seconds_total", Counter, NONE, "Processor time of the process, of user and system.";
    FDS = "process_open_fds", Gauge, NONE, "Open file descriptors of the process.";
    FDS_MAX = "process_max_fds", Gauge, NONE, "File descriptors that the process may open.";
    STATE = "job_state", Gauge, &["job", "state"], "1 for the state that the job is in, 0 for the others.";
    RESTARTS = "job_restarts_total", Counter, JOB, "Starts of the job after a failure.";
    JOB_TABLES = "job_tables", Gauge, &["job", "state"], "Tables of the job in a state: waiting, snapshotting, live, quarantined.";
    JOB_ROWS = "job_rows_total", Counter, &["job", "op"], "Rows handed on: op read by the snapshot; insert, update, delete of the binlog.";
    JOB_BYTES = "job_bytes_total", Counter, JOB, "Bytes of the row images handed on.";
    ROWS_LEFT = "job_snapshot_rows_left", Gauge, JOB, "Rows still to read, by the server's estimate.";
    LAG_SECONDS = "job_lag_seconds", Gauge, JOB, "Age of the newest change taken; 0 where none is left to take.";
    LAG_BYTES = "job_lag_bytes", Gauge, JOB, "Bytes of binlog between the job and the end of its server's.";
    LAG_TRANSACTIONS = "job_lag_transactions", Gauge, JOB, "Transactions that the server has executed and the job has not taken.";
    RETENTION = "job_binlog_retention_left_seconds", Gauge, JOB, "Time until the server may purge binlog that the job still needs; 0 where it has.";
    CHECKPOINTS = "job_checkpoints_total", Counter, &["job", "outcome"], "Checkpoints and savepoints: completed, failed.";
    UNDER_WAY = "job_checkpoint_in_progress", Gauge, JOB, "1 while a checkpoint is under way.";
    TOOK = "job_checkpoint_duration_seconds", Summary, JOB, "From the barriers of completed checkpoints to their being stored.";
    LAST_TOOK = "job_checkpoint_last_duration_seconds", Gauge, JOB, "The same of the newest.";
    LAST_SIZE = "job_checkpoint_last_size_bytes", Gauge, JOB, "Bytes in the store of the newest whose size is known.";
    LAST_AT = "job_checkpoint_last_timestamp_seconds", Gauge, JOB, "When the newest was stored, since the epoch.";
    SINK_ROWS = "sink_rows_total", Counter, SINK, "Rows that the sink took, before transforms.";
    SINK_BYTES = "sink_bytes_total", Counter, SINK, "Memory of the batches that the sink took.";
    SINK_ERRORS = "sink_errors_total", Counter, SINK, "Errors of the sink that ended a run.";
    SINK_QUEUE = "sink_queue_bytes", Gauge, SINK, "Bytes that wait for the sink or are being written.";
    SINK_WRITE = "sink_write_seconds", Histogram, SINK, "How long the sink took for a batch.";
    SINK_PREPARE = "sink_prepare_seconds", Histogram, SINK, "How long the sink took to make a checkpoint's rows durable.";
    SINK_COMMIT = "sink_commit_seconds", Histogram, SINK, "How long the sink took to make a checkpoint's rows visible.";
    TABLE_ROWS = "table_rows_total", Counter, &["job", "table", "op"], "As of the job, of one table.";
    TABLE_BYTES = "table_bytes_total", Counter, TABLE, "As of the job, of one table.";
    TABLE_LEFT = "table_snapshot_rows_left", Gauge, TABLE, "Rows of the table still to read, by the server's estimate.";
    TABLE_LIVE = "table_live", Gauge, TABLE, "1 where the table is read through and its changes flow.";
    TABLE_APART = "table_quarantined", Gauge, TABLE, "1 where the table is in quarantine.";
    TABLE_DROPPED = "table_events_dropped", Gauge, TABLE, "Rows events of a table in quarantine that were passed over; of those tables alone.";
    TABLE_CHANGED = "table_last_change_timestamp_seconds", Gauge, TABLE, "Source time of the table's newest change, since the epoch.";
    TABLES_LEFT_OUT = "tables_left_out", Gauge, NONE, "Tables that have no series of their own, for there are too many.";
}

// What the stand-in daemon knows: jobs in the shapes of engine/src/api/*.rs, with `null` where the daemon writes it.

export const NOW = Date.UTC(2026, 2, 14, 9, 26, 53);

const SCRIPT = `SET 'execution.checkpointing.interval' = '10s';
SET 'pipeline.name' = 'NAME';
EXECUTE CDCSOURCE emp WITH (
  'connector' = 'mysql-cdc',
  'hostname' = 'db1.retail.example',
  'port' = '3306',
  'username' = 'cdc',
  'password' = '******',
  'database-name' = 'shop',
  'table-name' = 'shop\\.orders,shop\\.emp',
  'sink.connector' = 'print'
)
`;

export const scriptOf = (name) => SCRIPT.replace("NAME", name);

/** A job's summary, and what `GET jobs/NAME` adds to it. */
export function job(name, changes = {}) {
  const state = changes.state || "streaming";
  const runs = ["snapshotting", "streaming", "pausing", "stopping"].includes(state);
  return {
    name, state, reason: changes.reason || REASONS[state], since_ms: NOW - 3600e3, version: 1,
    source: "db1.retail.example:3306", sinks: ["print"], tables: 2, tables_live: state === "snapshotting" ? 1 : 2,
    tables_quarantined: 0, rows_per_second: runs ? 128.4 : null, lag_seconds: runs ? 0.8 : null,
    last_snapshot_ms: NOW - 42e3, restarts: 0, wanted: runs ? "running" : "stopped", strategy: "latest",
    created_at_ms: NOW - 40 * 86400e3, updated_at_ms: NOW - 86400e3, started_at_ms: NOW - 3600e3, error: null, savepoint_error: null,
    progress: {
      rows_read: 1204332, rows_left_estimate: state === "snapshotting" ? 3400120 : 0, snapshot_seconds_left: state === "snapshotting" ? 754 : null,
      events_streamed: 88123, rows_streamed: 90211, bytes: 81234567, position: "8f3c1a2e-0d4b-11ee-b2a4-0242ac120002:1-90211",
      lag_bytes: 4096, lag_transactions: 3, retention_seconds_left: 261000,
    },
    checkpoints: { completed: 360, failed: 0, in_progress: false, last_failure: null, restored: null, restored_kind: null },
    notes: [], ...changes,
  };
}

const REASONS = {
  created: "submitted and never started", starting: "the source is being opened", snapshotting: "1 of 2 tables is read through",
  streaming: "every table follows the binlog", pausing: "a savepoint is being taken", paused: "paused by ops, by savepoint 361",
  stopping: "ops asked for it", stopped: "smart stop by ops, by savepoint 361", restarting: "the sink refused a batch; again in 12 s",
  failed: "access denied for `cdc` at db7.retail.example:3306 (1045); grant REPLICATION SLAVE, then start the job",
  finished: "every table was read to its end",
};
const SUMMARY = ["name", "state", "reason", "since_ms", "version", "source", "sinks", "tables", "tables_live", "tables_quarantined",
  "rows_per_second", "lag_seconds", "last_snapshot_ms", "restarts"];

export const summaryOf = (one) => Object.fromEntries(SUMMARY.map((field) => [field, one[field]]));

export function snapshots(count = 12) {
  return Array.from({ length: count }, (_, n) => {
    const id = 360 - n;
    const savepoint = n % 5 === 3;
    return {
      id, kind: savepoint ? "savepoint" : "checkpoint", trigger: savepoint ? "requested" : "period", note: savepoint ? "before the release" : null,
      completed_at_ms: NOW - 42e3 - n * 10e3, duration_ms: 18 + ((n * 37) % 60), size_bytes: 4211 + n * 3,
      position: `8f3c1a2e-0d4b-11ee-b2a4-0242ac120002:1-${90211 - n * 1300}`, tables: 2, tables_live: 2, tables_quarantined: 0, rows_read: 1204332,
      restorable: n !== 7, reason: n === 7 ? "its checksum does not fit" : null,
    };
  });
}

export const tables = () => [
  { name: "shop.emp", state: "live", rows_read: 2, rows_left_estimate: 0, rows_streamed: 911, bytes: 51234, last_change_ms: NOW - 4e3, events_dropped: 0, reason: null },
  { name: "shop.history", state: "snapshotting", rows_read: 1204330, rows_left_estimate: 3400120, rows_streamed: 89300, bytes: 81183333, last_change_ms: NOW - 1e3, events_dropped: 0, reason: null },
  { name: "shop.orders", state: "quarantined", rows_read: 812, rows_left_estimate: 0, rows_streamed: 44, bytes: 9000, last_change_ms: NOW - 90e3, events_dropped: 17,
    reason: "the statement `ALTER TABLE orders ADD COLUMN …` could not be read and the table map that followed has 9 columns, not 8" },
];

export function samples(now, seconds = 600, copying = false) {
  return Array.from({ length: seconds / 2 }, (_, n) => ({
    at_ms: now - (seconds - n * 2) * 1000, read_per_second: copying ? 4200 + 800 * Math.sin(n / 15) : 0,
    streamed_per_second: 130 + 60 * Math.sin(n / 22) + 25 * Math.sin(n / 3.1), bytes_per_second: 96000 + 30000 * Math.sin(n / 22),
    lag_seconds: Math.max(0.2, 0.9 + 0.6 * Math.sin(n / 30) + (n > 170 && n < 190 ? 6 : 0)), lag_bytes: 4096, snapshot_share: copying ? 0.02 + n * 0.0008 : null,
  }));
}

const FOLDERS = ["retail/orders", "retail/stock", "retail/web/sessions", "finance/ledger", "finance/billing/eu", "finance/billing/us", "logistics/fleet", "logistics/depots", "hr", "lab"];

/** Many jobs in a tree, most of them well. */
export function many(count) {
  return Array.from({ length: count }, (_, n) => {
    const state = n % 97 === 5 ? "failed" : n % 61 === 7 ? "restarting" : n % 23 === 3 ? "stopped" : n % 41 === 9 ? "paused" : n % 29 === 4 ? "snapshotting" : "streaming";
    return job(`${FOLDERS[n % FOLDERS.length]}/sync_${String(n).padStart(4, "0")}`, { state, tables_quarantined: n % 311 === 8 ? 2 : 0 });
  });
}

export const events = (names) => {
  const kinds = [
    { kind: "state", state: "streaming", text: "every table follows the binlog" },
    { kind: "savepoint", text: "savepoint 358 was taken (4.1 KiB)", by: "ops" },
    { kind: "audit", text: "asked for a savepoint", by: "ops" },
    { kind: "table", text: "`shop.orders` was set apart: a statement could not be read" },
    { kind: "alert", text: "lag over 60 s for 2 min" },
    { kind: "checkpoint", text: "checkpoint 341 failed: the sink did not answer within 10 s" },
    { kind: "state", state: "snapshotting", text: "1 of 2 tables is read through" },
    { kind: "state", state: "starting", text: "ops started it" },
  ];
  return Array.from({ length: 240 }, (_, n) => ({ id: 1000 - n, at_ms: NOW - n * 61e3, job: names[n % names.length], ...kinds[n % kinds.length] }));
};

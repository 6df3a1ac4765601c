//! Options of the Doris and StarRocks sinks of other engines: those of doris-flink-connector and
//! starrocks-connector-for-apache-flink, which Dinky's scripts and Flink CDC's pipelines carry, and
//! of the latter's own connectors. Without `sink.` or `sink[N].` in front.

use Becomes::{
    Flag, Interval, Label, Millis, Nothing, Number, Only, Refused, Rows, Semantic, Size,
};
use Sinks::{Both, Doris, StarRocks};

/// An option of another engine's sink. A trailing `*` stands for any rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theirs {
    pub(crate) key: &'static str,
    pub(crate) of: Sinks,
    pub(crate) becomes: Becomes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sinks {
    Doris,
    StarRocks,
    Both,
}

/// What it is here; the name is that of our option, the text a reason.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Becomes {
    Flag(&'static str),
    Number(&'static str),
    Size(&'static str),
    /// A duration to a number of milliseconds.
    Millis(&'static str),
    /// A duration; none of zero, which turns flushing by time off.
    Interval(&'static str),
    /// A number of rows that a load may have; too small ones are left out.
    Rows(&'static str),
    /// A label's prefix without placeholders.
    Label(&'static str),
    /// `exactly-once` or `at-least-once` to a flag.
    Semantic(&'static str),
    /// Has no counterpart.
    Nothing(&'static str),
    /// Has no counterpart, and no value but this one is harmless.
    Only(&'static str, &'static str),
    Refused(&'static str),
}

const fn row(of: Sinks, key: &'static str, becomes: Becomes) -> Theirs {
    Theirs { key, of, becomes }
}

#[rustfmt::skip] // one row a line, as in the page it becomes
pub(crate) const WAREHOUSE: &[Theirs] = &[
    row(Both, "sink.label-prefix", Label("label-prefix")),
    row(Both, "sink.max-retries", Number("max-retries")),
    row(Both, "sink.buffer-flush.max-bytes", Size("buffer-flush.max-bytes")),
    row(Both, "sink.buffer-flush.max-rows", Number("buffer-flush.max-rows")),
    row(Both, "sink.ignore.update-before", Nothing("An update is one row; one that changes the key deletes the old row, too.")),
    row(Both, "lookup.*", Nothing("Of lookups.")),
    row(Both, "scan.*", Nothing("Of reading.")),

    row(Doris, "sink.enable-2pc", Flag("enable-2pc")),
    row(Doris, "sink.enable-delete", Flag("enable-delete")),
    row(Doris, "sink.buffer-flush.interval", Interval("buffer-flush.interval")),
    row(Doris, "sink.batch.size", Rows("buffer-flush.max-rows")),
    row(Doris, "sink.batch.interval", Interval("buffer-flush.interval")),
    row(Doris, "sink.enable.batch-mode", Nothing("There is one mode: loads end by `buffer-flush.*` and at checkpoints, and are published with the checkpoint.")),
    row(Doris, "sink.write-mode", Nothing("Rows are always written by Stream Load.")),
    row(Doris, "sink.buffer-size", Nothing("Of the connector's buffers; use `buffer-flush.max-bytes`.")),
    row(Doris, "sink.buffer-count", Nothing("Of the connector's buffers; use `buffer-flush.max-bytes`.")),
    row(Doris, "sink.flush.queue-size", Nothing("Of the connector's buffers; use `parallel-loads`.")),
    row(Doris, "sink.check-interval", Nothing("Loads are always watched.")),
    row(Doris, "sink.use-cache", Nothing("What was not committed is read again from the source.")),
    row(Doris, "sink.http-utf8-charset", Nothing("Text is always UTF-8.")),
    row(Doris, "sink.use-new-schema-change", Nothing("`schema.change.behavior` says what a schema change does.")),
    row(Doris, "sink.ignore.commit-error", Only("false", "a commit that fails unnoticed would lose rows")),
    row(Doris, "charset-encoding", Only("UTF-8", "loads are UTF-8")),
    row(Doris, "doris.request.connect.timeout", Millis("connect.timeout-ms")),
    row(Doris, "doris.request.connect.timeout.ms", Millis("connect.timeout-ms")),
    row(Doris, "doris.request.read.timeout", Millis("socket.timeout-ms")),
    row(Doris, "doris.request.read.timeout.ms", Millis("socket.timeout-ms")),
    row(Doris, "doris.request.retries", Nothing("Use `max-retries`.")),
    row(Doris, "doris.enable.tls", Only("false", "frontends that are written `https://HOST:PORT` are reached over TLS; see `ssl.ca`")),
    row(Doris, "doris.tls.*", Nothing("See `ssl.ca`, `ssl.cert` and `ssl.key`.")),
    row(Doris, "doris.*", Nothing("Of reading from Doris.")),
    row(Doris, "source.*", Nothing("Of reading from Doris.")),
    row(Doris, "table.create.auto-partition.*", Refused("tables are created without partitions; create such a table yourself")),

    row(StarRocks, "sink.semantic", Semantic("enable-2pc")),
    row(StarRocks, "sink.buffer-flush.interval-ms", Interval("buffer-flush.interval")),
    row(StarRocks, "sink.io.thread-count", Number("parallel-loads")),
    row(StarRocks, "sink.connect.timeout-ms", Number("connect.timeout-ms")),
    row(StarRocks, "sink.socket.timeout-ms", Millis("socket.timeout-ms")),
    row(StarRocks, "sink.wait-for-continue.timeout-ms", Nothing("`socket.timeout-ms` bounds that, too.")),
    row(StarRocks, "sink.version", Nothing("There is one version.")),
    row(StarRocks, "sink.use.new-sink-api", Nothing("There is one version.")),
    row(StarRocks, "sink.chunk-limit", Nothing("Of the connector's buffers; use `buffer-flush.max-bytes`.")),
    row(StarRocks, "sink.scan-frequency.ms", Nothing("Nothing is polled.")),
    row(StarRocks, "sink.buffer-flush.enqueue-timeout-ms", Nothing("A full queue makes the source wait.")),
    row(StarRocks, "sink.retry.interval-ms", Nothing("Waits between tries grow by themselves.")),
    row(StarRocks, "sink.publish-timeout.ms", Nothing("A commit is waited for until its outcome is known.")),
    row(StarRocks, "sink.at-least-once.use-transaction-stream-load", Nothing("`enable-2pc` says whether there are transactions.")),
    row(StarRocks, "sink.transaction.multi-table.*", Nothing("A transaction is of one table.")),
    row(StarRocks, "sink.exactly-once.*", Nothing("Transactions left over are found by their labels.")),
    row(StarRocks, "sink.metric.histogram-window-size", Nothing("Of the connector's metrics.")),
    row(StarRocks, "sink.wrap-json-as-array", Nothing("The sink chooses the form of its loads.")),
    row(StarRocks, "sink.sanitize-error-log", Nothing("Rows are never in the log.")),
    row(StarRocks, "sink.blackhole", Only("false", "the connector `blackhole` is there for that")),
    row(StarRocks, "table.schema-change.timeout", Nothing("A schema change is waited for until its outcome is known.")),
    row(StarRocks, "unicode-char.max-bytes", Nothing("The sink makes columns wide enough for any character.")),
];

/// Headers of a load that say how its rows look, which the sink alone knows.
pub(crate) const FORM: &[&str] = &[
    "format",
    "read_json_by_line",
    "strip_outer_array",
    "column_separator",
    "line_delimiter",
    "row_delimiter",
    "escape_delimiters",
    "enclose",
    "escape",
    "trim_double_quotes",
    "num_as_string",
    "fuzzy_parse",
    "ignore_json_size",
];

/// Headers by which other rows would arrive, or the same in another way than the sink counts on.
pub(crate) const MEANING: &[&str] = &[
    "columns",
    "hidden_columns",
    "jsonpaths",
    "json_root",
    "where",
    "merge_type",
    "merge_condition",
    "delete",
    "partial_columns",
    "partial_update",
    "partial_update_mode",
    "unique_key_update_mode",
    "function_column.sequence_col",
    "partitions",
    "temporary_partitions",
    "skip_lines",
    "skip_header",
    "negative",
    "label",
    "db",
    "table",
    "txn_id",
    "txn_operation",
    "two_phase_commit",
    "group_commit",
    "enable_merge_commit",
];

impl Theirs {
    /// What is known of an option of `connector`: itself, else the longest family it is of.
    pub(crate) fn find(connector: &str, short: &str) -> Option<&'static Self> {
        let of = |known: &&Self| match known.of {
            Both => true,
            Doris => connector == "doris",
            StarRocks => connector == "starrocks",
        };
        let known = || WAREHOUSE.iter().filter(of);
        known().find(|known| known.key == short).or_else(|| {
            let family = |known: &&Self| {
                known.key.strip_suffix('*').is_some_and(|prefix| short.starts_with(prefix))
            };
            known().filter(family).max_by_key(|known| known.key.len())
        })
    }

    /// Its line of the manual.
    pub(super) fn line(&self) -> String {
        let sinks = match self.of {
            Doris => "`doris`",
            StarRocks => "`starrocks`",
            Both => "both",
        };
        let here = match self.becomes {
            Flag(ours) | Number(ours) | Size(ours) | Millis(ours) => format!("`{ours}`"),
            Interval(ours) => format!("`{ours}`; not where it is 0"),
            Rows(ours) => format!("`{ours}`, from 1000 rows up"),
            Label(ours) => {
                format!("`{ours}`; without placeholders, for labels name their table anyway")
            }
            Semantic(ours) => {
                format!("`{ours}`: `true` for `exactly-once`, `false` for `at-least-once`")
            }
            Nothing(why) => format!("nothing. {why}"),
            Only(value, why) => format!("refused unless `{value}`: {why}"),
            Refused(why) => format!("refused: {why}"),
        };
        format!("| `{}` | {sinks} | {here} |\n", self.key)
    }
}

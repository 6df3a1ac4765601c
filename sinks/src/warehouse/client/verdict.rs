//! What an error asks for, by its words: both servers have few codes and many texts.

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Soon,
    /// The server has too much to do: tens of seconds.
    Later,
    /// The same again would be refused again. With what would help.
    Never(&'static str),
}

const ACCESS: &str = "check `username` and `password`, and that the user may load into the table \
                      (LOAD in Doris, INSERT and SELECT in StarRocks)";
const DATA: &str = "these rows do not fit the table: widen its columns, or drop the table and start the \
                    job anew";
const TABLE: &str = "the table is not as the job left it: do not change it by hand; put it back, or \
                     start the job anew";
const SETTING: &str = "correct the load's properties";

const LATER: [&str; 9] = [
    "e-235",
    "err=-235",
    "too many versions",
    "version count",
    "current running txns on db",
    "in restore process",
    "cuncurrent limit",
    "concurrent limit",
    "publishing txn",
];

/// What would be taken for a refusal for good by its code, and is none.
const SOON: [&str; 12] = [
    "mem_limit_exceeded",
    "memory limit",
    "have not get fe master heartbeat",
    "service_unavailable",
    "service is shutting down",
    "thrift_rpc_error",
    "timeout",
    "timed out",
    "load required replica num",
    "write lock",
    "no backend",
    "fe leader is started or switched",
];

/// Whatever else is said.
const CERTAIN: [(&str, &str); 10] = [
    ("http 401", ACCESS),
    ("invalid_argument", SETTING),
    ("too many filtered rows", DATA),
    ("data_quality_error", DATA),
    (
        "primary key size exceed",
        "the key of a row is larger than the 128 bytes that StarRocks takes \
      (`primary_key_limit_size` of its backends); shorten the key, or raise the limit",
    ),
    ("access denied", ACCESS),
    ("unauthorized", ACCESS),
    ("not_authorized", ACCESS),
    ("no valid basic authorization", ACCESS),
    ("no privilege", ACCESS),
];

const NEVER: [(&str, &str); 22] = [
    ("not_implemented", SETTING),
    ("unknown database", TABLE),
    ("unknown table", TABLE),
    ("table not found", TABLE),
    ("unknown column", TABLE),
    ("no default value", TABLE),
    ("sequence column", TABLE),
    ("only primary key table", SETTING),
    ("only unique key", SETTING),
    ("label format", "choose a label prefix of letters, digits, `_` and `-`"),
    (
        "compress data of json format is not supported",
        "switch compression off: this version of Doris \
      has it for CSV alone",
    ),
    ("unknown data format", SETTING),
    ("unknown compress", SETTING),
    ("exceed the limit", "make batches smaller"),
    ("exceed limit", "make batches smaller"),
    ("exceed the max size", "make batches smaller"),
    ("e-238", "make batches smaller: the load has too many segments"),
    (
        "2pc is unsupported",
        "exactly-once needs two-phase commit, which this cluster refuses for the table: \
      use at-least-once",
    ),
    (
        "no cloud cluster",
        "name the compute group in the load's properties (`compute_group` or \
      `cloud_cluster`)",
    ),
    ("invalid argument", SETTING),
    ("group_commit", SETTING),
    (
        "no 100-continue",
        "the frontend did not get the header `Expect`: something between here and it \
      takes it away",
    ),
];

/// `words` are all that was said: code, status and text.
pub(super) fn verdict(words: &str) -> Verdict {
    let words = words.to_ascii_lowercase();
    let among = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    let hint = |texts: &[(&str, &'static str)]| {
        texts.iter().find(|(text, _)| words.contains(text)).map(|(_, hint)| Verdict::Never(hint))
    };
    if let Some(never) = hint(&CERTAIN) {
        return never;
    }
    if among(&LATER) {
        return Verdict::Later;
    }
    if among(&SOON) {
        return Verdict::Soon;
    }
    hint(&NEVER).unwrap_or(Verdict::Soon)
}

/// Whether the words say of the server, and not of what was asked, that it cannot be done.
pub(super) fn passes(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    SOON.iter().any(|text| words.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_never(words: &str) -> bool {
        matches!(verdict(words), Verdict::Never(_))
    }

    #[test]
    fn what_an_operator_must_mend_is_not_tried_again() {
        for words in [
            "Fail: [DATA_QUALITY_ERROR]too many filtered rows",
            "INTERNAL_ERROR: too many filtered rows",
            "INTERNAL_ERROR: primary key size exceed the limit",
            "Unauthorized: Access denied for user 'root'@'127.0.0.1' (using password: YES)",
            "Fail: [NOT_AUTHORIZED]no valid Basic authorization",
            "Fail: [ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = Unknown column 'x' in 'orders'",
            "Fail: [ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = Label format error. regex: x",
            "Fail: [INVALID_ARGUMENT]Invalid strict mode format. Must be bool type",
            "Fail: [INVALID_ARGUMENT]convert timeout [soon] failed",
            "Fail: [EXCEEDED_LIMIT]json body size 9 bytes exceeds the limit; exceed the limit",
            "Fail: stream load 2pc is unsupported for mow table",
        ] {
            assert!(is_never(words), "{words}");
        }
    }

    #[test]
    fn a_server_with_too_much_to_do_is_left_alone_for_long() {
        for words in [
            "Fail: [E-235]failed to init rowset builder. version count: 2001, exceed limit: 2000, tablet: 3",
            "Fail: Too many versions. tablet_id: 3, version_count: 9, limit: 1000",
            "Fail: Failed to load data into tablet 3, because of too many versions, current/limit: 9/9",
            "Fail: [ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = current running txns on db 7 is \
             1000, larger than limit 1000",
        ] {
            assert_eq!(verdict(words), Verdict::Later, "{words}");
        }
    }

    #[test]
    fn what_passes_by_itself_and_what_nobody_knows_is_tried_again_soon() {
        for words in [
            "Fail: [MEM_LIMIT_EXCEEDED]no room",
            "Fail: [THRIFT_RPC_ERROR]failed to call frontend service",
            "Fail: [INTERNAL_ERROR]succ replica num 1 < load required replica num 2",
            "FAILED: class com.starrocks.common.DdlException: No backend alive.",
            "SERVICE_UNAVAILABLE: Service is shutting down, please retry later!",
            "",
            "never seen before",
        ] {
            assert_eq!(verdict(words), Verdict::Soon, "{words}");
        }
    }
}

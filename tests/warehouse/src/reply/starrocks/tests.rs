use super::*;
use crate::txn::StarRocks;

fn label() -> Label {
    StarRocks::label("L").expect("a label")
}

fn value(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

fn keys(text: &str) -> Vec<&str> {
    let starts = text.lines().filter_map(|line| line.trim().strip_prefix('"'));
    starts.filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

const DATA: Done = Done::Data {
    txn: TxnId(7),
    counts: Counts { total: 2, loaded: 2, filtered: 0, unselected: 0, bytes: 9 },
};

#[test]
fn each_call_is_answered_with_its_own_keys() {
    let common = ["Status", "Message", "Label"];
    for (done, own) in [
        (Done::Begin(TxnId(7)), &["TxnId", "BeginTxnTimeMs"][..]),
        (
            Done::Load { txn: TxnId(7), bytes: 9 },
            &["TxnId", "LoadBytes", "StreamLoadPlanTimeMs", "ReceivedDataTimeMs"],
        ),
        (
            DATA,
            &[
                "TxnId",
                "NumberTotalRows",
                "NumberLoadedRows",
                "NumberFilteredRows",
                "NumberUnselectedRows",
                "LoadBytes",
                "LoadTimeMs",
                "StreamLoadPlanTimeMs",
                "ReceivedDataTimeMs",
                "WriteDataTimeMs",
                "CommitAndPublishTimeMs",
            ],
        ),
        (Done::Decided { txn: TxnId(7), message: String::new() }, &["TxnId"]),
        (Done::RolledBack, &[]),
    ] {
        let text = done.to_json(&label());
        assert_eq!(keys(&text), [&common[..], own].concat(), "{done:?}");
        assert_eq!(value(&text)["Status"], "OK");
    }
}

#[test]
fn a_one_shot_load_fails_without_a_code_before_its_words() {
    let refusal = Refusal::new("DATA_QUALITY_ERROR", "too many filtered rows");
    let load = Load {
        txn: Some(TxnId(7)),
        label: "L",
        ending: Ending::Refused(refusal),
        counts: Counts::default(),
        error_url: Some("http://127.0.0.1:8040/api/_load_error_log?file=x"),
    };
    let value = value(&load.to_json());
    assert_eq!(value["Status"], "Fail");
    assert_eq!(value["Message"], "too many filtered rows");
    assert!(value["ErrorURL"].as_str().is_some());
    assert!(value.get("TwoPhaseCommit").is_none());
}

/// Row 7.
#[test]
fn a_used_label_says_what_is_known_of_it_and_names_no_transaction() {
    let refusal = Refusal::new("LABEL_ALREADY_EXISTS", "Label [L] has already been used.");
    let silent = value(&refused(&refusal, None));
    assert_eq!(silent["ExistingJobStatus"], "");
    let running = value(&refused(&refusal.with_existing("RUNNING"), None));
    assert_eq!(running["ExistingJobStatus"], "RUNNING");
    assert_eq!(running["Status"], "LABEL_ALREADY_EXISTS");
}

/// Row 40.
#[test]
fn there_are_three_styles_of_keys() {
    assert_eq!(
        not_passed_on("There is no 100-continue header"),
        "{\"Status\":\"FAILED\",\"Message\":\"class com.starrocks.common.DdlException: \
         There is no 100-continue header\"}"
    );
    assert_eq!(denied("Access denied"), r#"{"status":"FAILED","msg":"Access denied"}"#);
    assert_eq!(
        load_state("VISIBLE", ""),
        r#"{"state":"VISIBLE","reason":"","status":"OK","msg":"Success"}"#
    );
}

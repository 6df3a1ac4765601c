use super::*;

fn load(ending: Ending) -> Load<'static> {
    let counts = Counts { total: 4, loaded: 3, filtered: 1, unselected: 0, bytes: 40 };
    let txn = Some(TxnId(1_000));
    Load { txn, label: "L", two_phase: true, grouped: None, ending, counts, error_url: None }
}

fn keys(text: &str) -> Vec<&str> {
    let starts = text.lines().filter_map(|line| line.trim().strip_prefix('"'));
    starts.filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

#[test]
fn a_load_is_answered_with_all_its_keys_in_order_and_a_newline() {
    let text = load(Ending::Success).to_json();
    assert!(text.ends_with("}\n"));
    assert_eq!(
        keys(&text),
        [
            "TxnId",
            "Label",
            "Comment",
            "TwoPhaseCommit",
            "Status",
            "Message",
            "NumberTotalRows",
            "NumberLoadedRows",
            "NumberFilteredRows",
            "NumberUnselectedRows",
            "LoadBytes",
            "LoadTimeMs",
            "BeginTxnTimeMs",
            "StreamLoadPutTimeMs",
            "ReadDataTimeMs",
            "WriteDataTimeMs",
            "ReceiveDataTimeMs",
            "CommitAndPublishTimeMs"
        ]
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["TwoPhaseCommit"], "true", "a text, not a bool");
    assert_eq!(value["Status"], "Success");
    assert_eq!(value["Message"], "OK");
}

/// Row 34.
#[test]
fn a_load_among_others_is_answered_without_what_is_not_its_own() {
    let text = Load { grouped: Some("sync_mode"), ..load(Ending::Success) }.to_json();
    let keys = keys(&text);
    assert_eq!(keys[2..6], ["Comment", "GroupCommit", "GroupCommitMode", "LoadId"]);
    for alone in ["TwoPhaseCommit", "BeginTxnTimeMs", "CommitAndPublishTimeMs"] {
        assert!(!keys.contains(&alone), "{text}");
    }
}

/// Row 7.
#[test]
fn a_used_label_has_no_number_of_its_own() {
    let refusal = Refusal::new("LABEL_ALREADY_EXISTS", "x").with_existing("FINISHED");
    let load = Load { txn: None, ..load(Ending::Refused(refusal)) };
    let value: serde_json::Value = serde_json::from_str(&load.to_json()).unwrap();
    assert_eq!(value["TxnId"], -1);
    assert_eq!(value["Status"], "Label Already Exists");
    assert_eq!(value["ExistingJobStatus"], "FINISHED");
    assert_eq!(value["Message"], "[LABEL_ALREADY_EXISTS]x");
}

/// Row 40.
#[test]
fn a_record_is_one_line_and_says_comment_twice() {
    let text = load(Ending::PublishTimeout).to_record("shop", "orders", "root");
    assert!(!text.contains('\n'));
    assert_eq!(text.matches("\"Comment\":").count(), 2);
    assert!(text.contains("\"Status\":\"Publish Timeout\""));
}

#[test]
fn the_two_phases_and_the_frontend_write_other_keys_than_a_load() {
    let done = two_phase(&Ok("transaction [1] commit successfully.".to_owned()));
    assert_eq!(keys(&done), ["status", "msg"]);
    let refused = two_phase(&Err(Refusal::new("ANALYSIS_ERROR", "why")));
    assert!(refused.contains("\"status\": \"ANALYSIS_ERROR\""));
    assert_eq!(
        failed("There is no 100-continue header"),
        r#"{"status":"FAILED","msg":"There is no 100-continue header"}"#
    );
    assert_eq!(
        answer("Unauthorized", 401, "Access denied"),
        r#"{"msg":"Unauthorized","code":401,"data":"Access denied","count":0}"#
    );
}

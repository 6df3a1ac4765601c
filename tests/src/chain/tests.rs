use super::*;

fn line(op: &str, before: &str, after: &str) -> String {
    let source = r#"{"db":"d","table":"t","snapshot":"false"}"#;
    format!(r#"{{"before":{before},"after":{after},"op":"{op}","source":{source}}}"#)
}

fn row(id: u64, v: &str) -> String {
    format!(r#"{{"id":{id},"v":"{v}"}}"#)
}

fn read(id: u64, v: &str) -> String {
    line("r", "null", &row(id, v))
}

fn insert(id: u64, v: &str) -> String {
    line("c", "null", &row(id, v))
}

fn update(id: u64, from: &str, to: &str) -> String {
    line("u", &row(id, from), &row(id, to))
}

fn delete(id: u64, v: &str) -> String {
    line("d", &row(id, v), "null")
}

/// Audits `lines` against a source that holds `source`, and tells what the auditor says.
fn audit(lines: &[String], source: &[(u64, &str)]) -> Result<()> {
    let mut auditor = Auditor::new();
    auditor.table("d.t", &["id"]);
    for (number, text) in lines.iter().enumerate() {
        auditor.line(&Place { part: "part-1", line: number as u64 + 1 }, text);
    }
    let rows = source.iter().map(|(id, v)| {
        let value: Value = serde_json::from_str(&row(*id, v)).unwrap();
        (format!("[{id}]"), fingerprint(&value))
    });
    auditor.compare_table("d.t", rows.collect());
    auditor.verdict()
}

#[track_caller]
fn refuses(lines: &[String], source: &[(u64, &str)], why: &str) {
    let error = audit(lines, source).unwrap_err().to_string();
    assert!(error.contains(why), "`{why}` is not in: {error}");
}

#[test]
fn an_exact_changelog_passes() {
    let lines = [
        read(1, "a"),
        insert(2, "b"),
        update(1, "a", "A"),
        delete(2, "b"),
        insert(2, "c"),
        read(3, "x"),
        delete(3, "x"),
        update(2, "c", "d"),
    ];
    audit(&lines, &[(1, "A"), (2, "d")]).unwrap();
}

fn dropped(ddl: &str, dropped: bool) -> String {
    let source = r#"{"db":"d","table":"t","snapshot":"false"}"#;
    format!(r#"{{"source":{source},"ddl":"{ddl}","dropped":{dropped}}}"#)
}

#[test]
fn a_table_that_is_dropped_or_starts_over_is_read_anew() {
    let starts_over = dropped("DROP TABLE `d`.`t` /* seachange: it starts over */", true);
    let lines = [read(1, "a"), insert(2, "b"), starts_over.clone(), read(1, "c"), read(3, "d")];
    audit(&lines, &[(1, "c"), (3, "d")]).unwrap();
    let update = [read(1, "a"), starts_over, update(1, "a", "b")];
    refuses(&update, &[(1, "b")], "its first change is neither a read nor an insert");
    let altered = [read(1, "a"), dropped("ALTER TABLE t ADD x INT", false), read(1, "a")];
    refuses(&altered, &[(1, "a")], "read, though it had been seen before");
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let lines = [read(1, "a"), line("u", r#"{"v":"a","id":1}"#, r#"{"v":"b","id":1}"#)];
    audit(&lines, &[(1, "b")]).unwrap();
}

#[test]
fn a_lost_update_is_seen_by_the_next_before() {
    let lines = [read(1, "a"), update(1, "b", "c")];
    refuses(&lines, &[(1, "c")], "part-1:2: d.t [1]: its `before` is not the row last seen");
}

#[test]
fn a_lost_last_update_is_seen_in_the_source() {
    refuses(&[read(1, "a")], &[(1, "b")], "[1] (1 rows in the source): the source holds another");
}

#[test]
fn a_double_read_is_refused() {
    refuses(&[read(1, "a"), read(1, "a")], &[(1, "a")], "read, though it had been seen");
}

#[test]
fn a_read_after_the_stream_has_shown_the_key_is_refused() {
    refuses(&[insert(1, "a"), read(1, "a")], &[(1, "a")], "read, though it had been seen");
    refuses(&[read(1, "a"), delete(1, "a"), read(1, "a")], &[(1, "a")], "read after its delete");
}

#[test]
fn an_update_sent_twice_is_refused() {
    let lines = [read(1, "a"), update(1, "a", "b"), update(1, "a", "b")];
    refuses(&lines, &[(1, "b")], "part-1:3");
}

#[test]
fn an_insert_sent_twice_is_refused() {
    refuses(&[insert(1, "a"), insert(1, "a")], &[(1, "a")], "inserted while alive");
}

#[test]
fn a_delete_sent_twice_is_refused() {
    let lines = [read(1, "a"), delete(1, "a"), delete(1, "a")];
    refuses(&lines, &[], "changed after its delete");
}

#[test]
fn a_resurrected_row_is_refused() {
    let lines = [read(1, "a"), delete(1, "a"), update(1, "a", "b")];
    refuses(&lines, &[(1, "b")], "changed after its delete");
}

#[test]
fn a_lost_delete_is_seen_in_the_source() {
    refuses(&[read(1, "a"), read(2, "b")], &[(1, "a")], "[2] (1 rows in the source): alive here");
}

#[test]
fn a_gap_is_seen_in_the_source() {
    refuses(&[read(1, "a")], &[(1, "a"), (2, "b")], "[2] (2 rows in the source): missing");
}

#[test]
fn a_chain_that_begins_in_the_middle_is_refused() {
    refuses(&[update(1, "a", "b")], &[(1, "b")], "neither a read nor an insert");
    refuses(&[delete(1, "a")], &[], "neither a read nor an insert");
}

#[test]
fn an_update_that_changes_the_key_is_refused() {
    let lines = [read(1, "a"), line("u", &row(1, "a"), &row(2, "a"))];
    refuses(&lines, &[(2, "a")], "an update that changes the key");
}

#[test]
fn a_key_is_known_by_its_exact_bytes() {
    let (upper, lower) = (r#"{"id":"K","v":"a"}"#, r#"{"id":"k","v":"a"}"#);
    let lines = [line("r", "null", upper), line("u", lower, lower)];
    refuses(&lines, &[], "d.t [\"k\"]: its first change is neither");
}

#[test]
fn a_key_above_the_signed_range_keeps_every_digit() {
    let lines = [read(u64::MAX, "a"), read(u64::MAX - 1, "b"), update(u64::MAX, "a", "c")];
    audit(&lines, &[(u64::MAX, "c"), (u64::MAX - 1, "b")]).unwrap();
}

#[test]
fn a_schema_change_is_counted_and_is_no_row() {
    let mut auditor = Auditor::new();
    let ddl =
        r#"{"source":{"db":"d","table":"t"},"ddl":"ALTER TABLE t ADD x INT","dropped":false}"#;
    auditor.line(&Place { part: "part-1", line: 1 }, ddl);
    auditor.verdict().unwrap();
    assert_eq!(auditor.schema_changes(), 1);
}

#[test]
fn a_line_that_is_no_change_is_refused() {
    refuses(&["{}".to_owned()], &[], "no source.db");
    refuses(&["{\"op\":".to_owned()], &[], "not JSON");
    refuses(&[line("x", "null", &row(1, "a"))], &[], "op `x` with the wrong images");
    refuses(&[line("u", "null", &row(1, "a"))], &[], "op `u` with the wrong images");
}

#[test]
fn a_torn_last_line_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = read(1, "a");
    std::fs::write(dir.path().join("part-00000001.jsonl"), format!("{whole}\n")).unwrap();
    let torn = whole.get(..20).unwrap();
    std::fs::write(dir.path().join("part-00000002.jsonl"), torn).unwrap();
    let mut auditor = Auditor::new();
    auditor.table("d.t", &["id"]);
    auditor.read_dir(dir.path()).unwrap();
    let error = auditor.verdict().unwrap_err().to_string();
    assert!(error.contains("part-00000002.jsonl:1: : a line without an end"), "{error}");
    assert_eq!(auditor.counts(), Counts { read: 1, ..Counts::default() });
}

#[test]
fn only_the_first_violations_are_shown_and_all_are_counted() {
    let lines: Vec<String> = (0..25).map(|id| update(id, "a", "b")).collect();
    let error = audit(&lines, &[]).unwrap_err().to_string();
    assert!(error.contains("50 violations in 25 lines"), "{error}");
    assert_eq!(error.matches("part-1:").count(), SHOWN_MAX);
}

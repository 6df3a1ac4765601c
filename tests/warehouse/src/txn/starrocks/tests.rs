use std::collections::BTreeMap;

use super::*;

const NOW: Moment = Moment(1_700_000_000_000);
const HOME: Backend = Backend(1);
const OTHER: Backend = Backend(2);
const SECOND: Duration = Duration::from_secs(1);
const FE: &str = "class com.starrocks.common.StarRocksException: ";

fn starrocks() -> StarRocks {
    StarRocks::new("shop", 10_006, Limits::of(System::StarRocks))
}

fn label() -> Label {
    StarRocks::label("L").expect("a label")
}

fn opening() -> Opening {
    let scope = Scope::Table("orders".to_owned());
    Opening { label: label(), scope, node: HOME, gather_max: None, idle_max: None }
}

fn request(table: &str) -> LoadRequest {
    let parameters = BTreeMap::from([("format".to_owned(), "json".to_owned())]);
    LoadRequest { database: "shop".to_owned(), table: table.to_owned(), parameters }
}

fn load(starrocks: &mut StarRocks, table: &str) -> Result<TxnId, Refusal> {
    let txn = starrocks.start_load(&label(), &request(table), NOW)?;
    starrocks.finish_load(&label(), NOW);
    Ok(txn)
}

fn prepare(starrocks: &mut StarRocks) -> Result<TxnId, Refusal> {
    starrocks.start_prepare(&label(), NOW)?;
    starrocks.finish_prepare(&label(), None, NOW)
}

/// A transaction with data, labelled `L`, in a state; its number is 1000.
fn at(state: Option<State>) -> StarRocks {
    let mut starrocks = starrocks();
    let Some(state) = state else { return starrocks };
    starrocks.begin(opening(), NOW).expect("a free label");
    load(&mut starrocks, "orders").expect("a load");
    match state {
        State::Prepare => return starrocks,
        State::Aborted => {
            starrocks.rollback(&label(), NOW).expect("gathering");
            return starrocks;
        }
        State::Prepared | State::Committed | State::Visible => {}
    }
    prepare(&mut starrocks).expect("data");
    if state != State::Prepared {
        starrocks.commit(&label(), NOW).expect("prepared");
    }
    if state == State::Visible {
        starrocks.ledger_mut().publish_next(NOW);
    }
    starrocks
}

/// One cell: what a call says of a transaction in a state, and the state after.
#[track_caller]
fn check<T: std::fmt::Debug>(
    call: impl Fn(&mut StarRocks) -> Result<T, Refusal>,
    state: Option<State>,
    expected: Result<&str, &str>,
    after: &str,
) {
    let mut starrocks = at(state);
    let answer = call(&mut starrocks).map(|done| format!("{done:?}"));
    let answer = answer.map_err(|refusal| refusal.to_string().replace(FE, ""));
    assert_eq!(answer.as_deref().map_err(String::as_str), expected, "from {state:?}");
    assert_eq!(starrocks.ledger().load_state(&label()), after, "after, from {state:?}");
}

const NOT_EXISTS: Result<&str, &str> = Err("[TXN_NOT_EXISTS]Transaction with label L not exists");
const SAME: Result<&str, &str> = Ok("TxnId(1000)");

#[test]
fn begin_in_every_state() {
    let taken = Err("[LABEL_ALREADY_EXISTS]Label [L] has already been used.");
    let elsewhere = |db: &mut StarRocks| db.begin(Opening { node: OTHER, ..opening() }, NOW);
    for (state, answer, after) in [
        (Some(State::Prepare), taken, "PREPARE"),
        (Some(State::Prepared), taken, "PREPARED"),
        (Some(State::Committed), taken, "COMMITTED"),
        (Some(State::Visible), taken, "VISIBLE"),
        (Some(State::Aborted), Ok("TxnId(1001)"), "PREPARE"),
        (None, SAME, "PREPARE"),
    ] {
        check(elsewhere, state, answer, after);
    }
}

#[test]
fn a_used_label_is_running_until_it_is_committed() {
    for (state, existing) in [
        (State::Prepare, "RUNNING"),
        (State::Prepared, "RUNNING"),
        (State::Committed, "FINISHED"),
        (State::Visible, "FINISHED"),
    ] {
        let again = Opening { node: OTHER, ..opening() };
        let refusal = at(Some(state)).begin(again, NOW).unwrap_err();
        assert_eq!(refusal.existing, Some(existing), "{state:?}");
    }
}

#[test]
fn a_second_begin_at_the_backend_that_has_the_label_is_refused_without_a_word() {
    let refusal = at(Some(State::Prepare)).begin(opening(), NOW).unwrap_err();
    assert_eq!(refusal, Refusal::new("LABEL_ALREADY_EXISTS", ""));
}

#[test]
fn load_in_every_state() {
    for (state, answer, after) in [
        (Some(State::Prepare), SAME, "PREPARE"),
        (Some(State::Prepared), NOT_EXISTS, "PREPARED"),
        (Some(State::Committed), NOT_EXISTS, "COMMITTED"),
        (Some(State::Visible), NOT_EXISTS, "VISIBLE"),
        (Some(State::Aborted), NOT_EXISTS, "ABORTED"),
        (None, NOT_EXISTS, "UNKNOWN"),
    ] {
        check(|db| load(db, "orders"), state, answer, after);
    }
}

/// Row 13.
#[test]
fn prepare_in_every_state() {
    for (state, answer, after) in [
        (Some(State::Prepare), SAME, "PREPARED"),
        (Some(State::Prepared), NOT_EXISTS, "PREPARED"),
        (Some(State::Committed), NOT_EXISTS, "COMMITTED"),
        (Some(State::Visible), NOT_EXISTS, "VISIBLE"),
        (Some(State::Aborted), NOT_EXISTS, "ABORTED"),
        (None, NOT_EXISTS, "UNKNOWN"),
    ] {
        check(prepare, state, answer, after);
    }
}

/// Row 14.
#[test]
fn commit_in_every_state() {
    let already = Ok("Already(Outcome { txn: TxnId(1000), message: \
         \"Transaction 1000 has already committed, label is L\" })");
    for (state, answer, after) in [
        (Some(State::Prepare), Ok("Gathering(TxnId(1000))"), "PREPARE"),
        (Some(State::Prepared), Ok("Decided(TxnId(1000))"), "COMMITTED"),
        (Some(State::Committed), already, "COMMITTED"),
        (Some(State::Visible), already, "VISIBLE"),
        (
            Some(State::Aborted),
            Err("[FAILED]Can not commit ABORTED transaction 1000, label is L"),
            "ABORTED",
        ),
        (None, Err("[FAILED]No transaction found by label L"), "UNKNOWN"),
    ] {
        check(|db| db.commit(&label(), NOW), state, answer, after);
    }
}

#[test]
fn a_commit_of_what_gathers_finishes_the_data_and_decides_in_one_step() {
    let mut starrocks = at(Some(State::Prepare));
    starrocks.commit(&label(), NOW).unwrap();
    assert_eq!(starrocks.finish_commit(&label(), NOW), Ok(TxnId(1_000)));
    assert_eq!(starrocks.ledger().load_state(&label()), "COMMITTED");
}

/// Row 14.
#[test]
fn rollback_in_every_state() {
    let message = |db: &mut StarRocks| db.rollback(&label(), NOW).map(|done| done.message);
    for (state, answer, after) in [
        (Some(State::Prepare), Ok("\"\""), "ABORTED"),
        (Some(State::Prepared), Ok("\"\""), "ABORTED"),
        (
            Some(State::Committed),
            Err("[FAILED]Can not abort COMMITTED transaction 1000, label is L"),
            "COMMITTED",
        ),
        (
            Some(State::Visible),
            Err("[FAILED]Can not abort VISIBLE transaction 1000, label is L"),
            "VISIBLE",
        ),
        (
            Some(State::Aborted),
            Ok("\"Transaction 1000 has already aborted, label is L\""),
            "ABORTED",
        ),
        (None, Err("[FAILED]No transaction found by label L"), "UNKNOWN"),
    ] {
        check(message, state, answer, after);
    }
}

/// Row 12.
#[test]
fn whatever_comes_during_a_load_is_told_to_come_back_and_changes_nothing() {
    let mut starrocks = at(Some(State::Prepare));
    starrocks.start_load(&label(), &request("orders"), NOW).unwrap();
    let answers = [
        starrocks.start_load(&label(), &request("orders"), NOW).unwrap_err(),
        starrocks.start_prepare(&label(), NOW).unwrap_err(),
        starrocks.commit(&label(), NOW).unwrap_err(),
        starrocks.rollback(&label(), NOW).unwrap_err(),
    ];
    assert_eq!(answers.map(|refusal| refusal.code), ["TXN_IN_PROCESSING"; 4]);
    starrocks.finish_load(&label(), NOW);
    assert_eq!(prepare(&mut starrocks), Ok(TxnId(1_000)));
}

/// Row 10.
#[test]
fn a_load_with_other_headers_than_the_first_ends_the_transaction() {
    let mut starrocks = at(Some(State::Prepare));
    let mut other = request("orders");
    other.parameters.insert("strict_mode".to_owned(), "true".to_owned());
    let refusal = starrocks.start_load(&label(), &other, NOW).unwrap_err();
    assert_eq!(refusal, Refusal::new("INTERNAL_ERROR", "load request not equal last."));
    assert_eq!(starrocks.ledger().load_state(&label()), "ABORTED");
    assert_eq!(starrocks.begin(opening(), NOW), Ok(TxnId(1_001)), "the label is free");
}

#[test]
fn a_load_into_another_table_or_database_is_refused_with_both_names() {
    let refusal = load(&mut at(Some(State::Prepare)), "items").unwrap_err();
    let words = "[INVALID_ARGUMENT]Request table items not equal transaction table orders";
    assert_eq!(refusal.to_string(), words);

    let elsewhere = LoadRequest { database: "hr".to_owned(), ..request("orders") };
    let refusal = at(Some(State::Prepare)).start_load(&label(), &elsewhere, NOW).unwrap_err();
    let words = "[INVALID_ARGUMENT]request db hr transaction db shop not match";
    assert_eq!(refusal.to_string(), words);
}

/// Row 17.
#[test]
fn a_prepare_without_data_ends_the_transaction() {
    let mut starrocks = starrocks();
    starrocks.begin(opening(), NOW).unwrap();
    let refusal = prepare(&mut starrocks).unwrap_err();
    assert_eq!(refusal.code, "INTERNAL_ERROR");
    assert!(refusal.message.contains("hasn't send any data yet"));
    assert_eq!(starrocks.ledger().load_state(&label()), "ABORTED");
}

/// Row 26: the shell found a bad row when it finished the data.
#[test]
fn data_that_fails_at_prepare_ends_the_transaction() {
    let mut starrocks = at(Some(State::Prepare));
    starrocks.start_prepare(&label(), NOW).unwrap();
    starrocks.fail(&label(), "too many filtered rows", NOW);
    let txn = starrocks.ledger().by_label(&label()).unwrap();
    assert_eq!((txn.state, txn.reason.as_str()), (State::Aborted, "too many filtered rows"));
    assert_eq!(prepare(&mut starrocks).unwrap_err().code, "TXN_NOT_EXISTS");
}

/// Row 18.
#[test]
fn a_backend_takes_what_it_was_gathering_with_it() {
    let mut starrocks = at(Some(State::Prepare));
    assert_eq!(starrocks.lose_backend(HOME, NOW), [TxnId(1_000)]);
    assert_eq!(load(&mut starrocks, "orders").unwrap_err().code, "TXN_NOT_EXISTS");
    assert_eq!(starrocks.ledger().load_state(&label()), "ABORTED");
}

/// Row 19.
#[test]
fn what_is_prepared_outlives_backend_and_frontend() {
    let mut starrocks = at(Some(State::Prepared));
    assert_eq!(starrocks.lose_backend(HOME, NOW), []);
    starrocks.ledger_mut().restart_frontend();
    assert_eq!(starrocks.commit(&label(), NOW), Ok(Commit::Decided(TxnId(1_000))));
}

/// Row 20.
#[test]
fn a_new_leader_cannot_find_what_was_gathering() {
    let mut starrocks = at(Some(State::Prepare));
    assert_eq!(starrocks.node(&label()), Ok(HOME));
    starrocks.ledger_mut().restart_frontend();
    assert_eq!(
        starrocks.node(&label()).unwrap_err().message.replace(FE, ""),
        "Can't find the transaction with db [shop] and label[L]. The possible reasons: \
         1. FE leader is started or switched; 2. The transaction timeouts and is cleaned."
    );
    assert_eq!(starrocks.ledger().load_state(&label()), "UNKNOWN");
    assert!(prepare(&mut starrocks).is_err(), "the backend asks the frontend, which knows nothing");
}

/// Row 21.
#[test]
fn each_of_the_three_timeouts_aborts() {
    let idle = Opening { idle_max: Some(60 * SECOND), ..opening() };
    let short = Opening { gather_max: Some(600 * SECOND), ..opening() };
    for (opening, seconds) in [(idle, 60), (short, 600)] {
        let mut starrocks = starrocks();
        starrocks.begin(opening, NOW).unwrap();
        load(&mut starrocks, "orders").unwrap();
        assert_eq!(starrocks.pass_time(NOW + seconds * SECOND), []);
        assert_eq!(starrocks.pass_time(NOW + (seconds + 1) * SECOND), [TxnId(1_000)]);
        assert_eq!(starrocks.ledger().load_state(&label()), "ABORTED");
        assert_eq!(load(&mut starrocks, "orders").unwrap_err().code, "TXN_NOT_EXISTS");
    }

    let mut starrocks = at(Some(State::Prepare));
    starrocks.start_prepare(&label(), NOW).unwrap();
    starrocks.finish_prepare(&label(), Some(30 * SECOND), NOW).unwrap();
    assert_eq!(starrocks.pass_time(NOW + 30 * SECOND), []);
    assert_eq!(starrocks.pass_time(NOW + 31 * SECOND), [TxnId(1_000)]);
}

#[test]
fn what_is_prepared_waits_a_day_where_nobody_says_otherwise() {
    let mut starrocks = at(Some(State::Prepared));
    assert_eq!(starrocks.pass_time(NOW + 86_400 * SECOND), []);
    assert_eq!(starrocks.pass_time(NOW + 86_401 * SECOND), [TxnId(1_000)]);
}

/// Row 34.
#[test]
fn a_rollback_needs_the_backend_and_a_cancel_does_not() {
    let mut starrocks = at(Some(State::Prepare));
    starrocks.forget_contexts(HOME);
    assert_eq!(starrocks.rollback(&label(), NOW).unwrap_err().code, "TXN_NOT_EXISTS");
    assert_eq!(starrocks.ledger().load_state(&label()), "PREPARE");
    assert_eq!(starrocks.cancel(&label(), NOW), Ok(()));
    assert_eq!(starrocks.ledger().load_state(&label()), "ABORTED");
}

/// Row 33.
#[test]
fn a_multi_transaction_takes_the_tables_that_its_loads_name() {
    let mut starrocks = starrocks();
    starrocks.begin(Opening { scope: Scope::Multi, ..opening() }, NOW).unwrap();
    load(&mut starrocks, "orders").unwrap();
    load(&mut starrocks, "items").unwrap();
    let tables = &starrocks.ledger().by_label(&label()).unwrap().tables;
    assert_eq!(tables.iter().collect::<Vec<_>>(), ["items", "orders"]);
}

/// Row 6.
#[test]
fn labels_are_asked_for_and_within_the_grammar() {
    for (text, words) in [
        ("", "[INVALID_ARGUMENT]Empty label."),
        ("a:b", "[INTERNAL_ERROR]Label format error. regex: ^[-\\w]{1,128}$, label: a:b"),
    ] {
        assert_eq!(StarRocks::label(text).unwrap_err().to_string(), words);
    }
}

/// Row 15.
#[test]
fn a_slow_commit_says_failed_and_is_committed() {
    let refusal = publish_timeout(20 * SECOND);
    assert_eq!(refusal.to_string().replace(FE, ""), "[FAILED]publish timeout: 20000");
}

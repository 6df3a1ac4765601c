use std::collections::BTreeSet;

use super::*;
use crate::txn::Backend;

const NOW: Moment = Moment(1_700_000_000_000);

fn doris() -> Doris {
    Doris::new(10_006, Limits::of(System::Doris))
}

fn begin(label: &str) -> Begin {
    let label = Doris::label(label).expect("a label");
    let tables = BTreeSet::from(["orders".to_owned()]);
    Begin { label, tables, coordinator: Backend(1), gather_max: None }
}

/// A transaction labelled `L` in a state; its number is 1000.
fn at(state: Option<State>) -> Doris {
    let mut doris = doris();
    let Some(state) = state else { return doris };
    let id = doris.begin(begin("L"), NOW).expect("a free label");
    assert_eq!(id, TxnId(1_000));
    match state {
        State::Prepare => {}
        State::Prepared => doris.precommit(id, NOW).expect("gathering"),
        State::Committed => doris.commit_load(id, NOW).expect("gathering"),
        State::Visible => {
            doris.commit_load(id, NOW).expect("gathering");
            doris.ledger_mut().publish_next(NOW);
        }
        State::Aborted => {
            doris.abort(&Named::Id(id), NOW).expect("gathering");
        }
    }
    doris
}

/// One cell: the call on a transaction in a state, its message, and the state after.
#[track_caller]
fn check(
    call: impl Fn(&mut Doris, &Named, Moment) -> Result<String, Refusal>,
    named: &Named,
    state: Option<State>,
    expected: (Result<&str, &str>, &str),
) {
    let mut doris = at(state);
    let answer = call(&mut doris, named, NOW);
    let answer = answer.map_err(|refusal| {
        assert_eq!(refusal.code, "ANALYSIS_ERROR");
        let detail = refusal.message.strip_prefix("TStatus: errCode = 2, detailMessage = ");
        detail.expect("the frontend's prefix").to_owned()
    });
    let after = doris.ledger().load_state(&Doris::label("L").unwrap());
    let answer = (answer.as_deref().map_err(String::as_str), after);
    assert_eq!(answer, expected, "{named:?} from {state:?}");
}

#[test]
fn commit_by_id_in_every_state() {
    let id = Named::Id(TxnId(1_000));
    for (state, answer, after) in [
        (Some(State::Prepared), Ok("transaction [1000] commit successfully."), "COMMITTED"),
        (
            Some(State::Committed),
            Err("transaction [1000] is already committed, not pre-committed."),
            "COMMITTED",
        ),
        (
            Some(State::Visible),
            Err("transaction [1000] is already visible, not pre-committed."),
            "VISIBLE",
        ),
        (
            Some(State::Aborted),
            Err("transaction [1000] is already aborted. abort reason: User Abort"),
            "ABORTED",
        ),
        (Some(State::Prepare), Err("transaction [1000] is prepare, not pre-committed."), "PREPARE"),
        (None, Err("transaction [1000] not found"), "UNKNOWN"),
    ] {
        check(Doris::commit, &id, state, (answer, after));
    }
}

#[test]
fn abort_by_id_in_every_state() {
    let id = Named::Id(TxnId(1_000));
    for (state, answer, after) in [
        (Some(State::Prepared), Ok("transaction [1000] abort successfully."), "ABORTED"),
        (
            Some(State::Committed),
            Err("transaction [1000] is already COMMITTED, could not abort."),
            "COMMITTED",
        ),
        (
            Some(State::Visible),
            Err("transaction [1000] is already VISIBLE, could not abort."),
            "VISIBLE",
        ),
        (
            Some(State::Aborted),
            Err("transaction [1000] is already aborted, abort reason: User Abort"),
            "ABORTED",
        ),
        (Some(State::Prepare), Ok("transaction [1000] abort successfully."), "ABORTED"),
        (None, Err("transaction [1000] not found"), "UNKNOWN"),
    ] {
        check(Doris::abort, &id, state, (answer, after));
    }
}

#[test]
fn commit_by_label_looks_for_what_is_precommitted_and_nothing_else() {
    let label = Named::Label(Doris::label("L").unwrap());
    let not_found = Err("transaction not found, label=L");
    for (state, answer, after) in [
        (Some(State::Prepared), Ok("label [L] commit successfully."), "COMMITTED"),
        (Some(State::Committed), not_found, "COMMITTED"),
        (Some(State::Visible), not_found, "VISIBLE"),
        (Some(State::Aborted), not_found, "ABORTED"),
        (Some(State::Prepare), not_found, "PREPARE"),
        (None, not_found, "UNKNOWN"),
    ] {
        check(Doris::commit, &label, state, (answer, after));
    }
}

#[test]
fn abort_by_label_looks_for_what_is_under_way_and_nothing_else() {
    let label = Named::Label(Doris::label("L").unwrap());
    let not_found = Err("running transaction not found, label=L");
    for (state, answer, after) in [
        (Some(State::Prepared), Ok("label [L] abort successfully."), "ABORTED"),
        (Some(State::Committed), not_found, "COMMITTED"),
        (Some(State::Visible), not_found, "VISIBLE"),
        (Some(State::Aborted), not_found, "ABORTED"),
        (Some(State::Prepare), Ok("label [L] abort successfully."), "ABORTED"),
        (None, not_found, "UNKNOWN"),
    ] {
        check(Doris::abort, &label, state, (answer, after));
    }
}

/// Rows 7 to 10 of the checklist.
#[test]
fn a_used_label_says_what_became_of_its_transaction() {
    for (state, existing) in [
        (State::Prepare, "RUNNING"),
        (State::Prepared, "PRECOMMITTED"),
        (State::Committed, "FINISHED"),
        (State::Visible, "FINISHED"),
    ] {
        let refusal = at(Some(state)).begin(begin("L"), NOW).unwrap_err();
        let words = "[LABEL_ALREADY_EXISTS]TStatus: errCode = 2, detailMessage = \
                     Label [L] has already been used, relate to txn [1000]";
        assert_eq!((refusal.to_string().as_str(), refusal.existing), (words, Some(existing)));
    }
    assert_eq!(at(Some(State::Aborted)).begin(begin("L"), NOW), Ok(TxnId(1_001)));
}

/// Row 6.
#[test]
fn a_label_out_of_its_grammar_is_refused_with_the_pattern() {
    assert_eq!(
        Doris::label("a.b").unwrap_err().to_string(),
        "[ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = \
         Label format error. regex: ^[-_A-Za-z0-9:]{1,128}$, label: a.b"
    );
}

/// Row 20.
#[test]
fn over_the_running_limit_a_begin_is_refused_with_the_count() {
    let mut doris = Doris::new(10_006, Limits { running_max: 1, ..Limits::of(System::Doris) });
    doris.begin(begin("a"), NOW).unwrap();
    assert_eq!(
        doris.begin(begin("b"), NOW).unwrap_err().to_string(),
        "[ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = \
         current running txns on db 10006 is 1, larger than limit 1"
    );
}

/// Row 17.
#[test]
fn a_precommitted_one_that_waits_an_hour_is_gone_and_its_label_is_free() {
    let mut doris = at(Some(State::Prepared));
    let later = NOW + std::time::Duration::from_secs(3_601);
    assert_eq!(doris.ledger_mut().pass_time(later), [TxnId(1_000)]);
    let refusal = doris.commit(&Named::Id(TxnId(1_000)), later).unwrap_err();
    assert!(
        refusal.message.ends_with(
            "transaction [1000] is already aborted. abort reason: timeout by txn manager"
        )
    );
    assert!(doris.begin(begin("L"), later).is_ok());
}

/// Row 19.
#[test]
fn after_a_restart_of_the_frontend_what_was_gathering_is_not_found() {
    let mut doris = at(Some(State::Prepare));
    doris.ledger_mut().restart_frontend();
    let refusal = doris.commit_load(TxnId(1_000), NOW).unwrap_err();
    assert!(refusal.message.ends_with("transaction [1000] not found"));
    assert!(doris.begin(begin("L"), NOW).is_ok());
}

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const START: Moment = Moment(1_700_000_000_000);
const ONE: Backend = Backend(1);
const TWO: Backend = Backend(2);

fn ledger(limits: Limits) -> Ledger {
    Ledger::new(System::Doris, 10_006, limits)
}

fn label(text: &str) -> Label {
    Label::new(System::Doris, text).expect("a label")
}

fn begin(text: &str) -> Begin {
    let tables = BTreeSet::from(["orders".to_owned()]);
    Begin { label: label(text), tables, coordinator: ONE, gather_max: None }
}

/// A transaction brought to a state.
fn at(ledger: &mut Ledger, text: &str, state: State, now: Moment) -> TxnId {
    let id = ledger.begin(begin(text), now).expect("a free label");
    match state {
        State::Prepare => {}
        State::Prepared => ledger.prepare(id, None, now).expect("from prepare"),
        State::Committed | State::Visible => {
            ledger.commit(id, State::Prepare, now).expect("from prepare");
            if state == State::Visible {
                assert_eq!(ledger.publish_next(now), Some(id));
            }
        }
        State::Aborted => ledger.abort(id, "why", now).expect("from prepare"),
    }
    assert_eq!(ledger.state(id), Some(state));
    id
}

const STATES: [State; 5] =
    [State::Prepare, State::Prepared, State::Visible, State::Committed, State::Aborted];

#[test]
fn every_step_follows_only_from_its_states() {
    type Step = fn(&mut Ledger, TxnId) -> Result<(), Misplaced>;
    let steps: [(&str, Step, &[State]); 4] = [
        ("prepare", |l, id| l.prepare(id, None, START), &[State::Prepare]),
        ("commit at once", |l, id| l.commit(id, State::Prepare, START), &[State::Prepare]),
        ("commit", |l, id| l.commit(id, State::Prepared, START), &[State::Prepared]),
        ("abort", |l, id| l.abort(id, "", START), &[State::Prepare, State::Prepared]),
    ];
    for (name, step, allowed) in steps {
        for state in STATES {
            let mut ledger = ledger(Limits::of(System::Doris));
            let id = at(&mut ledger, "a", state, START);
            let expected =
                if allowed.contains(&state) { Ok(()) } else { Err(Misplaced(Some(state))) };
            assert_eq!(step(&mut ledger, id), expected, "{name} from {state:?}");
        }
        let mut ledger = ledger(Limits::of(System::Doris));
        assert_eq!(step(&mut ledger, TxnId(1)), Err(Misplaced(None)), "{name} of nothing");
    }
}

#[test]
fn a_label_is_free_when_all_its_transactions_are_aborted_or_forgotten() {
    for (state, free) in [
        (State::Prepare, false),
        (State::Prepared, false),
        (State::Committed, false),
        (State::Visible, false),
        (State::Aborted, true),
    ] {
        let mut ledger = ledger(Limits::of(System::Doris));
        at(&mut ledger, "a", State::Aborted, START);
        let id = at(&mut ledger, "a", state, START);
        let again = ledger.begin(begin("a"), START);
        if free {
            assert_eq!(ledger.by_label(&label("a")).map(|txn| txn.id), again.ok());
        } else {
            assert_eq!(again, Err(NotBegun::LabelTaken { by: id, state }));
        }
    }
}

#[test]
fn the_state_of_a_label_is_its_newest_transactions() {
    let mut ledger = ledger(Limits::of(System::Doris));
    assert_eq!(ledger.load_state(&label("a")), "UNKNOWN");
    at(&mut ledger, "a", State::Aborted, START);
    assert_eq!(ledger.load_state(&label("a")), "ABORTED");
    at(&mut ledger, "a", State::Prepared, START);
    assert_eq!(ledger.load_state(&label("a")), "PRECOMMITTED");
}

#[test]
fn labels_are_forgotten_by_age_after_their_end_and_only_then() {
    let limits = Limits::of(System::Doris);
    let age_max = limits.label_age_max;
    let mut ledger = ledger(limits);
    ledger.limits_mut().gather_max = 10 * age_max;
    at(&mut ledger, "aborted", State::Aborted, START);
    at(&mut ledger, "visible", State::Visible, START);
    at(&mut ledger, "committed", State::Committed, START);
    let id = at(&mut ledger, "later", State::Prepare, START);
    ledger.commit(id, State::Prepare, START + MINUTE).unwrap();
    ledger.publish_next(START + MINUTE);
    ledger.publish_next(START + MINUTE);

    ledger.pass_time(START + age_max);
    assert_eq!(ledger.load_state(&label("visible")), "VISIBLE");

    ledger.pass_time(START + age_max + Duration::from_millis(1));
    for (text, state) in [("aborted", "UNKNOWN"), ("visible", "UNKNOWN"), ("later", "VISIBLE")] {
        assert_eq!(ledger.load_state(&label(text)), state, "{text}");
    }
    assert!(ledger.begin(begin("visible"), START).is_ok(), "a forgotten label is free");
}

#[test]
fn labels_are_forgotten_by_count_the_first_finished_first() {
    let mut ledger = ledger(Limits { labels_max: 2, ..Limits::of(System::Doris) });
    at(&mut ledger, "waiting", State::Prepared, START);
    for text in ["a", "b", "c"] {
        at(&mut ledger, text, State::Visible, START);
    }
    ledger.pass_time(START);
    let states = ["waiting", "a", "b", "c"].map(|text| ledger.load_state(&label(text)));
    assert_eq!(states, ["PRECOMMITTED", "UNKNOWN", "VISIBLE", "VISIBLE"]);
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted() {
    let limits = Limits::of(System::Doris);
    let (gather_max, wait_max) = (5 * MINUTE, limits.wait_max);
    let mut ledger = ledger(Limits { gather_max, ..limits });
    let gathering = at(&mut ledger, "gathering", State::Prepare, START);
    let waiting = at(&mut ledger, "waiting", State::Prepared, START);
    let committed = at(&mut ledger, "committed", State::Committed, START);
    let own = Begin { gather_max: Some(10 * MINUTE), ..begin("own") };
    let own = ledger.begin(own, START).unwrap();

    assert_eq!(ledger.pass_time(START + gather_max), []);
    assert_eq!(ledger.pass_time(START + gather_max + MINUTE), [gathering]);
    assert_eq!(ledger.pass_time(START + 11 * MINUTE), [own]);
    assert_eq!(ledger.pass_time(START + wait_max), []);
    assert_eq!(ledger.pass_time(START + wait_max + MINUTE), [waiting]);
    assert_eq!(ledger.get(waiting).unwrap().reason, "timeout by txn manager");
    assert_eq!(ledger.state(committed), Some(State::Committed), "what is decided stays");
}

#[test]
fn the_wait_counts_from_the_end_of_the_data_not_from_the_begin() {
    let wait_max = Duration::from_secs(3_600);
    let mut ledger = ledger(Limits::of(System::Doris));
    let id = at(&mut ledger, "a", State::Prepare, START);
    ledger.prepare(id, None, START + MINUTE).unwrap();
    assert_eq!(ledger.pass_time(START + wait_max + MINUTE), []);
    assert_eq!(ledger.pass_time(START + wait_max + 2 * MINUTE), [id]);
}

#[test]
fn only_so_many_run_at_once_and_a_committed_one_still_runs() {
    let mut ledger = ledger(Limits { running_max: 3, ..Limits::of(System::Doris) });
    at(&mut ledger, "aborted", State::Aborted, START);
    at(&mut ledger, "gathering", State::Prepare, START);
    at(&mut ledger, "committed", State::Committed, START);
    at(&mut ledger, "waiting", State::Prepared, START);
    let refused = Err(NotBegun::TooMany { database: 10_006, running: 3, limit: 3 });
    assert_eq!(ledger.begin(begin("one-more"), START), refused);
    ledger.publish_next(START);
    assert!(ledger.begin(begin("one-more"), START).is_ok());
}

#[test]
fn a_new_frontend_knows_only_what_was_complete() {
    let mut ledger = ledger(Limits::of(System::Doris));
    for (text, state) in ["a", "b", "c", "d", "e"].into_iter().zip(STATES) {
        at(&mut ledger, text, state, START);
    }
    ledger.restart_frontend();
    let states = ["a", "b", "c", "d", "e"].map(|text| ledger.load_state(&label(text)));
    assert_eq!(states, ["UNKNOWN", "PRECOMMITTED", "VISIBLE", "COMMITTED", "ABORTED"]);
}

#[test]
fn a_new_frontend_gives_no_number_twice() {
    let mut ledger = ledger(Limits::of(System::Doris));
    let lost = at(&mut ledger, "a", State::Prepare, START);
    assert_eq!(ledger.restart_frontend(), [lost]);
    assert!(at(&mut ledger, "a", State::Prepare, START) > lost);
}

#[test]
fn a_dead_backend_takes_only_what_it_was_gathering() {
    let mut ledger = ledger(Limits::of(System::Doris));
    let gathering = at(&mut ledger, "gathering", State::Prepare, START);
    let waiting = at(&mut ledger, "waiting", State::Prepared, START);
    let other = Begin { coordinator: TWO, ..begin("other") };
    let other = ledger.begin(other, START).unwrap();
    assert_eq!(ledger.lose_backend(ONE, START), [gathering]);
    assert_eq!(ledger.state(waiting), Some(State::Prepared));
    assert_eq!(ledger.state(other), Some(State::Prepare));
    assert_eq!(ledger.load_state(&label("gathering")), "ABORTED");
}

#[test]
fn versions_follow_the_commits_whoever_began_first() {
    let mut ledger = ledger(Limits::of(System::Doris));
    let first = at(&mut ledger, "first", State::Prepared, START);
    let second = at(&mut ledger, "second", State::Committed, START);
    ledger.commit(first, State::Prepared, START).unwrap();
    assert!(ledger.get(first).unwrap().version > ledger.get(second).unwrap().version);
    assert_eq!(ledger.publish_next(START), Some(second));
    assert_eq!(ledger.publish_next(START), Some(first));
    assert_eq!(ledger.publish_next(START), None);
}

#[test]
fn a_clock_that_is_set_back_ages_nothing() {
    let mut ledger = ledger(Limits::of(System::Doris));
    let id = at(&mut ledger, "a", State::Prepared, START);
    assert_eq!(ledger.pass_time(Moment(0)), []);
    assert_eq!(ledger.state(id), Some(State::Prepared));
}

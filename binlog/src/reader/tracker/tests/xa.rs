//! XA transactions, whose rows wait for a verdict that comes later in the log.

use super::*;

#[test]
fn an_xa_transaction_is_told_from_its_first_event_on_and_its_verdict_by_its_name() {
    let mut log = Log::new(true);
    log.xa_prepared(1).xa_verdict("COMMIT").xa_prepared(0).xa_verdict("ROLLBACK");
    let mut tracker = fresh(true);
    let steps: Vec<_> = dump(&mut tracker, &log)
        .iter()
        .filter_map(|logged| feed(&mut tracker, logged))
        .map(|seen| seen.split([' ', '(']).next().unwrap().to_owned())
        .collect();
    let want = ["Begin", "rows", "Prepared", "XaCommit", "Begin", "Prepared", "XaRollback"];
    assert_eq!(steps, want);
    assert_eq!(tracker.position().gtids.to_string(), format!("{U}:1-4"));
}

#[test]
fn rows_of_an_xa_transaction_are_settled_later_until_it_ends() {
    let run = |first: &str, last: Event| {
        let mut log = Log::new(true);
        log.begin().add(query(first)).add(rows());
        let mut tracker = fresh(true);
        for logged in &dump(&mut tracker, &log) {
            feed(&mut tracker, logged);
        }
        let settled = tracker.settled();
        let header =
            EventHeader { event_size: 40, event_type: kind::XA_PREPARE, ..Default::default() };
        let located = tracker.locate(&header, false);
        (settled, tracker.apply(&last, &header, located))
    };
    let (settled, step) = run("XA START X'67',X'',1", prepare(false));
    assert_eq!((settled, step.unwrap()), (Settled::Later, Step::Prepared(xid())));
    let (settled, step) = run("XA START X'67',X'',1", prepare(true));
    assert_eq!((settled, step.unwrap()), (Settled::Later, Step::Commit));
    let (settled, step) = run("BEGIN", prepare(false));
    assert_eq!(settled, Settled::Here);
    assert!(step.is_err(), "they went out as committed ones");
    let (_, step) = run("XA START X'68',X'',1", prepare(false));
    assert!(step.is_err(), "it began under another name");
    let (_, step) = run("BEGIN", query("XA COMMIT X'67',X'',1"));
    assert!(step.is_err(), "a verdict inside another transaction");
}

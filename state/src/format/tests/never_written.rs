//! What could not be resumed is refused before it is written.

use super::*;

#[test]
fn what_could_not_be_resumed_is_never_written() {
    let refused = |change: &dyn Fn(&mut SourceState)| {
        let mut checkpoint = version_1();
        change(Arc::make_mut(&mut checkpoint.source));
        encode(&checkpoint).unwrap_err().what
    };
    let what = refused(&|source| source.tables.push(source.tables[0].clone()));
    assert_eq!(what, "table shop.orders_1 is there twice");
    let what = refused(&|source| Arc::make_mut(&mut source.tables[0].schema).key = vec![6]);
    assert_eq!(what, "the key of table shop.orders_1 names column 6, which is not there");
}

#[test]
fn held_rows_that_two_xa_transactions_would_share_are_never_written() {
    let refused = |change: &dyn Fn(&mut XaState)| {
        let mut checkpoint = version_1();
        change(&mut Arc::make_mut(&mut checkpoint.source).xa);
        encode(&checkpoint).unwrap_err().what
    };
    let what = refused(&|xa| xa.prepared.push(xa.prepared[0].clone()));
    assert_eq!(what, "XA transaction X'67',X'',1 is there twice");
    let wrong = "the rows of XA transaction X'67',X'62',4294967295 bear a wrong number";
    assert_eq!(refused(&|xa| xa.prepared[0].rows = xa.prepared[1].rows), wrong);
    assert_eq!(refused(&|xa| xa.next = HeldId { run: 3, number: 17 }), wrong);
}

#[test]
fn a_quarantine_that_could_not_be_kept_is_never_written() {
    let refused = |change: &dyn Fn(&mut Quarantine)| {
        let mut checkpoint = with_quarantine();
        change(&mut Arc::make_mut(&mut checkpoint.source).quarantine);
        encode(&checkpoint).unwrap_err().what
    };
    let followed = TableName::new("shop", "log");
    let what = refused(&|q| q.tables[0].table = followed.clone());
    assert_eq!(what, "table shop.log is in quarantine and there a second time");
    let what = refused(&|q| q.tables.push(q.tables[0].clone()));
    assert_eq!(what, "table shop.完了 is in quarantine and there a second time");
    let what = refused(&|q| q.start_over.push(q.tables[0].table.clone()));
    assert_eq!(what, "table shop.完了 starts over and is not there");
}

#[test]
fn an_online_schema_change_that_could_not_go_on_is_never_written() {
    let refused = |change: &dyn Fn(&mut OnlineDdlState)| {
        let mut checkpoint = version_1();
        let mut online = online_ddl();
        change(&mut online);
        Arc::make_mut(&mut checkpoint.source).online_ddl = online;
        encode(&checkpoint).unwrap_err().what
    };
    let what = refused(&|online| online.shadows.push(online.shadows[0].clone()));
    assert_eq!(what, "the shadow table shop._orders_1_gho is there twice");
    let what = refused(&|online| {
        Arc::make_mut(online.shadows[0].definition.as_mut().unwrap()).key = vec![6];
    });
    assert_eq!(what, "the definition of the shadow table shop._orders_1_gho cannot be");
    let what = refused(&|online| online.away[0].table = TableName::new("shop", "t"));
    assert_eq!(what, "table shop.t is away twice, or not followed");
}

#[test]
fn a_change_to_be_told_that_could_not_be_is_never_written() {
    let refused = |change: &dyn Fn(&mut TableSchema)| {
        let mut checkpoint = version_1();
        let mut untold = untold();
        change(Arc::make_mut(untold[0].after.as_mut().unwrap()));
        Arc::make_mut(&mut checkpoint.source).untold = untold;
        encode(&checkpoint).unwrap_err().what
    };
    let what = "the definition of table shop.orders_1 that is still to be told cannot be";
    assert_eq!(refused(&|schema| schema.key = vec![6]), what);
    assert_eq!(refused(&|schema| schema.name = TableName::new("shop", "t")), what);
}

#[test]
fn ranges_out_of_order_are_refused() {
    let range = |a: u8, b: u8| KeyRange { after: Some(bound(&[a])), through: Some(bound(&[b])) };
    let json = serde_json::to_string(&[range(5, 6), range(1, 2)]).unwrap();
    let phase = TablePhase::Snapshot { done: serde_json::from_str(&json).unwrap(), rows: 0 };
    let mut checkpoint = version_1();
    Arc::make_mut(&mut checkpoint.source).tables[0].phase = phase;
    let what = encode(&checkpoint).unwrap_err().what;
    assert_eq!(what, "the ranges of table shop.orders_1 overlap or are out of order");
}

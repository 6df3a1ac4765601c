use std::time::Duration;

use super::*;
use crate::ingest::{Operation, Row};
use crate::table::{Column, KeyModel, Table, TableName, Type, Value};
use crate::txn::{Begin, Label, TxnId};

fn orders() -> Table {
    let column = |name: &str, is_key: bool| Column {
        name: name.to_owned(),
        ty: Type::BigInt,
        nullable: !is_key,
        is_key,
        default: None,
    };
    Table {
        name: "orders".to_owned(),
        columns: vec![column("id", true), column("amount", false)],
        model: KeyModel::Unique,
        sequence: None,
        details: crate::table::Details::default(),
    }
}

fn name() -> TableName {
    TableName::new("shop", "orders")
}

/// A load of one row, up to `PRECOMMITTED`.
fn precommit(cluster: &Cluster, label: &str, id: i128) -> TxnId {
    cluster
        .with(|state| {
            let begin = Begin {
                label: Label::new(System::Doris, label).unwrap(),
                tables: ["orders".to_owned()].into(),
                coordinator: state.nodes.backends[0].id,
                gather_max: None,
            };
            let now = state.now;
            let txn = state.doris("shop").unwrap().begin(begin, now).unwrap();
            let row = Row {
                values: vec![Value::Int(id), Value::Int(1)],
                operation: Operation::Upsert,
                sequence: None,
            };
            state.store.stage(txn, &name(), &orders(), &[row])?;
            state.doris("shop").unwrap().precommit(txn, now).unwrap();
            Ok::<_, StoreError>(txn)
        })
        .unwrap()
}

fn commit(cluster: &Cluster, txn: TxnId) {
    let named = crate::txn::doris::Named::Id(txn);
    let done = cluster.update(|state| {
        let now = state.now;
        state.doris("shop").unwrap().commit(&named, now)
    });
    done.unwrap().unwrap();
}

fn load_state(cluster: &Cluster, label: &str) -> &'static str {
    let found = cluster.update(|state| state.load_state("shop", label));
    found.unwrap().unwrap().0
}

fn count(cluster: &Cluster, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM \"{table}\"");
    let found = cluster.with(|state| {
        let counted = state.store.connection().query_row(&sql, [], |row| row.get(0));
        counted.map_err(StoreError::from)
    });
    found.unwrap()
}

fn open(place: Place) -> Cluster {
    let setup = Setup { place, ..Setup::new(System::Doris) };
    Cluster::open(&setup).unwrap()
}

fn with_table(place: Place) -> Cluster {
    let cluster = open(place);
    let made = cluster.with(|state| {
        state.create_database("shop")?;
        state.create_table("shop", orders())
    });
    made.unwrap();
    cluster
}

#[test]
fn a_commit_is_seen_when_it_is_published_and_that_may_take_a_while() {
    let cluster = with_table(Place::Memory);
    let delay = Duration::from_secs(60);
    cluster.update(|state| state.limits.publish_delay = delay).unwrap();
    commit(&cluster, precommit(&cluster, "a", 1));
    assert_eq!((load_state(&cluster, "a"), count(&cluster, "shop.orders")), ("COMMITTED", 0));
    cluster.with(|state| state.skip_time(delay)).unwrap();
    assert_eq!((load_state(&cluster, "a"), count(&cluster, "shop.orders")), ("VISIBLE", 1));
}

#[test]
fn a_transaction_that_expires_loses_its_rows() {
    let cluster = with_table(Place::Memory);
    precommit(&cluster, "a", 1);
    assert_eq!(count(&cluster, "staged"), 1);
    let hour = Duration::from_secs(3_601);
    cluster.with(|state| state.skip_time(hour)).unwrap();
    assert_eq!((load_state(&cluster, "a"), count(&cluster, "staged")), ("ABORTED", 0));
}

#[test]
fn the_transactions_of_two_databases_never_share_a_number() {
    let cluster = with_table(Place::Memory);
    let first = precommit(&cluster, "a", 1);
    let other = cluster.with(|state| {
        state.create_database("other")?;
        let begin = Begin {
            label: Label::new(System::Doris, "a").unwrap(),
            tables: std::collections::BTreeSet::new(),
            coordinator: state.nodes.backends[0].id,
            gather_max: None,
        };
        let now = state.now;
        Ok::<_, StoreError>(state.doris("other").unwrap().begin(begin, now).unwrap())
    });
    assert_eq!((first, other.unwrap()), (TxnId(1_000), TxnId(1_001)));
}

#[test]
fn what_is_complete_outlives_the_process_and_what_gathers_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::Directory(directory.path().join("data"));
    let cluster = with_table(place.clone());
    commit(&cluster, precommit(&cluster, "visible", 1));
    let waiting = precommit(&cluster, "waiting", 2);
    let begun = cluster.update(|state| {
        let begin = Begin {
            label: Label::new(System::Doris, "gathering").unwrap(),
            tables: std::collections::BTreeSet::new(),
            coordinator: state.nodes.backends[0].id,
            gather_max: None,
        };
        let now = state.now;
        state.doris("shop").unwrap().begin(begin, now).unwrap()
    });
    drop(cluster);

    let cluster = open(place);
    assert_eq!(load_state(&cluster, "visible"), "VISIBLE");
    assert_eq!(load_state(&cluster, "waiting"), "PRECOMMITTED");
    assert_eq!(load_state(&cluster, "gathering"), "UNKNOWN");
    assert_eq!(count(&cluster, "shop.orders"), 1);
    commit(&cluster, waiting);
    assert_eq!(count(&cluster, "shop.orders"), 2);
    assert!(precommit(&cluster, "gathering", 3) > begun.unwrap(), "a number was given twice");
}

#[test]
fn a_directory_of_one_system_is_refused_by_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::Directory(directory.path().to_owned());
    drop(open(place.clone()));
    let setup = Setup { place, ..Setup::new(System::StarRocks) };
    let refused = Cluster::open(&setup).unwrap_err().to_string();
    assert!(refused.contains("holds the state of another system, doris"), "{refused}");
}

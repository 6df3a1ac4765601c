use std::time::Duration;

use crate::System;
use crate::cluster::{Book, Cluster, Place, Setup};
use crate::ddl::{SqlError, Statement, change, define, parse};
use crate::ingest::{Headers, Operation, Options, Row, ingest};
use crate::jobs::JobState;
use crate::store::{AlterError, StoreError};
use crate::table::{TableName, Value};
use crate::txn::{Backend, Begin, Label, State as Standing, TxnId};

const SECOND: Duration = Duration::from_secs(1);

fn name() -> TableName {
    TableName::new("shop", "orders")
}

/// A cluster with one table, `id` and `amount`.
struct Fixture {
    cluster: Cluster,
    system: System,
    loads: u32,
}

impl Fixture {
    fn new(system: System) -> Self {
        Self::at(system, Place::Memory)
    }

    fn at(system: System, place: Place) -> Self {
        let kind = match system {
            System::Doris => "UNIQUE",
            System::StarRocks => "PRIMARY",
        };
        let sql = format!(
            "CREATE TABLE orders (id INT NOT NULL, amount VARCHAR(9)) {kind} KEY(id) \
             DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES ('replication_num'='1')"
        );
        let cluster = Cluster::open(&Setup { place, ..Setup::new(system) }).expect("a cluster");
        let Ok(Statement::CreateTable(create)) = parse(system, &sql) else { panic!("{sql}") };
        let table = define::define(system, 1, &create).expect("a table");
        let made = cluster.with(|state| {
            state.create_database("shop")?;
            state.create_table("shop", table)
        });
        made.expect("a store that works");
        Self { cluster, system, loads: 0 }
    }

    fn alter(&self, clause: &str) {
        let sql = format!("ALTER TABLE shop.orders {clause}");
        let Ok(Statement::Alter { clauses, .. }) = parse(self.system, &sql) else {
            panic!("{sql}")
        };
        let done = self.cluster.with(|state| {
            let before = state.table(&name()).expect("a table");
            let change: Result<_, SqlError> = change::plan(self.system, before, &clauses);
            state.change_table(&name(), change.expect("an allowed change"))
        });
        done.unwrap_or_else(|why: AlterError| panic!("{why}"));
    }

    fn begin(&mut self) -> TxnId {
        self.loads += 1;
        let label = Label::new(self.system, &format!("l{}", self.loads)).expect("a label");
        let tables = ["orders".to_owned()].into();
        let begin = Begin { label, tables, coordinator: Backend(10_001), gather_max: None };
        let begun = self.cluster.update(|state| {
            let now = state.now;
            match self.system {
                System::Doris => state.doris("shop").map(|book| book.begin(begin, now)),
                System::StarRocks => {
                    state.starrocks("shop").map(|book| book.begin_load(begin, now))
                }
            }
        });
        begun.expect("a store").expect("a database").expect("a free label")
    }

    /// Stages a row for each pair, in the columns of the time, and leaves it prepared.
    fn prepare(&mut self, rows: &[(i128, &str)]) -> TxnId {
        let txn = self.begin();
        let staged = self.cluster.with(|state| {
            let table = state.table(&name()).expect("a table").clone();
            let rows: Vec<Row> = rows
                .iter()
                .map(|(id, amount)| {
                    let mut values = vec![Value::Int(*id), Value::Text((*amount).to_owned())];
                    values.resize(table.columns.len(), Value::Null);
                    Row { values, operation: Operation::Upsert, sequence: None }
                })
                .collect();
            let now = state.now;
            state.store.stage(txn, &name(), &table, &rows)?;
            let ledger = state.database_mut("shop").map(|database| database.book.ledger_mut());
            ledger.expect("a database").prepare(txn, None, now).expect("it gathers");
            Ok::<_, StoreError>(())
        });
        staged.expect("a store that works");
        txn
    }

    fn commit(&self, txn: TxnId) {
        let done = self.cluster.update(|state| {
            let now = state.now;
            let book: Option<&mut Book> = state.database_mut("shop").map(|found| &mut found.book);
            book.map(|book| book.ledger_mut().commit(txn, Standing::Prepared, now))
        });
        done.expect("a store").expect("a database").expect("it was prepared");
    }

    fn load(&mut self, rows: &[(i128, &str)]) {
        let txn = self.prepare(rows);
        self.commit(txn);
    }

    fn pass(&self, time: Duration) {
        self.cluster.with(|state| state.skip_time(time)).expect("a store");
    }

    fn job(&self) -> (JobState, String) {
        let found = self.cluster.update(|state| {
            state.jobs.of("shop").last().map(|job| (job.state, job.message.clone()))
        });
        found.expect("a store").expect("a job")
    }

    /// Every row as a query sees it, the cells' kinds and texts.
    #[track_caller]
    fn holds(&self, expected: &[&[&str]]) {
        let rows = self.cluster.update(|state| {
            let sql = "SELECT * FROM \"shop.orders\" ORDER BY id";
            let mut select = state.store.connection().prepare(sql).expect("a view");
            let width = select.column_count();
            let rows = select.query_map([], |row| {
                (0..width).map(|at| row.get_ref(at).map(|cell| format!("{cell:?}"))).collect()
            });
            let rows: Result<Vec<Vec<String>>, _> = rows.expect("rows").collect();
            rows.expect("rows")
        });
        let shown = |cell: &str| {
            let cell = cell.to_owned();
            if let Some(number) = cell.strip_prefix('#') {
                return format!("Integer({number})");
            }
            if cell == "NULL" { "Null".to_owned() } else { format!("Text({:?})", cell.as_bytes()) }
        };
        let expected: Vec<Vec<String>> =
            expected.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
        assert_eq!(rows.expect("a store"), expected);
    }
}

#[test]
fn rows_follow_a_light_change_at_once_those_that_wait_for_their_commit_too() {
    for system in [System::Doris, System::StarRocks] {
        let mut fixture = Fixture::new(system);
        fixture.load(&[(1, "a")]);
        let waiting = fixture.prepare(&[(2, "b")]);
        fixture.alter("ADD COLUMN note VARCHAR(9) DEFAULT 'none' AFTER id");
        fixture.holds(&[&["#1", "none", "a"]]);
        fixture.commit(waiting);
        fixture.holds(&[&["#1", "none", "a"], &["#2", "none", "b"]]);
        fixture.alter("RENAME COLUMN amount sum");
        fixture.alter("DROP COLUMN note");
        fixture.holds(&[&["#1", "a"], &["#2", "b"]]);
        fixture.load(&[(2, "c")]);
        fixture.holds(&[&["#1", "a"], &["#2", "c"]]);
    }
}

/// Row 35 of both checklists.
#[test]
fn only_doris_lists_what_was_done_at_once() {
    for (system, listed) in [(System::Doris, 1), (System::StarRocks, 0)] {
        let fixture = Fixture::new(system);
        fixture.alter("ADD COLUMN note INT");
        let jobs = fixture.cluster.update(|state| state.jobs.of("shop").count());
        assert_eq!(jobs.expect("a store"), listed, "{system:?}");
    }
}

/// Row 35 of both checklists.
#[test]
fn an_open_transaction_holds_a_heavy_change_up_and_loads_go_on_meanwhile() {
    for system in [System::Doris, System::StarRocks] {
        let mut fixture = Fixture::new(system);
        fixture.load(&[(1, "10")]);
        let older = fixture.prepare(&[(2, "20")]);
        fixture.alter("MODIFY COLUMN amount INT");
        fixture.pass(60 * SECOND);
        fixture.pass(60 * SECOND);
        assert_eq!(fixture.job().0, JobState::WaitingTxn);
        fixture.load(&[(3, "30")]);
        fixture.holds(&[&["#1", "10"], &["#3", "30"]]);
        fixture.commit(older);
        assert_eq!(fixture.job().0, JobState::Running);
        fixture.load(&[(4, "40")]);
        let younger = fixture.prepare(&[(5, "50")]);
        fixture.pass(SECOND);
        assert_eq!(fixture.job().0, JobState::Finished);
        fixture.commit(younger);
        fixture.holds(&[
            &["#1", "#10"],
            &["#2", "#20"],
            &["#3", "#30"],
            &["#4", "#40"],
            &["#5", "#50"],
        ]);
    }
}

/// Row 35 of both checklists.
#[test]
fn a_value_that_the_new_type_does_not_hold_cancels_the_job_and_nothing_is_changed() {
    let mut fixture = Fixture::new(System::Doris);
    fixture.load(&[(1, "10"), (2, "many")]);
    fixture.alter("MODIFY COLUMN amount INT");
    fixture.pass(SECOND);
    fixture.pass(SECOND);
    let (state, message) = fixture.job();
    assert_eq!(state, JobState::Cancelled);
    assert!(message.contains("many"), "{message}");
    fixture.holds(&[&["#1", "10"], &["#2", "many"]]);
    fixture.load(&[(3, "still text")]);
    fixture.holds(&[&["#1", "10"], &["#2", "many"], &["#3", "still text"]]);
}

#[test]
fn a_table_made_anew_has_nothing_to_do_with_the_job_of_the_one_before() {
    let fixture = Fixture::new(System::Doris);
    fixture.alter("MODIFY COLUMN amount INT");
    let table = fixture.cluster.with(|state| {
        let table = state.table(&name()).expect("a table").clone();
        state.drop_table(&name())?;
        state.create_table("shop", table.clone())?;
        Ok::<_, StoreError>(table)
    });
    fixture.pass(60 * SECOND);
    assert_eq!(fixture.job().0, JobState::Cancelled);
    let now = fixture.cluster.update(|state| state.table(&name()).cloned());
    assert_eq!(now.expect("a store"), table.ok());
}

#[test]
fn a_job_outlives_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = Place::Directory(directory.path().to_owned());
    let mut fixture = Fixture::at(System::Doris, place.clone());
    fixture.load(&[(1, "10")]);
    fixture.alter("MODIFY COLUMN amount INT");
    fixture.pass(SECOND);
    assert_eq!(fixture.job().0, JobState::Running);
    fixture.cluster = Cluster::open(&Setup::new(System::Doris)).expect("the directory is let go");
    let setup = Setup { place, ..Setup::new(System::Doris) };
    fixture.cluster = Cluster::open(&setup).expect("what was kept");
    assert_eq!(fixture.job().0, JobState::Running);
    fixture.pass(3 * SECOND);
    assert_eq!(fixture.job().0, JobState::Finished);
    fixture.holds(&[&["#1", "#10"]]);
}

#[test]
fn values_are_recast_as_the_new_type_writes_them() {
    for (from, to, before, after) in [
        ("INT", "BIGINT", "7", "#7"),
        ("INT", "VARCHAR(9)", "-7", "-7"),
        ("INT", "DATE", "20240131", "2024-01-31"),
        ("BIGINT", "LARGEINT", "9", "9"),
        ("DOUBLE", "VARCHAR(9)", "0.5", "0.5"),
        ("DATE", "DATETIME", "2024-01-31", "2024-01-31 00:00:00"),
        ("DATETIME(3)", "DATE", "2024-01-31 12:00:00.5", "2024-01-31"),
        ("VARCHAR(9)", "DECIMAL(9,2)", "1.5", "1.50"),
        ("VARCHAR(9)", "INT", "\\N", "NULL"),
    ] {
        let mut fixture = Fixture::new(System::Doris);
        fixture.alter("DROP COLUMN amount");
        fixture.alter(&format!("ADD COLUMN v {from}"));
        let txn = fixture.begin();
        let staged = fixture.cluster.with(|state| {
            let table = state.table(&name()).expect("a table").clone();
            let options = Options::parse(System::Doris, &Headers::default()).expect("no headers");
            let body = format!("1\t{before}\n");
            let rows =
                ingest(System::Doris, &table, &options, body.as_bytes()).expect("a body").rows;
            let now = state.now;
            state.store.stage(txn, &name(), &table, &rows)?;
            let ledger = state.database_mut("shop").map(|database| database.book.ledger_mut());
            ledger.expect("a database").prepare(txn, None, now).expect("it gathers");
            Ok::<_, StoreError>(())
        });
        staged.expect("a store that works");
        fixture.commit(txn);
        fixture.alter(&format!("MODIFY COLUMN v {to}"));
        fixture.pass(SECOND);
        fixture.pass(SECOND);
        assert_eq!(fixture.job().0, JobState::Finished, "{from} to {to}: {}", fixture.job().1);
        fixture.holds(&[&["#1", after]]);
    }
}

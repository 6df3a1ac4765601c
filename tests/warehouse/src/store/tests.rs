use super::*;
use crate::table::{Column, KeyModel, Sequence, Type, Value};

fn column(name: &str, ty: Type, is_key: bool) -> Column {
    Column { name: name.to_owned(), ty, nullable: true, is_key, default: None }
}

fn table(model: KeyModel) -> Table {
    Table {
        name: "orders".to_owned(),
        columns: vec![column("id", Type::LargeInt, true), column("name", Type::Varchar(8), false)],
        model,
        sequence: None,
        details: crate::table::Details::default(),
    }
}

fn sequenced() -> Table {
    Table { sequence: Some(Sequence::Hidden(Type::LargeInt)), ..table(KeyModel::Unique) }
}

fn name() -> TableName {
    TableName::new("shop", "orders")
}

/// A store with one table, and the next version that it publishes.
struct Fixture {
    store: Store,
    catalog: Catalog,
    table: Table,
    version: u64,
    order: Order,
}

impl Fixture {
    fn new(table: Table) -> Self {
        let store = Store::in_memory().expect("SQLite");
        store.create_table("shop", &table).expect("a table");
        let mut catalog = Catalog::default();
        catalog.put("shop", table.clone());
        Self { store, catalog, table, version: 2, order: Order::AsSent }
    }

    fn stage(&mut self, txn: u64, rows: &[Row]) {
        self.store.stage(TxnId(txn), &name(), &self.table, rows).expect("staged");
    }

    fn publish(&mut self, txn: u64) {
        self.version += 1;
        let txn = TxnId(txn);
        self.store.publish(&self.catalog, txn, self.version, self.order).expect("published");
    }

    fn load(&mut self, rows: &[Row]) {
        self.stage(1, rows);
        self.publish(1);
    }

    /// As a query sees it.
    fn rows(&self) -> Vec<(Option<String>, Option<String>)> {
        let sql = "SELECT id, name FROM \"shop.orders\" ORDER BY id, name";
        let mut select = self.store.connection().prepare(sql).expect("a view");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    #[track_caller]
    fn holds(&self, rows: &[(&str, &str)]) {
        let owned = |(id, name): &(&str, &str)| (Some((*id).to_owned()), Some((*name).to_owned()));
        assert_eq!(self.rows(), rows.iter().map(owned).collect::<Vec<_>>());
    }
}

fn upsert(id: i128, name: &str) -> Row {
    let values = vec![Value::Int(id), Value::Text(name.to_owned())];
    Row { values, operation: Operation::Upsert, sequence: None }
}

fn delete(id: i128) -> Row {
    Row { operation: Operation::Delete, ..upsert(id, "") }
}

fn at(sequence: i128, row: Row) -> Row {
    Row { sequence: Some(Value::Int(sequence)), ..row }
}

#[test]
fn staged_rows_are_seen_once_they_are_published_and_never_if_discarded() {
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    fixture.stage(1, &[upsert(1, "a")]);
    fixture.stage(2, &[upsert(2, "b")]);
    fixture.holds(&[]);
    fixture.publish(2);
    fixture.holds(&[("2", "b")]);
    fixture.store.discard(TxnId(1)).unwrap();
    fixture.publish(1);
    fixture.holds(&[("2", "b")]);
}

/// Row 31 of Doris' checklist.
#[test]
fn of_one_key_the_later_publication_stays_whatever_was_staged_first() {
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    fixture.stage(1, &[upsert(7, "first")]);
    fixture.stage(2, &[upsert(7, "second")]);
    fixture.publish(2);
    fixture.publish(1);
    fixture.holds(&[("7", "first")]);
}

#[test]
fn a_duplicate_table_keeps_every_row() {
    let mut fixture = Fixture::new(table(KeyModel::Duplicate));
    fixture.load(&[upsert(1, "a"), upsert(1, "a")]);
    fixture.load(&[upsert(1, "b")]);
    fixture.holds(&[("1", "a"), ("1", "a"), ("1", "b")]);
}

/// Row 28 of Doris' checklist.
#[test]
fn a_delete_takes_its_key_and_one_of_an_absent_key_takes_nothing() {
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    fixture.load(&[upsert(1, "a"), upsert(2, "b")]);
    fixture.load(&[delete(1), delete(9)]);
    fixture.holds(&[("2", "b")]);
    fixture.load(&[upsert(1, "again")]);
    fixture.holds(&[("1", "again"), ("2", "b")]);
}

/// Row 29 of Doris' checklist.
#[test]
fn rows_of_one_key_in_one_load_may_be_applied_backwards_unless_they_have_a_sequence() {
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    fixture.order = Order::Reversed;
    fixture.load(&[upsert(1, "old"), upsert(1, "new")]);
    fixture.holds(&[("1", "old")]);

    let mut fixture = Fixture::new(sequenced());
    fixture.order = Order::Reversed;
    fixture.load(&[at(1, upsert(1, "old")), at(2, upsert(1, "new"))]);
    fixture.holds(&[("1", "new")]);
}

/// Row 30 of Doris' checklist.
#[test]
fn an_older_sequence_changes_nothing_not_even_after_a_delete() {
    let mut fixture = Fixture::new(sequenced());
    fixture.load(&[at(10, upsert(1, "ten"))]);
    fixture.load(&[at(9, upsert(1, "nine"))]);
    fixture.load(&[at(9, delete(1))]);
    fixture.holds(&[("1", "ten")]);
    fixture.load(&[at(10, upsert(1, "ten again"))]);
    fixture.holds(&[("1", "ten again")]);
    fixture.load(&[at(12, delete(1))]);
    fixture.load(&[at(11, upsert(1, "eleven"))]);
    fixture.holds(&[]);
    fixture.load(&[at(13, upsert(1, "thirteen"))]);
    fixture.holds(&[("1", "thirteen")]);
}

#[test]
fn sequences_are_compared_as_numbers_in_all_their_bits() {
    let mut fixture = Fixture::new(sequenced());
    let large = i128::from(i64::MAX) * 10;
    fixture.load(&[at(large, upsert(1, "large"))]);
    fixture.load(&[at(large - 1, upsert(1, "less"))]);
    fixture.load(&[at(9, upsert(1, "nine"))]);
    fixture.holds(&[("1", "large")]);
}

/// Row 38 of Doris' checklist, 39 of StarRocks'.
#[test]
fn a_table_truncated_under_a_transaction_loses_its_rows() {
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    fixture.load(&[upsert(1, "a")]);
    fixture.stage(2, &[upsert(2, "b")]);
    fixture.store.truncate(&name()).unwrap();
    fixture.publish(2);
    fixture.holds(&[]);
}

#[test]
fn a_table_made_anew_under_a_transaction_has_none_of_its_rows() {
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    fixture.stage(1, &[upsert(1, "a")]);
    fixture.store.drop_table(&name()).unwrap();
    fixture.store.create_table("shop", &fixture.table).unwrap();
    fixture.publish(1);
    fixture.holds(&[]);
}

#[test]
fn null_is_equal_to_null_in_a_key() {
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    let null = |text: &str| {
        let mut row = upsert(0, text);
        row.values[0] = Value::Null;
        row
    };
    fixture.load(&[null("a")]);
    fixture.load(&[null("b")]);
    assert_eq!(fixture.rows(), [(None, Some("b".to_owned()))]);
}

#[test]
fn values_rest_as_they_came() {
    let types = [
        (Type::LargeInt, Value::Int(i128::MIN)),
        (Type::BigInt, Value::Int(i64::MIN.into())),
        (Type::Double, Value::Float(0.1)),
        (Type::Varbinary(4), Value::Bytes(vec![0, 255])),
        (Type::Varchar(8), Value::Text("{\"int\":\"1\"}".to_owned())),
        (Type::Int, Value::Null),
    ];
    for (ty, value) in types {
        assert_eq!(cell::from_json(&cell::to_json(&value)), value, "{ty}");
    }
    let mut fixture = Fixture::new(table(KeyModel::Unique));
    fixture.load(&[upsert(i128::MAX, "a\0'\"b")]);
    fixture.holds(&[("170141183460469231731687303715884105727", "a\0'\"b")]);
}

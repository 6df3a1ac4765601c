//! How large snapshots are.

use std::sync::Arc;

use model::checkpoint::{TablePhase, TableState};
use model::conformance::samples;
use model::table::Collation;
use model::{
    BarrierKind, Column, ColumnType, KeyBound, KeyRange, RangeSet, TableName, TableSchema,
};

use super::*;

const TABLES: u64 = 2_000;
const BYTES_MAX: usize = 1024 * 1024;
const WORDS: [&str; 24] = [
    "customer", "order", "item", "price", "total", "created", "updated", "deleted", "status",
    "kind", "address", "street", "city", "country", "phone", "email", "remark", "amount", "tax",
    "source", "parent", "owner", "version", "flag",
];

/// Made-up and yet the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn column(&mut self, number: usize) -> Column {
        let collation = Collation { charset: "utf8mb4".into(), name: "utf8mb4_general_ci".into() };
        let (ty, declared) = match self.below(6) {
            0 => (ColumnType::Int { bytes: 4, unsigned: false }, "int".to_owned()),
            1 => (ColumnType::Int { bytes: 8, unsigned: true }, "bigint unsigned".to_owned()),
            2 => (ColumnType::Timestamp { fsp: 0 }, "timestamp".to_owned()),
            3 => (ColumnType::Decimal { precision: 18, scale: 4 }, "decimal(18,4)".to_owned()),
            _ => {
                let chars = 10 + u32::try_from(self.below(240)).unwrap();
                (ColumnType::Text { chars, collation }, format!("varchar({chars})"))
            }
        };
        let (a, b) = (WORDS[self.below(24)], WORDS[self.below(24)]);
        Column {
            name: format!("{a}_{b}_{number}").into(),
            ty,
            declared: declared.into(),
            nullable: self.below(2) == 0,
            generated: false,
            invisible: false,
        }
    }

    fn table(&mut self, name: &str) -> TableSchema {
        let id = ColumnType::Int { bytes: 8, unsigned: false };
        let mut columns: Vec<Column> = (0..20).map(|number| self.column(number)).collect();
        columns[0] =
            Column { name: "id".into(), ty: id, declared: "bigint".into(), ..columns[0].clone() };
        TableSchema {
            name: TableName::new("erp", name),
            columns,
            key: vec![0],
            key_index: "PRIMARY".into(),
            collation: None,
            indexes: vec![],
        }
    }
}

/// Tables of 20 columns in `shapes` shapes, one of them in the middle of its snapshot.
fn bytes_of(shapes: u64) -> usize {
    let mut checkpoint = samples::checkpoint("erp/everything", 4711, BarrierKind::Checkpoint);
    let table = |number: u64| {
        let name = format!("{}_{number:04}", WORDS[usize::try_from(number % 24).unwrap()]);
        Arc::new(Dice(number % shapes + 1).table(&name))
    };
    let live =
        |number| TableState { schema: table(number), phase: TablePhase::Live, unproven: None };
    let source = Arc::make_mut(&mut checkpoint.source);
    source.tables = (0..TABLES).map(live).collect();
    let bound = |key: u64| {
        let order = key.to_be_bytes().to_vec();
        Some(KeyBound { key: order.clone(), order })
    };
    let mut done = RangeSet::default();
    done.insert(KeyRange { after: None, through: bound(123_456_789) });
    done.insert(KeyRange { after: bound(987_654_321), through: None });
    source.tables[7].phase = TablePhase::Snapshot { done, rows: 123_456_789 };
    let bytes = encode(&checkpoint).unwrap();
    let place = Place { store: "memory", job: "erp/everything", id: "4711" };
    assert_eq!(decode(&bytes, place).unwrap(), checkpoint);
    println!("{TABLES} tables of 20 columns in {shapes} shapes: {} bytes", bytes.len());
    bytes.len()
}

#[test]
fn two_thousand_tables_of_ten_shapes_fit_into_a_mebibyte() {
    assert!(bytes_of(10) < BYTES_MAX);
}

#[test]
fn two_thousand_tables_that_are_all_different_fit_into_a_mebibyte() {
    assert!(bytes_of(TABLES) < BYTES_MAX);
}

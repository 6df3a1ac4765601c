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

const PLACE: Place<'_> = Place { store: "memory", job: "erp/everything", id: "4711" };

/// The bytes of [`TABLES`] tables of 20 columns in `shapes` shapes, each as far as `phase` says.
fn encoded(shapes: u64, phase: impl Fn(u64) -> TablePhase) -> Vec<u8> {
    let mut checkpoint = samples::checkpoint("erp/everything", 4711, BarrierKind::Checkpoint);
    let table = |number: u64| {
        let name = format!("{}_{number:04}", WORDS[usize::try_from(number % 24).unwrap()]);
        let schema = Arc::new(Dice(number % shapes + 1).table(&name));
        TableState { schema, phase: phase(number), unproven: None }
    };
    Arc::make_mut(&mut checkpoint.source).tables = (0..TABLES).map(table).collect();
    let bytes = encode(&checkpoint).unwrap();
    assert_eq!(decode(&bytes, PLACE).unwrap(), checkpoint);
    println!("{TABLES} tables of 20 columns in {shapes} shapes: {} bytes", bytes.len());
    bytes
}

/// Read from both ends, a piece in between left to read.
fn half_read(first: u64, last: u64) -> TablePhase {
    let bound = |key: u64| {
        let order = key.to_be_bytes().to_vec();
        Some(KeyBound { key: order.clone(), order })
    };
    let mut done = RangeSet::default();
    done.insert(KeyRange { after: None, through: bound(first) });
    done.insert(KeyRange { after: bound(last), through: None });
    TablePhase::Snapshot { done, rows: first }
}

/// One table in the middle of its snapshot, the others live.
fn one_is_read(number: u64) -> TablePhase {
    if number == 7 { half_read(123_456_789, 987_654_321) } else { TablePhase::Live }
}

#[test]
fn two_thousand_tables_of_ten_shapes_fit_into_a_mebibyte() {
    assert!(encoded(10, one_is_read).len() < BYTES_MAX);
}

#[test]
fn two_thousand_tables_that_are_all_different_fit_into_a_mebibyte() {
    assert!(encoded(TABLES, one_is_read).len() < BYTES_MAX);
}

#[test]
fn two_thousand_tables_in_mid_snapshot_fit_into_a_mebibyte() {
    let bytes = encoded(TABLES, |number| half_read(number * 7_919, number * 104_729));
    assert!(bytes.len() < BYTES_MAX, "{} bytes", bytes.len());
}

#[test]
fn one_shape_is_stored_once() {
    let bytes = encoded(1, one_is_read);
    let outline = outline(&bytes, PLACE).unwrap();
    let schemas = outline.sections.iter().find(|section| section.tag == "schemas").unwrap();
    assert!(schemas.raw < 4096, "one shape is stored once, not in {} bytes", schemas.raw);
}

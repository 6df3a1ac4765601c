use std::sync::Arc;

use model::{Decimal, TableName, Time};
use proptest::prelude::*;

use super::*;

fn schema(columns: Vec<ColumnType>) -> TableSchema {
    let key = (0..columns.len()).collect();
    let column = |(n, ty): (usize, ColumnType)| Column {
        name: format!("k{n}").into(),
        ty,
        declared: "declared".into(),
        nullable: false,
        generated: false,
        invisible: false,
    };
    TableSchema {
        name: TableName::new("d", "t"),
        columns: columns.into_iter().enumerate().map(column).collect(),
        key,
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    }
}

fn collation(name: &str) -> Collation {
    let charset = name.split('_').next().unwrap();
    Collation { charset: charset.into(), name: name.into() }
}

fn text(name: &str) -> ColumnType {
    ColumnType::Text { chars: 10, collation: collation(name) }
}

fn check_ascending(ty: ColumnType, cells: Vec<Cell<'_>>) {
    let order = KeyOrder::of(&schema(vec![ty])).unwrap();
    let keys: Vec<_> =
        cells.iter().map(|c| order.encode_local(std::slice::from_ref(c)).unwrap()).collect();
    for (n, pair) in keys.windows(2).enumerate() {
        assert!(pair[0] < pair[1], "{:?} before {:?}", cells[n], cells[n + 1]);
    }
}

#[test]
fn keys_of_every_simple_type_come_in_mysqls_order() {
    let signed = ColumnType::Int { bytes: 8, unsigned: false };
    check_ascending(signed, vec![Cell::Int(i64::MIN), Cell::Int(-1), Cell::Int(0), Cell::Int(7)]);
    let unsigned = ColumnType::Int { bytes: 8, unsigned: true };
    check_ascending(unsigned, vec![Cell::UInt(0), Cell::UInt(1 << 63), Cell::UInt(u64::MAX)]);
    let decimal = |t| Cell::Decimal(Decimal::Text(t));
    check_ascending(
        ColumnType::Decimal { precision: 8, scale: 3 },
        ["-99999.999", "-10.500", "-2.000", "0.000", "0.001", "9.999", "10.000"]
            .map(decimal)
            .into(),
    );
    let doubles = [-1e300, -0.5, 0.0, 1e-300, 2.0];
    check_ascending(ColumnType::Double, doubles.map(Cell::Double).into());
    let time = |negative, hours, micros| {
        Cell::Time(Time { negative, hours, minutes: 0, seconds: 0, micros })
    };
    check_ascending(
        ColumnType::Time { fsp: 6 },
        vec![
            time(true, 838, 0),
            time(true, 0, 2),
            time(true, 0, 1),
            time(false, 0, 0),
            time(false, 1, 0),
        ],
    );
    let bytes = |b: &'static [u8]| Cell::Bytes(b.into());
    check_ascending(
        ColumnType::VarBinary { bytes: 10 },
        vec![
            bytes(b""),
            bytes(b"\0"),
            bytes(b"\0\0"),
            bytes(b"\0\x01"),
            bytes(b"a"),
            bytes(b"a\0"),
        ],
    );
}

#[test]
fn enum_keys_are_ordered_by_member_number() {
    let members: Arc<[Arc<str>]> = ["z", "a"].map(Arc::from).into();
    let ty = ColumnType::Enum { members, collation: collation("utf8mb4_general_ci") };
    check_ascending(
        ty,
        vec![Cell::Text("".into()), Cell::Text("z".into()), Cell::Text("a".into())],
    );
}

#[test]
fn trailing_spaces_count_only_where_the_collation_says_so() {
    let encode = |name: &str, t: &'static str| {
        let order = KeyOrder::of(&schema(vec![text(name)])).unwrap();
        order.encode_local(&[Cell::Text(t.into())]).unwrap()
    };
    assert_eq!(encode("utf8mb4_bin", "a"), encode("utf8mb4_bin", "a  "));
    assert!(encode("utf8mb4_bin", "a\t") < encode("utf8mb4_bin", "a"), "tab is below space");
    assert!(encode("utf8mb4_0900_bin", "a") < encode("utf8mb4_0900_bin", "a "));
}

#[test]
fn an_order_that_only_the_server_knows_is_never_guessed() {
    for name in ["utf8mb4_0900_ai_ci", "utf8mb4_general_ci", "latin1_swedish_ci", "latin1_bin"] {
        let order = KeyOrder::of(&schema(vec![text(name)])).unwrap();
        assert!(order.needs_server(), "{name}");
        assert!(order.encode_local(&[Cell::Text("a".into())]).is_err(), "{name}");
    }
    let order = KeyOrder::of(&schema(vec![text("utf8mb4_general_ci")])).unwrap();
    assert_eq!(order.weight_expressions(), ["WEIGHT_STRING(`k0` AS CHAR(10))"]);
    let order = KeyOrder::of(&schema(vec![text("utf8mb4_unicode_ci")])).unwrap();
    assert_eq!(order.weight_expressions(), ["WEIGHT_STRING(`k0` AS CHAR(80))"]);
    let order = KeyOrder::of(&schema(vec![text("utf8mb4_0900_ai_ci")])).unwrap();
    assert_eq!(order.weight_expressions(), ["WEIGHT_STRING(`k0`)"]);
}

proptest! {
    #[test]
    fn composite_keys_compare_column_by_column(
        a in (any::<i64>(), prop::collection::vec(0u8..3, 0..5), any::<u64>()),
        b in (any::<i64>(), prop::collection::vec(0u8..3, 0..5), any::<u64>()),
        same_first in any::<bool>(),
    ) {
        let b = if same_first { (a.0, b.1, b.2) } else { b };
        let order = KeyOrder::of(&schema(vec![
            ColumnType::Int { bytes: 8, unsigned: false },
            ColumnType::VarBinary { bytes: 5 },
            ColumnType::Int { bytes: 8, unsigned: true },
        ])).unwrap();
        let encode = |k: &(i64, Vec<u8>, u64)| {
            let row = [Cell::Int(k.0), Cell::Bytes(k.1.clone().into()), Cell::UInt(k.2)];
            order.encode_local(&row).unwrap()
        };
        prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
    }
}

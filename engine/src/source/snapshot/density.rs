//! Where a chunk ends, by arithmetic: for keys that are one whole number.
//!
//! `AUTO_INCREMENT` keys lie close together, so the chunk that ends n numbers on holds n rows. Where
//! they do not, the chunks read so far tell how far apart they are.

use model::{Cell, ColumnType, KeyBound, KeyRange, PackedCodec, PackedRow, RowCodec};

use crate::source::order::KeyOrder;

/// How many times wider than the last one the next range may be: after nothing but empty ones, the
/// whole of BIGINT is crossed in 16 steps.
const GROWTH_MAX: f64 = 16.0;
/// Guessed ranges of keys with gaps aim this far below the limit, for they vary.
const FILL: f64 = 0.875;

/// How far apart keys lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Density {
    numbers_per_row: f64,
}

impl Default for Density {
    fn default() -> Self {
        Self { numbers_per_row: 1.0 }
    }
}

impl Density {
    /// The key up to which about `rows` rows lie above `after`; `None` past the type's end.
    pub fn end(self, order: &KeyOrder, after: &KeyBound, rows: u64) -> Option<KeyBound> {
        let fill = if self.numbers_per_row > 1.0 { FILL } else { 1.0 };
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a guess")]
        let width = (rows as f64 * self.numbers_per_row * fill).max(1.0) as i128;
        bound(order, number(after)?.checked_add(width)?)
    }

    /// `rows` were found in `range`.
    pub fn learn(&mut self, order: &KeyOrder, range: &KeyRange, rows: u64) {
        let ends = (range.after.as_ref().and_then(number), range.through.as_ref().and_then(number));
        let (Some(after), Some(through)) = ends else { return };
        debug_assert!(counts(order));
        #[expect(clippy::cast_precision_loss, reason = "a guess")]
        let seen = through.saturating_sub(after) as f64 / rows.max(1) as f64;
        let most = self.numbers_per_row * GROWTH_MAX;
        self.numbers_per_row = if rows == 0 { most } else { seen.clamp(1.0, most) };
    }
}

/// True for a key of one whole number.
pub fn counts(order: &KeyOrder) -> bool {
    matches!(order.column_types().as_slice(), [ColumnType::Int { .. }])
}

fn number(key: &KeyBound) -> Option<i128> {
    let mut cells = Vec::with_capacity(1);
    PackedCodec.decode(&key.key, &mut cells).ok()?;
    match cells.as_slice() {
        [Cell::Int(n)] => Some(i128::from(*n)),
        [Cell::UInt(n)] => Some(i128::from(*n)),
        _ => None,
    }
}

/// `None` where the column cannot hold the number.
fn bound(order: &KeyOrder, number: i128) -> Option<KeyBound> {
    let types = order.column_types();
    let [ColumnType::Int { bytes, unsigned }] = types.as_slice() else { return None };
    let bits = u32::from(*bytes) * 8;
    let cell = if *unsigned {
        Cell::UInt(u64::try_from(number).ok().filter(|n| bits >= 64 || *n >> bits == 0)?)
    } else {
        let most = i64::MAX >> (64 - bits.clamp(1, 64));
        Cell::Int(i64::try_from(number).ok().filter(|n| *n <= most)?)
    };
    let mut key = Vec::new();
    PackedRow::write(&mut key, std::slice::from_ref(&cell));
    let order = order.encode(&[&cell], std::iter::empty()).ok()?;
    Some(KeyBound { order, key })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Column, TableName, TableSchema};

    use super::*;

    fn order(bytes: u8, unsigned: bool) -> KeyOrder {
        let column = Column {
            name: "k".into(),
            ty: ColumnType::Int { bytes, unsigned },
            declared: "int".into(),
            nullable: false,
            generated: false,
            invisible: false,
        };
        let schema = Arc::new(TableSchema {
            name: TableName::new("d", "t"),
            columns: vec![column],
            key: vec![0],
            key_index: "PRIMARY".into(),
            collation: None,
            indexes: vec![],
        });
        KeyOrder::of(&schema).unwrap()
    }

    fn range(order: &KeyOrder, after: i128, through: i128) -> KeyRange {
        KeyRange { after: bound(order, after), through: bound(order, through) }
    }

    #[test]
    fn keys_without_gaps_give_full_chunks() {
        let order = order(4, false);
        let mut density = Density::default();
        let from = bound(&order, -10).unwrap();
        assert_eq!(density.end(&order, &from, 100), bound(&order, 90));
        density.learn(&order, &range(&order, -10, 90), 100);
        assert_eq!(density.end(&order, &from, 100), bound(&order, 90));
    }

    #[test]
    fn keys_far_apart_are_found_in_a_few_steps() {
        let order = order(8, true);
        let mut density = Density::default();
        let (mut at, mut steps) = (0, 0);
        while let Some(end) = density.end(&order, &bound(&order, at).unwrap(), 8096) {
            let through = number(&end).unwrap();
            density.learn(&order, &range(&order, at, through), 0);
            (at, steps) = (through, steps + 1);
        }
        assert!(at > 1 << 60 && steps <= 16, "at {at} after {steps}");
        density.learn(&order, &range(&order, 0, 16_000), 1000);
        let end = density.end(&order, &bound(&order, 0).unwrap(), 1000).unwrap();
        assert_eq!(number(&end), Some(14_000));
    }

    #[test]
    fn a_guess_stays_within_its_type() {
        let ends = [(1, false, 127), (1, true, 255), (3, false, 8_388_607), (8, true, u64::MAX)];
        for (bytes, unsigned, most) in ends {
            let order = order(bytes, unsigned);
            assert!(bound(&order, i128::from(most)).is_some(), "{bytes} bytes");
            assert!(bound(&order, i128::from(most) + 1).is_none(), "{bytes} bytes");
        }
    }
}

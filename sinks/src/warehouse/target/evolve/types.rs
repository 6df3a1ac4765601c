//! Which change of a column's type a system makes.

use crate::warehouse::system::System;
use crate::warehouse::target::types::{Family, TargetType};

/// What a column of type `from` does when the source's becomes `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// It holds all that is to come, and what is in it is what the source has.
    Stay,
    Modify,
    /// With the reason.
    Impossible(&'static str),
}

pub(super) fn of(system: System, from: TargetType, to: TargetType) -> Move {
    if from == to {
        return Move::Stay;
    }
    let same_family = from.family() == to.family();
    if same_family && from.holds(to) {
        // Rows at rest were cut in the source, and no event in the binlog says so.
        return if keeps_values(from, to) {
            Move::Stay
        } else {
            Move::Impossible("the source rounded the values that it had")
        };
    }
    if can_modify(system, from, to) {
        Move::Modify
    } else if same_family && !to.holds(from) {
        Move::Impossible("the new type does not hold every value of the old one")
    } else {
        Move::Impossible("the system does not convert between the two")
    }
}

/// True where a value of `from` that fits `to` is the same in both.
fn keeps_values(from: TargetType, to: TargetType) -> bool {
    match (from, to) {
        (TargetType::Decimal { scale, .. }, TargetType::Decimal { scale: kept, .. }) => {
            scale == kept
        }
        _ => matches!(from.family(), Family::Integer | Family::Text),
    }
}

fn can_modify(system: System, from: TargetType, to: TargetType) -> bool {
    let (is_number, to_number) = (is_number(from), is_number(to));
    match (from.family(), to.family()) {
        // No BOOLEAN is converted, and no integer to a decimal.
        _ if from == TargetType::Boolean || to == TargetType::Boolean => false,
        (Family::Integer, Family::Decimal) => false,
        (Family::Date, Family::Date) => true,
        (Family::Text, _) if to_number || to == TargetType::Date => from != TargetType::String,
        (Family::Date, Family::Text) => system == System::Doris && to == TargetType::String,
        (Family::Text, Family::Text) => to.holds(from),
        (_, Family::Text) => is_number && to.holds(from),
        _ => is_number && to_number && to.holds(from),
    }
}

fn is_number(ty: TargetType) -> bool {
    matches!(ty.family(), Family::Integer | Family::Float | Family::Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_moves_only_where_the_rows_at_rest_stay_right() {
        use Move::{Impossible, Modify, Stay};
        use TargetType::*;
        let varchar = |bytes| Varchar { bytes };
        let decimal = |precision, scale| Decimal { precision, scale };
        let rounded = Impossible("the source rounded the values that it had");
        let narrow = Impossible("the new type does not hold every value of the old one");
        let apart = Impossible("the system does not convert between the two");
        for (from, to, doris, starrocks) in [
            (Int, BigInt, Modify, Modify),
            (BigInt, Int, Stay, Stay),
            (Float, Double, Modify, Modify),
            (Double, Float, rounded, rounded),
            (Int, Double, Modify, Modify),
            (varchar(40), varchar(80), Modify, Modify),
            (varchar(80), varchar(40), Stay, Stay),
            (varchar(40), String, Modify, Modify),
            (String, varchar(40), Stay, Stay),
            (decimal(10, 2), decimal(12, 2), Modify, Modify),
            (decimal(12, 2), decimal(10, 2), Stay, Stay),
            (decimal(10, 4), decimal(10, 2), narrow, narrow),
            (decimal(10, 4), decimal(8, 2), rounded, rounded),
            (DateTime { fsp: 6 }, DateTime { fsp: 0 }, rounded, rounded),
            (DateTime { fsp: 0 }, DateTime { fsp: 6 }, Modify, Modify),
            (Date, DateTime { fsp: 0 }, Modify, Modify),
            (Int, varchar(11), Modify, Modify),
            (Int, varchar(4), apart, apart),
            (varchar(40), Int, Modify, Modify),
            (varchar(40), Date, Modify, Modify),
            (String, Int, apart, apart),
            (Date, String, Modify, apart),
            (Date, varchar(40), apart, apart),
            (Int, decimal(10, 0), apart, apart),
            (Boolean, BigInt, apart, apart),
            (Json, varchar(40), apart, apart),
        ] {
            assert_eq!(of(System::Doris, from, to), doris, "{from:?} {to:?}");
            assert_eq!(of(System::StarRocks, from, to), starrocks, "{from:?} {to:?}");
        }
    }
}

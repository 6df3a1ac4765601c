//! Which type a column may be changed into.

use crate::table::Type;

/// Whether every value, or every one that can be read so, has its like in the other type.
pub(super) fn is_allowed(from: Type, to: Type) -> bool {
    if from == to {
        return true;
    }
    match (from, to) {
        // Texts: longer, or to what they may be parsed as.
        (Type::Char(old) | Type::Varchar(old), Type::Varchar(new)) => new >= old,
        (Type::Char(old), Type::Char(new)) => new >= old,
        (Type::Char(_) | Type::Varchar(_), Type::String | Type::Date) => true,
        (Type::Char(_) | Type::Varchar(_), _) => is_number(to),
        // A STRING stays one.
        (Type::String, _) => false,
        (_, Type::String) => !matches!(from, Type::Varbinary(_)),
        (_, Type::Varchar(_)) => is_number(from) || matches!(from, Type::Date | Type::DateTime(_)),
        (Type::Date, Type::DateTime(_)) | (Type::DateTime(_), Type::Date) => true,
        (Type::DateTime(old), Type::DateTime(new)) => new >= old,
        (Type::Int, Type::Date) => true,
        (Type::Varbinary(old), Type::Varbinary(new)) => new >= old,
        (
            Type::Decimal { precision: old, scale: old_scale },
            Type::Decimal { precision: new, scale: new_scale },
        ) => new_scale >= old_scale && new - new_scale.min(new) >= old - old_scale.min(old),
        (_, Type::Float | Type::Double) => rank(from).is_some() || from == Type::Float,
        _ => matches!((rank(from), rank(to)), (Some(old), Some(new)) if new >= old),
    }
}

fn is_number(ty: Type) -> bool {
    rank(ty).is_some() || matches!(ty, Type::Float | Type::Double | Type::Decimal { .. })
}

/// By size; integers only.
fn rank(ty: Type) -> Option<u8> {
    match ty {
        Type::TinyInt => Some(0),
        Type::SmallInt => Some(1),
        Type::Int => Some(2),
        Type::BigInt => Some(3),
        Type::LargeInt => Some(4),
        Type::Boolean
        | Type::Float
        | Type::Double
        | Type::Decimal { .. }
        | Type::Char(_)
        | Type::Varchar(_)
        | Type::String
        | Type::Date
        | Type::DateTime(_)
        | Type::Json
        | Type::Varbinary(_) => None,
    }
}

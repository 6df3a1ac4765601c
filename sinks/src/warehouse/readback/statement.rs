//! Queries for rows of a target. Values go in as texts that both systems read as their column's type.

use std::fmt::Write as _;

use model::table::quote;

use super::row::cells;
use crate::warehouse::target::TargetType;

/// Keys in one query: both systems bound the depth and the length of expressions.
pub(super) const KEYS_PER_QUERY: usize = 200;

/// A column of the key, as queries name and compare it.
#[derive(Debug, Clone)]
pub(super) struct KeyColumn {
    pub name: String,
    pub ty: TargetType,
}

impl KeyColumn {
    /// `text` is in the form of [`super::canonical`].
    fn literal(&self, text: Option<&[u8]>) -> String {
        let Some(text) = text.map(String::from_utf8_lossy) else { return "NULL".to_owned() };
        let quoted = || format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
        match self.ty {
            TargetType::Boolean
            | TargetType::TinyInt
            | TargetType::SmallInt
            | TargetType::Int
            | TargetType::BigInt => match text.parse::<i64>() {
                Ok(number) => number.to_string(),
                Err(_) => quoted(),
            },
            // Beyond 64 bits a bare number may become a float on its way.
            TargetType::LargeInt => format!("CAST({} AS LARGEINT)", quoted()),
            TargetType::Decimal { precision, scale } => {
                format!("CAST({} AS DECIMAL({precision},{scale}))", quoted())
            }
            TargetType::DateTime { fsp } if fsp > 0 => {
                let (clock, fraction) = text.split_once('.').unwrap_or((&text, ""));
                let digits = usize::from(fsp);
                format!("'{clock}.{fraction:0<digits$}'")
            }
            TargetType::DateTime { .. }
            | TargetType::Date
            | TargetType::Char { .. }
            | TargetType::Varchar { .. }
            | TargetType::String
            | TargetType::Float
            | TargetType::Double
            | TargetType::Json => quoted(),
        }
    }
}

/// `SELECT columns FROM table`.
pub(super) fn select(columns: &[String], table: &str) -> String {
    format!("SELECT {} FROM {table}", columns.join(", "))
}

/// ` WHERE …` for the keys above `after`, and up to `through`; empty where that is all.
pub(super) fn range(key: &[KeyColumn], after: Option<&[u8]>, through: Option<&[u8]>) -> String {
    let conditions: Vec<String> = [(after, ">", ">"), (through, "<", "<=")]
        .into_iter()
        .filter_map(|(bound, strict, last)| Some(beyond(key, bound?, strict, last)))
        .collect();
    if conditions.is_empty() {
        return String::new();
    }
    format!(" WHERE {}", conditions.join(" AND "))
}

/// A comparison of whole keys, spelled out: neither system compares rows of values in every version.
fn beyond(key: &[KeyColumn], bound: &[u8], strict: &str, last: &str) -> String {
    let mut alternatives = Vec::new();
    let mut equal = String::new();
    let mut outer = String::new();
    for (n, (column, cell)) in key.iter().zip(cells(bound)).enumerate() {
        let (name, literal) = (quote(&column.name), column.literal(cell));
        let op = if n + 1 == key.len() { last } else { strict };
        alternatives.push(format!("({equal}{name} {op} {literal})"));
        // Writing to a String cannot fail.
        let _ = write!(equal, "{name} = {literal} AND ");
        if n == 0 && key.len() > 1 {
            // The first column alone, for the sort key's index.
            outer = format!("{name} {strict}= {literal} AND ");
        }
    }
    match alternatives.as_slice() {
        [only] => only.clone(),
        all => format!("({outer}({}))", all.join(" OR ")),
    }
}

/// ` WHERE …` for these keys.
pub(super) fn among(key: &[KeyColumn], keys: &[&[u8]]) -> String {
    if let [column] = key
        && !matches!(column.ty, TargetType::LargeInt | TargetType::Decimal { .. })
    {
        let of = |key: &&[u8]| column.literal(cells(key).next().flatten());
        let literals: Vec<String> = keys.iter().map(of).collect();
        return format!(" WHERE {} IN ({})", quote(&column.name), literals.join(", "));
    }
    let one = |bytes: &&[u8]| {
        let parts = key.iter().zip(cells(bytes));
        let equals: Vec<String> = parts
            .map(|(column, cell)| format!("{} = {}", quote(&column.name), column.literal(cell)))
            .collect();
        format!("({})", equals.join(" AND "))
    };
    let keys: Vec<String> = keys.iter().map(one).collect();
    format!(" WHERE {}", keys.join(" OR "))
}

/// ` ORDER BY … LIMIT …`, in the target's own order.
pub(super) fn page(key: &[KeyColumn], limit: u64) -> String {
    let names: Vec<String> = key.iter().map(|column| quote(&column.name)).collect();
    format!(" ORDER BY {} LIMIT {limit}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::row::Builder;
    use super::*;

    fn column(name: &str, ty: TargetType) -> KeyColumn {
        KeyColumn { name: name.to_owned(), ty }
    }

    fn key(cells: &[&str]) -> Vec<u8> {
        let mut builder = Builder::new(cells.len());
        cells.iter().for_each(|cell| builder.push(Some(cell.as_bytes())));
        builder.finish().key().to_vec()
    }

    #[test]
    fn ranges_of_keys_compare_whole_keys() {
        let two = [column("a", TargetType::Int), column("b", TargetType::Date)];
        assert_eq!(
            range(&two, Some(&key(&["1", "2024-02-29"])), None),
            " WHERE (`a` >= 1 AND ((`a` > 1) OR (`a` = 1 AND `b` > '2024-02-29')))"
        );
        let one = [column("a", TargetType::LargeInt)];
        assert_eq!(
            range(&one, Some(&key(&["1"])), Some(&key(&["9"]))),
            " WHERE (`a` > CAST('1' AS LARGEINT)) AND (`a` <= CAST('9' AS LARGEINT))"
        );
        assert_eq!(range(&one, None, None), "");
    }

    #[test]
    fn values_of_keys_cannot_leave_their_quotes() {
        let one = [column("a", TargetType::Varchar { bytes: 9 })];
        let (quote, slash) = (key(&["' OR '1"]), key(&["\\' OR 1"]));
        assert_eq!(among(&one, &[&quote, &slash]), r" WHERE `a` IN (''' OR ''1', '\\'' OR 1')");
        let number = [column("a", TargetType::Int)];
        assert_eq!(among(&number, &[&key(&["1 OR 1"])]), " WHERE `a` IN ('1 OR 1')");
    }

    #[test]
    fn moments_have_all_digits_of_their_column() {
        let at = [column("a", TargetType::DateTime { fsp: 6 })];
        assert_eq!(
            among(&at, &[&key(&["2024-02-29 10:00:00.25"])]),
            " WHERE `a` IN ('2024-02-29 10:00:00.250000')"
        );
    }
}

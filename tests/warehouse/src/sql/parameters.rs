//! Prepared statements: the text is kept, and literals take the places of its parameters.

use std::collections::HashMap;

use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::io::ParseBuf;
use mysql_common::value::{BinValue, Value, ValueDeserializer};

use crate::ddl::SqlError;

/// Of an execution: the number of the statement, flags, and a count that is always 1.
const HEAD: usize = 9;

pub(super) struct Prepared {
    /// Between its parameters.
    parts: Vec<String>,
    types: Vec<(ColumnType, ColumnFlags)>,
    long_data: HashMap<u16, Vec<u8>>,
}

impl Prepared {
    pub(super) fn new(sql: &str) -> Self {
        Self { parts: split(sql), types: Vec::new(), long_data: HashMap::new() }
    }

    pub(super) fn parameters(&self) -> usize {
        self.parts.len().saturating_sub(1)
    }

    /// A long value comes in pieces ahead of its execution.
    pub(super) fn append(&mut self, parameter: u16, data: &[u8]) {
        self.long_data.entry(parameter).or_default().extend_from_slice(data);
    }

    /// The statement with the values of an execution in their places.
    pub(super) fn bind(&mut self, payload: &[u8]) -> Result<String, SqlError> {
        let values = self.values(payload).ok_or_else(malformed)?;
        self.long_data.clear();
        let literals = values.iter().map(|value| value.as_sql(false));
        let literals = literals.chain(std::iter::once(String::new()));
        Ok(self
            .parts
            .iter()
            .zip(literals)
            .map(|(part, literal)| format!("{part}{literal}"))
            .collect())
    }

    fn values(&mut self, payload: &[u8]) -> Option<Vec<Value>> {
        let count = self.parameters();
        if count == 0 {
            return Some(Vec::new());
        }
        let mut rest = ParseBuf(payload.get(HEAD..)?);
        let nulls = rest.checked_eat(count.div_ceil(8))?;
        if rest.checked_eat_u8()? == 1 {
            let types = rest.checked_eat(2 * count)?;
            let typed = |pair: &[u8]| {
                let (ty, flags) = (pair.first()?, pair.get(1)?);
                let unsigned = if flags & 0x80 == 0 {
                    ColumnFlags::empty()
                } else {
                    ColumnFlags::UNSIGNED_FLAG
                };
                Some((ColumnType::try_from(*ty).ok()?, unsigned))
            };
            self.types = types.chunks(2).map(typed).collect::<Option<_>>()?;
        }
        let mut values = Vec::new();
        for (at, kind) in self.types.iter().enumerate() {
            let is_null = nulls.get(at / 8).is_some_and(|byte| byte & (1 << (at % 8)) != 0);
            let long = u16::try_from(at).ok().and_then(|at| self.long_data.get(&at));
            values.push(match (long, is_null) {
                (Some(data), _) => Value::Bytes(data.clone()),
                (None, true) => Value::NULL,
                (None, false) => rest.parse::<ValueDeserializer<BinValue>>(*kind).ok()?.0,
            });
        }
        (values.len() == count).then_some(values)
    }
}

pub(super) fn unknown_statement() -> SqlError {
    let message = "Unknown prepared statement handler given to EXECUTE".to_owned();
    SqlError { code: 1243, state: "HY000", message }
}

fn malformed() -> SqlError {
    let message = "Incorrect arguments to EXECUTE".to_owned();
    SqlError { code: 1210, state: "HY000", message }
}

/// At each `?` that is no part of a text, a name or a comment.
fn split(sql: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for c in sql.chars() {
        if c == '?' && quote.is_none() {
            parts.push(String::new());
            continue;
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        match quote {
            Some(_) if escaped => escaped = false,
            Some(open) if c == '\\' && open != '`' => escaped = true,
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            Some(_) | None => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_mark_inside_a_text_or_a_name_is_no_parameter() {
        for (sql, parameters) in [
            ("SELECT ?", 1),
            ("SELECT '?', \"?\", `?`, ?", 1),
            ("SELECT 'a''?', 'b\\'?', ? + ?", 2),
            ("SELECT 1", 0),
        ] {
            assert_eq!(Prepared::new(sql).parameters(), parameters, "{sql}");
        }
    }

    #[test]
    fn an_execution_that_is_cut_short_is_refused() {
        let whole = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        let mut prepared = Prepared::new("SELECT ?");
        assert_eq!(prepared.bind(&whole).unwrap(), "SELECT 7");
        for length in 0..whole.len() {
            let mut prepared = Prepared::new("SELECT ?");
            assert!(prepared.bind(&whole[..length]).is_err(), "{length}");
        }
    }
}

//! Every operator and function there is, with the number of its arguments.

use super::{Scope, Typed, logic, number, text, time};
use crate::transform::syntax::{Expr, Wrong};

/// An operator or a function with its arguments.
pub(super) struct Call<'c> {
    pub(super) scope: &'c Scope<'c>,
    pub(super) name: &'c str,
    pub(super) arguments: &'c [Expr],
    pub(super) at: usize,
}

type Compile = fn(&Call<'_>) -> Result<Typed, Wrong>;

/// The least and the greatest number of arguments, and who compiles the call.
const CALLS: [(&str, usize, usize, Compile); 55] = [
    ("AND", 2, 2, logic::joined),
    ("OR", 2, 2, logic::joined),
    ("NOT", 1, 1, logic::not),
    ("IS NULL", 1, 1, logic::is),
    ("IS TRUE", 1, 1, logic::is),
    ("IS FALSE", 1, 1, logic::is),
    ("=", 2, 2, logic::compare),
    ("<>", 2, 2, logic::compare),
    ("<", 2, 2, logic::compare),
    ("<=", 2, 2, logic::compare),
    (">", 2, 2, logic::compare),
    (">=", 2, 2, logic::compare),
    ("BETWEEN", 3, 3, logic::between),
    ("IN", 2, usize::MAX, logic::is_in),
    ("LIKE", 2, 3, text::like),
    ("||", 2, 2, text::concat),
    ("+", 2, 2, number::arithmetic),
    ("-", 2, 2, number::arithmetic),
    ("*", 2, 2, number::arithmetic),
    ("/", 2, 2, number::arithmetic),
    ("%", 2, 2, number::arithmetic),
    ("NEGATE", 1, 1, number::sign),
    ("ABS", 1, 1, number::sign),
    ("CEIL", 1, 1, number::whole),
    ("CEILING", 1, 1, number::whole),
    ("FLOOR", 1, 1, number::whole),
    ("MOD", 2, 2, number::arithmetic),
    ("ROUND", 1, 2, number::round),
    ("CHAR_LENGTH", 1, 1, text::char_length),
    ("CHARACTER_LENGTH", 1, 1, text::char_length),
    ("CONCAT", 1, usize::MAX, text::concat),
    ("LOWER", 1, 1, text::case),
    ("UPPER", 1, 1, text::case),
    ("LTRIM", 1, 2, text::trim),
    ("RTRIM", 1, 2, text::trim),
    ("TRIM", 1, 2, text::trim),
    ("REGEXP_REPLACE", 3, 3, text::regexp_replace),
    ("REPLACE", 3, 3, text::replace),
    ("SUBSTR", 2, 3, text::substr),
    ("COALESCE", 1, usize::MAX, logic::coalesce),
    ("IF", 3, 3, logic::choice),
    ("IFNULL", 2, 2, logic::coalesce),
    ("NULLIF", 2, 2, logic::null_if),
    ("DATE_FORMAT", 2, 2, time::date_format),
    ("TIMESTAMPDIFF", 3, 3, time::difference),
    ("TIMESTAMP_DIFF", 3, 3, time::difference),
    ("TO_DATE", 1, 2, time::parse),
    ("TO_TIMESTAMP", 1, 2, time::parse),
    ("YEAR", 1, 1, time::field),
    ("MONTH", 1, 1, time::field),
    ("DAYOFMONTH", 1, 1, time::field),
    ("HOUR", 1, 1, time::field),
    ("MINUTE", 1, 1, time::field),
    ("SECOND", 1, 1, time::field),
    ("DATE", 1, 1, time::date),
];

/// Functions that give another value each time they are asked.
const UNSTEADY: [&str; 11] = [
    "UUID",
    "NOW",
    "RAND",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_TIME",
    "CURRENT_DATE",
    "CURRENT_TIMESTAMP",
    "UNIX_TIMESTAMP",
    "SYSDATE",
    "CURDATE",
];

pub(super) fn call(
    scope: &Scope<'_>,
    name: &str,
    arguments: &[Expr],
    at: usize,
) -> Result<Typed, Wrong> {
    refuse_unsteady(name, at)?;
    let Some((_, least, most, compile)) = CALLS.iter().find(|(known, ..)| *known == name) else {
        let is_word = |name: &&str| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let words = ["AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "NEGATE"];
        let known = CALLS.iter().map(|(known, ..)| *known);
        let known: Vec<_> = known.filter(is_word).filter(|name| !words.contains(name)).collect();
        let known = known.join(", ");
        return Err(Wrong::new(at, format!("there is no function {name}; there are {known}")));
    };
    let given = arguments.len();
    if given < *least || given > *most {
        let wanted = match (*least, *most) {
            (least, usize::MAX) => format!("at least {least}"),
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        return Err(Wrong::new(at, format!("{name} takes {wanted} arguments, and has {given}")));
    }
    compile(&Call { scope, name, arguments, at })
}

/// A row that is read again after a restart, or whose old image takes a value back, would have another one.
pub(super) fn refuse_unsteady(name: &str, at: usize) -> Result<(), Wrong> {
    let upper = name.to_ascii_uppercase();
    if !UNSTEADY.contains(&upper.as_str()) {
        return Ok(());
    }
    let message = format!(
        "{upper} gives another value each time, so a row would differ from itself when it is read again \
         or changed: it is not there. A column of the source with such a default stays as it is"
    );
    Err(Wrong::new(at, message))
}

impl Call<'_> {
    /// The arguments, compiled.
    pub(super) fn typed(&self) -> Result<Vec<Typed>, Wrong> {
        self.arguments.iter().map(|argument| self.scope.typed(argument)).collect()
    }

    pub(super) fn one(&self) -> Result<Typed, Wrong> {
        self.typed()?.into_iter().next().ok_or_else(|| self.wrong("an argument is missing"))
    }

    pub(super) fn two(&self) -> Result<(Typed, Typed), Wrong> {
        let mut typed = self.typed()?.into_iter();
        match (typed.next(), typed.next()) {
            (Some(first), Some(second)) => Ok((first, second)),
            _ => Err(self.wrong("an argument is missing")),
        }
    }

    pub(super) fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::new(self.at, message)
    }
}

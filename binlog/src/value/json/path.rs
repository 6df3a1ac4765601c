//! Paths into documents, as the server writes them for differences: `$.name."odd \"name\""[3][last-1]`
//! (MySQL source, `Json_path::to_string`).

use std::borrow::Cow;

use super::{DEPTH_MAX, Fault};

const NO_PATH: Fault = "a path that cannot be read";

/// One step from a value to one inside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leg<'p> {
    Member(Cow<'p, str>),
    Cell(Index),
}

/// Which element of an array, counted from its first or back from its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    First(usize),
    Last(usize),
}

impl Index {
    /// Where a new element goes in an array of `len`: an index past an end means that end.
    pub(super) fn insertion(self, len: usize) -> usize {
        match self {
            Self::First(at) => at.min(len),
            Self::Last(back) => len.saturating_sub(back.saturating_add(1)),
        }
    }

    /// The element in an array of `len`, if it has that.
    pub(super) fn element(self, len: usize) -> Option<usize> {
        match self {
            Self::First(at) => Some(at).filter(|&at| at < len),
            Self::Last(back) => len.checked_sub(back.checked_add(1)?),
        }
    }
}

/// The legs of a path, no more than a document can be deep.
pub(super) fn parse(path: &[u8]) -> Result<Vec<Leg<'_>>, Fault> {
    let path = std::str::from_utf8(path).map_err(|_| NO_PATH)?;
    let mut rest = path.strip_prefix('$').ok_or(NO_PATH)?;
    let mut legs = Vec::new();
    while !rest.is_empty() {
        if legs.len() == DEPTH_MAX {
            return Err("a path deeper than a document can be");
        }
        let (leg, tail) = leg(rest).ok_or(NO_PATH)?;
        legs.push(leg);
        rest = tail;
    }
    Ok(legs)
}

/// The first leg of `text`, and what follows it.
fn leg(text: &str) -> Option<(Leg<'_>, &str)> {
    if let Some(inside) = text.strip_prefix('[') {
        let (index, tail) = inside.split_once(']')?;
        return Some((Leg::Cell(self::index(index)?), tail));
    }
    let name = text.strip_prefix('.')?;
    if name.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(name).into_iter::<String>();
        let unescaped = names.next()?.ok()?;
        return Some((Leg::Member(unescaped.into()), name.get(names.byte_offset()..)?));
    }
    let (name, tail) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
    let plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    let is_name = !name.is_empty() && name.chars().all(plain);
    is_name.then_some((Leg::Member(name.into()), tail))
}

fn index(text: &str) -> Option<Index> {
    match text.strip_prefix("last") {
        None => number(text).map(Index::First),
        Some("") => Some(Index::Last(0)),
        Some(back) => number(back.strip_prefix('-')?).map(Index::Last),
    }
}

fn number(digits: &str) -> Option<usize> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Leg<'_> {
        Leg::Member(name.into())
    }

    #[test]
    fn paths_read_as_the_server_writes_them() {
        let check = |path: &str, legs: &[Leg<'_>]| {
            assert_eq!(parse(path.as_bytes()).as_deref(), Ok(legs), "{path}");
        };
        check("$", &[]);
        check("$.a", &[member("a")]);
        check("$.$x_1.蔡[0]", &[member("$x_1"), member("蔡"), Leg::Cell(Index::First(0))]);
        check(
            r#"$."a.b"[12]."q\"\\[\u0001\n""#,
            &[member("a.b"), Leg::Cell(Index::First(12)), member("q\"\\[\u{1}\n")],
        );
        check(r#"$."".x"#, &[member(""), member("x")]);
        check("$[last][last-3]", &[Leg::Cell(Index::Last(0)), Leg::Cell(Index::Last(3))]);
    }

    #[test]
    fn what_is_no_path_to_one_value_is_refused() {
        for path in [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$.a.",
            "$[",
            "$[]",
            "$[-1]",
            "$[+1]",
            "$[1",
            "$[last-]",
            "$[last+1]",
            "$[*]",
            "$.*",
            "$**.a",
            "$[0 to 1]",
            "$.\"a",
            "$.a\"b\"",
            "$ .a",
            "$.a b",
            "$[99999999999999999999]",
        ] {
            assert_eq!(parse(path.as_bytes()), Err(NO_PATH), "{path}");
        }
        assert_eq!(parse(b"$.\xff"), Err(NO_PATH));
        assert!(parse(b"$[0]").is_ok());
        assert!(parse(format!("${}", "[0]".repeat(DEPTH_MAX)).as_bytes()).is_ok());
        let deep = format!("${}", "[0]".repeat(DEPTH_MAX + 1));
        assert_eq!(parse(deep.as_bytes()), Err("a path deeper than a document can be"));
    }

    #[test]
    fn an_index_counts_from_either_end_and_an_insertion_stays_within_the_array() {
        for (index, len, element, insertion) in [
            (Index::First(0), 0, None, 0),
            (Index::First(1), 2, Some(1), 1),
            (Index::First(2), 2, None, 2),
            (Index::First(9), 2, None, 2),
            (Index::Last(0), 0, None, 0),
            (Index::Last(0), 2, Some(1), 1),
            (Index::Last(1), 2, Some(0), 0),
            (Index::Last(2), 2, None, 0),
            (Index::Last(usize::MAX), 2, None, 0),
        ] {
            assert_eq!(index.element(len), element, "{index:?} of {len}");
            assert_eq!(index.insertion(len), insertion, "{index:?} of {len}");
        }
    }
}

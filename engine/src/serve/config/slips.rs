//! Every mistake of a section that `serde` reads, though it stops at the first: what is wrong is taken
//! out, and the rest is read again.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeValue, Error, ValueDeserializer};

/// Of one section; more are told once these are mended.
const TOLD_MAX: usize = 50;

/// # Errors
/// What does not fit, in no order; never empty.
pub(super) fn every_error<T: DeserializeOwned>(
    mut value: Spanned<DeValue<'_>>,
) -> Result<T, Vec<Error>> {
    let mut errors = Vec::new();
    // That they lack something may be our own doing.
    let mut spoilt = HashSet::new();
    loop {
        let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(read) if errors.is_empty() => return Ok(read),
            Ok(_) => return Err(errors),
            Err(error) => error,
        };
        let at = error.span().map(|span| span.start);
        if at.is_none_or(|at| !spoilt.contains(&at)) {
            errors.push(error);
        }
        let around = at.filter(|_| errors.len() < TOLD_MAX).and_then(|at| take_out(&mut value, at));
        match around {
            Some(around) => spoilt.insert(around),
            None => return Err(errors),
        };
    }
}

/// Takes out the setting, or the element of a list, that begins there. Comes back with where the table
/// or the list element begins that it was taken out of; `None`: nothing begins there.
fn take_out(value: &mut Spanned<DeValue<'_>>, at: usize) -> Option<usize> {
    let own = value.span().start;
    match value.get_mut() {
        DeValue::Table(table) => {
            let begins = |key: usize, value: &Spanned<DeValue<'_>>| {
                // A list of sections begins where its first section does.
                key == at || (value.span().start == at && !value.get_ref().is_array())
            };
            let found = table.iter().find(|(key, value)| begins(key.span().start, value));
            match found.map(|(key, _)| key.clone()) {
                Some(key) => table.remove(&key).map(|_| own),
                None => table.iter_mut().find_map(|(_, value)| take_out(value, at)),
            }
        }
        DeValue::Array(values) => match values.iter().position(|value| value.span().start == at) {
            Some(nth) => {
                let mut kept = DeArray::new();
                let others = values.iter().enumerate().filter(|(other, _)| *other != nth);
                others.for_each(|(_, value)| kept.push(value.clone()));
                *values = kept;
                Some(own)
            }
            None => values.iter_mut().find_map(|value| take_out(value, at)),
        },
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use toml::de::DeTable;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    #[derive(Default)]
    struct Section {
        repeat: u32,
        rules: Vec<Rule>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rule {
        when: When,
        over: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum When {
        Lag,
    }

    fn read(text: &str) -> Result<Section, Vec<String>> {
        let table = DeTable::parse(text).unwrap();
        let span = table.span();
        let read = every_error(Spanned::new(span, DeValue::Table(table.into_inner())));
        read.map_err(|mut errors: Vec<Error>| {
            errors.sort_by_key(|error| error.span().map(|span| span.start));
            let line = |error: &Error| {
                let before = text.get(..error.span().unwrap().start).unwrap();
                format!("{}: {}", before.matches('\n').count() + 1, error.message())
            };
            errors.iter().map(line).collect()
        })
    }

    #[test]
    fn every_mistake_is_told_once_and_none_that_follows_from_another() {
        let errors = read(
            "repaet = 3\n[[rules]]\nwhen = \"lagg\"\nover = \"1\"\n[[rules]]\nover = 1\n\
             [[rules]]\nwhen = \"lag\"\n[[rules]]\nwhen = \"lag\"\nbelow = 2\n",
        );
        let expected = [
            "1: unknown field `repaet`, expected `repeat` or `rules`",
            "3: unknown variant `lagg`, expected `lag`",
            "4: invalid type: string \"1\", expected u32",
            "5: missing field `when`",
            "11: unknown field `below`, expected `when` or `over`",
        ];
        assert_eq!(errors.unwrap_err(), expected);
        let inline = read("rules = [{ when = 3, over = 1 }, {}]").unwrap_err();
        assert_eq!(inline.len(), 2, "{inline:?}");
        let right = read("repeat = 2\nrules = [{ when = \"lag\" }]").unwrap();
        assert!(right.repeat == 2 && matches!(right.rules[..], [Rule { when: When::Lag, .. }]));
        assert_eq!(right.rules[0].over, None);
    }
}

//! What a job may choose of the types and names of its target tables.

use std::collections::BTreeMap;

use crate::config::ConfigError;

const JSON: &str = "types.json";
const BINARY: &str = "types.binary";
const NAMES: &str = "table.names";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TypeRules {
    pub json: JsonAs,
    pub binary: BinaryAs,
    pub names: Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum JsonAs {
    /// Can be queried by path.
    #[default]
    Json,
    /// Keeps the text as it is.
    Text,
}

/// Neither system has a type that takes bytes over Stream Load as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BinaryAs {
    /// The shorter one, 4 bytes for 3, and what `debezium-json` has.
    #[default]
    Base64,
    /// 2 bytes for 1; sorts as the bytes do.
    Hex,
}

/// Which letters the server takes in names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Names {
    #[default]
    Ascii,
    /// Doris with `enable_unicode_name_support`.
    Unicode,
}

impl TypeRules {
    /// From the options of a sink, of which only these three are looked at.
    ///
    /// # Errors
    /// A value that is none of those allowed, with all of these.
    pub(crate) fn parse(
        sink: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let json = [("json", JsonAs::Json), ("text", JsonAs::Text)];
        let binary = [("base64", BinaryAs::Base64), ("hex", BinaryAs::Hex)];
        let names = [("ascii", Names::Ascii), ("unicode", Names::Unicode)];
        Ok(Self {
            json: choice(sink, options, JSON, &json)?,
            binary: choice(sink, options, BINARY, &binary)?,
            names: choice(sink, options, NAMES, &names)?,
        })
    }
}

fn choice<T: Copy + Default>(
    sink: &str,
    options: &BTreeMap<String, String>,
    option: &str,
    all: &[(&str, T)],
) -> Result<T, ConfigError> {
    let Some(value) = options.get(option) else { return Ok(T::default()) };
    let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        ConfigError::BadValue {
            sink: sink.to_owned(),
            option: option.to_owned(),
            value: value.clone(),
            expected: format!("one of: {}", names.join(", ")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(option: &str, value: &str) -> Result<TypeRules, String> {
        let options = [(option.to_owned(), value.to_owned())].into();
        TypeRules::parse("sink[0]", &options).map_err(|refused| refused.to_string())
    }

    #[test]
    fn each_choice_is_read_by_its_name() {
        let default = TypeRules::default();
        assert_eq!(parse("other", "x"), Ok(default));
        assert_eq!(parse("types.json", "text"), Ok(TypeRules { json: JsonAs::Text, ..default }));
        assert_eq!(
            parse("types.binary", "HEX"),
            Ok(TypeRules { binary: BinaryAs::Hex, ..default })
        );
        let names = Names::Unicode;
        assert_eq!(parse("table.names", "unicode"), Ok(TypeRules { names, ..default }));
    }

    #[test]
    fn an_unknown_choice_is_refused_with_all_that_are_known() {
        assert_eq!(
            parse("types.binary", "base32"),
            Err("sink[0]: option `types.binary` is `base32`, expected one of: base64, hex".into())
        );
    }
}

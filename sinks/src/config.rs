//! Reading a sink's options: every one is known, or it is an error.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::format::Format;

/// How like two names have to be (Jaro-Winkler, 0 to 1) for one to be suggested for the other.
const SUGGEST_FROM: f64 = 0.8;

/// An option of a connector, as help texts and the manual show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionDoc {
    /// Without the `sink.` prefix.
    pub name: &'static str,
    /// Empty where there is none.
    pub default: &'static str,
    pub required: bool,
    pub doc: &'static str,
}

/// Why a sink cannot be opened. Only whoever wrote the job can help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{sink}: unknown connector `{connector}`{} Known: {known}", suggestion(.hint.as_deref()))]
    UnknownConnector { sink: String, connector: String, hint: Option<String>, known: String },
    #[error(
        "{sink}: unknown option `{option}` of connector `{connector}`{} Known: {known}",
        suggestion(.hint.as_deref())
    )]
    UnknownOption {
        sink: String,
        connector: String,
        option: String,
        hint: Option<String>,
        known: String,
    },
    #[error("{sink}: connector `{connector}` needs option `{option}`: {doc}")]
    Missing { sink: String, connector: String, option: String, doc: String },
    #[error("{sink}: option `{option}` is `{value}`, expected {expected}")]
    BadValue { sink: String, option: String, value: String, expected: String },
}

impl ConfigError {
    /// The option that is to be mended, without its prefix; where one is missing, that is none yet.
    pub fn option(&self) -> Option<&str> {
        match self {
            Self::UnknownConnector { .. } => Some("connector"),
            Self::UnknownOption { option, .. } | Self::BadValue { option, .. } => Some(option),
            Self::Missing { .. } => None,
        }
    }
}

fn suggestion(hint: Option<&str>) -> String {
    hint.map_or_else(|| ".".to_owned(), |hint| format!(", did you mean `{hint}`?"))
}

/// The candidate most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= SUGGEST_FROM)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// The options given to one sink, all of them known to its connector.
pub(crate) struct Options<'a> {
    given: &'a BTreeMap<String, String>,
    known: &'static [OptionDoc],
    connector: &'a str,
    sink: &'a str,
}

impl<'a> Options<'a> {
    pub(crate) fn new(
        connector: &'a str,
        given: &'a BTreeMap<String, String>,
        known: &'static [OptionDoc],
        sink: &'a str,
    ) -> Result<Self, ConfigError> {
        let names = || known.iter().map(|option| option.name);
        for option in given.keys().filter(|name| *name != "connector") {
            if !names().any(|name| is_named(name, option)) {
                return Err(ConfigError::UnknownOption {
                    sink: sink.to_owned(),
                    connector: connector.to_owned(),
                    option: option.clone(),
                    hint: nearest(option, names()),
                    known: names().collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(Self { given, known, connector, sink })
    }

    /// The value given, else the documented default.
    fn get(&self, option: &str) -> Result<&'a str, ConfigError> {
        if let Some(value) = self.given.get(option) {
            return Ok(value);
        }
        let doc = self.known.iter().find(|known| known.name == option);
        match doc {
            Some(doc) if !doc.required => Ok(doc.default),
            doc => Err(ConfigError::Missing {
                sink: self.sink.to_owned(),
                connector: self.connector.to_owned(),
                option: option.to_owned(),
                doc: doc.map(|doc| doc.doc.to_owned()).unwrap_or_default(),
            }),
        }
    }

    pub(crate) fn bad(&self, option: &str, value: &str, expected: String) -> ConfigError {
        ConfigError::BadValue {
            sink: self.sink.to_owned(),
            option: option.to_owned(),
            value: value.to_owned(),
            expected,
        }
    }

    /// As they were given.
    pub(crate) fn given(&self) -> &'a BTreeMap<String, String> {
        self.given
    }

    pub(crate) fn is_given(&self, option: &str) -> bool {
        self.maybe(option).is_some()
    }

    /// The value given, if it is more than blanks.
    pub(crate) fn maybe(&self, option: &str) -> Option<&'a str> {
        self.given.get(option).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, option: &str) -> Result<bool, ConfigError> {
        Ok(self.choice(option, &["true", "false"])? == "true")
    }

    /// One of several words, in any case.
    pub(crate) fn choice<'c>(&self, option: &str, all: &[&'c str]) -> Result<&'c str, ConfigError> {
        let value = self.get(option)?;
        let found = all.iter().find(|choice| choice.eq_ignore_ascii_case(value.trim()));
        found.copied().ok_or_else(|| self.bad(option, value, format!("one of: {}", all.join(", "))))
    }

    pub(crate) fn number(&self, option: &str, min: u32, max: u32) -> Result<u32, ConfigError> {
        let value = self.get(option)?;
        value
            .trim()
            .parse()
            .ok()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.bad(option, value, format!("a whole number from {min} to {max}")))
    }

    /// `500 ms`, `10s`, `1 min`; a bare number is milliseconds, as Flink has it.
    pub(crate) fn duration(&self, option: &str) -> Result<Duration, ConfigError> {
        let value = self.get(option)?;
        parse_duration(value).ok_or_else(|| {
            self.bad(option, value, "a duration, for instance 500ms or 10 s".to_owned())
        })
    }

    /// A text that may not be empty.
    pub(crate) fn text(&self, option: &str) -> Result<&'a str, ConfigError> {
        match self.get(option)? {
            value if value.trim().is_empty() => {
                Err(self.bad(option, value, "a value that is not empty".to_owned()))
            }
            value => Ok(value),
        }
    }

    pub(crate) fn format(&self) -> Result<Format, ConfigError> {
        let value = self.get("format")?;
        Format::ALL.into_iter().find(|format| format.name() == value).ok_or_else(|| {
            let names = Format::ALL.map(Format::name).join(", ");
            self.bad("format", value, format!("one of: {names}"))
        })
    }

    /// A size in bytes, at least one.
    pub(crate) fn size(&self, option: &str) -> Result<u64, ConfigError> {
        let value = self.get(option)?;
        parse_size(value).filter(|bytes| *bytes > 0).ok_or_else(|| {
            let expected = "a size of at least one byte, for instance 64mb";
            self.bad(option, value, expected.to_owned())
        })
    }
}

/// Is it this option, or one of a whole family, as `properties.*` is?
fn is_named(name: &str, option: &str) -> bool {
    match name.strip_suffix('*') {
        Some(family) => option.len() > family.len() && option.starts_with(family),
        None => name == option,
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let millis = match unit.trim_start() {
        "" | "ms" | "milli" | "millis" => 1,
        "s" | "sec" | "second" | "seconds" => 1000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?))
}

/// `1048576`, `64mb`, `64 MiB`, `1g`: every unit counts in 1024s, as Flink's memory sizes do.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit.trim_start() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_any_usual_unit_and_nothing_else() {
        let check = |text: &str, bytes| assert_eq!(parse_size(text), bytes, "{text}");
        check("1048576", Some(1 << 20));
        check("64mb", Some(64 << 20));
        check(" 64 MiB ", Some(64 << 20));
        check("2G", Some(2 << 30));
        check("512 kb", Some(512 << 10));
        check("7b", Some(7));
        for bad in ["", "mb", "-1", "1.5mb", "64 mbit", "99999999999999999999", "99999999t"] {
            check(bad, None);
        }
    }
}

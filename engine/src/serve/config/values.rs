//! What a value may be, each with what was expected where it is something else.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use job::Surroundings;
use state::StateUrl;
use toml::de::DeValue;

use super::LogFormat;
use super::references::credential;

/// A value of a setting.
pub(super) struct Given<'a> {
    pub(super) value: &'a DeValue<'a>,
    /// It held a reference: then a text may be a number, for variables hold texts alone.
    pub(super) referred: bool,
    pub(super) world: &'a dyn Surroundings,
}

impl Given<'_> {
    fn expected(&self, what: &str) -> String {
        // What a reference led to is not shown.
        let found = match self.value {
            DeValue::String(_) if self.referred => "another text".to_owned(),
            DeValue::String(text) => format!("{:?}", shortened(text)),
            DeValue::Integer(number) => format!("the number {number}"),
            DeValue::Boolean(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => format!("a value of type {}", self.value.type_str()),
        };
        format!("expected {what}, found {found}")
    }

    pub(super) fn text(&self) -> Result<String, String> {
        match self.value.as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            Some(_) | None => Err(self.expected("a text in quotes")),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, String> {
        let worded = || match self.value.as_str() {
            Some("true") if self.referred => Some(true),
            Some("false") if self.referred => Some(false),
            _ => None,
        };
        self.value.as_bool().or_else(worded).ok_or_else(|| self.expected("true or false"))
    }

    pub(super) fn number(&self, of: RangeInclusive<u64>) -> Result<u64, String> {
        let text = self.value.as_str().filter(|_| self.referred);
        let number = match self.value.as_integer() {
            Some(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            None => text.and_then(|text| text.trim().parse().ok()),
        };
        number.filter(|number| of.contains(number)).ok_or_else(|| {
            self.expected(&format!("a whole number from {} to {}", of.start(), of.end()))
        })
    }

    pub(super) fn size(&self, of: RangeInclusive<u64>) -> Result<usize, String> {
        usize::try_from(self.number(of)?).map_err(|error| error.to_string())
    }

    pub(super) fn small(&self, of: RangeInclusive<u64>) -> Result<u32, String> {
        u32::try_from(self.number(of)?).map_err(|error| error.to_string())
    }

    pub(super) fn time(&self, of: RangeInclusive<Duration>) -> Result<Duration, String> {
        let time = self.value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        time.filter(|time| of.contains(time)).ok_or_else(|| {
            let shown = |time: &Duration| humantime::format_duration(*time).to_string();
            let (from, to) = (shown(of.start()), shown(of.end()));
            self.expected(&format!("a duration from \"{from}\" to \"{to}\""))
        })
    }

    pub(super) fn address(&self) -> Result<SocketAddr, String> {
        let address = self.value.as_str().and_then(|text| text.parse().ok());
        let what = "an address with a port, \"127.0.0.1:8083\", \"0.0.0.0:8083\" or \"[::1]:8083\"";
        address.ok_or_else(|| self.expected(what))
    }

    /// A path; `credential:NAME` is one of systemd's.
    pub(super) fn path(&self) -> Result<PathBuf, String> {
        let text = self.text()?;
        match text.strip_prefix("credential:") {
            Some(name) => credential(name, self.world).map(PathBuf::from),
            None => Ok(PathBuf::from(text)),
        }
    }

    pub(super) fn state_url(&self) -> Result<StateUrl, String> {
        self.text()?.parse().map_err(|error: state::StateUrlError| error.to_string())
    }

    pub(super) fn host_names(&self) -> Result<Vec<String>, String> {
        let what = "a list of names without ports, [\"cdc.example.com\"]";
        let name = |value: &DeValue<'_>| {
            let is_name = |name: &&str| !name.is_empty() && !name.contains([':', '/', '*', ' ']);
            value.as_str().filter(is_name).map(str::to_ascii_lowercase)
        };
        let values = self.value.as_array().ok_or_else(|| self.expected(what))?;
        let names: Option<Vec<String>> = values.iter().map(|value| name(value.get_ref())).collect();
        names.ok_or_else(|| format!("expected {what}"))
    }

    pub(super) fn log_format(&self) -> Result<LogFormat, String> {
        match self.value.as_str() {
            Some("text") => Ok(LogFormat::Text),
            Some("json") => Ok(LogFormat::Json),
            Some(_) | None => Err(self.expected("\"text\" or \"json\"")),
        }
    }

    pub(super) fn log_filter(&self) -> Result<String, String> {
        let text = self.text()?;
        match text.parse::<tracing_subscriber::EnvFilter>() {
            Ok(_) => Ok(text),
            Err(error) => Err(format!("expected a filter, \"info,engine=debug\": {error}")),
        }
    }
}

/// Characters of a wrong value that are shown.
const SHOWN_CHARS_MAX: usize = 60;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

//! From TOML to [`Config`]: each section's settings are taken out by name, and what is left is told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use job::Surroundings;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::slips::every_error;
use super::values::Given;
use super::{Config, ConfigError, ConfigErrors, TlsFiles, references};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The text, to find lines in.
#[derive(Debug, PartialEq)]
pub(super) struct Source {
    file: String,
    text: String,
}

impl Source {
    pub(super) fn new(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.to_owned() }
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ConfigError {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let message = message.into();
        ConfigError { file: self.file.clone(), place: Some((line, column)), message }
    }
}

/// The section of alerts. Its texts may be passwords, by their references.
#[derive(Clone, PartialEq)]
pub struct Alerts {
    source: Arc<Source>,
    /// By where they begin: texts that held references.
    texts: HashMap<usize, String>,
}

impl Alerts {
    /// # Errors
    /// What does not fit `T`, each with its place.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigErrors> {
        let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let told = |error: &toml::de::Error| {
            self.source.error(place(error), format!("[alerts]: {}", error.message()))
        };
        let table = DeTable::parse(&self.source.text);
        let mut table = table.map_err(|error| ConfigErrors(vec![told(&error)]))?;
        references::put_in_again(table.get_mut(), &self.texts);
        let mut root = Section::new("", table.into_inner());
        let empty = || Spanned::new(0..0, DeValue::Table(DeTable::new()));
        let value = root.take("alerts").map_or_else(empty, |(_, value)| value);
        every_error(value).map_err(|errors| {
            let mut errors: Vec<ConfigError> = errors.iter().map(told).collect();
            errors.sort_by_key(|error| error.place);
            ConfigErrors(errors)
        })
    }

    /// With every text hidden.
    pub(super) fn hidden(&self) -> String {
        let shown = self.read().map(|mut alerts: toml::Value| {
            hide(&mut alerts);
            toml::Table::from_iter([("alerts".to_owned(), alerts)]).to_string()
        });
        shown.unwrap_or_default()
    }
}

/// The values may be passwords.
impl std::fmt::Debug for Alerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

fn hide(value: &mut toml::Value) {
    use toml::Value;
    match value {
        Value::String(text) => *text = "******".to_owned(),
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| hide(value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    world: &'a dyn Surroundings,
    /// By where they begin: texts that held a reference.
    referred: HashMap<usize, String>,
    /// Where references begin that led to nothing: that was told.
    broken: HashSet<usize>,
    errors: Vec<(usize, ConfigError)>,
}

/// What is left of a section.
struct Section<'a> {
    name: &'static str,
    entries: BTreeMap<String, (Range<usize>, Spanned<DeValue<'a>>)>,
    known: Vec<&'static str>,
}

pub(super) fn config(
    source: &Arc<Source>,
    world: &dyn Surroundings,
) -> Result<Config, ConfigErrors> {
    let (mut table, syntax) = DeTable::parse_recoverable(&source.text);
    // What follows from a slip in the syntax is not worth telling.
    if !syntax.is_empty() {
        let told = |error: &toml::de::Error| {
            source.error(error.span().map_or(0, |span| span.start), error.message())
        };
        let mut errors: Vec<ConfigError> = syntax.iter().map(told).collect();
        errors.sort_by_key(|error| error.place);
        return Err(ConfigErrors(errors));
    }
    let referred = references::put_in(table.get_mut(), world);
    let mut reader = Reader {
        source,
        world,
        referred: referred.texts,
        broken: referred.missing.iter().map(|(at, _)| *at).collect(),
        errors: Vec::new(),
    };
    for (at, message) in referred.missing {
        reader.error(at, message);
    }
    let config = reader.all(table.into_inner());
    reader.errors.sort_by_key(|(at, _)| *at);
    match reader.errors.is_empty() {
        true => Ok(config),
        false => Err(ConfigErrors(reader.errors.into_iter().map(|(_, error)| error).collect())),
    }
}

impl<'a> Reader<'a> {
    fn error(&mut self, at: usize, message: impl Into<String>) {
        self.errors.push((at, self.source.error(at, message)));
    }

    fn all(&mut self, table: DeTable<'a>) -> Config {
        let mut root = Section::new("", table);
        let mut config = Config::default();
        self.server(&mut root, &mut config);
        self.state(&mut root, &mut config);
        self.jobs(&mut root, &mut config);
        self.security(&mut root, &mut config);
        self.limits(&mut root, &mut config);
        self.metrics(&mut root, &mut config);
        self.log(&mut root, &mut config);
        config.alerts = root.take("alerts").and_then(|(_, value)| self.alerts(&value));
        self.nothing_left(root);
        config
    }

    fn server(&mut self, root: &mut Section<'a>, config: &mut Config) {
        let mut section = self.section(root, "server");
        let to = &mut config.server;
        self.set(&mut section, "listen", &mut to.listen, |v| v.address());
        self.set(&mut section, "hosts", &mut to.hosts, |v| v.host_names());
        let at = |section: &Section<'_>, key| section.entries.get(key).map(|e| e.0.start);
        let (cert_at, key_at) = (at(&section, "tls_cert"), at(&section, "tls_key"));
        let (mut cert, mut key) = (None, None);
        self.set(&mut section, "tls_cert", &mut cert, |v| v.path().map(Some));
        self.set(&mut section, "tls_key", &mut key, |v| v.path().map(Some));
        match (cert_at, key_at) {
            (Some(at), None) => self.error(at, "`tls_cert` needs `tls_key` beside it"),
            (None, Some(at)) => self.error(at, "`tls_key` needs `tls_cert` beside it"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        to.tls = cert.zip(key).map(|(cert, key)| TlsFiles { cert, key });
        self.nothing_left(section);
    }

    fn state(&mut self, root: &mut Section<'a>, config: &mut Config) {
        let mut section = self.section(root, "state");
        let to = &mut config.state;
        self.set(&mut section, "url", &mut to.url, |v| v.state_url());
        self.set(&mut section, "dir", &mut to.dir, |v| v.path());
        self.set(&mut section, "work_dir", &mut to.work_dir, |v| v.path());
        self.nothing_left(section);
    }

    fn jobs(&mut self, root: &mut Section<'a>, config: &mut Config) {
        let mut section = self.section(root, "jobs");
        let to = &mut config.jobs;
        self.set(&mut section, "threads", &mut to.threads, |v| v.size(1..=64));
        self.set(&mut section, "starts_at_once", &mut to.starts_at_once, |v| v.size(1..=1000));
        self.set(&mut section, "output_lines", &mut to.output_lines, |v| v.size(0..=100_000));
        self.set(&mut section, "lenient", &mut to.lenient, |v| v.flag());
        self.set(&mut section, "stop_within", &mut to.stop_within, |v| v.time(SECOND..=HOUR));
        self.nothing_left(section);
    }

    fn security(&mut self, root: &mut Section<'a>, config: &mut Config) {
        let mut section = self.section(root, "security");
        let to = &mut config.security;
        self.set(&mut section, "tokens", &mut to.tokens, |v| v.path().map(Some));
        self.set(&mut section, "key", &mut to.key, |v| v.path().map(Some));
        self.set(&mut section, "insecure", &mut to.insecure, |v| v.flag());
        self.nothing_left(section);
    }

    fn limits(&mut self, root: &mut Section<'a>, config: &mut Config) {
        let mut section = self.section(root, "limits");
        let to = &mut config.limits;
        let s = &mut section;
        self.set(s, "requests_per_second", &mut to.requests_per_second, |v| v.small(1..=100_000));
        self.set(s, "burst", &mut to.burst, |v| v.small(1..=1_000_000));
        let failed = &mut to.failed_tokens_per_minute;
        self.set(s, "failed_tokens_per_minute", failed, |v| v.small(1..=100_000));
        self.set(s, "body_bytes", &mut to.body_bytes, |v| v.size(65_536..=67_108_864));
        self.set(s, "connections", &mut to.connections, |v| v.size(1..=100_000));
        self.set(s, "header_within", &mut to.header_within, |v| v.time(SECOND..=HOUR));
        self.set(s, "request_within", &mut to.request_within, |v| v.time(SECOND..=HOUR));
        self.nothing_left(section);
    }

    fn metrics(&mut self, root: &mut Section<'a>, config: &mut Config) {
        let mut section = self.section(root, "metrics");
        self.set(&mut section, "per_table", &mut config.metrics.per_table, |v| v.flag());
        self.nothing_left(section);
    }

    fn log(&mut self, root: &mut Section<'a>, config: &mut Config) {
        let mut section = self.section(root, "log");
        let to = &mut config.log;
        self.set(&mut section, "filter", &mut to.filter, |v| v.log_filter().map(Some));
        self.set(&mut section, "format", &mut to.format, |v| v.log_format());
        self.nothing_left(section);
    }

    fn alerts(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Alerts> {
        if !value.get_ref().is_table() {
            self.error(value.span().start, "expected a section, `[alerts]`");
            return None;
        }
        Some(Alerts { source: Arc::clone(self.source), texts: self.referred.clone() })
    }

    fn section(&mut self, root: &mut Section<'a>, name: &'static str) -> Section<'a> {
        let table = match root.take(name) {
            None => DeTable::new(),
            Some((_, value)) => {
                let at = value.span().start;
                if let DeValue::Table(table) = value.into_inner() {
                    table
                } else {
                    self.error(at, format!("expected a section, `[{name}]`"));
                    DeTable::new()
                }
            }
        };
        Section::new(name, table)
    }

    /// Takes a setting, if it is there.
    fn set<T>(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        to: &mut T,
        read: impl FnOnce(&Given<'_>) -> Result<T, String>,
    ) {
        let Some((_, value)) = section.take(key) else { return };
        let at = value.span().start;
        if self.broken.contains(&at) {
            return;
        }
        let referred = self.referred.contains_key(&at);
        match read(&Given { value: value.get_ref(), referred, world: self.world }) {
            Ok(read) => *to = read,
            Err(message) => {
                self.error(at, format!("`{key}` in [{}]: {message}", section.name));
            }
        }
    }

    fn nothing_left(&mut self, section: Section<'a>) {
        for (key, (at, _)) in section.entries {
            let near = job::settings::nearest(&key, section.known.iter().copied());
            let what = match section.name {
                "" => format!("there is no section `[{key}]`"),
                name => format!("[{name}] has no setting `{key}`"),
            };
            let known = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has: {}", section.known.join(", ")),
            };
            self.error(at.start, format!("{what}; {known}"));
        }
    }
}

impl<'a> Section<'a> {
    fn new(name: &'static str, table: DeTable<'a>) -> Self {
        let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'a>>)| {
            let span = key.span();
            let name: std::borrow::Cow<'_, str> = key.into_inner();
            (name.into_owned(), (span, value))
        };
        Self { name, entries: table.into_iter().map(entry).collect(), known: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<(Range<usize>, Spanned<DeValue<'a>>)> {
        self.known.push(key);
        self.entries.remove(key)
    }
}

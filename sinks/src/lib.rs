//! The destinations. [`open`] is the only list of them; the smallest one, to copy from, is
//! `stdout.rs`. A sink knows `model` and its own client, never another sink.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use model::{CheckpointMode, Clock, Routes, Sink, TimeZone};

mod blackhole;
mod blocking;
mod config;
mod file;
pub mod format;
mod lanes;
mod stdout;
#[cfg(test)]
mod testing;
mod unapplied;
mod waits;
mod warehouse;

pub use config::{ConfigError, OptionDoc};
pub use unapplied::{Applied, Unapplied, Watcher};
pub use waits::{Wait, Waits};
pub use warehouse::readback;

use blackhole::Blackhole;
use config::Options;
use file::FileSink;
use stdout::Print;
use warehouse::{System, Warehouse};

/// Opens what `print` writes to.
pub type Screen = Arc<dyn Fn() -> Box<dyn Write + Send> + Send + Sync>;

/// The process's standard output.
pub fn standard_output() -> Screen {
    Arc::new(|| Box::new(std::io::stdout()))
}

/// What a sink knows of the job it serves.
#[derive(Clone)]
pub struct SinkContext {
    /// The job's path, for instance `retail/orders/emp_sync`.
    pub job: String,
    /// Name of the sink within the job: `sink[0]`, `sink[1]`, ….
    pub sink_name: String,
    /// Zone in which the changelog format shows TIMESTAMP.
    pub time_zone: TimeZone,
    /// What the job asks for. A sink that cannot do more, or loses nothing by it, does the same in both.
    pub mode: CheckpointMode,
    /// Where each table of the source goes.
    pub routes: Routes,
    /// Name of a column that says which table of the source a row is of.
    pub source_column: Option<String>,
    /// Who is told of changes that the sink does not follow, and what it waits for.
    pub watcher: Watcher,
    pub clock: Arc<dyn Clock>,
    pub screen: Screen,
}

/// Every connector that can be opened.
pub const CONNECTORS: &[&str] = &["print", "file", "blackhole", "doris", "starrocks"];

/// Opens a sink. Nothing is read or written before [`Sink::restore`].
///
/// `options` holds the sink's options without their `sink.` or `sink[N].` prefix; `connector`
/// itself may be among them.
///
/// # Errors
/// [`ConfigError`] for an unknown connector, an unknown option, a missing one, or a bad value.
pub fn open(
    connector: &str,
    options: &BTreeMap<String, String>,
    context: SinkContext,
) -> Result<Box<dyn Sink>, ConfigError> {
    let known = self::options(connector);
    if known.is_empty() {
        return Err(no_such_connector(connector, &context.sink_name));
    }
    let options = Options::new(connector, options, known, &context.sink_name)?;
    match connector {
        "print" => Ok(Box::new(Print::open(&options, &context)?)),
        "file" => Ok(Box::new(FileSink::open(&options, &context)?)),
        "blackhole" => Ok(Box::new(Blackhole::open(&options, &context)?)),
        "doris" => Ok(Box::new(Warehouse::open(System::Doris, &options, &context)?)),
        "starrocks" => Ok(Box::new(Warehouse::open(System::StarRocks, &options, &context)?)),
        _ => Err(no_such_connector(connector, &context.sink_name)),
    }
}

/// Opens what a sink has written, to read it back. `None`: a sink that keeps no tables.
///
/// # Errors
/// As [`open`].
pub fn read_back(
    connector: &str,
    options: &BTreeMap<String, String>,
    context: &SinkContext,
) -> Result<Option<readback::Readback>, ConfigError> {
    let known = self::options(connector);
    if known.is_empty() {
        return Err(no_such_connector(connector, &context.sink_name));
    }
    let system = match connector {
        "doris" => System::Doris,
        "starrocks" => System::StarRocks,
        _ => return Ok(None),
    };
    let options = Options::new(connector, options, known, &context.sink_name)?;
    readback::Readback::open(system, &options, context).map(Some)
}

/// The options of a connector, for help texts and the manual; empty for one that cannot be opened.
pub fn options(connector: &str) -> &'static [OptionDoc] {
    match connector {
        "print" => stdout::OPTIONS,
        "file" => file::OPTIONS,
        "blackhole" => blackhole::OPTIONS,
        "doris" => warehouse::options::DORIS,
        "starrocks" => warehouse::options::STARROCKS,
        _ => &[],
    }
}

fn no_such_connector(connector: &str, sink: &str) -> ConfigError {
    let (sink, connector) = (sink.to_owned(), connector.to_owned());
    let all = CONNECTORS.iter().copied();
    let hint = config::nearest(&connector, all.clone());
    let known = all.collect::<Vec<_>>().join(", ");
    ConfigError::UnknownConnector { sink, connector, hint, known }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::context;

    fn refusal(connector: &str, options: &[(&str, &str)]) -> String {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        match open(connector, &options, context()) {
            Ok(_) => "opened".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_connector_of_the_list_opens_with_its_required_options() {
        for connector in CONNECTORS {
            let required = options(connector).iter().filter(|o| o.required);
            let given: Vec<_> = required.map(|o| (o.name, "somewhere:8030")).collect();
            assert_eq!(refusal(connector, &given), "opened", "{connector}");
        }
    }

    #[test]
    fn every_option_and_format_is_in_the_manual() {
        let manual = include_str!("../../docs/formats.md");
        let of_warehouses = include_str!("../../docs/warehouses.md");
        for connector in CONNECTORS {
            let line = manual.lines().find(|l| l.starts_with(&format!("| `{connector}` |")));
            for option in options(connector) {
                let name = format!("`{}`", option.name);
                let told = match line {
                    Some(line) => line.contains(&name),
                    None => of_warehouses.contains(&format!("\n| {name} |")),
                };
                assert!(told, "{connector} {option:?}");
            }
        }
        for format in format::Format::ALL {
            assert!(manual.contains(&format!("\n## {}\n", format.name())), "{format:?}");
        }
    }

    #[test]
    fn an_unknown_connector_is_named_with_the_nearest_and_all_known_ones() {
        assert_eq!(
            refusal("prnt", &[]),
            "sink[0]: unknown connector `prnt`, did you mean `print`? Known: print, file, \
             blackhole, doris, starrocks"
        );
        assert!(refusal("kafka", &[]).starts_with("sink[0]: unknown connector `kafka`. Known: "));
    }

    #[test]
    fn an_unknown_option_is_named_with_the_nearest_and_all_known_ones() {
        assert_eq!(
            refusal("file", &[("path", "x"), ("roll.byte", "1mb")]),
            "sink[0]: unknown option `roll.byte` of connector `file`, did you mean `roll.bytes`? \
             Known: path, format, roll.bytes"
        );
    }

    #[test]
    fn a_missing_path_and_a_bad_value_are_refused_with_what_is_expected() {
        assert_eq!(
            refusal("file", &[]),
            "sink[0]: connector `file` needs option `path`: directory of the part files, created if missing"
        );
        assert_eq!(
            refusal("print", &[("format", "debezium")]),
            "sink[0]: option `format` is `debezium`, expected one of: changelog, debezium-json"
        );
        assert_eq!(
            refusal("file", &[("path", "x"), ("roll.bytes", "0")]),
            "sink[0]: option `roll.bytes` is `0`, expected a size of at least one byte, for \
             instance 64mb"
        );
    }
}

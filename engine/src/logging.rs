//! Log lines on stderr, each with the job that it is about. Stdout is the sinks'.
//!
//! Many jobs share a process, and each has threads of its own: a thread knows whose it is, and so does
//! every line that is written from it, wherever in the engine that happens.

use std::cell::RefCell;
use std::fmt;
use std::io::IsTerminal;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// What is told where nothing else is asked for.
const FILTER: &str = "info,mysql_async=warn";
/// What wins over every configuration.
const VARIABLE: &str = "SEACHANGE_LOG";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// An object a line.
    Json,
}

thread_local! {
    static JOB: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From here on, what this thread logs is about this job.
pub fn this_thread_is_of(job: &str) {
    JOB.with_borrow_mut(|of| job.clone_into(of));
}

/// Begins to log, once in the life of a process.
///
/// # Errors
/// `filter` is none, and why.
pub fn begin(filter: Option<&str>, format: LogFormat) -> Result<(), String> {
    let filter = match (std::env::var(VARIABLE), filter) {
        (Ok(of_process), _) => EnvFilter::try_new(of_process).unwrap_or_else(|_| FILTER.into()),
        (Err(_), Some(filter)) => EnvFilter::try_new(filter).map_err(|error| error.to_string())?,
        (Err(_), None) => FILTER.into(),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => {
            let plain = tracing_subscriber::fmt::format().with_target(false);
            logs.event_format(WithJob(plain)).init();
        }
        LogFormat::Json => logs.event_format(Json).init(),
    }
    Ok(())
}

/// Another format, with the job before each line.
struct WithJob<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithJob<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        JOB.with_borrow(|job| match job.is_empty() {
            true => Ok(()),
            false => write!(writer, "[{job}] "),
        })?;
        self.0.format_event(context, writer, event)
    }
}

struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        line.insert("timestamp".to_owned(), json!(now));
        line.insert("level".to_owned(), json!(event.metadata().level().as_str()));
        JOB.with_borrow(|job| {
            if !job.is_empty() {
                line.insert("job".to_owned(), json!(job));
            }
        });
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The fields of an event; its text is `message`.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }
}

//! Log lines, each with the job that it is about.
//!
//! Many jobs share a process, and each has threads of its own: a thread knows whose it is, and so does
//! every line that is written from it, wherever in the engine that happens.

use std::cell::RefCell;
use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

thread_local! {
    static JOB: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From here on, what this thread logs is about this job.
pub fn this_thread_is_of(job: &str) {
    JOB.with_borrow_mut(|of| job.clone_into(of));
}

/// Another format, with the job before each line.
#[derive(Debug, Clone)]
pub struct WithJob<F>(pub F);

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

//! Prometheus' text format, version 0.0.4: small enough that a crate for it, which would want every
//! metric registered and its numbers kept in its own types, is more code than this.

use std::fmt::{Display, Write};

/// What a metric is, to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// A sum and a count.
    Summary,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// A metric: what `docs/metrics.md` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// One sentence, without line ends and backslashes.
    pub help: &'static str,
}

/// What is written of one metric; nothing, not even its name, before its first line.
pub(super) struct Family<'p> {
    page: &'p mut String,
    metric: &'static Metric,
    begun: bool,
}

impl<'p> Family<'p> {
    pub(super) fn of(page: &'p mut String, metric: &'static Metric) -> Self {
        Self { page, metric, begun: false }
    }

    /// A line, with the values of the metric's labels in their order.
    pub(super) fn put(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// The same where there is a value.
    pub(super) fn put_some(&mut self, labels: &[&str], value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(labels, value);
        }
    }

    /// A line of a histogram or a summary: `suffix` is `_bucket`, `_sum` or `_count`.
    pub(super) fn part(
        &mut self,
        suffix: &str,
        labels: &[&str],
        le: Option<&str>,
        value: impl Display,
    ) {
        self.line(suffix, labels, le, value);
    }

    fn line(&mut self, suffix: &str, labels: &[&str], le: Option<&str>, value: impl Display) {
        let Metric { name, kind, help, .. } = self.metric;
        if !std::mem::replace(&mut self.begun, true) {
            let kind = kind.name();
            // Writing to a `String` does not fail.
            let _ = write!(self.page, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        self.page.push_str(name);
        self.page.push_str(suffix);
        let labels = self.metric.labels.iter().copied().zip(labels.iter().copied());
        let mut before = '{';
        for (label, value) in labels.chain(le.map(|le| ("le", le))) {
            self.page.push(before);
            self.page.push_str(label);
            self.page.push_str("=\"");
            escape(value, self.page);
            self.page.push('"');
            before = ',';
        }
        if before == ',' {
            self.page.push('}');
        }
        let _ = writeln!(self.page, " {value}");
    }
}

fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

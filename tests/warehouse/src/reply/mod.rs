//! What the servers answer over HTTP, byte for byte where it matters: which keys, in which case and order.

pub mod doris;
pub mod starrocks;

use serde_json::Value;

use crate::ingest::Ingested;

/// How many rows a load had, and how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub total: u64,
    pub loaded: u64,
    pub filtered: u64,
    pub unselected: u64,
    pub bytes: u64,
}

impl Counts {
    /// Of a load that succeeded; of one that failed nothing is loaded.
    #[must_use]
    pub fn of(ingested: &Ingested, bytes: u64, succeeded: bool) -> Self {
        let loaded = if succeeded { ingested.total - ingested.filtered } else { 0 };
        Self { total: ingested.total, loaded, filtered: ingested.filtered, unselected: 0, bytes }
    }
}

/// An object whose members come in the order in which they are written.
#[derive(Debug, Default)]
struct Object(Vec<(&'static str, Value)>);

impl Object {
    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    fn maybe(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// As both servers' backends print it: indented, with a line to each member.
    fn pretty(&self) -> String {
        let member = |(name, value): &(&str, Value)| format!("    \"{name}\": {value}");
        let members: Vec<String> = self.0.iter().map(member).collect();
        format!("{{\n{}\n}}", members.join(",\n"))
    }

    fn compact(&self) -> String {
        let member = |(name, value): &(&str, Value)| format!("\"{name}\":{value}");
        let members: Vec<String> = self.0.iter().map(member).collect();
        format!("{{{}}}", members.join(","))
    }
}

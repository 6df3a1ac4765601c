//! Group commit: loads that the server puts together under a label of its own.
//!
//! A client that did not ask for it may get it from the table. Then its label names nothing, and an answer does not
//! say that the rows are committed: so who needs to know sends `group_commit: off_mode`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Moment;
use crate::cluster::{Call, Effect, Fault, State};
use crate::table::TableName;
use crate::txn::Refusal;

use super::super::asked::{Asked, Framing};
use super::backend::wants_two_phases;

/// Of a table that is made or altered with it.
const PROPERTY: &str = "group_commit_mode";
const OFF: &str = "off_mode";
const MODES: [&str; 3] = ["async_mode", "sync_mode", OFF];
/// How long rows of a load that is not waited for are gathered with those of others.
const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grouped {
    pub(super) mode: String,
    pub(super) label: String,
}

/// Whether a load is one of many.
pub(super) fn of_load(
    state: &State,
    asked: &Asked,
    name: &TableName,
) -> Result<Option<Grouped>, Refusal> {
    let header = asked.header("group_commit").map(str::to_ascii_lowercase);
    if header.as_deref().is_some_and(|mode| !MODES.contains(&mode)) {
        let text = "group_commit can only be [async_mode, sync_mode, off_mode]";
        return Err(Refusal::new("INVALID_ARGUMENT", text));
    }
    if header.as_deref() == Some(OFF)
        || asked.framing == Framing::Length(0)
        || wants_two_phases(asked)
    {
        return Ok(None);
    }
    // What comes in chunks loses its label before that is held against it.
    let has_label = asked.header("label").is_some() && asked.framing != Framing::Chunked;
    if header.is_some() && has_label {
        let text = "label and group_commit can't be set at the same time";
        return Err(Refusal::new("INVALID_ARGUMENT", text));
    }
    let of_table = || {
        let property = state.table(name)?.details.properties.get(PROPERTY)?;
        Some(property.to_ascii_lowercase())
    };
    let mode = header.or_else(of_table).filter(|mode| mode != OFF);
    Ok(mode.map(|mode| Grouped { mode, label: label(state.now) }))
}

impl Grouped {
    /// Nobody waits until the rows are seen, where nobody is to.
    pub(super) fn hold(&self, state: &mut State) {
        if self.mode == "async_mode" {
            let millis = u64::try_from(INTERVAL.as_millis()).unwrap_or(u64::MAX);
            let fault = Fault::new(Effect::PublishTimeout, Call::Load);
            state.arm(Fault { label: self.label.clone(), millis, ..fault });
        }
    }
}

fn label(now: Moment) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("group_commit_{:x}_{:x}", now.0, NEXT.fetch_add(1, Ordering::Relaxed))
}

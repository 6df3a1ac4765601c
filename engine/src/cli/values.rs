//! Words of the command line, read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use job::TablePatterns;

use crate::api::{Begin, EventKind, JobState, StopKind, Strategy};
use crate::daemon::From;

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected K=V, for instance port=3307")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

pub(super) fn tables(text: &str) -> Result<TablePatterns, String> {
    TablePatterns::new(None, Some(text), None).map_err(|error| error.to_string())
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let expected = "expected a port, or an address with one: 8083, 127.0.0.1:8083, [::1]:8083";
    text.parse().map_err(|_| expected.to_owned())
}

pub(super) fn from(text: &str) -> Result<From, String> {
    Ok(match text {
        "latest" => From::Latest,
        "earliest" => From::Earliest,
        "none" => From::Nothing,
        // A slip in one of the words is no path.
        path if path.contains('/') => From::Elsewhere(path.to_owned()),
        id => From::Id(id.parse().map_err(|_| {
            "expected latest, earliest, none, the number of a snapshot (`seachange snapshots`), or a \
             path or URL with a `/` in it"
        })?),
    })
}

/// Of one start of a daemon's job.
pub(super) fn begin(text: &str) -> Result<Begin, String> {
    Ok(match from(text)? {
        From::Latest => Begin::Latest,
        From::Earliest => Begin::Earliest,
        From::Nothing => Begin::None,
        From::Id(_) | From::Elsewhere(_) => Begin::Custom(text.to_owned()),
    })
}

pub(super) fn strategy() -> impl TypedValueParser<Value = Strategy> {
    one_of(&[
        ("latest", Strategy::Latest),
        ("earliest", Strategy::Earliest),
        ("none", Strategy::None),
    ])
}

pub(super) fn stop_kind() -> impl TypedValueParser<Value = StopKind> {
    one_of(&[
        ("smart", StopKind::Smart),
        ("savepoint", StopKind::Savepoint),
        ("cancel", StopKind::Cancel),
    ])
}

pub(super) fn job_state() -> impl TypedValueParser<Value = JobState> {
    one_of(&JobState::ALL.map(|state| (state.name(), state)))
}

pub(super) fn event_kind() -> impl TypedValueParser<Value = EventKind> {
    one_of(&[
        ("state", EventKind::State),
        ("audit", EventKind::Audit),
        ("savepoint", EventKind::Savepoint),
        ("checkpoint", EventKind::Checkpoint),
        ("table", EventKind::Table),
        ("source", EventKind::Source),
        ("alert", EventKind::Alert),
    ])
}

/// The words that the API has for it, which help and completions list.
fn one_of<T: Copy + Send + Sync + 'static>(
    words: &[(&'static str, T)],
) -> impl TypedValueParser<Value = T> + use<T> {
    let words = words.to_vec();
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(move |given| {
        let found = words.iter().find(|(word, _)| *word == given);
        found.map(|(_, value)| *value).ok_or("unknown")
    })
}

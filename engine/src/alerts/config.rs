//! The section `[alerts]` of the daemon's configuration (`docs/alerts.md`).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// What does not fit, by the name of its rule or channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertsError {
    #[error("[alerts]: rule `{rule}`: {what}")]
    Rule { rule: String, what: String },
    #[error("[alerts]: channel `{channel}`: {what}")]
    Channel { channel: String, what: String },
}

/// All that does not fit, a line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertsErrors(pub Vec<AlertsError>);

impl AlertsErrors {
    /// # Errors
    /// Itself, where anything is in it.
    pub(super) fn or<T>(self, made: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(made) } else { Err(self) }
    }
}

impl fmt::Display for AlertsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for AlertsErrors {}

/// Rules, and where their messages go.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub repeat: Repeat,
    pub rules: Vec<Rule>,
    pub channels: Vec<ChannelConfig>,
}

/// How many messages of one rule about one job there are at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repeat {
    pub messages: usize,
    #[serde(deserialize_with = "duration")]
    pub within: Duration,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { messages: 4, within: Duration::from_secs(3600) }
    }
}

/// What is watched. Which thresholds there are depends on `when`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// By default that of `when`.
    pub name: Option<String>,
    pub when: When,
    /// Patterns of job names, in which `*` stands for anything; empty: all jobs.
    #[serde(default)]
    pub jobs: Vec<String>,
    /// How long it must be so before anybody is told.
    #[serde(default, rename = "for", deserialize_with = "duration")]
    pub lasts: Duration,
    /// Threshold of a time that is too long.
    #[serde(default, deserialize_with = "maybe_duration")]
    pub over: Option<Duration>,
    /// Threshold of a time that is too short.
    #[serde(default, deserialize_with = "maybe_duration")]
    pub below: Option<Duration>,
    pub over_bytes: Option<u64>,
    pub over_transactions: Option<u64>,
    /// So many at least…
    pub count: Option<u64>,
    /// … in this time.
    #[serde(default, deserialize_with = "maybe_duration")]
    pub within: Option<Duration>,
    /// Told again this often while it lasts; absent: not.
    #[serde(default, deserialize_with = "maybe_duration")]
    pub remind: Option<Duration>,
    /// Names of channels; empty: all.
    #[serde(default)]
    pub channels: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Failed,
    Restarting,
    CheckpointFailed,
    CheckpointOld,
    Lag,
    Retention,
    Quarantined,
    SchemaChange,
}

impl When {
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Restarting => "restarting",
            Self::CheckpointFailed => "checkpoint_failed",
            Self::CheckpointOld => "checkpoint_old",
            Self::Lag => "lag",
            Self::Retention => "retention",
            Self::Quarantined => "quarantined",
            Self::SchemaChange => "schema_change",
        }
    }
}

/// Where messages go. Which settings there are depends on `kind`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    pub name: String,
    pub kind: ChannelKind,
    pub url: Option<Secret>,
    /// By which a robot's messages are signed.
    pub secret: Option<Secret>,
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Of a webhook's body; by default all that is known, as JSON.
    pub template: Option<String>,
    /// That takes e-mail.
    pub server: Option<String>,
    /// By default what is usual for `tls`: 465, 587 or 25.
    pub port: Option<u16>,
    pub tls: Option<MailTls>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub from: Option<String>,
    #[serde(default)]
    pub to: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    Dingtalk,
    Feishu,
    Wecom,
    Slack,
    Webhook,
    Email,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// From the first byte.
    Tls,
    /// By `STARTTLS`, or not at all.
    #[default]
    Starttls,
    None,
}

/// A text that no log and no error shows: a password, or an address that is one.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(input)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!("`{text}` is no duration as \"90s\" or \"6h\": {error}"))
    })
}

fn maybe_duration<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    duration(input).map(Some)
}

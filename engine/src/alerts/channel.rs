//! Where messages go: robots of chats, webhooks, e-mail.

mod email;
mod hook;
mod presets;

use std::collections::BTreeMap;

use serde::Serialize;

use self::email::Email;
use self::hook::Hook;
use super::config::{AlertsError, AlertsErrors, ChannelConfig, ChannelKind, Config};
use super::rules::Message;

/// One place that messages go to.
#[derive(Debug)]
pub enum Channel {
    Hook(Hook),
    Email(Box<Email>),
}

/// Why a message was not sent. Holds no address and no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// May go away by itself.
    #[error("{0}")]
    Transient(String),
    #[error("{0}")]
    Definite(String),
}

/// What is sent at once: what was waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// In one line.
    pub title: String,
    /// All of it, each message on lines of its own.
    pub text: String,
    /// All are of alerts that are over.
    pub is_settled: bool,
    pub messages: Vec<Told>,
}

/// A message, as templates see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub rule: String,
    pub job: String,
    /// `raised`, `reminded` or `settled`.
    pub status: &'static str,
    pub title: String,
    pub text: String,
    pub at_ms: i64,
    pub since_ms: i64,
}

impl Digest {
    pub fn of(messages: &[Message]) -> Self {
        let told: Vec<Told> = messages.iter().map(Told::of).collect();
        let title = match &told[..] {
            [one] => format!("Seachange: {}", one.title),
            many => format!("Seachange: {} alerts", many.len()),
        };
        let lines = told.iter().map(|one| match told.len() {
            1 => one.text.clone(),
            _ => format!("{}\n{}", one.title, one.text),
        });
        Self {
            title,
            text: lines.collect::<Vec<_>>().join("\n\n"),
            is_settled: told.iter().all(|one| one.status == "settled"),
            messages: told,
        }
    }
}

impl Told {
    fn of(message: &Message) -> Self {
        Self {
            rule: message.rule.clone(),
            job: message.job.clone(),
            status: message.news.name(),
            title: message.title(),
            text: message.text.clone(),
            at_ms: message.at_ms,
            since_ms: message.since_ms,
        }
    }
}

impl Channel {
    /// # Errors
    /// A setting that is missing, does not belong to this kind, or makes no sense.
    pub fn new(config: &ChannelConfig) -> Result<Self, AlertsError> {
        let made = refuse_foreign(config).and_then(|()| match config.kind {
            ChannelKind::Email => Email::new(config).map(|email| Self::Email(Box::new(email))),
            ChannelKind::Dingtalk
            | ChannelKind::Feishu
            | ChannelKind::Wecom
            | ChannelKind::Slack
            | ChannelKind::Webhook => Hook::new(config).map(Self::Hook),
        });
        made.map_err(|what| AlertsError::Channel { channel: config.name.clone(), what })
    }

    /// # Errors
    /// It was not taken.
    pub async fn send(&self, digest: &Digest, now_ms: i64) -> Result<(), SendError> {
        match self {
            Self::Hook(hook) => hook.send(digest, now_ms).await,
            Self::Email(email) => email.send(digest).await,
        }
    }
}

/// # Errors
/// Two of one name, and what [`Channel::new`] refuses.
pub fn all(config: &Config) -> Result<BTreeMap<String, Channel>, AlertsErrors> {
    let (mut all, mut errors) = (BTreeMap::new(), AlertsErrors::default());
    for channel in &config.channels {
        match Channel::new(channel).map(|made| all.insert(channel.name.clone(), made)) {
            Ok(None) => {}
            Ok(Some(_)) => {
                let what = "another channel has this name".to_owned();
                errors.0.push(AlertsError::Channel { channel: channel.name.clone(), what });
            }
            Err(error) => errors.0.push(error),
        }
    }
    errors.or(all)
}

/// What belongs to channels of another kind only looks as if it did something.
fn refuse_foreign(config: &ChannelConfig) -> Result<(), String> {
    use ChannelKind::{Dingtalk, Email, Feishu, Slack, Webhook, Wecom};
    const HOOKS: &[ChannelKind] = &[Dingtalk, Feishu, Wecom, Slack, Webhook];
    let given: [(&str, bool, &[ChannelKind]); 11] = [
        ("url", config.url.is_some(), HOOKS),
        ("secret", config.secret.is_some(), &[Dingtalk, Feishu]),
        ("headers", !config.headers.is_empty(), &[Webhook]),
        ("template", config.template.is_some(), &[Webhook]),
        ("server", config.server.is_some(), &[Email]),
        ("port", config.port.is_some(), &[Email]),
        ("tls", config.tls.is_some(), &[Email]),
        ("user", config.user.is_some(), &[Email]),
        ("password", config.password.is_some(), &[Email]),
        ("from", config.from.is_some(), &[Email]),
        ("to", !config.to.is_empty(), &[Email]),
    ];
    let foreign = |(_, is_given, kinds): &&(&str, bool, &[ChannelKind])| {
        *is_given && !kinds.contains(&config.kind)
    };
    given.iter().find(foreign).map_or(Ok(()), |(name, _, _)| {
        Err(format!("`{name}` says nothing of a channel of this kind"))
    })
}

#[cfg(test)]
pub(super) mod tests;

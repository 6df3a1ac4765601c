//! Alerts: what people are told of jobs that need them.
//!
//! ```text
//! observations ──► rules (pure) ──► messages ──► a bounded queue per channel ──► its task: send, retry
//! ```
//! The rules know nothing of channels but their names, and no clock but what they are told. A channel
//! that does not answer holds up nobody: what finds its queue full is dropped, and that is told.

pub mod channel;
pub mod config;
pub mod observation;
pub mod rules;
mod send;

use std::collections::BTreeMap;

pub use self::channel::{Channel, SendError};
pub use self::config::{AlertsErrors, Config};
pub use self::observation::Observation;
pub use self::rules::{Message, News, Rules};
use self::send::Sender;

/// Watches jobs, and tells people.
pub struct Alerts {
    rules: Rules,
    senders: BTreeMap<String, Sender>,
}

impl Alerts {
    /// Channels are not tried; `seachange alerts test` does that. Their tasks live as long as this
    /// does, so it is called within a runtime.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn new(config: &Config) -> Result<Self, AlertsErrors> {
        let (rules, channels) = match (Rules::new(config), channel::all(config)) {
            (Ok(rules), Ok(channels)) => (rules, channels),
            (Err(rules), Err(channels)) => {
                return Err(AlertsErrors([rules.0, channels.0].concat()));
            }
            (Err(errors), _) | (_, Err(errors)) => return Err(errors),
        };
        let senders = channels.into_iter().map(|(name, channel)| {
            let sender = Sender::start(name.clone(), channel);
            (name, sender)
        });
        Ok(Self { rules, senders: senders.collect() })
    }

    /// Looks at all jobs, once a second or so. Comes back with what is worth an event, each with the
    /// job that it is about: alerts that were raised and settled, and messages that could not be sent.
    pub fn observe(&mut self, observations: &[Observation], now_ms: i64) -> Vec<(String, String)> {
        let mut events = Vec::new();
        for message in self.rules.observe(observations, now_ms) {
            events.push((message.job.clone(), format!("{}: {}", message.title(), message.text)));
            for channel in &message.channels {
                let Some(sender) = self.senders.get_mut(channel) else { continue };
                if !sender.queue(message.clone()) {
                    let text = format!("alert not sent to `{channel}`: its queue is full");
                    tracing::warn!(job = %message.job, %channel, "{text}");
                    events.push((message.job.clone(), text));
                }
            }
        }
        for sender in self.senders.values_mut() {
            events.extend(sender.failures());
        }
        events
    }
}

#[cfg(test)]
mod tests;

//! What systemd is told, where it listens (`NOTIFY_SOCKET`); elsewhere nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Brought back all that is to run.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A line of `systemctl status`.
pub fn status(text: &str) {
    // One line is one message's.
    tell(&[NotifyState::Status(&text.replace('\n', " "))]);
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Asks for so much more time, from now on, to start or to stop in: `TimeoutStartSec` and
/// `TimeoutStopSec` are then waited for no longer. Asked again before it is over, it goes on.
pub fn extend(by: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(by.as_micros().try_into().unwrap_or(u32::MAX))]);
}

/// Tells the watchdog, as often as it wants, that the runtime's tasks have their turns; for ever. Without a
/// watchdog it only waits.
pub async fn beat() {
    let every = sd_notify::watchdog_enabled().map(|patience| patience / 2);
    let Some(every) = every.filter(|every| !every.is_zero()) else {
        return std::future::pending().await;
    };
    let mut beats = interval(every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests;

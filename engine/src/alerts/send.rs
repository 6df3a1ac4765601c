//! A channel's queue and task.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::channel::{Channel, Digest, SendError};
use super::rules::Message;

/// Messages that wait for a channel.
const QUEUED_MAX: usize = 500;
/// So many that wait are sent as one.
const DIGEST_MAX: usize = 20;
/// Between two requests: chats take about twenty a minute of a robot.
const PAUSE: Duration = Duration::from_secs(3);
/// After the first attempt.
const RETRIES_MAX: usize = 5;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// Failures that wait to be told as events.
const FAILURES_MAX: usize = 100;

/// Hands messages to a channel's task, which ends with this.
#[derive(Debug)]
pub(super) struct Sender {
    queue: mpsc::Sender<Message>,
    failures: mpsc::Receiver<(String, String)>,
    _task: JoinSet<()>,
}

impl Sender {
    pub(super) fn start(name: String, channel: Channel) -> Self {
        let (queue, messages) = mpsc::channel(QUEUED_MAX);
        let (told, failures) = mpsc::channel(FAILURES_MAX);
        let mut task = JoinSet::new();
        task.spawn(run(name, channel, messages, told));
        Self { queue, failures, _task: task }
    }

    /// False where there is no room for it.
    pub(super) fn queue(&self, message: Message) -> bool {
        self.queue.try_send(message).is_ok()
    }

    /// What could not be sent since this was asked last, by job.
    pub(super) fn failures(&mut self) -> impl Iterator<Item = (String, String)> {
        std::iter::from_fn(|| self.failures.try_recv().ok())
    }
}

async fn run(
    name: String,
    channel: Channel,
    mut messages: mpsc::Receiver<Message>,
    failures: mpsc::Sender<(String, String)>,
) {
    let mut waiting = Vec::new();
    while messages.recv_many(&mut waiting, DIGEST_MAX).await > 0 {
        if let Err(error) = deliver(&channel, &Digest::of(&waiting)).await {
            let text = format!("alert not sent to `{name}`: {error}");
            tracing::error!(channel = %name, messages = waiting.len(), "{text}");
            for message in &waiting {
                // Events of failures that nobody fetches are in the log all the same.
                let _ = failures.try_send((message.job.clone(), text.clone()));
            }
        }
        waiting.clear();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn deliver(channel: &Channel, digest: &Digest) -> Result<(), SendError> {
    let mut waits = ExponentialBuilder::new()
        .with_min_delay(RETRY_FIRST)
        .with_max_delay(RETRY_LAST)
        .with_max_times(RETRIES_MAX)
        .with_jitter()
        .build();
    loop {
        let now_ms = chrono::Utc::now().timestamp_millis();
        match channel.send(digest, now_ms).await {
            Err(SendError::Transient(why)) => match waits.next() {
                Some(wait) => {
                    tracing::debug!(?wait, "an alert is sent again: {why}");
                    tokio::time::sleep(wait).await;
                }
                None => return Err(SendError::Transient(why)),
            },
            ended => return ended,
        }
    }
}

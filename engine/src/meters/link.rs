//! How the connection to the source stands, and how it did of late.

use std::sync::{Mutex, PoisonError};

use binlog::reader::{Down, LinkState};
use model::Position;

use crate::commands::words;
use crate::error::chain;

/// A position in a sentence has so many characters at most; a longer one is shortened.
const POSITION_CHARS_MAX: usize = 200;

#[derive(Debug, Default)]
pub(super) struct LinkMeter(Mutex<LinkNow>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkNow {
    /// Since when events come, in milliseconds since the epoch; `None` while none do, or nobody reads.
    pub up_since_ms: Option<i64>,
    /// `host:port` of the server that they came from last.
    pub address: String,
    /// How often the connection was lost.
    pub losses: u64,
    /// The newest, under way or over.
    pub loss: Option<Loss>,
}

/// A connection that was lost, until events come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// `host:port`.
    pub address: String,
    /// Milliseconds since the epoch.
    pub since_ms: i64,
    /// How it was lost.
    pub cause: String,
    /// What went wrong the last time.
    pub error: String,
    /// Failures to make it again.
    pub tries: u32,
    /// What the stream goes on from.
    pub position: String,
    pub is_over: bool,
}

impl LinkMeter {
    pub(super) fn told(&self, state: LinkState<'_>, now_ms: i64) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            LinkState::Up { address } => {
                now.ends();
                now.address = address;
                now.up_since_ms = Some(now_ms);
            }
            LinkState::Down(down) => now.fails(&down, now_ms),
            LinkState::Over => {
                now.ends();
                now.up_since_ms = None;
            }
        }
    }

    pub(super) fn now(&self) -> LinkNow {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `None`: nothing is waited for.
    pub(super) fn wait(&self) -> Option<String> {
        let now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.loss.as_ref().filter(|loss| !loss.is_over).map(Loss::wait)
    }
}

impl LinkNow {
    fn fails(&mut self, down: &Down<'_>, now_ms: i64) {
        self.up_since_ms = None;
        let error = chain(down.error);
        if let Some(loss) = self.loss.as_mut().filter(|loss| !loss.is_over) {
            loss.tries = down.failures.saturating_sub(1);
            loss.error = error;
            return;
        }
        self.losses += 1;
        self.loss = Some(Loss {
            address: down.address.clone(),
            since_ms: now_ms,
            cause: error.clone(),
            error,
            tries: 0,
            position: position(down.position),
            is_over: false,
        });
    }

    fn ends(&mut self) {
        if let Some(loss) = &mut self.loss {
            loss.is_over = true;
        }
    }
}

impl Loss {
    /// As the reason of a job that stands where it stood.
    fn wait(&self) -> String {
        let Self { address, error, position, .. } = self;
        let since = words::time_text(self.since_ms);
        let tried = match self.tries {
            0 => String::new(),
            1 => "tried once, ".to_owned(),
            tries => format!("tried {tries} times, "),
        };
        format!(
            "waits for the source at {address} since {since}: {error}; {tried}connects again, to go \
             on from {position}"
        )
    }
}

fn position(position: &Position) -> String {
    let whole = position.to_string();
    if whole.chars().nth(POSITION_CHARS_MAX).is_some() { words::position(position) } else { whole }
}

#[cfg(test)]
mod tests {
    use binlog::reader::BinlogError;
    use model::{BinlogPosition, Gtids};

    use super::*;

    fn down(meter: &LinkMeter, failures: u32, what: &str, now_ms: i64) {
        let error = BinlogError::Stream { at: "b.000001:4".to_owned(), what: what.to_owned() };
        let binlog = BinlogPosition { file: "b.000001".parse().unwrap(), offset: 4 };
        let position = &Position { gtids: Gtids::None, binlog, in_transaction: None };
        let address = "db:3306".to_owned();
        meter.told(LinkState::Down(Down { address, error: &error, failures, position }), now_ms);
    }

    fn up(meter: &LinkMeter, now_ms: i64) {
        meter.told(LinkState::Up { address: "db:3306".to_owned() }, now_ms);
    }

    #[test]
    fn a_lost_source_is_waited_for_until_events_come() {
        let meter = LinkMeter::default();
        up(&meter, 1000);
        assert_eq!(meter.wait(), None);
        down(&meter, 1, "gone", 2000);
        let told = "waits for the source at db:3306 since 1970-01-01T00:00:02Z: the binlog stream \
                    broke at b.000001:4: gone; connects again, to go on from b.000001:4";
        assert_eq!(meter.wait().as_deref(), Some(told));
        down(&meter, 3, "refused", 5000);
        let told = meter.wait().unwrap();
        assert!(told.contains("since 1970-01-01T00:00:02Z"), "{told}");
        assert!(told.contains(": refused; tried 2 times, connects again"), "{told}");
        up(&meter, 9000);
        assert_eq!(meter.wait(), None);
        let now = meter.now();
        let cause = now.loss.map(|loss| loss.cause).unwrap_or_default();
        assert_eq!((now.losses, now.up_since_ms), (1, Some(9000)));
        assert!(cause.ends_with("gone"), "how it began, not how it went on: {cause}");
    }

    #[test]
    fn nothing_is_waited_for_once_nobody_reads() {
        let meter = LinkMeter::default();
        down(&meter, 1, "gone", 2000);
        meter.told(LinkState::Over, 3000);
        assert_eq!((meter.wait(), meter.now().up_since_ms), (None, None));
        down(&meter, 1, "gone again", 4000);
        assert_eq!(meter.now().losses, 2);
    }
}

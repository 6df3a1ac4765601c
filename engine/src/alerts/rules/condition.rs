//! What a rule watches for.

use std::collections::VecDeque;
use std::time::Duration;

use crate::alerts::config::{Rule, When};
use crate::alerts::observation::Observation;
use crate::api::JobState;

/// Of a list in a message.
const NAMED_MAX: usize = 10;

/// What a rule watches for, with its thresholds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Failed,
    Restarting { count: u64, within: Duration },
    CheckpointFailed { count: u64, within: Duration },
    CheckpointOld { over: Duration },
    Lag { over: Option<Duration>, bytes: Option<u64>, transactions: Option<u64> },
    Retention { below: Duration },
    Quarantined,
    SchemaChange,
}

/// Whether it is so.
#[derive(Debug, PartialEq)]
pub(super) enum Holds {
    Not,
    Since {
        /// Where the job itself tells.
        since_ms: Option<i64>,
        /// What it means; more than before is news.
        means: Vec<String>,
        text: String,
    },
    /// Things that happened, and are not told again.
    Once(Vec<String>),
}

/// A counter's increases of late.
#[derive(Debug, Default)]
pub(super) struct Counted {
    last: Option<u64>,
    at_ms: VecDeque<i64>,
}

impl Counted {
    /// How many there were within the time. `from`: what it stood at before anybody looked.
    fn count(&mut self, now: u64, from: u64, now_ms: i64, within: Duration) -> u64 {
        let new = self.increase(now, from);
        // More than a rule can ask for is not remembered one by one.
        for _ in 0..new.min(COUNTED_MAX) {
            self.at_ms.push_back(now_ms);
        }
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let limit = usize::try_from(COUNTED_MAX).unwrap_or(usize::MAX);
        while self.at_ms.len() > limit
            || self.at_ms.front().is_some_and(|at| now_ms.saturating_sub(*at) >= within)
        {
            self.at_ms.pop_front();
        }
        self.at_ms.len() as u64
    }

    /// How many there are since the last look. A counter that is lower than before has begun anew.
    fn increase(&mut self, now: u64, from: u64) -> u64 {
        let last = self.last.replace(now).unwrap_or(from);
        if now < last { now } else { now - last }
    }
}

/// What `count` may be at most.
const COUNTED_MAX: u64 = 1000;

impl Condition {
    /// # Errors
    /// A threshold that is missing, or is none of this kind of rule.
    pub(super) fn of(rule: &Rule) -> Result<Self, String> {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let counted = |count, within| {
            let (count, within) = (rule.count.unwrap_or(count), rule.within.unwrap_or(within));
            if count == 0 || count > COUNTED_MAX {
                return Err(format!("`count` is from 1 to {COUNTED_MAX}"));
            }
            Ok((count, within))
        };
        let (condition, takes): (Self, &[&str]) = match rule.when {
            When::Failed => (Self::Failed, &[]),
            When::Restarting => {
                let (count, within) = counted(3, minutes(10))?;
                (Self::Restarting { count, within }, &["count", "within"])
            }
            When::CheckpointFailed => {
                let (count, within) = counted(1, minutes(10))?;
                (Self::CheckpointFailed { count, within }, &["count", "within"])
            }
            When::CheckpointOld => {
                let over = rule.over.ok_or("it needs `over`, for instance \"30m\"")?;
                (Self::CheckpointOld { over }, &["over"])
            }
            When::Lag => {
                let (over, bytes) = (rule.over, rule.over_bytes);
                let transactions = rule.over_transactions;
                if over.is_none() && bytes.is_none() && transactions.is_none() {
                    return Err("it needs `over`, for instance \"5m\", `over_bytes` or \
                                `over_transactions`"
                        .to_owned());
                }
                let takes = &["over", "over_bytes", "over_transactions"];
                (Self::Lag { over, bytes, transactions }, takes)
            }
            When::Retention => {
                let below = rule.below.ok_or("it needs `below`, for instance \"6h\"")?;
                (Self::Retention { below }, &["below"])
            }
            When::Quarantined => (Self::Quarantined, &[]),
            When::SchemaChange => (Self::SchemaChange, &[]),
        };
        let given = [
            ("over", rule.over.is_some()),
            ("below", rule.below.is_some()),
            ("over_bytes", rule.over_bytes.is_some()),
            ("over_transactions", rule.over_transactions.is_some()),
            ("count", rule.count.is_some()),
            ("within", rule.within.is_some()),
        ];
        match given.iter().find(|(name, is_given)| *is_given && !takes.contains(name)) {
            Some((name, _)) => {
                let takes: Vec<String> = takes.iter().map(|name| format!("`{name}`")).collect();
                let takes = match takes.is_empty() {
                    true => "which takes no threshold".to_owned(),
                    false => format!("which takes {}", takes.join(", ")),
                };
                let when = rule.when.name();
                Err(format!("`{name}` says nothing where `when` is `{when}`, {takes}"))
            }
            None => Ok(condition),
        }
    }

    pub(super) fn look(&self, seen: &Observation, now_ms: i64, counted: &mut Counted) -> Holds {
        match self {
            Self::Failed => failed(seen, counted),
            Self::Restarting { count, within } => {
                let restarts = counted.count(seen.restarts, seen.restarts, now_ms, *within);
                let why = seen.error.as_ref().unwrap_or(&seen.reason);
                let times = if restarts == 1 { "once" } else { &format!("{restarts} times") };
                let text = || format!("Started again {times} within {}: {why}", time(*within));
                holds(restarts >= *count, text)
            }
            Self::CheckpointFailed { count, within } => {
                let failed = counted.count(seen.checkpoints_failed, 0, now_ms, *within);
                let text = || {
                    let why = seen.checkpoint_failure.as_deref().unwrap_or("no reason is known");
                    format!("{failed} checkpoints failed within {}: {why}", time(*within))
                };
                holds(failed >= *count, text)
            }
            Self::CheckpointOld { over } => {
                // Before the first of a run, since it runs.
                let from = seen.checkpoint_at_ms.map_or(seen.since_ms, |at| at.max(seen.since_ms));
                let age = age(now_ms, from);
                let text = || match seen.checkpoint_at_ms {
                    Some(_) => format!("The newest checkpoint is from {} ago.", time(age)),
                    None => format!("No checkpoint was stored for {}.", time(age)),
                };
                holds(seen.runs && seen.state.is_running() && age > *over, text)
            }
            Self::Lag { over, bytes, transactions } => lag(seen, *over, *bytes, *transactions),
            Self::Retention { below } => {
                let left = seen.retention_seconds.filter(|left| *left < below.as_secs_f64());
                let text = || match left {
                    Some(left) if left > 0.0 => format!(
                        "The server may purge binlog that the job still needs in about {}.",
                        time(Duration::from_secs_f64(left.min(1e9)))
                    ),
                    _ => "The server has purged binlog that the job still needs.".to_owned(),
                };
                holds(left.is_some(), text)
            }
            Self::Quarantined => quarantined(seen),
            Self::SchemaChange => {
                let new = counted.increase(seen.unapplied, 0);
                let first = seen.unapplied - new.min(seen.unapplied);
                let new = seen.newest_unapplied.iter().filter(|what| what.number > first);
                Holds::Once(
                    new.map(|what| {
                        format!("{}: {}. Statement: {}", what.table, what.why, what.statement)
                    })
                    .collect(),
                )
            }
        }
    }
}

fn holds(is_so: bool, text: impl FnOnce() -> String) -> Holds {
    if is_so {
        Holds::Since { since_ms: None, means: Vec::new(), text: text() }
    } else {
        Holds::Not
    }
}

/// One that failed has not recovered before it runs again.
fn failed(seen: &Observation, counted: &mut Counted) -> Holds {
    let tries = matches!(seen.state, JobState::Starting | JobState::Restarting);
    let is_failed = seen.state == JobState::Failed;
    let still = tries && counted.last == Some(1);
    if !(is_failed || still) {
        counted.last = None;
        return Holds::Not;
    }
    counted.last = Some(1);
    let text = match is_failed {
        true => format!("The job failed: {}", seen.reason),
        false => format!("The job failed; it is {}: {}", seen.state.name(), seen.reason),
    };
    Holds::Since { since_ms: is_failed.then_some(seen.since_ms), means: Vec::new(), text }
}

fn lag(
    seen: &Observation,
    over: Option<Duration>,
    bytes: Option<u64>,
    transactions: Option<u64>,
) -> Holds {
    if !seen.state.is_running() {
        return Holds::Not;
    }
    let seconds = seen.lag_seconds.and_then(|lag| u64::try_from(lag).ok()).map(Duration::from_secs);
    let late = seconds.zip(over).is_some_and(|(lag, over)| lag > over);
    let is_over = |lag: Option<u64>, limit: Option<u64>| lag.zip(limit).is_some_and(|(a, b)| a > b);
    let text = || {
        let mut parts = Vec::new();
        parts.extend(seconds.map(time));
        parts.extend(seen.lag_bytes.map(|bytes| format!("{bytes} bytes")));
        parts.extend(seen.lag_transactions.map(|n| format!("{n} transactions")));
        format!("The job is behind its source by {}.", parts.join(", "))
    };
    let is_so =
        late || is_over(seen.lag_bytes, bytes) || is_over(seen.lag_transactions, transactions);
    holds(is_so, text)
}

fn quarantined(seen: &Observation) -> Holds {
    if seen.quarantined.is_empty() {
        return Holds::Not;
    }
    let named = seen.quarantined.iter().take(NAMED_MAX);
    let mut told: Vec<String> = named.map(|(table, why)| format!("{table} ({why})")).collect();
    if let Some(more) = seen.quarantined.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        told.push(format!("{more} more"));
    }
    Holds::Since {
        since_ms: None,
        means: seen.quarantined.iter().map(|(table, _)| table.clone()).collect(),
        text: format!("In quarantine, and not replicated: {}", told.join("; ")),
    }
}

fn age(now_ms: i64, since_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(now_ms - since_ms).unwrap_or_default())
}

fn time(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

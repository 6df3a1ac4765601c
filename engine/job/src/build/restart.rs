//! The restart strategy, with Flink's defaults.

use std::time::Duration;

use crate::diagnostics::NoteKind;
use crate::draft::Draft;
use crate::settings::Scope::Set;
use crate::spec::RestartStrategy;
use crate::value::{Expected, decimal, integer, one_of, parse_duration};

const PREFIX: &str = "restart-strategy.";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    FixedDelay,
    FailureRate,
    ExponentialDelay,
}

impl Kind {
    fn section(self) -> &'static str {
        match self {
            Self::None => "none.",
            Self::FixedDelay => "fixed-delay.",
            Self::FailureRate => "failure-rate.",
            Self::ExponentialDelay => "exponential-delay.",
        }
    }
}

const NAMES: [(&str, Kind); 9] = [
    ("none", Kind::None),
    ("off", Kind::None),
    ("disable", Kind::None),
    ("fixed-delay", Kind::FixedDelay),
    ("fixeddelay", Kind::FixedDelay),
    ("failure-rate", Kind::FailureRate),
    ("failurerate", Kind::FailureRate),
    ("exponential-delay", Kind::ExponentialDelay),
    ("exponentialdelay", Kind::ExponentialDelay),
];

/// All settings are read, so that a bad one is found whichever strategy is chosen.
pub(super) fn restart(has_checkpoints: bool, draft: &mut Draft<'_>) -> RestartStrategy {
    let read = |text: &str| one_of(&NAMES, text);
    let given = draft.set_either("restart-strategy.type", "restart-strategy", read);
    let default = if has_checkpoints { Kind::ExponentialDelay } else { Kind::None };
    let kind = given.unwrap_or(default);
    let (fixed, rate, exponential) = (fixed(draft), rate(draft), exponential(draft));
    idle(kind, draft);
    match kind {
        Kind::None => RestartStrategy::None,
        Kind::FixedDelay => fixed,
        Kind::FailureRate => rate,
        Kind::ExponentialDelay => exponential,
    }
}

fn fixed(draft: &mut Draft<'_>) -> RestartStrategy {
    let attempts = draft.get(Set, "restart-strategy.fixed-delay.attempts", integer);
    let delay = draft.get(Set, "restart-strategy.fixed-delay.delay", parse_duration);
    RestartStrategy::FixedDelay {
        attempts: attempts.unwrap_or(1),
        delay: delay.unwrap_or(Duration::from_secs(1)),
    }
}

fn rate(draft: &mut Draft<'_>) -> RestartStrategy {
    let max = draft.get(Set, "restart-strategy.failure-rate.max-failures-per-interval", integer);
    let interval =
        draft.get(Set, "restart-strategy.failure-rate.failure-rate-interval", parse_duration);
    let delay = draft.get(Set, "restart-strategy.failure-rate.delay", parse_duration);
    RestartStrategy::FailureRate {
        max_failures: max.unwrap_or(1),
        interval: interval.unwrap_or(Duration::from_secs(60)),
        delay: delay.unwrap_or(Duration::from_secs(1)),
    }
}

fn exponential(draft: &mut Draft<'_>) -> RestartStrategy {
    let initial =
        draft.get(Set, "restart-strategy.exponential-delay.initial-backoff", parse_duration);
    let max_key = "restart-strategy.exponential-delay.max-backoff";
    let max = draft.get(Set, max_key, parse_duration);
    let multiplier =
        draft.get(Set, "restart-strategy.exponential-delay.backoff-multiplier", |text| {
            decimal(text).and_then(|n| within(n >= 1.0, n, "a number from 1 up"))
        });
    let jitter = draft.get(Set, "restart-strategy.exponential-delay.jitter-factor", |text| {
        decimal(text).and_then(|n| within((0.0..=1.0).contains(&n), n, "a number from 0 to 1"))
    });
    let reset = draft.get(
        Set,
        "restart-strategy.exponential-delay.reset-backoff-threshold",
        parse_duration,
    );
    let attempts = draft.get(
        Set,
        "restart-strategy.exponential-delay.attempts-before-reset-backoff",
        |text| match text.trim() {
            "infinite" => Ok(None),
            text => integer(text).map(Some),
        },
    );
    let initial_backoff = initial.unwrap_or(Duration::from_secs(1));
    let max_backoff = max.unwrap_or(Duration::from_secs(60).max(initial_backoff));
    if max_backoff < initial_backoff {
        draft.refuse(Set, max_key, format!("`{max_key}` is below the first wait"));
    }
    RestartStrategy::ExponentialDelay {
        initial_backoff,
        max_backoff,
        multiplier: multiplier.unwrap_or(1.5),
        jitter: jitter.unwrap_or(0.1),
        reset_threshold: reset.unwrap_or(Duration::from_secs(3600)),
        attempts: attempts.flatten(),
    }
}

fn within(holds: bool, number: f64, expected: &str) -> Expected<f64> {
    if holds { Ok(number) } else { Err(expected.to_owned()) }
}

/// Settings of a strategy that is not chosen do nothing, in Flink, too.
fn idle(kind: Kind, draft: &mut Draft<'_>) {
    let chosen = kind.section();
    let keys = draft.entries(Set).iter().filter_map(|(key, entry)| {
        let rest = key.strip_prefix(PREFIX)?;
        let idle = rest.contains('.') && !rest.starts_with(chosen);
        idle.then(|| (key.clone(), entry.key_at.clone()))
    });
    for (key, at) in keys.collect::<Vec<_>>() {
        let text = format!("`{key}` does nothing: another restart strategy is in force");
        draft.report.note(NoteKind::NoCounterpart, at, text);
    }
}

//! Checkpoints and what to resume from.

use std::num::NonZeroU32;
use std::time::Duration;

use model::CheckpointMode;

use crate::diagnostics::{At, NoteKind};
use crate::draft::Draft;
use crate::settings::Scope::{Set, With};
use crate::spec::{BacklogInterval, Checkpointing, ClaimMode, RestoreSettings, Retention};
use crate::value::{Expected, boolean, integer, nonempty, one_of, parse_duration};

/// Flink refuses shorter periods (`CheckpointConfig`), and so do we.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

const MODES: [(&str, CheckpointMode); 2] =
    [("EXACTLY_ONCE", CheckpointMode::ExactlyOnce), ("AT_LEAST_ONCE", CheckpointMode::AtLeastOnce)];

const RETENTIONS: [(&str, Retention); 3] = [
    ("RETAIN_ON_CANCELLATION", Retention::Retain),
    ("DELETE_ON_CANCELLATION", Retention::DeleteOnCancellation),
    ("NO_EXTERNALIZED_CHECKPOINTS", Retention::DeleteAlways),
];

/// `LEGACY` was removed from Flink; of what is left, `NO_CLAIM` is nearest: nothing is deleted.
const CLAIMS: [(&str, ClaimMode); 3] =
    [("NO_CLAIM", ClaimMode::NoClaim), ("CLAIM", ClaimMode::Claim), ("LEGACY", ClaimMode::NoClaim)];

pub(super) fn checkpointing(draft: &mut Draft<'_>) -> Checkpointing {
    let interval = interval(draft);
    let interval_during_backlog = backlog(interval, draft);
    let concurrent = draft.get(Set, "execution.checkpointing.max-concurrent-checkpoints", integer);
    if concurrent.is_some_and(|n: NonZeroU32| n > NonZeroU32::MIN) {
        let key = "execution.checkpointing.max-concurrent-checkpoints";
        let text = format!("`{key}`: there is always one checkpoint at a time");
        draft.report.note(NoteKind::NoCounterpart, At::Whole, text);
    }
    let prefix_free = |draft: &mut Draft<'_>, key| draft.get(Set, key, parse_duration);
    let timeout = prefix_free(draft, "execution.checkpointing.timeout");
    let min_pause = prefix_free(draft, "execution.checkpointing.min-pause");
    let tolerable = draft.get(Set, "execution.checkpointing.tolerable-failed-checkpoints", integer);
    let mode = draft.get(Set, "execution.checkpointing.mode", |text| one_of(&MODES, text));
    let retention_key = "execution.checkpointing.externalized-checkpoint-retention";
    let retention = draft.get(Set, retention_key, |text| one_of(&RETENTIONS, text));
    let retained = draft.set_either(
        "execution.checkpointing.num-retained",
        "state.checkpoints.num-retained",
        integer,
    );
    let dir = draft.set_either("execution.checkpointing.dir", "state.checkpoints.dir", nonempty);
    let savepoint_dir =
        draft.set_either("execution.checkpointing.savepoint-dir", "state.savepoints.dir", nonempty);
    Checkpointing {
        interval,
        interval_during_backlog,
        timeout: timeout.unwrap_or(Duration::from_secs(600)),
        min_pause: min_pause.unwrap_or(Duration::ZERO),
        tolerable_failures: tolerable.unwrap_or(0),
        mode: mode.unwrap_or(CheckpointMode::ExactlyOnce),
        retention: retention.unwrap_or(Retention::Retain),
        num_retained: retained.unwrap_or(NonZeroU32::MIN),
        dir,
        savepoint_dir,
    }
}

fn at_least_ten_ms(text: &str) -> Expected<Duration> {
    let long_enough = parse_duration(text)?;
    if long_enough < INTERVAL_MIN { Err("at least 10 ms".to_owned()) } else { Ok(long_enough) }
}

/// The option `checkpoint` wins over the `SET` key, as on Dinky.
fn interval(draft: &mut Draft<'_>) -> Option<Duration> {
    let set = draft.get(Set, "execution.checkpointing.interval", at_least_ten_ms);
    let with = draft.get(With, "checkpoint", at_least_ten_ms);
    if set.is_none() && with.is_none() {
        let text = "no period of checkpoints is given, so there are none but savepoints; give \
                    `checkpoint` or `execution.checkpointing.interval`";
        draft.report.note(NoteKind::Default, At::Whole, text);
    }
    with.or(set)
}

fn backlog(interval: Option<Duration>, draft: &mut Draft<'_>) -> BacklogInterval {
    let key = "execution.checkpointing.interval-during-backlog";
    match draft.get(Set, key, parse_duration) {
        None => BacklogInterval::Same,
        Some(Duration::ZERO) => BacklogInterval::Off,
        Some(period) => {
            if interval.is_some_and(|interval| period < interval) {
                let message = format!("`{key}` is below the period at other times");
                draft.refuse(Set, key, message);
            }
            BacklogInterval::Every(period)
        }
    }
}

pub(super) fn restore(draft: &mut Draft<'_>) -> RestoreSettings {
    let path =
        draft.set_either("execution.state-recovery.path", "execution.savepoint.path", nonempty);
    let ignore_unclaimed = draft.set_either(
        "execution.state-recovery.ignore-unclaimed-state",
        "execution.savepoint.ignore-unclaimed-state",
        boolean,
    );
    let claim_mode = draft.set_either(
        "execution.state-recovery.claim-mode",
        "execution.savepoint-restore-mode",
        |text| one_of(&CLAIMS, text),
    );
    RestoreSettings {
        path,
        ignore_unclaimed: ignore_unclaimed.unwrap_or(false),
        claim_mode: claim_mode.unwrap_or(ClaimMode::NoClaim),
    }
}

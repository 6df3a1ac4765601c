//! Every key of checkpoints, of where to begin, and of restarts: its values, its default, its older
//! name, and what is refused.

use super::*;

const S: Duration = Duration::from_secs(1);

fn with(sets: &[(&str, &str)]) -> JobSpec {
    let sets: Vec<String> =
        sets.iter().map(|(key, value)| format!("SET {key} = {value};")).collect();
    good(&script(&sets.join("\n"), ""))
}

fn checkpointing(key: &str, value: &str) -> Checkpointing {
    with(&[("execution.checkpointing.interval", "1s"), (key, value)]).checkpointing
}

#[track_caller]
fn refuses(key: &str, values: &[&str]) {
    for value in values {
        let text = script(&format!("SET {key} = {value};"), "");
        let errors = read(&text, Mode::Strict, &[]).expect_err("an error was expected");
        assert!(errors.to_string().contains(&format!("`{key}`")), "{value}: {errors}");
    }
}

#[test]
fn periods_and_limits_of_checkpoints_are_durations_and_counts() {
    let same = |spec: &Checkpointing| spec.interval_during_backlog;
    for (text, millis) in
        [("6000", 6_000), ("20s", 20_000), ("10 min", 600_000), ("2 h", 7_200_000)]
    {
        let expected = Duration::from_millis(millis);
        let interval = with(&[("execution.checkpointing.interval", text)]).checkpointing.interval;
        assert_eq!(interval, Some(expected), "{text}");
        assert_eq!(checkpointing("execution.checkpointing.timeout", text).timeout, expected);
        assert_eq!(checkpointing("execution.checkpointing.min-pause", text).min_pause, expected);
        let backlog = checkpointing("execution.checkpointing.interval-during-backlog", text);
        assert_eq!(same(&backlog), BacklogInterval::Every(expected));
    }
    let off = checkpointing("execution.checkpointing.interval-during-backlog", "0");
    assert_eq!(same(&off), BacklogInterval::Off);
    let tolerable = checkpointing("execution.checkpointing.tolerable-failed-checkpoints", "3");
    assert_eq!(tolerable.tolerable_failures, 3);
    for key in ["execution.checkpointing.num-retained", "state.checkpoints.num-retained"] {
        assert_eq!(checkpointing(key, "5").num_retained.get(), 5);
        refuses(key, &["0", "-1", "two"]);
    }
    refuses("execution.checkpointing.interval", &["9ms", "3 weeks", "-1s", "1.5s"]);
    refuses("execution.checkpointing.interval-during-backlog", &["soon"]);
    refuses("execution.checkpointing.timeout", &["never"]);
    refuses("execution.checkpointing.min-pause", &["1 eon"]);
    refuses("execution.checkpointing.tolerable-failed-checkpoints", &["-1", "many"]);
}

#[test]
fn without_keys_checkpoints_are_as_in_flink_but_kept() {
    let spec = with(&[]).checkpointing;
    assert_eq!((spec.interval, spec.timeout, spec.min_pause), (None, 600 * S, Duration::ZERO));
    assert_eq!(spec.interval_during_backlog, BacklogInterval::Same);
    assert_eq!((spec.tolerable_failures, spec.num_retained.get()), (0, 1));
    assert_eq!((spec.mode, spec.retention), (CheckpointMode::ExactlyOnce, Retention::Retain));
    assert_eq!((spec.dir, spec.savepoint_dir), (None, None));
}

#[test]
fn modes_and_retentions_are_words_in_any_case() {
    let mode = |value| checkpointing("execution.checkpointing.mode", value).mode;
    assert_eq!(mode("at_least_once"), CheckpointMode::AtLeastOnce);
    assert_eq!(mode("EXACTLY_ONCE"), CheckpointMode::ExactlyOnce);
    let key = "execution.checkpointing.externalized-checkpoint-retention";
    for (value, expected) in [
        ("RETAIN_ON_CANCELLATION", Retention::Retain),
        ("delete_on_cancellation", Retention::DeleteOnCancellation),
        ("NO_EXTERNALIZED_CHECKPOINTS", Retention::DeleteAlways),
    ] {
        assert_eq!(checkpointing(key, value).retention, expected);
    }
    refuses(key, &["RETAIN"]);
    refuses("execution.checkpointing.mode", &["AT_MOST_ONCE"]);
}

#[test]
fn places_are_kept_as_they_are_written() {
    for key in ["execution.checkpointing.savepoint-dir", "state.savepoints.dir"] {
        let dir = checkpointing(key, "s3://bucket/savepoints").savepoint_dir;
        assert_eq!(dir.as_deref(), Some("s3://bucket/savepoints"));
    }
    for key in ["execution.state-recovery.path", "execution.savepoint.path"] {
        let path = with(&[(key, "file:///backup/savepoint-x-1-00000000")]).restore.path;
        assert_eq!(path.as_deref(), Some("file:///backup/savepoint-x-1-00000000"));
    }
}

#[test]
fn what_is_begun_with_is_the_users_unless_claimed() {
    assert_eq!(with(&[]).restore.claim_mode, ClaimMode::NoClaim);
    for key in ["execution.state-recovery.claim-mode", "execution.savepoint-restore-mode"] {
        for (value, expected) in [
            ("CLAIM", ClaimMode::Claim),
            ("no_claim", ClaimMode::NoClaim),
            ("LEGACY", ClaimMode::NoClaim),
        ] {
            assert_eq!(with(&[(key, value)]).restore.claim_mode, expected);
        }
        refuses(key, &["KEEP"]);
    }
    for key in [
        "execution.state-recovery.ignore-unclaimed-state",
        "execution.savepoint.ignore-unclaimed-state",
    ] {
        assert!(with(&[(key, "TRUE")]).restore.ignore_unclaimed);
        assert!(!with(&[(key, "false")]).restore.ignore_unclaimed);
        refuses(key, &["yes"]);
    }
}

#[test]
fn each_restart_strategy_goes_by_each_of_its_names() {
    for key in ["restart-strategy", "restart-strategy.type"] {
        let strategy = |value| with(&[(key, value)]).restart;
        for name in ["none", "off", "disable"] {
            assert_eq!(strategy(name), RestartStrategy::None);
        }
        for name in ["fixed-delay", "fixeddelay", "FIXED-DELAY"] {
            assert_eq!(strategy(name), RestartStrategy::FixedDelay { attempts: 1, delay: S });
        }
        for name in ["failure-rate", "failurerate"] {
            let expected =
                RestartStrategy::FailureRate { max_failures: 1, interval: 60 * S, delay: S };
            assert_eq!(strategy(name), expected);
        }
        for name in ["exponential-delay", "exponentialdelay"] {
            assert_eq!(strategy(name), exponential());
        }
        refuses(key, &["fixed", "always"]);
    }
    let checkpoints = with(&[("execution.checkpointing.interval", "1s")]);
    assert_eq!(checkpoints.restart, exponential());
    assert_eq!(with(&[]).restart, RestartStrategy::None, "nothing to start again from");
}

fn exponential() -> RestartStrategy {
    RestartStrategy::ExponentialDelay {
        initial_backoff: S,
        max_backoff: 60 * S,
        multiplier: 1.5,
        jitter: 0.1,
        reset_threshold: 3600 * S,
        attempts: None,
    }
}

#[test]
fn every_key_of_a_restart_strategy_counts() {
    let fixed = with(&[
        ("restart-strategy", "fixed-delay"),
        ("restart-strategy.fixed-delay.attempts", "7"),
        ("restart-strategy.fixed-delay.delay", "20 s"),
    ]);
    assert_eq!(fixed.restart, RestartStrategy::FixedDelay { attempts: 7, delay: 20 * S });
    let rate = with(&[
        ("restart-strategy", "failure-rate"),
        ("restart-strategy.failure-rate.max-failures-per-interval", "3"),
        ("restart-strategy.failure-rate.failure-rate-interval", "5 min"),
        ("restart-strategy.failure-rate.delay", "2s"),
    ]);
    let expected =
        RestartStrategy::FailureRate { max_failures: 3, interval: 300 * S, delay: 2 * S };
    assert_eq!(rate.restart, expected);
    let exponential = with(&[
        ("restart-strategy", "exponential-delay"),
        ("restart-strategy.exponential-delay.initial-backoff", "500ms"),
        ("restart-strategy.exponential-delay.max-backoff", "2 min"),
        ("restart-strategy.exponential-delay.backoff-multiplier", "2.0"),
        ("restart-strategy.exponential-delay.jitter-factor", "0"),
        ("restart-strategy.exponential-delay.reset-backoff-threshold", "10 min"),
        ("restart-strategy.exponential-delay.attempts-before-reset-backoff", "9"),
    ]);
    let expected = RestartStrategy::ExponentialDelay {
        initial_backoff: S / 2,
        max_backoff: 120 * S,
        multiplier: 2.0,
        jitter: 0.0,
        reset_threshold: 600 * S,
        attempts: Some(9),
    };
    assert_eq!(exponential.restart, expected);
    let attempts = "restart-strategy.exponential-delay.attempts-before-reset-backoff";
    let infinite = with(&[("restart-strategy", "exponential-delay"), (attempts, "infinite")]);
    assert_eq!(infinite.restart, self::exponential());
}

#[test]
fn bad_values_of_restart_strategies_are_refused() {
    refuses("restart-strategy.fixed-delay.attempts", &["-1", "some"]);
    refuses("restart-strategy.fixed-delay.delay", &["1 tick"]);
    refuses("restart-strategy.failure-rate.max-failures-per-interval", &["x"]);
    refuses("restart-strategy.failure-rate.failure-rate-interval", &["x"]);
    refuses("restart-strategy.failure-rate.delay", &["x"]);
    refuses("restart-strategy.exponential-delay.initial-backoff", &["x"]);
    refuses("restart-strategy.exponential-delay.max-backoff", &["x", "10ms"]);
    refuses("restart-strategy.exponential-delay.backoff-multiplier", &["0.5", "x", "inf", "NaN"]);
    refuses("restart-strategy.exponential-delay.jitter-factor", &["-0.1", "1.1", "NaN"]);
    refuses("restart-strategy.exponential-delay.reset-backoff-threshold", &["x"]);
    refuses("restart-strategy.exponential-delay.attempts-before-reset-backoff", &["-1", "ever"]);
}

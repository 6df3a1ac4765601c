use model::{CheckpointId, SinkError};

use super::*;
use crate::checkpoint::machine::Then;
use crate::control::Refusal;

const S: Duration = Duration::from_secs(1);

fn delays(strategy: RestartStrategy, failures_at: &[u32], ran: Duration) -> Vec<Option<u64>> {
    let mut restarts = Restarts::new(strategy);
    let one = |at: &u32| restarts.after_failure(S * *at, ran, 0.5).map(|d| d.as_secs());
    failures_at.iter().map(one).collect()
}

#[test]
fn none_never_restarts() {
    assert_eq!(delays(RestartStrategy::None, &[1], S), [None]);
}

#[test]
fn fixed_delay_counts_all_attempts() {
    let strategy = RestartStrategy::FixedDelay { attempts: 2, delay: 20 * S };
    assert_eq!(delays(strategy, &[1, 100, 1000], S), [Some(20), Some(20), None]);
}

#[test]
fn failure_rate_forgets_old_failures() {
    let strategy = RestartStrategy::FailureRate { max_failures: 1, interval: 60 * S, delay: 3 * S };
    assert_eq!(delays(strategy.clone(), &[1, 100, 200], S), [Some(3), Some(3), Some(3)]);
    assert_eq!(delays(strategy, &[1, 50], S), [Some(3), None]);
}

#[test]
fn exponential_delay_grows_to_its_maximum_and_a_long_run_sets_it_back() {
    let strategy = RestartStrategy::ExponentialDelay {
        initial_backoff: S,
        max_backoff: 5 * S,
        multiplier: 2.0,
        jitter: 0.1,
        reset_threshold: 3600 * S,
        attempts: None,
    };
    let grown = delays(strategy.clone(), &[1, 2, 3, 4, 5], S);
    assert_eq!(grown, [Some(1), Some(2), Some(4), Some(5), Some(5)]);
    assert_eq!(delays(strategy, &[1, 2], 3600 * S), [Some(1), Some(1)]);
}

#[test]
fn a_factor_without_measure_is_the_maximum_at_once() {
    let strategy = RestartStrategy::ExponentialDelay {
        initial_backoff: S,
        max_backoff: 60 * S,
        multiplier: 1e300,
        jitter: 0.0,
        reset_threshold: 3600 * S,
        attempts: None,
    };
    assert_eq!(delays(strategy, &[1, 2, 3], S), [Some(1), Some(60), Some(60)]);
}

/// A source that fails `fails` times, each time after it ran for `runs`, and then ends well. The waits
/// between the end of one attempt and the start of the next, in milliseconds.
async fn waits(strategy: RestartStrategy, fails: usize, runs: Duration) -> (Vec<u128>, bool) {
    let (_control, controlled) = crate::control::channel();
    // What a seeded die would draw: the least, the most, the middle.
    let mut draws = [0.0, 1.0, 0.5].into_iter().cycle();
    let supervisor = Supervisor {
        strategy,
        hosts: Hosts::new(vec![]),
        control: controlled,
        chance: move || draws.next().unwrap(),
    };
    let (mut attempts, mut waits, mut ended) = (0, Vec::new(), None);
    let result = supervisor
        .run(async |_| {
            waits.extend(ended.map(|at: Instant| at.elapsed().as_millis()));
            attempts += 1;
            tokio::time::sleep(runs).await;
            ended = Some(Instant::now());
            if attempts > fails { Ok(Ended::With(CheckpointId(1))) } else { Err(failure()) }
        })
        .await;
    (waits, result.is_ok())
}

fn failure() -> EngineError {
    EngineError::Sink(SinkError::Transient {
        sink: "sink[0]".to_owned(),
        what: "disk full".to_owned(),
        source: None,
    })
}

fn exponential(attempts: Option<u32>) -> RestartStrategy {
    RestartStrategy::ExponentialDelay {
        initial_backoff: S,
        max_backoff: 60 * S,
        multiplier: 1.5,
        jitter: 0.1,
        reset_threshold: 3600 * S,
        attempts,
    }
}

#[tokio::test(start_paused = true)]
async fn without_restarts_the_first_failure_is_the_last() {
    assert_eq!(waits(RestartStrategy::None, 1, S).await, (vec![], false));
    assert_eq!(waits(RestartStrategy::None, 0, S).await, (vec![], true));
}

#[tokio::test(start_paused = true)]
async fn fixed_delay_waits_the_same_before_each_of_its_attempts() {
    let strategy = RestartStrategy::FixedDelay { attempts: 3, delay: 20 * S };
    assert_eq!(waits(strategy.clone(), 3, S).await, (vec![20_000; 3], true));
    assert_eq!(waits(strategy, 4, S).await, (vec![20_000; 3], false));
}

#[tokio::test(start_paused = true)]
async fn failure_rate_goes_on_until_failures_come_too_close() {
    let strategy = RestartStrategy::FailureRate { max_failures: 2, interval: 60 * S, delay: 5 * S };
    assert_eq!(waits(strategy.clone(), 10, 30 * S).await, (vec![5_000; 10], true));
    // The third failure comes 12 s after the first.
    assert_eq!(waits(strategy, 10, S).await, (vec![5_000; 2], false));
}

#[tokio::test(start_paused = true)]
async fn exponential_delay_grows_by_its_factor_to_its_maximum_within_its_jitter() {
    let (waits, well) = waits(exponential(None), 13, S).await;
    assert!(well);
    // 1 s, 1.5 s, 2.25 s, … to 60 s, the first 10 % below, the second 10 % above, and so on.
    let expected = [
        900, 1_650, 2_250, 3_038, 5_569, 7_594, 10_252, 18_795, 25_629, 34_599, 60_000, 60_000,
        54_000,
    ];
    assert_eq!(waits.len(), expected.len());
    for (waited, expected) in waits.iter().zip(expected) {
        // Tokio's timers count whole milliseconds, and round up.
        assert!(waited.abs_diff(expected) <= 1, "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn exponential_delay_ends_after_its_attempts_and_begins_anew_after_a_long_run() {
    let (few, well) = waits(exponential(Some(2)), 3, S).await;
    assert_eq!((few.len(), well), (2, false));
    let (reset, well) = waits(exponential(Some(2)), 6, 3600 * S).await;
    assert!(well);
    let around = reset.iter().all(|wait| (900..=1_101).contains(wait));
    assert!(around, "each run was long enough to set the wait back: {reset:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_wait_ends_the_job() {
    for (stop, ended) in [(Stop::Savepoint, Ended::Unsaved), (Stop::Cancel, Ended::Cancelled)] {
        let (control, controlled) = crate::control::channel();
        let supervisor = Supervisor {
            strategy: exponential(None),
            hosts: Hosts::new(vec![]),
            control: controlled,
            chance: || 0.5,
        };
        let runs = supervisor.run(async |_| Err(failure()));
        let asks = async {
            tokio::time::sleep(5 * S).await;
            let refused = control.savepoint(String::new(), Then::GoOn).await.unwrap_err();
            assert_eq!(refused, Refusal::Waiting("sink[0]: disk full".to_owned()));
            control.stop(stop);
        };
        let (result, ()) = tokio::join!(runs, asks);
        assert_eq!(result.unwrap(), ended);
    }
}

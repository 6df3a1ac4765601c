//! The rules on a clock that stands still until it is moved.

use super::*;
use crate::alerts::observation::Unapplied;
use crate::api::JobState;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const START: i64 = 1_700_000_000_000;

fn config(text: &str) -> Config {
    let channels =
        "channels = [{ name = \"ops\", kind = \"slack\", url = \"http://localhost/\" }]\n";
    toml::from_str(&format!("{channels}{text}")).unwrap_or_else(|error| panic!("{error}"))
}

/// Rules, a job, and the time.
struct Scene {
    rules: Rules,
    job: Observation,
    now_ms: i64,
}

fn scene(rules: &str) -> Scene {
    let job = Observation {
        job: "retail/orders".to_owned(),
        state: JobState::Streaming,
        reason: "it runs".to_owned(),
        since_ms: START,
        error: None,
        runs: true,
        restarts: 0,
        lag_seconds: Some(0),
        lag_bytes: Some(0),
        lag_transactions: None,
        retention_seconds: None,
        checkpoints_failed: 0,
        checkpoint_failure: None,
        checkpoint_at_ms: None,
        quarantined: Vec::new(),
        unapplied: 0,
        newest_unapplied: Vec::new(),
    };
    Scene { rules: Rules::new(&config(rules)).unwrap(), job, now_ms: START }
}

impl Scene {
    /// What is told after so long, as `news text`.
    fn after(&mut self, ms: i64) -> Vec<String> {
        self.now_ms += ms;
        let messages = self.rules.observe(std::slice::from_ref(&self.job), self.now_ms);
        messages.iter().map(|m| format!("{} {}", m.news.name(), m.text)).collect()
    }

    #[track_caller]
    fn tells(&mut self, ms: i64, expected: &[&str]) {
        let told = self.after(ms);
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told:?} does not begin with {expected:?}");
        }
    }
}

#[test]
fn a_job_that_fails_is_told_once_with_its_reason_and_once_more_when_it_runs_again() {
    let mut scene = scene("[[rules]]\nwhen = \"failed\"");
    scene.tells(SECOND, &[]);
    scene.job.state = JobState::Failed;
    scene.job.reason = "the disk is full".to_owned();
    scene.job.since_ms = START + SECOND;
    scene.tells(SECOND, &["raised The job failed: the disk is full"]);
    scene.tells(MINUTE, &[]);
    // To try again is not to run again.
    scene.job.state = JobState::Starting;
    scene.tells(SECOND, &[]);
    scene.job.state = JobState::Restarting;
    scene.tells(SECOND, &[]);
    scene.job.state = JobState::Streaming;
    scene.tells(SECOND, &["settled It is over, after 1m 4s. The job is streaming."]);
    scene.tells(SECOND, &[]);
}

#[test]
fn what_does_not_last_as_long_as_the_rule_says_is_told_nobody() {
    let mut scene = scene("[[rules]]\nwhen = \"lag\"\nover = \"1m\"\nfor = \"2m\"");
    scene.job.lag_seconds = Some(61);
    scene.tells(0, &[]);
    scene.tells(2 * MINUTE - 1, &[]);
    scene.job.lag_seconds = Some(60);
    scene.tells(1, &[]);
    scene.job.lag_seconds = Some(90);
    scene.tells(MINUTE, &[]);
    scene.tells(2 * MINUTE, &["raised The job is behind its source by 1m 30s, 0 bytes."]);
    // What does not run has no lag.
    scene.job.state = JobState::Stopped;
    scene.tells(SECOND, &["settled"]);
}

#[test]
fn bytes_and_transactions_are_thresholds_too() {
    let mut scene = scene("[[rules]]\nwhen = \"lag\"\nover_bytes = 100\nover_transactions = 5");
    scene.job.lag_bytes = Some(100);
    scene.job.lag_transactions = Some(5);
    scene.tells(SECOND, &[]);
    scene.job.lag_transactions = Some(6);
    scene.tells(SECOND, &["raised The job is behind its source by 0s, 100 bytes, 6 transactions."]);
    scene.job.lag_transactions = None;
    scene.tells(SECOND, &["settled"]);
    scene.job.lag_bytes = Some(101);
    scene.tells(SECOND, &["raised"]);
}

#[test]
fn restarts_count_in_their_window_and_those_before_the_first_look_do_not() {
    let mut scene = scene("[[rules]]\nwhen = \"restarting\"\ncount = 3\nwithin = \"10m\"");
    scene.job.restarts = 40;
    scene.tells(SECOND, &[]);
    scene.job.restarts = 42;
    scene.tells(SECOND, &[]);
    scene.job.restarts = 43;
    scene.job.error = Some("the sink is gone".to_owned());
    scene.tells(9 * MINUTE, &["raised Started again 3 times within 10m: the sink is gone"]);
    // The user has started it anew.
    scene.job.restarts = 0;
    scene.tells(MINUTE, &["settled"]);
    scene.job.restarts = 1;
    scene.tells(SECOND, &[]);
}

#[test]
fn a_checkpoint_that_failed_is_told_with_its_reason() {
    let mut scene = scene("[[rules]]\nwhen = \"checkpoint_failed\"");
    scene.job.checkpoints_failed = 1;
    scene.job.checkpoint_failure = Some("checkpoint 7 failed: not complete".to_owned());
    scene.tells(SECOND, &["raised 1 checkpoints failed within 10m: checkpoint 7 failed"]);
    scene.tells(10 * MINUTE, &["settled"]);
}

#[test]
fn a_checkpoint_is_old_when_none_was_stored_for_so_long_though_the_job_runs() {
    let mut scene = scene("[[rules]]\nwhen = \"checkpoint_old\"\nover = \"30m\"");
    scene.tells(30 * MINUTE, &[]);
    scene.tells(SECOND, &["raised No checkpoint was stored for 30m 1s."]);
    scene.job.checkpoint_at_ms = Some(scene.now_ms);
    scene.tells(SECOND, &["settled"]);
    scene.tells(30 * MINUTE, &["raised The newest checkpoint is from 30m 1s ago."]);
    // One that is stopped needs none, and after its start it has the whole time again.
    scene.job.state = JobState::Paused;
    scene.tells(SECOND, &["settled"]);
    scene.job.state = JobState::Streaming;
    scene.job.since_ms = scene.now_ms;
    scene.tells(30 * MINUTE, &[]);
    // The daemon was away, and has not brought it back yet.
    scene.job.runs = false;
    scene.tells(30 * MINUTE, &[]);
}

#[test]
fn retention_is_told_before_it_is_gone_and_what_is_not_known_is_no_alert() {
    let mut scene = scene("[[rules]]\nwhen = \"retention\"\nbelow = \"6h\"");
    scene.job.retention_seconds = Some(21_600.0);
    scene.tells(SECOND, &[]);
    scene.job.retention_seconds = Some(3600.5);
    scene.tells(
        SECOND,
        &["raised The server may purge binlog that the job still needs in about 1h."],
    );
    scene.job.retention_seconds = None;
    scene.tells(SECOND, &["settled"]);
    scene.job.retention_seconds = Some(0.0);
    scene.tells(SECOND, &["raised The server has purged binlog"]);
}

#[test]
fn each_further_table_in_quarantine_is_news_and_one_that_comes_back_is_not() {
    let mut scene = scene("[[rules]]\nwhen = \"quarantined\"");
    let set_apart = |names: &[&str]| -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), "a reason".to_owned())).collect()
    };
    scene.job.quarantined = set_apart(&["d.a"]);
    scene.tells(SECOND, &["raised In quarantine, and not replicated: d.a (a reason)"]);
    scene.tells(SECOND, &[]);
    scene.job.quarantined = set_apart(&["d.a", "d.b"]);
    scene.tells(SECOND, &["raised In quarantine, and not replicated: d.a (a reason); d.b"]);
    scene.job.quarantined = set_apart(&["d.b"]);
    scene.tells(SECOND, &[]);
    scene.job.quarantined = Vec::new();
    scene.tells(SECOND, &["settled"]);
}

#[test]
fn each_change_that_is_not_followed_is_told_once_with_table_and_statement() {
    let mut scene = scene("[[rules]]\nwhen = \"schema_change\"");
    let change = |number, statement: &str| Unapplied {
        number,
        table: "d.t".to_owned(),
        statement: statement.to_owned(),
        why: "column `m` stays".to_owned(),
    };
    scene.tells(SECOND, &[]);
    scene.job.newest_unapplied = vec![change(1, "ALTER 1"), change(2, "ALTER 2")];
    scene.job.unapplied = 2;
    scene.tells(
        SECOND,
        &[
            "raised d.t: column `m` stays. Statement: ALTER 1",
            "raised d.t: column `m` stays. Statement: ALTER 2",
        ],
    );
    scene.tells(SECOND, &[]);
    scene.job.newest_unapplied.push(change(3, "ALTER 3"));
    scene.job.unapplied = 3;
    scene.tells(SECOND, &["raised d.t: column `m` stays. Statement: ALTER 3"]);
}

#[test]
fn a_job_that_comes_and_goes_is_told_so_often_and_then_how_often_it_was_held_back() {
    let mut scene =
        scene("repeat = { messages = 2, within = \"1h\" }\n[[rules]]\nwhen = \"failed\"");
    let mut told = Vec::new();
    for _ in 0..5 {
        scene.job.state = JobState::Failed;
        told.extend(scene.after(SECOND));
        scene.job.state = JobState::Streaming;
        told.extend(scene.after(SECOND));
    }
    let news: Vec<&str> = told.iter().map(|t| t.split(' ').next().unwrap()).collect();
    // What nobody heard of does not settle.
    assert_eq!(news, ["raised", "settled", "raised", "settled"]);
    scene.job.state = JobState::Failed;
    scene.tells(60 * MINUTE, &["raised The job failed: it runs (3 more before this one were held"]);
}

#[test]
fn what_lasts_is_told_again_where_the_rule_says_so() {
    let mut scene = scene("[[rules]]\nwhen = \"failed\"\nremind = \"4h\"");
    scene.job.state = JobState::Failed;
    scene.tells(SECOND, &["raised"]);
    scene.tells(4 * 60 * MINUTE - 1, &[]);
    scene.tells(1, &["reminded The job failed"]);
    scene.job.state = JobState::Restarting;
    scene.tells(4 * 60 * MINUTE, &["reminded The job failed; it is restarting: it runs"]);
}

#[test]
fn a_rule_is_about_the_jobs_of_its_patterns_and_goes_to_its_channels() {
    let mut scene = scene("[[rules]]\nwhen = \"failed\"\njobs = [\"retail/*\", \"*_test\"]");
    scene.job.state = JobState::Failed;
    let jobs = ["retail/orders", "retail", "a_test", "b_tests"];
    let jobs: Vec<Observation> =
        jobs.map(|job| Observation { job: job.to_owned(), ..scene.job.clone() }).into();
    let messages = scene.rules.observe(&jobs, START);
    let told: Vec<&str> = messages.iter().map(|message| &*message.job).collect();
    assert_eq!(told, ["retail/orders", "a_test"]);
    assert_eq!(messages[0].channels, ["ops"], "all of them, where the rule names none");
}

#[test]
fn a_job_that_is_gone_is_forgotten_and_does_not_settle() {
    let mut scene = scene("[[rules]]\nwhen = \"failed\"");
    scene.job.state = JobState::Failed;
    scene.tells(SECOND, &["raised"]);
    assert_eq!(scene.rules.observe(&[], scene.now_ms), []);
    scene.tells(SECOND, &["raised"]);
}

#[test]
fn stars_stand_for_anything() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "abcd", false),
        ("*/orders/*", "retail/orders/emp", true),
        ("*/orders/*", "retail/ordersemp", false),
        ("ab*ba", "aba", false),
        ("abc", "abc", true),
        ("abc", "abcd", false),
    ] {
        assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_with_its_name() {
    for (rules, expected) in [
        ("[[rules]]\nwhen = \"lag\"", "rule `lag`: it needs `over`"),
        ("[[rules]]\nwhen = \"retention\"", "rule `retention`: it needs `below`"),
        ("[[rules]]\nwhen = \"checkpoint_old\"", "rule `checkpoint_old`: it needs `over`"),
        (
            "[[rules]]\nwhen = \"failed\"\nover = \"1m\"",
            "`over` says nothing where `when` is `failed`, which takes no threshold",
        ),
        (
            "[[rules]]\nwhen = \"restarting\"\nover = \"1m\"",
            "where `when` is `restarting`, which takes `count`, `within`",
        ),
        ("[[rules]]\nwhen = \"restarting\"\ncount = 0", "`count` is from 1 to 1000"),
        (
            "[[rules]]\nname = \"x\"\nwhen = \"failed\"\nchannels = [\"nobody\"]",
            "rule `x`: there is no channel",
        ),
        (
            "[[rules]]\nwhen = \"failed\"\n[[rules]]\nwhen = \"failed\"",
            "another rule has this name",
        ),
    ] {
        let error = Rules::new(&config(rules)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let two = "[[rules]]\nwhen = \"lag\"\n[[rules]]\nwhen = \"retention\"";
    let told = Rules::new(&config(two)).unwrap_err().to_string();
    assert_eq!(told.lines().count(), 2, "each is told: {told}");
    let unread =
        toml::from_str::<Config>("[[rules]]\nwhen = \"failed\"\nfro = \"1m\"").unwrap_err();
    assert!(unread.to_string().contains("unknown field `fro`"), "{unread}");
}

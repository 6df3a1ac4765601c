//! StarRocks.

use warehouse::cluster::{Call, Effect, Event, Fault};

use super::stand::{Stand, definite, transient};
use crate::warehouse::client::{Compression, Outcome, Password, Staged};
use crate::warehouse::system::System;

async fn starrocks() -> Stand {
    Stand::start(System::StarRocks).await
}

/// The load goes through once, whatever happens to the calls before and after.
async fn assert_goes_through(stand: &Stand) {
    let client = stand.client();
    let load = stand.load("a", &["1=x", "2=y"]);
    let staged = client.stage(&load).await.unwrap();
    assert!(stand.rows().is_empty() && staged.txn.is_some(), "{staged:?}");
    assert_eq!(stand.state(&load), "PREPARED");
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    assert_eq!(stand.rows(), ["1=x", "2=y"]);
}

#[tokio::test]
async fn a_staged_load_is_seen_once_it_is_committed_and_not_before() {
    let stand = starrocks().await;
    assert_goes_through(&stand).await;
    let client = stand.client();
    let delete = client.stage(&stand.load("b", &["-1"])).await.unwrap();
    client.commit(&delete).await.unwrap();
    assert_eq!(stand.rows(), ["2=y"]);
}

#[tokio::test]
async fn a_plain_load_is_seen_at_once_and_once_though_its_reply_is_lost_or_says_fail() {
    let stand = starrocks().await;
    let client = stand.client();
    for (label, effect) in [
        ("a", None),
        ("b", Some(Effect::CutReply)),
        ("c", Some(Effect::FailThoughDone)),
        ("d", Some(Effect::PublishTimeout)),
    ] {
        if let Some(effect) = effect {
            stand.fault(effect, Call::Load);
        }
        client.load(&stand.load(label, &["1=x"])).await.unwrap();
    }
    assert_eq!((stand.rows().len(), stand.transactions()), (1, 4));
}

#[tokio::test]
async fn a_reply_of_any_call_may_be_lost() {
    for call in [Call::Begin, Call::Load, Call::Prepare, Call::Commit, Call::State] {
        let stand = starrocks().await;
        stand.fault(Effect::CutReply, call);
        assert_goes_through(&stand).await;
    }
}

#[tokio::test]
async fn a_call_may_say_that_it_failed_although_it_was_done() {
    for call in [Call::Begin, Call::Load, Call::Prepare, Call::Commit] {
        let stand = starrocks().await;
        stand.fault(Effect::FailThoughDone, call);
        assert_goes_through(&stand).await;
    }
}

#[tokio::test]
async fn a_transaction_in_processing_is_waited_for() {
    for call in [Call::Load, Call::Prepare] {
        let stand = starrocks().await;
        stand.faults(Effect::InProcessing, call, 4);
        assert_goes_through(&stand).await;
        assert_eq!(stand.transactions(), 1, "begun anew for {call:?}");
    }
}

#[tokio::test]
async fn a_commit_that_is_slow_to_be_seen_is_success() {
    let stand = starrocks().await;
    let client = stand.client();
    let load = stand.load("a", &["1=x"]);
    let staged = client.stage(&load).await.unwrap();
    stand.fault(Effect::PublishTimeout, Call::Commit);
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    stand.happen(Event::SkipSeconds(1));
    assert_eq!(stand.state(&load), "VISIBLE");
}

#[tokio::test]
async fn backends_that_are_named_gather_a_transaction_each_without_a_frontend_in_between() {
    let stand = starrocks().await;
    let mut settings = stand.settings();
    settings.be = stand.backends.iter().map(ToString::to_string).collect();
    let client = stand.client_with(settings);
    stand.happen(Event::KillBackend(1));
    for label in ["a", "b", "c"] {
        let staged = client.stage(&stand.load(label, &["1=x"])).await.unwrap();
        assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    }
}

#[tokio::test]
async fn a_follower_sends_on_to_the_leader_and_the_leader_to_a_backend() {
    let stand = starrocks().await;
    let mut settings = stand.settings();
    settings.fe = vec!["127.0.0.1:9".to_owned(), stand.frontends[1].to_string()];
    let client = stand.client_with(settings);
    let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    client.load(&stand.load("b", &["2=y"])).await.unwrap();
    assert_eq!(stand.rows(), ["1=x", "2=y"]);
}

#[tokio::test]
async fn the_backend_that_gathered_a_load_may_die_before_the_prepare() {
    let stand = starrocks().await;
    stand.update(|state| {
        state.limits.heartbeat_lost_after = std::time::Duration::from_millis(200);
        let delay = Fault::new(Effect::Delay, Call::Prepare);
        state.arm(Fault { millis: 300, ..delay });
    });
    let mut settings = stand.settings();
    settings.max_retries = 30;
    let client = stand.client_with(settings);
    let load = stand.load("a", &["1=x"]);
    let (staged, ()) = tokio::join!(client.stage(&load), async {
        while stand.state(&load) != "PREPARE" {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let place = stand.update(|state| {
            let database = state.database("shop").unwrap();
            let txn = database.book.ledger().iter().next().unwrap();
            state.nodes.backends.iter().position(|node| node.id == txn.coordinator).unwrap()
        });
        stand.happen(Event::KillBackend(place));
    });
    assert_eq!(client.commit(&staged.unwrap()).await.unwrap(), Outcome::Visible);
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn what_is_prepared_survives_every_node() {
    let stand = starrocks().await;
    let client = stand.client();
    let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
    stand.happen(Event::KillBackend(0));
    stand.happen(Event::Lead(1));
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn a_commit_that_comes_too_late_or_finds_its_label_forgotten_is_told_lost() {
    let stand = starrocks().await;
    let client = stand.client();
    let load = stand.load("a", &["1=x"]);
    let staged = client.stage(&load).await.unwrap();
    stand.happen(Event::SkipSeconds(90_000));
    let outcome = client.commit(&staged).await.unwrap();
    assert!(matches!(outcome, Outcome::Lost(_)), "{outcome:?}");
    let again = client.stage(&load).await.unwrap();
    assert_eq!(client.commit(&again).await.unwrap(), Outcome::Visible);
    stand.happen(Event::ForgetLabels);
    let outcome = client.commit(&again).await.unwrap();
    assert!(matches!(outcome, Outcome::Lost(_)), "{outcome:?}");
}

#[tokio::test]
async fn an_abort_is_sure_that_nothing_will_be_seen_or_says_that_it_is() {
    let stand = starrocks().await;
    let client = stand.client();
    let load = stand.load("a", &["1=x"]);
    let staged = client.stage(&load).await.unwrap();
    stand.fault(Effect::CutReply, Call::Rollback);
    assert!(client.abort(&staged).await.unwrap());
    assert!(client.abort(&staged).await.unwrap());
    assert_eq!(stand.state(&load), "ABORTED");

    let staged = client.stage(&stand.load("b", &["2=y"])).await.unwrap();
    client.commit(&staged).await.unwrap();
    assert!(!client.abort(&staged).await.unwrap());
    let found =
        Staged { table: String::new(), ..client.stage(&stand.load("c", &["3=z"])).await.unwrap() };
    assert!(client.abort(&found).await.unwrap());
    assert_eq!(stand.rows(), ["2=y"]);
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_is_not_in_the_error() {
    let stand = starrocks().await;
    let mut settings = stand.settings();
    settings.password = Password::new("s3cret-Wrong");
    let client = stand.client_with(settings);
    let what = definite(client.stage(&stand.load("a", &["1=x"])).await);
    assert!(what.contains("Access denied") && !what.contains("s3cret"), "{what}");
    assert_eq!(stand.transactions(), 0);
}

#[tokio::test]
async fn rows_that_do_not_fit_surface_at_the_prepare_and_are_told_with_the_servers_reasons() {
    let stand = starrocks().await;
    let load = stand.load("a", &["1=x", "2=far-too-long-a-name"]);
    let what = definite(stand.client().stage(&load).await);
    for part in ["too many filtered rows", "`shop`.`orders`", "_load_error_log", "widen"] {
        assert!(what.contains(part), "no `{part}` in {what}");
    }
    assert_eq!(stand.state(&load), "ABORTED");
}

#[tokio::test]
async fn too_many_versions_are_waited_for() {
    let stand = starrocks().await;
    stand.faults(Effect::TooManyVersions, Call::Load, 3);
    stand.client().load(&stand.load("a", &["1=x"])).await.unwrap();
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn redirects_in_a_circle_or_to_nobody_are_given_up_and_tried_again() {
    let stand = starrocks().await;
    for call in [Call::Begin, Call::Load, Call::Prepare] {
        stand.fault(Effect::RedirectToDead, call);
    }
    assert_goes_through(&stand).await;
    stand.faults(Effect::RedirectLoop, Call::Load, 1_000);
    let what = transient(stand.client().load(&stand.load("b", &["1=x"])).await);
    assert!(what.contains("more than 5 redirects"), "{what}");
}

#[tokio::test]
async fn compressed_bodies_are_taken() {
    let stand = starrocks().await;
    for (label, compression) in [("a", Compression::Gzip), ("b", Compression::Lz4)] {
        let mut settings = stand.settings();
        settings.compression = compression;
        let row = format!("1={label}");
        let client = stand.client_with(settings);
        let staged = client.stage(&stand.load(label, &[&row])).await.unwrap();
        client.commit(&staged).await.unwrap();
        assert_eq!(stand.rows(), [row]);
    }
}

#[tokio::test]
async fn a_load_without_rows_is_never_begun() {
    let stand = starrocks().await;
    let what = definite(stand.client().stage(&stand.load("a", &[])).await);
    assert!(what.contains("without rows") && stand.transactions() == 0, "{what}");
}

#[tokio::test]
async fn a_new_leader_forgets_what_gathers_and_the_load_begins_anew() {
    let stand = starrocks().await;
    stand.update(|state| {
        let delay = Fault::new(Effect::Delay, Call::Prepare);
        state.arm(Fault { millis: 100, ..delay });
    });
    let client = stand.client();
    let load = stand.load("a", &["1=x"]);
    let (staged, ()) = tokio::join!(client.stage(&load), async {
        while stand.state(&load) != "PREPARE" {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        stand.happen(Event::Lead(1));
    });
    assert_eq!(client.commit(&staged.unwrap()).await.unwrap(), Outcome::Visible);
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn loads_that_the_server_would_batch_by_itself_are_refused() {
    let stand = starrocks().await;
    let mut settings = stand.settings();
    settings.headers.insert("enable_merge_commit".to_owned(), "true".to_owned());
    let made = crate::warehouse::client::Client::new(System::StarRocks, settings);
    assert!(definite(made.map(drop)).contains("enable_merge_commit"));
}

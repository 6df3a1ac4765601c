//! Doris.

use warehouse::cluster::{Call, Effect, Event};

use super::stand::{Stand, definite, transient};
use crate::warehouse::client::{DELETE_SIGN, Outcome, Password, SEQUENCE_COLUMN, Settings};
use crate::warehouse::system::System;

async fn doris() -> Stand {
    Stand::start(System::Doris).await
}

#[tokio::test]
async fn a_staged_load_is_seen_once_it_is_committed_and_not_before() {
    let stand = doris().await;
    let client = stand.client();
    let staged = client.stage(&stand.load("a", &["1=x", "2=y"])).await.unwrap();
    assert!(stand.rows().is_empty() && staged.txn.is_some());
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    assert_eq!(stand.rows(), ["1=x", "2=y"]);
    let delete = client.stage(&stand.load("b", &["-1"])).await.unwrap();
    client.commit(&delete).await.unwrap();
    assert_eq!(stand.rows(), ["2=y"]);
}

#[tokio::test]
async fn a_plain_load_is_seen_at_once() {
    let stand = doris().await;
    stand.client().load(&stand.load("a", &["1=x"])).await.unwrap();
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn backends_that_are_named_take_loads_without_a_frontend_in_between() {
    let stand = doris().await;
    let mut settings = stand.settings();
    settings.be = stand.backends.iter().map(ToString::to_string).collect();
    let client = stand.client_with(settings);
    stand.happen(Event::KillBackend(0));
    for label in ["a", "b", "c"] {
        let staged = client.stage(&stand.load(label, &["1=x"])).await.unwrap();
        assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    }
}

#[tokio::test]
async fn without_redirects_the_backends_that_a_frontend_lists_are_spoken_to() {
    let stand = doris().await;
    let settings = Settings { auto_redirect: false, ..stand.settings() };
    for call in [Call::Load, Call::Commit, Call::Rollback] {
        stand.faults(Effect::RedirectToDead, call, 100);
    }
    let client = stand.client_with(settings);
    for label in ["a", "b", "c", "d"] {
        let staged = client.stage(&stand.load(label, &["1=x"])).await.unwrap();
        assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    }
    let staged = client.stage(&stand.load("e", &["2=y"])).await.unwrap();
    assert!(client.abort(&staged).await.unwrap());
    assert_eq!(stand.rows(), ["1=x"]);
    // One that has died, and is listed for a while, is passed over.
    stand.happen(Event::KillBackend(0));
    for label in ["f", "g"] {
        client.load(&stand.load(label, &["3=z"])).await.unwrap();
    }
    stand.update(|state| state.nodes.backends.iter_mut().for_each(|node| node.alive = false));
    let what = transient(client.load(&stand.load("h", &["3=z"])).await);
    assert!(what.contains("no backend is alive"), "{what}");
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_is_not_in_the_error() {
    let stand = doris().await;
    let mut settings = stand.settings();
    settings.password = Password::new("s3cret-Wrong");
    let debug = format!("{settings:?}");
    let client = stand.client_with(settings);
    let what = definite(client.stage(&stand.load("a", &["1=x"])).await);
    assert!(what.contains("Access denied") && what.contains("check `username`"), "{what}");
    assert!(!what.contains("s3cret") && !debug.contains("s3cret"), "{what} {debug}");
    assert_eq!(stand.transactions(), 0);
}

#[tokio::test]
async fn a_lost_reply_of_a_staged_load_is_found_with_its_transaction() {
    let stand = doris().await;
    stand.fault(Effect::CutReply, Call::Load);
    let client = stand.client();
    let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
    assert!(staged.txn.is_some() && stand.transactions() == 1, "{staged:?}");
    client.commit(&staged).await.unwrap();
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn a_lost_reply_after_commit_is_found_committed() {
    let stand = doris().await;
    let client = stand.client();
    let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
    stand.fault(Effect::CutReply, Call::Commit);
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn a_lost_reply_of_a_plain_load_does_not_load_it_twice() {
    let stand = doris().await;
    stand.fault(Effect::CutReply, Call::Load);
    stand.client().load(&stand.load("a", &["1=x"])).await.unwrap();
    assert_eq!((stand.rows().len(), stand.transactions()), (1, 1));
}

#[tokio::test]
async fn fail_although_it_was_done_is_looked_up_and_not_believed() {
    let stand = doris().await;
    let client = stand.client();
    stand.fault(Effect::FailThoughDone, Call::Load);
    client.load(&stand.load("a", &["1=x"])).await.unwrap();
    stand.fault(Effect::FailThoughDone, Call::Load);
    let staged = client.stage(&stand.load("b", &["2=y"])).await.unwrap();
    stand.fault(Effect::FailThoughDone, Call::Commit);
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    assert_eq!((stand.rows().len(), stand.transactions()), (2, 2));
}

#[tokio::test]
async fn publish_timeout_is_success() {
    let stand = doris().await;
    stand.fault(Effect::PublishTimeout, Call::Load);
    let load = stand.load("a", &["1=x"]);
    stand.client().load(&load).await.unwrap();
    assert_eq!(stand.transactions(), 1);
    stand.happen(Event::SkipSeconds(1));
    assert_eq!(stand.state(&load), "VISIBLE");
}

#[tokio::test]
async fn a_commit_that_comes_too_late_is_told_lost_and_the_load_can_be_staged_again() {
    let stand = doris().await;
    let client = stand.client();
    let load = stand.load("a", &["1=x"]);
    let staged = client.stage(&load).await.unwrap();
    stand.happen(Event::SkipSeconds(3_700));
    let outcome = client.commit(&staged).await.unwrap();
    assert!(
        matches!(&outcome, Outcome::Lost(words) if words.contains("already aborted")),
        "{outcome:?}"
    );
    let again = client.stage(&load).await.unwrap();
    assert_ne!(again.txn, staged.txn);
    assert_eq!(client.commit(&again).await.unwrap(), Outcome::Visible);
}

#[tokio::test]
async fn a_forgotten_label_is_never_told_visible() {
    let stand = doris().await;
    let client = stand.client();
    let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
    client.commit(&staged).await.unwrap();
    stand.happen(Event::ForgetLabels);
    let outcome = client.commit(&staged).await.unwrap();
    assert!(matches!(outcome, Outcome::Lost(_)), "{outcome:?}");
}

#[tokio::test]
async fn an_abort_is_sure_that_nothing_will_be_seen_or_says_that_it_is() {
    let stand = doris().await;
    let client = stand.client();
    let load = stand.load("a", &["1=x"]);
    let staged = client.stage(&load).await.unwrap();
    stand.fault(Effect::CutReply, Call::Rollback);
    assert!(client.abort(&staged).await.unwrap());
    assert!(client.abort(&staged).await.unwrap());
    assert_eq!(stand.state(&load), "ABORTED");
    let outcome = client.commit(&staged).await.unwrap();
    assert!(matches!(outcome, Outcome::Lost(_)), "{outcome:?}");

    let staged = client.stage(&stand.load("b", &["2=y"])).await.unwrap();
    client.commit(&staged).await.unwrap();
    assert!(!client.abort(&staged).await.unwrap());
    let by_label = crate::warehouse::client::Staged { txn: None, ..staged };
    assert!(!client.abort(&by_label).await.unwrap());
    assert_eq!(client.commit(&by_label).await.unwrap(), Outcome::Visible);
    assert_eq!(stand.rows(), ["2=y"]);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_told_with_the_servers_reasons_and_without_the_rows() {
    let stand = doris().await;
    let load = stand.load("a", &["1=x", "2=far-too-long-a-name"]);
    let what = definite(stand.client().stage(&load).await);
    for part in
        ["too many filtered rows", "`shop`.`orders`", load.label.as_str(), "_load_error_log"]
    {
        assert!(what.contains(part), "no `{part}` in {what}");
    }
    assert!(what.contains("column_name[name]") && !what.contains("far-too"), "{what}");
    assert!(stand.rows().is_empty());
}

#[tokio::test]
async fn too_many_versions_are_waited_for() {
    let stand = doris().await;
    stand.faults(Effect::TooManyVersions, Call::Load, 5);
    let staged = stand.client().stage(&stand.load("a", &["1=x"])).await.unwrap();
    assert_eq!(stand.client().commit(&staged).await.unwrap(), Outcome::Visible);
}

#[tokio::test]
async fn a_column_that_the_table_lacks_is_told_at_once() {
    let stand = doris().await;
    let mut load = stand.load("a", &["1=x"]);
    load.columns = ["id", "nome"].map(Into::into).into();
    let what = definite(stand.client().load(&load).await);
    assert!(what.contains("Unknown column 'nome'"), "{what}");
}

#[tokio::test]
async fn redirects_in_a_circle_or_to_nobody_are_given_up_and_tried_again() {
    let stand = doris().await;
    let client = stand.client();
    stand.faults(Effect::RedirectLoop, Call::Load, 6);
    stand.fault(Effect::RedirectToDead, Call::Load);
    client.load(&stand.load("a", &["1=x"])).await.unwrap();
    stand.faults(Effect::RedirectLoop, Call::Load, 1_000);
    let what = transient(client.load(&stand.load("b", &["1=x"])).await);
    assert!(what.contains("more than 5 redirects") && !what.contains("p%40s"), "{what}");
}

#[tokio::test]
async fn a_frontend_that_is_gone_is_passed_over_and_the_leader_may_be_another() {
    let stand = doris().await;
    let mut settings = stand.settings();
    settings.fe = vec!["127.0.0.1:9".to_owned(), stand.frontends[1].to_string()];
    let client = stand.client_with(settings);
    let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
    stand.happen(Event::Lead(1));
    stand.fault(Effect::CutReply, Call::Commit);
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
}

#[tokio::test]
async fn a_backend_that_dies_is_replaced_by_another() {
    let stand = doris().await;
    let client = stand.client();
    let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
    stand.happen(Event::KillBackend(0));
    assert_eq!(client.commit(&staged).await.unwrap(), Outcome::Visible);
    for label in ["b", "c", "d"] {
        client.load(&stand.load(label, &["2=y"])).await.unwrap();
    }
}

#[tokio::test]
async fn a_load_under_way_that_nobody_waits_for_is_ended_and_sent_again() {
    let stand = doris().await;
    let mut settings = stand.settings();
    settings.socket_timeout = std::time::Duration::from_millis(100);
    let client = stand.client_with(settings);
    stand.update(|state| {
        let fault = warehouse::cluster::Fault::new(Effect::Delay, Call::Load);
        state.arm(warehouse::cluster::Fault { millis: 60_000, ..fault });
    });
    let load = stand.load("a", &["1=x"]);
    client.load(&load).await.unwrap();
    assert_eq!((stand.state(&load), stand.rows().len()), ("VISIBLE", 1));
}

#[tokio::test]
async fn an_answer_of_the_newest_backends_is_read() {
    let stand = doris().await;
    stand.fault(Effect::RecordReply, Call::Load);
    let staged = stand.client().stage(&stand.load("a", &["1=x"])).await.unwrap();
    assert!(staged.txn.is_some());
    assert_eq!(stand.transactions(), 1);
}

#[tokio::test]
async fn addresses_of_the_clusters_own_network_are_replaced_by_those_of_the_settings() {
    let stand = doris().await;
    stand.update(|state| {
        for node in &mut state.nodes.backends {
            node.host = "be.internal".to_owned();
        }
    });
    let mut settings = stand.settings();
    settings.be_override = stand
        .backends
        .iter()
        .map(|at| (format!("be.internal:{}", at.port()), at.to_string()))
        .collect();
    stand.client_with(settings).load(&stand.load("a", &["1=x"])).await.unwrap();
    assert_eq!(stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn compressed_bodies_are_taken() {
    let stand = doris().await;
    for (label, compression) in [
        ("a", crate::warehouse::client::Compression::Gzip),
        ("b", crate::warehouse::client::Compression::Lz4),
    ] {
        let mut settings = stand.settings();
        settings.compression = compression;
        let row = format!("1={label}");
        stand.client_with(settings).load(&stand.load(label, &[&row])).await.unwrap();
        assert_eq!(stand.rows(), [row]);
    }
    stand.update(|state| state.limits.compressed_json = false);
    let mut settings = stand.settings();
    settings.compression = crate::warehouse::client::Compression::Gzip;
    let what = definite(stand.client_with(settings).load(&stand.load("c", &["1=c"])).await);
    assert!(what.contains("switch compression off"), "{what}");
}

#[tokio::test]
async fn a_backend_in_the_list_of_frontends_is_told_so() {
    let stand = doris().await;
    let mut settings = stand.settings();
    settings.fe = stand.backends.iter().map(ToString::to_string).collect();
    let what = definite(stand.client_with(settings).load(&stand.load("a", &["1=x"])).await);
    assert!(what.contains("backend in the list of frontends"), "{what}");
}

#[tokio::test]
async fn a_row_that_is_older_by_its_sequence_does_not_replace_a_newer_one() {
    let stand = doris().await;
    stand.update(|state| {
        let mut table =
            state.table(&warehouse::table::TableName::new("shop", "orders")).unwrap().clone();
        table.name = "events".to_owned();
        table.sequence = Some(warehouse::table::Sequence::Hidden(warehouse::table::Type::LargeInt));
        state.create_table("shop", table).unwrap();
    });
    let client = stand.client();
    for (label, name, sequence) in [("a", "new", 7), ("b", "old", 6)] {
        let mut load = stand.load(label, &["1=x"]);
        load.table = model::TableName::new("shop", "events");
        load.columns = ["id", "name", DELETE_SIGN, SEQUENCE_COLUMN].map(Into::into).into();
        let row = format!(
            r#"{{"id":1,"name":"{name}","{DELETE_SIGN}":0,"{SEQUENCE_COLUMN}":{sequence}}}"#
        );
        load.body = row.into();
        client.load(&load).await.unwrap();
    }
    let seen: String = stand.update(|state| {
        let sql = "SELECT name FROM \"shop.events\"";
        state.store.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    });
    assert_eq!(seen, "new");
}

#[tokio::test]
async fn what_the_user_says_of_a_load_is_sent_but_for_what_the_sink_relies_on() {
    let stand = doris().await;
    let mut settings = stand.settings();
    for (name, value) in [("Max_Filter_Ratio", "1"), ("strict_mode", "false"), ("label", "mine")] {
        settings.headers.insert(name.to_owned(), value.to_owned());
    }
    let what =
        definite(stand.client_with(settings).load(&stand.load("b", &["1=far-too-long"])).await);
    assert!(what.contains("too many filtered rows"), "{what}");
    let mut settings = stand.settings();
    settings.headers.insert("timeout".to_owned(), "soon".to_owned());
    let what = definite(stand.client_with(settings).load(&stand.load("c", &["1=x"])).await);
    assert!(what.contains("convert timeout [soon] failed"), "{what}");
}

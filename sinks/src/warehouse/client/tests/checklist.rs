//! What both contracts' checklists ask of a client beside the calls themselves.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use warehouse::cluster::{Call, Effect, Event, Fault};

use super::stand::Stand;
use crate::warehouse::client::{Load, Outcome};
use crate::warehouse::system::System;

/// A backend that takes every load, and answers them in turn.
struct Backend {
    listener: TcpListener,
    answers: Vec<&'static str>,
}

const SUCCESS: &str =
    r#"{"TxnId":7,"Label":"x","TwoPhaseCommit":"false","Status":"Success","Message":"OK"}"#;

impl Backend {
    async fn new(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, answers: answers.to_vec() }
    }

    /// Loads through this backend, with all else on the stand-in. The heads of the requests, in lower case.
    async fn heads(&self, stand: &Stand, load: &Load) -> Vec<String> {
        let mut settings = stand.settings();
        settings.be = vec![self.listener.local_addr().unwrap().to_string()];
        let client = stand.client_with(settings);
        let serve = async {
            let mut heads = Vec::new();
            for answer in &self.answers {
                let (stream, _) = self.listener.accept().await.unwrap();
                heads.push(take(stream, answer).await);
            }
            heads
        };
        let (heads, loaded) = tokio::join!(serve, client.load(load));
        loaded.unwrap();
        heads
    }
}

async fn take(mut stream: TcpStream, answer: &str) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = header(&head, "content-length").and_then(|text| text.parse().ok());
    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    stream.read_exact(&mut vec![0; length.expect("a length")]).await.unwrap();
    let length = answer.len();
    let whole =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}");
    stream.write_all(whole.as_bytes()).await.unwrap();
    head
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(known, _)| *known == name))
        .map(|(_, value)| value)
}

#[tokio::test]
async fn a_load_says_all_that_servers_of_another_age_or_setting_would_take_otherwise() {
    let both = [
        ("expect", "100-continue"),
        ("format", "json"),
        ("strict_mode", "true"),
        ("max_filter_ratio", "0"),
    ];
    let doris = [
        ("read_json_by_line", "true"),
        ("strip_outer_array", "false"),
        ("two_phase_commit", "false"),
        ("merge_type", "append"),
        ("group_commit", "off_mode"),
        ("columns", "`id`,`name`,`__doris_delete_sign__`"),
    ];
    let starrocks = [
        ("strip_outer_array", "true"),
        ("ignore_json_size", "true"),
        ("columns", "`id`,`name`,`__op`"),
    ];
    for (system, own) in [(System::Doris, &doris[..]), (System::StarRocks, &starrocks[..])] {
        let stand = Stand::start(system).await;
        let load = stand.load("a", &["1=x"]);
        let heads = Backend::new(&[SUCCESS]).await.heads(&stand, &load).await;
        let [head] = &heads[..] else { panic!("{heads:?}") };
        for (name, value) in both.iter().chain(own) {
            assert_eq!(header(head, name), Some(*value), "{name} for {system}");
        }
        assert_eq!(header(head, "label"), Some(&*load.label.as_str().to_ascii_lowercase()));
        assert_eq!(header(head, "content-length"), Some(&*load.body.len().to_string()));
        assert_eq!(header(head, "transfer-encoding"), None);
        assert!(header(head, "authorization").is_some_and(|value| value.starts_with("basic ")));
    }
}

#[tokio::test]
async fn a_load_that_a_restarted_frontend_has_forgotten_is_sent_again_under_its_label() {
    let stand = Stand::start(System::Doris).await;
    let load = stand.load("a", &["1=x"]);
    let forgotten = r#"{"TxnId":7,"Status":"Fail","Message":"[NOT_FOUND]TStatus: errCode = 7, detailMessage = transaction [7] not found"}"#;
    let heads = Backend::new(&[forgotten, SUCCESS]).await.heads(&stand, &load).await;
    let labels: Vec<_> = heads.iter().map(|head| header(head, "label")).collect();
    assert_eq!(labels, [Some(&*load.label.as_str().to_ascii_lowercase()); 2]);
}

#[tokio::test]
async fn more_transactions_than_may_run_are_waited_for() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        let client = stand.client();
        let first = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
        stand.update(|state| {
            let database = state.database_mut("shop").unwrap();
            database.book.ledger_mut().limits_mut().running_max = 1;
        });
        let load = stand.load("b", &["2=y"]);
        let (second, committed) = tokio::join!(client.stage(&load), async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert!(!["PRECOMMITTED", "PREPARED"].contains(&stand.state(&load)), "{system}");
            client.commit(&first).await.unwrap()
        });
        assert_eq!(committed, Outcome::Visible);
        assert_eq!(client.commit(&second.unwrap()).await.unwrap(), Outcome::Visible);
        assert_eq!(stand.rows(), ["1=x", "2=y"], "{system}");
    }
}

#[tokio::test]
async fn a_transaction_whose_backend_is_gone_is_cancelled() {
    let stand = Stand::start(System::StarRocks).await;
    stand.update(|state| {
        // The frontend does not find out in time.
        state.limits.heartbeat_lost_after = Duration::from_secs(3_600);
        let delay = Fault::new(Effect::Delay, Call::Prepare);
        state.arm(Fault { millis: 60_000, ..delay });
    });
    let (client, load) = (stand.client(), stand.load("a", &["1=x"]));
    tokio::select! {
        staged = client.stage(&load) => panic!("{staged:?}"),
        () = async {
            while stand.state(&load) != "PREPARE" {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        } => {}
    }
    let place = stand.update(|state| {
        let ledger = state.database("shop").unwrap().book.ledger();
        let at = ledger.iter().next().unwrap().coordinator;
        state.nodes.backends.iter().position(|node| node.id == at).unwrap()
    });
    stand.happen(Event::KillBackend(place));
    assert_eq!(stand.state(&load), "PREPARE");
    assert!(client.abort(&load.staged(None)).await.unwrap());
    assert_eq!(stand.state(&load), "ABORTED");
}

#[tokio::test]
async fn a_table_that_groups_loads_leaves_ours_alone() {
    let stand = Stand::start(System::Doris).await;
    let client = stand.client();
    let grouped = "ALTER TABLE `shop`.`orders` SET (\"group_commit_mode\" = \"async_mode\")";
    client.execute(grouped).await.unwrap();
    let load = stand.load("a", &["1=x"]);
    client.load(&load).await.unwrap();
    assert_eq!((stand.state(&load), stand.rows().len()), ("VISIBLE", 1));
    let staged = client.stage(&stand.load("b", &["2=y"])).await.unwrap();
    assert_eq!((staged.txn.is_some(), stand.rows().len()), (true, 1));
}

#[tokio::test]
async fn a_key_that_the_server_cannot_index_is_told_at_once() {
    let stand = Stand::start(System::StarRocks).await;
    let client = stand.client();
    let wide = "CREATE TABLE `shop`.`wide` (`id` VARCHAR(200) NOT NULL, `name` VARCHAR(8)) PRIMARY KEY(`id`) \
                DISTRIBUTED BY HASH(`id`) PROPERTIES (\"replication_num\" = \"1\")";
    client.execute(wide).await.unwrap();
    let mut load = stand.load("a", &["1=x"]);
    load.table = model::TableName::new("shop", "wide");
    load.body = format!(r#"[{{"id":"{}","name":"x","__op":0}}]"#, "k".repeat(129)).into();
    let what = super::stand::definite(client.stage(&load).await);
    assert!(what.contains("primary key size exceed the limit"), "{what}");
    assert!(what.contains("shorten the key"), "{what}");
}

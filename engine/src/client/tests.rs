//! The client against a double of the API.

use std::time::Duration;

use super::double::{Double, Says, job};
use super::*;
use crate::api::{RestoreWish, SavepointWish, StartWish, SubmitWish, TableWish, Told};

fn says(status: u16, body: &str) -> Says {
    Says::Status(status, body.to_owned())
}

fn busy(status: u16, body: &str) -> Says {
    Says::RetryAfter(status, body.to_owned())
}

fn starting() -> String {
    job("starting", "it was asked to")
}

const BUSY: &str = r#"{"type": "about:blank", "title": "Too Many Requests", "status": 429,
    "detail": "too many requests at a time"}"#;
const ENDING: &str = r#"{"type": "about:blank", "title": "Service Unavailable", "status": 503,
    "detail": "the daemon is ending"}"#;
const NO_SAVEPOINT: &str = r#"{"type": "/problems/savepoint-failed", "title": "No savepoint",
    "status": 503, "detail": "no savepoint was taken, and the job runs on: the disk is full"}"#;
const TAKEN: &str = r#"{"status": 409, "type": "/problems/in-the-way", "title": "Conflict",
    "detail": "job `a/b` runs: stop it first"}"#;

#[tokio::test]
async fn a_question_is_asked_again_when_its_answer_is_lost() {
    let double = Double::new([Says::Cut, Says::Cut, says(200, &starting())]).await;
    let reply = double.client.job("a/b").await.unwrap();
    assert_eq!(reply.value.summary.name, "a/b");
    assert_eq!(reply.json, starting(), "as it came, with what this client does not know");
    let heard = double.heard();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[0].path, "/api/v1/jobs/a%2Fb", "a name is one segment");
    assert_eq!(heard[0].authorization.as_deref(), Some("Bearer secret"));
}

#[tokio::test]
async fn what_cannot_be_said_twice_is_said_with_a_key_or_once() {
    let double = Double::new([Says::Cut, says(201, &starting())]).await;
    let wish = SubmitWish {
        script: "SET".to_owned(),
        file: None,
        name: None,
        lenient: false,
        start: false,
        strategy: crate::api::Strategy::Latest,
        note: String::new(),
    };
    assert_eq!(double.client.submit(&wish).await.unwrap().status, 201);
    let [first, second] = double.heard().try_into().unwrap();
    assert!(first.key.as_ref().is_some_and(|key| key.len() == 32), "{first:?}");
    assert_eq!(first, second, "the same key, and the same body");

    let double = Double::new([Says::Cut, says(200, &starting())]).await;
    let tables = TableWish { tables: vec!["d.a".to_owned()] };
    let error = double.client.resnapshot("a/b", &tables).await.unwrap_err();
    assert!(matches!(error, ClientError::Cut { .. }), "{error}");
    assert_eq!(double.heard().len(), 1);

    // Each its own key.
    let double = Double::new([says(200, &starting()), says(200, &starting())]).await;
    let wish = RestoreWish { snapshot: "17".to_owned() };
    for _ in 0..2 {
        double.client.restore("a/b", &wish).await.unwrap();
    }
    let [first, second] = double.heard().try_into().unwrap();
    assert_ne!(first.key, second.key);
}

#[tokio::test]
async fn a_daemon_that_is_busy_is_asked_again_and_a_refusal_is_not() {
    let answers = [busy(429, BUSY), busy(503, ENDING), says(200, &starting())];
    let double = Double::new(answers).await;
    double.client.start("a/b", &StartWish::default()).await.unwrap();
    assert_eq!(double.heard().len(), 3);
    assert_eq!(
        (double.heard()[0].key.as_ref(), double.heard()[0].body.as_str()),
        (None, r#"{"allow_fallback":false}"#)
    );

    let double = Double::new([says(503, NO_SAVEPOINT)]).await;
    let error = double.client.savepoint("a/b", &SavepointWish::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "no savepoint was taken, and the job runs on: the disk is full");
    assert!(!error.is_usage() && !error.is_absence());

    let double = Double::new([says(409, TAKEN)]).await;
    let error = double.client.delete("a/b", crate::api::DeleteWish { snapshots: true }).await;
    assert_eq!(error.unwrap_err().to_string(), "job `a/b` runs: stop it first");
    assert_eq!(double.heard()[0].path, "/api/v1/jobs/a%2Fb?snapshots=true");
}

#[tokio::test]
async fn an_unsteady_daemon_is_given_up_in_the_end() {
    let double = Double::new((0..9).map(|_| busy(503, ENDING))).await;
    let error = double.client.job("a").await.unwrap_err();
    assert_eq!(error.to_string(), "the daemon is ending");
    assert_eq!(double.heard().len(), 4);
}

#[tokio::test]
async fn what_is_no_daemon_is_told_from_one() {
    let double = Double::new([says(404, "<html>"), says(200, "hello")]).await;
    for expected in ["status 404, `<html>`", "in its answer `hello`"] {
        let error = double.client.job("a").await.unwrap_err().to_string();
        assert!(
            error.contains("is not a daemon of Seachange") && error.contains(expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn where_no_daemon_is_the_error_says_where_and_how_to_start_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(server.parse().unwrap(), None, None).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(20), client.job("a")).await.unwrap();
    let error = error.unwrap_err();
    assert!(error.is_absence());
    let text = error.to_string();
    for expected in [&server, "`seachange serve` starts one", "SEACHANGE_SERVER"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn an_error_of_a_script_is_shown_as_run_shows_it() {
    let told = |excerpt: &str| Told {
        message: "unknown option `prot`".to_owned(),
        line: Some(12),
        column: Some(3),
        excerpt: Some(excerpt.to_owned()),
    };
    let expected = "a.sql:12:3: unknown option `prot`\n  12 |   'prot' = '1'\n     |   ^^^^^^";
    assert_eq!(place(&told("  'prot' = '1'\n  ^^^^^^"), Some("a.sql")), expected);
    let with_margin = "  12 |   'prot' = '1'\n     |   ^^^^^^";
    assert_eq!(place(&told(with_margin), Some("a.sql")), expected);
    let whole = Told { line: None, column: None, excerpt: None, ..told("") };
    assert_eq!(place(&whole, Some("a.sql")), "a.sql: unknown option `prot`");
    assert_eq!(place(&whole, None), "unknown option `prot`");
}

#[test]
fn a_token_comes_from_a_file_before_the_environment_and_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "of-the-file\n").unwrap();
    let token = Token::find(Some(&path), Some("of-the-environment")).unwrap().unwrap();
    assert_eq!(token.header(), "Bearer of-the-file");
    assert_eq!(format!("{token:?} {:?}", token.header()), "Token(******) Sensitive");
    assert!(Token::find(None, None).unwrap().is_none());
    assert!(Token::find(None, Some(" ")).unwrap().is_none());
    std::fs::write(&path, "two\nlines").unwrap();
    let error = Token::find(Some(&path), None).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("holds no token"), "{error}");
    let missing = directory.path().join("none");
    assert!(Token::find(Some(&missing), None).unwrap_err().is_usage());
}

#[tokio::test]
async fn health_is_asked_once_without_a_token_beside_the_api() {
    let mut double =
        Double::new([Says::Status(200, "ok\n".to_owned()), Says::Status(503, ENDING.to_owned())])
            .await;
    double.client.token = None;
    let client = &double.client;
    client.health(Health::Alive).await.unwrap();
    let refused = client.health(Health::Ready).await.unwrap_err();
    assert_eq!(refused.to_string(), "the daemon is ending");
    let heard = double.heard();
    let paths: Vec<&str> = heard.iter().map(|heard| heard.path.as_str()).collect();
    assert_eq!(paths, ["/healthz", "/readyz"]);
    assert!(heard.iter().all(|heard| heard.authorization.is_none()));
}

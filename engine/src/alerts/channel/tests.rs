//! What arrives at servers that listen for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::any;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::alerts::rules::News;

const NOW_MS: i64 = 1_700_000_000_123;
/// Is to appear in no error.
const SECRET: &str = "SEC000+planted";

#[derive(Debug, Clone)]
struct Asked {
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A server that answers as it is told, and keeps what it was asked.
pub(in crate::alerts) struct Server {
    pub(in crate::alerts) url: String,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: JoinSet<()>,
}

type Shared = (Arc<Mutex<VecDeque<(u16, &'static str)>>>, Arc<Mutex<Vec<Asked>>>);

async fn take(
    State((answers, asked)): State<Shared>,
    request: Request,
) -> (StatusCode, &'static str) {
    let uri = request.uri().to_string();
    let headers = request.headers().iter();
    let headers = headers.map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned())).collect();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    asked.lock().unwrap().push(Asked { uri, headers, body });
    let (status, text) = answers.lock().unwrap().pop_front().unwrap_or((200, "ok"));
    (StatusCode::from_u16(status).unwrap(), text)
}

impl Server {
    pub(in crate::alerts) async fn start(answers: &[(u16, &'static str)]) -> Self {
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let state: Shared = (Arc::clone(&answers), Arc::clone(&asked));
        let router = Router::new().fallback(any(take)).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url =
            format!("http://{}/robot/send?access_token=planted", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, answers, asked, _task: task }
    }

    fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    pub(in crate::alerts) fn bodies(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.body.clone()).collect()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.last().body).unwrap()
    }
}

fn channel(text: &str) -> Result<Channel, AlertsError> {
    let config: ChannelConfig =
        toml::from_str(&format!("name = \"ops\"\n{text}")).unwrap_or_else(|e| panic!("{e}"));
    Channel::new(&config)
}

fn message(job: &str, news: News, text: &str) -> Message {
    Message {
        rule: "lag".to_owned(),
        job: job.to_owned(),
        news,
        text: text.to_owned(),
        at_ms: NOW_MS,
        since_ms: NOW_MS - 1000,
        channels: Vec::new(),
    }
}

fn digest() -> Digest {
    Digest::of(&[message("retail/\"a\"", News::Raised, "behind <@all>\nby & more")])
}

async fn sent(
    kind: &str,
    further: &str,
    answer: (u16, &'static str),
) -> (Server, Result<(), SendError>) {
    let server = Server::start(&[answer]).await;
    let channel =
        channel(&format!("kind = \"{kind}\"\nurl = \"{}\"\n{further}", server.url)).unwrap();
    let sent = channel.send(&digest(), NOW_MS).await;
    (server, sent)
}

#[tokio::test]
async fn dingtalk_gets_markdown_and_a_signature_in_the_query() {
    let secret = format!("secret = \"{SECRET}\"");
    let (server, taken) = sent("dingtalk", &secret, (200, r#"{"errcode":0,"errmsg":"ok"}"#)).await;
    taken.unwrap();
    // Computed by Python's hmac from the same time and secret.
    assert_eq!(
        server.last().uri,
        "/robot/send?access_token=planted&timestamp=1700000000123&sign=5QeWjuz6HYpPCZNFBht4%2FLsn1SJmW0MUikhOpM1fkTA%3D"
    );
    let body = server.json();
    assert_eq!(body["msgtype"], "markdown");
    assert_eq!(body["markdown"]["title"], "Seachange: lag: retail/\"a\"");
    let text = "### Seachange: lag: retail/\"a\"\n\nbehind <@all>\n\nby & more";
    assert_eq!(body["markdown"]["text"], text);
    let (server, taken) = sent("dingtalk", "", (200, r#"{"errcode":0}"#)).await;
    taken.unwrap();
    assert_eq!(server.last().uri, "/robot/send?access_token=planted", "unsigned without a secret");
}

#[tokio::test]
async fn feishu_gets_a_card_and_a_signature_in_the_body() {
    let secret = format!("secret = \"{SECRET}\"");
    let (server, taken) = sent("feishu", &secret, (200, r#"{"code":0,"msg":"success"}"#)).await;
    taken.unwrap();
    let body = server.json();
    assert_eq!(
        (&body["timestamp"], &body["msg_type"]),
        (&"1700000000".into(), &"interactive".into())
    );
    assert_eq!(body["sign"], "eHCplIj2n7L1TTmLjSOi2KXX7AJDO2LUdclmYtGDrnY=");
    let card = &body["card"];
    assert_eq!(card["header"]["template"], "red");
    assert_eq!(card["header"]["title"]["tag"], "plain_text");
    assert_eq!(card["elements"][0]["text"]["content"], "behind <@all>\nby & more");
    let (server, _) = sent("feishu", "", (200, r#"{"code":0}"#)).await;
    assert!(server.json().get("sign").is_none());
}

#[tokio::test]
async fn wecom_gets_markdown_in_which_nothing_of_a_job_is_a_mention() {
    let (server, taken) = sent("wecom", "", (200, r#"{"errcode":0,"errmsg":"ok"}"#)).await;
    taken.unwrap();
    let body = server.json();
    assert_eq!(body["msgtype"], "markdown");
    let content = body["markdown"]["content"].as_str().unwrap();
    assert!(content.starts_with("**<font color=\"warning\">Seachange: lag: "), "{content}");
    assert!(content.ends_with("behind ＜@all＞\nby & more"), "{content}");
    let long = Digest::of(&[message("a", News::Settled, &"é<".repeat(9000))]);
    let content = presets::wecom(&long)["markdown"]["content"].as_str().unwrap().to_owned();
    assert!(content.len() <= 4096 && content.contains("color=\"info\""), "{}", content.len());
}

#[tokio::test]
async fn slack_gets_text_in_which_nothing_of_a_job_is_a_mention() {
    let (server, taken) = sent("slack", "", (200, "ok")).await;
    taken.unwrap();
    let text = "*Seachange: lag: retail/\"a\"*\nbehind &lt;@all&gt;\nby &amp; more";
    assert_eq!(server.json(), serde_json::json!({ "text": text }));
}

#[tokio::test]
async fn a_webhook_gets_what_its_template_says_with_its_headers() {
    let further = r#"
        headers = { Authorization = "Bearer planted", Content-Type = "application/json" }
        template = '{"summary": {{ title }}, "jobs": [{% for m in messages %}{{ m.job }}{% if not loop.last %},{% endif %}{% endfor %}], "all": {{ messages }} }'
    "#;
    let (server, taken) = sent("webhook", further, (204, "")).await;
    taken.unwrap();
    let body = server.json();
    assert_eq!(body["summary"], "Seachange: lag: retail/\"a\"");
    assert_eq!(body["jobs"], serde_json::json!(["retail/\"a\""]));
    assert_eq!(body["all"][0]["text"], "behind <@all>\nby & more");
    let headers = server.last().headers;
    assert!(headers.contains(&("authorization".to_owned(), "Bearer planted".to_owned())));
    let (server, taken) = sent("webhook", "", (200, "")).await;
    taken.unwrap();
    let body = server.json();
    assert_eq!(
        (&body["is_settled"], &body["messages"][0]["status"]),
        (&false.into(), &"raised".into())
    );
    assert!(
        server.last().headers.contains(&("content-type".to_owned(), "application/json".to_owned()))
    );
}

#[tokio::test]
async fn what_a_robot_refuses_is_an_error_also_where_it_answers_200_and_shows_no_secret() {
    let keyword = r#"{"errcode":310000,"errmsg":"keywords not in content"}"#;
    for (kind, answer, expected) in [
        (
            "dingtalk",
            (200, keyword),
            SendError::Definite("refused with 310000: keywords not in content".to_owned()),
        ),
        (
            "wecom",
            (200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#),
            SendError::Transient("refused with 45009: api freq out of limit".to_owned()),
        ),
        (
            "feishu",
            (200, r#"{"code":19021,"msg":"sign match fail"}"#),
            SendError::Definite("refused with 19021: sign match fail".to_owned()),
        ),
        ("slack", (404, "no_team"), SendError::Definite("the answer was 404 Not Found".to_owned())),
        (
            "webhook",
            (503, ""),
            SendError::Transient("the answer was 503 Service Unavailable".to_owned()),
        ),
        ("webhook", (302, ""), SendError::Definite("the answer was 302 Found".to_owned())),
    ] {
        let (server, taken) = sent(kind, "", answer).await;
        assert_eq!(taken, Err(expected), "{kind}");
        assert!(server.answers.lock().unwrap().is_empty());
    }
    let (_, taken) = sent("dingtalk", "", (200, "<html>")).await;
    assert!(matches!(taken, Err(SendError::Definite(why)) if why.contains("the right address")));
    // Nobody listens any more.
    let (server, _) = sent("slack", "", (200, "ok")).await;
    let url = server.url.clone();
    drop(server);
    let channel = channel(&format!("kind = \"slack\"\nurl = \"{url}\"")).unwrap();
    let error = channel.send(&digest(), NOW_MS).await.unwrap_err();
    assert!(matches!(error, SendError::Transient(_)), "{error}");
    assert!(!format!("{error} {error:?} {channel:?}").contains("planted"), "{error}");
}

#[test]
fn a_channel_that_makes_no_sense_is_refused_and_its_secrets_are_not_shown() {
    for (text, expected) in [
        ("kind = \"slack\"", "it needs `url`"),
        ("kind = \"slack\"\nurl = \"planted\"", "`url` is none"),
        ("kind = \"slack\"\nurl = \"ftp://planted\"", "`url` begins with"),
        ("kind = \"slack\"\nurl = \"http://a/\"\nsecret = \"planted\"", "`secret` says nothing"),
        ("kind = \"webhook\"\nurl = \"http://a/\"\ntemplate = '{{ nothing }}'", "`template`"),
        (
            "kind = \"webhook\"\nurl = \"http://a/\"\ntemplate = '{\"a\": \"{{ title }}\"}'",
            "with their quotes",
        ),
        (
            "kind = \"webhook\"\nurl = \"http://a/\"\nheaders = { a = \"planted\\n\" }",
            "signs that none may",
        ),
        ("kind = \"email\"\nserver = \"a\"\nfrom = \"a@b\"", "it needs `to`"),
        ("kind = \"email\"\nserver = \"a\"\nfrom = \"a\"\nto = [\"a@b\"]", "`a` is no address"),
        (
            "kind = \"email\"\nserver = \"a\"\nfrom = \"a@b\"\nto = [\"a@b\"]\ntls = \"none\"\nuser = \"u\"\npassword = \"planted\"",
            "a password is sent with `tls`",
        ),
    ] {
        let error = channel(text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("`ops`"), "{error}");
        assert!(!error.contains("planted"), "{error}");
    }
    let config: ChannelConfig =
        toml::from_str("name = \"a\"\nkind = \"slack\"\nurl = \"http://planted\"").unwrap();
    assert!(!format!("{config:?}").contains("planted"));
}

#[test]
fn several_messages_that_wait_are_one() {
    let both = [message("a", News::Settled, "over"), message("b", News::Raised, "it lags")];
    let digest = Digest::of(&both);
    assert_eq!((&*digest.title, digest.is_settled), ("Seachange: 2 alerts", false));
    assert_eq!(digest.text, "settled: lag: a\nover\n\nlag: b\nit lags");
    assert!(Digest::of(&both[..1]).is_settled);
}

/// Takes one mail, and refuses it where it is told to; the lines that it was sent.
async fn smtp(listener: TcpListener, verdict: &'static str) -> Vec<String> {
    let (stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 here\r\n").await.unwrap();
    let (mut got, mut in_data) = (Vec::new(), false);
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer = match (in_data, line.split(' ').next().unwrap()) {
            (true, ".") => {
                in_data = false;
                verdict
            }
            (true, _) => "",
            (false, "EHLO") => "250 here\r\n",
            (false, "DATA") => {
                in_data = true;
                "354 go on\r\n"
            }
            (false, "QUIT") => "221 bye\r\n",
            (false, _) => "250 ok\r\n",
        };
        got.push(line);
        write.write_all(answer.as_bytes()).await.unwrap();
        if answer.starts_with("221") {
            break;
        }
    }
    got
}

async fn mailed(verdict: &'static str) -> (Vec<String>, Result<(), SendError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let channel = channel(&format!(
        "kind = \"email\"\nserver = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         from = \"Seachange <cdc@example.com>\"\nto = [\"ops@example.com\", \"dba@example.com\"]"
    ))
    .unwrap();
    let digest = digest();
    let (sent, got) = tokio::join!(channel.send(&digest, NOW_MS), async {
        let mut task = JoinSet::from_iter([smtp(listener, verdict)]);
        tokio::time::timeout(std::time::Duration::from_secs(10), task.join_next()).await
    });
    (got.unwrap().unwrap().unwrap(), sent)
}

#[tokio::test]
async fn a_mail_reaches_all_its_readers_with_subject_and_text() {
    let (got, sent) = mailed("250 queued\r\n").await;
    sent.unwrap();
    for line in [
        "RCPT TO:<ops@example.com>",
        "RCPT TO:<dba@example.com>",
        "Subject: Seachange: lag: retail/\"a\"",
        "behind <@all>",
        "by & more",
    ] {
        assert!(got.iter().any(|l| l == line), "no {line} in {got:#?}");
    }
    let (_, sent) = mailed("554 no\r\n").await;
    assert!(matches!(sent, Err(SendError::Definite(_))), "{sent:?}");
    let (_, sent) = mailed("451 later\r\n").await;
    assert!(matches!(sent, Err(SendError::Transient(_))), "{sent:?}");
}

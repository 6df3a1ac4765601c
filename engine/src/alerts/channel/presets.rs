//! Bodies and signatures as the robots of chats want them, and how they say that they took a message.
//! Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::{Digest, SendError};

/// WeCom takes 4096 bytes of Markdown; title and marks need some.
const WECOM_BYTES_MAX: usize = 3500;
/// DingTalk and Feishu take about 20 kB of body, with every sign escaped.
const TEXT_BYTES_MAX: usize = 8000;
/// Slack cuts longer ones into several.
const SLACK_BYTES_MAX: usize = 3500;

/// A signature of DingTalk, for the query: over the time and the secret, by the secret.
pub(super) fn dingtalk_sign(secret: &str, now_ms: i64) -> String {
    sign(secret, &format!("{now_ms}\n{secret}"))
}

/// A signature of Feishu, for the body: over nothing, by the time and the secret.
pub(super) fn feishu_sign(secret: &str, now_s: i64) -> String {
    sign(&format!("{now_s}\n{secret}"), "")
}

fn sign(key: &str, what: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, what.as_bytes()))
}

pub(super) fn dingtalk(digest: &Digest) -> Value {
    let text = cut(&digest.text, TEXT_BYTES_MAX);
    // One line end is none in its Markdown.
    let text = format!("### {}\n\n{}", digest.title, text.replace('\n', "\n\n"));
    json!({ "msgtype": "markdown", "markdown": { "title": digest.title, "text": text } })
}

/// `signed`: the time in seconds, with the signature.
pub(super) fn feishu(digest: &Digest, signed: Option<(i64, String)>) -> Value {
    let color = if digest.is_settled { "green" } else { "red" };
    let mut body = json!({
        "msg_type": "interactive",
        "card": {
            "header": {
                "template": color,
                "title": { "tag": "plain_text", "content": digest.title },
            },
            "elements": [{
                "tag": "div",
                "text": { "tag": "plain_text", "content": cut(&digest.text, TEXT_BYTES_MAX) },
            }],
        },
    });
    if let (Some((at, sign)), Some(body)) = (signed, body.as_object_mut()) {
        body.insert("timestamp".to_owned(), at.to_string().into());
        body.insert("sign".to_owned(), sign.into());
    }
    body
}

pub(super) fn wecom(digest: &Digest) -> Value {
    let color = if digest.is_settled { "info" } else { "warning" };
    // Nothing that a job says is a mention or a colour.
    let plain = |text: &str| text.replace('<', "＜").replace('>', "＞");
    let text = cut(&plain(&digest.text), WECOM_BYTES_MAX);
    let title = cut(&plain(&digest.title), 300);
    let content = format!("**<font color=\"{color}\">{title}</font>**\n{text}");
    json!({ "msgtype": "markdown", "markdown": { "content": content } })
}

pub(super) fn slack(digest: &Digest) -> Value {
    let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let text = plain(&cut(&digest.text, SLACK_BYTES_MAX));
    json!({ "text": format!("*{}*\n{text}", plain(&digest.title)) })
}

/// At most so many bytes, and whole signs.
fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let begin = (0..=bytes_max).rev().find_map(|at| text.get(..at)).unwrap_or_default();
    format!("{begin}…")
}

/// Numbers that mean "too fast" or "busy": 130101, 410100 (DingTalk), 45009, 45033, -1 (WeCom),
/// 9499, 11232 (Feishu).
const PASSING: [i64; 7] = [130_101, 410_100, 45_009, 45_033, -1, 9499, 11_232];

/// These robots answer 200 to what they refuse, too, and say so in the body. `fields`: where the
/// number stands, which is 0 where all is well; and where the reason.
pub(super) fn taken(body: &str, number: &str, reason: &str) -> Result<(), SendError> {
    let said: Option<Value> = serde_json::from_str(body).ok();
    let Some(code) = said.as_ref().and_then(|said| said.get(number)?.as_i64()) else {
        let what = "the answer is not that of such a robot: is it the right address?";
        return Err(SendError::Definite(what.to_owned()));
    };
    if code == 0 {
        return Ok(());
    }
    let why = said.as_ref().and_then(|said| said.get(reason)?.as_str()).unwrap_or_default();
    let what = format!("refused with {code}: {}", cut(why, 300));
    Err(if PASSING.contains(&code) {
        SendError::Transient(what)
    } else {
        SendError::Definite(what)
    })
}

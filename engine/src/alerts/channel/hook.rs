//! Messages as requests over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};

use super::{Digest, SendError, Told, presets};
use crate::alerts::config::{ChannelConfig, ChannelKind, Secret};

/// For a whole request with its answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// Of an answer: more is not read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const TEMPLATE: &str = "body";

/// An address that takes messages.
pub struct Hook {
    client: Client,
    url: Url,
    form: Form,
}

/// How it wants them.
enum Form {
    Dingtalk(Option<Secret>),
    Feishu(Option<Secret>),
    Wecom,
    Slack,
    /// As the user's template says; without one, all of it as JSON.
    Free(Option<Box<Environment<'static>>>),
}

/// Addresses of robots are as good as passwords.
impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

impl Hook {
    pub(super) fn new(config: &ChannelConfig) -> Result<Self, String> {
        let url = config.url.as_ref().ok_or("it needs `url`")?;
        let url = Url::parse(url.reveal()).map_err(|error| format!("`url` is none: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("`url` begins with https:// or http://".to_owned());
        }
        let secret = config.secret.clone();
        let form = match config.kind {
            ChannelKind::Dingtalk => Form::Dingtalk(secret),
            ChannelKind::Feishu => Form::Feishu(secret),
            ChannelKind::Wecom => Form::Wecom,
            ChannelKind::Slack => Form::Slack,
            ChannelKind::Webhook | ChannelKind::Email => {
                Form::Free(config.template.as_deref().map(template).transpose()?.map(Box::new))
            }
        };
        // Where another part of the process has chosen one, it is the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .timeout(ANSWERED_WITHIN)
            .connect_timeout(CONNECTED_WITHIN)
            // Whoever is asked to take a message takes it, and leads nobody to where others listen.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("seachange/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&config.headers)?)
            .build()
            .map_err(|error| format!("no HTTP client: {}", error.without_url()))?;
        Ok(Self { client, url, form })
    }

    pub(super) async fn send(&self, digest: &Digest, now_ms: i64) -> Result<(), SendError> {
        let (url, body) = self.request(digest, now_ms)?;
        let asked = self.client.post(url).body(body);
        let asked = match self.form {
            // Unless the user's headers say what it is.
            Form::Free(Some(_)) => asked,
            Form::Dingtalk(_) | Form::Feishu(_) | Form::Wecom | Form::Slack | Form::Free(None) => {
                asked.header(CONTENT_TYPE, "application/json")
            }
        };
        let lost =
            |error: reqwest::Error| SendError::Transient(crate::error::chain(&error.without_url()));
        let mut answer = asked.send().await.map_err(lost)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(lost)? {
            body.extend_from_slice(&part);
            if body.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        self.taken(status, &String::from_utf8_lossy(&body))
    }

    fn request(&self, digest: &Digest, now_ms: i64) -> Result<(Url, String), SendError> {
        let mut url = self.url.clone();
        let body = match &self.form {
            Form::Dingtalk(secret) => {
                if let Some(secret) = secret {
                    let sign = presets::dingtalk_sign(secret.reveal(), now_ms);
                    let mut query = url.query_pairs_mut();
                    query.append_pair("timestamp", &now_ms.to_string()).append_pair("sign", &sign);
                }
                presets::dingtalk(digest).to_string()
            }
            Form::Feishu(secret) => {
                let now_s = now_ms / 1000;
                let sign = |secret: &Secret| presets::feishu_sign(secret.reveal(), now_s);
                let signed = secret.as_ref().map(|secret| (now_s, sign(secret)));
                presets::feishu(digest, signed).to_string()
            }
            Form::Wecom => presets::wecom(digest).to_string(),
            Form::Slack => presets::slack(digest).to_string(),
            Form::Free(None) => rendered(serde_json::to_string(digest))?,
            Form::Free(Some(templates)) => {
                let template = templates.get_template(TEMPLATE);
                rendered(template.and_then(|template| template.render(Serde(digest))))?
            }
        };
        Ok((url, body))
    }

    fn taken(&self, status: StatusCode, body: &str) -> Result<(), SendError> {
        if !status.is_success() {
            let what = format!("the answer was {status}");
            let passes = status.is_server_error()
                || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
            return Err(if passes {
                SendError::Transient(what)
            } else {
                SendError::Definite(what)
            });
        }
        match self.form {
            Form::Dingtalk(_) | Form::Wecom => presets::taken(body, "errcode", "errmsg"),
            Form::Feishu(_) => presets::taken(body, "code", "msg"),
            Form::Slack | Form::Free(_) => Ok(()),
        }
    }
}

fn rendered<E: std::fmt::Display>(body: Result<String, E>) -> Result<String, SendError> {
    body.map_err(|error| SendError::Definite(format!("the template: {error}")))
}

fn headers(given: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let wrong = |what: &str| format!("header `{name}`: {what}");
        let name: HeaderName = name.parse().map_err(|_| wrong("no name of a header"))?;
        let mut value = HeaderValue::from_str(value.reveal())
            .map_err(|_| format!("header `{name}`: its value has signs that none may have"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The template, once it has been tried. Values are put in as JSON, so that no text of a job can end
/// a text of the body.
fn template(text: &str) -> Result<Environment<'static>, String> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Json);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let wrong = |error: minijinja::Error| format!("`template`: {error}");
    templates.add_template_owned(TEMPLATE, text.to_owned()).map_err(wrong)?;
    let sample = Digest {
        title: "a \"title\"".to_owned(),
        text: "a\ntext".to_owned(),
        is_settled: false,
        messages: vec![Told {
            rule: "lag".to_owned(),
            job: "a/job".to_owned(),
            status: "raised",
            title: "lag: a/job".to_owned(),
            text: "a text".to_owned(),
            at_ms: 0,
            since_ms: 0,
        }],
    };
    let body =
        templates.get_template(TEMPLATE).and_then(|template| template.render(Serde(&sample)));
    let body = body.map_err(wrong)?;
    match serde_json::from_str::<serde_json::Value>(&body) {
        Ok(_) => Ok(templates),
        Err(error) => Err(format!(
            "`template` makes no JSON ({error}): values come with their quotes, `{{\"text\": {{{{ text }}}}}}`"
        )),
    }
}

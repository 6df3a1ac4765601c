//! Requests to a job that runs with `--http 0`.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Job;

const ANSWER_MAX: Duration = Duration::from_secs(60);

/// An answer: its status and its body, JSON or text.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    pub fn text(&self, field: &str) -> &str {
        self.body.get(field).and_then(Value::as_str).unwrap_or("")
    }

    pub fn number(&self, field: &str) -> Option<u64> {
        self.body.get(field).and_then(Value::as_u64)
    }
}

impl Job {
    /// Where this run has said that it serves HTTP.
    pub fn http(&self) -> Option<String> {
        let log = self.stderr();
        let (_, rest) = log.split_once("HTTP is served at http://")?;
        Some(rest.split([' ', '\n']).next()?.to_owned())
    }

    /// Asks the running job, whose address is awaited.
    ///
    /// # Errors
    /// It does not serve HTTP, or does not answer.
    pub async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let up = |job: &Self| job.http().is_some();
        self.wait_for("the address of its HTTP", Duration::from_secs(30), up).await?;
        let address = self.http().context("no address")?;
        let asked = ask(&address, method, path, body);
        tokio::time::timeout(ANSWER_MAX, asked).await.context("no answer")?
    }
}

pub(crate) async fn ask(address: &str, method: &str, path: &str, body: &str) -> Result<Answer> {
    let headers = "Content-Type: application/json\r\n";
    ask_with(address, method, path, headers, body).await
}

/// The same with other headers, each with its line's end.
pub(crate) async fn ask_with(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    // Asked to wait for it, a server says first that it takes the body.
    let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("`{answer}`"))?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, body: serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)) })
}

//! HTTP/1.1 by hand: nothing here waits, resends, follows or adds a header unless a test says so.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::warehouse::{PASSWORD, USER};

#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    sent: Sent,
}

/// How the body goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sent {
    WithLength,
    Chunked,
    /// So many bytes less than were announced; then the client's half is closed.
    Truncated(usize),
    Unframed,
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether `100 Continue` came before it.
    pub(crate) continued: bool,
    /// Whether the server closed the connection.
    pub(crate) closed: bool,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        let request = Self {
            method,
            path: path.into(),
            version: "1.1",
            headers,
            body,
            sent: Sent::WithLength,
        };
        request.user(USER, PASSWORD)
    }

    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new("PUT", path)
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { sent: Sent::Unframed, ..Self::new("GET", path) }
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// A load into `shop.orders`.
    pub(crate) fn load(label: &str, body: &str) -> Self {
        let request = Self::put("/api/shop/orders/_stream_load").header("Expect", "100-continue");
        request.header("label", label).header("column_separator", ",").body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn user(self, user: &str, password: &str) -> Self {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {encoded}"))
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn chunked(self) -> Self {
        Self { sent: Sent::Chunked, ..self }
    }

    pub(crate) fn truncated(self, missing: usize) -> Self {
        Self { sent: Sent::Truncated(missing), ..self }
    }

    pub(crate) fn unframed(self) -> Self {
        Self { sent: Sent::Unframed, ..self }
    }

    pub(crate) fn http_1_0(self) -> Self {
        Self { version: "1.0", ..self }
    }

    pub(crate) fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    #[track_caller]
    pub(crate) fn send(&self, to: SocketAddr) -> Reply {
        self.try_send(to).unwrap()
    }

    /// Sends it, and follows redirects as a sink must: headers, credentials and body again.
    #[track_caller]
    pub(crate) fn follow(&self, to: SocketAddr) -> Reply {
        let (mut to, mut request) = (to, self.clone());
        for _ in 0..5 {
            let reply = request.send(to);
            let Some(location) = reply.location() else { return reply };
            request = self.clone().at(&location.path);
            to = location.authority;
        }
        panic!("redirected on and on");
    }

    /// An error if the connection is cut before a whole answer came.
    pub(crate) fn try_send(&self, to: SocketAddr) -> io::Result<Reply> {
        let mut stream = self.start(to)?;
        let mut received = Vec::new();
        let mut continued = false;
        if self.headers.iter().any(|(name, _)| name == "Expect") {
            let head = read_head(&mut stream, &mut received)?;
            continued = head.starts_with("HTTP/1.1 100");
            if !continued {
                return finish(stream, &head, received, continued);
            }
        }
        // What is refused may close the connection under us; the answer is there nevertheless.
        let _refused = self.send_body(&mut stream);
        let head = read_head(&mut stream, &mut received)?;
        finish(stream, &head, received, continued)
    }

    /// Connects and sends the headers.
    pub(crate) fn start(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let framing = match self.sent {
            Sent::WithLength | Sent::Truncated(_) => {
                format!("Content-Length: {}\r\n", self.body.len())
            }
            Sent::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Sent::Unframed => String::new(),
        };
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (method, path, version) = (self.method, &self.path, self.version);
        write!(stream, "{method} {path} HTTP/{version}\r\nHost: {to}\r\n{headers}{framing}\r\n")?;
        Ok(stream)
    }

    fn send_body(&self, stream: &mut TcpStream) -> io::Result<()> {
        match self.sent {
            Sent::WithLength => stream.write_all(&self.body),
            Sent::Unframed => Ok(()),
            Sent::Truncated(missing) => {
                stream.write_all(&self.body[..self.body.len() - missing])?;
                stream.shutdown(Shutdown::Write)
            }
            Sent::Chunked => {
                for part in self.body.chunks(5) {
                    write!(stream, "{:x}\r\n", part.len())?;
                    stream.write_all(part)?;
                    stream.write_all(b"\r\n")?;
                }
                stream.write_all(b"0\r\n\r\n")
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Location {
    pub(crate) user: Option<String>,
    pub(crate) authority: SocketAddr,
    pub(crate) path: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Where a 307 points to.
    pub(crate) fn location(&self) -> Option<Location> {
        if self.status != 307 {
            return None;
        }
        let rest = self.header("Location")?.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/')?;
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user.to_owned()), authority),
            None => (None, authority),
        };
        Some(Location { user, authority: authority.parse().ok()?, path: format!("/{path}") })
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection is cut")
}

fn read_head(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<String> {
    let mut buffer = [0; 4_096];
    loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..at]).into_owned();
            received.drain(..at + 4);
            return Ok(head);
        }
        match stream.read(&mut buffer)? {
            0 => return Err(cut()),
            read => received.extend_from_slice(&buffer[..read]),
        }
    }
}

fn finish(
    mut stream: TcpStream,
    head: &str,
    mut body: Vec<u8>,
    continued: bool,
) -> io::Result<Reply> {
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or_else(cut)?;
    let mut reply =
        Reply { status, head: head.to_owned(), body: String::new(), continued, closed: false };
    let length: usize = reply.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut buffer = [0; 4_096];
    while body.len() < length {
        match stream.read(&mut buffer)? {
            0 => return Err(cut()),
            read => body.extend_from_slice(&buffer[..read]),
        }
    }
    if reply.header("connection") == Some("close") {
        // Reset, if there was something unread.
        reply.closed = matches!(stream.read(&mut buffer), Ok(0) | Err(_));
    }
    reply.body = String::from_utf8(body).unwrap();
    Ok(reply)
}

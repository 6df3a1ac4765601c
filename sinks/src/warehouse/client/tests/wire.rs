//! One request, against a server that behaves badly.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::warehouse::client::http::{Answer, Ask, Failure, Http, To};
use crate::warehouse::client::{Compression, Password, Settings, TlsSettings};

const MEGABYTES: usize = 32 << 20;
const FAIL: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"Status\":\"Fail\"}";

fn http(socket_timeout: Duration) -> Http {
    Http::new(&Settings {
        sink: "sink[0]".to_owned(),
        fe: Vec::new(),
        be: Vec::new(),
        auto_redirect: true,
        sql: Vec::new(),
        username: "root".to_owned(),
        password: Password::new(""),
        max_retries: 0,
        connect_timeout: Duration::from_secs(5),
        socket_timeout,
        be_override: std::collections::BTreeMap::new(),
        headers: std::collections::BTreeMap::new(),
        compression: Compression::None,
        tls: TlsSettings::default(),
        waits: crate::Waits::default(),
    })
    .unwrap()
}

/// Puts that many zeros to a server that does `serve` with the connection, once it has the headers.
async fn put<S: Future>(
    bytes: usize,
    socket_timeout: Duration,
    serve: impl FnOnce(TcpStream) -> S,
) -> Result<Answer, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = listener.local_addr().unwrap().to_string();
    let ask = Ask {
        method: Method::PUT,
        target: "/api/shop/orders/_stream_load".to_owned(),
        headers: HeaderMap::new(),
        body: Some(Bytes::from(vec![0; bytes])),
    };
    let http = http(socket_timeout);
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.contains("expect: 100-continue") && head.contains("authorization: basic "));
        let _open = serve(stream).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = http.ask(&ask, To::Backend(&node)) => answer,
        () = served => unreachable!(),
    }
}

#[tokio::test]
async fn a_refusal_by_the_headers_is_read_and_no_body_is_sent() {
    let answer = put(MEGABYTES, Duration::from_secs(10), |mut stream| async move {
        stream.write_all(FAIL.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{} bytes of the body came", rest.len());
        stream
    });
    assert_eq!(answer.await.unwrap().fields.status(), "Fail");
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_body_is_read() {
    let answer = put(MEGABYTES, Duration::from_secs(10), |mut stream| async move {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 1000]).await.unwrap();
        stream.write_all(FAIL.as_bytes()).await.unwrap();
        stream
    });
    let begun = Instant::now();
    assert_eq!(answer.await.unwrap().fields.status(), "Fail");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_never_asks_for_the_body_gets_it_all_the_same() {
    let answer = put(MEGABYTES, Duration::from_secs(10), |mut stream| async move {
        let mut body = vec![0; MEGABYTES];
        stream.read_exact(&mut body).await.unwrap();
        stream.write_all(FAIL.as_bytes()).await.unwrap();
        stream
    });
    assert_eq!(answer.await.unwrap().fields.status(), "Fail");
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up_and_one_that_is_slow_is_not() {
    let idle = Duration::from_millis(800);
    let still = put(10, idle, |stream| async move { stream });
    assert!(matches!(still.await, Err(Failure::Lost { why, .. }) if why.contains("no answer")));
    let slow = put(MEGABYTES, idle, |mut stream| async move {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        let mut piece = vec![0; MEGABYTES / 32];
        for _ in 0..32 {
            stream.read_exact(&mut piece).await.unwrap();
            tokio::time::sleep(idle / 20).await;
        }
        stream.write_all(FAIL.as_bytes()).await.unwrap();
        stream
    });
    assert_eq!(slow.await.unwrap().fields.status(), "Fail");
}

#[tokio::test]
async fn where_a_redirect_leads_is_known_without_its_password() {
    let http = http(Duration::from_secs(1));
    let location = "http://root:p%40s%3As@be.internal:8040/api/shop/orders/_stream_load?";
    let (node, target) = http.place(location).unwrap();
    assert_eq!((&*node, &*target), ("be.internal:8040", "/api/shop/orders/_stream_load"));
    let (node, _) = http.place("https://root:secret@be:8050/api").unwrap();
    assert_eq!(node, "https://be:8050");
    let refused = http.place("ftp://root:secret@be:8050/api").unwrap_err();
    assert!(refused.contains("ftp") && !refused.contains("secret"), "{refused}");
}

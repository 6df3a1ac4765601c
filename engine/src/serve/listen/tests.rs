use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::ConnectInfo;
use axum::routing::get;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, oneshot};
use tokio_rustls::TlsConnector;

use super::*;
use crate::serve::config::TlsFiles;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Longer than anything takes: only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Served {
    address: SocketAddr,
    /// Said once a request to `/slow` is under way; it ends when told to.
    begun: Arc<Notify>,
    finish: Arc<Notify>,
    end: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

async fn served(tls: Option<TlsFiles>, drain: Duration, edit: impl FnOnce(&mut Limits)) -> Served {
    let server = Server { listen: "127.0.0.1:0".parse().unwrap(), tls, ..Server::default() };
    let mut limits = Limits::default();
    edit(&mut limits);
    let listening = bind(&server).await.unwrap();
    let address = listening.address();
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let asked = Arc::new(AtomicU64::new(0));
    let (begins, finishes) = (Arc::clone(&begun), Arc::clone(&finish));
    let router = Router::new()
        .route(
            "/",
            get(async move |peer: ConnectInfo<SocketAddr>| {
                assert!(peer.0.ip().is_loopback());
                format!("[{}]", asked.fetch_add(1, Ordering::SeqCst) + 1)
            }),
        )
        .route(
            "/slow",
            get(async move || {
                begins.notify_one();
                finishes.notified().await;
                "[slow]"
            }),
        );
    let (end, ends) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let ends = async { drop(ends.await) };
        serve(listening, router, &limits, ends, drain).await;
    });
    Served { address, begun, finish, end, tasks }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Reads until `[…]` was read.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"]") {
        let mut byte = [0];
        let n = timeout(PATIENCE, stream.read(&mut byte)).await.unwrap().unwrap();
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&byte);
    }
    let text = String::from_utf8(read).unwrap();
    text[text.rfind('[').unwrap()..].to_owned()
}

/// Reads until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A connection that is cut off may end by a reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut read)).await.unwrap();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_connection_is_answered_and_kept_for_the_next_request() {
    let served = served(None, PATIENCE, |_| ()).await;
    let mut stream = served.connect().await;
    for expected in ["[1]", "[2]"] {
        stream.write_all(ASK).await.unwrap();
        assert_eq!(answer(&mut stream).await, expected);
    }
}

#[tokio::test]
async fn whoever_sends_half_a_head_or_nothing_is_hung_up_on() {
    let served = served(None, PATIENCE, |l| l.header_within = Duration::from_millis(50)).await;
    for sent in [&b"GET / HTTP/1.1\r\nHost: "[..], b""] {
        let mut stream = served.connect().await;
        stream.write_all(sent).await.unwrap();
        let said = rest(&mut stream).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_until_another_ends() {
    let served = served(None, PATIENCE, |limits| limits.connections = 1).await;
    let mut first = served.connect().await;
    first.write_all(ASK).await.unwrap();
    assert_eq!(answer(&mut first).await, "[1]");
    let mut second = served.connect().await;
    second.write_all(ASK).await.unwrap();
    for expected in ["[2]", "[3]"] {
        first.write_all(ASK).await.unwrap();
        assert_eq!(answer(&mut first).await, expected);
    }
    drop(first);
    assert_eq!(answer(&mut second).await, "[4]");
}

#[tokio::test]
async fn at_the_end_what_is_under_way_is_finished_and_nothing_new_begun() {
    let Served { address, begun, finish, end, mut tasks } = served(None, PATIENCE, |_| ()).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(ASK).await.unwrap();
    answer(&mut idle).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    begun.notified().await;
    end.send(()).unwrap();
    assert_eq!(rest(&mut idle).await, "", "a connection without a request is closed");
    assert!(TcpStream::connect(address).await.is_err());
    finish.notify_one();
    assert!(rest(&mut slow).await.ends_with("[slow]"));
    timeout(PATIENCE, tasks.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off() {
    let Served { address, begun, end, mut tasks, .. } =
        served(None, Duration::from_millis(50), |_| ()).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    begun.notified().await;
    end.send(()).unwrap();
    assert_eq!(rest(&mut slow).await, "");
    timeout(PATIENCE, tasks.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_with_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let error = bind(&Server { listen, ..Server::default() }).await.unwrap_err().to_string();
    assert!(error.contains(&listen.to_string()), "{error}");
}

fn write_certificate(dir: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { cert: dir.join("tls.crt"), key: dir.join("tls.key") };
    fs::write(&files.cert, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

/// Asks over TLS, believing one certificate alone; `None`: it showed another.
async fn ask_tls(address: SocketAddr, trusted: &CertificateDer<'static>) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.ok()?;
    stream.write_all(ASK).await.unwrap();
    Some(answer(&mut stream).await)
}

#[tokio::test]
async fn a_new_certificate_is_shown_after_a_hangup_and_a_broken_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let (files, old) = write_certificate(dir.path());
    let served = served(Some(files.clone()), PATIENCE, |_| ()).await;
    assert_eq!(ask_tls(served.address, &old).await.unwrap(), "[1]");

    let (_, new) = write_certificate(dir.path());
    let pid = std::process::id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let shown = async { while ask_tls(served.address, &new).await.is_none() {} };
    timeout(PATIENCE, shown).await.unwrap();
    assert!(ask_tls(served.address, &old).await.is_none());
}

#[tokio::test]
async fn a_certificate_is_read_again_when_its_files_change_and_fit() {
    let dir = tempfile::tempdir().unwrap();
    let (files, old) = write_certificate(dir.path());
    let certificate = Certificate::read(&files).unwrap();
    let shown = |certificate: &Certificate| certificate.shown_der();
    assert_eq!(shown(&certificate), old);
    fs::write(&files.cert, "half of a renewal").unwrap();
    certificate.reread(false);
    assert_eq!(shown(&certificate), old);
    let (_, new) = write_certificate(dir.path());
    certificate.reread(false);
    assert_eq!(shown(&certificate), new);
}

#[tokio::test]
async fn files_that_do_not_fit_are_told_before_anything_listens() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (files, _) = write_certificate(dir.path());
    let (others, _) = write_certificate(other.path());
    let refused = async |cert: &Path, key: &Path| {
        let tls = Some(TlsFiles { cert: cert.to_owned(), key: key.to_owned() });
        bind(&Server { tls, ..Server::default() }).await.unwrap_err().to_string()
    };
    let error = refused(&files.cert, &others.key).await;
    assert!(error.contains("it is not the key of"), "{error}");
    let error = refused(&files.key, &files.key).await;
    assert!(error.contains("it holds no certificate"), "{error}");
    let error = refused(Path::new("/nowhere.pem"), &files.key).await;
    assert!(error.contains("/nowhere.pem"), "{error}");
    assert!(CertificateDer::from_pem_file(&files.cert).is_ok());
}

//! A stand-in behind TLS, and whom a client believes.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::stand::{Stand, definite};
use crate::warehouse::client::{Client, ClientError, Identity, MySqlTls, Settings, TlsSettings};
use crate::warehouse::system::System;

/// An authority, the certificate that it gave to a name, and files of both.
struct Authority {
    dir: TempDir,
    ca: String,
    certificate: String,
    key: String,
}

impl Authority {
    fn for_name(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&own, &issuer).unwrap().pem();
        let dir = tempfile::tempdir().unwrap();
        Self { dir, ca, certificate, key: own.serialize_pem() }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn ca(&self) -> PathBuf {
        self.file("ca.pem", &self.ca)
    }

    fn believed(&self) -> TlsSettings {
        TlsSettings { ca: Some(self.ca()), ..TlsSettings::default() }
    }

    fn identity(&self) -> Identity {
        let chain = self.file("cert.pem", &self.certificate);
        Identity { chain, key: self.file("key.pem", &self.key) }
    }

    /// A server that shows the certificate; one that asks for a certificate of this authority, too.
    fn acceptor(&self, asks: bool) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}

#[derive(Clone, Copy)]
enum Speaks {
    Http,
    MySql,
}

/// Ends TLS in front of a port for as long as it lives.
struct Ending {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Ending {
    async fn before(target: SocketAddr, speaks: Speaks, acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let server = TcpStream::connect(target).await?;
                    match speaks {
                        Speaks::Http => relay(acceptor.accept(client).await?, server).await,
                        Speaks::MySql => greet(client, server, &acceptor).await,
                    }
                });
            }
        });
        Self { address, _tasks: tasks }
    }

    fn https(&self) -> String {
        format!("https://{}", self.address)
    }
}

async fn relay(
    mut client: impl AsyncRead + tokio::io::AsyncWrite + Unpin,
    mut server: TcpStream,
) -> io::Result<()> {
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Offers TLS for a server that has none. What follows the switch is counted on by one from there.
async fn greet(
    mut client: TcpStream,
    mut server: TcpStream,
    acceptor: &TlsAcceptor,
) -> io::Result<()> {
    const SSL: u8 = 0x08;
    let mut greeting = packet(&mut server).await?;
    // Header, protocol, version, connection, first part of the nonce, filler, capabilities.
    let version = greeting[5..].iter().position(|byte| *byte == 0).unwrap();
    greeting[5 + version + 1 + 4 + 8 + 1 + 1] |= SSL;
    client.write_all(&greeting).await?;
    let first = packet(&mut client).await?;
    if first.len() != 36 {
        server.write_all(&first).await?;
        return relay(client, server).await;
    }
    let mut client = acceptor.accept(client).await?;
    let mut login = packet(&mut client).await?;
    login[5] &= !SSL;
    loop {
        login[3] -= 1;
        server.write_all(&login).await?;
        let mut answer = packet(&mut server).await?;
        answer[3] += 1;
        client.write_all(&answer).await?;
        if matches!(answer[4], 0 | 0xff) {
            return relay(client, server).await;
        }
        login = packet(&mut client).await?;
    }
}

/// With its header.
async fn packet(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]);
    packet.resize(4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// A cluster whose first frontend is reached over TLS alone.
struct Secured {
    stand: Stand,
    frontend: Ending,
}

impl Secured {
    async fn by(system: System, acceptor: TlsAcceptor) -> Self {
        let stand = Stand::start(system).await;
        let frontend = Ending::before(stand.frontends[0], Speaks::Http, acceptor).await;
        Self { stand, frontend }
    }

    fn client(&self, tls: TlsSettings) -> Client {
        self.stand.client_with(Settings { fe: vec![self.frontend.https()], tls, ..self.settings() })
    }

    fn settings(&self) -> Settings {
        self.stand.settings()
    }
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused_unless_the_job_allows_it() {
    for system in System::ALL {
        let authority = Authority::for_name("127.0.0.1");
        let far = Secured::by(system, authority.acceptor(false)).await;
        let load = far.stand.load("a", &["1=x"]);
        let what = definite(far.client(authority.believed()).load(&load).await);
        assert!(
            what.contains("from https to http") && what.contains("ssl.plain-redirects"),
            "{what}"
        );
        assert!(!what.contains("p%40s"), "{what}");
        assert_eq!(far.stand.transactions(), 0, "{system}: a backend was asked");
        if system == System::Doris {
            let settings = Settings {
                fe: vec![far.frontend.https()],
                auto_redirect: false,
                tls: authority.believed(),
                ..far.settings()
            };
            let what = definite(far.stand.client_with(settings).load(&load).await);
            assert!(what.contains("list of backends leads from https to http"), "{what}");
        }
        let tls = TlsSettings { plain_redirects: true, ..authority.believed() };
        let client = far.client(tls);
        let staged = client.stage(&far.stand.load("b", &["1=x"])).await.unwrap();
        client.commit(&staged).await.unwrap();
        assert_eq!(far.stand.rows(), ["1=x"], "{system}");
    }
}

#[tokio::test]
async fn backends_behind_tls_are_reached_where_the_job_says_they_are() {
    for system in System::ALL {
        let authority = Authority::for_name("127.0.0.1");
        let far = Secured::by(system, authority.acceptor(false)).await;
        let mut settings = Settings {
            fe: vec![far.frontend.https()],
            tls: authority.believed(),
            ..far.settings()
        };
        let mut backends = Vec::new();
        for backend in &far.stand.backends {
            let ending = Ending::before(*backend, Speaks::Http, authority.acceptor(false)).await;
            settings.be_override.insert(backend.to_string(), ending.https());
            backends.push(ending);
        }
        let client = far.stand.client_with(settings);
        let staged = client.stage(&far.stand.load("a", &["1=x"])).await.unwrap();
        client.commit(&staged).await.unwrap();
        assert_eq!(far.stand.rows(), ["1=x"], "{system}");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_unless_none_is_looked_at() {
    let authority = Authority::for_name("127.0.0.1");
    let far = Secured::by(System::Doris, authority.acceptor(false)).await;
    let load = far.stand.load("a", &["1=x"]);
    let another = Authority::for_name("127.0.0.1");
    for tls in [TlsSettings::default(), another.believed()] {
        let what = definite(far.client(tls).load(&load).await);
        assert!(what.contains("invalid peer certificate") && what.contains("`ssl.ca`"), "{what}");
    }
    let any = TlsSettings { verify: false, plain_redirects: true, ..TlsSettings::default() };
    far.client(any).load(&load).await.unwrap();
    assert_eq!(far.stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let authority = Authority::for_name("fe.example");
    let far = Secured::by(System::StarRocks, authority.acceptor(false)).await;
    let what =
        definite(far.client(authority.believed()).load(&far.stand.load("a", &["1=x"])).await);
    assert!(what.contains("not valid for name"), "{what}");
}

#[tokio::test]
async fn a_server_that_asks_for_our_certificate_gets_it() {
    let authority = Authority::for_name("127.0.0.1");
    let far = Secured::by(System::Doris, authority.acceptor(true)).await;
    let identity = Some(authority.identity());
    let tls = TlsSettings { identity, plain_redirects: true, ..authority.believed() };
    far.client(tls).load(&far.stand.load("a", &["1=x"])).await.unwrap();
    assert_eq!(far.stand.rows(), ["1=x"]);
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_named_before_anything_is_asked() {
    let authority = Authority::for_name("127.0.0.1");
    let stand = Stand::start(System::Doris).await;
    let ca = Some(authority.file("ca.pem", "nothing"));
    let tls = TlsSettings { ca, ..TlsSettings::default() };
    let made = Client::new(System::Doris, Settings { tls, ..stand.settings() });
    let Err(ClientError::Definite { what, .. }) = made else { panic!("made with a bad file") };
    assert!(what.contains("`ssl.ca`") && what.contains("ca.pem"), "{what}");
}

#[tokio::test]
async fn the_mysql_port_is_spoken_to_over_tls_where_it_offers_it() {
    let authority = Authority::for_name("127.0.0.1");
    let stand = Stand::start(System::Doris).await;
    let settings = stand.settings();
    let target: SocketAddr = settings.sql[0].parse().unwrap();
    let ending = Ending::before(target, Speaks::MySql, authority.acceptor(false)).await;
    let client = |tls: TlsSettings| {
        let sql = vec![ending.address.to_string()];
        stand.client_with(Settings { sql, tls, ..stand.settings() })
    };
    let databases = client(authority.believed()).databases().await.unwrap();
    assert!(databases.iter().any(|name| name == "shop"), "{databases:?}");
    let what = definite(client(TlsSettings::default()).databases().await);
    assert!(what.contains("`ssl.ca`") && what.contains("UnknownIssuer"), "{what}");
    let any = TlsSettings { verify: false, ..TlsSettings::default() };
    client(any).databases().await.unwrap();
    let off = TlsSettings { mysql: MySqlTls::Off, ..TlsSettings::default() };
    client(off).databases().await.unwrap();
}

#[tokio::test]
async fn a_mysql_port_without_tls_is_refused_where_tls_is_required() {
    let stand = Stand::start(System::StarRocks).await;
    let required = TlsSettings { mysql: MySqlTls::Required, ..TlsSettings::default() };
    let settings = stand.settings();
    let client = stand.client_with(Settings { tls: required, ..settings });
    let what = definite(client.databases().await);
    assert!(what.contains("no TLS") && what.contains("ssl.mysql-port"), "{what}");
    stand.client().databases().await.unwrap();
}

//! Whom to believe on the other end, over HTTP and on the MySQL port alike.
//!
//! A certificate is looked at unless the job says otherwise, also where TLS is used only because the
//! MySQL port offers it: who can answer there can also offer a certificate of his own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use mysql_async::{ClientIdentity, SslOpts};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What an operator does about a certificate that is not believed.
pub(super) const HINT: &str = "name the authority's certificate in `ssl.ca`, and reach the server by a name \
                               that is in its certificate; `ssl.verify` = false believes any";
/// What begins an address that is reached over TLS.
pub(crate) const HTTPS: &str = "https://";

/// When the MySQL port is spoken to over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MySqlTls {
    Off,
    /// Where the server offers it.
    #[default]
    Offered,
    Required,
}

/// A certificate of ours, for servers that ask for one; both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// How connections are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    /// PEM; `None`: the public authorities.
    pub ca: Option<PathBuf>,
    pub identity: Option<Identity>,
    /// Certificates are looked at.
    pub verify: bool,
    pub mysql: MySqlTls,
    /// A redirect from `https` to `http` is followed, with the password.
    pub plain_redirects: bool,
}

impl Default for TlsSettings {
    fn default() -> Self {
        let mysql = MySqlTls::default();
        Self { ca: None, identity: None, verify: true, mysql, plain_redirects: false }
    }
}

impl TlsSettings {
    /// For the MySQL port; `None`: plain text.
    pub(super) fn of_mysql(&self) -> Option<SslOpts> {
        if self.mysql == MySqlTls::Off {
            return None;
        }
        install_provider();
        let mut options = SslOpts::default().with_danger_accept_invalid_certs(!self.verify);
        if let Some(ca) = &self.ca {
            let roots = vec![ca.clone().into()];
            options = options.with_root_certs(roots).with_disable_built_in_roots(true);
        }
        let identity = self.identity.as_ref();
        let identity = identity
            .map(|own| ClientIdentity::new(own.chain.clone().into(), own.key.clone().into()));
        Some(options.with_client_identity(identity))
    }

    /// For HTTP.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what it should be.
    pub(super) fn connector(&self) -> Result<TlsConnector, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let builder = if self.verify {
            builder.with_root_certificates(self.roots()?)
        } else {
            let any = Arc::new(AnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(any)
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { chain, key }) => {
                let own = PrivateKeyDer::from_pem_file(key);
                let own = own.map_err(|error| unfit("ssl.key", key, &error))?;
                let config = builder.with_client_auth_cert(certificates("ssl.cert", chain)?, own);
                config.map_err(|error| unfit("ssl.cert", chain, &error))?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let Some(ca) = &self.ca else {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            return Ok(roots);
        };
        for certificate in certificates("ssl.ca", ca)? {
            roots.add(certificate).map_err(|error| unfit("ssl.ca", ca, &error))?;
        }
        Ok(roots)
    }
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unfit(option, path, &error))?;
    if found.is_empty() {
        return Err(unfit(option, path, &"it has no certificate"));
    }
    Ok(found)
}

fn unfit(option: &str, path: &Path, why: &dyn std::fmt::Display) -> String {
    format!(
        "`{option}` names `{}`, which cannot be used: {why}; it should be a PEM file",
        path.display()
    )
}

/// Two providers in one program make the first TLS connection panic, so ours is named once.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that the program has chosen one already, which serves as well.
        drop(ring::default_provider().install_default());
    });
}

pub(super) async fn handshake(
    connector: &TlsConnector,
    node: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let host = node.rsplit_once(':').map_or(node, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    connector.connect(name, stream).await
}

/// The server shows a certificate that is not believed.
pub(super) fn is_distrust(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Believes whoever answers; that he has the key of what he shows is all that is looked at.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

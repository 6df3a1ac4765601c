//! TLS on the connection, with the meaning that the modes have on every other one.
//!
//! Those are made by `mysql_async`, from the same options ([`SourceOptions`]).

use std::path::Path;
use std::sync::Arc;

use mysql_async::{DriverError, Error, TlsError};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{ClientCertificate, SourceOptions, Tls};

/// Makes `socket` secret, and where the mode asks for it sure that the server is the one.
pub(super) async fn secure(
    socket: TcpStream,
    options: &SourceOptions,
) -> Result<TlsStream<TcpStream>, Error> {
    let host = ServerName::try_from(options.host.clone()).map_err(TlsError::InvalidDnsName)?;
    let connector = TlsConnector::from(Arc::new(config(options).await?));
    Ok(connector.connect(host, socket).await?)
}

async fn config(options: &SourceOptions) -> Result<ClientConfig, Error> {
    let ca = match &options.tls {
        Tls::Disabled | Tls::Preferred | Tls::Required => None,
        Tls::VerifyCa { ca } | Tls::VerifyIdentity { ca } => Some(ca.as_deref()),
    };
    let builder = ClientConfig::builder();
    let builder = match ca {
        Some(ca) => {
            let verifier = WebPkiServerVerifier::builder(Arc::new(authorities(ca).await?));
            builder.with_webpki_verifier(verifier.build().map_err(TlsError::from)?)
        }
        None => {
            let provider = Arc::clone(builder.crypto_provider());
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
        }
    };
    Ok(match &options.client_certificate {
        Some(certificate) => {
            let (chain, key) = identity(certificate).await?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Tls)?
        }
        None => builder.with_no_client_auth(),
    })
}

/// Whom we believe: those in the file, or the public ones.
async fn authorities(ca: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let Some(ca) = ca else {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(store);
    };
    for certificate in certificates(tokio::fs::read(ca).await?)? {
        store.add(certificate).map_err(TlsError::Tls)?;
    }
    Ok(store)
}

/// Those in a PEM file; a file of something else is taken for one in DER.
fn certificates(file: Vec<u8>) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&file).collect();
    let found = found.map_err(TlsError::Pem)?;
    Ok(if found.is_empty() { vec![CertificateDer::from(file)] } else { found })
}

async fn identity(
    certificate: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = certificates(tokio::fs::read(&certificate.chain).await?)?;
    let key = tokio::fs::read(&certificate.key).await?;
    if std::str::from_utf8(&key).is_err() {
        return Ok((chain, PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(key))));
    }
    match PrivateKeyDer::from_pem_slice(&key) {
        Ok(key) => Ok((chain, key)),
        Err(PemError::NoItemsFound) => Err(DriverError::NoKeyFound.into()),
        Err(error) => Err(TlsError::Pem(error).into()),
    }
}

/// Takes any certificate. That the server has its key is verified all the same.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

//! The certificate that is shown, read again when its files change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ListenError;
use crate::serve::config::TlsFiles;

/// By which a change of a file is seen.
type Stamp = Option<(u64, u64, i64, i64)>;

#[derive(Debug)]
pub(super) struct Certificate {
    files: TlsFiles,
    provider: CryptoProvider,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    stamps: [Stamp; 2],
}

impl Certificate {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, ListenError> {
        let provider = ring::default_provider();
        let stamps = stamps(files);
        let key = certified(files, &provider)?;
        let shown = Mutex::new(Shown { key, stamps });
        Ok(Self { files: files.clone(), provider, shown })
    }

    /// Reads the files again if they changed since, or `anyway`. Files that do not fit, as halfway
    /// through a renewal, leave the former certificate, and are looked at again when they change.
    pub(super) fn reread(&self, anyway: bool) {
        let now = stamps(&self.files);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if now == shown.stamps && !anyway {
            return;
        }
        shown.stamps = now;
        let path = self.files.cert.display();
        match certified(&self.files, &self.provider) {
            Ok(key) => {
                shown.key = key;
                tracing::info!(%path, "certificate read");
            }
            Err(error) => tracing::error!(%error, "the former certificate stays"),
        }
    }
}

#[cfg(test)]
impl Certificate {
    pub(super) fn shown_der(&self) -> CertificateDer<'static> {
        self.shown.lock().unwrap().key.cert[0].clone()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.lock().unwrap_or_else(PoisonError::into_inner).key))
    }
}

pub(super) fn config(certificate: Arc<Certificate>) -> Result<rustls::ServerConfig, ListenError> {
    let provider = Arc::new(ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ListenError::Tls)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certified(
    files: &TlsFiles,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, ListenError> {
    let wrong = |path: &Path, why: String| ListenError::Pem { path: path.to_owned(), why };
    let pem = |path: &Path| fs::read(path).map_err(|error| wrong(path, error.to_string()));
    let (cert, key) = (pem(&files.cert)?, pem(&files.key)?);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert).collect();
    let chain = chain.map_err(|error| wrong(&files.cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&files.cert, "it holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| wrong(&files.key, error.to_string()))?;
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            let why = format!("it is not the key of `{}`", files.cert.display());
            wrong(&files.key, why)
        } else {
            wrong(&files.cert, error.to_string())
        }
    })?;
    Ok(Arc::new(certified))
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    [stamp(&files.cert), stamp(&files.key)].map(Result::ok)
}

fn stamp(path: &Path) -> io::Result<(u64, u64, i64, i64)> {
    let file = fs::metadata(path)?;
    Ok((file.ino(), file.len(), file.ctime(), file.ctime_nsec()))
}

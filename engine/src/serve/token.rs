//! Tokens: who may ask, told by what only they know.
//!
//! A token is 256 random bits behind `sct_`, by which scanners of repositories can know one. The file
//! holds their SHA-256 hashes. A slow hash, as passwords need one, would add nothing: nobody guesses
//! 256 bits, however fast; and a slow hash of every request's token would let anybody keep the daemon
//! busy. The file is looked at with each request, so that what is revoked is refused at once.

mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

pub use self::file::{Kept, TokenError, add, list, remove};
use self::file::{Stamp, read};
use crate::api::Role;

/// By which a token is known for one.
pub const PREFIX: &str = "sct_";
const RANDOM_BYTES: usize = 32;
const HASH_BYTES: usize = 32;
/// Of a text that is taken for a token at all.
const TOKEN_BYTES_MAX: usize = 256;

/// A token, as it is shown once.
pub struct Token(String);

impl Token {
    /// # Errors
    /// The system has no random bytes.
    pub fn make() -> Result<Self, TokenError> {
        let mut bytes = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| TokenError::NoRandom)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// For its bearer alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(******)")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    pub fn of(token: &str) -> Self {
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; HASH_BYTES];
        let is_hex = text.len() == 2 * HASH_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        is_hex.then_some(Self(hash))
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

/// The tokens of a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// A token is asked of everybody: there is a file of them, or was one.
    pub are_asked: bool,
    kept: Vec<Kept>,
}

impl Known {
    /// Whose token this is. How long it takes tells nothing of how nearly it was one.
    pub fn bearer(&self, token: &str) -> Option<(&str, Role)> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let hash = Hash::of(token);
        let mut found = None;
        for kept in &self.kept {
            if kept.hash.is(&hash) {
                found = Some((kept.name.as_str(), kept.role));
            }
        }
        found
    }
}

/// The file of tokens, as it is at the moment of asking.
pub struct Tokens {
    path: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    stamp: Option<Stamp>,
    known: Arc<Known>,
}

impl Tokens {
    /// # Errors
    /// There is a file that cannot be used.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let stamp = Stamp::of(path).map_err(|error| TokenError::unreadable(path, error))?;
        let kept = if stamp.is_some() { read(path)? } else { Vec::new() };
        let known = Arc::new(Known { are_asked: stamp.is_some(), kept });
        Ok(Self { path: path.to_owned(), held: Mutex::new(Held { stamp, known }) })
    }

    /// Looks whether the file has changed, which asks the system once, and reads it if so. Without
    /// its file the daemon knows nobody; with one that is damaged, those it knew.
    pub fn now(&self) -> Arc<Known> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.display();
        match Stamp::of(&self.path) {
            Ok(stamp) if stamp == held.stamp => {}
            Ok(None) => {
                held.stamp = None;
                held.known = Arc::new(Known { are_asked: true, kept: Vec::new() });
                tracing::error!(%path, "the file of tokens is gone: nobody is let in");
            }
            Ok(stamp) => match read(&self.path) {
                Ok(kept) => {
                    tracing::info!(%path, tokens = kept.len(), "tokens read");
                    held.stamp = stamp;
                    held.known = Arc::new(Known { are_asked: true, kept });
                }
                Err(error) => {
                    // What could not be read just now is looked at again.
                    if !matches!(error, TokenError::Unreadable { .. }) {
                        held.stamp = stamp;
                    }
                    tracing::error!(%error, "the tokens stay as they were");
                }
            },
            Err(error) => tracing::error!(%path, %error, "the tokens stay as they were"),
        }
        Arc::clone(&held.known)
    }
}

#[cfg(test)]
mod tests;

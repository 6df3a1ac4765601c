//! What the daemon stores of scripts is sealed: they hold passwords, and its directory is copied into
//! backups that more people read than may know them.
//!
//! A sealed text is `version (1) | key id (8) | nonce (12) | ciphertext and tag`, by
//! ChaCha20-Poly1305. Nonces are random: with 96 bits, two are alike with a chance of 2^-33 after four
//! billion texts. What a text belongs to (its job and version, say) is told as `aad` and has to be
//! told again to unseal it, so that no stored text can be put in another's place. The key id is of no
//! use without the key, and tells a wrong key from a damaged text.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES;
/// A key file holds the key, as bytes or in base64, and a line end; more is no key.
const KEY_FILE_BYTES_MAX: u64 = 128;

/// Where the key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that is made at the first use.
    Own(PathBuf),
    /// A file that somebody else provides.
    Given(PathBuf),
}

impl KeySource {
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(path) | Self::Given(path) => path,
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "there is no key at `{}`: make one with `head -c 32 /dev/urandom | base64 > FILE`, mode 0600, \
         or put back the one that the stored scripts were sealed with", .0.display()
    )]
    Missing(PathBuf),
    #[error("the key at `{}` cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("no key could be made at `{}`: {error}", path.display())]
    NotMade { path: PathBuf, error: io::Error },
    #[error("`{}` holds no key: 32 bytes are expected, as they are or in base64", .0.display())]
    NotAKey(PathBuf),
    #[error(
        "the key at `{}` has mode {mode:04o}, by which other users may read or change it: \
         `chmod 0600` it, and if others had access, take it for known", path.display()
    )]
    Open { path: PathBuf, mode: u32 },
    #[error("the system gives no random bytes")]
    NoRandom,
}

/// Why a stored text cannot be unsealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error(
        "it was sealed with the key `{sealed_with}`, and the one at `{}` is `{have}`: put the former \
         key back at this place (it is part of the daemon's directory and of its backups). Where it is \
         lost, delete the job and submit its script again: its snapshots are not sealed and stay",
        path.display()
    )]
    OtherKey { sealed_with: KeyId, have: KeyId, path: PathBuf },
    #[error(
        "it was sealed by a newer seachange (version {0} of the form): run that one, or a newer one"
    )]
    Newer(u8),
    #[error("it is damaged, or was stored for something else: take it from a backup")]
    Damaged,
    #[error("the system gives no random bytes")]
    NoRandom,
}

/// Which key it was; tells nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    fn of(key: &[u8; KEY_BYTES]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        // A prefix of its own: the id is then no hash that anything else computes of the key.
        context.update(b"seachange key id 1\0");
        context.update(key);
        let mut id = [0; KEY_ID_BYTES];
        for (to, from) in id.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Seals and unseals with one key.
pub struct Sealer {
    key: LessSafeKey,
    id: KeyId,
    /// For messages.
    path: PathBuf,
    random: SystemRandom,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("id", &self.id).field("path", &self.path).finish()
    }
}

impl Sealer {
    /// Reads the key, or makes it. Reads and writes a file: not for the runtime's threads in a hurry.
    ///
    /// # Errors
    /// There is no key to be had, or it lies open to other users.
    pub fn open(source: &KeySource) -> Result<Self, KeyError> {
        let path = source.path();
        let key = match (read_key(path)?, source) {
            (Some(key), _) => key,
            (None, KeySource::Given(path)) => return Err(KeyError::Missing(path.clone())),
            (None, KeySource::Own(path)) => make_key(path)?,
        };
        let id = KeyId::of(&key);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key)
            .map_err(|_| KeyError::NotAKey(path.to_owned()))?;
        let random = SystemRandom::new();
        Ok(Self { key: LessSafeKey::new(key), id, path: path.to_owned(), random })
    }

    pub fn key_id(&self) -> KeyId {
        self.id
    }

    /// # Errors
    /// Only where the system has no random bytes for a nonce.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&self.id.0);
        let bound = bound(&sealed, aad);
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        // It fails for texts of hundreds of gigabytes alone, which are none.
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound),
                &mut body,
            )
            .map_err(|_| SealError::Damaged)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// # Errors
    /// Another key, another `aad`, or bytes that are not as they were.
    pub fn unseal(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        let (head, rest) = sealed.split_at_checked(HEAD_BYTES).ok_or(SealError::Damaged)?;
        match head.split_first() {
            Some((&VERSION, id)) if id == self.id.0 => {}
            Some((&VERSION, id)) => {
                let id: [u8; KEY_ID_BYTES] = id.try_into().map_err(|_| SealError::Damaged)?;
                let path = self.path.clone();
                return Err(SealError::OtherKey { sealed_with: KeyId(id), have: self.id, path });
            }
            Some((&version, _)) if version > VERSION => return Err(SealError::Newer(version)),
            Some(_) | None => return Err(SealError::Damaged),
        }
        let (nonce, body) = rest.split_at_checked(NONCE_BYTES).ok_or(SealError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut body = body.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(bound(head, aad)), &mut body)
            .map_err(|_| SealError::Damaged)?
            .len();
        body.truncate(plain);
        Ok(body)
    }
}

/// What the tag vouches for besides the text: the head is of one length, so where `aad` begins is
/// never in doubt.
fn bound(head: &[u8], aad: &[u8]) -> Vec<u8> {
    [head, aad].concat()
}

fn read_key(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, KeyError> {
    let unreadable = |error| KeyError::Unreadable { path: path.to_owned(), error };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    // A group may read: so credentials and mounted secrets come.
    if mode & 0o027 != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    match decoded(&bytes) {
        Some(key) => Ok(Some(key)),
        None => Err(KeyError::NotAKey(path.to_owned())),
    }
}

fn decoded(bytes: &[u8]) -> Option<[u8; KEY_BYTES]> {
    bytes.try_into().ok().or_else(|| STANDARD.decode(bytes.trim_ascii()).ok()?.try_into().ok())
}

/// Under another name first, so that a crash leaves no half of a key; linked, so that of two daemons
/// that begin at once both go on with the same.
fn make_key(path: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let not_made = |error| KeyError::NotMade { path: path.to_owned(), error };
    let mut key = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| KeyError::NoRandom)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(not_made)?;
    let made = path.with_extension(format!("{}.new", std::process::id()));
    let written = write_new(&made, &format!("{}\n", STANDARD.encode(key)))
        .and_then(|()| match fs::hard_link(&made, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        })
        .and_then(|()| File::open(dir)?.sync_all());
    let _ = fs::remove_file(&made);
    written.map_err(not_made)?;
    read_key(path)?.ok_or_else(|| KeyError::Missing(path.to_owned()))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;

//! The file of tokens: names, roles and hashes, as TOML that people can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown, fchown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Hash, Token};
use crate::api::Role;

/// Each request's token is compared with every one.
const TOKENS_MAX: usize = 1000;
const NAME_CHARS_MAX: usize = 64;
const HEAD: &str = "\
# Who may ask the daemon. Written by `seachange token`; the tokens themselves are nowhere kept.
";

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the tokens in `{}` cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("the tokens cannot be written to `{}`: {error}", path.display())]
    Unwritten { path: PathBuf, error: io::Error },
    #[error("`{}` is no file of tokens: {why}", path.display())]
    NoTokens { path: PathBuf, why: String },
    #[error(
        "`{}` has mode {mode:04o}: whoever may write to it can make themselves an operator. \
         `chmod 0600` it, and look at what it holds", path.display()
    )]
    Open { path: PathBuf, mode: u32 },
    #[error("there is a token `{0}` already: revoke it first, or take another name")]
    Taken(String),
    #[error("there is no token `{name}` in `{}`", path.display())]
    Unknown { name: String, path: PathBuf },
    #[error(
        "`{0}` is no name for a token: up to {NAME_CHARS_MAX} letters, digits and `.`, `_`, `@`, `-`, \
         the first a letter or a digit"
    )]
    BadName(String),
    #[error("there are {TOKENS_MAX} tokens: revoke one first")]
    TooMany,
    #[error("the system gives no random bytes")]
    NoRandom,
}

impl TokenError {
    pub(super) fn unreadable(path: &Path, error: io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), error }
    }
}

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub name: String,
    pub role: Role,
    pub created: DateTime<Utc>,
    pub hash: Hash,
}

/// The same, as written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    role: Role,
    created: String,
    sha256: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    #[serde(default)]
    token: Vec<Written>,
}

/// By which a change of the file is seen: each change is a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: there is no file.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(file) => Ok(Some(Self {
                device: file.dev(),
                inode: file.ino(),
                len: file.len(),
                changed: (file.ctime(), file.ctime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<Kept>, TokenError> {
    let unreadable = |error| TokenError::unreadable(path, error);
    let mode = fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
    // Reading is harmless: the hashes tell nothing.
    if mode & 0o022 != 0 {
        return Err(TokenError::Open { path: path.to_owned(), mode });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let wrong = |why: String| TokenError::NoTokens { path: path.to_owned(), why };
    let file: WrittenFile = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file.token.len() > TOKENS_MAX {
        return Err(wrong(format!("it holds more than {TOKENS_MAX}")));
    }
    let mut kept: Vec<Kept> = Vec::new();
    for Written { name, role, created, sha256 } in file.token {
        is_name(&name)?;
        if kept.iter().any(|kept| kept.name == name) {
            return Err(wrong(format!("two tokens are named `{name}`")));
        }
        let hash = Hash::from_hex(&sha256)
            .ok_or_else(|| wrong(format!("`sha256` of `{name}` is not 64 hexadecimal digits")))?;
        let created = created.parse().map_err(|_| {
            wrong(format!("`created` of `{name}` is no time, 2026-01-31T12:00:00Z"))
        })?;
        kept.push(Kept { name, role, created, hash });
    }
    Ok(kept)
}

/// The tokens, in their order; without a file, none.
///
/// # Errors
/// The file cannot be used.
pub fn list(path: &Path) -> Result<Vec<Kept>, TokenError> {
    match Stamp::of(path).map_err(|error| TokenError::unreadable(path, error))? {
        Some(_) => read(path),
        None => Ok(Vec::new()),
    }
}

/// Makes a token, and the file where there is none. The token is not to be had again.
///
/// # Errors
/// The name is taken or is none, or the file cannot be used.
pub fn add(path: &Path, name: &str, role: Role, at: DateTime<Utc>) -> Result<Token, TokenError> {
    is_name(name)?;
    let token = Token::make()?;
    let kept = Kept { name: name.to_owned(), role, created: at, hash: Hash::of(token.reveal()) };
    change(path, |tokens| {
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Taken(name.to_owned()));
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(TokenError::TooMany);
        }
        tokens.push(kept);
        Ok(())
    })?;
    Ok(token)
}

/// Revokes a token. The file stays, with the last one too: then nobody is let in.
///
/// # Errors
/// There is no such token, or the file cannot be used.
pub fn remove(path: &Path, name: &str) -> Result<(), TokenError> {
    change(path, |tokens| {
        let before = tokens.len();
        tokens.retain(|token| token.name != name);
        if tokens.len() == before {
            return Err(TokenError::Unknown { name: name.to_owned(), path: path.to_owned() });
        }
        Ok(())
    })
}

fn is_name(name: &str) -> Result<(), TokenError> {
    let is_good = name.len() <= NAME_CHARS_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._@-".contains(c));
    if is_good { Ok(()) } else { Err(TokenError::BadName(name.to_owned())) }
}

/// One change at a time, and never half of one: two commands at once would else lose a token.
fn change(
    path: &Path,
    edit: impl FnOnce(&mut Vec<Kept>) -> Result<(), TokenError>,
) -> Result<(), TokenError> {
    let unwritten = |error| TokenError::Unwritten { path: path.to_owned(), error };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_dir(dir).map_err(unwritten)?;
    let dir = File::open(dir).map_err(unwritten)?;
    dir.lock().map_err(unwritten)?;
    let mut tokens = list(path)?;
    edit(&mut tokens)?;
    let written = WrittenFile { token: tokens.into_iter().map(Written::from).collect() };
    let text = toml::to_string(&written).map_err(|error| unwritten(io::Error::other(error)))?;
    replace(path, &dir, &format!("{HEAD}\n{text}")).map_err(unwritten)?;
    dir.sync_all().map_err(unwritten)
}

impl From<Kept> for Written {
    fn from(Kept { name, role, created, hash }: Kept) -> Self {
        let created = created.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self { name, role, created, sha256: hash.to_string() }
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_dir(parent)?;
    DirBuilder::new().mode(0o700).create(dir)?;
    let of = fs::metadata(parent)?;
    let _ = chown(dir, Some(of.uid()), Some(of.gid()));
    Ok(())
}

fn replace(path: &Path, dir: &File, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // What root makes is the daemon's to read. Whoever is not root cannot give files away, and has no
    // need to.
    let before = fs::metadata(path).ok();
    let of = before.as_ref().map_or_else(|| dir.metadata(), |before| Ok(before.clone()))?;
    let _ = fchown(&file, Some(of.uid()), Some(of.gid()));
    if let Some(before) = before {
        file.set_permissions(before.permissions())?;
    }
    fs::rename(&new, path)
}

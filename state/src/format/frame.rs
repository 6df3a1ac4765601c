//! The frame: tells a whole, untouched snapshot from anything else before its content is looked at.
//!
//! All integers little endian; a *text* is a u16 length and UTF-8.
//!
//! ```text
//! magic       8 bytes   89 53 43 50 0d 0a 1a 0a   (as PNG's: a text-mode copy breaks it)
//! length      u64       of everything, magic and CRC included
//! format      u32       see FORMAT
//! needed      text      first release that reads this format
//! writer      text      release that wrote it
//! sections    u32       how many; then each:
//!     tag     text
//!     flags   u8        1 = zstd, 2 = a reader that does not know the tag may skip it
//!     raw     u64       length of the payload
//!     stored  u64       length of the payload as stored
//!     crc     u32       CRC-32 of the stored payload: names the section that is damaged
//!     bytes   stored
//! crc         u32       CRC-32 of everything before it
//! ```
//!
//! Everything up to `sections`, and the last CRC, stays as it is in every later format: that is how
//! an old reader tells "newer" from "damaged".

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{FORMAT, NEEDED};

const MAGIC: [u8; 8] = *b"\x89SCP\r\n\x1a\n";
const ZSTD: u8 = 1;
const OPTIONAL: u8 = 2;
/// Smaller payloads stay as they are: little is won, and people can read them.
const COMPRESS_FROM_BYTES: usize = 1024;
/// zstd's default: 2,000 schemas in a few milliseconds.
const ZSTD_LEVEL: i32 = 3;
/// Most that a stored byte may become. What would shrink more is stored as it is, so a reader can
/// refuse anything above without refusing what a writer wrote.
const RATIO_MAX: u64 = 1024;
const CRC_BYTES: usize = 4;

/// The sections a reader of this format understands.
const KNOWN: [&str; 9] = [
    "header",
    "position",
    "tables",
    "schemas",
    "sinks",
    "xa",
    "quarantine",
    "online_ddl",
    "untold",
];

/// Payloads by tag.
pub(super) type Sections<'a> = BTreeMap<&'a str, Cow<'a, [u8]>>;

pub(super) enum FrameError {
    Damaged(String),
    Newer { found: u32, needed: String },
}

/// The frame of a snapshot, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    pub format: u32,
    /// Release that wrote it.
    pub writer: String,
    /// First release that reads it.
    pub needed: String,
    pub sections: Vec<SectionOutline>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionOutline {
    pub tag: String,
    /// Bytes in the snapshot.
    pub stored: u64,
    /// Bytes once unpacked.
    pub raw: u64,
}

struct Section<'a> {
    tag: &'a str,
    flags: u8,
    raw: u64,
    crc: u32,
    stored: &'a [u8],
}

struct Frame<'a> {
    needed: &'a str,
    writer: &'a str,
    sections: Vec<Section<'a>>,
}

fn damaged(what: impl Into<String>) -> FrameError {
    FrameError::Damaged(what.into())
}

pub(super) fn write(sections: &[(&str, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    text(&mut out, NEEDED)?;
    text(&mut out, env!("CARGO_PKG_VERSION"))?;
    out.extend_from_slice(&u32::try_from(sections.len()).map_err(too_large)?.to_le_bytes());
    for (tag, payload) in sections {
        let (flags, stored) = pack(payload)?;
        text(&mut out, tag)?;
        out.push(flags);
        out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        out.extend_from_slice(&(stored.len() as u64).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&stored).to_le_bytes());
        out.extend_from_slice(&stored);
    }
    let total = (out.len() + CRC_BYTES) as u64;
    if let Some(slot) = out.get_mut(MAGIC.len()..MAGIC.len() + 8) {
        slot.copy_from_slice(&total.to_le_bytes());
    }
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    out.extend_from_slice(&u16::try_from(text.len()).map_err(too_large)?.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn too_large(error: std::num::TryFromIntError) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
}

fn pack(payload: &[u8]) -> std::io::Result<(u8, Cow<'_, [u8]>)> {
    if payload.len() <= COMPRESS_FROM_BYTES {
        return Ok((0, Cow::Borrowed(payload)));
    }
    let packed = zstd::bulk::compress(payload, ZSTD_LEVEL)?;
    let pays = packed.len() < payload.len();
    let allowed = payload.len() as u64 <= (packed.len() as u64).saturating_mul(RATIO_MAX);
    Ok(if pays && allowed { (ZSTD, Cow::Owned(packed)) } else { (0, Cow::Borrowed(payload)) })
}

pub(super) fn read(bytes: &[u8]) -> Result<Sections<'_>, FrameError> {
    let mut sections = Sections::new();
    for section in frame(bytes)?.sections {
        let tag = section.tag;
        if section.flags & !(ZSTD | OPTIONAL) != 0 {
            return Err(damaged(format!("section `{tag}` has unknown flags {}", section.flags)));
        }
        if crc32fast::hash(section.stored) != section.crc {
            return Err(damaged(format!("the checksum of section `{tag}` does not match")));
        }
        if !KNOWN.contains(&tag) {
            if section.flags & OPTIONAL != 0 {
                continue;
            }
            return Err(damaged(format!("section `{tag}` is unknown")));
        }
        if sections.insert(tag, section.unpack()?).is_some() {
            return Err(damaged(format!("section `{tag}` is there twice")));
        }
    }
    Ok(sections)
}

pub(super) fn outline(bytes: &[u8]) -> Result<Outline, FrameError> {
    let Frame { needed, writer, sections } = frame(bytes)?;
    let sections = sections.iter().map(|s| SectionOutline {
        tag: s.tag.to_owned(),
        stored: s.stored.len() as u64,
        raw: s.raw,
    });
    Ok(Outline {
        format: FORMAT,
        writer: writer.to_owned(),
        needed: needed.to_owned(),
        sections: sections.collect(),
    })
}

/// Everything but the payloads. The whole-file checks come first: after them the bytes are as some
/// writer wrote them, and a later format can be believed to be one.
fn frame(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut cursor = Cursor { rest: bytes };
    if cursor.array().ok() != Some(MAGIC) {
        let what = if bytes.is_empty() { "it is empty" } else { "it is not a Seachange snapshot" };
        return Err(damaged(what));
    }
    let length = cursor.u64()?;
    if length != bytes.len() as u64 {
        return Err(damaged(format!("it has {} bytes where {length} were written", bytes.len())));
    }
    let (body, crc) = cursor.rest.split_last_chunk::<CRC_BYTES>().ok_or_else(cut_short)?;
    let covered = bytes.get(..bytes.len() - CRC_BYTES).unwrap_or_default();
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return Err(damaged("its checksum does not match"));
    }
    cursor.rest = body;
    let found = cursor.u32()?;
    let needed = cursor.text()?;
    let writer = cursor.text()?;
    if found > FORMAT {
        return Err(FrameError::Newer { found, needed: needed.to_owned() });
    }
    if found == 0 {
        return Err(damaged("format 0 was never written"));
    }
    // Not reserved up front: the count is whatever the bytes say.
    let mut sections = Vec::new();
    for _ in 0..cursor.u32()? {
        sections.push(cursor.section()?);
    }
    if !cursor.rest.is_empty() {
        return Err(damaged(format!("{} bytes follow its last section", cursor.rest.len())));
    }
    Ok(Frame { needed, writer, sections })
}

impl<'a> Section<'a> {
    fn unpack(&self) -> Result<Cow<'a, [u8]>, FrameError> {
        let wrong = |what: &str| damaged(format!("section `{}` {what}", self.tag));
        let stored = self.stored.len() as u64;
        if self.flags & ZSTD == 0 {
            return match self.raw == stored {
                true => Ok(Cow::Borrowed(self.stored)),
                false => Err(wrong("has two lengths")),
            };
        }
        if self.raw > stored.saturating_mul(RATIO_MAX) {
            return Err(wrong("claims to unpack to more than any writer packs"));
        }
        let capacity = usize::try_from(self.raw).map_err(|_| wrong("is too large to unpack"))?;
        let raw = zstd::bulk::decompress(self.stored, capacity)
            .map_err(|error| wrong(&format!("does not unpack: {error}")))?;
        if raw.len() != capacity {
            return Err(wrong("unpacks to another length than was written"));
        }
        Ok(Cow::Owned(raw))
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

fn cut_short() -> FrameError {
    damaged("it ends too early")
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], FrameError> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or_else(cut_short)?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        self.take(N)?.try_into().map_err(|_| cut_short())
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, FrameError> {
        let len = u16::from_le_bytes(self.array()?);
        std::str::from_utf8(self.take(usize::from(len))?)
            .map_err(|_| damaged("a text of its frame is not UTF-8"))
    }

    fn section(&mut self) -> Result<Section<'a>, FrameError> {
        let tag = self.text()?;
        let [flags] = self.array()?;
        let raw = self.u64()?;
        let stored = usize::try_from(self.u64()?).map_err(|_| cut_short())?;
        let crc = self.u32()?;
        Ok(Section { tag, flags, raw, crc, stored: self.take(stored)? })
    }
}

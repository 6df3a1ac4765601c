//! Text of any character set to UTF-8, without loss or not at all.

use std::borrow::Cow;

use encoding_rs::Encoding;
use mysql_common::collations::Collation;

/// How the bytes of a text are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `utf8mb4` and `utf8mb3`.
    Utf8,
    Ascii,
    /// MySQL's `latin1`: windows-1252, with the five bytes that it leaves open as U+0081 and so on.
    Latin1,
    Binary,
    Ucs2,
    Utf16,
    Utf16le,
    Utf32,
    /// A set in which ASCII is ASCII, by a table of its own.
    Encoding(&'static Encoding),
}

impl Charset {
    /// By MySQL's name, for instance `utf8mb4`; `None` where we cannot read it.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Self::Utf8,
            "ascii" => Self::Ascii,
            "latin1" => Self::Latin1,
            "binary" => Self::Binary,
            "ucs2" => Self::Ucs2,
            "utf16" => Self::Utf16,
            "utf16le" => Self::Utf16le,
            "utf32" => Self::Utf32,
            _ => return None,
        })
    }

    /// By the number of a collation; `None` where the number or its character set is not known.
    pub fn of_collation(id: u16) -> Option<Self> {
        Self::of_name(&Self::name_of_collation(id)?)
    }

    /// The name of a collation's character set.
    pub fn name_of_collation(id: u16) -> Option<Cow<'static, str>> {
        let collation = Collation::resolve(id.into());
        let name = collation.charset().to_owned();
        (!name.is_empty()).then(|| Cow::Owned(name))
    }

    /// `bytes` as UTF-8; `None` where some of them are no text of this character set.
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            _ => None,
        }
    }
}

//! Text of any character set to UTF-8: without loss, or not at all.

use std::borrow::Cow;

use mysql_common::collations::Collation;

mod multi_byte;
mod single_byte;

use multi_byte::MultiByte;
use single_byte::UpperHalf;

/// MariaDB numbers its collations without padding from here up, each at the same distance from the
/// one with padding (MariaDB source, `MY_NOPAD_ID`).
const MARIADB_NOPAD: u16 = 1024;
/// MariaDB numbers its UCA 14.0.0 collations from here up; the bits below 2048 and above 256 are
/// the character set (MariaDB source, `ctype-uca1400.h`).
const MARIADB_UCA1400: u16 = 2048;

/// How the bytes of a text are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `utf8mb4` and `utf8mb3`.
    Utf8,
    Ascii,
    /// ASCII of seven bits with ten Swedish letters in the place of signs.
    Swe7,
    Binary,
    Ucs2,
    Utf16,
    Utf16le,
    Utf32,
    /// ASCII below 0x80, a table above.
    SingleByte(&'static UpperHalf),
    /// ASCII below 0x80, several bytes a character above.
    MultiByte(&'static MultiByte),
}

impl Charset {
    /// By MySQL's name, for instance `utf8mb4`; `None` where we cannot read it.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Self::Utf8,
            "ascii" => Self::Ascii,
            "swe7" => Self::Swe7,
            "binary" => Self::Binary,
            "ucs2" => Self::Ucs2,
            "utf16" => Self::Utf16,
            "utf16le" => Self::Utf16le,
            "utf32" => Self::Utf32,
            _ => match multi_byte::multi_byte(name) {
                Some(set) => Self::MultiByte(set),
                None => Self::SingleByte(single_byte::upper_half(name)?),
            },
        })
    }

    /// By the number of a collation; `None` where the number or its character set is not known.
    pub fn of_collation(id: u16) -> Option<Self> {
        Self::of_name(Self::name_of_collation(id)?)
    }

    /// The name of a collation's character set.
    pub fn name_of_collation(id: u16) -> Option<&'static str> {
        const UCA1400: [&str; 5] = ["utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"];
        if id >= MARIADB_UCA1400 {
            return UCA1400.get(usize::from((id - MARIADB_UCA1400) >> 8)).copied();
        }
        let id = if id > MARIADB_NOPAD { id - MARIADB_NOPAD } else { id };
        match Collation::resolve(id.into()) {
            Collation { charset, .. } if charset != "unknown" => Some(charset),
            _ => None,
        }
    }

    /// Bytes of this set's longest character, by MySQL's name of the set; `None` where not known.
    pub fn max_len(name: &str) -> Option<u32> {
        Some(match name {
            "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => 4,
            "utf8mb3" | "utf8" | "ujis" | "eucjpms" => 3,
            "ucs2" | "gbk" | "gb2312" | "big5" | "sjis" | "cp932" | "euckr" => 2,
            "ascii" | "binary" | "swe7" => 1,
            _ => single_byte::upper_half(name).map(|_| 1)?,
        })
    }

    /// `bytes` as UTF-8; `None` where some of them are no text of this character set. Borrows where
    /// the bytes are UTF-8 already.
    #[inline]
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => utf8(bytes).map(Cow::Borrowed),
            Self::Ucs2 | Self::Utf16 | Self::Utf16le | Self::Utf32 | Self::Swe7 => {
                self.decode_high(bytes).map(Cow::Owned)
            }
            Self::Ascii | Self::Binary | Self::SingleByte(_) | Self::MultiByte(_) => {
                match utf8(bytes) {
                    Some(text) if text.is_ascii() => Some(Cow::Borrowed(text)),
                    Some(_) | None => self.decode_high(bytes).map(Cow::Owned),
                }
            }
        }
    }

    /// Text that need not be ASCII.
    #[cold]
    fn decode_high(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::SingleByte(table) => decode_single(table, bytes),
            Self::MultiByte(set) => set.decode(bytes),
            Self::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            // UCS-2 has no surrogates: such a unit is no character.
            Self::Ucs2 => halves(bytes)?
                .map(|unit| char::from_u32(u32::from(u16::from_be_bytes(unit))))
                .collect(),
            Self::Utf16 => utf16(halves(bytes)?.map(u16::from_be_bytes)),
            Self::Utf16le => utf16(halves(bytes)?.map(u16::from_le_bytes)),
            Self::Utf32 => {
                let (units, []) = bytes.as_chunks::<4>() else { return None };
                units.iter().map(|&unit| char::from_u32(u32::from_be_bytes(unit))).collect()
            }
            Self::Swe7 => bytes.iter().map(|&byte| swe7(byte)).collect(),
            Self::Ascii | Self::Binary => None,
        }
    }
}

/// Not inlined, so that the text comes back in registers: `from_utf8` leaves it in memory in two parts, and
/// where both are moved on as one, the processor waits for them.
#[inline(never)]
pub(crate) fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// `bytes` two by two; `None` where one is left over.
fn halves(bytes: &[u8]) -> Option<impl Iterator<Item = [u8; 2]>> {
    let (units, []) = bytes.as_chunks::<2>() else { return None };
    Some(units.iter().copied())
}

fn utf16(units: impl Iterator<Item = u16>) -> Option<String> {
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}

fn swe7(byte: u8) -> Option<char> {
    Some(match byte {
        b'@' => 'É',
        b'[' => 'Ä',
        b'\\' => 'Ö',
        b']' => 'Å',
        b'^' => 'Ü',
        b'`' => 'é',
        b'{' => 'ä',
        b'|' => 'ö',
        b'}' => 'å',
        b'~' => 'ü',
        0..0x80 => char::from(byte),
        _ => return None,
    })
}

fn decode_single(table: &UpperHalf, bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        text.push(match byte.checked_sub(0x80) {
            None => char::from(byte),
            Some(at) => match table.get(usize::from(at)) {
                Some(&code) if code != 0 => char::from_u32(u32::from(code))?,
                _ => return None,
            },
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(charset: &str, bytes: &[u8]) -> Option<String> {
        Charset::of_name(charset).unwrap().decode(bytes).map(Cow::into_owned)
    }

    #[test]
    fn text_of_every_family_of_character_sets_becomes_utf8() {
        let cases: &[(&str, &[u8], &str)] = &[
            ("utf8mb4", "蔡😀".as_bytes(), "蔡😀"),
            ("latin1", &[0x80, 0x81, 0xE9], "€\u{81}é"),
            ("latin2", &[0xA1], "Ą"),
            ("swe7", b"a@[\\]^`{|}~", "aÉÄÖÅÜéäöåü"),
            ("cp850", &[0x82], "é"),
            ("koi8r", &[0xC1], "а"),
            ("gbk", &[0xB2, 0xCC], "蔡"),
            ("gb18030", &[0x94, 0x39, 0xFC, 0x36], "😀"),
            ("big5", &[0xBD, 0xB2], "蔡"),
            ("sjis", &[0x8D, 0xC3], "催"),
            ("ujis", &[0xBB, 0xC5, 0x8E, 0xB1, 0x8F, 0xB0, 0xA1, b'a'], "仕ｱ丂a"),
            ("euckr", &[0xB0, 0xA1], "가"),
            ("tis620", &[0xA1, 0xFB], "ก๛"),
            ("ucs2", &[0x85, 0x21, 0, 0x61], "蔡a"),
            ("utf16", &[0xD8, 0x3D, 0xDE, 0x00], "😀"),
            ("utf16le", &[0x3D, 0xD8, 0x00, 0xDE], "😀"),
            ("utf32", &[0, 1, 0xF6, 0], "😀"),
        ];
        for (charset, bytes, expect) in cases {
            assert_eq!(text(charset, bytes).as_deref(), Some(*expect), "{charset}");
        }
    }

    #[test]
    fn where_mysql_maps_otherwise_than_the_encoding_standard_mysql_is_followed() {
        let cases: &[(&str, &[u8], &str)] = &[
            ("sjis", &[0x81, 0x60, b'a', 0xB1], "\u{301C}aｱ"),
            ("cp932", &[0x81, 0x60], "\u{FF5E}"),
            ("ujis", &[0xA1, 0xC1], "\u{301C}"),
            ("eucjpms", &[0xF5, 0xA1, 0x8F, 0xF3, 0xF3], "\u{E000}\u{2170}"),
            ("gb18030", &[0xA3, 0xA0, 0x94, 0x39, 0xFC, 0x36], "\u{E5E5}😀"),
            ("gb2312", &[0xA1, 0xAA], "\u{2015}"),
            ("big5", &[0xC7, 0xCE, 0xA1, 0x5A], "ё\u{2574}"),
        ];
        for (charset, bytes, expect) in cases {
            assert_eq!(text(charset, bytes).as_deref(), Some(*expect), "{charset}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_and_never_replaced() {
        let cases: &[(&str, &[u8])] = &[
            ("utf8mb4", &[0xFF]),
            ("ascii", &[0x80]),
            ("swe7", &[0x80]),
            ("cp1250", &[0x81]),
            ("gbk", &[0xB2]),
            ("sjis", &[0x8D]),
            ("ucs2", &[0xD8, 0x3D]),
            ("ucs2", &[0x85]),
            ("utf16", &[0xD8, 0x3D]),
            ("utf32", &[0, 0x11, 0, 0]),
            ("utf32", &[0, 0, 0x61]),
        ];
        for (charset, bytes) in cases {
            assert_eq!(text(charset, bytes), None, "{charset} {bytes:x?}");
        }
    }

    #[test]
    fn ascii_is_borrowed_in_every_set_that_holds_it() {
        for charset in ["utf8mb4", "ascii", "latin1", "gbk", "sjis", "koi8r"] {
            let charset = Charset::of_name(charset).unwrap();
            assert!(matches!(charset.decode(b"abc"), Some(Cow::Borrowed("abc"))), "{charset:?}");
        }
    }

    #[test]
    fn collation_numbers_of_both_families_name_their_character_set() {
        let cases = [
            (8, Some("latin1")),
            (255, Some("utf8mb4")),
            (33, Some("utf8mb3")),
            (63, Some("binary")),
            (1070, Some("utf8mb4")),
            (2048, Some("utf8mb3")),
            (2304, Some("utf8mb4")),
            (0, None),
            (60_000, None),
        ];
        for (id, name) in cases {
            assert_eq!(Charset::name_of_collation(id), name, "{id}");
        }
    }
}

//! Values of MariaDB's COMPRESSED columns (MariaDB source, `field_comp.cc`): nothing at all for the
//! empty value; else a byte that says how, and after it the value.

use std::borrow::Cow;
use std::io::Read;

use crate::cursor::Cursor;

/// A value cannot be larger than the packet that brought it to the server.
const VALUE_BYTES_MAX: u64 = 1 << 30;

/// The value as it was before compression; `None` where the bytes are damaged.
pub(crate) fn plain(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    const STORED: u8 = 0;
    const ZLIB: u8 = 8;
    /// zlib without its header and checksum (`column_compression_zlib_wrap = OFF`).
    const RAW: u8 = 8;
    let Some((&how, rest)) = bytes.split_first() else { return Some(Cow::Borrowed(bytes)) };
    match how >> 4 {
        STORED => Some(Cow::Borrowed(rest)),
        ZLIB => {
            let mut cursor = Cursor::new(rest);
            let len = cursor.uint_be(usize::from(how & 7)).filter(|&len| len <= VALUE_BYTES_MAX)?;
            if how & RAW == 0 {
                inflate(flate2::read::ZlibDecoder::new(cursor.rest()), len)
            } else {
                inflate(flate2::read::DeflateDecoder::new(cursor.rest()), len)
            }
        }
        _ => None,
    }
}

/// Exactly `len` bytes and then the end.
fn inflate(decoder: impl Read, len: u64) -> Option<Cow<'static, [u8]>> {
    let mut value = Vec::new();
    decoder.take(len + 1).read_to_end(&mut value).ok()?;
    (u64::try_from(value.len()) == Ok(len)).then_some(Cow::Owned(value))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};

    use super::*;

    fn zlib(value: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(value).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_form_of_a_compressed_value_reads_back() {
        let value = b"abc".repeat(100);
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(&value).unwrap();
        let raw = raw.finish().unwrap();
        assert_eq!(plain(b"").as_deref(), Some(&b""[..]));
        assert_eq!(plain(b"\0abc").as_deref(), Some(&b"abc"[..]));
        let wrapped = [&[0x82, 1, 44][..], &zlib(&value)].concat();
        assert_eq!(plain(&wrapped).as_deref(), Some(&value[..]));
        let bare = [&[0x8A, 1, 44][..], &raw].concat();
        assert_eq!(plain(&bare).as_deref(), Some(&value[..]));
    }

    #[test]
    fn a_damaged_compressed_value_is_refused() {
        let value = zlib(b"abcabcabcabc");
        for damaged in [
            [&[0x81, 11][..], &value].concat(),
            [&[0x81, 13][..], &value].concat(),
            [&[0x81, 12][..], &value[..value.len() - 1]].concat(),
            [&[0x10, 12][..], &value].concat(),
            [&[0x84, 0xFF, 0xFF, 0xFF, 0xFF][..], &value].concat(),
            vec![0x82, 1],
        ] {
            assert_eq!(plain(&damaged), None, "{damaged:x?}");
        }
    }
}

//! MariaDB's compressed events (`log_bin_compress`): the tail of a query or rows event under zlib.

use std::io::Read;

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::error::DecodeError;

/// How much larger than its compressed form a text is expected to be; only a first guess for the
/// buffer, which grows with what really comes.
const FIRST_GUESS: usize = 4;

/// Unpacks `bytes`: one byte of flags, the unpacked size (big endian), a zlib stream (MariaDB
/// source, `binlog_buf_uncompress`).
pub(super) fn unpack(event: &'static str, bytes: &[u8]) -> Result<Bytes, DecodeError> {
    let malformed = |reason: &str| DecodeError::malformed(event, reason);
    let mut cursor = Cursor::new(bytes);
    let flags = cursor.u8().ok_or_else(|| malformed("its compressed part is empty"))?;
    let size_len = usize::from(flags & 0x07);
    if flags & 0xF8 != 0x80 || !(1..=4).contains(&size_len) {
        return Err(malformed("its compression is of an unknown kind"));
    }
    let size = cursor.uint_be(size_len).ok_or_else(|| malformed("its unpacked size is cut"))?;
    let guess = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len() * FIRST_GUESS);
    let mut out = Vec::with_capacity(guess);
    flate2::read::ZlibDecoder::new(cursor.rest())
        .take(size + 1)
        .read_to_end(&mut out)
        .map_err(|error| DecodeError::malformed(event, format!("it does not unpack: {error}")))?;
    match u64::try_from(out.len()) {
        Ok(len) if len == size => Ok(out.into()),
        Ok(len) if len < size => Err(malformed("it unpacks to less than it says")),
        _ => Err(DecodeError::TooLarge { event, limit: size }),
    }
}

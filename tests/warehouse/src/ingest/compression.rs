//! Bodies that come compressed.

use std::io::{self, Read as _};

/// How a body was made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Deflate,
    /// StarRocks only.
    Zstd,
    /// Frames, not blocks.
    Lz4,
}

impl Compression {
    /// The whole of it, up to `max` bytes, so that a small body cannot fill the memory.
    ///
    /// # Errors
    /// What is not compressed like this, is cut off, or is longer than `max`.
    pub fn decompress(self, body: &[u8], max: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let limit = max.saturating_add(1);
        match self {
            Self::Gzip => {
                flate2::read::MultiGzDecoder::new(body).take(limit).read_to_end(&mut out)?
            }
            Self::Deflate => {
                flate2::read::ZlibDecoder::new(body).take(limit).read_to_end(&mut out)?
            }
            Self::Zstd => zstd::Decoder::new(body)?.take(limit).read_to_end(&mut out)?,
            Self::Lz4 => {
                lz4_flex::frame::FrameDecoder::new(body).take(limit).read_to_end(&mut out)?
            }
        };
        if u64::try_from(out.len()).unwrap_or(u64::MAX) > max {
            let text = format!("the body is longer than {max} bytes when it is decompressed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(compression: Compression, text: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Deflate => {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(text, 1).unwrap(),
            Compression::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    const ALL: [Compression; 4] =
        [Compression::Gzip, Compression::Deflate, Compression::Zstd, Compression::Lz4];

    #[test]
    fn a_body_comes_out_as_it_went_in_and_no_longer_than_the_limit() {
        for compression in ALL {
            let body = packed(compression, b"1,a\n2,b\n");
            assert_eq!(compression.decompress(&body, 8).unwrap(), b"1,a\n2,b\n");
            assert!(compression.decompress(&body, 7).is_err(), "{compression:?} over the limit");
        }
    }

    #[test]
    fn what_is_not_compressed_like_this_or_cut_off_is_refused() {
        for compression in ALL {
            assert!(compression.decompress(b"1,a\n2,b\n", 100).is_err(), "{compression:?}");
            let body = packed(compression, &[b'x'; 1_000]);
            let cut = &body[..body.len() / 2];
            assert!(compression.decompress(cut, 10_000).is_err(), "{compression:?} cut off");
        }
    }
}

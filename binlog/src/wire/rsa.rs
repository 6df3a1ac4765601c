//! A password for a server without TLS, sealed with the server's own public key.
//!
//! `mysql_common` seals, and panics on a key that is none. So the key is taken apart here first, and
//! handed on in a form that cannot fail there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cursor::Cursor;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// No server has a key as long as this.
const KEY_BYTES_MAX: usize = 16 << 10;
/// Bytes of a block that the padding takes (PKCS #1 v2, OAEP with SHA-1).
const PADDING: usize = 42;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;

/// `secret` as only the owner of `key`, in PEM, can read it; `None` where that is no RSA key, or one
/// too short.
pub(super) fn seal(secret: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(key).ok().filter(|text| text.len() <= KEY_BYTES_MAX)?;
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(body).ok()?;
    // As `mysql_common` counts it: one byte short, where the highest bit of the modulus is alone.
    let block = (modulus_bits(&der)? + 6) / 8;
    if secret.len() + PADDING > block {
        return None;
    }
    let pem = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(&der));
    Some(mysql_common::crypto::encrypt(secret, pem.as_bytes()))
}

/// Bits of the modulus of a key in DER: an algorithm, and in a bit string the modulus and the exponent
/// (RFC 5280, `SubjectPublicKeyInfo`; RFC 8017, `RSAPublicKey`).
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let mut info = Cursor::new(element(&mut Cursor::new(der), SEQUENCE)?);
    element(&mut info, SEQUENCE)?;
    let (unused_bits, key) = element(&mut info, BIT_STRING)?.split_first()?;
    if *unused_bits != 0 {
        return None;
    }
    let mut key = Cursor::new(element(&mut Cursor::new(key), SEQUENCE)?);
    let modulus = element(&mut key, INTEGER)?;
    element(&mut key, INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let (first, rest) = modulus.get(zeros..)?.split_first()?;
    Some(8 - usize::try_from(first.leading_zeros()).ok()? + rest.len() * 8)
}

/// The content of the element that comes next, which must be of this kind and not empty.
fn element<'a>(from: &mut Cursor<'a>, kind: u8) -> Option<&'a [u8]> {
    from.u8().filter(|found| *found == kind)?;
    let first = from.u8()?;
    let len = match first {
        0..=0x7f => u64::from(first),
        // So many bytes of length follow. None at all would mean that it is not known.
        0x81..=0x84 => from.uint_be(usize::from(first & 0x7f))?,
        _ => return None,
    };
    from.take(usize::try_from(len).ok()?).filter(|content| !content.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxSKOcxiet8lLMn8ImyUE
bGGKob5EdRz/4wdiw12ED0GfKKTKhVnodFCfm1mdy7bKOX5QxL9skrvYodpW43eR
R5bfOzIgy1qIB8RYb6qOXRBw1oA4snBDqtUjDv/lbHLJN+IbzM4oU+e3Lt9rXyLX
VY289ewONPweXHqSCnTL91w+wkU1peIFV2QhZ+upUCdCtwOn5hnJPNgxtbklFoya
C8W3Z7Xx7He2QDJsEWAqX197efw0L6j8X8Tyd8Uwb7zUB1tfMGhHfm9EwejPAtzx
4GztQNtNMtGS2oGZLQBLV9hib4dDL92iiZeckg2LAf4GsJofLLR8mcHCRoqVbQJ1
YQIDAQAB
-----END PUBLIC KEY-----
";

    #[test]
    fn a_secret_is_sealed_to_a_block_of_the_key_and_never_twice_alike() {
        let one = seal(b"p w\0", KEY).unwrap();
        assert_eq!(one.len(), 256);
        assert_ne!(one, seal(b"p w\0", KEY).unwrap());
    }

    #[test]
    fn a_secret_longer_than_the_key_allows_and_a_key_that_is_none_are_refused() {
        assert!(seal(&[1; 256 - PADDING], KEY).is_some());
        assert!(seal(&[1; 256 - PADDING + 1], KEY).is_none());
        assert!(seal(b"x", b"").is_none());
        assert!(seal(b"x", &KEY[..KEY.len() - 60]).is_none());
    }

    proptest! {
        #[test]
        fn a_damaged_key_is_refused_or_used_and_never_a_panic(
            at in 0_usize..290, to: u8, cut in 0_usize..300,
        ) {
            let text = std::str::from_utf8(KEY).unwrap();
            let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = STANDARD.decode(body).unwrap();
            der[at] = to;
            der.truncate(cut.max(at + 1));
            let pem = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(&der));
            let _ = seal(b"p w\0", pem.as_bytes());
        }
    }
}

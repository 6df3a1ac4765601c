//! MariaDB's UUID, INET4 and INET6: fixed bytes whose text is what a SELECT shows.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FixedKind {
    Uuid,
    Inet4,
    Inet6,
}

impl FixedKind {
    /// By the declared type, for instance `uuid`.
    pub(crate) fn of_declared(declared: &str) -> Option<Self> {
        let word = declared.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        [("uuid", Self::Uuid), ("inet4", Self::Inet4), ("inet6", Self::Inet6)]
            .into_iter()
            .find_map(|(name, kind)| word.eq_ignore_ascii_case(name).then_some(kind))
    }

    pub(crate) fn len(self) -> u32 {
        match self {
            Self::Inet4 => 4,
            Self::Uuid | Self::Inet6 => 16,
        }
    }

    /// The text of `bytes`, from which the binlog cuts zeros at the end; `None` for too many bytes.
    pub(crate) fn text(self, bytes: &[u8]) -> Option<String> {
        Some(match self {
            Self::Uuid => Uuid::from_bytes(uuid_order(padded(bytes)?)).to_string(),
            Self::Inet4 => Ipv4Addr::from(padded::<4>(bytes)?).to_string(),
            Self::Inet6 => inet6(padded(bytes)?),
        })
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut whole = [0; N];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(whole)
}

/// BINARY(n): `bytes` with the zeros that the binlog cuts; `None` for too many bytes.
#[inline]
pub(crate) fn pad(bytes: &[u8], len: usize) -> Option<Cow<'_, [u8]>> {
    if bytes.len() == len {
        return Some(Cow::Borrowed(bytes));
    }
    if bytes.len() > len {
        return None;
    }
    let mut whole = Vec::with_capacity(len);
    whole.extend_from_slice(bytes);
    whole.resize(len, 0);
    Some(Cow::Owned(whole))
}

/// The usual order of a UUID's bytes. MariaDB stores time-based ones with their parts reversed, and
/// tells by the bits that are version and variant in one order or the other (MariaDB source,
/// `sql_type_uuid.h`).
fn uuid_order(stored: [u8; 16]) -> [u8; 16] {
    let [n0, n1, n2, n3, n4, n5, s0, s1, h0, h1, m0, m1, l0, l1, l2, l3] = stored;
    let version_like = i32::from(h0.cast_signed());
    let variant_like = i32::from(s0.cast_signed());
    if variant_like & -version_like & 0x80 == 0 {
        return stored;
    }
    [l0, l1, l2, l3, m0, m1, h0, h1, s0, s1, n0, n1, n2, n3, n4, n5]
}

/// As the server prints it (MariaDB source, `inet6.cc`): the first of the longest runs of zeros is
/// left out, even a run of one, which RFC 5952 prints; an address that uses the last four bytes
/// alone, or after `ffff`, shows them as IPv4.
fn inet6(bytes: [u8; 16]) -> String {
    let words = Ipv6Addr::from(bytes).segments();
    let mut gap = 0..0;
    let mut at = 0;
    for run in words.chunk_by(|a, b| *a == 0 && *b == 0) {
        if run.first() == Some(&0) && run.len() > gap.len() {
            gap = at..at + run.len();
        }
        at += run.len();
    }
    let ipv4 = match words {
        [0, 0, 0, 0, 0, 0, high, _] => high != 0,
        [0, 0, 0, 0, 0, 0xFFFF, ..] => true,
        _ => false,
    };
    let shown = if ipv4 { 6 } else { 8 };
    let mut text = String::with_capacity(45);
    for (at, word) in words.iter().enumerate().take(shown) {
        if at == gap.start && !gap.is_empty() {
            text.push_str("::");
        }
        if !gap.contains(&at) {
            if !text.is_empty() && !text.ends_with(':') {
                text.push(':');
            }
            text.push_str(&format!("{word:x}"));
        }
    }
    if ipv4 {
        let [.., a, b, c, d] = bytes;
        let colon = if text.ends_with(':') { "" } else { ":" };
        text.push_str(&format!("{colon}{}", Ipv4Addr::new(a, b, c, d)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_binary_gets_its_zeros_back_and_a_whole_one_is_borrowed() {
        assert!(matches!(pad(b"ab", 2), Some(Cow::Borrowed(b"ab"))));
        assert_eq!(pad(b"a", 3).as_deref(), Some(&b"a\0\0"[..]));
        assert_eq!(pad(b"abc", 2), None);
    }

    #[test]
    fn addresses_print_with_their_cut_zeros() {
        assert_eq!(FixedKind::Inet4.text(&[10, 1]).as_deref(), Some("10.1.0.0"));
        assert_eq!(FixedKind::Inet6.text(&[0x20, 1, 0x0d, 0xb8]).as_deref(), Some("2001:db8::"));
        assert_eq!(FixedKind::Inet4.text(&[1, 2, 3, 4, 5]), None);
    }

    #[test]
    fn addresses_of_ipv6_print_as_the_server_prints_them() {
        // `CAST(x AS INET6)` of MariaDB 10.11.
        for (address, expect) in [
            (0, "::"),
            (1, "::1"),
            (0xC000_0280, "::192.0.2.128"),
            (0xFFFF_C000_0280, "::ffff:192.0.2.128"),
            (0x0001_C000_0001_0001_ABCD_0001_C000_0000, "1:c000:1:1:abcd:1:c000::"),
            (0x0000_0001_0000_C000_0001_0001_FFFF_C000, "::1:0:c000:1:1:ffff:c000"),
            (0xFFFF_0001_FFFF_C000_0000_0001_0000_ABCD, "ffff:1:ffff:c000::1:0:abcd"),
            (0x0001_0000_0002_0000_0000_0000_0003_0004, "1:0:2::3:4"),
        ] {
            assert_eq!(inet6(u128::to_be_bytes(address)), expect);
        }
    }
}

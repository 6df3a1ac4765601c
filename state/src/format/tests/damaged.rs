//! Bytes that are no whole snapshot: what is said of them, and that nothing panics.

use super::*;

fn what_is_damaged(bytes: &[u8]) -> String {
    match decode(bytes, PLACE) {
        Err(StoreError::Damaged { what, store, job, id }) => {
            assert_eq!((store.as_str(), job.as_str(), id.as_str()), ("memory", PLACE.job, "7"));
            what
        }
        other => panic!("expected damage, got {other:?}"),
    }
}

/// Makes the checksums right again after a change, so that what lies behind them is reached.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A frame around these sections, whole and valid, whatever they hold.
fn framed(sections: &[(&str, &str)]) -> Vec<u8> {
    let sections: Vec<_> =
        sections.iter().map(|(tag, json)| (*tag, json.as_bytes().to_vec())).collect();
    frame::write(&sections).unwrap()
}

#[test]
fn every_flipped_bit_is_detected() {
    let bytes = encode(&version_1()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            what_is_damaged(&flipped);
        }
    }
}

#[test]
fn every_truncation_is_detected() {
    let bytes = encode(&version_1()).unwrap();
    for len in 0..bytes.len() {
        what_is_damaged(&bytes[..len]);
    }
    what_is_damaged(&[bytes.as_slice(), b"\n"].concat());
}

#[test]
fn a_foreign_file_is_told_from_a_torn_one() {
    let bytes = encode(&version_1()).unwrap();
    assert_eq!(what_is_damaged(b""), "it is empty");
    assert_eq!(what_is_damaged(b"SELECT 1;"), "it is not a Seachange snapshot");
    let torn = format!("it has {} bytes where {} were written", bytes.len() - 9, bytes.len());
    assert_eq!(what_is_damaged(&bytes[..bytes.len() - 9]), torn);
    let text_mode: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'\r').collect();
    assert_eq!(what_is_damaged(&text_mode), "it is not a Seachange snapshot");
}

#[test]
fn a_newer_format_is_refused_with_the_version_that_reads_it() {
    let mut bytes = encode(&version_1()).unwrap();
    bytes[16] = 2;
    match decode(&resealed(bytes), PLACE) {
        Err(error @ StoreError::Newer { .. }) => {
            let text = error.to_string();
            assert!(text.contains("format 2"), "{text}");
            assert!(text.contains("use Seachange 0.1.0 or newer"), "{text}");
        }
        other => panic!("expected a newer format, got {other:?}"),
    }
}

#[test]
fn only_an_optional_section_may_be_unknown() {
    let mut bytes = framed(&[("later", "{}")]);
    assert_eq!(what_is_damaged(&bytes), "section `later` is unknown");
    // The flags stand right behind the tag.
    let at = bytes.windows(5).position(|w| w == b"later").unwrap() + 5;
    bytes[at] = 2;
    assert_eq!(what_is_damaged(&resealed(bytes.clone())), "section `header` is missing");
    bytes[at] = 4;
    assert_eq!(what_is_damaged(&resealed(bytes)), "section `later` has unknown flags 4");
}

#[test]
fn a_damaged_section_is_named() {
    let mut bytes = framed(&[("header", "{}"), ("position", "{}")]);
    let at = bytes.windows(8).position(|w| w == b"position").unwrap();
    let end = bytes.len() - 5;
    assert!(end > at);
    bytes[end] ^= 1;
    let what = what_is_damaged(&resealed(bytes));
    assert_eq!(what, "the checksum of section `position` does not match");
    let twice = framed(&[("header", "{}"), ("header", "{}")]);
    assert_eq!(what_is_damaged(&twice), "section `header` is there twice");
    let no_json = framed(&[("header", "{\"job\": 1}")]);
    assert!(what_is_damaged(&no_json).starts_with("section `header`: "));
}

#[test]
fn a_section_that_claims_to_unpack_to_gigabytes_is_refused_unread() {
    let large = "x".repeat(100_000);
    let mut bytes = framed(&[("header", &large)]);
    let at = bytes.windows(6).position(|w| w == b"header").unwrap() + 6;
    // What no writer may pack stays plain; a packed one claims more than it can hold.
    let stored = u64::from_le_bytes(bytes[at + 9..at + 17].try_into().unwrap());
    assert!(bytes[at] & 1 == 0 || 100_000 <= stored * 1024);
    bytes[at] = 1;
    bytes[at + 1..at + 9].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    let what = what_is_damaged(&resealed(bytes));
    assert_eq!(what, "section `header` claims to unpack to more than any writer packs");
}

#[test]
fn a_small_file_cannot_ask_for_endless_columns() {
    let column = r#"{"name":"c","ty":"json","declared":"json","nullable":true}"#;
    let columns = vec![column; 4096].join(",");
    let schemas = format!(r#"{{"a":{{"columns":[{columns}],"key":[],"key_index":""}}}}"#);
    let table = |n: usize| format!(r#"{{"db":"d","table":"{n}","schema":"a","phase":"live"}}"#);
    let tables = (0..1000).map(table).collect::<Vec<_>>().join(",");
    let good = encode(&version_1()).unwrap();
    let good = frame::read(&good).ok().unwrap();
    let text = |tag: &str| String::from_utf8(good[tag].to_vec()).unwrap();
    let bytes = framed(&[
        ("header", &text("header")),
        ("position", &text("position")),
        ("tables", &format!("[{tables}]")),
        ("schemas", &schemas),
        ("sinks", "{}"),
    ]);
    assert!(bytes.len() < 512 * 1024, "{} bytes", bytes.len());
    assert_eq!(what_is_damaged(&bytes), "its tables have more than 4000000 columns");
}

#[test]
fn a_reader_that_knows_of_no_quarantine_refuses_the_snapshot() {
    let bytes = encode(&with_quarantine()).unwrap();
    let at = bytes.windows(10).position(|w| w == b"quarantine").unwrap();
    let mut renamed = bytes;
    renamed[at..at + 10].copy_from_slice(b"quarantinf");
    assert_eq!(what_is_damaged(&resealed(renamed)), "section `quarantinf` is unknown");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes, PLACE).is_err());
    }

    /// Behind right checksums anything may stand; it may decode, but never panic.
    #[test]
    fn no_sealed_bytes_panic(flips in prop::collection::vec((20_usize..4000, any::<u8>()), 1..4)) {
        let mut bytes = encode(&version_1()).unwrap();
        for (at, to) in flips {
            let at = 16 + at % (bytes.len() - 20);
            bytes[at] = to;
        }
        let _either = decode(&resealed(bytes), PLACE);
    }
}

use super::*;

/// A whole event with its checksum.
fn event(event_type: u8, flags: u16, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(HEADER_LEN + body.len() + CHECKSUM_LEN).unwrap();
    let header =
        EventHeader { timestamp: 1, event_type, server_id: 2, event_size: size, log_pos: 4, flags };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

#[test]
fn an_event_is_cut_into_header_and_body() {
    let raw = RawEvent::parse(event(kind::XID, 0x20, b"12345678").into(), Checksum::Crc32).unwrap();
    assert_eq!(&raw.body[..], b"12345678");
    assert!(raw.header.is_artificial() && !raw.header.is_ignorable());
    assert_eq!((raw.header.timestamp, raw.header.server_id, raw.header.log_pos), (1, 2, 4));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = event(kind::XID, 0, b"12345678");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(RawEvent::parse(damaged.into(), Checksum::Crc32).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_is_found() {
    let bytes = event(kind::XID, 0, b"12345678");
    for len in 0..bytes.len() {
        let cut = RawEvent::parse(bytes[..len].to_vec().into(), Checksum::Crc32);
        assert!(matches!(cut, Err(DecodeError::Length { .. })), "{len}");
    }
}

#[test]
fn a_format_description_is_checked_as_if_its_file_were_closed() {
    let mut bytes = event(kind::FORMAT_DESCRIPTION, 0, b"body");
    bytes[17] |= 1;
    assert!(RawEvent::parse(bytes.clone().into(), Checksum::None).is_ok());
    bytes[20] ^= 1;
    let damaged = RawEvent::parse(bytes.into(), Checksum::None);
    assert!(matches!(damaged, Err(DecodeError::Checksum { event_type: 15, .. })), "{damaged:?}");
}

#[test]
fn a_format_description_changed_by_the_server_counts_where_its_file_has_no_checksums() {
    let mut bytes = event(kind::FORMAT_DESCRIPTION, 0, b"body\0");
    let place = 13..17;
    assert!(bytes[place.clone()].iter().any(|byte| *byte != 0), "it has a place in its file");
    bytes[1] ^= 1;
    assert!(RawEvent::parse(bytes.clone().into(), Checksum::None).is_err(), "damaged in its file");
    bytes[place].fill(0);
    assert!(RawEvent::parse(bytes.clone().into(), Checksum::None).is_ok());
    let algorithm = bytes.len() - 5;
    bytes[algorithm] = 1;
    assert!(RawEvent::parse(bytes.into(), Checksum::None).is_err(), "that one is counted anew");
}

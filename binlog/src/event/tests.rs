use bytes::Bytes;

use super::*;
use crate::packet::{EventHeader, HEADER_LEN};

fn raw(event_type: u8, flags: u16, body: &[u8]) -> RawEvent {
    let event_size = u32::try_from(HEADER_LEN + body.len()).unwrap();
    let header = EventHeader { event_type, flags, event_size, log_pos: 77, ..Default::default() };
    RawEvent::from_parts(header, Bytes::copy_from_slice(body)).unwrap()
}

fn decode(event_type: u8, body: &[u8]) -> Result<Event, DecodeError> {
    Event::decode(&raw(event_type, 0, body), &FormatDescription::initial(Flavor::MySql))
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn the_rotation_that_opens_a_stream_loses_its_checksum_and_no_other_does() {
    let body = [&4u64.to_le_bytes()[..], b"binlog.000002"].concat();
    let rotate = |body: &[u8]| match decode(kind::ROTATE, body) {
        Ok(Event::Rotate(rotate)) => format!("{}:{}", rotate.file, rotate.offset),
        other => panic!("{other:?}"),
    };
    assert_eq!(rotate(&body), "binlog.000002:4");
    // A checksum that no name can end in.
    assert_eq!(rotate(&[&body[..], &[0xFF, 0, 0x80, 1]].concat()), "binlog.000002:4");
    // A checksum of four digits, which could be part of the name: it is cut where it is right.
    let digits = *b"1234";
    let mut event = raw(kind::ROTATE, 0x20, &[&body[..], &digits].concat());
    let collision = (0..u32::MAX).find(|&n| {
        event.header.server_id = n;
        event.header.checksum(&body).to_le_bytes().iter().all(u8::is_ascii_digit)
    });
    event.header.server_id = collision.unwrap();
    let crc = event.header.checksum(&body).to_le_bytes();
    event.body = [&body[..], &crc].concat().into();
    let format = FormatDescription::initial(Flavor::MariaDb);
    let Ok(Event::Rotate(rotate)) = Event::decode(&event, &format) else { panic!() };
    assert_eq!(&**rotate.file.name(), "binlog.000002");
    assert!(decode(kind::ROTATE, &[&4u64.to_le_bytes()[..], b"nonsense"].concat()).is_err());
}

#[test]
fn heartbeats_of_both_kinds_tell_the_place() {
    let expect =
        |offset| Ok(Event::Heartbeat(Heartbeat { file: "binlog.000001".to_owned(), offset }));
    assert_eq!(decode(kind::HEARTBEAT, b"binlog.000001"), expect(77));
    let mut body = vec![1, 13];
    body.extend_from_slice(b"binlog.000001");
    body.extend_from_slice(&[2, 9, 254]);
    body.extend_from_slice(&5_000_000_000u64.to_le_bytes());
    body.push(0);
    assert_eq!(decode(kind::HEARTBEAT_V2, &body), expect(5_000_000_000));
    assert!(decode(kind::HEARTBEAT_V2, &[2, 1, 4, 0]).is_err());
}

#[test]
fn previous_gtids_are_read_with_and_without_tags() {
    // From a MySQL 9.7 server, after one tagged transaction.
    let tagged = hex("0102000000000001\
         94600f23e67611f1b55702fc00000001000100000000000000\
         0100000000000000d300000000000000\
         94600f23e67611f1b55702fc000000010a7461675f310100000000000000\
         01000000000000000200000000000000");
    let Ok(Event::PreviousGtids(set)) = decode(kind::PREVIOUS_GTIDS, &tagged) else { panic!() };
    let server = "94600f23-e676-11f1-b557-02fc00000001";
    assert_eq!(set.to_string(), format!("{server}:1-210,{server}:tag_1:1"));
    for cut in 8..tagged.len() {
        assert!(decode(kind::PREVIOUS_GTIDS, &tagged[..cut]).is_err(), "{cut}");
    }
    assert_eq!(
        decode(kind::PREVIOUS_GTIDS, &0u64.to_le_bytes()),
        Ok(Event::PreviousGtids(GtidSet::default()))
    );
    assert!(decode(kind::PREVIOUS_GTIDS, &hex("0000000000000002")).is_err(), "unknown format");
}

#[test]
fn an_incident_is_told_even_when_its_message_is_damaged() {
    let incident = |body: &[u8]| match decode(kind::INCIDENT, body) {
        Ok(Event::Incident(Incident { kind, message })) => (kind, message),
        other => panic!("{other:?}"),
    };
    assert_eq!(incident(&[1, 0, 3, b'a', b'b', b'c']), (1, "abc".to_owned()));
    assert_eq!(incident(&[1, 0, 9, b'a']), (1, "a".to_owned()));
    assert_eq!(incident(&[1, 0]), (1, String::new()));
}

#[test]
fn an_event_of_unknown_type_is_passed_over_only_if_its_writer_allows_it() {
    let format = FormatDescription::initial(Flavor::MySql);
    let of = |event_type, flags| Event::decode(&raw(event_type, flags, b"?"), &format).unwrap();
    assert_eq!(of(99, 0), Event::Unsupported(99));
    assert_eq!(of(99, 0x80), Event::Ignorable(99));
    assert_eq!(of(kind::MARIA_BINLOG_CHECKPOINT, 0), Event::Ignorable(161));
    // START_ENCRYPTION and PARTIAL_ROW_DATA: without them the rest cannot be read.
    assert_eq!(of(164, 0), Event::Unsupported(164));
    assert_eq!(of(172, 0), Event::Unsupported(172));
}

#[test]
fn a_statement_is_read_in_the_character_set_of_its_client_or_marked() {
    let query = |charset: u16, sql: &[u8]| {
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 7, 0, 4];
        body.extend_from_slice(&charset.to_le_bytes());
        body.extend_from_slice(&[8, 0, 8, 0]);
        body.extend_from_slice(b"db\0");
        body.extend_from_slice(sql);
        match decode(kind::QUERY, &body) {
            Ok(Event::Query(query)) => (query.sql, query.sql_exact, query.db),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(query(8, b"caf\xe9"), ("café".to_owned(), true, "db".to_owned()));
    assert_eq!(query(28, b"\xb2\xcc"), ("蔡".to_owned(), true, "db".to_owned()));
    assert_eq!(query(45, "蔡".as_bytes()), ("蔡".to_owned(), true, "db".to_owned()));
    let (sql, exact, _) = query(45, b"a\xff");
    assert_eq!((sql.as_str(), exact), ("a\u{FFFD}", false));
}

#[test]
fn a_load_that_is_logged_as_a_statement_is_read_as_one() {
    let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    body.extend_from_slice(&[9; 13]);
    body.extend_from_slice(b"d\0LOAD DATA INFILE 'x' INTO TABLE t");
    let Ok(Event::Query(query)) = decode(kind::EXECUTE_LOAD_QUERY, &body) else { panic!() };
    assert_eq!((&*query.db, &*query.sql), ("d", "LOAD DATA INFILE 'x' INTO TABLE t"));
    // Its file; and LOAD as servers before 5.0 logged it.
    assert_eq!(decode(kind::BEGIN_LOAD_QUERY, b"?"), Ok(Event::Ignorable(17)));
    assert_eq!(decode(6, b"?"), Ok(Event::Unsupported(6)));
}

#[test]
fn a_compressed_event_that_unpacks_to_another_size_than_it_says_is_refused() {
    use std::io::Write;
    let pack = |text: &[u8], size: u32| {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(text).unwrap();
        let mut bytes = vec![0x84];
        bytes.extend_from_slice(&size.to_be_bytes());
        bytes.extend_from_slice(&zlib.finish().unwrap());
        compressed::unpack("query", &bytes)
    };
    assert_eq!(pack(b"SELECT 1", 8).unwrap(), "SELECT 1");
    assert!(pack(b"SELECT 1", u32::MAX).is_err());
    assert!(matches!(pack(&[0; 100_000], 10), Err(DecodeError::TooLarge { limit: 10, .. })));
}

#[test]
fn a_compressed_transaction_stops_at_its_limit_and_at_damage() {
    let payload = crate::fixtures::raw_events("mysql9")
        .into_iter()
        .find(|raw| raw.header.event_type == kind::TRANSACTION_PAYLOAD)
        .unwrap();
    let format = FormatDescription::initial(Flavor::MySql);
    let Ok(Event::TransactionPayload(payload)) = Event::decode(&payload, &format) else { panic!() };
    let size = payload.uncompressed_size;
    let unpack = |limit| payload.events(limit).unwrap().collect::<Result<Vec<_>, _>>();
    assert_eq!(unpack(size).unwrap().len(), 6);
    let error = unpack(size - 1).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { event: "transaction payload", limit: size - 1 });
}

#[test]
fn every_cut_of_every_captured_event_is_an_error_or_a_shorter_event_and_never_a_panic() {
    for kind in crate::fixtures::KINDS {
        let mut format = FormatDescription::initial(Flavor::MySql);
        for raw in crate::fixtures::raw_events(kind) {
            for cut in 0..raw.body.len().min(600) {
                let body = raw.body.slice(..cut);
                let event_size = u32::try_from(HEADER_LEN + cut).unwrap();
                let header = EventHeader { event_size, ..raw.header };
                let cut = RawEvent::from_parts(header, body).unwrap();
                drop(Event::decode(&cut, &format));
            }
            if let Ok(Event::FormatDescription(new)) = Event::decode(&raw, &format) {
                format = new;
            }
        }
    }
}

//! A dump from a server that is a thread here: what it sends, and what becomes of it.

use std::io::Write;
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;
use crate::packet::EventHeader;
use crate::server::Tls;
use crate::wire::scripted::{END, OK, log_in, receive, send};

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const COM_QUERY: u8 = 0x03;
const COM_BINLOG_DUMP: u8 = 0x12;

/// Serves one connection: the dump is these bytes, and then the socket is closed, or left open until
/// the client closes it.
fn server(dump: Vec<u8>, then_close: bool) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        if log_in(&mut socket).is_none() {
            return;
        }
        while let Some((_, command)) = receive(&mut socket) {
            match command[0] {
                COM_QUERY if command[1..].starts_with(b"SELECT") => {
                    let row = [&[u8::try_from(UUID.len()).unwrap()], UUID.as_bytes()].concat();
                    let answer = [&[1][..], b"the column", END, &row, END];
                    for (number, packet) in (1..).zip(answer) {
                        send(&mut socket, number, packet);
                    }
                }
                COM_BINLOG_DUMP => {
                    socket.write_all(&dump).unwrap();
                    if then_close {
                        return;
                    }
                }
                _ => send(&mut socket, 1, OK),
            }
        }
    });
    (port, thread)
}

/// Opens a dump of one that sends these bytes.
async fn dump_of(bytes: Vec<u8>, then_close: bool, uuid: &str) -> Result<Dump, BinlogError> {
    let (port, _thread) = server(bytes, then_close);
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let variables = [("version", "9.7.0"), ("server_id", "1"), ("server_uuid", uuid)];
    let known = Server::from_variables(variables.map(own).into_iter().collect()).unwrap();
    let options = SourceOptions {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::Disabled,
        ..SourceOptions::default()
    };
    Dump::open(&options, &known, &Start::Oldest, Blocking::WaitForMore).await
}

fn event(event_type: u8, log_pos: u32, body: &[u8], checksum: bool) -> Vec<u8> {
    let len = crate::packet::HEADER_LEN + body.len() + if checksum { 4 } else { 0 };
    let event_size = u32::try_from(len).unwrap();
    let header = EventHeader { event_type, event_size, log_pos, ..EventHeader::default() };
    let mut bytes = [&header.to_bytes()[..], body].concat();
    if checksum {
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    }
    bytes
}

/// The head of a file whose events have checksums, or none.
fn description(checksums: bool) -> Vec<u8> {
    let mut body = vec![4, 0];
    body.extend_from_slice(&[0; 50]);
    body.extend_from_slice(&[0, 0, 0, 0, 19]);
    body.extend_from_slice(&[8; 42]);
    body.push(u8::from(checksums));
    event(kind::FORMAT_DESCRIPTION, 126, &body, true)
}

fn packets<'p>(payloads: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, payload) in (1_u8..).zip(payloads) {
        let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
        bytes.extend_from_slice(&[len[0], len[1], len[2], number]);
        bytes.extend_from_slice(payload);
    }
    bytes
}

fn events(events: &[Vec<u8>]) -> Vec<Vec<u8>> {
    events.iter().map(|event| [&[0], &event[..]].concat()).collect()
}

/// What comes of a dump that sends these events, and then its end.
async fn comes(sent: &[Vec<u8>]) -> Result<Vec<u8>, Broken> {
    let payloads = [events(sent), vec![vec![0xfe, 0, 0, 2, 0]]].concat();
    let bytes = packets(payloads.iter().map(|p| &p[..]));
    let mut dump = dump_of(bytes, false, UUID).await.unwrap();
    let mut kinds = Vec::new();
    while let Some(event) = dump.next().await? {
        assert!(!event.inner);
        kinds.push(event.raw.header.event_type);
    }
    assert!(dump.next().await?.is_none(), "it stays at its end");
    Ok(kinds)
}

#[tokio::test]
async fn events_come_in_their_order_with_and_without_checksums() {
    let sent = [
        event(kind::ROTATE, 0, b"12345678binlog.000001", false),
        description(true),
        event(kind::XID, 200, b"12345678", true),
        description(false),
        event(kind::XID, 200, b"12345678", false),
    ];
    let kinds = comes(&sent).await.unwrap();
    let description = kind::FORMAT_DESCRIPTION;
    assert_eq!(kinds, [kind::ROTATE, description, kind::XID, description, kind::XID]);
}

#[tokio::test]
async fn a_damaged_event_is_an_error() {
    let whole = event(kind::XID, 200, b"12345678", true);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        let come = comes(&[description(true), damaged]).await;
        assert!(matches!(come, Err(Broken::Decode(_))), "byte {at}: {come:?}");
    }
    for len in 0..whole.len() {
        let come = comes(&[description(true), whole[..len].to_vec()]).await;
        assert!(matches!(come, Err(Broken::Decode(_))), "{len} bytes: {come:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let bytes = packets([&b"\xff\xd4\x04#HY000Could not find first log file name"[..]]);
    let mut dump = dump_of(bytes, false, UUID).await.unwrap();
    let Err(Broken::Refused(refused)) = dump.next().await else { panic!() };
    assert_eq!((refused.code, &*refused.state), (1236, "HY000"));
    assert_eq!(refused.message, "Could not find first log file name");
}

#[tokio::test]
async fn a_connection_closed_inside_an_event_is_lost_and_not_malformed() {
    let whole = packets(events(&[description(true)]).iter().map(|p| &p[..]));
    for len in [0, 3, 40, whole.len()] {
        let mut dump = dump_of(whole[..len].to_vec(), true, UUID).await.unwrap();
        if len == whole.len() {
            assert!(dump.next().await.unwrap().is_some());
        }
        let lost = dump.next().await;
        assert!(matches!(lost, Err(Broken::Lost(_))), "{len} bytes: {lost:?}");
    }
}

#[tokio::test]
async fn packets_out_of_order_and_of_no_known_kind_are_malformed() {
    let mut out_of_order = packets(events(&[description(true)]).iter().map(|p| &p[..]));
    out_of_order[3] = 9;
    for bytes in [out_of_order, packets([&b"\x07what"[..]]), packets([&b""[..]])] {
        let mut dump = dump_of(bytes, false, UUID).await.unwrap();
        let malformed = dump.next().await;
        assert!(matches!(malformed, Err(Broken::Malformed(_))), "{malformed:?}");
    }
}

#[tokio::test]
async fn silence_is_found_however_often_the_wait_is_cancelled() {
    let mut dump = dump_of(Vec::new(), false, UUID).await.unwrap();
    dump.silence = Duration::from_millis(100);
    loop {
        match tokio::time::timeout(Duration::from_millis(5), dump.next()).await {
            Err(_) => {}
            Ok(silent) => {
                assert!(matches!(silent, Err(Broken::Silent(_))), "{silent:?}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_to_another_server_than_the_one_that_was_asked_is_an_error_that_passes() {
    let error = dump_of(Vec::new(), false, "other").await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains(UUID), "{error}");
}

//! Any bytes as any event of either family: read or refused, never a panic, and no more memory than
//! libFuzzer's limit allows (`-rss_limit_mb`, `-malloc_limit_mb`).
#![no_main]

use binlog::{Checksum, Event, EventHeader, Flavor, FormatDescription, RawEvent};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, bool, &[u8])| {
    let (event_type, flags, mariadb, body) = input;
    let _ = RawEvent::parse(Bytes::copy_from_slice(body), Checksum::Crc32);
    let Ok(event_size) = u32::try_from(19 + body.len()) else { return };
    let header = EventHeader { event_type, flags, event_size, ..EventHeader::default() };
    let Ok(raw) = RawEvent::from_parts(header, Bytes::copy_from_slice(body), None) else { return };
    let flavor = if mariadb { Flavor::MariaDb } else { Flavor::MySql };
    if let Ok(Event::TransactionPayload(payload)) =
        Event::decode(&raw, &FormatDescription::initial(flavor))
        && let Ok(events) = payload.events(1 << 20)
    {
        events.for_each(drop);
    }
});

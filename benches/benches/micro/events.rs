//! Bytes of a binlog file -> events: the frame, its checksum, what is in it.

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use benches::made::{Kind, Made};
use binlog::{Checksum, Event, Flavor, FormatDescription, RawEvent};
use bytes::Bytes;
use criterion::{Criterion, Throughput};

/// A binlog file with events of all kinds, most of them small.
const CAPTURED: &[u8] = include_bytes!("../../../binlog/src/fixtures/mysql9.binlog");
/// Bytes in front of the first event of a file.
const MAGIC_LEN: usize = 4;
const ROWS: u32 = 10_000;

pub(crate) fn each(criterion: &mut Criterion) -> Result<()> {
    let small = captured()?;
    let large = Made::inserts(&Kind::ALL, ROWS)?.events;
    let format = format_of(&small)?;
    let mut group = criterion.benchmark_group("events");
    for (name, events) in [("captured", &small), ("rows of 8 KB", &large)] {
        let bytes: usize = events.iter().map(Bytes::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        for (what, checksum) in [("frame", Checksum::None), ("frame and CRC", Checksum::Crc32)] {
            group.bench_function(format!("{what}/{name}"), |bench| {
                bench.iter(|| {
                    for event in events {
                        let _raw = black_box(RawEvent::parse(event.clone(), checksum));
                    }
                });
            });
        }
        let raw = parsed(events)?;
        group.bench_function(format!("decode/{name}"), |bench| {
            bench.iter(|| {
                for event in &raw {
                    let _event = black_box(Event::decode(event, &format));
                }
            });
        });
    }
    group.finish();
    Ok(())
}

fn captured() -> Result<Vec<Bytes>> {
    let mut rest = Bytes::from_static(CAPTURED).split_off(MAGIC_LEN);
    let mut events = Vec::new();
    while !rest.is_empty() {
        let size = rest.get(9..13).context("a cut event")?;
        let size = usize::try_from(u32::from_le_bytes(size.try_into()?))?;
        ensure!(size <= rest.len(), "a cut event");
        events.push(rest.split_to(size));
    }
    Ok(events)
}

fn parsed(events: &[Bytes]) -> Result<Vec<RawEvent>> {
    events.iter().map(|event| Ok(RawEvent::parse(event.clone(), Checksum::Crc32)?)).collect()
}

/// All events decode under it.
fn format_of(events: &[Bytes]) -> Result<FormatDescription> {
    let mut format = FormatDescription::initial(Flavor::MySql);
    for raw in parsed(events)? {
        if let Event::FormatDescription(new) = Event::decode(&raw, &format)? {
            format = new;
        }
    }
    Ok(format)
}

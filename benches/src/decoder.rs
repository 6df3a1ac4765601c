//! The decoder alone: every row image of a binlog file that lies in memory, every cell looked at.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use benches::encode::encoder;
use binlog::{Checksum, Event, Flavor, FormatDescription, RawEvent, TablePlan};
use bytes::Bytes;
use model::{Item, Origin, RowCodec, RowsBlock};
use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::{Event as TheirEvent, EventData, TableMapEvent};
use sinks::format::Format;

use crate::measure::{Run, median};
use crate::table::{Line, Side};
use crate::workload::bulk_schema;

/// Bytes in front of the first event of a file.
const MAGIC_LEN: usize = 4;
/// So much of the file is kept as events, twice.
const BYTES_MAX: usize = 400_000_000;

pub(crate) fn against_mysql_common(file: &Path, runs: usize) -> Result<Vec<Line>> {
    let mut whole = std::fs::read(file)?;
    whole.drain(..MAGIC_LEN);
    let bytes = Bytes::from(whole);
    let blocks = our_events(&bytes)?;
    let theirs = TheirEvents::read(&bytes)?;
    let image_bytes: usize = blocks.iter().map(|b| b.data.len()).sum();
    let (mut our_runs, mut their_runs, mut json_runs) = (Vec::new(), Vec::new(), Vec::new());
    let mut images = 0;
    for _ in 0..runs {
        let (count, run) = timed(|| theirs.decode())?;
        their_runs.push(run);
        let (our_count, run) = timed(|| decode(&blocks))?;
        our_runs.push(run);
        ensure!(count == our_count, "{count} row images, {our_count} by our decoder");
        images = count;
        json_runs.push(timed(|| encode(&blocks))?.1);
    }
    let (ours, theirs, json) = (median(&our_runs), median(&their_runs), median(&json_runs));
    let side =
        |name: &str, run: Run| Side::named(name, run, images as u64).of_bytes(image_bytes as u64);
    Ok(vec![
        Line {
            what: "decoder: row images in memory, every cell".to_owned(),
            ours: side("", ours),
            against: side("`mysql_common` `RowsEventRows`", theirs),
            aim: Some(20.0),
        },
        Line {
            what: "decoder and encoder: the same → debezium-json in memory".to_owned(),
            ours: side("", json),
            against: side("`mysql_common` `RowsEventRows`, nothing encoded", theirs),
            aim: None,
        },
    ])
}

fn timed(work: impl FnOnce() -> Result<usize>) -> Result<(usize, Run)> {
    let begun = Instant::now();
    let count = work()?;
    let wall = begun.elapsed().as_secs_f64();
    Ok((count, Run { wall, cpu: 0.0, peak: 0 }))
}

/// The rows events of the file, as the engine hands them to a sink.
fn our_events(bytes: &Bytes) -> Result<Vec<RowsBlock>> {
    let schema = bulk_schema();
    let mut format = FormatDescription::initial(Flavor::MySql);
    let (mut plan, mut blocks, mut at) = (None, Vec::new(), 0);
    while at < bytes.len().min(BYTES_MAX) {
        let raw = RawEvent::parse(event_at(bytes, at)?, Checksum::Crc32)?;
        at += usize::try_from(raw.header.event_size)?;
        let event = Event::decode(&raw, &format)?;
        if let Event::FormatDescription(new) = event {
            format = new;
        } else if let Event::TableMap(map) = event {
            let known = plan.as_ref().is_some_and(|(raw_map, _)| *raw_map == raw.body);
            if !known && &*map.table == "bulk" {
                plan = Some((raw.body.clone(), Arc::new(TablePlan::new(&map, &schema)?)));
            }
        } else if let Event::Rows(rows) = event {
            let (_, plan) = plan.as_ref().context("rows without a table map")?;
            let data = plan.whole_images(&rows)?;
            blocks.push(RowsBlock {
                table: Arc::clone(&schema),
                kind: rows.kind,
                codec: Arc::clone(plan) as Arc<dyn RowCodec>,
                data,
                origin: Origin {
                    ts_ms: i64::from(raw.header.timestamp) * 1000,
                    server_id: raw.header.server_id,
                    gtid: None,
                    file: "binlog.000001".into(),
                    pos: u64::from(raw.header.log_pos),
                    first_row: 0,
                },
            });
        }
    }
    Ok(blocks)
}

/// The event that begins at `at`, whose size stands in bytes 9 to 12.
fn event_at(bytes: &Bytes, at: usize) -> Result<Bytes> {
    let size = bytes.get(at + 9..at + 13).context("a cut event")?;
    let size = usize::try_from(u32::from_le_bytes(size.try_into()?))?;
    ensure!(at + size <= bytes.len(), "a cut event at {at}");
    Ok(bytes.slice(at..at + size))
}

pub(crate) fn decode(blocks: &[RowsBlock]) -> Result<usize> {
    let mut images = 0;
    for block in blocks {
        let mut rest: &[u8] = &block.data;
        let mut cells = Vec::with_capacity(block.table.columns.len());
        while !rest.is_empty() {
            cells.clear();
            let taken = block.codec.decode(rest, &mut cells)?;
            cells.iter().for_each(|cell| {
                black_box(cell);
            });
            rest = rest.get(taken..).unwrap_or_default();
            images += 1;
        }
    }
    Ok(images)
}

fn encode(blocks: &[RowsBlock]) -> Result<usize> {
    let mut encoder = encoder(Format::DebeziumJson);
    let mut out = Vec::new();
    for block in blocks {
        out.clear();
        encoder.item(&Item::Rows(block.clone()), &mut out)?;
        black_box(&out);
    }
    Ok(blocks.len())
}

/// The same events, as `mysql_common` reads them.
struct TheirEvents {
    map: TableMapEvent<'static>,
    events: Vec<TheirEvent>,
}

impl TheirEvents {
    fn read(bytes: &Bytes) -> Result<Self> {
        let mut reader = EventStreamReader::new(BinlogVersion::Version4);
        let (mut map, mut events, mut at) = (None, Vec::new(), 0);
        while at < bytes.len().min(BYTES_MAX) {
            let raw = event_at(bytes, at)?;
            at += raw.len();
            let event = reader.read(&raw[..])?.context("no event")?;
            match event.read_data()? {
                Some(EventData::TableMapEvent(found)) if found.table_name() == "bulk" => {
                    map = Some(found.into_owned());
                }
                Some(EventData::RowsEvent(_)) => events.push(event),
                _ => {}
            }
        }
        Ok(Self { map: map.context("no table map")?, events })
    }

    fn decode(&self) -> Result<usize> {
        let mut images = 0;
        for event in &self.events {
            let Some(EventData::RowsEvent(rows)) = event.read_data()? else {
                bail!("not a rows event")
            };
            for row in rows.rows(&self.map) {
                let (before, after) = row?;
                images += usize::from(before.is_some()) + usize::from(after.is_some());
                for image in [&before, &after].into_iter().flatten() {
                    (0..image.len()).for_each(|at| {
                        black_box(image.as_ref(at));
                    });
                }
            }
        }
        Ok(images)
    }
}

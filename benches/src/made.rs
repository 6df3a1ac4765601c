//! Row images made in memory, as a server's binlog has them: tables of columns of one kind each.
//!
//! Layouts: MySQL source, `log_event.h` and `rpl_record.cc`; of values, the manual's "Data Type
//! Storage Requirements".

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use binlog::event::kind;
use binlog::packet::{CHECKSUM_LEN, EventHeader, HEADER_LEN};
use binlog::{Checksum, Event, Flavor, FormatDescription, RawEvent, TablePlan};
use bytes::Bytes;
use model::table::Collation;
use model::{Column, ColumnType, Origin, RowCodec, RowsBlock, TableName, TableSchema};

/// Of the images in one rows event, as `binlog_row_event_max_size` has it.
const EVENT_BYTES: usize = 8192;
const TABLE_ID: [u8; 6] = [108, 0, 0, 0, 0, 0];
/// Of a rows event: the end of its statement.
const STATEMENT_END: [u8; 2] = [1, 0];
/// Of version 2: its own two bytes, and nothing else.
const NO_EXTRA: [u8; 2] = [2, 0];
/// 2024-02-29 10:00:00
const SECONDS: u32 = 1_709_200_800;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    BigInt,
    Decimal,
    Double,
    VarChar,
    DateTime,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::BigInt, Self::Decimal, Self::Double, Self::VarChar, Self::DateTime];

    #[must_use]
    pub fn declared(self) -> &'static str {
        match self {
            Self::BigInt => "BIGINT",
            Self::Decimal => "DECIMAL(12,2)",
            Self::Double => "DOUBLE",
            Self::VarChar => "VARCHAR(40)",
            Self::DateTime => "DATETIME(3)",
        }
    }

    fn column(self, at: usize) -> Column {
        let collation =
            || Collation { charset: "utf8mb4".into(), name: "utf8mb4_0900_ai_ci".into() };
        let ty = match self {
            Self::BigInt => ColumnType::Int { bytes: 8, unsigned: false },
            Self::Decimal => ColumnType::Decimal { precision: 12, scale: 2 },
            Self::Double => ColumnType::Double,
            Self::VarChar => ColumnType::Text { chars: 40, collation: collation() },
            Self::DateTime => ColumnType::DateTime { fsp: 3 },
        };
        Column {
            name: format!("c{at}").into(),
            ty,
            declared: self.declared().to_lowercase().into(),
            nullable: false,
            generated: false,
            invisible: false,
        }
    }

    /// Its number in the protocol, and its metadata.
    fn wire(self) -> (u8, &'static [u8]) {
        match self {
            Self::BigInt => (8, &[]),
            Self::Decimal => (246, &[12, 2]),
            Self::Double => (5, &[8]),
            // In bytes: 40 characters of four.
            Self::VarChar => (15, &[160, 0]),
            Self::DateTime => (18, &[3]),
        }
    }

    /// Some value of row `n`.
    fn put(self, n: u32, image: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::BigInt => image.extend((i64::from(n) * 7919).to_le_bytes()),
            Self::Decimal => {
                // One digit, nine digits, two digits; the sign is the first bit, and set.
                image.push(0x80 | u8::try_from(n % 10)?);
                image.extend((n * 31 % 1_000_000_000).to_be_bytes());
                image.push(u8::try_from(n % 100)?);
            }
            Self::Double => image.extend((f64::from(n) / 7.0).to_le_bytes()),
            Self::VarChar => {
                let text = format!("customer {n}");
                image.push(u8::try_from(text.len())?);
                image.extend(text.bytes());
            }
            Self::DateTime => {
                let (year_month, day, hour) = (2024 * 13 + 2, u64::from(n % 28) + 1, 10);
                let (minute, second) = (u64::from(n / 60 % 60), u64::from(n % 60));
                let packed = year_month << 22 | day << 17 | hour << 12 | minute << 6 | second;
                // The first bit is the sign; five bytes, then the fraction in two.
                let packed = (packed | 1 << 39).to_be_bytes();
                image.extend(packed.get(3..).unwrap_or_default());
                image.extend((u16::try_from(n % 1000)? * 10).to_be_bytes());
            }
        }
        Ok(())
    }
}

/// A table of so many columns, with its inserts.
pub struct Made {
    pub schema: Arc<TableSchema>,
    pub format: FormatDescription,
    /// Whole, with their checksums: the table map, then rows.
    pub events: Vec<Bytes>,
    /// The rows, as the engine hands them to a sink.
    pub blocks: Vec<RowsBlock>,
}

impl Made {
    /// # Errors
    /// What was made is not what the decoder reads.
    pub fn inserts(kinds: &[Kind], rows: u32) -> Result<Self> {
        let schema = Arc::new(TableSchema {
            name: TableName::new("bench", "made"),
            columns: kinds.iter().zip(0..).map(|(kind, at)| kind.column(at)).collect(),
            key: vec![],
            key_index: "".into(),
            collation: None,
            indexes: vec![],
        });
        let mut events = vec![event(kind::TABLE_MAP, &table_map(kinds)?)?];
        let mut images = Vec::new();
        for row in 0..rows {
            images.extend(vec![0; kinds.len().div_ceil(8)]);
            for (kind, at) in kinds.iter().zip(0..) {
                kind.put(row + at, &mut images)?;
            }
            if images.len() > EVENT_BYTES || row + 1 == rows {
                events.push(rows_event(kinds.len(), &images)?);
                images.clear();
            }
        }
        let format = FormatDescription::initial(Flavor::MySql);
        let mut made = Self { schema, format, events, blocks: Vec::new() };
        made.blocks = made.read()?;
        Ok(made)
    }

    fn read(&self) -> Result<Vec<RowsBlock>> {
        let (mut plan, mut blocks) = (None, Vec::new());
        for bytes in &self.events {
            let raw = RawEvent::parse(bytes.clone(), Checksum::Crc32)?;
            let event = Event::decode(&raw, &self.format)?;
            if let Event::TableMap(map) = event {
                plan = Some(Arc::new(TablePlan::new(&map, &self.schema)?));
            } else if let Event::Rows(rows) = event {
                let plan = plan.as_ref().context("rows without a table map")?;
                let data = plan.whole_images(&rows)?;
                let codec = Arc::clone(plan) as Arc<dyn RowCodec>;
                let origin = Origin {
                    ts_ms: i64::from(raw.header.timestamp) * 1000,
                    server_id: raw.header.server_id,
                    gtid: None,
                    file: "binlog.000001".into(),
                    pos: 4,
                    first_row: 0,
                };
                let table = Arc::clone(&self.schema);
                blocks.push(RowsBlock { table, kind: rows.kind, codec, data, origin });
            }
        }
        Ok(blocks)
    }
}

/// An event as it stands in a file, with its checksum.
///
/// # Errors
/// It is over 4 GiB.
pub fn event(event_type: u8, body: &[u8]) -> Result<Bytes> {
    let event_size = u32::try_from(HEADER_LEN + body.len() + CHECKSUM_LEN)?;
    let header = EventHeader {
        timestamp: SECONDS,
        event_type,
        server_id: 1,
        event_size,
        log_pos: 4,
        flags: 0,
    };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend(body);
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    Ok(bytes.into())
}

fn table_map(kinds: &[Kind]) -> Result<Vec<u8>> {
    let columns = short(kinds.len())?;
    let mut body = [&TABLE_ID[..], &STATEMENT_END, b"\x05bench\0\x04made\0", &[columns]].concat();
    body.extend(kinds.iter().map(|kind| kind.wire().0));
    let metadata: Vec<u8> = kinds.iter().flat_map(|kind| kind.wire().1).copied().collect();
    body.push(short(metadata.len())?);
    body.extend(metadata);
    body.extend(vec![0; kinds.len().div_ceil(8)]);
    Ok(body)
}

fn rows_event(columns: usize, images: &[u8]) -> Result<Bytes> {
    let mut body = [&TABLE_ID[..], &STATEMENT_END, &NO_EXTRA, &[short(columns)?]].concat();
    body.extend(vec![u8::MAX; columns.div_ceil(8)]);
    body.extend(images);
    event(kind::WRITE_ROWS, &body)
}

/// A length of one byte.
fn short(length: usize) -> Result<u8> {
    ensure!(length < 251, "too many columns");
    Ok(u8::try_from(length)?)
}

#[cfg(test)]
mod tests {
    use model::Item;
    use sinks::format::Format;

    use super::*;
    use crate::encode::encoder;

    #[test]
    fn what_was_made_is_read_as_it_was_meant() {
        let made = Made::inserts(&Kind::ALL, 3601).unwrap();
        let (mut text, mut encoder) = (Vec::new(), encoder(Format::Changelog));
        for block in made.blocks {
            encoder.item(&Item::Rows(block), &mut text).unwrap();
        }
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), 3601);
        let last = text.lines().last().unwrap();
        let meant =
            "28508400, 1000111631.01, 514.5714285714286, customer 3603, 2024-02-21 10:00:04.604";
        assert!(last.contains(meant), "{last}");
    }
}

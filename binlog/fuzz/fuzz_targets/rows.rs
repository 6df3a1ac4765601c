//! Any table map, with a schema made to fit it, and any row images under it: read or refused, never
//! a panic. So too where they are those of a partial update.
#![no_main]

use std::sync::Arc;

use binlog::rows::WireType;
use binlog::{
    Event, EventHeader, Flavor, FormatDescription, RawEvent, RowsEvent, TableMap, TablePlan,
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::table::Collation;
use model::{Column, ColumnType, RowCodec, TableName, TableSchema};

fuzz_target!(|input: (&[u8], u8, bool, &[u8])| {
    let (map, charset, unsigned, images) = input;
    let Some(map) = table_map(map) else { return };
    let charset =
        ["utf8mb4", "latin1", "gb18030", "ujis", "utf16", "binary"][usize::from(charset) % 6];
    let columns = map.columns.iter().map(|c| column(c.ty, charset, unsigned)).collect();
    let name = TableName::new(Arc::clone(&map.db), Arc::clone(&map.table));
    let schema = TableSchema { name, columns, key: Vec::new(), key_index: "".into(), collation: None, indexes: vec![] };
    let Ok(plan) = TablePlan::new(&map, &Arc::new(schema)) else { return };
    if let Some(rows) = partial_update(&map, images)
        && let Ok(whole) = plan.whole_images(&rows)
    {
        assert!(whole.len() <= 2 * images.len() + 64);
        let mut cells = Vec::new();
        let _ = plan.decode(&whole, &mut cells);
    }
    let mut rest = images;
    let mut cells = Vec::new();
    while let Ok(taken) = plan.decode(rest, &mut cells) {
        assert_eq!(plan.image_len(rest), Ok(taken));
        if taken == 0 {
            break;
        }
        rest = &rest[taken..];
        cells.clear();
    }
});

fn event(event_type: u8, body: &[u8]) -> Option<Event> {
    let event_size = u32::try_from(19 + body.len()).ok()?;
    let header = EventHeader { event_type, event_size, ..EventHeader::default() };
    let raw = RawEvent::from_parts(header, Bytes::copy_from_slice(body), None).ok()?;
    Event::decode(&raw, &FormatDescription::initial(Flavor::MySql)).ok()
}

fn table_map(body: &[u8]) -> Option<TableMap> {
    const TABLE_MAP: u8 = 19;
    match event(TABLE_MAP, body) {
        Some(Event::TableMap(map)) => Some(map),
        _ => None,
    }
}

/// `images` as those of a partial update of all columns.
fn partial_update(map: &TableMap, images: &[u8]) -> Option<RowsEvent> {
    const PARTIAL_UPDATE_ROWS: u8 = 39;
    let columns = u8::try_from(map.columns.len()).ok().filter(|&columns| columns < 251)?;
    // Table, flags, no extra data.
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 0, 2, 0, columns];
    body.resize(body.len() + 2 * map.columns.len().div_ceil(8), 0xFF);
    body.extend_from_slice(images);
    match event(PARTIAL_UPDATE_ROWS, &body) {
        Some(Event::Rows(rows)) => Some(rows),
        _ => None,
    }
}

/// A column that `wire` fits.
fn column(wire: WireType, charset: &str, unsigned: bool) -> Column {
    let width = match charset {
        "utf8mb4" | "gb18030" | "utf16" => 4,
        "ujis" => 3,
        _ => 1,
    };
    let collation = Collation { charset: charset.into(), name: "".into() };
    let members: Arc<[Arc<str>]> = (0..60).map(|n| Arc::from(format!("m{n}"))).collect();
    let ty = match wire {
        WireType::Int { bytes } => ColumnType::Int { bytes, unsigned },
        WireType::Float => ColumnType::Float,
        WireType::Double => ColumnType::Double,
        WireType::Decimal { precision, scale } => ColumnType::Decimal { precision, scale },
        WireType::Bit { bits } => ColumnType::Bit { bits },
        WireType::Year => ColumnType::Year,
        WireType::Date => ColumnType::Date,
        WireType::Time { fsp } => ColumnType::Time { fsp },
        WireType::DateTime { fsp } => ColumnType::DateTime { fsp },
        WireType::Timestamp { fsp } => ColumnType::Timestamp { fsp },
        WireType::OldTime => ColumnType::Time { fsp: 0 },
        WireType::OldDateTime => ColumnType::DateTime { fsp: 0 },
        WireType::OldTimestamp => ColumnType::Timestamp { fsp: 0 },
        WireType::VarChar { bytes } => {
            ColumnType::Text { chars: u32::from(bytes) / width, collation }
        }
        WireType::Char { bytes } if unsigned => ColumnType::Binary { bytes: u32::from(bytes) },
        WireType::Char { bytes } => ColumnType::Text { chars: u32::from(bytes) / width, collation },
        WireType::Blob { .. } => ColumnType::Text { chars: 65_535, collation },
        WireType::Json { .. } => ColumnType::Json,
        WireType::Geometry { .. } => ColumnType::Geometry,
        WireType::Vector { .. } => ColumnType::Vector,
        WireType::Enum { .. } => ColumnType::Enum { members, collation },
        WireType::Set { .. } => ColumnType::Set { members, collation },
        WireType::CompressedVarChar { bytes } => {
            ColumnType::Text { chars: u32::from(bytes).saturating_sub(1) / width, collation }
        }
        WireType::CompressedBlob { .. } => ColumnType::Text { chars: 65_535, collation },
        WireType::Other(_) => ColumnType::Json,
    };
    Column {
        name: "c".into(),
        ty,
        declared: "".into(),
        nullable: true,
        generated: false,
        invisible: false,
    }
}

//! Rows as a server sends them: what becomes of their values, and of such as are damaged. What is
//! expected of a value is what `mysql_common` reads, turned into a cell step by step.

#![expect(clippy::wildcard_enum_match_arm, reason = "a value's type decides, and most do alike")]

use std::sync::Arc;

use model::table::Collation;
use model::{Cell, Column, ColumnType, Date, DateTime, Decimal, RowCodec, TableName, Time};
use mysql_common::constants::ColumnFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets;
use mysql_common::row::RowDeserializer;
use mysql_common::value::{ServerSide, Value};
use proptest::prelude::*;

use super::*;
use crate::value::Charset;

mod answers;

fn table() -> TableName {
    TableName::new("shop", "t")
}

fn collation(charset: &str) -> Collation {
    Collation { charset: charset.into(), name: format!("{charset}_bin").into() }
}

fn column(ty: ColumnType) -> Column {
    Column {
        name: "c".into(),
        ty,
        declared: "as it is".into(),
        nullable: true,
        generated: false,
        invisible: false,
    }
}

/// The definition of a column, as a server sends it.
fn definition(kind: u8, unsigned: bool) -> Vec<u8> {
    let mut packet = b"\x03def\x04shop\x01t\x01t\x01c\x01c\x0c".to_vec();
    packet.extend_from_slice(&[63, 0, 255, 0, 0, 0, kind, if unsigned { 0x20 } else { 0 }, 0, 0]);
    packet.extend_from_slice(&[0, 0]);
    packet
}

/// A column of a table, how it is sent, and one value of it as it comes.
#[derive(Debug, Clone)]
struct Sample {
    ty: ColumnType,
    kind: u8,
    unsigned: bool,
    /// `None`: NULL.
    value: Option<Vec<u8>>,
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut out = match u8::try_from(bytes.len()) {
        Ok(len @ 0..=250) => vec![len],
        _ => [&[252][..], &u16::try_from(bytes.len()).unwrap().to_le_bytes()].concat(),
    };
    out.extend_from_slice(bytes);
    out
}

fn short(bytes: &[u8], lengths: &[usize], which: usize) -> Vec<u8> {
    let len = lengths[which % lengths.len()];
    [&[u8::try_from(len).unwrap()], &bytes[..len]].concat()
}

fn whole_type(unsigned: bool) -> impl Strategy<Value = ColumnType> {
    prop_oneof![
        8 => Just(ColumnType::Int { bytes: 8, unsigned }),
        1 => Just(ColumnType::Int { bytes: 8, unsigned: !unsigned }),
        1 => Just(ColumnType::Year),
    ]
}

fn whole() -> impl Strategy<Value = Sample> {
    let kinds =
        prop::sample::select(vec![(1_u8, 1_usize), (2, 2), (13, 2), (3, 4), (9, 4), (8, 8)]);
    (kinds, any::<bool>(), prop::array::uniform8(any::<u8>())).prop_flat_map(
        |((kind, len), unsigned, bytes)| {
            whole_type(unsigned).prop_map(move |ty| Sample {
                ty,
                kind,
                unsigned,
                value: Some(bytes[..len].to_vec()),
            })
        },
    )
}

fn temporal() -> impl Strategy<Value = Sample> {
    let types = prop::sample::select(vec![
        (ColumnType::Date, 10_u8),
        (ColumnType::DateTime { fsp: 6 }, 12),
        (ColumnType::Timestamp { fsp: 3 }, 7),
    ]);
    let parts = prop::array::uniform11(any::<u8>());
    let moment = (types, parts, 0..4_usize).prop_map(|((ty, kind), bytes, which)| {
        let value = Some(short(&bytes, &[0, 4, 7, 11], which));
        Sample { ty, kind, unsigned: false, value }
    });
    let days = prop_oneof![0_u32..40, any::<u32>()];
    let time = (days, prop::array::uniform8(any::<u8>()), 0..3_usize).prop_map(
        |(days, mut rest, which)| {
            rest[0] %= 2;
            let bytes = [&rest[..1], &days.to_le_bytes(), &rest[1..]].concat();
            let value = Some(short(&bytes, &[0, 8, 12], which));
            Sample { ty: ColumnType::Time { fsp: 6 }, kind: 11, unsigned: false, value }
        },
    );
    prop_oneof![moment, time]
}

fn floating() -> impl Strategy<Value = Sample> {
    let float = any::<f32>().prop_map(|v| (ColumnType::Float, 4, v.to_le_bytes().to_vec()));
    let double = any::<f64>().prop_map(|v| (ColumnType::Double, 5, v.to_le_bytes().to_vec()));
    prop_oneof![float, double].prop_map(|(ty, kind, bytes)| Sample {
        ty,
        kind,
        unsigned: false,
        value: Some(bytes),
    })
}

fn in_bytes() -> impl Strategy<Value = Sample> {
    let text = |charset| ColumnType::Text { chars: 50, collation: collation(charset) };
    let members: Arc<[Arc<str>]> = Arc::from(["a".into(), "b".into()]);
    let types = prop::sample::select(vec![
        (ColumnType::Decimal { precision: 10, scale: 2 }, 246_u8),
        (ColumnType::Bit { bits: 24 }, 16),
        (ColumnType::Json, 245),
        (ColumnType::Geometry, 255),
        (ColumnType::Vector, 242),
        (ColumnType::VarBinary { bytes: 50 }, 253),
        (ColumnType::Enum { members: members.clone(), collation: collation("utf8mb4") }, 254),
        (ColumnType::Set { members, collation: collation("latin1") }, 254),
        (text("utf8mb4"), 253),
        (text("latin1"), 252),
        (text("gbk"), 254),
        (text("ucs2"), 253),
        (text("no such set"), 253),
        (ColumnType::Int { bytes: 4, unsigned: false }, 253),
    ]);
    let bytes = prop_oneof![
        "[ -~]{0,20}".prop_map(String::into_bytes),
        "0{0,3}[0-9]{1,9}\\.[0-9]{2}".prop_map(String::into_bytes),
        "\\PC{0,300}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    (types, bytes).prop_map(|((ty, kind), bytes)| Sample {
        ty,
        kind,
        unsigned: false,
        value: Some(sized(&bytes)),
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let any = prop_oneof![whole(), temporal(), floating(), in_bytes()];
    (any, prop::bool::weighted(0.1))
        .prop_map(|(sample, is_null)| Sample { value: sample.value.filter(|_| !is_null), ..sample })
}

fn packet(samples: &[Sample]) -> Vec<u8> {
    let mut nulls = vec![0_u8; (samples.len() + 9) / 8];
    let mut values = Vec::new();
    for (n, sample) in samples.iter().enumerate() {
        match &sample.value {
            Some(value) => values.extend_from_slice(value),
            None => nulls[(n + 2) / 8] |= 1 << ((n + 2) % 8),
        }
    }
    [&[0][..], &nulls, &values].concat()
}

/// A packet behind its header.
fn image(packet: &[u8]) -> Vec<u8> {
    let len = u32::try_from(packet.len()).unwrap().to_le_bytes();
    [&[len[0], len[1], len[2], 9], packet].concat()
}

fn columns(samples: &[Sample]) -> (Vec<Column>, Vec<ResultColumn>) {
    let sent = |s: &Sample| ResultColumn::read(&definition(s.kind, s.unsigned)).unwrap();
    (samples.iter().map(|s| column(s.ty.clone())).collect(), samples.iter().map(sent).collect())
}

/// All values of a row, as `mysql_common` reads it.
fn values(samples: &[Sample], packet: &[u8]) -> Vec<Value> {
    let definition = |s: &Sample| {
        let flags = if s.unsigned { ColumnFlags::UNSIGNED_FLAG } else { ColumnFlags::empty() };
        let kind = s.kind.try_into().unwrap();
        packets::Column::new(kind).with_flags(flags)
    };
    let columns: Arc<[packets::Column]> = samples.iter().map(definition).collect();
    let row: RowDeserializer<ServerSide, mysql_common::proto::Binary> =
        ParseBuf(packet).parse(columns).unwrap();
    mysql_common::row::Row::from(row).unwrap()
}

/// What a value of a SELECT is as a cell, or that it is none.
fn expected(value: &Value, ty: &ColumnType) -> Option<Cell<'static>> {
    let whole = |v: i128| match ty {
        ColumnType::Int { unsigned: true, .. } => u64::try_from(v).ok().map(Cell::UInt),
        ColumnType::Year => u16::try_from(v).ok().map(Cell::Year),
        _ => i64::try_from(v).ok().map(Cell::Int),
    };
    match value {
        Value::NULL => Some(Cell::Null),
        Value::Int(v) => whole((*v).into()),
        Value::UInt(v) => whole((*v).into()),
        Value::Float(v) => Some(Cell::Float(*v)),
        Value::Double(v) => Some(Cell::Double(*v)),
        &Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = Date { year, month, day };
            let at = DateTime { date, hour, minute, second, micros };
            Some(match ty {
                ColumnType::Date => Cell::Date(date),
                ColumnType::Timestamp { .. } => Cell::Timestamp(at),
                _ => Cell::DateTime(at),
            })
        }
        &Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let hours = u64::from(days) * 24 + u64::from(hours);
            let hours = u16::try_from(hours).ok()?;
            Some(Cell::Time(Time { negative, hours, minutes, seconds, micros }))
        }
        Value::Bytes(bytes) => expected_of_bytes(bytes, ty),
    }
}

fn expected_of_bytes(bytes: &[u8], ty: &ColumnType) -> Option<Cell<'static>> {
    let utf8 = || String::from_utf8(bytes.to_vec()).ok();
    Some(match ty {
        ColumnType::Decimal { .. } => {
            let text = utf8()?;
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let zeros = text.bytes().take_while(|b| *b == b'0').count();
            let kept = text[zeros.min(digits.saturating_sub(1))..].to_owned();
            Cell::Decimal(Decimal::Text(kept.leak()))
        }
        ColumnType::Bit { .. } => Cell::Bit(bytes.iter().fold(0, |v, b| v << 8 | u64::from(*b))),
        ColumnType::Json => Cell::Json(utf8()?.into()),
        ColumnType::Geometry => Cell::Geometry(bytes.to_vec().leak()),
        ColumnType::VarBinary { .. } | ColumnType::Vector => Cell::Bytes(bytes.to_vec().into()),
        ColumnType::Text { collation, .. }
        | ColumnType::Enum { collation, .. }
        | ColumnType::Set { collation, .. } => {
            let text = Charset::of_name(&collation.charset)?.decode(bytes)?;
            Cell::Text(text.into_owned().into())
        }
        _ => return None,
    })
}

fn read(samples: &[Sample], packet: &[u8]) -> Result<Vec<String>, BadValue> {
    let (columns, sent) = columns(samples);
    let rows = ResultRows::new(&table(), &columns, &sent).unwrap();
    // Another row follows.
    let image = [image(packet), image(packet)].concat();
    let taken = rows.check(&image)?;
    let mut cells = Vec::new();
    assert_eq!(rows.decode(&image, &mut cells).unwrap(), taken);
    assert_eq!((taken, rows.image_len(&image)), (packet.len() + 4, Ok(taken)));
    // As text: a number that is none compares with nothing.
    Ok(cells.iter().map(|cell| format!("{cell:?}")).collect())
}

proptest! {
    #[test]
    fn a_row_gives_the_cells_that_the_library_s_values_give(
        samples in prop::collection::vec(sample(), 1..30),
    ) {
        let packet = packet(&samples);
        let expect: Option<Vec<String>> = values(&samples, &packet)
            .iter()
            .zip(&samples)
            .map(|(value, sample)| Some(format!("{:?}", expected(value, &sample.ty)?)))
            .collect();
        prop_assert_eq!(read(&samples, &packet).ok(), expect);
    }

    #[test]
    fn some_cells_are_those_of_all(
        samples in prop::collection::vec(sample(), 1..30), wanted in prop::collection::vec(any::<bool>(), 30),
    ) {
        let packet = packet(&samples);
        let (columns, sent) = columns(&samples);
        let rows = ResultRows::new(&table(), &columns, &sent).unwrap();
        let wanted: Vec<usize> = (0..samples.len()).filter(|n| wanted[*n]).collect();
        if let Ok(all) = read(&samples, &packet) {
            let image = image(&packet);
            let expect: Vec<String> = wanted.iter().map(|n| all[*n].clone()).collect();
            let text = |cells: &[Cell<'_>]| -> Vec<String> {
                cells.iter().map(|cell| format!("{cell:?}")).collect()
            };
            prop_assert_eq!(text(&rows.some(&image, &wanted).unwrap()), expect.clone());
            let mut some = Vec::new();
            prop_assert_eq!(rows.decode_some(&image, &wanted, &mut some), Ok(image.len()));
            prop_assert_eq!(text(&some), expect);
        }
    }

    #[test]
    fn a_row_that_is_cut_or_goes_on_is_an_error_and_never_a_panic(
        samples in prop::collection::vec(sample(), 1..12), more in prop::collection::vec(any::<u8>(), 1..9),
    ) {
        let packet = packet(&samples);
        for len in 0..packet.len() {
            prop_assert!(read(&samples, &packet[..len]).is_err(), "{} bytes", len);
        }
        prop_assert!(read(&samples, &[&packet[..], &more].concat()).is_err());
        let _ = read(&samples, &more);
        let (columns, sent) = columns(&samples);
        let rows = ResultRows::new(&table(), &columns, &sent).unwrap();
        let image = image(&packet);
        for len in 0..image.len() {
            prop_assert!(rows.check(&image[..len]).is_err() && rows.image_len(&image[..len]).is_err());
            prop_assert!(rows.decode(&image[..len], &mut Vec::new()).is_err());
        }
        let _ = (rows.check(&more), rows.behind(&more), rows.some(&more, &[0]));
    }
}

#[test]
fn what_stands_behind_a_tables_columns_comes_as_bytes() {
    let id = column(ColumnType::Int { bytes: 4, unsigned: false });
    let sent: Vec<ResultColumn> =
        [3, 253, 253].map(|kind| ResultColumn::read(&definition(kind, false)).unwrap()).to_vec();
    let rows = ResultRows::new(&table(), [&id], &sent).unwrap();
    let row = &image(b"\0\0\x07\0\0\0\x03abc\x01\xff");
    assert_eq!(rows.behind(row).unwrap(), [b"abc".to_vec(), vec![0xff]]);
    assert_eq!(rows.some(row, &[0]).unwrap(), [Cell::Int(7)]);
    // The second weight is NULL, so nothing may pass for it.
    assert_eq!(rows.behind(&image(b"\0\x10\x07\0\0\0\x03abc")).unwrap(), [b"abc".to_vec()]);
    let error = ResultRows::new(&table(), [&id, &id, &id, &id], &sent).unwrap_err();
    assert_eq!(error.reason, "the server sent fewer columns");
}

#[test]
fn a_definition_tells_how_values_come() {
    let packet = definition(8, true);
    assert_eq!(ResultColumn::read(&packet), Some(ResultColumn { kind: 8, unsigned: true }));
    for len in 0..packet.len() - 3 {
        assert_eq!(ResultColumn::read(&packet[..len]), None, "{len} bytes");
    }
}

#[test]
fn a_text_row_has_as_many_values_as_its_answer_has_columns() {
    let row = text_row(b"\x03abc\xfb\x00", 3).unwrap();
    assert_eq!(row, [Some("abc".to_owned()), None, Some(String::new())]);
    assert_eq!(text_row(b"\x03abc\xfb", 3), None);
    assert_eq!(text_row(b"\x03abc\xfb\x00", 2), None);
    assert!(column_count(&[LOCAL_FILE]).is_err() && column_count(&[0]).is_err());
    assert_eq!(column_count(&[252, 0, 16]).unwrap(), 4096);
}

//! Tables, rows and batches for this crate's tests.

use std::sync::Arc;

use bytes::Bytes;
use model::checkpoint::{
    Counters, OnlineDdlState, Quarantine, ServerIdentity, SourceState, XaState,
};
use model::{
    Barrier, BarrierKind, Batch, BinlogPosition, Cell, CheckpointId, CheckpointMode, Clock, Column,
    ColumnType, Gtids, Item, Origin, PackedCodec, PackedRow, Position, RowsBlock, RowsKind,
    TableName, TableSchema,
};

use crate::SinkContext;

struct Held(i64);

impl Clock for Held {
    fn now_ms(&self) -> i64 {
        self.0
    }
}

pub(crate) fn context() -> SinkContext {
    SinkContext {
        job: "retail/emp".to_owned(),
        sink_name: "sink[0]".to_owned(),
        time_zone: "Asia/Shanghai".parse().unwrap(),
        mode: CheckpointMode::ExactlyOnce,
        routes: model::Routes::default(),
        source_column: None,
        watcher: crate::Watcher::default(),
        clock: Arc::new(Held(1_700_000_000_123)),
        screen: crate::standard_output(),
    }
}

pub(crate) fn column(name: &str, declared: &str, ty: ColumnType) -> Column {
    Column {
        name: name.into(),
        ty,
        declared: declared.into(),
        nullable: true,
        generated: false,
        invisible: false,
    }
}

pub(crate) fn int() -> ColumnType {
    ColumnType::Int { bytes: 8, unsigned: false }
}

/// A table `shop.t` whose first column is the key.
pub(crate) fn table(columns: Vec<Column>) -> Arc<TableSchema> {
    let name = TableName::new("shop", "t");
    Arc::new(TableSchema {
        name,
        columns,
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    })
}

pub(crate) fn origin(kind: RowsKind) -> Origin {
    let read = kind == RowsKind::Read;
    Origin {
        ts_ms: if read { 0 } else { 1_663_840_800_000 },
        server_id: 7,
        gtid: (!read).then(|| "3e11fa47-71ca-11e1-9e33-c80aa9429562:23".into()),
        file: "binlog.000003".into(),
        pos: 4096,
        first_row: 5,
    }
}

pub(crate) fn rows(table: &Arc<TableSchema>, kind: RowsKind, rows: &[&[Cell<'_>]]) -> Item {
    let mut data = Vec::new();
    rows.iter().for_each(|row| PackedRow::write(&mut data, row));
    Item::Rows(RowsBlock {
        table: Arc::clone(table),
        kind,
        codec: Arc::new(PackedCodec),
        data: Bytes::from(data),
        origin: origin(kind),
    })
}

/// Inserts into a table of one integer.
pub(crate) fn numbers(values: &[i64]) -> Item {
    let table = table(vec![column("id", "bigint", int())]);
    let cells: Vec<_> = values.iter().map(|v| [Cell::Int(*v)]).collect();
    let cells: Vec<&[Cell<'_>]> = cells.iter().map(|row| &row[..]).collect();
    rows(&table, RowsKind::Insert, &cells)
}

pub(crate) fn batch(items: Vec<Item>) -> Arc<Batch> {
    Arc::new(Batch { items, bytes: 0 })
}

pub(crate) fn barrier(id: u64) -> Barrier {
    let binlog = BinlogPosition { file: "binlog.000003".parse().unwrap(), offset: 4096 };
    Barrier {
        id: CheckpointId(id),
        kind: BarrierKind::Checkpoint,
        source: Arc::new(SourceState {
            server: ServerIdentity::default(),
            position: Position { gtids: Gtids::None, binlog, in_transaction: None },
            position_ts_ms: 0,
            tables: Vec::new(),
            counters: Counters::default(),
            xa: XaState::default(),
            quarantine: Quarantine::default(),
            online_ddl: OnlineDdlState::default(),
            untold: vec![],
        }),
    }
}

//! Small made-up values that both suites speak about, and that tests elsewhere may use.
#![expect(clippy::expect_used, reason = "constants of a test suite: a bad one must stop the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::change::{Batch, Item, Origin, RowsBlock, RowsKind};
use crate::checkpoint::{
    Barrier, BarrierKind, Checkpoint, CheckpointId, Counters, OnlineDdlState, Quarantine,
    ServerIdentity, SourceState, TablePhase, TableState, XaState,
};
use crate::gtid::Gtids;
use crate::position::{BinlogPosition, Position};
use crate::row::{PackedCodec, PackedRow};
use crate::table::{Collation, Column, ColumnType, TableName, TableSchema};
use crate::value::Cell;

/// `shop.items (id BIGINT PRIMARY KEY, name VARCHAR(50))`, the table of [`rows`].
pub fn items() -> Arc<TableSchema> {
    schema("shop", "items")
}

/// A table of the shape of [`items`] under another name.
pub fn schema(db: &str, table: &str) -> Arc<TableSchema> {
    let column = |name: &str, ty, declared: &str, nullable| Column {
        name: name.into(),
        ty,
        declared: declared.into(),
        nullable,
        generated: false,
        invisible: false,
    };
    let collation = Collation { charset: "utf8mb4".into(), name: "utf8mb4_0900_ai_ci".into() };
    Arc::new(TableSchema {
        name: TableName::new(db, table),
        columns: vec![
            column("id", ColumnType::Int { bytes: 8, unsigned: false }, "bigint", false),
            column("name", ColumnType::Text { chars: 50, collation }, "varchar(50)", true),
        ],
        key: vec![0],
        key_index: "PRIMARY".into(),
        collation: None,
        indexes: vec![],
    })
}

/// A batch that inserts one row of [`items`] per id, its name `item <id>`, as one block.
pub fn rows(ids: impl IntoIterator<Item = i64>) -> Arc<Batch> {
    let mut data = Vec::new();
    for id in ids {
        PackedRow::write(&mut data, &[Cell::Int(id), Cell::Text(format!("item {id}").into())]);
    }
    let bytes = data.len();
    let origin = Origin {
        ts_ms: 1_663_840_800_000,
        server_id: 1,
        gtid: None,
        file: "binlog.000001".into(),
        pos: 4,
        first_row: 0,
    };
    let block = RowsBlock {
        table: items(),
        kind: RowsKind::Insert,
        codec: Arc::new(PackedCodec),
        data: Bytes::from(data),
        origin,
    };
    Arc::new(Batch { items: vec![Item::Rows(block)], bytes })
}

/// A source that stands `offset` bytes into its first binlog file, every table live.
pub fn source(offset: u64) -> SourceState {
    let file = "binlog.000001".parse().expect("a binlog file name");
    SourceState {
        server: ServerIdentity {
            server_uuid: "3e11fa47-71ca-11e1-9e33-c80aa9429562".into(),
            server_id: 1,
            version: "9.7.0".into(),
            identity: "3e11fa47-71ca-11e1-9e33-c80aa9429562".into(),
        },
        position: Position {
            gtids: Gtids::None,
            binlog: BinlogPosition { file, offset },
            in_transaction: None,
        },
        position_ts_ms: 1_663_840_800_000,
        tables: vec![TableState { schema: items(), phase: TablePhase::Live, unproven: None }],
        counters: Counters { rows_read: 0, events_streamed: offset },
        xa: XaState::default(),
        quarantine: Quarantine::default(),
        online_ddl: OnlineDdlState::default(),
        untold: vec![],
    }
}

/// A checkpoint's barrier, at a position that grows with `id`.
pub fn barrier(id: u64) -> Barrier {
    let source = Arc::new(source(id.saturating_mul(100)));
    Barrier { id: CheckpointId(id), kind: BarrierKind::Checkpoint, source }
}

/// A checkpoint of `job` with the token `token <id>` of its one sink, completed at second `id`.
pub fn checkpoint(job: &str, id: u64, kind: BarrierKind) -> Checkpoint {
    let token = format!("token {id}").into_bytes();
    Checkpoint {
        job: job.to_owned(),
        id: CheckpointId(id),
        kind,
        trigger: "period".to_owned(),
        note: String::new(),
        completed_at_ms: i64::try_from(id).unwrap_or(i64::MAX).saturating_mul(1000),
        duration_ms: 12,
        source: Arc::new(source(id.saturating_mul(100))),
        sinks: BTreeMap::from([("sink[0]".to_owned(), token)]),
    }
}

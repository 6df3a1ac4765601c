//! The nouns of Seachange and its two ports: [`sink::Sink`] and [`checkpoint::CheckpointStore`].
//!
//! This crate is the bottom of the house: it does no I/O (but for [`fault`], in debug builds), holds no clock and knows no other crate
//! of the workspace. `binlog`, `state` and `sinks` depend on it and never on each other.

pub mod change;
pub mod checkpoint;
pub mod chunk;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod digits;
pub mod fault;
pub mod gtid;
pub mod position;
pub mod route;
pub mod row;
pub mod sink;
pub mod table;
pub mod time_zone;
pub mod value;

pub use change::{Batch, Change, Item, Op, Origin, RowsBlock, RowsKind, SchemaChange};
pub use checkpoint::{
    Barrier, BarrierKind, Checkpoint, CheckpointId, CheckpointMode, CheckpointStore, Durable,
    Prepared, StoreError,
};
pub use chunk::{KeyBound, KeyRange, RangeSet};
pub use clock::Clock;
pub use gtid::{Gtid, GtidSet, Gtids, MariaGtid, MariaGtids};
pub use position::{BinlogFile, BinlogPosition, Position, Watermark};
pub use route::Routes;
pub use row::{PackedCodec, PackedRow, RowCodec, RowError};
pub use sink::{Sink, SinkError};
pub use table::{Column, ColumnType, TableName, TableSchema};
pub use time_zone::TimeZone;
pub use value::{Cell, Date, DateTime, Decimal, Time};

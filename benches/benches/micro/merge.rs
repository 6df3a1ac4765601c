//! A chunk of a snapshot and the changes that came while it was read -> one changelog.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use benches::made::{Kind, Made};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use engine::source::merge::{ChunkId, ChunkRows, Closed, SnapshotTable, StreamedRows};
use engine::source::order::KeyOrder;
use model::{KeyRange, RangeSet, RowsBlock, TableSchema};

const ROWS: u32 = 10_000;
/// Rows that change while the chunk is read.
const CHANGED: [u32; 3] = [0, 100, 10_000];
const CHUNK: ChunkId = ChunkId(1);

struct Scene {
    schema: Arc<TableSchema>,
    order: KeyOrder,
    rows: Vec<RowsBlock>,
    changes: Vec<RowsBlock>,
}

pub(crate) fn each(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    for changed in CHANGED {
        let scene = Scene::of(changed)?;
        let changes = scene.streamed()?;
        ensure!(scene.close(scene.open(&changes))? == Closed::Done, "the chunk is not done");
        group.bench_function(format!("close/{changed} of {ROWS} changed"), |bench| {
            let close = |table| black_box(scene.close(table));
            bench.iter_batched(|| scene.open(&changes), close, BatchSize::SmallInput);
        });
        if changed == ROWS {
            let all = RangeSet::default();
            let blank = || {
                SnapshotTable::new(Arc::clone(&scene.schema), scene.order.clone(), all.clone(), 0)
            };
            group.bench_function(format!("push into an open chunk/{changed}"), |bench| {
                bench.iter_batched(
                    || {
                        let mut table = blank();
                        table.open(CHUNK, KeyRange::ALL);
                        table
                    },
                    |table| black_box(pushed(table, &changes)),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
    Ok(())
}

impl Scene {
    fn of(changed: u32) -> Result<Self> {
        let made = Made::inserts(&Kind::ALL, ROWS)?;
        let changes = Made::inserts(&Kind::ALL, changed)?.blocks;
        // Keyed by its BIGINT.
        let schema = TableSchema { key: vec![0], ..(*made.schema).clone() };
        let order = KeyOrder::of(&schema).context("no order of the key")?;
        Ok(Self { schema: Arc::new(schema), order, rows: made.blocks, changes })
    }

    /// Changes as the source's loop hands them on: ends of rows, and keys in order bytes.
    fn streamed(&self) -> Result<Vec<StreamedRows<'_>>> {
        self.changes
            .iter()
            .map(|block| {
                let (mut ends, mut orders, mut at) = (Vec::new(), Vec::new(), 0);
                while let Some(rest) = block.data.get(at..).filter(|rest| !rest.is_empty()) {
                    let mut cells = Vec::new();
                    at += block.codec.decode(rest, &mut cells)?;
                    ends.push(at);
                    orders.push(self.order.encode_local(&cells)?);
                }
                Ok(StreamedRows { block, ends, orders })
            })
            .collect()
    }

    /// A table whose one chunk is read, and has these changes in its window.
    fn open(&self, changes: &[StreamedRows<'_>]) -> SnapshotTable {
        let (schema, done) = (Arc::clone(&self.schema), RangeSet::default());
        let mut table = SnapshotTable::new(schema, self.order.clone(), done, 0);
        table.open(CHUNK, KeyRange::ALL);
        pushed(table, changes)
    }

    fn close(&self, mut table: SnapshotTable) -> Result<Closed> {
        let first = self.rows.first().context("no rows")?;
        let rows = ChunkRows {
            codec: Arc::clone(&first.codec),
            segments: self.rows.iter().map(|block| Bytes::clone(&block.data)).collect(),
            rows: u64::from(ROWS),
            orders: Vec::new(),
        };
        let mut out = Vec::new();
        Ok(table.close(CHUNK, rows, &first.origin, &mut out)?)
    }
}

fn pushed(mut table: SnapshotTable, changes: &[StreamedRows<'_>]) -> SnapshotTable {
    let mut out = Vec::new();
    changes.iter().for_each(|rows| table.push(rows, &mut out));
    table
}

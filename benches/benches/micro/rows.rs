//! Row images -> cells, and cells -> the bytes of a sink, by kind of column.

use std::hint::black_box;

use anyhow::Result;
use benches::encode::encoder;
use benches::made::{Kind, Made};
use criterion::{Criterion, Throughput};
use model::{Item, RowError};
use sinks::format::Format;

const COLUMNS: u32 = 8;
const ROWS: u32 = 2_000;

pub(crate) fn each(criterion: &mut Criterion) -> Result<()> {
    for kind in Kind::ALL {
        let made = Made::inserts(&[kind; COLUMNS as usize], ROWS)?;
        decode(&made)?;
        let mut group = criterion.benchmark_group("cells");
        group.throughput(Throughput::Elements(u64::from(ROWS * COLUMNS)));
        group.bench_function(format!("decode/{}", kind.declared()), |bench| {
            bench.iter(|| decode(&made));
        });
        for format in Format::ALL {
            let items: Vec<Item> = made.blocks.iter().cloned().map(Item::Rows).collect();
            let mut encoder = encoder(format);
            let mut out = Vec::new();
            items.iter().try_for_each(|item| encoder.item(item, &mut out))?;
            group.bench_function(format!("{}/{}", format.name(), kind.declared()), |bench| {
                bench.iter(|| {
                    out.clear();
                    let _done =
                        black_box(items.iter().try_for_each(|item| encoder.item(item, &mut out)));
                });
            });
        }
        group.finish();
    }
    Ok(())
}

fn decode(made: &Made) -> Result<(), RowError> {
    for block in &made.blocks {
        let mut rest: &[u8] = &block.data;
        let mut cells = Vec::with_capacity(block.table.columns.len());
        while !rest.is_empty() {
            cells.clear();
            let taken = block.codec.decode(rest, &mut cells)?;
            cells.iter().for_each(|cell| {
                black_box(cell);
            });
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
    Ok(())
}

//! A checkpoint -> the bytes of a snapshot, and back, by number of tables.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use criterion::Criterion;
use model::checkpoint::TableState;
use model::{Checkpoint, TableName, TableSchema};
use state::format::{Place, decode, encode};

/// One of every field.
const HELD: &[u8] = include_bytes!("../../../state/fixtures/v1.checkpoint");
const PLACE: Place<'static> = Place { store: "memory", job: "bench", id: "1" };
const TABLES: [usize; 3] = [1, 100, 2000];

pub(crate) fn each(criterion: &mut Criterion) -> Result<()> {
    let held = decode(HELD, PLACE)?;
    let mut group = criterion.benchmark_group("checkpoint");
    for tables in TABLES {
        let checkpoint = of_tables(&held, tables)?;
        let bytes = encode(&checkpoint)?;
        group.bench_function(format!("encode/{tables} tables"), |bench| {
            bench.iter(|| encode(black_box(&checkpoint)));
        });
        group.bench_function(format!("decode/{tables} tables"), |bench| {
            bench.iter(|| decode(black_box(&bytes), PLACE));
        });
    }
    group.finish();
    Ok(())
}

/// The same with so many tables like its first.
fn of_tables(held: &Checkpoint, tables: usize) -> Result<Checkpoint> {
    let mut source = (*held.source).clone();
    let like = source.tables.first().context("no table in the checkpoint")?.clone();
    let named = |number| {
        let name = TableName::new("bench", format!("t{number}"));
        TableState {
            schema: Arc::new(TableSchema { name, ..(*like.schema).clone() }),
            ..like.clone()
        }
    };
    source.tables = (0..tables).map(named).collect();
    Ok(Checkpoint { source: Arc::new(source), ..held.clone() })
}

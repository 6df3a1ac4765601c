//! Sets of GTIDs, of one source without gaps and of many with some.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use criterion::{BatchSize, Criterion};
use model::{Gtid, GtidSet};

const SOURCES: u32 = 32;
const GAPS: u64 = 16;
const LAST: u64 = 1_000_000;

pub(crate) fn each(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("gtids");
    for (name, text) in [("one source", whole()), ("32 sources with 16 gaps each", gapped())] {
        let set: GtidSet = text.parse()?;
        let (first, _) = set.iter().next().context("an empty set")?;
        let next = Gtid { source: first.clone(), sequence: LAST + 1 };
        group.bench_function(format!("parse/{name}"), |bench| {
            bench.iter(|| black_box(&text).parse::<GtidSet>());
        });
        group.bench_function(format!("print/{name}"), |bench| bench.iter(|| set.to_string()));
        group.bench_function(format!("insert the next/{name}"), |bench| {
            bench.iter_batched_ref(|| set.clone(), |set| set.insert(&next), BatchSize::SmallInput);
        });
        group.bench_function(format!("is superset/{name}"), |bench| {
            bench.iter(|| set.is_superset(black_box(&set)));
        });
        group.bench_function(format!("union/{name}"), |bench| {
            bench.iter_batched_ref(
                GtidSet::default,
                |other| other.union(&set),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("minus/{name}"), |bench| {
            bench.iter(|| set.minus(black_box(&set)))
        });
    }
    group.finish();
    Ok(())
}

fn source(number: u32) -> String {
    format!("3e11fa47-71ca-11e1-9e33-c80aa94{number:05x}")
}

fn whole() -> String {
    format!("{}:1-{LAST}", source(0))
}

fn gapped() -> String {
    let step = LAST / GAPS;
    let parts = (0..GAPS).map(|gap| format!(":{}-{}", gap * step + 1, (gap + 1) * step - 1));
    let parts: String = parts.collect();
    let all: Vec<String> = (0..SOURCES).map(|number| source(number) + &parts).collect();
    all.join(",")
}

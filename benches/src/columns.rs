//! Whether a cell costs the same in a wide row: tables of columns of one kind, in memory.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use benches::encode::encoder;
use benches::made::{Kind, Made};
use model::Item;
use sinks::format::Format;

use crate::chart::{Chart, Series};
use crate::decoder::decode;

const COLUMNS: [usize; 3] = [1, 8, 64];
/// Of each table; some megabytes, past the nearest caches.
const CELLS: u32 = 640_000;
/// Times that a run goes over them.
const PASSES: u32 = 5;

/// Nanoseconds a cell: decoded, and decoded and encoded.
pub(crate) fn each(runs: usize) -> Result<Vec<Chart>> {
    let (mut decoded, mut encoded) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        let name = kind.declared().to_owned();
        let (mut decodes, mut encodes) = (Vec::new(), Vec::new());
        for columns in COLUMNS {
            let made = Made::inserts(&vec![kind; columns], CELLS / u32::try_from(columns)?)?;
            decodes.push(nanos_a_cell(runs, || decode(&made.blocks).map(drop))?);
            encodes.push(nanos_a_cell(runs, || encode(&made))?);
        }
        decoded.push(Series { name: name.clone(), values: decodes });
        encoded.push(Series { name, values: encodes });
    }
    let chart = |name, title: &str, series| Chart {
        name,
        title: title.to_owned(),
        along: "columns of the table",
        places: COLUMNS.map(|columns| columns.to_string()).into(),
        series,
        limit: None,
    };
    Ok(vec![
        chart("columns-decode", "ns a cell, decoded", decoded),
        chart("columns-encode", "ns a cell, decoded and written as debezium-json", encoded),
    ])
}

/// The median over runs.
fn nanos_a_cell(runs: usize, pass: impl Fn() -> Result<()>) -> Result<f64> {
    let mut all = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        (0..PASSES).try_for_each(|_| pass())?;
        all.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(PASSES * CELLS));
    }
    all.sort_by(f64::total_cmp);
    Ok(all.get(all.len() / 2).copied().unwrap_or_default())
}

fn encode(made: &Made) -> Result<()> {
    let mut encoder = encoder(Format::DebeziumJson);
    let mut out = Vec::new();
    for block in &made.blocks {
        out.clear();
        encoder.item(&Item::Rows(block.clone()), &mut out)?;
        black_box(&out);
    }
    Ok(())
}

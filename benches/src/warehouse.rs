//! Into a warehouse, against the same into `blackhole`: what loading costs beside encoding.
//!
//! The warehouse is the stand-in, which counts the rows of a load and looks into none.

use anyhow::{Result, ensure};
use tests::Script;
use tests::warehouse::{System, Warehouse};

use crate::measure::{Run, median, to_its_end, until_idle};
use crate::snapshot::{self, ROWS};
use crate::stream;
use crate::table::{Line, Side};
use crate::workload::{BULK_ROWS, Source, grow_bulk};

/// Milliseconds. Loads become visible by checkpoints, so both sides have them.
const CHECKPOINT: &str = "1000";

/// What is read.
#[derive(Clone, Copy)]
enum Part {
    Stream,
    Snapshot,
}

impl Part {
    fn script(self, source: &Source) -> Script {
        let script = match self {
            Self::Stream => stream::reading(source),
            Self::Snapshot => snapshot::reading(source, 1),
        };
        script.option("checkpoint", CHECKPOINT)
    }

    async fn run(self, script: &Script) -> Result<Run> {
        let (run, _) = match self {
            Self::Stream => until_idle("bench", script).await?,
            Self::Snapshot => to_its_end("bench", script).await?,
        };
        Ok(run)
    }

    async fn into_blackhole(self, source: &Source) -> Result<Run> {
        let script = self.script(source).blackhole().option("sink.format", "debezium-json");
        self.run(&script).await
    }

    async fn into_warehouse(self, source: &Source, system: System) -> Result<Run> {
        let warehouse = Warehouse::counting(system).await?;
        let run = self.run(&self.script(source).into_warehouse(&warehouse)).await?;
        let rows = warehouse.counted("bench", source.workload.table()).await?;
        // Of a stream, a row that is changed again before its load goes is loaded once.
        let expected = match self {
            Self::Stream => BULK_ROWS..=source.workload.changes(),
            Self::Snapshot => ROWS..=ROWS,
        };
        ensure!(expected.contains(&rows), "{} shows {rows} rows of {expected:?}", system.name());
        Ok(run)
    }

    /// Rows or changes that are read.
    fn rows(self, source: &Source) -> u64 {
        match self {
            Self::Stream => source.workload.changes(),
            Self::Snapshot => ROWS,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Stream => "bulk",
            Self::Snapshot => "snapshot, parallelism 1,",
        }
    }
}

/// The stream first: the snapshot's rows come beside it.
pub(crate) async fn against_blackhole(source: &Source, runs: usize) -> Result<Vec<Line>> {
    let mut lines = of(Part::Stream, source, runs).await?;
    grow_bulk(&source.server, ROWS).await?;
    lines.extend(of(Part::Snapshot, source, runs).await?);
    Ok(lines)
}

async fn of(part: Part, source: &Source, runs: usize) -> Result<Vec<Line>> {
    let mut blackhole = Vec::new();
    let mut ours = System::ALL.map(|system| (system, Vec::new()));
    for _ in 0..runs {
        blackhole.push(part.into_blackhole(source).await?);
        for (system, all) in &mut ours {
            all.push(part.into_warehouse(source, *system).await?);
        }
    }
    let (blackhole, rows) = (median(&blackhole), part.rows(source));
    let line = |(system, all): (System, Vec<Run>)| Line {
        what: format!("{} → `{}`, checkpoints of 1 s", part.what(), system.name()),
        ours: Side::ours(median(&all), rows),
        against: Side::named("`blackhole`, debezium-json", blackhole, rows),
        aim: Some(0.7),
    };
    Ok(ours.into_iter().map(line).collect())
}

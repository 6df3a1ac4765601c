//! Does the target hold what the source holds? Read from both, changed in neither.
//!
//! Both sides move while they are read, and the target is behind. So a table is compared in two steps:
//!
//! 1. *Walk.* All rows of both sides, range by range ([`keyed`]), or as a whole where rows cannot be named
//!    ([`sums`]). What is equal was equal at some moment, and is done with. No position is needed for that.
//! 2. *Settle.* Keys at which the two were not equal are in doubt, most of them for the target's lag. They
//!    are read again by key until it is known what they are; the argument is in [`settle`].
//!
//! How far the target is, is what the job's own snapshots say ([`checkpoints`]): the state is read as
//! `seachange snapshots` reads it, without its fence. What is compared is what the sink would have loaded
//! (`sinks::readback`), so that a loss the mapping knows of is no difference.
//!
//! INVARIANT bounded: of a table a chunk's rows and [`chunk::DOUBTFUL_MAX`] keys are held, and of those the
//! rows of one query at a time.

pub mod checkpoints;
pub mod chunk;
mod error;
mod keyed;
mod origin;
mod pace;
pub mod report;
pub mod settle;
mod sums;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use binlog::query::QueryConn;
use binlog::server::connect;
use futures_util::StreamExt as _;
use job::{JobSpec, TablePatterns, TransformSpec, Written};
use model::checkpoint::TablePhase;
use model::{Checkpoint, CheckpointStore, TableName, TableSchema};
use sinks::SinkContext;
use sinks::readback::{Look, Readback, View};

pub use self::error::VerifyError;

use self::checkpoints::Checkpoints;
use self::keyed::{Keyed, Ordered};
use self::origin::Origin;
use self::pace::Pace;
use self::report::{Outcome, Report, Verdict};
use self::settle::Digest;
use self::sums::Sums;
use crate::source::catalog::CatalogTable;
use crate::source::open::sorted;
use crate::source::order::KeyOrder;

/// What a user chooses.
#[derive(Debug)]
pub struct Choice {
    /// Only tables that match; all, where it is not said.
    pub tables: Option<TablePatterns>,
    /// Differing keys that are named of each table.
    pub keys_max: usize,
    pub rows_per_second: Option<u32>,
    /// Tables at a time.
    pub parallelism: usize,
    /// How long a newer snapshot is waited for.
    pub wait: Duration,
}

/// What the comparison of every table shares.
struct Shell {
    origin: Origin,
    checkpoints: Checkpoints,
    pace: Pace,
    keys_max: usize,
    hashers: (RandomState, RandomState),
}

impl Shell {
    fn digest(&self, bytes: &[u8]) -> Digest {
        Digest(self.hashers.0.hash_one(bytes), self.hashers.1.hash_one(bytes))
    }

    /// True where the job has nothing left to take from the source.
    async fn is_at_the_end(&self, conn: &mut QueryConn) -> Result<bool, VerifyError> {
        let end = self.origin.end(conn).await?;
        Ok(self.checkpoints.newest().await.source.position.reached(&end))
    }
}

/// Why rows of this job cannot be compared, if so. What changes rows on their way has to change them
/// here before they are compared ([`View::row`]); until it does, such a job is refused by name.
pub fn refusal(job: &JobSpec) -> Option<String> {
    let changes = |transform: &&TransformSpec| {
        let all = |written: &Written| matches!(written.text.trim(), "*" | "\\*");
        transform.projection.as_ref().is_some_and(|projection| !all(projection))
            || transform.filter.is_some()
            || transform.primary_keys.is_some()
    };
    job.transforms.iter().find(changes).map(|transform| {
        format!(
            "job {}: the transform of `{}` changes rows on their way, and a job with transforms \
             cannot be verified yet",
            job.name, transform.source_table
        )
    })
}

/// A table of a sink, and the source's that go there.
struct Pair {
    sink: String,
    target: TableName,
    sources: Vec<CatalogTable>,
    /// Why it is of no use to compare them.
    unfit: Option<String>,
}

/// Compares all tables of a job with all of its sinks that can be read. `sink` makes what a sink knows
/// of the job.
///
/// # Errors
/// A side cannot be reached or read, or the state.
pub async fn run(
    job: &JobSpec,
    store: Arc<dyn CheckpointStore>,
    choice: &Choice,
    context: impl Fn(&job::SinkSpec) -> SinkContext,
) -> Result<Report, VerifyError> {
    let checkpoints = Checkpoints::open(store, choice.wait).await?;
    let origin = Origin::find(job, checkpoints.identity()).await?;
    let newest = checkpoints.newest().await;
    let mut conn = connect(&origin.options).await?;
    let catalog = sorted(job, Some(&newest.source), &mut conn).await?;
    drop(conn);
    let shell = Shell {
        origin,
        checkpoints,
        pace: Pace::new(choice.rows_per_second),
        keys_max: choice.keys_max,
        hashers: (RandomState::new(), RandomState::new()),
    };
    let mut report = Report { job: job.name.clone(), ..Report::default() };
    for spec in &job.sinks {
        let opened = sinks::read_back(&spec.connector, &spec.options, &context(spec))?;
        let Some(readback) = opened else {
            let why =
                format!("`{}` keeps no tables that could be read: not verified", spec.connector);
            report.passed_over.push((spec.name.clone(), why));
            continue;
        };
        let pairs = pairs(&spec.name, &readback, &catalog.tables, &newest, choice)?;
        let compared = pairs.into_iter().map(|pair| Box::pin(compare(&shell, &readback, pair)));
        let mut compared = futures_util::stream::iter(compared).buffered(choice.parallelism.max(1));
        while let Some(outcome) = compared.next().await {
            report.outcomes.push(outcome?);
        }
    }
    let newest = shell.checkpoints.newest().await;
    report.snapshot = (newest.id.0, newest.source.position.to_string());
    report.stalled = shell.checkpoints.is_stalled().await;
    Ok(report)
}

/// The tables of one sink, in their order.
fn pairs(
    sink: &str,
    readback: &Readback,
    tables: &BTreeMap<TableName, CatalogTable>,
    newest: &Checkpoint,
    choice: &Choice,
) -> Result<Vec<Pair>, VerifyError> {
    let mut by_target: BTreeMap<TableName, Pair> = BTreeMap::new();
    let mut wanted: Vec<TableName> = Vec::new();
    for (name, table) in tables {
        let target = readback.target_of(name)?;
        if choice.tables.as_ref().is_none_or(|patterns| patterns.matches(name)) {
            wanted.push(target.clone());
        }
        let pair = by_target.entry(target.clone()).or_insert_with(|| Pair {
            sink: sink.to_owned(),
            target,
            sources: Vec::new(),
            unfit: None,
        });
        pair.sources.push(table.clone());
        if pair.unfit.is_none() {
            pair.unfit = unfit(name, newest);
        }
    }
    // Of merged tables all are compared where one is wanted: the others' rows are there too.
    by_target.retain(|target, _| wanted.contains(target));
    Ok(by_target.into_values().collect())
}

/// Why the target need not hold this table's rows now.
fn unfit(name: &TableName, newest: &Checkpoint) -> Option<String> {
    let state = &newest.source;
    if state.quarantine.tables.iter().any(|apart| apart.table == *name) {
        return Some(format!("{name} is in quarantine"));
    }
    match state.tables.iter().find(|table| table.name() == name) {
        None => Some(format!("snapshot {} does not know {name}", newest.id)),
        Some(table) => match &table.phase {
            TablePhase::Live => None,
            TablePhase::Snapshot { rows, .. } => {
                Some(format!("{name} is being read, {rows} rows so far"))
            }
        },
    }
}

async fn compare(shell: &Shell, readback: &Readback, pair: Pair) -> Result<Outcome, VerifyError> {
    let named = |outcome: Outcome| Outcome {
        sink: pair.sink.clone(),
        table: pair.target.to_string(),
        sources: pair.sources.iter().map(|table| table.schema.name.to_string()).collect(),
        ..outcome
    };
    let not_compared = |why| Outcome { verdict: Verdict::NotCompared(why), ..Outcome::default() };
    if let Some(why) = &pair.unfit {
        return Ok(named(not_compared(why.clone())));
    }
    let schemas: Vec<Arc<TableSchema>> =
        pair.sources.iter().map(|table| Arc::clone(&table.schema)).collect();
    let view = match readback.look(&pair.target, &schemas).await? {
        Look::Missing => {
            return Ok(named(Outcome { verdict: Verdict::Missing, ..Outcome::default() }));
        }
        Look::Unfit(why) => return Ok(named(not_compared(why))),
        Look::Table(view) => view,
    };
    let lacks = view.lacks().to_vec();
    let outcome = match rows(shell, readback, &view, &pair.sources).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_of_table() => not_compared(crate::error::chain(&error)),
        Err(error) => return Err(error),
    };
    Ok(named(Outcome { lacks, ..outcome }))
}

async fn rows(
    shell: &Shell,
    readback: &Readback,
    view: &View,
    tables: &[CatalogTable],
) -> Result<Outcome, VerifyError> {
    let ordered = |table: &CatalogTable| {
        let order = KeyOrder::of(&table.schema)?;
        Some(Ordered { table: table.clone(), order: Arc::new(order) })
    };
    let by_key = view.has_key() && view.refuses_lookups().is_none();
    match tables.iter().map(ordered).collect::<Option<Vec<_>>>().filter(|_| by_key) {
        Some(ordered) => Keyed::begin(shell, readback, view, &ordered).await?.run().await,
        None => Sums { shell, readback, view, tables }.run().await,
    }
}

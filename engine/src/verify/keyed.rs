//! A table whose rows have keys: every key once, and what is in doubt until it is settled.
//!
//! Where the target sorts keys as the source does, a range of the source's is read from both. Elsewhere
//! (texts with a collation, encoded bytes, merged tables) each side is walked in its own order and its
//! keys are looked up in the other, so that nothing rests on an order that only one of them has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use binlog::query::QueryConn;
use model::{TableSchema, Watermark};
use sinks::readback::{Connection, Key, Readback, Row, View, cells};
use tokio::time::Instant;

use super::chunk::{Chunk, DOUBTFUL_MAX};
use super::origin::{self, KEYS_PER_QUERY, Read, Walk};
use super::report::{ColumnDiffers, Differs, Finding, Outcome, Verdict, What};
use super::settle::{Case, Cover, Held, ROUNDS_MAX, Verdict as Settled};
use super::{Shell, VerifyError};
use crate::source::catalog::CatalogTable;
use crate::source::order::KeyOrder;

/// A table with more differences is left there: it is not compared any more, it is to be read again.
const DIFFERENCES_MAX: u64 = 10_000;
/// Keys of the target that are looked up at a time.
const PAGE: u64 = 2_000;
/// Passes over one range of which the target shows too many other rows.
const PASSES_MAX: u32 = 5;
/// With more keys in doubt, they are not looked at in between.
const LOOKED_AT_MAX: usize = 2_000;
/// Between two such looks; after so many of them, ten times as long.
const LOOK_EVERY: Duration = Duration::from_millis(150);
const LOOKS_CLOSE: u32 = 20;

/// A table of the source and the order of its keys.
pub(super) struct Ordered {
    pub(super) table: CatalogTable,
    pub(super) order: Arc<KeyOrder>,
}

pub(super) struct Keyed<'a> {
    shell: &'a Shell,
    readback: &'a Readback,
    view: &'a View,
    tables: &'a [Ordered],
    source: QueryConn,
    target: Connection,
    doubtful: BTreeSet<Key>,
    differs: Differs,
    outcome: Outcome,
}

/// The target had too many rows in one range that the source has not.
const NO_END: &str = "one range of keys has more and more rows that the other side has not; let the job \
    catch up, and compare again";

impl<'a> Keyed<'a> {
    pub(super) async fn begin(
        shell: &'a Shell,
        readback: &'a Readback,
        view: &'a View,
        tables: &'a [Ordered],
    ) -> Result<Self, VerifyError> {
        Ok(Self {
            shell,
            readback,
            view,
            tables,
            source: shell.origin.connect().await?,
            target: readback.connect().await?,
            doubtful: BTreeSet::new(),
            differs: Differs::default(),
            outcome: Outcome::default(),
        })
    }

    pub(super) async fn run(mut self) -> Result<Outcome, VerifyError> {
        self.compare().await?;
        self.source.close().await;
        Ok(self.outcome)
    }

    async fn compare(&mut self) -> Result<(), VerifyError> {
        let whole = self.walk().await?;
        if whole {
            self.settle().await?;
        } else if !self.is_left() {
            self.outcome.verdict = Verdict::NotCompared(NO_END.to_owned());
            return Ok(());
        }
        self.differs.at_least = self.is_left();
        if self.differs.keys > 0 || self.differs.changing > 0 {
            self.outcome.verdict = Verdict::Differs(std::mem::take(&mut self.differs));
        }
        Ok(())
    }

    fn is_left(&self) -> bool {
        self.differs.keys >= DIFFERENCES_MAX
    }

    /// Through both sides; false where it was given up.
    async fn walk(&mut self) -> Result<bool, VerifyError> {
        let in_order = self.view.is_in_order();
        for number in 0..self.tables.len() {
            let Some(Ordered { table, order }) = self.tables.get(number) else { continue };
            let mut walk = Walk::new(table, Arc::clone(order));
            while let Some(read) = walk.next(&mut self.source).await? {
                self.outcome.rows_source += read.rows.rows;
                if !self.chunk(number, &table.schema, &read, in_order).await? {
                    return Ok(false);
                }
                self.shell.pace.read(read.rows.rows).await;
            }
        }
        if in_order { Ok(true) } else { self.pages().await }
    }

    /// One chunk against the target, again where too much of it had to be settled first.
    async fn chunk(
        &mut self,
        number: usize,
        schema: &TableSchema,
        read: &Read,
        in_order: bool,
    ) -> Result<bool, VerifyError> {
        for _ in 0..PASSES_MAX {
            let mut chunk = Chunk::new(!self.readback.deletes());
            origin::each(self.view, number, &read.rows, |row| chunk.source(row))?;
            let queries = if in_order {
                let bound = |bound| origin::bound_key(self.view, schema, bound);
                let (after, through) =
                    (bound(read.range.after.as_ref())?, bound(read.range.through.as_ref())?);
                vec![self.view.query_range(after.as_deref(), through.as_deref())]
            } else {
                self.view.query_keys(chunk.keys())
            };
            let mut rows = 0;
            for query in &queries {
                let take = |row: Row| {
                    rows += 1;
                    chunk.target(&row)
                };
                self.readback.rows(&mut self.target, self.view, query, take).await?;
                if chunk.is_full() {
                    break;
                }
            }
            if !chunk.is_full() {
                if in_order {
                    self.outcome.rows_target += rows;
                    self.outcome.kept += chunk.kept();
                }
                self.doubtful.extend(chunk.finish());
                if self.doubtful.len() >= DOUBTFUL_MAX {
                    self.settle().await?;
                }
                return Ok(!self.is_left());
            }
            self.doubtful.extend(chunk.leave());
            // What is left of the answer is on the old one.
            self.target = self.readback.connect().await?;
            self.settle().await?;
            if self.is_left() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// The target's keys, in its order, looked up in the source.
    async fn pages(&mut self) -> Result<bool, VerifyError> {
        let mut after: Option<Key> = None;
        loop {
            let query = self.view.query_page(after.as_deref(), PAGE);
            let mut page: Vec<Row> = Vec::new();
            let take = |row| {
                page.push(row);
                ControlFlow::Continue(())
            };
            self.readback.rows(&mut self.target, self.view, &query, take).await?;
            let Some(last) = page.last() else { return Ok(true) };
            after = Some(last.key().into());
            self.outcome.rows_target += page.len() as u64;
            let keys: Vec<&[u8]> = page.iter().map(Row::key).collect();
            for batch in keys.chunks(KEYS_PER_QUERY) {
                let found = self.in_source(batch).await?;
                let missing = batch.iter().filter(|key| !found.contains_key(**key));
                if self.readback.deletes() {
                    self.doubtful.extend(missing.map(|key| Key::from(*key)));
                } else {
                    self.outcome.kept += missing.count() as u64;
                }
            }
            self.shell.pace.read(page.len() as u64).await;
            if self.doubtful.len() >= DOUBTFUL_MAX {
                self.settle().await?;
                if self.is_left() {
                    return Ok(false);
                }
            }
        }
    }

    /// Rows of all tables with these keys; at most [`KEYS_PER_QUERY`].
    async fn in_source(&mut self, keys: &[&[u8]]) -> Result<HashMap<Key, Vec<Row>>, VerifyError> {
        let mut found = HashMap::new();
        for (number, Ordered { table, order }) in self.tables.iter().enumerate() {
            let of = (number, &*table.schema, &**order);
            origin::by_keys(&mut self.source, self.view, of, keys, &mut found).await?;
        }
        Ok(found)
    }

    async fn in_target(&mut self, keys: &[&[u8]]) -> Result<HashMap<Key, Row>, VerifyError> {
        let mut found = HashMap::new();
        for query in self.view.query_keys(keys.iter().copied()) {
            let take = |row: Row| {
                found.insert(row.key().into(), row);
                ControlFlow::Continue(())
            };
            self.readback.rows(&mut self.target, self.view, &query, take).await?;
        }
        Ok(found)
    }

    /// Settles all keys in doubt.
    async fn settle(&mut self) -> Result<(), VerifyError> {
        let doubtful = std::mem::take(&mut self.doubtful).into_iter();
        let mut cases: BTreeMap<Key, Case> = doubtful.map(|key| (key, Case::default())).collect();
        for round in 0..ROUNDS_MAX {
            if cases.is_empty() {
                return Ok(());
            }
            tracing::debug!(round, keys = cases.len(), "keys in doubt");
            self.look(&mut cases, Case::begin).await?;
            let mark = self.shell.origin.end(&mut self.source).await?;
            let cover = self.covered(&mark, &mut cases, round > 0).await?;
            self.judge(&mut cases, cover).await?;
        }
        self.differs.changing += cases.len() as u64;
        for key in cases.keys() {
            self.tell(key, || What::Changing);
        }
        Ok(())
    }

    /// A look at all cases in the source.
    async fn look(
        &mut self,
        cases: &mut BTreeMap<Key, Case>,
        seen: fn(&mut Case, Held),
    ) -> Result<(), VerifyError> {
        let keys: Vec<Key> = cases.keys().cloned().collect();
        for batch in keys.chunks(KEYS_PER_QUERY) {
            let batch: Vec<&[u8]> = batch.iter().map(|key| &**key).collect();
            let found = self.in_source(&batch).await?;
            for key in batch {
                if let Some(case) = cases.get_mut(key) {
                    seen(case, self.held(found.get(key)));
                }
            }
        }
        Ok(())
    }

    fn held(&self, rows: Option<&Vec<Row>>) -> Held {
        let mut held: Held =
            rows.into_iter().flatten().map(|r| self.shell.digest(r.bytes())).collect();
        held.sort_unstable();
        held
    }

    /// Waits until the target can have everything up to `mark`, with an eye on the source.
    async fn covered(
        &mut self,
        mark: &Watermark,
        cases: &mut BTreeMap<Key, Case>,
        looks: bool,
    ) -> Result<Cover, VerifyError> {
        let since = Instant::now();
        let looks = looks && cases.len() <= LOOKED_AT_MAX;
        let mut waits = 0;
        loop {
            if let Some(cover) = self.shell.checkpoints.cover(mark, since).await? {
                return Ok(cover);
            }
            tokio::time::sleep(LOOK_EVERY).await;
            waits += 1;
            if looks && (waits <= LOOKS_CLOSE || waits % 10 == 0) {
                self.look(cases, Case::look).await?;
            }
        }
    }

    async fn judge(
        &mut self,
        cases: &mut BTreeMap<Key, Case>,
        cover: Cover,
    ) -> Result<(), VerifyError> {
        let before = self.differs.keys;
        let keys: Vec<Key> = cases.keys().cloned().collect();
        for batch in keys.chunks(KEYS_PER_QUERY) {
            let batch: Vec<&[u8]> = batch.iter().map(|key| &**key).collect();
            let target = self.in_target(&batch).await?;
            let source = self.in_source(&batch).await?;
            for key in batch {
                let (there, here) = (target.get(key), source.get(key));
                let shown = there.map(|row| self.shell.digest(row.bytes()));
                let held = self.held(here);
                let verdict = cases.get_mut(key).map(|case| case.judge(shown, held, cover));
                match verdict {
                    Some(Settled::Again) | None => continue,
                    Some(Settled::Agrees) => {}
                    Some(Settled::Differs) => self.different(key, here, there),
                }
                cases.remove(key);
            }
        }
        if cover == Cover::Stalled && self.differs.keys > before {
            self.differs.unsettled |= !self.shell.is_at_the_end(&mut self.source).await?;
        }
        Ok(())
    }

    fn different(&mut self, key: &[u8], source: Option<&Vec<Row>>, target: Option<&Row>) {
        let source = source.and_then(|rows| rows.first());
        if source.is_none() && !self.readback.deletes() {
            self.outcome.kept += 1;
            return;
        }
        self.differs.keys += 1;
        let view = self.view;
        self.tell(key, || match (source, target) {
            (None, _) => What::OnlyTarget,
            (_, None) => What::OnlySource,
            (Some(source), Some(target)) => What::Columns(columns(view, source, target)),
        });
    }

    fn tell(&mut self, key: &[u8], what: impl FnOnce() -> What) {
        if self.outcome.keys.len() < self.shell.keys_max {
            let names = self.view.key_columns().map(str::to_owned);
            let key = names.zip(cells(key).map(text)).collect();
            self.outcome.keys.push(Finding { key, what: what() });
        }
    }
}

fn text(cell: Option<&[u8]>) -> Option<String> {
    cell.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn columns(view: &View, source: &Row, target: &Row) -> Vec<ColumnDiffers> {
    let cells = source.cells().zip(target.cells());
    let differing = view.columns().zip(cells).filter(|(_, (source, target))| source != target);
    let one = |(name, (source, target)): (&str, _)| ColumnDiffers {
        name: name.to_owned(),
        source: text(source),
        target: text(target),
    };
    differing.map(one).collect()
}

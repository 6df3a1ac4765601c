//! A table whose rows cannot be named: both sides as a whole, as the sum of their rows' digests.
//!
//! A sum does not depend on the order of rows and counts each as often as it is there, so two tables of
//! the same rows have the same, and two others do not but by a chance of one in 2^128. The whole table is
//! settled as one row is elsewhere: it has to stand still to be told different.

use std::ops::ControlFlow;

use binlog::query::QueryConn;
use sinks::readback::{Connection, Readback, View};
use tokio::time::Instant;

use super::origin;
use super::report::{Differs, Outcome, Verdict};
use super::settle::{Case, Cover, Digest, ROUNDS_MAX, Verdict as Settled};
use super::{Shell, VerifyError};
use crate::source::catalog::CatalogTable;

const POLL: std::time::Duration = std::time::Duration::from_millis(250);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    of: (u64, u64),
}

impl Sum {
    fn add(&mut self, row: Digest) {
        self.rows += 1;
        self.of = (self.of.0.wrapping_add(row.0), self.of.1.wrapping_add(row.1));
    }
}

pub(super) struct Sums<'a> {
    pub(super) shell: &'a Shell,
    pub(super) readback: &'a Readback,
    pub(super) view: &'a View,
    pub(super) tables: &'a [CatalogTable],
}

impl Sums<'_> {
    pub(super) async fn run(self) -> Result<Outcome, VerifyError> {
        let mut source = self.shell.origin.connect().await?;
        let outcome = self.compare(&mut source).await?;
        source.close().await;
        Ok(outcome)
    }

    async fn compare(&self, source: &mut QueryConn) -> Result<Outcome, VerifyError> {
        let mut target = self.readback.connect().await?;
        let mut outcome = Outcome::default();
        let (held, shown) = (self.held(source).await?, self.shown(&mut target).await?);
        (outcome.rows_source, outcome.rows_target) = (held.rows, shown.rows);
        if held == shown {
            return Ok(outcome);
        }
        if !self.readback.deletes() {
            let why = "deletes are left out (`enable-delete`), and of a table without a key it cannot be \
                told which rows stay for that";
            outcome.verdict = Verdict::NotCompared(why.to_owned());
            return Ok(outcome);
        }
        let mut case = Case::default();
        for _ in 0..ROUNDS_MAX {
            let held = self.held(source).await?;
            case.begin(vec![self.digest(held)]);
            let cover = self.covered(source).await?;
            let shown = self.shown(&mut target).await?;
            let held = self.held(source).await?;
            (outcome.rows_source, outcome.rows_target) = (held.rows, shown.rows);
            match case.judge(Some(self.digest(shown)), vec![self.digest(held)], cover) {
                Settled::Agrees => return Ok(outcome),
                Settled::Again => {}
                Settled::Differs => {
                    let stalled = cover == Cover::Stalled;
                    let unsettled = stalled && !self.shell.is_at_the_end(source).await?;
                    let keys = held.rows.abs_diff(shown.rows).max(1);
                    let differs =
                        Differs { keys, unsettled, as_a_whole: true, ..Differs::default() };
                    outcome.verdict = Verdict::Differs(differs);
                    return Ok(outcome);
                }
            }
        }
        let differs = Differs { changing: 1, as_a_whole: true, ..Differs::default() };
        outcome.verdict = Verdict::Differs(differs);
        Ok(outcome)
    }

    fn digest(&self, sum: Sum) -> Digest {
        let bytes = [sum.rows, sum.of.0, sum.of.1].map(u64::to_le_bytes);
        self.shell.digest(bytes.as_flattened())
    }

    async fn held(&self, conn: &mut QueryConn) -> Result<Sum, VerifyError> {
        let mut sum = Sum::default();
        for (number, table) in self.tables.iter().enumerate() {
            origin::all(conn, &table.schema, &self.shell.pace, |rows| {
                let add = |row: sinks::readback::Row| sum.add(self.shell.digest(row.bytes()));
                Ok(origin::each(self.view, number, &rows, add)?)
            })
            .await?;
        }
        Ok(sum)
    }

    async fn shown(&self, connection: &mut Connection) -> Result<Sum, VerifyError> {
        let mut sum = Sum::default();
        let take = |row: sinks::readback::Row| {
            sum.add(self.shell.digest(row.bytes()));
            ControlFlow::Continue(())
        };
        self.readback.rows(connection, self.view, &self.view.query_all(), take).await?;
        Ok(sum)
    }

    async fn covered(&self, conn: &mut QueryConn) -> Result<Cover, VerifyError> {
        let mark = self.shell.origin.end(conn).await?;
        let since = Instant::now();
        loop {
            if let Some(cover) = self.shell.checkpoints.cover(&mark, since).await? {
                return Ok(cover);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(rows: &[Digest]) -> Sum {
        let mut sum = Sum::default();
        rows.iter().for_each(|row| sum.add(*row));
        sum
    }

    #[test]
    fn a_sum_counts_each_row_as_often_as_it_is_there_in_any_order() {
        let (a, b) = (Digest(u64::MAX, 7), Digest(3, u64::MAX));
        assert_eq!(sum(&[a, b, a]), sum(&[a, a, b]));
        assert_ne!(sum(&[a, b, a]), sum(&[a, b, b]));
        assert_ne!(sum(&[a]), sum(&[a, Digest(0, 0)]));
    }
}

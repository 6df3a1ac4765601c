//! What the page says of single tables, as far as there is room.

use std::fmt::Display;

use super::jobs::{by_op, seconds};
use super::text::{Family, Metric};
use super::{JobMetrics, PerTable, TABLES_SHOWN_MAX, names};
use crate::source::status::{TableNow, TableStage};

struct Shown<'a> {
    job: &'a str,
    name: String,
    now: TableNow,
}

pub(super) fn write(page: &mut String, jobs: &[JobMetrics], tables: PerTable) {
    let all = || {
        let runs = jobs.iter().filter_map(|job| Some((&*job.name, job.run.as_ref()?)));
        runs.flat_map(|(job, run)| run.status.list.iter().map(move |table| (job, table)))
    };
    let room = match tables {
        PerTable::Shown => TABLES_SHOWN_MAX,
        PerTable::LeftOut => 0,
    };
    let shown: Vec<Shown<'_>> = all()
        .take(room)
        .map(|(job, table)| Shown { job, name: table.name.to_string(), now: table.now() })
        .collect();
    let mut family = Family::of(page, &names::TABLE_ROWS);
    for table in &shown {
        for (op, rows) in by_op(&table.now.rows) {
            family.put(&[table.job, &table.name, op], rows);
        }
    }
    each(page, &names::TABLE_BYTES, &shown, |now| Some(now.rows.bytes));
    each(page, &names::TABLE_LEFT, &shown, |now| Some(now.rows_left_estimate));
    each(page, &names::TABLE_LIVE, &shown, |now| Some(u8::from(now.stage == TableStage::Live)));
    let is_apart = |now: &TableNow| now.stage == TableStage::Quarantined;
    each(page, &names::TABLE_APART, &shown, |now| Some(u8::from(is_apart(now))));
    each(page, &names::TABLE_DROPPED, &shown, |now| is_apart(now).then_some(now.events_dropped));
    each(page, &names::TABLE_CHANGED, &shown, |now| now.last_change_ms.map(seconds));
    Family::of(page, &names::TABLES_LEFT_OUT).put(&[], all().count() - shown.len());
}

fn each<V: Display>(
    page: &mut String,
    metric: &'static Metric,
    tables: &[Shown<'_>],
    value: impl Fn(&TableNow) -> Option<V>,
) {
    let mut family = Family::of(page, metric);
    for table in tables {
        family.put_some(&[table.job, &table.name], value(&table.now));
    }
}

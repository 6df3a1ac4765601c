//! `seachange prune`: removes snapshots of a job that is stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use model::checkpoint::Listed;
use model::{BarrierKind, CheckpointId, Clock, StoreError};

use super::run::SystemClock;
use super::words::{age, count, time_text};
use super::{Usage, exit, named, show};
use crate::cli::PruneArgs;
use crate::error::chain;

/// What is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    /// So many of each kind stay.
    keep: usize,
    savepoints: bool,
    damaged: bool,
    /// Only what was completed before this, in milliseconds since the epoch.
    before_ms: Option<i64>,
}

pub async fn run(args: &PruneArgs) -> anyhow::Result<u8> {
    let named = named(&args.job, &args.state)?;
    if !state::jobs(&named.state).await?.contains(&named.job) {
        let what = format!("there is no job {} in {}", named.job, named.state);
        return Err(Usage(what).into());
    }
    let now = SystemClock.now_ms();
    let retained = named.retained.map_or(1, |n| n.get() as usize);
    let wish = Wish {
        keep: args.keep.unwrap_or(retained),
        savepoints: args.savepoints,
        damaged: args.damaged,
        before_ms: args.older_than.map(|age| before(now, age)),
    };
    if args.dry_run {
        let store = state::open_read_only(&named.state, &named.job)?;
        let listed = store.list().await?;
        let chosen = chosen(&listed, wish);
        for entry in &chosen {
            show(format!("would remove {}", text(entry, now)))?;
        }
        show(summary("would be removed", chosen.len(), listed.len()))?;
        return Ok(exit::DONE);
    }
    let (store, fence) = super::taken(&named, &args.state).await?;
    let listed = store.list().await?;
    let chosen = chosen(&listed, wish);
    for entry in &chosen {
        store.remove(fence, entry.id).await?;
        show(format!("removed {}", text(entry, now)))?;
    }
    store.release().await?;
    show(summary("removed", chosen.len(), listed.len()))?;
    if let Some(line) = back(&listed, &chosen) {
        show(line)?;
    }
    Ok(exit::DONE)
}

/// Damaged snapshots that were newer than every valid one are gone: what that means to the next start.
fn back(listed: &[Listed], gone: &[&Listed]) -> Option<String> {
    let newest = state::newest(listed).checkpoint?;
    gone.iter().any(|entry| entry.id > newest.id).then(|| {
        format!(
            "the next start goes on from {} {}: what came after it comes again",
            newest.kind, newest.id
        )
    })
}

fn before(now_ms: i64, age: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

fn summary(what: &str, gone: usize, of: usize) -> String {
    format!("{gone} of {} {what}", count(of as u64, "snapshot"))
}

fn text(entry: &Listed, now_ms: i64) -> String {
    match &entry.content {
        Ok(c) => {
            let (at, ago) = (time_text(c.completed_at_ms), age(c.completed_at_ms, now_ms));
            let note = if c.note.is_empty() { String::new() } else { format!(": {}", c.note) };
            format!("{} {} of {at}, {ago} ago{note}", c.kind, c.id)
        }
        Err(error) => format!("snapshot {}: {}", entry.id, chain(error)),
    }
}

/// The snapshots to remove, newest first. Never the newest valid one; never one of a later format,
/// which a later version can restore.
fn chosen(listed: &[Listed], wish: Wish) -> Vec<&Listed> {
    let newest = state::newest(listed).checkpoint.map(|c| c.id);
    let mut ids: BTreeSet<CheckpointId> = state::prunable(listed, wish.keep).into_iter().collect();
    if wish.savepoints {
        let mut savepoints: Vec<CheckpointId> = listed
            .iter()
            .filter_map(|l| l.content.as_ref().ok())
            .filter(|c| c.kind == BarrierKind::Savepoint)
            .map(|c| c.id)
            .collect();
        savepoints.sort_unstable_by(|a, b| b.cmp(a));
        ids.extend(savepoints.into_iter().skip(wish.keep).filter(|id| Some(*id) != newest));
    }
    let goes = |entry: &&Listed| match &entry.content {
        Ok(c) => ids.contains(&c.id) && wish.before_ms.is_none_or(|ms| c.completed_at_ms < ms),
        // When it was completed cannot be told.
        Err(StoreError::Damaged { .. }) => wish.damaged,
        Err(_) => false,
    };
    let mut chosen: Vec<&Listed> = listed.iter().filter(goes).collect();
    chosen.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    chosen
}

#[cfg(test)]
mod tests {
    use model::conformance::samples;

    use super::*;

    const WISH: Wish = Wish { keep: 1, savepoints: false, damaged: false, before_ms: None };

    /// `c` is a checkpoint, `s` a savepoint, `x` damaged, `n` of a later format; ids from 1 up,
    /// completed at second `id`.
    fn check(kinds: &str, wish: Wish, expect: &[u64]) {
        let entry = |(n, kind): (usize, char)| {
            let id = n as u64 + 1;
            let (job, text) = ("j".to_owned(), id.to_string());
            let content = match kind {
                'c' => Ok(samples::checkpoint("j", id, BarrierKind::Checkpoint)),
                's' => Ok(samples::checkpoint("j", id, BarrierKind::Savepoint)),
                'n' => {
                    Err(StoreError::Newer { job, id: text, found: 9, known: 1, needed: "9".into() })
                }
                _ => {
                    let (store, what) = ("memory".to_owned(), "torn".to_owned());
                    Err(StoreError::Damaged { store, job, id: text, what })
                }
            };
            Listed { id: CheckpointId(id), size: 1, content }
        };
        let listed: Vec<Listed> = kinds.chars().enumerate().map(entry).collect();
        let ids: Vec<u64> = chosen(&listed, wish).iter().map(|entry| entry.id.0).collect();
        assert_eq!(ids, expect, "{kinds} {wish:?}");
    }

    #[test]
    fn checkpoints_beyond_the_newest_go_and_savepoints_stay() {
        check("cscsc", WISH, &[3, 1]);
        check("cscsc", Wish { keep: 2, ..WISH }, &[1]);
        check("c", Wish { keep: 0, ..WISH }, &[]);
    }

    #[test]
    fn savepoints_go_only_when_asked_for_and_never_the_newest_valid_snapshot() {
        check("scss", Wish { savepoints: true, ..WISH }, &[3, 1]);
        check("css", Wish { keep: 0, savepoints: true, ..WISH }, &[2, 1]);
        check("ssx", Wish { keep: 0, savepoints: true, ..WISH }, &[1]);
    }

    #[test]
    fn what_is_younger_than_asked_for_stays() {
        check("ccccc", Wish { before_ms: Some(3_000), ..WISH }, &[2, 1]);
        check("ccccc", Wish { before_ms: Some(1_000), ..WISH }, &[]);
    }

    #[test]
    fn a_damaged_snapshot_goes_only_when_asked_for_and_one_of_a_later_format_never() {
        check("xnccx", WISH, &[3]);
        check("xnccx", Wish { damaged: true, ..WISH }, &[5, 3, 1]);
    }
}

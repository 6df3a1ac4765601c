//! How fast a job goes through the binlog, and how fast the binlog is purged behind it. Pure.

use std::collections::VecDeque;

use super::{Look, Place};

/// Between two notes, and how many are kept: paces are those of the last half hour.
const NOTE_EVERY_MS: i64 = 60_000;
const NOTES_MAX: usize = 30;

/// What was seen of late, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<Note>);

#[derive(Debug, Clone, Copy)]
struct Note {
    at_ms: i64,
    /// Source time of the newest event taken.
    ts_ms: i64,
    /// Sequence numbers of files: where the job reads, and the oldest that the server has.
    own: u64,
    oldest: u64,
}

impl Pace {
    pub(super) fn note(&mut self, now_ms: i64, look: &Look, place: &Place<'_>) {
        let due = self.0.back().is_none_or(|last| now_ms - last.at_ms >= NOTE_EVERY_MS);
        if let Some(note) = now(now_ms, look, place).filter(|_| due) {
            if self.0.len() == NOTES_MAX {
                self.0.pop_front();
            }
            self.0.push_back(note);
        }
    }

    /// Seconds until the server may purge the file that the job reads. Of two ways to tell, the one
    /// that says it comes sooner: by the age at which the server purges, and by how the oldest file
    /// has moved.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn retention(&self, now_ms: i64, look: &Look, place: &Place<'_>) -> Option<f64> {
        let now = now(now_ms, look, place)?;
        if now.own < now.oldest {
            return Some(0.0);
        }
        let then = self.0.front().filter(|then| then.at_ms < now_ms);
        let elapsed = then.map(|then| (now.at_ms - then.at_ms) as f64 / 1000.0);
        let by_age = look.expires_after.map(|after| {
            // The file that is written to is not purged, and is young when it is left.
            let is_last = place.position.file == look.end.file;
            let age = if is_last || place.ts_ms == 0 { 0 } else { (now_ms - place.ts_ms).max(0) };
            let left = (after.as_secs_f64() - age as f64 / 1000.0).max(0.0);
            let pace = then.zip(elapsed).map_or(0.0, |(then, elapsed)| {
                (now.ts_ms - then.ts_ms).max(0) as f64 / 1000.0 / elapsed
            });
            // A file's age grows by a second each second, less what the job catches up.
            if is_last || pace >= 1.0 { left } else { left / (1.0 - pace) }
        });
        let by_files = then.zip(elapsed).and_then(|(then, elapsed)| {
            let purged = now.oldest.saturating_sub(then.oldest) as f64 / elapsed;
            let taken = now.own.saturating_sub(then.own) as f64 / elapsed;
            let nears = purged > taken;
            nears.then(|| (now.own - now.oldest) as f64 / (purged - taken))
        });
        by_age.into_iter().chain(by_files).reduce(f64::min)
    }
}

/// `None` where the files are not of one history.
fn now(at_ms: i64, look: &Look, place: &Place<'_>) -> Option<Note> {
    let (own, oldest) = (&place.position.file, &look.files.first()?.file);
    own.partial_cmp(oldest)?;
    Some(Note { at_ms, ts_ms: place.ts_ms, own: own.sequence(), oldest: oldest.sequence() })
}

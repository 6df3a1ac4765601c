//! Schema changes that a sink has not followed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sinks::Unapplied;

/// The newest so many are kept.
pub const UNAPPLIED_KEPT: usize = 100;
/// Of a statement, and of the reason.
const TEXT_CHARS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct UnappliedMeter(Mutex<Unapplieds>);

/// Changes that sinks have not followed.
#[derive(Debug, Clone, Default)]
pub struct Unapplieds {
    pub count: u64,
    /// Oldest first.
    pub kept: VecDeque<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Counted from 1.
    pub number: u64,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    pub what: Unapplied,
}

impl UnappliedMeter {
    /// A run that starts again may tell what the one before has told: that is no other change.
    pub(super) fn told(&self, mut what: Unapplied, at_ms: i64) {
        cut(&mut what);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.kept.iter().any(|seen| seen.what == what) {
            return;
        }
        if all.kept.len() == UNAPPLIED_KEPT {
            all.kept.pop_front();
        }
        all.count += 1;
        let number = all.count;
        all.kept.push_back(Seen { number, at_ms, what });
    }

    pub(super) fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    pub(super) fn now(&self) -> Unapplieds {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn cut(what: &mut Unapplied) {
    if what.statement.chars().nth(TEXT_CHARS_MAX).is_some() {
        let begin: String = what.statement.chars().take(TEXT_CHARS_MAX).collect();
        what.statement = format!("{begin}…").into();
    }
    if let Some((at, _)) = what.why.char_indices().nth(TEXT_CHARS_MAX) {
        what.why.truncate(at);
        what.why.push('…');
    }
}

//! Schema changes that sinks have followed, until they have been told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sinks::Applied;

/// The newest so many are kept.
const APPLIED_KEPT: usize = 100;
/// Of a statement.
const STATEMENT_CHARS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct AppliedMeter(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    /// Oldest first.
    newest: VecDeque<Applied>,
}

impl AppliedMeter {
    pub(super) fn told(&self, mut what: Applied) {
        what.applied = cut(&what.applied);
        what.statement = cut(&what.statement).into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.newest.len() == APPLIED_KEPT {
            kept.newest.pop_front();
        }
        kept.count += 1;
        kept.newest.push_back(what);
    }

    /// How many there were, and those after the first `told`, as far as they are kept.
    pub(super) fn after(&self, told: u64) -> (u64, Vec<Applied>) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = usize::try_from(kept.count.saturating_sub(told)).unwrap_or(usize::MAX);
        let known = kept.newest.len().saturating_sub(new);
        (kept.count, kept.newest.iter().skip(known).cloned().collect())
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(STATEMENT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use model::TableName;

    use super::*;

    #[test]
    fn each_is_told_once_and_of_many_the_newest() {
        let meter = AppliedMeter::default();
        let applied = |n: usize| Applied {
            sink: "sink[0]".to_owned(),
            table: TableName::new("d", "t"),
            target: TableName::new("d", "t"),
            statement: "ALTER".into(),
            place: format!("b.000001:{n}"),
            applied: "x".repeat(STATEMENT_CHARS_MAX + n),
        };
        meter.told(applied(1));
        let (told, new) = meter.after(0);
        assert_eq!((told, new.len()), (1, 1));
        assert_eq!(new[0].applied.chars().count(), STATEMENT_CHARS_MAX + 1);
        assert_eq!(meter.after(told), (1, vec![]));
        (0..APPLIED_KEPT + 5).for_each(|n| meter.told(applied(n)));
        let (count, new) = meter.after(told);
        assert_eq!((count, new.len()), (106, APPLIED_KEPT));
        assert_eq!(new[0].place, "b.000001:5");
    }
}

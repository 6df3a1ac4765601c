//! Places at which a test ends the process: the edges between two steps that are each atomic.
//!
//! `SEACHANGE_FAULT=store.before:3` aborts at the third passage of that point, as a crash of the
//! process there would: no destructor runs, no buffer is flushed. Release builds have no such points.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable of the environment.
pub const VARIABLE: &str = "SEACHANGE_FAULT";

/// Every point, in the order in which a checkpoint passes them. Those of fences and records are an
/// object store's own: a fence is a record too.
pub const POINTS: &[&str] = &[
    "barrier.before",
    "barrier.after",
    "prepare.before",
    "prepare.after",
    "store.before",
    "fence.after",
    "record.before",
    "record.after",
    "store.after",
    "commit.before",
    "commit.after",
    "prune.before",
    "prune.after",
];

struct Armed {
    name: String,
    left: AtomicU32,
}

static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
    let setting = std::env::var(VARIABLE).ok()?;
    parse(&setting)
});

fn parse(setting: &str) -> Option<Armed> {
    let (name, passage) = setting.split_once(':')?;
    Some(Armed { name: name.to_owned(), left: AtomicU32::new(passage.parse().ok()?) })
}

/// The variable that names a job which is to panic as it starts, for those who watch what that does to
/// the others. Debug builds only, as above.
pub const PANIC_VARIABLE: &str = "SEACHANGE_PANIC";

/// Panics where the environment says so.
#[expect(clippy::panic, reason = "what it is for")]
pub fn panic_as(job: &str) {
    if cfg!(debug_assertions) && std::env::var(PANIC_VARIABLE).is_ok_and(|named| named == job) {
        panic!("{PANIC_VARIABLE} names this job");
    }
}

/// Passes the point `name`.
pub fn point(name: &str) {
    if cfg!(debug_assertions) && ARMED.as_ref().is_some_and(|armed| armed.strikes(name)) {
        eprintln!("fault point {name}: the process ends here");
        std::process::abort();
    }
}

impl Armed {
    fn strikes(&self, name: &str) -> bool {
        self.name == name && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_strikes_at_its_passage_and_no_other() {
        let armed = parse("store.before:3").unwrap();
        let struck: Vec<bool> = ["store.before", "store.after", "store.before", "store.before"]
            .map(|name| armed.strikes(name))
            .into();
        assert_eq!(struck, [false, false, false, true]);
        assert!(!armed.strikes("store.before"), "once");
    }

    #[test]
    fn a_setting_that_cannot_be_read_arms_nothing() {
        for setting in ["", "store.before", "store.before:x"] {
            assert!(parse(setting).is_none(), "{setting}");
        }
    }
}

//! The lease: by what a holder is known to live, and by what it knows itself to hold the job.
//!
//! The object `lease` is written anew by the holder, several times within its length. Another process
//! that sees it unchanged for that length, by its own clock, may take the job over. The holder counts
//! its length from before each write began, and every write is followed by a look for a newer fence
//! in the log. So whoever has put a fence there and then waits for one length knows that every holder
//! before it has either seen the fence or run out of lease. No two clocks are ever compared.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::owner::Owner;

/// What the object holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) epoch: u64,
    pub(super) owner: Owner,
    /// Tells this store from every other, of the same process too.
    pub(super) nonce: u64,
    /// Grows with every write: the next is always different.
    pub(super) beat: u64,
    pub(super) length_ms: u64,
    /// The holder has ended, or knows that it holds the job no more.
    pub(super) released: bool,
}

impl Lease {
    pub(super) fn length(&self) -> Duration {
        Duration::from_millis(self.length_ms)
    }
}

/// Part of its length that a holder does not rely on: a write to a sink that was allowed may take a
/// moment to be sent.
const MARGIN_PARTS: u32 = 5;
/// Writes within a length.
const RENEWALS: u32 = 3;

pub(super) fn renewed_every(length: Duration) -> Duration {
    length / RENEWALS
}

/// What a holder knows of its own hold. Read before every write to a sink: no lock, no I/O.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Epoch that this store holds, or held last; 0 before the first.
    epoch: AtomicU64,
    /// Epoch of who took the job over; 0 while nobody has.
    lost_to: AtomicU64,
    /// Until when, in milliseconds of [`now`].
    until_ms: AtomicU64,
    closed: AtomicBool,
}

/// Why a job is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// This is the newest epoch known.
    Taken(u64),
    /// Nobody is known to have taken it; it could not be renewed in time.
    RanOut,
}

impl Hold {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A lease written from `began` on: the job is held as `epoch`.
    pub(super) fn begin(&self, epoch: u64, began: Duration, length: Duration) {
        // First: with the rest of it the epoch before would seem to be held again.
        self.epoch.store(epoch, Ordering::Release);
        self.until_ms.store(end(began, length), Ordering::Release);
        self.lost_to.store(0, Ordering::Release);
        self.closed.store(false, Ordering::Release);
    }

    /// The same, for an epoch that goes on. One that has run out does not come back: another may be
    /// about to take the job, and has not been seen.
    pub(super) fn renew(&self, epoch: u64, began: Duration, length: Duration) {
        if self.check_at(epoch, now()).is_ok() {
            self.until_ms.store(end(began, length), Ordering::Release);
        }
    }

    pub(super) fn lose_to(&self, epoch: u64) {
        self.lost_to.store(epoch, Ordering::Release);
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether `epoch` is held now.
    pub(super) fn check(&self, epoch: u64) -> Result<(), Lost> {
        self.check_at(epoch, now())
    }

    /// Whether `epoch` is the newest, as far as is known here; its lease may have run out.
    pub(super) fn newest(&self, epoch: u64) -> Result<(), Lost> {
        match (self.epoch(), self.lost_to.load(Ordering::Acquire)) {
            (held, 0) if held == epoch => Ok(()),
            (held, lost_to) => Err(Lost::Taken(held.max(lost_to))),
        }
    }

    fn check_at(&self, epoch: u64, now: Duration) -> Result<(), Lost> {
        self.newest(epoch)?;
        let until = Duration::from_millis(self.until_ms.load(Ordering::Acquire));
        if self.closed.load(Ordering::Acquire) || now >= until {
            return Err(Lost::RanOut);
        }
        Ok(())
    }
}

fn end(began: Duration, length: Duration) -> u64 {
    let until = began + (length - length / MARGIN_PARTS);
    u64::try_from(until.as_millis()).unwrap_or(u64::MAX)
}

/// Time since some moment in the past, which goes on while the machine sleeps where the system can
/// tell: a process that wakes up must not take the sleep for no time.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn now() -> Duration {
    static BEGAN: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    BEGAN.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_hold_ends_before_its_lease_and_never_comes_back() {
        let hold = Hold::default();
        assert!(hold.check_at(1, S).is_err(), "nothing was taken yet");
        hold.begin(1, 100 * S, 10 * S);
        assert_eq!(hold.check_at(1, 107 * S), Ok(()));
        assert_eq!(hold.check_at(1, 108 * S), Err(Lost::RanOut), "the margin");
        assert_eq!(hold.newest(1), Ok(()), "and yet nobody is known to have it");
        let began = now();
        hold.begin(1, began, Duration::ZERO);
        hold.renew(1, began, 3600 * S);
        assert_eq!(hold.check(1), Err(Lost::RanOut), "what ran out is not renewed");
        hold.begin(2, began, 3600 * S);
        assert_eq!(hold.check(2), Ok(()), "it is taken again, under a new epoch");
        assert_eq!(hold.check(1), Err(Lost::Taken(2)));
        hold.lose_to(9);
        assert_eq!(hold.check(2), Err(Lost::Taken(9)));
        hold.begin(10, began, 3600 * S);
        hold.close();
        assert_eq!(hold.check(10), Err(Lost::RanOut));
    }
}

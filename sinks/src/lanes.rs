//! Work on batches side by side, its results in the order in which it was begun.
//!
//! Encoding is a processor's work, and one processor encodes more slowly than a source reads. So several
//! batches are encoded at a time; whoever puts the results where they belong does it one after another.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::task::{JoinError, JoinSet};

/// Beyond these the source is the slower side.
const LANES_MAX: usize = 4;
/// What all of them may work on, unless it is one piece alone.
const BYTES_MAX: usize = 8 << 20;

/// As many pieces of work at a time as there are processors, at most four, and bounded in bytes.
pub(crate) struct Lanes<T> {
    most: usize,
    tasks: JoinSet<Done<T>>,
    /// What has come before its turn, by its number.
    early: BTreeMap<u64, Done<T>>,
    begun: u64,
    taken: u64,
    /// Under way.
    bytes: usize,
}

struct Done<T> {
    number: u64,
    bytes: usize,
    result: T,
}

impl<T: Send + 'static> Lanes<T> {
    pub(crate) fn new() -> Self {
        let most = available_parallelism().map_or(1, NonZero::get).min(LANES_MAX);
        let early = BTreeMap::new();
        Self { most, tasks: JoinSet::new(), early, begun: 0, taken: 0, bytes: 0 }
    }

    /// Begins a piece of work on so many bytes, for which there must be room.
    pub(crate) fn begin(&mut self, bytes: usize, work: impl FnOnce() -> T + Send + 'static) {
        let number = self.begun;
        self.begun += 1;
        self.bytes += bytes;
        self.tasks.spawn(async move { Done { number, bytes, result: work() } });
    }

    /// Work on so many bytes can begin. If not, the next result is to be taken first.
    pub(crate) fn have_room(&self, bytes: usize) -> bool {
        let under_way = usize::try_from(self.begun - self.taken).unwrap_or(usize::MAX);
        under_way == 0 || (under_way < self.most && self.bytes + bytes <= BYTES_MAX)
    }

    pub(crate) fn are_empty(&self) -> bool {
        self.begun == self.taken
    }

    /// The next result; `None` where nothing is under way.
    ///
    /// # Errors
    /// The work did not end: it panicked, or the runtime ends.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, JoinError> {
        loop {
            if let Some(done) = self.early.remove(&self.taken) {
                self.taken += 1;
                self.bytes -= done.bytes;
                return Ok(Some(done.result));
            }
            let Some(done) = self.tasks.join_next().await else { return Ok(None) };
            let done = done?;
            self.early.insert(done.number, done);
        }
    }

    /// Nothing of what is under way is wanted any more.
    pub(crate) fn abandon(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn results_come_in_the_order_in_which_their_work_was_begun() {
        let mut lanes = Lanes::new();
        lanes.most = 3;
        let (mut begun, mut results) = (0_u64, Vec::new());
        while results.len() < 100 {
            while begun < 100 && lanes.have_room(1) {
                let (number, rounds) = (begun, 1 + (100 - begun) % 7 * 1000);
                lanes.begin(1, move || {
                    (0..rounds).fold(number, |held, _| std::hint::black_box(held))
                });
                begun += 1;
            }
            results.push(lanes.next().await.unwrap().unwrap());
        }
        assert_eq!(results, (0..100).collect::<Vec<_>>());
        assert!(lanes.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_piece_that_is_too_large_is_worked_on_alone() {
        let mut lanes = Lanes::new();
        lanes.most = 3;
        lanes.begin(1, || 1);
        assert!(lanes.have_room(BYTES_MAX - 1) && !lanes.have_room(BYTES_MAX));
        lanes.next().await.unwrap();
        assert!(lanes.have_room(10 * BYTES_MAX));
        lanes.begin(10 * BYTES_MAX, || 2);
        assert!(!lanes.have_room(0));
    }

    #[tokio::test]
    async fn a_panic_in_the_work_is_an_error_and_no_silence() {
        let mut lanes = Lanes::new();
        lanes.begin(1, || panic!("on purpose"));
        assert!(lanes.next().await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn what_is_abandoned_does_not_come() {
        let mut lanes = Lanes::new();
        lanes.begin(1, || 1);
        lanes.abandon();
        lanes.begin(1, || 2);
        assert_eq!(lanes.next().await.unwrap(), Some(2));
        assert_eq!(lanes.next().await.unwrap(), None);
    }
}

//! Work on batches side by side, its results in the order in which it was begun.
//!
//! Encoding is a processor's work, and one processor encodes more slowly than a source reads. So several
//! batches are encoded at a time; whoever puts the results where they belong does it one after another.

use std::collections::BTreeMap;

use model::SinkError;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Beyond these the source is the slower side.
const LANES_MAX: usize = 4;
/// What the results of all of them may come to, unless it is one piece alone.
const BYTES_MAX: usize = 16 << 20;

/// As many pieces of work at a time as the runtime has workers, at most four, and bounded in bytes.
pub(crate) struct Lanes<T> {
    sink: String,
    most: usize,
    tasks: JoinSet<Done<T>>,
    /// What has come before its turn, by its number.
    early: BTreeMap<u64, Done<T>>,
    begun: u64,
    taken: u64,
    /// What all that is under way is expected to come to.
    bytes: usize,
    /// Bytes of the last result for each that was worked on, at least 1.
    growth: usize,
    /// A piece has failed: what comes behind it must not pass for all there was.
    is_broken: bool,
}

struct Done<T> {
    number: u64,
    /// Expected.
    bytes: usize,
    growth: usize,
    result: Result<T, SinkError>,
}

impl<T: Send + 'static> Lanes<T> {
    pub(crate) fn new(sink: &str) -> Self {
        let workers = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        Self {
            sink: sink.to_owned(),
            most: workers.min(LANES_MAX),
            tasks: JoinSet::new(),
            early: BTreeMap::new(),
            begun: 0,
            taken: 0,
            bytes: 0,
            growth: 1,
            is_broken: false,
        }
    }

    /// Begins to work on so many bytes, for which there must be room. The work tells its result, and how
    /// many bytes that takes.
    pub(crate) fn begin(
        &mut self,
        bytes: usize,
        work: impl FnOnce() -> Result<(T, usize), SinkError> + Send + 'static,
    ) {
        let (number, expected) = (self.begun, self.expected(bytes));
        self.begun += 1;
        self.bytes += expected;
        self.tasks.spawn(async move {
            let (result, growth) = match work() {
                Ok((result, taken)) => (Ok(result), taken.div_ceil(bytes.max(1)).max(1)),
                Err(error) => (Err(error), 1),
            };
            Done { number, bytes: expected, growth, result }
        });
    }

    /// Results grow as the last one did.
    fn expected(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.growth)
    }

    /// Work on so many bytes can begin. If not, the next result is to be taken first.
    pub(crate) fn have_room(&self, bytes: usize) -> bool {
        let under_way = usize::try_from(self.begun - self.taken).unwrap_or(usize::MAX);
        let bytes = self.bytes.saturating_add(self.expected(bytes));
        under_way == 0 || (under_way < self.most && bytes <= BYTES_MAX)
    }

    pub(crate) fn are_empty(&self) -> bool {
        self.begun == self.taken
    }

    /// The next result; `None` where nothing is under way.
    ///
    /// # Errors
    /// That of the work, or that it did not end: it panicked, or the runtime ends. After an error there is
    /// nothing but errors.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, SinkError> {
        if self.is_broken {
            return Err(self.ended("it has failed before"));
        }
        loop {
            if let Some(done) = self.early.remove(&self.taken) {
                self.taken += 1;
                self.bytes -= done.bytes;
                self.growth = done.growth;
                self.is_broken = done.result.is_err();
                return done.result.map(Some);
            }
            match self.tasks.join_next().await {
                None => return Ok(None),
                Some(Ok(done)) => drop(self.early.insert(done.number, done)),
                Some(Err(error)) => {
                    self.is_broken = true;
                    return Err(self.ended(&error.to_string()));
                }
            }
        }
    }

    fn ended(&self, why: &str) -> SinkError {
        let what = format!("the encoder ended: {why}");
        SinkError::Transient { sink: self.sink.clone(), what, source: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes<T: Send + 'static>(most: usize) -> Lanes<T> {
        Lanes { most, ..Lanes::new("sink[0]") }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn results_come_in_the_order_in_which_their_work_was_begun() {
        let (mut lanes, mut begun, mut results) = (lanes(3), 0_u64, Vec::new());
        while results.len() < 100 {
            while begun < 100 && lanes.have_room(1) {
                let (number, rounds) = (begun, 1 + (100 - begun) % 7 * 1000);
                let work = move || (0..rounds).fold(number, |held, _| std::hint::black_box(held));
                lanes.begin(1, move || Ok((work(), 1)));
                begun += 1;
            }
            results.push(lanes.next().await.unwrap().unwrap());
        }
        assert_eq!(results, (0..100).collect::<Vec<_>>());
        assert!(lanes.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_piece_that_is_too_large_is_worked_on_alone() {
        let mut lanes = lanes(3);
        lanes.begin(1, || Ok((1, 1)));
        assert!(lanes.have_room(BYTES_MAX - 1) && !lanes.have_room(BYTES_MAX));
        lanes.next().await.unwrap();
        assert!(lanes.have_room(10 * BYTES_MAX));
        lanes.begin(10 * BYTES_MAX, || Ok((2, 0)));
        assert!(!lanes.have_room(0));
    }

    #[tokio::test]
    async fn what_results_come_to_is_expected_of_the_next_ones() {
        let mut lanes = lanes(3);
        lanes.begin(10, || Ok(((), 35)));
        lanes.next().await.unwrap();
        lanes.begin(10, || Ok(((), 10)));
        assert!(lanes.have_room(BYTES_MAX / 4 - 10) && !lanes.have_room(BYTES_MAX / 4 - 9));
        lanes.next().await.unwrap();
        lanes.begin(10, || Ok(((), 10)));
        assert!(lanes.have_room(BYTES_MAX - 10));
    }

    #[tokio::test]
    async fn after_a_panic_or_an_error_nothing_passes_for_all_there_was() {
        let refused = || SinkError::Definite { sink: "sink[0]".to_owned(), what: "no".to_owned() };
        for panics in [false, true] {
            let mut lanes = lanes(3);
            lanes.begin(1, || Ok((0, 1)));
            lanes.begin(1, move || if panics { panic!("on purpose") } else { Err(refused()) });
            lanes.begin(1, || Ok((2, 1)));
            let mut told = Vec::new();
            for _ in 0..4 {
                told.push(lanes.next().await.map_err(|error| error.to_string()));
            }
            assert!(told[1..].iter().all(Result::is_err) || panics && told[0].is_err(), "{told:?}");
            assert!(told[2].is_err() && told[3].is_err(), "{told:?}");
        }
    }
}

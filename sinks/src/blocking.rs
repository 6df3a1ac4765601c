//! Blocking output kept off the runtime's threads.

use model::SinkError;
use tokio::task::{JoinHandle, spawn_blocking};

/// Owns what is written to and runs the writes elsewhere, one after another, in order. One write
/// may be under way while its owner fills the next buffer: two buffers, never more (invariant
/// `bounded`).
pub(crate) struct Blocking<T> {
    sink: String,
    state: State<T>,
}

enum State<T> {
    Idle(T, Vec<u8>),
    Busy(JoinHandle<(T, Vec<u8>, Result<(), SinkError>)>),
    /// After an error, or a call that was dropped half way: nothing more is written.
    Spent,
}

impl<T: Send + 'static> Blocking<T> {
    pub(crate) fn new(sink: &str, target: T) -> Self {
        Self { sink: sink.to_owned(), state: State::Idle(target, Vec::new()) }
    }

    /// Waits for the write before, then starts this one and returns at once with an empty buffer.
    /// An error of this write is told by the next call.
    pub(crate) async fn start(
        &mut self,
        bytes: Vec<u8>,
        write: fn(&mut T, &[u8]) -> Result<(), SinkError>,
    ) -> Result<Vec<u8>, SinkError> {
        let (mut target, spare) = self.idle().await?;
        self.state = State::Busy(spawn_blocking(move || {
            let mut bytes = bytes;
            let result = write(&mut target, &bytes);
            bytes.clear();
            (target, bytes, result)
        }));
        Ok(spare)
    }

    /// Waits for the write before, does `work`, and waits for that too.
    pub(crate) async fn run<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<R, SinkError> + Send + 'static,
    ) -> Result<R, SinkError> {
        let (mut target, spare) = self.idle().await?;
        let work = spawn_blocking(move || {
            let result = work(&mut target);
            (target, result)
        });
        let (target, result) = work.await.map_err(|error| self.ended(&error.to_string()))?;
        let result = result?;
        self.state = State::Idle(target, spare);
        Ok(result)
    }

    /// Takes the target out, once nothing is being written to it.
    async fn idle(&mut self) -> Result<(T, Vec<u8>), SinkError> {
        if let State::Busy(write) = &mut self.state {
            let (target, spare, result) = match write.await {
                Ok(done) => done,
                Err(error) => {
                    self.state = State::Spent;
                    return Err(self.ended(&error.to_string()));
                }
            };
            self.state = State::Spent;
            result?;
            return Ok((target, spare));
        }
        match std::mem::replace(&mut self.state, State::Spent) {
            State::Idle(target, spare) => Ok((target, spare)),
            State::Busy(_) | State::Spent => Err(self.ended("used after it failed")),
        }
    }

    fn ended(&self, why: &str) -> SinkError {
        let what = format!("the writer ended: {why}");
        SinkError::Transient { sink: self.sink.clone(), what, source: None }
    }
}

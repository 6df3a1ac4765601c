//! What a user asks of a job that runs: a savepoint, or its end. And how it stands.

use std::sync::Arc;

use model::Checkpoint;
use tokio::sync::{mpsc, oneshot, watch};

use crate::checkpoint::machine::Then;
use crate::meters::{Checkpoints, Meters};

/// Savepoints that may be asked for while one is under way. Each gets its own.
pub const REQUESTS_MAX: usize = 8;

/// How the job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Not,
    /// Take a savepoint, then end; if it fails, end all the same.
    Savepoint,
    /// End at once, without one.
    Cancel,
}

/// Where the job stands.
#[derive(Debug, Clone)]
pub enum Phase {
    /// The source is being opened.
    Starting,
    /// Savepoints are asked for here.
    Running(mpsc::Sender<SavepointRequest>),
    /// It failed with this, and starts again by and by.
    Waiting(String),
    /// Over; with why, where it failed. The process lets the state go after this.
    Ended(Option<String>),
}

impl Phase {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running(_) => "running",
            Self::Waiting(_) => "waiting to start again",
            Self::Ended(_) => "ended",
        }
    }
}

/// To the coordinator of a run.
#[derive(Debug)]
pub struct SavepointRequest {
    /// What the user writes to it.
    pub note: String,
    pub then: Then,
    pub reply: oneshot::Sender<Result<Taken, Refusal>>,
}

/// A savepoint that was taken on request, stored and read back.
#[derive(Debug, Clone)]
pub struct Taken {
    pub savepoint: Checkpoint,
    /// What `--from` takes: its id, or where it was written besides.
    pub reference: String,
}

/// Why there is no savepoint. The job goes on, if it did before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the job is {0}: ask again once it runs")]
    NotRunning(&'static str),
    #[error("the job waits to start again, for it failed: {0}")]
    Waiting(String),
    #[error("{REQUESTS_MAX} savepoints are waited for already: ask again later")]
    Busy,
    #[error("the run ended before the savepoint was taken")]
    Gone,
    #[error("{0}")]
    Failed(String),
}

/// The user's end.
#[derive(Debug, Clone)]
pub struct Control {
    stop: watch::Sender<Stop>,
    phase: watch::Receiver<Phase>,
    meters: Arc<Meters>,
}

/// The job's end.
#[derive(Debug, Clone)]
pub struct Controlled {
    pub stop: watch::Receiver<Stop>,
    pub phase: watch::Sender<Phase>,
    pub meters: Arc<Meters>,
}

pub fn channel() -> (Control, Controlled) {
    let (stop, stopped) = watch::channel(Stop::Not);
    let (phase, shown) = watch::channel(Phase::Starting);
    let meters = Arc::<Meters>::default();
    let control = Control { stop, phase: shown, meters: Arc::clone(&meters) };
    (control, Controlled { stop: stopped, phase, meters })
}

impl Control {
    /// Takes a savepoint. With [`Then::End`] the job ends once it is stored; if it fails, the job
    /// runs on.
    ///
    /// # Errors
    /// Nothing was taken, and why.
    pub async fn savepoint(&self, note: String, then: Then) -> Result<Taken, Refusal> {
        self.ask(self.phase(), note, then).await
    }

    async fn ask(&self, phase: Phase, note: String, then: Then) -> Result<Taken, Refusal> {
        let requests = match phase {
            Phase::Running(requests) => requests,
            Phase::Waiting(why) => return Err(Refusal::Waiting(why)),
            Phase::Starting | Phase::Ended(_) => return Err(Refusal::NotRunning(phase.name())),
        };
        let (reply, answer) = oneshot::channel();
        let asked = requests.try_send(SavepointRequest { note, then, reply });
        asked.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Busy,
            mpsc::error::TrySendError::Closed(_) => Refusal::Gone,
        })?;
        drop(requests);
        answer.await.unwrap_or(Err(Refusal::Gone))
    }

    /// Takes a savepoint and ends the job by it; waits until it has ended.
    ///
    /// # Errors
    /// Nothing was taken, and why: the job runs on. Or the savepoint is stored, and the job failed
    /// before it had ended.
    pub async fn savepoint_and_end(&self, note: String) -> Result<Taken, Refusal> {
        let run = self.phase();
        let taken = self.ask(run.clone(), note, Then::End).await?;
        let over = |phase: &Phase| match (phase, &run) {
            (Phase::Running(now), Phase::Running(then)) => !now.same_channel(then),
            _ => true,
        };
        let mut phase = self.phase.clone();
        // A sender that is gone is that of a job that has ended.
        let what = match phase.wait_for(over).await.as_deref() {
            Ok(Phase::Ended(None)) | Err(_) => return Ok(taken),
            Ok(Phase::Ended(Some(why))) => format!("the job failed before it had ended: {why}"),
            Ok(Phase::Waiting(why)) => {
                format!("the job failed before it had ended, and starts again: {why}")
            }
            Ok(Phase::Starting | Phase::Running(_)) => {
                "the job failed before it had ended, and starts again".to_owned()
            }
        };
        Err(Refusal::Failed(format!("savepoint {} is stored, and {what}", taken.reference)))
    }

    /// Ends the job, whatever it does at the moment.
    pub fn stop(&self, stop: Stop) {
        self.stop.send_replace(stop);
    }

    pub fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    /// Tells each phase that the job comes to.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// What is counted of the job, while it runs and afterwards.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// How its checkpoints fare.
    pub fn checkpoints(&self) -> Checkpoints {
        self.meters.checkpoints.now()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_askers_wait_and_the_next_is_told_so() {
        let (control, job) = channel();
        let ask = || control.savepoint(String::new(), Then::GoOn);
        assert_eq!(ask().await.unwrap_err(), Refusal::NotRunning("starting"));
        let (want, wanted) = mpsc::channel(REQUESTS_MAX);
        job.phase.send_replace(Phase::Running(want));
        for _ in 0..REQUESTS_MAX {
            let waits = tokio::time::timeout(Duration::from_secs(3600), ask()).await;
            assert!(waits.is_err(), "answered by nobody: {waits:?}");
        }
        assert_eq!(ask().await.unwrap_err(), Refusal::Busy);
        drop(wanted);
        assert_eq!(ask().await.unwrap_err(), Refusal::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_while_the_run_ends_is_told_so() {
        let (control, job) = channel();
        let (want, mut wanted) = mpsc::channel(REQUESTS_MAX);
        job.phase.send_replace(Phase::Running(want));
        let ends = async {
            drop(wanted.recv().await);
            drop(wanted);
        };
        let asked = control.savepoint("a note".to_owned(), Then::GoOn);
        let (answer, ()) = tokio::join!(asked, ends);
        assert_eq!(answer.unwrap_err(), Refusal::Gone);
    }
}

//! How a run of a job ends.

use super::{Actor, After, Halting, JobState, Outcome, Refusal, Refused, Snapshot, Taken, whom};
use crate::api::{EventKind, Wanted};
use crate::control::Stop;
use crate::daemon::Ended;
use crate::jobs::log::Told;
use crate::jobs::view;

impl Actor {
    /// The job is to end, and something is to follow. `how` tells the control; `None` takes a savepoint
    /// that decides whether it ends at all.
    pub(super) async fn halt(
        &mut self,
        after: After,
        by: &str,
        how: Option<Stop>,
        note: String,
    ) -> &mut Halting {
        let before = self.record.standing.clone();
        let answer = match how {
            Some(stop) => {
                if let Some(running) = &self.run {
                    running.run.control.stop(stop);
                }
                None
            }
            None => self.last_savepoint(note),
        };
        let (state, reason) = match &after {
            After::Pause => (JobState::Pausing, "a savepoint is being taken, then it pauses"),
            After::Stop if how.is_none() => {
                (JobState::Stopping, "a savepoint is being taken, then it stops")
            }
            After::Stop => (JobState::Stopping, "it was cancelled, and ends"),
            After::Again(_) => (JobState::Stopping, "it ends, and starts again"),
            After::Leave => (JobState::Stopping, "the daemon ends, and the job takes a savepoint"),
        };
        self.stand(state, reason).await;
        self.halting.insert(Halting {
            after,
            by: by.to_owned(),
            answer,
            saved: None,
            stops: Vec::new(),
            starts: Vec::new(),
            updates: Vec::new(),
            leaves: Vec::new(),
            before,
        })
    }

    /// The savepoint that the job was to end by was taken, or the job runs on.
    pub(super) async fn answered(&mut self, answer: Result<Taken, Refusal>) {
        let Some(halting) = &mut self.halting else { return };
        halting.answer = None;
        match answer {
            Ok(taken) => {
                let saved = self.taken(&taken).await;
                if let Some(halting) = &mut self.halting {
                    halting.saved = Some(saved);
                }
            }
            Err(refusal) => {
                let why = refusal.to_string();
                self.not_taken(&why).await;
                let Some(mut halting) = self.halting.take() else { return };
                let before = halting.before.clone();
                let leaves = std::mem::take(&mut halting.leaves);
                halting.refused(&Refused::SavepointFailed(why.clone()));
                self.stand(before.state, format!("no savepoint was taken, so it runs on: {why}"))
                    .await;
                self.phase_changed().await;
                if !leaves.is_empty() {
                    self.halt_to_leave().await.leaves = leaves;
                }
            }
        }
    }

    pub(super) async fn not_taken(&mut self, why: &str) {
        self.savepoint_error = Some(why.to_owned());
        let text = format!("no savepoint was taken: {why}");
        self.shared.log.tell(Told::of(&self.record.name, EventKind::Savepoint, text)).await;
    }

    /// What the API shows of a savepoint that was taken.
    pub(super) async fn taken(&mut self, taken: &Taken) -> Snapshot {
        self.savepoint_error = None;
        self.last_snapshot_ms = Some(taken.savepoint.completed_at_ms);
        let text = format!("savepoint {} was taken", taken.reference);
        self.shared.log.tell(Told::of(&self.record.name, EventKind::Savepoint, text)).await;
        let state = self.brief.as_ref().map(|brief| &brief.state);
        let size = super::asks::size(state, &self.record.name, taken).await;
        view::snapshot(&taken.savepoint, size)
    }

    pub(super) async fn ended(&mut self, outcome: Outcome) {
        if let Some(answer) = self.halting.as_mut().and_then(|halting| halting.answer.take()) {
            // The job has ended, so this is known too.
            match answer.await.unwrap_or(Err(Refusal::Gone)) {
                Ok(taken) => self.answered(Ok(taken)).await,
                Err(refusal) => self.ended_before(&refusal).await,
            }
        }
        let has_stored =
            |running: &super::Running| running.run.control.checkpoints().last().is_some();
        if self.run.as_ref().is_some_and(has_stored)
            || matches!(outcome, Outcome::Ended(Ended::With(_)))
        {
            self.has_begun().await;
        }
        // Not all may have been told yet.
        self.tell_of_changes().await;
        if let Some(running) = self.run.take() {
            let newest = running.run.control.checkpoints().last().map(|took| took.at_ms);
            self.last_snapshot_ms = newest.max(self.last_snapshot_ms);
            self.last = Some(super::Seen {
                control: running.run.control,
                status: running.run.status,
                behind: running.run.behind,
                is_over: true,
            });
        }
        match self.halting.take() {
            Some(halting) => self.halted(halting, outcome).await,
            None => self.ended_by_itself(outcome).await,
        }
    }

    /// The job has ended, for good or by itself, before the savepoint was taken that it was to end by.
    async fn ended_before(&mut self, refusal: &Refusal) {
        self.not_taken(&refusal.to_string()).await;
        let Some(mut halting) = self.halting.take() else { return };
        for leave in std::mem::take(&mut halting.leaves) {
            let _ = leave.send(Ok(()));
        }
        let what = format!("the job ended before a savepoint was taken: {refusal}");
        halting.refused(&Refused::InTheWay(what));
    }

    async fn ended_by_itself(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Failed(why) => self.fail(why).await,
            Outcome::Ended(Ended::With(id)) => {
                self.record.wanted = Wanted::Stopped;
                let reason = format!("it came to its end; its last snapshot is {id}");
                self.stand(JobState::Finished, reason).await;
            }
            Outcome::Ended(Ended::Unsaved | Ended::Cancelled) | Outcome::Never => {
                self.record.wanted = Wanted::Stopped;
                self.stand(JobState::Stopped, "it ended, though nobody asked for it").await;
            }
        }
    }

    /// The end that was asked for has come.
    async fn halted(&mut self, mut halting: Halting, outcome: Outcome) {
        let by = whom(&halting.by);
        let how = match (&halting.saved, &outcome) {
            (Some(saved), _) => format!("{by} with savepoint {}", saved.id),
            (None, Outcome::Failed(why)) => format!("{by}; it failed as it ended: {why}"),
            (None, Outcome::Ended(Ended::With(id))) => format!("{by} with snapshot {id}"),
            (None, Outcome::Ended(Ended::Unsaved | Ended::Cancelled) | Outcome::Never) => {
                format!("{by} without a savepoint; its newest checkpoint stands")
            }
        };
        match std::mem::replace(&mut halting.after, After::Stop) {
            After::Stop => {
                self.rest(Wanted::Stopped, JobState::Stopped, format!("stopped{how}")).await;
                halting.at_rest(self.is_unkept);
            }
            After::Pause => {
                self.rest(Wanted::Paused, JobState::Paused, format!("paused{how}")).await;
                halting.at_rest(self.is_unkept);
            }
            After::Leave => {
                let reason = "the daemon has ended, and brings it back when it starts".to_owned();
                self.stand(JobState::Stopped, reason).await;
                halting.done();
            }
            After::Again(anew) if self.is_leaving => {
                let kept = self.again_later(*anew).await;
                let reason = "the daemon has ended, and starts it when it starts".to_owned();
                self.stand(JobState::Stopped, reason).await;
                match kept {
                    Ok(()) => halting.done(),
                    Err(refused) => halting.refused(&refused),
                }
            }
            After::Again(anew) => {
                let promised = self.record.beginning.clone();
                match self.again(*anew, &how).await {
                    Ok(()) => halting.done(),
                    Err(refused) => {
                        // What was asked for cannot be; the job is not to pay for that.
                        let why = format!("{refused}; it goes on where it was");
                        let before = promised.unwrap_or_else(super::Beginning::resumed);
                        if let Err(error) = self.begin(before, &why).await {
                            self.fail(error.to_string()).await;
                        }
                        halting.refused(&refused);
                    }
                }
            }
        }
    }

    async fn rest(&mut self, wanted: Wanted, state: JobState, reason: String) {
        self.record.wanted = wanted;
        self.record.beginning = None;
        self.stand(state, reason).await;
    }

    /// The next daemon is to do it.
    async fn again_later(&mut self, anew: super::Anew) -> Result<(), Refused> {
        let beginning = self.after_promised(anew.beginning);
        if let Some(written) = anew.edit {
            self.write_version(written).await?;
        }
        let promised = super::Record {
            wanted: Wanted::Running,
            beginning: Some(beginning),
            ..self.record.clone()
        };
        self.put(promised).await
    }

    async fn again(&mut self, anew: super::Anew, how: &str) -> Result<(), Refused> {
        let beginning = self.after_promised(anew.beginning);
        if let Some(written) = anew.edit {
            self.write_version(written).await?;
        }
        self.begin(beginning, &format!("{}; it ended{how}", anew.what)).await
    }

    /// Whatever the savepoint comes to, the job ends.
    pub(super) async fn halt_to_leave(&mut self) -> &mut Halting {
        self.halt(After::Leave, "the daemon", Some(Stop::Savepoint), String::new()).await
    }
}

impl Halting {
    /// The job rests. Whoever asked for that is told where a restart of the daemon would undo it.
    fn at_rest(self, is_unkept: bool) {
        if !is_unkept {
            return self.done();
        }
        let what = "the job has ended, but that could not be kept: the registry refused it; it is tried \
                    again, and a daemon that starts before brings the job back";
        self.refused(&Refused::State(what.to_owned()));
    }

    /// Everybody who waits is told. Whoever has gone meanwhile is not.
    fn done(self) {
        for leave in self.leaves {
            let _ = leave.send(Ok(()));
        }
        for stop in self.stops {
            let _ = stop.send(Ok(self.saved.clone()));
        }
        for start in self.starts {
            let _ = start.send(Ok(()));
        }
        for update in self.updates {
            let _ = update.send(Ok(super::Updated { applied: true, changed: true }));
        }
    }

    pub(super) fn refused(self, refused: &Refused) {
        for leave in self.leaves {
            let _ = leave.send(Err(refused.clone()));
        }
        for stop in self.stops {
            let _ = stop.send(Err(refused.clone()));
        }
        for start in self.starts {
            let _ = start.send(Err(refused.clone()));
        }
        for update in self.updates {
            let _ = update.send(Err(refused.clone()));
        }
    }
}

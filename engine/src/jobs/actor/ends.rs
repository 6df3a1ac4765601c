//! How a run of a job ends.

use super::{Actor, After, Halting, JobState, Outcome, Refusal, Refused, Snapshot, Taken};
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
            After::Again { .. } => (JobState::Stopping, "it ends, and starts again"),
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
                let Some(halting) = self.halting.take() else { return };
                let before = halting.before.clone();
                halting.refused(&Refused::SavepointFailed(why.clone()));
                self.stand(before.state, format!("no savepoint was taken, so it runs on: {why}"))
                    .await;
                self.phase_changed().await;
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
            let answer = answer.await.unwrap_or(Err(Refusal::Gone));
            self.answered(answer).await;
        }
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
        let by = &halting.by;
        let how = match (&halting.saved, &outcome) {
            (Some(saved), _) => format!("by {by}, with savepoint {}", saved.id),
            (None, Outcome::Failed(why)) => format!("by {by}; it failed as it ended: {why}"),
            (None, Outcome::Ended(Ended::With(id))) => format!("by {by}, with snapshot {id}"),
            (None, Outcome::Ended(Ended::Unsaved | Ended::Cancelled) | Outcome::Never) => {
                format!("by {by}, without a savepoint; its newest checkpoint stands")
            }
        };
        match std::mem::replace(&mut halting.after, After::Stop) {
            After::Stop => {
                self.rest(Wanted::Stopped, JobState::Stopped, format!("stopped {how}")).await;
                halting.done();
            }
            After::Pause => {
                self.rest(Wanted::Paused, JobState::Paused, format!("paused {how}")).await;
                halting.done();
            }
            After::Leave => {
                let reason = "the daemon has ended, and brings it back when it starts".to_owned();
                self.stand(JobState::Stopped, reason).await;
                halting.done();
            }
            After::Again { beginning, text, .. } if self.is_leaving => {
                let kept = self.again_later(beginning, text).await;
                let reason = "the daemon has ended, and starts it when it starts".to_owned();
                self.stand(JobState::Stopped, reason).await;
                match kept {
                    Ok(()) => halting.done(),
                    Err(refused) => halting.refused(&refused),
                }
            }
            After::Again { beginning, text, what } => {
                let began = self.again(beginning, text, &format!("{what} ({how})")).await;
                match began {
                    Ok(()) => halting.done(),
                    Err(refused) => {
                        self.fail(refused.to_string()).await;
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
    async fn again_later(
        &mut self,
        beginning: super::Beginning,
        text: Option<Box<super::Text>>,
    ) -> Result<(), Refused> {
        if let Some(text) = text {
            self.write_version(*text).await?;
        }
        self.record.wanted = Wanted::Running;
        self.record.beginning = Some(beginning);
        self.kept().await
    }

    async fn again(
        &mut self,
        beginning: super::Beginning,
        text: Option<Box<super::Text>>,
        why: &str,
    ) -> Result<(), Refused> {
        if let Some(text) = text {
            self.write_version(*text).await?;
        }
        self.begin(beginning, why).await
    }
}

impl Halting {
    /// Everybody who waits is told. Whoever has gone meanwhile is not.
    fn done(self) {
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

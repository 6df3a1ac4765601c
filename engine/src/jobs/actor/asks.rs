//! What is asked of a job.

use super::{
    Actor, After, Ask, Beginning, Halt, JobState, Phase, Refused, Reply, Snapshot, Taken, Text,
    Updated, script,
};
use crate::api::{Told, UpdateWish, Version, Wanted};
use crate::checkpoint::machine::Then;
use crate::control::Stop;
use crate::error::chain;

impl Actor {
    pub(super) async fn ask(&mut self, ask: Ask) {
        if self.is_leaving && !matches!(ask, Ask::Leave { .. } | Ask::Saved(_)) {
            return ask.refuse(Refused::Leaving);
        }
        match ask {
            Ask::Start { beginning, resume, by, reply } => {
                let answer = self.start(beginning, resume, &by).await;
                // As below: whoever asked and has gone does not care.
                let _ = reply.send(answer);
            }
            Ask::Halt { how: Halt::Cancel, by, reply, .. } => self.cancel(&by, reply).await,
            Ask::Halt { how, note, by, reply } => self.save_and_halt(how, note, &by, reply).await,
            Ask::Savepoint { note, by, reply } => self.savepoint(note, &by, reply).await,
            Ask::Saved(Ok(taken)) => {
                self.taken(&taken).await;
            }
            Ask::Saved(Err(why)) => self.not_taken(&why).await,
            Ask::Update { wish, by, reply } => self.update(wish, &by, reply).await,
            Ask::Again { beginning, what, by, reply } => {
                self.start_again(beginning, what, &by, reply).await;
            }
            Ask::Forget { reply } => {
                let answer = match self.run {
                    Some(_) => Err(Refused::InTheWay(format!(
                        "job `{}` runs: stop it first",
                        self.record.name
                    ))),
                    None => Ok(()),
                };
                self.is_forgotten = answer.is_ok();
                let _ = reply.send(answer);
            }
            Ask::Leave { reply } => self.leave(reply).await,
        }
    }

    async fn start(&mut self, beginning: Beginning, resume: bool, by: &str) -> Result<(), Refused> {
        let name = &self.record.name;
        if self.halting.is_some() {
            return Err(Refused::InTheWay(format!("job `{name}` is being stopped: wait for that")));
        }
        if self.run.is_some() {
            // It runs already; another place to begin at is another wish.
            return match beginning == Beginning::resumed() || resume {
                true => Ok(()),
                false => Err(Refused::InTheWay(format!(
                    "job `{name}` runs: stop it first, or `restore` it from a snapshot"
                ))),
            };
        }
        let state = self.record.standing.state;
        if resume && state != JobState::Paused {
            return Err(Refused::InTheWay(format!(
                "job `{name}` is {}, not paused: start it",
                state.name()
            )));
        }
        let (audited, why) = match resume {
            true => ("resumed it".to_owned(), format!("resumed by {by}")),
            false => (
                format!("started it from {}", place(&beginning)),
                format!("started by {by}, from {}", place(&beginning)),
            ),
        };
        self.begin(beginning, &why).await?;
        self.audit(by, audited).await;
        Ok(())
    }

    async fn cancel(&mut self, by: &str, reply: Reply<Option<Snapshot>>) {
        if self.run.is_none() {
            let answer = self.stop_at_rest(by).await;
            let _ = reply.send(answer.map(|()| None));
            return;
        }
        self.audit(by, "cancelled it").await;
        // Whoever waits for a savepoint meanwhile waits in vain.
        if let Some(halting) = self.halting.take() {
            halting.refused(&Refused::InTheWay(format!("{by} cancelled the job meanwhile")));
        }
        let wanted = std::mem::replace(&mut self.record.wanted, Wanted::Stopped);
        if let Err(refused) = self.kept().await {
            self.record.wanted = wanted;
            let _ = reply.send(Err(refused));
            return;
        }
        let halting = self.halt(After::Stop, by, Some(Stop::Cancel), String::new()).await;
        halting.stops.push(reply);
    }

    /// A job that does not run: it stays so over a restart of the daemon too.
    async fn stop_at_rest(&mut self, by: &str) -> Result<(), Refused> {
        let state = self.record.standing.state;
        if self.record.wanted == Wanted::Stopped && state != JobState::Paused {
            return Ok(());
        }
        self.record.wanted = Wanted::Stopped;
        self.record.beginning = None;
        self.kept().await?;
        self.audit(by, "stopped it").await;
        let reason = match state {
            JobState::Failed => {
                format!("stopped by {by}; it had failed: {}", self.record.standing.reason)
            }
            _ => format!("stopped by {by}; it was {}", state.name()),
        };
        self.stand(JobState::Stopped, reason).await;
        Ok(())
    }

    async fn save_and_halt(
        &mut self,
        how: Halt,
        note: String,
        by: &str,
        reply: Reply<Option<Snapshot>>,
    ) {
        let pauses = how == Halt::Pause;
        if self.run.is_none() {
            let answer = self.halt_at_rest(pauses, by).await;
            let _ = reply.send(answer.map(|()| None));
            return;
        }
        if let Some(halting) = &mut self.halting {
            match (&halting.after, pauses) {
                (After::Stop, false) | (After::Pause, true) => halting.stops.push(reply),
                _ => {
                    let what = format!("job `{}` is ending already", self.record.name);
                    let _ = reply.send(Err(Refused::InTheWay(what)));
                }
            }
            return;
        }
        if !self.is_running() {
            let _ = reply.send(Err(Refused::SavepointFailed(self.why_not())));
            return;
        }
        let (after, what) = match how {
            Halt::Pause => (After::Pause, "paused it"),
            Halt::Smart => (After::Stop, "stopped it (smart)"),
            Halt::Savepoint | Halt::Cancel => (After::Stop, "stopped it (savepoint)"),
        };
        self.audit(by, what).await;
        self.halt(after, by, None, note).await.stops.push(reply);
    }

    async fn halt_at_rest(&mut self, pauses: bool, by: &str) -> Result<(), Refused> {
        let (name, state) = (&self.record.name, self.record.standing.state);
        match (pauses, state) {
            (true, JobState::Paused) => Ok(()),
            (true, _) => Err(Refused::InTheWay(format!(
                "job `{name}` is {}: only one that runs can be paused",
                state.name()
            ))),
            (false, _) => self.stop_at_rest(by).await,
        }
    }

    /// Why a job that does not run takes no savepoint.
    fn why_not(&self) -> String {
        match self.phase() {
            Some(Phase::Waiting(why)) => {
                format!(
                    "it waits to start again, for it failed: {why}. To stop it without a savepoint, cancel it"
                )
            }
            Some(Phase::Starting) => {
                "it is starting: ask again once it runs, or cancel it".to_owned()
            }
            Some(Phase::Running(_) | Phase::Ended(_)) | None => "it does not run".to_owned(),
        }
    }

    async fn savepoint(&mut self, note: String, by: &str, reply: Reply<Snapshot>) {
        let Some(running) = self.run.as_ref().filter(|_| self.is_running()) else {
            let refused = match self.run {
                Some(_) => Refused::SavepointFailed(self.why_not()),
                None => Refused::InTheWay(format!(
                    "job `{}` is {}: only one that runs takes a savepoint",
                    self.record.name,
                    self.record.standing.state.name()
                )),
            };
            let _ = reply.send(Err(refused));
            return;
        };
        let (control, own) = (running.run.control.clone(), self.own.clone());
        let (name, state) =
            (self.record.name.clone(), self.brief.as_ref().map(|b| b.state.clone()));
        self.audit(by, "asked for a savepoint").await;
        // The job can be asked for other things meanwhile.
        tokio::spawn(async move {
            let answer = control.savepoint(note, Then::GoOn).await;
            let (told, answer) = match answer {
                Ok(taken) => {
                    let shown = super::super::view::snapshot(
                        &taken.savepoint,
                        size(state.as_ref(), &name, &taken).await,
                    );
                    (Ok(Box::new(taken)), Ok(shown))
                }
                Err(refusal) => {
                    let why = refusal.to_string();
                    (Err(why.clone()), Err(Refused::SavepointFailed(why)))
                }
            };
            if let Some(own) = own.upgrade() {
                let _ = own.send(Ask::Saved(told)).await;
            }
            let _ = reply.send(answer);
        });
    }

    /// Ends the job, if it runs, and starts it so.
    async fn start_again(
        &mut self,
        beginning: Beginning,
        what: String,
        by: &str,
        reply: Reply<()>,
    ) {
        if self.halting.is_some() {
            let what = format!("job `{}` is ending: wait for that", self.record.name);
            let _ = reply.send(Err(Refused::InTheWay(what)));
            return;
        }
        if self.run.is_none() {
            let began = self.begin(beginning, &format!("{what}, by {by}")).await;
            if began.is_ok() {
                self.audit(by, what).await;
            }
            let _ = reply.send(began);
            return;
        }
        self.audit(by, what.clone()).await;
        let how = self.how_to_end();
        let after = After::Again { beginning, text: None, what };
        self.halt(after, by, how, String::new()).await.starts.push(reply);
    }

    /// One that runs ends by a savepoint; one that does not has nothing that its newest checkpoint lacks,
    /// and ends between two starts, by which nothing is pruned.
    fn how_to_end(&self) -> Option<Stop> {
        (!self.is_running()).then_some(Stop::Savepoint)
    }

    async fn update(&mut self, wish: UpdateWish, by: &str, reply: Reply<Updated>) {
        match self.edited(wish, by).await {
            Ok(Edit::Done(updated)) => {
                let _ = reply.send(Ok(updated));
            }
            Ok(Edit::Apply(text)) => {
                let how = self.how_to_end();
                let what = format!("version {} is applied", text.version.number);
                let beginning = Beginning::resumed();
                let after = After::Again { beginning, text: Some(text), what };
                self.halt(after, by, how, String::new()).await.updates.push(reply);
            }
            Err(refused) => {
                let _ = reply.send(Err(refused));
            }
        }
    }

    async fn edited(&mut self, wish: UpdateWish, by: &str) -> Result<Edit, Refused> {
        let newest = self.record.version;
        if let Some(asked) = wish.after.filter(|after| *after != newest) {
            return Err(Refused::Outdated { asked, newest });
        }
        if self.halting.is_some() {
            let what = format!("job `{}` is ending: wait for that", self.record.name);
            return Err(Refused::InTheWay(what));
        }
        let mut changed = false;
        if let Some(strategy) = wish.strategy.filter(|s| *s != self.record.strategy) {
            self.record.strategy = strategy;
            self.kept().await?;
            self.audit(by, format!("later starts begin from {strategy:?}").to_lowercase()).await;
            changed = true;
        }
        let Some(script) = wish.script else {
            return Ok(Edit::Done(Updated { applied: false, changed }));
        };
        let script = unmasked(&script, &self.text)?;
        let version = Version {
            number: newest + 1,
            at_ms: self.shared.clock.now_ms(),
            by: Some(by.to_owned()),
            note: wish.note,
        };
        let text = Text { version, script, ..self.text.clone() };
        if text.is_same(&self.text) {
            return Ok(Edit::Done(Updated { applied: false, changed }));
        }
        script::read(&text, Some(&self.record.name)).map_err(Refused::Script)?;
        self.audit(by, format!("wrote version {} of its script", newest + 1)).await;
        if wish.apply && self.run.is_some() {
            return Ok(Edit::Apply(Box::new(text)));
        }
        self.write_version(text).await?;
        let is_failed = self.record.standing.state == JobState::Failed;
        let applied = wish.apply && is_failed && self.record.wanted == Wanted::Running;
        if applied {
            self.begin(Beginning::resumed(), &format!("a new version was applied by {by}")).await?;
        }
        Ok(Edit::Done(Updated { applied, changed: true }))
    }

    pub(super) async fn write_version(&mut self, text: Text) -> Result<(), Refused> {
        let mut record = self.record.clone();
        record.version = text.version.number;
        record.updated_at_ms = text.version.at_ms;
        let kept = self.shared.store.put_version(&record, &text).await;
        kept.map_err(|error| Refused::State(chain(&error)))?;
        (self.record, self.text) = (record, text);
        let spec = script::read(&self.text, Some(&self.record.name)).ok();
        self.brief = spec.and_then(|spec| {
            let state = self.shared.settings.state_of(&spec).ok()?;
            Some(std::sync::Arc::new(super::Brief::of(&spec, state)))
        });
        Ok(())
    }

    async fn leave(&mut self, reply: Reply<()>) {
        self.is_leaving = true;
        if self.run.is_none() {
            let _ = reply.send(Ok(()));
            return;
        }
        match &mut self.halting {
            // What was asked for before comes to its end first.
            Some(halting) => halting.starts.push(reply),
            None => {
                let how = Some(Stop::Savepoint);
                self.halt(After::Leave, "the daemon", how, String::new()).await.starts.push(reply);
            }
        }
    }
}

enum Edit {
    Done(Updated),
    /// To be written once the job has ended, which it then starts by.
    Apply(Box<Text>),
}

impl Ask {
    fn refuse(self, refused: Refused) {
        match self {
            Self::Start { reply, .. } | Self::Again { reply, .. } | Self::Forget { reply } => {
                let _ = reply.send(Err(refused));
            }
            Self::Leave { reply } => {
                let _ = reply.send(Err(refused));
            }
            Self::Halt { reply, .. } => {
                let _ = reply.send(Err(refused));
            }
            Self::Savepoint { reply, .. } => {
                let _ = reply.send(Err(refused));
            }
            Self::Update { reply, .. } => {
                let _ = reply.send(Err(refused));
            }
            Self::Saved(_) => {}
        }
    }
}

/// With what was hidden in the newest version put back.
pub(in crate::jobs) fn unmasked(script: &str, before: &Text) -> Result<String, Refused> {
    job::unmasked(script, &before.script, before.file()).map_err(|unknown| {
        Refused::Script(vec![Told {
            line: u64::try_from(unknown.line).ok(),
            column: Some(1),
            excerpt: None,
            message: unknown.to_string(),
        }])
    })
}

fn place(beginning: &Beginning) -> String {
    use crate::api::Begin;
    match &beginning.from {
        Begin::Latest => "the newest snapshot".to_owned(),
        Begin::Earliest => "the oldest snapshot".to_owned(),
        Begin::None => "nothing, afresh".to_owned(),
        Begin::Custom(snapshot) => format!("snapshot {snapshot}"),
    }
}

/// Bytes of a savepoint in the store; 0 where that does not say.
pub(super) async fn size(state: Option<&state::StateUrl>, job: &str, taken: &Taken) -> u64 {
    let Some(state) = state else { return 0 };
    let Ok(store) = state::open_read_only(state, job) else { return 0 };
    store.bytes(taken.savepoint.id).await.map_or(0, |bytes| bytes.len() as u64)
}

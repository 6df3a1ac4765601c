//! What is asked of a job.

use super::{
    Actor, After, Anew, Ask, Beginning, Halt, JobState, Phase, Record, Refused, Reply, Snapshot,
    Start, Taken, Text, Updated, Written, in_background, script, whom,
};
use crate::api::{Strategy, Told, UpdateWish, Version, Wanted};
use crate::checkpoint::machine::Then;
use crate::control::Stop;
use crate::error::chain;

impl Actor {
    pub(super) async fn ask(&mut self, ask: Ask) {
        if self.is_leaving && !matches!(ask, Ask::Leave { .. } | Ask::Saved(_)) {
            return ask.refuse(Refused::Leaving);
        }
        match ask {
            Ask::Start { beginning, how, by, reply } => {
                let answer = self.start(beginning, how, &by).await;
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
            Ask::Forget { snapshots, reply } => {
                let answer = self.forget(snapshots).await;
                self.is_forgotten = answer.is_ok();
                let _ = reply.send(answer);
            }
            Ask::Leave { reply } => self.leave(reply).await,
        }
    }

    async fn start(&mut self, beginning: Beginning, how: Start, by: &str) -> Result<(), Refused> {
        let name = &self.record.name;
        if self.halting.is_some() {
            return Err(Refused::InTheWay(format!("job `{name}` is being stopped: wait for that")));
        }
        if self.run.is_some() {
            // It runs already; a place to begin at is another wish.
            return match how {
                Start::Resume | Start::AsEver => Ok(()),
                Start::Chosen => Err(Refused::InTheWay(format!(
                    "job `{name}` runs: stop it first, or `restore` it from a snapshot"
                ))),
            };
        }
        let state = self.record.standing.state;
        if how == Start::Resume && state != JobState::Paused {
            return Err(Refused::InTheWay(format!(
                "job `{name}` is {}, not paused: start it",
                state.name()
            )));
        }
        let (audited, why) = match how {
            Start::Resume => ("resumed it".to_owned(), format!("resumed{}", whom(by))),
            Start::AsEver | Start::Chosen => {
                let place = place(&beginning);
                (format!("started it from {place}"), format!("started{}, from {place}", whom(by)))
            }
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
        let stopped = Record { wanted: Wanted::Stopped, ..self.record.clone() };
        if let Err(refused) = self.put(stopped).await {
            let _ = reply.send(Err(refused));
            return;
        }
        self.audit(by, "cancelled it").await;
        // Whoever waits for a savepoint meanwhile waits in vain.
        let mut leaves = Vec::new();
        if let Some(mut halting) = self.halting.take() {
            leaves = std::mem::take(&mut halting.leaves);
            let what = format!("the job was cancelled meanwhile{}", whom(by));
            halting.refused(&Refused::InTheWay(what));
        }
        let halting = self.halt(After::Stop, by, Some(Stop::Cancel), String::new()).await;
        halting.stops.push(reply);
        halting.leaves = leaves;
    }

    /// Nothing that was asked for crosses it: asks are answered one after the other.
    async fn forget(&mut self, snapshots: bool) -> Result<(), Refused> {
        let name = &self.record.name;
        if self.run.is_some() {
            let state = self.record.standing.state.name();
            return Err(Refused::InTheWay(format!("job `{name}` is {state}: stop it first")));
        }
        // Should it be left half done, no daemon starts it again.
        let at_rest = Record { wanted: Wanted::Stopped, beginning: None, ..self.record.clone() };
        self.put(at_rest).await?;
        if snapshots {
            let Some(brief) = &self.brief else {
                return Err(Refused::State(format!(
                    "the script of job `{}` does not tell any more where its snapshots are",
                    self.record.name
                )));
            };
            remove_snapshots(&self.shared, &self.record.name, &brief.state).await?;
        }
        let removed = self.shared.store.remove(&self.record.name).await;
        removed.map_err(|error| Refused::State(chain(&error)))
    }

    /// A job that does not run: it stays so over a restart of the daemon too.
    async fn stop_at_rest(&mut self, by: &str) -> Result<(), Refused> {
        let state = self.record.standing.state;
        if self.record.wanted == Wanted::Stopped && state != JobState::Paused {
            return Ok(());
        }
        let at_rest = Record { wanted: Wanted::Stopped, beginning: None, ..self.record.clone() };
        self.put(at_rest).await?;
        self.audit(by, "stopped it").await;
        let reason = match state == JobState::Failed {
            true => {
                format!("stopped{}; it had failed: {}", whom(by), self.record.standing.reason)
            }
            false => format!("stopped{}; it was {}", whom(by), state.name()),
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
            let _ = reply.send(Err(Refused::InTheWay(self.why_not())));
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
                    "no savepoint can be taken, for it waits to start again: {why}. Cancel it to stop it \
                     without one"
                )
            }
            Some(Phase::Starting) => {
                "no savepoint can be taken while it is starting: ask again once it runs, or cancel \
                 it"
                .to_owned()
            }
            Some(Phase::Running(_) | Phase::Ended(_)) | None => "it does not run".to_owned(),
        }
    }

    async fn savepoint(&mut self, note: String, by: &str, reply: Reply<Snapshot>) {
        let Some(running) = self.run.as_ref().filter(|_| self.is_running()) else {
            let refused = match self.run {
                Some(_) => Refused::InTheWay(self.why_not()),
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
        in_background(async move {
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
            let beginning = self.after_promised(beginning);
            let began = self.begin(beginning, &format!("{what}{}", whom(by))).await;
            if began.is_ok() {
                self.audit(by, what).await;
            }
            let _ = reply.send(began);
            return;
        }
        // A job that runs is not ended for what cannot be.
        if let Err(refused) = self.can_begin(&beginning).await {
            let _ = reply.send(Err(refused));
            return;
        }
        self.audit(by, what.clone()).await;
        let how = self.how_to_end();
        let after = After::Again(Box::new(Anew { beginning, edit: None, what }));
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
            Ok(Edit::Apply(edit)) => {
                let how = self.how_to_end();
                let number =
                    edit.as_ref().map_or(self.record.version, |edit| edit.text.version.number);
                let what = format!("version {number} is applied");
                let beginning = Beginning::resumed();
                let after = After::Again(Box::new(Anew { beginning, edit, what }));
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
        let strategy = wish.strategy.unwrap_or(self.record.strategy);
        let script = wish.script.map(|script| unmasked(&script, &self.text)).transpose()?;
        let version = Version {
            number: newest + 1,
            at_ms: self.shared.clock.now_ms(),
            by: Some(by.to_owned()),
            note: wish.note,
        };
        let text = script.map(|script| Text { version, script, ..self.text.clone() });
        let Some(text) = text.filter(|text| !text.is_same(&self.text)) else {
            let changed = self.choose(strategy, by).await?;
            return self.apply_newest(wish.apply, changed, by).await;
        };
        script::read(&text, Some(&self.record.name)).map_err(Refused::Script)?;
        let edit = Written { text, strategy, by: by.to_owned() };
        if wish.apply && self.run.is_some() {
            return Ok(Edit::Apply(Some(edit)));
        }
        self.write_version(edit).await?;
        self.apply_newest(wish.apply, true, by).await
    }

    /// Of later starts. False: it is so already.
    async fn choose(&mut self, strategy: Strategy, by: &str) -> Result<bool, Refused> {
        if strategy == self.record.strategy {
            return Ok(false);
        }
        self.put(Record { strategy, ..self.record.clone() }).await?;
        self.audit(by, format!("later starts begin from {strategy:?}").to_lowercase()).await;
        Ok(true)
    }

    /// The job is to run by the newest version, if it is to run at all.
    async fn apply_newest(
        &mut self,
        apply: bool,
        changed: bool,
        by: &str,
    ) -> Result<Edit, Refused> {
        let is_behind = |running: &super::Running| running.version != self.record.version;
        if apply && self.run.as_ref().is_some_and(is_behind) {
            return Ok(Edit::Apply(None));
        }
        let is_failed = self.record.standing.state == JobState::Failed;
        let applied =
            apply && is_failed && self.run.is_none() && self.record.wanted == Wanted::Running;
        if applied {
            let beginning = self.after_promised(Beginning::resumed());
            self.begin(beginning, &format!("a new version was applied{}", whom(by))).await?;
        }
        Ok(Edit::Done(Updated { applied, changed: changed || applied }))
    }

    pub(super) async fn write_version(&mut self, edit: Written) -> Result<(), Refused> {
        let Written { text, strategy, by } = edit;
        let number = text.version.number;
        let record = Record {
            version: number,
            updated_at_ms: text.version.at_ms,
            strategy,
            ..self.record.clone()
        };
        let kept = self.shared.store.put_version(&record, &text).await;
        kept.map_err(|error| Refused::State(chain(&error)))?;
        (self.record, self.text) = (record, text);
        self.brief = super::brief(&self.shared, &self.record.name, &self.text);
        self.audit(&by, format!("wrote version {number} of its script")).await;
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
            Some(halting) => halting.leaves.push(reply),
            None => self.halt_to_leave().await.leaves.push(reply),
        }
    }
}

enum Edit {
    Done(Updated),
    /// The job is to end, and to start by the newest version: this one, which is written then, or the one
    /// that is there.
    Apply(Option<Written>),
}

impl Ask {
    fn refuse(self, refused: Refused) {
        match self {
            Self::Start { reply, .. } | Self::Again { reply, .. } | Self::Forget { reply, .. } => {
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

async fn remove_snapshots(
    shared: &super::Shared,
    job: &str,
    url: &state::StateUrl,
) -> Result<(), Refused> {
    let failed = |error: model::StoreError| Refused::State(chain(&error));
    let work_dir = shared.settings.work_dir.clone();
    let options = state::JobOptions { work_dir, ..state::JobOptions::default() };
    let store = state::open_job(url, job, &options).await.map_err(failed)?.checkpoints;
    let fence = store.acquire().await.map_err(failed)?;
    for listed in store.list().await.map_err(failed)? {
        store.remove(fence, listed.id).await.map_err(failed)?;
    }
    store.release().await.map_err(failed)
}

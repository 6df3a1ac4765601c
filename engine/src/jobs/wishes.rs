//! What is asked of the set of jobs, and of one through it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::actor::{Actor, Ask, Halt, Start, unmasked};
use super::log::Told;
use super::record::{Beginning, Record, Standing, Text};
use super::{EventsQuery, Jobs, News, Refused, Submitted, in_background, script, view, whom};
use crate::api::{
    Begin, DeleteWish, Edited, EventKind, Events, Halted, JobDetail, JobState, PauseWish,
    RestoreWish, SavepointWish, Snapshot, Snapshots, StartWish, StopKind, StopWish, SubmitWish,
    TableState, TableWish, UpdateWish, ValidateWish, Validated, Version, VersionText, Versions,
    Wanted,
};
use crate::error::chain;

impl Jobs {
    /// Takes a new job in.
    ///
    /// # Errors
    /// Its script is wrong, its name cannot be one, or is taken by another script.
    pub async fn submit(&self, wish: SubmitWish, by: &str) -> Result<Submitted, Refused> {
        let now = self.shared.clock.now_ms();
        let version =
            Version { number: 1, at_ms: now, by: Some(by.to_owned()), note: wish.note.clone() };
        let text = Text {
            version,
            script: wish.script,
            file: wish.file,
            lenient: wish.lenient || self.shared.settings.lenient,
        };
        let name = wish.name.unwrap_or_else(|| script::name(&text));
        script::fit_name(&name)?;
        script::read(&text, Some(&name)).map_err(Refused::Script)?;
        let is_new = self.taken_in(&name, text, wish.strategy, by).await?;
        let job = match wish.start {
            true => self.start(&name, StartWish::default(), by).await?,
            false => self.detail(&name)?,
        };
        Ok(Submitted { job, is_new })
    }

    /// False where that very script is there already.
    async fn taken_in(
        &self,
        name: &str,
        text: Text,
        strategy: crate::api::Strategy,
        by: &str,
    ) -> Result<bool, Refused> {
        let _naming = self.naming.lock().await;
        if self.is_leaving.load(Ordering::Acquire) {
            return Err(Refused::Leaving);
        }
        if let Ok(known) = self.handle(name) {
            let version = known.look.borrow().record.version;
            let newest = self.shared.store.text(name, version).await.map_err(|e| kept(&e))?;
            return match newest.is_same(&text) {
                true => Ok(false),
                false => Err(Refused::InTheWay(format!(
                    "there is a job `{name}` already, with another script: update it, or give this one \
                     another name"
                ))),
            };
        }
        let now = text.version.at_ms;
        let reason = format!("submitted{}, and not started yet", whom(by));
        let record = Record {
            name: name.to_owned(),
            wanted: Wanted::Stopped,
            strategy,
            created_at_ms: now,
            updated_at_ms: now,
            version: 1,
            beginning: None,
            standing: Standing { state: JobState::Created, reason, since_ms: now },
            started_at_ms: None,
        };
        self.shared.store.put_version(&record, &text).await.map_err(|e| kept(&e))?;
        let (actor, handle) = Actor::new(self.shared.clone(), record, text);
        self.handles
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), handle);
        let (is_back, _) = oneshot::channel();
        in_background(actor.run(is_back));
        self.shared.log.tell(Told::of(name, EventKind::Audit, "submitted it").by(by)).await;
        let _ = self.shared.log.news.send(News::Job(name.to_owned()));
        Ok(true)
    }

    /// Whether a script would be taken.
    ///
    /// # Errors
    /// There is no such job, whose hidden values it is to take over; or they cannot be told.
    pub async fn validate(&self, wish: ValidateWish) -> Result<Validated, Refused> {
        let version = Version { number: 0, at_ms: 0, by: None, note: String::new() };
        let mut text = Text {
            version,
            script: wish.script,
            file: wish.file,
            lenient: wish.lenient || self.shared.settings.lenient,
        };
        let mut errors = Vec::new();
        if let Some(job) = &wish.job {
            let version = self.handle(job)?.look.borrow().record.version;
            let newest = self.shared.store.text(job, version).await.map_err(|e| kept(&e))?;
            match unmasked(&text.script, &newest) {
                Ok(script) => text.script = script,
                Err(Refused::Script(told)) => errors = told,
                Err(refused) => return Err(refused),
            }
        }
        // A text with hidden values is no script yet; what else is wrong with it is told after them.
        if !errors.is_empty() {
            return Ok(Validated {
                valid: false,
                name: wish.job,
                source: None,
                sinks: Vec::new(),
                errors,
                notes: Vec::new(),
            });
        }
        let name = wish.job.unwrap_or_else(|| script::name(&text));
        Ok(match script::read(&text, Some(&name)) {
            Ok(spec) => Validated {
                valid: true,
                name: Some(name),
                source: script::source(&spec),
                sinks: script::connectors(&spec),
                errors: Vec::new(),
                notes: script::notes(&spec),
            },
            Err(errors) => Validated {
                valid: false,
                name: Some(name).filter(|name| !name.is_empty()),
                source: None,
                sinks: Vec::new(),
                errors,
                notes: Vec::new(),
            },
        })
    }

    /// Writes another version of a script, and applies it if asked to.
    ///
    /// # Errors
    /// It is wrong, or `after` is not the newest, or no savepoint was taken: then nothing is changed.
    pub async fn update(&self, job: &str, wish: UpdateWish, by: &str) -> Result<Edited, Refused> {
        let by = by.to_owned();
        let updated = self.ask(job, |reply| Ask::Update { wish, by, reply }).await?;
        let job = self.detail(job)?;
        Ok(Edited { job, applied: updated.applied, changed: updated.changed })
    }

    /// Forgets a job that does not run.
    ///
    /// # Errors
    /// It runs; or its snapshots cannot be removed, and it is there as it was.
    pub async fn delete(&self, job: &str, wish: DeleteWish, by: &str) -> Result<(), Refused> {
        let _naming = self.naming.lock().await;
        let snapshots = wish.snapshots;
        self.ask(job, |reply| Ask::Forget { snapshots, reply }).await?;
        self.handles.write().unwrap_or_else(PoisonError::into_inner).remove(job);
        let what = if wish.snapshots { "deleted it and its snapshots" } else { "deleted it" };
        self.shared.log.tell(Told::of(job, EventKind::Audit, what).by(by)).await;
        let _ = self.shared.log.news.send(News::Job(job.to_owned()));
        Ok(())
    }

    /// # Errors
    /// The script cannot be read any more, the snapshot is not there, or the job is ending.
    pub async fn start(&self, job: &str, wish: StartWish, by: &str) -> Result<JobDetail, Refused> {
        let strategy = self.handle(job)?.look.borrow().record.strategy;
        let is_chosen = wish.from.is_some() || wish.allow_fallback || !wish.resnapshot.is_empty();
        let how = if is_chosen { Start::Chosen } else { Start::AsEver };
        let beginning = Beginning {
            from: wish.from.unwrap_or(strategy.into()),
            allow_fallback: wish.allow_fallback,
            resnapshot: wish.resnapshot,
            after: None,
        };
        self.begin(job, beginning, how, by).await
    }

    /// # Errors
    /// It is not paused.
    pub async fn resume(&self, job: &str, by: &str) -> Result<JobDetail, Refused> {
        self.begin(job, Beginning::resumed(), Start::Resume, by).await
    }

    async fn begin(
        &self,
        job: &str,
        beginning: Beginning,
        how: Start,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        let by = by.to_owned();
        self.ask(job, |reply| Ask::Start { beginning, how, by, reply }).await?;
        self.detail(job)
    }

    /// Answered once the job has ended.
    ///
    /// # Errors
    /// No savepoint was taken: the job runs on.
    pub async fn stop(&self, job: &str, wish: StopWish, by: &str) -> Result<Halted, Refused> {
        let how = match wish.kind {
            StopKind::Smart => Halt::Smart,
            StopKind::Savepoint => Halt::Savepoint,
            StopKind::Cancel => Halt::Cancel,
        };
        self.halt(job, how, wish.note, by).await
    }

    /// Answered once the job has ended.
    ///
    /// # Errors
    /// No savepoint was taken: the job runs on.
    pub async fn pause(&self, job: &str, wish: PauseWish, by: &str) -> Result<Halted, Refused> {
        self.halt(job, Halt::Pause, wish.note, by).await
    }

    async fn halt(&self, job: &str, how: Halt, note: String, by: &str) -> Result<Halted, Refused> {
        let by = by.to_owned();
        let savepoint = self.ask(job, |reply| Ask::Halt { how, note, by, reply }).await?;
        Ok(Halted { job: self.detail(job)?, savepoint })
    }

    /// # Errors
    /// None was taken: the job runs on.
    pub async fn savepoint(
        &self,
        job: &str,
        wish: SavepointWish,
        by: &str,
    ) -> Result<Snapshot, Refused> {
        let by = by.to_owned();
        self.ask(job, |reply| Ask::Savepoint { note: wish.note, by, reply }).await
    }

    /// What the job's store holds at this moment.
    ///
    /// # Errors
    /// The store does not answer, or the job's script does not tell where it is.
    pub async fn snapshots(&self, job: &str) -> Result<Snapshots, Refused> {
        let brief = self.handle(job)?.look.borrow().brief.clone();
        let brief = brief.ok_or_else(|| {
            Refused::State(format!("the script of job `{job}` cannot be read any more: update it"))
        })?;
        let store = state::open_read_only(&brief.state, job);
        let store = store.map_err(|error| Refused::State(chain(&error)))?;
        let mut listed = store.list().await.map_err(|error| Refused::State(chain(&error)))?;
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.id));
        let snapshots: Vec<Snapshot> = listed.iter().map(view::listed).collect();
        let summary = view::summary_of(&snapshots);
        Ok(Snapshots { snapshots, summary, configuration: brief.configured.clone() })
    }

    /// # Errors
    /// There is no such snapshot, or the job cannot be ended.
    pub async fn restore(
        &self,
        job: &str,
        wish: RestoreWish,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        if wish.snapshot.parse::<u64>().is_ok() {
            let known = self.snapshots(job).await?;
            let named = known.snapshots.iter().find(|s| s.id.to_string() == wish.snapshot);
            match named {
                Some(snapshot) if snapshot.restorable => {}
                Some(snapshot) => {
                    let why = snapshot.reason.clone().unwrap_or_default();
                    return Err(Refused::Snapshot(why));
                }
                None => {
                    return Err(Refused::Snapshot(format!(
                        "job `{job}` has no snapshot {}",
                        wish.snapshot
                    )));
                }
            }
        }
        let what = format!("it is restored from snapshot {}", wish.snapshot);
        let beginning = Beginning::from(Begin::Custom(wish.snapshot));
        self.again(job, beginning, what, by).await
    }

    async fn again(
        &self,
        job: &str,
        beginning: Beginning,
        what: String,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        let by = by.to_owned();
        self.ask(job, |reply| Ask::Again { beginning, what, by, reply }).await?;
        self.detail(job)
    }

    /// Reads tables again from the start.
    ///
    /// # Errors
    /// The job follows no such table, or is at rest.
    pub async fn resnapshot(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        let look = self.handle(job)?.look.borrow().clone();
        let known = look.tables();
        for table in &wish.tables {
            if !known.tables.iter().any(|row| row.name == *table) {
                return Err(Refused::Bad(format!("job `{job}` follows no table `{table}`")));
            }
        }
        let state = look.record.standing.state;
        if !state.is_active() && state != JobState::Failed {
            return Err(Refused::InTheWay(format!(
                "job `{job}` is {}: start it with `resnapshot` instead",
                state.name()
            )));
        }
        let what = format!("tables are read again: {}", wish.tables.join(", "));
        let beginning = Beginning { resnapshot: wish.tables, ..Beginning::resumed() };
        self.again(job, beginning, what, by).await
    }

    /// Brings tables back from quarantine.
    ///
    /// # Errors
    /// One is not there.
    pub async fn release(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<JobDetail, Refused> {
        let known = self.tables(job)?;
        for table in &wish.tables {
            let row = known.tables.iter().find(|row| row.name == *table);
            if row.is_none_or(|row| row.state != TableState::Quarantined) {
                return Err(Refused::InTheWay(format!("table `{table}` is not in quarantine")));
            }
        }
        self.resnapshot(job, wish, by).await
    }

    /// Follows more tables, by a new version of the script.
    ///
    /// # Errors
    /// The script's list cannot take them.
    pub async fn add_tables(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<Edited, Refused> {
        let note = format!("follows {} too", wish.tables.join(", "));
        self.edit_tables(job, (&wish.tables, &[]), note, by).await
    }

    /// Follows tables no more, by a new version of the script.
    ///
    /// # Errors
    /// The script's list cannot leave them out.
    pub async fn drop_tables(
        &self,
        job: &str,
        wish: TableWish,
        by: &str,
    ) -> Result<Edited, Refused> {
        let note = format!("follows {} no more", wish.tables.join(", "));
        self.edit_tables(job, (&[], &wish.tables), note, by).await
    }

    async fn edit_tables(
        &self,
        job: &str,
        (more, fewer): (&[String], &[String]),
        note: String,
        by: &str,
    ) -> Result<Edited, Refused> {
        let version = self.handle(job)?.look.borrow().record.version;
        let text = self.shared.store.text(job, version).await.map_err(|e| kept(&e))?;
        let script = job::with_tables(&text.script, text.file(), more, fewer)
            .map_err(|error| Refused::Bad(error.to_string()))?;
        let wish = UpdateWish {
            script: Some(script),
            after: Some(version),
            strategy: None,
            apply: true,
            note,
        };
        self.update(job, wish, by).await
    }

    /// # Errors
    /// The registry cannot be read, or the key to it is another.
    pub async fn versions(&self, job: &str) -> Result<Versions, Refused> {
        self.handle(job)?;
        let versions = self.shared.store.versions(job).await.map_err(|error| kept(&error))?;
        Ok(Versions { versions })
    }

    /// # Errors
    /// There is no such version.
    pub async fn version(&self, job: &str, number: u32) -> Result<VersionText, Refused> {
        self.handle(job)?;
        let text = self.shared.store.text(job, number).await.map_err(|error| kept(&error))?;
        let script = job::masked(&text.script, text.file());
        Ok(VersionText { script, version: text.version, file: text.file, lenient: text.lenient })
    }

    /// # Errors
    /// The registry cannot be read.
    pub async fn events(&self, query: &EventsQuery) -> Result<Events, Refused> {
        if let Some(job) = &query.job {
            self.handle(job)?;
        }
        self.shared.log.list(query).await.map_err(|error| Refused::State(chain(&error)))
    }
}

fn kept(error: &super::KeepError) -> Refused {
    match error {
        super::KeepError::NoVersion { job, number } => {
            Refused::NoVersion { job: job.clone(), number: *number }
        }
        other @ (super::KeepError::Store(_)
        | super::KeepError::Sealed { .. }
        | super::KeepError::Unreadable { .. }) => Refused::State(chain(other)),
    }
}

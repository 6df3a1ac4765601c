//! Where a run begins: with which snapshot, and what is stored before any sink is cut back to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use job::StartupMode;
use model::checkpoint::{Fence, Listed, SourceState};
use model::{BarrierKind, Checkpoint, CheckpointId, StoreError, TableName};
use state::savepoint;
use tracing::{info, warn};

use super::{Daemon, NamedSink};
use crate::error::{EngineError, chain};

/// Trigger of the snapshot that a fresh start begins with: no sink holds anything of it.
pub(crate) const ORIGIN: &str = "start";

/// Which snapshot a run begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The newest valid one, of either kind; with none, a fresh start.
    Latest,
    Earliest,
    /// A fresh start, whatever there is.
    Nothing,
    /// This one, for this start alone.
    Id(CheckpointId),
    /// One that was written elsewhere, by its path or URL; for this start alone.
    Elsewhere(String),
}

/// The snapshot that a run begins with.
#[derive(Debug)]
pub(super) struct Begin {
    pub checkpoint: Checkpoint,
    pub place: Place,
}

/// Where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// This run has stored it: a restart goes on.
    Run,
    /// In the job's state.
    State,
    /// Written elsewhere. Its id says nothing here.
    Elsewhere,
}

/// What a start may choose from.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub from: From,
    /// `execution.state-recovery.path`: what a job begins with that has no snapshot at all yet.
    pub first: Option<String>,
    /// A newest snapshot that is damaged may be passed over.
    pub allow_fallback: bool,
    /// First id that this run itself writes. A restart goes on from the newest of those; only
    /// before there is one does it begin where the run began.
    pub own: u64,
}

/// What was chosen.
#[derive(Debug)]
enum Chosen<'a> {
    /// A restart of this run goes on.
    Own(&'a Checkpoint),
    Snapshot(&'a Checkpoint),
    /// It is not on the list, or cannot be read.
    Named(CheckpointId),
    Elsewhere(&'a str),
    Nothing,
}

impl Choice {
    /// Decides. `stuck`: the sinks that cannot take back what they have committed.
    fn choose<'a>(
        &'a self,
        listed: &'a [Listed],
        stuck: &[&str],
    ) -> Result<Chosen<'a>, EngineError> {
        let newest = state::newest(listed);
        let is_own = |id: CheckpointId| id.0 >= self.own;
        let own = newest.checkpoint.filter(|c| is_own(c.id));
        let latest = self.from == From::Latest;
        if let Some((id, why)) = newest.damaged.first()
            && (is_own(*id) || latest)
        {
            // A run that began with another snapshot than the newest falls back to its own alone.
            let older = newest.checkpoint.filter(|c| is_own(c.id) || latest);
            self.pass_over(*id, why, older, stuck)?;
        }
        if let Some(own) = own {
            return Ok(Chosen::Own(own));
        }
        Ok(match &self.from {
            From::Latest => match (newest.checkpoint, &self.first) {
                (Some(newest), _) => Chosen::Snapshot(newest),
                (None, Some(path)) if listed.is_empty() => Chosen::Elsewhere(path),
                (None, _) => Chosen::Nothing,
            },
            From::Nothing => Chosen::Nothing,
            From::Id(id) => Chosen::Named(*id),
            From::Elsewhere(path) => Chosen::Elsewhere(path),
            From::Earliest => {
                let valid = listed.iter().filter_map(|l| l.content.as_ref().ok());
                match valid.min_by_key(|c| c.id) {
                    Some(oldest) => Chosen::Snapshot(oldest),
                    None if listed.is_empty() => Chosen::Nothing,
                    None => {
                        return Err(EngineError::Job(
                            "no snapshot of the job can be restored (`seachange snapshots` says why); \
                             `--from none` starts over"
                                .to_owned(),
                        ));
                    }
                }
            }
        })
    }

    /// A damaged newest snapshot is passed over only where the user allows it, and only where every
    /// sink takes back what it may have committed since the `older` one.
    fn pass_over(
        &self,
        id: CheckpointId,
        why: &StoreError,
        older: Option<&Checkpoint>,
        stuck: &[&str],
    ) -> Result<(), EngineError> {
        let what = format!("the newest snapshot, {id}, cannot be restored ({})", chain(why));
        let Some(older) = older else {
            let what =
                format!("{what}; there is no other to go on from; `--from none` starts over");
            return Err(EngineError::Job(what));
        };
        let offer = format!("the newest valid one is {} {}", older.kind, older.id);
        if !self.allow_fallback {
            return Err(EngineError::Job(format!(
                "{what}; {offer}: name it with `--from {}`, or take it with `--allow-fallback`",
                older.id
            )));
        }
        if let [sink, ..] = stuck {
            return Err(EngineError::Job(format!(
                "{what}; {offer}, and `--allow-fallback` does not take it: {sink} cannot take back \
                 what it has committed since, which would come a second time. Accept that with \
                 `--from {}`",
                older.id
            )));
        }
        warn!("{what}; {offer}, and is taken (`--allow-fallback`): changes after it come again");
        Ok(())
    }
}

impl Daemon {
    /// The snapshot to begin with.
    pub(super) async fn choose(
        &self,
        choice: &Choice,
        sinks: &[NamedSink],
    ) -> Result<Option<Begin>, EngineError> {
        let store = &self.state.checkpoints;
        let listed = store.list().await?;
        let stuck = sinks.iter().filter(|(_, sink)| !sink.rewinds()).map(|(name, _)| &**name);
        let (checkpoint, place) = match choice.choose(&listed, &stuck.collect::<Vec<_>>())? {
            Chosen::Own(own) => {
                return Ok(Some(Begin { checkpoint: own.clone(), place: Place::Run }));
            }
            Chosen::Snapshot(snapshot) => (snapshot.clone(), Place::State),
            Chosen::Named(id) => (store.get(id).await?, Place::State),
            Chosen::Elsewhere(path) => {
                let imported = savepoint::read(path).await?;
                let job = &imported.checkpoint.job;
                info!(%path, %job, "read from {path}");
                if *job != self.job.name {
                    warn!("the snapshot is of job {job}: this job goes on where that one was");
                }
                (imported.bring(&self.state.held).await?, Place::Elsewhere)
            }
            Chosen::Nothing => {
                info!(job = %self.job.name, "no snapshot to resume from: a fresh start");
                return Ok(None);
            }
        };
        if let Some(path) = choice.first.as_ref().filter(|_| place == Place::State) {
            info!(%path, "`execution.state-recovery.path` counts for the first start alone");
        }
        info!(id = %checkpoint.id, kind = %checkpoint.kind, position = %checkpoint.source.position,
            "resuming from {} {}", checkpoint.kind, checkpoint.id);
        Ok(Some(Begin { checkpoint, place }))
    }

    /// Tables to read again: once, for what an attempt before this one has stored begins with it.
    pub(super) fn again(&self, resume: Option<&Begin>) -> &[String] {
        let begun = resume.is_some_and(|begin| begin.place == Place::Run);
        if begun { &[] } else { &self.resnapshot }
    }

    /// An origin holds where the job began; a start in the past is found again instead.
    pub(super) fn is_exact(&self, snapshot: &Checkpoint) -> bool {
        let begins_now = matches!(
            self.job.source.startup,
            StartupMode::Initial | StartupMode::Snapshot | StartupMode::LatestOffset
        );
        begins_now || snapshot.trigger != ORIGIN
    }

    /// First id that this run itself writes.
    pub(super) async fn first_own(&self) -> Result<u64, EngineError> {
        match self.begun_after {
            Some(before) => Ok(before + 1),
            None => self.next_id().await,
        }
    }

    pub(super) async fn next_id(&self) -> Result<u64, EngineError> {
        let listed = self.state.checkpoints.list().await?;
        Ok(listed.iter().map(|l| l.id.0).max().unwrap_or(0) + 1)
    }

    /// Makes what the run begins with the newest snapshot, before any sink is cut back to it: a copy
    /// of an older one that was chosen, or of one from elsewhere, one in which tables are read `again`, or, at a fresh start,
    /// its origin, `now`. Else a crash before the first checkpoint would leave, as the newest, a snapshot
    /// of what the sinks no longer hold.
    pub(super) async fn anchor(
        &self,
        fence: Fence,
        chosen: Option<&Begin>,
        again: &[String],
        now: &Arc<SourceState>,
        sinks: &mut [NamedSink],
    ) -> Result<(), EngineError> {
        let own = self.next_id().await?;
        let is_newest =
            |begin: &Begin| begin.place != Place::Elsewhere && begin.checkpoint.id.0 + 1 == own;
        if again.is_empty() && chosen.is_some_and(is_newest) {
            return Ok(());
        }
        // A start that a sink refuses must not have moved the job.
        let resume = chosen.map(|begin| &begin.checkpoint).filter(|c| c.trigger != ORIGIN);
        for (name, sink) in sinks {
            sink.check(resume.and_then(|c| c.sinks.get(name))).await?;
        }
        let first = Checkpoint {
            job: self.job.name.clone(),
            id: CheckpointId(own),
            kind: BarrierKind::Checkpoint,
            trigger: ORIGIN.to_owned(),
            note: String::new(),
            completed_at_ms: self.clock.now_ms(),
            duration_ms: 0,
            source: Arc::clone(now),
            sinks: BTreeMap::new(),
        };
        let anchor = match chosen.map(|begin| &begin.checkpoint) {
            Some(c) => Checkpoint {
                trigger: if c.trigger == ORIGIN { ORIGIN } else { "restore" }.to_owned(),
                source: match again {
                    [] => Arc::clone(&c.source),
                    _ => Arc::new(unread(&c.source, &first.source, again)),
                },
                sinks: c.sinks.clone(),
                ..first
            },
            None => first,
        };
        self.state.held.publish(&anchor.source.xa).await?;
        self.state.checkpoints.put(fence, &anchor).await?;
        Ok(())
    }
}

/// `chosen` with the tables `again` unread, as they are `now`. Everything else stays as chosen: a
/// server that has taken the place of the one before has told no place in its own files yet, and
/// places in the files of two servers do not compare.
fn unread(chosen: &SourceState, now: &SourceState, again: &[String]) -> SourceState {
    let is_again = |table: &TableName| again.contains(&table.to_string());
    let moved = chosen.server.identity != now.server.identity;
    let mut state = chosen.clone();
    state.tables.retain(|t| !is_again(t.name()));
    for table in now.tables.iter().filter(|t| is_again(t.name())) {
        let mut table = table.clone();
        // The next start takes the definition from the server that it then reads.
        table.unproven.take_if(|_| moved);
        state.tables.push(table);
    }
    state.untold.retain(|change| !is_again(&change.table));
    state.tables.sort_by(|a, b| a.name().cmp(b.name()));
    let quarantine = &mut state.quarantine;
    quarantine.tables.retain(|q| !is_again(&q.table));
    quarantine.start_over.clone_from(&now.quarantine.start_over);
    quarantine.start_over.retain(|name| state.tables.iter().any(|t| t.name() == name));
    state
}

/// Sets every sink to what the checkpoint says.
pub(super) async fn restore(
    sinks: &mut [NamedSink],
    resume: Option<&Checkpoint>,
    holds: impl Fn() -> Result<(), StoreError>,
) -> Result<(), EngineError> {
    let resume = resume.filter(|c| c.trigger != ORIGIN);
    for (name, sink) in sinks {
        // Who slept since it took the job must not cut back what another has written.
        holds()?;
        sink.restore(resume.and_then(|c| c.sinks.get(name))).await?;
    }
    Ok(())
}

/// Tells every sink what the run begins with.
pub(super) async fn begin(
    sinks: &mut [NamedSink],
    source: &SourceState,
    holds: impl Fn() -> Result<(), StoreError>,
) -> Result<(), EngineError> {
    for (_, sink) in sinks {
        // It may create tables.
        holds()?;
        sink.begin(source).await?;
    }
    Ok(())
}

/// That the checkpoint is of these sinks: asked before anything is stored or cut back.
pub(super) fn fit(
    sinks: &[NamedSink],
    resume: Option<&Checkpoint>,
    ignore_unclaimed: bool,
) -> Result<(), EngineError> {
    let Some(c) = resume.filter(|c| c.trigger != ORIGIN) else { return Ok(()) };
    refuse_unclaimed(sinks, c, ignore_unclaimed)?;
    match sinks.iter().find(|(name, _)| !c.sinks.contains_key(name)) {
        None => Ok(()),
        Some((name, _)) => Err(EngineError::Job(format!(
            "{name} is not in {} {}: it would miss everything before that. Run it as a job of its \
             own, or start over (`--from none`)",
            c.kind, c.id
        ))),
    }
}

/// What a sink has prepared and nobody commits any more would be lost in silence.
fn refuse_unclaimed(
    sinks: &[NamedSink],
    resume: &Checkpoint,
    ignore: bool,
) -> Result<(), EngineError> {
    for name in resume.sinks.keys().filter(|name| !sinks.iter().any(|(known, _)| known == *name)) {
        if !ignore {
            return Err(EngineError::Job(format!(
                "{name} is in {} {} and not in the job any more: what it has not committed would \
                 never be. Put it back, or let it go with \
                 `SET execution.state-recovery.ignore-unclaimed-state = true`",
                resume.kind, resume.id
            )));
        }
        warn!(
            "{name} is in {} {} and not in the job any more: it is let go",
            resume.kind, resume.id
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;

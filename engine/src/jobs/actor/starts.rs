//! How a run of a job begins.

use std::sync::Arc;

use state::JobOptions;

use super::{Actor, Beginning, Brief, Phase, Record, Refused, Running, script};
use crate::api::{Begin, JobState, Wanted};
use crate::daemon::From;
use crate::error::chain;
use crate::jobs::run::Plan;

impl Actor {
    /// As its user left it: what ran, runs.
    pub(super) async fn bring_back(&mut self) {
        let standing = self.record.standing.clone();
        if self.record.wanted == Wanted::Running {
            let beginning = self.record.beginning.clone().unwrap_or_else(Beginning::resumed);
            let began = self.begin(beginning, "the daemon has started and brings it back").await;
            if let Err(refused) = began {
                self.fail(refused.to_string()).await;
            }
        } else if standing.state.is_active() {
            let state = match self.record.wanted {
                Wanted::Paused => JobState::Paused,
                Wanted::Running | Wanted::Stopped => JobState::Stopped,
            };
            self.stand(state, "the daemon ended while it was being stopped").await;
        }
    }

    pub(super) async fn fail(&mut self, why: String) {
        self.error = Some(why.clone());
        self.stand(JobState::Failed, why).await;
    }

    /// Starts a run. The promise is kept before it begins.
    pub(super) async fn begin(&mut self, beginning: Beginning, why: &str) -> Result<(), Refused> {
        let name = self.record.name.clone();
        let spec = script::read(&self.text, Some(&name)).map_err(Refused::Script)?;
        let state = self.shared.settings.state_of(&spec).map_err(Refused::State)?;
        let from = from(&beginning.from)?;
        // It may have come to run, though nobody was left to keep that: the run finds out, and what it
        // began with may be gone by then.
        let begun_after = beginning.after;
        if begun_after.is_none() {
            self.exists(&from, &state).await?;
        }
        let beginning = match begun_after {
            None if beginning.is_for_once() => {
                Beginning { after: self.newest(&state).await, ..beginning }
            }
            Some(_) | None => beginning,
        };
        self.brief = Some(Arc::new(Brief::of(&spec, state.clone())));
        let now = self.shared.clock.now_ms();
        let promised = Record {
            wanted: Wanted::Running,
            beginning: Some(beginning.clone()),
            started_at_ms: Some(now),
            ..self.record.clone()
        };
        self.put(promised).await?;
        let settings = &self.shared.settings;
        let plan = Plan {
            job: spec,
            state,
            options: JobOptions { work_dir: settings.work_dir.clone(), ..JobOptions::default() },
            from,
            allow_fallback: beginning.allow_fallback,
            resnapshot: beginning.resnapshot,
            begun_after,
            clock: Arc::clone(&self.shared.clock),
            screen: self.tail.screen(),
            turns: Arc::clone(&self.shared.turns),
            servers: Arc::clone(&self.shared.servers),
            threads: settings.threads,
        };
        let run = match plan.start() {
            Ok(run) => run,
            Err(error) => {
                let why = format!("the system gives no thread: {error}");
                self.fail(why.clone()).await;
                return Err(Refused::State(why));
            }
        };
        self.run = Some(Running::new(run, self.record.version, now));
        self.last = None;
        self.error = None;
        self.savepoint_error = None;
        self.stand(JobState::Starting, why).await;
        Ok(())
    }

    /// That the snapshot which a start names is there and can be read, before anything is promised.
    async fn exists(&self, from: &From, state: &state::StateUrl) -> Result<(), Refused> {
        let refused = |error: &dyn std::error::Error| Refused::Snapshot(chain(error));
        match from {
            From::Id(id) => {
                let store = state::open_read_only(state, &self.record.name);
                store.map_err(|e| refused(&e))?.get(*id).await.map_err(|e| refused(&e))?;
            }
            From::Elsewhere(place) => {
                state::savepoint::read(place).await.map_err(|e| refused(&e))?;
            }
            From::Latest | From::Earliest | From::Nothing => {}
        }
        Ok(())
    }

    /// The same of a start that is to follow the end of a run.
    pub(super) async fn can_begin(&self, beginning: &Beginning) -> Result<(), Refused> {
        let from = from(&beginning.from)?;
        match &self.brief {
            Some(brief) => self.exists(&from, &brief.state).await,
            None => Ok(()),
        }
    }

    /// Number of the newest snapshot, 0 for none; `None` where the store does not say. The run that is
    /// about to begin waits for the store then.
    async fn newest(&self, state: &state::StateUrl) -> Option<u64> {
        let store = state::open_read_only(state, &self.record.name).ok()?;
        let listed = store.list().await.ok()?;
        Some(listed.iter().map(|listed| listed.id.0).max().unwrap_or(0))
    }

    /// What goes on where the job left off takes over what was promised for a start that has not come to
    /// run yet.
    pub(super) fn after_promised(&self, next: Beginning) -> Beginning {
        match &self.record.beginning {
            Some(promised) if next.from == Begin::Latest => Beginning {
                from: promised.from.clone(),
                allow_fallback: promised.allow_fallback || next.allow_fallback,
                after: promised.after.filter(|_| next.resnapshot.is_empty()),
                resnapshot: promised.resnapshot.iter().cloned().chain(next.resnapshot).collect(),
            },
            Some(_) | None => next,
        }
    }

    /// The run has come to where it goes on by its own snapshots.
    pub(super) async fn has_begun(&mut self) {
        if self.record.beginning.take().is_some()
            && let Err(error) = self.keep().await
        {
            tracing::error!(job = self.record.name, "its record is not kept: {}", chain(&error));
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase(), Some(Phase::Running(_)))
    }
}

fn from(begin: &Begin) -> Result<From, Refused> {
    Ok(match begin {
        Begin::Latest => From::Latest,
        Begin::Earliest => From::Earliest,
        Begin::None => From::Nothing,
        Begin::Custom(place) if place.contains('/') => From::Elsewhere(place.clone()),
        Begin::Custom(id) => From::Id(id.parse().map_err(|_| {
            Refused::Snapshot(format!(
                "`{}` is neither the number of a snapshot nor a path or URL with a `/` in it",
                id.escape_debug()
            ))
        })?),
    })
}

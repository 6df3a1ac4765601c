//! What a run is seen to do.

use super::{Actor, JobState, News, Phase, samples};
use crate::api::EventKind;
use crate::jobs::log::Told;

/// Lines of output that watchers are told of at a time.
const LINES_TOLD: usize = 500;

/// The reason of a job that has nothing to do yet.
const NO_TABLE: &str = "no table matches the job's patterns yet: it waits for one to be created (is \
                        `table-name` right, and may the user see the tables?)";

impl Actor {
    pub(super) async fn phase_changed(&mut self) {
        let Some(phase) = self.phase() else { return };
        if matches!(phase, Phase::Running(_)) {
            self.has_begun().await;
        }
        if self.halting.is_some() {
            return;
        }
        match phase {
            Phase::Starting => self.starts().await,
            Phase::Running(_) => self.runs().await,
            Phase::Waiting(why) => {
                self.error = Some(why.clone());
                self.stand(JobState::Restarting, why).await;
            }
            Phase::Ended(_) => {}
        }
    }

    async fn starts(&mut self) {
        let reason = self.waits().unwrap_or_else(|| "the source is being opened".to_owned());
        self.stand(JobState::Starting, reason).await;
    }

    /// What the source or a sink waits for, where one does.
    fn waits(&self) -> Option<String> {
        self.run.as_ref().and_then(|running| running.run.control.meters().waits())
    }

    /// Than at the last look.
    fn waits_otherwise(&mut self) -> bool {
        let waits = self.waits();
        match &mut self.run {
            Some(running) if running.waits != waits => {
                running.waits = waits;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether it reads or follows.
    pub(super) async fn runs(&mut self) {
        let Some(running) = &self.run else { return };
        let (tables, live, is_known, has_none) = {
            let status = running.run.status.borrow();
            let has_none = status.tables == 0 && status.quarantined.is_empty();
            (status.tables, status.tables_live, status.host.is_some(), has_none)
        };
        let (state, reason) = match is_known && live >= tables {
            true if has_none => (JobState::Streaming, NO_TABLE.to_owned()),
            true => (JobState::Streaming, format!("tables that follow the binlog: {tables}")),
            false if is_known => {
                (JobState::Snapshotting, format!("tables read through: {live} of {tables}"))
            }
            false => (JobState::Snapshotting, "its tables are being looked at".to_owned()),
        };
        let reason = match self.waits() {
            Some(waits) => format!("{reason}; {waits}"),
            None => reason,
        };
        self.stand(state, reason).await;
    }

    pub(super) async fn tick(&mut self) {
        if self.is_unkept && self.keep().await.is_ok() {
            tracing::info!(job = self.record.name, "its state is kept again");
        }
        if self.halting.is_none() {
            match self.phase() {
                // One that waits for its turn is starting too.
                Some(Phase::Starting) if self.waits_otherwise() => self.starts().await,
                Some(Phase::Starting) => {}
                Some(Phase::Running(_)) => self.runs().await,
                Some(Phase::Waiting(_) | Phase::Ended(_)) | None => {}
            }
        }
        self.tell_of_link().await;
        self.tell_of_tables().await;
        self.tell_of_checkpoints().await;
        self.tell_of_changes().await;
        self.sample();
    }

    async fn tell_of_tables(&mut self) {
        let Some(running) = &mut self.run else { return };
        let list = std::sync::Arc::clone(&running.run.status.borrow().list);
        let mut news = Vec::new();
        for table in list.iter() {
            match &table.apart {
                Some(apart) if running.apart.insert(table.name.clone()) => {
                    news.push(format!(
                        "{} is set apart (quarantine): {}",
                        table.name, apart.reason
                    ));
                }
                Some(_) => {}
                None if running.apart.remove(&table.name) => {
                    news.push(format!("{} is no longer in quarantine", table.name));
                }
                None => {}
            }
        }
        for text in news {
            self.shared.log.tell(Told::of(&self.record.name, EventKind::Table, text)).await;
        }
    }

    async fn tell_of_link(&mut self) {
        let Some(running) = &mut self.run else { return };
        let now = running.run.control.meters().link();
        let Some(text) = running.link.news(&now, self.shared.clock.now_ms()) else { return };
        self.shared.log.tell(Told::of(&self.record.name, EventKind::Source, text)).await;
    }

    async fn tell_of_checkpoints(&mut self) {
        let Some(running) = &mut self.run else { return };
        let now = running.run.control.checkpoints();
        if now.failed <= running.failures {
            return;
        }
        running.failures = now.failed;
        let why = now.last_failure.map(|failure| failure.reason).unwrap_or_default();
        let text = format!("a checkpoint failed: {why}");
        self.shared.log.tell(Told::of(&self.record.name, EventKind::Checkpoint, text)).await;
    }

    /// Those of the source's tables that sinks have followed, and that they have not.
    pub(super) async fn tell_of_changes(&mut self) {
        let Some(running) = &mut self.run else { return };
        let meters = running.run.control.meters();
        let (count, applied) = meters.applied_after(running.applied);
        let told = std::mem::replace(&mut running.applied, count);
        let forgotten = count.saturating_sub(told).saturating_sub(applied.len() as u64);
        let mut news = Vec::new();
        if forgotten > 0 {
            news.push(format!("changes besides that sinks have followed: {forgotten}"));
        }
        news.extend(applied.iter().map(followed));
        if meters.unapplied_count() > running.unapplied {
            let all = meters.unapplied();
            let told = std::mem::replace(&mut running.unapplied, all.count);
            let left = all.kept.into_iter().filter(|seen| seen.number > told);
            let left: Vec<String> = left.map(|seen| unfollowed(&seen.what)).collect();
            let forgotten = (all.count - told).saturating_sub(left.len() as u64);
            if forgotten > 0 {
                let text = format!("changes besides that sinks have not followed: {forgotten}");
                news.push(text);
            }
            news.extend(left);
        }
        for text in news {
            self.shared.log.tell(Told::of(&self.record.name, EventKind::Table, text)).await;
        }
    }

    fn sample(&mut self) {
        let Some(running) = &mut self.run else { return };
        let status = running.run.status.borrow().clone();
        let behind = *running.run.behind.borrow();
        let is_reading = status.tables_live < status.tables;
        #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
        let seen = samples::Seen {
            at_ms: self.shared.clock.now_ms(),
            rows: running.run.control.meters().rows.now(),
            lag_seconds: behind.map(|behind| behind.seconds as f64),
            lag_bytes: behind.and_then(|behind| behind.bytes),
            snapshot: is_reading.then_some((status.rows_read, status.rows_left_estimate)),
        };
        let sample = seen.since(&running.seen);
        running.seen = seen;
        self.samples.push(sample.clone());
        let news = &self.shared.log.news;
        if news.receiver_count() == 0 {
            return;
        }
        let name = &self.record.name;
        let output = self.tail.after(self.lines_told, LINES_TOLD);
        self.lines_told = output.next;
        if !output.lines.is_empty() {
            let _ = news.send(News::Output(name.clone(), output.lines.into()));
        }
        let _ = news.send(News::Sample(name.clone(), sample));
        let _ = news.send(News::Job(name.clone()));
    }
}

fn unfollowed(change: &sinks::Unapplied) -> String {
    let sinks::Unapplied { sink, table, statement, why } = change;
    format!("{sink} has not followed a change of {table}: {why}. Statement: {statement}")
}

fn followed(change: &sinks::Applied) -> String {
    let sinks::Applied { sink, table, target, statement, place, applied } = change;
    format!(
        "{sink} has followed a change of {table} at {place} ({statement}), in {target}: {applied}"
    )
}

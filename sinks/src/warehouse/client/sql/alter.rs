//! Changes of tables, until they are done.
//!
//! A schema change may be a job of the server, which waits for every older transaction and rewrites the
//! table. Whether a step is done is read from the catalogue, and the job's row tells why it is not: by
//! the row alone one could take another's job for ours, by the catalogue alone wait for one that was
//! cancelled.

use model::TableName;
use tokio::time::Instant;
use tracing::info;

use super::super::error::ClientError;
use super::super::wire::Wire;
use super::{Trouble, from, text};
use crate::warehouse::system::System;
use crate::warehouse::target::alteration::{Alteration, Change, Pace};
use crate::warehouse::target::create::CreateOptions;

/// How often the log says that a job is waited for.
const TOLD_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// What a refusal says because another change of the table is under way.
const BUSY: [&str; 4] =
    ["is not normal", "schema change operation is in progress", "under schema change", "is doing"];
/// What one says because the step may have been done already.
const DONE_MAYBE: [&str; 6] = [
    "already exist",
    "duplicate column",
    "does not exist",
    "not exists",
    "unknown",
    "nothing is changed",
];

/// A row of the list of schema changes.
#[derive(Debug, Clone)]
struct Job {
    id: u64,
    state: String,
    message: String,
}

impl Job {
    fn is_cancelled(&self) -> bool {
        self.state.eq_ignore_ascii_case("CANCELLED")
    }

    fn is_final(&self) -> bool {
        self.is_cancelled() || self.state.eq_ignore_ascii_case("FINISHED")
    }
}

impl Wire {
    /// The statement that was run; `None`: it had been done before.
    pub(in super::super) async fn alter(
        &self,
        alteration: &Alteration,
        options: &CreateOptions,
    ) -> Result<Option<String>, ClientError> {
        let columns = self.columns(&alteration.table).await?;
        if alteration.is_done(self.system, &columns) {
            return Ok(None);
        }
        let statement = alteration.statement(self.system, options, &columns);
        let doing = format!("`{statement}`");
        let (begun, mut looks, mut retries) = (Instant::now(), self.pace.looks(), self.retries());
        let has_job = alteration.pace(self.system) == Pace::Job || may_be_a_job(&alteration.change);
        let newest = async || match has_job {
            true => Ok(self.newest_job(&alteration.table).await?.map_or(0, |job| job.id)),
            false => Ok(0),
        };
        let before = loop {
            let before = newest().await?;
            let trouble = match self.sql.run(&statement).await {
                Ok(_) => break before,
                Err(trouble) => trouble,
            };
            let words = trouble.words().to_ascii_lowercase();
            let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
            let refused = matches!(trouble, Trouble::Refused { .. });
            if (!refused || says(&DONE_MAYBE)) && self.is_done(alteration).await? {
                return Ok(Some(statement));
            }
            if refused && says(&BUSY) && begun.elapsed() < self.pace.alter_max {
                // Perhaps by a job of this very step, begun before a crash.
                self.idle(&alteration.table, &doing).await?;
                if self.is_done(alteration).await? {
                    return Ok(Some(statement));
                }
                looks.pause().await;
                continue;
            }
            if matches!(trouble, Trouble::Lost { .. }) && newest().await? > before {
                break before;
            }
            if !retries.again(&trouble).await {
                return Err(self.troubled(&doing, &trouble));
            }
        };
        if has_job {
            self.wait_for(alteration, &doing, before).await?;
        }
        Ok(Some(statement))
    }

    /// Until the catalogue shows the step; `before` is the newest job that is not of it.
    async fn wait_for(
        &self,
        alteration: &Alteration,
        doing: &str,
        before: u64,
    ) -> Result<(), ClientError> {
        let (begun, mut looks, mut told) = (Instant::now(), self.pace.looks(), Instant::now());
        loop {
            let job = self.newest_job(&alteration.table).await?.filter(|job| job.id > before);
            if let Some(job) = job.as_ref().filter(|job| job.is_cancelled()) {
                return Err(self.definite(format!(
                    "{} cancelled {doing}: {}; run it by hand, or undo it in the source",
                    self.system, job.message
                )));
            }
            let under_way = job.as_ref().is_some_and(|job| !job.is_final());
            if !under_way && self.is_done(alteration).await? {
                return Ok(());
            }
            let max = if under_way { self.pace.alter_max } else { self.pace.unlisted_max };
            if begun.elapsed() > max {
                let state =
                    job.map_or("no job is listed", |_| "its job has not ended as it should");
                return Err(self.transient(format!(
                    "{}: {doing} was accepted, and the catalogue does not show it after {:?}: {state}; \
                     look at SHOW ALTER TABLE COLUMN {}",
                    self.system,
                    begun.elapsed(),
                    from(&alteration.table.db)
                )));
            }
            self.tell(&mut told, &alteration.table, job.as_ref());
            looks.pause().await;
        }
    }

    /// Waits until no job of the table is under way.
    async fn idle(&self, table: &TableName, doing: &str) -> Result<(), ClientError> {
        let (begun, mut looks, mut told) = (Instant::now(), self.pace.looks(), Instant::now());
        loop {
            let job = self.newest_job(table).await?;
            let Some(job) = job.filter(|job| !job.is_final()) else { return Ok(()) };
            if begun.elapsed() > self.pace.alter_max {
                return Err(self.transient(format!(
                    "{}: {doing} waits for the schema change {} of the table, which does not end; look \
                     at SHOW ALTER TABLE COLUMN {}",
                    self.system,
                    job.id,
                    from(&table.db)
                )));
            }
            self.tell(&mut told, table, Some(&job));
            looks.pause().await;
        }
    }

    fn tell(&self, told: &mut Instant, table: &TableName, job: Option<&Job>) {
        if told.elapsed() < TOLD_EVERY {
            return;
        }
        *told = Instant::now();
        let state = job.map_or("not listed", |job| &*job.state);
        let sink = &*self.settings.sink;
        info!(sink, table = %table, state, "waiting for a schema change of the target");
    }

    async fn is_done(&self, alteration: &Alteration) -> Result<bool, ClientError> {
        let columns = self.columns(&alteration.table).await?;
        Ok(alteration.is_done(self.system, &columns))
    }

    async fn newest_job(&self, table: &TableName) -> Result<Option<Job>, ClientError> {
        let doing = format!("the list of schema changes of {}", table.quoted());
        let order = match self.system {
            System::Doris => "CreateTime",
            System::StarRocks => "JobId",
        };
        let statement = format!(
            "SHOW ALTER TABLE COLUMN {} WHERE TableName = {} ORDER BY {order} DESC LIMIT 10",
            from(&table.db),
            text(&table.table)
        );
        let listed = self.rows(&doing, &statement).await?;
        let jobs = listed.records().filter_map(|row| {
            Some(Job {
                id: row.get("JobId")?.trim().parse().ok()?,
                state: row.get("State")?.to_owned(),
                message: row.get("Msg").unwrap_or_default().to_owned(),
            })
        });
        Ok(jobs.max_by_key(|job| job.id))
    }
}

/// Whether a server may do it by a job: a table that was not made by us may lack what makes it light.
fn may_be_a_job(change: &Change) -> bool {
    match change {
        Change::AddColumn(_)
        | Change::DropColumn(_)
        | Change::RenameColumn { .. }
        | Change::Modify(_) => true,
        Change::Create(_) | Change::Drop | Change::Truncate | Change::Rename(_) => false,
    }
}

//! Everything that talks to Doris or StarRocks: loads over HTTP, definitions over the MySQL protocol.
//!
//! A call returns once its outcome is certain, or with an error. Until then it is repeated under the
//! same label, which the servers take once: a reply that was lost, or says less than certainty, is
//! followed by a question for the state of the label and never by a guess.

mod doris;
mod error;
mod http;
mod label;
mod pace;
mod reply;
mod settings;
mod sql;
mod starrocks;
mod states;
mod tls;
mod verdict;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use model::TableName;
use serde::{Deserialize, Serialize};

pub(crate) use error::ClientError;
pub(crate) use label::Label;
#[allow(unused_imports, reason = "wired by the sinks")]
pub(crate) use settings::{Compression, Password, Settings};
pub(crate) use tls::{HTTPS, Identity, MySqlTls, TlsSettings};

use super::system::System;
use super::target::alteration::Alteration;
use super::target::compare::ExistingTable;
use super::target::create::CreateOptions;
use doris::Doris;
use http::Http;
use pace::Pace;
pub(crate) use sql::Reading;
use sql::Sql;
use starrocks::StarRocks;
use wire::Wire;

/// Key of a row of Doris that says whether it is a delete: 0 or 1.
pub(crate) const DELETE_SIGN: &str = "__DORIS_DELETE_SIGN__";
/// Key of a row of Doris that says which of two rows with one key is the newer. No column of the table: the
/// header `function_column.sequence_col` says that the hidden one takes it, as the manual has it.
pub(crate) const SEQUENCE_COLUMN: &str = "__seachange_sequence";
/// Key of a row of StarRocks: 0 an upsert, 1 a delete.
pub(crate) const OP: &str = "__op";

const MERGE_COMMIT: &str = "enable_merge_commit";

/// Rows of one table under one label.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// In the target.
    pub table: TableName,
    pub label: Label,
    /// Keys of the rows, [`DELETE_SIGN`], [`SEQUENCE_COLUMN`] and [`OP`] last.
    pub columns: Arc<[Arc<str>]>,
    /// JSON: for Doris an object a line, for StarRocks one array of objects.
    pub body: Bytes,
    pub rows: u64,
}

/// A load that is durable and invisible.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    pub db: String,
    /// Empty where it is not known.
    pub table: String,
    pub label: String,
    pub txn: Option<u64>,
}

impl Load {
    fn staged(&self, txn: Option<u64>) -> Staged {
        let (db, table) = (self.table.db.to_string(), self.table.table.to_string());
        Staged { db, table, label: self.label.to_string(), txn }
    }
}

/// What became of a staged load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Or about to be.
    Visible,
    /// Aborted, expired or forgotten, in the words of the server: it is to be loaded again.
    Lost(String),
}

pub(crate) struct Client {
    wire: Wire,
}

impl Client {
    /// # Errors
    /// Settings that name no frontend, or a property that would make labels meaningless.
    pub(crate) fn new(system: System, settings: Settings) -> Result<Self, ClientError> {
        let unfit = |what| ClientError::Definite { sink: settings.sink.clone(), what };
        let (http, sql) = (Http::new(&settings).map_err(unfit)?, Sql::new(&settings));
        let wire = Wire { system, settings, http, sql, pace: Pace::default() };
        if wire.http.frontends.is_empty() || wire.settings.sql.is_empty() {
            return Err(wire.definite(format!(
                "{system} needs the HTTP and the MySQL address of at least one frontend"
            )));
        }
        if wire.settings.headers.keys().any(|name| name.eq_ignore_ascii_case(MERGE_COMMIT)) {
            return Err(wire.definite(format!(
                "the load property `{MERGE_COMMIT}` makes the server batch loads by itself, and then \
                 a label no longer tells what became of one; leave it out"
            )));
        }
        Ok(Self { wire })
    }

    /// As impatient as a test is.
    #[cfg(test)]
    pub(crate) fn impatient(mut self) -> Self {
        self.wire.pace = Pace::of_tests();
        self
    }

    /// Makes the load durable and invisible.
    pub(crate) async fn stage(&self, load: &Load) -> Result<Staged, ClientError> {
        self.not_empty(load)?;
        match self.wire.system {
            System::Doris => Doris(&self.wire).stage(load).await,
            System::StarRocks => StarRocks(&self.wire).stage(load).await,
        }
    }

    /// Makes the load visible at once.
    pub(crate) async fn load(&self, load: &Load) -> Result<(), ClientError> {
        self.not_empty(load)?;
        match self.wire.system {
            System::Doris => Doris(&self.wire).load(load).await,
            System::StarRocks => StarRocks(&self.wire).load(load).await,
        }
    }

    /// Idempotent.
    pub(crate) async fn commit(&self, staged: &Staged) -> Result<Outcome, ClientError> {
        match self.wire.system {
            System::Doris => Doris(&self.wire).commit(staged).await,
            System::StarRocks => StarRocks(&self.wire).commit(staged).await,
        }
    }

    /// True once the load can never become visible; false if it is committed.
    pub(crate) async fn abort(&self, staged: &Staged) -> Result<bool, ClientError> {
        match self.wire.system {
            System::Doris => Doris(&self.wire).abort(staged).await,
            System::StarRocks => StarRocks(&self.wire).abort(staged).await,
        }
    }

    /// Loads of this database that are under way, or durable and invisible, and whose labels begin with
    /// `prefix`. In StarRocks it takes the privilege OPERATE ON SYSTEM.
    pub(crate) async fn unfinished(
        &self,
        db: &str,
        prefix: &str,
    ) -> Result<Vec<Staged>, ClientError> {
        self.wire.unfinished(db, prefix).await
    }

    pub(crate) async fn databases(&self) -> Result<Vec<String>, ClientError> {
        self.wire.databases().await
    }

    /// `None`: there is no such table.
    pub(crate) async fn table(
        &self,
        name: &TableName,
    ) -> Result<Option<ExistingTable>, ClientError> {
        self.wire.table(name).await
    }

    /// Runs a statement that may be run twice.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), ClientError> {
        self.wire.execute(sql).await
    }

    /// Changes a table, unless the catalogue shows that it was done, and waits until it shows it. No load
    /// of the job may wait for its commit meanwhile: the server would wait for that. Comes back with the
    /// statement, where one was run.
    pub(crate) async fn alter(
        &self,
        alteration: &Alteration,
        options: &CreateOptions,
    ) -> Result<Option<String>, ClientError> {
        self.wire.alter(alteration, options).await
    }

    /// A transaction without data cannot be prepared, and a load of no rows means nothing.
    fn not_empty(&self, load: &Load) -> Result<(), ClientError> {
        if load.rows == 0 || load.body.is_empty() {
            return Err(self.wire.definite(format!(
                "{} was asked to take {} without rows, which is a mistake of this program: report it",
                self.wire.system,
                wire::of_load(load)
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

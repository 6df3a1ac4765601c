//! One client's place: its database and its variables.

use std::collections::BTreeMap;

use crate::System;
use crate::cluster::{Cluster, State};
use crate::ddl::{self, SqlError, Statement};
use crate::store::{AlterError, StoreError};

use super::answer::Answer;
use super::query::{self, Asker};
use super::{execute, shown, variables};

#[derive(Debug)]
pub struct Session {
    cluster: Cluster,
    system: System,
    user: String,
    id: u32,
    database: Option<String>,
    variables: BTreeMap<String, String>,
}

impl Session {
    /// # Errors
    /// No such database.
    pub fn open(
        cluster: Cluster,
        user: &str,
        id: u32,
        database: Option<String>,
    ) -> Result<Self, SqlError> {
        let system = cluster.update(|state| state.system)?;
        let variables = variables::defaults(system);
        let mut session =
            Self { cluster, system, user: user.to_owned(), id, database: None, variables };
        if let Some(name) = database {
            session.select_database(&name)?;
        }
        Ok(session)
    }

    /// # Errors
    /// No such database.
    pub fn select_database(&mut self, name: &str) -> Result<(), SqlError> {
        let name = name.strip_prefix("default_catalog.").unwrap_or(name);
        let name = name.strip_prefix("internal.").unwrap_or(name);
        let known = name.eq_ignore_ascii_case(shown::INFORMATION_SCHEMA)
            || self.cluster.update(|state| state.database(name).is_some())?;
        if !known {
            return Err(SqlError::unknown_database(self.system, name));
        }
        self.database = Some(name.to_owned());
        Ok(())
    }

    /// Does one statement, in one unit of work.
    ///
    /// # Errors
    /// What the server refuses, in its words.
    pub fn run(&mut self, sql: &str) -> Result<Answer, SqlError> {
        match ddl::parse(self.system, sql)? {
            Statement::Nothing => Ok(Answer::Done),
            Statement::Use(name) => self.select_database(&name).map(|()| Answer::Done),
            Statement::Set(assignments) => {
                self.variables.extend(assignments);
                Ok(Answer::Done)
            }
            Statement::Query(tokens) => self.with(|session, state| {
                let asker = Asker {
                    user: &session.user,
                    id: session.id,
                    database: session.database.as_deref(),
                    variables: &session.variables,
                };
                query::answer(state, &asker, &tokens).map(Answer::Rows)
            }),
            Statement::Show(show) => self.with(|session, state| {
                let database = session.database.as_deref();
                shown::answer(state, database, &session.variables, &show).map(Answer::Rows)
            }),
            Statement::Describe(table) => self.with(|session, state| {
                shown::describe(state, session.database.as_deref(), &table).map(Answer::Rows)
            }),
            statement @ (Statement::CreateDatabase { .. }
            | Statement::DropDatabase { .. }
            | Statement::CreateTable(_)
            | Statement::DropTable { .. }
            | Statement::Truncate(_)
            | Statement::Alter { .. }
            | Statement::RenameTable { .. }
            | Statement::CancelAlter(_)
            | Statement::CleanLabel { .. }
            | Statement::CancelLoad { .. }) => self.with(|session, state| {
                execute::execute(state, session.database.as_deref(), &statement)?;
                Ok(Answer::Done)
            }),
        }
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&Self, &mut State) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.cluster.with(|state| act(self, state))
    }
}

/// No server's words: the stand-in itself is broken.
impl From<StoreError> for SqlError {
    fn from(error: StoreError) -> Self {
        Self { code: 1105, state: "HY000", message: format!("the stand-in failed: {error}") }
    }
}

impl From<AlterError> for SqlError {
    fn from(error: AlterError) -> Self {
        match error {
            AlterError::Store(error) => error.into(),
            error @ AlterError::Value { .. } => {
                Self { code: 1105, state: "HY000", message: error.to_string() }
            }
        }
    }
}

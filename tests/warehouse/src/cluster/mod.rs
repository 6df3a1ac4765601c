//! What all ports of one stand-in share: databases, tables, rows, transactions, nodes, users and the clock.
//!
//! A port translates: it turns a request into a call of [`State`] under [`Cluster::with`], and what that says
//! into the server's bytes. Each `with` is one unit of work: time passes first, and the change of state and the
//! change of rows are committed to SQLite together, so that a process that is killed leaves no half of it.

mod book;
mod clock;
mod counting;
mod durable;
mod faults;
mod gathered;
mod limits;
mod nodes;
mod schema;
mod state;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::System;
use crate::store::{Store, StoreError};
use crate::txn::Backend;

pub use book::Book;
pub use clock::Clock;
pub use counting::{Counted, Counting};
pub use faults::{Call, Effect, Event, Fault};
pub use gathered::{Body, ErrorLogs, Gathered, Piece};
pub use limits::{Compaction, ServerLimits};
pub use nodes::{BackendNode, FrontendNode, Nodes, Users};
pub use state::{Database, State};

/// A handle; a clone is another handle of the same cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Held for one unit of work and never over an await.
    state: Arc<Mutex<State>>,
    /// Rings when a backend dies.
    deaths: watch::Receiver<()>,
}

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    pub system: System,
    pub backends: u32,
    /// Frontends beside the leader.
    pub followers: u32,
    pub user: String,
    pub password: String,
    pub place: Place,
    pub rows: Rows,
}

/// What becomes of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    Kept,
    /// They are counted and dropped; nobody looks into them.
    Counted,
}

/// Where the state rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Memory,
    /// In a directory, made if need be: what was there before is taken up again.
    Directory(PathBuf),
}

/// Why a cluster cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the directory `{path}` cannot be made: {error}")]
    Directory { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("`{path}` is in use by another process: end it, or choose another directory")]
    InUse { path: PathBuf },
    #[error("`{path}` holds the state of another system, {found}: choose another directory")]
    OtherSystem { path: PathBuf, found: String },
}

impl Setup {
    /// In memory, one backend, one frontend, `root` without a password.
    #[must_use]
    pub fn new(system: System) -> Self {
        Self {
            system,
            backends: 1,
            followers: 0,
            user: "root".to_owned(),
            password: String::new(),
            place: Place::Memory,
            rows: Rows::Kept,
        }
    }
}

impl Cluster {
    /// # Errors
    /// A directory that cannot be used.
    pub fn open(setup: &Setup) -> Result<Self, OpenError> {
        let store = match &setup.place {
            Place::Memory => Store::in_memory()?,
            Place::Directory(path) => {
                let refused = |error| OpenError::Directory { path: path.clone(), error };
                std::fs::create_dir_all(path).map_err(refused)?;
                Store::in_file(&path.join("warehouse.sqlite")).map_err(|error| {
                    if error.is_busy() {
                        OpenError::InUse { path: path.clone() }
                    } else {
                        error.into()
                    }
                })?
            }
        };
        let mut state = State::new(setup, store);
        state.restore(setup)?;
        let deaths = state.deaths.subscribe();
        Ok(Self { state: Arc::new(Mutex::new(state)), deaths })
    }

    /// One unit of work. Time passes first; what `act` commits is published as it is due; then all of it is
    /// kept, whatever `act` says, for a refusal may have ended a transaction.
    ///
    /// # Errors
    /// What `act` says, and a store that fails.
    pub fn with<T, E: From<StoreError>>(
        &self,
        act: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        // A test that failed inside has said so; the others may go on.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.enter()?;
        let done = act(&mut state);
        state.leave()?;
        done
    }

    /// One unit of work that cannot be refused.
    ///
    /// # Errors
    /// A store that fails.
    pub fn update<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        self.with(|state| Ok(act(state)))
    }

    /// Ends when the backend's process has died; at once if it does not run.
    pub async fn death(&self, id: Backend) {
        let mut deaths = self.deaths.clone();
        loop {
            let runs =
                self.update(|state| state.nodes.backend(id).is_some_and(|node| node.running));
            if !runs.unwrap_or(false) || deaths.changed().await.is_err() {
                return;
            }
        }
    }

    /// Lets time pass where nobody asks anything.
    ///
    /// # Errors
    /// A store that fails.
    pub fn tick(&self) -> Result<(), StoreError> {
        self.update(|_| ())
    }
}

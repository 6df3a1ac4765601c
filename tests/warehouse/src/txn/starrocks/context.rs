//! What a backend knows of a transaction whose data it gathers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Moment;

use super::super::{Backend, Refusal, TxnId};

/// What a transaction may load into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Table(String),
    /// Any of the database's (`transaction_type: multi`).
    Multi,
}

/// What a `load` says of itself, but for its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRequest {
    pub database: String,
    pub table: String,
    /// The headers that bear on how the data is read, names in lower case.
    pub parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub struct Context {
    pub txn: TxnId,
    pub node: Backend,
    scope: Scope,
    /// Those of the first load, which every other must repeat.
    parameters: Option<BTreeMap<String, String>>,
    /// A call is under way; another is not let in.
    pub busy: bool,
    pub has_data: bool,
    pub last_load: Moment,
    idle_max: Option<Duration>,
}

impl Context {
    #[must_use]
    pub fn new(
        txn: TxnId,
        scope: Scope,
        node: Backend,
        idle_max: Option<Duration>,
        now: Moment,
    ) -> Self {
        Self {
            txn,
            node,
            scope,
            parameters: None,
            busy: false,
            has_data: false,
            last_load: now,
            idle_max,
        }
    }

    /// # Errors
    /// Another database or table than the transaction's, and parameters other than the first load's.
    pub fn accept(&mut self, database: &str, request: &LoadRequest) -> Result<(), Refusal> {
        if request.database != database {
            let text =
                format!("request db {} transaction db {database} not match", request.database);
            return Err(Refusal::new("INVALID_ARGUMENT", text));
        }
        match &self.scope {
            Scope::Table(table) if *table != request.table => {
                let text =
                    format!("Request table {} not equal transaction table {table}", request.table);
                return Err(Refusal::new("INVALID_ARGUMENT", text));
            }
            Scope::Table(_) | Scope::Multi => {}
        }
        let first = self.parameters.get_or_insert_with(|| request.parameters.clone());
        if *first != request.parameters {
            return Err(Refusal::new("INTERNAL_ERROR", "load request not equal last."));
        }
        Ok(())
    }

    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        !self.busy && self.idle_max.is_some_and(|max| now.since(self.last_load) > max)
    }
}

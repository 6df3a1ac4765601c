//! From a change of a table in the source to the steps that the target takes.
//!
//! The target may have more than the source's columns: a lenient job keeps those that the source
//! dropped. So a plan starts from the target as it stands ([`Plan::table`] of the plan before it, or
//! the source's table where there was none), and ends with the target as it will stand.
//!
//! What would leave rows wrong without anyone seeing it is refused whatever the policy says: names
//! that change hands, another key, values that the source rounded where they rest.

use std::sync::Arc;

use model::TableName;

use super::TargetTable;
use super::alteration::{Alteration, Change, OnFailure};
use super::policy::{Behavior, ChangeKind, Policy, Verdict};
use crate::warehouse::system::System;

mod columns;
mod types;

/// What happened to a table of the source, told of its target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TableChange<'a> {
    Created(&'a TargetTable),
    Dropped(&'a TargetTable),
    Truncated(&'a TargetTable),
    Altered {
        /// The target as it stands.
        before: &'a TargetTable,
        /// What the source asks for now.
        after: &'a TargetTable,
        /// Columns that kept their values under another name: from, to.
        renamed: &'a [(String, String)],
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In order, each after the one before it has had its effect.
    pub alterations: Vec<Alteration>,
    /// What the target does not follow, a sentence each, for the log.
    pub left: Vec<String>,
    /// The target once all is done; `None` where it is gone. A step that may fail and does
    /// ([`OnFailure::GoOn`]) leaves another one: it is then to be read from the system.
    pub table: Option<TargetTable>,
}

/// A change that the target cannot or may not follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table}: {reason}; {remedy}")]
pub(crate) struct Refused {
    pub table: TableName,
    pub reason: String,
    pub remedy: &'static str,
}

const READ_AGAIN: &str = "drop the target's table and read the source's again (`run --resnapshot`)";
const BY_POLICY: &str = "make the change in the target by hand, or choose another \
                         `schema.change.behavior`";
const MAKE_NULLABLE: &str = "make it nullable in the target, or let the change through \
                             (`schema.change.behavior`, `exclude.schema.changes`)";

/// # Errors
/// What the policy stops, what the system cannot do, and what would leave wrong rows behind.
pub(crate) fn plan(
    system: System,
    change: TableChange<'_>,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let (kind, table, step) = match change {
        TableChange::Created(table) => {
            (ChangeKind::CreateTable, table, Change::Create(Box::new(table.clone())))
        }
        TableChange::Dropped(table) => (ChangeKind::DropTable, table, Change::Drop),
        TableChange::Truncated(table) => (ChangeKind::TruncateTable, table, Change::Truncate),
        TableChange::Altered { before, after, renamed } => {
            return Planner::new(system, before, policy).altered(after, renamed);
        }
    };
    let mut planner = Planner::new(system, table, policy);
    match policy.verdict(kind) {
        Verdict::Apply | Verdict::Soften => planner.step(step),
        Verdict::Leave => planner.leave(format!("{} is not followed", kind.name())),
        Verdict::Stop => return Err(planner.stop(kind, "the table")),
    }
    let mut plan = planner.finish();
    let is_gone = match kind {
        ChangeKind::CreateTable => plan.alterations.is_empty(),
        ChangeKind::DropTable => !plan.alterations.is_empty(),
        ChangeKind::AddColumn
        | ChangeKind::AlterColumnType
        | ChangeKind::DropColumn
        | ChangeKind::RenameColumn
        | ChangeKind::TruncateTable => false,
    };
    if is_gone {
        plan.table = None;
    }
    Ok(plan)
}

struct Planner<'a> {
    system: System,
    policy: &'a Policy,
    table: TargetTable,
    alterations: Vec<Alteration>,
    left: Vec<String>,
    /// Names, in lower case, of which nothing more is to be done.
    settled: Vec<String>,
}

impl<'a> Planner<'a> {
    fn new(system: System, table: &TargetTable, policy: &'a Policy) -> Self {
        let (table, alterations, left) = (table.clone(), Vec::new(), Vec::new());
        Self { system, policy, table, alterations, left, settled: Vec::new() }
    }

    fn finish(self) -> Plan {
        Plan { alterations: self.alterations, left: self.left, table: Some(self.table) }
    }

    fn step(&mut self, change: Change) {
        let on_failure = match self.policy.behavior {
            Behavior::TryEvolve => OnFailure::GoOn,
            Behavior::Evolve | Behavior::Lenient | Behavior::Ignore | Behavior::Exception => {
                OnFailure::Stop
            }
        };
        let table = self.table.name.clone();
        self.alterations.push(Alteration { table, change, fill: None, on_failure });
    }

    fn leave(&mut self, what: String) {
        self.left.push(format!("{}: {what}", self.table.name));
    }

    fn refuse(&self, reason: String, remedy: &'static str) -> Refused {
        Refused { table: self.table.name.clone(), reason, remedy }
    }

    fn stop(&self, kind: ChangeKind, of: &str) -> Refused {
        let reason = format!("{} of {of} in the source stops the job", kind.name());
        self.refuse(reason, BY_POLICY)
    }

    /// What the system cannot do: left where the job only tries, else refused.
    fn cannot(&mut self, what: String) -> Result<(), Refused> {
        if self.policy.behavior == Behavior::TryEvolve {
            self.leave(what);
            return Ok(());
        }
        Err(self.refuse(what, READ_AGAIN))
    }

    fn settle(&mut self, name: &str) {
        self.settled.push(name.to_ascii_lowercase());
    }

    fn is_settled(&self, name: &str) -> bool {
        self.settled.iter().any(|settled| name.eq_ignore_ascii_case(settled))
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Columns of `self.table` that took something of the source and that `after` does not have.
    fn dropped(&self, after: &TargetTable) -> Vec<Arc<str>> {
        let gone = self
            .table
            .columns
            .iter()
            .filter(|column| column.source.is_some() && after.find(&column.name).is_none());
        gone.map(|column| column.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;

//! The columns of an altered table: names first, then what went, what changed and what came.

use super::types::{Move, of as move_of};
use super::{MAKE_NULLABLE, Plan, Planner, READ_AGAIN, Refused};
use crate::warehouse::system::System;
use crate::warehouse::target::alteration::Change;
use crate::warehouse::target::policy::{ChangeKind, Verdict};
use crate::warehouse::target::{KeyModel, TargetColumn, TargetTable, TargetType};

impl Planner<'_> {
    pub(super) fn altered(
        mut self,
        after: &TargetTable,
        renamed: &[(String, String)],
    ) -> Result<Plan, Refused> {
        self.key(after)?;
        let other_name = |(from, to): &&(String, String)| !from.eq_ignore_ascii_case(to);
        for (from, to) in renamed.iter().filter(other_name) {
            self.renamed(after, from, to)?;
        }
        for name in self.dropped(after) {
            self.gone(&name)?;
        }
        for (at, wanted) in after.columns.iter().enumerate() {
            if self.is_settled(&wanted.name) {
                continue;
            }
            match self.at(&wanted.name) {
                Some(there) => self.changed(there, wanted)?,
                None => self.added(ChangeKind::AddColumn, after, at)?,
            }
        }
        Ok(self.finish())
    }

    /// Rows are found by their key: another one makes them other rows.
    fn key(&mut self, after: &TargetTable) -> Result<(), Refused> {
        let names = |table: &TargetTable| {
            table
                .key()
                .map(|column| column.name.to_ascii_lowercase())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let is_unique = |table: &TargetTable| table.model == KeyModel::Unique;
        let reason = match (is_unique(&self.table), is_unique(after)) {
            (true, true) => {
                let (before, after) = (names(&self.table), names(after));
                if before == after {
                    return Ok(());
                }
                format!("its key was ({before}) and is ({after}), and no system changes a key")
            }
            (false, false) => return Ok(()),
            (true, false) => {
                "the source has no key any more, and the target finds rows by it".into()
            }
            (false, true) => {
                "the source has a key now, and the target has kept every version of a row".into()
            }
        };
        Err(self.refuse(reason, READ_AGAIN))
    }

    fn renamed(&mut self, after: &TargetTable, from: &str, to: &str) -> Result<(), Refused> {
        let Some(at) = self.at(from) else { return Ok(()) };
        if self.at(to).is_some_and(|there| self.is_fed(there)) {
            // After a crash nobody could tell which of the two columns is the renamed one.
            let reason = format!("column `{from}` took the name of another column, `{to}`");
            return Err(self.refuse(reason, READ_AGAIN));
        }
        let verdict = self.policy.verdict(ChangeKind::RenameColumn);
        let is_renamed = verdict == Verdict::Apply;
        let reused = after.find(from).is_some();
        if reused && !(is_renamed && self.system == System::Doris) {
            let what = match verdict {
                Verdict::Apply => "which StarRocks does not add again",
                Verdict::Soften | Verdict::Leave | Verdict::Stop => "which still has its values",
            };
            let reason =
                format!("column `{from}` became `{to}`, and a new column has its name, {what}");
            return Err(self.refuse(reason, READ_AGAIN));
        }
        match verdict {
            Verdict::Stop => Err(self.stop(ChangeKind::RenameColumn, &format!("column `{from}`"))),
            Verdict::Apply => self.rename(at, from, to),
            Verdict::Soften => {
                self.kept(at, Keep::Relaxed)?;
                self.leave(format!("column `{from}` stays beside `{to}`, its name in the source"));
                let wanted = after.columns.iter().position(|c| c.name.eq_ignore_ascii_case(to));
                match (wanted, self.at(to)) {
                    (Some(wanted), None) => self.added(ChangeKind::RenameColumn, after, wanted),
                    _ => Ok(()),
                }
            }
            Verdict::Leave => {
                self.kept(at, Keep::AsItIs)?;
                self.settle(to);
                self.leave(format!("column `{from}` is not renamed, `{to}` is not loaded"));
                Ok(())
            }
        }
    }

    fn rename(&mut self, at: usize, from: &str, to: &str) -> Result<(), Refused> {
        let is_key = self.table.columns.get(at).is_some_and(|column| column.is_key);
        if is_key || self.at(to).is_some() {
            let reason =
                if is_key { "the table is sorted by it" } else { "and that name is taken" };
            self.unfeed(at);
            self.settle(to);
            return self.cannot(format!("column `{from}` is not renamed to `{to}`: {reason}"));
        }
        let Some(column) = self.table.columns.get_mut(at) else { return Ok(()) };
        let old = std::mem::replace(&mut column.name, to.into());
        self.step(Change::RenameColumn { from: old, to: to.into() });
        Ok(())
    }

    fn gone(&mut self, name: &str) -> Result<(), Refused> {
        let Some(at) = self.at(name) else { return Ok(()) };
        match self.policy.verdict(ChangeKind::DropColumn) {
            Verdict::Stop => Err(self.stop(ChangeKind::DropColumn, &format!("column `{name}`"))),
            Verdict::Apply if self.table.columns.get(at).is_some_and(|column| column.is_key) => {
                self.unfeed(at);
                let what = format!("column `{name}` is not dropped: the table is sorted by it");
                self.cannot(what)
            }
            Verdict::Apply => {
                let column = self.table.columns.remove(at);
                self.step(Change::DropColumn(column.name));
                Ok(())
            }
            Verdict::Soften => {
                self.leave(format!("column `{name}` stays, though the source dropped it"));
                self.kept(at, Keep::Relaxed)
            }
            Verdict::Leave => {
                self.leave(format!("column `{name}` stays, though the source dropped it"));
                self.kept(at, Keep::AsItIs)
            }
        }
    }

    /// A column that stays and takes nothing any more, so it has to take NULL.
    fn kept(&mut self, at: usize, keep: Keep) -> Result<(), Refused> {
        let Some(column) = self.table.columns.get_mut(at) else { return Ok(()) };
        column.source = None;
        if column.nullable {
            return Ok(());
        }
        if keep == Keep::AsItIs || column.is_key {
            let reason =
                format!("column `{}` is NOT NULL, and the source has no value for it", column.name);
            let remedy = if column.is_key { READ_AGAIN } else { MAKE_NULLABLE };
            return Err(self.refuse(reason, remedy));
        }
        column.nullable = true;
        let column = column.clone();
        self.step(Change::Modify(column));
        Ok(())
    }

    fn changed(&mut self, at: usize, wanted: &TargetColumn) -> Result<(), Refused> {
        let Some(column) = self.table.columns.get_mut(at) else { return Ok(()) };
        column.source = wanted.source;
        let column = column.clone();
        let words = |ty: TargetType| ty.sql(self.system);
        let told = format!(
            "column `{}` stays {}, the source's is {}",
            column.name,
            words(column.ty),
            words(wanted.ty)
        );
        let (mut ty, nullable) = (column.ty, column.nullable || wanted.nullable);
        match move_of(self.system, column.ty, wanted.ty) {
            Move::Stay if column.ty != wanted.ty => self.leave(told.clone()),
            Move::Stay => {}
            Move::Modify if !column.is_key => ty = wanted.ty,
            Move::Modify | Move::Impossible(_)
                if self.policy.verdict(ChangeKind::AlterColumnType) == Verdict::Leave =>
            {
                self.leave(told.clone());
            }
            Move::Modify => self.cannot(format!("{told}: no system changes a key"))?,
            Move::Impossible(why) => self.cannot(format!("{told}: {why}"))?,
        }
        let modified = TargetColumn { ty, nullable, ..column.clone() };
        if modified == column {
            return Ok(());
        }
        match self.policy.verdict(ChangeKind::AlterColumnType) {
            Verdict::Stop => {
                let of = format!("column `{}`", column.name);
                Err(self.stop(ChangeKind::AlterColumnType, &of))
            }
            Verdict::Leave if nullable && !column.nullable => Err(self.refuse(
                format!("column `{}` is NOT NULL, and may be NULL in the source", column.name),
                MAKE_NULLABLE,
            )),
            Verdict::Leave => {
                self.leave(told);
                Ok(())
            }
            Verdict::Apply | Verdict::Soften if column.is_key => {
                self.cannot(format!("column `{}` is not made nullable: sorted by it", column.name))
            }
            Verdict::Apply | Verdict::Soften => {
                if let Some(there) = self.table.columns.get_mut(at) {
                    *there = modified.clone();
                }
                self.step(Change::Modify(modified));
                Ok(())
            }
        }
    }

    /// Always last and nullable: older rows have no value for it.
    fn added(&mut self, kind: ChangeKind, after: &TargetTable, at: usize) -> Result<(), Refused> {
        let Some(wanted) = after.columns.get(at) else { return Ok(()) };
        match self.policy.verdict(kind) {
            Verdict::Stop => {
                let of = format!("column `{}`", wanted.name);
                Err(self.stop(kind, &of))
            }
            Verdict::Leave => {
                self.leave(format!("column `{}` is not added, and not loaded", wanted.name));
                Ok(())
            }
            Verdict::Apply | Verdict::Soften => {
                let column = TargetColumn { nullable: true, is_key: false, ..wanted.clone() };
                self.table.columns.push(column.clone());
                self.step(Change::AddColumn(column));
                Ok(())
            }
        }
    }

    fn unfeed(&mut self, at: usize) {
        if let Some(column) = self.table.columns.get_mut(at) {
            column.source = None;
        }
    }

    fn is_fed(&self, at: usize) -> bool {
        self.table.columns.get(at).is_some_and(|column| column.source.is_some())
    }
}

/// What may be done to a column that stays without values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// It is made nullable.
    Relaxed,
    AsItIs,
}

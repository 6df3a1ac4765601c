//! One step of changing a table in the target: its statement, how it runs, and whether it has
//! been done already.
//!
//! A step may be met again after a crash, when nobody knows whether its statement was run. What
//! each leaves behind can be told from the catalogue, so the answer is looked up and not
//! remembered.

use std::sync::Arc;

use model::TableName;
use model::table::quote;

use super::compare::{ExistingColumn, find};
use super::create::{self, CreateOptions, definition};
use super::{TargetColumn, TargetTable};
use crate::warehouse::system::System;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alteration {
    pub table: TableName,
    pub change: Change,
    /// DEFAULT of a column that is added: what rows that are there hold in it.
    pub fill: Option<Arc<str>>,
    pub on_failure: OnFailure,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Create(Box<TargetTable>),
    Drop,
    Truncate,
    /// `to` is a name that no table had.
    Rename(TableName),
    /// As the last column.
    AddColumn(TargetColumn),
    DropColumn(Arc<str>),
    /// `to` is a name that the table did not have.
    RenameColumn {
        from: Arc<str>,
        to: Arc<str>,
    },
    /// Type and nullability of a column that exists.
    Modify(TargetColumn),
}

/// What an error of the statement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Stop,
    /// The job goes on with the table as it is, and says so.
    GoOn,
}

/// When the effect of a statement is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Once the statement has returned.
    Immediate,
    /// Once a job of the server has finished, which waits for every older transaction, prepared
    /// ones too; some versions do it at once and list no job.
    Job,
}

impl Alteration {
    pub(crate) fn new(table: &TableName, change: Change) -> Self {
        Self { table: table.clone(), change, fill: None, on_failure: OnFailure::Stop }
    }

    /// `options` are those of new tables; `existing` what the table has.
    pub(crate) fn statement(
        &self,
        system: System,
        options: &CreateOptions,
        existing: &[ExistingColumn],
    ) -> String {
        let alter = |clause| format!("ALTER TABLE {} {clause}", self.table.quoted());
        match &self.change {
            Change::Create(table) => create::table(system, table, options),
            Change::Drop => create::drop(&self.table),
            Change::Truncate => create::truncate(&self.table),
            Change::Rename(to) => alter(format!("RENAME {}", quote(&to.table))),
            Change::AddColumn(column) => {
                let definition = definition(system, column);
                let default = default(self.fill.as_deref());
                alter(format!("ADD COLUMN {} {definition}{default}", quote(&column.name)))
            }
            Change::DropColumn(name) => alter(format!("DROP COLUMN {}", quote(name))),
            Change::RenameColumn { from, to } => {
                let to_word = if system == System::StarRocks { "TO " } else { "" };
                alter(format!("RENAME COLUMN {} {to_word}{}", quote(from), quote(to)))
            }
            Change::Modify(column) => {
                let definition = definition(system, column);
                // One that is not said again would be taken away, which both systems refuse.
                let there = find(existing, &column.name);
                let default = default(there.and_then(|there| there.default.as_deref()));
                alter(format!("MODIFY COLUMN {} {definition}{default}", quote(&column.name)))
            }
        }
    }

    pub(crate) fn pace(&self, system: System) -> Pace {
        match (&self.change, system) {
            (Change::Modify(_), _) => Pace::Job,
            // Its older versions have no fast schema evolution.
            (Change::AddColumn(_) | Change::DropColumn(_), System::StarRocks) => Pace::Job,
            _ => Pace::Immediate,
        }
    }

    /// True where the table, which has these columns, shows that the step has been done; none
    /// where there is no such table. To be asked right before the step and after those before it.
    ///
    /// A TRUNCATE leaves no trace and is done again, which is right as long as what was loaded
    /// after it is loaded again too.
    pub(crate) fn is_done(&self, system: System, existing: &[ExistingColumn]) -> bool {
        let has = |name: &str| find(existing, name).is_some();
        match &self.change {
            Change::Create(_) => !existing.is_empty(),
            Change::Drop => existing.is_empty(),
            Change::Truncate => false,
            Change::Rename(_) => existing.is_empty(),
            Change::AddColumn(column) => find(existing, &column.name)
                .and_then(|there| there.ty(system))
                .is_some_and(|ty| ty.holds(column.ty)),
            Change::DropColumn(name) => !has(name),
            Change::RenameColumn { to, .. } => has(to),
            Change::Modify(column) => find(existing, &column.name).is_some_and(|there| {
                there.ty(system) == Some(column.ty) && (there.nullable || !column.nullable)
            }),
        }
    }
}

/// As a statement says it, behind the rest.
fn default(value: Option<&str>) -> String {
    match value {
        None => String::new(),
        Some(now) if now.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP") => {
            format!(" DEFAULT {now}")
        }
        Some(value) => format!(" DEFAULT {}", create::text(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::target::TargetType;
    use crate::warehouse::target::testing::target;

    fn column(name: &str, ty: TargetType) -> TargetColumn {
        TargetColumn { name: name.into(), ty, nullable: true, is_key: false, source: None }
    }

    fn step(change: Change) -> Alteration {
        Alteration::new(&TableName::new("dw", "emp"), change)
    }

    fn there(name: &str, column_type: &str) -> ExistingColumn {
        ExistingColumn {
            name: name.to_owned(),
            column_type: column_type.to_owned(),
            nullable: true,
            is_key: false,
            default: None,
        }
    }

    fn steps() -> Vec<Alteration> {
        let table = Box::new(target(System::Doris, &["id int!"], 1));
        let (from, to) = ("a".into(), "b".into());
        [
            Change::Create(table),
            Change::Drop,
            Change::Truncate,
            Change::AddColumn(column("a", TargetType::Int)),
            Change::DropColumn("a".into()),
            Change::RenameColumn { from, to },
            Change::Modify(column("a", TargetType::BigInt)),
        ]
        .map(step)
        .into()
    }

    #[test]
    fn each_step_has_its_statement_in_the_words_of_the_system() {
        let of = |system| {
            let options = CreateOptions::default();
            steps().iter().skip(1).map(|s| s.statement(system, &options, &[])).collect::<Vec<_>>()
        };
        let mut expected = [
            "DROP TABLE IF EXISTS `dw`.`emp`",
            "TRUNCATE TABLE `dw`.`emp`",
            "ALTER TABLE `dw`.`emp` ADD COLUMN `a` INT NULL",
            "ALTER TABLE `dw`.`emp` DROP COLUMN `a`",
            "ALTER TABLE `dw`.`emp` RENAME COLUMN `a` `b`",
            "ALTER TABLE `dw`.`emp` MODIFY COLUMN `a` BIGINT NULL",
        ];
        assert_eq!(of(System::Doris), expected);
        expected[4] = "ALTER TABLE `dw`.`emp` RENAME COLUMN `a` TO `b`";
        assert_eq!(of(System::StarRocks), expected);
    }

    #[test]
    fn what_rewrites_rows_is_a_job_and_so_is_all_of_columns_in_older_starrocks() {
        use Pace::{Immediate, Job};
        let paces = |system| steps().iter().map(|s| s.pace(system)).collect::<Vec<_>>();
        let all = [Immediate, Immediate, Immediate, Immediate, Immediate, Immediate, Job];
        assert_eq!(paces(System::Doris), all);
        let all = [Immediate, Immediate, Immediate, Job, Job, Immediate, Job];
        assert_eq!(paces(System::StarRocks), all);
    }

    #[test]
    fn a_step_that_was_done_is_told_by_what_it_left() {
        let gone: &[ExistingColumn] = &[];
        let before = &[there("id", "int(11)"), there("A", "int(11)")][..];
        let renamed = &[there("id", "int(11)"), there("b", "int(11)")][..];
        let modified = &[there("id", "int(11)"), there("a", "bigint(20)")][..];
        let check = |at: usize, columns, done| {
            let step = &steps()[at];
            assert_eq!(step.is_done(System::Doris, columns), done, "{step:?} {columns:?}");
        };
        for (create_drop_truncate_add_drop_rename_modify, columns) in [
            ([false, true, false, false, true, false, false], gone),
            ([true, false, false, true, false, false, false], before),
            ([true, false, false, false, true, true, false], renamed),
            ([true, false, false, true, false, false, true], modified),
        ] {
            for (at, done) in create_drop_truncate_add_drop_rename_modify.into_iter().enumerate() {
                check(at, columns, done);
            }
        }
    }

    #[test]
    fn an_added_column_of_another_type_is_not_ours() {
        let add = step(Change::AddColumn(column("a", TargetType::Int)));
        assert!(!add.is_done(System::Doris, &[there("a", "date")]));
    }

    #[test]
    fn a_column_is_not_modified_until_it_takes_null() {
        let relax = step(Change::Modify(column("a", TargetType::Int)));
        let strict = ExistingColumn { nullable: false, ..there("a", "int(11)") };
        assert!(!relax.is_done(System::Doris, &[strict]));
        assert!(relax.is_done(System::Doris, &[there("a", "int(11)")]));
    }
}

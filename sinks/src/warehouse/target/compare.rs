//! Whether a table that exists can take the rows of the one we would have made.

use super::alteration::{Alteration, Change};
use super::create::CreateOptions;
use super::types::TargetType;
use super::{KeyModel, TargetColumn, TargetTable};
use crate::warehouse::system::System;
use model::table::quote;

/// A column as the system's catalogue shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingColumn {
    pub name: String,
    /// COLUMN_TYPE.
    pub column_type: String,
    pub nullable: bool,
    pub is_key: bool,
    /// COLUMN_DEFAULT.
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingTable {
    pub columns: Vec<ExistingColumn>,
    /// `None`: neither of ours, for instance an aggregate table.
    pub model: Option<KeyModel>,
    pub has_sequence: bool,
}

/// A way in which an existing table is not the one we would have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub weight: Weight,
    /// One sentence: what differs, and what to do where something has to be done.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Every row can be loaded as it is.
    Harmless,
    /// A column is to be added first.
    AddColumn(TargetColumn),
    /// Rows would be refused, or be wrong.
    Fatal,
}

impl ExistingColumn {
    pub(crate) fn ty(&self, system: System) -> Option<TargetType> {
        TargetType::parse(system, &self.column_type)
    }
}

/// A column by its name, which neither system tells apart by case.
pub(super) fn find<'a>(columns: &'a [ExistingColumn], name: &str) -> Option<&'a ExistingColumn> {
    columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

/// Every difference; none where the table is as we would have made it.
pub(crate) fn compare(
    system: System,
    wanted: &TargetTable,
    existing: &ExistingTable,
) -> Vec<Difference> {
    let mut comparison = Comparison { system, wanted, existing, differences: Vec::new() };
    comparison.model();
    for column in &wanted.columns {
        match find(&existing.columns, &column.name) {
            Some(there) => comparison.column(column, there),
            None => comparison.missing(column),
        }
    }
    comparison.columns_beyond();
    comparison.differences
}

const ANEW: &str = "drop it, and it is made anew";

struct Comparison<'a> {
    system: System,
    wanted: &'a TargetTable,
    existing: &'a ExistingTable,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn say(&mut self, weight: Weight, message: String) {
        self.differences.push(Difference { weight, message });
    }

    fn fatal(&mut self, message: String) {
        self.say(Weight::Fatal, message);
    }

    fn harmless(&mut self, message: String) {
        self.say(Weight::Harmless, message);
    }

    /// What an operator does to make `column` as it is wanted.
    fn remedy(&self, column: &TargetColumn) -> String {
        if column.is_key {
            return ANEW.to_owned();
        }
        let step = Alteration::new(&self.wanted.name, Change::Modify(column.clone()));
        format!(
            "run `{}`",
            step.statement(self.system, &CreateOptions::default(), &self.existing.columns)
        )
    }

    fn model(&mut self) {
        match (self.wanted.model, self.existing.model) {
            (KeyModel::Unique, Some(KeyModel::Duplicate)) => self.fatal(format!(
                "it keeps every version of a row (DUPLICATE KEY) though the source has a key; {ANEW}"
            )),
            (KeyModel::Duplicate, Some(KeyModel::Unique)) => self.fatal(format!(
                "it replaces rows by a key that the source does not have, so rows would be lost; \
                 {ANEW}"
            )),
            (_, None) => self.fatal(format!(
                "it neither keeps rows nor replaces them by their key (an aggregate table?); {ANEW}"
            )),
            (KeyModel::Unique, Some(KeyModel::Unique)) => self.key(),
            (KeyModel::Duplicate, Some(KeyModel::Duplicate)) => {}
        }
        match (self.wanted.sequence, self.existing.has_sequence) {
            (true, false) => self.harmless(
                "it has no sequence column: of rows with one key the one loaded last counts"
                    .to_owned(),
            ),
            (false, true) => self.fatal(format!(
                "it has a sequence column, so every load must say the sequence of its rows; {ANEW}"
            )),
            (true, true) | (false, false) => {}
        }
    }

    fn key(&mut self) {
        let lower = |name: &str| name.to_ascii_lowercase();
        let wanted: Vec<_> = self.wanted.key().map(|column| lower(&column.name)).collect();
        let keys = self.existing.columns.iter().filter(|column| column.is_key);
        let existing: Vec<_> = keys.map(|column| lower(&column.name)).collect();
        let mut sorted = [wanted.clone(), existing.clone()];
        sorted.iter_mut().for_each(|names| names.sort_unstable());
        let (ours, theirs) = (wanted.join(", "), existing.join(", "));
        let [ours_sorted, theirs_sorted] = sorted;
        if ours_sorted != theirs_sorted {
            self.fatal(format!("its key is ({theirs}), the source's is ({ours}); {ANEW}"));
        } else if wanted != existing {
            self.harmless(format!("its key is sorted as ({theirs}), the source's as ({ours})"));
        }
    }

    fn missing(&mut self, column: &TargetColumn) {
        // What differs in the key is told of the whole key.
        if column.is_key && self.wanted.model == KeyModel::Unique {
            return;
        }
        let column = TargetColumn { nullable: true, is_key: false, ..column.clone() };
        let message = format!(
            "it has no column `{}` {}; it is added, and is NULL in the rows that are there",
            column.name,
            column.ty.sql(self.system)
        );
        self.say(Weight::AddColumn(column), message);
    }

    fn column(&mut self, wanted: &TargetColumn, there: &ExistingColumn) {
        let name = &there.name;
        if *name != *wanted.name {
            self.harmless(format!(
                "its column `{name}` is spelled `{}` in the source; the table's spelling is used",
                wanted.name
            ));
        }
        let (words, shown) = (wanted.ty.sql(self.system), &there.column_type);
        let remedy = self.remedy(wanted);
        match there.ty(self.system) {
            None => self.fatal(format!(
                "its column `{name}` is {shown}, which nothing can be loaded into; make it {words}"
            )),
            Some(ty) if ty == wanted.ty => {}
            Some(ty) if ty.holds(wanted.ty) => {
                self.harmless(format!("its column `{name}` is {shown}, which holds every {words}"));
            }
            Some(ty) if ty.family() == wanted.ty.family() => self.fatal(format!(
                "its column `{name}` is {shown}, too narrow for {words}, so rows would be refused; \
                 {remedy}"
            )),
            Some(_) => self.fatal(format!(
                "its column `{name}` is {shown}, not {words}; drop the column, and it is added \
                 anew, or drop the table"
            )),
        }
        match (wanted.nullable, there.nullable) {
            (true, false) => self.fatal(format!(
                "its column `{name}` is NOT NULL, and the source has NULL there; {remedy}"
            )),
            (false, true) => {
                self.harmless(format!("its column `{name}` may be NULL, the source's may not"));
            }
            (true, true) | (false, false) => {}
        }
    }

    fn columns_beyond(&mut self) {
        for there in &self.existing.columns {
            let name = &there.name;
            if self.wanted.find(name).is_some() {
                continue;
            }
            if there.nullable || there.default.is_some() {
                self.harmless(format!(
                    "its column `{name}` is none of the source's and stays empty"
                ));
            } else if !there.is_key {
                self.fatal(format!(
                    "its column `{name}` is NOT NULL without a default, and the source has no such \
                     column; run `ALTER TABLE {} DROP COLUMN {}`, or give it a default",
                    self.wanted.name.quoted(),
                    quote(name)
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Transforms: which rows of a table go on, with which columns. Flink CDC's rules, in its words
//! (`docs/transforms.md`).
//!
//! A rule is a pure function of a row image: the image behind the projection, or nothing where the filter
//! does not hold. An insert is what the function makes of its row, if anything; an update goes by both its
//! images: it stays one where both go on, and becomes an insert, a delete or nothing where they do not.
//!
//! INVARIANT exact-changelog, behind a transform: for a key that is a function of the source's, the changes
//! that come out form a chain where those that go in do, for each image that goes out is made of one that
//! came in, and equal images give equal ones. Nothing is remembered between rows, so a resume needs nothing.
//! That is why functions whose value changes by itself are refused. `__data_event_type__` is the exception
//! that a user asks for by name. Test: `behind_a_filter_the_changes_of_a_key_still_form_a_chain`.
//!
//! Which of several rules takes a row: the first whose filter holds. So all rules of one table must give
//! the same columns.

mod block;
mod compile;
mod expr;
mod plan;
mod sink;
mod syntax;
mod temporal;
mod types;
mod value;

use std::sync::Arc;

use job::{TransformSpec, Written};
use model::{Sink, TableSchema, TimeZone};

use self::plan::Plan;
use self::sink::Transforming;
use self::syntax::{Expr, Projected, Wrong};

/// All rules of a job, in their order.
#[derive(Debug)]
pub struct Transforms {
    rules: Vec<Rule>,
    zone: TimeZone,
}

#[derive(Debug)]
struct Rule {
    spec: TransformSpec,
    projection: Option<Vec<Projected>>,
    filter: Option<Expr>,
    keys: Vec<(String, usize)>,
}

/// Does a sink of this kind tell rows by their key?
pub fn needs_key(connector: &str) -> bool {
    matches!(connector, "doris" | "starrocks")
}

impl Transforms {
    /// Reads what can be read without knowing the tables.
    ///
    /// # Errors
    /// Every rule whose texts are no SQL, each on a line.
    pub fn read(specs: &[TransformSpec], zone: TimeZone) -> Result<Self, String> {
        let (mut rules, mut wrong) = (Vec::new(), Vec::new());
        for spec in specs {
            match Rule::read(spec) {
                Ok(rule) => rules.push(rule),
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() { Ok(Self { rules, zone }) } else { Err(wrong.join("\n")) }
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the rules fit these tables, as a sink wants them.
    ///
    /// # Errors
    /// Everything that does not fit, each on a line.
    pub fn check<'t>(
        &self,
        tables: impl Iterator<Item = &'t Arc<TableSchema>>,
        needs_key: bool,
    ) -> Result<(), String> {
        let wrong: Vec<_> = tables.filter_map(|table| self.plan(table, needs_key).err()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// The sink behind the rules: they are done to all that it is told.
    pub fn before(
        self: &Arc<Self>,
        sink: Box<dyn Sink>,
        name: &str,
        connector: &str,
    ) -> Box<dyn Sink> {
        if self.is_empty() {
            return sink;
        }
        let rules = Arc::clone(self);
        Box::new(Transforming::new(sink, rules, name.to_owned(), needs_key(connector)))
    }

    /// What is done to rows of a table; `None`: nothing.
    fn plan(&self, schema: &Arc<TableSchema>, needs_key: bool) -> Result<Option<Plan>, String> {
        let name = schema.name.to_string();
        let rules = self.rules.iter().filter(|rule| rule.spec.tables.is_match(&name));
        let rules: Vec<&Rule> = rules.collect();
        if rules.is_empty() {
            return Ok(None);
        }
        Plan::of(&rules, schema, self.zone, needs_key)
    }
}

impl Rule {
    fn read(spec: &TransformSpec) -> Result<Self, String> {
        let told = |written: &Written, wrong: Wrong| {
            format!("{}: {}", written.part(wrong.at), wrong.message)
        };
        let projection = spec
            .projection
            .as_ref()
            .map(|written| syntax::projection(&written.text).map_err(|wrong| told(written, wrong)));
        let filter = spec
            .filter
            .as_ref()
            .map(|written| syntax::filter(&written.text).map_err(|wrong| told(written, wrong)));
        let keys = spec
            .primary_keys
            .as_ref()
            .map(|written| syntax::names(&written.text).map_err(|wrong| told(written, wrong)));
        Ok(Self {
            projection: projection.transpose()?,
            filter: filter.transpose()?,
            keys: keys.transpose()?.unwrap_or_default(),
            spec: spec.clone(),
        })
    }
}

#[cfg(test)]
mod tests;

//! Tables that get other names in one statement, also each other's.
//!
//! What is known of a table is its name alone, and a run that was killed in the middle takes the whole
//! statement again. So the steps go in an order in which the names that exist tell which are done:
//!
//! - `a TO b, b TO c` is a chain with a hole, the name at its end. Each step moves the hole towards the
//!   beginning: where it is says what is left.
//! - `a TO b, b TO a` is a circle, and has no hole. The first table steps aside under a name that nobody
//!   else uses, which leaves a chain; at the end it takes its place. Begun and ended then look alike, so
//!   before the last step an empty table is made to tell them apart. It is dropped when the checkpoint
//!   behind the statement is stored, for then the statement does not come again.

use std::collections::{BTreeMap, BTreeSet};

use model::change::SchemaChange;
use model::{SinkError, TableName};

use super::tables::Tables;
use super::target::alteration::{Alteration, Change};
use super::target::{KeyModel, TargetColumn, TargetTable, TargetType};

/// A table of the source under its old and its new name, and their targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rename {
    source: (TableName, TableName),
    target: (TableName, TableName),
}

/// Targets that move up: each gets the name behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Moves {
    /// The last name is that of no table that moves.
    Chain(Vec<TableName>),
    /// The last one gets the name of the first.
    Circle(Vec<TableName>),
}

impl Tables {
    /// The tables that a statement, all of which is told, gives other names.
    ///
    /// # Errors
    /// One whose rows cannot be taken along.
    pub(crate) fn renames(&self, told: &[&SchemaChange]) -> Result<Vec<Rename>, SinkError> {
        let mut renames = Vec::new();
        let mut named: BTreeSet<&TableName> = told.iter().map(|change| &change.table).collect();
        for change in told {
            let Some(from) = &change.renamed_from else { continue };
            let target = (self.routed(from)?, self.routed(&change.table)?);
            let source = (from.clone(), change.table.clone());
            renames.push(Rename { source, target });
            named.insert(from);
        }
        for Rename { source, target: (from, to) } in &renames {
            let is_shared = |name: &TableName| {
                let known = self.by_name.get(name);
                known.is_some_and(|known| known.sources.keys().any(|other| !named.contains(other)))
            };
            let targets = renames.iter().map(|other| &other.target);
            let is_met = targets.filter(|other| other.0 == *from || other.1 == *to).count() > 1;
            let merged = from != to && (is_met || is_shared(from) || is_shared(to));
            if merged || from.db != to.db {
                return Err(self.definite(format!(
                    "{} is {} now, and the rows of its target {from} cannot be taken to {to} ({}): read the \
                     table again (`run --resnapshot {}`)",
                    source.0,
                    source.1,
                    if merged { "tables are merged there" } else { "it is of another database" },
                    source.1
                )));
            }
        }
        Ok(renames)
    }

    /// Names that are taken, or about to be, by a table that moves: what is dropped in the same statement had
    /// to make room for it, and that is done.
    pub(crate) async fn taken(&self, renames: &[Rename]) -> Result<BTreeSet<TableName>, SinkError> {
        let mut taken = BTreeSet::new();
        for moves in moves(renames) {
            if let Moves::Chain(names) = moves
                && !self.holes(&names).await?.is_empty()
            {
                taken.extend(names.last().cloned());
            }
        }
        Ok(taken)
    }

    /// Gives the targets their new names. Everything of them must be settled. The tables that are to be
    /// dropped when the statement cannot come again.
    ///
    /// `mark` is the same for the same statement, and for no other.
    pub(crate) async fn rename(
        &mut self,
        renames: &[Rename],
        mark: &str,
    ) -> Result<Vec<TableName>, SinkError> {
        let mut marks = Vec::new();
        for (number, moves) in moves(renames).into_iter().enumerate() {
            // Of a single step nothing can be mistaken.
            let is_round = !matches!(&moves, Moves::Chain(names) if names.len() == 2);
            let (names, is_fresh) = match moves {
                Moves::Chain(names) => {
                    let is_fresh = self.move_up(&names).await?;
                    (names, is_fresh)
                }
                Moves::Circle(names) => {
                    let mark = format!("{mark}_{number}");
                    let (mark, is_fresh) = self.turn(names.clone(), &mark).await?;
                    marks.push(mark);
                    (names, is_fresh)
                }
            };
            // What was found under a name may have been another's already.
            if !is_fresh && is_round {
                names.iter().for_each(|name| drop(self.by_name.remove(name)));
            }
        }
        self.know_by_new_names(renames);
        Ok(marks)
    }

    /// The target is looked up anew.
    pub(crate) fn let_go(&mut self, target: &TableName) {
        self.plans.retain(|_, planned| planned.target != *target);
        self.by_name.remove(target);
    }

    fn know_by_new_names(&mut self, renames: &[Rename]) {
        let concerns = |name: &TableName| {
            renames.iter().any(|rename| rename.target.0 == *name || rename.target.1 == *name)
        };
        self.plans.retain(|_, planned| !concerns(&planned.target));
        let mut moved = BTreeMap::new();
        for Rename { source, target: (from, to) } in renames {
            // A run that takes the statement again has found the table under the new name.
            let held = if from == to { None } else { self.by_name.remove(from) };
            let known = match held {
                Some(mut known) => {
                    known.table.name = to.clone();
                    moved.entry(to.clone()).or_insert(known)
                }
                None if from == to => match self.by_name.get_mut(from) {
                    Some(known) => known,
                    None => continue,
                },
                None => continue,
            };
            if let Some(schema) = known.sources.remove(&source.0) {
                known.sources.insert(source.1.clone(), schema);
            }
        }
        self.by_name.extend(moved);
    }

    /// Of these names those that no table has.
    async fn holes(&self, names: &[TableName]) -> Result<Vec<usize>, SinkError> {
        let mut holes = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if self.client.table(name).await?.is_none() {
                holes.push(at);
            }
        }
        Ok(holes)
    }

    /// True where no step of it had been made before.
    async fn move_up(&self, names: &[TableName]) -> Result<bool, SinkError> {
        let holes = self.holes(names).await?;
        let Some((last, first)) = names.last().zip(names.first()) else { return Ok(true) };
        if holes.is_empty() {
            return Err(self.definite(format!(
                "{first} gets another name, which leads to {last}, and {} has a table of that name \
                 already: drop it, or rename the targets by hand",
                self.system
            )));
        }
        let mut is_there: Vec<bool> = (0..names.len()).map(|at| !holes.contains(&at)).collect();
        for (at, pair) in names.windows(2).enumerate().rev() {
            if let ([from, to], [there @ true, taken @ false]) =
                (pair, is_there.get_mut(at..at + 2).unwrap_or_default())
            {
                self.give(from, to).await?;
                (*there, *taken) = (false, true);
            }
        }
        Ok(holes == [names.len() - 1])
    }

    /// The table that tells that the circle is turned, and whether no step had been made before.
    async fn turn(
        &self,
        mut names: Vec<TableName>,
        mark: &str,
    ) -> Result<(TableName, bool), SinkError> {
        let db = names.first().map_or("", |first| &first.db).to_owned();
        let of_ours = |what: &str| TableName::new(&*db, format!("seachange_{what}_{mark}"));
        let (aside, done) = (of_ours("aside"), of_ours("renamed"));
        let is_aside = self.client.table(&aside).await?.is_some();
        if !is_aside && self.client.table(&done).await?.is_some() {
            return Ok((done, false));
        }
        if let Some(first) = names.first().filter(|_| !is_aside) {
            self.give(first, &aside).await?;
        }
        names.rotate_left(1);
        self.move_up(&names).await?;
        let mark = Change::Create(Box::new(empty(&done)));
        self.alter(&Alteration::new(&done, mark)).await?;
        if let Some(second) = names.first() {
            self.give(&aside, second).await?;
        }
        Ok((done, !is_aside))
    }

    async fn give(&self, from: &TableName, to: &TableName) -> Result<(), SinkError> {
        tracing::info!(table = %from, %to, "the target gets another name");
        let change = Change::Rename(to.clone());
        self.alter(&Alteration::new(from, change)).await.map(drop)
    }
}

/// A table of one column.
fn empty(name: &TableName) -> TargetTable {
    let column = TargetColumn {
        name: "id".into(),
        ty: TargetType::Int,
        nullable: false,
        is_key: true,
        source: None,
    };
    let (columns, model) = (vec![column], KeyModel::Duplicate);
    TargetTable { name: name.clone(), columns, model, sequence: false }
}

/// The targets in the order in which they move.
fn moves(renames: &[Rename]) -> Vec<Moves> {
    let others = renames.iter().filter(|rename| rename.target.0 != rename.target.1);
    let mut next: BTreeMap<&TableName, &TableName> =
        others.map(|rename| (&rename.target.0, &rename.target.1)).collect();
    let ends: BTreeSet<&TableName> = next.values().copied().collect();
    let beginnings: Vec<&TableName> =
        next.keys().copied().filter(|name| !ends.contains(name)).collect();
    let mut all = Vec::new();
    for first in beginnings {
        all.push(Moves::Chain(walk(first, &mut next)));
    }
    while let Some(first) = next.keys().next().copied() {
        let mut circle = walk(first, &mut next);
        circle.pop();
        all.push(Moves::Circle(circle));
    }
    all
}

fn walk(first: &TableName, next: &mut BTreeMap<&TableName, &TableName>) -> Vec<TableName> {
    let (mut names, mut at) = (vec![first.clone()], first.clone());
    while let Some(to) = next.remove(&at) {
        names.push(to.clone());
        at = to.clone();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(table: &str) -> TableName {
        TableName::new("dw", table)
    }

    fn told(pairs: &[(&str, &str)]) -> Vec<Moves> {
        let rename = |(from, to): &(&str, &str)| Rename {
            source: (name(from), name(to)),
            target: (name(from), name(to)),
        };
        moves(&pairs.iter().map(rename).collect::<Vec<_>>())
    }

    fn names(all: &[&str]) -> Vec<TableName> {
        all.iter().map(|table| name(table)).collect()
    }

    #[test]
    fn names_are_put_in_chains_and_circles() {
        let chain = |all: &[&str]| Moves::Chain(names(all));
        let circle = |all: &[&str]| Moves::Circle(names(all));
        assert_eq!(told(&[("a", "b"), ("c", "d")]), [chain(&["a", "b"]), chain(&["c", "d"])]);
        assert_eq!(told(&[("b", "c"), ("a", "b")]), [chain(&["a", "b", "c"])]);
        assert_eq!(told(&[("a", "b"), ("b", "a")]), [circle(&["a", "b"])]);
        let all = [("a", "b"), ("x", "y"), ("b", "c"), ("c", "a")];
        assert_eq!(told(&all), [chain(&["x", "y"]), circle(&["a", "b", "c"])]);
        assert_eq!(told(&[("a", "a")]), []);
    }
}

//! The rules of one table, compiled for its definition. Made again for each definition, so that every row
//! is read with the columns that it has.

use std::sync::Arc;

use job::Written;
use model::row::PackedRow;
use model::{Cell, Column, TableSchema, TimeZone};

use super::Rule;
use super::compile::Scope;
use super::expr::{Node, Row};
use super::syntax::{Expr, Kind, Projected, Wrong};
use super::types::Ty;
use super::value::Value;

pub(super) struct Plan {
    pub(super) source: Arc<TableSchema>,
    /// The table behind the rules.
    pub(super) schema: Arc<TableSchema>,
    branches: Vec<Branch>,
    /// False where images go on as they are, if they do.
    pub(super) packs: bool,
}

/// One rule.
pub(super) struct Branch {
    filter: Option<Computed>,
    outputs: Vec<Output>,
}

enum Output {
    /// The cell at this place of the source's row.
    Cell(usize),
    Computed(Computed),
}

struct Computed {
    node: Node,
    ty: Ty,
    /// What and where, for errors.
    label: String,
}

/// A row that has no result: which part of which rule, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) what: String,
    pub(super) why: String,
}

impl Plan {
    /// `None` where the rules do nothing.
    pub(super) fn of(
        rules: &[&Rule],
        source: &Arc<TableSchema>,
        zone: TimeZone,
        needs_key: bool,
    ) -> Result<Option<Self>, String> {
        let mut made: Option<(Made, &Rule)> = None;
        let mut branches = Vec::new();
        for rule in rules {
            let own = Made::of(rule, source, zone)?;
            let (branch, own) = own;
            if let Some((first, of)) = &made {
                first.same(&own).map_err(|what| {
                    format!(
                        "{}: table {} is of the rule at {} too, and {what}: all rules of a table give the \
                         same columns",
                        rule.place(),
                        source.name,
                        of.place()
                    )
                })?;
            } else {
                made = Some((own, rule));
            }
            let ends = branch.filter.is_none();
            branches.push(branch);
            if ends {
                break;
            }
        }
        let Some((made, first)) = made else { return Ok(None) };
        if needs_key && source.has_key() && made.key.is_empty() {
            let names: Vec<_> = source.key_columns().map(|column| &*column.name).collect();
            return Err(format!(
                "{}: the projection of table {} leaves out its key ({}), and the sink tells rows by it: keep \
                 it, or name another with `primary-keys`",
                first.place(),
                source.name,
                names.join(", ")
            ));
        }
        let packs = branches.iter().any(|branch| !branch.is_whole(source));
        let unchanged = !made.renamed && made.key == source.key;
        if unchanged && !packs && branches.iter().all(|branch| branch.filter.is_none()) {
            return Ok(None);
        }
        let schema = if unchanged { Arc::clone(source) } else { Arc::new(made.schema(source)) };
        Ok(Some(Self { source: Arc::clone(source), schema, branches, packs }))
    }

    /// The rule that takes a row. `None`: the row goes no further.
    pub(super) fn branch(&self, row: Row<'_>) -> Result<Option<&Branch>, Stuck> {
        for branch in &self.branches {
            let Some(filter) = &branch.filter else { return Ok(Some(branch)) };
            if filter.value(row)?.truth() == Some(true) {
                return Ok(Some(branch));
            }
        }
        Ok(None)
    }

    /// Does a column of the source go on under its own name?
    pub(super) fn keeps(&self, name: &str) -> bool {
        let at = self.source.columns.iter().position(|column| *column.name == *name);
        let Some(at) = at else { return false };
        self.branches.iter().all(|branch| {
            let outputs = branch.outputs.iter().zip(&self.schema.columns);
            outputs.into_iter().any(|(output, column)| {
                *column.name == *name && matches!(output, Output::Cell(cell) if *cell == at)
            })
        })
    }
}

impl Branch {
    /// Appends the packed row.
    pub(super) fn push(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), Stuck> {
        PackedRow::begin(out, self.outputs.len());
        for output in &self.outputs {
            match output {
                Output::Cell(at) => PackedRow::push(out, row.cells.get(*at).unwrap_or(&Cell::Null)),
                Output::Computed(computed) => {
                    let value = computed.value(row)?;
                    value.push(out, computed.ty).map_err(|fault| computed.stuck(fault.0))?;
                }
            }
        }
        Ok(())
    }

    fn is_whole(&self, source: &TableSchema) -> bool {
        self.outputs.len() == source.columns.len()
            && self
                .outputs
                .iter()
                .enumerate()
                .all(|(at, output)| matches!(output, Output::Cell(cell) if *cell == at))
    }
}

impl Computed {
    fn value<'r>(&'r self, row: Row<'r>) -> Result<Value<'r>, Stuck> {
        self.node.value(row).map_err(|fault| self.stuck(fault.0))
    }

    #[cold]
    fn stuck(&self, why: String) -> Stuck {
        Stuck { what: self.label.clone(), why }
    }
}

/// The table behind one rule.
struct Made {
    columns: Vec<Column>,
    key: Vec<usize>,
    /// Its columns are not the source's.
    renamed: bool,
}

impl Made {
    fn of(rule: &Rule, source: &TableSchema, zone: TimeZone) -> Result<(Branch, Self), String> {
        let scope = Scope { schema: source, computed: &[], zone };
        let told = |written: &Written, wrong: Wrong| {
            format!("{}: table {}: {}", written.part(wrong.at), source.name, wrong.message)
        };
        let (outputs, columns) = match (&rule.projection, &rule.spec.projection) {
            (Some(projection), Some(written)) => {
                projected(projection, &scope, written).map_err(|wrong| told(written, wrong))?
            }
            _ => whole(source),
        };
        let filter = match (&rule.filter, &rule.spec.filter) {
            (Some(filter), Some(written)) => {
                let computed = computed(rule.projection.as_deref().unwrap_or_default());
                let scope = Scope { computed: &computed, ..scope };
                let typed = scope.condition(filter).map_err(|wrong| told(written, wrong))?;
                let label = format!("{}: the filter", written.part(0));
                Some(Computed { node: typed.node, ty: typed.ty, label })
            }
            _ => None,
        };
        let mut made = Self { columns, key: Vec::new(), renamed: false };
        made.key = match &rule.spec.primary_keys {
            Some(written) => made.named(&rule.keys).map_err(|wrong| told(written, wrong))?,
            None => made.inherited(source),
        };
        for at in &made.key {
            if let Some(column) = made.columns.get_mut(*at) {
                column.nullable = false;
            }
        }
        made.renamed = made.columns != source.columns;
        Ok((Branch { filter, outputs }, made))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.to_lowercase() == name.to_lowercase())
    }

    fn named(&self, names: &[(String, usize)]) -> Result<Vec<usize>, Wrong> {
        let mut key = Vec::new();
        for (name, at) in names {
            let found = self.find(name).ok_or_else(|| {
                let names: Vec<_> = self.columns.iter().map(|column| &*column.name).collect();
                let names = names.join("`, `");
                let what = format!("the projection has no column `{name}`; there are `{names}`");
                Wrong::new(*at, what)
            })?;
            if key.contains(&found) {
                return Err(Wrong::new(*at, format!("`{name}` is named twice")));
            }
            key.push(found);
        }
        Ok(key)
    }

    /// The source's key, where all of it is there by its names.
    fn inherited(&self, source: &TableSchema) -> Vec<usize> {
        let found = source.key_columns().map(|column| self.find(&column.name));
        found.collect::<Option<Vec<_>>>().unwrap_or_default()
    }

    fn same(&self, other: &Self) -> Result<(), String> {
        if self.key != other.key {
            return Err("has another key by it".to_owned());
        }
        if self.columns.len() != other.columns.len() {
            return Err("has another number of columns by it".to_owned());
        }
        let differs = |(one, other): &(&Column, &Column)| {
            one.name != other.name || one.ty != other.ty || one.nullable != other.nullable
        };
        match self.columns.iter().zip(&other.columns).find(differs) {
            None => Ok(()),
            Some((one, other)) => Err(format!(
                "has `{} {}` by that one where it has `{} {}` by this",
                one.name, one.declared, other.name, other.declared
            )),
        }
    }

    fn schema(self, source: &TableSchema) -> TableSchema {
        let same_key = !self.renamed && self.key == source.key;
        TableSchema {
            name: source.name.clone(),
            key_index: if self.key.is_empty() { "".into() } else { "PRIMARY".into() },
            columns: self.columns,
            key: self.key,
            collation: source.collation.clone(),
            // They are of the source's columns.
            indexes: if same_key { source.indexes.clone() } else { Vec::new() },
        }
    }
}

fn whole(source: &TableSchema) -> (Vec<Output>, Vec<Column>) {
    ((0..source.columns.len()).map(Output::Cell).collect(), source.columns.clone())
}

/// The columns of a projection that are computed, by their names.
fn computed(projection: &[Projected]) -> Vec<(&str, &Expr)> {
    let named = projection.iter().filter_map(|one| match one {
        Projected::One { expr, name: Some(name) } => Some((name.as_str(), expr)),
        Projected::One { name: None, .. } | Projected::All => None,
    });
    named.collect()
}

fn projected(
    projection: &[Projected],
    scope: &Scope<'_>,
    written: &Written,
) -> Result<(Vec<Output>, Vec<Column>), Wrong> {
    let mut outputs: Vec<(Output, Column, Origin)> = Vec::new();
    for one in projection {
        match one {
            Projected::All => {
                for (at, column) in scope.schema.columns.iter().enumerate() {
                    // What is computed under this name stands for it.
                    if find(&outputs, &column.name).is_none() {
                        outputs.push((Output::Cell(at), column.clone(), Origin::Star));
                    }
                }
            }
            Projected::One { expr, name } => {
                let (output, column) = output(expr, name.as_deref(), scope, written)?;
                match find(&outputs, &column.name).and_then(|at| outputs.get_mut(at)) {
                    Some(before) if before.2 == Origin::Star => {
                        *before = (output, column, Origin::Named)
                    }
                    Some(_) => {
                        return Err(Wrong::new(
                            expr.at,
                            format!("`{}` is given twice", column.name),
                        ));
                    }
                    None => outputs.push((output, column, Origin::Named)),
                }
            }
        }
    }
    Ok(outputs.into_iter().map(|(output, column, _)| (output, column)).unzip())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Star,
    Named,
}

fn find(outputs: &[(Output, Column, Origin)], name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    outputs.iter().position(|(_, column, _)| column.name.to_lowercase() == name)
}

fn output(
    expr: &Expr,
    name: Option<&str>,
    scope: &Scope<'_>,
    written: &Written,
) -> Result<(Output, Column), Wrong> {
    let typed = scope.typed(expr)?;
    if let Node::Column(at) = typed.node
        && let Some(column) = scope.schema.columns.get(at)
    {
        let name = name.map_or_else(|| Arc::clone(&column.name), Into::into);
        return Ok((Output::Cell(at), Column { name, ..column.clone() }));
    }
    let name = match (name, &expr.kind) {
        (Some(name), _) => name,
        (None, Kind::Name(name)) => name.as_str(),
        _ => return Err(Wrong::new(expr.at, "a computed column needs a name: write `… AS name`")),
    };
    let column = typed.ty.column(name).ok_or_else(|| {
        Wrong::new(expr.at, format!("`{name}` would be {}: write a CAST", typed.ty))
    })?;
    let label = format!("{}: column `{name}`", written.part(expr.at));
    Ok((Output::Computed(Computed { node: typed.node, ty: typed.ty, label }), column))
}

impl Rule {
    /// Where the rule stands, as far as it is told.
    fn place(&self) -> String {
        let texts = [&self.spec.projection, &self.spec.filter, &self.spec.primary_keys];
        let first = texts.into_iter().flatten().next();
        first
            .map_or_else(|| format!("transform of {}", self.spec.source_table), |text| text.part(0))
    }
}

//! Which chunk is read next.
//!
//! A table's gaps are cut lazily. The greatest key is frozen first, and the open range above it is
//! the first chunk: it is nearly empty, and live from then on, so rows appended while the snapshot
//! runs are streamed and never make a last chunk grow without bound.
//!
//! Where a chunk ends: a key of one whole number is counted with ([`Density`]), which costs nothing;
//! should the guess hold too many rows, the SELECT's limit ends the chunk earlier. For any other key
//! the server is asked, which has to walk over the rows of the chunk for the answer.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use binlog::query::QueryConn;
use model::{Cell, KeyBound, KeyRange, PackedCodec, RowCodec, TableName, TableSchema};

use super::density::{self, Density};
use super::rows;
use crate::pipeline::CHUNK_BYTES_TARGET;
use crate::source::SourceError;
use crate::source::order::KeyOrder;

/// Rows of a chunk at most, however short they are: a chunk that is spoiled is read again.
const CHUNK_ROWS_MAX: u64 = 65_536;
/// The same where nothing is known of their size (Flink CDC's chunk).
const CHUNK_ROWS_UNKNOWN: u64 = 8096;

/// Names one plan of a table. A table whose key or name changes is planned anew, and chunks of the
/// plan before mean nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PlanId(pub u64);

/// A chunk to read.
#[derive(Debug, Clone)]
pub struct Job {
    pub table: TableName,
    /// Which plan of the table it belongs to.
    pub plan: PlanId,
    /// Rows that the range was cut to hold.
    pub rows: u64,
    /// The most that the table's chunks are to hold.
    pub rows_max: u64,
    /// `None`: the table has no key that we can order, and is read in one pass.
    pub range: Option<KeyRange>,
    /// The range was guessed: it may hold more than `rows`, and the SELECT is to stop there.
    pub guessed: bool,
}

/// A table that is to be read, or the rest of it.
#[derive(Debug)]
pub struct PlannedTable {
    id: PlanId,
    schema: Arc<TableSchema>,
    order: Option<Arc<KeyOrder>>,
    /// Still to be cut.
    gaps: VecDeque<KeyRange>,
    /// True once no gap is open above.
    frozen: bool,
    chunk_rows: u64,
    chunk_rows_max: u64,
    density: Density,
    /// Gaps taken out and not settled yet.
    cutting: usize,
}

impl PlannedTable {
    /// `gaps` in order; `row_bytes` is the server's estimate, 0 where it has none; `chunk_rows`: what
    /// the job wants, if it says.
    pub fn new(
        id: PlanId,
        schema: Arc<TableSchema>,
        order: Option<Arc<KeyOrder>>,
        gaps: Vec<KeyRange>,
        row_bytes: u64,
        chunk_rows: Option<u64>,
    ) -> Self {
        let frozen = gaps.last().is_none_or(|g| g.through.is_some());
        let fit = CHUNK_BYTES_TARGET / row_bytes.max(1);
        let most = if row_bytes == 0 { CHUNK_ROWS_UNKNOWN } else { CHUNK_ROWS_MAX };
        let chunk_rows = fit.clamp(1, chunk_rows.unwrap_or(most).max(1));
        Self {
            id,
            schema,
            order,
            gaps: gaps.into(),
            frozen,
            chunk_rows,
            chunk_rows_max: chunk_rows,
            density: Density::default(),
            cutting: 0,
        }
    }
}

/// The tables still to be read, in the order of their names.
#[derive(Debug, Default)]
pub struct Planner {
    tables: VecDeque<PlannedTable>,
    /// Plans that are over: a late reader must not bring one back.
    over: HashSet<PlanId>,
}

impl Planner {
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub fn add(&mut self, table: PlannedTable) {
        self.tables.push_back(table);
    }

    /// Forgets a plan: its table is gone, complete, or planned anew.
    pub fn remove(&mut self, id: PlanId) {
        self.tables.retain(|t| t.id != id);
        self.over.insert(id);
    }

    /// Takes a chunk back that was not read, or not to its end. `schema`: as it is now.
    pub fn give_back(
        &mut self,
        job: &Job,
        schema: &Arc<TableSchema>,
        order: Option<&Arc<KeyOrder>>,
        range: Option<KeyRange>,
        chunk_rows: u64,
    ) {
        let id = job.plan;
        if self.over.contains(&id) {
            return;
        }
        let chunk_rows = chunk_rows.max(1);
        let at = self.tables.iter().position(|t| t.id == id);
        let table = match at.and_then(|at| self.tables.get_mut(at)) {
            Some(table) => table,
            None => {
                self.tables.push_front(PlannedTable {
                    id,
                    schema: Arc::clone(schema),
                    order: order.cloned(),
                    gaps: VecDeque::new(),
                    frozen: true,
                    chunk_rows,
                    chunk_rows_max: job.rows_max,
                    density: Density::default(),
                    cutting: 0,
                });
                let Some(table) = self.tables.front_mut() else { return };
                table
            }
        };
        table.schema = Arc::clone(schema);
        table.order = order.cloned();
        table.chunk_rows = table.chunk_rows.min(chunk_rows);
        table.gaps.push_front(range.unwrap_or(KeyRange::ALL));
    }

    /// Takes the next piece of work; its gap is out of the list until it is settled. Tables are
    /// taken in order, past those whose every gap is being cut right now.
    pub fn take(&mut self) -> Option<Cut> {
        let free = |t: &&mut PlannedTable| !t.gaps.is_empty() && (t.frozen || t.cutting == 0);
        let table = self.tables.iter_mut().find(free)?;
        let open = !table.frozen;
        let gap = if open { table.gaps.pop_back() } else { table.gaps.pop_front() }?;
        table.cutting += 1;
        Some(Cut {
            plan: table.id,
            schema: Arc::clone(&table.schema),
            order: table.order.clone(),
            gap,
            freezes: open,
            rows: table.chunk_rows,
            rows_max: table.chunk_rows_max,
            density: table.density,
        })
    }

    /// Puts back what a cut left over. A plan that is over takes nothing.
    pub fn settle(&mut self, cut: &Cut, rest: Option<KeyRange>) {
        let Some(at) = self.tables.iter().position(|t| t.id == cut.plan) else { return };
        let Some(table) = self.tables.get_mut(at) else { return };
        table.cutting = table.cutting.saturating_sub(1);
        table.frozen |= cut.freezes && rest.as_ref().is_none_or(|r| r.through.is_some());
        if let Some(rest) = rest {
            if cut.freezes { table.gaps.push_back(rest) } else { table.gaps.push_front(rest) }
        }
        if table.gaps.is_empty() && table.cutting == 0 {
            self.tables.remove(at);
        }
    }

    /// What a guessed range turned out to hold.
    pub fn learn(&mut self, id: PlanId, order: &KeyOrder, range: &KeyRange, rows: u64) {
        if let Some(table) = self.tables.iter_mut().find(|t| t.id == id) {
            table.density.learn(order, range, rows);
        }
    }

    /// A chunk of the plan went well: the next may be larger again.
    pub fn grow(&mut self, id: PlanId) {
        if let Some(table) = self.tables.iter_mut().find(|t| t.id == id) {
            table.chunk_rows = table.chunk_rows.saturating_mul(2).min(table.chunk_rows_max);
        }
    }
}

/// A gap on its way to become a chunk.
#[derive(Debug)]
pub struct Cut {
    plan: PlanId,
    schema: Arc<TableSchema>,
    order: Option<Arc<KeyOrder>>,
    gap: KeyRange,
    /// The gap is open above, and its greatest key is fixed first.
    freezes: bool,
    rows: u64,
    rows_max: u64,
    density: Density,
}

impl Cut {
    fn job(&self, range: Option<KeyRange>) -> Job {
        let table = self.schema.name.clone();
        let (plan, rows, rows_max) = (self.plan, self.rows, self.rows_max);
        Job { table, plan, rows, rows_max, range, guessed: false }
    }

    /// The table and the plan that it is a piece of.
    pub fn of(&self) -> (TableName, PlanId) {
        (self.schema.name.clone(), self.plan)
    }

    /// The gap whole, for when the server could not be asked.
    pub fn whole(&self) -> KeyRange {
        self.gap.clone()
    }

    /// Finds where to cut: the chunk, and what is left of the gap.
    ///
    /// # Errors
    /// The query failed; nothing is lost as long as the gap is settled whole.
    pub async fn run(&self, conn: &mut QueryConn) -> Result<(Job, Option<KeyRange>), SourceError> {
        let Some(order) = &self.order else { return Ok((self.job(None), None)) };
        let gap = &self.gap;
        if self.freezes {
            let sql = key_sql(&self.schema, order, gap, "DESC", 0);
            let Some(max) = first_key(conn, &self.schema, order, &sql).await? else {
                return Ok((self.job(Some(gap.clone())), None));
            };
            let rest = KeyRange { after: gap.after.clone(), through: Some(max.clone()) };
            return Ok((self.job(Some(KeyRange { after: Some(max), through: None })), Some(rest)));
        }
        if let (true, Some(through)) = (density::counts(order), &gap.through) {
            let least;
            let from = match &gap.after {
                Some(after) => after,
                None => {
                    let sql = key_sql(&self.schema, order, gap, "ASC", 0);
                    let Some(key) = first_key(conn, &self.schema, order, &sql).await? else {
                        return Ok((self.job(Some(gap.clone())), None));
                    };
                    least = key;
                    &least
                }
            };
            let guess = self.density.end(order, from, self.rows).filter(|end| end < through);
            let (job, rest) = self.upto(guess);
            return Ok((Job { guessed: true, ..job }, rest));
        }
        let sql = key_sql(&self.schema, order, gap, "ASC", self.rows.saturating_sub(1));
        let end = first_key(conn, &self.schema, order, &sql).await?;
        Ok(self.upto(end.filter(|end| gap.through.as_ref().is_none_or(|t| end < t))))
    }

    /// The gap's lower part, up to `end`, and the rest of it; or the whole.
    fn upto(&self, end: Option<KeyBound>) -> (Job, Option<KeyRange>) {
        let gap = self.gap.clone();
        let Some(end) = end else { return (self.job(Some(gap)), None) };
        let rest = KeyRange { after: Some(end.clone()), through: gap.through };
        (self.job(Some(KeyRange { after: gap.after, through: Some(end) })), Some(rest))
    }
}

async fn first_key(
    conn: &mut QueryConn,
    schema: &TableSchema,
    order: &KeyOrder,
    sql: &str,
) -> Result<Option<KeyBound>, SourceError> {
    let failed = |e| SourceError::chunk("plan the chunks of", &schema.name, e);
    let mut select = conn.select(sql).await.map_err(failed)?;
    let Some(rows) = select.next().await.map_err(failed)? else { return Ok(None) };
    let bound = rows::planned_bound(schema, order, &select, &rows);
    select.finish().await.map_err(failed)?;
    bound.map(Some).map_err(|source| SourceError::Value { table: schema.name.clone(), source })
}

/// Key columns and weights of the row `offset` places from the start (or end) of `range`.
fn key_sql(
    schema: &TableSchema,
    order: &KeyOrder,
    range: &KeyRange,
    direction: &str,
    offset: u64,
) -> String {
    let mut columns: Vec<String> =
        schema.key_columns().map(|c| model::table::quote(&c.name)).collect();
    columns.extend(order.weight_expressions());
    let sort: Vec<String> =
        order.expressions().into_iter().map(|e| format!("{e} {direction}")).collect();
    format!(
        "SELECT {} FROM {} FORCE INDEX ({}){} ORDER BY {} LIMIT 1 OFFSET {offset}",
        columns.join(", "),
        schema.name.quoted(),
        model::table::quote(&schema.key_index),
        where_sql(order, range),
        sort.join(", "),
    )
}

/// ` WHERE …` for the keys of a range; empty where it is everything.
pub fn where_sql(order: &KeyOrder, range: &KeyRange) -> String {
    let expressions = order.expressions();
    let mut conditions = Vec::new();
    if let Some(after) = &range.after {
        conditions.push(compare(&expressions, &literals(order, after), ">", ">"));
    }
    if let Some(through) = &range.through {
        conditions.push(compare(&expressions, &literals(order, through), "<", "<="));
    }
    if conditions.is_empty() {
        return String::new();
    }
    format!(" WHERE {}", conditions.join(" AND "))
}

fn literals(order: &KeyOrder, bound: &KeyBound) -> Vec<String> {
    let mut cells: Vec<Cell<'_>> = Vec::new();
    // Packed by us and verified when it was stored: it decodes.
    let _ = PackedCodec.decode(&bound.key, &mut cells);
    order.literals(&cells)
}

/// A whole-tuple comparison, spelled out: MySQL uses an index range for this form, and not for the
/// row constructor `(a, b) > (x, y)` (manual, "Range Optimization of Row Constructor Expressions").
fn compare(expressions: &[String], literals: &[String], strict: &str, last: &str) -> String {
    let mut alternatives = Vec::new();
    let mut equal = String::new();
    for (n, (e, l)) in expressions.iter().zip(literals).enumerate() {
        let op = if n + 1 == expressions.len() { last } else { strict };
        alternatives.push(format!("({equal}{e} {op} {l})"));
        equal.push_str(&format!("{e} = {l} AND "));
    }
    match (expressions, literals, alternatives.as_slice()) {
        (_, _, [only]) => only.clone(),
        ([e, ..], [l, ..], _) => {
            // The bound on the first column is what the index range starts from.
            let outer = strict.trim_end_matches('=');
            format!("({e} {outer}= {l} AND ({}))", alternatives.join(" OR "))
        }
        _ => alternatives.join(" OR "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(of: &[&str]) -> Vec<String> {
        of.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn composite_bounds_compare_the_whole_tuple() {
        let (e, l) = (strings(&["`a`", "`b`"]), strings(&["1", "2"]));
        assert_eq!(
            compare(&e, &l, ">", ">"),
            "(`a` >= 1 AND ((`a` > 1) OR (`a` = 1 AND `b` > 2)))"
        );
        assert_eq!(
            compare(&e, &l, "<", "<="),
            "(`a` <= 1 AND ((`a` < 1) OR (`a` = 1 AND `b` <= 2)))"
        );
        assert_eq!(compare(&strings(&["`a`"]), &strings(&["1"]), "<", "<="), "(`a` <= 1)");
    }
}

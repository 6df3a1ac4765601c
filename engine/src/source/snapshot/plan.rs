//! Which chunk is read next.
//!
//! A table's gaps are cut lazily, ahead of the readers, at keys that the server picks. The greatest
//! key is frozen first, and the open range above it is the first chunk: it is nearly empty, and live
//! from then on, so rows appended while the snapshot runs are streamed and never make a last chunk
//! grow without bound.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{Cell, KeyBound, KeyRange, PackedCodec, RowCodec, TableName, TableSchema};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::rows;
use crate::pipeline::CHUNK_BYTES_TARGET;
use crate::source::SourceError;
use crate::source::order::KeyOrder;

/// Names one plan of a table. A table whose key or name changes is planned anew, and chunks of the
/// plan before mean nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanId(pub u64);

/// A chunk to read.
#[derive(Debug, Clone)]
pub struct Job {
    pub table: TableName,
    /// Which plan of the table it belongs to.
    pub plan: PlanId,
    /// Rows that the range was cut to hold.
    pub rows: u64,
    /// `None`: the table has no key that we can order, and is read in one pass.
    pub range: Option<KeyRange>,
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
}

impl PlannedTable {
    /// `gaps` in order; `row_bytes` is the server's estimate, 0 where it has none.
    pub fn new(
        id: PlanId,
        schema: Arc<TableSchema>,
        order: Option<Arc<KeyOrder>>,
        gaps: Vec<KeyRange>,
        row_bytes: u64,
        chunk_rows_max: u64,
    ) -> Self {
        let frozen = gaps.last().is_none_or(|g| g.through.is_some());
        let fit = CHUNK_BYTES_TARGET / row_bytes.max(1);
        let chunk_rows = fit.clamp(1, chunk_rows_max.max(1));
        Self { id, schema, order, gaps: gaps.into(), frozen, chunk_rows }
    }
}

/// The tables still to be read, in the order of their names.
#[derive(Debug, Default)]
pub struct Planner {
    tables: VecDeque<PlannedTable>,
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
    }

    /// Takes a chunk back that was not read, or not to its end. `schema`: as it is now.
    pub fn give_back(
        &mut self,
        id: PlanId,
        schema: &Arc<TableSchema>,
        order: Option<&Arc<KeyOrder>>,
        range: Option<KeyRange>,
        chunk_rows: u64,
    ) {
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

    /// The next chunk, or `None` while there is nothing to read.
    ///
    /// # Errors
    /// The planning query failed; nothing is lost, call again.
    pub async fn next(&mut self, conn: &mut Conn) -> Result<Option<Job>, SourceError> {
        let Some(table) = self.tables.front_mut() else { return Ok(None) };
        let (name, plan, rows) = (table.schema.name.clone(), table.id, table.chunk_rows);
        let range = match table.order.clone() {
            None => {
                table.gaps.clear();
                None
            }
            Some(order) => Some(cut(table, &order, conn).await?),
        };
        if table.gaps.is_empty() {
            self.tables.pop_front();
        }
        Ok(Some(Job { table: name, plan, rows, range }))
    }
}

async fn cut(
    table: &mut PlannedTable,
    order: &KeyOrder,
    conn: &mut Conn,
) -> Result<KeyRange, SourceError> {
    if !table.frozen
        && let Some(open) = freeze(table, order, conn).await?
    {
        return Ok(open);
    }
    let Some(gap) = table.gaps.pop_front() else { return Ok(KeyRange::ALL) };
    let offset = table.chunk_rows.saturating_sub(1);
    let sql = key_sql(&table.schema, order, &gap, "ASC", offset);
    match first_key(conn, &table.schema, order, &sql).await {
        Ok(Some(key)) if gap.through.as_ref().is_none_or(|t| key < *t) => {
            let rest = KeyRange { after: Some(key.clone()), through: gap.through };
            table.gaps.push_front(rest);
            Ok(KeyRange { after: gap.after, through: Some(key) })
        }
        Ok(_) => Ok(gap),
        Err(error) => {
            table.gaps.push_front(gap);
            Err(error)
        }
    }
}

/// Fixes the greatest key, and takes the open range above it as the first chunk. `None`: the last
/// gap has become the only chunk, for there are no rows.
async fn freeze(
    table: &mut PlannedTable,
    order: &KeyOrder,
    conn: &mut Conn,
) -> Result<Option<KeyRange>, SourceError> {
    let Some(open) = table.gaps.back().cloned() else { return Ok(None) };
    let sql = key_sql(&table.schema, order, &open, "DESC", 0);
    let max = first_key(conn, &table.schema, order, &sql).await?;
    table.frozen = true;
    table.gaps.pop_back();
    let Some(max) = max else { return Ok(Some(open)) };
    table.gaps.push_back(KeyRange { after: open.after, through: Some(max.clone()) });
    Ok(Some(KeyRange { after: Some(max), through: None }))
}

async fn first_key(
    conn: &mut Conn,
    schema: &TableSchema,
    order: &KeyOrder,
    sql: &str,
) -> Result<Option<KeyBound>, SourceError> {
    let what = || format!("plan the chunks of {}", schema.name);
    let row: Option<Row> =
        conn.exec_first(sql, ()).await.map_err(|e| SourceError::query(&what(), e))?;
    let Some(row) = row else { return Ok(None) };
    rows::planned_bound(schema, order, &row)
        .map(Some)
        .map_err(|source| SourceError::Value { table: schema.name.clone(), source })
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

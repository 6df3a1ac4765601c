//! The source's side: the server that the job's positions are of, and rows of its tables.
//!
//! Rows are read as a snapshot's readers do, chunk by chunk and by the same plan, in plain SELECTs: no
//! lock, no transaction. That a SELECT may see more or less than the position of the moment does no harm
//! here: what decides is settled by key ([`super::settle`]), where the position is taken after the read.

use std::collections::HashMap;
use std::sync::Arc;

use binlog::query::QueryConn;
use binlog::server::{Server, SourceOptions, connect};
use job::JobSpec;
use model::row::RowError;
use model::{
    Cell, KeyRange, PackedCodec, RowCodec, TableName, TableSchema, Watermark, table::quote,
};
use sinks::readback::{Key, Row, View};

use super::VerifyError;
use super::pace::Pace;
use crate::source::SourceError;
use crate::source::catalog::CatalogTable;
use crate::source::merge::ChunkRows;
use crate::source::open::source_options;
use crate::source::order::KeyOrder;
use crate::source::snapshot::plan::{PlanId, PlannedTable, Planner};
use crate::source::snapshot::rows::{Most, RowsWriter};
use crate::source::snapshot::{select, select_sql};

/// Keys in one query.
pub(super) const KEYS_PER_QUERY: usize = 200;

/// The server that the job reads.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) options: SourceOptions,
    pub(super) server: Arc<Server>,
}

impl Origin {
    /// The host of the job's that is this server; the first that can be reached, where `identity` says
    /// none.
    ///
    /// # Errors
    /// None of them is.
    pub(super) async fn find(job: &JobSpec, identity: &str) -> Result<Self, VerifyError> {
        let mut found = Vec::new();
        for host in &job.source.hosts {
            let options = source_options(&job.name, &job.source, host);
            let probed = async {
                let mut conn = connect(&options).await?;
                Server::probe(&mut conn).await
            };
            match probed.await {
                Ok(server) if identity.is_empty() || server.identity == identity => {
                    return Ok(Self { options, server: Arc::new(server) });
                }
                Ok(server) => found.push(format!("{host} is {}", server.identity)),
                Err(error) => found.push(format!("{host}: {}", crate::error::chain(&error))),
            }
        }
        let (wanted, found) = (identity.to_owned(), found.join("; "));
        Err(VerifyError::Elsewhere { wanted, found })
    }

    /// # Errors
    /// The server cannot be reached, or is another one by now.
    pub(super) async fn connect(&self) -> Result<QueryConn, VerifyError> {
        let mut conn = QueryConn::connect(&self.options).await?;
        if self.server.is_behind(&mut conn).await? { Ok(conn) } else { Err(VerifyError::Moved) }
    }

    /// Behind everything that has been read on any connection so far.
    ///
    /// # Errors
    /// The server does not tell.
    pub(super) async fn end(&self, conn: &mut QueryConn) -> Result<Watermark, VerifyError> {
        Ok(Watermark::Binlog(self.server.binlog_end(conn).await?))
    }
}

/// Chunk by chunk through one table.
pub(super) struct Walk {
    schema: Arc<TableSchema>,
    order: Arc<KeyOrder>,
    planner: Planner,
}

/// What was read of a table.
pub(super) struct Read {
    pub(super) range: KeyRange,
    pub(super) rows: ChunkRows,
}

impl Walk {
    pub(super) fn new(table: &CatalogTable, order: Arc<KeyOrder>) -> Self {
        let mut planner = Planner::default();
        let schema = Arc::clone(&table.schema);
        let (all, bytes) = (vec![KeyRange::ALL], table.row_bytes_estimate);
        planner.add(PlannedTable::new(
            PlanId::default(),
            Arc::clone(&schema),
            Some(Arc::clone(&order)),
            all,
            bytes,
            None,
        ));
        Self { schema, order, planner }
    }

    /// The next chunk; `None` behind the last.
    ///
    /// # Errors
    /// The server refuses to read it.
    pub(super) async fn next(&mut self, conn: &mut QueryConn) -> Result<Option<Read>, VerifyError> {
        let Some(cut) = self.planner.take() else { return Ok(None) };
        let (job, rest) = cut.run(conn).await?;
        self.planner.settle(&cut, rest);
        let whole = job.range.clone().unwrap_or(KeyRange::ALL);
        let limit = job.guessed.then_some(job.rows);
        let sql = select_sql(&self.schema, Some((&*self.order, &whole)), limit, "");
        let (rows, last) = select(conn, &self.schema, &self.order, &sql, limit).await?;
        let through = last.clone().or_else(|| whole.through.clone());
        let range = KeyRange { after: whole.after, through };
        if job.guessed {
            self.planner.learn(job.plan, &self.order, &range, rows.rows);
        }
        let rest = KeyRange { after: last.clone(), through: whole.through };
        if last.is_some() && !rest.is_empty() {
            let order = Some(&self.order);
            self.planner.give_back(&job, &self.schema, order, Some(rest), rows.rows);
        }
        self.planner.grow(job.plan);
        Ok(Some(Read { range, rows }))
    }
}

/// A bound of the source's as a key of the target.
pub(super) fn bound_key(
    view: &View,
    schema: &TableSchema,
    bound: Option<&model::KeyBound>,
) -> Result<Option<Key>, RowError> {
    let Some(bound) = bound else { return Ok(None) };
    let mut key = Vec::new();
    PackedCodec.decode(&bound.key, &mut key)?;
    let mut row = vec![Cell::Null; schema.columns.len()];
    for (at, cell) in schema.key.iter().zip(key) {
        if let Some(slot) = row.get_mut(*at) {
            *slot = cell;
        }
    }
    view.key_of(0, &row).map(Some)
}

/// What the sink would load for each of these rows.
pub(super) fn each(
    view: &View,
    source: usize,
    rows: &ChunkRows,
    mut take: impl FnMut(Row),
) -> Result<(), RowError> {
    for segment in &rows.segments {
        let mut rest: &[u8] = segment;
        while !rest.is_empty() {
            let mut cells = Vec::new();
            let length = rows.codec.decode(rest, &mut cells)?;
            take(view.row(source, &cells)?);
            drop(cells);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    Ok(())
}

/// The rows of one source with these keys of the target, by key. At most [`KEYS_PER_QUERY`] keys.
pub(super) async fn by_keys(
    conn: &mut QueryConn,
    view: &View,
    (source, schema, order): (usize, &TableSchema, &KeyOrder),
    keys: &[&[u8]],
    found: &mut HashMap<Key, Vec<Row>>,
) -> Result<u64, VerifyError> {
    let expressions = order.expressions();
    let one = |key: &Vec<Cell<'_>>| {
        let literals = order.literals(key);
        let parts = expressions.iter().zip(literals);
        let equals: Vec<String> = parts.map(|(e, literal)| format!("{e} = {literal}")).collect();
        format!("({})", equals.join(" AND "))
    };
    let wanted: Vec<String> = keys
        .iter()
        .flat_map(|key| view.source_keys(source, key).iter().map(one).collect::<Vec<_>>())
        .collect();
    if wanted.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "SELECT {} FROM {} WHERE {}",
        columns(schema),
        schema.name.quoted(),
        wanted.join(" OR ")
    );
    let mut count = 0;
    // A collation may find more than was asked for; what a key of the target means is its bytes.
    stream(conn, schema, &sql, None, |rows| {
        count += rows.rows;
        Ok(each(view, source, &rows, |row| {
            if keys.contains(&row.key()) {
                found.entry(row.key().into()).or_default().push(row);
            }
        })?)
    })
    .await?;
    Ok(count)
}

/// All rows of a table as they come, a piece at a time.
pub(super) async fn all(
    conn: &mut QueryConn,
    schema: &TableSchema,
    pace: &Pace,
    take: impl FnMut(ChunkRows) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let sql = format!("SELECT {} FROM {}", columns(schema), schema.name.quoted());
    stream(conn, schema, &sql, Some(pace), take).await
}

fn columns(schema: &TableSchema) -> String {
    let names: Vec<String> = schema.columns.iter().map(|column| quote(&column.name)).collect();
    names.join(", ")
}

async fn stream(
    conn: &mut QueryConn,
    schema: &TableSchema,
    sql: &str,
    pace: Option<&Pace>,
    mut take: impl FnMut(ChunkRows) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let name: &TableName = &schema.name;
    let failed = |e| SourceError::chunk("read rows of", name, e);
    let bad = |source| SourceError::Value { table: name.clone(), source };
    let mut result = conn.select(sql).await.map_err(failed)?;
    let mut writer = RowsWriter::new(schema, None, &result, Most::ALL).map_err(bad)?;
    while let Some(rows) = result.next().await.map_err(failed)? {
        writer.push(&rows, &mut result).map_err(bad)?;
        if writer.bytes() >= crate::pipeline::SEGMENT_BYTES {
            let rows = writer.take();
            let count = rows.rows;
            take(rows)?;
            if let Some(pace) = pace {
                pace.read(count).await;
            }
        }
    }
    result.finish().await.map_err(failed)?;
    take(writer.take())
}

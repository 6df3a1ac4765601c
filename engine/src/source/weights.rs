//! Order bytes of keys whose collation only the server knows.

use std::collections::HashMap;

use binlog::server::{SourceOptions, connect};
use model::{Cell, PackedRow};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::SourceError;
use super::order::KeyOrder;

/// Keys remembered before the cache is emptied: hot rows change again and again.
const CACHED_KEYS_MAX: usize = 16_384;
/// Expressions in one query.
const EXPRESSIONS_MAX: usize = 512;

/// Asks the source for `WEIGHT_STRING`s, many at a time.
#[derive(Debug)]
pub struct Weights {
    options: SourceOptions,
    conn: Option<Conn>,
    /// Order bytes by table and packed key.
    cache: HashMap<(String, Vec<u8>), Vec<u8>>,
}

impl Weights {
    pub fn new(options: SourceOptions) -> Self {
        Self { options, conn: None, cache: HashMap::new() }
    }

    /// A table's collation may have changed.
    pub fn forget(&mut self) {
        self.cache.clear();
    }

    /// The order bytes of each row's key.
    pub async fn orders(
        &mut self,
        table: &str,
        order: &KeyOrder,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<Vec<Vec<u8>>, SourceError> {
        let keys: Vec<Vec<u8>> = rows.iter().map(|row| packed(&order.pick(row))).collect();
        let mut missing: Vec<usize> = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            if !self.cache.contains_key(&(table.to_owned(), key.clone())) {
                missing.push(n);
            }
        }
        let mut fresh: HashMap<usize, Vec<u8>> = HashMap::new();
        let per_key = order.weight_expressions().len().max(1);
        for group in missing.chunks((EXPRESSIONS_MAX / per_key).max(1)) {
            self.ask(table, order, rows, group, &mut fresh).await?;
        }
        if self.cache.len() + fresh.len() > CACHED_KEYS_MAX {
            self.cache.clear();
        }
        let mut all = Vec::with_capacity(keys.len());
        for (n, key) in keys.into_iter().enumerate() {
            let cached = (table.to_owned(), key);
            match fresh.remove(&n) {
                Some(bytes) => {
                    self.cache.insert(cached, bytes.clone());
                    all.push(bytes);
                }
                None => match self.cache.get(&cached) {
                    Some(bytes) => all.push(bytes.clone()),
                    // Emptied just now: one key by itself.
                    None => {
                        let mut one = HashMap::new();
                        self.ask(table, order, rows, &[n], &mut one).await?;
                        all.push(one.remove(&n).unwrap_or_default());
                    }
                },
            }
        }
        Ok(all)
    }

    async fn ask(
        &mut self,
        table: &str,
        order: &KeyOrder,
        rows: &[Vec<Cell<'_>>],
        group: &[usize],
        fresh: &mut HashMap<usize, Vec<u8>>,
    ) -> Result<(), SourceError> {
        let picked: Vec<(usize, Vec<&Cell<'_>>)> =
            group.iter().filter_map(|&n| rows.get(n).map(|row| (n, order.pick(row)))).collect();
        let expressions: Vec<String> =
            picked.iter().flat_map(|(_, key)| order.weight_literals(key)).collect();
        let row = self.query(&format!("SELECT {}", expressions.join(", "))).await?;
        // A weight that is missing ends the list, so that no key gets another key's.
        let mut weights = (0..row.len()).map_while(|n| match row.as_ref(n) {
            Some(Value::Bytes(bytes)) => Some(bytes.clone()),
            _ => None,
        });
        for (n, key) in picked {
            let bytes = order.encode(&key, weights.by_ref()).map_err(|source| {
                SourceError::Merge(super::merge::MergeError::Order {
                    table: table.to_owned(),
                    source,
                })
            })?;
            fresh.insert(n, bytes);
        }
        Ok(())
    }

    /// One row, with one new connection where the old one broke.
    async fn query(&mut self, sql: &str) -> Result<Row, SourceError> {
        let failed = |e| SourceError::query("ask the server for the order of keys", e);
        if let Some(conn) = &mut self.conn
            && let Ok(Some(row)) = conn.query_first(sql).await
        {
            return Ok(row);
        }
        self.conn = None;
        let mut conn = connect(&self.options).await?;
        let row = conn.query_first(sql).await.map_err(failed)?;
        self.conn = Some(conn);
        row.ok_or(SourceError::Stopped)
    }
}

fn packed(key: &[&Cell<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PackedRow::begin(&mut bytes, key.len());
    key.iter().for_each(|cell| PackedRow::push(&mut bytes, cell));
    bytes
}

//! From pieces to staged rows: what a backend does at the end of a load, and of a transaction of several.

use std::collections::BTreeMap;
use std::future::pending;

use crate::System;
use crate::cluster::{Body, Counted, Piece, Rows, State};
use crate::ingest::{Ingested, Row, count, ingest};
use crate::reply::Counts;
use crate::store::StoreError;
use crate::table::{Table, TableName};
use crate::txn::{Backend, Refusal, TxnId};

use super::site::backend_authority;

/// What pieces came to.
#[derive(Debug)]
pub(super) struct Digest {
    rows: Vec<Read>,
    pub(super) counts: Counts,
    log: Vec<String>,
    pub(super) verdict: Result<(), Refusal>,
}

#[derive(Debug)]
struct Read {
    name: TableName,
    table: Table,
    /// None where they are counted.
    rows: Vec<Row>,
    counted: Counted,
}

/// Reads pieces as rows, or counts these. Those of one table are one stream, a line may begin in one and end in
/// the next, unless they were counted as they came.
pub(super) fn digest(
    (system, rows): (System, Rows),
    pieces: Vec<Piece>,
    tables: &BTreeMap<TableName, Table>,
) -> Digest {
    let mut streams: Vec<Piece> = Vec::new();
    for piece in pieces {
        let begun = streams.iter_mut().rfind(|stream| stream.table == piece.table);
        match (begun.map(|stream| &mut stream.body), &piece.body) {
            (Some(Body::Kept(bytes)), Body::Kept(more)) => bytes.extend_from_slice(more),
            _ => streams.push(piece),
        }
    }
    let mut digest =
        Digest { rows: Vec::new(), counts: Counts::default(), log: Vec::new(), verdict: Ok(()) };
    for stream in streams {
        if let Err(refusal) = digest.take((system, rows), stream, tables) {
            digest.verdict = Err(refusal);
            digest.counts.loaded = 0;
            break;
        }
    }
    digest
}

impl Digest {
    fn take(
        &mut self,
        (system, rows): (System, Rows),
        stream: Piece,
        tables: &BTreeMap<TableName, Table>,
    ) -> Result<(), Refusal> {
        let dropped =
            || Refusal::new("INTERNAL_ERROR", format!("unknown table {}", stream.table.table));
        let table = tables.get(&stream.table).ok_or_else(dropped)?;
        let ingested = match (&stream.body, rows) {
            (Body::Kept(bytes), Rows::Kept) => ingest(system, table, &stream.options, bytes)?,
            (Body::Kept(bytes), Rows::Counted) => count(system, &stream.options, bytes)?,
            (Body::Counted(tally), _) => Ingested { total: tally.rows()?, ..Ingested::default() },
        };
        let counts = Counts::of(&ingested, stream.body.length(), true);
        self.counts.total += counts.total;
        self.counts.loaded += counts.loaded;
        self.counts.filtered += counts.filtered;
        self.counts.bytes += counts.bytes;
        let verdict = ingested.judge(stream.options.max_filter_ratio);
        self.log.extend(ingested.log);
        self.rows.push(Read {
            name: stream.table,
            table: table.clone(),
            rows: ingested.rows,
            counted: Counted { loads: 1, rows: counts.loaded, bytes: counts.bytes },
        });
        verdict
    }

    pub(super) fn stage(&self, state: &mut State, txn: TxnId) -> Result<(), StoreError> {
        for Read { name, table, rows, counted } in &self.rows {
            state.stage(txn, name, table, rows, *counted)?;
        }
        Ok(())
    }

    /// Keeps the error log, if there is one, and says where it can be fetched.
    pub(super) fn keep_log(&self, state: &mut State, txn: TxnId, at: Backend) -> Option<String> {
        if self.log.is_empty() {
            return None;
        }
        let file = format!("error_log_{:x}_{:x}", at.0, txn.0);
        state.error_logs.put(&file, &self.log);
        let authority = backend_authority(state, at);
        Some(format!("http://{authority}/api/_load_error_log?file={file}"))
    }
}

/// Runs what takes a processor for a while where it holds up no other connection.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this with it.
            Err(_) => pending().await,
        },
    }
}

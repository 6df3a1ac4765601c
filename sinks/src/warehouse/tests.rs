//! The sinks against the stand-in, from rows to what a query sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::change::SchemaChange;
use model::conformance::sink::{FarSide, Guarantee, Visibility, keeps_its_promises};
use model::{Batch, Cell, Item, RowsKind, Sink, SinkError, TableSchema};
use warehouse::cluster::{Cluster, Setup};
use warehouse::{http, sql};

use super::System;
use crate::testing::{barrier, batch, column, context, int, origin, rows, table};

mod changes;
mod recovery;
mod renames;

/// A cluster and its ports.
pub(super) struct Far {
    system: System,
    pub(super) cluster: Cluster,
    ports: Option<(http::Server, sql::Server)>,
    /// Of its next sinks.
    pub(super) watcher: crate::Watcher,
}

impl Far {
    pub(super) fn new(system: System) -> Self {
        let stand_in = match system {
            System::Doris => warehouse::System::Doris,
            System::StarRocks => warehouse::System::StarRocks,
        };
        let cluster = Cluster::open(&Setup::new(stand_in)).unwrap();
        Self { system, cluster, ports: None, watcher: crate::Watcher::default() }
    }

    /// A sink over it, with further options.
    pub(super) async fn sink(&mut self, further: &[(&str, &str)]) -> Box<dyn Sink> {
        if self.ports.is_none() {
            let http = http::Server::start(&self.cluster, &http::Listen::default()).await.unwrap();
            let sql = sql::Server::start(&self.cluster, &sql::Listen::default()).await.unwrap();
            self.ports = Some((http, sql));
        }
        let (http, sql) = self.ports.as_ref().unwrap();
        let fe = match self.system {
            System::Doris => "fenodes",
            System::StarRocks => "load-url",
        };
        let given = [
            (fe, http.frontends[0].to_string()),
            ("jdbc-url", format!("jdbc:mysql://{}", sql.frontends[0])),
            ("username", "root".to_owned()),
            ("table.create.properties.replication_num", "1".to_owned()),
        ];
        let mut options: BTreeMap<String, String> =
            given.map(|(name, value)| (name.to_owned(), value)).into();
        options.extend(further.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let context = crate::SinkContext { watcher: self.watcher.clone(), ..context() };
        crate::open(self.system.connector(), &options, context).unwrap()
    }

    /// What a query answers, each row's cells joined.
    pub(super) fn query(&self, sql: &str) -> Vec<String> {
        let rows = self.cluster.update(|state| {
            let mut select = state.store.connection().prepare(sql).unwrap();
            let columns = select.column_count();
            let rows = select.query_map([], |row| {
                let cell = |at| {
                    row.get_ref(at).map(|cell| match cell.as_str_or_null() {
                        Ok(text) => text.unwrap_or("NULL").to_owned(),
                        Err(_) => cell.as_i64().map(|n| n.to_string()).unwrap_or_default(),
                    })
                };
                (0..columns).map(cell).collect::<Result<Vec<_>, _>>()
            });
            rows.unwrap().map(|row| row.unwrap().join("|")).collect()
        });
        rows.unwrap()
    }

    pub(super) fn has_table(&self, db: &str, table: &str) -> bool {
        let name = warehouse::table::TableName::new(db, table);
        self.cluster.update(|state| state.table(&name).is_some()).unwrap()
    }
}

#[async_trait]
impl FarSide for Far {
    fn visibility(&self) -> Visibility {
        Visibility::OnCommit
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    async fn open(&mut self) -> Box<dyn Sink> {
        self.sink(&[]).await
    }

    async fn visible(&mut self) -> Vec<i64> {
        if !self.has_table("shop", "items") {
            return Vec::new();
        }
        let ids = self.query("SELECT id FROM \"shop.items\"");
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }
}

#[tokio::test]
async fn the_doris_sink_keeps_its_promises() {
    keeps_its_promises(|| Far::new(System::Doris)).await;
}

#[tokio::test]
async fn the_starrocks_sink_keeps_its_promises() {
    keeps_its_promises(|| Far::new(System::StarRocks)).await;
}

/// Where the next block ends in the binlog.
static PLACE: AtomicU64 = AtomicU64::new(4096);

/// `shop.t (id, n)`.
pub(super) fn pairs() -> Arc<TableSchema> {
    table(vec![column("id", "bigint", int()), column("n", "bigint", int())])
}

pub(super) fn keyless() -> Arc<TableSchema> {
    Arc::new(TableSchema { key: Vec::new(), ..TableSchema::clone(&pairs()) })
}

/// A block of rows `(id, n)`; for an update, images before and after in turn.
pub(super) fn block(table: &Arc<TableSchema>, kind: RowsKind, cells: &[(i64, i64)]) -> Item {
    let cells: Vec<_> = cells.iter().map(|(id, n)| [Cell::Int(*id), Cell::Int(*n)]).collect();
    let cells: Vec<&[Cell<'_>]> = cells.iter().map(|row| &row[..]).collect();
    match rows(table, kind, &cells) {
        Item::Rows(mut block) => {
            block.origin.pos = PLACE.fetch_add(1, Ordering::Relaxed);
            Item::Rows(block)
        }
        other @ Item::Schema(_) => other,
    }
}

pub(super) fn change(after: Option<Arc<TableSchema>>) -> SchemaChange {
    SchemaChange {
        table: model::TableName::new("shop", "t"),
        sql: "ALTER".into(),
        after,
        starts_over: false,
        truncated: false,
        renamed: Vec::new(),
        filled: Vec::new(),
        renamed_from: None,
        origin: origin(RowsKind::Insert),
    }
}

pub(super) fn one(item: Item) -> Arc<Batch> {
    batch(vec![item])
}

pub(super) async fn begin(
    sink: &mut Box<dyn Sink>,
    tables: &[Arc<TableSchema>],
) -> Result<(), SinkError> {
    begin_behind(sink, tables, Vec::new()).await
}

/// A run that begins behind changes which nobody has told the sink.
pub(super) async fn begin_behind(
    sink: &mut Box<dyn Sink>,
    tables: &[Arc<TableSchema>],
    untold: Vec<SchemaChange>,
) -> Result<(), SinkError> {
    let mut source = model::checkpoint::SourceState::clone(&barrier(1).source);
    source.server.identity = "a".to_owned();
    source.tables = tables
        .iter()
        .map(|schema| model::checkpoint::TableState {
            schema: Arc::clone(schema),
            phase: model::checkpoint::TablePhase::Live,
            unproven: None,
        })
        .collect();
    source.untold = untold;
    sink.begin(&source).await
}

/// Everything written before becomes visible.
pub(super) async fn checkpoint(sink: &mut Box<dyn Sink>, id: u64) {
    let token = sink.prepare(&barrier(id)).await.unwrap();
    sink.commit(&token).await.unwrap();
}

pub(super) const ALL: &str = "SELECT id, n FROM \"shop.t\" ORDER BY id, n";

#[tokio::test]
async fn changes_of_every_kind_end_in_the_rows_of_the_source() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        sink.write(batch(vec![
            block(&t, RowsKind::Read, &[(1, 10), (2, 20), (3, 30)]),
            block(&t, RowsKind::Insert, &[(4, 40), (5, 50)]),
            block(&t, RowsKind::Update, &[(1, 10), (1, 11), (1, 11), (1, 12)]),
            block(&t, RowsKind::Delete, &[(2, 20)]),
        ]))
        .await
        .unwrap();
        checkpoint(&mut sink, 1).await;
        assert_eq!(far.query(ALL), ["1|12", "3|30", "4|40", "5|50"], "{system}");
        sink.write(batch(vec![
            // The key changes: the old row goes.
            block(&t, RowsKind::Update, &[(3, 30), (30, 30)]),
            // And comes back, is changed, and goes for good.
            block(&t, RowsKind::Delete, &[(4, 40)]),
            block(&t, RowsKind::Insert, &[(4, 41)]),
            block(&t, RowsKind::Delete, &[(5, 50)]),
            block(&t, RowsKind::Insert, &[(5, 51)]),
            block(&t, RowsKind::Delete, &[(5, 51)]),
        ]))
        .await
        .unwrap();
        checkpoint(&mut sink, 2).await;
        assert_eq!(far.query(ALL), ["1|12", "4|41", "30|30"], "{system}");
    }
}

#[tokio::test]
async fn parts_of_one_checkpoint_are_visible_in_their_order() {
    for system in System::ALL {
        let mut far = Far::new(system);
        // Every write fills a load.
        let mut sink = far.sink(&[("buffer-flush.max-rows", "1")]).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        for n in 0..10 {
            sink.write(one(block(&t, RowsKind::Update, &[(1, n), (1, n + 1)]))).await.unwrap();
        }
        checkpoint(&mut sink, 1).await;
        assert_eq!(far.query(ALL), ["1|10"], "{system}");
    }
}

#[tokio::test]
async fn without_a_key_rows_are_appended_and_nothing_else_is_taken() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let mut sink = far.sink(&[]).await;
        sink.restore(None).await.unwrap();
        let t = keyless();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1), (1, 1)]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        assert_eq!(far.query(ALL), ["1|1", "1|1"], "{system}");
        let refused = sink.write(one(block(&t, RowsKind::Delete, &[(1, 1)]))).await.unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("shop.t has no key") && told.contains("enable-delete"), "{told}");
    }
}

#[tokio::test]
async fn at_least_once_shows_rows_before_their_checkpoint() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let options = [("enable-2pc", "false"), ("buffer-flush.interval", "0ms")];
        let mut sink = far.sink(&options).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        sink.flush().await.unwrap();
        sink.write(one(block(&t, RowsKind::Update, &[(1, 1), (1, 2)]))).await.unwrap();
        sink.flush().await.unwrap();
        checkpoint(&mut sink, 1).await;
        assert_eq!(far.query(ALL), ["1|2"], "{system}");
    }
}

#[tokio::test]
async fn at_least_once_a_row_waits_for_the_interval_and_no_longer() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let interval = Duration::from_millis(300);
        let options = [("enable-2pc", "false"), ("buffer-flush.interval", "300ms")];
        let mut sink = far.sink(&options).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        assert_eq!(sink.flush_due(), None, "{system}: nothing waits");
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        sink.flush().await.unwrap();
        let wait = sink.flush_due().unwrap();
        assert!(!wait.is_zero() && wait <= interval, "{system}: {wait:?}");
        // Later rows do not put it off.
        tokio::time::sleep(wait / 2).await;
        sink.write(one(block(&t, RowsKind::Insert, &[(2, 2)]))).await.unwrap();
        assert!(sink.flush_due().unwrap() <= wait / 2, "{system}");
        tokio::time::sleep(wait / 2).await;
        sink.flush().await.unwrap();
        while let Some(wait) = sink.flush_due() {
            tokio::time::sleep(wait).await;
            sink.flush().await.unwrap();
        }
        assert_eq!(far.query(ALL), ["1|1", "2|2"], "{system}");
    }
}

#[tokio::test]
async fn at_least_once_a_load_that_fails_is_an_error_though_nothing_comes() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let options = [("enable-2pc", "false"), ("buffer-flush.interval", "0ms")];
        let mut sink = far.sink(&options).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        let name = warehouse::table::TableName::new("shop", "t");
        far.cluster.update(|state| state.drop_table(&name)).unwrap().unwrap();
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        let failed = loop {
            tokio::time::sleep(sink.flush_due().unwrap()).await;
            if let Err(error) = sink.flush().await {
                break error.to_string();
            }
        };
        assert!(failed.contains("shop"), "{system}: {failed}");
    }
}

#[tokio::test]
async fn rows_that_wait_for_their_checkpoint_ask_for_no_flush() {
    let mut far = Far::new(System::Doris);
    let mut sink = far.sink(&[("buffer-flush.interval", "0ms")]).await;
    sink.restore(None).await.unwrap();
    let t = pairs();
    begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
    sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
    assert_eq!(sink.flush_due(), None);
}

#[tokio::test]
async fn deletes_are_left_out_where_the_job_says_so() {
    for system in System::ALL {
        let mut far = Far::new(system);
        let mut sink = far.sink(&[("enable-delete", "false")]).await;
        sink.restore(None).await.unwrap();
        let t = pairs();
        begin(&mut sink, &[Arc::clone(&t)]).await.unwrap();
        sink.write(one(block(&t, RowsKind::Insert, &[(1, 1)]))).await.unwrap();
        sink.write(one(block(&t, RowsKind::Delete, &[(1, 1)]))).await.unwrap();
        checkpoint(&mut sink, 1).await;
        assert_eq!(far.query(ALL), ["1|1"], "{system}");
    }
}
